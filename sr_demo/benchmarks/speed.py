"""Speed of our path beside what people run today: one process, same weights, same image, same threads.

Every path runs once to warm up and to measure its memory, then all take turns, and medians are reported. Large networks
take fewer turns. The ceiling is torch's own bf16 product of two 4096 x 4096 matrices, measured in the same turns.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from sr_demo.backends import openvino_backend, quantization, selection, shipped_int8
from sr_demo.benchmarks.speed_cases import CASES, Case
from sr_demo.checkpoint import EMBEDDED, Checkpoint
from sr_demo.errors import BadInput, MissingDependency, SRError, quoted
from sr_demo.image import Image, ImageData
from sr_demo.inference import int8
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.reports import formatting
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system import memory

PATHS = (
    "ours", "ours-int8", "spandrel-fp32", "tile-loop", "onnxruntime-fp32", "openvino-fp32", "openvino-bf16", "matmul-bf16",
)  # fmt: skip
PLAIN, CEILING, INT8 = "spandrel-fp32", "matmul-bf16", "ours-int8"
_PAD = 10
"""Margin of a tile in the common tile loop, in LR pixels; it is cut off afterwards."""
_MATRIX = 4096
_INT8_AGREEMENT = 30.0
"""dB of PSNR to the faster present path: random weights agree less than trained ones, and the time is what counts here."""
_PAUSE = 0.05
"""Seconds between paths, until the threads of the one before stop waiting for work."""
_LEAST_ROUNDS, _ENOUGH = 2, 10.0
"""Turns that each case takes, and seconds after which no further one begins."""

HEADING = (
    f"{'case':<14}{'path':<18}{'seconds':>9}{'x plain':>9}{'GFLOP/s':>9}{'share':>7}{'MB':>7}{'max diff':>10}  how"
)

Run = Callable[[], Image | None]
Report = Callable[[str], None]
"""Receives one line as each step ends."""


def _silent(line: str) -> None:
    pass


@dataclass(frozen=True)
class Row:
    """What was measured of one path of one case."""

    case: str
    path: str
    seconds: float
    """Median of the turns."""
    gflops: float
    """10^9 floating point operations per second, counted in the plain network, two per multiply-add."""
    ceiling_share: float | None
    """Share of the matrix product's rate; None where that was not run."""
    peak_memory_mb: float
    """Growth of the resident set in the path's first run, in 10^6 bytes."""
    max_difference: float | None
    """Largest difference to the plain fp32 result, of values in [0, 1]."""
    how: str
    """Backend and precision."""


@dataclass(frozen=True)
class CaseResult:
    """What was measured of one case."""

    rows: list[Row]
    """In the order of PATHS."""
    notes: list[str]
    """One sentence for each path that could not be run."""


def bench(
    cases: Sequence[str] = (),
    paths: Sequence[str] = (),
    rounds: int = 5,
    report: Report = _silent,
    more: Sequence[Case] = (),
    slow: bool = False,
) -> Iterator[CaseResult]:
    """Measure cases one after the other.

    Args:
        cases: Names of cases; without any all of them, or none where there are `more`.
        paths: Names of paths; all without any.
        rounds: Turns that medians are taken of; large networks take fewer.
        report: Receives what is measured next, and how long each step took.
        more: Cases that are measured anyway, such as of model files.
        slow: Whether cases also take their slow paths; they do where `paths` names these.

    Returns:
        An iterator that measures a case at each step, in the order of CASES.

    Raises:
        BadInput: A name is unknown.
    """
    for given, known in ((cases, [case.name for case in CASES]), (paths, PATHS)):
        for name in given:
            if name not in known:
                raise BadInput(f"The benchmark has no {quoted(name)}. It has: {', '.join(known)}.")
    everything = not cases and not more
    chosen = [case for case in CASES if everything or case.name in cases]
    wanted = paths or PATHS
    return (_case(case, _able(case, wanted, slow=slow or bool(paths)), rounds, report) for case in [*chosen, *more])


