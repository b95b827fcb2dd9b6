"""The same quotients in Python's floats: of a few elements, they cost less than arrays do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from operator import sub, truediv
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.backends import Array
from gdx.numerical.in_place import evaluate_in_place
from gdx.numerical.layout import Step, lay_out
from gdx.numerical.noise import suspected
from gdx.numerical.reactions import warn_unmoved, warn_vanished
from gdx.numerical.stencils import Stencil
from gdx.numerical.values import FLOATS, Function, gathered

if TYPE_CHECKING:
    from gdx.numerical.differences import Differences


_FEW = 64  # elements of which even points and quotients cost less than as arrays


def gradient_in_floats(of: Differences, f: Function, x: Array) -> tuple[Array, int]:
    """Return the derivative in each element of `x`, and how often `f` was evaluated.

    `of` remembers whether all that f has returned were floats.
    """
    stencil, h = of.stencil, of.h
    original = of.known.copied(x)
    elements = of.known.elements(original)
    few = len(elements) <= _FEW
    rows, distances = (
        points_of_each(stencil, elements, h, of.step.relative)
        if few
        else points_of_all(stencil, original, of.step)
    )
    moves = zip(of.indices, elements, rows)  # noqa: B905 - strict costs a tenth of the loop
    values = evaluate_in_place(
        f, x, original, memoryview(x), moves, of.of_floats, pairs=not stencil.one_sided
    )
    if stencil.one_sided:
        values.append(f(x))
    count = len(values)
    known, of.of_floats = of.of_floats, FLOATS.issuperset(map(type, values))
    again = False
    if not of.of_floats:
        again = known or of.is_coarser(values[0])
    elif few:
        values = list(map(float, values))  # NumPy's cost more, and warn where they overflow
    if of.of_floats and not of.screened:
        outer = 1 if stencil.one_sided else 2
        ends = values[:outer] + values[-outer:]
        of.screened = True
        if suspected(ends if few else list(map(float, ends))):
            again, more = of.widened_to_noise(f, x)
            count += more
    if again:
        gradient, more = of.gradient(f, x)
        return gradient, count + more
    if few and of.of_floats:
        quotients = _quotients(values, distances, stencil)
        of.finite = math.isfinite(sum(quotients))
        gradient = np.asarray(quotients)
    else:
        numbers = gathered(values, x, of.xp)
        difference = (
            numbers[:-1] - numbers[-1] if stencil.one_sided else numbers[0::2] - numbers[1::2]
        )
        gradient = of.divided(difference, np.asarray(distances))
        of.finite = False
    if h and any(map(math.isnan, distances)):
        warn_vanished(h=h)
    elif values[0] == values[-1] and _all_equal(values):
        count += not stencil.one_sided
        if stencil.one_sided or f(x) == values[0]:
            warn_unmoved(at_copies=not of.held)
    return gradient if gradient.shape == x.shape else of.xp.reshape(gradient, x.shape), count


def points_of_each(
    stencil: Stencil, elements: Sequence[float], h: float | None, relative: float
) -> tuple[list[tuple[float, ...]], list[float]]:
    """Return the points of a quick stencil beside each element, and how far they are apart.

    They are the same numbers as those of arrays: NaN, where an explicit step vanished.
    """
    first, one_sided = stencil.offsets[0], stencil.one_sided
    points: list[tuple[float, ...]] = []
    distances = []
    for x in elements:
        step = h or (relative * abs(x) if abs(x) > 1.0 else relative)
        near = x + first * step
        if one_sided:
            points.append((near,))
            distances.append(near - x)
        else:
            far = x - step
            points.append((near, far))
            distances.append(near - far)
    if h:
        distances = [distance or math.nan for distance in distances]
    return points, distances


def points_of_all(
    stencil: Stencil, x: Array, step: Step
) -> tuple[Iterator[tuple[float, ...]], Array]:
    """Return the same by way of arrays, which take less time where there are more elements."""
    layout = lay_out(np.reshape(x, -1), stencil, step, np)
    return zip(*(column.tolist() for column in layout.columns), strict=True), layout.distance


def _quotients(values: list[float], distances: list[float], stencil: Stencil) -> list[float]:
    each = iter(values)
    others = itertools.repeat(values[-1]) if stencil.one_sided else each  # two by two
    return list(map(truediv, map(sub, each, others), distances))


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)
