"""Complex variables, by JAX's convention."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

Z = np.asarray([0.5 - 1j, 2 + 0.25j, -1 + 0.5j])


def real(z):
    xp = gdx.array_namespace(z)
    return xp.sum(xp.real(z) ** 2 * xp.imag(z) + xp.abs(z * z), axis=-1)


def test_a_real_function_as_jax_has_it():
    jax = pytest.importorskip("jax")
    expected = jax.grad(real)(jax.numpy.asarray(Z))
    np.testing.assert_allclose(gdx.numerical_gradient(real, Z), expected, rtol=1e-4)
    np.testing.assert_allclose(
        gdx.numerical_gradient(real, Z, vectorized=True), expected, rtol=1e-4
    )
    np.testing.assert_allclose(gdx.numerical_jacobian(real, Z), expected, rtol=1e-4)


def test_torch_has_the_conjugate():
    torch = pytest.importorskip("torch")
    z = torch.tensor(Z, requires_grad=True)
    real(z).backward()
    np.testing.assert_allclose(gdx.numerical_gradient(real, Z), z.grad.numpy().conj(), atol=1e-8)


def test_a_holomorphic_function_has_its_derivative():
    jax = pytest.importorskip("jax")
    f = lambda z: z**3 + 2 * z[::-1]  # noqa: E731
    expected = jax.jacobian(f, holomorphic=True)(jax.numpy.asarray(Z))
    found, error = gdx.numerical_jacobian(f, Z, return_error=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, np.diag(3 * Z**2) + 2 * np.eye(3)[::-1], atol=1e-10)
    assert error.dtype == np.float64


def test_every_library(case):
    z = case.xp.astype(case.asarray([0.5, 2.0]), case.xp.complex64) * (1 + 1j)
    found = gdx.numerical_gradient(lambda z: case.xp.sum(case.xp.abs(z) ** 2), z)
    assert case.holds(found)
    np.testing.assert_allclose(gdx.to_numpy(found), [1 - 1j, 4 - 4j], rtol=1e-2)


def test_a_tree_of_real_and_complex_arrays():
    x = {"z": Z, "a": np.asarray([2.0])}
    result = gdx.numerical_gradient(
        lambda p: p["a"][0] ** 2 * np.sum(np.abs(p["z"]) ** 2), x, full_output=True
    )
    np.testing.assert_allclose(result.value["z"], 8 * Z.conj(), atol=1e-7)
    np.testing.assert_allclose(result.value["a"], [4 * np.sum(np.abs(Z) ** 2)], rtol=1e-8)
    assert result.value["a"].dtype == np.float64
    assert result.step["z"].shape == (3,)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda z: z[0], "f must return a real number, but it returned"),
    ],
)
def test_a_gradient_needs_a_real_function(f, message):
    with pytest.raises(TypeError, match=message):
        gdx.numerical_gradient(f, Z)


def test_the_complex_step_needs_a_real_variable():
    with pytest.raises(TypeError, match="method='complex' needs a real x"):
        gdx.numerical_gradient(real, Z, method="complex")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.abs(x)),
        lambda x: np.sum(x.real**2),
        lambda x: np.linalg.norm(x),  # noqa: PLW0108
    ],
)
@pytest.mark.parametrize("n", [2, 40])
def test_the_complex_step_needs_an_analytic_function(f, n):
    for vectorized in (False, True):
        g = (lambda x: np.stack([f(row) for row in x])) if vectorized else f
        with pytest.raises(TypeError, match="f dropped the imaginary part.*method='central'"):
            gdx.numerical_gradient(g, np.ones(n), method="complex", vectorized=vectorized)


def test_the_complex_step_is_exact():
    x = np.random.default_rng(0).standard_normal(30)
    found = gdx.numerical_gradient(lambda x: np.sum(np.exp(x) / (1 + x**2)), x, method="complex")
    exact = np.exp(x) * (1 - x) ** 2 / (1 + x**2) ** 2
    np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-15)


def test_numbers_and_lists():
    f = lambda z: np.sum(abs(z) ** 2)  # noqa: E731
    found = gdx.numerical_gradient(f, 1 + 2j)
    assert found.shape == ()
    np.testing.assert_allclose(found, 2 - 4j)
    np.testing.assert_allclose(gdx.numerical_gradient(f, [1 + 2j, 3]), [2 - 4j, 6], atol=1e-8)


def test_a_step_for_each_complex_element():
    h = np.asarray([1e-3, 0.5, 0.1])
    result = gdx.numerical_gradient(real, Z, h=h, full_output=True)
    np.testing.assert_array_equal(result.step, h)
    result = gdx.numerical_gradient(
        lambda p: real(p["z"]) + p["a"], {"z": Z, "a": 1.0}, h={"z": h, "a": 0.1}, full_output=True
    )
    np.testing.assert_array_equal(result.step["z"], h)


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_of_complex_arrays(kind):
    x = kind([Z, np.asarray([2.0])])
    found = gdx.numerical_gradient(lambda p: np.sum(abs(p[0]) ** 2) * p[1][0], x)
    assert type(found) is kind
    np.testing.assert_allclose(found[0], 4 * np.conj(Z), atol=1e-8)
    np.testing.assert_allclose(found[1], [np.sum(abs(Z) ** 2)], rtol=1e-8)
