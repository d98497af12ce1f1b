"""A visitor's model is theirs: among their methods only, and gone after the visit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from sr_demo.checkpoint import EMBEDDED
from sr_demo.deploy.report import judged
from sr_demo.errors import SRError
from sr_demo.image import Limits
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.runner import Runner
from sr_demo.options import controls
from sr_demo.reports.verdicts import Budget
from sr_demo.ui import visitor_models
from sr_demo.ui.compare import layout, presets
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.compare.visitor_model_handlers import VisitorModelHandlers
from sr_demo.ui.deploy.export_handlers import ExportComponents, ExportHandlers
from sr_demo.ui.deploy.handlers import PLAN, DeployComponents, DeployHandlers
from sr_demo.ui.examples import sample_file
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.source import source_of
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.user_models.opening import open_model
from tests import fakes

pytestmark = pytest.mark.usefixtures("gradio_loops")


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> PageContext:
    def here(path: Path, progress: Any, **settings: Any) -> Any:
        return open_model(path, **settings, keep=False)

    monkeypatch.setattr(visitor_models, "open_model_in_subprocess", here)  # a process of its own takes seconds to start
    return PageContext([fakes.good()], Runner(), Store(), Stops(), Limits())


@pytest.fixture
def parts(context: PageContext) -> Iterator[Any]:
    with gr.Blocks():
        yield layout.lay_out(context)


def visitor(name: str) -> Any:
    return SimpleNamespace(session_hash=name)


def upload(folder: Path, content: bytes | None = None) -> str:
    """A file as Gradio stores an upload."""
    path = folder / "mine.safetensors"
    path.write_bytes(content or (EMBEDDED / "espcn-x4.safetensors").read_bytes())
    return str(path)


def choices(update: Any) -> list[str]:
    return [value for _, value in update.choices]


def test_each_visitor_sees_only_their_own_model_of_one_name(context: PageContext, parts: Any, tmp_path: Path) -> None:
    own, compare = VisitorModelHandlers(context, parts), Handlers(context, parts)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    *_, first = own.open(upload(tmp_path / "a"), "MIT", visitor("anna"))
    assert "MIT, stated by you" in str(first[parts.choice.own.status])
    assert choices(first[parts.choice.methods]) == ["good", "own:mine"]
    edsr = (EMBEDDED / "edsr-x4.safetensors").read_bytes()
    *_, second = own.open(upload(tmp_path / "b", edsr), "", visitor("bert"))
    assert choices(second[parts.choice.methods]) == ["good", "own:mine"]
    for name, offered in (("anna", ["good", "own:mine"]), ("bert", ["good", "own:mine"]), ("carl", ["good"])):
        updates = compare.estimate(None, "own", False, ["good"], [], visitor(name))
        assert choices(updates[parts.choice.methods]) == offered
    files = {name: context.models.jobs(name)[0].checkpoint.files[0].sha256 for name in ("anna", "bert")}
    assert files["anna"] != files["bert"]


def test_what_is_ticked_while_a_model_is_tried_out_stays(context: PageContext, parts: Any, tmp_path: Path) -> None:
    own, choice = VisitorModelHandlers(context, parts), parts.choice
    *_, last = own.open(upload(tmp_path), "", visitor("anna"))
    untouched = gr.CheckboxGroup(choices=last[choice.methods].choices).constructor_args
    assert last[choice.methods].constructor_args == untouched, "sets what is ticked"
    ticked = own.tick(["clicked-meanwhile"], last[choice.own.added])
    assert ticked == {choice.methods: ["clicked-meanwhile", "own:mine"], choice.own.added: ""}
    assert choice.methods not in own.tick(["good"], ""), "a model that was not added"


def test_a_model_that_is_gone_is_no_longer_ticked(context: PageContext, parts: Any, tmp_path: Path) -> None:
    own, compare, choice = VisitorModelHandlers(context, parts), Handlers(context, parts), parts.choice
    *_, _ = own.open(upload(tmp_path), "", visitor("anna"))
    ticked = ["good", "own:mine"]
    chosen = compare.choose_preset(None, presets.FAMILIES, False, ticked, [], None, request=visitor("anna"))
    there = compare.estimate(None, presets.OWN, False, ticked, [], visitor("anna"))[choice.methods]
    assert "value" not in there.constructor_args, "what is ticked meanwhile stays"
    own.remove([], visitor("anna"))
    before = chosen[choice.before_preset]
    restored = compare.choose_preset(None, presets.OWN, False, ["good"], [], before, request=visitor("anna"))
    assert before.methods == ticked and restored[choice.methods] == ["good"]
    gone = compare.estimate(None, presets.OWN, False, ticked, [], visitor("anna"))[choice.methods]
    assert (choices(gone), gone.value) == (["good"], ["good"])


def test_a_comparison_runs_the_model_of_its_visitor_and_of_no_other(
    context: PageContext, parts: Any, tmp_path: Path
) -> None:
    *_, _ = VisitorModelHandlers(context, parts).open(upload(tmp_path), "", visitor("anna"))
    with context.uploads.opened(str(sample_file(SAMPLES[0])), context.limits) as image:
        source = source_of(str(sample_file(SAMPLES[0])), image)
    values = {component: getattr(component, "value", None) for component in parts.run_inputs()}
    values |= {parts.photo.source: source, parts.choice.methods: ["good", "own:mine"]}
    handlers = RunHandlers(context, parts)
    assert [job.key for job in handlers.task(values, "anna").jobs] == ["good", "own:mine"]
    assert [job.key for job in handlers.task(values, "bert").jobs] == ["good"]


def test_models_are_deleted_after_the_visit(context: PageContext, parts: Any, tmp_path: Path) -> None:
    *_, _ = VisitorModelHandlers(context, parts).open(upload(tmp_path), "", visitor("anna"))
    (job,) = context.models.jobs("anna")
    path = job.checkpoint.files[0].path
    assert path is not None and path.is_file() and not (tmp_path / "mine.safetensors").exists()
    context.models.forget("anna")
    assert not path.parent.exists() and context.models.of("anna") == []


def test_the_file_is_deleted_before_what_was_converted_of_it(
    context: PageContext, parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that ends in between sees that the file is gone."""
    *_, _ = VisitorModelHandlers(context, parts).open(upload(tmp_path), "", visitor("anna"))
    (job,) = context.models.jobs("anna")
    path, deleted = job.checkpoint.files[0].path, list[Path]()
    monkeypatch.setattr(visitor_models.shutil, "rmtree", lambda folder, **_: deleted.append(folder))
    context.models.forget("anna")
    assert path is not None and deleted[0] == path.parent


