"""What NumPy's arrays have beyond the standard's."""

from __future__ import annotations

from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.shapes import transpose
from gdx.autodiff.numpy_names.table import FUNCTIONS, Row, words
from gdx.backends import Array, Namespace


def _one_or_several(arguments: tuple[Any, ...]) -> Any:
    """Return what was given as one tuple or as several numbers."""
    return arguments[0] if len(arguments) == 1 else arguments


def _reshape(xp: Namespace, a: Array, *shape: Any, **kwargs: Any) -> Array:
    return FUNCTIONS["reshape"](xp, a, _one_or_several(shape), **kwargs)


# Of an ndarray, functions (xp, array, *arguments); x.sort() and others assign, and are left out.
METHODS: dict[str, Row] = {
    name: FUNCTIONS[name]
    for name in words(
        "all any argmax argmin argsort clip copy cumprod cumsum diagonal dot max mean min "
        "nonzero prod ptp ravel repeat round searchsorted squeeze std sum swapaxes take trace "
        "var"
    )
} | {
    "astype": lambda xp, a, dtype, order="K", casting="unsafe", subok=True, copy=True: given.cast(
        xp, a, dtype
    ),
    "compress": lambda xp, a, condition, axis=None, out=None: FUNCTIONS["compress"](
        xp, condition, a, axis=axis, out=out
    ),
    "conj": given.conj,
    "conjugate": given.conj,
    "flatten": lambda xp, a, order="C": FUNCTIONS["ravel"](xp, a, order=order),
    "reshape": _reshape,
    "transpose": lambda xp, a, *axes: transpose(xp, a, _one_or_several(axes) if axes else None),
}

# Of an ndarray, functions (xp, array).
ATTRIBUTES: dict[str, Row] = {name: FUNCTIONS[name] for name in ("imag", "real")}
