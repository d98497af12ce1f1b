"""Every wrong call is refused with one short sentence, whatever was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.launched import META, Server, called

LONG = "x" * 100_000
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("short_plan")]


def complaint(server: Server, name: str, data: Any) -> str:
    """Return the sentence that a call by name is refused with."""
    text = called(server, name, data)
    said = json.loads(text)
    sentence = said.get("error") or said.get("detail")
    assert isinstance(sentence, str) and len(text) < 1000, text[:2000]
    assert "Something went wrong" not in sentence and "\n" not in sentence
    return sentence


FILE: Any = object()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("upscale", [], "This endpoint takes 3 values (image, approach, options), not 0."),
        ("upscale", [FILE], "This endpoint takes 3 values (image, approach, options), not 1."),
        ("upscale", [FILE, "bicubic", {}, 4], "This endpoint takes 3 values (image, approach, options), not 4."),
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
        ("compare", [FILE, "bicubic", False], "`approaches` must be a list, not the text 'bicubic'."),
        ("compare", [FILE, ["bicubic", 1], False], "`approaches[]` must be a text, not a number."),
        ("compare", [FILE, ["bicubic"] * 2, False], "bicubic is named more than once."),
        ("compare", [FILE, ["bicubic"] * 41, False], "One call compares 40 approaches at most, not 41."),
        ("compare", [FILE, ["bicubic"], None], "`test_against_truth` must be true or false, not null."),
        ("compare", [FILE, ["bicubic"], "yes"], "`test_against_truth` must be true or false, not the text 'yes'."),
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


def test_every_event_of_the_page_answers_nonsense_with_a_sentence(api_server: Server) -> None:
    requests: list[tuple[int, list[Any]]] = []
    for endpoint in api_server.endpoints:
        count = len(endpoint["inputs"])
        if count:
            requests += [(endpoint["id"], data) for data in ([], [LONG] * count, [{"a": [LONG]}] * count)]
    for (number, data), answer in zip(requests, api_server.ask(requests, "nonsense"), strict=True):
        text = json.dumps(answer)
        assert LONG[:200] not in text and "Something went wrong" not in text, (number, str(data)[:80])
        if not answer["success"]:
            sentence = answer["output"]["error"]
            assert isinstance(sentence, str) and sentence, (number, str(data)[:80])
            assert len(text) < 4000


def test_an_example_that_is_not_there(api_server: Server) -> None:
    names = ("take_example",)
    chosen = [e for e in api_server.endpoints if api_server.page.fns[e["id"]].name in names]
    assert len(chosen) >= 2
    for index in (-1, 10**9, "0", None, LONG):
        for endpoint in chosen:
            (answer,) = api_server.ask([(endpoint["id"], api_server.defaults(endpoint))], "examples", {"index": index})
            assert answer["output"]["error"].startswith("There is no example ") and len(answer["output"]["error"]) < 150
