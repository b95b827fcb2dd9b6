"""How a descent has its gradient: exactly, by finite differences, or from the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.autodiff.core import TracingError
from gdx.autodiff.transforms import gradient_of
from gdx.backends import Array, library, namespace_of
from gdx.numerical.differences import Differences
from gdx.numerical.given import as_gradient
from gdx.numerical.gradient import gradient_at
from gdx.numerical.stencils import stencil
from gdx.trees import Tree, map_leaves

Function = Callable[[Tree], Any]


class Exact:
    """The derivative of what f computes; where it was first taken, it is not taken again."""

    name = "exact"

    def __init__(self, f: Function, x: Tree) -> None:
        self.f = f
        self.nfev = 1
        _, first, _, self.depends = gradient_of(f, 0, (x,), {})
        self.first: tuple[Tree, Tree] | None = (x, first)

    def __call__(self, x: Tree) -> Tree:
        """Return the gradient at a point."""
        known, self.first = self.first, None
        if known is not None and known[0] is x:
            return known[1]
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
) -> Exact | Numerical | Given:
    """Return what gives the gradient of `f`, with its `name`, and `nfev`, the evaluations of f.

    By default it is exact, if `f` can be traced at `x`, and what it returns depends on `x`.
    """
    if callable(grad):
        return Given(grad)
    if grad == "numerical":
        return Numerical(f, x)
    if grad == "exact":
        return Exact(f, x)
    if grad is not None:
        raise ValueError(f"grad must be 'exact', 'numerical', a function or None; got {grad!r}.")
    try:
        exact = Exact(f, x)
    except TracingError:
        return Numerical(f, x, tried=1)
    return exact if exact.depends else Numerical(f, x, tried=1)


def _detached(x: Array) -> Array:
    return library(namespace_of(x)).detached(x)
