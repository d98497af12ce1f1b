"""Every wrong call is refused with one short sentence, whatever was sent."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.e2e.launched import META, Server, called

LONG = "x" * 100_000
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("short_plan")]


def complaint(api_server: Server, name: str, data: Any) -> str:
    """Return the sentence that a call by name is refused with."""
    text = called(api_server, name, data)
    said = json.loads(text)
    sentence = said.get("error") or said.get("detail")
    assert isinstance(sentence, str) and len(text) < 1000, text[:2000]
    assert "Something went wrong" not in sentence and "\n" not in sentence
    return sentence


FILE: Any = object()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("upscale", [], "This endpoint takes 6 values (image, approach, options, size, output, mask), not 0."),
        ("upscale", [FILE, "bicubic", {}, "", {}, None, 4], "This endpoint takes 6 values (image, approach, options, size"),
        ("upscale", [FILE, "bicubic", {}, 4], "`size` must be a text, not a number."),
        ("upscale", [FILE, "bicubic", {}, "huge"], "'huge' is no size. Write a factor such as 2 or 2.5x, 1920 wide, "),
        ("upscale", [FILE, "bicubic", {}, "9x"], "The scale must be from 1 to 8, not 9."),
        ("upscale", [FILE, "bicubic", {}, "9 wide"], "9 wide is fewer than the picture has (32 x 24 pixels)."),
        ("compare", [FILE, ["bicubic"], True, "2.5x"], "Results can be scored against the original at whole factors only"),
        ("upscale", [FILE, "bicubic", {}, "", "jpeg"], "`output` must be an object of names and values, not the text"),
        ("upscale", [None, "bicubic", {}], "There is no picture: send a file as `image`."),
        ("upscale", [{}, "bicubic", {}], "There is no picture: send a file as `image`."),
        ("upscale", ["photo.png", "bicubic", {}], '`image` must be a file, {"path": the path that its upload returned}, not'),
        ("upscale", [7, "bicubic", {}], "`image` must be a file, "),
        ("upscale", [FILE, None, {}], "`approach` must be a text, not null."),
        ("upscale", [FILE, ["bicubic"], {}], "`approach` must be a text, not a list."),
        ("upscale", [FILE, "bicubic", "{}"], "`options` must be an object of names and values, not the text '{}'."),
        ("upscale", [FILE, "bicubic", []], "`options` must be an object of names and values, not a list."),
        ("upscale", [FILE, "bicubic", {"nix": 1}], "There is no option 'nix' here. It takes no options."),
        ("upscale", [FILE, "bicubic", {LONG: 1}], "There is no option 'xxx"),
        ("upscale", [FILE, "bicubic", {"precision": LONG}], "There is no precision 'xxx"),
        ("upscale", [FILE, "bicubic", {"precision": None}], "There is no precision 'None'"),
        ("upscale", [FILE, LONG, {}], "There is no approach 'xxx"),
        ("upscale", [FILE, "bicubic:" + LONG, {}], "bicubic has no checkpoint 'xxx"),
        ("upscale", [{"path": LONG}, "bicubic", {}], "This file is not among the uploads of this server"),
        ("upscale", [{"path": 3, "meta": META}, "bicubic", {}], "This file is not among the uploads of this server"),
        ("upscale", [{"path": "http://127.0.0.1:1/x.png"}, "bicubic", {}], "The picture could not be fetched from"),
        ("upscale", [FILE, "bicubic", {}, "", {"format": "gif"}], "There is no format 'gif'. There are: png, jpeg,"),
        ("upscale", [FILE, "bicubic", {}, "", {"quality": 50}], "PNG has no quality"),
        ("upscale", [FILE, "bicubic", {}, "", {"nix": 50}], "There is no setting 'nix' of the output."),
        ("upscale", [FILE, "bicubic", {}, "", {"format": [1], "bits": {}}], "There is no format '[1]'."),
        ("compare", [FILE, "bicubic", False], "`approaches` must be a list, not the text 'bicubic'."),
        ("compare", [FILE, ["bicubic", 1], False], "`approaches[]` must be a text, not a number."),
        ("compare", [FILE, ["bicubic"] * 2, False], "bicubic is named more than once."),
        ("compare", [FILE, ["bicubic"] * 41, False], "One call compares 40 approaches at most, not 41."),
        ("compare", [FILE, ["bicubic"], None], "`test_against_truth` must be true or false, not null."),
        ("compare", [FILE, ["bicubic"], "yes"], "`test_against_truth` must be true or false, not the text 'yes'."),
        ("compare", [FILE, ["bicubic"], False, "", {}, "x.png"], "`brought` must be a list of files, each {"),
        ("compare", [FILE, ["bicubic"], False, "", {}, [3]], "`brought[]` must be a file, {"),
        ("compare", [FILE, ["bicubic"], False, "", {}, [{"path": LONG}]], "This file is not among the uploads of this s"),
        ("deploy", [["bicubic"], "{}"], "`budget` must be an object of names and values, not the text '{}'."),
        ("deploy", [["bicubic"], {"nix": 1}], "There is no option 'nix' here."),
        ("deploy", [["bicubic"], {"seconds": LONG}], "Seconds"),
        ("deploy", [["bicubic"], {"seconds": {"a": LONG}}], "Seconds"),
        ("deploy", [["bicubic"], {"hardware": LONG}], ""),
        ("deploy", [[LONG], {}], "There is no approach 'xxx"),
        ("nix", [], "There is no such endpoint: /gradio_api/info lists those that there are."),
        ("upscale", LONG, "The request is not of the form that this address takes: Input should be a valid list"),
        ("upscale", None, "The request is not of the form that this address takes: Input should be a valid list"),
    ],
)  # fmt: skip
def test_a_wrong_call_by_name(api_server: Server, name: str, data: Any, sentence: str) -> None:
    if isinstance(data, list):
        data = [{"path": api_server.upload(), "meta": META} if value is FILE else value for value in data]
    assert complaint(api_server, name, data).startswith(sentence)


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("call/v2/upscale", {"nix": 1}, "nix"),
        ("call/v2/nix", {}, "There is no such endpoint"),
        ("call/v2/upscale", [], "The request is not of the form"),
        ("run/nix", {"data": []}, "There is no such endpoint"),
        ("queue/join", {"data": [], "fn_index": 99_999, "session_hash": "s"}, "There is no such endpoint"),
        ("queue/join", {"data": [], "fn_index": LONG, "session_hash": "s"}, "The request is not of the form"),
        ("queue/join", {"data": []}, "Session hash not found"),
        (f"call/{'x' * 20_000}", {"data": []}, "There is no such endpoint"),
    ],
)
def test_a_wrong_request(api_server: Server, path: str, body: Any, sentence: str) -> None:
    answer = api_server.client.post(f"{api_server.api}/{path}", json=body)
    assert answer.status_code in (400, 404, 422)
    assert sentence in answer.json()["detail"] and len(answer.text) < 400


def test_a_body_that_is_no_json(api_server: Server) -> None:
    for content in (b"", b"{", b"\xff" * 1000, b"[" * 100_000, b'{"data": NaN'):
        answer = api_server.client.post(f"{api_server.api}/call/upscale", content=content)
        assert answer.status_code in (400, 422), content[:10]
        assert isinstance(answer.json()["detail"], str) and len(answer.text) < 400


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


NONSENSE: dict[str, Any] = {
    "a long text": LONG,
    "null": None,
    "an object as a text": "{}",
    "an object": {"a": [LONG]},
    "an update of a component": {"__type__": "update", "value": LONG, "choices": [[LONG, LONG]], "interactive": False},
    "a huge number": 10**400,
    "a large number": 1e308,
    "a negative number": -7,
    "no number": math.nan,
    "no end": math.inf,
    "a bool": True,
    "nested lists": _nested(400),
    "lists": [[LONG], [None, -1], {}],
    "a file without a path": {"meta": META},
    "a file whose path is null": {"path": None, "meta": META},
    "a file in memory": {"path": "", "url": "data:image/png;base64,AAAA", "meta": META},
    "a file at an address": {"path": None, "url": "http://127.0.0.1:1/x.png", "meta": META},
    "a text with a zero": "a\0b",
    "half a letter": "\ud800",
    "a drawing": {"background": None, "layers": [{"path": None}], "composite": None},
}


@pytest.mark.parametrize("what", NONSENSE)
def test_every_event_of_the_page_answers_nonsense_with_a_sentence(api_server: Server, what: str) -> None:
    """All values are nonsense; or one of them, the others as a new page sends them: where that begins no long work."""
    wrong, requests = NONSENSE[what], list[tuple[int, list[Any]]]()
    for endpoint in api_server.endpoints:
        defaults = api_server.defaults(endpoint)
        if count := len(defaults):
            requests.append((endpoint["id"], [wrong] * count))
            turn = list(NONSENSE).index(what) % count
        if count and not endpoint["queue"]:
            requests.append((endpoint["id"], [*defaults[:turn], wrong, *defaults[turn + 1 :]]))
    for (number, data), answer in zip(requests, api_server.ask(requests, f"nonsense {what}"), strict=True):
        assert_spoken(answer, (number, api_server.page.fns[number].name, str(data)[:80]))


def test_every_event_of_the_page_counts_its_values(api_server: Server) -> None:
    requests: list[tuple[int, list[Any]]] = []
    for endpoint in api_server.endpoints:
        defaults = api_server.defaults(endpoint)
        if defaults and api_server.page.fns[endpoint["id"]].api_visibility != "public":  # where last ones are optional
            requests += [(endpoint["id"], []), (endpoint["id"], defaults[:-1])]
        if not endpoint["queue"]:
            requests.append((endpoint["id"], [*defaults, 1]))
    for (number, data), answer in zip(requests, api_server.ask(requests, "counts"), strict=True):
        assert_spoken(answer, (number, api_server.page.fns[number].name, str(data)[:80]))
        if len(data) < len(api_server.page.fns[number].inputs):
            assert answer["output"]["error"].startswith("This endpoint takes "), (number, data)


def assert_spoken(answer: dict[str, Any], which: Any) -> None:
    """What was sent is not repeated at length, and a refusal is one short sentence."""
    text = json.dumps(answer)
    assert LONG[:400] not in text and "Something went wrong" not in text, (which, text[:2000])
    if not answer["success"]:
        sentence = answer["output"]["error"]
        assert isinstance(sentence, str) and sentence.endswith(".") and len(sentence) <= 300, (which, sentence)
        assert len(text) < 4000, which


def test_an_example_that_is_not_there(api_server: Server) -> None:
    names = ("take_example",)
    chosen = [e for e in api_server.endpoints if api_server.page.fns[e["id"]].name in names]
    assert len(chosen) >= 2
    for index in (-1, 10**9, "0", None, LONG):
        for endpoint in chosen:
            (answer,) = api_server.ask([(endpoint["id"], api_server.defaults(endpoint))], "examples", {"index": index})
            assert answer["output"]["error"].startswith("There is no example ") and len(answer["output"]["error"]) < 150


@pytest.mark.parametrize("path", ["call/upscale/nix", "call/nix/nix", "queue/data?session_hash=nix"])
def test_events_of_an_unknown_call_end_and_leave_no_trace_in_the_log(
    api_server: Server, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = api_server.client.get(f"{api_server.api}/{path}")
    assert answer.status_code == 200 and len(answer.text) < 400
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
