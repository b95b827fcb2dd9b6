"""Derivatives of the elementwise functions.

A row has, for each argument, what makes its pull: of the function's namespace `xp`, its value `y`
and its arguments. A derivative is multiplied without conjugation, so that of a real f of z = a + ib
the gradient is ∂f/∂a - i ∂f/∂b. The dispatcher sums over the axes that were broadcast, and takes
the real part of what belongs to a real argument.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from gdx.autodiff.core import Maker, Pull, names
from gdx.backends import is_complex

Array = Any


def _same(g: Array) -> Array:
    return g


def _unchanged(xp: Any, y: Array, *args: Array) -> Any:
    return _same


def _abs(xp: Any, y: Array, x: Array) -> Any:
    if is_complex(xp, x.dtype):
        return lambda g: g * (xp.conj(x) / xp.where(y == 0, xp.ones_like(y), y))
    return lambda g: g * xp.sign(x)


def _sign(xp: Any, y: Array, x: Array) -> Any:
    """Return the pull of z / |z|, which turns with z; that of a real sign is zero."""
    if not is_complex(xp, x.dtype):
        return xp.zeros_like
    size = xp.abs(x)
    size = xp.where(size == 0, xp.ones_like(size), size)
    turned = xp.conj(y)
    # dy = (dx - y Re(ȳ dx)) / |x|: only what is at right angles to x turns y.
    return lambda g: (g - turned * xp.real(y * g)) / size


def _pow_base(xp: Any, y: Array, a: Array, b: Any) -> Any:
    if isinstance(b, int | float | complex):
        if b == 0:
            return xp.zeros_like
        if b == 2:
            return lambda g: g * (2 * a)
        if isinstance(b, int) and b > 0:
            return lambda g: g * (b * a ** (b - 1))
        return _careful(xp, lambda g: g * (b * a ** (b - 1)))
    none = b == 0
    power = xp.where(none, xp.ones_like(b), b) - 1
    return _careful(xp, lambda g: g * xp.where(none, xp.zeros_like(y), b * a**power))


def _pow_exponent(xp: Any, y: Array, a: Any, b: Array) -> Any:
    if is_complex(xp, y.dtype):
        number = isinstance(a, int | float | complex)
        log = cmath.log(a) if number else xp.log(xp.as_dtype(a, y.dtype))
        return lambda g: g * (y * log)
    if isinstance(a, int | float):
        return lambda g: g * (y * math.log(a)) if a > 0 else g * xp.where(b == 0, -math.inf, 0 * y)
    zero = a == 0
    return lambda g: g * (y * xp.log(xp.where(zero, xp.ones_like(a), a)))


def _asinh(xp: Any, y: Array, x: Array) -> Any:
    if is_complex(xp, x.dtype):
        return lambda g: g / xp.sqrt(x * x + 1)
    # The root is smaller than |x| + 1, unless it overflows.
    return lambda g: g / xp.minimum(xp.sqrt(x * x + 1), xp.abs(x) + 1)


def _tanh(xp: Any, y: Array, x: Array) -> Any:
    if is_complex(xp, x.dtype):
        return lambda g: g * ((1 - y) * (1 + y))
    return lambda g: g * xp.sech_squared(x)


def sech_squared(xp: Any, x: Array) -> Array:
    """Return the derivative of tanh, 1 / cosh(x)²; 1 - tanh(x)² would cancel at both ends."""
    with np.errstate(over="ignore"):  # the derivative is zero there
        cosh = xp.cosh(x)
    return 1 / cosh / cosh


def _of_hypot(xp: Any, y: Array, side: Array) -> Any:
    return lambda g: g * (side / xp.where(y == 0, xp.ones_like(y), y))


def _of_angle(xp: Any, other: Array, one: Array, sign: int) -> Any:
    """Return the pull of atan2: ±other / (one² + other²), zero at the origin."""
    radius = xp.hypot(one, other)
    radius = xp.where(radius == 0, xp.ones_like(radius), radius)
    return lambda g: g * (sign * (other / radius) / radius)


def _share(xp: Any, one: Array, other: Array, wins: Any) -> Any:
    """Return the pull of the larger or smaller of two, of which ties get one half each."""
    return lambda g: (
        g * (0.5 * (xp.astype(wins(one, other), g.dtype) + xp.astype(~wins(other, one), g.dtype)))
    )


def _of_logaddexp(xp: Any, y: Array, part: Array) -> Any:
    behind = xp.where(part == y, xp.zeros_like(y), part - y)  # both may be infinite
    return lambda g: g * xp.exp(behind)


def _where(xp: Any, condition: Array, chosen: bool) -> Any:
    if chosen:
        return lambda g: xp.where(condition, g, xp.zeros_like(g))
    return lambda g: xp.where(condition, xp.zeros_like(g), g)


def _greater(a: Array, b: Array) -> Array:
    return a > b


def _less(a: Array, b: Array) -> Array:
    return a < b


def _careful(xp: Any, pull: Pull) -> Pull:
    """Return a pull that gives zero for zero, also where the derivative is infinite.

    So ``where(x > 0, log(x), 0)`` has the derivative zero at 0, not 0 · ∞.
    """
    return lambda g: xp.careful(pull, g)


def _with_care(maker: Maker) -> Maker:
    return lambda xp, y, *args: _careful(xp, maker(xp, y, *args))


_MAKERS: dict[str, tuple[Maker | None, ...]] = {
    "abs": (_abs,),
    "acos": (lambda xp, y, x: lambda g: -g / xp.sqrt((1 - x) * (1 + x)),),
    "acosh": (lambda xp, y, x: lambda g: g / (xp.sqrt(x - 1) * xp.sqrt(x + 1)),),
    "add": (_unchanged, _unchanged),
    "as_dtype": (_unchanged,),
    "asin": (lambda xp, y, x: lambda g: g / xp.sqrt((1 - x) * (1 + x)),),
    "asinh": (_asinh,),
    "atan": (lambda xp, y, x: lambda g: g / (x * x + 1),),
    "atan2": (
        lambda xp, y, a, b: _of_angle(xp, b, a, 1),
        lambda xp, y, a, b: _of_angle(xp, a, b, -1),
    ),
    "atanh": (lambda xp, y, x: lambda g: g / ((1 - x) * (1 + x)),),
    "conj": (lambda xp, y, x: xp.conj,),
    "copysign": (
        lambda xp, y, a, b: lambda g: xp.where(xp.signbit(a) == xp.signbit(y), g, -g),
        None,
    ),
    "cos": (lambda xp, y, x: lambda g: -g * xp.sin(x),),
    "cosh": (lambda xp, y, x: lambda g: g * xp.sinh(x),),
    "divide": (
        lambda xp, y, a, b: lambda g: g / b,
        lambda xp, y, a, b: lambda g: -g * (y / b),
    ),
    "exp": (lambda xp, y, x: lambda g: g * y,),
    "expm1": (lambda xp, y, x: lambda g: g * xp.exp(x),),
    "hypot": (
        lambda xp, y, a, b: _of_hypot(xp, y, a),
        lambda xp, y, a, b: _of_hypot(xp, y, b),
    ),
    "imag": (lambda xp, y, x: lambda g: xp.as_dtype(g, x.dtype) * -1j,),
    "log": (lambda xp, y, x: lambda g: g / x,),
    "log10": (lambda xp, y, x: lambda g: g / (x * math.log(10)),),
    "log1p": (lambda xp, y, x: lambda g: g / (1 + x),),
    "log2": (lambda xp, y, x: lambda g: g / (x * math.log(2)),),
    "logaddexp": (
        lambda xp, y, a, b: _of_logaddexp(xp, y, a),
        lambda xp, y, a, b: _of_logaddexp(xp, y, b),
    ),
    "maximum": (
        lambda xp, y, a, b: _share(xp, a, b, _greater),
        lambda xp, y, a, b: _share(xp, b, a, _greater),
    ),
    "minimum": (
        lambda xp, y, a, b: _share(xp, a, b, _less),
        lambda xp, y, a, b: _share(xp, b, a, _less),
    ),
    "multiply": (
        lambda xp, y, a, b: lambda g: g * b,
        lambda xp, y, a, b: lambda g: g * a,
    ),
    "negative": (lambda xp, y, x: lambda g: -g,),
    "positive": (_unchanged,),
    "pow": (_pow_base, _pow_exponent),
    "real": (_unchanged,),
    "reciprocal": (lambda xp, y, x: lambda g: -g * (y * y),),
    "remainder": (
        _unchanged,
        lambda xp, y, a, b: lambda g: -g * xp.floor_divide(a, b),
    ),
    "sech_squared": (lambda xp, y, x: lambda g: g * (-2 * xp.tanh(x) * y),),
    "sin": (lambda xp, y, x: lambda g: g * xp.cos(x),),
    "sinh": (lambda xp, y, x: lambda g: g * xp.cosh(x),),
    "sqrt": (lambda xp, y, x: lambda g: g / (2 * y),),
    "square": (lambda xp, y, x: lambda g: g * (2 * x),),
    "subtract": (_unchanged, lambda xp, y, a, b: lambda g: -g),
    "tan": (lambda xp, y, x: lambda g: g * (1 + y * y),),
    "tanh": (_tanh,),
    "where": (
        None,
        lambda xp, y, condition, a, b: _where(xp, condition, True),
        lambda xp, y, condition, a, b: _where(xp, condition, False),
    ),
}

# Of these, the derivative may be infinite, or overflow.
_SINGULAR = names(
    "acos acosh asin asinh atan atan2 atanh cosh divide exp expm1 log log10 log1p log2 "
    "reciprocal remainder sinh sqrt tan"
)

ELEMENTWISE: dict[str, tuple[Maker | None, ...]] = {
    name: tuple(maker and _with_care(maker) for maker in makers) if name in _SINGULAR else makers
    for name, makers in _MAKERS.items()
}

# These map tangents otherwise than cotangents.
VJPS = {"sign": (_sign,)}
