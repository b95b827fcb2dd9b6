"""The tracing core: arrays at levels, and one dispatcher for all functions of all libraries.

A transform opens a `Trace`, one level above those that are running, and hands `Traced` arrays to
the user's function. Of each call, the trace of the highest level among the arguments owns it; to
that trace all other arguments are constants. It calls the same function on the values one level
down, and so on, until plain arrays are left and the library's own function runs.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gdx.trees import refilled

Pull = Callable[[Any], Any]
Maker = Callable[..., Pull]


class TracingError(TypeError):
    """A traced value was taken where its derivative would be lost, or cannot be had.

    Traced are the arrays that a function gets while `gdx.grad` and its kin differentiate it: by
    ``float()``, ``numpy.asarray`` or a function of another library it would become a constant in
    silence. ``gdx.stop_gradient`` makes a constant on purpose.
    """

    def __init__(self, message: str, level: int | None = None) -> None:
        super().__init__(message)
        self.thread = threading.get_ident()  # in which the value was taken
        refusals.levels.append(level)
        refusals.last = message


class PicklingError(TracingError):
    """A traced array was pickled, to be sent to another process."""

    def __init__(self, level: int | None = None) -> None:
        super().__init__(
            "f pickles a traced array, to store it or to send it to another process, where no "
            "derivative can be followed. Let f compute its gradient there, too, and say so by "
            "gdx.custom_vjp or, in a descent, by grad=; or take gdx.numerical_gradient.",
            level,
        )


class _Refusals(threading.local):
    """The levels of the arrays that this thread has refused, None if unknown; and the last why."""

    def __init__(self) -> None:
        self.levels: list[int | None] = []
        self.last = ""


refusals = _Refusals()


def names(text: str) -> frozenset[str]:
    """Return the names of the functions in a text."""
    return frozenset(text.split())


class Rule(NamedTuple):
    """What a function means to the interpreters.

    Attributes
    ----------
    name : str
        The standard's name.
    vjps : sequence
        For each positional argument what makes its pull, ``(xp, y, *args, **kwargs) -> pull``,
        where ``pull(g)`` is the cotangent of the argument; None where the derivative is zero.
    linear : {"", "each", "together"}
        The function is linear in each of its arrays, the others fixed; or in all of them together.
    elementwise : bool
        The pull maps tangents as well as cotangents, and arguments are broadcast.
    joint : bool
        The function has several outputs: its one pull takes a tuple of cotangents, None of those
        that are not used.
    """

    name: str
    vjps: Sequence[Maker | None]
    linear: str = ""
    elementwise: bool = False
    joint: bool = False


_NUMPYS, OBJECT = np.ndarray, np.dtype(object)
OF_OBJECTS = (
    "an array of Python objects (dtype object) has no derivative: convert its numbers, by "
    "numpy.asarray(c, dtype=float)."
)


class Trace:
    """One run of an interpreter; when it is over, its level is `OVER`, its arrays are constants."""

    __slots__ = ("level", "pickled", "refused")

    def __init__(self, level: int) -> None:
        self.level = level
        self.pickled = False  # whether f has tried to pickle one of its arrays
        self.refused = len(refusals.levels)  # before it was opened

    def close(self) -> None:
        """End the run: from now on, its arrays are their values."""
        self.level = OVER

    def process(
        self,
        kind: type[Any],
        call: Callable[..., Any],
        function: Callable[..., Any],
        rule: Rule,
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Return what a function gives for arguments of which this trace has the highest level.

        `call` takes traced arrays of lower levels, `function` is the library's own.
        """
        raise NotImplementedError

    def detach(self, x: Any) -> None:
        """Give an array of this trace, which nobody else has, memory of its own."""
        x.value = x.functions.duplicated(x.value)

    def ended(self, value: Any) -> Any:
        """Return what an array is for the user when its trace is over."""
        return value

    def write(self, kind: type[Any], x: Any, key: Any, value: Any) -> bool:
        """Assign to elements of an array of this trace whose memory is its own, if that can be.

        Tell whether it was done.
        """
        return False

    def below(self, kind: type[Any], target: Any, value: Any) -> Any:
        """Return an assigned value one level down; NotImplemented if `target` cannot take it."""
        if type(value) is kind:
            owner = value.owner
            if owner.level > self.level:
                return NotImplemented
            if owner is self or owner is CONSTANT:
                value = value.value
            if type(value) is kind and type(target) is not kind:
                return NotImplemented
        return value

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return the shape that an array of this trace has for the user."""
        shape: tuple[int, ...] = value.shape
        return shape

    def values(self, kind: type[Any], args: Any) -> tuple[list[Any], list[int], bool]:
        """Return the arguments one level down, the places of those that this trace follows.

        Last, whether some are still traced.
        """
        values, places, nested = [*args], [], False
        for place, argument in enumerate(args):
            if type(argument) is kind:
                owner = argument.owner
                if owner is self:
                    places.append(place)
                elif owner is not CONSTANT:
                    nested = True
                    continue
                value = values[place] = argument.value
                if type(value) is kind:
                    nested = True
            elif type(argument) is _NUMPYS and argument.dtype is OBJECT:
                raise TracingError(OF_OBJECTS)
        return values, places, nested


class Constants(Trace):
    """Follows nothing: the owner of constants."""

    __slots__ = ()

    def write(self, kind: type[Any], x: Any, key: Any, value: Any) -> bool:
        """Assign a constant."""
        value = self.below(kind, x.value, value)
        if value is NotImplemented:
            return False
        x.value[key] = value
        return True


OVER = -1
CONSTANT = Constants(0)

# A trace is above those that were opened before it, in whatever thread: only they can be inside.
_levels = itertools.count(1)


class opened:  # noqa: N801 - used as a function, in a with statement
    """Open a trace above those that run; nothing of it is left behind, whatever happens."""

    __slots__ = ("trace",)

    def __init__(self, trace_type: type[Any]) -> None:
        self.trace = trace_type(next(_levels))

    def __enter__(self) -> Any:
        return self.trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        trace, refused = self.trace, None
        if trace.pickled and isinstance(error, Exception) and not isinstance(error, TracingError):
            refused = PicklingError(trace.level)  # who pickles for f raises errors of its own
        if len(refusals.levels) > trace.refused:
            # An exception tells of them, but not of arrays of traces further out.
            own, levels = trace.level, refusals.levels
            outer = [n for n in levels[trace.refused :] if kind and n is not None and n < own]
            levels[trace.refused :] = outer
        trace.close()
        if refused is not None:
            raise refused from error


def dispatching(kind: type[Any], function: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    """Return a library's function with traced arrays among its arguments."""
    operands, own = kind.operands, kind.operands.own

    def call(*args: Any, **kwargs: Any) -> Any:
        top: Trace | None = None
        highest = OVER
        for argument in args:
            type_ = type(argument)
            if type_ is kind:
                if argument.memory is not None:
                    argument.refresh()
                owner = argument.owner
                level = owner.level
                if level > highest:
                    top, highest = owner, level
                elif level == OVER:
                    argument.release()
                    if argument.owner.level > highest:
                        top, highest = argument.owner, argument.owner.level
            elif type_ is not own and type_ not in operands:
                operands.check(rule, args)
        if top is None:
            return function(*args, **kwargs)
        if highest:
            return top.process(kind, call, function, rule, args, kwargs)
        lowered = [a.value if type(a) is kind else a for a in args]
        return lifted(kind, function(*lowered, **kwargs))

    functools.update_wrapper(call, function)  # its signature and documentation, too
    call.__name__ = call.__qualname__ = rule.name
    return call


def lifted(kind: type[Any], y: Any) -> Any:
    """Return an array as a traced constant; of several, each."""
    if type(y) is kind:
        return y
    if isinstance(y, tuple | list):
        return refilled(type(y), [lifted(kind, item) for item in y])
    if not hasattr(y, "dtype") or not hasattr(y, "shape"):
        return y
    if y.dtype is OBJECT:
        raise TracingError(OF_OBJECTS)
    return kind(y, CONSTANT, None)
