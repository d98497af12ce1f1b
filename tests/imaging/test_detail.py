"""Blending by frequency bands: colours stay those of the faithful result, detail is mixed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import Image, Size, readonly
from sr_demo.imaging import detail as module
from sr_demo.imaging.back_projection import difference, distance, enforce_lr_consistency
from sr_demo.imaging.detail import blend_detail, mix_detail, unmix_detail
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import lr_consistency
from tests.conftest import noise

HR = noise(64, 80)
LR = downscale(HR, 4)
FAITHFUL = resize(LR, Size.of(HR))
GRAIN = np.random.default_rng(1).normal(0, 0.1, HR.shape).astype(np.float32)
GENERATIVE = readonly(np.clip(FAITHFUL + GRAIN + np.array([0.06, 0, -0.06], np.float32), 0, 1))
"""The faithful result with grain and another colour."""


def test_the_ends_are_the_two_results() -> None:
    assert blend_detail(GENERATIVE, FAITHFUL, 1, LR) is GENERATIVE
    assert blend_detail(GENERATIVE, FAITHFUL, 0, LR) is FAITHFUL


@pytest.mark.parametrize("detail", [0.2, 0.6, 0.95])
def test_colours_do_not_shift(detail: float) -> None:
    assert abs(GENERATIVE.mean(axis=(0, 1)) - FAITHFUL.mean(axis=(0, 1))).max() > 0.04
    made = blend_detail(GENERATIVE, FAITHFUL, detail, LR)
    assert abs(made.mean(axis=(0, 1)) - FAITHFUL.mean(axis=(0, 1))).max() < 0.5 / 255


def test_less_detail_agrees_better_with_the_input_and_has_less_grain() -> None:
    blends = [blend_detail(GENERATIVE, FAITHFUL, detail, LR) for detail in (0.0, 0.25, 0.5, 0.75, 1.0)]
    agreement = [lr_consistency(made, LR) for made in blends]
    assert agreement == sorted(agreement, reverse=True)
    grain = [float(np.std(made - FAITHFUL)) for made in blends]
    assert grain == sorted(grain) and grain[2] > 0.4 * grain[4]


def test_of_a_result_that_agrees_almost_perfectly_agreement_rises_all_the_same() -> None:
    """What its high band alone shows of a detail is not what its low band balances."""
    soft = readonly(LR * np.float32(0.5) + np.float32(0.25))  # so that nothing is clipped
    faithful, drawn = (
        resize(soft, Size.of(HR)).copy(),
        np.clip(resize(soft, Size.of(HR)) + np.float32(0.5) * GRAIN, 0, 1),
    )
    enforce_lr_consistency(faithful, soft, 1e-6)
    enforce_lr_consistency(drawn, soft, 4e-4, 4e-4)
    blends = [blend_detail(readonly(drawn), readonly(faithful), detail, soft) for detail in (1.0, 0.99, 0.5, 0.25, 0.0)]
    far = [distance(difference(soft, made)) for made in blends]
    assert far == sorted(far, reverse=True)
    high = np.clip(faithful + module.high_band(drawn - faithful, 4), 0, 1)
    assert distance(difference(soft, high)) > 1.5 * far[0]
    assert np.std(blends[1] - faithful) > 0.8 * np.std(high - faithful)


def test_bands_of_rows_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = blend_detail(GENERATIVE, FAITHFUL, 0.5, LR)
    monkeypatch.setattr(module, "bands", lambda *_: (slice(y, min(y + 10, 64)) for y in range(0, 64, 10)))
    assert np.allclose(blend_detail(GENERATIVE, FAITHFUL, 0.5, LR), whole, atol=1e-6)


def test_what_was_mixed_can_be_unmixed_where_it_shows() -> None:
    detailed = blend_detail(GENERATIVE, FAITHFUL, module.ALMOST_ALL, LR)
    np.testing.assert_allclose(
        mix_detail(detailed, FAITHFUL, 0.5), blend_detail(GENERATIVE, FAITHFUL, 0.5, LR), atol=1e-5
    )
    share = np.linspace(0, 1, 80, dtype=np.float32)[None].repeat(64, axis=0)
    again = unmix_detail(mix_detail(detailed, FAITHFUL, share), FAITHFUL, share)
    np.testing.assert_array_equal(again[:, 0], FAITHFUL[:, 0])
    np.testing.assert_allclose(again[:, 1:], detailed[:, 1:], atol=1e-5)


def test_results_of_two_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="different size"):
        blend_detail(GENERATIVE, noise(32, 32), 0.5, LR)


def test_a_map_is_released_with_the_bands_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    real, read = module.bands, list[tuple[object, ...]]()

    def watched(*arrays: Image) -> Iterator[slice]:
        read.append(arrays)
        return real(*arrays)

    monkeypatch.setattr(module, "bands", watched)
    share = np.full(Size.of(HR), 0.5, np.float32)
    for work in (partial(blend_detail, image=LR), mix_detail, unmix_detail):
        read.clear()
        work(GENERATIVE, FAITHFUL, detail=share)
        assert any(array is share for arrays in read for array in arrays)
