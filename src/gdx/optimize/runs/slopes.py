"""How a descent has its gradient: exactly, by finite differences, or from the user."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gdx.autodiff.core import PicklingError, TracingError
from gdx.autodiff.transforms import IGNORED, gradient_of
from gdx.backends import Array, device_of, library, namespace_of, to_numpy
from gdx.caller import warn
from gdx.numerical.differences import Differences
from gdx.numerical.given import as_gradient
from gdx.numerical.gradient import gradient_at
from gdx.numerical.settings import settings
from gdx.optimize.runs.bounds import Box, boxes, nearest, raveled_box
from gdx.optimize.runs.reading import Reads
from gdx.trees import Tree, Unraveled, coarsest_epsilon, leaves, map_leaves, raveled

Function = Callable[[Tree], Any]


class BudgetSpent(Exception):  # noqa: N818 - no error: a run ends by it
    """The next evaluations of f would be more than a run may take."""


@dataclass
class Counts:
    """How often f, its gradient and products with its Hessian were evaluated."""

    nfev: int = 0
    njev: int = 0
    nhev: int = 0
    most: float = math.inf  # of nfev

    def spend(self, evaluations: int = 1) -> None:
        """Count evaluations of f that are to come; raise BudgetSpent if they are too many."""
        self.allow(evaluations)
        self.nfev += evaluations

    def allow(self, evaluations: int) -> None:
        """Raise BudgetSpent if so many more evaluations of f are too many."""
        if self.nfev + evaluations > self.most:
            raise BudgetSpent


class Slope(ABC):
    """f and its gradient at points, counted."""

    name = "given"

    def __init__(self, f: Function, counts: Counts | None = None) -> None:
        self.f = f
        self.counts = counts or Counts()

    def value(self, x: Tree) -> Any:
        """Return what f returns at a point."""
        self.counts.spend()
        return self.f(lent(x))

    def reacts(self, x: Tree) -> bool:
        """Tell whether f differs anywhere near a point, where its gradient is 0."""
        return True

    @abstractmethod
    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""

    def both(self, x: Tree) -> tuple[Any, Tree]:
        """Return what f returns at a point, and the gradient there."""
        return self.value(x), self.gradient(x)


class Exact(Slope):
    """The derivative of what f computes; where it was first taken, it is not taken again."""

    name = "exact"

    def __init__(self, f: Function, x: Tree) -> None:
        super().__init__(f, Counts(1, 1))
        self.fun, self.first_gradient, _, self.depends = gradient_of(f, 0, (x,), {})
        self.start: Tree | None = x

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        return self.both(x)[1]

    def both(self, x: Tree) -> tuple[Any, Tree]:
        """Return what f returns at a point, and the gradient there, for little more than f."""
        start, self.start = self.start, None
        if start is x:
            return self.fun, self.first_gradient
        self.counts.spend()
        self.counts.njev += 1
        fun, gradient, _, _ = gradient_of(self.f, 0, (x,), {})
        return fun, gradient


class ExactWhereTraced(Slope):
    """Exact, as long as f can be traced; numerical from the first point on where it cannot."""

    def __init__(self, exact: Exact, bounds: Any) -> None:
        super().__init__(exact.f, exact.counts)
        self.inner: Slope = exact
        self.name = exact.name
        self.bounds = bounds

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        return self._of_inner(lambda slope: slope.gradient(x), x)

    def both(self, x: Tree) -> tuple[Any, Tree]:
        """Return what f returns at a point, and the gradient there."""
        both: tuple[Any, Tree] = self._of_inner(lambda slope: slope.both(x), x)
        return both

    def reacts(self, x: Tree) -> bool:
        """Tell whether f differs anywhere near a point, where its gradient is 0."""
        return self.inner.reacts(x)

    def give_up(self, x: Tree) -> None:
        """Be numerical from now on."""
        self.inner = _numerical(self.f, x, self.bounds, self.counts)
        self.name = self.inner.name

    def _of_inner(self, asked: Callable[[Slope], Any], x: Tree) -> Any:
        try:
            return asked(self.inner)
        except TracingError as error:
            warn_if_elsewhere(error)
            self.give_up(x)
            return asked(self.inner)


class Numerical(Slope):
    """Central differences, within the bounds, which leave each element some room."""

    name = "numerical"

    def __init__(self, f: Function, x: Tree, bounds: Any, counts: Counts) -> None:
        super().__init__(f, counts)
        self.bounds = bounds
        within = settings(1, "central", None, bounds=bounds)
        self.differences = within.at_leaves(partial(Differences, of=within.stencil), x)
        self.cost = 0  # evaluations of the last gradient

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        return self._counted(self.f, x)

    def both(self, x: Tree) -> tuple[Any, Tree]:
        """Return what f returns at a point, and the gradient there."""
        self.counts.allow(1 + self.cost)
        return super().both(x)

    def _counted(self, f: Function, x: Tree) -> Tree:
        self.counts.allow(self.cost)
        g, self.cost = gradient_at(f, x, self.differences)
        self.counts.nfev += self.cost
        self.counts.njev += 1
        return g

    def reacts(self, x: Tree) -> bool:
        """Tell whether f differs near a point, beyond its rounding."""
        read = Reads(leaves(x)[0])
        ends = _beside(x, self.bounds)
        if not any(read.sizes(0.0, leaves(map_leaves(lambda a, b: b - a, *ends)))[1]):
            return True  # bounds leave one point, and no way to ask
        return len({read(self.value(point), [])[0] for point in (x, *ends)}) > 1


class NumericalOfFree(Numerical):
    """Central differences by the elements that bounds do not hold at one value."""

    def __init__(self, f: Function, x: Tree, bounds: Any, box: Box, counts: Counts) -> None:
        """`box` is that of the vector of all elements."""
        xp = self.xp = namespace_of(box.lower)
        held = to_numpy(box.lower == box.upper)
        places = np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)])
        self.order = self._places(np.argsort(places), box.lower)
        self.free = self._places(np.flatnonzero(~held), box.lower)
        self.held = xp.take(box.lower, self._places(np.flatnonzero(held), box.lower), axis=0)
        self.tree_of = Unraveled(x)
        ends = tuple(xp.take(end, self.free, axis=0) for end in (box.lower, box.upper))
        vector = xp.take(raveled([x])[0], self.free, axis=0)
        super().__init__(lambda v: f(self._whole(v, self.held)), vector, ends, counts)
        self.of_free, self.f, self.bounds = self.f, f, bounds

    def _places(self, places: Any, beside: Array) -> Array:
        return self.xp.asarray(places, device=device_of(beside))

    def _whole(self, free: Array, held: Array) -> Tree:
        return self.tree_of(self.xp.take(self.xp.concat([free, held]), self.order, axis=0))

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point, 0 where an element is held."""
        vector = self.xp.take(raveled([x])[0], self.free, axis=0)
        return self._whole(self._counted(self.of_free, vector), 0 * self.held)


