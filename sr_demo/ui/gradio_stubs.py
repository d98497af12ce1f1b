"""Prevents Gradio from writing type stubs when it is imported.

At every start, Gradio reads the source of each of its components and writes a type stub (`.pyi`) beside it, into its
installation folder. This takes a sixth of its import time, and no page needs the stubs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_MODULE, _FUNCTION = "gradio.component_meta", "create_or_modify_pyi"


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if hasattr(module, _FUNCTION):
            setattr(module, _FUNCTION, _leave_it)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def _leave_it(component_class: type, class_name: str, events: object) -> None:
    """Do nothing, in place of Gradio's function that writes a stub."""


def leave_stubs_alone() -> None:
    """Keep Gradio from writing stubs. Call this before Gradio is imported."""
    sys.meta_path.insert(0, _Finder())
