"""Which engine differentiates: the library's own where it has one, gdx's tracer elsewhere."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from gdx.autodiff.flat import Flat
from gdx.backends import library


def engine_for(flat: Flat, name: str | None) -> Any:
    """Return the engine that differentiates a function."""
    if name not in (None, "tracer"):
        raise ValueError(f"engine must be None or 'tracer'; got {name!r}.")
    native = library(flat.xp).engine
    if native is None:
        return _tracer()
    engine = native()
    flat.meets_numpy = engine.meets_numpy
    if name == "tracer":
        return _tracer()
    flat.leaving, flat.leaving_words = engine.leaves_trace(), engine.leaving
    return engine


@functools.cache
def _tracer() -> Any:
    """Return gdx's own, which is imported with all its rules where a derivative is first taken."""
    return importlib.import_module("gdx.autodiff.tracer")
