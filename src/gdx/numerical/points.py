"""Points beside x, in each of which the elements of one direction are moved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gdx.backends import (
    Array,
    Namespace,
    chunked_like,
    device_of,
    library,
    made_beside,
    namespace_of,
)

# Stacks of 0.5 to 4 MiB take a CPU the same time for each point; of 64 MiB, two to four times more.
STACK_BYTES = 1024 * 1024
# So many elements lie in blocks that no library keeps for itself, whatever their room.
_SMALL = 16 * 1024


@dataclass(frozen=True, eq=False)
class Directions:
    """Which elements move together: in the d-th, those whose label is the d-th of one of `keys`.

    An element with a negative label does not move.
    """

    labels: np.ndarray
    keys: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.keys[0])


class Points:
    """Points beside the array `x`: `columns[j]` holds what each element is moved to in the j-th.

    Without `directions`, each element moves by itself, in C order.
    """

    def __init__(self, x: Array, columns: list[Array], directions: Directions | None = None):
        self.x, self.columns, self.directions = x, columns, directions
        self.count = math.prod(x.shape) if directions is None else len(directions)
        self._made: tuple[Array, Array, Array] | None = None

    @property
    def point_bytes(self) -> int:
        """How much memory one point takes."""
        return bytes_of(self.x)

    def all(self) -> Array:
        """Return all points, one column after the other, along a new first axis."""
        x, n, m = self.x, self.count, len(self.columns)
        xp = namespace_of(x)
        if self.directions is not None or not library(xp).writable(x):
            stacks = [self.stack(j, 0, n) for j in range(m)]
            return stacks[0] if m == 1 else xp.concat(stacks)
        flat, stack = _filled(x, m * n, xp)
        for j, column in enumerate(self.columns):
            flat[j * n * n : (j + 1) * n * n : n + 1] = column
        return stack

    def stacks(self, j: int, first: int, last: int, rows: int) -> Iterator[Array]:
        """Yield the j-th point of each direction from `first` on, `rows` of them at a time.

        Where the library can protect an array from being changed, all stacks are one buffer.
        """
        known = library(namespace_of(self.x))
        if self.directions is None and known.read_only and known.writable(self.x):
            yield from self._stacks_in_buffer(j, first, last, rows)
        else:
            for start in range(first, last, rows):
                yield self.stack(j, start, min(start + rows, last))

    def stack(self, j: int, first: int, last: int) -> Array:
        """Return the j-th point of each direction from `first` to `last`, as a stack."""
        x, column = self.x, self.columns[j]
        xp = namespace_of(x)
        shape = (last - first, *x.shape)
        if self.directions is None and library(xp).writable(x):
            flat, stack = _filled(x, last - first, xp)
            flat[_diagonal(first, last, column.shape[0])] = column[first:last]
            return stack
        moved = xp.reshape(self._moved(first, last, xp), shape)
        return xp.where(moved, xp.reshape(column, (1, *x.shape)), xp.expand_dims(x, axis=0))

    def _stacks_in_buffer(self, j: int, first: int, last: int, rows: int) -> Iterator[Array]:
        column, n = self.columns[j], self.columns[j].shape[0]
        flat, protected, original = self._buffer(rows)
        for start in range(first, last, rows):
            end = min(start + rows, last)
            places = _diagonal(start, end, n)
            flat[places] = column[start:end]
            yield protected[: end - start]
            flat[places] = original[start:end]

    def _buffer(self, rows: int) -> tuple[Array, Array, Array]:
        """Return a vector of `rows` copies of x, the same read-only, and x as a vector."""
        if self._made is None or self._made[1].shape[0] != rows:
            x = self.x
            xp = namespace_of(x)
            flat, stack = _filled(x, rows, xp)
            original = x if x.ndim == 1 else xp.reshape(x, (-1,))
            self._made = flat, library(xp).read_only(stack), original  # type: ignore[misc]
        return self._made

    def _moved(self, first: int, last: int, xp: Namespace) -> Array:
        """Tell for each direction and element whether this is moved."""
        if self.directions is None:
            labels = self._numbered(0, self.count, xp)
            keys = [self._numbered(first, last, xp)]
        else:
            labels = made_beside(self.x, self.directions.labels, xp)
            keys = [made_beside(self.x, key[first:last], xp) for key in self.directions.keys]
        moved = xp.expand_dims(keys[0], axis=1) == labels
        for key in keys[1:]:
            moved = moved | (xp.expand_dims(key, axis=1) == labels)
        return moved

    def _numbered(self, first: int, last: int, xp: Namespace) -> Array:
        return chunked_like(xp.arange(first, last, device=device_of(self.x)), self.x, xp)


def protected(x: Array) -> Array:
    """Return an array that f cannot change, where the library can tell f so."""
    read_only = library(namespace_of(x)).read_only
    return x if read_only is None else read_only(x)


def bytes_of(x: Array) -> int:
    """Return how much memory the elements of `x` take."""
    return int(math.prod(x.shape) * getattr(x.dtype, "itemsize", 8))


def _filled(x: Array, rows: int, xp: Namespace) -> tuple[Array, Array]:
    """Return `rows` copies of x, one after the other, as a vector and as a stack."""
    n = math.prod(x.shape)
    size = rows * n
    room = library(xp).room if size >= _SMALL else 1
    flat = xp.empty(room * size, dtype=x.dtype, device=device_of(x))[:size]
    stack = xp.reshape(flat, (rows, *x.shape))
    stack[...] = x
    return flat, stack


def _diagonal(first: int, last: int, n: int) -> slice:
    """Return where, in (last - first, n) numbers in C order, the i-th row has column first + i."""
    return slice(first, first + (last - first - 1) * (n + 1) + 1, n + 1)


def indices(x: Array) -> list[tuple[int, ...]] | range:
    """Return the index of each element of `x`, in C order."""
    shape = x.shape
    return range(shape[0]) if len(shape) == 1 else list(itertools.product(*map(range, shape)))