def _able(case: Case, wanted: Sequence[str], *, slow: bool) -> list[str]:
    """Return those of the `wanted` paths that the network of a case can take, in the order of PATHS."""
    left_out = set(() if slow else case.slow)
    if case.attention and not case.int8:
        left_out.add(INT8)
    return [path for path in PATHS if path in wanted and path not in left_out]


@dataclass(frozen=True)
class _Made:
    """One path, ready to run."""

    run: Run
    how: str
    peak_memory_mb: float
    max_difference: float | None


def _case(case: Case, paths: list[str], rounds: int, report: Report) -> CaseResult:
    import torch

    report(f"{case.name}: {case.described()}")
    torch.manual_seed(0)
    network = case.network().eval()
    image = selection.known_image(case.side)
    flops, reference = _counted(_plain(network, image))
    made: dict[str, _Made] = {}
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sr_demo_bench") as name:
        folder = Path(name) / "network"
        folder.mkdir()
        for path in paths:
            begun = time.perf_counter()
            try:
                run, how = _MAKERS[path](case, network, image, folder)
                with memory.PeakMemory() as peak:
                    result = run()
            except (SRError, RuntimeError) as exc:
                notes.append(f"{case.name}, {path}: {' '.join(str(exc).split())[:160]}")
                continue
            report(f"  {path}: prepared in {time.perf_counter() - begun:.1f} s")
            difference = None if result is None else float(np.abs(result - reference).max())
            made[path] = _Made(run, how, peak.bytes / 1e6, difference)
        taken = _timed(made, rounds, report)
    rates = {
        path: (2.0 * _MATRIX**3 if path == CEILING else flops) / median(seconds) / 1e9
        for path, seconds in taken.items()
    }
    ceiling = rates.get(CEILING)
    rows = [
        Row(
            case=case.name,
            path=path,
            seconds=round(median(seconds), 5),
            gflops=round(rates[path], 1),
            ceiling_share=None if ceiling is None else round(rates[path] / ceiling, 4),
            peak_memory_mb=round(made[path].peak_memory_mb, 1),
            max_difference=made[path].max_difference,
            how=made[path].how,
        )
        for path, seconds in taken.items()
    ]
    return CaseResult(rows, notes)


def _timed(made: dict[str, _Made], rounds: int, report: Report) -> dict[str, list[float]]:
    """Seconds of each path in each round."""
    taken: dict[str, list[float]] = {path: [] for path in made}
    started = time.perf_counter()
    for turn in range(rounds):
        if turn >= _LEAST_ROUNDS and time.perf_counter() - started > _ENOUGH:
            break
        # Each turn begins with another path: what ran just before leaves its threads and the caches behind.
        first = turn % max(len(made), 1)
        order = [*made.items()]
        for path, ready in order[first:] + order[:first]:
            time.sleep(_PAUSE)
            begun = time.perf_counter()
            ready.run()
            taken[path].append(time.perf_counter() - begun)
        report(f"  turn {turn + 1} of {rounds} done")
    return taken


