"""Second derivatives, against closed forms and SciPy's Rosenbrock."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

RNG = np.random.default_rng(0)


def cubic(x):
    """x0² x1 + x1² x2 + x2³, for arrays and stacks."""
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    return a * a * b + b * b * c + c * c * c


def its_hessian(x):
    a, b, c = x
    return np.asarray([[2 * b, 2 * a, 0], [2 * a, 2 * c, 2 * b], [0, 2 * b, 6 * c]])


X = np.asarray([0.5, -1.5, 0.7])
WAYS = [("central", None), ("central", 4), ("forward", 2), ("backward", 3)]


@pytest.mark.parametrize(("method", "order"), WAYS)
@pytest.mark.parametrize("vectorized", [False, True])
def test_hessian(case, method, order, vectorized):
    x = case.asarray(X)
    options = {"method": method, "order": order, "vectorized": vectorized}
    found = gdx.numerical_hessian(cubic, x, **options)
    diagonal = gdx.numerical_hessian_diagonal(cubic, x, **options)
    for array in (found, diagonal):
        assert case.holds(array)
        assert array.dtype == x.dtype
    host = gdx.to_numpy(found)
    np.testing.assert_array_equal(host, host.T)
    tolerance = (60 if order == 4 else 400) * case.eps ** (1 / 2)
    np.testing.assert_allclose(host, its_hessian(X), atol=tolerance)
    np.testing.assert_allclose(gdx.to_numpy(diagonal), np.diag(its_hessian(X)), atol=tolerance)
    np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(case.asarray(X)))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_every_size(case, n):
    x = np.linspace(1, 2, n)
    found = gdx.numerical_hessian(lambda x: case.xp.sum(x * x * x), case.asarray(x))
    np.testing.assert_allclose(gdx.to_numpy(found), np.diag(6 * x), atol=400 * case.eps ** (1 / 2))


def test_evaluations():
    calls = []

    def f(x):
        calls.append(1)
        return cubic(x)

    result = gdx.numerical_hessian(f, X, full_output=True)
    assert result.nfev == len(calls) == 3**2 + 3 + 1
    calls.clear()
    result = gdx.numerical_hessian(f, X, f0=cubic(X), full_output=True)
    assert result.nfev == len(calls) == 3**2 + 3
    calls.clear()
    result = gdx.numerical_hessian_diagonal(f, X, full_output=True)
    assert result.nfev == len(calls) == 7


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 10, 30])
def test_rosenbrock(n):
    optimize = pytest.importorskip("scipy.optimize")
    x = RNG.standard_normal(n)
    exact = optimize.rosen_hess(x)
    found = gdx.numerical_hessian(optimize.rosen, x)
    np.testing.assert_allclose(found, exact, atol=1e-5 * abs(exact).max())
    found, error = gdx.numerical_hessian(optimize.rosen, x, return_error=True)
    np.testing.assert_allclose(found, exact, atol=1e-11 * abs(exact).max())
    assert (abs(found - exact) <= 10 * error).mean() >= 0.95


@pytest.mark.parametrize("shape", [(), (1,), (2, 2), (0,), (0, 3)])
def test_shapes(shape):
    x = RNG.standard_normal(shape)
    weights = RNG.standard_normal(shape + shape)
    axes = len(shape)
    found = gdx.numerical_hessian(
        lambda x: np.tensordot(np.tensordot(weights, x, axes), x, axes), x
    )
    assert found.shape == shape + shape
    n = x.size
    symmetric = weights.reshape(n, n) + weights.reshape(n, n).T
    np.testing.assert_allclose(found, symmetric.reshape(shape + shape), atol=1e-6)


def test_a_tree_of_trees(case):
    x = {"W": case.asarray([[1.0, 2.0]]), "b": case.asarray([3.0])}
    xp = case.xp
    for vectorized in (False, True):
        found = gdx.numerical_hessian(
            lambda p: xp.sum(p["W"][..., 0, :] ** 2, axis=-1) * p["b"][..., 0],
            x,
            vectorized=vectorized,
        )
        near = {"atol": 400 * case.eps ** (1 / 2)}
        assert found["W"]["W"].shape == (1, 2, 1, 2)
        np.testing.assert_allclose(gdx.to_numpy(found["W"]["W"])[0, :, 0], [[6, 0], [0, 6]], **near)
        np.testing.assert_allclose(gdx.to_numpy(found["W"]["b"])[0, :, 0], [2, 4], **near)
        np.testing.assert_allclose(gdx.to_numpy(found["b"]["W"])[0, 0], [2, 4], **near)
        np.testing.assert_allclose(gdx.to_numpy(found["b"]["b"]), [[0]], **near)


def test_a_tree_with_steps_bounds_and_error():
    x = {"W": np.asarray([1.0, 2.0]), "b": np.asarray([3.0])}
    f = lambda p: np.sum(p["W"] ** 2) * p["b"][0]  # noqa: E731
    lower = {"W": np.asarray([1.0, 0.0]), "b": np.asarray([0.0])}
    result = gdx.numerical_hessian(
        f, x, h={"W": 1e-3, "b": np.asarray([1e-2])}, bounds=(lower, None), full_output=True
    )
    np.testing.assert_allclose(result.value["W"]["W"], [[6, 0], [0, 6]], atol=1e-6)
    np.testing.assert_allclose(result.step["W"], 1e-3)
    np.testing.assert_allclose(result.step["b"], 1e-2)
    _, error = gdx.numerical_hessian(f, x, return_error=True)
    assert error["W"]["b"].shape == (2, 1)


def test_in_place_contract():
    x = X.copy()
    found = gdx.numerical_hessian(lambda ignored: cubic(x), x)
    np.testing.assert_allclose(found, its_hessian(X), atol=1e-5)
    assert x.tolist() == X.tolist()


def test_standard_errors_of_a_logistic_regression():
    """The Hessian of its log-likelihood is X' diag(p (1 - p)) X, here of a condition of 1e6."""
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((300, 3)) * [1.0, 30.0, 1000.0], np.asarray([0.3, -0.02, 0.001])
    p = 1 / (1 + np.exp(-x @ b))
    y = (rng.random(300) < p) * 1.0
    exact = np.sqrt(np.diag(np.linalg.inv(x.T * (p * (1 - p)) @ x)))

    def loss(b):
        return np.sum(np.log1p(np.exp(x @ b)) - y * (x @ b))

    off, counts = [], []
    for order in (2, 4):
        found = gdx.numerical_hessian(
            loss, b, order=order, x_scale=np.asarray([1.0, 1 / 30, 1e-3]), full_output=True
        )
        counts.append(found.nfev)
        errors = np.sqrt(np.diag(np.linalg.inv(found.value)))
        off.append(abs(errors / exact - 1).max())
    assert counts == [13, 25]
    assert off[0] < 1e-6
    assert off[1] < 1e-8


