"""The Training tab shows the numbers that the cards hold."""

from __future__ import annotations

import re

import gradio as gr

from sr_demo.catalogue import APPROACHES
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.reports.training_curves import (
    MEASURES,
    TrainedNetwork,
    curve_chart,
    legend,
    trained_networks,
    training_table,
)
from sr_demo.ui.languages import text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.training.handlers import TrainingHandlers
from sr_demo.ui.training.layout import PAIRS, pairs, training_tab


def made_up(name: str, values: list[float]) -> TrainedNetwork:
    return TrainedNetwork(
        name,
        name,
        1000,
        {
            "iterations": 100, "seconds": 120, "parameters": 1000, "losses": ["l1"], "device": "CPU",
            "data": {"count": 3, "licence": "CC0"},
            "curves": {"iteration": [25, 50, 100], "psnr_y": values},
            "scores": {"Set5": {"psnr_y": 31.0, "ssim_y": 0.87}},
        },
    )  # fmt: skip


def test_every_embedded_network_with_curves_is_shown() -> None:
    networks = trained_networks(APPROACHES)
    assert {"rdn:mse", "hat:tiny", "real-esrgan:compact"} <= {network.name for network in networks}
    for measure, title in MEASURES:
        on_training = sum(any(v is not None for v in n.card["curves"].get(f"train_{measure}", [])) for n in networks)
        assert curve_chart(networks, measure, title).count("<polyline") == len(networks) + on_training


def test_training_photos_have_a_faint_line() -> None:
    network = made_up("a", [1, 2, 3])
    network.card["curves"]["train_psnr_y"] = [None, 3, 4]
    chart = curve_chart([network], "psnr_y", "PSNR")
    assert re.findall(r'stroke-opacity="([.0-9]+)" stroke-dasharray="[^"]*" points="([^"]*)"', chart)[1][0] == "0.35"
    points = re.findall(r'<polyline[^>]* points="([^"]*)"', chart)
    assert [len(line.split()) for line in points] == [3, 2]


def test_points_are_placed_by_iteration_not_by_time() -> None:
    slow = made_up("slow", [1, 2, 3])
    slow.card["seconds"] *= 3
    chart = curve_chart([made_up("quick", [1, 2, 3]), slow], "psnr_y", "PSNR")
    quick, same = (
        [float(pair.split(",")[0]) for pair in line.split()] for line in re.findall(r'points="([^"]+)"', chart)
    )
    assert quick == same and quick[2] - quick[1] == 2 * (quick[1] - quick[0])
    assert ">100 iterations<" in chart


def test_a_higher_curve_is_drawn_higher() -> None:
    chart = curve_chart([made_up("low", [10, 20, 25]), made_up("high", [20, 30, 35])], "psnr_y", "PSNR")
    low, high = (
        [tuple(map(float, pair.split(","))) for pair in points.split()]
        for points in re.findall(r'points="([^"]+)"', chart)
    )
    assert [x for x, _ in low] == [x for x, _ in high]
    assert all(y_high < y_low for (_, y_low), (_, y_high) in zip(low, high, strict=True))


def test_names_are_text_and_lines_differ_without_colour() -> None:
    networks = [made_up("<b>one</b>", [1, 2, 3]), made_up("two", [1, 2, 3])]
    assert "<b>one</b>" not in legend(networks) + training_table(networks)
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', legend(networks))
    assert len(set(dashes)) == 2


def test_the_table_states_the_figures_of_the_card() -> None:
    table = training_table([made_up("a", [1, 2, 3])])
    assert "31.00 / 0.8700" in table
    assert "3 photos, CPU" in table
    assert "Licence of the photos:</span> CC0." in table


def test_the_same_crop_is_drawn_by_each_network_that_was_chosen() -> None:
    context = PageContext(APPROACHES, Runner(), Store(), Stops(), Limits())
    curves, crops = TrainingHandlers(context).show(["rdn:mse", "no such network"])
    assert "RDN (ours)" in curves
    assert "no such network" not in curves + crops
    scores = {name: float(value) for name, value in re.findall(r"<figcaption><b>([^<]+)</b> ([0-9.]+) dB", crops)}
    assert list(scores) == ["Bicubic", "RDN (ours)"]
    assert scores["RDN (ours)"] > scores["Bicubic"] + 0.5


def test_every_pair_has_a_button_since_all_its_networks_are_embedded(gradio_loops: None) -> None:
    there = {network.name for network in trained_networks(APPROACHES)}
    assert {name for _, names in PAIRS for name in names} <= there
    with gr.Blocks() as page, gr.Tab() as tab:
        training_tab(PageContext(APPROACHES, Runner(), Store(), Stops(), Limits()), tab)
    buttons = [block.value for block in page.blocks.values() if isinstance(block, gr.Button)]
    assert buttons == [text(key) for key, _ in PAIRS]


def test_pairs_are_offered_only_where_all_their_networks_are_here() -> None:
    there = {network.name for network in trained_networks(APPROACHES)}
    assert all(there.issuperset(names) for _, names in pairs(APPROACHES))
    assert pairs([a for a in APPROACHES if a.id == "bicubic"]) == []
