"""How many problems at once have their values and gradients."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.autodiff.engines import engine_for
from gdx.autodiff.flat import Flat
from gdx.autodiff.transforms import IGNORED
from gdx.backends import (
    Array,
    cast,
    device_of,
    epsilon,
    is_array,
    is_complex,
    is_real_floating,
    library,
    namespace_of,
    to_numpy,
)
from gdx.caller import warn
from gdx.numerical.values import beside_x
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.slopes import Function, Given, Slope, Together, check_grad, warn_if_elsewhere


def values_of(value: Any, x: Array) -> Array:
    """Return what f returned for a stack of points: one real number for each, outside autograd."""
    count, shape = x.shape[0], tuple(value.shape) if is_array(value) else None
    if shape != (count,):
        returned = reprlib.repr(value) if shape is None else f"an array of the shape {shape}"
        raise ValueError(
            f"of {count} problems at once, f takes all points as one array, here of the shape "
            f"{tuple(x.shape)}, and must return one value for each, an array of the shape "
            f"({count},); it returned {returned}. Reduce all axes but the first, for example by "
            "xp.sum(..., axis=-1)."
        )
    values = beside_x(value, x, namespace_of(x))
    xp = namespace_of(values)
    if is_complex(xp, values.dtype):
        raise TypeError(f"f must return real numbers; it returned {values.dtype}.")
    return values if is_real_floating(xp, values.dtype) else cast(values, x.dtype, xp)


class Stacked(Slope):
    """Exact gradients: those of the sum of all values, to which each point adds its own.

    Parameters
    ----------
    otherwise : Differences, optional
        What gives the gradients from the point on where f cannot be traced, or what it returns does
        not depend on x. PyTorch and JAX do not tell if f takes a number out of an array, which then
        is a constant to them: of theirs, the first gradients must agree with difference quotients.
    """

    name = "exact"

    def __init__(self, f: Function, otherwise: Differences | None) -> None:
        super().__init__(f)
        self.otherwise = otherwise
        self.inner: Differences | None = None
        self.agrees: bool | None = None

    def gradient(self, x: Array) -> Array:
        """Return the gradients at a stack of points."""
        return self.both(x)[1]

    def both(self, x: Array) -> tuple[Any, Array]:
        """Return the values at a stack of points, and the gradients there."""
        if self.inner is not None:
            return self.inner.both(x)
        try:
            value, gradient, depends = self._traced(x)
        except TracingError as error:
            if self.otherwise is None:
                raise
            warn_if_elsewhere(error)
            depends = False
        if self.otherwise is None:
            if not depends:
                warn(IGNORED, RuntimeWarning)
            return value, gradient
        self.otherwise.counts = self.counts
        if depends and self.agrees is None:
            told = library(namespace_of(x)).engine is None
            self.agrees = told or self.otherwise.agrees(x, value, gradient)
        if depends and self.agrees:
            return value, gradient
        self.inner, self.name = self.otherwise, self.otherwise.name
        return self.inner.both(x)

    def _traced(self, x: Array) -> tuple[Array, Array, bool]:
        self.counts.spend()
        flat = Flat(self.f, [x])
        outputs, pullback, _, depends = engine_for(flat, None).vjp(flat, flat.inputs)
        y = values_of(outputs[0] if len(outputs) == 1 else outputs, x)
        self.counts.njev += 1
        ones = flat.plain.ones(y.shape, dtype=y.dtype, device=device_of(x))
        return y, pullback([ones], last=True)[0], depends


class Differences(Slope):
    """Central differences, one element of all points at a time; within bounds, up to them."""

    name = "numerical"

    def __init__(self, f: Function, box: Box | None) -> None:
        super().__init__(f)
        self.box = box

    def gradient(self, x: Array) -> Array:
        """Return the gradients at a stack of points."""
        xp, shape = namespace_of(x), x.shape
        self.counts.njev += 1
        size = math.prod(shape[1:])
        places = xp.reshape(xp.arange(size, device=device_of(x)), (1, *shape[1:]))
        h = epsilon(xp, x.dtype) ** (1 / 3) * xp.maximum(xp.abs(x), xp.ones_like(x))
        columns = [self._quotient(x, xp.where(places == i, h, 0 * h)) for i in range(size)]
        return cast(xp.reshape(xp.stack(columns, axis=1), shape), x.dtype, xp)

    def agrees(self, x: Array, fun: Array, gradient: Array) -> bool:
        """Tell whether gradients fit the changes of f along a direction, for most of the points."""
        xp, h = namespace_of(x), epsilon(namespace_of(x), x.dtype) ** (1 / 3)
        v = np.random.default_rng(0).standard_normal(x.shape)
        rise, s = self._rise(x, h * xp.asarray(v, dtype=x.dtype, device=device_of(x)))
        with np.errstate(all="ignore"):
            promised = _total(gradient * s)
            allowed = xp.maximum(xp.abs(promised), xp.abs(rise)) / 10 + h * h * (1 + xp.abs(fun))
            wrong = xp.abs(promised - rise) > allowed
        return bool(2 * int(to_numpy(xp.sum(xp.astype(wrong, xp.int32)))) <= x.shape[0])

    def _quotient(self, x: Array, h: Array) -> Array:
        rise, s = self._rise(x, h)
        width, xp = _total(s), namespace_of(s)
        with np.errstate(all="ignore"):
            return rise / xp.where(width > 0, width, xp.ones_like(width))

    def _rise(self, x: Array, h: Array) -> tuple[Array, Array]:
        """Return by how much f rises around points, and by how much x does."""
        ends = [x - h, x + h]
        if self.box is not None:
            ends = [self.box.nearest(end) for end in ends]
        low, high = (values_of(self.value(end), x) for end in ends)
        with np.errstate(all="ignore"):
            return high - low, ends[1] - ends[0]


def _total(x: Array) -> Array:
    """Return the sum over the elements of each point."""
    xp = namespace_of(x)
    return xp.sum(xp.reshape(x, (x.shape[0], -1)), axis=1)


def slope_of_many(f: Function, grad: Any, box: Box | None) -> Slope:
    """Return what gives the values and gradients at stacks of points, and how: its `name`."""
    check_grad(grad)
    if callable(grad):
        return Given(f, grad)
    if grad is True:
        return Together(f)
    if grad == "numerical":
        return Differences(f, box)
    if grad == "exact":
        return Stacked(f, None)
    return Stacked(f, Differences(f, box))
