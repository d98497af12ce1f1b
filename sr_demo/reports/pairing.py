"""Matching of HR and LR images by the file names of published test sets.

::

    HR                        LR
    baby.png                  baby.png, babyx4.png, baby_x4.png
    0801.png                  0801x4.png, 0801x4m.png              DIV2K, bicubic and mild
    baby_HR_x4.png            baby_LRBI_x4.png                     RCAN; LRBD and LRDN too
    img_001_SRF_4_HR.png      img_001_SRF_4_LR.png                 SelfExSR, in one folder
    Canon_001_HR.png          Canon_001_LR4.png                    RealSR, in one folder

Case and suffixes are ignored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from sr_demo.errors import BadInput


class Name(NamedTuple):
    """The parts of a file name."""

    key: str
    """The part that HR and LR have in common, case-folded."""
    role: Literal["HR", "LR", ""]
    """The role that the name states; "" if it states none."""


@lru_cache
def _endings(scale: int) -> tuple[tuple[Literal["HR", "LR"], re.Pattern[str]], ...]:
    hr = rf"_srf_{scale}_hr|[_-]hr(?:[_-]?x?{scale})?|[_-]gt"
    lr = rf"_srf_{scale}_lr|[_-]lr(?:bi|bd|dn|bic)?(?:[_-]?x?{scale})?|[_-]?x{scale}(?:[mdw]\d?)?"
    return ("HR", re.compile(rf"(.+?)(?:{hr})")), ("LR", re.compile(rf"(.+?)(?:{lr})"))


def parsed(stem: str, scale: int) -> Name:
    """Parse a file name without its suffix.

    Args:
        stem: The name.
        scale: HR size divided by LR size; endings for other scales are part of the key.
    """
    folded = stem.casefold()
    for role, pattern in _endings(scale):
        found = pattern.fullmatch(folded)
        if found:
            return Name(found[1], role)
    return Name(folded, "")


def in_one_folder(files: Sequence[Path], scale: int) -> list[tuple[Path, Path]]:
    """Return the pairs (HR, LR) of a folder that contains both; empty for a folder of HR images only.

    Args:
        files: Images in the folder.
        scale: HR size divided by LR size.

    Raises:
        BadInput: An image has several matches.
    """
    names = {path: parsed(path.stem, scale) for path in files}
    small = [path for path in files if names[path].role == "LR"]
    keys = {names[path].key for path in small}
    large = [path for path in files if names[path].role != "LR" and names[path].key in keys]
    return matched(large, small, scale) if large else []


def matched(hr: Sequence[Path], lr: Sequence[Path], scale: int, what: str = "small version") -> list[tuple[Path, Path]]:
    """Return each HR image with its LR image.

    Args:
        hr: HR images.
        lr: LR images; those without a match, and HR images among them, are ignored.
        scale: HR size divided by LR size.
        what: Noun for the messages.

    Raises:
        BadInput: An HR image has no match, has several, or shares its match with another; names them.
    """
    by_key: dict[str, list[Path]] = defaultdict(list)
    for path in lr:
        by_key[parsed(path.stem, scale).key].append(path)
    stems = {path.stem for path in hr}
    found: list[tuple[Path, Path]] = []
    owner: dict[Path, Path] = {}
    for path in hr:
        match = _only(path, by_key[parsed(path.stem, scale).key], stems, scale, what)
        if match is None:
            where = lr[0].parent if lr else path.parent
            raise BadInput(f"{path.name} has no {what} of the same name in {where}.")
        if match in owner:
            raise BadInput(
                f"{owner[match].name} and {path.name} both match the {what} {match.name}. Keep one of them there."
            )
        owner[match] = path
        found.append((path, match))
    return found


def _only(path: Path, candidates: Sequence[Path], stems: set[str], scale: int, what: str) -> Path | None:
    """Return the LR image of `path`; None if there is none. Raises BadInput if several match.

    Args:
        path: An HR image.
        candidates: LR images with its key.
        stems: Names of all HR images; an LR image with one of these names only matches this HR image.
        scale: HR size divided by LR size.
        what: Noun for the message.
    """
    left = [one for one in candidates if one.stem == path.stem or one.stem not in stems]
    if any(parsed(one.stem, scale).role == "LR" for one in left):
        left = [one for one in left if parsed(one.stem, scale).role != "HR"]
    same_case = [one for one in left if one.stem.startswith(path.stem)]
    if len(left) > 1 and len(same_case) == 1:
        left = same_case
    if len(left) > 1:
        names = " and ".join(one.name for one in left[:2])
        raise BadInput(f"{path.name} has more than one {what}: {names}. Keep only one of them in the folder.")
    return left[0] if left else None
