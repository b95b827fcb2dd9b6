"""Many problems at once: each as if it were alone."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

import gdx
from gdx import Status
from gdx.backends import device_of
from gdx.optimize.many import batches
from gdx.optimize.many.batches import minimize_many
from gdx.optimize.methods import METHODS, lbfgs
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.limits import Limits
from gdx.optimize.updates.optimizer import chain, clip_by_global_norm, clip_by_value
from gdx.optimize.updates.published import adam, lion, momentum, sgd
from gdx.trees import coarsest_epsilon

SAMPLES = np.linspace(0, 1, 20)


def minimized(f, x, method=None, **options):
    """Minimise with the limits that are among the options."""
    names = {field.name for field in dataclasses.fields(Limits)} & options.keys()
    limits = {"gtol": 1e-6, "max_steps": 500, **{name: options.pop(name) for name in names}}
    limits = Limits(coarsest_epsilon(x), **limits)
    return minimize_many(f, x, method=method or lbfgs(), limits=limits, **options)


def beside(values, x):
    return gdx.array_namespace(x).asarray(values, dtype=x.dtype, device=device_of(x))


def rosenbrock(x):
    return 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2


def bowl(x):
    """Return values whose gradient is taken in a few steps to where it vanishes, (1, 1)."""
    return (x[:, 0] - 1) ** 2 + 2 * (x[:, 1] - 1) ** 2


def bowl_gradient(x):
    return gdx.array_namespace(x).stack([2 * (x[:, 0] - 1), 4 * (x[:, 1] - 1)], axis=1)


def rosenbrock_gradient(x):
    xp = gdx.array_namespace(x)
    valley = x[:, 1] - x[:, 0] ** 2
    return xp.stack([-400 * x[:, 0] * valley - 2 * (1 - x[:, 0]), 200 * valley], axis=1)


def starts(k, n=2):
    return np.random.default_rng(0).uniform(-2, 2, (k, n))


class Decays:
    """Fits of amplitudes, rates and offsets to samples with noise."""

    def __init__(self, k):
        rng = np.random.default_rng(1)
        true = rng.uniform((1, 1, -1), (3, 5, 1), (k, 3))
        decay = true[:, :1] * np.exp(-true[:, 1:2] * SAMPLES) + true[:, 2:]
        self.data = decay + 0.01 * rng.standard_normal(decay.shape)
        self.start = np.tile([1.0, 1.0, 0.0], (k, 1))

    def __call__(self, p, some=slice(None)):
        xp = gdx.array_namespace(p)
        fit = p[:, 0:1] * xp.exp(-p[:, 1:2] * beside(SAMPLES, p)) + p[:, 2:3]
        return xp.sum((fit - beside(self.data[some], p)) ** 2, axis=1)


class Bowls:
    """Quadratics whose scales differ by 12 orders of magnitude, and conditions of up to 1000."""

    def __init__(self, k, n=4):
        rng = np.random.default_rng(2)
        self.scale = 10 ** rng.uniform(-6, 6, (k, 1))
        self.weights = self.scale * 10 ** rng.uniform(0, 3, (k, n))
        self.centres = rng.standard_normal((k, n))
        self.start = 3 * rng.standard_normal((k, n))

    def __call__(self, x, some=slice(None)):
        xp = gdx.array_namespace(x)
        away = x - beside(self.centres[some], x)
        return xp.sum(beside(self.weights[some], x) * away**2, axis=1)


def by_scipy(f, x, i, tol=1e-6, bounds=None):
    """Return what SciPy finds for one problem of a stack."""
    optimize = pytest.importorskip("scipy.optimize")
    some = slice(i, i + 1)

    def value_and_gradient(p):
        value, gradient = gdx.value_and_grad(lambda p: f(p[None, :], some)[0])(p)
        return float(value), gradient

    options = {"gtol": tol, "ftol": 0, "maxiter": 1000}
    return optimize.minimize(
        value_and_gradient, x[i], jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )


def test_rosenbrock_from_many_starts(case):
    x = 1 + starts(50) / 4
    result = minimized(rosenbrock, case.asarray(x), gtol=100 * case.eps ** (2 / 3))
    assert case.holds(result.x)
    assert case.holds(result.success)
    assert gdx.to_numpy(result.success).all(), result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x), 1, atol=1e3 * case.eps ** (2 / 3))
    assert result.fun.shape == result.nit.shape == (50,)
    assert result.grad.shape == (50, 2)
    assert result.gradient == "exact"
    assert result.nfev - result.njev in (
        0,
        2,
    )  # two more, where the library does not tell what f uses


@pytest.mark.slow
@pytest.mark.parametrize("method", [lbfgs(), lbfgs(1), METHODS["bfgs"]()], ids=repr)
@pytest.mark.parametrize("problems", [Decays(15), Bowls(15)], ids=["decays", "bowls"])
def test_against_scipy(problems, method):
    result = minimized(problems, problems.start, method)
    assert result.success.all(), result.message
    evaluations = []
    for i in range(15):
        one = by_scipy(problems, problems.start, i)
        evaluations.append(one.nfev)
        np.testing.assert_allclose(result.fun[i], one.fun, rtol=1e-6, atol=1e-6)
        if isinstance(problems, Decays):
            np.testing.assert_allclose(result.x[i], one.x, atol=1e-4)
    if method.options != (("memory", 1),):
        assert result.nfev <= 1.5 * max(evaluations)


def test_the_pairs_do_as_well_as_the_whole_inverse():
    """Of 12 variables, 5 pairs are remembered; 10 would take as much as all of it."""
    x = starts(20, 12)

    def f(x):
        return np.sum(100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2, axis=1)

    pairs, whole = minimized(f, x, lbfgs(5)), minimized(f, x, lbfgs(10))
    assert pairs.success.all()
    assert whole.success.all()
    assert pairs.nfev < 1.5 * whole.nfev
    assert not np.array_equal(pairs.x, whole.x)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [1, 10])
@pytest.mark.parametrize("problems", [Decays(12), Bowls(12)], ids=["decays", "bowls"])
def test_a_problem_does_not_depend_on_its_companions(problems, memory):
    """All, half of them, and each alone: the same to the last bit."""
    x = problems.start
    every = minimized(problems, x, lbfgs(memory))
    for some in (slice(0, 6), *(slice(i, i + 1) for i in range(12))):
        part = minimized(lambda x, some=some: problems(x, some), x[some], lbfgs(memory))
        for name in ("x", "fun", "grad", "nit"):
            np.testing.assert_array_equal(getattr(part, name), getattr(every, name)[some])
        assert part.status == every.status[some]


def test_a_problem_does_not_depend_on_its_companions_anywhere(case):
    x = case.asarray(starts(3))
    every = minimized(rosenbrock, x, max_steps=5)
    one = minimized(rosenbrock, x[1:2, ...], max_steps=5)
    np.testing.assert_allclose(gdx.to_numpy(one.x), gdx.to_numpy(every.x)[1:2], rtol=1e3 * case.eps)


def test_one_that_is_not_finite_and_one_that_has_converged(case):
    x = starts(5)
    x[1], x[3] = (np.nan, 1), (1, 1)
    tol = 100 * case.eps ** (2 / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, from within Dask
        result = minimized(bowl, case.asarray(x), gtol=tol)
    assert result.status[1] is Status.DIVERGED
    assert result.status[3] is Status.CONVERGED
    assert gdx.to_numpy(result.success).tolist() == [True, False, True, True, True]
    assert gdx.to_numpy(result.nit)[[1, 3]].tolist() == [0, 0]
    assert "4 of 5 problems converged; 1 became NaN" in result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x)[[0, 2, 4]], 1, atol=tol)
    np.testing.assert_array_equal(gdx.to_numpy(result.x)[3], (1, 1))


def test_it_backs_off_from_where_f_is_not_finite():
    """-log of a margin: the first step leaves its domain."""
    rates = np.asarray([1e-3, 1.0, 1e3, 1e6])

    def f(x):
        with np.errstate(all="ignore"):
            return rates * x[:, 0] - np.log(x[:, 0])

    with np.errstate(all="ignore"):
        result = minimized(f, np.full((4, 1), 0.1), gtol=1e-7)
    assert result.success.all(), result.message
    np.testing.assert_allclose(result.x[:, 0], 1 / rates, rtol=1e-3)


def test_one_without_a_minimum_keeps_its_best_point_and_is_no_success():
    x = np.asarray([[1.0], [1.0], [1.0]])
    slopes = np.asarray([0.0, 1.0, 0.0])

    def f(x):
        return np.where(slopes == 0, (x[:, 0] - 3) ** 2, slopes * x[:, 0])

    result = minimized(f, x)
    assert result.success.tolist() == [True, False, True]
    assert result.fun[1] == result.x[1, 0] < -1e6
    assert result.status[1] == Status.UNBOUNDED
    assert "2 of 3 problems converged; 1 fell with no end in sight" in result.message


def test_a_wrong_gradient_is_no_success():
    x = starts(3)
    result = minimized(
        rosenbrock, x, grad=lambda x: rosenbrock_gradient(x) * [[1.0], [-1.0], [1.0]]
    )
    assert result.status[1] is Status.NO_DESCENT
    assert result.success.tolist() == [True, False, True]
    np.testing.assert_array_equal(result.x[1], x[1])
    assert "1 found no lower f" in result.message


def test_an_offset_of_f_does_not_keep_it_from_the_minimum():
    """It hides what the last steps gain, but not the slopes."""
    offsets = np.asarray([0.0, 1e9, 0.0])
    result = minimized(lambda x: rosenbrock(x) + offsets, starts(3))
    assert result.success.all()
    np.testing.assert_allclose(result.x, 1, atol=1e-5)


def test_rounding_is_told_from_a_failure():
    """Where x is only told apart by 1e-8, no gradient falls to 1e-12; that of others does."""
    coarse = np.asarray([0.0, 1e8, 0.0])

    def f(x):
        rounded = (x[:, 0] + coarse) - coarse
        return (rounded - np.pi) ** 2 + np.exp(rounded) + x[:, 1] ** 2

    result = minimized(f, starts(3), gtol=1e-12)
    assert result.status[1] is Status.PRECISION_LIMIT
    assert result.success.all()
    np.testing.assert_allclose(result.x[1, 0], result.x[0, 0], atol=1e-7)


@pytest.mark.parametrize("memory", [1, 2], ids=["pairs", "whole"])
def test_float32(case, memory):
    def f(x):
        return (x[:, 0] - 1) ** 2 + 2 * (x[:, 1] - 1) ** 2 + (x[:, 2] + x[:, 0] - 2) ** 2

    result = minimized(f, case.asarray(starts(3, 3), "float32"), lbfgs(memory), gtol=1e-3)
    assert result.x.dtype == result.grad.dtype == result.fun.dtype == case.xp.float32
    assert gdx.to_numpy(result.success).all(), result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x), 1, atol=2e-3)


def test_float32_down_to_the_noise():
    """What rounding allows is a success, and takes no endless searches."""
    problems = Decays(200)
    result = minimized(problems, problems.start.astype(np.float32), gtol=1e-7)
    assert result.success.all(), result.message
    assert Status.PRECISION_LIMIT in result.status
    assert result.nfev < 100


def test_values_finer_than_x():
    problems = Bowls(5)

    def f(x):
        return problems(x.astype(np.float64))

    result = minimized(f, problems.start.astype(np.float32), gtol=1e-3)
    assert result.x.dtype == np.float32
    assert result.fun.dtype == np.float64


@pytest.mark.parametrize(
    "grad",
    ["exact", "numerical", bowl_gradient, True, None],
    ids=["exact", "numerical", "given", "value-and-gradient", "default"],
)
def test_gradients(case, grad):
    def both(x):
        return bowl(x), bowl_gradient(x)

    x, tol = case.asarray(starts(4)), 100 * case.eps ** (2 / 3)
    result = minimized(both if grad is True else bowl, x, grad=grad, gtol=tol)
    named = {"exact": "exact", None: "exact", "numerical": "numerical"}
    assert result.gradient == named.get(grad, "given")
    assert gdx.to_numpy(result.success).all(), result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x), 1, atol=tol)
    np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(case.asarray(starts(4))))
    if grad == "numerical":
        assert result.nfev == 5 * result.njev


def test_f_that_cannot_be_traced_has_numerical_gradients():
    def f(x):
        return np.asarray([float(a - 1) ** 2 + float(b + 2) ** 2 for a, b in x])

    result = minimized(f, starts(3))
    assert result.gradient == "numerical"
    np.testing.assert_allclose(result.x, [[1, -2]] * 3, atol=1e-6)
    with pytest.raises(gdx.TracingError):
        minimized(f, starts(3), grad="exact")


def test_what_torch_takes_for_a_constant():
    torch = pytest.importorskip("torch")

    def f(x):
        return (x[:, 0] * x[:, 0].detach() - 2) ** 2 + x[:, 1] ** 2

    result = minimized(f, torch.asarray(np.abs(starts(3)) + 0.5))
    assert result.gradient == "numerical"
    np.testing.assert_allclose(result.x[:, 0], 2**0.5, atol=1e-5)


def test_f_that_ignores_x():
    result = minimized(lambda x: np.zeros(3), starts(3))
    assert result.success.all()
    assert result.gradient == "numerical"
    with pytest.warns(RuntimeWarning, match="does not depend"):
        minimized(lambda x: np.zeros(3), starts(3), grad="exact")


def test_problems_of_any_shape(case):
    centres = case.asarray(np.arange(12.0).reshape(2, 2, 3))

    def f(x):
        return gdx.array_namespace(x).sum((x - centres) ** 2, axis=(1, 2))

    result = minimized(f, case.xp.zeros_like(centres), gtol=1e-3)
    assert result.x.shape == result.grad.shape == (2, 2, 3)
    np.testing.assert_allclose(gdx.to_numpy(result.x), gdx.to_numpy(centres), atol=1e-3)


def test_problems_of_one_number():
    result = minimized(lambda x: (x - 3) ** 2, np.zeros(4))
    assert result.x.shape == (4,)
    np.testing.assert_allclose(result.x, 3, atol=1e-6)


def test_bounds_against_scipy():
    rng = np.random.default_rng(3)
    k, n = 40, 4
    factors = rng.standard_normal((k, n, n))
    matrices = factors @ np.swapaxes(factors, 1, 2) + 0.05 * np.eye(n)
    linear = 3 * rng.standard_normal((k, n))

    def f(x, some=slice(None)):
        product = np.sum(matrices[some] * x[:, None, :], axis=2)
        return np.sum(x * product / 2 - linear[some] * x, axis=1)

    lower, upper = np.full((k, n), -1.0), np.full((k, n), 0.5)
    x = np.zeros((k, n))
    seen = []
    result = minimized(
        lambda x: seen.append(x) or f(x),
        x,
        grad=lambda x: np.squeeze(matrices @ x[:, :, None], axis=2) - linear,
        box=Box(lower, upper),
    )
    assert result.success.all(), result.message
    for i in range(k):
        one = by_scipy(f, x, i, bounds=[(-1, 0.5)] * n)
        np.testing.assert_allclose(result.x[i], one.x, atol=1e-4)
        np.testing.assert_allclose(result.fun[i], one.fun, atol=1e-8)
    assert all((lower <= x).all() and (x <= upper).all() for x in seen)


@pytest.mark.parametrize("grad", [None, "numerical"])
def test_bounds(case, grad):
    x = case.asarray(starts(4) / 4)
    box = Box(case.asarray([[-3.0, -3.0]] * 4), case.asarray([[0.5, 3.0]] * 4))
    result = minimized(bowl, x, box=box, grad=grad, gtol=case.eps ** (1 / 2))
    assert gdx.to_numpy(result.success).all(), result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x), [[0.5, 1.0]] * 4, atol=case.eps ** (1 / 3))
    assert gdx.to_numpy(result.x).max(axis=0)[0] == 0.5


@pytest.mark.parametrize("memory", [1, 2], ids=["pairs", "whole"])
def test_a_bend_in_the_valley_is_cut_off(memory):
    """Rosenbrock's function of x1 ≤ 1/2 and x2, and a third variable that is tied to x1."""
    box = Box(np.full((20, 3), -3.0), np.tile([0.5, 3.0, 0.75], (20, 1)))
    x = np.minimum(starts(20, 3), 0.5)
    result = minimized(
        lambda x: rosenbrock(x) + (x[:, 2] - 2 * x[:, 0]) ** 2, x, lbfgs(memory), box=box, gtol=1e-7
    )
    assert result.success.all(), result.message
    np.testing.assert_allclose(result.x, [[0.5, 0.25, 0.75]] * 20, atol=1e-7)


