"""Which traced arrays share memory, as the arrays of their library do.

A view is an array that follows from another one, its root. What is assigned to the view is
assigned to elements of the root; what is assigned to the root, the view sees when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.autodiff.core import TracingError, names
from gdx.backends import is_array, is_integer, namespace_of
from gdx.trees import refilled

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
        xp = view.functions
        new = xp.updated(view, key, value)
        root.write(..., xp.replaced(root, places, new))


# NumPy's functions, and methods after a dot, that come to a view here where NumPy has a copy, or
# the other way round: NumPy is asked. Of others it is asked if an argument has not the order C.
_ASKED = names(
    "broadcast_arrays einsum gradient meshgrid ravel real_if_close rot90 unstack "
    ".conj .conjugate .copy .flatten .ravel"
)
_ASKED_WITH_OPTIONS = names("astype reshape .astype .reshape")
_ASKED_OUT_OF_ORDER = names(
    "clip delete dot empty_like full_like linalg.matrix_power modf ones_like pad polyval select "
    "sinc sort zeros_like .clip .dot"
)

# These return an array in the order C: of several arrays, and in any case.
_OF_SEVERAL_IN_ORDER = names("einsum")
_IN_ORDER = names("linalg.cholesky")

# What has no axes is an array in NumPy, and not a number.
WITHOUT_AXES = names(
    "astype broadcast_arrays broadcast_to conj conjugate copy cov diff empty_like expand_dims flip "
    "full_like imag linalg.matrix_power linalg.tensordot matrix_transpose moveaxis ones_like "
    "permute_dims real real_if_close reshape roll select squeeze swapaxes tensordot tile "
    "transpose where zeros_like"
)


SHARING = _ASKED | _ASKED_WITH_OPTIONS | _ASKED_OUT_OF_ORDER | _OF_SEVERAL_IN_ORDER | _IN_ORDER


def shared(
    kind: type[Traced],
    name: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    result: Any,
) -> Any:
    """Return the result of a function in the memory in which its library has it.

    That is the memory of an argument, or its own. Where it is not known from its name, the
    library's function is called with plain arrays.
    """
    if name in _ASKED_WITH_OPTIONS and not kwargs and not isinstance(args[-1], str):
        return result
    several = name in _OF_SEVERAL_IN_ORDER and sum(hasattr(x, "dtype") for x in args) > 1
    if several or name in _IN_ORDER:
        return _in_memory_of_its_own(kind, result, np.empty(result.shape))
    if name in _ASKED_OUT_OF_ORDER and _in_order(kind, args):
        return result
    plain = [_plain(kind, each) for each in args]
    if any(type(x) is kind and x.shape != p.shape for x, p in zip(args, plain, strict=True)):
        return result  # of a stack, the library would see the whole
    answer = function(*plain, **{key: _plain(kind, each) for key, each in kwargs.items()})
    if not isinstance(answer, list | tuple):
        return _shared(kind, result, answer, args, plain, lambda *a: function(*a, **kwargs))
    return refilled(
        type(answer),
        [
            _shared(kind, *pair, args, plain, lambda *a, i=i: function(*a, **kwargs)[i])
            for i, pair in enumerate(zip(result, answer, strict=True))
        ],
    )


def _in_order(kind: type[Traced], args: Sequence[Any]) -> bool:
    """Tell whether the elements of all arrays follow each other in the order C."""
    return all(
        _in_order(kind, x)
        if isinstance(x, list | tuple)
        else getattr(getattr(_plain(kind, x), "flags", None), "c_contiguous", True)
        for x in args
    )


def _plain(kind: type[Traced], value: Any) -> Any:
    """Return a value with plain arrays in the place of traced ones."""
    if isinstance(value, list | tuple):
        return refilled(type(value), [_plain(kind, item) for item in value])
    return kind.functions.settled(value)


def _shared(
    kind: type[Traced],
    y: Any,
    answer: Any,
    args: Sequence[Any],
    plain: Sequence[Any],
    function: Callable[..., Any],
) -> Any:
    """Return a result in the memory of the argument of which the library's answer is a view."""
    for i, x in enumerate(args):
        if type(x) is not kind:
            continue
        if answer is plain[i]:
            return x
        if isinstance(answer, kind.array) and kind.known.overlap(plain[i], answer):
            if type(y.memory) is not View:
                fixed = getattr(answer, "__array_interface__", {"data": (0, False)})["data"][1]
                before, behind = args[:i], args[i + 1 :]
                y.follow(x, lambda z: function(*before, z, *behind), fixed=fixed)  # noqa: B023
            return y
    return _in_memory_of_its_own(kind, y, answer) if type(y) is kind else answer


def _in_memory_of_its_own(kind: type[Traced], y: Traced, like: Any) -> Traced:
    own = getattr(_plain(kind, y), "strides", None)
    if type(y.memory) is not View and own == getattr(like, "strides", None):
        return y
    laid_out: Traced = kind.functions.laid_out(y, like)
    return laid_out


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