def _counted(plain: Run) -> tuple[float, Image]:
    """Floating point operations of one pass, and its result."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = plain()
    assert result is not None
    return float(counter.get_total_flops()), result


def _plain(network: Any, image: Image) -> Run:
    """A run of the network as its documentation calls it."""
    import torch

    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous()

    def run() -> Image:
        with torch.inference_mode():
            return network(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()

    return run


def _make_plain(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    return _plain(network, image), "torch, fp32"


def _make_tile_loop(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """Four tiles, each with a fixed margin that is cut off: the loop that many programs copy."""
    import torch

    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous()
    side = case.side // 2

    def run() -> Image:
        out = torch.empty(1, 3, case.side * case.scale, case.side * case.scale)
        with torch.inference_mode():
            for top in range(0, case.side, side):
                for left in range(0, case.side, side):
                    low, high = max(top - _PAD, 0), min(top + side + _PAD, case.side)
                    first, last = max(left - _PAD, 0), min(left + side + _PAD, case.side)
                    tile = network(x[:, :, low:high, first:last])
                    y, x0 = (top - low) * case.scale, (left - first) * case.scale
                    size, y_out, x_out = side * case.scale, top * case.scale, left * case.scale
                    out[:, :, y_out : y_out + size, x_out : x_out + size] = tile[:, :, y : y + size, x0 : x0 + size]
            return out[0].clamp(0, 1).permute(1, 2, 0).numpy()

    return run, f"torch, fp32, tiles of {side}"


def _make_ours(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """What the page runs: the fastest of torch, OpenVINO and int8, tiles by memory, the guarantees of the contract."""
    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision
    from sr_demo.networks.fused_attention import fuse_attention

    own = copy.deepcopy(network)
    fuse_attention(own)
    precision = choose_precision("auto", case.precisions)
    mode: Literal["convert", "autocast"] = "convert" if case.attention else "autocast"
    upscaler: Upscaler = NetworkUpscaler(own, precision, mode=mode)
    if openvino_backend.available() and selection.can_prepare(upscaler):
        exact = NetworkUpscaler(copy.deepcopy(network), "fp32", mode=mode)
        # A convolutional network is converted once for all OpenVINO paths.
        own_folder = folder / "graph" if case.attention else folder
        candidate = _converted(case, selection.graph(exact), own_folder, openvino_backend.fast_precision())
        if selection.faster(upscaler, candidate).backend == candidate.backend:
            upscaler = candidate
        if case.int8:
            quantized = _quantized(case, network, folder)
            if selection.faster(upscaler, quantized, _INT8_AGREEMENT).precision == quantized.precision:
                upscaler = quantized
    return _as_on_the_page(case, image, upscaler), _how(upscaler)


def _make_int8(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """What the page runs where int8 is requested and costs little enough; the time does not depend on that."""
    upscaler = _quantized(case, network, folder)
    return _as_on_the_page(case, image, upscaler), _how(upscaler)


def _quantized(case: Case, network: Any, folder: Path) -> openvino_backend.ConvertedNetwork:
    """The network in int8: as it ships for its weights, else calibrated in the fastest way, whatever that loses."""
    _require_openvino()
    if case.int8:
        form = shipped_int8.read_card(shipped_int8.FOLDER / f"{case.int8}.json")
        # In a folder of its own: with attention, its graph in fp32 is ours, and the one in `folder` is the plain network's.
        shipped = folder / "shipped"
        shipped_int8.place(form, [EMBEDDED / f"{case.int8}.safetensors"], shipped, SILENT.check)
        return shipped_int8.opened(form, shipped, case.scale)
    quantization.require()
    exact = _converted(case, network, folder, "fp32")
    model, out = folder / openvino_backend.MODEL, folder / int8.MODEL
    left = quantization.ways(quantization.operations(model))[0]
    quantization.quantize_in_subprocess(model, out, left, case.scale, crops=1)
    found = openvino_backend.ConvertedNetwork(folder, "int8", case.scale, model=int8.MODEL)
    found.loss_db = max(int8.lost(exact, found, quantization.photos(case.scale), SILENT))
    return found


def _how(upscaler: Upscaler) -> str:
    return f"{upscaler.backend}, {formatting.precision(upscaler.precision, upscaler.loss_db)}"


def _as_on_the_page(case: Case, image: Image, upscaler: Upscaler) -> Run:
    checkpoint = Checkpoint("bench", "", bytes_per_pixel=case.bytes_per_pixel)
    approach = Approach(
        id="bench", title="", summary="", about="", family="convolutional", load=_never, checkpoints=(checkpoint,),
        tiling=case.tiling, scale=case.scale,
    )  # fmt: skip
    model, image_data = LoadedModel(Job(approach, checkpoint, Options()), upscaler), ImageData(image)

    def run() -> Image:
        return upscale_image(model, image_data, SILENT).image.rgb

    return run


def _never(request: Request) -> Upscaler:
    raise AssertionError("the benchmark loads its networks itself")


def _converted(case: Case, network: Any, folder: Path, precision: str) -> openvino_backend.ConvertedNetwork:
    _require_openvino()
    if not (folder / openvino_backend.MODEL).exists():
        openvino_backend.convert(network, folder)
    return openvino_backend.ConvertedNetwork(folder, precision, case.scale)


def _require_openvino() -> None:
    if not openvino_backend.available():
        raise MissingDependency("OpenVINO is not installed.")


def _make_openvino(precision: str) -> Callable[[Case, Any, Image, Path], tuple[Run, str]]:
    def make(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
        converted = _converted(case, network, folder, precision)
        return lambda: converted.upscale(image, Options(), SILENT), f"OpenVINO, {precision}"

    return make


def _make_onnxruntime(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    from sr_demo.export.formats import Portable, writer

    chosen = writer("onnx")
    portable = Portable(copy.deepcopy(network), case.scale, case.tiling.multiple_of).eval()
    file = folder / "network.onnx"
    chosen.write(portable, file, {})
    opened = chosen.open(file, portable)
    x = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    return lambda: np.ascontiguousarray(opened(x)[0].transpose(1, 2, 0)), "ONNX Runtime, fp32"


def _make_matmul(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    import torch

    a = torch.rand(_MATRIX, _MATRIX).to(torch.bfloat16)
    b = torch.rand(_MATRIX, _MATRIX).to(torch.bfloat16)

    def run() -> None:
        with torch.inference_mode():
            torch.mm(a, b)

    return run, "torch, bf16"


_MAKERS: dict[str, Callable[[Case, Any, Image, Path], tuple[Run, str]]] = {
    "ours": _make_ours,
    "ours-int8": _make_int8,
    "spandrel-fp32": _make_plain,
    "tile-loop": _make_tile_loop,
    "onnxruntime-fp32": _make_onnxruntime,
    "openvino-fp32": _make_openvino("fp32"),
    "openvino-bf16": _make_openvino("bf16"),
    "matmul-bf16": _make_matmul,
}


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as dictionaries, for JSON."""
    return [asdict(row) for row in rows]


