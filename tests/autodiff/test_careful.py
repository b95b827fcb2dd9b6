"""Derivatives where a formula divides by zero, overflows, or has more than one answer."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import gdx

inf, nan = np.inf, np.nan


def check(f, x, expected, **options):
    """Compare the gradient of the sum of f(xp, x), and that in forward mode."""
    x = np.asarray(x, dtype=float)

    def total(x):
        xp = gdx.array_namespace(x)
        return xp.sum(f(xp, x))

    np.testing.assert_allclose(gdx.grad(total)(x), expected, rtol=1e-12, atol=1e-300, **options)
    for i in np.ndindex(x.shape):
        v = np.zeros_like(x)
        v[i] = 1
        tangent = gdx.jvp(total, (x,), (v,))[1]
        if np.isfinite(np.asarray(expected)[i]):
            np.testing.assert_allclose(tangent, np.asarray(expected)[i], rtol=1e-12, atol=1e-300)


def second(f, x, expected):
    x = np.asarray(x, dtype=float)
    hessian = gdx.hessian(lambda x: gdx.array_namespace(x).sum(f(gdx.array_namespace(x), x)))(x)
    np.testing.assert_allclose(hessian, expected, rtol=1e-10, atol=1e-12)


def test_products_with_zeros():
    check(lambda xp, x: xp.prod(x), [2.0, 0.0, 3.0], [0, 6, 0])
    check(lambda xp, x: xp.prod(x), [0.0, 0.0, 3.0], [0, 0, 0])
    second(lambda xp, x: xp.prod(x), [0.0, 0.0, 3.0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]])
    check(lambda xp, x: xp.cumulative_prod(x), [2.0, 0.0, 3.0], [1, 2 + 6, 0])
    second(lambda xp, x: xp.cumulative_prod(x)[2], [0.0, 0.0, 3.0], [[0, 3, 0], [3, 0, 0], [0] * 3])


def test_equal_elements_share():
    third = 1 / 3
    check(lambda xp, x: xp.max(x), [2.0, 2.0, 1.0, 2.0], [third, third, 0, third])
    check(lambda xp, x: xp.min(x, axis=0), [[1.0, 2.0], [1.0, 3.0]], [[0.5, 1], [0.5, 0]])
    check(lambda xp, x: xp.maximum(x, 2.0), [1.0, 2.0, 3.0], [0, 0.5, 1])
    check(lambda xp, x: xp.clip(x, 1.0, 3.0), [0.0, 1.0, 2.0, 3.0, 4.0], [0, 1, 1, 1, 0])
    check(lambda xp, x: xp.abs(x), [-1.0, 0.0, 2.0], [-1, 0, 1])
    weights = np.asarray([1.0, 2.0, 4.0])
    check(lambda xp, x: xp.sort(x) * weights, [5.0, 5.0, 1.0], [2, 4, 1])
    check(lambda xp, x: np.median(x), [3.0, 1.0, 3.0, 7.0], [0.5, 0, 0.5, 0])


UNUSED = {
    "log": (lambda xp, x: xp.log(x), [1.0, 0.0, -1.0]),
    "sqrt": (lambda xp, x: xp.sqrt(x), [1.0, 0.0, -1.0]),
    "1 / x": (lambda xp, x: 1 / x, [1.0, 0.0, -0.0]),
    "x**0.5": (lambda xp, x: x**0.5, [4.0, 0.0, -2.0]),
    "x**-2": (lambda xp, x: x**-2, [4.0, 0.0, -0.0]),
    "exp": (lambda xp, x: xp.exp(-x), [1.0, -1e5, -1e3]),
    "expm1": (lambda xp, x: xp.expm1(-x), [1.0, -1e5, -1e3]),
    "log1p": (lambda xp, x: xp.log1p(x - 1), [1.0, 0.0, -1.0]),
    "atanh": (lambda xp, x: xp.atanh(1 - x), [1.0, 0.0, -1.0]),
    "acos": (lambda xp, x: xp.acos(1 - x), [1.0, 0.0, -1.0]),
    "reciprocal": (lambda xp, x: xp.reciprocal(x), [1.0, 0.0, -0.0]),
}


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
@pytest.mark.parametrize("name", UNUSED)
def test_an_infinite_branch_that_is_not_taken(name):
    f, points = UNUSED[name]
    x = np.asarray(points)

    def chosen(x):
        xp = gdx.array_namespace(x)
        return xp.sum(xp.where(x > 0, f(xp, x), 0.0))

    gradient = gdx.grad(chosen)(x)
    alone = gdx.grad(lambda x: gdx.array_namespace(x).sum(f(gdx.array_namespace(x), x)))(x[:1])
    np.testing.assert_allclose(gradient, [alone[0], 0, 0], rtol=1e-14)
    curvature = gdx.hessian(chosen)(x)
    assert np.isfinite(curvature).all()
    np.testing.assert_allclose(
        curvature[0, 0], gdx.numerical_hessian(chosen, x[:1])[0, 0], rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_what_depends_on_a_zero_cotangent_is_not_lost():
    """The derivative of (log x - log 2)² at 2 is zero, its second derivative is not."""
    second(lambda xp, x: (xp.log(x) - xp.log(xp.asarray(2.0))) ** 2, [2.0], [[0.5]])
    second(lambda xp, x: (x / 2 - 1) ** 2, [2.0], [[0.5]])
    second(lambda xp, x: (xp.sqrt(x) - 2) ** 2, [4.0], [[1 / 8]])
    assert gdx.grad(np.sqrt)(0.0) == inf


def test_norms_at_zero():
    check(lambda xp, x: xp.linalg.vector_norm(x), [0.0, 0.0], [0, 0])
    check(lambda xp, x: xp.linalg.vector_norm(x), [3.0, 4.0], [0.6, 0.8])
    check(lambda xp, x: xp.linalg.matrix_norm(x), [[0.0, 0.0], [0.0, 0.0]], np.zeros((2, 2)))
    check(lambda xp, x: np.linalg.norm(x), [0.0, 0.0], [0, 0])
    check(lambda xp, x: xp.hypot(x, 0.0), [0.0, -2.0], [0, -1])
    check(lambda xp, x: xp.std(x), [2.0, 2.0, 2.0], [0, 0, 0])
    assert gdx.grad(abs)(0j) == 0


def test_powers():
    check(lambda xp, x: x**0, [0.0, 2.0, -3.0], [0, 0, 0])
    check(lambda xp, x: x**1, [0.0, 2.0, -3.0], [1, 1, 1])
    check(lambda xp, x: x**2, [0.0, 2.0, -3.0], [0, 4, -6])
    second(lambda xp, x: x**1, [0.0], [[0]])
    second(lambda xp, x: x**3, [0.0], [[0]])
    exponents = np.asarray([0.0, 1.0, 2.0])
    check(lambda xp, x: x**exponents, [0.0, 0.0, 0.0], [0, 1, 0])
    check(lambda xp, b: xp.asarray([0.0, 2.0]) ** b, [2.0, 3.0], [0, 8 * np.log(2)])


@pytest.mark.parametrize(
    ("name", "derivative", "x"),
    [
        ("log1p", lambda x: 1 / (1 + x), [1e-300, 1e-17, -1e-17, 1e300]),
        ("expm1", mpmath.exp, [1e-17, -40.0, -700.0]),
        ("asinh", lambda x: 1 / mpmath.sqrt(1 + x * x), [1e-10, 1e150]),
        ("acos", lambda x: -1 / mpmath.sqrt(1 - x * x), [1 - 1e-14, -1 + 1e-15]),
        ("atanh", lambda x: 1 / (1 - x * x), [1 - 1e-14, -1 + 1e-15]),
        ("acosh", lambda x: 1 / mpmath.sqrt(x * x - 1), [1 + 1e-14, 1e150]),
    ],
)
def test_accurate_at_the_ends(name, derivative, x):
    mpmath.mp.dps = 400
    exact = [float(derivative(mpmath.mpf(v))) for v in x]
    check(lambda xp, x: getattr(xp, name)(x), x, exact)


def test_angles_and_logarithms_of_sums():
    check(lambda xp, x: xp.atan2(x[0], x[1]), [0.0, 0.0], [0, 0])
    check(lambda xp, x: xp.atan2(x[0], x[1]), [1e-200, 1e-200], [0.5e200, -0.5e200])
    check(lambda xp, x: xp.logaddexp(x[0], x[1]), [1e5, -1e5], [1, 0])
    check(lambda xp, x: xp.logaddexp(x[0], x[1]), [3.0, -inf], [1, 0])
    check(lambda xp, x: xp.logaddexp(x[0], x[1]), [2.0, 2.0], [0.5, 0.5])


def test_equal_eigenvalues():
    symmetric = np.diag([2.0, 2.0, 5.0])
    eigenvalues = lambda xp, x: xp.linalg.eigh(x)[0]  # noqa: E731
    check(lambda xp, x: xp.sum(eigenvalues(xp, x) ** 3), symmetric, np.diag([12.0, 12, 75]))
    gradient = gdx.grad(lambda x: np.sum(np.linalg.svd(x, compute_uv=False)))(np.eye(3) * 2)
    np.testing.assert_allclose(gradient, np.eye(3), atol=1e-12)


def test_empty_arrays_and_arrays_without_axes():
    empty = np.zeros((0, 3))
    gradient = gdx.grad(lambda x: np.sum(x * x) + np.sum(np.exp(x), axis=0)[0] * 0)(empty)
    assert gradient.shape == (0, 3)
    assert gdx.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)
    gradient = gdx.grad(lambda x: x * x)(np.asarray(3.0))
    assert type(gradient) is np.ndarray
    assert gradient.shape == ()
    assert gdx.grad(np.prod)(np.zeros(0)).shape == (0,)
    assert gdx.grad(lambda x: np.sum(x[..., None] @ x[None, ...]))(np.zeros(0)).shape == (0,)


def test_dtypes_are_kept():
    for dtype in ("float16", "float32", "complex64"):
        x = np.ones(3, dtype=dtype)
        assert gdx.grad(lambda x: abs((x * np.float64(2)).sum()))(x).dtype == dtype


def test_complex_statistics_and_powers(jax64):
    z = np.asarray([1 + 2j, 3 - 1j, 0.5j])
    jnp, close = jax64.numpy, np.testing.assert_allclose
    for ours, theirs in ((np.std, jnp.std), (np.var, jnp.var)):
        close(gdx.grad(ours)(z), jax64.grad(lambda z, f=theirs: f(z))(z), rtol=1e-12)
    ours = gdx.vjp(lambda z: (-2.0) ** z, 1.5 + 1j)[1](1.0)[0]
    close(ours, jax64.grad(lambda z: (-2.0 + 0j) ** z, holomorphic=True)(1.5 + 1j))
    modulus = gdx.grad(lambda x: np.abs(x[0] + 1j * x[1]) ** 2)(np.asarray([1.0, 2.0]))
    np.testing.assert_allclose(modulus, [2, 4])


def test_derivatives_of_the_cross_entropy():
    """Of high order where logits are tied; of targets that are zero; of rows without a target."""

    def tied(s):
        return gdx.softmax_cross_entropy(np.stack([s, 0 * s, 3 * s]), 0)

    third = gdx.grad(gdx.grad(gdx.grad(tied)))
    assert third(0.0) == pytest.approx(20 / 27, rel=1e-12)
    assert gdx.grad(third)(0.0) == pytest.approx(-98 / 27, rel=1e-12)
    y = np.asarray([0.2, 0.3, 0.5])
    gradient = gdx.grad(lambda t: gdx.cross_entropy_error(y, t))(np.asarray([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(gradient, -np.log(y + 1e-7))
    assert gdx.softmax_cross_entropy([nan, 0.0, 1.0], [0.0, 0.0, 0.0]) == 0
    many = np.zeros((70_000, 2), np.float16)
    labels = np.zeros(70_000, int)
    slope = gdx.grad(lambda z: gdx.softmax_cross_entropy(z, labels) * 1024)(many)[0, 0]
    assert slope == pytest.approx(-1024 / 140_000, rel=1e-2)


def test_the_sign_of_complex_numbers():
    z, w = np.asarray([1 + 2j, -0.5 + 0.3j]), np.asarray([0.3 - 1j, 2 + 0.5j])

    def f(z):
        return (np.sign(z) * w).sum().real

    np.testing.assert_allclose(gdx.grad(f)(z), gdx.numerical_gradient(f, z), rtol=1e-8)
    v = np.asarray([0.2j, 1.0])
    quotient = (np.sign(z + 1e-6 * v) - np.sign(z - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(gdx.jvp(np.sign, (z,), (v,))[1], quotient, rtol=1e-8)


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"shape \(2, 3\), and y has \(3,\): write y = y \+ v"),
        (1j, TypeError, "complex128, and y of float64"),
    ],
)
def test_what_does_not_fit_in_place(other, error, message):
    def f(x):
        y = x * 1
        y += other
        return abs(y).sum()

    with pytest.raises(error, match=message):
        gdx.grad(f)(np.ones(3))
