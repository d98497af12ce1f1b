"""A finished comparison with less detail: what the viewer mixes, what is saved, and the maps of what was invented."""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from sr_demo.approaches import baselines
from sr_demo.errors import BadInput
from sr_demo.faces.detail_limit import FaceDetailLimit
from sr_demo.faces.detection import Face
from sr_demo.image import Image, Limits, Size, encode_png, read, write_png
from sr_demo.imaging.detail import blend_detail
from sr_demo.imaging.resize import resize
from sr_demo.inference import faithful
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.options import GenerativeOptions, Options
from sr_demo.progress import SILENT, Progress
from sr_demo.reports import saved_image
from sr_demo.reports.bundle import ZIP
from sr_demo.reports.saved_image import Part
from sr_demo.ui.callers import Callers
from sr_demo.ui.compare import adjust_handlers, detail_limits
from sr_demo.ui.compare.adjust_handlers import AdjustHandlers
from sr_demo.ui.compare.adjustment import AdjustmentRequest, apply_adjustment, is_outdated, previous_value
from sr_demo.ui.compare.comparison import Task, compare
from sr_demo.ui.compare.detail_limits import Mask
from sr_demo.ui.compare.layout import lay_out
from sr_demo.ui.compare.view import MOST_SPREAD, gray_image
from sr_demo.ui.histories import StoredComparison
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.viewer.viewer import GONE, viewer_value
from tests import fakes
from tests.conftest import image_of, noise

LEVEL = 1 / 255
START = "data:image/png;base64,"


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    shutil.rmtree(store.root)


def grain(image: Image, progress: Progress) -> Image:
    made = fakes.upscaled(image)
    return np.clip(made + np.random.default_rng(1).normal(0, 0.1, made.shape).astype(np.float32), 0, 1)


def finished(store: Store, *, test: bool = False, face_detail: float = 1.0) -> StoredComparison:
    """A comparison of bicubic with a method that draws grain; the partner is bicubic, too."""
    grainy = replace(fakes.approach(fakes.Fake(grain), name="grainy", invents=True), options=GenerativeOptions)
    options = GenerativeOptions(face_detail=face_detail)
    jobs = [Job(one, one.checkpoints[0], given) for one, given in ((baselines.BICUBIC, Options()), (grainy, options))]
    task = Task(lambda: image_of(noise(48, 64)), jobs, has_reference=test)
    with Callers().admitted() as caller:
        *_, view = compare(Runner(), store, task, caller)
    assert view.comparison is not None
    run = StoredComparison(view.folder, "photo", "<img>", view.comparison)
    run.write({"viewer": viewer_value(view.for_viewer(), adjustable=True), "table": "", "chart": "", "families": ""})
    return run


@pytest.fixture(autouse=True)
def _bicubic_is_the_partner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithful, "APPROACH", baselines.BICUBIC)


def image(shown: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in shown["viewer"]["images"] if one["id"] == name)


def pixels(run: StoredComparison, name: str) -> Image:
    return read(run.folder / name).rgb


def test_what_is_saved_is_what_the_viewer_mixes(store: Store) -> None:
    run = finished(store)
    whole, lr = pixels(run, "grainy.png"), image_of(pixels(run, "input.png"))
    plain = faithful.with_lr_consistency(image_of(resize(lr.rgb, (192, 256))), lr).rgb
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.6), SILENT)
    found = image(shown, "grainy")
    none, all_of_it, saved = (
        pixels(run, Path(found[key]).name) for key in ("faithful_url", "detailed_url", "download_url")
    )
    np.testing.assert_allclose(none, plain, atol=LEVEL)
    np.testing.assert_allclose(saved, none + np.float32(0.6) * (all_of_it - none), atol=1.01 * LEVEL)
    np.testing.assert_allclose(saved, blend_detail(whole, plain, 0.6, lr.rgb), atol=2 * LEVEL)
    assert Path(found["download_url"]).name == "grainy_detail-60.png" and "detail 0.6" in found["note"]
    assert Path(found["url"]).name == "grainy.png" and not image(shown, "bicubic")["download_url"]


