"""Each row of a ufunc, or of its method, against NumPy, on arrays of NumPy and of the standard."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from autodiff.numpy_cases import (
    NAMESPACES,
    A,
    B,
    T,
    Z,
    by_numpy,
    check,
    given,
    mask,
    n,
    special,
    x,
    y,
    z,
)

from gdx.autodiff.numpy_names import UFUNCS, UFUNCS_NOT_TRANSLATED, ufunc_row


def words(text):
    return text.split()


UNARY_REAL = [
    *words("absolute cbrt ceil cos cosh deg2rad degrees exp exp2 expm1 fabs floor isfinite"),
    *words("isinf isnan"),
    *words("logical_not negative positive rad2deg radians rint sign signbit sin sinh square"),
    *words("tan tanh trunc arctan arcsinh conjugate"),
]
UNARY = {name: [given(special), given(A), given(np.asarray(7.0))] for name in UNARY_REAL} | {
    "arccos": [given(np.tanh(A))],
    "arccosh": [given(1 + A**2)],
    "arcsin": [given(np.tanh(A))],
    "arctanh": [given(np.tanh(A))],
    "bitwise_count": [],
    "conjugate": [given(Z), given(A)],
    "invert": [given(n), given(mask)],
    "log": [given(A**2), given(Z)],
    "log10": [given(A**2)],
    "log1p": [given(A**2)],
    "log2": [given(A**2)],
    "modf": [given(A), given(special)],
    "reciprocal": [given(A)],
    "sqrt": [given(A**2), given(n)],
}
PAIRS = [given(A, B), given(A, 0.5), given(0.5, A), given(A, [1.0, 2.0, 3.0, 4.0])]
SIGNS = [given(np.asarray([5.5, -5.5, 1e-20, -1e-20]), np.asarray([2.0, 2.0, -1.0, 1.0]))]
MISSING = [given(special, special[::-1].copy())]
COMPARISONS = words("equal not_equal less less_equal greater greater_equal maximum minimum")
ARITHMETIC = words("add subtract multiply divide arctan2 copysign hypot logaddexp logaddexp2")
LOGIC = words("logical_and logical_or logical_xor")
BITS = words("bitwise_and bitwise_or bitwise_xor left_shift right_shift")
BINARY = dict.fromkeys(COMPARISONS + ARITHMETIC, PAIRS) | {
    **{name: [given(A, mask), given(mask, mask)] for name in LOGIC},
    **{name: [given(n, n[::-1].copy())] for name in BITS},
    "divmod": [given(A, B)],
    "float_power": [given(A**2, B), given(A**2, 2)],
    "floor_divide": SIGNS + [given(A, B), given(A, 0.5)],
    "fmax": [*MISSING, given(A, B), given(n, n)],
    "fmin": [*MISSING, given(A, B), given(n, n)],
    "fmod": [*SIGNS, given(A, B), given(A, 0.5)],
    "heaviside": [given(special, np.asarray(0.5)), given(A, 0.5)],
    "matmul": [given(A, B.T.copy()), given(T, B.T.copy()), given(x, y)],
    "matvec": [given(A, A[0]), given(T, A[0])],
    "nextafter": [given(A, B)],
    "power": [given(A**2, B), given(A, 3), given(2.0, A)],
    "remainder": [*SIGNS, given(A, B)],
    "vecdot": [given(A, B), given(Z, Z)],
    "vecmat": [given(A[:, 0].copy(), A), given(z, Z)],
}
CASES_OF_UFUNCS = [
    (name, *case) for table in (UNARY, BINARY) for name, cases in table.items() for case in cases
]


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES_OF_UFUNCS)
def test_ufunc(name, args, kwargs, xp):
    with np.errstate(all="ignore"):
        check(UFUNCS[name], by_numpy(name, args, kwargs), args, kwargs, xp)


def test_every_ufunc_is_translated_or_known_not_to_be():
    ufuncs = {f.__name__ for f in vars(np).values() if isinstance(f, np.ufunc)}
    # NumPy 2.0 and 2.1 lack two of them.
    assert ufuncs <= UFUNCS.keys() | UFUNCS_NOT_TRANSLATED
    assert (UFUNCS.keys() | UFUNCS_NOT_TRANSLATED) - ufuncs <= {"matvec", "vecmat"}
    assert not UFUNCS.keys() & UFUNCS_NOT_TRANSLATED


def test_every_translated_ufunc_has_a_case():
    assert {name for name, *_ in CASES_OF_UFUNCS} == UFUNCS.keys()


UFUNC_METHODS = [
    ("add", "reduce", given(A)),
    ("add", "reduce", given(T, axis=(0, 2), keepdims=True)),
    ("add", "reduce", given(A, axis=None, initial=3.0, where=mask)),
    ("multiply", "reduce", given(A, axis=1)),
    ("maximum", "reduce", given(A)),
    ("minimum", "reduce", given(A, axis=None)),
    ("logical_and", "reduce", given(mask)),
    ("logical_or", "reduce", given(A, axis=1)),
    ("logaddexp", "reduce", given(A)),
    ("logaddexp", "reduce", given(A + 1e4, axis=1, keepdims=True)),
    ("logaddexp", "reduce", given(np.full(3, -np.inf))),
    ("add", "accumulate", given(A)),
    ("multiply", "accumulate", given(A, axis=1)),
    ("multiply", "outer", given(A, x)),
    ("subtract", "outer", given(x, [1.0, 2.0])),
    ("power", "outer", given(x**2, n)),
]


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
@pytest.mark.parametrize(("name", "method", "case"), UFUNC_METHODS)
def test_method_of_a_ufunc(name, method, case, xp):
    args, kwargs = case
    if xp is array_api_strict and name == "power":
        args = (args[0], args[1].astype(float))
    with np.errstate(all="ignore"):
        expected = getattr(getattr(np, name), method)(*args, **kwargs)
        check(ufunc_row(name, method), expected, args, kwargs, xp)


def test_methods_of_ufuncs_without_a_row():
    assert ufunc_row("add", "reduceat") is None
    assert ufunc_row("gcd") is None
    assert ufunc_row("gcd", "outer") is None
    assert ufunc_row("exp") is UFUNCS["exp"]
