"""The tables in README.md that are generated from the catalogue and the cards.

`python -m sr_demo.reports.readme_tables` rewrites them; a test fails when they are stale.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import Checkpoint
from sr_demo.reports import formatting
from sr_demo.reports.training_curves import began, device, trained_networks
from sr_demo.spec import Approach
from sr_demo.system.file_sizes import file_size

README = Path(__file__).resolve().parents[2] / "README.md"


def approach_table(approaches: Sequence[Approach]) -> str:
    """Return all approaches and checkpoints as a Markdown table."""
    lines = [
        "| approach | checkpoint | what it is | parameters | file | licence | where |",
        "|---|---|---|---|---|---|---|",
    ]
    for approach in approaches:
        for index, checkpoint in enumerate(approach.checkpoints):
            name = f"`{approach.id}`" if index == 0 else ""
            what = approach.summary if index == 0 else checkpoint.title
            lines.append(
                f"| {name} | `{checkpoint.name}` | {what} | {formatting.parameters(checkpoint.parameters)} "
                f"| {file_size(checkpoint.bytes)} | {checkpoint.licence} | {_where(checkpoint)} |"
            )
    return "\n".join(lines)


def score_table(approaches: Sequence[Approach]) -> str:
    """Return the scores of the embedded networks from their cards as a Markdown table."""
    lines = [
        "| checkpoint | Set5 PSNR-Y / SSIM-Y | Set14 PSNR-Y / SSIM-Y | iterations | trained for |",
        "|---|---|---|---|---|",
    ]
    networks = trained_networks(approaches)
    for network in networks:
        recorded = network.card
        scores = recorded.get("scores", {})
        if "Set5" not in scores or "iterations" not in recorded:
            continue
        cells = " | ".join(f"{scores[s]['psnr_y']:.2f} / {scores[s]['ssim_y']:.4f}" for s in ("Set5", "Set14"))
        first, minutes = began(network, networks), recorded["seconds"] / 60
        after = "" if first is None else f", after {'an earlier ' if first[1] else ''}`{first[0].name}`"
        lines.append(
            f"| `{network.name}` | {cells} | {recorded['iterations']} | {minutes:.0f} min, {device(recorded)}{after} |"
        )
    return "\n".join(lines)


def rendered(text: str) -> str:
    """Return the text of README.md with regenerated tables between the markers."""
    for name, table in (("approaches", approach_table(APPROACHES)), ("scores", score_table(APPROACHES))):
        pattern = rf"(<!-- {name}: generated -->\n).*?(\n<!-- end -->)"
        text = re.sub(pattern, lambda m, table=table: m.group(1) + table + m.group(2), text, flags=re.DOTALL)
    return text


def _where(checkpoint: Checkpoint) -> str:
    if checkpoint.kind == "none":
        return "no file"
    where = {"embedded": "embedded", "hub": "downloaded once", "own": "your own copy"}[checkpoint.kind]
    return where + (", needs a GPU" if checkpoint.needs is not None else "")


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