RULES = [sgd(0.01), momentum(0.001), adam(0.05), lion(0.01), chain(clip_by_value(1.0), sgd(0.05))]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_update_rules_against_a_loop(rule):
    """Each problem alone, by the rule itself, until its gradient is small at a look."""
    problems = Bowls(6, 2)
    problems.weights /= problems.scale * np.asarray([[20.0, 20.0]])
    result = minimized(problems, problems.start, rule, gtol=1e-2, max_steps=300)
    for i in range(6):
        weights, centre = problems.weights[i], problems.centres[i]
        x, state, steps = problems.start[i].copy(), rule.init(problems.start[i]), 0
        while steps < 300:
            g = 2 * weights * (x - centre)
            if steps % 10 == 0 and np.abs(g).max() <= 1e-2:
                break
            x, state = rule.apply(g, state, x)
            steps += 1
        assert result.nit[i] == steps
        assert result.success[i] == (
            steps < 300 or np.abs(2 * weights * (x - centre)).max() <= 0.01
        )
        if result.success[i]:
            np.testing.assert_allclose(result.x[i], x, rtol=1e-9, atol=1e-9)
        assert result.fun[i] <= np.sum(weights * (x - centre) ** 2) + 1e-12


def test_update_rules(case):
    result = minimized(bowl, case.asarray(starts(4)), adam(0.1), gtol=1e-2)
    assert case.holds(result.x)
    assert gdx.to_numpy(result.success).all(), result.message
    np.testing.assert_allclose(gdx.to_numpy(result.x), 1, atol=1e-2)


