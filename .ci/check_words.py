"""Fail on words that the project replaces by the field's terms (`make check`).

    python .ci/check_words.py [PATH …]

Reads the code, tests, docs and scripts of the project, or those below the given paths; not .json and .txt, where lines
cannot be marked. Identifiers count too: `_` and a change of case separate words. File names are checked as well: they are
nouns of the content. A line that needs such a word in another meaning ends with `words: ok`, or the sentence is listed in
ALLOWED.
"""

from __future__ import annotations

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = (
    "sr_demo",
    "tests",
    "docs",
    ".ci",
    "app.py",
    "Makefile",
    "Dockerfile",
    "pyproject.toml",
    ".pre-commit-config.yaml",
)
"""What is read by default, beside the Markdown files of the root."""
SUFFIXES = {"", ".py", ".js", ".mjs", ".ts", ".css", ".html", ".md", ".toml", ".yaml"}
SKIPPED = {"LICENSE", "check_words.py"}

INSTEAD = {
    r"taught|teach(es|ing)?": "trained, training",
    r"tells|told": "reports, logs, prints, returns",
    r"(program|server|log|command|method|page|tab|box|report|card)s? (here )?says?": "reports, logs, prints, has",
    r"happenings?": "event",
    r"lanes?": "compute lock",
    r"prices?|priced": "time estimate",
    r"enlarging": "upscaling",
    r"quantis\w+": "quantization, quantize",
    r"engines?": "backend",
    r"handed out": "exported, returned",
    r"asked for": "requested, selected",
    r"the usual|usual": "default",
    r"made now": "computed, built",
    r"somebody|nobody|keeper": "the user, the visitor, a waiting request",
    r"the middle one": "median",
    r"least of (two|three|four|five|\d+)": "minimum of 4 runs",
    r"poses?": "dihedral transforms",
    r"critics?": "discriminator",
    r"damages?|damaging": "degradation",
    r"averag(e|es|ed|ing) (of )?(the )?weights|weight averag\w+": "EMA",
    r"shrink(s|ing)?|shrunk": "downscale",
    r"pieces?": "tile (of an image), patch (of a database)",
    r"agrees with (the )?input": "LR consistency",
    r"answered by|(patch|window)(es|s)? answer(s|ed)?|memory answered": "matched by, match",
    r"seen[ _]widths?|widths?[ _]seen": "input width, max_input_width",
    r"tall|taller": "max_aspect",
    r"small pictures?": "LR; on the page: the small version",
    r"truths?": "HR, reference; on the page: the original",
    r"in its own way": "what it does",
}
"""Pattern -> what to write instead."""

IDENTIFIERS = {r"(?<!per_)pictures?": "image"}
"""Words that are right in texts for people, not in names of the code. `per_picture` is a key of stored cards."""

FILE_NAMES = {
    "around", "engine", "engines", "enlarging", "happening", "happenings", "kept", "known", "lane", "look", "looks",
    "machine", "offer", "once", "own", "picture", "poses", "price", "prices", "quantising", "stubs", "told", "words",
}  # fmt: skip
"""Names of files that do not say what is in them."""

ALLOWED = (
    r"teach it your photos",
    r"LR consistency \(agrees with",
    r"--(engine|shrink)\b",
    # Public and stored names: the API, reports, zips and exported files have had these before.
    r"test_against_truth",
    r"chart\.truth(_star)?|\[?\"truth(_star)?\"\]?|\btruth\.png",
    r"\"tall\"",
)
"""Sentences and names in which such a word is meant, as patterns."""

_NAMES = [(re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])"), term) for pattern, term in IDENTIFIERS.items()]
_WORDS = [(re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])", re.IGNORECASE), term) for pattern, term in INSTEAD.items()]
_ALLOWED = [re.compile(pattern, re.IGNORECASE) for pattern in ALLOWED]


def findings(path: Path) -> Iterator[str]:
    """One line for each replaced word in `path` and in its name: where, which, and what to write instead."""
    if path.stem in FILE_NAMES:
        yield f"{path.relative_to(ROOT)}: a file name is a noun of its content"
    if path.suffix == ".py":
        yield from _identifiers(path)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.rstrip().endswith("words: ok"):
            continue
        plain = re.sub(r"([a-z])([A-Z])", r"\1_\2", line)
        for allowed in _ALLOWED:
            plain = allowed.sub("", plain)
        for pattern, term in _WORDS:
            if found := pattern.search(plain):
                yield f"{path.relative_to(ROOT)}:{number}: {found.group(0)!r}: write {term}"


def _identifiers(path: Path) -> Iterator[str]:
    """One line for each name in the Python file `path` that a word of IDENTIFIERS is part of."""
    with path.open(encoding="utf-8") as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type != tokenize.NAME or token.line.rstrip().endswith("words: ok"):
                continue
            for pattern, term in _NAMES:
                if pattern.search(token.string):
                    yield f"{path.relative_to(ROOT)}:{token.start[0]}: name {token.string!r}: write {term}"


def files(places: list[Path]) -> Iterator[Path]:
    """The files to read below `places`."""
    for place in places:
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in inside:
            hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(place).parts)
            if path.is_file() and path.suffix in SUFFIXES and path.name not in SKIPPED and not hidden:
                yield path


def main(arguments: list[str]) -> int:
    """Print the findings; return 1 where there are any."""
    places = [Path(argument).resolve() for argument in arguments]
    places = places or [*(ROOT / name for name in OURS), *sorted(ROOT.glob("*.md"))]
    found = [finding for path in files(places) for finding in findings(path)]
    sys.stdout.write("\n".join(found) + "\n" if found else "words: nothing to replace\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
