"""Sums, products, extrema, and what else reduces an array or accumulates along it."""

from __future__ import annotations

import math
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import FUNCTIONS, Row, translate, translates, words
from gdx.backends import Array, Namespace

# The standard's function of one array, axis= and keepdims=, where dtypes follow NumPy's rules.
DIRECT_FUNCTIONS = {
    name: name for name in words("all any argmax argmin max mean min prod std sum var")
} | {"amax": "max", "amin": "min"}


def _reduced(name: str, neutral: Any, combined: str) -> Row:
    """Return the row of a sum or a product, or of an extreme, of which nothing is neutral."""

    def row(
        xp: Namespace, a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False,
        initial: Any = None, where: Any = True,
    ) -> Array:  # fmt: skip
        a = given.numbers(xp, a)
        if given.leaves_out(where):
            other = initial if neutral is None else neutral
            if other is None:
                raise ValueError(f"{name} with where= needs initial=, as in NumPy")
            a = xp.where(given.truths(xp, where, a), a, other)
        known = {} if dtype is None else {"dtype": given.known_dtype(xp, dtype)}
        y = getattr(xp, name)(a, axis=axis, keepdims=keepdims, **known)
        return y if initial is None else getattr(xp, combined)(y, initial)

    return row


def _of_truths(name: str) -> Row:
    def row(
        xp: Namespace, a: Any, axis: Any = None, keepdims: bool = False, *, where: Any = True
    ) -> Array:
        a = given.truths(xp, a)
        if given.leaves_out(where):
            chosen = given.truths(xp, where, a)
            a = a | ~chosen if name == "all" else a & chosen
        return getattr(xp, name)(a, axis=axis, keepdims=keepdims)

    return row


def _place_of(name: str) -> Row:
    return lambda xp, a, axis=None, *, keepdims=False: getattr(xp, name)(
        given.numbers(xp, a), axis=axis, keepdims=keepdims
    )


def _accumulated(name: str) -> Row:
    def row(xp: Namespace, a: Any, axis: Any = None, dtype: Any = None) -> Array:
        a, axis = given.raveled(xp, a, axis)
        return getattr(xp, name)(
            given.numbers(xp, a), axis=axis, dtype=given.known_dtype(xp, dtype)
        )

    return row


def _as_in_the_standard(name: str) -> Row:
    return lambda xp, x, *, axis=None, dtype=None, include_initial=False: getattr(xp, name)(
        given.numbers(xp, x),
        axis=axis,
        dtype=given.known_dtype(xp, dtype),
        include_initial=include_initial,
    )


def _without_nan(name: str, value: float) -> Row:
    """Return the row of a function of NumPy that leaves NaN out: it becomes `value`."""

    def row(xp: Namespace, a: Any, *args: Any, **kwargs: Any) -> Array:
        a = given.floating(xp, a)
        return FUNCTIONS[name](xp, xp.where(xp.isnan(a), value, a), *args, **kwargs)

    return row


def _extreme_without_nan(name: str, value: float) -> Row:
    def row(xp: Namespace, a: Any, axis: Any = None, keepdims: bool = False) -> Array:
        a = given.floating(xp, a)
        unknown = xp.isnan(a)
        best = getattr(xp, name)(xp.where(unknown, value, a), axis=axis, keepdims=keepdims)
        return xp.where(xp.all(unknown, axis=axis, keepdims=keepdims), math.nan, best)

    return row


translates("max", "amax")(_reduced("max", None, "maximum"))
translates("min", "amin")(_reduced("min", None, "minimum"))

translate(
    {
        "all": _of_truths("all"),
        "any": _of_truths("any"),
        "argmax": _place_of("argmax"),
        "argmin": _place_of("argmin"),
        "count_nonzero": lambda xp, a, axis=None, *, keepdims=False: xp.sum(
            given.integers(xp, given.truths(xp, a)), axis=axis, keepdims=keepdims
        ),
        "cumprod": _accumulated("cumulative_prod"),
        "cumsum": _accumulated("cumulative_sum"),
        "cumulative_prod": _as_in_the_standard("cumulative_prod"),
        "cumulative_sum": _as_in_the_standard("cumulative_sum"),
        "nanargmax": _without_nan("argmax", -math.inf),
        "nanargmin": _without_nan("argmin", math.inf),
        "nancumprod": _without_nan("cumprod", 1.0),
        "nancumsum": _without_nan("cumsum", 0.0),
        "nanmax": _extreme_without_nan("max", -math.inf),
        "nanmin": _extreme_without_nan("min", math.inf),
        "nanprod": _without_nan("prod", 1.0),
        "nansum": _without_nan("sum", 0.0),
        "prod": _reduced("prod", 1, "multiply"),
        "ptp": lambda xp, a, axis=None, keepdims=False: (
            xp.max(a, axis=axis, keepdims=keepdims) - xp.min(a, axis=axis, keepdims=keepdims)
        ),
        "sum": _reduced("sum", 0, "add"),
    }
)
