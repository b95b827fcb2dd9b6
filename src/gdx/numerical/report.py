"""What a check of a gradient reports: its verdict, and sentences about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdx.numerical.comparison import Comparison
from gdx.numerical.slopes import Finding
from gdx.numerical.vector import Vector


@dataclass(frozen=True, eq=False)
class GradientCheck:
    """What `check_gradient` found; true if the gradient is correct.

    Attributes
    ----------
    verdict : {"correct", "wrong", "inconclusive"}
    message : str
        What was found, and what to do next.
    cause : str or None
        What is suspected: "sign", "factor", "zero", "constant", "transpose", "order",
        "triangle", "missing term", "some elements", "not finite", "kink", "rounding" or "random".
    worst : tuple
        The element that fits worst: its index, after the keys that lead to its array in a tree.
    given, numerical, error : float
        The gradient there, the finite difference, and the estimated error of that.
    remainder_order : float
        How f(x + hv) - f(x) - h⟨g, v⟩ falls with h, for random directions v: like h² if the
        gradient g is right, like h if it is wrong; NaN where it drowns in rounding.
    """

    verdict: str
    message: str
    cause: str | None
    worst: tuple[Any, ...]
    given: float
    numerical: float
    error: float
    remainder_order: float

    def __bool__(self) -> bool:
        return self.verdict == "correct"

    def __str__(self) -> str:
        return f"{self.verdict}: {self.message}"


def unless_wrong(
    found: Comparison, places: list[tuple[Any, ...]], these: str, where: str
) -> tuple[str, str | None, str]:
    """Return verdict, cause and message of a gradient in which no element was found wrong."""
    for cause, unclear, sentence in (
        ("not finite", ~found.known, _UNKNOWN),
        ("rounding", found.where(Finding.UNCLEAR), _UNCLEAR),
    ):
        if unclear.any():
            listed = _listed([places[k] for k in np.nonzero(unclear)[0]])
            return "inconclusive", cause, sentence.format(places=listed, these=these, where=where)
    share = (found.doubt[found.sure] / found.size[found.sure]).max(initial=0.0)
    to = f", to {share:.1g} of each" if share else ""
    message = f"{these} agree with finite differences{to}."
    kinks = int(found.where(Finding.KINK).sum())
    if kinks:
        message += _KINKS.format(count=kinks)
    return "correct", "kink" if kinks else None, message


NOT_FINITE = "f(x) is {f}; choose an x where f is finite."
RANDOM = (
    "f is random: at one x it is {first!r} and then {second!r}. Fix its randomness, for example by "
    "a generator that is made anew, with the same seed, inside of f."
)
_UNCLEAR = (
    "Compared were {these}, and none is known to be wrong, but {places} could not be checked. "
    "Either rounding of f hides the slope, or f varies over less than the steps. {where} Check "
    "with x in float64, with a smaller f (a mean in place of a sum), or with x_scale= set to the "
    "length over which f varies."
)
APART = (
    "{these} are right, but the slopes along random directions are not: among the elements that "
    "were not compared, some are wrong. Another rng chooses others."
)
_KINKS = (
    " At {count} of them, f has a kink (as relu, abs or max at 0): there the gradient lies between "
    "the slopes on both sides, as it should."
)
SYMMETRIC = (
    " x is symmetric, and f reads (i, j) otherwise than (j, i), as eigh and cholesky do, which "
    "read one triangle: the gradient holds the mean of both, and is right for symmetric changes "
    "of x."
)
_UNKNOWN = (
    "Compared were {these}, and none is known to be wrong, but {places} could not be checked. "
    "Either f is not finite near x, or the steps are smaller than the rounding of x. Choose "
    "another x, or set x_scale= to the length over which f varies."
)
WORST = "Worst: element {place} is {own:.8g}; the difference is {right:.8g} ± {error:.1g}."


def _listed(places: list[tuple[Any, ...]]) -> str:
    """Return the first places in words."""
    shown = ", ".join(map(str, places[:_SHOWN]))
    more = len(places) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


# So many places are listed in a message.
_SHOWN = 5


def inconclusive(message: str, cause: str, given: Vector) -> GradientCheck:
    """Return that nothing could be compared."""
    own, nan = float(given.numbers[0]), math.nan
    return GradientCheck("inconclusive", message, cause, given.place(0), own, nan, nan, nan)
