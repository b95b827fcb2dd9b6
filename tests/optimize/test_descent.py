"""Gradient descent: the course's figures, what the run says of itself, what it leaves alone."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest

import gdx
from gdx import Status

START = [-3.0, 4.0]


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


def bowl_gradient(x):
    return 2 * x


@pytest.mark.parametrize(
    ("lr", "steps", "x", "status"),
    [
        (0.1, 20, (-0.03458764513817675, 0.04611686018418694), Status.STEP_LIMIT),
        (0.1, 100, (-6.1111079e-10, 8.1481439e-10), Status.CONVERGED),
        (1e-10, 100, (-2.99999994, 3.99999992), Status.HARDLY_MOVED),
    ],
)
def test_course_figures(lr, steps, x, status):
    result = gdx.gradient_descent(bowl, np.asarray(START), lr=lr, step_num=steps)
    np.testing.assert_allclose(result.x, x, rtol=1e-6)
    assert result.status == status
    assert result.success == (status is Status.CONVERGED)
    assert result.nit == steps


@pytest.mark.filterwarnings("ignore:h=0.0001 vanished:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*a step vanished:RuntimeWarning")
def test_course_run_that_diverges():
    """The course prints (-2.6e13, -1.3e12), where x + h is x: these figures are rounding alone."""
    result = gdx.gradient_descent(
        bowl, START, lr=10.0, grad=lambda v: gdx.numerical_gradient(bowl, v, h=1e-4)
    )
    assert result.status == Status.DIVERGED
    assert "lr=1." in result.message
    assert result.x_best.tolist() == START
    assert result.fun_best == 25


def test_path_of_the_course(case):
    x, path = gdx.gradient_descent(bowl, case.asarray(START), lr=0.1, step_num=20)
    assert case.holds(x)
    assert case.holds(path)
    assert path.shape == (20, 2)
    path = gdx.to_numpy(path)
    tolerance = 300 * case.eps ** (2 / 3)
    np.testing.assert_array_equal(path[0], START)
    np.testing.assert_allclose(path[1], (-2.4, 3.2), rtol=tolerance)
    np.testing.assert_allclose(path[-1], (-0.04323455642, 0.05764607523), rtol=20 * tolerance)


def test_against_the_recurrence(case):
    """With the exact gradient each step shrinks x by 1 - 2 lr."""
    result = gdx.gradient_descent(
        bowl, case.asarray(START), lr=0.25, step_num=10, grad=bowl_gradient
    )
    np.testing.assert_array_equal(gdx.to_numpy(result.x), np.asarray(START) * 0.5**10)
    assert result.fun == 25 * 0.25**10


def test_the_start_is_not_changed(case):
    start = case.asarray(START)
    result = gdx.gradient_descent(bowl, start, lr=0.1)
    np.testing.assert_array_equal(gdx.to_numpy(start), START)
    assert gdx.to_numpy(result.x).max() < 1e-3


@pytest.mark.parametrize(("history", "kept"), [(True, 10), (1, 10), (3, 4), (100, 1)])
def test_history_keeps_every_kth_point(history, kept):
    result = gdx.gradient_descent(bowl, START, lr=0.1, step_num=10, history=history)
    everything = gdx.gradient_descent(bowl, START, lr=0.1, step_num=10).history
    assert result.history.shape == (kept, 2)
    np.testing.assert_array_equal(result.history, everything[:: int(history)])


def test_no_history():
    assert gdx.gradient_descent(bowl, START, history=False).history is None


def test_one_number(case):
    result = gdx.gradient_descent(lambda x: (x - 1) ** 2, case.asarray(3.0), lr=0.25, step_num=4)
    assert case.holds(result.x)
    assert result.history.shape == (4,)
    np.testing.assert_allclose(
        gdx.to_numpy(result.x), 1 + 2 * 0.5**4, rtol=300 * case.eps ** (2 / 3)
    )
    assert gdx.gradient_descent(lambda x: (x - 1) ** 2, 3).x.shape == ()


def test_no_step(case):
    result = gdx.gradient_descent(bowl, case.asarray(START), step_num=0)
    assert result.history.shape == (0, 2)
    assert gdx.to_numpy(result.x).tolist() == START
    assert (result.status, result.nit, result.nfev) == (Status.STEP_LIMIT, 0, 1)


def test_evaluations_are_counted():
    calls = []

    def f(x):
        calls.append(1)
        return bowl(x)

    result = gdx.gradient_descent(f, START, step_num=25, check_every=10, grad="numerical")
    assert result.nfev == len(calls) == 25 * 4 + 4
    assert [step for step, _ in result.checks] == [0, 10, 20, 25]
    assert result.checks[0][1] == 25
    assert result.checks[-1][1] == result.fun == bowl(result.x)


def test_evaluations_are_counted_in_trees():
    calls = []

    def f(p):
        calls.append(0)
        return np.sum(p["W"] ** 2) + p["b"] ** 2

    start = {"W": np.ones((2, 2)), "b": 1.0}
    result = gdx.gradient_descent(f, start, 0.1, 5, grad="numerical")
    assert result.nfev == len(calls) == 5 * 2 * 5 + 2


def test_evaluations_that_look_for_a_reaction_are_counted():
    calls = []

    def f(x):
        calls.append(0)
        return 1.0

    with pytest.warns(RuntimeWarning, match="did not react"):
        result = gdx.gradient_descent(f, START, step_num=1)
    assert result.nfev == len(calls) == 2 + 4 + 50 + 1 + 3  # 50 looked for stairs
    assert result.nit == 0
    assert (result.status, result.success) == (Status.NO_REACTION, False)
    assert "Does it use its argument, as lambda W: net.loss(x, t, {'W': W}) does" in result.message


def test_dask_is_computed_at_the_checks():
    """Its graph would grow with every step."""
    dask = pytest.importorskip("dask.array")
    result = gdx.gradient_descent(
        lambda x: (x**2).sum(), dask.ones(2), 0.1, 20, grad=lambda x: 2 * x, history=False
    )
    assert len(result.x.__dask_graph__()) == 1


@pytest.mark.parametrize(("rise", "status"), [(4, Status.STEP_LIMIT), (40, Status.DIVERGED)])
def test_divergence_is_a_rise_above_rounding(rise, status):
    def f(x):
        return 1.0 + (rise * np.finfo(float).eps if x[0] != 1 else 0.0)

    result = gdx.gradient_descent(f, [1.0], 0.1, 1, grad=lambda x: -x)
    assert result.status == status


@pytest.mark.parametrize("level", [1e6, 0])
def test_a_slope_is_no_minimum_however_large_f(level):
    result = gdx.gradient_descent(lambda x: level + x[0], [1.0], 1e-7, 1, grad=lambda x: np.ones(1))
    assert result.status == Status.HARDLY_MOVED


def test_verbose_prints_each_coordinate_and_its_gradient(capsys):
    gdx.gradient_descent(bowl, START, lr=0.1, step_num=2, verbose=True, grad=bowl_gradient)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "step 0: x = [-3.  4.], gradient = [-6.  8.]"
    assert lines[1] == "step 1: x = [-2.4  3.2], gradient = [-4.8  6.4]"
    assert len(lines) == 2


def test_callback_sees_each_step_and_can_stop():
    seen = []

    def callback(state):
        seen.append((state.step, state.x.copy(), state.grad, state.lr, state.nfev))
        return state.step == 3

    result = gdx.gradient_descent(bowl, START, lr=0.1, callback=callback, grad=bowl_gradient)
    assert [step for step, *_ in seen] == [0, 1, 2, 3]
    np.testing.assert_array_equal(seen[0][1], START)
    np.testing.assert_array_equal(seen[0][2], [-6, 8])
    assert result.status == Status.STOPPED
    assert result.nit == 3
    np.testing.assert_array_equal(result.x, seen[-1][1])


def test_callback_may_answer_with_the_truth_of_numpy():
    result = gdx.gradient_descent(
        bowl, START, lr=0.1, callback=lambda state: np.abs(state.grad).max() < 5
    )
    assert result.status == Status.STOPPED
    assert result.nit == 3


def test_progress(capsys):
    pytest.importorskip("tqdm")
    gdx.gradient_descent(bowl, START, step_num=7, progress=True)
    assert "7/7" in capsys.readouterr().err


def test_progress_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"pip install tqdm"):
        gdx.gradient_descent(bowl, START, progress=True)


def test_a_run_into_nan_stops_and_keeps_the_best():
    def f(x):
        return float("nan") if x[0] > 2 else (x[0] - 3) ** 2

    result = gdx.gradient_descent(
        f, [0.0], lr=0.1, step_num=1000, grad=lambda x: 2 * (x - 3), check_every=3
    )
    assert result.status == Status.DIVERGED
    assert not result.success
    assert "NaN" in result.message
    assert result.nit == 6
    assert result.x[0] == result.x_best[0] == pytest.approx(3 - 3 * 0.8**3)
    assert result.fun == result.fun_best == f(result.x)


def test_infinite_points_are_not_a_success():
    result = gdx.gradient_descent(
        lambda x: 0.0, [1.0, 2.0], lr=1.0, grad=lambda x: np.asarray([np.inf, 0.0])
    )
    assert result.status == Status.DIVERGED
    assert result.x.tolist() == [1, 2]


def test_a_start_that_is_not_finite():
    result = gdx.gradient_descent(lambda x: x[0], [float("nan")], grad=lambda x: x)
    assert result.status == Status.DIVERGED
    assert "at the start. Try another init_x" in result.message
    assert np.isnan(result.fun)


def test_ending_above_the_start_is_divergence():
    result = gdx.gradient_descent(bowl, [1e-6, 0.0], lr=1.5, step_num=5, grad=bowl_gradient)
    assert result.status == Status.DIVERGED
    assert result.fun > result.checks[0][1]
    assert not result.success


def test_a_start_at_the_minimum_has_converged():
    assert gdx.gradient_descent(bowl, [0.0, 0.0]).status == Status.CONVERGED


def test_parameters_by_name(case):
    start = {"W": case.asarray([[1.0, 2.0]]), "b": [case.asarray([3.0])]}
    xp = case.xp
    result = gdx.gradient_descent(
        lambda p: xp.sum(p["W"] ** 2) + xp.sum(p["b"][0] ** 2), start, lr=0.1, step_num=5
    )
    assert result.history["W"].shape == (5, 1, 2)
    assert result.history["b"][0].shape == (5, 1)
    tolerance = 300 * case.eps ** (2 / 3)
    np.testing.assert_allclose(
        gdx.to_numpy(result.x["W"]), np.asarray([[1, 2]]) * 0.8**5, rtol=tolerance
    )
    assert gdx.to_numpy(start["W"]).tolist() == [[1, 2]]


def test_gradient_of_another_kind():
    result = gdx.gradient_descent(
        bowl, np.asarray(START, dtype=np.float32), step_num=1, grad=lambda x: [1.0, 2.0]
    )
    assert result.x.dtype == np.float32
    with pytest.raises(ValueError, match=r"grad must return the shape of x, \(2,\).*\(2, 1\)"):
        gdx.gradient_descent(bowl, START, grad=lambda x: x[:, None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0}, "lr must be a positive number; got 0"),
        ({"lr": -0.1}, "maximise"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": "fast"}, "lr must be a positive number; got 'fast'"),
        ({"step_num": None}, "step_num must be an integer"),
        ({"init_x": {}}, "init_x must hold an array"),
        (
            {"init_x": {"W": np.ones(2)}, "grad": lambda p: {}},
            r"grad must return the structure of x: expected a dict with the keys \['W'\], got one",
        ),
        (
            {"init_x": {"W": np.ones(2)}, "grad": lambda p: p["W"]},
            "expected a dict with the keys.*got ndarray",
        ),
        (
            {"init_x": (np.ones(2), np.ones(2)), "grad": lambda p: p[:1]},
            "expected a list or tuple of 2, got a tuple of 1",
        ),
        (
            {"init_x": [np.ones(2), np.ones(2)], "grad": lambda p: None},
            "expected a list or tuple of 2, got NoneType",
        ),
        ({"step_num": -1}, "step_num must be an integer, 0 or more; got -1"),
        ({"step_num": 1.5}, "step_num"),
        ({"check_every": 0}, "check_every must be an integer, 1 or more"),
        ({"history": -1}, "history"),
        ({"history": 0.5}, "history"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        gdx.gradient_descent(np.size, **{"init_x": START, **options})


def test_a_gradient_that_is_no_number():
    with pytest.raises(TypeError, match="what grad returns must hold real numbers; got None"):
        gdx.gradient_descent(bowl, START, grad=lambda x: None)


@pytest.mark.parametrize("of", ["autograd.grad", "backward"])
def test_gradients_by_the_autograd_of_torch(of):
    """They mark x; no graph may grow from step to step."""
    torch = pytest.importorskip("torch")

    def grad(x):
        x.requires_grad_()
        if of == "autograd.grad":
            return torch.autograd.grad(torch.sum(x**2), x)[0]
        torch.sum(x**2).backward()
        return x.grad

    result = gdx.gradient_descent(
        lambda x: torch.sum(x**2), torch.tensor([3.0, 4.0]), lr=0.25, step_num=3, grad=grad
    )
    assert result.x.tolist() == [3 / 8, 4 / 8]
    assert not result.x.requires_grad
    assert not result.history.requires_grad


def test_a_small_gradient_alone_is_no_minimum():
    result = gdx.gradient_descent(lambda x: -np.exp(x[0]), [-16.0], lr=1e8, step_num=1)
    assert not result.success
    assert result.status == Status.STEP_LIMIT


SPECTRA = {"round": (2.0, 2.0), "long": (1.0, 100.0), "small": (2e-6,), "large": (2e4, 5e4)}


@pytest.mark.parametrize("lr", [*10.0 ** np.arange(-12, 4), 0.7, 0.999, 1.0, 1.0001])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_advice_helps(name, lr):
    """As advised, f falls further, by steps that are stable: shorter than 2 / λ."""
    spectrum = np.asarray(SPECTRA[name])
    start, steps = np.linspace(1.0, 2.0, len(spectrum)), 100

    def f(x):
        return (spectrum * x**2).sum() / 2

    def ended(lr):
        with np.errstate(all="ignore"):
            fun = f((1 - lr * spectrum) ** steps * start)  # what a descent of so many steps does
        return fun if np.isfinite(fun) else np.inf

    with np.errstate(all="ignore"):
        result = gdx.gradient_descent(f, start, lr, steps)
    advised = re.search(r"for example lr=([\d.e+-]+?)[.,]?( |$)", result.message)
    if advised is None:
        assert result.success or "Try more steps." in result.message
        assert ended(lr) < f(start)
        return
    advised = float(advised[1])
    assert ("larger" in result.message) == (advised > lr)
    assert ended(advised) < min(ended(lr), f(start))
    assert advised < 2 / spectrum.max()


def test_results_are_told_apart_by_identity():
    one, other = (gdx.gradient_descent(bowl, START, step_num=1) for _ in range(2))
    assert one != other
    assert len({one, other}) == 2


def test_f_that_returns_an_array():
    with pytest.raises(TypeError, match=r"one number.*shape \(2,\)"):
        gdx.gradient_descent(lambda x: x, START)
    with pytest.raises(TypeError, match=r"one number.*shape \(2,\)"):
        gdx.gradient_descent(lambda x: x, START, grad="numerical")


def test_nothing_is_read_between_checks(no_host_sync, monkeypatch):
    xp = no_host_sync
    from gdx.optimize import descent
    from gdx.optimize.runs.reading import Reads

    looked = []

    def sizes(self, value, arrays):
        looked.append(len(arrays))
        return 1.0, [1.0] * len(arrays)

    monkeypatch.setattr(Reads, "sizes", sizes)
    monkeypatch.setattr(descent, "judge", lambda *args, **options: (Status.STEP_LIMIT, ""))
    start = xp.asarray(START, device=xp.Device("device1"))
    result = gdx.gradient_descent(bowl, start, step_num=20)
    assert len(looked) == 3
    assert [step for step, _ in result.checks] == [0, 10, 20]


def test_the_result_prints_one_line_per_field():
    shown = repr(gdx.gradient_descent(bowl, START, lr=0.1))
    assert " message: Converged" in shown
    assert "gradient: exact" in shown
    assert "    nfev: 101" in shown


def test_the_gradient_is_exact_where_f_can_be_traced(case):
    result = gdx.gradient_descent(bowl, case.asarray(START), lr=0.25, step_num=3)
    assert result.gradient == "exact"
    assert gdx.to_numpy(result.x).tolist() == [START[0] / 8, START[1] / 8]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: math.cos(x[0]) + float(x[1]) ** 2,
        lambda x: float(np.sum(np.asarray(x) ** 2)),
        lambda x: np.array([x[0], x[1] - 1]).max(),
    ],
)
def test_the_gradient_is_numerical_where_f_leaves_the_tracer(f):
    result = gdx.gradient_descent(f, START, lr=0.1, step_num=3)
    assert result.gradient == "numerical"
    assert result.fun < f(np.asarray(START))


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.filterwarnings("ignore:Converting a tensor:UserWarning")
def test_a_number_taken_out_of_an_array_is_no_constant(library):
    pytest.importorskip(library)
    with gdx.using(library, fallback=None):
        start = gdx.asarray(START)
        result = gdx.gradient_descent(lambda x: x[0] ** 2 + float(x[1]) ** 2, start, lr=0.1)
    assert result.gradient == "numerical"
    assert abs(gdx.to_numpy(result.x)).max() < 1e-6


def test_the_gradient_is_numerical_where_f_reads_the_array_behind_its_argument():
    net = gdx.SimpleNet(rng=0)

    def f(W):
        net.W = W
        return net.loss([0.6, 0.9], 2)

    assert gdx.gradient_descent(f, net.W, step_num=2).gradient == "exact"
    held = np.asarray([3.0, 4.0])
    seen = []

    def closure(x):
        seen.append(1)
        return float(np.sum(np.asarray(x) ** 2)) if isinstance(x, np.ndarray) else 25.0

    assert gdx.gradient_descent(closure, held, step_num=1).gradient == "numerical"


def test_where_f_cannot_be_traced_any_more_the_gradient_becomes_numerical():
    def f(x):
        return x[0] ** 2 + x[1] ** 2 if x[0] > 2 else float(x[0]) ** 2 + x[1] ** 2

    result = gdx.gradient_descent(f, [3.0, -1.0], 0.1, 40)
    assert result.gradient == "numerical"
    assert abs(result.x).max() < 1e-3


def test_an_exact_gradient_of_what_does_not_depend_on_x_is_told():
    with pytest.warns(RuntimeWarning, match="does not depend"):
        gdx.gradient_descent(lambda x: 3.0, START, step_num=1, grad="exact")


def test_a_bug_in_f_is_not_hidden():
    def f(x):
        if not isinstance(x, np.ndarray):
            raise TypeError("a bug")
        return np.sum(x**2)

    with pytest.raises(TypeError, match="a bug"):
        gdx.gradient_descent(f, START)
    assert gdx.gradient_descent(f, START, grad="numerical").gradient == "numerical"


def test_how_the_gradient_is_had_can_be_chosen():
    exact = gdx.gradient_descent(bowl, START, 0.1, 5, grad="exact")
    numerical = gdx.gradient_descent(bowl, START, 0.1, 5, grad="numerical")
    given = gdx.gradient_descent(bowl, START, 0.1, 5, grad=bowl_gradient)
    assert [r.gradient for r in (exact, numerical, given)] == ["exact", "numerical", "given"]
    np.testing.assert_allclose(exact.x, numerical.x, rtol=1e-8)
    np.testing.assert_array_equal(exact.x, given.x)
    with pytest.raises(gdx.TracingError):
        gdx.gradient_descent(lambda x: math.cos(x[0]), START, grad="exact")
    with pytest.raises(ValueError, match="grad must be 'exact'"):
        gdx.gradient_descent(bowl, START, grad="analytic")


@pytest.mark.parametrize("line_search", ["armijo", "wolfe", "bb"])
def test_line_searches(case, line_search):
    result = gdx.gradient_descent(
        bowl, case.asarray(START), lr=0.1, step_num=50, line_search=line_search
    )
    assert result.status == Status.CONVERGED
    assert case.holds(result.x)
    assert abs(gdx.to_numpy(result.x)).max() < 1e-2
    assert result.history.shape == (result.nit, 2)
    assert gdx.to_numpy(result.history[0, :]).tolist() == START


@pytest.mark.parametrize("line_search", ["armijo", "wolfe"])
def test_a_line_search_lowers_f_at_every_step_however_long_the_first(line_search):
    def rosenbrock(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    result = gdx.gradient_descent(
        rosenbrock, [-1.2, 1.0], lr=100.0, step_num=30, line_search=line_search
    )
    values = [fun for _, fun in result.checks]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] / 4
    assert "or another line search" in result.message


def test_a_line_search_ends_at_the_minimum():
    result = gdx.gradient_descent(bowl, [0.0, 0.0], line_search="armijo")
    assert (result.status, result.nit) == (Status.CONVERGED, 0)


def test_unknown_line_search():
    with pytest.raises(ValueError, match="line_search must be 'armijo', 'wolfe', 'bb' or None"):
        gdx.gradient_descent(bowl, START, line_search="exact")


def test_an_interrupt_returns_the_best_so_far():
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return bowl(x)

    result = gdx.gradient_descent(f, START, lr=0.1)
    assert result.status == Status.INTERRUPTED
    assert not result.success
    assert result.fun == bowl(result.x) == result.fun_best
    assert result.nit == 24


def test_an_interrupt_at_the_start_is_raised():
    def f(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gdx.gradient_descent(f, START)


def test_what_is_kept_does_not_change_the_way(case):
    one, other = (
        gdx.gradient_descent(bowl, case.asarray(START), 0.1, 17, history=history)
        for history in (True, False)
    )
    assert gdx.to_numpy(one.x).tolist() == pytest.approx(gdx.to_numpy(other.x).tolist(), rel=1e-6)
    np.testing.assert_allclose(one.checks, other.checks, rtol=1e-6)
