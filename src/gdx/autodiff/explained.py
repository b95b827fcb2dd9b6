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
from gdx.autodiff.guard import CHANGED
from gdx.autodiff.operands import mixture
from gdx.autodiff.protocols import assigned
from gdx.autodiff.traced import Traced, settled
from gdx.backends import library, namespace_of, refusal

if TYPE_CHECKING:
    from gdx.autodiff.flat import Flat

XP = "(xp = gdx.array_namespace(x))"

# How libraries call what they do not take: arrays of NumPy, its numbers and their dtypes.
_OF_NUMPY = re.compile(r"(?<![.\w])numpy\.(ndarray|dtypes|\w+\d)\b")
_HANDED = re.compile(r"\b(not|got|type) (an? |type )?(<class )?'?[\w.]*\bTraced\b")


def explained(error: Exception, flat: Flat) -> Exception:
    """Return what `error` means, where f raised it because it was differentiated; or itself."""
    refused = _refused_operand(error)
    if refused is not None:
        return TracingError(refused)
    if _is_assignment(error, flat):
        return assigned()
    if isinstance(error, TracingError) or _raised_by_f(error, flat):
        return error
    if isinstance(error, flat.leaving):
        return _leaves(error)
    for kinds, meaning in _MEANINGS:
        found = meaning(error, flat) if isinstance(error, kinds) else None
        if found is not None:
            return found
    return error


def _refused_operand(error: Exception) -> str | None:
    """Return why an object is not taken, if a method of it has failed with a traced array."""
    for traceback in _tracebacks(error):
        frame = traceback.tb_frame
        refused = refusal(frame.f_locals.get("self"))
        if refused is not None and any(isinstance(value, Traced) for value in _values(frame)):
            return refused
    return None


_RAISES, _ASSIGNS = opcode.opmap["RAISE_VARARGS"], opcode.opmap["STORE_SUBSCR"]
_SETS = opcode.opmap["STORE_ATTR"]


def _is_assignment(error: Exception, flat: Flat) -> bool:
    """Tell whether an error is that of c[i] = x, with a plain array c and a traced x."""
    leaves = any(isinstance(each, TracingError) for each in (error, error.__cause__))
    if not leaves and "a Traced" not in str(error):
        return False
    of_libraries = _libraries(flat)
    code, calls = None, []
    for traceback in _tracebacks(error):
        frame = traceback.tb_frame
        if _package(frame) in of_libraries:
            calls.append(frame)
        else:
            code, calls = frame.f_code.co_code[traceback.tb_lasti], []
    traced = any(
        _package(frame) == "gdx" and frame.f_code.co_name == "__setitem__" for frame in calls
    )
    return code == _ASSIGNS and not traced


def _raised_by_f(error: Exception, flat: Flat) -> bool:
    """Tell whether the user's own code raised an error by a `raise` statement."""
    last = [*_tracebacks(error)][-1]
    if _package(last.tb_frame) in _libraries(flat):
        return False
    return last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISES


def _libraries(flat: Flat) -> tuple[str, ...]:
    """Return the packages whose frames are none of f."""
    made = type(settled(flat.inputs[0])).__module__.partition(".")[0]
    return "array_api_compat", "gdx", "numpy", library(flat.plain).root, made


def _tracebacks(error: Exception) -> Iterator[TracebackType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _of_mixture(error: Exception, flat: Flat) -> Exception | None:
    return mixture(library(flat.plain).name) if _mixes(error, flat) else None


def _of_attribute(error: Exception, flat: Flat) -> Exception | None:
    frame, last = [(each.tb_frame, each.tb_lasti) for each in _tracebacks(error)][-1]
    if frame.f_code.co_code[last] != _SETS or Traced.__name__ not in str(error):
        return None
    return TracingError(
        f"an assignment to an attribute, as y.shape = s or y.real = v, is not followed ({error}): "
        f"write y = xp.reshape(y, s), or y[...] = v {XP}."
    )


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
    return mixture(library(flat.plain).name) if _mixes(error, flat) else _leaves(error)


def _of_value_error(error: Exception, flat: Flat) -> Exception | None:
    cause = error.__cause__  # as NumPy says it, where an element is assigned
    if isinstance(cause, TracingError):
        return cause
    if isinstance(cause, flat.leaving):
        return _leaves(cause)
    if re.search("read-only|not writ|writable", str(error)):
        return TracingError(CHANGED)
    return None


# For the errors of each row, in order, what they may mean.
_MEANINGS: tuple[tuple[Any, Callable[[Exception, Flat], Exception | None]], ...] = (
    (AttributeError, _of_attribute),
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
