"""Minimisation: what it reaches, when and how it ends, what it leaves alone."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import gdx
from gdx import Status
from gdx.optimize import adam, lbfgs

START = [-1.2, 1.0]
NEAR = [0.9, 0.8]  # for Dask, in which each step is a graph
SEARCHED = ("l-bfgs", "bfgs", "cg", "bb", "newton-cg")
RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "amsgrad", "lion")
WITHIN_BOUNDS = ("l-bfgs", "l-bfgs-b", "bb", "adam")


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def bowl(x):
    return (x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2


def bowl_gradient(x):
    return np.asarray([2 * (x[0] - 1), 20 * (x[1] + 2)])


@pytest.mark.parametrize("method", SEARCHED)
def test_a_curved_valley(case, method):
    tol = 1e-5 if case.has_float64 else 1e-2
    start = case.asarray(NEAR if case.library == "dask" else START)
    result = gdx.minimize(rosenbrock, start, method=method, tol=tol)
    assert result.success
    assert result.status in (Status.CONVERGED, Status.PRECISION_LIMIT)
    assert case.holds(result.x)
    assert case.holds(result.grad)
    np.testing.assert_allclose(gdx.to_numpy(result.x), [1, 1], atol=1e-4 if tol < 1e-3 else 0.1)
    assert abs(gdx.to_numpy(result.grad)).max() <= 10 * tol
    assert result.fun == pytest.approx(float(gdx.to_numpy(rosenbrock(result.x))), abs=1e-6)
    assert result.gradient == "exact"


@pytest.mark.parametrize("method", RULES)
def test_update_rules_by_name(method):
    result = gdx.minimize(bowl, [0.0, 0.0], method=method, max_steps=300, tol=0)
    assert result.fun < bowl([0.0, 0.0])
    assert (result.status, result.success) == (Status.STEP_LIMIT, False)
    assert (result.nit, result.nfev, result.njev) == (300, 301, 301)


def test_an_update_rule_with_its_options(case):
    def f(p):
        xp = gdx.array_namespace(p["W"])
        return xp.sum((p["W"] - 1) ** 2) + xp.sum((p["b"][0] + 2) ** 2)

    result = gdx.minimize(
        f,
        {"W": case.asarray(np.zeros((2, 2))), "b": [case.asarray([0.0])]},
        method=adam(0.1),
        tol=1e-3,
        max_steps=500,
    )
    assert result.status == Status.CONVERGED
    assert result.nit % 10 == 0
    np.testing.assert_allclose(gdx.to_numpy(result.x["W"]), np.ones((2, 2)), atol=1e-3)
    np.testing.assert_allclose(gdx.to_numpy(result.x["b"][0]), [-2], atol=1e-3)


@pytest.mark.parametrize("method", [*SEARCHED, "adam"])
def test_trees_matrices_and_numbers(case, method):
    def f(p):
        xp = gdx.array_namespace(p[0])
        return xp.sum((p[0] - 1) ** 4) + xp.sum(p[0] ** 2) + (p[1] - 3) ** 2

    start = (case.asarray(np.zeros((2, 3))), case.asarray(0.0))
    options = {"max_steps": 2000, "tol": 1e-3}
    method = adam(0.05) if method == "adam" else method
    result = gdx.minimize(f, start, method=method, **options)
    assert result.success
    assert isinstance(result.x, tuple)
    assert isinstance(result.grad, tuple)
    # 4 (w - 1)³ + 2 w = 0
    np.testing.assert_allclose(gdx.to_numpy(result.x[0]), np.full((2, 3), 0.41024), atol=1e-3)
    np.testing.assert_allclose(gdx.to_numpy(result.x[1]), 3, atol=1e-3)
    number = gdx.minimize(lambda x: (x - 3) ** 2, case.asarray(0.0), method=method, **options)
    assert number.x.shape == ()
    assert abs(float(gdx.to_numpy(number.x)) - 3) < 1e-2


def test_arrays_of_two_dtypes():
    start = {"a": np.zeros(2, np.float32), "b": np.zeros(3)}
    result = gdx.minimize(lambda p: np.sum((p["a"] - 1) ** 2) + np.sum((p["b"] - 2) ** 2), start)
    assert result.success
    assert (result.x["a"].dtype, result.x["b"].dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("method", [*SEARCHED, "adam"])
def test_the_start_is_not_changed(method):
    start = np.asarray(START)
    gdx.minimize(rosenbrock, start, method=method, max_steps=30)
    assert start.tolist() == START


@pytest.mark.parametrize("method", [*SEARCHED, "adam", "momentum"])
@pytest.mark.parametrize("within", [None, 0])
def test_a_start_at_the_minimum(method, within):
    bounds = (within, None) if method in WITHIN_BOUNDS else None
    result = gdx.minimize(lambda x: (x**2).sum(), [0.0, 0.0], method=method, bounds=bounds)
    assert (result.status, result.success, result.nit) == (Status.CONVERGED, True, 0)


@pytest.mark.parametrize("method", SEARCHED)
def test_numerical_gradients(method):
    calls = []

    def f(x):
        calls.append(1)
        return rosenbrock(x)

    result = gdx.minimize(f, START, method=method, grad="numerical")
    assert result.success
    assert result.gradient == "numerical"
    assert result.nfev == len(calls)
    np.testing.assert_allclose(result.x, [1, 1], atol=1e-4)


@pytest.mark.parametrize("method", ["l-bfgs", "newton-cg", "adam"])
def test_evaluations_of_a_given_gradient_are_counted(method):
    calls = {"f": 0, "grad": 0}

    def f(x):
        calls["f"] += 1
        return bowl(x)

    def grad(x):
        calls["grad"] += 1
        return bowl_gradient(x)

    result = gdx.minimize(f, [0.0, 0.0], method=method, grad=grad, max_steps=50)
    assert (result.nfev, result.njev) == (calls["f"], calls["grad"])
    assert result.gradient == "given"


def test_a_gradient_whose_memory_is_used_again():
    out = np.empty(2)

    def grad(x):
        out[...] = bowl_gradient(x)
        return out

    result = gdx.minimize(bowl, [0.0, 0.0], grad=grad)
    assert result.success
    np.testing.assert_allclose(result.x, [1, -2], atol=1e-5)
    assert not np.shares_memory(result.grad, out)


@pytest.mark.parametrize("method", [*SEARCHED, adam(0.1)])
def test_f_may_return_its_gradient_too(method):
    calls = []

    def f(x):
        calls.append(1)
        return bowl(x), bowl_gradient(x)

    result = gdx.minimize(f, [0.0, 0.0], method=method, grad=True, tol=1e-3)
    assert result.success
    assert result.nfev == result.njev == len(calls)
    np.testing.assert_allclose(result.x, [1, -2], atol=1e-2)


def test_a_given_product_with_the_hessian():
    seen = []

    def hvp(x, v):
        seen.append(v)
        return np.asarray([2.0, 20.0]) * v

    result = gdx.minimize(bowl, [0.0, 0.0], method="newton-cg", hvp=hvp, grad=bowl_gradient)
    assert result.success
    assert result.nhev == len(seen) > 0
    assert gdx.minimize(bowl, [0.0, 0.0], method="newton-cg", grad=bowl_gradient).success


@pytest.mark.parametrize("method", WITHIN_BOUNDS)
@pytest.mark.parametrize("grad", [None, "numerical"])
@pytest.mark.parametrize(
    ("bounds", "minimum"),
    [
        ((None, 0.5), (0.5, 0.25)),
        (([-2.0, 1.5], [2.0, 3.0]), (-1.221026, 1.5)),
        ((-0.5, 0.5), (0.5, 0.25)),
        (([-2.0, 0.3], [2.0, 0.3]), (-0.534457, 0.3)),
    ],
)
def test_every_evaluation_is_within_bounds(method, grad, bounds, minimum):
    ends = zip(bounds, (-np.inf, np.inf), strict=True)
    lower, upper = (np.broadcast_to(none if end is None else end, 2) for end, none in ends)

    def f(x):
        inside = np.all(x >= lower) and np.all(x <= upper)
        assert inside, x
        return rosenbrock(x)

    method = adam(0.05) if method == "adam" else method
    result = gdx.minimize(f, START, method=method, bounds=bounds, grad=grad, max_steps=2000)
    assert result.success
    assert np.all(result.x >= lower)
    assert np.all(result.x <= upper)
    np.testing.assert_allclose(result.x, minimum, atol=1e-3)


@pytest.mark.parametrize("method", ["l-bfgs", "bb", "adam"])
def test_bounds_on_every_library(case, method):
    method = adam(0.05) if method == "adam" else method
    result = gdx.minimize(
        lambda p: bowl(p["x"]) + (p["y"] - 1) ** 2,
        {"x": case.asarray([0.0, 0.0]), "y": case.asarray(0.0)},
        method=method,
        bounds=({"x": [-1.0, -1.5], "y": None}, {"x": [0.5, 3.0], "y": None}),
        tol=1e-3,
    )
    assert result.success
    assert case.holds(result.x["x"])
    np.testing.assert_allclose(gdx.to_numpy(result.x["x"]), [0.5, -1.5], atol=1e-3)
    np.testing.assert_allclose(gdx.to_numpy(result.x["y"]), 1, atol=1e-2)


def test_bounds_may_hold_an_element(case):
    def f(p):
        return (p["x"][0] - 1) ** 2 + (p["x"][1] - 2) ** 2 + (p["y"] - p["x"][1]) ** 2

    start = {"x": case.asarray([0.0, 5.0]), "y": case.asarray(0.0)}
    bounds = ({"x": [-3.0, 1.5], "y": None}, {"x": [3.0, 1.5], "y": None})
    for grad in (None, "numerical"):
        result = gdx.minimize(f, start, bounds=bounds, grad=grad, tol=1e-2)
        assert result.success
        assert case.holds(result.x["x"])
        np.testing.assert_allclose(gdx.to_numpy(result.x["x"]), [1, 1.5], atol=1e-2)
        np.testing.assert_allclose(gdx.to_numpy(result.x["y"]), 1.5, atol=1e-2)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_check_of_a_gradient_is_within_bounds(library):
    pytest.importorskip(library)
    with gdx.using(library, fallback=None):

        def f(x):
            assert float(x[0]) >= 0
            return x[0] ** 2 + (x[1] - 1) ** 2

        start, bounds = gdx.asarray([0.0, 0.5]), ([0.0, -5.0], None)
        assert gdx.minimize(f, start, bounds=bounds, grad="numerical", tol=1e-2).success

        def g(x):
            return x[0] ** 1.5 + (x[1] - 1) ** 2  # NaN outside

        assert gdx.minimize(g, start, bounds=bounds, tol=1e-2).gradient == "exact"


def test_bounds_beside_scipy():
    """Least squares with coefficients that may not be negative."""
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((60, 30)), rng.standard_normal(60)
    result = gdx.minimize(
        lambda x: ((A @ x - b) ** 2).sum() / 2, np.ones(30), bounds=(0, None), tol=1e-8
    )
    expected, _ = optimize.nnls(A, b)
    assert result.success
    np.testing.assert_allclose(result.x, expected, atol=1e-7)
    assert (result.x == 0).any()
    assert (result.x >= 0).all()


@pytest.mark.parametrize("method", ["bfgs", "cg", "newton-cg"])
def test_methods_that_take_no_bounds(method):
    with pytest.raises(ValueError, match=f"method '{method}' takes no bounds.*'l-bfgs' or 'bb'"):
        gdx.minimize(bowl, [0.0, 0.0], method=method, bounds=(0, 1))


def test_a_target():
    result = gdx.minimize(rosenbrock, START, target=0.5)
    assert (result.status, result.success) == (Status.TARGET_REACHED, True)
    assert result.fun <= 0.5
    assert result.nit < gdx.minimize(rosenbrock, START).nit


@pytest.mark.parametrize("method", ["l-bfgs", "bb", adam(0.1)])
def test_relative_change_of_x_and_f(method):
    result = gdx.minimize(lambda x: 1 + bowl(x), [0.0, 0.0], method=method, tol=0, rtol=1e-4)
    assert (result.status, result.success) == (Status.HARDLY_CHANGED, True)
    np.testing.assert_allclose(result.x, [1, -2], atol=1e-2)


def test_a_change_of_f_alone_is_not_enough():
    """f changes little beside its offset, while x still moves."""
    result = gdx.minimize(lambda x: 1e9 + bowl(x), [0.0, 0.0], rtol=1e-6, tol=0)
    assert abs(result.x - [1, -2]).max() < 1e-2


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_evaluations_are_limited(method):
    result = gdx.minimize(rosenbrock, START, method=method, max_nfev=20, check_every=1)
    assert (result.status, result.success) == (Status.EVALUATION_LIMIT, False)
    assert result.nfev == 20
    assert "Try a larger max_nfev" in result.message


def test_seconds_are_limited():
    result = gdx.minimize(rosenbrock, START, max_seconds=1e-9)
    assert (result.status, result.success) == (Status.TIME_LIMIT, False)


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_steps_are_limited(method):
    result = gdx.minimize(rosenbrock, START, method=method, max_steps=7)
    assert (result.status, result.success, result.nit) == (Status.STEP_LIMIT, False, 7)
    assert "Try a larger max_steps" in result.message
    bounded = gdx.minimize(rosenbrock, START, method=method, max_steps=7, tol=1e-5)
    assert "above gtol=1e-05. Try a larger max_steps" in bounded.message
    none = gdx.minimize(rosenbrock, START, method=method, max_steps=0)
    assert (none.status, none.nit, none.x.tolist()) == (Status.STEP_LIMIT, 0, START)


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_the_callback_sees_each_step_and_can_stop(method):
    seen = []

    def callback(state):
        assert isinstance(state, gdx.Descent)
        seen.append((state.step, state.x.copy(), state.fun, state.grad_norm, state.nfev))
        np.testing.assert_allclose(state.grad, gdx.grad(rosenbrock)(state.x))
        return state.step == 4

    result = gdx.minimize(rosenbrock, START, method=method, callback=callback)
    assert [step for step, *_ in seen] == [0, 1, 2, 3, 4]
    assert seen[0][1].tolist() == START
    for _, x, fun, norm, _ in seen:
        assert fun == pytest.approx(rosenbrock(x))
        assert norm == pytest.approx(abs(gdx.grad(rosenbrock)(x)).max())
    assert result.status == Status.STOPPED
    assert result.nit == 4
    assert result.fun == min(fun for _, _, fun, _, _ in seen)


def test_the_callback_knows_the_learning_rate():
    rates = []
    gdx.minimize(
        bowl,
        [0.0, 0.0],
        method=gdx.optimize.sgd(gdx.optimize.step_decay(0.1, every=2, factor=0.5)),
        max_steps=4,
        callback=lambda state: rates.append(state.lr),
    )
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.025]  # the last is seen, too


@pytest.mark.parametrize(("method", "steps"), [("l-bfgs", None), ("adam", [0, 10, 20, 25])])
def test_history(case, method, steps):
    result = gdx.minimize(
        rosenbrock, case.asarray(START), method=method, max_steps=25, history=True
    )
    history = result.history
    expected = [*range(result.nit + 1)] if steps is None else steps
    assert history.step.tolist() == expected
    assert case.holds(history.x)
    points = gdx.to_numpy(history.x).astype(float)
    assert points[0].tolist() == np.asarray(START, gdx.to_numpy(history.x).dtype).tolist()
    np.testing.assert_allclose(history.fun, [rosenbrock(x) for x in points], rtol=1e-3, atol=1e-6)
    gradients = [abs(gdx.grad(rosenbrock)(x)).max() for x in points]
    np.testing.assert_allclose(history.grad_norm, gradients, rtol=1e-2, atol=1e-4)
    assert gdx.minimize(rosenbrock, START).history is None


def test_history_of_a_tree():
    start = {"a": np.zeros((2, 2)), "b": 1.0}
    result = gdx.minimize(lambda p: ((p["a"] - 1) ** 2).sum() + p["b"] ** 2, start, history=True)
    assert result.history.x["a"].shape == (len(result.history.step), 2, 2)
    assert result.history.x["b"].shape == (len(result.history.step),)


def test_progress(capsys):
    pytest.importorskip("tqdm")
    gdx.minimize(rosenbrock, START, max_steps=7, progress=True)
    shown = capsys.readouterr().err
    assert "7/7" in shown
    assert "f=" in shown
    assert "|grad|=" in shown


def test_progress_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        gdx.minimize(rosenbrock, START, progress=True)


# Where f has no value.


@pytest.mark.parametrize("method", SEARCHED)
@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_a_search_backs_off_from_where_f_has_no_value(method, nothing):
    def f(x):
        return np.where(x[0] > 1.5, nothing, (x[0] - 1) ** 2 + x[1] ** 2) + 0 * x[0]

    def grad(x):
        return np.where(x[0] > 1.5, np.nan, np.asarray([2 * (x[0] - 1), 2 * x[1]]))

    result = gdx.minimize(f, [-30.0, 40.0], method=method, grad=grad)
    assert result.success, result
    np.testing.assert_allclose(result.x, [1, 0], atol=1e-4)


@pytest.mark.parametrize("method", [*SEARCHED, "adam"])
def test_a_start_without_a_value(method):
    result = gdx.minimize(lambda x: x[0] * np.nan, [1.0], method=method, grad=lambda x: x)
    assert (result.status, result.success, result.nit) == (Status.DIVERGED, False, 0)
    assert "at the start. Try another x0" in result.message
    assert result.x.tolist() == [1]


@pytest.mark.parametrize("method", SEARCHED)
def test_a_function_without_a_minimum(method):
    with np.errstate(over="ignore"):
        result = gdx.minimize(lambda x: x[0] ** 3, [-1.0], method=method)
        assert (result.status, result.success) == (Status.UNBOUNDED, False)
        assert result.fun < -1e20
        assert "Unbounded below: f fell to" in result.message
        result = gdx.minimize(lambda x: -x[0], [0.0], method=method, max_steps=200)
        assert not result.success


def test_a_run_into_nan_returns_the_best_point():
    def f(x):
        return float("nan") if x[0] > 2 else float((x[0] - 3) ** 2)

    result = gdx.minimize(
        f, [0.0], method=gdx.optimize.sgd(0.1), grad=lambda x: 2 * (x - 3), check_every=3
    )
    assert (result.status, result.success) == (Status.DIVERGED, False)
    assert result.x[0] == pytest.approx(3 - 3 * 0.8**3)
    assert result.fun == f(result.x)


@pytest.mark.parametrize("method", SEARCHED)
def test_a_gradient_that_is_wrong(method):
    result = gdx.minimize(bowl, [0.0, 0.0], method=method, grad=lambda x: -bowl_gradient(x))
    assert (result.status, result.success) == (Status.NO_DESCENT, False)
    assert "gdx.check_gradient" in result.message
    assert result.x.tolist() == [0, 0]


# What the dtype can show.


@pytest.mark.parametrize("method", SEARCHED)
def test_float32_does_not_converge_falsely(method):
    """As in scipy#12991 and #19024: a small difference quotient is no sign of a minimum."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((50, 10)).astype(np.float32)
    b = A @ np.arange(10, dtype=np.float32)

    def f(x):
        return ((A @ x - b) ** 2).mean()

    result = gdx.minimize(f, np.zeros(10, np.float32), method=method)
    assert result.success
    assert result.x.dtype == np.float32
    np.testing.assert_allclose(result.x, np.arange(10), atol=1e-3)
    numerical = gdx.minimize(f, np.zeros(10, np.float32), method=method, grad="numerical")
    np.testing.assert_allclose(numerical.x, np.arange(10), atol=0.1)


