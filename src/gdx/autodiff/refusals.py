"""A library's own function refuses a traced array, by whatever error: a TracingError says so."""

from __future__ import annotations

from itertools import pairwise
from traceback import walk_tb
from types import FrameType
from typing import Any

from gdx.autodiff.core import TracingError, opened
from gdx.autodiff.traced import Traced
from gdx.backends import library

# The errors by which libraries refuse an argument.
_REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError)


class tracing(opened):  # noqa: N801 - used as a function, in a with statement
    """Open a trace for a user's function; where a library refuses a traced array, say so."""

    __slots__ = ()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        _, error, traceback = exception
        if not isinstance(error, _REFUSALS) or isinstance(error, TracingError):
            return
        function = _refusing(str(error), [frame for frame, _ in walk_tb(traceback)])
        if function is not None:
            raise TracingError(
                f"{function} does not take a traced array ({type(error).__name__}: "
                f"{str(error).rstrip('.')}). Write an operator, or the function of the namespace "
                "xp = gdx.array_namespace(x)."
            ) from error


def _refusing(message: str, frames: list[FrameType]) -> str | None:
    """Return the library's function that a user called with a traced array, if it raised."""
    traced = [v for frame in frames for v in _values(frame) if isinstance(v, Traced)]
    packages = {library(v.xp).package.partition(".")[0] for v in traced} | {"array_api_compat"}
    named = Traced.__name__ in message  # by compiled functions, whose frames have no values
    for caller, frame in pairwise(frames):
        package = _package(frame)
        called = package in packages and _package(caller) != "gdx"
        holds = named or any(isinstance(value, Traced) for value in _values(frame))
        if called and holds and _package(frames[-1]) == package:
            return f"{package}.{frame.f_code.co_name}"
    # A compiled function may have no frame at all.
    mentioned = [package for package in packages if named and f"{package}." in message]
    return f"a function of {mentioned[0]}" if mentioned else None


def _values(frame: FrameType) -> list[Any]:
    """Return the local variables of a frame, and what lies in its lists and tuples."""
    values = list(frame.f_locals.values())
    return values + [v for each in values if isinstance(each, list | tuple) for v in each]


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
