"""HTML from templates: values are escaped, missing ones are errors, and the templates are part of the package."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from sr_demo.reports.html import render


def test_values_are_escaped() -> None:
    html = render("legend.html", entries=[("<b>&", "6 3")], note=False)
    assert "&lt;b&gt;&amp;" in html and "<b>" not in html and 'stroke-dasharray="6 3"' in html


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("legend.html", entries=[])
