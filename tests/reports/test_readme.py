"""README is up to date: its tables are generated, its commands and images exist."""

from __future__ import annotations

import re

from sr_demo.reports.readme_tables import README, rendered
from sr_demo.settings import from_environment


def test_generated_tables_are_fresh() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == rendered(text), "run: python -m sr_demo.reports.readme_tables"


def test_the_commands_exist_and_the_variables_are_read() -> None:
    text = README.read_text(encoding="utf-8")
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in ("run", "test", "check"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    named = set(re.findall(r"`(SR_DEMO_(?:MAX_MB|MAX_MEGAPIXELS|PORT|QUEUE))`", text))
    assert named == {"SR_DEMO_MAX_MB", "SR_DEMO_MAX_MEGAPIXELS", "SR_DEMO_PORT", "SR_DEMO_QUEUE"}
    settings = from_environment(dict.fromkeys(named, "7"))
    assert (settings.max_megabytes, settings.max_megapixels, settings.port, settings.queue_length) == (7, 7, 7, 7)


def test_images_in_the_readme_exist() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / path).is_file(), path
