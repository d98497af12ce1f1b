"""The finished comparison that the viewer shows before anything has run.

`python -m sr_demo.ui.compare.welcome` computes it anew with the embedded networks, into `assets/welcome/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sr_demo.ui.viewer.viewer import ViewerImage, file_url

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "welcome"
_SAMPLE, _TOP, _LEFT, _SIDE = "cat", 60, 150, 96
"""Region of a bundled photo, taken as it is: it was never made small."""
_METHODS = ("bicubic", "rdn:mse", "hat:tiny", "real-esrgan:compact")
"""With their checkpoints, so that published ones in the cache of whoever runs the script do not take their place."""


def images() -> list[ViewerImage]:
    """Return the images of the comparison; none where the files are missing."""
    try:
        listed = json.loads((FOLDER / "welcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        ViewerImage(
            id=one["id"], label=one["label"], url=file_url(FOLDER / one["file"]), width=one["width"],
            height=one["height"], alt=one["alt"], note=one["note"],
        )
        for one in listed
    ]  # fmt: skip


def write(folder: Path = FOLDER) -> int:
    """Compute the comparison and write it: lossless WebP files and `welcome.json`. Returns the bytes of all files."""
    from dataclasses import replace

    import numpy as np
    from PIL import Image as Pillow

    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import ImageData, crop, quantize
    from sr_demo.imaging.samples import SAMPLES
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner

    sample = next(one for one in SAMPLES if one.id == _SAMPLE)
    lr = crop(ImageData(sample.make()), _TOP, _LEFT, _SIDE, _SIDE)
    folder.mkdir(parents=True, exist_ok=True)
    runner, listed = Runner(), []
    for name in _METHODS:
        job = replace(job_for(APPROACHES, name), precision="fp32")
        pixels = quantize(runner.run(job, lr).image.rgb)
        file = f"{job.file_name}.webp"
        Pillow.fromarray(np.ascontiguousarray(pixels)).save(folder / file, lossless=True, method=6)
        height, width = pixels.shape[:2]
        listed.append({
            "id": f"welcome-{job.file_name}", "label": job.title, "file": file,
            "width": width, "height": height, "alt": f"Result of {job.title} on an example, {width} by {height} pixels",
            "note": job.approach.summary + ("; may invent detail" if job.approach.invents_with(job.checkpoint) else ""),
        })  # fmt: skip
    (folder / "welcome.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    sys.stdout.write(f"{write()} bytes in {FOLDER}\n")
