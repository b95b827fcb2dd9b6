"""Difference quotients of a function at one array, in each of its elements."""

from __future__ import annotations

import itertools
from operator import sub, truediv
from typing import Any

import numpy as np

from gdx.backends import (
    FEW_BYTES,
    Array,
    Namespace,
    cast,
    device_of,
    epsilon,
    floating,
    is_array,
    is_real_floating,
    library,
    namespace_of,
)
from gdx.caller import warn
from gdx.numerical.evaluation import (
    FLOATS,
    Function,
    evaluate_in_copies,
    evaluate_in_place,
    gathered,
    indices,
)
from gdx.numerical.stencils import Stencil


class Differences:
    """How the gradient is taken at an array, and at others of its library, dtype and shape.

    All that does not depend on the numbers in the array is found out once.

    Parameters
    ----------
    given : array_like
        Kept, as an array with a real floating dtype, as `x`.
    stencil : Stencil
    h : float, optional
        An absolute step; by default, each element has a relative one.
    """

    def __init__(self, given: object, stencil: Stencil, h: float | None = None) -> None:
        x, self.xp = floating(given, "x")
        self.known = library(self.xp)
        self.x = self.known.detached(x)
        self.stencil, self.h = stencil, h
        self.empty = 0 in x.shape
        self.in_place = self.known.writable(self.x)
        self.on_host = self.known.on_host(self.x)
        self.shared = x is given and self.in_place
        floats = self.known.floats(self.x) if self.in_place else None
        self.few = floats is not None and floats.nbytes <= FEW_BYTES
        self.indices = indices(self.x) if self.few else ()
        self.of_floats = False  # all that f has returned so far
        self._follow(epsilon(self.xp, x.dtype))

    def _follow(self, eps: float) -> None:
        self.eps, self.relative = eps, self.stencil.relative_step(eps)

    def gradient(self, f: Function, x: Array) -> tuple[Array, int]:
        """Return the gradient of `f` at `x`, and how often `f` was evaluated."""
        if self.empty:
            return self.xp.zeros_like(x), 0
        stencil, h = self.stencil, self.h
        distances: list[float] | Array
        values, distances = self._few_floats(f, x) if self.few else self._array(f, x)
        if stencil.one_sided:
            values.append(f(x))
        count = len(values)

        if self.few and FLOATS.issuperset(map(type, values)):
            self.of_floats = True
            gradient = _quotients_of_floats(values, distances, stencil, h)
        elif self.of_floats:  # until now
            self.of_floats = False
            gradient, more = self.gradient(f, x)
            return gradient, count + more
        else:
            coarser = 0.0 if h else _epsilon_of(values[0])
            if coarser > self.eps:
                self._follow(coarser)
                gradient, more = self.gradient(f, x)
                return gradient, count + more
            numbers = gathered(values, x, self.xp)
            gradient = _quotients(numbers, distances, x, stencil, h, self.xp)

        if self.on_host:
            if h and _has_zero(distances, self.xp):
                warn(_VANISHED.format(h=h), RuntimeWarning)
            elif values[0] == values[-1] and _all_equal(values):
                count += not stencil.one_sided
                if stencil.one_sided or f(x) == values[0]:
                    warn(_UNMOVED if self.shared else _UNMOVED + _COPIED, RuntimeWarning)
        return gradient if gradient.shape == x.shape else self.xp.reshape(gradient, x.shape), count

    def _few_floats(self, f: Function, x: Array) -> tuple[list[Any], list[float]]:
        """Return f at the points of the stencil, and how far these are apart, as floats."""
        original = self.known.copied(x)
        elements = self.known.elements(original)
        pairs, distances = self.stencil.points_of_each(elements, self.h, self.relative)
        rows = [(a,) for a, _ in pairs] if self.stencil.one_sided else pairs
        moves = zip(self.indices, elements, rows)  # noqa: B905 - strict costs a tenth of the loop
        places = memoryview(x)
        return evaluate_in_place(f, x, original, places, moves, self.of_floats), distances

    def _array(self, f: Function, x: Array) -> tuple[list[Any], Array]:
        """Return f at the points of the stencil, and how far these are apart, as an array."""
        known = self.known
        a, b = self.stencil.points(x, self.h, self.relative, self.xp)
        columns = [a] if self.stencil.one_sided else [a, b]
        if self.in_place:
            floats, original = known.floats(x), known.copied(x)
            rows = zip(*map(known.elements, columns), strict=True)
            moves = zip(indices(x), known.elements(original), rows, strict=True)
            places = x if floats is None else floats
            values = evaluate_in_place(f, x, original, places, moves)
        else:
            values = evaluate_in_copies(f, x, columns)
        return values, a - b


def _quotients_of_floats(
    values: list[float], distances: list[float], stencil: Stencil, h: float | None
) -> Array:
    if h is not None:
        distances = [stencil.distance(h)] * len(distances)
    if stencil.one_sided:
        differences = map(sub, values, itertools.repeat(values[-1]))
    else:
        differences = map(sub, values[0::2], values[1::2])
    return np.asarray(list(map(truediv, differences, distances)))


def _quotients(
    numbers: Array,
    distances: list[float] | Array,
    x: Array,
    stencil: Stencil,
    h: float | None,
    xp: Namespace,
) -> Array:
    difference = numbers[:-1] - numbers[-1] if stencil.one_sided else numbers[0::2] - numbers[1::2]
    if type(difference) is not type(x):
        difference = xp.asarray(difference, dtype=x.dtype, device=device_of(x))
    if difference.shape != x.shape:
        difference = xp.reshape(difference, x.shape)
    if h is not None:
        distances = stencil.distance(h)
    elif isinstance(distances, list):
        distances = np.asarray(distances).reshape(x.shape)
    gradient = difference / distances
    if not is_array(gradient):  # NumPy makes scalars of 0-d arrays
        gradient = xp.asarray(gradient)
    return cast(gradient, x.dtype, xp)


def _has_zero(distances: list[float] | Array, xp: Namespace) -> bool:
    if isinstance(distances, list):
        return 0.0 in distances
    return bool(xp.any(distances == 0))


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)


_VANISHED = "h={h} vanished in the rounding of x + h; without h, the step fits each element"
_UNMOVED = (
    "f did not react to x: it has one value at x and at all points beside it. Write f so that it "
    "uses its argument, as lambda W: loss(W) does."
)
_COPIED = (
    " A function that reads the array elsewhere, as lambda W: net.loss(x, t) reads net.W, sees no "
    "step here, because x cannot be stepped in place (it is immutable, read-only, a list or of "
    "integers): write lambda W: net.loss(x, t, {'W': W})."
)


def _epsilon_of(value: object) -> float:
    """Return the epsilon of a value of f; a Python number says nothing of its precision."""
    if isinstance(value, np.floating):
        return epsilon(np, value.dtype)
    if is_array(value):
        xp = namespace_of(value)
        dtype = value.dtype  # type: ignore[attr-defined]
        return epsilon(xp, dtype) if is_real_floating(xp, dtype) else 0.0
    return 0.0
