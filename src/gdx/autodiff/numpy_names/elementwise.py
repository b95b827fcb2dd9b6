"""Functions of each element that are no ufuncs, and what chooses among elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import FUNCTIONS, NotTranslated, translate, translates
from gdx.backends import Array, Namespace


@translates("round", "around")
def _round(xp: Namespace, a: Any, decimals: int = 0) -> Array:
    a = given.array(xp, a)
    if decimals == 0 or (decimals > 0 and not given.is_floating(xp, a)):
        return xp.round(a)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return xp.round(a * scale) / scale
    return xp.astype(xp.round(given.floating(xp, a) / scale) * scale, a.dtype)


@translates("clip")
def _clip(
    xp: Namespace, a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Array:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return xp.clip(*given.alike(xp, given.array(xp, a, given.found(low, high)), low, high))


@translates("imag")
def _imag(xp: Namespace, val: Any) -> Array:
    return xp.imag(val) if given.has_imaginary(xp, val) else xp.zeros_like(val)


@translates("angle")
def _angle(xp: Namespace, z: Any, deg: bool = False) -> Array:
    z = given.floating(xp, z)
    angle = xp.atan2(_imag(xp, z), given.real(xp, z))
    return angle * (180 / math.pi) if deg else angle


@translates("sinc")
def _sinc(xp: Namespace, x: Any) -> Array:
    """Return sin(πx)/(πx): near 0 by its series, which has all derivatives there."""
    t = math.pi * given.floating(xp, x)
    near = xp.abs(t) < 1
    square = xp.where(near, t * t, xp.zeros_like(t))
    series = xp.ones_like(t)
    for n in range(18, 1, -2):
        series = 1 - square / (n * (n + 1)) * series
    far = xp.where(near, xp.ones_like(t), t)
    return xp.where(near, series, xp.sin(far) / far)


@translates("nan_to_num")
def _nan_to_num(
    xp: Namespace,
    x: Any,
    copy: bool = True,
    *,
    nan: Any = 0.0,
    posinf: Any = None,
    neginf: Any = None,
) -> Array:
    if not copy:
        raise NotTranslated("copy=False assigns to x; use the array that is returned")
    x = given.array(xp, x)
    if not given.is_floating(xp, x):
        return x
    if given.has_imaginary(xp, x):
        known = {"nan": nan, "posinf": posinf, "neginf": neginf}
        return _nan_to_num(xp, xp.real(x), **known) + 1j * _nan_to_num(xp, xp.imag(x), **known)
    largest = float(xp.finfo(x.dtype).max)
    x = xp.where(xp.isnan(x), nan, x)
    x = xp.where(x == math.inf, largest if posinf is None else posinf, x)
    return xp.where(x == -math.inf, -largest if neginf is None else neginf, x)


@translates("isclose")
def _isclose(
    xp: Namespace, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Array:
    a, b = given.floatings(xp, a, b)
    close = (xp.abs(a - b) <= atol + rtol * xp.abs(b)) & xp.isfinite(b) | (a == b)
    return close | (xp.isnan(a) & xp.isnan(b)) if equal_nan else close


@translates("array_equal")
def _array_equal(xp: Namespace, a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    a1, a2 = given.arrays(xp, a1, a2)
    if tuple(a1.shape) != tuple(a2.shape):
        return False
    equal = a1 == a2
    if equal_nan:
        a1, a2 = given.floatings(xp, a1, a2)
        equal = equal | xp.isnan(a1) & xp.isnan(a2)
    return xp.all(equal)


@translates("where")
def _where(xp: Namespace, condition: Any, x: Any = None, y: Any = None) -> Any:
    like = given.found(condition, x, y)
    condition = given.truths(xp, condition, like)
    if x is None and y is None:
        return xp.nonzero(condition)
    if given.is_array(x) or given.is_array(y) or given.found(x, y) is not None:
        return xp.where(condition, *given.alike(xp, x, y))
    common = np.result_type(np.asarray(x), np.asarray(y))
    made = (given.array(xp, np.asarray(v).astype(common).tolist(), like) for v in (x, y))
    return xp.where(condition, *made)


@translates("select")
def _select(xp: Namespace, condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    like = given.found(choicelist, default, condlist)
    choices = [given.array(xp, choice, like) for choice in choicelist]
    result = xp.astype(given.array(xp, default, like), choices[0].dtype)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = xp.where(given.truths(xp, condition, like), choice, result)
    return result


translate(
    {
        "allclose": lambda xp, *args, **kwargs: xp.all(FUNCTIONS["isclose"](xp, *args, **kwargs)),
        "astype": given.cast,
        "fix": lambda xp, x: xp.trunc(given.array(xp, x)),
        "iscomplexobj": given.has_imaginary,
        "isneginf": lambda xp, x: given.array(xp, x) == -math.inf,
        "isposinf": lambda xp, x: given.array(xp, x) == math.inf,
        "isrealobj": lambda xp, x: not given.has_imaginary(xp, x),
        "real": given.real,
        "result_type": lambda xp, *arrays_and_dtypes: xp.result_type(*arrays_and_dtypes),
    }
)
