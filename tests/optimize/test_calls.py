"""Calls as users of SciPy write them, and wrong ones: each works, or says what to write."""

from __future__ import annotations

import numpy as np
import pytest

import gdx
from gdx.optimize import adam, lbfgs


def bowl(x):
    return ((x - 1) ** 2).sum()


X = np.zeros(2)
STATE = adam(0.1).init({"W": np.ones(2)})


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("jac", "grad="),
        ("hess", "hvp="),
        ("hessp", "hvp="),
        ("args", "lambda"),
        ("options", "max_steps="),
        ("maxiter", "max_steps="),
        ("maxfun", "max_nfev="),
        ("constraints", "bounds="),
        ("foo", "help"),
    ],
)
def test_what_scipy_calls_otherwise(name, ours):
    with pytest.raises(TypeError, match=rf"minimize\(\) has no option '{name}': .*{ours}"):
        gdx.minimize(bowl, X, **{name: None})


@pytest.mark.parametrize("name", ["lbfgs", "L-BFGS-B", "l_bfgs_b", "BFGS ", "Newton-CG", "Adam"])
def test_names_of_methods_in_other_letters(name):
    assert gdx.minimize(bowl, X, method=name, max_steps=5).fun < 2


def test_a_name_that_is_nearly_one():
    with pytest.raises(ValueError, match=r"got 'adamm'\. Did you mean 'adam'\?"):
        gdx.minimize(bowl, X, method="adamm")


def test_results_as_scipys_and_as_tuples():
    result = gdx.minimize(bowl, X)
    assert result["x"] is result.x
    assert result["fun"] == result.fun
    assert "gradient: exact" in repr(result)
    descent = gdx.gradient_descent(bowl, X, 0.1, 3)
    assert len(descent) == 2
    assert descent[0] is descent["x"] is descent.x
    assert descent[1] is descent.history
    many = gdx.minimize(lambda x: ((x - 1) ** 2).sum(1), np.zeros((3, 2)), batch=True)
    assert many["x"] is many.x
    assert "gradient: exact" in repr(many)


@pytest.mark.parametrize("options", [{}, {"batch": True}])
def test_a_callback_may_raise_stop_iteration(options):
    def stop(state):
        raise StopIteration

    x = np.zeros((3, 2)) if options else X
    result = gdx.minimize(lambda x: ((x - 1) ** 2).sum(-1), x, callback=stop, **options)
    statuses = result.status if options else [result.status]
    assert {*statuses} == {gdx.Status.STOPPED}


@pytest.mark.parametrize("minimiser", [gdx.minimize, gdx.gradient_descent])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"f": 3}, TypeError, "f must be a function; got 3"),
        ({"callback": 3}, TypeError, "callback must be a function; got 3"),
        ({"grad": np.ones(2)}, ValueError, r"grad must be 'exact'.*got array\(\[1., 1.\]\)"),
        ({"f": lambda x: x**2}, TypeError, "f must return one number"),
        ({"f": lambda x: x**2, "grad": "numerical"}, TypeError, "f must return one number"),
        ({"f": lambda x: [float(x[0])]}, TypeError, "f must return a real number"),
    ],
)
def test_wrong_arguments(minimiser, options, error, message):
    options = {"f": bowl, **options}
    with pytest.raises(error, match=message):
        minimiser(options.pop("f"), X, **options)


def test_no_dimensions_within_bounds():
    result = gdx.minimize(lambda x: (x - 3) ** 2, 0.0, bounds=(-1, 1), grad="numerical")
    assert result.success
    assert result.x == 1


@pytest.mark.parametrize("method", ["l-bfgs", "adam"])
@pytest.mark.parametrize("grad", [None, "numerical"])
def test_bounds_that_leave_one_point(method, grad):
    result = gdx.minimize(bowl, X, method=method, grad=grad, bounds=([2, 3], [2, 3]))
    assert (result.status, result.success) == (gdx.Status.CONVERGED, True)
    assert result.x.tolist() == [2, 3]


@pytest.mark.parametrize("grad", [None, "numerical"])
def test_rows_that_are_infinite_everywhere(grad):
    result = gdx.minimize(lambda x: np.full(len(x), np.inf), np.ones((3, 2)), batch=True, grad=grad)
    assert {*result.status} == {gdx.Status.DIVERGED}


def test_a_loss_that_ignores_its_argument_stops_at_once():
    net = gdx.SimpleNet(rng=0)
    x, t = np.asarray([0.6, 0.9]), np.asarray([0, 0, 1])
    with pytest.warns(RuntimeWarning, match="did not react"):
        result = gdx.gradient_descent(lambda W: net.loss(x, t), net.W)
    assert (result.status, result.nit) == (gdx.Status.NO_REACTION, 0)
    assert "lambda W: net.loss(x, t, {'W': W})" in result.message


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((STATE, {"W": X}, {"W": X}), TypeError, "The arguments are grad, state, params"),
        (({"W": X}, {"W": X}, STATE), TypeError, "The arguments are grad, state, params"),
        (({"W": np.ones(3)}, STATE, {"W": np.ones(3)}), ValueError, "state must be that of params"),
        (({"W": X, "b": X}, STATE, {"W": X, "b": X}), ValueError, "state must be that of params"),
        (({"W": 1.0}, STATE, {"W": 1.0}), TypeError, "params must hold arrays; got 1.0"),
    ],
)
@pytest.mark.parametrize("step", ["apply", "update"])
def test_wrong_arguments_of_a_step(step, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(adam(0.1), step)(*arguments)


@pytest.mark.parametrize("net", [lambda: gdx.MLP([2, 3], rng="a"), lambda: gdx.SimpleNet(rng="a")])
def test_a_seed_that_is_none(net):
    with pytest.raises(TypeError, match="rng must be an integer"):
        net()


def test_methods_with_options_are_methods():
    assert gdx.minimize(bowl, X, method=lbfgs(memory=3)).success