@pytest.mark.parametrize("method", SEARCHED)
def test_what_rounding_hides_is_told(method):
    """f cannot show what a step gains: 1e10 is a multiple of 2e-6."""
    result = gdx.minimize(lambda x: 1e10 + bowl(x), [0.0, 0.0], method=method, tol=1e-12)
    assert result.status in (Status.PRECISION_LIMIT, Status.CONVERGED)
    np.testing.assert_allclose(result.x, [1, -2], atol=1e-2)


# What comes from outside.


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
def test_an_interrupt_returns_the_best_so_far(method):
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return rosenbrock(x)

    result = gdx.minimize(f, START, method=method, check_every=1)
    assert (result.status, result.success) == (Status.INTERRUPTED, False)
    assert result.fun == rosenbrock(result.x) <= rosenbrock(START)
    assert re.match(r"Interrupted after \d+ steps; x is the best point seen", result.message)


@pytest.mark.parametrize("method", ["l-bfgs", "bfgs", "cg", "bb"])
def test_one_read_for_each_evaluation(no_host_sync, monkeypatch, method):
    """All that is read of an evaluation comes together."""
    xp = no_host_sync
    from gdx.optimize.runs.reading import Reads

    reads = []
    original = Reads._together

    def together(self, arrays):
        reads.append(1)
        host = [xp.asarray(a, device=xp.Device("CPU_DEVICE")) for a in arrays]
        return original(self, host)

    monkeypatch.setattr(Reads, "_together", together)
    start = xp.asarray(START, device=xp.Device("device1"))
    result = gdx.minimize(rosenbrock, start, method=method, tol=1e-5)
    assert result.success
    assert len(reads) == result.nfev


