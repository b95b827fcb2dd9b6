"""f at one point after another: at x itself, where its elements can be assigned, or at copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gdx.backends import Array, library, namespace_of
from gdx.numerical.points import STACK_BYTES, Points, indices
from gdx.numerical.values import FLOATS, Function, own


def one_at_a_time(
    f: Function, points: Points, first: int, last: int, in_place: bool, of_numbers: bool
) -> list[Any]:
    """Return f at the points of each direction from `first` to `last`, in turn."""
    x, known = points.x, library(namespace_of(points.x))
    if points.directions is not None or not in_place:
        return _at_rows(f, points, first, last, in_place, of_numbers)
    floats, original = known.floats(x), known.copied(x)
    rows = zip(*(known.elements(column[first:last]) for column in points.columns), strict=True)
    places, elements = indices(x), known.elements(original)
    if last - first < points.count:
        places, elements = places[first:last], elements[first:last]
    moves = zip(places, elements, rows, strict=True)
    return evaluate_in_place(
        f, x, original, x if floats is None else floats, moves, of_numbers=of_numbers
    )


def _at_rows(
    f: Function, points: Points, first: int, last: int, in_place: bool, of_numbers: bool
) -> list[Any]:
    """Return the same by way of stacks: each row is written into x, or handed to f itself."""
    x = points.x
    if not in_place:
        return [_noting(f, row, i) for i, row in _rows_of(points, first, last)]
    original, memory = library(namespace_of(x)).copied(x), memory_of(x)
    still = Points(original, points.columns, points.directions)  # x moves while rows are made
    values = []
    try:
        for i, row in _rows_of(still, first, last):
            memory[...] = row
            values.append(own(_noting(f, x, i), of_numbers))
            check_unchanged(x, row)
    finally:
        memory[...] = original
    return values


def memory_of(x: Array) -> Array:
    """Return an array to which may be assigned, in the memory of x, whatever becomes of x.

    A NumPy array is made read-only while another thread differentiates with it.
    """
    return x[...] if isinstance(x, np.ndarray) else x


def _noting(f: Function, x: Array, direction: int) -> Any:
    try:
        return f(x)
    except Exception as error:
        error.add_note(_AT_DIRECTION.format(direction=direction))
        raise


def _rows_of(points: Points, first: int, last: int) -> Iterator[tuple[int, Array]]:
    """Yield each direction, once for each of its points, and that point."""
    rows = max(1, STACK_BYTES // max(1, points.point_bytes))
    for start in range(first, last, rows):
        end = min(start + rows, last)
        stacks = [points.stack(j, start, end) for j in range(len(points.columns))]
        unstack = namespace_of(points.x).unstack
        for i, group in zip(
            range(start, end), zip(*map(unstack, stacks), strict=True), strict=True
        ):
            for row in group:
                yield i, row


def evaluate_in_place(
    f: Function,
    x: Array,
    original: Array,
    places: Array | memoryview,
    moves: Iterable[tuple[Any, Any, Iterable[Any]]],
    of_floats: bool = False,
    of_numbers: bool = True,
    pairs: bool = False,
) -> list[Any]:
    """Return f(x) with one element of x set to another number, for each of the moves in turn.

    A move is the index of the element, the number that is there, and those it is set to. They are
    written into `places`, the memory of `x`. In the end every bit of `x` is that of the `original`
    again, whatever happens. Arrays that `f` returns are copied, unless it is known to be
    `of_floats`. Moves to `pairs` of numbers take less time than others.
    """
    values, memory = [], memory_of(x)
    if places is x:
        places = memory
    try:
        if not of_floats:
            moves = iter(moves)
            index, element, (moved, *rest) = next(moves)
            places[index] = moved
            value = f(x)
            if not isinstance(x, np.ndarray) or type(value) not in FLOATS:
                f, value = _copying(f, of_numbers), own(value, of_numbers)
            values.append(value)
            for moved in rest:
                places[index] = moved
                values.append(f(x))
            places[index] = element
        if pairs:
            for index, element, (near, far) in moves:
                places[index] = near
                values.append(f(x))
                places[index] = far
                values.append(f(x))
                places[index] = element
        else:
            for index, element, row in moves:
                for moved in row:
                    places[index] = moved
                    values.append(f(x))
                places[index] = element
        index = None
        check_unchanged(x, original)
    except Exception as error:
        if index is not None:
            error.add_note(_AT_ELEMENT.format(index=index))
        raise
    finally:
        memory[...] = original
    return values


_AT_ELEMENT = "f raised this with the element {index} of x moved."
_AT_DIRECTION = "f raised this at a point of direction {direction}."


def check_unchanged(x: Array, original: Array) -> None:
    """Raise if x, which f was handed, is not what it was; on the host, where looking is free."""
    now, before = x, original
    if type(x) is not np.ndarray:
        known = library(namespace_of(x))
        if not known.on_host(x):
            return
        now, before = known.to_numpy(x), known.to_numpy(original)
    if now.tobytes() != before.tobytes() and not np.array_equal(now, before, equal_nan=True):
        raise ValueError(
            "f must not change its argument, but x was another array after f had returned. Let f "
            "work on a copy, for example x = x * 1."
        )


def _copying(f: Function, of_numbers: bool) -> Function:
    return lambda x: own(f(x), of_numbers)