def test_no_complex_step():
    with pytest.raises(ValueError, match="first derivatives only"):
        gdx.numerical_hessian(cubic, X, method="complex")


def test_a_function_that_does_not_react():
    with pytest.warns(RuntimeWarning, match="did not react"):
        assert not gdx.numerical_hessian(lambda x: 3.0, X).any()


def test_nothing_is_read_from_a_device(no_host_sync):
    xp = no_host_sync
    x = xp.ones((3,), device=xp.Device("device1"))
    bounds = (xp.zeros_like(x), xp.ones_like(x))
    for options in ({}, {"vectorized": True}, {"bounds": bounds}, {"return_error": True}):
        gdx.numerical_hessian(cubic, x, **options)
        gdx.numerical_hessian_diagonal(cubic, x, **options)
        gdx.numerical_gradient(cubic, x, **options)
        gdx.numerical_jacobian(cubic, x, **options)
    gdx.numerical_jvp(cubic, x, x)
    gdx.numerical_jvp(cubic, x, x, bounds=bounds)
    gdx.numerical_jacobian(lambda x: x * 2, x, sparsity=np.eye(3))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_more_pairs_than_fit_one_stack(library):
    """Every pair of elements is moved from x itself."""
    xp = pytest.importorskip(library)
    x = np.linspace(1, 2, 70)
    found = gdx.numerical_hessian(lambda x: (x**3).sum() + x[0] * x[69], xp.asarray(x))
    exact = np.diag(6 * x)
    exact[0, 69] = exact[69, 0] = 1
    np.testing.assert_allclose(gdx.to_numpy(found), exact, atol=1e-4)