def test_a_file_that_cannot_be_used_is_deleted_and_named_in_a_sentence(
    context: PageContext, parts: Any, tmp_path: Path
) -> None:
    *_, last = VisitorModelHandlers(context, parts).open(upload(tmp_path, b"\0" * 90), "", visitor("anna"))
    assert "mine.safetensors" in str(last[parts.choice.own.status]) and last[parts.choice.own.file] is None
    assert parts.choice.methods not in last
    assert list(context.store.folder.iterdir()) == []


def test_models_have_a_limit_of_their_own(context: PageContext, tmp_path: Path) -> None:
    models = visitor_models.VisitorModels(max_bytes=1000)
    with pytest.raises(SRError, match="at most"):
        models.open("anna", Path(upload(tmp_path)), "", store=context.store, others=(), progress=None)  # type: ignore[arg-type]


def test_the_models_are_removed_on_request(context: PageContext, parts: Any, tmp_path: Path) -> None:
    own = VisitorModelHandlers(context, parts)
    *_, _ = own.open(upload(tmp_path), "", visitor("anna"))
    updates = own.remove(["good", "own:mine"], visitor("anna"))
    assert updates[parts.choice.methods].value == ["good"] and choices(updates[parts.choice.methods]) == ["good"]


def test_a_comparison_of_models_that_are_gone_says_so(context: PageContext, parts: Any, tmp_path: Path) -> None:
    VisitorModelHandlers(context, parts)
    photo = sample_file(SAMPLES[0])
    with context.uploads.opened(photo, context.limits) as image:
        source = source_of(str(photo), image)
    values = {component: getattr(component, "value", None) for component in parts.run_inputs()}
    for test in (False, True):
        asked = {**values, parts.photo.source: source, parts.choice.methods: ["own:mine"], parts.choice.test: test}
        *_, last = RunHandlers(context, parts).run(asked, visitor("anna"))
        assert "no longer here" in last[parts.results.progress]


def test_a_measurement_is_judged_by_the_budget_of_its_end(
    context: PageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gr.Blocks():
        lab = DeployComponents(gr.CheckboxGroup(), gr.State(), gr.HTML(), gr.HTML(), gr.File(), gr.Button())
    handlers = DeployHandlers(context, PLAN, lab)
    monkeypatch.setattr(handlers, "_shown", lambda report, line: {lab.report: report})
    values = [control.default for control in controls(Budget)]
    report = judged({"approaches": []}, Budget())
    assert lab.report not in handlers.judge(report, *values), "it is judged by that already"
    changed = [False if value is True else value for value in values]
    assert handlers.judge(report, *changed)[lab.report]["budget"] != report["budget"]
    wrong = handlers.judge(report, *[-1 if isinstance(value, int | float) else value for value in values])
    assert "sr-problem" in wrong[lab.line]
    assert lab.report in handlers.judge(wrong[lab.report], *values), "in place of the sentence about a wrong value"


def test_the_lab_measures_and_exports_a_visitors_model_for_them_only(
    context: PageContext, parts: Any, tmp_path: Path
) -> None:
    *_, _ = VisitorModelHandlers(context, parts).open(upload(tmp_path), "", visitor("anna"))
    with gr.Blocks():
        lab = DeployComponents(gr.CheckboxGroup(), gr.State(), gr.HTML(), gr.HTML(), gr.File(), gr.Button())
        files = ExportComponents(gr.Dropdown(), gr.HTML(), gr.File())
    handlers, export = DeployHandlers(context, PLAN, lab), ExportHandlers(context, files)
    for name, offered in (("anna", ["own:mine"]), ("bert", [])):
        assert choices(export.refresh(None, visitor(name))[files.which]) == offered
        assert [key for key in choices(handlers.refresh([], visitor(name))[lab.methods]) if key != "good"] == offered
    *_, last = export.make("own:mine", "safetensors", "fp32", visitor("anna"))
    assert "Verified" in str(last[files.line]) and last[files.packed]
    *_, last = export.make("own:mine", "safetensors", "fp32", visitor("bert"))
    assert "Choose a network" in str(last[files.line])
