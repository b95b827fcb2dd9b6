"""What an error in a function that is differentiated means, and what to write instead."""

from __future__ import annotations

import opcode
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.autodiff.traced import Traced, settled
from gdx.backends import library, namespace_of

if TYPE_CHECKING:
    from gdx.autodiff.flat import Flat

XP = "(xp = gdx.array_namespace(x))"

# How libraries call what they do not take: arrays of NumPy, its numbers and their dtypes.
_OF_NUMPY = re.compile(r"(?<![.\w])numpy\.(ndarray|dtypes|\w+\d)\b")
_HANDED = re.compile(r"\b(not|got|type) (an? |type )?(<class )?'?[\w.]*\bTraced\b")


def explained(error: Exception, flat: Flat) -> Exception:
    """Return what `error` means, where f raised it because it was differentiated; or itself."""
    if isinstance(error, TracingError) or _raised_by_f(error, flat):
        return error
    if isinstance(error, flat.leaving):
        return _leaves(error)
    for kinds, meaning in _MEANINGS:
        found = meaning(error, flat) if isinstance(error, kinds) else None
        if found is not None:
            return found
    return error


_RAISES = opcode.opmap["RAISE_VARARGS"]


def _raised_by_f(error: Exception, flat: Flat) -> bool:
    """Tell whether the user's own code raised an error by a `raise` statement."""
    frame, last = None, -1
    for traceback in _tracebacks(error):
        frame, last = traceback.tb_frame, traceback.tb_lasti
    made = type(settled(flat.inputs[0])).__module__.partition(".")[0]
    libraries = ("array_api_compat", "gdx", "numpy", library(flat.plain).root, made)
    if frame is None or _package(frame) in libraries:
        return False
    return frame.f_code.co_code[last] == _RAISES


def _tracebacks(error: Exception) -> Iterator[TracebackType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _of_mixture(error: Exception, flat: Flat) -> Exception | None:
    return _mixed(library(flat.plain).name) if _mixes(error, flat) else None


def _of_refusal(error: Exception, flat: Flat) -> Exception | None:
    function = _refusing(error, library(flat.plain).root)
    if function is None:
        return None
    return TracingError(
        f"{function} does not take a traced array ({type(error).__name__}: "
        f"{str(error).rstrip('.')}). Write an operator, or the function of the array's namespace "
        f"{XP}."
    )


def _refusing(error: Exception, package: str) -> str | None:
    """Return the function of a library that f called with a traced array, and which raised."""
    frames = [traceback.tb_frame for traceback in _tracebacks(error)]
    message = str(error)
    named = Traced.__name__ in message  # by compiled functions, whose frames have no values
    for caller, frame in pairwise(frames):
        called = _package(frame) in (package, "array_api_compat") and _package(caller) != "gdx"
        holds = named or any(isinstance(value, Traced) for value in _values(frame))
        if called and holds and _package(frames[-1]) == _package(frame):
            return f"{_package(frame)}.{frame.f_code.co_name}"
    # A compiled function may have no frame at all.
    handed = named and (f"{package}." in message or _HANDED.search(message))
    return f"a function of {package}" if handed else None


def _values(frame: FrameType) -> list[Any]:
    """Return the local variables of a frame, and what lies in its lists and tuples."""
    values = list(frame.f_locals.values())
    return values + [v for each in values if isinstance(each, list | tuple) for v in each]


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _of_operator(error: Exception, flat: Flat) -> Exception | None:
    from gdx.autodiff.lifting import traced_type  # with all rules, which PyTorch does not need

    if library(flat.plain).defers or traced_type(flat.plain).defers:
        return None
    return TracingError(
        f"{error}. If that is an operator with an array of {library(flat.plain).name} on its left "
        "and one that is differentiated on its right: put the latter on the left, or write "
        f"xp.multiply(c, x) for c * x {XP}."
    )


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


# For the errors of each row, in order, what they may mean.
_MEANINGS: tuple[tuple[Any, Callable[[Exception, Flat], Exception | None]], ...] = (
    (RuntimeError, _of_runtime_error),
    (ValueError, _of_value_error),
    ((AttributeError, TypeError), _of_mixture),
    (TypeError, _of_operator),
    ((AttributeError, NotImplementedError, TypeError, ValueError), _of_refusal),
)


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
