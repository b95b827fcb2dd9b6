"""Where f is evaluated: one point at a time, on stacks of points, or by workers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gdx.backends import (
    Array,
    epsilon_of,
    is_array,
    is_complex,
    library,
    may_fork,
    namespace_of,
    ran_out_of_memory,
)
from gdx.devices import on_device_of
from gdx.numerical import workers
from gdx.numerical.in_place import check_unchanged, memory_of, one_at_a_time
from gdx.numerical.points import STACK_BYTES, Points, bytes_of, protected
from gdx.numerical.values import Function, as_numbers, beside_x, gathered, own

# What f makes of a stack may be some times larger than it.
_SHARE_OF_FREE_BYTES = 1 / 16
# Enough tasks to keep many workers busy until the end, few enough to cost nothing.
_TASKS = 512


class Evaluation(NamedTuple):
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
        original, memory, writable = known.copied(x), memory_of(x), known.writable(x)
        if self.vectorized:
            stack = protected(namespace_of(x).expand_dims(original, axis=0))
            try:
                return self._of_stack(f(stack), 1, x)
            except Exception as error:
                if ran_out_of_memory(error, namespace_of(x)):
                    raise MemoryError(_ONE_POINT.format(size=bytes_of(x))) from error
                raise
        try:
            value = own(f(x), self.of_numbers)
            check_unchanged(x, original)
        finally:
            if writable:
                memory[...] = original
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
            value = as_numbers(beside_x(value, x, xp), value, x, xp, self.of_numbers)
        known = library(xp)
        return known.copied(known.detached(value))


ONE_AT_A_TIME = Evaluation()

_ON_STACK = "f raised this at a stack of {k} points (vectorized=True)."
_ONE_POINT = "memory runs out even where f is evaluated at one point, of {size} bytes."


def _by_workers(f: Function, points: Points, by: Any) -> list[Any]:
    count = points.count
    step = max(1, math.ceil(count / _TASKS))
    tasks = [(start, min(start + step, count)) for start in range(0, count, step)]
    fork = may_fork(namespace_of(points.x))
    parts = workers.run(_evaluated, (f, points), tasks, by, fork=fork)
    if not all(isinstance(part, list) for part in parts):
        raise ValueError(
            f"workers={by!r} must work like map, and return what the function that it is given "
            "returns for each task: a list."
        )
    return [value for part in parts for value in part]


def _evaluated(shared: tuple[Function, Points], task: tuple[int, int]) -> list[Any]:
    """Return f at the points of a range of directions, stepped in a copy of x."""
    f, points = shared
    return _at_copy(points.x, f, points, task)


@on_device_of(0)  # in a thread of its own, another one is current
def _at_copy(x: Array, f: Function, points: Points, task: tuple[int, int]) -> list[Any]:
    known = library(namespace_of(x))
    own = Points(known.copied(x), points.columns, points.directions)
    return one_at_a_time(f, own, *task, in_place=known.writable(own.x), of_numbers=False)


# Of what f changes between two points: so much of it is no matter of rounding.
_A_PART = 0.1
# So many roundings may differ between stacks of two sizes, in which sums are taken in other orders.
_ROUNDINGS = 100

_MIXED = (
    "f mixes the points of a stack (vectorized=True): its value at one of them depends on the "
    "others. Let it work along the last axes, for example by x[..., 0] and xp.sum(x, axis=-1)."
)


def check_rows(f: Function, x: Array, point: Array) -> int:
    """Raise if f mixes the points of a stack; return at how many points it was evaluated for that.

    `point` is a stack of one beside x. A number for each point could not come of mixed ones by
    chance; arrays can. Where they do, their values depend on x as they do on the point.
    """
    xp = namespace_of(x)
    both = f(protected(xp.concat([xp.expand_dims(x, axis=0), point])))
    alone = f(protected(point))
    parts = [xp.real, xp.imag] if is_complex(xp, alone.dtype) else [xp.asarray]
    for part in parts if 0 not in alone.shape else []:
        here, beside, right = part(both[:1, ...]), part(both[1:, ...]), part(alone)
        rounding = _ROUNDINGS * epsilon_of(right) * xp.max(xp.abs(right))
        allowed = _A_PART * xp.max(xp.abs(beside - here)) + rounding
        if bool(xp.any(xp.abs(beside - right) > allowed)):
            raise ValueError(_MIXED)
    return 3
