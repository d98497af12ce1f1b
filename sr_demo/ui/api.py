"""Endpoints for programs: `/approaches`, `/upscale`, `/compare`, `/several`, `/deploy`.

The docstrings of `Endpoints`' public methods are shown in Gradio's API page and as descriptions of MCP tools.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from sr_demo.advice import recommendation
from sr_demo.advice.estimates import estimate
from sr_demo.advice.recommendation import recommend
from sr_demo.codecs.formats import output_from
from sr_demo.codecs.sniff import kind_of
from sr_demo.deploy.report import budget_from, deploy
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError, log_unexpected, quoted
from sr_demo.image import Image, ImageData, Output, for_output, read, write
from sr_demo.imaging.output_size import OutputSize, parse
from sr_demo.inference.faithful import allowed_detail
from sr_demo.inference.jobs import Done, Failed, ImageResult, Job, job_for, refuse_repeated
from sr_demo.progress import Progress
from sr_demo.reports.catalogue_listing import describe
from sr_demo.reports.evaluation import lr_and_reference
from sr_demo.reports.external_results import jobs_of
from sr_demo.reports.table import record
from sr_demo.spec import Precision
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare.external_results import ExternalResult, score_in_turns
from sr_demo.ui.compare.scheduled_jobs import MOST_JOBS, ComparisonInputs, run_in_turns
from sr_demo.ui.deploy.handlers import DEPLOY_SECONDS, PLAN
from sr_demo.ui.fetching import check_present
from sr_demo.ui.method_choices import PageContext, offered, typical_seconds
from sr_demo.ui.several.queue import Photo, Queue, check_counts
from sr_demo.ui.source import files_input, image_input

_NAMED_VALUES: dict[str, Any] = {"type": "object", "additionalProperties": True}
_OUTPUT = Output(metadata="public")
"""Default output: GPS position and serial numbers are copied only if a program requests them."""


def add(context: PageContext) -> None:
    """Add the endpoints, with hidden components, to the page in the current Gradio context."""
    endpoints = Endpoints(context)
    gr.api(endpoints.approaches, api_name="approaches", **LIGHT)
    with gr.Row(visible=False):
        image = image_input(label="image")
        approach = gr.Textbox("rdn", label="approach")
        names = _json(["bicubic", "rdn"], {"type": "array", "items": {"type": "string"}}, label="approaches")
        options = _json({}, _NAMED_VALUES, label="options")
        output = _json({}, _NAMED_VALUES, label="output")
        test = gr.Checkbox(False, label="test_against_truth")
        size = gr.Textbox("", label="size")
        mask = image_input(label="mask")
        result, report = gr.File(label="result"), _json(None, _NAMED_VALUES, label="report")
        budget = _json({}, _NAMED_VALUES, label="budget")
        files = gr.File(label="results", file_count="multiple")
        brought, images = files_input(label="brought"), files_input(label="images")
        methods = _json(["rdn"], {"type": "array", "items": {"type": "string"}}, label="approaches")
        packed = gr.File(label="zip")
        trigger = gr.Button("run")
    given = [image, approach, options, size, output, mask]
    compared_given = [image, names, test, size, output, brought]
    trigger.click(endpoints.upscale, given, [result, report], api_name="upscale", **HEAVY)
    trigger.click(endpoints.compare, compared_given, [files, report], api_name="compare", **HEAVY)
    several_given = [images, methods, size, output]
    trigger.click(endpoints.several, several_given, [packed, report], api_name="several", **HEAVY)
    trigger.click(endpoints.deploy, [names, budget], report, api_name="deploy", **HEAVY)


def _json(value: Any, schema: dict[str, Any], label: str) -> gr.JSON:
    """Return a `gr.JSON` with a schema for the API. Gradio's own schema is "any", in a form that MCP clients reject."""
    component = gr.JSON(value, label=label)
    component.api_info = lambda: schema
    return component


