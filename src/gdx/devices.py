"""Compute on the device of the arguments, in libraries that compute on a current one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from gdx.backends import backend, device_of, is_array, library, namespace_of

P = ParamSpec("P")
R = TypeVar("R")

# Types of arrays whose libraries have no current device.
_IN_PLACE: set[type] = {np.ndarray}


def on_device_of(
    place: int, else_of: Callable[[Any], object] = lambda first: None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function compute on the device of its array arguments, the first of them at `place`.

    CuPy computes and allocates on the thread's current device, wherever the arguments lie. Without
    an array among the arguments, the device is that of the arrays which ``else_of(args[0])`` gives,
    or else that of the current backend.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        in_place, scope_of = _IN_PLACE, device_scope

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > place and type(args[place]) in in_place:
                return function(*args, **kwargs)
            scope = scope_of(*args[place:], *kwargs.values(), else_of(args[0]) if args else None)
            if scope is None:
                return function(*args, **kwargs)
            with scope:
                return function(*args, **kwargs)

        # With the globals of the function, as doctest looks for the functions of a module by them.
        own = FunctionType(
            call.__code__, function.__globals__, function.__name__, None, call.__closure__
        )
        return cast(Callable[P, R], functools.update_wrapper(own, function))

    return decorated


def device_scope(*values: object) -> AbstractContextManager[Any] | None:
    """Return a context in which the device of the arrays, or else of the backend, is current.

    None where the library has no current device.
    """
    array = _first_array(values)
    if array is None:
        current = backend()
        scope, device = library(current.xp).current, current.device
    else:
        scope = library(namespace_of(array)).current
        if scope is None:
            _IN_PLACE.add(type(array))
            return None
        device = device_of(array)
    return None if scope is None else scope(device)


def _first_array(value: object) -> Any:
    """Return an array among nested values; a list that begins with a number holds none."""
    if is_array(value):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple) or (isinstance(value, list) and not _begins_with_number(value)):
        found = (_first_array(item) for item in value)
        return next((array for array in found if array is not None), None)
    return None


def _begins_with_number(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], int | float | complex)
