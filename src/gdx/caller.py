"""Warnings that point at the user's line, however deep inside gdx they arise."""

from __future__ import annotations

import sys
import warnings

_INSIDE = ("gdx", "contextlib")


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is not gdx's own."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
