"""Each row of the tables against NumPy, on NumPy's arrays and on those of array_api_strict."""

from __future__ import annotations

import operator

import array_api_compat.numpy
import array_api_strict
import numpy as np
import pytest
from autodiff.numpy_cases import (
    CASES,
    NAMESPACES,
    A,
    B,
    S,
    Z,
    by_numpy,
    check,
    given,
    same,
    up,
    values,
    x,
    y,
)

from gdx.autodiff.numpy_names import (
    ATTRIBUTES,
    FUNCTIONS,
    METHODS,
    WAY_OUT,
    NotTranslated,
    name_of,
)


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
@pytest.mark.parametrize(
    ("name", "args", "kwargs"), [(name, *case) for name, cases in CASES.items() for case in cases]
)
def test_function(name, args, kwargs, xp):
    with np.errstate(all="ignore"):
        check(FUNCTIONS[name], by_numpy(name, args, kwargs), args, kwargs, xp)


def test_every_function_has_a_case():
    assert FUNCTIONS.keys() == CASES.keys()


def test_names_are_those_of_numpy():
    # NumPy 2.0 lacks three of them.
    for name in FUNCTIONS.keys() - {"cumulative_prod", "cumulative_sum", "unstack"}:
        assert name_of(operator.attrgetter(name)(np)) == name
    for name in WAY_OUT:
        assert name not in FUNCTIONS or name == "sort"


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
def test_what_has_no_values_to_compare(xp):
    a = xp.asarray(A)
    assert FUNCTIONS["empty_like"](xp, a).shape == (3, 4)
    assert FUNCTIONS["result_type"](xp, a, a) == xp.float64


def test_eigh_reads_the_triangle_it_is_told():
    for uplo in "LU":
        found, expected = FUNCTIONS["linalg.eigh"](np, S, UPLO=uplo), np.linalg.eigh(S, uplo)
        same(found[0], expected[0])
        same(np.abs(found[1]), np.abs(expected[1]))  # up to a sign


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
def test_lists_may_hold_arrays(xp):
    first, second = xp.asarray(x)[0], xp.asarray(x)[1]
    same(values(FUNCTIONS["dot"](xp, [first, second], [2.0, 3.0]), xp), x[0] * 2 + x[1] * 3)
    same(values(FUNCTIONS["sum"](xp, [[first, 1.0], [second, 2]]), xp), x[0] + x[1] + 3)


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("sum", (A,), {"out": np.zeros(4)}, "out="),
        ("sum", (A, 0, None, np.zeros(4)), {}, "out="),
        ("zeros_like", (A,), {"dtype": "S3"}, "dtype"),
        ("cov", (A,), {"fweights": [1, 2, 3, 4]}, "fweights="),
        ("quantile", (A, 0.5), {"method": "inverted_cdf"}, "method"),
        ("pad", (A, 1, "mean"), {}, "mode"),
        ("interp", (x, up, y), {"period": 1.0}, "period"),
        ("linalg.qr", (A, "raw"), {}, "mode"),
        ("cross", (A, B), {}, "three"),
    ],
)
def test_what_is_not_translated_says_so(name, args, kwargs, message):
    with pytest.raises(NotTranslated, match=message):
        FUNCTIONS[name](array_api_compat.numpy, *args, **kwargs)


def test_a_traced_level_of_a_quantile_is_not_translated():
    level = array_api_strict.asarray(0.5)
    for name in ("quantile", "percentile"):
        with pytest.raises(NotTranslated, match="must be a number"):
            FUNCTIONS[name](array_api_strict, array_api_strict.asarray(x), level)


@pytest.mark.parametrize(
    ("subscripts", "operands", "error"),
    [
        ("ij,jk", (A,), "2 operands"),
        ("ijk", (A,), "does not fit"),
        ("ij->k", (A,), "once"),
        ("ij->ii", (A,), "once"),
        ("ij,ij", (A, S), "two sizes"),
        ("i1", (A,), "letters"),
    ],
)
def test_einsum_refuses(subscripts, operands, error):
    with pytest.raises(ValueError, match=error):
        FUNCTIONS["einsum"](array_api_compat.numpy, subscripts, *operands)


def test_no_value_counts_as_not_given():
    same(FUNCTIONS["sum"](array_api_compat.numpy, A, keepdims=np._NoValue), A.sum())
    same(METHODS["argmax"](array_api_compat.numpy, A, dtype=None), A.argmax())  # as CuPy calls it


# ------------------------------------------------------------------ methods

CASES_OF_METHODS = {
    "astype": [given(np.float32)],
    "clip": [given(-0.5, 0.5), given(max=0.1)],
    "compress": [given([True, False, True], 0)],
    "conj": [given()],
    "flatten": [given()],
    "reshape": [given(4, 3), given((4, 3)), given(-1), given([2, 6])],
    "std": [given(0, ddof=1), given(axis=(0, 1), keepdims=True)],
    "sum": [given(), given(0), given(axis=-1, keepdims=True)],
    "swapaxes": [given(0, 1)],
    "take": [given([0, 1], axis=1)],
    "transpose": [given(), given(1, 0), given((1, 0)), given(None)],
}


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "strict"])
@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [(name, *case) for name, cases in CASES_OF_METHODS.items() for case in cases],
)
def test_method(name, args, kwargs, xp):
    check(METHODS[name], getattr(A, name)(*args, **kwargs), (A, *args), kwargs, xp)


def test_methods_are_those_of_ndarray():
    assert all(hasattr(np.ndarray, name) for name in METHODS.keys() - {"ptp"})
    for name, row in ATTRIBUTES.items():
        same(row(array_api_compat.numpy, Z), getattr(Z, name))
