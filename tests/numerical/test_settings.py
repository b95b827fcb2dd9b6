"""Steps, bounds, f0, and what is known of a result."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gdx

X = np.random.default_rng(0).standard_normal(5)
ALL = [
    gdx.numerical_gradient,
    gdx.numerical_jacobian,
    gdx.numerical_hessian,
    gdx.numerical_hessian_diagonal,
]


def cubes(x):
    xp = gdx.array_namespace(x)
    return xp.sum(x * x * x, axis=-1)


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("method", ["central", "forward", "backward"])
@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("room", [(0, 1), (1, 0), (1e-9, 1e-3), (1e-3, 1e-2), (0, 1e-3), (1, 1)])
def test_no_evaluation_outside_of_bounds(derive, method, order, vectorized, room):
    lower, upper = X - room[0], X + room[1]
    seen = []

    def f(x):
        seen.append(np.reshape(x, (-1, 5)).copy())
        return cubes(x)

    found = derive(
        f, X.copy(), bounds=(lower, upper), method=method, order=order, vectorized=vectorized
    )
    points = np.concatenate(seen)
    assert ((lower <= points) & (points <= upper)).all()
    exact = {
        gdx.numerical_hessian: np.diag(6 * X),
        gdx.numerical_hessian_diagonal: 6 * X,
    }.get(derive, 3 * X**2)
    np.testing.assert_allclose(found, exact, atol=1e-3)


def test_bounds_on_every_library(case):
    x = case.asarray(X)
    lower = case.asarray(X)
    for bounds in ((lower, None), (lower, 10.0), (lower, case.asarray(X + 1))):
        found = gdx.numerical_gradient(cubes, x, bounds=bounds)
        assert case.holds(found)
        np.testing.assert_allclose(gdx.to_numpy(found), 3 * X**2, atol=300 * case.eps ** (2 / 3))


def test_forms_of_bounds():
    scipy = pytest.importorskip("scipy.optimize")
    expected = gdx.numerical_gradient(cubes, X, bounds=(X, np.full(5, np.inf)))
    for bounds in (
        (X, None),
        (X.tolist(), np.inf),
        scipy.Bounds(X, np.inf),
        scipy.Bounds(X, np.full(5, np.inf)),
    ):
        np.testing.assert_array_equal(gdx.numerical_gradient(cubes, X, bounds=bounds), expected)
    tree = gdx.numerical_gradient(
        lambda p: cubes(p["a"]) + cubes(p["b"]), {"a": X, "b": X}, bounds=({"a": X, "b": X}, None)
    )
    np.testing.assert_allclose(tree["b"], expected, rtol=1e-9)
    gdx.numerical_gradient(lambda p: cubes(p["a"]), {"a": X}, bounds=(-10, 10))


@pytest.mark.parametrize(
    "bounds",
    [[(0, 1)] * 5, [(0, 1), (0, 1)], ((0, 1), (0, 1)), [-1, 1], (0, 1, 2), 3, np.ones((5, 2))],
)
def test_a_list_of_pairs_is_no_bounds(bounds):
    with pytest.raises(ValueError, match=r"(?s)bounds must be \(lower, upper\).*A list of pairs"):
        gdx.numerical_gradient(cubes, X[:2], bounds=bounds)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((X + [0, 0, 1, 0, 0], None), r"x must lie within bounds; element 2 \(in C order\) is"),
        ((None, X - 1), "x must lie within bounds; element 0"),
        ((np.full(5, np.nan), None), "x must lie within bounds"),
        ((X, X), "bounds leave no room to move; element 0"),
        ((np.zeros(3), None), r"bounds must be a number or an array of the shape of x, \(5,\)"),
    ],
)
def test_bounds_that_do_not_fit(bounds, message):
    with pytest.raises(ValueError, match=message):
        gdx.numerical_gradient(lambda x: 1 / 0, X, bounds=bounds)


def test_bounds_of_a_complex_number():
    with pytest.raises(TypeError, match="complex numbers have no order"):
        gdx.numerical_gradient(lambda z: abs(z[0]), np.asarray([1j]), bounds=(0, 1))


# Steps


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_step_for_each_element(vectorized):
    h = np.asarray([0.1, 0.2, 0.3, 0.4, 0.5])
    found = gdx.numerical_gradient(cubes, X, h=h, vectorized=vectorized)
    np.testing.assert_allclose(found, 3 * X**2 + h**2, rtol=1e-12)
    found = gdx.numerical_gradient(
        lambda p: cubes(p["a"]) + cubes(p["b"]),
        {"a": X, "b": X},
        h={"a": h, "b": 0.1},
        vectorized=vectorized,
    )
    np.testing.assert_allclose(found["a"], 3 * X**2 + h**2, rtol=1e-12)
    np.testing.assert_allclose(found["b"], 3 * X**2 + 0.01, rtol=1e-12)


def test_steps_that_do_not_fit():
    with pytest.raises(ValueError, match=r"h must be a number or an array of the shape of x"):
        gdx.numerical_gradient(cubes, X, h=np.ones(3))
    with pytest.raises(ValueError, match="h must be a number or have the structure of x"):
        gdx.numerical_gradient(lambda p: cubes(p["a"]), {"a": X}, h={"b": 1.0})


@pytest.mark.parametrize("size", [3, 2000])  # of few elements the quotients are Python's floats
@pytest.mark.parametrize("bounds", [None, (0.0, 3000.0)])
@pytest.mark.parametrize(
    ("method", "order"),
    [("central", 2), ("central", 8), ("forward", 1), ("forward", 4), ("backward", 1)],
)
def test_quotients_are_divided_by_the_step_as_it_was_rounded(method, order, bounds, size):
    """In x - start there is no other rounding; h = 1e-6 is off by 1e-7 of itself at these x."""
    start = np.random.default_rng(0).uniform(1000, 2000, size)
    how = {"h": 1e-6, "method": method, "order": order, "bounds": bounds}
    found = gdx.numerical_gradient(lambda x: float(np.sum(x - start)), start.copy(), **how)
    np.testing.assert_allclose(found, 1, atol=1e-14)
    found = gdx.numerical_jacobian(lambda x: x[:3] - start[:3], start.copy(), **how)
    np.testing.assert_allclose(found, np.eye(3, size), atol=1e-14)


def sines(x):
    """Return a function that varies over 1e-8, as ones of 100 nm in metres do."""
    return np.sum(np.sin(x / 1e-8), axis=-1)


SMALL = np.asarray([1e-9, 4e-9, -2e-9])
GRADIENT = np.cos(SMALL / 1e-8) / 1e-8
CURVATURE = -np.sin(SMALL / 1e-8) / 1e-16


@pytest.mark.parametrize("x_scale", [1e-8, np.asarray([1e-8, 2e-8, 1e-8])])
@pytest.mark.parametrize("method", ["central", "forward", "backward", "complex"])
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("return_error", [False, True])
def test_x_scale_is_the_unit_of_the_steps(x_scale, method, vectorized, return_error):
    how = {"method": method, "vectorized": vectorized, "return_error": return_error}
    v = np.asarray([1.0, -2.0, 0.5])

    def value(result):
        if not return_error:
            return result
        assert (abs(result[1]) < 1e-4 * abs(result[0]).max()).all()
        return result[0]

    first = {"x_scale": x_scale, **how}
    within = 1e-6 if method not in {"forward", "backward"} else 1e-4
    found = value(gdx.numerical_gradient(sines, SMALL, **first))
    np.testing.assert_allclose(found, GRADIENT, rtol=within)
    found = value(gdx.numerical_jvp(sines, SMALL, v, **first))
    np.testing.assert_allclose(found, GRADIENT @ v, rtol=within)
    found = value(gdx.numerical_jacobian(lambda x: np.sin(x / 1e-8), SMALL, **first))
    np.testing.assert_allclose(found, np.diag(GRADIENT), rtol=within, atol=within / 1e-8)
    if method == "complex":
        return
    found = value(gdx.numerical_hessian_diagonal(sines, SMALL, **first))
    np.testing.assert_allclose(found, CURVATURE, atol=1e-2 / 1e-16)
    found = value(gdx.numerical_hessian(sines, SMALL, **first))
    np.testing.assert_allclose(found, np.diag(CURVATURE), atol=1e-2 / 1e-16)


def test_x_scale_of_trees_and_of_complex_numbers():
    f = lambda p: sines(p["a"]) + np.sum(p["b"] ** 2)  # noqa: E731
    x = {"a": SMALL, "b": np.asarray([3.0])}
    for x_scale in ({"a": 1e-8, "b": 1.0}, {"a": np.full(3, 1e-8), "b": np.asarray([1.0])}):
        found = gdx.numerical_gradient(f, x, x_scale=x_scale)
        np.testing.assert_allclose(found["a"], GRADIENT, rtol=1e-6)
        np.testing.assert_allclose(found["b"], [6.0], rtol=1e-6)
        found = gdx.numerical_hessian(f, x, x_scale=x_scale)
        np.testing.assert_allclose(found["a"]["a"], np.diag(CURVATURE), atol=1e-2 / 1e-16)
    found = gdx.numerical_jacobian(lambda z: np.sin(z / 1e-8), SMALL * (1 + 1j), x_scale=1e-8)
    exact = np.cos(SMALL * (1 + 1j) / 1e-8) / 1e-8
    np.testing.assert_allclose(np.diag(found), exact, rtol=1e-6)


def test_x_scale_keeps_the_digits_of_a_small_x():
    """At p = 1e-4, default steps of 6e-6 cost log p three digits more than ones that fit."""
    p = np.asarray([1e-4, 2e-4])
    f = lambda p: np.sum(np.log(p))  # noqa: E731
    np.testing.assert_allclose(gdx.numerical_gradient(f, p, x_scale=1e-4), 1 / p, rtol=1e-8)
    np.testing.assert_allclose(gdx.numerical_gradient(f, p, x_scale=p), 1 / p, rtol=1e-8)


@pytest.mark.parametrize(
    ("x_scale", "message"),
    [
        (0.0, "x_scale must be a positive number"),
        (True, "x_scale must be a positive number; got True"),
        (np.asarray([1.0, -1.0, 1.0, 1.0, 1.0]), "x_scale must be a positive number for each"),
        (np.ones(3), "x_scale must be a number or an array of the shape of x"),
        ("large", "x_scale must be a"),
    ],
)
@pytest.mark.parametrize("derive", ALL)
def test_scales_that_do_not_fit(derive, x_scale, message):
    with pytest.raises((TypeError, ValueError), match=message):
        derive(cubes, X, x_scale=x_scale)


@pytest.mark.parametrize("derive", ALL)
def test_h_and_x_scale_exclude_each_other(derive):
    with pytest.raises(ValueError, match=r"h and x_scale exclude each other.*got h=0\.1"):
        derive(cubes, X, h=0.1, x_scale=1.0)


def test_an_x_scale_that_makes_steps_vanish():
    with (
        pytest.warns(RuntimeWarning, match="x_scale=1e-20 makes steps that vanish"),
        pytest.warns(RuntimeWarning, match="a step vanished"),
    ):
        assert np.isnan(gdx.numerical_gradient(cubes, X, x_scale=1e-20)).all()


def test_a_large_coordinate_beside_a_small_one():
    x = np.asarray([1e8, 1e-3])
    for vectorized in (False, True):
        found = gdx.numerical_gradient(
            lambda v: np.sum((v / x) ** 2, axis=-1), x.copy(), vectorized=vectorized
        )
        np.testing.assert_allclose(found, 2 / x, rtol=1e-6)


# Results


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("return_error", [False, True])
@pytest.mark.parametrize("tree", [False, True])
def test_full_output(derive, return_error, tree):
    calls = []
    of = (lambda x: x["a"]) if tree else (lambda x: x)

    def f(x):
        calls.append(1)
        return cubes(of(x))

    x = {"a": X.copy()} if tree else X.copy()
    result = derive(f, x, full_output=True, return_error=return_error)
    assert isinstance(result, gdx.Derivative)
    assert result.nfev == len(calls)
    assert of(result.step).shape == (5,)
    assert (of(result.step) > 0).all()
    inner = of(of(result.value)) if tree and derive is gdx.numerical_hessian else of(result.value)
    assert inner.shape in ((5,), (5, 5))
    assert (result.error is None) is not return_error
    pair = derive(f, x, return_error=True)
    assert isinstance(pair, tuple)


def test_f0_saves_an_evaluation():
    f0 = cubes(X)
    for derive in ALL:
        method = {"method": "forward"}
        known = derive(cubes, X, f0=f0, full_output=True, **method)
        unknown = derive(cubes, X, full_output=True, **method)
        assert known.nfev == unknown.nfev - 1
        np.testing.assert_array_equal(known.value, unknown.value)
    wrong = gdx.numerical_gradient(cubes, X, f0=f0 + 1e-6, method="forward")
    assert abs(wrong - 3 * X**2).max() > 1


def test_where_f_is_not_finite(case):
    def f(x):
        xp = case.xp
        return xp.sum(x * x) + xp.where(x[1] == 0, x[1], math.nan * x[1])

    x = case.asarray([1.0, 0.0, 3.0])
    if case.on_host:
        with pytest.warns(RuntimeWarning, match=r"not finite beside x.*element \(1,\) is NaN"):
            result = gdx.numerical_gradient(f, x, full_output=True)
    else:
        result = gdx.numerical_gradient(f, x, full_output=True)
    assert gdx.to_numpy(result.not_finite).tolist() == [False, True, False]
    np.testing.assert_allclose(
        gdx.to_numpy(result.value)[[0, 2]], [2, 6], rtol=60 * case.eps ** (2 / 3)
    )


def test_many_elements_that_are_not_finite():
    with pytest.warns(RuntimeWarning, match=r"elements \(0,\), .*\(4,\), \.\.\. are NaN") as caught:
        gdx.numerical_gradient(lambda x: float("nan"), np.ones(40))
    assert caught[0].filename == __file__


# Dtypes


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax.numpy"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_coarse_dtypes(library, dtype, vectorized):
    xp = pytest.importorskip(library)
    if not hasattr(xp, dtype):
        pytest.skip(f"{library} has no {dtype}")
    x = xp.asarray([1.0, -2.0, 0.5], dtype=getattr(xp, dtype))
    found = gdx.numerical_gradient(lambda x: (x * x).sum(-1), x, vectorized=vectorized)
    assert found.dtype == x.dtype
    eps = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23}[dtype]
    np.testing.assert_allclose(
        np.asarray(gdx.to_numpy(found), dtype=np.float64), [2, -4, 1], atol=12 * eps ** (2 / 3)
    )


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("n", [3, 40])
def test_steps_follow_a_coarser_f(vectorized, n):
    x = np.linspace(1, 3, n)
    result = gdx.numerical_gradient(
        lambda x: np.sum(x.astype(np.float32) ** 2, axis=-1),
        x,
        vectorized=vectorized,
        full_output=True,
    )
    assert result.value.dtype == np.float64
    np.testing.assert_allclose(result.value, 2 * x, rtol=2e-2)
    assert result.nfev == 4 * n


# What is counted, and what is left as it was


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("options", [{}, {"return_error": True}, {"bounds": (-9, 9)}])
@pytest.mark.parametrize("method", ["central", "forward"])
@pytest.mark.parametrize("tree", [False, True])
def test_evaluations_are_counted(derive, options, method, tree):
    calls = []

    def f(x):
        calls.append(1)
        return sum(map(cubes, x.values())) if tree else cubes(x)

    x = {"a": X.copy(), "b": X.copy(), "none": np.ones(0)} if tree else X.copy()
    for known in ({}, {"f0": f(x)}):
        calls.clear()
        result = derive(f, x, method=method, full_output=True, **options, **known)
        assert result.nfev == len(calls)


def test_f_of_x_is_evaluated_once_for_all_arrays():
    x = {name: X.copy() for name in "abc"}
    f = lambda x: sum(map(cubes, x.values()))  # noqa: E731
    assert gdx.numerical_gradient(f, x, method="forward", full_output=True).nfev == 15 + 1
    assert gdx.numerical_hessian_diagonal(f, x, full_output=True).nfev == 30 + 1


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("return_error", [False, True])
def test_the_step_is_what_it_was(derive, return_error):
    """Cut at the bounds, and the same when x has moved on."""
    x = X.copy()
    lower = X - [0.1, 9, 9, 9, 9]
    result = derive(
        cubes,
        x,
        h=0.5,
        bounds=(lower, X + 0.15),
        method="backward",
        return_error=return_error,
        full_output=True,
    )
    x[:] = 1e6
    reach = 1 if derive in (gdx.numerical_gradient, gdx.numerical_jacobian) else 2
    cut = derive is gdx.numerical_hessian  # in which all elements move together
    np.testing.assert_allclose(result.step[0], 0.15 / reach)
    if not cut:
        np.testing.assert_allclose(result.step[1:], 0.5)


@pytest.mark.parametrize("derive", ALL)
def test_no_bounds_at_all(derive):
    np.testing.assert_array_equal(derive(cubes, X, bounds=(None, None)), derive(cubes, X))
    assert gdx.numerical_jvp(cubes, X, X, bounds=(None, None)) == gdx.numerical_jvp(cubes, X, X)


def test_options_of_some_arrays_alone():
    x = {"a": X, "b": X}
    f = lambda p: cubes(p["a"]) + cubes(p["b"])  # noqa: E731
    options = {"h": {"a": 1e-3, "b": None}, "bounds": ({"a": X, "b": None}, None)}
    found = gdx.numerical_hessian(f, x, full_output=True, **options)
    np.testing.assert_allclose(found.step["a"], 1e-3)
    assert (found.step["b"] < 1e-3).all()
    np.testing.assert_allclose(found.value["b"]["b"], np.diag(6 * X), atol=1e-4)
    found = gdx.numerical_gradient(f, x, **options)
    np.testing.assert_allclose(found["b"], 3 * X**2, atol=1e-8)


def test_trees_without_arrays():
    assert gdx.numerical_gradient(lambda p: 1.0, {}) == {}
    assert gdx.numerical_hessian(lambda p: 1.0, {}) == {}
    with pytest.raises(ValueError, match=r"x must hold an array; got \{\}"):
        gdx.numerical_jvp(lambda p: 1.0, {}, {})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"order": 6.0}, "order must be an integer, 1 or more; got 6.0"),
        ({"order": 3}, r"order must be 2 or 4 or 6 or 8 for method='central'; got 3"),
        ({"method": ["central"]}, "method must be a name"),
    ],
)
def test_methods_that_do_not_exist(how, message):
    gdx.numerical_gradient(cubes, X, order=6)
    with pytest.raises(ValueError, match=message):
        gdx.numerical_gradient(cubes, X, **how)


@pytest.mark.parametrize("order", [2, 8])
@pytest.mark.parametrize("room", [(3e-9, 2e-9), (1.0, 2e-9), (0.0, 1e-9), (1e-6, 3e-6)])
def test_little_room_is_used_as_scipy_does(order, room):
    """Two sides, cut, where that is no narrower than one; no stencil that multiplies rounding."""
    numdiff = pytest.importorskip("scipy.optimize._numdiff")
    x = np.asarray([10.0, 9.63])

    def f(x):
        return np.stack([x[0] * np.sin(x[1]), x[1] * np.cos(x[0]), x[0] ** 3 * x[1] ** -0.5])

    bounds = (x - room[0], x + room[1])
    found = gdx.numerical_jacobian(f, x, bounds=bounds, order=order)
    a, b = x
    exact = np.asarray(
        [
            [np.sin(b), a * np.cos(b)],
            [-b * np.sin(a), np.cos(a)],
            [3 * a**2 * b**-0.5, -0.5 * a**3 * b**-1.5],
        ]
    )
    theirs = numdiff.approx_derivative(f, x, method="3-point", bounds=bounds)
    assert abs(found - exact).max() <= 5 * abs(theirs - exact).max()
