"""A function of many variables along a straight line."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gdx.backends import (
    Array,
    Namespace,
    cast,
    common_namespace,
    device_of,
    is_array,
    is_complex,
    library,
    namespace_of,
    overlaps,
)
from gdx.numerical.differences import Differences
from gdx.numerical.in_place import check_unchanged, memory_of
from gdx.numerical.layout import Bounds, unit_of
from gdx.numerical.result import Derivative
from gdx.numerical.settings import Settings, bounds_beside, length_beside
from gdx.numerical.values import Function
from gdx.trees import Tree, coarsest_epsilon, leaves, map_leaves


@dataclass(frozen=True, eq=False)
class Moved:
    """s ↦ f(x + s · v), clipped to bounds; a class, since workers pickle it.

    `v` and `bounds` are in the order of the arrays of `x`. With `places`, f is evaluated at these
    very arrays, into which the point is written.
    """

    f: Function
    x: Tree
    v: list[Array]
    bounds: list[Bounds | None]
    places: Tree = None

    def __call__(self, s: Array) -> Any:
        """Return f at the point, or at the stack of points, that belongs to s."""
        each = zip(self.v, self.bounds, strict=True)
        point = map_leaves(lambda x: _moved(x, s, *next(each)), self.x)
        if self.places is None:
            return self.f(point)
        map_leaves(_assign, self.places, point)
        value = self.f(self.places)
        map_leaves(check_unchanged, self.places, point)
        return value


class Line:
    """s ↦ f(x + s · scale · v), and how it is differentiated at s = 0.

    The scale makes a step of s move no element by more than its own step would, unless the rounding
    of a larger element needs a wider one; where a step was chosen, it is 1.
    """

    def __init__(self, f: Function, x: Tree, v: Tree, chosen: Settings) -> None:
        self.f = f
        detached = [library(namespace_of(leaf)).detached(leaf) for leaf in leaves(x)]
        parts = iter(detached)
        self.x = map_leaves(lambda _: next(parts), x)
        xp: Namespace = common_namespace(*detached)
        s = xp.zeros((), dtype=xp.result_type(*detached), device=device_of(detached[0]))
        self.scale = xp.ones_like(s)
        if chosen.h is None:
            self.scale = _scale(chosen.of_leaves(_units, self.x), leaves(v), s, xp)
        self.v = [leaf * xp.astype(self.scale, leaf.dtype) for leaf in leaves(v)]
        self.bounds: list[Bounds | None] = chosen.of_leaves(
            lambda leaf, bounds, **_: bounds_beside(bounds[0], bounds[1], leaf), self.x
        )
        ends = (None, None)
        if chosen.bounds is not None:
            ends = _range(detached, self.v, self.bounds, s, xp)
        self.differences = Differences(
            s,
            chosen.stencil,
            chosen.h,
            ends,
            evaluation=chosen.evaluation,
            expects_change=False,
            eps=coarsest_epsilon(self.x),
            noise=chosen.noise,
            size=_size(detached, self.v) if chosen.h is None else 0.0,
        )

    def vanishes(self) -> tuple[bool, bool]:
        """Tell whether the step vanishes in an element that v moves, and whether in all of them.

        On the host, where looking is free.
        """
        of = self.differences
        if of.stencil.imaginary or not of.on_host:
            return False, False
        h = of.step.relative if of.h is None else of.h
        some, every = False, True
        for x, v in zip(leaves(self.x), self.v, strict=True):
            xp, still = namespace_of(x), x + h * v == x
            some = some or bool(xp.any((v != 0) & still))
            every = every and bool(xp.all(still))
        return some, some and every

    def unscaled(self, result: Derivative) -> Derivative:
        """Return the derivative along v from the one along scale · v."""
        return Derivative(
            _divided(result.value, self.scale),
            None if result.error is None else _divided(result.error, self.scale),
            result.nfev,
            _divided(result.step, 1 / self.scale),
        )

    @contextmanager
    def function(self) -> Iterator[Moved]:
        """Give the function of s; in place, where all arrays of x can be assigned."""
        if not self._is_in_place():
            yield Moved(self.f, self.x, self.v, self.bounds)
            return
        original = map_leaves(lambda x: library(namespace_of(x)).copied(x), self.x)
        memories = map_leaves(memory_of, self.x)
        try:
            yield Moved(self.f, original, self.v, self.bounds, self.x)
        finally:
            map_leaves(_assign, memories, original)

    def _is_in_place(self) -> bool:
        if not self.differences.evaluation.in_place or self.differences.stencil.imaginary:
            return False
        arrays = leaves(self.x)
        apart = not any(overlaps(x, arrays[:i]) for i, x in enumerate(arrays))
        return apart and all(library(namespace_of(x)).writable(x) for x in arrays)


def _divided(value: Array, scale: Array) -> Array:
    xp = namespace_of(value)
    return xp.asarray(value / xp.astype(scale, value.dtype))  # NumPy makes scalars of 0-d arrays


def _assign(place: Array, value: Array) -> None:
    place[...] = value


def _moved(x: Array, s: Array, v: Array, bounds: Bounds | None) -> Array:
    xp = namespace_of(x)
    s = xp.astype(s, xp.result_type(x, s))
    point = x + xp.reshape(s, s.shape + (1,) * x.ndim) * v
    if is_complex(xp, s.dtype):
        return point  # within the bounds, as x is
    point = cast(point, x.dtype, xp)
    if bounds is None:
        return point
    lower, upper = (xp.reshape(end, x.shape) for end in (bounds.lower, bounds.upper))
    return xp.minimum(xp.maximum(point, lower), upper)


def _smallest(parts: list[Array], s: Array, xp: Namespace) -> Array:
    """Return the smallest of all elements; infinity, beside s, where there is none."""
    smallest = [xp.min(part) for part in parts if 0 not in part.shape]
    return functools.reduce(xp.minimum, smallest, xp.full_like(s, math.inf))


def _units(x: Array, x_scale: Any, **_: Any) -> Array:
    """Return the unit of a step in each element of x."""
    xp = namespace_of(x)
    given = length_beside("x_scale", x_scale, x)
    return unit_of(x, xp.reshape(given, x.shape) if is_array(given) else given, xp)


def _scale(units: list[Any], v: list[Array], s: Array, xp: Namespace) -> Array:
    ratios = [
        xp.where(b == 0, math.inf, a / xp.where(b == 0, 1.0, xp.abs(b)))
        for a, b in zip(units, v, strict=True)
    ]
    scale = _smallest(ratios, s, xp)
    return xp.where(xp.isfinite(scale), scale, 1.0)


def _size(x: list[Array], v: list[Array]) -> float:
    """Return how large the elements that v moves are against the largest move; 0 on a device."""
    size, move = 0.0, 0.0
    for a, b in zip(x, v, strict=True):
        xp = namespace_of(a)
        if library(xp).on_host(a) and 0 not in a.shape:
            size = max(size, float(xp.max(xp.abs(xp.where(b == 0, xp.zeros_like(a), a)))))
            move = max(move, float(xp.max(xp.abs(b))))
    return size / move if move else 0.0


def _range(
    x: list[Array], v: list[Array], bounds: list[Bounds | None], s: Array, xp: Namespace
) -> tuple[Array, Array]:
    """Return how far s may go to either side."""
    above, below = [], []
    for a, b, ends in zip(x, v, bounds, strict=True):
        if ends is None:
            continue
        moves = xp.where(b == 0, 1.0, b)
        to_lower = (xp.reshape(ends.lower, a.shape) - a) / moves
        to_upper = (xp.reshape(ends.upper, a.shape) - a) / moves
        above.append(xp.where(b == 0, math.inf, xp.maximum(to_lower, to_upper)))
        below.append(xp.where(b == 0, math.inf, -xp.minimum(to_lower, to_upper)))
    lower, upper = -_smallest(below, s, xp), _smallest(above, s, xp)
    if library(xp).on_host(s) and bool(lower == upper):
        raise ValueError("bounds leave no room to move x along v, neither forward nor backward.")
    return lower, upper
