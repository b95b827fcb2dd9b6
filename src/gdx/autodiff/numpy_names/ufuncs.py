"""NumPy's ufuncs and their methods."""

from __future__ import annotations

import functools
import math
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import FUNCTIONS, Row, words
from gdx.backends import Array, Namespace

# The standard's function for a ufunc: itself, where the name is the same. With arrays and numbers,
# a library that has NumPy's own rules of dtypes does what NumPy does.
DIRECT_UFUNCS = {
    name: name
    for name in words(
        "add ceil cos cosh equal exp expm1 floor floor_divide greater greater_equal isfinite "
        "isinf isnan less less_equal log log10 log1p log2 logaddexp matmul maximum minimum "
        "multiply negative not_equal positive remainder sign signbit sin sinh sqrt square "
        "subtract tan tanh trunc vecdot bitwise_and bitwise_or bitwise_xor copysign divide "
        "hypot nextafter reciprocal"
    )
} | {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
}

# Those whose values are floating, also of integers.
_OF_FLOATS = frozenset(
    words(
        "arccos arccosh arcsin arcsinh arctan arctan2 arctanh copysign cos cosh divide exp "
        "expm1 fabs hypot log log10 log1p log2 logaddexp nextafter reciprocal rint signbit "
        "sin sinh sqrt tan tanh"
    )
)


def _standard_ufunc(ufunc: str, name: str) -> Row:
    def row(xp: Namespace, *args: Any) -> Array:
        made = given.alike(xp, *args)
        return getattr(xp, name)(*(_floats(xp, *made) if ufunc in _OF_FLOATS else made))

    return row


def _floats(xp: Namespace, *args: Any) -> list[Any]:
    """Return arrays as floating ones, and numbers as they are."""
    like = next((v for v in args if given.is_array(v) and given.is_floating(xp, v)), None)
    return [given.floating(xp, v, like) if given.is_array(v) else v for v in args]


def _logical(name: str) -> Row:
    def row(xp: Namespace, *args: Any) -> Array:
        like = given.found(*args)
        return getattr(xp, name)(*(given.truths(xp, v, like) for v in args))

    return row


def _cbrt(xp: Namespace, x: Any) -> Array:
    """Return the real cube root: 1/3 is no number in binary, and a step of Newton mends that."""
    x = given.floating(xp, x)
    zero, usual = x == 0, xp.isfinite(x) & (x != 0)
    base = xp.where(usual, x, xp.ones_like(x))
    root = xp.copysign(xp.abs(base) ** (1 / 3), base)
    root = root - (root - base / (root * root)) / 3
    steep = xp.sqrt(xp.where(zero, x, xp.ones_like(x)))  # 0, too, and its slope is infinite
    return xp.where(usual, root, xp.where(zero, steep, x))


def _fmod(xp: Namespace, a: Any, b: Any) -> Array:
    """Return the remainder with the sign of `a`."""
    a, b = given.arrays(xp, a, b)
    sign = xp.where(a < 0, -xp.ones_like(a), xp.ones_like(a))
    return sign * xp.remainder(sign * a, xp.abs(b))


def _modf(xp: Namespace, x: Any) -> tuple[Array, Array]:
    x = given.floating(xp, x)
    whole = xp.trunc(x)
    return xp.where(xp.isinf(x), xp.zeros_like(x), x - xp.where(xp.isinf(x), 0.0, whole)), whole


def _without_nan(name: str) -> Row:
    def row(xp: Namespace, a: Any, b: Any) -> Array:
        a, b = given.arrays(xp, a, b)
        if given.is_floating(xp, a) and given.is_floating(xp, b):
            a, b = xp.where(xp.isnan(a), b, a), xp.where(xp.isnan(b), a, b)
        return getattr(xp, name)(a, b)

    return row


