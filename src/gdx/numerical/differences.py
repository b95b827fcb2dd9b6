"""Difference quotients of a function at one array, in each of its elements."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import (
    Array,
    Namespace,
    cast,
    epsilon,
    epsilon_of,
    floating,
    is_array,
    library,
    made_beside,
    namespace_of,
    to_numpy,
)
from gdx.numerical.analytic import check_analytic
from gdx.numerical.evaluation import ONE_AT_A_TIME, Evaluation, check_rows
from gdx.numerical.floats import gradient_in_floats
from gdx.numerical.layout import Layout, Step, along_first, lay_out
from gdx.numerical.locks import exclusively
from gdx.numerical.noise import COARSE, largest_of, noise_near, suspected
from gdx.numerical.points import Directions, Points, indices
from gdx.numerical.reactions import (
    alike,
    check_real,
    imaginary_part,
    plainly_differ,
    seems_not_real,
    warn_unmoved,
    warn_vanished,
)
from gdx.numerical.result import Derivative
from gdx.numerical.richardson import WIDEST, extrapolated, ladder
from gdx.numerical.settings import ends_beside, length_beside
from gdx.numerical.stencils import Stencil
from gdx.numerical.values import Function

Form = Callable[[Array], Array]  # what is made of a vector of quotients

_FLOAT64 = np.dtype(np.float64)
_DOUBLE = 2.0**-52  # its epsilon
# In so many bytes of float64, numbers that Python handles cost less than arrays.
_FEW_BYTES = 256 * 8
_SMALL_BYTES = 16 * 1024


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
    x_scale : float or array of the shape of x, optional
        The unit of a relative step; by default, it is max(1, |x|).
    evaluation : Evaluation
    directions : Directions, optional
        Elements that move together, and never touch the same element of f(x).
    expects_change : bool
        Whether a user is to be warned if f has one value everywhere.
    of_copy : bool
        Whether `given` is a copy of what the caller holds.
    eps : float
        The epsilon of what the elements are rounded to, where that is coarser than their dtype.
    noise : float
        By how much the values of f are known to be off; 0, where that is to be estimated.
    size : float
        How large what is moved is, in the unit of the step, if it is larger than x: its rounding
        counts.
    """

    def __init__(
        self,
        given: object,
        of: Stencil,
        h: Any = None,
        bounds: tuple[Any, Any] = (None, None),
        x_scale: Any = None,
        evaluation: Evaluation = ONE_AT_A_TIME,
        directions: Directions | None = None,
        expects_change: bool = True,
        of_copy: bool = False,
        eps: float = 0.0,
        noise: float = 0.0,
        size: float = 0.0,
    ) -> None:
        x, self.xp = floating(given, "x")
        self.known = known = library(self.xp)
        self.x = known.detached(x)
        self.stencil, self.evaluation, self.directions = of, evaluation, directions
        self.expects_change, self.known_noise, self.size = expects_change, noise, size
        no_elements = 0 in x.shape
        self.empty = no_elements or (directions is not None and not len(directions))
        self.on_host = known.on_host(self.x)
        self.in_place = known.writable(self.x)
        # The memory of the caller's array, if f is evaluated at that very array.
        self.held: tuple[int, ...] = ()
        if not self.in_place:
            self.x = known.copied(self.x)
            self.in_place = known.writable(self.x)
        elif x is given and not of_copy and not no_elements:
            memory = (known.memory(self.x),)
            if evaluation.in_place and not of.imaginary:
                self.held = memory
            else:
                self.x = exclusively(memory, known.copied, self.x)
        self.h = length_beside("h", h, self.x)
        self.x_scale = length_beside("x_scale", x_scale, self.x)
        lower, upper = bounds
        self.bounds = None
        if lower is not None or upper is not None:
            self.bounds = exclusively(self.held, ends_beside, lower, upper, self.x)
        self.few = False
        if evaluation is ONE_AT_A_TIME and of.quick and self._is_simple():
            floats = known.floats(self.x) if self.in_place else None
            self.few = floats is not None and floats.nbytes <= _FEW_BYTES
        self.indices = indices(self.x) if self.few else ()
        self.of_floats = False  # all that f has returned so far
        self.finite = False  # the last gradient; False where it is not known
        self.screened = h is not None or of.imaginary or not self.on_host  # for noise of f
        self._follow(max(eps, epsilon(self.xp, x.dtype)))

    def _is_simple(self) -> bool:
        plain = self.bounds is None and self.x_scale is None
        return plain and (self.h is None or isinstance(self.h, float))

    def _follow(self, eps: float) -> None:
        self.eps = eps
        # How far the next point lies from each element, where no other step is asked for.
        relative = self.stencil.relative_step(eps * max(1.0, self.size))
        self.step = Step(self.h, min(relative, WIDEST), self.x_scale)
        self.screened |= eps > _DOUBLE

    def gradient(self, f: Function, x: Array) -> tuple[Array, int]:
        """Return the derivative in each element of `x`, where `f` returns one number.

        And how often `f` was evaluated.
        """
        if self.empty:
            return self.xp.zeros_like(x), 0
        return gradient_in_floats(self, f, x) if self.few else self._gradient_of_arrays(f, x)

    def is_coarser(self, value: Any) -> bool:
        """Tell whether f is of less precision than was believed, and believe it from now on."""
        eps = 0.0 if self.h is not None or self.stencil.imaginary else epsilon_of(value)
        if eps <= self.eps:
            return False
        self._follow(eps)
        return True

    def widened(self, f: Function, x: Array, values: list[Array]) -> tuple[bool, int]:
        """Widen the step if `values` of f beside x are of less precision than was believed.

        Return whether it was, and how often f was evaluated for that.
        """
        if self.is_coarser(values[0]):
            return True, 0
        if self.screened or 0 in values[0].shape:
            return False, 0
        self.screened = True  # the first x tells for all
        return self.widened_to_noise(f, x) if suspected(self._ends(values)) else (False, 0)

    def widened_to_noise(self, f: Function, x: Array) -> tuple[bool, int]:
        """Widen the step if f is seen to be coarser than its dtype.

        Return whether it was, and how often f was evaluated for that.
        """
        noise = noise_near(self, f, x)
        coarse = noise.relative > COARSE * self.eps
        if coarse:
            self._follow(2 * noise.relative)  # a step is made for roundings of eps / 2
        return coarse, noise.nfev

    def _ends(self, values: list[Array]) -> tuple[float, ...]:
        """Return values of f at points of the first element and the last, as `suspected` does."""
        near, far = values[0], values[0 if self.stencil.one_sided else 1]
        if type(near) is not np.ndarray:
            near, far = to_numpy(near), to_numpy(far)
        last = -1 if near.ndim == 1 else -(near.size // len(near))
        if self.stencil.one_sided:
            return near.item(0).real, near.item(last).real
        return near.item(0).real, far.item(0).real, near.item(last).real, far.item(last).real

    def _gradient_of_arrays(self, f: Function, x: Array) -> tuple[Array, int]:
        quotients = self.quotients(f, x)
        gradient = cast(quotients.value, x.dtype, self.xp)
        if gradient.shape != x.shape:
            gradient = self.xp.reshape(gradient, x.shape)
        return gradient, quotients.nfev

    @property
    def needs_x(self) -> bool:
        """Whether f(x) itself has a weight in the quotients."""
        sides_may_change = self.bounds is not None and not self.stencil.imaginary
        return self.stencil.weight_of_x != 0 or sides_may_change

    def quotients(
        self,
        f: Function,
        x: Array,
        fx: Array | None = None,
        step: Step | None = None,
        watched: bool = True,
    ) -> Quotients:
        """Return the derivative of `f` in each element of `x`: a vector of arrays like f(x).

        `fx` is f(x) with a new first axis, where it is known; the `step` may be another one. Where
        f is `watched`, a user is told if it does not react.
        """
        xp, stencil = self.xp, self.stencil
        if stencil.imaginary:
            x = _complex(x, xp)
        flat = x if x.ndim == 1 else xp.reshape(x, (-1,))
        layout = lay_out(flat, stencil, step or self.step, xp, self.bounds)
        points = Points(x, layout.columns, self.directions)
        values = self.evaluation.at_points(f, points, self.in_place)
        count = len(values) * points.count
        if self.needs_x and fx is None:
            fx, count = self.evaluation.at_x(f, x), count + 1
        if fx is not None:
            _check_shape(fx, values[0])
            if type(fx) is not type(values[0]):
                fx, *values = map(self._beside, [fx, *values])
        if step is None:
            widened, more = self.widened(f, x, values)
            count += more
            if widened:
                again = self.quotients(f, x, fx)
                return again._replace(nfev=count + again.nfev)
        if watched and self.on_host:
            if self.evaluation.vectorized and not self.evaluation.of_numbers and points.count:
                count += check_rows(f, x, points.stack(0, 0, 1))
            count += self.check_reaction(f, x, layout, values, fx)
        if stencil.imaginary:
            values = [imaginary_part(value) for value in values]
        if self.directions is not None:
            values = [self._of_each_element(value) for value in values]
        difference = layout.difference(values, fx if self.needs_x else None, xp)
        distance = layout.distance
        divisor = distance if stencil.derivative == 1 else distance * distance
        value = self.divided(difference, divisor)
        return Quotients(value, count, values, divisor, layout)

    def derivative(
        self, f: Function, quotients: Callable[..., Quotients], form: Form, return_error: bool
    ) -> Derivative:
        """Return the derivative of which `quotients(step, watched)` gives the quotients.

        With its error, it is extrapolated from a ladder of steps.
        """
        if not return_error:
            taken = quotients()
            return Derivative(form(taken.value), None, taken.nfev, self._shaped(taken.layout.step))
        near = noise_near(self, f, self.x)
        steps = self.levels()
        if near.relative > COARSE * self.eps and self.h is None and self.bounds is None:
            steps = [*self._wider_levels(), *steps]
        each = [quotients(step, k == 0) for k, step in enumerate(steps)]
        noise = [self.noise(taken, near.deviation) for taken in each]
        xp = namespace_of(each[0].value)
        gain = each[0].layout.gain
        if is_array(gain):
            gain = along_first(gain, each[0].value.ndim, xp)
        order = self.stencil.order
        value, error = extrapolated([taken.value for taken in each], noise, order, gain, xp)
        count = near.nfev + sum(taken.nfev for taken in each)
        return Derivative(form(value), form(error), count, self._shaped(each[0].layout.step))

    def _shaped(self, step: Any) -> Array:
        """Return a step, one for all or one for each element, as an array of the shape of x."""
        x, xp = self.x, self.xp
        return xp.reshape(step, x.shape) if is_array(step) else xp.full_like(x, step)

    def levels(self) -> list[Step]:
        """Return the steps between which the derivative is extrapolated, the widest first."""
        widest, parts = ladder(self.stencil, self.eps, self.h is not None)
        return [Step(self.h, widest, self.x_scale, part) for part in parts]

    def _wider_levels(self) -> list[Step]:
        """Return steps wider than those, for an f whose noise hides what narrow ones would tell."""
        parts = [2.0**k for k in range(self.stencil.derivative + 1, 0, -1)]
        return [Step(None, WIDEST, self.x_scale, part) for part in parts]

    def noise(self, quotients: Quotients, deviation: Array | float = 0.0) -> Array:
        """Return by how much the rounding of f and of its argument may change the derivative.

        `deviation` is that of the noise of f.
        """
        value, divisor = quotients.value, quotients.divisor
        xp = namespace_of(value)
        eps = max(self.eps, epsilon_of(quotients.values[0]))
        if self.stencil.imaginary:  # below the normal numbers, imaginary parts lose their digits
            tiny = float(xp.finfo(value.dtype).smallest_normal)
            return eps * xp.abs(value) + xp.abs(self.divided(tiny + 0 * value, divisor))
        largest = self._beside(largest_of(quotients.values))
        if is_array(deviation):
            deviation = self._beside(deviation)
        largest = xp.maximum(eps * largest, deviation + 0 * largest)
        amplification = quotients.layout.amplification
        if is_array(amplification):
            amplification = along_first(amplification, value.ndim, xp)
        rounding = amplification * xp.expand_dims(largest, axis=0) + 0 * xp.abs(value)
        if self.stencil.derivative == 1:
            x = self.xp.abs(self.xp.reshape(self.x, (-1,))) + self.size
            rounding = rounding + xp.abs(eps * value * along_first(x, value.ndim, xp))
        return xp.abs(self.divided(rounding, divisor))

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
        return made_beside(x, numbers, self.xp, dtype)

    def _of_each_element(self, value: Array) -> Array:
        """Return, for each element, the value of f where its direction is moved."""
        labels = np.maximum(self.directions.labels, 0)  # type: ignore[union-attr]
        xp = namespace_of(value)
        return xp.take(value, made_beside(value, labels, xp), axis=0)

    def check_reaction(
        self, f: Function, x: Array, layout: Layout, values: list[Array], fx: Array | None
    ) -> int:
        """Warn if x did not move or f did not notice; say how often f was evaluated for that."""
        may_vanish = self.h is not None or self.x_scale is not None or self.bounds is not None
        if may_vanish and bool(self.xp.any(layout.columns[0] == self.xp.reshape(x, (-1,)))):
            warn_vanished(h=self.h, x_scale=self.x_scale)
            return 0
        if self.stencil.imaginary:
            imaginary_part(values[0])
            count = 0
            if fx is None and seems_not_real(values[0], self.eps):
                fx, count = self.evaluation.at_x(f, x), 1
                check_real(fx)
            return count + check_analytic(self, f, x, layout, values[0])
        if not self.expects_change or plainly_differ(values[0], values[-1]):
            return 0
        if not alike([*values, *([] if fx is None else [fx])]):
            return 0
        if fx is not None or alike([values[0], self.evaluation.at_x(f, x)]):
            warn_unmoved(at_copies=not self.held)
        return int(fx is None)


def at_small(x: Any, of: Stencil, h: Any, evaluation: Evaluation) -> Differences | None:
    """Return the same as Differences in a third of the time, if x is a small array of NumPy."""
    if type(x) is not np.ndarray or not 0 < x.nbytes <= _SMALL_BYTES or of.imaginary:
        return None
    if x.dtype is not _FLOAT64 or not x.flags.carray or not (h is None or type(h) is float):
        return None
    own = object.__new__(Differences)
    own.__dict__ = _at_zeros(x.shape, of, h, evaluation).__dict__.copy()
    memory = (own.known.memory(x),)
    if evaluation.in_place:
        own.x, own.held = x, memory
    else:
        own.x = exclusively(memory, own.known.copied, x)
    return own


@functools.lru_cache
def _at_zeros(
    shape: tuple[int, ...], of: Stencil, h: float | None, evaluation: Evaluation
) -> Differences:
    return Differences(np.zeros(shape), of, h, evaluation=evaluation)


class Quotients(NamedTuple):
    """The derivative in each element of x, how often f was evaluated, and of what it was made."""

    value: Array
    nfev: int
    values: list[Array]
    divisor: Any
    layout: Layout


def _check_shape(fx: Array, values: Array) -> None:
    if fx.shape[1:] != values.shape[1:]:
        raise ValueError(
            f"f0 must have the shape of f(x), {tuple(values.shape[1:])}; got {tuple(fx.shape[1:])}."
        )


def _complex(x: Array, xp: Namespace) -> Array:
    """Return a complex copy of x."""
    y = x + 0j
    return y if is_array(y) else xp.asarray(y)
