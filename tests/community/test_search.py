"""Cards are read as data from strangers; what cannot run here is named with the reason; words find what they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sr_demo.community import addresses, suitability
from sr_demo.community.cards import Card, read_card, read_index
from sr_demo.community.search import Query, find_card, search
from sr_demo.errors import BadInput

INDEX = "https://openmodeldb.info/api/v1/models.json"
MOST = 2**30
SHA = "ab" * 32


def card(identifier: str = "4x-One", *, resource: dict[str, Any] | None = None, **facts: Any) -> Card:
    data = {
        "name": identifier.partition("-")[2], "author": "anna", "license": "MIT", "tags": [], "description": "",
        "architecture": "esrgan", "scale": 4, "inputChannels": 3, "outputChannels": 3,
        "resources": [
            {"type": "pth", "size": 1000, "sha256": SHA, "urls": ["https://host.org/one.pth"]} | (resource or {})
        ],
    }  # fmt: skip
    found = read_card(identifier, data | facts)
    assert found is not None
    return found


def why(one: Card) -> str:
    return suitability.suitability(one, INDEX, MOST).why


def test_what_is_no_card_is_left_out_and_texts_are_one_printable_line() -> None:
    good = dict(card().data)
    content = {
        "4x-Good": good | {"name": "a\x1b[2Jb\n\tc", "author": ["anna", "bert"], "license": None, "tags": ["x", 3]},
        "../evil": good, "no-scale": good | {"scale": "4"}, "no-files": good | {"resources": None}, "nothing": 7,
    }  # fmt: skip
    (found,) = read_index(json.dumps(content).encode())
    assert (found.id, found.name, found.author, found.tags) == ("4x-Good", "a [2Jb c", "anna, bert", ("x",))
    assert found.licence == "no licence stated"
    for broken in (b"", b"[]", b"<html>", b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011 - JSON's errors are among them
            read_index(broken)


@pytest.mark.parametrize(
    ("facts", "resource", "sentence"),
    [
        ({}, {}, ""),
        ({"architecture": "Real-CUGAN"}, {}, ""),
        ({"architecture": "realplksr-dysample"}, {}, ""),
        ({"architecture": "esrgan+"}, {}, ""),
        ({"architecture": "cain"}, {}, "spandrel does not know the architecture cain"),
        ({"architecture": "cain"}, {"type": "onnx", "urls": ["https://host.org/one.onnx"]}, ""),
        ({"inputChannels": 1}, {}, "from 1 to 3 channels"),
        ({"scale": 16}, {}, "enlarges 16 times"),
        ({}, {"type": "bin"}, "no file in a format that can be opened here (it has: .bin)"),
        ({}, {"sha256": None}, "states no sha256"),
        ({}, {"sha256": "123"}, "states no sha256"),
        ({}, {"size": None}, "states no size"),
        ({}, {"size": 10**400}, "states no size"),
        ({}, {"size": 2**31}, "at most 1,074 MB"),
        ({}, {"urls": ["https://mega.nz/file/a#b", "https://www.mediafire.com/file/x/one.pth/file"]},
         "no address leads to the file itself (mega.nz, mediafire.com)"),
        ({}, {"urls": ["https://host.org/one.zip"]}, "no address leads to the file itself"),
        ({"resources": []}, {}, "it has: none"),
    ],
)  # fmt: skip
def test_what_cannot_run_here_is_named_with_the_reason(
    facts: dict[str, Any], resource: dict[str, Any], sentence: str
) -> None:
    found = why(card(resource=resource, **facts))
    assert sentence in found and bool(found) == bool(sentence)


def test_plain_tensors_are_preferred_to_pickled_ones() -> None:
    files = [
        {"type": suffix, "size": 9, "sha256": SHA, "urls": [f"https://host.org/one.{suffix}"]}
        for suffix in ("onnx", "pth", "safetensors")
    ]
    file = suitability.suitability(card(resources=files), INDEX, MOST).file
    assert file is not None and (file.name, file.sources) == (
        "4x-One.safetensors",
        ("https://host.org/one.safetensors",),
    )


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://host.org/a/b.pth?x=1#y", "https://host.org/a/b.pth?x=1"),
        ("https://github.com/a/b/blob/main/c.pth", "https://github.com/a/b/raw/main/c.pth"),
        ("https://huggingface.co/a/b/blob/main/c.pth", "https://huggingface.co/a/b/resolve/main/c.pth"),
        ("https://drive.google.com/file/d/1a-B_c/view?usp=sharing",
         "https://drive.usercontent.google.com/download?id=1a-B_c&export=download&confirm=t"),
        ("https://drive.google.com/open?id=1a-B_c",
         "https://drive.usercontent.google.com/download?id=1a-B_c&export=download&confirm=t"),
        ("https://drive.google.com/drive/folders/1a", ""),
        ("https://openmodeldb.info/files/c.pth", "https://openmodeldb.info/files/c.pth"),
        *((unsafe, "") for unsafe in (
            "http://host.org/b.pth", "ftp://host.org/b.pth", "file:///etc/b.pth", "https://127.0.0.1/b.pth",
            "https://localhost/b.pth", "https://host.org:8443/b.pth", "https://user@host.org/b.pth",
            "https://[::1]/b.pth", "https://nas.local/b.pth", "https://[bad/b.pth", "b.pth", "",
        )),
    ],
)  # fmt: skip
def test_addresses_lead_to_the_file_and_to_public_hosts_only(address: str, found: str) -> None:
    assert addresses.direct(address, ".pth", INDEX) == found


def test_a_mirror_may_serve_files_as_it_serves_the_index() -> None:
    mirror = "http://127.0.0.1:8000/models.json"
    assert addresses.direct("http://127.0.0.1:8000/b.pth", ".pth", mirror) == "http://127.0.0.1:8000/b.pth"
    assert addresses.direct("http://127.0.0.1:8001/b.pth", ".pth", mirror) == ""


def test_the_architectures_are_those_that_spandrel_registers() -> None:
    from spandrel import MAIN_REGISTRY

    registered = {suitability.plain(support.architecture.id) for support in MAIN_REGISTRY.architectures()}
    assert suitability._architectures() == registered


CARDS = (
    card("4x-Faces", tags=["photo"], license="CC-BY-NC-SA-4.0"),
    card("4x-Anything", description="Best for photos of faces."),
    card("2x-Anime", scale=2, architecture="compact", tags=["anime"], license="GPL-3.0-only"),
    card("4x-Photo", license=None),
    card("4x-PhotoVideo", license="WTFPL OR CC-BY-NC-4.0", architecture="cain"),
    card("4x-RePhoto", author="photographer", license="CC0-1.0"),
)


def found(**query: Any) -> list[str]:
    return [hit.card.id for hit in search(CARDS, Query(**query), INDEX, MOST).hits]


def test_words_scale_licence_and_architecture_narrow_the_search() -> None:
    assert found(words="photo") == ["4x-RePhoto", "4x-Anything", "4x-PhotoVideo"], "what cannot run here comes last"
    assert search(CARDS, Query("photo"), INDEX, MOST).other_licences == 2
    assert found(words="PHOTO faces", licences="any") == ["4x-Faces", "4x-Anything"], "a name before a description"
    assert found(scale=2) == found(architecture="Compact") == ["2x-Anime"]
    assert found(words="photo nothing") == []
    assert len(found(licences="any")) == len(CARDS)


def test_a_model_is_named_by_its_id_or_its_name_and_similar_ones_are_proposed() -> None:
    assert find_card(CARDS, "4X-photo").id == "4x-Photo" and find_card(CARDS, "faces").id == "4x-Faces"
    with pytest.raises(BadInput, match=r"no model 'Phot'. Perhaps: 4x-Photo, 4x-PhotoVideo, 4x-RePhoto"):
        find_card(CARDS, "Phot")
    with pytest.raises(BadInput, match="Perhaps: 2x-Anime"):
        find_card(CARDS, "2x-Annime")


def test_of_real_cards_those_that_can_run_here_are_found(shared_data: Path) -> None:
    folder = shared_data / "openmodeldb"
    if not folder.is_dir():
        pytest.skip(f"the real cards are not at {folder}")
    content = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    cards = read_index(json.dumps(content).encode())
    assert len(cards) == len(content)
    reasons = {one.id: why(one) for one in cards}
    assert {identifier for identifier, reason in reasons.items() if reason} == {
        "16x-ESRGAN", "1x-Dehalo-v1-Compact", "2x-SwatKats", "4x-NMKD-YandereNeo-XL", "4x-UltraSharp",
    }  # fmt: skip
    assert "icedrive.net" in reasons["4x-NMKD-YandereNeo-XL"] and "16 times" in reasons["16x-ESRGAN"]
    commercial = {hit.card.id for hit in search(cards, Query(), INDEX, MOST).hits}
    assert {"1x-ToonVHS", "4x-UltraSharp"} & commercial == set() and "4x-HFA2k" in commercial
