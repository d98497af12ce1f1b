"""Converting a network leaves the log of the program as it is, and gives the network's results or none."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_demo.backends import openvino_backend
from sr_demo.backends.openvino_backend import ConversionError, ConvertedNetwork
from sr_demo.options import Options
from sr_demo.progress import SILENT
from tests.conftest import noise


class LoggingNetwork(torch.nn.Module):
    """A network that logs while it is traced, and fails on request."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logging.getLogger("sr_demo").warning("seen")
        if self._error:
            raise self._error
        return torch.nn.functional.interpolate(x, scale_factor=2.0)


def test_warnings_are_logged_during_a_conversion(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger("sr_demo").level
    openvino_backend.convert(LoggingNetwork(), tmp_path)
    assert "seen" in caplog.text
    assert logging.getLogger("sr_demo").level == before


def test_warnings_are_logged_after_a_conversion_that_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConversionError, match="no such operation"):
        openvino_backend.convert(LoggingNetwork(ValueError("no such operation")), tmp_path)
    caplog.clear()
    logging.getLogger("sr_demo").warning("afterwards")
    assert caplog.messages == ["afterwards"]


def unshuffled() -> torch.nn.Module:
    """A network on blocks of 2 x 2 pixels, which pads odd sides by a condition in Python."""
    from spandrel.architectures.RCAN import RCAN

    torch.manual_seed(0)
    return RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4, norm=False, unshuffle_mod=True)


def test_a_network_whose_padding_is_lost_is_not_converted(tmp_path: Path) -> None:
    with pytest.raises(ConversionError):
        openvino_backend.convert(unshuffled(), tmp_path)
    assert not (tmp_path / openvino_backend.MODEL).exists()


def test_what_a_converted_network_leaves_unwritten_is_not_a_number(tmp_path: Path) -> None:
    """It was what another image had left in memory: on one core, OpenVINO does not report that shapes do not fit."""
    openvino_backend.convert(LoggingNetwork(), tmp_path)
    network = ConvertedNetwork(tmp_path, "fp32", 2)

    class Silent:
        def infer(self) -> None:
            """Write nothing."""

        set_input_tensor = set_output_tensor = lambda self, tensor: None

    assert np.isfinite(network.upscale(noise(5, 7), Options(), SILENT)).all()
    network._request = Silent()
    assert np.isnan(network.upscale(noise(5, 7), Options(), SILENT)).all()
