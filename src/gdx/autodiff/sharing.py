"""Results that are views, copies or numbers by NumPy's decision, which is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.autodiff.core import names
from gdx.autodiff.memory import View
from gdx.trees import refilled

if TYPE_CHECKING:
    from gdx.autodiff.traced import Traced

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
    "astype broadcast_arrays broadcast_to conj conjugate copy cov diff empty_like expand_dims "
    "fft.fftn fft.ifftn flip full_like imag linalg.matrix_power linalg.tensordot matrix_transpose "
    "moveaxis ones_like pad permute_dims real real_if_close reshape roll select squeeze swapaxes "
    "tensordot tile transpose where zeros_like"
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
        like = np.empty(result.shape) if result.shape else np.float64()
        return _in_memory_of_its_own(kind, result, like)
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
    """Return a result as a view of the argument that shares memory with the library's answer."""
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


def _in_memory_of_its_own(kind: type[Traced], y: Traced, like: Any) -> Any:
    """Return an array as one of the kind of `like`: a number, or of its layout."""
    own = _plain(kind, y)
    if isinstance(like, np.generic):
        return y if isinstance(own, np.generic) else kind.functions.getitem(y, ())
    alike = type(own) is type(like) and getattr(own, "strides", 0) == getattr(like, "strides", 0)
    if alike and type(y.memory) is not View and kind.known.writable(own):
        return y
    return kind.functions.laid_out(y, like)
