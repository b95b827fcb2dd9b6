"""Where f is evaluated: on stacks of what size, and what happens when f does not do its part."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gdx
from gdx.backends import LIBRARIES, libraries
from gdx.numerical import evaluation

X = np.random.default_rng(0).standard_normal((4, 5))


def curved(x):
    """For arrays and stacks of any library."""
    xp = gdx.array_namespace(x)
    axes = tuple(range(x.ndim - 2, x.ndim))
    return xp.sum(xp.exp(-x) + x * x * x, axis=axes)


def its_gradient(x):
    return 3 * x**2 - np.exp(-x)


@pytest.mark.parametrize("max_bytes", [None, 1, 400, 1000, 10**9])
@pytest.mark.parametrize("method", ["central", "backward"])
def test_stacks_of_every_size(case, max_bytes, method):
    sizes = []

    def f(stack):
        sizes.append(stack.shape[0])
        return curved(stack)

    x = case.asarray(X)
    found = gdx.numerical_gradient(f, x, vectorized=True, max_bytes=max_bytes, method=method)
    assert case.holds(found)
    assert found.dtype == x.dtype
    power = 2 / 3 if method == "central" else 1 / 2
    np.testing.assert_allclose(gdx.to_numpy(found), its_gradient(X), atol=60 * case.eps**power)
    assert sum(sizes) == (40 if method == "central" else 21)
    if max_bytes == 1:
        assert set(sizes) == {1}
    np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(case.asarray(X)))


def test_stacks_and_single_points_agree_to_the_bit():
    def f(x):
        return x[..., 0, 0] * 3 + x[..., 1, 2] ** 2 / 7 - x[..., 3, 4] ** 3

    for method in ("central", "forward", "complex"):
        for order in (None, 2):
            options = {"method": method, "order": order}
            np.testing.assert_array_equal(
                gdx.numerical_gradient(f, X, vectorized=True, **options),
                gdx.numerical_gradient(f, X, **options),
            )


def test_a_tree_of_stacks(case):
    def f(p):
        xp = case.xp
        assert p["W"].shape[0] == p["b"][0].shape[0]
        return xp.sum(p["W"] * p["W"], axis=(-2, -1)) * p["b"][0][..., 0] + p["b"][1]

    x = {"W": case.asarray(X), "b": [case.asarray([2.0]), case.asarray(1.0)]}
    found = gdx.numerical_gradient(f, x, vectorized=True)
    near = {"rtol": 200 * case.eps ** (2 / 3), "atol": 200 * case.eps ** (2 / 3)}
    np.testing.assert_allclose(gdx.to_numpy(found["W"]), 4 * X, **near)
    np.testing.assert_allclose(gdx.to_numpy(found["b"][0]), [np.sum(X**2)], **near)
    np.testing.assert_allclose(gdx.to_numpy(found["b"][1]), 1, **near)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (np.sum, r"shape \(40,\) for a stack of shape \(40, 4, 5\).*it returned an array of shape"),
        (lambda x: x.sum(axis=-1), r"\(40,\).*an array of shape \(40, 4\)"),
        (lambda x: 1.0, r"\(40,\).*returned 1.0"),
        (lambda x: None, r"\(40,\).*returned None"),
        (lambda x: [1.0] * 40, r"\(40,\).*returned \[1.0"),
    ],
)
def test_a_wrong_shape_of_the_stack(f, message):
    with pytest.raises(ValueError, match=message):
        gdx.numerical_gradient(f, X, vectorized=True)


def test_a_wrong_shape_of_the_stack_in_a_jacobian():
    with pytest.raises(ValueError, match=r"\(40, ...\).*shape \(4, 5\)"):
        gdx.numerical_jacobian(lambda x: x[0], X, vectorized=True)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x**2 + x[0],
        lambda x: np.cumsum(x, 0),
        lambda x: np.exp(x) / np.sum(np.exp(x)),
    ],
)
@pytest.mark.parametrize("method", ["central", "forward", "complex"])
def test_f_that_mixes_the_points_of_a_stack(f, method):
    """Its values have the right shape, and would give wrong derivatives in silence."""
    x = np.asarray([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"f mixes the points of a stack.*x\[\.\.\., 0\]"):
        gdx.numerical_jacobian(f, x, vectorized=True, method=method)
    with pytest.raises(ValueError, match="f mixes the points of a stack"):
        gdx.numerical_jvp(f, x, x, vectorized=True, method=method)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["central", "forward", "backward"])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_rounding_is_not_taken_for_mixed_points(library, dtype, method, offset):
    """Residuals at a solution are all rounding, and stacks of two sizes round otherwise."""
    xp = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    for _ in range(5):
        A, x = rng.standard_normal((300, 200)), rng.standard_normal(200)
        matrix = xp.asarray(A, dtype=getattr(xp, dtype))
        solution = xp.asarray(x, dtype=getattr(xp, dtype))
        right = matrix @ solution

        def residuals(x, matrix=matrix, right=right):
            return x @ matrix.T - right + offset

        found = gdx.numerical_jacobian(residuals, solution, vectorized=True, method=method)
        assert found.shape == (300, 200)


def test_a_view_of_the_stack():
    found = gdx.numerical_gradient(lambda x: x[:, 1, 1], X, vectorized=True, max_bytes=1)
    assert found.sum() == pytest.approx(1)
    assert found[1, 1] == 1


# f that changes its argument


def test_the_stack_cannot_be_changed_on_numpy():
    def f(x):
        x -= 1
        return curved(x)

    with pytest.raises(ValueError, match="read-only") as caught:
        gdx.numerical_gradient(f, X, vectorized=True, max_bytes=1000)
    assert "f raised this at a stack of" in caught.value.__notes__[0]


@pytest.mark.parametrize("n", [3, 50])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_f_must_not_change_its_argument(library, n):
    xp = pytest.importorskip(library)

    def f(x):
        x[1] += 1.0
        return (x * x).sum()

    x = xp.ones(n, dtype=xp.float64)
    with pytest.raises(ValueError, match="f must not change its argument"):
        gdx.numerical_gradient(f, x)
    assert x.tolist() == [1.0] * n


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    "derive",
    [
        gdx.numerical_gradient,
        gdx.numerical_jacobian,
        gdx.numerical_hessian,
        gdx.numerical_hessian_diagonal,
    ],
)
def test_x_survives_an_f_that_changes_it(library, vectorized, derive):
    xp = pytest.importorskip(library)

    def f(x):
        x[..., 0] = 0
        return (x * x).sum(-1)

    x = xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64)
    for options in ({}, {"method": "forward"}, {"return_error": True}):
        if library == "numpy" or not vectorized:
            with pytest.raises(ValueError, match="must not change its argument|read-only"):
                derive(f, x, vectorized=vectorized, **options)
        else:
            derive(f, x, vectorized=vectorized, **options)
        assert x.tolist() == [1, 2, 3]


def test_an_exception_names_the_element():
    def f(x):
        if x[1, 2] != X[1, 2]:
            raise ZeroDivisionError
        return 1.0

    with pytest.raises(ZeroDivisionError) as caught:
        gdx.numerical_gradient(f, X.copy())
    assert caught.value.__notes__ == ["f raised this with the element (1, 2) of x moved."]


# Memory


@pytest.fixture(params=["numpy", "torch", "jax"])
def narrow(request):
    """A library whose arrays of more than three points do not fit."""
    backend = gdx.backend
    with pytest.MonkeyPatch.context():
        try:
            with gdx.using(request.param, fallback=None):
                yield backend().xp
        except gdx.BackendUnavailableError as error:
            pytest.skip(str(error))


ERRORS = {
    "numpy": MemoryError("Unable to allocate 8 GiB"),
    "torch": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
    "jax": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"),
}


def test_too_large_stacks_are_halved(narrow):
    sizes = []

    def f(stack):
        if stack.shape[0] > 3:
            raise ERRORS[gdx.backend().name]
        sizes.append(stack.shape[0])
        return curved(stack)

    x = gdx.asarray(X)
    found = gdx.numerical_gradient(f, x, vectorized=True)
    np.testing.assert_allclose(gdx.to_numpy(found), its_gradient(X), atol=1e-2)
    assert sum(sizes) == 40
    assert max(sizes) <= 3


def test_one_point_that_is_too_large(narrow):
    def f(stack):
        raise ERRORS[gdx.backend().name]

    with pytest.raises(MemoryError, match=r"at one point, of (80|160) bytes") as caught:
        gdx.numerical_gradient(f, gdx.asarray(X), vectorized=True)
    assert caught.value.__cause__ is ERRORS[gdx.backend().name]


def test_other_errors_are_not_taken_for_it():
    def f(stack):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        gdx.numerical_gradient(f, X, vectorized=True)


def test_stacks_follow_the_free_memory_of_a_device(monkeypatch):
    sizes = []

    def f(stack):
        sizes.append(stack.shape[0])
        return curved(stack)

    small = dataclasses.replace(LIBRARIES["numpy"], free_bytes=lambda x: 16 * 7 * x.nbytes)
    monkeypatch.setattr(evaluation, "library", lambda xp: small)
    gdx.numerical_gradient(f, X, vectorized=True)
    assert max(sizes) == 7
    assert libraries.LIBRARIES["numpy"].free_bytes(X) is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"vectorized": 1}, TypeError, "vectorized must be True or False; got 1"),
        ({"max_bytes": 100}, ValueError, "write vectorized=True"),
        ({"vectorized": True, "max_bytes": 0}, ValueError, "max_bytes must be an integer, 1 or"),
    ],
)
def test_options_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        gdx.numerical_gradient(curved, X, **options)


def test_memory_runs_out_at_x(narrow):
    def f(stack):
        raise ERRORS[gdx.backend().name]

    with pytest.raises(MemoryError, match="at one point"):
        gdx.numerical_hessian(f, gdx.asarray(X), vectorized=True)


def test_memory_that_is_not_aligned():
    x = np.frombuffer(bytearray(25), np.uint8)[1:].view(float)
    found = gdx.numerical_gradient(lambda x: np.sum(x**2) + x[0], x)
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-9)
