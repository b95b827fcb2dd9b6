"""Jacobians, products with them, and sparse ones, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import gdx
from gdx.numerical.sparsity import grouped

RNG = np.random.default_rng(0)


def mixed(x):
    """From (3,) to (2, 2), written for arrays and for stacks of them."""
    xp = gdx.array_namespace(x)
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    flat = xp.stack([a * b, b * b * b, xp.sin(c), a + 2 * c], axis=-1)
    return xp.reshape(flat, (*x.shape[:-1], 2, 2))


def its_jacobian(x):
    a, b, c = x
    rows = [[b, a, 0], [0, 3 * b * b, 0], [0, 0, np.cos(c)], [1, 0, 2]]
    return np.asarray(rows).reshape(2, 2, 3)


X = np.asarray([0.5, -1.5, 0.7])


@pytest.mark.parametrize("method", ["central", "forward", "backward", "complex"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_each_method(case, method, vectorized):
    x = case.asarray(X)
    found = gdx.numerical_jacobian(mixed, x, method=method, vectorized=vectorized)
    assert case.holds(found)
    assert found.dtype == x.dtype
    assert found.shape == (2, 2, 3)
    power = {"central": 2 / 3, "complex": 1}.get(method, 1 / 2)
    np.testing.assert_allclose(gdx.to_numpy(found), its_jacobian(X), atol=60 * case.eps**power)
    np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(case.asarray(X)))


@pytest.mark.parametrize(
    ("shape_of_x", "f", "shape"),
    [
        ((), lambda x: x * 2.0, ()),
        ((1,), np.sum, (1,)),
        ((2, 3), np.sum, (2, 3)),
        ((2, 3), lambda x: x[:1], (1, 3, 2, 3)),
        ((3,), lambda x: x[None, :, None], (1, 3, 1, 3)),
        ((3,), lambda x: [x[0], 2 * x[1]], (2, 3)),
        ((3,), lambda x: x[:0], (0, 3)),
        ((0,), lambda x: np.ones(2), (2, 0)),
        ((2, 0), lambda x: 1.0, (2, 0)),
    ],
)
def test_shapes_are_never_squeezed(shape_of_x, f, shape):
    x = RNG.standard_normal(shape_of_x)
    assert gdx.numerical_jacobian(f, x).shape == shape
    result = gdx.numerical_jacobian(f, x, return_error=True, full_output=True)
    assert result.value.shape == result.error.shape == shape
    assert result.step.shape == result.value.shape[len(shape) - len(shape_of_x) :]


def test_a_number_of_f_is_its_gradient():
    x = RNG.standard_normal((2, 3))
    f = lambda x: np.sum(np.exp(x))  # noqa: E731
    np.testing.assert_array_equal(gdx.numerical_jacobian(f, x), gdx.numerical_gradient(f, x))


def test_complex_values_of_a_real_variable():
    found = gdx.numerical_jacobian(lambda x: np.exp(1j * x), X)
    np.testing.assert_allclose(found, np.diag(1j * np.exp(1j * X)), atol=1e-9)


def test_a_tree(case):
    x = {"W": case.asarray(np.eye(2) + 1), "b": [case.asarray([3.0, 4.0])]}
    for vectorized in (False, True):
        found = gdx.numerical_jacobian(
            lambda p: p["W"][..., 0, :] * p["b"][0], x, vectorized=vectorized
        )
        tolerance = 60 * case.eps ** (2 / 3)
        rows = np.zeros((2, 2, 2))
        rows[0, 0, 0], rows[1, 0, 1] = 3, 4
        np.testing.assert_allclose(gdx.to_numpy(found["W"]), rows, atol=tolerance)
        np.testing.assert_allclose(gdx.to_numpy(found["b"][0]), [[2, 0], [0, 1]], atol=tolerance)


def test_in_place_contract():
    x = X.copy()
    found = gdx.numerical_jacobian(lambda ignored: mixed(x), x)
    np.testing.assert_allclose(found, its_jacobian(X), atol=1e-8)
    assert x.tolist() == X.tolist()


def test_arrays_of_two_shapes():
    with pytest.raises(ValueError, match=r"arrays of one shape, but it returned \(2,\) and \(1,\)"):
        gdx.numerical_jacobian(lambda x: x[: 2 if x[0] > 0.5 else 1], X)


# Products


@pytest.mark.parametrize("method", ["central", "forward", "backward", "complex"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_jvp(case, method, vectorized):
    v = np.asarray([1.0, -2.0, 30.0])
    x = case.asarray(X)
    result = gdx.numerical_jvp(
        mixed, x, case.asarray(v), method=method, vectorized=vectorized, full_output=True
    )
    assert case.holds(result.value)
    assert result.value.shape == (2, 2)
    # Whether f mixes the points of a stack, and whether it is analytic.
    checks = (3 * vectorized + (method == "complex")) * case.on_host
    assert result.nfev == (1 if method == "complex" else 2) + checks
    power = {"central": 2 / 3, "complex": 1}.get(method, 1 / 2)
    np.testing.assert_allclose(
        gdx.to_numpy(result.value), its_jacobian(X) @ v, atol=1000 * case.eps**power
    )


def test_jvp_of_trees_and_numbers(case):
    x = {"W": case.asarray(np.eye(2) + 1), "b": case.asarray([3.0, 4.0])}
    v = {"W": case.asarray(np.ones((2, 2))), "b": case.asarray([1.0, 0.0])}
    xp = case.xp
    found = gdx.numerical_jvp(lambda p: xp.sum(p["W"][0, :] * p["b"]), x, v)
    assert case.holds(found)
    assert found.shape == ()
    np.testing.assert_allclose(gdx.to_numpy(found), 9, rtol=60 * case.eps ** (2 / 3))
    assert gdx.numerical_jvp(lambda x: x**3, 2.0, 10.0) == pytest.approx(120)


def test_jvp_along_nothing_and_along_what_f_ignores():
    assert gdx.numerical_jvp(mixed, X, np.zeros(3)).tolist() == [[0, 0], [0, 0]]
    assert gdx.numerical_jvp(lambda x: x[0], X, np.asarray([0.0, 1.0, 0.0])) == 0


def test_jvp_steps_x_in_place_and_puts_it_back():
    x = X.copy()
    found = gdx.numerical_jvp(lambda ignored: mixed(x), x, np.ones(3))
    np.testing.assert_allclose(found, its_jacobian(X).sum(-1), atol=1e-8)
    assert x.tolist() == X.tolist()
    with pytest.raises(ZeroDivisionError):
        gdx.numerical_jvp(lambda ignored: 1 / 0, x, np.ones(3))
    assert x.tolist() == X.tolist()


def test_jvp_moves_no_element_far():
    """A coordinate of 1e8 beside one of 1e-3: the second would be lost in a step for the first."""
    x, v = np.asarray([1e8, 1e-3]), np.asarray([1e8, 1e-3])
    found = gdx.numerical_jvp(lambda x: np.sum((x / v) ** 2), x, v)
    assert found == pytest.approx(4, rel=1e-8)


def test_jvp_within_bounds():
    seen = []

    def f(x):
        seen.append(x.copy())
        return x**2

    lower = X - np.asarray([0, 1, 1])
    found = gdx.numerical_jvp(f, X, np.asarray([1.0, -3.0, 2.0]), bounds=(lower, None))
    assert (np.asarray(seen) >= lower).all()
    np.testing.assert_allclose(found, 2 * X * [1, -3, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("v", "message"),
    [
        (np.ones(2), r"v must have the shape of x, \(3,\); got \(2,\)"),
        ({"W": np.ones(3)}, "v must hold real numbers"),
    ],
)
def test_wrong_directions(v, message):
    with pytest.raises((ValueError, TypeError), match=message):
        gdx.numerical_jvp(mixed, X, v)
    with pytest.raises(ValueError, match="v must have the structure of x"):
        gdx.numerical_jvp(lambda p: p["W"], {"W": X}, X)


# Sparse ones


def chain(x):
    """A tridiagonal Jacobian."""
    xp = gdx.array_namespace(x)
    zero = xp.zeros_like(x[..., :1])
    return (
        x**2 + xp.concat([x[..., 1:], zero], axis=-1) - 3 * xp.concat([zero, x[..., :-1]], axis=-1)
    )


def its_tridiagonal(x):
    n = len(x)
    return np.diag(2 * x) + np.eye(n, k=1) - 3 * np.eye(n, k=-1)


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_band_needs_as_many_evaluations_as_it_is_wide(case, vectorized):
    x = RNG.standard_normal(50)
    band = its_tridiagonal(x) != 0
    result = gdx.numerical_jacobian(
        chain, case.asarray(x), sparsity=band, vectorized=vectorized, full_output=True
    )
    assert result.nfev == 6 + (3 if vectorized and case.on_host else 0)
    assert case.holds(result.value)
    np.testing.assert_allclose(
        gdx.to_numpy(result.value), its_tridiagonal(x), atol=60 * case.eps ** (2 / 3)
    )


def test_forms_of_sparsity():
    sparse = pytest.importorskip("scipy.sparse")
    x = RNG.standard_normal(6)
    band = its_tridiagonal(x) != 0
    forms = [
        band,
        band.astype(int).tolist(),
        sparse.csr_matrix(band),
        (band, np.arange(6) % 3),
        (band, [0, 1, 2, 3, 4, 5]),
    ]
    for form in forms:
        found = gdx.numerical_jacobian(chain, x, sparsity=form)
        np.testing.assert_allclose(found, its_tridiagonal(x), atol=1e-8)
    found = gdx.numerical_jacobian(
        lambda x: x.reshape(2, 3) ** 2, x, sparsity=np.eye(6).reshape(2, 3, 6)
    )
    np.testing.assert_allclose(found, np.diag(2 * x).reshape(2, 3, 6), atol=1e-8)


def test_sparsity_with_bounds_and_error():
    x = RNG.standard_normal(9)
    band = its_tridiagonal(x) != 0
    found, error = gdx.numerical_jacobian(
        chain, x, sparsity=band, bounds=(x, np.inf), return_error=True
    )
    off = abs(found - its_tridiagonal(x))
    assert off.max() < 1e-9
    assert (off <= 10 * error + 1e-300).mean() > 0.95


@pytest.mark.parametrize("n", [1, 5, 40])
def test_groups_have_no_row_in_common(n):
    for density in (0.02, 0.1, 0.5):
        structure = np.random.default_rng(n).random((30, n)) < density
        labels = grouped(structure)
        for label in set(labels.tolist()):
            assert structure[:, labels == label].sum(axis=1).max() <= 1
        widest = structure.sum(axis=1).max(initial=0)
        assert widest <= labels.max() + 1 <= n


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        (np.ones((2, 5)), r"sparsity must have the shape of the Jacobian.*\(f\(x\).size, 3\)"),
        (np.ones((2, 3)), "sparsity has 2 rows, but f.x. has 4 elements"),
        ((np.ones((4, 3)), [0, 0, 1]), "group 0 of sparsity has two columns in row 0"),
        ((np.ones((4, 3)), [0, 1]), "groups of sparsity must be 3 integers"),
    ],
)
def test_wrong_sparsity(sparsity, message):
    with pytest.raises(ValueError, match=message):
        gdx.numerical_jacobian(mixed, X, sparsity=sparsity)


def test_sparsity_of_a_tree():
    with pytest.raises(ValueError, match="one array, not a tree"):
        gdx.numerical_jacobian(lambda p: p["W"], {"W": X}, sparsity=np.eye(3))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_sparse_rows_of_more_than_one_stack(library):
    """Every direction starts from x itself, also where f couples all elements."""
    xp = pytest.importorskip(library)
    weights = np.random.default_rng(0).standard_normal((3, 500)) / 20
    x = np.random.default_rng(1).standard_normal(500)
    W = xp.asarray(weights)
    found = gdx.numerical_jacobian(
        lambda x: (W @ x) ** 3, xp.asarray(x), sparsity=np.ones((3, 500))
    )
    exact = 3 * ((weights @ x) ** 2)[:, None] * weights
    np.testing.assert_allclose(gdx.to_numpy(found), exact, atol=1e-9)


def test_jvp_of_arrays_that_share_memory():
    x = np.asarray([1.0, 2.0])
    f = lambda p: np.sum(p["a"] ** 2) + 3 * np.sum(p["b"] ** 2)  # noqa: E731
    found = gdx.numerical_jvp(f, {"a": x, "b": x}, {"a": np.ones(2), "b": np.zeros(2)})
    assert found == pytest.approx(6)
    assert x.tolist() == [1, 2]


def test_jvp_of_a_tree_with_an_empty_array():
    x = {"a": np.ones(2), "b": np.ones(0)}
    found = gdx.numerical_jvp(lambda p: np.sum(p["a"] ** 2), x, x, bounds=(0, None))
    assert found == pytest.approx(4)


def test_jvp_of_a_function_that_changes_its_argument():
    def f(x):
        x[0] += 1
        return np.sum(x)

    x = np.ones(2)
    with pytest.raises(ValueError, match="f must not change its argument"):
        gdx.numerical_jvp(f, x, np.ones(2))
    assert x.tolist() == [1, 1]


def test_lists_of_views_are_copied(case):
    if not case.on_host:
        pytest.skip("the list holds arrays of the host")
    x = case.asarray([1.0, 2.0])
    found = gdx.numerical_jacobian(lambda x: [x[0] * 2, x[1]], x)
    np.testing.assert_allclose(gdx.to_numpy(found), [[2, 0], [0, 1]], atol=60 * case.eps ** (2 / 3))


def test_jvp_of_two_precisions():
    """A step must move the coarser of the arrays by more than its rounding."""
    x = {"a": np.asarray([1.0, 2.0], np.float32), "b": np.asarray([3.0, 4.0])}
    v = {"a": np.ones(2), "b": np.ones(2)}

    def f(p):
        assert p["a"].dtype == np.float32
        return np.sum(p["a"] ** 2.0) * np.sum(p["b"] ** 3)

    assert gdx.numerical_jvp(f, x, v) == pytest.approx(921, rel=1e-3)
    hessian = gdx.numerical_hessian(f, x)["a"]["a"]
    np.testing.assert_allclose(hessian, 182 * np.eye(2), atol=0.5)


@pytest.mark.parametrize(
    "f0",
    [1.0, [1.0, 4.0], np.ones((3, 1)), np.ones((1, 3))],
    ids=["number", "list", "column", "row"],
)
def test_f0_of_another_shape(f0):
    with pytest.raises(ValueError, match=r"f0 must have the shape of f\(x\), \(3,\); got \("):
        gdx.numerical_jacobian(lambda x: x**2, X, f0=f0, method="forward")
    with pytest.raises(ValueError, match="f0 must have the shape of"):
        gdx.numerical_jvp(lambda x: x**2, X, X, f0=f0, method="forward")


def test_f0_of_a_gradient_is_one_number():
    with pytest.raises(ValueError, match=r"f0 must be one number, f\(x\); got the shape \(2,\)"):
        gdx.numerical_gradient(np.sum, X, f0=[1.0, 4.0], method="forward")


def test_groups_with_gaps_cost_nothing():
    result = gdx.numerical_jacobian(
        lambda x: x**2, X, sparsity=(np.eye(3), [0, 10**6, 0]), full_output=True
    )
    assert result.nfev == 4


def test_no_derivative_of_a_direction_in_torch():
    torch = pytest.importorskip("torch")
    v = torch.ones(3, requires_grad=True)
    assert not gdx.numerical_jvp(lambda x: (x**2).sum(), torch.ones(3), v).requires_grad


def test_no_room_along_a_direction():
    with pytest.raises(ValueError, match="bounds leave no room to move x along v"):
        gdx.numerical_jvp(np.sum, np.asarray([1.0, 0.0]), np.ones(2), bounds=(0, 1))


NESTED = {"a": np.ones(2), "c": [np.full(2, 2.0)], "e": (np.asarray(3.0),)}


@pytest.mark.parametrize(
    "how",
    [
        {"bounds": (0, 5)},
        {"bounds": (0, 5), "return_error": True},
        {"bounds": (0, 5), "method": "complex"},
        {"bounds": ({"a": 0, "c": [np.zeros(2)], "e": (0,)}, 5)},
        {"bounds": (0.5, 3), "order": 4},
        {"x_scale": {"a": 0.1, "c": [np.asarray([0.2, 0.1])], "e": (0.5,)}},
        {"x_scale": 0.1, "bounds": (0, 3)},
    ],
)
def test_options_along_a_direction_in_nested_trees(how):
    def f(p):
        return np.sum(p["a"] ** 2) + np.sum(p["c"][0] ** 3) + p["e"][0] ** 2

    v = {"a": [1.0, -1.0], "c": [[0.5, 0.25]], "e": (2.0,)}
    found = gdx.numerical_jvp(f, NESTED, v, **how)
    np.testing.assert_allclose(found[0] if "return_error" in how else found, 21, rtol=1e-6)


@pytest.mark.parametrize("large", [1e4, 1e7, 1e10])
def test_a_direction_in_which_elements_of_very_different_size_move(large):
    """The step fits the small one, unless that is lost in the rounding of the large one."""
    x, v = np.asarray([large, 1.0]), np.ones(2)
    found, error = gdx.numerical_jvp(np.sum, x, v, return_error=True)
    assert abs(found - 2) < 10 * error
    assert gdx.numerical_jvp(np.sum, x, v) == pytest.approx(2, abs=(2.0**-52 * large) ** (2 / 3))


@pytest.mark.filterwarnings("ignore:f is not finite beside x, or a step vanished")
def test_a_direction_in_which_nothing_moves():
    x = np.full(2, 1e10)
    for how, message in (
        ({"h": 1e-8}, "h=1e-08 vanished"),
        ({"x_scale": 1e-9}, "x_scale=1e-09 makes steps that vanish"),
    ):
        with pytest.warns(RuntimeWarning, match=message):
            assert np.isnan(gdx.numerical_jvp(np.sum, x, np.ones(2), **how))
    assert gdx.numerical_jvp(np.sum, np.ones(2), np.asarray([1.0, 1e-17])) == pytest.approx(1)
