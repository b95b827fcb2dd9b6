"""The table of functions, and the look at arguments of which a row knows nothing."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gdx.backends import Namespace

Row = Callable[..., Any]


class NotTranslated(TypeError):  # noqa: N818 — says what happened, as StopIteration does
    """An argument of a NumPy function has no counterpart in the standard."""


# The rows of functions by their names in NumPy, as "sum", "linalg.norm" and "fft.rfft".
FUNCTIONS: dict[str, Row] = {}

# What changes no value: how an answer lies in memory, how it is sorted.
_IGNORED = {"casting", "copy", "hermitian", "kind", "optimize", "overwrite_input", "stable"} | {
    "device", "subok"
}  # fmt: skip
_NEEDS_A_LOOK = {"out"}


def words(text: str) -> list[str]:
    """Return the words of a text, as a table of names is written."""
    return text.split()


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a NumPy function after "numpy."."""
    return f"{function.__module__}.{function.__name__}".partition("numpy.")[2]


def translates(*names: str) -> Callable[[Row], Row]:
    """Make a function of `xp` and of arguments of NumPy, by NumPy's names, the row of these names.

    It needs only those that it knows; of the others, the row tells what they are by NumPy's order.
    One that takes any keywords passes on what it is given, and it is looked at there.
    """

    def register(function: Row) -> Row:
        for name in names:
            free = any(p.kind is p.VAR_KEYWORD for p in _parameters(function))
            FUNCTIONS[name] = function if free else _looked_at(function, name)
        return function

    return register


def translate(rows: dict[str, Row]) -> None:
    """Take rows into the table."""
    for name, row in rows.items():
        translates(name)(row)


def _parameters(function: Row) -> list[inspect.Parameter]:
    return [*inspect.signature(function).parameters.values()][1:]


def _positional(parameters: list[inspect.Parameter]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds]


def _order(name: str, own: list[str]) -> list[str]:
    """Return the names of NumPy's positional arguments; those of functions in C are not told."""
    try:
        function = operator.attrgetter(name)(np)
        return _positional([*inspect.signature(function).parameters.values()])
    except (AttributeError, ValueError):  # an older NumPy
        return own


def _looked_at(function: Row, name: str) -> Row:
    parameters = _parameters(function)
    own = _positional(parameters)
    order = _order(name, own)
    pairs = zip(own, order, strict=False)
    matching = [(a == b or a not in order) and a not in _NEEDS_A_LOOK for a, b in pairs] + [False]
    count = matching.index(False)
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    at_once = 2**31 if any_number else count
    known = frozenset(p.name for p in parameters) - _NEEDS_A_LOOK

    def row(xp: Namespace, /, *args: Any, **kwargs: Any) -> Any:
        if len(args) <= at_once and not kwargs:
            return function(xp, *args)
        named = zip(order[at_once:], args[at_once:], strict=False)
        given = {k: v for k, v in (*named, *kwargs.items()) if v is not np._NoValue}
        if not given.keys() <= known:
            given = _known(given, known)
        return function(xp, *args[:at_once], **given)

    return row


def _known(given: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return what is known here; the rest must be without effect."""
    if given.get("out") is not None:
        raise NotTranslated("out= assigns to an array; use the array that is returned")
    if "order" not in known and given.get("order") not in (None, "A", "C", "K"):
        raise NotTranslated(f"order={given['order']!r} is not known here: leave it out")
    told = {name for name, value in given.items() if value is not None}
    unknown = told - known - _IGNORED - {"order", "out"}
    if unknown:
        raise NotTranslated(f"{min(unknown)}= is not known here")
    return {name: value for name, value in given.items() if name in known}