def test_nothing_is_read_between_checks(no_host_sync, monkeypatch):
    xp = no_host_sync
    from gdx.optimize.runs.reading import Reads

    looked = []

    def sizes(self, value, arrays):
        looked.append(len(arrays))
        return 1.0, [1.0] * len(arrays)

    monkeypatch.setattr(Reads, "sizes", sizes)
    start = xp.asarray(START, device=xp.Device("device1"))
    gdx.minimize(rosenbrock, start, method="adam", max_steps=20, tol=1e-5)
    assert len(looked) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nelder-mead"}, "method must be one of 'l-bfgs'.*or an optimizer such as"),
        ({"method": adam}, r"method must be made by a call, adam\(0\.01\); got the function adam"),
        ({"method": 3}, "method must be one of.*got 3"),
        ({"tol": -1}, "tol must be a number, 0 or more; got -1"),
        ({"rtol": "small"}, "rtol must be a number"),
        ({"target": "low"}, "target must be a number or None; got 'low'"),
        ({"target": float("nan")}, "target must be a number or None"),
        ({"max_steps": 1.5}, "max_steps must be an integer, 0 or more; got 1.5"),
        ({"max_nfev": 0}, "max_nfev must be an integer, 1 or more"),
        ({"max_seconds": 0}, "max_seconds must be a positive number"),
        ({"check_every": 0}, "check_every must be an integer, 1 or more"),
        ({"checkpoint_every": 0}, "checkpoint_every must be an integer, 1 or more"),
        ({"x0": {}}, "x0 must hold an array"),
        ({"x0": []}, "x0 must hold at least one element"),
        ({"grad": "analytic"}, "grad must be 'exact', 'numerical', a function, True"),
        ({"hvp": lambda x, v: v}, r"hvp is for method='newton-cg' only; method is l-bfgs\("),
        ({"bounds": (1, 0)}, r"bounds must not cross.*of element 0.*they are 1 and 0"),
        ({"bounds": (np.inf, np.inf)}, "leave finite numbers; of element 0.*inf and inf"),
        ({"bounds": ([0, 0, 0], None)}, "bounds"),
        ({"grad": lambda x: x[:1]}, r"grad must return the shape of x, \(2,\); it returned \(1,\)"),
        (
            {"hvp": lambda x, v: v[:1], "method": "newton-cg"},
            r"hvp must return the shape of x, \(2,\); it returned \(1,\)",
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        gdx.minimize(**{"f": bowl, "x0": START, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"f": lambda x: x}, r"one number.*shape \(2,\)"),
        ({"f": lambda x: "low"}, "f must return"),
        ({"f": bowl, "grad": True}, "with grad=True, f must return the pair"),
        ({"f": bowl, "x0": [1j]}, "x0"),
        ({"f": bowl, "x0": "start"}, "x0"),
    ],
)
def test_bad_types(options, message):
    with pytest.raises(TypeError, match=message):
        gdx.minimize(**{"x0": START, **options})


