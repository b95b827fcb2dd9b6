"""Which traced arrays share memory, as the arrays of their library do.

A view is an array that follows from another one, its root. What is assigned to the view is
assigned to elements of the root; what is assigned to the root, the view sees when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.backends import is_array, is_integer, namespace_of

if TYPE_CHECKING:
    from gdx.autodiff.traced import Traced

# From an array, traced or NumPy's, to a view of it.
Step = Callable[[Any], Any]


class Part:
    """The step to a part of an array, by a basic index."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __call__(self, x: Any) -> Any:
        """Return the part."""
        return x[self.key]


class Own:
    """The memory of an array that nobody else has seen, so that it may be assigned in place."""

    __slots__ = ()


OWN = Own()


class View:
    """How a view follows from its root, in one step or several."""

    __slots__ = ("_places", "fixed", "root", "steps", "version")

    def __init__(self, root: Traced, steps: tuple[Step, ...], fixed: bool) -> None:
        self.root = root
        self.steps = steps
        self.fixed = fixed  # it may be read, but not assigned to
        self.version = root.version  # of the root, when the view was taken
        self._places: Any = None

    @classmethod
    def of(cls, x: Traced, step: Step, fixed: bool) -> View:
        """Return how a view of `x` follows from the root of `x`."""
        memory = x.memory
        if type(memory) is not cls:
            return cls(x, (step,), fixed)
        return cls(memory.root, (*memory.steps, step), fixed or memory.fixed)

    def seen(self) -> Traced:
        """Return what the root has now where the view is."""
        self.version = self.root.version
        view = self.root
        for step in self.steps:
            view = step(view)
        return view

    def write(self, view: Traced, key: Any, value: Any) -> None:
        """Assign view[key] = value in the root."""
        if self.fixed:
            raise TracingError(
                "this is a view of another array that cannot be assigned to, by broadcasting or "
                "stop_gradient, or of a diagonal, a real or an imaginary part: copy it first, by "
                "xp.asarray(y, copy=True), or assign to the other array."
            )
        if all(type(step) is Part for step in self.steps):
            self._write_parts(view, key, value)
        else:
            self._write_places(view, key, value)

    def _write_parts(self, view: Traced, key: Any, value: Any) -> None:
        """Assign to a part of a part, from the last to the first."""
        view.refresh()
        steps: Any = self.steps
        parts = [self.root]
        for step in steps[:-1]:
            parts.append(step(parts[-1]))
        pairs = zip([*parts[1:], view], [*steps[1:], Part(key)], strict=True)
        for part, inner in [*pairs][::-1]:
            value = view.functions.updated(part, inner.key, value)
        self.root.write(steps[0].key, value)

    def _write_places(self, view: Traced, key: Any, value: Any) -> None:
        """Assign to elements of the root, found by their places."""
        root = self.root
        places = self._places
        if places is None:
            places = np.arange(root.size).reshape(root.shape)
            for step in self.steps:
                places = step(places)
            self._places = places
        single = is_basic(key) and not np.shape(places[key])
        if single and root.shape and not getattr(value, "shape", ()):
            at = np.unravel_index(int(places[key]), root.shape)
            root.write(tuple(map(int, at)), value)
            return
        view.refresh()
        xp = view.functions
        new = xp.updated(view, key, value)
        root.write(..., xp.replaced(root, places, new))


def is_plain(key: Any) -> bool:
    """Tell whether an index reads no element twice."""
    parts = key if isinstance(key, tuple) else (key,)
    return not any(_is_integers(part) for part in parts if not isinstance(part, int | slice))


def _is_integers(part: Any) -> bool:
    if isinstance(part, list):
        return True
    return is_array(part) and is_integer(namespace_of(part), part.dtype)


def is_basic(key: Any) -> bool:
    """Tell whether an index is of integers, slices, None and Ellipsis."""
    if type(key) in _BASIC:
        return True
    parts = key if type(key) is tuple else (key,)
    return all(
        part is None or part is ... or type(part) in _BASIC or isinstance(part, np.integer)
        for part in parts
    )


_BASIC = {int, slice}
