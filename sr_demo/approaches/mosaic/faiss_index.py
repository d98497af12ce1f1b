"""Which FAISS index for how many vectors, and building it the same way every time."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FLAT_BELOW = 100_000
"""Few vectors: exhaustive search is exact and, as one matrix product, fast (FAISS wiki, Guidelines)."""
_TRAIN_PER_LIST = 40
_BATCH = 65_536


@dataclass(frozen=True)
class Plan:
    """An index to be built. Decided from numbers alone."""

    kind: Literal["Flat", "IVF,Flat", "IVF,SQ8", "IVF,PQ"]
    factory: str
    """FAISS factory string."""
    probes: int
    """Inverted lists looked into per query; 0 for Flat."""
    bytes: int
    """Memory of the vectors in the index."""
    gives_up: str = ""
    """What the choice costs against exhaustive search, in plain words; "" where it costs nothing."""


def choose(count: int, dimension: int, budget: int, flat_below: int = FLAT_BELOW) -> Plan:
    """The most exact index for `count` vectors of `dimension` float32 that stays within `budget` bytes.

    Flat below `flat_below` vectors. Else inverted lists, 4 sqrt(count) of them, or sqrt(count) below 100k where
    training them costs more than searching, with vectors kept whole (4 bytes per dimension), as 8-bit numbers, or as
    product codes of a byte per 4 dimensions (FAISS wiki, "Guidelines to choose an index").
    """
    if count < flat_below and 4 * dimension * count <= budget:
        return Plan("Flat", "Flat", 0, 4 * dimension * count)
    few = count < FLAT_BELOW
    lists = 2 ** round(log2((1 if few else 4) * sqrt(max(count, 1))))
    # Measured on 24-d window features (see benchmark.py): recall@1 0.945 at 100k, 0.96 at 1 M.
    probes = max(8, lists // 16 if few else 8 + round(sqrt(lists) / 4))
    small = f"looks into {probes} of {lists} groups: about one nearest memory in twenty is missed"
    if (4 * dimension + 8) * count <= budget:
        return Plan("IVF,Flat", f"IVF{lists},Flat", probes, (4 * dimension + 8) * count, small)
    if (dimension + 8) * count <= budget:
        return Plan("IVF,SQ8", f"IVF{lists},SQ8", probes, (dimension + 8) * count, small + ", distances are rounded")
    codes = _codes(dimension)
    return Plan(
        "IVF,PQ", f"IVF{lists},PQ{codes}", probes, (codes + 8) * count,
        "memory is short, so vectors are kept as coarse codes: often a similar memory is found instead of the nearest",
    )  # fmt: skip


def _codes(dimension: int) -> int:
    """Sub-vectors of a product code: a divisor of the dimension, about a fourth of it."""
    return max(m for m in range(1, max(dimension // 4, 1) + 1) if dimension % m == 0)


def build(vectors: NDArray[np.float32], plan: Plan) -> Any:
    """A FAISS index (squared L2) of `vectors` (N, d). The same vectors give the same index."""
    import faiss

    index: Any = faiss.index_factory(vectors.shape[1], plan.factory)
    if plan.probes:
        lists = index.nlist
        step = max(len(vectors) // (lists * _TRAIN_PER_LIST), 1)
        index.train(np.ascontiguousarray(vectors[::step]))
        index.nprobe = plan.probes
    for start in range(0, len(vectors), _BATCH):
        index.add(np.ascontiguousarray(vectors[start : start + _BATCH]))
    return index


def search(
    index: Any, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distances and numbers of the `k` nearest, each (n, k), nearest first; `k` is cut to what there is.

    `allowed` (N,) says which vectors may be found; at least one must be. Places that could not be filled, because the
    inverted lists that were looked into hold too few, repeat the nearest one.
    """
    k = min(k, index.ntotal)
    asked = np.ascontiguousarray(queries, np.float32)
    if allowed is None:
        distances, numbers = index.search(asked, k)
    else:
        distances, numbers = index.search(asked, k, params=_only(allowed, getattr(index, "nprobe", 0)))
    lost = np.flatnonzero(numbers[:, 0] < 0)
    if len(lost):  # the lists looked into hold none that is allowed: look into all
        distances[lost], numbers[lost] = index.search(asked[lost], k, params=_only(allowed, index.nlist))
    missing = numbers < 0
    if missing.any():
        numbers = np.where(missing, numbers[:, :1], numbers)
        distances = np.where(missing, distances[:, :1], distances)
    return distances, numbers


def _only(allowed: NDArray[np.bool_] | None, probes: int) -> Any:
    """FAISS's parameters for a search among `allowed`, in `probes` inverted lists (0: the index has none)."""
    import faiss

    wanted: dict[str, Any] = {"nprobe": probes} if probes else {}
    if allowed is not None:
        selector: Any = faiss.IDSelectorBitmap
        wanted["sel"] = selector(np.packbits(allowed, bitorder="little"))
    return faiss.SearchParametersIVF(**wanted) if probes else faiss.SearchParameters(**wanted)