def _heaviside(xp: Namespace, x: Any, at_zero: Any) -> Array:
    x, at_zero = given.floatings(xp, x, at_zero)
    return xp.where(x == 0, at_zero, xp.where(xp.isnan(x), x, xp.astype(x > 0, x.dtype)))


def _logaddexp2(xp: Namespace, a: Any, b: Any) -> Array:
    a, b = given.floatings(xp, a, b)
    return xp.logaddexp(a * math.log(2), b * math.log(2)) / math.log(2)


def _scaled(factor: float) -> Row:
    return lambda xp, x: given.floating(xp, x) * factor


# Of each ufunc, a function (xp, *arguments).
UFUNCS: dict[str, Row] = {name: _standard_ufunc(name, to) for name, to in DIRECT_UFUNCS.items()} | {
    "cbrt": _cbrt,
    "conjugate": given.conj,
    "deg2rad": _scaled(math.pi / 180),
    "degrees": _scaled(180 / math.pi),
    "divmod": lambda xp, a, b: (xp.floor_divide(a, b), xp.remainder(a, b)),
    "fabs": _standard_ufunc("fabs", "abs"),
    "rint": _standard_ufunc("rint", "round"),
    "exp2": lambda xp, x: 2.0 ** given.floating(xp, x),
    "float_power": lambda xp, a, b: xp.pow(*_floats(xp, *given.alike(xp, a, b))),
    "fmax": _without_nan("maximum"),
    "fmin": _without_nan("minimum"),
    "fmod": _fmod,
    "heaviside": _heaviside,
    "logaddexp2": _logaddexp2,
    "logical_and": _logical("logical_and"),
    "logical_not": _logical("logical_not"),
    "logical_or": _logical("logical_or"),
    "logical_xor": _logical("logical_xor"),
    "matvec": lambda xp, a, x: xp.matmul(a, x[..., None])[..., 0],
    "modf": _modf,
    "rad2deg": _scaled(180 / math.pi),
    "radians": _scaled(math.pi / 180),
    "vecmat": lambda xp, x, a: xp.matmul(given.conj(xp, x)[..., None, :], a)[..., 0, :],
}

# Of integers and dates only, or of the bits of a number.
UFUNCS_NOT_TRANSLATED = frozenset(words("bitwise_count frexp gcd isnat lcm ldexp spacing"))


def _as_function(name: str) -> Row:
    return lambda xp, a, axis=0, **kwargs: FUNCTIONS[name](xp, a, axis=axis, **kwargs)


def _log_sum_exp(
    xp: Namespace, a: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False
) -> Array:
    x = given.cast(xp, given.floating(xp, a), dtype)
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isinf(top), xp.zeros_like(top), top)
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else xp.squeeze(total, axis=given.known_axes(axis, x.ndim))


def _outer(name: str, xp: Namespace, a: Any, b: Any) -> Array:
    like = given.found(a, b)
    a, b = given.array(xp, a, like), given.array(xp, b, like)
    return UFUNCS[name](xp, xp.reshape(a, tuple(a.shape) + (1,) * b.ndim), b)


_METHODS: dict[tuple[str, str], Row] = {
    ("add", "accumulate"): _as_function("cumsum"),
    ("add", "reduce"): _as_function("sum"),
    ("logaddexp", "reduce"): _log_sum_exp,
    ("logical_and", "reduce"): _as_function("all"),
    ("logical_or", "reduce"): _as_function("any"),
    ("maximum", "reduce"): _as_function("max"),
    ("minimum", "reduce"): _as_function("min"),
    ("multiply", "accumulate"): _as_function("cumprod"),
    ("multiply", "reduce"): _as_function("prod"),
}


def ufunc_row(name: str, method: str = "__call__") -> Row | None:
    """Return the row of the ufunc `name`, or of its method; None if there is none."""
    if method == "outer":
        return functools.partial(_outer, name) if name in UFUNCS else None
    return UFUNCS.get(name) if method == "__call__" else _METHODS.get((name, method))
