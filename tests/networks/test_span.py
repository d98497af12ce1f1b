"""SPAN with merged convolutions gives what spandrel's training form gives."""

from __future__ import annotations

import pytest
import torch

from sr_demo.networks.span import SPAN


def test_a_result_is_so_many_times_as_large() -> None:
    assert SPAN(8, 3)(torch.zeros(2, 3, 5, 7)).shape == (2, 3, 15, 21)


@pytest.mark.filterwarnings("ignore")
def test_the_merged_form_computes_what_the_training_form_does() -> None:
    from spandrel.architectures.SPAN import SPAN as TrainingForm  # noqa: N811

    torch.manual_seed(0)
    theirs = TrainingForm(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2).eval()
    x = torch.rand(1, 3, 9, 12)
    with torch.inference_mode():
        expected = theirs(x)
    state = {
        name.replace(".eval_conv", ""): value
        for name, value in theirs.state_dict().items()
        if ".sk." not in name and ".conv." not in name
    }
    ours = SPAN(8, 2)
    ours.load_state_dict({"mean": torch.tensor((0.4488, 0.4371, 0.4040)), **state}, strict=True)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), expected, atol=1e-4, rtol=1e-4)
