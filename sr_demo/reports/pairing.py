"""Matching HR and LR images by the names that published test sets use.

::

    HR                        LR
    baby.png                  baby.png, babyx4.png, baby_x4.png
    0801.png                  0801x4.png, 0801x4m.png              DIV2K, bicubic and mild
    baby_HR_x4.png            baby_LRBI_x4.png                     RCAN; LRBD and LRDN too
    img_001_SRF_4_HR.png      img_001_SRF_4_LR.png                 SelfExSR, in one folder
    Canon_001_HR.png          Canon_001_LR4.png                    RealSR, in one folder

Case does not matter, and neither do extensions.
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
    """A file name, taken apart."""

    key: str
    """What HR and LR have in common, with case folded."""
    role: Literal["HR", "LR", ""]
    """What the name says that it is."""


@lru_cache
def _endings(scale: int) -> tuple[tuple[Literal["HR", "LR"], re.Pattern[str]], ...]:
    hr = rf"_srf_{scale}_hr|[_-]hr(?:[_-]?x?{scale})?|[_-]gt"
    lr = rf"_srf_{scale}_lr|[_-]lr(?:bi|bd|dn|bic)?(?:[_-]?x?{scale})?|[_-]?x{scale}(?:[mdw]\d?)?"
    return ("HR", re.compile(rf"(.+?)(?:{hr})")), ("LR", re.compile(rf"(.+?)(?:{lr})"))


def parsed(stem: str, scale: int) -> Name:
    """Take a file name without its extension apart.

    Args:
        stem: the name.
        scale: HR size divided by LR size; endings for other scales belong to the name.
    """
    folded = stem.casefold()
    for role, pattern in _endings(scale):
        found = pattern.fullmatch(folded)
        if found:
            return Name(found[1], role)
    return Name(folded, "")


def in_one_folder(files: Sequence[Path], scale: int) -> list[tuple[Path, Path]]:
    """Return the pairs (HR, LR) of a folder that holds both kinds; empty for a folder of HR images alone.

    Args:
        files: its images.
        scale: HR size divided by LR size.

    Raises:
        BadInput: when an image has several matches.
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
        lr: LR images; those without a match are left out. Where it holds HR images too, these are not considered.
        scale: HR size divided by LR size.
        what: noun for the messages.

    Raises:
        BadInput: when an HR image has no match, or several, or shares it with another; names them.
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
    """Return the one LR image of `path`; None without any. Raises BadInput where several match.

    Args:
        path: an HR image.
        candidates: LR images with its key.
        stems: names of all HR images, to whose namesakes other images have no claim.
        scale: HR size divided by LR size.
        what: noun for the message.
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
