"""The numbers of a tree of arrays on the host, one after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gdx.backends import Array, device_of, is_array, namespace_of, to_numpy
from gdx.trees import Tree, leaves, map_leaves


class Vector:
    """The numbers of the arrays of `tree`, in float64."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.arrays = [np.asarray(to_numpy(leaf), dtype=np.float64) for leaf in leaves(tree)]
        self.numbers = np.concatenate([array.reshape(-1) for array in self.arrays])

    @property
    def sizes(self) -> list[int]:
        """How many numbers each array has."""
        return [array.size for array in self.arrays]

    def place(self, i: int) -> tuple[Any, ...]:
        """Return the index of the i-th number, after the keys of its array."""
        for keys, array in zip(_paths(self.tree), self.arrays, strict=True):
            if i < array.size:
                return (*keys, *map(int, np.unravel_index(i, array.shape)))
            i -= array.size
        raise IndexError(i)


def _paths(tree: Tree) -> list[tuple[Any, ...]]:
    if is_array(tree):
        return [()]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [(key, *rest) for key, item in items for rest in _paths(item)]


def split(numbers: np.ndarray, x: Tree) -> list[np.ndarray]:
    """Return numbers as one vector for each array of `x`."""
    return np.split(numbers, np.cumsum([math.prod(leaf.shape) for leaf in leaves(x)])[:-1])


def tree_of(numbers: np.ndarray, x: Tree) -> Tree:
    """Return numbers on the host as a tree of the structure of `x`, beside it."""
    parts = iter(split(numbers, x))

    def beside(leaf: Array) -> Array:
        host = next(parts).reshape(leaf.shape)
        return namespace_of(leaf).asarray(host, dtype=leaf.dtype, device=device_of(leaf))

    return map_leaves(beside, x)


def unit(x: Tree, i: int) -> Tree:
    """Return a tree like `x` of zeros, but for a one in the i-th element."""
    numbers = np.zeros(sum(math.prod(leaf.shape) for leaf in leaves(x)))
    numbers[i] = 1
    return tree_of(numbers, x)


def number(value: Any) -> float:
    """Return the one number in an array."""
    return float(np.reshape(to_numpy(value), ()))
