"""Converting a network leaves the log of the program as it is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from sr_demo.backends import openvino_backend


class Noted(torch.nn.Module):
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
    openvino_backend.convert(Noted(), tmp_path)
    assert "seen" in caplog.text
    assert logging.getLogger("sr_demo").level == before


def test_warnings_are_logged_after_a_conversion_that_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Exception, match="no such operation"):
        openvino_backend.convert(Noted(ValueError("no such operation")), tmp_path)
    caplog.clear()
    logging.getLogger("sr_demo").warning("afterwards")
    assert caplog.messages == ["afterwards"]
