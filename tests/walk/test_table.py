"""The table is complete, and agrees with the manifest of the tool that makes hostile files."""

from __future__ import annotations

import pytest

from tests.walk.conftest import SHARED
from tests.walk.table import CASES, MADE, MANIFEST


@pytest.mark.parametrize("folder", ["cases", "hostile"])
def test_every_file_has_its_row(folder: str) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"there is no {SHARED / folder} (set SR_DEMO_SHARED_DATA)")
    assert {path.name for path in (SHARED / folder).iterdir()} == {c.name for c in CASES if c.folder == folder}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_made_file_has_its_row(manifest: dict[str, str]) -> None:
    assert set(manifest) == {case.name for case in MADE}
    assert [case.name for case in MADE if case.outcome not in MANIFEST[manifest[case.name]]] == []
