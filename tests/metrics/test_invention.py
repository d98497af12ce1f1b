"""The shares of right, missing and invented detail, as opensr-test defines them."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.image import Image, Size, quantize, readonly
from sr_demo.imaging.resize import Kernel, downscale, resize
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.metrics import invention as module
from sr_demo.metrics.invention import Invention, invention, invention_map
from sr_demo.metrics.ring_correlation import frc_cutoff
from sr_demo.metrics.scores import score
from tests.bundled_photos import bundled
from tests.conftest import image_of, noise

HR = noise(48, 64)
LR = downscale(HR, 4)


def shares_of(result: Image) -> Invention:
    shares = invention(result, LR, HR)
    assert shares is not None
    return shares


def test_the_original_is_improvement_the_input_omission_and_other_noise_hallucination() -> None:
    other = readonly(np.clip(resize(LR, Size.of(HR)) + noise(48, 64, seed=5) - 0.5, 0, 1))
    right, missing, invented = (shares_of(result) for result in (HR, resize(LR, Size.of(HR)), other))
    # exp(-2) beside 1: the soft minimum gives the nearest class 1 / (1 + 2 exp(-2))
    assert right.improvement == pytest.approx(1 / (1 + 2 * np.exp(-2)), abs=1e-3)
    assert missing.omission == pytest.approx(1 / (1 + 2 * np.exp(-2)), abs=1e-3)
    assert invented.hallucination > max(invented.improvement, invented.omission)


@pytest.mark.slow
def test_bicubic_mostly_omits_and_an_adversarial_network_invents_more_than_a_faithful_one() -> None:
    hr = readonly(np.ascontiguousarray(bundled("astronaut.png")[:192, 128:320]))
    lr, runner = image_of(downscale(hr, 4)), Runner()
    bicubic, faithful, adversarial = (
        runner.run(job_for(APPROACHES, name), lr, hr).scores for name in ("bicubic", "rdn", "srgan")
    )
    assert (bicubic.omission or 0) > 70 and (bicubic.omission or 0) > 1.5 * (faithful.omission or 0)
    shares = [scores.hallucination or 0 for scores in (bicubic, faithful, adversarial)]
    assert shares == sorted(shares) and shares[2] > shares[1] + 1


def test_the_shares_add_up_and_do_not_depend_on_a_shift_in_brightness() -> None:
    result = readonly(np.clip(0.5 * HR + 0.25 + 0 * HR, 0, 1))
    one, other = (shares_of(readonly(result + np.float32(shift / 255))) for shift in (0, 13))
    assert one.improvement + one.omission + one.hallucination == pytest.approx(1, abs=1e-5)
    assert other.hallucination == pytest.approx(one.hallucination, abs=1e-4)


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
def test_a_result_has_the_shares_of_its_8_bit_file(kernel: Kernel) -> None:
    hr = readonly(np.ascontiguousarray(bundled("coffee.png")[100:228, 200:328]))
    lr = downscale(hr, 4)
    result = resize(lr, Size.of(hr), kernel)
    stored = readonly(np.divide(quantize(result), 255, dtype=np.float32))
    assert invention(stored, lr, hr) == invention(result, lr, hr) == invention(quantize(result), lr, hr)
    assert frc_cutoff(stored, hr) == frc_cutoff(result, hr)


def test_an_original_without_detail_has_no_shares() -> None:
    flat = readonly(np.full((16, 16, 3), 0.5, np.float32))
    assert invention(flat, downscale(flat, 4), flat) is None
    assert score(flat, downscale(flat, 4), flat, 4).hallucination is None
    assert not invention_map(flat, downscale(flat, 4), flat).any()


def test_bands_of_rows_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    result = noise(48, 64, seed=7)
    whole = invention_map(result, LR, HR)
    monkeypatch.setattr(module, "bands", lambda *arrays: (slice(y, min(y + 7, 48)) for y in range(0, 48, 7)))
    assert np.allclose(invention_map(result, LR, HR), whole, atol=1e-5)


def test_images_of_two_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="images of one size, not 64 x 48 and 32 x 32"):
        invention(HR, LR, noise(32, 32))
    with pytest.raises(BadInput, match="images of one size"):
        invention_map(HR, LR, noise(32, 32))


def test_scores_hold_the_shares_in_percent() -> None:
    scores = score(HR, LR, HR, 4)
    shares = (scores.improvement, scores.omission, scores.hallucination)
    assert sum(share or 0 for share in shares) == pytest.approx(100, abs=0.01)
    assert score(HR, LR, None, 4).improvement is None