class Given(Slope):
    """The user's own gradient."""

    def __init__(self, f: Function, grad: Callable[[Tree], Tree]) -> None:
        super().__init__(f)
        self.grad = grad

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        self.counts.njev += 1
        if type(x) is np.ndarray:  # the short way for the steps that cost least
            g = self.grad(x.copy())
            if type(g) is np.ndarray and g.dtype == x.dtype and g.shape == x.shape:
                return g
            return as_gradient(x, g)
        return as_gradient(x, self.grad(lent(x)))


class Together(Slope):
    """The user's own gradient, from a function that returns f and its gradient."""

    def value(self, x: Tree) -> Any:
        """Return what f returns first."""
        return self.both(x)[0]

    def gradient(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        return self.both(x)[1]

    def both(self, x: Tree) -> tuple[Any, Tree]:
        """Return what f returns at a point, and the gradient there."""
        self.counts.spend()
        self.counts.njev += 1
        pair = self.f(lent(x))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                f"with grad=True, f must return the pair (value, gradient); it returned {pair!r}."
            )
        return pair[0], as_gradient(x, pair[1])


def warn_if_elsewhere(error: TracingError) -> None:
    """Warn where f does its work in other threads or processes: there, evaluations are dear."""
    if isinstance(error, PicklingError) or error.thread != threading.get_ident():
        warn(_ELSEWHERE, RuntimeWarning)


_ELSEWHERE = (
    "f hands x to another thread or process, where no derivative can be followed: its gradient is "
    "taken numerically, by two evaluations or more for each element of x. Let f compute its "
    "gradient there, too, and give that as grad=, or by gdx.custom_vjp; grad='numerical' says that "
    "differences are meant."
)


