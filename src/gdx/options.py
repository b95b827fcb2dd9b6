"""What an option may be: errors that name it, show what was given, and say what to write."""

from __future__ import annotations

import math
import sys
from numbers import Integral, Real
from typing import Any


def positive(name: str, value: Any, advice: str = "") -> float:
    """Return a positive, finite number; refuse True."""
    if not _is_number(value) or not 0 < value <= sys.float_info.max:
        raise ValueError(f"{name} must be a positive number; got {value!r}.{advice}")
    return float(value)


def not_negative(name: str, value: Any) -> float:
    """Return a finite number that is zero or positive; refuse True and False."""
    if not _is_number(value) or not 0 <= float(value) < math.inf:
        raise ValueError(f"{name} must be a number, 0 or more; got {value!r}.")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def integer(name: str, value: Any) -> int:
    """Return an integer; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    return int(value)


def whole(name: str, value: Any, least: int) -> int:
    """Return an integer that is not below `least`; True and False count as 1 and 0."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be an integer, {least} or more; got {value!r}.")
    return int(value)


def function(name: str, value: Any) -> None:
    """Raise if a value cannot be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function; got {value!r}.")
