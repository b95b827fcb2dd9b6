"""Arrays on which a derivative depends are guarded from changes, until it has been computed.

A pull remembers arrays of f: its arguments, and plain arrays that it computes with, as a work
buffer that is filled anew in each turn of a loop. Small ones are copied. Larger ones are locked, if
the library can do so, and looked at again before cotangents are pulled back, as far as a change
can be seen.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from gdx.autodiff.core import Trace, TracingError, refusals
from gdx.backends import LIBRARIES, Library
from gdx.caller import warn
from gdx.trees import refilled

# What cannot be changed.
_FIXED = {bool, complex, float, int, slice, str, type(None), type(...)}


class Guard:
    """The guarded arrays of one trace.

    Attributes
    ----------
    copies : bool
        Arrays of any size are copied, as their owner goes on before the derivative is asked for.
    """

    __slots__ = ("copies", "locked", "seen")

    def __init__(self) -> None:
        self.copies = False
        self.locked: list[Any] = []
        self.seen: list[tuple[Any, Any, Any]] = []

    def kept(self, kind: type[Any], value: Any) -> Any:
        """Return what a pull may remember in the place of a value with plain arrays in it."""
        if type(value) in _FIXED:
            return value
        if isinstance(value, dict):
            return {key: self.kept(kind, item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return refilled(type(value), [self.kept(kind, item) for item in value])
        if type(value) is kind or not (isinstance(value, np.ndarray | kind.array)):
            return value
        known = LIBRARIES["numpy"] if isinstance(value, np.ndarray) else kind.known
        if self.copies or _bytes(value) <= known.copied_up_to:
            return known.copied(value)
        self.watch(known, value)
        return value

    def given(self, kind: type[Any], x: Any) -> Any:
        """Return an argument as a trace may take it."""
        if type(x) is kind or self.copies:  # which has copied the arguments
            return x
        if kind.known.version is None:
            return self.kept(kind, x)
        self.watch(kind.known, x)
        return x

    def watch(self, known: Library, x: Any) -> None:
        """Remember what an array is, to see whether it is changed; lock it, if it is large."""
        if known.version is not None:
            self.seen.append((x, known.version, known.version(x)))
            if known.locked_above < x.nbytes:
                LOCKS.acquire(x)
                self.locked.append(x)

    def check(self) -> None:
        """Raise if an array has been changed since it was used."""
        for x, version, before in self.seen:
            if version(x) != before:
                raise TracingError(CHANGED)

    def release(self) -> None:
        """Let locked arrays be changed again."""
        locked, self.locked = self.locked, []
        for x in locked:
            LOCKS.release(x)


CAUGHT = (
    "f caught a TracingError and went on, so that its derivative may be wrong. The error was: {}"
)
CHANGED = (
    "f changes an array that it was given, or has computed with, on which the derivative depends: "
    "make a new array, as by y = y + 1 for y += 1, or one of xp.zeros, with "
    "xp = gdx.array_namespace(x)."
)


class Guarded(Trace):
    """A trace that guards what its derivative depends on."""

    __slots__ = ("guard", "refused")

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.guard = Guard()
        self.refused = refusals.count

    def warn_of_refusals(self) -> None:
        """Warn if f has caught a `TracingError`, and has gone on without the derivative."""
        if refusals.count != self.refused:
            warn(CAUGHT.format(refusals.last), RuntimeWarning)

    def close(self) -> None:
        """End the run; what was guarded may be changed again."""
        super().close()
        self.guard.release()


class Locks:
    """NumPy arrays that are read-only as long as one trace or several depend on them."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: dict[int, list[Any]] = {}  # by identity, an array and by how many

    def __bool__(self) -> bool:
        return bool(self._counts)

    def acquire(self, x: Any) -> None:
        """Make an array read-only, and the arrays of which it is a view."""
        with self._mutex:
            for array in _with_bases(x):
                found = self._counts.get(id(array))
                if found is not None:
                    found[1] += 1
                elif array.flags.writeable:
                    array.flags.writeable = False
                    self._counts[id(array)] = [array, 1]

    def release(self, x: Any) -> None:
        """Undo one `acquire`."""
        with self._mutex:
            for array in _with_bases(x):
                if id(array) in self._counts:
                    self._counts[id(array)][1] -= 1
            free = [array for array, count in self._counts.values() if not count]
            for array in sorted(free, key=lambda array: len([*_with_bases(array)])):
                # A view cannot be made writable before its base, which others may still need.
                if not isinstance(array.base, np.ndarray) or array.base.flags.writeable:
                    array.flags.writeable = True
                    del self._counts[id(array)]


LOCKS = Locks()


def _bytes(x: Any) -> float:
    nbytes: float | None = getattr(x, "nbytes", None)
    return 8 * math.prod(x.shape) if nbytes is None else nbytes


def _with_bases(x: Any) -> Iterator[Any]:
    while isinstance(x, np.ndarray):
        yield x
        x = x.base
