"""Every public name on every array library: one call each, against a value worked out by hand."""

from __future__ import annotations

import inspect
import math

import matplotlib as mpl
import numpy as np
import pytest

import gdx
import gdx.optimize
import gdx.plot
import gdx.testing
from gdx.backends import is_array

mpl.use("Agg")
from matplotlib import pyplot

# The point, the direction, the cubes and their derivatives.
X, V = np.asarray([1.0, 2.0, -3.0]), np.asarray([0.5, -1.0, 2.0])
GRADIENT, HESSIAN = 3 * X**2, np.diag(6 * X)
SIGMOID, SOFTMAX = 1 / (1 + np.exp(-X)), np.exp(X) / np.exp(X).sum()
LABEL = 1
DELTA = 1e-7  # what the course adds to a probability before it takes the logarithm
W = np.asarray([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
STEPS = np.asarray([[1.0, 1.0], [0.5, 0.5]])

# Whom no array reaches: they tell that there is no library. Tested in test_backends.py.
WITHOUT_ARRAYS = {"BackendFallbackWarning", "BackendUnavailableError"}

ROWS = {}


def row(name):
    """Let a function of a case yield pairs for a name: what gdx found, and what it should be."""

    def add(function):
        ROWS[name] = function
        return function

    return add


def cubes(x):
    return (x * x * x).sum() if hasattr(x, "sum") else gdx.array_namespace(x).sum(x * x * x)


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


def bowls(x):
    return x[:, 0] ** 2 + x[:, 1] ** 2


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    pyplot.close("all")


def public_names():
    listed = (gdx, gdx.optimize, gdx.testing)
    names = {name for module in listed for name in module.__all__}
    plots = inspect.getmembers(gdx.plot, inspect.isfunction)
    return names | {
        name
        for name, function in plots
        if function.__module__ == gdx.plot.__name__ and not name.startswith("_")
    }


def test_every_public_name_has_a_row():
    assert ROWS.keys() | WITHOUT_ARRAYS == public_names()
    assert not ROWS.keys() & WITHOUT_ARRAYS


@pytest.mark.filterwarnings("ignore:f did not react:RuntimeWarning")
@pytest.mark.parametrize("name", ROWS)
def test_public_name(name, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the files that a row writes
    monkeypatch.setattr(gdx.plot, "_GRID", 5)  # in Dask, each point takes a graph of its own
    with case.using():
        pairs = [*ROWS[name](case)]
    assert pairs
    for found, expected in pairs:
        assert not is_array(found) or case.holds(found)
        if isinstance(expected, np.ndarray | float):
            tolerance = 100 * case.eps ** (2 / 3)
            host = gdx.to_numpy(found)
            np.testing.assert_allclose(host, expected, rtol=tolerance, atol=tolerance)
        else:
            assert found == expected


# ------------------------------------------------------------------ array libraries


@row("use")
def _(case):
    used = gdx.use(case.xp, device=case.started.device, fallback=None)
    yield used.name, case.started.name


@row("using")
def _(case):
    with gdx.using(case.xp, device=case.started.device, fallback=None):
        yield gdx.asarray([1.0]), np.ones(1)


@row("backend")
def _(case):
    yield gdx.backend().xp, case.xp


@row("Backend")
def _(case):
    yield isinstance(gdx.backend(), gdx.Backend), True
    yield gdx.backend().dtype == case.asarray(X).dtype, True


@row("backends")
def _(case):
    known = gdx.backends().get(case.library)
    yield case.library == "array_api_strict" or known.usable, True


@row("BackendInfo")
def _(case):
    known = gdx.backends().get(case.library, gdx.backends()["numpy"])
    yield isinstance(known, gdx.BackendInfo), True
    yield known.reason, None


@row("asarray")
def _(case):
    yield gdx.asarray(X.tolist()), X


@row("to_numpy")
def _(case):
    yield isinstance(gdx.to_numpy(case.asarray(X)), np.ndarray), True
    yield gdx.to_numpy(case.asarray(X)).tolist(), X.tolist()


@row("array_namespace")
def _(case):
    yield gdx.array_namespace(case.asarray(X), 2.0), case.xp


# ------------------------------------------------------------------ functions


@row("sigmoid")
def _(case):
    yield gdx.sigmoid(case.asarray(X)), SIGMOID


@row("relu")
def _(case):
    yield gdx.relu(case.asarray(X)), np.asarray([1.0, 2.0, 0.0])


@row("softmax")
def _(case):
    yield gdx.softmax(case.asarray(X)), SOFTMAX


@row("log_softmax")
def _(case):
    yield gdx.log_softmax(case.asarray(X)), np.log(SOFTMAX)


@row("cross_entropy_error")
def _(case):
    found = gdx.cross_entropy_error(case.asarray(SOFTMAX), LABEL)
    yield found, -np.log(SOFTMAX[LABEL] + DELTA)


@row("softmax_cross_entropy")
def _(case):
    yield gdx.softmax_cross_entropy(case.asarray(X), LABEL), -np.log(SOFTMAX[LABEL])


@row("mean_squared_error")
def _(case):
    found = gdx.mean_squared_error(case.asarray(X), case.asarray(V))
    yield found, np.mean((X - V) ** 2)


# ------------------------------------------------------------------ exact derivatives


@row("grad")
def _(case):
    yield gdx.grad(cubes)(case.asarray(X)), GRADIENT


@row("value_and_grad")
def _(case):
    value, gradient = gdx.value_and_grad(cubes)(case.asarray(X))
    yield value, np.sum(X**3)
    yield gradient, GRADIENT


@row("vjp")
def _(case):
    y, pull = gdx.vjp(lambda x: x * x, case.asarray(X))
    yield y, X**2
    yield pull(case.asarray(V))[0], 2 * X * V


@row("jvp")
def _(case):
    y, moved = gdx.jvp(lambda x: x * x, (case.asarray(X),), (case.asarray(V),))
    yield y, X**2
    yield moved, 2 * X * V


@row("jacobian")
def _(case):
    yield gdx.jacobian(lambda x: x * x)(case.asarray(X)), np.diag(2 * X)


@row("hessian")
def _(case):
    yield gdx.hessian(cubes)(case.asarray(X)), HESSIAN


@row("hvp")
def _(case):
    yield gdx.hvp(cubes, case.asarray(X), case.asarray(V)), HESSIAN @ V


@row("stop_gradient")
def _(case):
    x = case.asarray(X)
    yield gdx.grad(lambda x: cubes(gdx.stop_gradient(x) * x))(x), 3 * X**5


@row("custom_vjp")
def _(case):
    @gdx.custom_vjp
    def f(x):
        return cubes(x)

    f.defvjp(lambda x: (f(x), x), lambda x, g: (g * x,))
    yield gdx.grad(f)(case.asarray(X)), X


@row("TracingError")
def _(case):
    with pytest.raises(gdx.TracingError) as caught:
        gdx.grad(lambda x: float(x[0]), engine="tracer")(case.asarray(X))
    yield "float" in str(caught.value), True


# ------------------------------------------------------------------ numerical derivatives


@row("numerical_gradient")
def _(case):
    yield gdx.numerical_gradient(cubes, case.asarray(X)), GRADIENT


@row("numerical_jacobian")
def _(case):
    yield gdx.numerical_jacobian(lambda x: x * x, case.asarray(X)), np.diag(2 * X)


@row("numerical_jvp")
def _(case):
    found = gdx.numerical_jvp(lambda x: x * x, case.asarray(X), case.asarray(V))
    yield found, 2 * X * V


@row("numerical_hessian")
def _(case):
    # Second differences are right to the root of the precision.
    found = gdx.numerical_hessian(cubes, case.asarray(X))
    yield case.holds(found), True
    yield np.allclose(gdx.to_numpy(found), HESSIAN, rtol=0, atol=40 * math.sqrt(case.eps)), True


@row("numerical_hessian_diagonal")
def _(case):
    found = gdx.numerical_hessian_diagonal(cubes, case.asarray(X))
    yield case.holds(found), True
    yield np.allclose(gdx.to_numpy(found), 6 * X, rtol=0, atol=40 * math.sqrt(case.eps)), True


@row("Derivative")
def _(case):
    found = gdx.numerical_gradient(cubes, case.asarray(X), full_output=True)
    yield isinstance(found, gdx.Derivative), True
    yield found.value, GRADIENT


@row("check_gradient")
def _(case):
    # One element: in Dask, each evaluation is a graph of its own.
    found = gdx.check_gradient(cubes, case.asarray([2.0]), lambda x: -3 * x * x)
    yield (found.verdict, found.cause), ("wrong", "sign")


@row("GradientCheck")
def _(case):
    found = gdx.check_gradient(cubes, case.asarray([2.0]))
    yield isinstance(found, gdx.GradientCheck), True
    yield (found.verdict, found.given), ("correct", 12.0)


@row("assert_gradient")
def _(case):
    with pytest.raises(AssertionError, match="1 of 1 elements is wrong") as caught:
        gdx.testing.assert_gradient(cubes, case.asarray([2.0]), case.asarray([11.0]))
    yield "wrong" in str(caught.value), True


# ------------------------------------------------------------------ minimisation


@row("gradient_descent")
def _(case):
    x, history = gdx.gradient_descent(bowl, case.asarray([-3.0, 4.0]), lr=0.1, step_num=20)
    yield x, np.asarray([-0.03458764513817675, 0.04611686018418694])
    yield history[1, :], np.asarray([-2.4, 3.2])


@row("DescentResult")
def _(case):
    found = gdx.gradient_descent(bowl, case.asarray([-3.0, 4.0]), lr=0.1, step_num=1)
    yield isinstance(found, gdx.DescentResult), True
    yield found.x, np.asarray([-2.4, 3.2])


@row("Descent")
def _(case):
    seen = []
    gdx.gradient_descent(bowl, case.asarray([-3.0, 4.0]), step_num=1, callback=seen.append)
    yield {*map(type, seen)}, {gdx.Descent}
    yield seen[0].fun, 25.0


@row("minimize")
def _(case):
    yield gdx.minimize(bowl, case.asarray([-3.0, 4.0])).x, np.zeros(2)


@row("OptimizeResult")
def _(case):
    found = gdx.minimize(bowl, case.asarray([-3.0, 4.0]))
    yield isinstance(found, gdx.OptimizeResult), True
    yield found.fun, 0.0


@row("Status")
def _(case):
    yield gdx.minimize(bowl, case.asarray([-3.0, 4.0])).status, gdx.Status.CONVERGED


@row("History")
def _(case):
    found = gdx.minimize(bowl, case.asarray([-3.0, 4.0]), max_steps=1, history=True).history
    yield isinstance(found, gdx.History), True
    yield found.x[0, :], np.asarray([-3.0, 4.0])


@row("BatchResult")
def _(case):
    starts = case.asarray([[-3.0, 4.0], [1.0, 2.0]])
    found = gdx.minimize(bowls, starts, batch=True)
    yield isinstance(found, gdx.BatchResult), True
    yield found.x, np.zeros((2, 2))


@row("BatchDescent")
def _(case):
    seen = []
    starts = case.asarray([[-3.0, 4.0], [1.0, 2.0]])
    gdx.minimize(bowls, starts, batch=True, check_every=1, callback=seen.append)
    yield {*map(type, seen)}, {gdx.BatchDescent}


@row("CheckpointError")
def _(case):
    with open("run.npz", "w") as stream:
        stream.write("something else")
    with pytest.raises(gdx.CheckpointError) as caught:
        gdx.minimize(bowl, case.asarray([-3.0, 4.0]), checkpoint="run.npz")
    yield "delete it to begin anew" in str(caught.value), True


@row("lbfgs")
def _(case):
    found = gdx.minimize(bowl, case.asarray([-3.0, 4.0]), method=gdx.optimize.lbfgs(2))
    yield found.x, np.zeros(2)


@row("Method")
def _(case):
    yield type(gdx.optimize.lbfgs()), gdx.optimize.Method
    yield gdx.minimize(bowl, case.asarray([-3.0, 4.0]), method="bfgs").x, np.zeros(2)


# The first step of each rule, of length 0.1, with the gradient G at X.
G = np.asarray([0.5, -2.0, 4.0])
FIRST_STEPS = {
    "sgd": (lambda rules: rules.sgd(0.1), -0.1 * G),
    "momentum": (lambda rules: rules.momentum(0.1), -0.1 * G),
    "nesterov": (lambda rules: rules.nesterov(0.1, momentum=0.9), -0.19 * G),
    "adagrad": (lambda rules: rules.adagrad(0.1), -0.1 * np.sign(G)),
    "rmsprop": (lambda rules: rules.rmsprop(0.1, rho=0.99), -0.1 * G / (0.1 * np.abs(G) + 1e-8)),
    "adam": (lambda rules: rules.adam(0.1), -0.1 * np.sign(G)),
    "adamw": (
        lambda rules: rules.adamw(0.1, weight_decay=0.01),
        -0.1 * np.sign(G) - 0.1 * 0.01 * X,
    ),
    "amsgrad": (lambda rules: rules.amsgrad(0.1), -0.1 * np.sign(G)),
    "lion": (lambda rules: rules.lion(0.1), -0.1 * np.sign(G)),
    "chain": (lambda rules: rules.chain(rules.clip_by_value(9), rules.sgd(0.1)), -0.1 * G),
    "clip_by_value": (
        lambda rules: rules.chain(rules.clip_by_value(1.0), rules.sgd(0.1)),
        -0.1 * np.clip(G, -1, 1),
    ),
    "clip_by_global_norm": (
        lambda rules: rules.chain(rules.clip_by_global_norm(1.0), rules.sgd(0.1)),
        -0.1 * G / np.linalg.norm(G),
    ),
    "weight_decay": (
        lambda rules: rules.chain(rules.weight_decay(0.01), rules.sgd(0.1)),
        -0.1 * (G + 0.01 * X),
    ),
    "Optimizer": (lambda rules: rules.Optimizer(rules.sgd(0.1).links), -0.1 * G),
}
# The learning rate of the second step of each schedule.
SECOND_RATES = {
    "constant": (lambda rules: rules.constant(0.1), 0.1),
    "step_decay": (lambda rules: rules.step_decay(0.1, 1, factor=0.5), 0.05),
    "exponential_decay": (lambda rules: rules.exponential_decay(0.1, 0.5), 0.05),
    "cosine_decay": (lambda rules: rules.cosine_decay(0.1, 2), 0.05),
    "one_cycle": (lambda rules: rules.one_cycle(0.1, 10, div_factor=25.0), (0.1 + 0.1 / 25) / 2),
    "Schedule": (lambda rules: rules.Schedule("constant", (("lr", 0.1),)), 0.1),
}


def first_step(case, name):
    make, expected = FIRST_STEPS[name]
    optimizer, params, gradient = make(gdx.optimize), case.asarray(X), case.asarray(G)
    step, _ = optimizer.update(gradient, optimizer.init(params), params)
    yield step, expected
    yield optimizer.apply(gradient, optimizer.init(params), params)[0], X + expected


def second_step(case, name):
    make, rate = SECOND_RATES[name]
    optimizer, params, gradient = (
        gdx.optimize.sgd(make(gdx.optimize)),
        case.asarray(X),
        case.asarray(G),
    )
    _, state = optimizer.update(gradient, optimizer.init(params), params)
    yield optimizer.update(gradient, state, params)[0], -rate * G


ROWS.update({name: lambda case, name=name: first_step(case, name) for name in FIRST_STEPS})
ROWS.update({name: lambda case, name=name: second_step(case, name) for name in SECOND_RATES})


@row("OptimizerState")
def _(case):
    state = gdx.optimize.momentum(0.1).init(case.asarray(X))
    yield isinstance(state, gdx.optimize.OptimizerState), True
    ((velocity,),) = state.slots
    yield velocity, np.zeros(3)


# ------------------------------------------------------------------ networks and pictures


@row("SimpleNet")
def _(case):
    net = gdx.SimpleNet(n_in=3, n_out=2, rng=0)
    net.W = case.asarray(W)
    scores = np.exp(X @ W)
    yield net.predict(case.asarray(X)), X @ W
    yield net.loss(case.asarray(X), 0), -np.log(scores[0] / scores.sum() + DELTA)


@row("MLP")
def _(case):
    net = gdx.MLP([3, 2, 2], "relu", rng=0)
    host = {name: gdx.to_numpy(value) for name, value in net.params.items()}
    hidden = np.maximum(X @ host["W1"] + host["b1"], 0)
    yield net.predict(case.asarray(X)), hidden @ host["W2"] + host["b2"]


def drawn(ax, marker):
    """Return the points of the line that is drawn with a marker."""
    line = next(line for line in ax.lines if line.get_marker() == marker)
    return np.stack(line.get_data(), -1).tolist()


@row("descent_path")
def _(case):
    yield drawn(gdx.plot.descent_path(bowl, case.asarray(STEPS)), "o"), STEPS


@row("learning_rates")
def _(case):
    (ax,) = gdx.plot.learning_rates(bowl, case.asarray([1.0, 1.0]), [0.25], step_num=1)
    yield drawn(ax, "o"), STEPS


@row("loss_curve")
def _(case):
    ax = gdx.plot.loss_curve(case.asarray([3.0, 2.0, 1.0]))
    yield ax.lines[0].get_ydata().tolist(), np.asarray([3.0, 2.0, 1.0])


@row("gradient_field")
def _(case):
    arrows = gdx.plot.gradient_field(bowl, n=3).collections[0]
    points = arrows.get_offsets()
    yield np.stack([arrows.U, arrows.V], -1).tolist(), -2 * np.asarray(points)
