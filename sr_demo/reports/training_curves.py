"""Curves, scores and cost of the training of the embedded networks, from their cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_demo.checkpoint import card
from sr_demo.inference.jobs import Job
from sr_demo.reports import formatting, svg
from sr_demo.reports.html import render
from sr_demo.spec import Approach

_FRAME = svg.Frame(width=420, height=220, left=48, right=12, top=14, bottom=36)
MEASURES = (("psnr_y", "PSNR-Y on validation photos, dB"), ("ssim_y", "SSIM-Y on validation photos"), ("loss", "loss"))
"""Key in a card's curves, and title of the chart."""
_HEADINGS = (
    "Network",
    "Set5",
    "Set14",
    "Our photos",
    "Parameters",
    "Iterations",
    "Time",
    "Losses",
    "Photos and computer",
)

Curve = list[tuple[float, float]]
"""(iteration, value) of each validation."""


@dataclass(frozen=True)
class TrainedNetwork:
    """One embedded network and its card."""

    name: str
    """Name on the command line, such as `rdn:mse`."""
    title: str
    """Title shown to users."""
    parameters: int
    """Parameters of all networks that run. The card counts only those trained together, without the initial network of the
    diffusion model."""
    card: dict[str, Any]


def trained_networks(approaches: Sequence[Approach]) -> list[TrainedNetwork]:
    """Return the embedded networks whose cards contain curves, in catalogue order."""
    found: list[TrainedNetwork] = []
    for approach in approaches:
        for checkpoint in approach.checkpoints:
            if checkpoint.kind != "embedded":
                continue
            recorded = card(Path(checkpoint.files[0].name).stem)
            if "curves" in recorded:
                job = Job(approach, checkpoint, approach.options())
                found.append(TrainedNetwork(job.full_name, job.title, checkpoint.parameters, recorded))
    return found


def began(network: TrainedNetwork, networks: Sequence[TrainedNetwork]) -> tuple[TrainedNetwork, bool] | None:
    """Return the network whose training `network` went on from, and whether an earlier version of it; None if from scratch.

    Args:
        network: The network.
        networks: Those to look it up in.
    """
    from_, recorded = network.card.get("began_as", ""), network.card
    if not from_ or from_ == recorded["recipe"]["name"]:
        return None
    for other in networks:
        if from_ in (other.card["recipe"]["name"], Path(other.card["file"]).stem):
            # A card names what it began from, not which version of it: those that are here may have been trained since.
            return other, other.name == network.name or other.card["date"] > recorded["date"]
    return None


def device(recorded: dict[str, Any]) -> str:
    """Return the name of the device in a card, which counts a single thread as "1 threads"."""
    return recorded["device"].replace(" 1 threads", " 1 thread")


def curve_chart(networks: Sequence[TrainedNetwork], measure: str, title: str) -> str:
    """Return an SVG chart with a line per network, iterations on the x axis and `measure` on the y axis; "" without values.

    The x axis shows iterations, because minutes depend on the other load of the machine. If a card has the measure on
    training photos too, a second, faint line shows it.

    Args:
        networks: The networks to draw.
        measure: Key of the curve in the cards; see MEASURES.
        title: Caption of the chart.
    """
    validation = [_curve(network, measure) for network in networks]
    training = [_curve(network, f"train_{measure}") for network in networks]
    points = [point for curve in (*validation, *training) for point in curve]
    if not points:
        return ""
    last = max(iteration for iteration, _ in points)
    values = sorted(value for _, value in points)
    # The first validations of a training are outliers that would flatten the chart; 2 % are cut off at both ends.
    low, high = values[len(values) // 50], values[-1 - len(values) // 50]
    span = (high - low) or 1.0

    def placed(curve: Curve) -> list[tuple[float, float]]:
        return [(_FRAME.x(i / last), _FRAME.y((min(max(value, low), high) - low) / span)) for i, value in curve]

    lines: list[str] = []
    for number, (network, curve, on_training) in enumerate(zip(networks, validation, training, strict=True)):
        dashes = _dashes(number)
        lines.append(svg.polyline(placed(curve), dashes=dashes, opacity=1.0, title=network.title))
        if on_training:
            name = f"{network.title}, training photos"
            lines.append(svg.polyline(placed(on_training), dashes=dashes, opacity=0.35, title=name))
    body = (
        svg.text(4, _FRAME.top + 4, f"{high:.3g}")
        + svg.text(4, _FRAME.ground, f"{low:.3g}")
        + svg.text(_FRAME.end, _FRAME.height - 14, f"{last:.0f} iterations", "end")
        + svg.axes(_FRAME)
        + "".join(lines)
    )
    return svg.figure(_FRAME, f"{title} by iterations", body, title)


def _curve(network: TrainedNetwork, measure: str) -> Curve:
    """Return the points for which the card has a value."""
    curves = network.card["curves"]
    return [(i, v) for i, v in zip(curves["iteration"], curves.get(measure, []), strict=False) if v is not None]


def _dashes(number: int) -> str:
    return svg.DASHES[number % len(svg.DASHES)]


def legend(networks: Sequence[TrainedNetwork], *, note: bool = True) -> str:
    """Return the legend of `curve_chart` as HTML; `note` adds a sentence on the faint lines."""
    entries = [(network.title, _dashes(number)) for number, network in enumerate(networks)]
    return render("legend.html", entries=entries, note=note)


def training_table(networks: Sequence[TrainedNetwork]) -> str:
    """Return an HTML table of scores and training cost, from the cards."""
    licences = list(dict.fromkeys(network.card["data"]["licence"] or "not stated" for network in networks))
    rows = [_cells(network, networks) for network in networks]
    return render("training_table.html", headings=_HEADINGS, rows=rows, licences=licences)


def _cells(network: TrainedNetwork, networks: Sequence[TrainedNetwork]) -> list[str]:
    recorded = network.card
    scores = recorded.get("scores", {})

    def score(key: str) -> str:
        return f"{scores[key]['psnr_y']:.2f} / {scores[key]['ssim_y']:.4f}" if key in scores else "–"

    first, time = began(network, networks), f"{recorded['seconds'] / 60:.0f} min"
    if first is not None:
        time += f", after an earlier {first[0].title}" if first[1] else f", after {first[0].title}"
    return [
        network.title, score("Set5"), score("Set14"), score("val"), formatting.parameters(network.parameters),
        str(recorded["iterations"]), time, ", ".join(recorded["losses"]),
        f"{recorded['data']['count']} photos, {device(recorded)}",
    ]  # fmt: skip
