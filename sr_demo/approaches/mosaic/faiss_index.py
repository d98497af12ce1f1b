"""FAISS indexes: the choice for a number of vectors and a budget, reproducible building, and search."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FLAT_BELOW = 100_000
"""Number of vectors below which search is exhaustive: exact and, as one matrix product, fast (FAISS wiki, Guidelines)."""
_TRAIN_PER_LIST = 40
_BATCH = 65_536


@dataclass(frozen=True)
class IndexPlan:
    """An index that is to be built."""

    kind: Literal["Flat", "IVF,Flat", "IVF,SQ8", "IVF,PQ"]
    factory: str
    """FAISS factory string."""
    probes: int
    """Inverted lists searched for each query (`nprobe`); 0 for Flat."""
    bytes: int
    """Memory of the vectors in the index."""
    gives_up: str = ""
    """What is lost against exhaustive search, for people: the rest of a sentence that begins with "The index"; "" for
    nothing."""


def choose_index(count: int, dimension: int, budget: int, flat_below: int = FLAT_BELOW) -> IndexPlan:
    """Return the most exact index that fits into a budget. Pure.

    Flat below `flat_below` vectors. Otherwise inverted lists, 4 sqrt(count) of them, or sqrt(count) below 100k, where
    training them costs more than searching; the vectors in them as float32, as 8-bit numbers, or as product codes of one
    byte per 4 dimensions (FAISS wiki, "Guidelines to choose an index").

    Args:
        count: Number of vectors.
        dimension: Their length.
        budget: Bytes that the index may take.
        flat_below: Number of vectors below which search is exhaustive, where that fits into the budget.
    """
    if count < flat_below and 4 * dimension * count <= budget:
        return IndexPlan("Flat", "Flat", 0, 4 * dimension * count)
    few = count < FLAT_BELOW
    lists = 2 ** round(log2((1 if few else 4) * sqrt(max(count, 1))))
    # On 24-d window features `bench mosaic` measured recall@1 0.945 at 100k and 0.96 at 1 M.
    probes = max(8, lists // 16 if few else 8 + round(sqrt(lists) / 4))
    lost = f"searches {probes} of {lists} groups: about one nearest match in twenty is missed"
    if (4 * dimension + 8) * count <= budget:
        return IndexPlan("IVF,Flat", f"IVF{lists},Flat", probes, (4 * dimension + 8) * count, lost)
    if (dimension + 8) * count <= budget:
        return IndexPlan(
            "IVF,SQ8", f"IVF{lists},SQ8", probes, (dimension + 8) * count, lost + ", distances are rounded"
        )
    codes = _code_length(dimension)
    return IndexPlan(
        "IVF,PQ", f"IVF{lists},PQ{codes}", probes, (codes + 8) * count,
        "stores coarse codes to fit its budget: it often finds a similar match instead of the nearest",
    )  # fmt: skip


def _code_length(dimension: int) -> int:
    """Return the number of sub-vectors of a product code: a divisor of the dimension, about a fourth of it."""
    return max(m for m in range(1, max(dimension // 4, 1) + 1) if dimension % m == 0)


def build_index(vectors: NDArray[np.float32], plan: IndexPlan) -> Any:
    """Build a FAISS index (squared L2) of `vectors` (N, d). The same vectors give the same index."""
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
    """Find the nearest vectors of each query.

    Args:
        index: A FAISS index of N vectors.
        queries: (n, d) float32.
        k: Number of neighbours; cut to N.
        allowed: (N,) which vectors may be found, at least one; None for all.

    Returns:
        Squared distances (n, k) and numbers (n, k), nearest first. Where the searched inverted lists hold fewer than k
        vectors, the nearest one is repeated.
    """
    k = min(k, index.ntotal)
    queries = np.ascontiguousarray(queries, np.float32)
    if allowed is None:
        distances, numbers = index.search(queries, k)
    else:
        distances, numbers = index.search(queries, k, params=_parameters(allowed, getattr(index, "nprobe", 0)))
    lost = np.flatnonzero(numbers[:, 0] < 0)
    if len(lost):  # the searched lists hold no allowed vector: search all of them
        distances[lost], numbers[lost] = index.search(queries[lost], k, params=_parameters(allowed, index.nlist))
    missing = numbers < 0
    if missing.any():
        numbers = np.where(missing, numbers[:, :1], numbers)
        distances = np.where(missing, distances[:, :1], distances)
    return distances, numbers


def _parameters(allowed: NDArray[np.bool_] | None, probes: int) -> Any:
    """Return FAISS's parameters for a search among `allowed`, in `probes` inverted lists (0: the index has none)."""
    import faiss

    wanted: dict[str, Any] = {"nprobe": probes} if probes else {}
    if allowed is not None:
        selector: Any = faiss.IDSelectorBitmap
        wanted["sel"] = selector(np.packbits(allowed, bitorder="little"))
    return faiss.SearchParametersIVF(**wanted) if probes else faiss.SearchParameters(**wanted)
