"""What is made of the arrays of the user before a run, and of its points after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gdx.backends import Array, floating, library, namespace_of
from gdx.trees import Tree, leaves, map_leaves


def own_copy(name: str, start: Any) -> Tree:
    """Return floating copies of the arrays of a start, outside of the library's autograd."""

    def of_leaf(given: object) -> Array:
        x, xp = floating(given, name)
        known = library(xp)
        return known.copied(known.detached(x))

    if not leaves(start):
        raise ValueError(f"{name} must hold an array; got {start!r}.")
    return map_leaves(of_leaf, start)


def stacked(points: Sequence[Tree], x: Tree) -> Tree:
    """Return points of the structure of x as one tree, stacked along a new first axis."""
    if not points:
        return map_leaves(lambda leaf: namespace_of(leaf).stack([leaf])[:0, ...], x)
    return map_leaves(_stacked_leaf, *points)


def _stacked_leaf(*rows: Array) -> Array:
    xp, shape = namespace_of(rows[0]), rows[0].shape
    if not shape:
        return xp.stack(rows)
    return xp.reshape(xp.concat(rows), (len(rows), *shape))  # quicker than stack
