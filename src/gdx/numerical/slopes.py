"""A second look at a slope that seems wrong: with a step as small as the noise of f allows."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

# The step is so many times wider than the one in which noise is as large as the doubt: the first of
# these with which it is still narrow, or the last.
_ABOVE_NOISE = (256, 16)
_NARROW = 1e-9
# So many deviations of noise are allowed.
_DEVIATIONS = 4
# In units of max(1, |x|).
_WIDEST = 1.0


class Finding(enum.Enum):
    """What a second look finds of a slope."""

    WRONG = "f has another slope"
    RIGHT = "f has this slope; wider steps did not see it"
    KINK = "the slope lies between those on both sides of a kink"
    UNCLEAR = "the noise of f hides it"


def second_look(
    f: Callable[[float], float], slope: float, doubt: float, noise: float, eps: float, value: float
) -> Finding:
    """Tell whether f, a function of a number, may have this slope at 0.

    `doubt` is how far the slope is from what wider steps have found, `noise` the standard deviation
    of f, `eps` the rounding of its argument, and `value` f(0). The slope is compared with the
    one-sided ones, where the step is just so large that they are known much better than the doubt.
    """
    if not math.isfinite(slope):
        return Finding.WRONG
    noise += eps * (abs(slope) + doubt)
    steps = [above * noise / doubt for above in _ABOVE_NOISE]
    h = next((step for step in steps if step <= _NARROW), steps[-1])
    if not h <= _WIDEST:
        return Finding.UNCLEAR
    ahead, behind = _slopes(f, h, value)
    if not math.isfinite(ahead - behind):
        return Finding.UNCLEAR
    margin = _DEVIATIONS * noise / h
    if not min(ahead, behind) - margin <= slope <= max(ahead, behind) + margin:
        return Finding.WRONG
    jump = abs(ahead - behind)
    if jump <= 2 * margin:
        return Finding.RIGHT
    wider = [abs(a - b) for a, b in (_slopes(f, 4 * h, value), _slopes(f, 2 * h, value))]
    # Through curvature, one-sided slopes differ in proportion to the step.
    return Finding.UNCLEAR if min(wider) > 1.5 * jump else Finding.KINK


def _slopes(f: Callable[[float], float], h: float, value: float) -> tuple[float, float]:
    return (f(h) - value) / h, (value - f(-h)) / h