class Endpoints:
    """The endpoints for programs. Each error is returned as one sentence."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def approaches(self) -> list[dict]:  # type: ignore[type-arg] - Gradio derives the endpoint's type from it
        """All approaches with their options and checkpoints: names, licences, sizes, sha256, available offline or not."""
        return describe(self._context.approaches)

    def upscale(
        self,
        image: str,
        approach: str = "rdn",
        options: dict[str, Any] | None = None,
        size: str = "",
        output: dict[str, Any] | None = None,
        mask: str | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Upscale one image, four times or to a given size, and report what it cost.

        Args:
            image: an image file: PNG, JPEG, TIFF, WebP, HEIC and others
            approach: ID or ID:CHECKPOINT, such as bicubic, rdn, real-esrgan; an unknown ID is refused with a list of all
            options: name -> value of the approach's own options, {} for its defaults; "precision" (auto, fp32, bf16, fp16 or
                int8) is the number format that a network computes in
            size: of the result: a factor from 1 to 8 ("2x", "2.5x"), "1920 wide", "1080 high" or "30x20cm@300" for print;
                empty for that of the approach, which is 4 times for most
            output: how the result is written, {} for PNG: "format" (png, jpeg, webp, avif, tiff, or same as the image),
                "quality" (1 to 100, of jpeg, webp and avif), "bits" (8 or 16, of png and tiff), "metadata" (public: without
                GPS position and serial numbers; all; none)
            mask: an image file of any size that is white where nothing may be invented, for approaches that invent detail

        Returns:
            the file, and a report: size, seconds, memory, precision, checkpoint, scores, metadata kept and removed
        """
        try:
            written = output_from(output or {}, _OUTPUT)
            values = dict(options or {})
            precision = _precision(values.pop("precision", "auto"))
            job = job_for(self._context.approaches, approach, values, precision, size=_size(size))
            with self._context.callers.admitted(program=True) as caller:
                self._context.runner.fetch(job, Progress(stop=caller.stop))
                with caller.turn(typical_seconds(self._context, job)) as progress:
                    allowed = None if mask is None else allowed_detail(self._read(mask).rgb)
                    given = self._read(image)  # first, since it refuses a call without an image
                    wanted = written.like(kind_of(Path(image)))
                    result = self._context.runner.run(
                        job, for_output(given, wanted), progress=progress, allowed=allowed
                    )
                    file, facts = _save(result, self._context.store.new(), wanted)
            return file, facts
        except Exception as exc:
            raise _as_gradio(exc) from exc

    def compare(
        self,
        image: str,
        approaches: list[str] | None = None,
        test_against_truth: bool = False,
        size: str = "",
        output: dict[str, Any] | None = None,
        brought: list[str] | None = None,
    ) -> tuple[list[str], dict[str, Any]]:
        """Upscale one image with several approaches. A failing one does not hide the others.

        Args:
            image: an image file: PNG, JPEG, TIFF, WebP, HEIC and others
            approaches: list of ID or ID:CHECKPOINT, such as bicubic, rdn, real-esrgan
            test_against_truth: downscale the image first, then score every result against the original (PSNR, SSIM)
            size: of the results, as for upscale; a whole factor where they are scored against the original
            output: how results are written, {} for PNG; see upscale
            brought: up to four image files, which other tools made of the image (of its small version, with
                test_against_truth): aligned, then scored like the others

        Returns:
            the files in order, and a report {"results": [...], "failures": [...], "advice": which methods suit the image}
        """
        try:
            written = output_from(output or {}, _OUTPUT)
            jobs, paths = self._jobs(approaches, _size(size)), [Path(path) for path in brought or ()]
            scale = jobs[0].test_scale if test_against_truth else 1
            others = [
                ExternalResult(*one)
                for one in zip(jobs_of(paths), (partial(self._read, p) for p in paths), strict=True)
            ]

            report: dict[str, Any] = {"results": [], "failures": [], "advice": None}

            def load() -> tuple[ImageData, Image | None]:
                original = for_output(self._read(image), written.like(kind_of(Path(image))))
                report["advice"] = self._advice(original.rgb, Path(image))
                return lr_and_reference(original, scale, None) if test_against_truth else (original, None)

            files: list[str] = []
            with self._context.store.lent() as folder, self._context.callers.admitted(program=True) as caller:
                runner, inputs = self._context.runner, ComparisonInputs(load)
                ours = run_in_turns(runner, caller, jobs, partial(typical_seconds, self._context), inputs)
                for event in chain(ours, score_in_turns(caller, others, inputs)):
                    if isinstance(event, Done):
                        try:
                            file, facts = _save(event.result, folder, written.like(kind_of(Path(image))))
                        except (BadInput, OutOfMemory) as exc:  # such as a result that its format cannot hold
                            report["failures"].append({"approach": event.result.job.key, "message": str(exc)})
                        else:
                            files.append(file)
                            report["results"].append(facts)
                    elif isinstance(event, Failed):
                        report["failures"].append({"approach": event.job.key, "message": event.message})
            return files, report
        except Exception as exc:
            raise _as_gradio(exc) from exc

    def several(
        self,
        images: list[str] | None,
        approaches: list[str] | None = None,
        size: str = "",
        output: dict[str, Any] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Upscale up to 50 images, one after the other, into one zip. One that fails is named, and the others go on.

        Args:
            images: image files: PNG, JPEG, TIFF, WebP, HEIC and others
            approaches: list of up to four ID or ID:CHECKPOINT, rdn alone by default
            size: of the results, as for upscale
            output: how results are written, {} for PNG; see upscale

        Returns:
            the zip, and a report {"photos": [{"name", "state", "results": [...], "failures": [...]}, ...]}
        """
        try:
            if not images:
                raise BadInput("There is no picture: send files as `images`.")
            written, jobs = output_from(output or {}, _OUTPUT), self._jobs(approaches or ["rdn"], _size(size))
            check_counts(len(images), len(jobs))
            context = self._context
            photos = [Photo(Path(image)) for image in images]
            used = [photo.path for photo in photos]
            with context.store.lent(used) as folder, context.callers.admitted(program=True) as caller:
                queue = Queue(photos, jobs, context.limits, folder, written)
                for _ in queue.run(context.runner, caller, partial(typical_seconds, self._context)):
                    pass
            return str(queue.zip), queue.report()
        except Exception as exc:
            raise _as_gradio(exc) from exc

    def deploy(self, approaches: list[str] | None = None, budget: dict[str, Any] | None = None) -> dict[str, Any]:
        """Measure approaches on the server, each in its own process, and judge them by a budget; about 10 s each.

        Args:
            approaches: list of ID or ID:CHECKPOINT, such as bicubic, rdn, real-esrgan
            budget: name -> value, of seconds, side, memory_mb, vram_mb, disk_mb, offline, commercial, measures,
                invented_percent, missing_percent, consistency_db, hardware

        Returns:
            the report with a verdict for each, following the schema sr_demo/deploy/report.schema.json
        """
        try:
            jobs, wanted = self._jobs(approaches), budget_from(budget or {})
            with self._context.callers.admitted(program=True) as caller:
                for job in jobs:
                    self._context.runner.fetch(job, Progress(stop=caller.stop))
                with caller.turn(DEPLOY_SECONDS * len(jobs)) as progress:
                    return deploy(jobs, PLAN, wanted, progress)
        except Exception as exc:
            raise _as_gradio(exc) from exc

    def _jobs(self, names: list[str] | None, size: OutputSize | None = None) -> list[Job]:
        """Return the jobs of `names`. Raises BadInput on an unknown or repeated name, or more than `MOST_JOBS` names."""
        names = names or ["bicubic", "rdn"]
        if len(names) > MOST_JOBS:
            raise BadInput(f"One call compares {MOST_JOBS} approaches at most, not {len(names)}.")
        jobs = [job_for(self._context.approaches, name, size=size) for name in names]
        refuse_repeated(jobs)
        return jobs

    def _advice(self, image: Image, path: Path) -> dict[str, Any] | None:
        """Return which of the available methods suit an image, as JSON-serialisable data."""
        found = recommend(estimate(image, path), [job for jobs in offered(self._context.approaches) for job in jobs])
        return found and recommendation.record(found)

    def _read(self, image: str | Path | None) -> ImageData:
        if image is None:
            raise SRError("There is no picture: send a file as `image`.")
        check_present(Path(image))
        return replace(read(Path(image), self._context.limits), name=Path(image).name)


def _size(text: str) -> OutputSize | None:
    """Return the size that a program requests; None if it requests none. Raises BadInput."""
    return parse(text) if text.strip() else None


def _save(result: ImageResult, folder: Path, output: Output) -> tuple[str, dict[str, Any]]:
    """Write a result into `folder`; return the file, and its report with the metadata that was kept and left out."""
    target = folder / f"{result.job.file_name}{output.file_format.suffix}"
    written = write(result.image, target, output)
    facts = record(result)
    facts["notes"] += written.notes
    return str(target), {**facts, "format": output.format, "metadata": written.as_dict()}


def _precision(wanted: object) -> Precision:
    """Return the precision named `wanted`. Raises BadInput if it is unknown."""
    for known in get_args(Precision):
        if wanted == known:
            return known
    raise BadInput(f"There is no precision {quoted(wanted)}. There are: {', '.join(get_args(Precision))}.")


def _as_gradio(exc: Exception) -> gr.Error:
    """Return the error to raise to Gradio: the message of an `SRError`, or a reference to the log for a bug."""
    if isinstance(exc, Cancelled):  # the caller has left, or has cancelled the call
        text = "Stopped."
    else:
        text = str(exc) if isinstance(exc, SRError) else log_unexpected(exc, "answering a program")
    return gr.Error(text, print_exception=False)  # bugs are in the log already
