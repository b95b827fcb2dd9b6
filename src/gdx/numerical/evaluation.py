"""Where f is evaluated: one point at a time, on stacks of points, or by workers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    Namespace,
    as_like,
    common_namespace,
    default_float,
    device_of,
    is_array,
    is_complex,
    is_integer,
    is_real_floating,
    library,
    may_fork,
    namespace_of,
    ran_out_of_memory,
)
from gdx.numerical import workers
from gdx.numerical.points import Points, bytes_of, indices, protected

Function = Callable[[Array], Any]

FLOATS = {float, np.float64}
_ON_HOST = (int, float, complex, np.generic, np.ndarray)

# Stacks of 0.5 to 4 MiB take a CPU the same time for each point; of 64 MiB, two to four times more.
STACK_BYTES = 1024 * 1024
# What f makes of a stack may be some times larger than it.
_SHARE_OF_FREE_BYTES = 1 / 16
# Enough tasks to keep many workers busy until the end, few enough to cost nothing.
_TASKS = 512


@dataclass(frozen=True)
class Evaluation:
    """Where f is evaluated, and whether it returns one number or an array of any shape."""

    vectorized: bool = False
    max_bytes: int | None = None
    workers: Any = None
    of_numbers: bool = True

    @property
    def in_place(self) -> bool:
        """Whether f is evaluated at x itself, where its elements can be assigned."""
        return not self.vectorized and self.workers is None

    def at_points(self, f: Function, points: Points, in_place: bool) -> list[Array]:
        """Return, for each column of `points`, an array of the values of f there."""
        if self.vectorized:
            return self._on_stacks(f, points)
        if self.workers is not None:
            values = _by_workers(f, points, self.workers)
        else:
            values = one_at_a_time(f, points, 0, points.count, in_place, self.of_numbers)
        numbers = self.gathered(values, points.x)
        m = len(points.columns)
        return [numbers[j::m, ...] for j in range(m)] if m > 1 else [numbers]

    def at_x(self, f: Function, x: Array) -> Array:
        """Return f(x) with a new first axis of length one; x stays as it is."""
        known = library(namespace_of(x))
        original = known.copied(x)
        if self.vectorized:
            stack = protected(namespace_of(x).expand_dims(original, axis=0))
            try:
                return self._of_stack(f(stack), 1, x)
            except Exception as error:
                if ran_out_of_memory(error, namespace_of(x)):
                    raise MemoryError(_ONE_POINT.format(size=bytes_of(x))) from error
                raise
        try:
            value = _own(f(x), self.of_numbers)
            check_unchanged(x, original)
        finally:
            if known.writable(x):
                x[...] = original
        return self.gathered([value], x)

    def gathered(self, values: list[Any], x: Array) -> Array:
        """Return values of f as one array, with a new first axis."""
        return gathered(values, x, namespace_of(x), self.of_numbers)

    def _on_stacks(self, f: Function, points: Points) -> list[Array]:
        """Return the values of f at stacks of points: at one stack, if all of them fit in it."""
        x, count, m = points.x, points.count, len(points.columns)
        rows = self._rows(points)
        if m * count <= rows:
            try:
                value = self._of_stack(f(protected(points.all())), m * count, x)
                return [value[j * count : (j + 1) * count, ...] for j in range(m)]
            except Exception as error:
                if not ran_out_of_memory(error, namespace_of(x)):
                    error.add_note(_ON_STACK.format(k=m * count))
                    raise
        values = []
        rows = min(rows, count)
        for j in range(m):
            parts, rows = self._column(f, points, j, rows)
            values.append(parts[0] if len(parts) == 1 else namespace_of(parts[0]).concat(parts))
        return values

    def _rows(self, points: Points) -> int:
        """Return how many points fit a stack."""
        limit = self.max_bytes
        if limit is None:
            free = library(namespace_of(points.x)).free_bytes(points.x)
            limit = STACK_BYTES if free is None else int(free * _SHARE_OF_FREE_BYTES)
        return max(1, limit // max(1, points.point_bytes))

    def _column(self, f: Function, points: Points, j: int, rows: int) -> tuple[list[Array], int]:
        """Return the values of f at one column, and the size of the stacks that fitted.

        Where memory runs out, the stack is halved.
        """
        parts: list[Array] = []
        done = 0
        while done < points.count:
            try:
                for stack in points.stacks(j, done, points.count, rows):
                    k = stack.shape[0]
                    parts.append(self._of_stack(f(stack), k, points.x))
                    done += k
            except Exception as error:
                if not ran_out_of_memory(error, namespace_of(points.x)):
                    error.add_note(_ON_STACK.format(k=min(rows, points.count - done)))
                    raise
                if rows == 1:
                    raise MemoryError(_ONE_POINT.format(size=points.point_bytes)) from error
                rows = rows // 2
        return parts, rows

    def _of_stack(self, value: Any, k: int, x: Array) -> Array:
        """Return the value of f at a stack of k points, in memory of its own."""
        shape = getattr(value, "shape", None)
        fits = shape == (k,) if self.of_numbers else shape is not None and shape[:1] == (k,)
        if not (fits and is_array(value)):
            given = f"an array of shape {tuple(shape)}" if shape is not None else repr(value)
            expected = f"({k},)" if self.of_numbers else f"({k}, ...)"
            raise ValueError(
                f"f must return an array of shape {expected} for a stack of shape "
                f"{(k, *x.shape)} (vectorized=True), but it returned {given}. Let it work along "
                "the last axes, for example by xp.sum(x**2, axis=-1)."
            )
        xp = namespace_of(x)
        if type(value) is not type(x) or value.dtype != x.dtype:
            value = _numbers(_beside(value, x, xp), value, x, xp, self.of_numbers)
        known = library(xp)
        return known.copied(known.detached(value))


ONE_AT_A_TIME = Evaluation()

_ON_STACK = "f raised this at a stack of {k} points (vectorized=True)."
_ONE_POINT = "memory runs out even where f is evaluated at one point, of {size} bytes."


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
    original = library(namespace_of(x)).copied(x)
    still = Points(original, points.columns, points.directions)  # x moves while rows are made
    values = []
    try:
        for i, row in _rows_of(still, first, last):
            x[...] = row
            values.append(_own(_noting(f, x, i), of_numbers))
            check_unchanged(x, row)
    finally:
        x[...] = original
    return values


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


def _by_workers(f: Function, points: Points, by: Any) -> list[Any]:
    count = points.count
    step = max(1, math.ceil(count / _TASKS))
    tasks = [(start, min(start + step, count)) for start in range(0, count, step)]
    fork = may_fork(namespace_of(points.x))
    parts = workers.run(_evaluated, (f, points), tasks, by, fork=fork)
    return [value for part in parts for value in part]


def _evaluated(shared: tuple[Function, Points], task: tuple[int, int]) -> list[Any]:
    """Return f at the points of a range of directions, stepped in a copy of x."""
    f, points = shared
    known = library(namespace_of(points.x))
    own = Points(known.copied(points.x), points.columns, points.directions)
    return one_at_a_time(f, own, *task, in_place=known.writable(own.x), of_numbers=False)


def evaluate_in_place(
    f: Function,
    x: Array,
    original: Array,
    places: Array | memoryview,
    moves: Iterable[tuple[Any, Any, Iterable[Any]]],
    of_floats: bool = False,
    of_numbers: bool = True,
) -> list[Any]:
    """Return f(x) with one element of x set to another number, for each of the moves in turn.

    A move is the index of the element, the number that is there, and those it is set to. They are
    written into `places`, the memory of `x`. In the end every bit of `x` is that of the `original`
    again, whatever happens. Arrays that `f` returns are copied, unless it is known to be
    `of_floats`.
    """
    values = []
    try:
        if not of_floats:
            moves = iter(moves)
            index, element, (moved, *rest) = next(moves)
            places[index] = moved
            value = f(x)
            if not isinstance(x, np.ndarray) or type(value) not in FLOATS:
                f, value = _copying(f, of_numbers), _own(value, of_numbers)
            values.append(value)
            for moved in rest:
                places[index] = moved
                values.append(f(x))
            places[index] = element
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
        x[...] = original
    return values


_AT_ELEMENT = "f raised this with the element {index} of x moved."
_AT_DIRECTION = "f raised this at a point of direction {direction}."


def check_unchanged(x: Array, original: Array) -> None:
    """Raise if x, which f was handed, is not what it was; on the host, where looking is free."""
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
    return lambda x: _own(f(x), of_numbers)


def _own(value: Any, of_numbers: bool) -> Any:
    """Return a value of f in memory of its own: a view, as x[:1], would change with x."""
    if not is_array(value):
        if not of_numbers and isinstance(value, list | tuple):
            return [_own(item, of_numbers) for item in value]
        return value
    if of_numbers:
        _check_one(value)
    return library(namespace_of(value)).copied(value)


def gathered(values: list[Any], x: Array, xp: Namespace, of_numbers: bool = True) -> Array:
    """Return the values of f as one array: numbers on the host, arrays where they are.

    Its first axis goes over the values; there are no others where f returns one number.
    """
    first = values[0]
    if of_numbers:
        _check_one(first)
    if isinstance(first, _ON_HOST) or (not of_numbers and isinstance(first, list | tuple)):
        if FLOATS.issuperset(map(type, values)):
            return np.fromiter(values, np.float64, len(values))
        if not isinstance(first, np.ndarray):
            _check_views(values, x)
        return _numbers(_on_host(values, of_numbers), values, x, np, of_numbers)
    if is_array(first):
        arrays = [_beside(value, x, xp, first) for value in values]
        if of_numbers:
            arrays = [xp.reshape(array, ()) for array in arrays]
        else:
            _check_shapes(arrays)
        return _numbers(xp.stack(arrays), values, x, xp, of_numbers)
    raise _no_number(values)


def _on_host(values: list[Any], of_numbers: bool) -> Array:
    if not of_numbers:
        arrays = [np.asarray(value) for value in values]
        _check_shapes(arrays)
        return np.stack(arrays)
    try:
        return np.asarray(values).reshape(-1)
    except ValueError:  # the values are not all of one shape
        for value in values:
            _check_one(value)
        return np.asarray([np.reshape(value, ()) for value in values])


def _check_shapes(arrays: list[Array]) -> None:
    shapes = {tuple(array.shape): None for array in arrays}
    if len(shapes) > 1:
        one, other, *_ = shapes
        raise ValueError(f"f must return arrays of one shape, but it returned {one} and {other}.")


def _beside(value: Any, x: Array, xp: Namespace, first: Array | None = None) -> Array:
    """Return a value of f as an array of the library of x, outside of its autograd."""
    if is_array(value):
        common_namespace(x, value)
        return library(xp).detached(value)
    return as_like(value, x, xp, "f(x)", dtype=None if first is None else first.dtype)


def _numbers(numbers: Array, values: Any, x: Array, xp: Namespace, of_numbers: bool) -> Array:
    """Return the numbers as floating ones; complex ones only where they are expected."""
    dtype = numbers.dtype
    if xp is np:
        if dtype.kind == "f":
            return numbers
        if dtype.kind in "biu":
            return numbers.astype(np.float64)
    elif is_real_floating(xp, dtype):
        return numbers
    elif is_integer(xp, dtype):
        return xp.astype(numbers, default_float(xp, device_of(x)))
    if is_complex(xp, dtype) and not (of_numbers and is_real_floating(namespace_of(x), x.dtype)):
        return numbers
    raise _no_number(values)


def _no_number(values: Any) -> TypeError:
    if not isinstance(values, list):
        values = [values]
    culprit = next((value for value in values if not _is_number(value)), values[0])
    return TypeError(
        f"f must return a real number, but it returned {culprit!r}"
        + (": is a return missing?" if culprit is None else ".")
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating | np.ndarray)


def _check_views(values: list[Any], x: Array) -> None:
    if any(isinstance(value, np.ndarray) and np.may_share_memory(value, x) for value in values):
        raise ValueError(
            "f returned a number first and then a view of x, which changes with x. Let it return "
            "numbers, for example float(x[0])."
        )


def _check_one(value: Any) -> None:
    shape = getattr(value, "shape", ())
    if math.prod(shape) != 1:
        raise ValueError(
            f"f must return one number, but it returned an array of shape {tuple(shape)}. "
            "Reduce it, for example by a sum or a mean."
        )
