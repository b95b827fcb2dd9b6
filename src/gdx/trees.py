"""Parameters: one array, or dicts, lists and tuples of arrays, nested as you like."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gdx.backends import cast, common_namespace, epsilon_of, is_array, namespace_of

Tree = Any

_SEQUENCES = (list, tuple)
_CONTAINERS = (dict, list, tuple)


def is_tree(x: object) -> bool:
    """Tell whether `x` is a container of arrays; a list of numbers is one array, not a tree.

    Where the places have names, as in dicts and named tuples, numbers are arrays, too.
    """
    if not isinstance(x, _CONTAINERS):
        return False
    named = isinstance(x, dict) or hasattr(x, "_fields")
    return named or any(is_array(item) or is_tree(item) for item in x)


def leaves(tree: Tree) -> list[Any]:
    """Return the arrays of `tree`, in order."""
    if not is_tree(tree):
        return [tree]
    items = tree.values() if isinstance(tree, dict) else tree
    return [leaf for item in items for leaf in leaves(item)]


def paths(tree: Tree) -> list[tuple[Any, ...]]:
    """Return by which keys and positions the arrays of `tree` are reached, in order."""
    if not is_tree(tree):
        return [()]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [(key, *path) for key, item in items for path in paths(item)]


def flattened(tree: Tree) -> tuple[list[Any], Callable[[Iterator[Any]], Tree]]:
    """Return the arrays of `tree`, in order, and what makes such a tree of others, one by one."""
    found: list[Any] = []
    return found, _flattened(tree, found)


def _flattened(tree: Tree, found: list[Any]) -> Callable[[Iterator[Any]], Tree]:
    if not is_tree(tree):
        found.append(tree)
        return next
    if isinstance(tree, dict):
        named: dict[Any, Callable[[Iterator[Any]], Tree]] = {}
        for key, item in tree.items():
            if isinstance(item, _CONTAINERS):
                named[key] = _flattened(item, found)
            else:
                found.append(item)
                named[key] = next
        return lambda leaves: {key: of_item(leaves) for key, of_item in named.items()}
    parts, like = [_flattened(item, found) for item in tree], type(tree)
    return lambda leaves: refilled(like, [part(leaves) for part in parts])


def refilled(kind: Any, items: Sequence[Any]) -> Any:
    """Return a list or tuple of a type, which may have named fields, of other items."""
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


class StructureError(ValueError):
    """A tree has not the structure of another."""


def map_leaves(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply `function` to each array of `tree` and those that stand at its place in `others`."""
    if not is_tree(tree):
        return function(tree, *others)
    if isinstance(tree, dict):
        for other in others:
            if not isinstance(other, dict) or set(other) != set(tree):
                raise StructureError(f"expected a dict with the keys {[*tree]}, got {_kind(other)}")
        return {
            key: map_leaves(function, item, *(other[key] for other in others))
            for key, item in tree.items()
        }
    for other in others:
        if not isinstance(other, _SEQUENCES) or len(other) != len(tree):
            raise StructureError(f"expected a list or tuple of {len(tree)}, got {_kind(other)}")
    items = [map_leaves(function, *group) for group in zip(tree, *others, strict=True)]
    return refilled(type(tree), items)


def raveled(tree: Tree) -> tuple[Any, Unraveled]:
    """Return the arrays of `tree` as one vector, and what makes the tree of such a vector."""
    arrays = leaves(tree)
    common_namespace(*arrays)
    xp = namespace_of(arrays[0])
    return xp.concat([xp.reshape(array, (-1,)) for array in arrays]), Unraveled(tree)


@dataclass(frozen=True, eq=False)
class Unraveled:
    """What makes a tree of the vector of all its elements; of a matrix, one for all its rows."""

    tree: Tree

    def __call__(self, vector: Any) -> Tree:
        """Return the tree of a vector."""
        xp = namespace_of(vector)
        ends = itertools.accumulate(math.prod(leaf.shape) for leaf in leaves(self.tree))

        def part(leaf: Any) -> Any:
            end = next(ends)
            piece = vector[..., end - math.prod(leaf.shape) : end]
            return cast(xp.reshape(piece, (*vector.shape[:-1], *leaf.shape)), leaf.dtype, xp)

        return map_leaves(part, self.tree)


def coarsest_epsilon(tree: Tree) -> float:
    """Return the epsilon of the narrowest of the floating dtypes in `tree`."""
    return max(map(epsilon_of, leaves(tree)), default=0.0)


def _kind(other: object) -> str:
    if isinstance(other, dict):
        return f"one with the keys {[*other]}"
    if isinstance(other, _SEQUENCES):
        return f"a {type(other).__name__} of {len(other)}"
    return type(other).__name__


def with_leaf(tree: Tree, place: int, leaf: object) -> Tree:
    """Return `tree` with another array at the `place`-th leaf."""
    positions = iter(range(len(leaves(tree))))
    return map_leaves(lambda old: leaf if next(positions) == place else old, tree)
