"""A derivative and an estimate of its error, by extrapolation to the step 0."""

from __future__ import annotations

from gdx.backends import Array, Namespace
from gdx.numerical.stencils import Stencil

# By it the steps are divided from one level to the next; there is no other rounding in a half.
RATIO = 2.0
LEVELS = 12
_WIDEST = 0.25


def relative_steps(of: Stencil, eps: float) -> list[float]:
    """Return the relative steps of all levels, the widest first."""
    if of.imaginary:
        return [of.relative_step(eps) / RATIO**k for k in range(2)]
    levels = [_WIDEST / RATIO**k for k in range(LEVELS)]
    return [level for level in levels if level > eps ** (1 / 2)]


def extrapolated(
    levels: list[Array], rounding: list[Array], of: Stencil, xp: Namespace
) -> tuple[Array, Array]:
    """Return the best of all extrapolations in each element, and its estimated error.

    `levels` are derivatives with steps in the ratio `RATIO`, `rounding` what they may be wrong by
    through the rounding of f. Column m of the table of Richardson (1911) is free of the first m
    terms of the error. An entry is as uncertain as it differs from its two neighbours in the
    column before (Ridders 1982), and by its rounding; the least uncertain one is taken.
    """
    gain = 1 if of.one_sided else 2  # error terms h^p, h^(p + gain), ...
    row = [levels[0]]
    value, error = levels[0], xp.full_like(rounding[0], xp.inf)
    for level, noise in zip(levels[1:], rounding[1:], strict=True):
        entries = [level]
        for m, above in enumerate(row):
            factor = RATIO ** (of.order + m * gain) - 1
            left = entries[m]
            entry = left + (left - above) / factor
            spread = xp.maximum(xp.abs(entry - left), xp.abs(entry - above)) + noise
            better = spread < error
            value, error = xp.where(better, entry, value), xp.where(better, spread, error)
            entries.append(entry)
        row = entries
    return value, error
