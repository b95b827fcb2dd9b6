"""Arrays on which a derivative depends are guarded from changes, until it has been computed.

A pull remembers arrays of f: its arguments, and plain arrays that it computes with, as a work
buffer that is filled anew in each turn of a loop. Small ones are copied. Larger ones are locked, if
the library can do so, and looked at again before cotangents are pulled back, as far as a change
can be seen.
"""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np

from gdx.autodiff.core import OVER, Trace, TracingError, refusals
from gdx.backends import LIBRARIES, Library
from gdx.caller import warn
from gdx.trees import refilled

_NUMPY = LIBRARIES["numpy"]

# What cannot be changed.
FIXED = frozenset((bool, complex, float, int, slice, str, type(None), type(...)))

CAUGHT = (
    "f caught a TracingError and went on, so that its derivative may be wrong. The error was: {}"
)
CHANGED = (
    "f changes an array that it was given, or has computed with, on which the derivative depends: "
    "make a new array, as by y = y + 1 for y += 1, or one of xp.zeros, with "
    "xp = gdx.array_namespace(x)."
)


class Guarded(Trace):
    """A trace that guards the arrays on which its derivative depends.

    Attributes
    ----------
    copies : bool
        Arrays of any size are copied, as their owner goes on before the derivative is asked for.
    """

    __slots__ = ("_copies", "_locked", "_seen", "copies")

    def __init__(self, level: int) -> None:
        Trace.__init__(self, level)
        self.copies = False
        self._copies: list[tuple[Any, Any]] = []
        self._locked: list[Any] = []
        self._seen: list[tuple[Any, Any, Any]] = []

    def kept(self, kind: type[Any], value: Any) -> Any:
        """Return what a pull may remember in the place of a value with plain arrays in it."""
        if type(value) is tuple and FIXED.issuperset(map(type, value)):
            return value
        if isinstance(value, np.ndarray):
            known = _NUMPY
        elif type(value) is kind:
            return value.snapshot()
        elif isinstance(value, kind.array):
            known = kind.known
        elif isinstance(value, tuple | list):
            return refilled(type(value), [self.kept(kind, item) for item in value])
        elif isinstance(value, dict):
            return {key: self.kept(kind, item) for key, item in value.items()}
        else:
            return value
        if not known.mutable:
            return value
        if _bytes(value) <= known.copied_up_to:
            return known.copied(value)
        return self._copied(known, value) if self.copies else self._watched(known, value)

    def _copied(self, known: Library, value: Any) -> Any:
        """Return a copy of a large array; the same one again, as long as it is equal."""
        for array, copy in self._copies:
            if array is value and known is _NUMPY and np.array_equal(copy, value):
                return copy
        copy = known.copied(value)
        self._copies.append((value, copy))
        return copy

    def given(self, kind: type[Any], x: Any) -> Any:
        """Return an argument as a trace may take it."""
        if type(x) is kind or self.copies:  # which has copied the arguments
            return x
        return self._watched(kind.known, x)

    def _watched(self, known: Library, x: Any) -> Any:
        """Remember what an array is, to see whether it is changed; lock it, if it is large."""
        version = known.version
        if version is not None:
            self._seen.append((x, version, version(x)))
            if x.nbytes > known.locked_above:
                self._locked.append(x)  # first, as an interrupt may come between
                LOCKS.acquire(x)
        return x

    def check(self) -> None:
        """Raise if an array has been changed since it was used."""
        for x, version, before in self._seen:
            if version(x) != before:
                raise TracingError(CHANGED)

    def warn_of_refusals(self) -> None:
        """Warn if f has caught a `TracingError`, and has gone on without the derivative."""
        if len(refusals.levels) > self.refused:
            warn(CAUGHT.format(refusals.last), RuntimeWarning)

    def close(self) -> None:
        """End the run; what was locked may be changed again."""
        self.level = OVER
        while self._locked:
            LOCKS.release(self._locked.pop())


class Locks:
    """NumPy arrays that are read-only as long as one trace or several depend on them."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()  # the handler of a signal may differentiate, too
        self._counts: dict[int, list[Any]] = {}  # by identity, an array and by how many
        self._waiting: list[Any] = []  # views that nobody needs, of arrays that others need

    def __bool__(self) -> bool:
        return bool(self._counts)

    def renew(self) -> None:
        """Take another mutex, in a forked process: a thread that it does not have may hold this."""
        self._mutex = threading.RLock()

    def acquire(self, x: Any) -> None:
        """Make an array read-only, and its bases."""
        with self._mutex:
            self._acquire(x)

    def _acquire(self, x: Any) -> bool:
        """Lock an array, if it can be unlocked again; tell whether it is, or its memory is ours."""
        found = self._counts.get(id(x))
        if found is not None:
            found[1] += 1
        if isinstance(x.base, np.ndarray):
            unlockable = self._acquire(x.base)
        else:
            unlockable = x.base is None or _lends_memory(x.base)
        if found is None and unlockable and x.flags.writeable:
            x.flags.writeable = False
            self._counts[id(x)] = [x, 1]
        return id(x) in self._counts

    def release(self, x: Any) -> None:
        """Undo one `acquire`."""
        with self._mutex:
            self._release(x)
            waiting: list[Any] = []
            while len(self._waiting) != len(waiting):
                waiting = self._waiting
                self._waiting = [each for each in waiting if not self._unlocked(each)]

    def _release(self, x: Any) -> None:
        if isinstance(x.base, np.ndarray):
            self._release(x.base)
        found = self._counts.get(id(x))
        if found is not None:
            found[1] -= 1
            if not self._unlocked(x):
                self._waiting.append(x)

    def _unlocked(self, x: Any) -> bool:
        """Let an array be changed again if nobody needs it; tell whether it is dealt with."""
        found = self._counts.get(id(x))
        if found is None or found[1]:
            return True
        # A view cannot be made writable before its base.
        if isinstance(x.base, np.ndarray) and not x.base.flags.writeable:
            return False
        x.flags.writeable = True
        del self._counts[id(x)]
        return True


def _lends_memory(x: Any) -> bool:
    """Tell whether an object lends NumPy memory to which may be written."""
    try:
        return not memoryview(x).readonly
    except TypeError:
        return False


LOCKS = Locks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOCKS.renew)


def _bytes(x: Any) -> float:
    nbytes: float | None = getattr(x, "nbytes", None)
    return 8 * math.prod(x.shape) if nbytes is None else nbytes
