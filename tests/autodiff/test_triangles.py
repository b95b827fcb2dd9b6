"""Functions of symmetric matrices read one triangle, and have symmetric gradients."""

import numpy as np
import pytest

import gdx

RNG = np.random.default_rng(7)


def _definite(n):
    a = RNG.standard_normal((n, n))
    return a @ a.T + n * np.eye(n)


SYMMETRIC = _definite(4)
MATRICES = {
    "symmetric": SYMMETRIC,
    "not symmetric": SYMMETRIC + np.triu(RNG.standard_normal((4, 4)), 1),
    "complex": SYMMETRIC + 1j * RNG.standard_normal((4, 4)) / 3,
    "stack": np.stack([_definite(3), _definite(3) + np.triu(np.ones((3, 3)), 1)]),
}


def values_in_trace(function, x):
    """Return what a function gives of a traced array, as plain arrays."""
    return gdx.value_and_grad(lambda x: (np.sum(np.abs(x) ** 2), function(x)), has_aux=True)(x)[0][
        1
    ]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("uplo", ["L", "U", "l", "u"])
def test_values_are_those_of_numpy(uplo, matrix):
    x = MATRICES[matrix]
    values, vectors = values_in_trace(lambda x: tuple(np.linalg.eigh(x, uplo)), x)
    expected = np.linalg.eigh(x, uplo)
    np.testing.assert_array_equal(values, expected.eigenvalues)
    np.testing.assert_array_equal(vectors, expected.eigenvectors)
    alone = values_in_trace(lambda x: np.linalg.eigvalsh(x, UPLO=uplo), x)
    np.testing.assert_allclose(alone, np.linalg.eigvalsh(x, uplo), rtol=1e-13)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_is_that_of_numpy(upper, matrix):
    x = MATRICES[matrix]
    factor = values_in_trace(lambda x: np.linalg.cholesky(x, upper=upper), x)
    np.testing.assert_allclose(factor, np.linalg.cholesky(x, upper=upper), atol=1e-14)


@pytest.mark.parametrize("function", ["eigh", "eigvalsh"])
def test_another_triangle_is_an_error(function):
    with pytest.raises(ValueError, match="UPLO argument must be 'L' or 'U'"):
        gdx.grad(lambda x: np.sum(getattr(np.linalg, function)(x, "X")[0]))(SYMMETRIC)


WEIGHTS = np.cos(np.arange(16.0)).reshape(4, 4)
FUNCTIONS = {
    "eigvalsh": lambda x: np.sum(np.linalg.eigvalsh(x) * WEIGHTS[0]),
    "eigvalsh, upper": lambda x: np.sum(np.linalg.eigvalsh(x, "U") * WEIGHTS[0]),
    "eigh": lambda x: np.sum(np.linalg.eigh(x)[1] * WEIGHTS),
    "eigh, upper": lambda x: np.sum(np.linalg.eigh(x, "U")[1] * WEIGHTS),
    "cholesky": lambda x: np.sum(np.linalg.cholesky(x) * WEIGHTS),
    "cholesky, upper": lambda x: np.sum(np.linalg.cholesky(x, upper=True) * WEIGHTS),
    "log det": lambda x: np.sum(np.log(np.diagonal(np.linalg.cholesky(x)))) + np.sum(x * x),
}


