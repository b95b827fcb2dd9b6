"""How a descent has its gradient: exactly, by finite differences, or from the user."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.autodiff.transforms import IGNORED, gradient_of
from gdx.backends import Array, device_of, library, namespace_of, to_numpy
from gdx.caller import warn
from gdx.numerical.differences import Differences
from gdx.numerical.given import as_gradient
from gdx.numerical.gradient import gradient_at
from gdx.numerical.jacobian import numerical_jvp
from gdx.numerical.stencils import stencil
from gdx.trees import Tree, coarsest_epsilon, leaves, map_leaves

Function = Callable[[Tree], Any]


class Exact:
    """The derivative of what f computes; where it was first taken, it is not taken again."""

    name = "exact"

    def __init__(self, f: Function, x: Tree) -> None:
        self.f = f
        self.nfev = 1
        self.fun, self.first_gradient, _, self.depends = gradient_of(f, 0, (x,), {})
        self.start: Tree | None = x

    def __call__(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        start, self.start = self.start, None
        if start is x:
            return self.first_gradient
        self.nfev += 1
        return gradient_of(self.f, 0, (x,), {})[1]


class Numerical:
    """Central differences."""

    name = "numerical"

    def __init__(self, f: Function, x: Tree, tried: int = 0) -> None:
        self.f = f
        self.nfev = tried
        self.differences = map_leaves(lambda p: Differences(p, stencil("central")), x)

    def __call__(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        g, evaluations = gradient_at(self.f, x, self.differences)
        self.nfev += evaluations
        return g


class Given:
    """The user's own gradient."""

    name = "given"
    nfev = 0

    def __init__(self, grad: Callable[[Tree], Tree]) -> None:
        self.grad = grad

    def __call__(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        return as_gradient(x, self.grad(map_leaves(_detached, x)))


def slope(
    f: Function, x: Tree, grad: Callable[[Tree], Tree] | str | None
) -> Exact | ExactWhereTraced | Numerical | Given:
    """Return what gives the gradient of `f`, with its `name`, and `nfev`, the evaluations of f.

    By default it is exact, if `f` can be traced at `x`, and what it returns depends on `x`. PyTorch
    and JAX do not tell if `f` takes a number out of an array, which then is a constant to them: of
    theirs, it must agree with a difference quotient.
    """
    if callable(grad):
        return Given(grad)
    if grad == "numerical":
        return Numerical(f, x)
    if grad == "exact":
        exact = Exact(f, x)
        if not exact.depends:
            warn(IGNORED, RuntimeWarning)
        return exact
    if grad is not None:
        raise ValueError(f"grad must be 'exact', 'numerical', a function or None; got {grad!r}.")
    try:
        exact = Exact(f, x)
    except TracingError:
        return Numerical(f, x, tried=1)
    if not exact.depends:
        return Numerical(f, x, tried=1)
    if any(library(namespace_of(leaf)).engine is not None for leaf in leaves(x)):
        exact.nfev += 2
        if not _agrees(exact, f, x):
            return Numerical(f, x, tried=3)
    return ExactWhereTraced(exact)


class ExactWhereTraced:
    """Exact, as long as f can be traced; numerical from the first point on where it cannot."""

    def __init__(self, exact: Exact) -> None:
        self.inner: Exact | Numerical = exact

    @property
    def name(self) -> str:
        """How the gradient is had now."""
        return self.inner.name

    @property
    def nfev(self) -> int:
        """Evaluations of f so far."""
        return self.inner.nfev

    def __call__(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        try:
            return self.inner(x)
        except TracingError:
            self.inner = Numerical(self.inner.f, x, tried=self.inner.nfev)
            return self.inner(x)


def _agrees(exact: Exact, f: Function, x: Tree) -> bool:
    """Tell whether the gradient fits the change of f along a direction."""
    rng = np.random.default_rng(0)
    v = map_leaves(lambda leaf: _like(rng.standard_normal(leaf.shape), leaf), x)
    change = float(to_numpy(numerical_jvp(f, x, v)))
    products = map_leaves(lambda g, v: namespace_of(g).sum(g * v), exact.first_gradient, v)
    slope = math.fsum(float(to_numpy(product)) for product in leaves(products))
    rounding = coarsest_epsilon(x) ** (1 / 3) * max(1.0, abs(float(to_numpy(exact.fun))))
    allowed = 0.1 * max(abs(slope), abs(change)) + rounding
    return bool(abs(slope - change) <= allowed)


def _like(values: Any, x: Array) -> Array:
    return namespace_of(x).asarray(values, dtype=x.dtype, device=device_of(x))


def _detached(x: Array) -> Array:
    return library(namespace_of(x)).detached(x)