def test_the_result_prints_as_scipys_does():
    optimize = pytest.importorskip("scipy.optimize")
    ours = repr(gdx.minimize(rosenbrock, START)).splitlines()
    theirs = repr(optimize.minimize(rosenbrock, START)).splitlines()
    names = [line.partition(":")[0].strip() for line in ours]
    expected = [line.partition(":")[0].strip() for line in theirs]
    same = [name for name in expected if name in names]
    assert same == ["message", "success", "status", "fun", "x", "nit", "nfev", "njev"]
    assert [name for name in names if name in same] == same
    assert [name for name in names if name not in same] == ["grad", "gradient"]


def test_the_memory_of_lbfgs():
    n = np.arange(1.0, 40)

    def f(x):
        return (n * (x - 1) ** 2).sum() + ((x - 1) ** 4).sum()

    few, many = (gdx.minimize(f, np.zeros(39), method=lbfgs(m)) for m in (1, 30))
    assert few.success
    assert many.success
    assert many.nfev < few.nfev
    assert repr(lbfgs(5)) == "l-bfgs(memory=5)"
    with pytest.raises(ValueError, match="memory must be an integer, 1 or more; got 0"):
        lbfgs(0)


@pytest.mark.slow
def test_logistic_regression_on_the_digits():
    """650 parameters; beside SciPy."""
    optimize = pytest.importorskip("scipy.optimize")
    datasets = pytest.importorskip("sklearn.datasets")
    X, t = datasets.load_digits(return_X_y=True)
    X = X / 16

    def f(p):
        loss = gdx.softmax_cross_entropy(X @ p["W"] + p["b"], t)
        return loss + 5e-4 * ((p["W"] ** 2).sum() + (p["b"] ** 2).sum())

    start = {"W": np.zeros((64, 10)), "b": np.zeros(10)}
    result = gdx.minimize(f, start, tol=1e-5)
    assert result.success
    assert result.nfev <= 76
    of_vector = gdx.value_and_grad(lambda v: f({"W": v[:640].reshape((64, 10)), "b": v[640:]}))
    options = {"ftol": 0, "gtol": 1e-5}
    expected = optimize.minimize(
        of_vector, np.zeros(650), jac=True, method="L-BFGS-B", options=options
    )
    assert result.fun == pytest.approx(expected.fun, rel=1e-6)