def slope(f, x, v, h=1e-5):
    """Return the derivative along v, by central differences of fourth order."""
    near, far = f(x + h * v) - f(x - h * v), f(x + 2 * h * v) - f(x - 2 * h * v)
    return (8 * near - far) / (12 * h)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_along_symmetric_changes(name):
    f = FUNCTIONS[name]
    gradient = gdx.grad(f)(SYMMETRIC)
    np.testing.assert_allclose(gradient, gradient.T, rtol=1e-10, atol=1e-12)
    for _ in range(3):
        v = RNG.standard_normal((4, 4))
        v = v + v.T
        np.testing.assert_allclose(np.sum(gradient * v), slope(f, SYMMETRIC, v), rtol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_of_a_symmetrised_argument(name):
    """Where f symmetrises its argument, the gradient is that of f at any matrix."""
    x = MATRICES["not symmetric"]
    symmetrised = lambda x: FUNCTIONS[name]((x + x.T) / 2)  # noqa: E731
    v = RNG.standard_normal((4, 4))
    gradient = gdx.grad(symmetrised)(x)
    np.testing.assert_allclose(np.sum(gradient * v), slope(symmetrised, x, v), rtol=1e-7)


@pytest.mark.parametrize("engine", [None, "tracer"])
@pytest.mark.parametrize("name", ["eigvalsh", "cholesky"])
def test_engines_agree_at_symmetric_matrices(case, engine, name):
    x = case.asarray(SYMMETRIC)
    xp = gdx.array_namespace(x)
    if not hasattr(getattr(xp, "linalg", None), name):
        pytest.skip(f"{case.library} has no linalg.{name}")
    if (case.library, name) == ("dask", "cholesky"):
        pytest.xfail("array_api_compat returns Dask's upper factor, whatever is asked for")
    weights = case.asarray(WEIGHTS[0] if name == "eigvalsh" else WEIGHTS)

    def f(x):
        xp = gdx.array_namespace(x)
        return xp.sum(getattr(xp.linalg, name)(x) * weights)

    expected = gdx.grad(FUNCTIONS[name])(SYMMETRIC)
    gradient = gdx.to_numpy(gdx.grad(f, engine=engine)(x))
    np.testing.assert_allclose(gradient, expected, atol=1e3 * case.eps)


BIG = _definite(40)


@pytest.mark.parametrize(
    "x",
    [SYMMETRIC, {"K": SYMMETRIC, "b": np.ones(4)}, np.stack([SYMMETRIC, 2 * SYMMETRIC])],
    ids=["matrix", "tree", "stack"],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_gradient_at_symmetric_matrices(name, x):
    def f(x):
        if isinstance(x, dict):
            return FUNCTIONS[name](x["K"]) + np.sum(x["b"] ** 2)
        return FUNCTIONS[name](x) if x.ndim == 2 else sum(FUNCTIONS[name](part) for part in x)

    check = gdx.check_gradient(f, x)
    assert (check.verdict, check.cause) == ("correct", "triangle"), str(check)
    assert "right for symmetric changes of x" in check.message
    assert check.remainder_order == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("name", ["eigvalsh, largest", "log det"])
def test_check_gradient_at_a_large_symmetric_matrix(name):
    f = {"eigvalsh, largest": lambda x: np.linalg.eigvalsh(x)[-1]}.get(name) or FUNCTIONS[name]
    check = gdx.check_gradient(f, BIG)
    assert (check.verdict, check.cause) == ("correct", "triangle"), str(check)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_gradient_at_other_matrices(name):
    f, x = FUNCTIONS[name], MATRICES["not symmetric"]
    check = gdx.check_gradient(f, x)
    assert (check.verdict, check.cause) == ("wrong", "triangle"), str(check)
    assert "write f of (x + x.T) / 2" in check.message
    check = gdx.check_gradient(lambda x: f((x + x.T) / 2), x)
    assert (check.verdict, check.cause) == ("correct", None), str(check)


WRONG = {
    "doubled": (lambda g: 2 * g, SYMMETRIC),
    "negated": (lambda g: -g, SYMMETRIC),
    "one element": (lambda g: g + 0.1 * np.eye(4)[0], SYMMETRIC),
    "a symmetric error": (lambda g: g + 0.1, SYMMETRIC),
    "one triangle once": (np.tril, SYMMETRIC),
    "doubled, large": (lambda g: 2 * g, BIG),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_gradient_still_finds_what_is_wrong(name):
    change, x = WRONG[name]
    f = FUNCTIONS["log det"]
    assert gdx.check_gradient(f, x, change(gdx.grad(f)(x))).verdict == "wrong"


def test_check_gradient_takes_the_gradient_of_the_triangle_itself():
    f = FUNCTIONS["cholesky"]
    gradient = gdx.grad(f)(SYMMETRIC)
    of_triangle = np.tril(gradient) + np.tril(gradient, -1)
    check = gdx.check_gradient(f, SYMMETRIC, of_triangle)
    assert (check.verdict, check.cause) == ("correct", None), str(check)


def test_a_transposed_gradient_is_wrong_at_a_symmetric_matrix():
    factor = RNG.standard_normal((4, 4))
    check = gdx.check_gradient(lambda x: np.sum(factor * x), SYMMETRIC, factor.T)
    assert (check.verdict, check.cause) == ("wrong", "transpose")
