"""Gradients that a user's own function returns."""

from __future__ import annotations

from gdx.backends import Array, as_like, library, namespace_of
from gdx.trees import StructureError, Tree, map_leaves


def as_gradient(x: Tree, g: Tree, function: str = "grad") -> Tree:
    """Return what a function gave as arrays of the kind of those of `x`, outside of autograd."""
    try:
        return map_leaves(lambda leaf, own: _beside(leaf, own, function), x, g)
    except StructureError as error:
        raise ValueError(f"{function} must return the structure of x: {error}.") from None


def _beside(x: Array, g: Array, function: str) -> Array:
    xp = namespace_of(x)
    same = type(g) is type(x) and g.dtype == x.dtype
    beside = g if same else as_like(g, x, xp, f"what {function} returns", dtype=x.dtype)
    if beside.shape != x.shape:
        raise ValueError(
            f"{function} must return the shape of x, {tuple(x.shape)}; it returned "
            f"{tuple(beside.shape)}."
        )
    return library(xp).detached(beside)
