"""The example report of the Deploy tab, measured beforehand on the machine that it names.

`python -m sr_demo.ui.deploy.example` measures it again. Run it on a machine that does nothing else, after each change of the
weights of these networks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sr_demo.deploy.html_report import summary
from sr_demo.deploy.report import deploy, without_images
from sr_demo.reports.verdicts import Budget, Facts
from sr_demo.ui.languages import marked

FILE = Path(__file__).resolve().parents[3] / "assets" / "deploy_example.json"
METHODS = ("bicubic", "edsr", "rdn", "hat:tiny", "real-esrgan:compact")
"""Methods with their checkpoints, so that published checkpoints in the local cache do not replace the embedded ones."""


def html() -> str:
    """Return the verdicts of the example as HTML; "" if the file is missing."""
    try:
        report: Facts = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    made, machine = report["made"][:10], report["machine"]
    line = marked("lab_example", processor=machine["processor"], count=machine["cores"], date=made)
    return f'<div class="sr-prose sr-words"><p>{line}</p>{summary(report)}</div>'


def measure() -> Facts:
    """Return the report of `METHODS` by the default budget, without its images."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.deploy.measurement import Plan
    from sr_demo.inference.jobs import job_for

    report = deploy([job_for(APPROACHES, name) for name in METHODS], Plan(), Budget())
    return {**without_images(report), "chart": None}


if __name__ == "__main__":
    FILE.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{FILE.stat().st_size} bytes in {FILE}\n")