def test_zip_page_report_and_table_have_the_detail_that_is_shown(store: Store) -> None:
    run = finished(store)
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.5), SILENT)
    with zipfile.ZipFile(run.folder / ZIP) as archive:
        assert {"input.png", "bicubic.png", "grainy_detail-50.png", "report.html"} <= set(archive.namelist())
        assert "grainy.png" not in archive.namelist()
        report = json.loads(archive.read("report.json"))
    row = report["results"][1]
    assert row["options"]["detail"] == 0.5 and row["lr_consistency"] > run.comparison.results[1].scores.lr_consistency
    assert "Grainy, detail 0.5" in shown["table"] and "detail 0.5" in Path(shown["files"]["html"]).read_text()
    back = apply_adjustment(Runner(), run, AdjustmentRequest(1), SILENT)
    assert "Grainy, detail" not in back["table"] and not image(back, "grainy")["download_url"]
    with zipfile.ZipFile(run.folder / ZIP) as archive:
        assert "grainy.png" in archive.namelist()
    assert run.read() == back


def test_a_result_too_large_for_a_browser_is_downloaded_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_image, "_MAX_SHOWN_PIXELS", 1000)
    run = finished(store)
    for name in ("bicubic", "grainy"):
        before = image(run.read(), name)
        assert before["url"].endswith(f"{name}_smaller.png") and before["download_url"].endswith(f"/{name}.png")
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.6), SILENT)
    assert image(shown, "bicubic")["download_url"].endswith("/bicubic.png")
    assert image(shown, "grainy")["download_url"].endswith("/grainy_detail-60.png")


@pytest.mark.usefixtures("gradio_loops")
def test_an_adjustment_leaves_a_comparison_that_was_brought_back_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = PageContext([fakes.good()], Runner(), store, Stops(), Limits())
    with gr.Blocks():
        parts = lay_out(context)
    first, second = finished(store), finished(store)
    for run in (first, second):
        context.histories.add("me", run, store)
    event: Any = SimpleNamespace(detail=0.6, mapped=False, number=1, url=f"gradio_api/file=/{second.id}/grainy.png")
    asked: Any = SimpleNamespace(session_hash="me")

    def meanwhile(*arguments: Any) -> Any:
        context.histories.bring_back("me", first.id)
        return apply_adjustment(*arguments)

    handlers = AdjustHandlers(context, parts)
    monkeypatch.setattr(adjust_handlers, "apply_adjustment", meanwhile)
    assert parts.results.viewer not in handlers.adjust(event, asked)
    assert image(second.read(), "grainy")["download_url"], "it is there when it is brought back"
    context.histories.bring_back("me", second.id)
    monkeypatch.setattr(adjust_handlers, "with_faces", lambda run: context.histories.bring_back("me", first.id))
    assert parts.results.viewer not in handlers.find_faces(event, asked)
    context.histories.bring_back("me", second.id)

    def compared(*arguments: Any) -> Any:
        context.stops.begin("compare me")
        return apply_adjustment(*arguments)

    monkeypatch.setattr(adjust_handlers, "apply_adjustment", compared)
    later: Any = SimpleNamespace(**{**vars(event), "number": 2})
    assert parts.results.viewer not in handlers.adjust(later, asked), "the next comparison is shown by now"
    gone: Any = SimpleNamespace(**{**vars(event), "url": "gradio_api/file=/gone/grainy.png"})
    assert parts.results.viewer not in handlers.adjust(gone, asked)


@pytest.mark.usefixtures("gradio_loops")
def test_the_menu_that_saves_a_result_closes_where_that_result_has_changed(store: Store) -> None:
    context = PageContext([fakes.good()], Runner(), store, Stops(), Limits())
    with gr.Blocks():
        parts = lay_out(context)
    run = finished(store)
    context.histories.add("me", run, store)
    asked: Any = SimpleNamespace(session_hash="me")
    handlers = AdjustHandlers(context, parts)

    def closes(name: str | None) -> bool:
        update = handlers.close_outdated(name and str(run.folder / name), asked)
        return getattr(update, "visible", None) is False

    apply_adjustment(Runner(), run, AdjustmentRequest(1, mapped=True), SILENT)
    assert [closes(name) for name in ("bicubic.png", "grainy.png", None)] == [False, False, False]
    apply_adjustment(Runner(), run, AdjustmentRequest(0.6), SILENT)
    assert [closes(name) for name in ("bicubic.png", "grainy.png", "grainy_detail-60.png")] == [False, True, False]


@pytest.mark.usefixtures("gradio_loops")
def test_a_request_about_deleted_results_is_answered(store: Store) -> None:
    context = PageContext([fakes.good()], Runner(), store, Stops(), Limits())
    with gr.Blocks():
        parts = lay_out(context)
    run = finished(store)
    event: Any = SimpleNamespace(detail=0.6, mapped=False, number=1, url=f"gradio_api/file=/{run.id}/grainy.png")
    asked: Any = SimpleNamespace(session_hash="me")
    handlers = AdjustHandlers(context, parts)
    for is_known in (False, True):
        if is_known:
            context.histories.add("me", run, store)
            shutil.rmtree(run.folder)
        for handler in (handlers.adjust, handlers.find_faces):
            answer = handler(event, asked)
            assert answer[parts.results.viewer] == GONE and "no longer kept here" in answer[parts.results.progress]


