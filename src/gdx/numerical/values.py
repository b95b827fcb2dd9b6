"""What f returned: numbers or arrays, on the host or not, as one array."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    namespace_of,
)

Function = Callable[[Array], Any]

FLOATS = {float, np.float64}
_ON_HOST = (int, float, complex, np.generic, np.ndarray)


def own(value: Any, of_numbers: bool) -> Any:
    """Return a value of f in memory of its own: a view, as x[:1], would change with x."""
    if not is_array(value):
        if not of_numbers and isinstance(value, list | tuple):
            return [own(item, of_numbers) for item in value]
        return value
    if of_numbers:
        check_one(value)
    return library(namespace_of(value)).copied(value)


def gathered(values: list[Any], x: Array, xp: Namespace, of_numbers: bool = True) -> Array:
    """Return the values of f as one array: numbers on the host, arrays where they are.

    Its first axis goes over the values; there are no others where f returns one number.
    """
    first = values[0]
    if of_numbers:
        check_one(first)
    if isinstance(first, _ON_HOST) or (not of_numbers and isinstance(first, list | tuple)):
        if FLOATS.issuperset(map(type, values)):
            return np.fromiter(values, np.float64, len(values))
        if not isinstance(first, np.ndarray):
            _check_views(values, x)
        return as_numbers(_on_host(values, of_numbers), values, x, np, of_numbers)
    if is_array(first):
        arrays = [beside_x(value, x, xp, first) for value in values]
        if of_numbers:
            arrays = [xp.reshape(array, ()) for array in arrays]
        else:
            _check_shapes(arrays)
        return as_numbers(xp.stack(arrays), values, x, xp, of_numbers)
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
            check_one(value)
        return np.asarray([np.reshape(value, ()) for value in values])


def _check_shapes(arrays: list[Array]) -> None:
    shapes = {tuple(array.shape): None for array in arrays}
    if len(shapes) > 1:
        one, other, *_ = shapes
        raise ValueError(f"f must return arrays of one shape, but it returned {one} and {other}.")


def beside_x(value: Any, x: Array, xp: Namespace, first: Array | None = None) -> Array:
    """Return a value of f as an array of the library of x, outside of its autograd."""
    if is_array(value):
        common_namespace(x, value)
        return library(xp).detached(value)
    return as_like(value, x, xp, "f(x)", dtype=None if first is None else first.dtype)


def as_numbers(numbers: Array, values: Any, x: Array, xp: Namespace, of_numbers: bool) -> Array:
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


def check_one(value: Any) -> None:
    """Raise if a value of f is more than one number, or none."""
    shape = getattr(value, "shape", ())
    if math.prod(shape) != 1:
        raise TypeError(
            f"f must return one number, but it returned an array of shape {tuple(shape)}. "
            "Reduce it, for example by a sum or a mean."
        )
