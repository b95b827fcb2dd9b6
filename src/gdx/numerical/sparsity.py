"""Jacobians of which most elements are known to be zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gdx.backends import Array, device_of, floating, is_array, namespace_of, to_numpy
from gdx.numerical.leafwise import shape_of_f_and_x
from gdx.numerical.points import Directions
from gdx.trees import Tree, is_tree


class Pattern(NamedTuple):
    """Where a Jacobian may differ from zero (row i, column j), and which columns move together."""

    structure: np.ndarray
    directions: Directions

    @classmethod
    def of(cls, sparsity: Any, x: Tree) -> Pattern:
        """Return what the caller said: a structure, or a structure and the groups."""
        if is_tree(x):
            raise ValueError("sparsity needs an x of one array, not a tree of arrays.")
        shape = floating(x, "x")[0].shape
        n = int(np.prod(shape, dtype=int))
        structure, groups = sparsity if isinstance(sparsity, tuple) else (sparsity, None)
        structure = _host(structure)
        if structure.shape[structure.ndim - len(shape) :] == tuple(shape):
            structure = structure.reshape(-1, n) if n else structure
        if structure.ndim != 2 or structure.shape[1] != n:
            raise ValueError(
                "sparsity must have the shape of the Jacobian, f(x).shape + x.shape, or "
                f"(f(x).size, {n}); got {structure.shape}."
            )
        labels = grouped(structure) if groups is None else _checked(groups, structure)
        return cls(structure, Directions(labels, (np.arange(labels.max(initial=-1) + 1),)))

    def form(self, quotients: Array, x: Array) -> Array:
        """Return the Jacobian: zero outside of the structure."""
        jacobian = shape_of_f_and_x(quotients, x)
        rows = int(np.prod(quotients.shape[1:], dtype=int))
        if rows != self.structure.shape[0]:
            raise ValueError(
                f"sparsity has {self.structure.shape[0]} rows, but f(x) has {rows} elements."
            )
        xp = namespace_of(jacobian)
        inside = xp.asarray(self.structure.reshape(jacobian.shape), device=device_of(x))
        return xp.where(inside, jacobian, xp.zeros_like(jacobian))


def _host(structure: Any) -> np.ndarray:
    if hasattr(structure, "toarray"):  # a matrix of scipy.sparse
        structure = structure.toarray()
    host = to_numpy(structure) if is_array(structure) else np.asarray(structure)
    if host.dtype.kind not in "biuf":
        raise TypeError(f"sparsity must hold truth values; got {structure!r}.")
    return np.asarray(host != 0)


def grouped(structure: np.ndarray) -> np.ndarray:
    """Return the number of the group of each column, so that no group has two in one row.

    Each column in turn joins the first group that it does not meet (Curtis, Powell, Reid 1974).
    """
    in_row: list[set[int]] = [set() for _ in range(structure.shape[0])]
    labels = np.zeros(structure.shape[1], dtype=np.int64)
    columns, rows = np.nonzero(structure.T)
    starts = np.searchsorted(columns, np.arange(structure.shape[1] + 1))
    for column in range(structure.shape[1]):
        own = rows[starts[column] : starts[column + 1]].tolist()
        met = set().union(*(in_row[row] for row in own))
        label = next(label for label in range(len(met) + 1) if label not in met)
        labels[column] = label
        for row in own:
            in_row[row].add(label)
    return labels


def _checked(groups: Any, structure: np.ndarray) -> np.ndarray:
    labels = np.asarray(groups)
    n = structure.shape[1]
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(
            f"the groups of sparsity must be {n} integers from 0 on, one for each column; "
            f"got {groups!r}."
        )
    labels = np.unique(labels, return_inverse=True)[1]
    for label in np.unique(labels):
        shared = structure[:, labels == label].sum(axis=1) > 1
        if shared.any():
            raise ValueError(
                f"group {label} of sparsity has two columns in row {int(shared.argmax())}."
            )
    return labels
