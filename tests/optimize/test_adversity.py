"""Functions that keep, change or hide what they are handed, and the ends of the dtype."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gdx
from gdx import CheckpointError, Status
from gdx.optimize import adam, cosine_decay, sgd

SEARCHED = ("l-bfgs", "bfgs", "cg", "bb", "newton-cg")


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def beale(x):
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2
        + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2
        + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


# Success that is none.


@pytest.mark.parametrize("method", ["l-bfgs", "bb", "adam"])
@pytest.mark.parametrize("batch", [False, True])
def test_within_bounds_a_large_x_hides_no_gradient(method, batch):
    if batch and method == "bb":
        pytest.skip("not for many problems")
    start = [[1e17]] if batch else [1e17]
    result = gdx.minimize(
        lambda x: x.sum(-1), start, bounds=(0, None), method=method, batch=batch, max_steps=50
    )
    assert not (result.nfev == 1 and np.all(result.success))


@pytest.mark.parametrize(
    ("f", "start", "method"),
    [
        (beale, np.asarray([100.0, 100.0]), "bb"),
        (rosenbrock, np.asarray([-1e4, 1e4], np.float32), "l-bfgs"),
        (rosenbrock, np.asarray([-120, 100], np.float32), "l-bfgs"),
        (beale, np.asarray([40, 40], np.float32), "cg"),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_a_gradient_that_is_small_beside_that_of_the_start_is_no_success(f, start, method, batch):
    with np.errstate(over="ignore", invalid="ignore"):  # of f
        if batch:
            result = gdx.minimize(lambda x: f(x.T), start[None, :], batch=True, max_steps=500)
            success, grad, fun, x = result.success[0], result.grad[0], result.fun[0], result.x[0]
        else:
            result = gdx.minimize(f, start, method=method, max_steps=500)
            success, grad, fun, x = result.success, result.grad, result.fun, result.x
    relative = np.max(np.abs(grad) * np.maximum(np.abs(x), 1)) / max(abs(fun), 1)
    assert min(relative, np.max(np.abs(grad))) <= 2 * np.finfo(start.dtype).eps ** (1 / 3) or (
        not success
    )


@pytest.mark.parametrize("check_every", [1, 7, 10])
@pytest.mark.parametrize("batch", [False, True])
def test_a_rule_that_swings_has_not_converged(check_every, batch):
    start = np.full((1, 2), 0.505) if batch else np.full(2, 0.505)
    result = gdx.minimize(
        lambda x: (x**2).sum(-1),
        start,
        method=sgd(1.0),
        tol=0,
        rtol=1e-6,
        max_steps=50,
        check_every=check_every,
        batch=batch,
    )
    assert not np.any(result.success)


def test_a_learning_rate_of_0_has_not_converged():
    result = gdx.minimize(
        lambda x: ((x - 1) ** 2).sum(),
        [0.5, 2.0],
        method=sgd(cosine_decay(0.1, 20)),
        rtol=1e-9,
        max_steps=100,
    )
    assert (result.status, result.success) == (Status.STEP_LIMIT, False)


@pytest.mark.filterwarnings("ignore:f did not react:RuntimeWarning")
@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
@pytest.mark.parametrize(
    ("f", "start"),
    [
        (lambda x: 1e16 + ((x - 3) ** 2).sum(), [1.0, 2.0]),
        (lambda x: int((x**2).sum()), [10.0, 20.0]),
    ],
)
def test_an_f_that_does_not_react_has_not_converged(method, f, start):
    result = gdx.minimize(f, start, method=method, grad="numerical", max_steps=200)
    assert not result.success
    if result.status is Status.NO_REACTION:
        assert "smaller offset" in result.message


def test_a_numerical_gradient_of_0_at_a_minimum_has_converged():
    result = gdx.minimize(lambda x: float((x**2).sum()), [0.0, 0.0], grad="numerical")
    assert (result.status, result.nit) == (Status.CONVERGED, 0)


# Functions of the user.


@pytest.mark.parametrize("method", [*SEARCHED, "adam", "momentum"])
def test_gradients_in_one_buffer(method):
    A, out = np.diag([1.0, 10.0, 100.0]), np.empty(3)

    def grad(x):
        np.matmul(A, x, out=out)
        return out

    options = {"method": method, "max_steps": 60}
    one = gdx.minimize(lambda x: float(x @ A @ x / 2), [1.0, 2.0, 4.0], grad=grad, **options)
    other = gdx.minimize(
        lambda x: float(x @ A @ x / 2), [1.0, 2.0, 4.0], grad=lambda x: A @ x, **options
    )
    assert one.x.tolist() == other.x.tolist()
    assert one.nit == other.nit


def test_values_of_many_in_one_buffer():
    out, starts = np.empty(3), np.asarray([[-1.2, 1], [0, 0], [2, 2.0]])

    def f(x):
        out[...] = rosenbrock(x.T)
        return out

    def grad(x):
        off = x[:, 1] - x[:, 0] ** 2
        return np.stack([-400 * x[:, 0] * off - 2 * (1 - x[:, 0]), 200 * off], axis=1)

    for method in ("l-bfgs", adam(0.05)):
        options = {"grad": grad, "batch": True, "method": method, "max_steps": 100}
        one = gdx.minimize(f, starts, **options)
        other = gdx.minimize(lambda x: rosenbrock(x.T), starts, **options)
        assert one.x.tolist() == other.x.tolist()
        np.testing.assert_allclose(one.fun, rosenbrock(one.x.T))


@pytest.mark.parametrize("method", [*SEARCHED, "sgd", "adam"])
def test_f_may_remember_its_last_argument(case, method):
    """As it does where f and its gradient share their work."""
    last = {}

    def work(x):
        if "x" not in last or not bool(xp.all(last["x"] == x)):
            last["x"], last["residual"] = x, x - 3
        return last["residual"]

    def f(x):
        residual = work(x)
        return xp.sum(residual * residual)

    if case.name == "dask":
        pytest.skip("slow")
    xp = case.xp
    result = gdx.minimize(
        f, case.asarray([1.0, 2.0]), grad=lambda x: 2 * work(x), method=method, max_steps=30
    )
    plain = gdx.minimize(
        lambda x: xp.sum((x - 3) ** 2),
        case.asarray([1.0, 2.0]),
        grad=lambda x: 2 * (x - 3),
        method=method,
        max_steps=30,
    )
    np.testing.assert_allclose(gdx.to_numpy(result.x), gdx.to_numpy(plain.x), rtol=1e-5)


@pytest.mark.parametrize("method", [*SEARCHED, "sgd", "adam"])
def test_f_may_change_its_argument(method):
    def f(x):
        value = float(((x - 3) ** 2).sum())
        x[...] = 0
        return value

    def grad(x):
        x -= 3
        return 2 * x

    result = gdx.minimize(f, np.ones(2), grad=grad, method=method, max_steps=50)
    assert result.fun == pytest.approx(((result.x - 3) ** 2).sum())
    assert result.fun < 8


def test_hvp_may_change_its_arguments():
    def hvp(x, v):
        x[...] = 0
        v *= 2
        return v

    result = gdx.minimize(lambda x: ((x - 3) ** 2).sum(), np.ones(2), method="newton-cg", hvp=hvp)
    assert result.success
    np.testing.assert_allclose(result.x, 3)


def test_what_a_callback_keeps_is_of_its_step():
    kept = []
    gdx.minimize(rosenbrock, [-1.2, 1.0], callback=kept.append, max_steps=20)
    assert kept[0].fun == pytest.approx(24.2)
    kept.clear()
    gdx.minimize(rosenbrock, [-1.2, 1.0], method="adam", callback=kept.append, max_steps=20)
    assert kept[0].fun == pytest.approx(24.2)
    with pytest.raises(RuntimeError, match="not evaluated at step 3.*inside the callback"):
        kept[3].fun  # noqa: B018


def test_newtons_method_on_a_tree_with_a_number():
    start = {"a": np.array(0.0), "b": np.zeros(3)}
    result = gdx.minimize(
        lambda p: (p["a"] - 1) ** 2 + ((p["b"] - 2) ** 2).sum(), start, method="newton-cg"
    )
    assert result.success
    assert result.x["a"].shape == ()


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_f_that_goes_through_numpy_has_a_numerical_gradient(library):
    pytest.importorskip(library)
    with gdx.using(library, fallback=None):
        start = gdx.asarray([-1.2, 1.0])
        result = gdx.minimize(lambda x: float(rosenbrock(np.asarray(x))), start, tol=1e-2)
        assert result.gradient == "numerical"
        if library == "torch":
            through = gdx.minimize(lambda x: float(rosenbrock(x.numpy())), start, tol=1e-2)
            assert through.gradient == "numerical"
            np.testing.assert_allclose(through.x, [1, 1], atol=0.1)


# The ends of the dtype.


@pytest.mark.parametrize("method", SEARCHED)
def test_float16_whose_squares_overflow(method):
    start = np.asarray([100.0, 200.0], np.float16)
    with np.errstate(over="ignore"):  # of f
        result = gdx.minimize(lambda x: ((x - 3) ** 2).sum(), start, method=method)
    assert result.x.dtype == np.float16
    np.testing.assert_allclose(result.x, 3, atol=0.1)


@pytest.mark.parametrize("scale", [1e-160, 1e-100, 1e100])
@pytest.mark.parametrize("method", SEARCHED)
def test_numbers_far_from_1(method, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = gdx.minimize(
            lambda x: scale * ((x - 3) ** 2).sum(), [1.0, 2.0], method=method, tol=0, max_steps=200
        )
    assert result.fun <= scale * 5


@pytest.mark.slow
@pytest.mark.parametrize("method", SEARCHED)
def test_a_linear_f_is_left_soon(method):
    with np.errstate(over="ignore"):
        result = gdx.minimize(lambda x: -x.sum(), [0.0, 0.0], method=method, max_steps=2000)
    assert not result.success
    if method not in ("bb", "newton-cg"):  # whose longest step is 1e10; which begin anew each time
        assert result.nfev < 1000


def test_diverged_at_the_start_says_so():
    result = gdx.minimize(lambda x: (x**2).sum(), [1.0], grad=lambda x: x * np.nan)
    assert (
        result.message == "Diverged: f or its gradient is NaN or infinite at the start. "
        "Try another x0."
    )
    result = gdx.minimize(lambda x: x[0] ** 0.5, [0.0], target=0.0, grad=lambda x: x + np.inf)
    assert result.status == Status.TARGET_REACHED


def test_a_file_that_lacks_a_part(tmp_path, monkeypatch):
    from gdx.optimize.files import checkpoint

    path = tmp_path / "run.npz"
    gdx.minimize(rosenbrock, [-1.2, 1.0], checkpoint=path, max_steps=5)
    header, arrays = checkpoint.load(path)
    for part in ("stepper", "limits", "points", "counts"):
        state = {name: value for name, value in header["state"].items() if name != part}
        checkpoint.save(path, {**header, "state": state}, arrays)
        with pytest.raises(CheckpointError, match="lacks a part of the run.*delete it"):
            gdx.minimize(rosenbrock, [-1.2, 1.0], checkpoint=path)
    state = {**header["state"], "limits": {**header["state"]["limits"], "tol": 1e9}}
    checkpoint.save(path, {**header, "state": state}, arrays)
    result = gdx.minimize(rosenbrock, [-1.2, 1.0], checkpoint=path, max_steps=6)
    assert not result.success
    assert checkpoint.load(path) is not None


def test_no_step_is_no_search():
    result = gdx.gradient_descent(rosenbrock, [-1.2, 1.0], step_num=0, line_search="armijo")
    assert result.message == "No step was asked for: step_num is 0."
