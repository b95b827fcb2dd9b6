"""What an option may be: errors that name it, show what was given, and say what to write."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def positive(name: str, value: Any, advice: str = "") -> float:
    """Return a positive, finite number."""
    if not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ValueError(f"{name} must be a positive number; got {value!r}.{advice}")
    return float(value)


def whole(name: str, value: Any, least: int) -> int:
    """Return an integer that is not below `least`; True and False count as 1 and 0."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be an integer, {least} or more; got {value!r}.")
    return int(value)