def test_update_rules_within_bounds():
    box = Box(np.full((3, 2), -2.0), np.full((3, 2), 0.5))
    result = minimized(
        lambda x: np.sum((x - 1) ** 2, axis=1), starts(3) / 4, adam(0.1), box=box, gtol=1e-2
    )
    assert result.success.all(), result.message
    np.testing.assert_array_equal(result.x, 0.5)


def test_of_an_update_rule_that_diverges_the_best_point_is_kept():
    weights = np.asarray([1.0, 1e200, 1.0])
    x = np.ones((3, 1))
    with np.errstate(all="ignore"):
        result = minimized(lambda x: weights * x[:, 0] ** 2, x, sgd(0.1), gtol=1e-3)
    assert result.status[1] is Status.DIVERGED
    assert result.success.tolist() == [True, False, True]
    np.testing.assert_array_equal(result.x[1], x[1])
    assert result.fun[1] == 1e200


def test_target_rtol_and_limits():
    x = starts(4)
    target = minimized(rosenbrock, x, target=0.5)
    assert set(target.status) == {Status.TARGET_REACHED}
    assert (target.fun <= 0.5).all()
    hardly = minimized(lambda x: rosenbrock(x) + 1, x, gtol=0, rtol=1e-3)
    assert set(hardly.status) == {Status.HARDLY_CHANGED}
    assert hardly.success.all()
    few = minimized(rosenbrock, x, max_steps=3)
    assert few.nit.tolist() == [3] * 4
    assert "4 came to the limit of steps" in few.message
    none = minimized(rosenbrock, x, max_steps=0)
    np.testing.assert_array_equal(none.x, x)
    counted = minimized(rosenbrock, x, max_nfev=7)
    assert counted.nfev == 7
    assert set(counted.status) == {Status.EVALUATION_LIMIT}
    assert (counted.fun < rosenbrock(x)).all()
    late = minimized(rosenbrock, x, max_seconds=0)
    assert set(late.status) == {Status.TIME_LIMIT}