def medians(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Merge several tables: medians of seconds, rates and shares of each case and path, the rest from the first table."""
    found: list[Row] = []
    for row in runs[0]:
        same = [r for rows in runs for r in rows if (r.case, r.path) == (row.case, row.path)]
        shares = [r.ceiling_share for r in same if r.ceiling_share is not None]
        seconds, gflops = median([r.seconds for r in same]), median([r.gflops for r in same])
        found.append(replace(row, seconds=seconds, gflops=gflops, ceiling_share=median(shares) if shares else None))
    return found


def compared(rows: Sequence[Row]) -> Iterator[tuple[Row, str, str]]:
    """Each row with two texts: its speed relative to the plain network, and its share of the ceiling."""
    plain = {row.case: row.seconds for row in rows if row.path == PLAIN}
    for row in rows:
        ratio = f"{plain[row.case] / row.seconds:.2f}" if row.case in plain and row.path != CEILING else "–"
        yield row, ratio, "–" if row.ceiling_share is None else f"{row.ceiling_share:.0%}"


def lines(rows: Sequence[Row]) -> list[str]:
    """The rows of the table below `HEADING`, with the ratio to the plain network."""
    printed: list[str] = []
    for row, ratio, share in compared(rows):
        difference = "–" if row.max_difference is None else f"{row.max_difference:.5f}"
        printed.append(
            f"{row.case:<14}{row.path:<18}{row.seconds:>9.4f}{ratio:>9}{row.gflops:>9.0f}{share:>7}"
            f"{row.peak_memory_mb:>7.0f}{difference:>10}  {row.how}"
        )
    return printed
