"""The last comparisons of a visit, and links to them: whose they are, and how long they stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sr_demo.errors import BadInput
from sr_demo.image import Size
from sr_demo.reports.bundle import Comparison
from sr_demo.ui import shared_links
from sr_demo.ui.histories import MOST, Histories, StoredComparison
from sr_demo.ui.languages import texts
from sr_demo.ui.store import Store
from tests.ui.test_stops_and_store import aged, filled

HOUR = 3600


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(max_bytes=3 * 2**20 + 10_000)
    yield store
    shutil.rmtree(store.root)


def run_in(store: Store, title: str = "photo.png: RDN") -> StoredComparison:
    run = StoredComparison(store.new(), title, "<img>", Comparison("photo.png", Size(1, 1), "", (), ()))
    run.write({"table": title})
    return run


def test_the_last_runs_come_back_and_are_the_visitors_alone(store: Store) -> None:
    histories = Histories()
    runs = [run_in(store, str(number)) for number in range(MOST + 1)]
    for run in runs:
        histories.add("me", run, store)
    assert histories.runs("me") == tuple(reversed(runs[1:])) and histories.shown("me") is runs[-1]
    assert histories.bring_back("me", runs[2].id) == {"table": "2"} and histories.shown("me") is runs[2]
    assert histories.runs("you") == () and histories.shown("you") is None
    for session, wanted in (("you", runs[2].id), ("me", runs[0].id), ("me", None), ("me", ["x"]), ("me", "..")):
        with pytest.raises(BadInput, match="no longer kept"):
            histories.bring_back(session, wanted)
    shutil.rmtree(runs[4].folder)
    with pytest.raises(BadInput, match="no longer kept"):
        histories.bring_back("me", runs[4].id)
    assert histories.shown("me") is runs[2], "the page still shows it"


def test_what_is_shown_is_replaced_whole_and_a_damaged_one_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in(store)
    (file,) = run.folder.iterdir()

    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as disk:
        disk.setattr("os.replace", full)
        with pytest.raises(OSError, match="full"):
            run.write({"table": "new"})
    assert run.read() == {"table": "photo.png: RDN"}
    file.write_text('{"table": "half')
    with pytest.raises(BadInput, match="no longer kept"):
        run.read()


def test_the_files_of_a_visit_stay_while_it_lasts_and_go_with_it(store: Store) -> None:
    histories, other = Histories(), store.new()
    runs = [run_in(store) for _ in range(MOST + 1)]
    for run in runs:
        histories.add("me", run, store)
    for folder in (other, *(run.folder for run in runs)):
        aged(folder, 5 * HOUR)
    store.tidy()
    assert [run.folder.exists() for run in runs] == [False] + [True] * MOST and not other.exists()
    gone: list[set[Path]] = []
    store.on_removed = gone.append
    histories.forget("me", store)
    assert not any(run.folder.exists() for run in runs) and len(gone) == MOST
    assert histories.runs("me") == ()
    histories.forget("me", store)


def test_the_files_of_a_run_that_the_page_was_closed_in_go_with_the_visit(store: Store) -> None:
    histories, run = Histories(), run_in(store)
    begun, others = store.new(), store.new()
    for session, folder in (("me", run.folder), ("me", begun), ("me", begun), ("you", others)):
        histories.begin(session, folder)
    histories.add("me", run, store)
    histories.forget("me", store)
    assert not begun.exists() and not run.folder.exists() and others.exists()
    histories.forget("you", store)
    assert not others.exists(), "nothing was finished there"


def test_where_room_is_short_the_files_of_visits_go_last_and_their_button_says_so(store: Store) -> None:
    histories, run = Histories(), run_in(store)
    filled(run.folder, 1, 500)
    histories.add("me", run, store)
    younger = [filled(store.new(), 1, age) for age in (400, 300, 200)]
    store.tidy()
    assert run.folder.exists() and [folder.exists() for folder in younger] == [False, True, True]
    for folder in younger[1:]:
        store.keep(folder)
    filled(store.new(), 1, 100)
    store.tidy()
    assert run.folder.exists(), "of the kept ones none had to go"
    aged(run.folder, 25 * HOUR)
    store.tidy()
    with pytest.raises(BadInput, match="Press Compare"):
        run.read()


def test_a_link_is_deleted_by_who_made_it_alone(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>Results</p>", encoding="utf-8")
    client = TestClient(Starlette(routes=list(shared_links.routes(store))))
    links = shared_links.Links()
    mine, other = (links.make("me", run, store, page) for run in ("run", "other"))
    with pytest.raises(BadInput, match="no longer kept"):
        links.make("me", "removed", store, tmp_path / "removed.html")
    assert links.of("me", "run") == mine and links.of("you", "run") is None
    links.delete("you", "run", store)
    assert client.get(mine.address).status_code == 200
    links.delete("me", "run", store)
    links.delete("me", "run", store)
    assert client.get(mine.address).status_code == 404 and links.of("me", "run") is None
    links.forget("me")
    assert client.get(other.address).status_code == 200, "whoever leaves may have sent it"


def test_a_link_is_deleted_by_its_address_once_that_is_confirmed(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("hello", encoding="utf-8")
    client = TestClient(Starlette(routes=list(shared_links.routes(store))))
    links = shared_links.Links()
    link = links.make("me", "run", store, page)
    for wished, language in (
        ("de-DE,en;q=0.5", "de"),
        ("en-GB,en;q=0.9,fr;q=0.5", "en"),
        ("fr,de", "fr"),
        ("pl", "en"),
    ):
        asked = client.get(link.deletion, headers={"Accept-Language": wished})
        assert f"<button>{texts(language)['share_unlink']}</button>" in asked.text
    assert client.post(link.deletion[:-1] + ("0" if link.deletion[-1] != "0" else "1")).status_code == 404
    assert client.get(link.address).status_code == 200, "neither a look at the address nor a guess deletes anything"
    assert "The link is deleted" in client.post(link.deletion).text
    assert client.get(link.address).status_code == client.get(link.deletion).status_code == 404
    links.refresh("me", "run", store, page)


def test_a_link_opens_its_page_for_a_day_and_nothing_else(store: Store, tmp_path: Path) -> None:
    page, secret = tmp_path / "report.html", store.new()
    page.write_text("<p>Results</p>", encoding="utf-8")
    (secret / "report.html").write_text("another's", encoding="utf-8")
    client = TestClient(Starlette(routes=list(shared_links.routes(store))))
    link = shared_links.make(store, page)
    name = link.address.removeprefix("shared/")
    assert len(name) == 32 and link != shared_links.make(store, page)
    answer = client.get(link.address)
    assert answer.status_code == 200 and answer.text == "<p>Results</p>"
    assert answer.headers["content-disposition"].startswith("inline")
    allowed = answer.headers["content-security-policy"]
    assert "default-src 'none'" in allowed and "script-src 'sha256-" in allowed
    assert "sandbox allow-scripts allow-downloads allow-popups" in allowed and "allow-same-origin" not in allowed
    assert answer.headers["x-content-type-options"] == "nosniff"
    for wrong in ("x" * 32, secret.name, f"..%2f{secret.name}", name[:-1]):
        assert client.get(f"shared/{wrong}").status_code == 404
    aged(store.folder / name, 23 * HOUR)
    store.tidy()
    assert client.get(link.address).status_code == 200
    aged(store.folder / name, 25 * HOUR)
    store.tidy()
    assert client.get(link.address).status_code == 404
