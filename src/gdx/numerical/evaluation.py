"""Where f is evaluated: beside x, one element at a time, in x itself or in copies of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
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
    is_integer,
    is_real_floating,
    library,
    namespace_of,
)

Function = Callable[[Array], Any]

FLOATS = {float, np.float64}
_ON_HOST = (int, float, np.generic, np.ndarray)


def indices(x: Array) -> Sequence[Any]:
    """Return the index of each element of `x`, in C order."""
    shape = x.shape
    return range(shape[0]) if len(shape) == 1 else list(itertools.product(*map(range, shape)))


def evaluate_in_place(
    f: Function,
    x: Array,
    original: Array,
    places: Array | memoryview,
    moves: Iterable[tuple[Any, Any, Iterable[Any]]],
    of_floats: bool = False,
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
                f, value = _copying(f), _own(value)
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
    finally:
        x[...] = original
    return values


def _copying(f: Function) -> Function:
    return lambda x: _own(f(x))


def _own(value: Any) -> Any:
    """Return a value of f in memory of its own: a view, as x[:1], would change with x."""
    if not is_array(value):
        return value
    _check_one(value)
    return library(namespace_of(value)).copied(value)


def evaluate_in_copies(f: Function, x: Array, columns: list[Array]) -> list[Any]:
    """Return f of copies of x with element i from each column, for each i in turn."""
    xp = namespace_of(x)
    size = math.prod(x.shape)
    places = xp.reshape(xp.arange(size, device=device_of(x)), x.shape)
    return [
        f(xp.where(here, column, x))
        for here in (places == i for i in range(size))
        for column in columns
    ]


def gathered(values: list[Any], x: Array, xp: Namespace) -> Array:
    """Return the values of f as one array: numbers on the host, arrays where they are."""
    first = values[0]
    _check_one(first)
    if isinstance(first, _ON_HOST):
        if FLOATS.issuperset(map(type, values)):
            return np.fromiter(values, np.float64, len(values))
        if not isinstance(first, np.ndarray):
            _check_views(values, x)
        try:
            numbers = np.asarray(values).reshape(-1)
        except ValueError:  # the values are not all of one shape
            for value in values:
                _check_one(value)
            numbers = np.asarray([np.reshape(value, ()) for value in values])
        if numbers.dtype.kind == "f":
            return numbers
        if numbers.dtype.kind in "biu":
            return numbers.astype(np.float64)
    elif is_array(first):
        common_namespace(x, first)
        detached = library(xp).detached
        numbers = xp.stack(
            [
                xp.reshape(detached(value), ())
                if is_array(value)
                else as_like(value, x, xp, "f(x)", dtype=first.dtype)
                for value in values
            ]
        )
        if is_real_floating(xp, numbers.dtype):
            return numbers
        if is_integer(xp, numbers.dtype):
            return xp.astype(numbers, default_float(xp, device_of(x)))
    culprit = next((value for value in values if not _is_number(value)), first)
    raise TypeError(
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
