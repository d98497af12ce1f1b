"""GAN against diffusion: which methods, how large an image, and back; the edge rule; and what the drawing contains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo.approaches import baselines
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import OWN, Checkpoint, Repository, WeightFile
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import Limits, Size, write_png
from sr_demo.inference.jobs import Job, Result
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import Scores
from sr_demo.reports.edge_device import BUDGET, edge_text, edge_verdict, runs_on_cpu
from sr_demo.reports.table import html_table, record
from sr_demo.spec import Approach
from sr_demo.system.hardware import HardwareRequirements
from sr_demo.ui.callers import Callers
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.comparison import Task, compare
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.method_choices import PageContext, representative_jobs
from sr_demo.ui.source import Source, cut
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.updates import Updates
from tests.conftest import image_of, noise
from tests.diffusion.test_sampler import networks

GAN = replace(baselines.BICUBIC, id="gan", title="Plain GAN", family="adversarial", invents=True)
WALKER = Approach(
    id="walker", title="Walker", summary="", about="", family="diffusion", preselected=False, invents=True,
    load=lambda request: DiffusionUpscaler(Sampler(*networks())), options=DiffusionOptions, tiling=OWN,
)  # fmt: skip
SMALL = (baselines.BICUBIC, GAN, WALKER)


def jobs(approaches: tuple[Approach, ...] = SMALL) -> list[Job]:
    return representative_jobs(approaches)


def photo(folder: Path, width: int, height: int) -> str:
    path = folder / f"{width}x{height}.png"
    write_png(image_of(noise(height, width)), path)
    return str(path)


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    shutil.rmtree(made.folder)


@pytest.fixture
def context(store: Store) -> PageContext:
    return PageContext(SMALL, Runner(), store, Stops(), Limits())


@pytest.fixture
def handlers(context: PageContext, components: CompareComponents) -> Handlers:
    return Handlers(context, components)


# --- which methods --------------------------------------------------------------------------------------------------


def test_families_decide_and_a_missing_one_leaves_no_preset() -> None:
    assert [value for _, value in presets.choices(jobs())] == [presets.OWN, presets.FAMILIES]
    assert [value for _, value in presets.choices(jobs((baselines.BICUBIC, GAN)))] == [presets.OWN]
    assert presets.ticked(jobs(), presets.FAMILIES) == ["gan", "walker"]


def test_the_catalogue_offers_its_two_gans() -> None:
    assert {"real-esrgan", "srgan"} <= set(presets.ticked(jobs(APPROACHES), presets.FAMILIES))
    assert not any(":" in key for key in presets.ticked(jobs(APPROACHES), presets.FAMILIES)), "none to be downloaded"


def test_what_must_be_downloaded_first_is_named_and_not_ticked() -> None:
    large = Checkpoint("large", "large", repositories=(Repository("owner/large", ("*.safetensors",), 9 * 10**9),))
    listed = jobs((*SMALL, replace(WALKER, id="large", title="Large", checkpoints=(large,))))
    assert presets.ticked(listed, presets.FAMILIES) == ["gan", "walker"]
    note = presets.note(presets.FAMILIES, True, None, listed, presets.ticked(listed, presets.FAMILIES))
    assert "Compares Plain GAN and Walker" in note and "Also here, once downloaded: Large; tick" in note


@pytest.mark.parametrize(
    ("preset", "inside", "outside"),
    [
        (presets.FAST, {"bicubic", "espcn", "edsr"}, {"rdn", "hat", "diffusion", "mosaic"}),
        (presets.MEASURE, {"bicubic", "edsr", "rdn", "hat"}, {"real-esrgan", "srgan", "diffusion", "mosaic"}),
        (presets.OLD, {"bicubic", "real-esrgan", "srgan"}, {"rdn", "hat"}),
    ],
)
def test_presets_tick_what_their_name_says(preset: str, inside: set[str], outside: set[str]) -> None:
    keys = set(presets.ticked(jobs(APPROACHES), preset))
    assert inside <= keys and not outside & keys


def test_a_preset_that_only_ticks_leaves_test_mode_alone(
    handlers: Handlers, components: CompareComponents, tmp_path: Path
) -> None:
    taken = handlers.take(photo(tmp_path, 600, 400), None, presets.OWN, True, ["gan"], [])
    chosen = handlers.choose_preset(taken[components.photo.source], presets.MEASURE, True, ["gan"], [], None)
    assert chosen[components.choice.test] is True


# --- how large a picture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "test", "given", "sentence"),
    [
        (4000, 3000, True, (186, 248), "Your photo is first reduced to 992 × 744 pixels: that is the original, and "
         "the methods are given 248 × 186."),
        (640, 480, True, (120, 160), "Your photo is the original; the methods are given 160 × 120."),
        (249, 100, False, (100, 248), "Your photo is first reduced to 248 × 100 pixels, then enlarged."),
        (200, 100, False, (100, 200), "Your photo is used as it is."),
    ],
)  # fmt: skip
def test_inputs_stay_below_250_pixels_and_it_is_said(
    width: int, height: int, test: bool, given: tuple[int, int], sentence: str
) -> None:
    source = Source("x.png", "x.png", width, height, ())
    assert presets.supports_test(source) == test
    size = source.size_within(presets.max_side(presets.FAMILIES, test))
    downscaled = tuple(side // 4 for side in size) if test else size
    assert downscaled == given and max(downscaled) < presets.BELOW
    assert sentence in presets.note(presets.FAMILIES, test, source, jobs(), ["gan", "walker"])


def test_without_the_preset_nothing_is_downscaled_or_said() -> None:
    source = Source("x.png", "x.png", 4000, 3000, ())
    assert source.size_within(presets.max_side(presets.OWN, True)) == (3000, 4000)
    assert presets.note(presets.OWN, True, source, jobs(), []) == ""


def test_downscaling_keeps_alpha_and_the_region() -> None:
    image = replace(image_of(noise(400, 600)), alpha=noise(400, 600)[..., 0])
    source = Source("x.png", "x.png", 600, 400, (), region_side=300)
    small = cut(source, image, 150)
    assert small.rgb.shape == (150, 150, 3)
    assert small.alpha is not None and small.alpha.shape == (150, 150)
    assert cut(source, image).rgb.shape == (300, 300, 3)


# --- choosing it, and going back ------------------------------------------------------------------------------------


def selected(updates: Updates, components: CompareComponents) -> tuple[bool, list[str], list[str]]:
    choice = components.choice
    return updates[choice.test], updates[choice.methods], updates[choice.more]


def test_a_preset_is_applied_and_taken_back(handlers: Handlers, components: CompareComponents, tmp_path: Path) -> None:
    photo_parts, before = components.photo, components.choice.before_preset
    taken = handlers.take(photo(tmp_path, 600, 400), None, presets.OWN, False, ["bicubic"], [])
    source = replace(taken[photo_parts.source], region_side=128)
    chosen = handlers.choose_preset(source, presets.FAMILIES, False, ["bicubic"], [], None)
    test, methods, more = selected(chosen, components)
    assert (test, methods, more) == (True, ["gan"], ["walker"])
    picked = chosen[photo_parts.source]
    assert picked.region_side is None and "framed part" not in chosen[photo_parts.about]
    restored = handlers.choose_preset(picked, presets.OWN, test, methods, more, chosen[before])
    assert selected(restored, components) == (False, ["bicubic"], [])
    assert restored[photo_parts.source] == source and restored[before] is None


def test_a_preset_chosen_before_any_photo_holds_for_the_next(
    handlers: Handlers, components: CompareComponents, tmp_path: Path
) -> None:
    source = components.photo.source
    chosen = handlers.choose_preset(None, presets.FAMILIES, False, ["bicubic"], [], None)
    test, methods, more = selected(chosen, components)
    assert test
    large = handlers.take(photo(tmp_path, 1200, 900), None, presets.FAMILIES, test, methods, more)
    assert (large[source].region_side, large[components.choice.test]) == (None, True)
    small = handlers.take(photo(tmp_path, 100, 80), None, presets.FAMILIES, test, methods, more)
    test = small[components.choice.test]
    assert not test
    before = chosen[components.choice.before_preset]
    restored = handlers.choose_preset(small[source], presets.OWN, test, methods, more, before)
    assert selected(restored, components) == (False, ["bicubic"], [])


def test_no_preset_twice_changes_nothing(handlers: Handlers, components: CompareComponents) -> None:
    updates = handlers.choose_preset(None, presets.OWN, False, ["bicubic"], [], None)
    choice = components.choice
    assert updates[choice.before_preset] is None
    assert not {choice.test, choice.methods, choice.more} & updates.keys()


def test_the_time_estimate_is_that_of_the_downscaled_image(handlers: Handlers, components: CompareComponents) -> None:
    source = Source("x.png", "x.png", 4000, 3000, ())
    whole, preset = (
        handlers.estimate(source, choice, True, ["gan"], ["walker"]) for choice in (presets.OWN, presets.FAMILIES)
    )
    assert whole[components.run.estimate] != preset[components.run.estimate]
    note = components.choice.preset_note
    assert whole[note] == "" and "248 × 186" in preset[note]


# --- the table ------------------------------------------------------------------------------------------------------


def result(checkpoint: Checkpoint, seconds: float = 1.0, memory_mb: float = 100.0, approach: Approach = GAN) -> Result:
    return Result(
        job=Job(approach, checkpoint, approach.options()), size=(1024, 1024), scores=Scores(),
        seconds=seconds, load_seconds=0.0, peak_memory_mb=memory_mb, precision="fp32", tile=0, tiles=1, halo=0,
    )  # fmt: skip


FILE = WeightFile("x.safetensors", "0" * 64, 10**6)


@pytest.mark.parametrize(
    ("made", "level", "cell"),
    [
        (result(Checkpoint("c", "c"), seconds=2.0), "fits", "yes, about 2.0 s"),
        # 4 million operations a pixel: 65536 x 4e6 / 0.25e12 = 1.05 s, whatever was measured here.
        (result(Checkpoint("c", "c", flops_per_pixel=4e6), seconds=900.0), "fits", "yes, about 1.0 s"),
        # Attention takes longer than its operations suggest, so the measured time counts.
        (
            result(Checkpoint("c", "c", flops_per_pixel=4e6), seconds=3.0, approach=replace(GAN, family="attention")),
            "fits",
            "yes, about 3.0 s",
        ),
        (result(Checkpoint("c", "c"), seconds=12.0), "fits with", "smaller pictures only, about 12 s"),
        (result(Checkpoint("c", "c"), seconds=60.0), "does not fit", "no, about 60 s"),
        (result(Checkpoint("c", "c"), memory_mb=5000), "does not fit", "no: it took 5000 MB of memory"),
        (
            result(Checkpoint("c", "c", (replace(FILE, bytes=6 * 10**8),))),
            "does not fit",
            "no: its weights take 600 MB",
        ),
        (
            result(Checkpoint("c", "c", needs=HardwareRequirements(12 * 10**9, 0, ""))),
            "does not fit",
            "no, needs a GPU",
        ),
    ],
)
def test_the_edge_rule_is_tied_to_figures(made: Result, level: str, cell: str) -> None:
    assert edge_verdict(made).level == level
    assert edge_text(made).startswith(cell)
    assert runs_on_cpu(made) is ("GPU" not in cell)
    assert record(made)["edge"] == edge_verdict(made).sentence
    assert BUDGET.hardware == "2 cores, 8 GB"


def test_every_comparison_has_both_columns() -> None:
    html = html_table([result(Checkpoint("c", "c"))])
    assert ">Runs on CPU<" in html and ">Edge device<" in html and ">yes, about 1.0 s</td>" in html


# --- the drawing ----------------------------------------------------------------------------------------------------


def families_of(store: Store, approaches: tuple[Approach, ...], has_reference: bool) -> str:
    made = [Job(a, a.checkpoints[0], a.options()) for a in approaches]
    made = [
        replace(job, options=DiffusionOptions(steps=3, noise=1.0)) if job.approach is WALKER else job for job in made
    ]
    with Callers().admitted() as caller:
        lr_size = Size(10, 12) if has_reference else Size(40, 48)
        task = Task(lambda: image_of(noise(40, 48)), made, has_reference, lr_size=lr_size)
        views = list(compare(Runner(), store, task, caller))
    assert not views[-1].failures
    return views[-1].families


def test_a_run_is_drawn_step_by_step_beside_results_of_one_pass(store: Store) -> None:
    html = families_of(store, SMALL, has_reference=True)
    assert "A GAN needs a single pass" in html and "from the run of Walker" in html
    for words in (
        "Plain GAN, one pass",
        "The original, no noise",
        "Start image, smooth",
        "Step 1 is given, noise 12.0%",
        "Result,",
    ):
        assert f'alt="{words}' in html
    # one pass, forward: original and three levels; backward: start, three pairs, result
    assert html.count("<img") == 1 + 4 + 1 + 6 + 1
    assert "Bicubic" not in html


def test_without_a_reference_the_result_stands_for_it_and_says_so(store: Store) -> None:
    html = families_of(store, (WALKER,), has_reference=False)
    assert "A GAN needs a single pass" not in html
    assert "The original is not known here" in html and 'alt="The result, no noise"' in html


def test_other_comparisons_carry_none_of_it(store: Store) -> None:
    assert families_of(store, (baselines.BICUBIC, GAN), has_reference=True) == ""