@pytest.mark.parametrize("method", [lbfgs(), adam(0.1)], ids=repr)
def test_the_callback_sees_what_is_known_and_may_stop(method):
    seen = []

    def callback(descent):
        seen.append(descent)
        return descent.step >= 6

    result = minimized(rosenbrock, starts(4), method, check_every=3, callback=callback)
    assert [descent.step for descent in seen] == [0, 3, 6]
    assert [descent.nfev for descent in seen] == [1, 4, 7]
    assert seen[0].x.shape == (4, 2)
    assert seen[-1].running == 4
    np.testing.assert_array_equal(seen[-1].fun, rosenbrock(seen[-1].x))
    assert set(result.status) == {Status.STOPPED}
    assert not result.success.any()


@pytest.mark.parametrize("method", [lbfgs(), adam(0.1)], ids=repr)
def test_an_interrupt_returns_the_best_so_far(method):
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return rosenbrock(x)

    x = starts(4)
    result = minimized(f, x, method, check_every=1)
    assert set(result.status) == {Status.INTERRUPTED}
    assert (result.fun < rosenbrock(x)).all()
    np.testing.assert_allclose(result.fun, rosenbrock(result.x))
    calls[:] = [1] * 14
    with pytest.raises(KeyboardInterrupt):
        minimized(f, x, method)