def test_a_request_that_arrives_after_a_later_one_is_outdated(store: Store) -> None:
    run = finished(store)
    assert not is_outdated(run, AdjustmentRequest(0.5, number=1))
    apply_adjustment(Runner(), run, AdjustmentRequest(0.5, number=2), SILENT)
    assert is_outdated(run, AdjustmentRequest(0.6, number=1)) and not is_outdated(run, AdjustmentRequest(0.6, number=2))


def test_maps_are_made_on_request_and_mark_what_was_invented(store: Store) -> None:
    run = finished(store)
    assert not image(apply_adjustment(Runner(), run, AdjustmentRequest(1), SILENT), "grainy")["invention_url"]
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(1, mapped=True), SILENT)
    assert image(shown, "bicubic")["invention_url"] and not image(shown, "input")["invention_url"]
    opacity = {}
    for name in ("bicubic", "grainy"):
        alpha = read(run.folder / f"{name}_invention.png").alpha
        assert alpha is not None
        opacity[name] = float(alpha.mean())
    assert opacity["bicubic"] < 0.01 < 0.2 < opacity["grainy"]


def test_with_an_original_the_map_has_right_missing_and_invented(store: Store) -> None:
    run = finished(store, test=True)
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.5, mapped=True), SILENT)
    assert shown["viewer"]["adjusted"] == {
        "detail": 0.5, "mapped": True, "number": 0, "reference": True, "mask_url": "", "faces_url": "", "spread": False,
    }  # fmt: skip
    assert (run.folder / "grainy_detail-50_difference.png").is_file() and image(shown, "grainy")["difference_url"]
    scores = [json.loads((run.folder / "report.json").read_text())["results"][index] for index in (0, 1)]
    assert scores[1]["hallucination"] < run.comparison.results[1].scores.hallucination  # type: ignore[operator]
    assert (run.folder / "grainy_detail-50_invention.png").is_file()


def test_where_samples_differ_is_the_map_of_a_diffusion_model(store: Store) -> None:
    run = finished(store)
    spread = np.zeros((192, 256), np.float32)
    spread[:, :128] = 20 / 255
    write_png(gray_image(spread / MOST_SPREAD), run.folder / "grainy_spread.png")
    for detail in (1.0, 0.0):
        shown = apply_adjustment(Runner(), run, AdjustmentRequest(detail, mapped=True), SILENT)
        assert shown["viewer"]["adjusted"]["spread"]
        opacity = read(run.folder / Path(image(shown, "grainy")["invention_url"]).name).alpha
        found = np.zeros(2) if opacity is None else [opacity[:, :128].mean(), opacity[:, 128:].mean()]
        assert found[1] == 0 and (found[0] > 0.3) == (detail == 1)


def test_of_a_part_only_its_results_are_adjusted(store: Store) -> None:
    run = finished(store)
    part, whole, lr = noise(96, 128).copy(), run.comparison.images, image_of(pixels(run, "input.png"))
    part[24:72, 32:96] = lr.rgb
    write_png(image_of(part), run.folder / "input.png")
    where = Part(0.25, 0.25, 0.5, 0.5)
    images = [whole[0], replace(whole[1], part=where), replace(whole[2], part=where)]
    shown = apply_adjustment(
        Runner(), replace(run, comparison=replace(run.comparison, images=images)), AdjustmentRequest(0.5), SILENT
    )
    found = image(shown, "grainy")
    assert found["part"] == where and pixels(run, Path(found["faithful_url"]).name).shape == (192, 256, 3)
    plain = faithful.with_lr_consistency(image_of(resize(lr.rgb, (192, 256))), lr).rgb
    np.testing.assert_allclose(pixels(run, Path(found["faithful_url"]).name), plain, atol=2 * LEVEL)


def left_half_white() -> Mask:
    """As the browser sends it: white where nothing may be invented."""
    white = np.zeros((384, 512, 3), np.float32)
    white[:, :256] = 1
    found = detail_limits.mask_of(START + base64.b64encode(encode_png(image_of(white))).decode())
    assert found is not None
    return found


