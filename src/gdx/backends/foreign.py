"""Objects that look like arrays, but whose operators mean something else than those of an array."""

from __future__ import annotations

import array_api_compat
import numpy as np

_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_OTHER = "lt le gt ge eq ne neg pos abs invert array_ufunc array_function"
_OPERATORS = frozenset(
    f"__{prefix}{name}__" for name in _ARITHMETIC.split() for prefix in ("", "r", "i")
) | frozenset(f"__{name}__" for name in _OTHER.split())

# By these, an object takes part in the operators of NumPy's arrays.
_PROTOCOLS = ("__array_ufunc__", "__array_function__", "__array_priority__")

# What to write instead, by an attribute of such an object; the last one is for all others.
_WAYS_OUT = (
    (
        "mask",
        "write its elements and its mask, d.data and d.mask: numpy.where(d.mask, 0.0, x - d.data) "
        "leaves the masked ones out",
    ),
    (
        "toarray",
        "write A.toarray(); or give x @ A a derivative by gdx.custom_vjp, with A.T in its rule",
    ),
    ("matvec", "give A @ x a derivative by gdx.custom_vjp, with A.T in its rule"),
    ("to_numpy", "write s.to_numpy()"),
    ("magnitude", "write its numbers, q.magnitude"),
    ("shape", "convert it first, by numpy.asarray(m)"),
    ("__class__", "write a number or an array of its numbers"),
)


def refusal(x: object) -> str | None:
    """Return why `x` cannot be computed with as an array, and what to write; None if it can."""
    if type(x).__module__ == "builtins" or not _has_other_operators(x):
        return None
    way_out = next(text for name, text in _WAYS_OUT if hasattr(x, name))
    return (
        f"gdx does not take a {type(x).__name__}: its operators mean something else than those of "
        f"an array. To go on, {way_out}."
    )


def _has_other_operators(x: object) -> bool:
    kind = type(x)
    if issubclass(kind, np.ndarray):
        own = kind.__mro__[: kind.__mro__.index(np.ndarray)]
        return any(not _OPERATORS.isdisjoint(vars(each)) for each in own)
    if issubclass(kind, np.generic) or not any(hasattr(kind, name) for name in _PROTOCOLS):
        return False
    return not array_api_compat.is_array_api_obj(x)