@pytest.mark.slow
@pytest.mark.parametrize("method", [lbfgs(1), lbfgs(2), adam(0.1)], ids=repr)
@pytest.mark.parametrize("bounded", [False, True])
def test_nothing_is_read_but_at_the_checks(no_host_sync, monkeypatch, method, bounded):
    strict = no_host_sync
    x = strict.asarray(starts(5, 3), device=strict.Device("device1"))
    box = Box(strict.full_like(x, -2.0), strict.full_like(x, 0.5)) if bounded else None
    reads = []
    to_numpy = batches.to_numpy

    def counted(array):
        reads.append(tuple(array.shape))
        return to_numpy(strict.asarray(array, device=strict.Device("CPU_DEVICE")))

    monkeypatch.setattr(batches, "to_numpy", counted)
    result = minimized(
        lambda x: rosenbrock(x) + x[:, 2] ** 2,
        x if box is None else box.nearest(x),
        method,
        box=box,
        check_every=20,
        max_steps=100,
        rtol=1e-9,
        target=-1,
    )
    assert reads == [()] * (result.nfev // 20 + 1) + [(5,), (5,)]


def test_it_is_printed_as_scipy_prints_it():
    problems = Decays(2000)
    shown = repr(minimized(problems, problems.start))
    assert shown.startswith(
        " message: 2,000 of 2,000 problems converged.\n success: [ True  True ..."
    )
    assert "\n    nfev: " in shown
    assert len(shown) < 1000


def test_what_is_wrong_is_named():
    x = starts(3)
    with pytest.raises(ValueError, match=r"must return one value for each.*\(3,\).*\(3, 2\).*axis"):
        minimized(lambda x: x**2, x)
    with pytest.raises(ValueError, match=r"it returned .*Reduce all axes but the first"):
        minimized(lambda x: np.sum(x**2), x)
    with pytest.raises(ValueError, match=r"it returned None"):
        minimized(lambda x: None, x, grad="numerical")
    with pytest.raises(TypeError, match="real"):
        minimized(lambda x: np.sum(x, axis=1) + 0j, x, grad="numerical")
    with pytest.raises(ValueError, match=r"grad must return the shape of x, \(3, 2\)"):
        minimized(rosenbrock, x, grad=lambda x: x[:, 0])
    with pytest.raises(TypeError, match="pair"):
        minimized(rosenbrock, x, grad=True)
    with pytest.raises(ValueError, match="grad must be"):
        minimized(rosenbrock, x, grad="symbolic")
    with pytest.raises(ValueError, match="'l-bfgs', 'bfgs', or an update rule.*got 'newton-cg'"):
        minimized(rosenbrock, x, METHODS["newton-cg"]())
    with pytest.raises(ValueError, match="clip_by_value"):
        minimized(rosenbrock, x, chain(clip_by_global_norm(1.0), sgd(0.1)))
    for shape in ((0, 2), (3, 0), ()):
        with pytest.raises(ValueError, match="first axis of x0"):
            minimized(rosenbrock, np.zeros(shape))


def test_integers_as_values():
    result = minimized(lambda x: np.sum(x > 0, axis=1), starts(3), grad="numerical")
    assert result.fun.dtype == np.float64


def test_by_minimize(case):
    far, near = [[-1.2, 1.0], [2.0, 2.0], [0.0, 1.0]], [[0.9, 0.8], [1.1, 1.2], [0.8, 0.7]]
    chosen = near if case.library == "dask" else far  # in Dask, each step is a graph
    starts, before = (case.asarray(chosen) for _ in range(2))

    def f(x):
        return 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2

    tol = 1e-5 if case.has_float64 else 1e-2
    result = gdx.minimize(f, starts, batch=True, tol=tol)
    assert isinstance(result, gdx.BatchResult)
    assert result.message == "3 of 3 problems converged."
    np.testing.assert_allclose(gdx.to_numpy(result.x), np.ones((3, 2)), atol=0.1)
    bounded = gdx.minimize(f, starts, batch=True, tol=tol, bounds=(None, 0.5))
    np.testing.assert_allclose(gdx.to_numpy(bounded.x), [[0.5, 0.25]] * 3, atol=1e-2)
    np.testing.assert_array_equal(gdx.to_numpy(starts), gdx.to_numpy(before))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x0": {"a": np.ones((2, 2))}}, "x0 must be one array.*got a dict of arrays"),
        ({"history": True}, "history is not for many problems: leave it out, or batch=True"),
        ({"checkpoint": "run.npz"}, "checkpoint is not for many problems"),
        ({"method": "cg"}, "of many problems at once, method must be one of 'l-bfgs', 'bfgs'"),
    ],
)
def test_what_minimize_does_not_take_for_many(options, message):
    call = {"f": lambda x: (x**2).sum(1), "x0": np.ones((2, 2)), "batch": True, **options}
    with pytest.raises(ValueError, match=message):
        gdx.minimize(**call)


@pytest.mark.parametrize("grad", [None, "numerical"])
def test_an_f_of_one_problem_is_noticed(grad):
    def f(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    starts = np.asarray([[-1.2, 1.0], [2.0, 2.0]])
    with pytest.raises(ValueError, match=r"one value for each row.*lambda x: f\(x\.T\)"):
        gdx.minimize(f, starts, batch=True, grad=grad)
    assert gdx.minimize(lambda x: f(x.T), starts, batch=True, grad=grad).success.all()
