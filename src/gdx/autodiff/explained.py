"""What an error in a function that is differentiated means, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.backends import library, namespace_of

if TYPE_CHECKING:
    from gdx.autodiff.flat import Flat

XP = "(xp = gdx.array_namespace(x))"

# How libraries say what they were handed: arrays of NumPy, its numbers and their dtypes,
_OF_NUMPY = re.compile(r"(?<![.\w])numpy\.(ndarray|dtypes|\w+\d)\b")
# or a traced array.
_OF_TRACED = re.compile(r"\b(not|got|type) (an? |type )?(<class )?'?[\w.]*\bTraced\b")


def explained(error: Exception, flat: Flat) -> Exception:
    """Return what `error` means, where f raised it because it was differentiated; or itself."""
    if isinstance(error, TracingError):
        return error
    if isinstance(error, flat.leaving):
        return _leaves(error)
    for kind, meaning in _MEANINGS.items():
        if isinstance(error, kind):
            return meaning(error, flat) or error
    return error


def _of_type_error(error: Exception, flat: Flat) -> Exception | None:
    from gdx.autodiff.lifting import traced_type  # with all rules, which PyTorch does not need

    text, name = str(error), library(flat.plain).name
    if _mixes(error, flat):
        return _mixed(name)
    if not (library(flat.plain).defers or traced_type(flat.plain).defers):
        return TracingError(
            f"{text}. If that is an operator with an array of {name} on its left and one that is "
            "differentiated on its right: put the latter on the left, or write xp.multiply(c, x) "
            f"for c * x {XP}."
        )
    if _OF_TRACED.search(text):
        return TracingError(
            f"a function of {name} itself was handed a traced array ({text}): call that of the "
            f"array's namespace {XP}."
        )
    return None


def _of_runtime_error(error: Exception, flat: Flat) -> Exception | None:
    words = flat.leaving_words
    if words is None or not re.search(words, str(error)):
        return None
    return _mixed(library(flat.plain).name) if _mixes(error, flat) else _leaves(error)


def _of_value_error(error: Exception, flat: Flat) -> Exception | None:
    cause = error.__cause__  # as NumPy says it, where an element is assigned
    if isinstance(cause, TracingError):
        return cause
    if isinstance(cause, flat.leaving):
        return _leaves(cause)
    if "read-only" in str(error):
        return TracingError(
            "f changes a NumPy array after it was computed with, on which the derivative depends: "
            f"make a new array, or one of xp.zeros {XP}."
        )
    return None


_MEANINGS: dict[type[Exception], Callable[[Exception, Flat], Exception | None]] = {
    TypeError: _of_type_error,
    RuntimeError: _of_runtime_error,
    ValueError: _of_value_error,
}


def _leaves(error: BaseException) -> TracingError:
    return TracingError(f"f took a traced value out of the function: {error}")


def _mixes(error: Exception, flat: Flat) -> bool:
    """Tell whether NumPy was handed an array of another library, or that library one of NumPy."""
    if flat.plain is namespace_of(np.empty(0)):
        return False
    if _OF_NUMPY.search(str(error)):
        return True
    return flat.meets_numpy is not None and flat.meets_numpy(flat.of_inputs, flat.inputs)


def _mixed(name: str) -> TypeError:
    return TypeError(
        f"f mixes a NumPy array with arrays of {name}, or calls a function of NumPy on them. Write "
        f"xp.asarray(n) for a NumPy array n, and xp.sum(x) for numpy.sum(x) {XP}. gdx.to_numpy(x) "
        "leaves for the host on purpose, where derivatives are numerical."
    )
