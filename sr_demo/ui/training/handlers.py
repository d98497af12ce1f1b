"""Event handlers of the Training tab: learning curves from the cards, and one crop upscaled by each network."""

from __future__ import annotations

from functools import cached_property
from html import escape

from sr_demo.errors import Cancelled, SRError
from sr_demo.image import Image, ImageData, quantize
from sr_demo.imaging.resize import downscale
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.jobs import Failed, job_for
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.training_curves import MEASURES, TrainedNetwork, curve_chart, legend, trained_networks
from sr_demo.ui.html import fine_print, inline_image, problem
from sr_demo.ui.method_choices import PageContext

_SAMPLE, _TOP, _LEFT, _SIDE = "astronaut", 40, 140, 192
"""The sample image and its crop in pixels: a face, hair and cloth."""
_SHOWN = 2 * _SIDE
_SECONDS = 3.0
"""Expected duration of upscaling the crop with all networks."""


class TrainingHandlers:
    """Handlers of the tab's events."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._networks = {network.name: network for network in trained_networks(context.approaches)}

    def curves(self, chosen: list[str] | None) -> str:
        """Return the charts of the networks named `chosen` as HTML; unknown names are left out."""
        networks = self._known(chosen)
        if not networks:
            return '<p class="sr-words">Choose at least one network.</p>'
        charts = "".join(curve_chart(networks, measure, title) for measure, title in MEASURES)
        return f'{legend(networks)}<div class="sr-curves sr-words">{charts}</div>'

    def show(self, chosen: list[str] | None) -> tuple[str, str]:
        """Return the charts, and the crop upscaled by each network, as HTML."""
        try:
            with self._context.callers.turn(_SECONDS) as progress:
                return self.curves(chosen), self.crops(chosen, progress)
        except Cancelled:
            return self.curves(chosen), ""
        except SRError as exc:
            return self.curves(chosen), problem(str(exc))

    def crops(self, chosen: list[str] | None, progress: Progress = SILENT) -> str:
        """Return the original, the bicubic result, and each network's result with PSNR-Y and SSIM-Y, as HTML."""
        try:
            reference = self._reference
        except SRError as exc:
            return problem(str(exc))
        small = ImageData(downscale(reference, 4))
        figures = [_figure(reference, "Original", "")]
        for name in ("bicubic", *(network.name for network in self._known(chosen))):
            job = job_for(self._context.approaches, name)
            outcome = self._context.runner.attempt(job, small, reference, progress)
            if isinstance(outcome, Failed):
                figures.append(
                    f"<figure>{problem(outcome.message)}<figcaption>{escape(job.title)}</figcaption></figure>"
                )
                continue
            scores = outcome.result.scores
            figures.append(
                _figure(outcome.result.image.rgb, job.title, f"{scores.psnr_y:.2f} dB / {scores.ssim_y:.4f}")
            )
        said = (
            f'The same crop of "{_SAMPLE}", reduced to a quarter and enlarged by each network; PSNR-Y and SSIM-Y against the '
            "original. No network was trained on it."
        )
        return f'<div class="sr-crops sr-words">{"".join(figures)}</div>{fine_print(said)}'

    def _known(self, chosen: list[str] | None) -> list[TrainedNetwork]:
        return [self._networks[name] for name in chosen or () if name in self._networks]

    @cached_property
    def _reference(self) -> Image:
        sample = next(sample for sample in SAMPLES if sample.id == _SAMPLE)
        return sample.make()[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE]


def _figure(rgb: Image, title: str, figures: str) -> str:
    image = inline_image(quantize(rgb), _SHOWN, title)
    return f"<figure>{image}<figcaption><b>{escape(title)}</b> {escape(figures)}</figcaption></figure>"
