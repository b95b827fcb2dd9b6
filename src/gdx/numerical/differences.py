"""Difference quotients of a function at one array, in each of its elements."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
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
    is_complex,
    is_real_floating,
    library,
    namespace_of,
)
from gdx.caller import warn
from gdx.numerical.evaluation import (
    FLOATS,
    ONE_AT_A_TIME,
    Evaluation,
    Function,
    evaluate_in_place,
    gathered,
)
from gdx.numerical.layout import Layout, along_first, lay_out
from gdx.numerical.points import Directions, Points, indices
from gdx.numerical.richardson import LEVELS, RATIO, extrapolated, relative_steps
from gdx.numerical.settings import bounds_beside, step_beside
from gdx.numerical.stencils import Stencil

Level = tuple[Any, float]  # an explicit step, or None and a relative one


class Differences:
    """How a derivative is taken at an array, and at others of its library, dtype and shape.

    All that does not depend on the numbers in the array is found out once.

    Parameters
    ----------
    given : array_like
        Kept, as an array with a real floating dtype, as `x`.
    of : Stencil
    h : float or array of the shape of x, optional
        An absolute step; by default, each element has a relative one.
    bounds : pair of numbers or of arrays of the shape of x
        The lower and the upper one; None is no bound.
    evaluation : Evaluation
    directions : Directions, optional
        Elements that move together, and never touch the same element of f(x).
    expects_change : bool
        Whether a user is to be warned if f has one value everywhere.
    """

    def __init__(
        self,
        given: object,
        of: Stencil,
        h: Any = None,
        bounds: tuple[Any, Any] = (None, None),
        evaluation: Evaluation = ONE_AT_A_TIME,
        directions: Directions | None = None,
        expects_change: bool = True,
    ) -> None:
        x, self.xp = floating(given, "x")
        self.known = known = library(self.xp)
        self.x = known.detached(x)
        self.stencil, self.evaluation, self.directions = of, evaluation, directions
        self.h = None if h is None else step_beside(h, self.x)
        self.bounds = bounds_beside(*bounds, self.x)
        self.expects_change = expects_change
        self.empty = 0 in x.shape or (directions is not None and not len(directions))
        self.on_host = known.on_host(self.x)
        self.in_place = known.writable(self.x)
        self.shared = x is given and self.in_place and evaluation is ONE_AT_A_TIME
        if not self.in_place:
            self.x = known.copied(self.x)
            self.in_place = known.writable(self.x)
        self.few = False
        if evaluation is ONE_AT_A_TIME and of.quick and self._is_simple():
            floats = known.floats(self.x) if self.in_place else None
            self.few = floats is not None and floats.nbytes <= FEW_BYTES
        self.indices = indices(self.x) if self.few else ()
        self.of_floats = False  # all that f has returned so far
        self.finite = False  # the last gradient, as far as it is known
        self._follow(epsilon(self.xp, x.dtype))

    def _is_simple(self) -> bool:
        return self.bounds is None and (self.h is None or isinstance(self.h, float))

    def _follow(self, eps: float) -> None:
        self.eps, self.relative = eps, self.stencil.relative_step(eps)

    def gradient(self, f: Function, x: Array) -> tuple[Array, int]:
        """Return the derivative in each element of `x`, where `f` returns one number.

        And how often `f` was evaluated.
        """
        if self.empty:
            return self.xp.zeros_like(x), 0
        if not self.few:
            return self._gradient_of_arrays(f, x)
        stencil, h = self.stencil, self.h
        values, distances = self._few_floats(f, x)
        if stencil.one_sided:
            values.append(f(x))
        count = len(values)
        if not FLOATS.issuperset(map(type, values)):
            again = self.of_floats or self.is_coarser(values[0])
            self.of_floats = False
            if again:
                gradient, more = self.gradient(f, x)
                return gradient, count + more
            numbers = gathered(values, x, self.xp)
            difference = (
                numbers[:-1] - numbers[-1] if stencil.one_sided else numbers[0::2] - numbers[1::2]
            )
            gradient = self.divided(difference, stencil.span * h if h else np.asarray(distances))
        else:
            self.of_floats = True
            quotients = _quotients_of_floats(values, distances, stencil, h)
            self.finite = math.isfinite(sum(quotients))
            gradient = np.asarray(quotients)
        if h and 0.0 in distances:
            warn(_VANISHED.format(h=h), RuntimeWarning)
        elif values[0] == values[-1] and _all_equal(values):
            count += not stencil.one_sided
            if stencil.one_sided or f(x) == values[0]:
                self._warn_unmoved()
        return gradient if gradient.shape == x.shape else self.xp.reshape(gradient, x.shape), count

    def _few_floats(self, f: Function, x: Array) -> tuple[list[Any], list[float]]:
        """Return f at the points of the stencil, and how far these are apart, as floats."""
        original = self.known.copied(x)
        elements = self.known.elements(original)
        rows, distances = self.stencil.points_of_each(elements, self.h, self.relative)
        moves = zip(self.indices, elements, rows)  # noqa: B905 - strict costs a tenth of the loop
        places = memoryview(x)
        return evaluate_in_place(f, x, original, places, moves, self.of_floats), distances

    def is_coarser(self, value: Any) -> bool:
        """Tell whether f is of less precision than was believed, and believe it from now on."""
        eps = 0.0 if self.h is not None or self.stencil.imaginary else _epsilon_of(value)
        if eps <= self.eps:
            return False
        self._follow(eps)
        return True

    def _gradient_of_arrays(self, f: Function, x: Array) -> tuple[Array, int]:
        quotients = self.quotients(f, x)
        gradient = cast(quotients.value, x.dtype, self.xp)
        return self.xp.reshape(gradient, x.shape), quotients.count

    def quotients(
        self, f: Function, x: Array, at_x: Array | None = None, level: Level | None = None
    ) -> Quotients:
        """Return the derivative of `f` in each element of `x`: a vector of arrays like f(x).

        `at_x` is f(x) with a new first axis, where it is known; a `level` has other steps.
        """
        xp, stencil = self.xp, self.stencil
        h, relative = level or (self.h, self.relative)
        if stencil.imaginary:
            x = _complex(x, xp)
        flat = x if x.ndim == 1 else xp.reshape(x, (-1,))
        layout = lay_out(flat, stencil, h, relative, xp, self.bounds)
        points = Points(x, layout.columns, self.directions)
        values = self.evaluation.at_points(f, points, self.in_place)
        count = len(values) * points.count
        if layout.needs_x and at_x is None:
            at_x, count = self.evaluation.at_x(f, x), count + 1
        if at_x is not None and type(at_x) is not type(values[0]):
            at_x, *values = map(self._beside, [at_x, *values])
        if level is None and self.is_coarser(values[0]):
            quotients = self.quotients(f, x, at_x)
            return replace(quotients, count=count + quotients.count)
        if level is None and self.on_host and self.expects_change:
            if h is not None and self._vanished(flat, layout):
                warn(_VANISHED.format(h=h), RuntimeWarning)
            else:
                count += self.check_moved(f, x, values, at_x)
        if stencil.imaginary:
            values = [_imaginary_part(value, xp) for value in values]
        if self.directions is not None:
            values = [self._of_each_element(value) for value in values]
        difference = layout.difference(values, at_x if layout.needs_x else None, xp)
        divisor = layout.distance if stencil.derivative == 1 else layout.distance**2
        return Quotients(self.divided(difference, divisor), count, values, divisor)

    def estimated(
        self, f: Function, x: Array, at_x: Array | None = None
    ) -> tuple[Array, Array, int]:
        """Return the derivative as `quotients` does, its error, and the number of evaluations."""
        if at_x is None and not self.stencil.imaginary:
            at_x = self.evaluation.at_x(f, x)
        each = [self.quotients(f, x, at_x, level) for level in self.levels()]
        xp = namespace_of(each[0].value)
        noise = [self.noise(quotients) for quotients in each]
        value, error = extrapolated([q.value for q in each], noise, self.stencil, xp)
        return value, error, sum(q.count for q in each) + (at_x is not None)

    def step(self, x: Array, level: Level | None = None) -> Array:
        """Return the step of each element."""
        xp = self.xp
        h, relative = level or (self.h, self.relative)
        flat = xp.abs(xp.reshape(x, (-1,)))
        step = relative * xp.maximum(flat, 1.0) if h is None else h + 0 * flat
        return xp.reshape(step, x.shape)

    def levels(self) -> list[Level]:
        """Return the steps between which the derivative is extrapolated, the widest first."""
        if self.h is not None:
            return [(self.h / RATIO**k, 0.0) for k in range(LEVELS)]
        return [(None, relative) for relative in relative_steps(self.stencil, self.eps)]

    def noise(self, quotients: Quotients) -> Array:
        """Return by how much the rounding of f may have changed the derivative."""
        xp = namespace_of(quotients.value)
        eps = max(self.eps, _epsilon_of(quotients.values[0]))
        if self.stencil.imaginary:
            return eps * xp.abs(quotients.value)
        largest = functools.reduce(xp.maximum, [_largest(value, xp) for value in quotients.values])
        rounding = eps * xp.expand_dims(largest, axis=0) + 0 * xp.abs(quotients.value)
        return xp.abs(self.divided(rounding, quotients.divisor))

    def divided(self, difference: Array, distance: Any) -> Array:
        """Return the difference, beside x and of its precision, divided by the distance."""
        difference = self._beside(difference)
        if is_array(distance):
            distance = along_first(distance, difference.ndim, self.xp)
        return difference / distance

    def _beside(self, numbers: Array) -> Array:
        """Return numbers, of the host or of the library of x, as an array beside x."""
        x = self.x
        if type(numbers) is type(x):
            return numbers
        dtype = None if numbers.dtype.kind == "c" else x.dtype
        return self.xp.asarray(numbers, dtype=dtype, device=device_of(x))

    def _of_each_element(self, value: Array) -> Array:
        """Return, for each element, the value of f where its direction is moved."""
        labels = np.maximum(self.directions.labels, 0)  # type: ignore[union-attr]
        xp = namespace_of(value)
        return xp.take(value, xp.asarray(labels, device=device_of(value)), axis=0)

    def _vanished(self, x: Array, layout: Layout) -> bool:
        return bool(self.xp.any(layout.columns[0] == x)) and not self.bounds

    def check_moved(self, f: Function, x: Array, values: list[Array], at_x: Array | None) -> int:
        """Warn if f has one value at all points, and say how often it was evaluated for that."""
        different = values[0][0, ...] != values[-1][-1, ...]
        if 0 in different.shape or (different.ndim == 0 and different):
            return 0
        if self.stencil.imaginary or not _alike([*values, *([] if at_x is None else [at_x])]):
            return 0
        known = at_x is not None
        if known or _alike([values[0], self.evaluation.at_x(f, x)]):
            self._warn_unmoved()
        return int(not known)

    def _warn_unmoved(self) -> None:
        warn(_UNMOVED if self.shared else _UNMOVED + _COPIED, RuntimeWarning)


@dataclass(frozen=True)
class Quotients:
    """The derivative in each element of x, how often f was evaluated, and of what it was made."""

    value: Array
    count: int
    values: list[Array]
    divisor: Any


def _complex(x: Array, xp: Namespace) -> Array:
    """Return a complex copy of x."""
    y = x + 0j
    return y if is_array(y) else xp.asarray(y)


def _imaginary_part(value: Array, xp: Namespace) -> Array:
    if not is_complex(namespace_of(value), value.dtype):
        raise TypeError(
            f"f dropped the imaginary part: at a complex x it returned {value.dtype}. "
            "method='complex' needs an f that is analytic, without abs, real parts, norms or "
            "comparisons; for others write method='central'."
        )
    return namespace_of(value).imag(value)


def _largest(value: Array, xp: Namespace) -> Array:
    """Return the largest absolute value along the first axis, of those that are finite."""
    return xp.max(xp.abs(xp.where(xp.isfinite(value), value, xp.zeros_like(value))), axis=0)


def _alike(values: list[Array]) -> bool:
    """Tell whether all arrays along the first axes of all `values` are the same."""
    xp = namespace_of(values[0])
    first = values[0][:1, ...]
    return all(bool(xp.all(value == first)) for value in values)


def _quotients_of_floats(
    values: list[float], distances: list[float], stencil: Stencil, h: float | None
) -> list[float]:
    if h is not None:
        distances = [stencil.span * h] * len(distances)
    if stencil.one_sided:
        differences = map(sub, values, itertools.repeat(values[-1]))
    else:
        differences = map(sub, values[0::2], values[1::2])
    return list(map(truediv, differences, distances))


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
