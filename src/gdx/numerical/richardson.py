"""A derivative and an estimate of its error, by extrapolation to the step 0."""

from __future__ import annotations

import math
from typing import Any

from gdx.backends import Array, Namespace
from gdx.numerical.stencils import Stencil

# Of one step to the next; a division by 2 is exact.
RATIO = 2.0
LEVELS = 17
# A later level that differs by so many times the errors of both is believed.
_CONTRADICTION = 10
WIDEST = 0.25  # relative to the unit of a step


def ladder(of: Stencil, eps: float, absolute: bool) -> tuple[float, list[float]]:
    """Return the widest relative step, and which parts of the widest one the steps are.

    If the widest is `absolute`, it does not matter what it is relative to x.
    """
    if of.imaginary:
        return of.relative_step(eps), [RATIO**-k for k in range(2)]
    parts = [RATIO**-k for k in range(LEVELS)]
    return WIDEST, [part for part in parts if absolute or WIDEST * part > eps ** (1 / 2)]


def extrapolated(
    levels: list[Array], rounding: list[Array], order: int, gain: Any, xp: Namespace
) -> tuple[Array, Array]:
    """Return the best of all extrapolations in each element, and its estimated error.

    `levels` are derivatives with steps in the ratio `RATIO`, `rounding` what they may be wrong by
    through the rounding of f. Their error is a series in the powers order, order + gain, ... of the
    step; column m of the table of Richardson (1911) is free of the first m terms. An entry is as
    uncertain as it differs from its two neighbours in the column before (Ridders 1982), and by its
    rounding; the least uncertain one is taken. But wide steps may agree by chance, as where they
    are periods of f: so an entry that contradicts what was found with wider steps replaces it.
    """
    row = [levels[0]]
    value, error = levels[0], xp.full_like(rounding[0], math.inf)
    for level, noise in zip(levels[1:], rounding[1:], strict=True):
        entries, best, least = [level], level, xp.full_like(error, math.inf)
        for m, above in enumerate(row):
            left = entries[m]
            entry = left + (left - above) / (RATIO ** (order + m * gain) - 1)
            spread = xp.maximum(xp.abs(entry - left), xp.abs(entry - above)) + noise
            better = spread < least
            best, least = xp.where(better, entry, best), xp.where(better, spread, least)
            entries.append(entry)
        better = (least < error) | (xp.abs(best - value) > _CONTRADICTION * (least + error))
        value, error = xp.where(better, best, value), xp.where(better, least, error)
        row = entries
    return value, error