def _numerical(f: Function, x: Tree, bounds: Any, counts: Counts) -> Numerical:
    box = boxes(bounds, x)
    if box is not None:
        whole = raveled_box(box, x, raveled([x])[0].dtype)
        if bool(to_numpy(namespace_of(whole.lower).any(whole.lower == whole.upper))):
            return NumericalOfFree(f, x, bounds, whole, counts)
    return Numerical(f, x, bounds, counts)


def slope(
    f: Function, x: Tree, grad: Callable[[Tree], Tree] | str | bool | None, bounds: Any = None
) -> Slope:
    """Return what gives f and its gradient, and how: its `name`.

    By default it is exact, if `f` can be traced at `x`, and what it returns depends on `x`. PyTorch
    and JAX do not tell if `f` takes a number out of an array, which then is a constant to them: of
    theirs, it must agree with a difference quotient.
    """
    check_grad(grad)
    if callable(grad):
        return Given(f, grad)
    if grad is True:
        return Together(f)
    if grad == "numerical":
        return _numerical(f, x, bounds, Counts())
    if grad == "exact":
        exact = Exact(f, x)
        if not exact.depends:
            warn(IGNORED, RuntimeWarning)
        return exact
    try:
        exact = Exact(f, x)
    except TracingError as error:
        warn_if_elsewhere(error)
        return _numerical(f, x, bounds, Counts(nfev=1))
    if exact.depends and any(library(namespace_of(p)).engine is not None for p in leaves(x)):
        exact.depends = _agrees(exact, x, bounds)
    if not exact.depends:
        return _numerical(f, x, bounds, Counts(nfev=exact.counts.nfev))
    return ExactWhereTraced(exact, bounds)


def check_grad(grad: object) -> None:
    """Raise if it is no way to have a gradient."""
    by_name = isinstance(grad, str) and grad in ("exact", "numerical")
    if not (grad is None or grad is True or callable(grad) or by_name):
        raise ValueError(
            f"grad must be 'exact', 'numerical', a function, True where f returns both its value "
            f"and its gradient, or None; got {grad!r}."
        )


def _agrees(exact: Exact, x: Tree, bounds: Any) -> bool:
    """Tell whether the gradient fits the change of f along a direction, within the bounds."""
    ends, read = _beside(x, bounds), Reads(leaves(x)[0])
    low, high = (read(exact.value(end), [])[0] for end in ends)
    products = map_leaves(
        lambda g, a, b: namespace_of(g).sum(g * (b - a)), exact.first_gradient, *ends
    )
    rise, promised = high - low, math.fsum(float(to_numpy(each)) for each in leaves(products))
    rounding = coarsest_epsilon(x) ** (2 / 3) * max(1.0, abs(read(exact.fun, [])[0]))
    return bool(abs(promised - rise) <= 0.1 * max(abs(promised), abs(rise)) + rounding)


def _beside(x: Tree, bounds: Any) -> tuple[Tree, Tree]:
    """Return two points on either side of another, within the bounds."""
    h, rng, box = coarsest_epsilon(x) ** (1 / 3), np.random.default_rng(0), boxes(bounds, x)
    steps = map_leaves(lambda leaf: h * _like(rng.standard_normal(leaf.shape), leaf), x)
    low, high = map_leaves(_moved, x, map_leaves(lambda s: -s, steps)), map_leaves(_moved, x, steps)
    return (low, high) if box is None else (nearest(box, low), nearest(box, high))


def _moved(x: Array, step: Array) -> Array:
    return namespace_of(x).asarray(x + step)  # NumPy makes a scalar of no dimensions


def _like(values: Any, x: Array) -> Array:
    """Return numbers beside x, multiplied with its elements where these are large."""
    xp = namespace_of(x)
    beside = xp.asarray(values, dtype=x.dtype, device=device_of(x))
    return beside * xp.maximum(xp.abs(x), xp.ones_like(x))


def lent(x: Tree) -> Tree:
    """Return what a user's function may keep or change: a copy, outside of autograd."""
    return x.copy() if type(x) is np.ndarray else map_leaves(_lent, x)


def _lent(x: Array) -> Array:
    known = library(namespace_of(x))
    return known.copied(known.detached(x))