def test_where_the_mask_is_white_the_result_is_faithful_and_all_downloads_show_it(store: Store) -> None:
    run, mask = finished(store), left_half_white()
    plain = apply_adjustment(Runner(), run, AdjustmentRequest(0.6), SILENT)
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.6, mask=mask), SILENT)
    found = image(shown, "grainy")
    faithful_one, saved = (pixels(run, Path(found[key]).name) for key in ("faithful_url", "download_url"))
    np.testing.assert_allclose(saved[:, :100], faithful_one[:, :100], atol=LEVEL)
    elsewhere = pixels(run, Path(image(plain, "grainy")["download_url"]).name)
    np.testing.assert_array_equal(saved[:, 156:], elsewhere[:, 156:])
    name = Path(found["download_url"]).name
    assert name == f"grainy_detail-60_masked-{mask.digest}.png" and "a part kept faithful by a mask" in found["note"]
    assert "Grainy, detail 0.6, masked" in shown["table"]
    assert "Grainy, detail 0.6, masked" in Path(shown["files"]["html"]).read_text()
    with zipfile.ZipFile(run.folder / ZIP) as archive:
        assert name in archive.namelist() and json.loads(archive.read("report.json"))["results"][1]["masked"]
    painted = pixels(run, Path(shown["viewer"]["adjusted"]["mask_url"]).name)
    np.testing.assert_array_equal(painted[:, :256] - painted[:, 256:], 1)


def test_page_and_command_line_follow_one_rule(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest of slider, mask and faces holds at each place."""

    def keep(faces: Sequence[Face], size: Size, detail: float) -> FaceDetailLimit:
        allowed = np.ones(size, np.float32)
        allowed[24:] = detail
        return FaceDetailLimit(allowed, 1)

    monkeypatch.setattr(faithful, "detect", lambda _: (Face(1, 30, 5, 5, 1.0),))
    monkeypatch.setattr(faithful, "face_detail_limit", keep)
    run, mask = finished(store, face_detail=0.3), left_half_white()
    lr, job = image_of(pixels(run, "input.png")), run.comparison.results[1].job
    allowed = faithful.allowed_detail(read(detail_limits.written(mask, run.folder)).rgb)
    for detail in (1.0, 0.5, 0.2):
        shown = apply_adjustment(Runner(), run, AdjustmentRequest(detail, mask=mask), SILENT)
        saved = pixels(run, Path(image(shown, "grainy")["download_url"]).name)
        wanted = Runner().run(faithful.with_detail(job, detail), lr, allowed=allowed)
        np.testing.assert_allclose(saved, wanted.rgb, atol=3 * LEVEL)
        assert wanted.masked and wanted.kept_faces == (detail > 0.3)
    faces = pixels(run, Path(shown["viewer"]["adjusted"]["faces_url"]).name)
    np.testing.assert_allclose(faces[[0, -1], 0, 0], [1, 0.3], atol=LEVEL)


def test_only_what_the_last_mask_has_made_is_kept(store: Store) -> None:
    run, mask = finished(store), left_half_white()
    apply_adjustment(Runner(), run, AdjustmentRequest(mask=mask), SILENT)
    assert len(list(run.folder.glob("*_masked-*"))) == 1
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(), SILENT)
    assert not list(run.folder.glob("*mask*")) and image(shown, "grainy")["download_url"] == ""


@pytest.mark.parametrize("sent", [7, "nonsense", START + "%", START + "AAAA", START + "A" * 2**21])
def test_a_mask_that_is_no_mask_is_refused(store: Store, sent: object) -> None:
    run = finished(store)
    with pytest.raises(BadInput, match="Paint it again"):
        apply_adjustment(Runner(), run, AdjustmentRequest(mask=detail_limits.mask_of(sent)), SILENT)
    assert not list(run.folder.glob("*mask*"))


def test_a_refused_request_brings_back_what_was_shown(store: Store) -> None:
    run = finished(store)
    assert previous_value(run, 1)["adjusted"] == {"detail": 1.0, "mapped": False, "number": 1}
    shown = apply_adjustment(Runner(), run, AdjustmentRequest(0.5, number=2), SILENT)
    again = previous_value(run, 3)
    assert again["images"] == shown["viewer"]["images"]
    assert again["adjusted"] == {**shown["viewer"]["adjusted"], "number": 3}


@pytest.mark.parametrize("detail", [None, "x", -0.1, 1.1, float("nan")])
def test_a_browser_that_sends_nonsense_is_refused(detail: object) -> None:
    with pytest.raises(BadInput, match="from 0 to 1"):
        AdjustmentRequest.of(SimpleNamespace(detail=detail, mapped=False, number=1))
    assert AdjustmentRequest.of(SimpleNamespace(detail=0.618, mapped="yes", number=3)) == AdjustmentRequest(
        0.6, False, 3
    )
