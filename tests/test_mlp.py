"""MLP against a network written by hand, finite differences, and the libraries' own transforms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import gdx

RNG = np.random.default_rng(5)
X = RNG.standard_normal((7, 4))
LABELS = RNG.integers(0, 3, 7)
ONE_HOT = np.eye(3)[LABELS]


class TwoLayerNet:
    """The course's, with its backpropagation."""

    def __init__(self, net):
        self.params = {name: gdx.to_numpy(p).astype(float) for name, p in net.params.items()}

    def forward(self, x):
        hidden = 1 / (1 + np.exp(-(x @ self.params["W1"] + self.params["b1"])))
        scores = hidden @ self.params["W2"] + self.params["b2"]
        power = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, scores, power / power.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        return -np.log(self.forward(x)[2][np.arange(len(x)), t.argmax(axis=1)] + 1e-7).mean()

    def gradient(self, x, t):
        hidden, _, y = self.forward(x)
        of_scores = (y - t) / len(x)
        of_hidden = of_scores @ self.params["W2"].T * hidden * (1 - hidden)
        return {
            "W1": x.T @ of_hidden,
            "b1": of_hidden.sum(axis=0),
            "W2": hidden.T @ of_scores,
            "b2": of_scores.sum(axis=0),
        }


def network(case, *arguments, **options):
    with case.using():
        return gdx.MLP(*arguments, rng=3, **options)


def assert_same(found, expected, **tolerance):
    assert set(found) == set(expected)
    for name, p in found.items():
        np.testing.assert_allclose(
            gdx.to_numpy(p), gdx.to_numpy(expected[name]), err_msg=name, **tolerance
        )


@pytest.mark.parametrize("target", ["labels", "one-hot"])
def test_the_course_s_two_layers(case, target):
    net = network(case, [4, 5, 3], "sigmoid", init=1.0)
    course = TwoLayerNet(net)
    x, t = case.asarray(X), case.asarray({"labels": LABELS, "one-hot": ONE_HOT}[target])
    close = {"rtol": 50 * case.eps, "atol": 5 * case.eps}
    _, scores, probabilities = course.forward(X)
    assert case.holds(net.predict(x))
    assert case.holds(net.loss(x, t))
    np.testing.assert_allclose(gdx.to_numpy(net.predict(x)), scores, **close)
    np.testing.assert_allclose(gdx.to_numpy(gdx.softmax(net.predict(x))), probabilities, **close)
    np.testing.assert_allclose(gdx.to_numpy(net.loss(x, t)), course.loss(X, ONE_HOT), rtol=1e-5)
    share = (scores.argmax(axis=1) == LABELS).mean()
    assert float(gdx.to_numpy(net.accuracy(x, t))) == pytest.approx(share, rel=4 * case.eps)
    gradient = net.gradient(x, t)
    assert all(map(case.holds, gradient.values()))
    assert_same(gradient, course.gradient(X, ONE_HOT), **close)


def test_the_course_s_initial_weights():
    """Draws of one generator: W1 before W2."""
    net = gdx.MLP([784, 50, 10], "sigmoid", init=0.01, rng=0)
    rng = np.random.default_rng(0)
    expected = {
        "W1": 0.01 * rng.standard_normal((784, 50)),
        "b1": np.zeros(50),
        "W2": 0.01 * rng.standard_normal((50, 10)),
        "b2": np.zeros(10),
    }
    assert net.sizes == (784, 50, 10)
    assert_same(net.params, expected, rtol=0)


def softplus(x):
    xp = gdx.array_namespace(x)
    return xp.log1p(xp.exp(x))


@pytest.mark.parametrize("sizes", [[4, 3], [4, 5, 3], [4, 6, 5, 3]])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", softplus])
def test_gradient_is_that_of_finite_differences(activation, sizes):
    net = gdx.MLP(sizes, activation, rng=0)
    differences = gdx.numerical_gradient(lambda p: net.loss(X, LABELS, p), net.params)
    assert_same(net.gradient(X, LABELS), differences, rtol=1e-6, atol=1e-9)


def test_gradient_at_other_parameters():
    net, other = (gdx.MLP([4, 5, 3], rng=seed) for seed in (0, 1))
    assert_same(net.gradient(X, LABELS, other.params), other.gradient(X, LABELS), rtol=0)
    in_any_order = dict(reversed(other.params.items()))
    np.testing.assert_array_equal(net.predict(X, in_any_order), other.predict(X))
    assert net.accuracy(X, other.predict(X).argmax(axis=1), other.params) == 1


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_loss_within_the_libraries_own_transforms(case, activation):
    """Of biases and inputs, too: nothing is detached on the way."""
    net = network(case, [4, 5, 3], activation)
    x, t = case.asarray(X), case.asarray(LABELS)
    everything = (net.params, x)

    def loss(both):
        params, inputs = both
        return net.loss(inputs, t, params)

    if case.library == "jax":
        jax = pytest.importorskip("jax")
        found = [jax.grad(loss)(everything), jax.jit(jax.grad(loss))(everything)]
    elif case.library == "torch":
        torch = pytest.importorskip("torch")
        leaves = {name: p.clone().requires_grad_() for name, p in net.params.items()}
        inputs = x.clone().requires_grad_()
        loss((leaves, inputs)).backward()
        found = [
            torch.func.grad(loss)(everything),
            ({name: leaf.grad for name, leaf in leaves.items()}, inputs.grad),
        ]
    else:
        pytest.skip(f"{case.name} has no transforms")
    exact = gdx.grad(lambda x: net.loss(x, t))(x)
    for of_params, of_inputs in found:
        assert_same(of_params, net.gradient(x, t), rtol=50 * case.eps, atol=5 * case.eps)
        np.testing.assert_allclose(
            gdx.to_numpy(of_inputs), gdx.to_numpy(exact), rtol=50 * case.eps, atol=5 * case.eps
        )


def test_gradient_with_respect_to_the_inputs():
    net = gdx.MLP([4, 5, 3], "tanh", rng=0)
    differences = gdx.numerical_gradient(lambda x: net.loss(x, LABELS), X, order=6)
    np.testing.assert_allclose(
        gdx.grad(lambda x: net.loss(x, LABELS))(X), differences, rtol=1e-8, atol=1e-10
    )


def test_training_learns_exclusive_or(case):
    net = network(case, [2, 8, 2], "tanh")
    x, t = (
        case.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        case.asarray([0, 1, 1, 0]),
    )
    result = gdx.gradient_descent(
        lambda p: net.loss(x, t, p),
        net.params,
        lr=1.0,
        step_num=60,
        grad=lambda p: net.gradient(x, t, p),
        history=False,
    )
    before = float(gdx.to_numpy(net.loss(x, t)))
    net.params = result.x
    assert all(map(case.holds, net.params.values()))
    assert float(gdx.to_numpy(net.loss(x, t))) < before / 4
    assert float(gdx.to_numpy(net.accuracy(x, t))) == 1


def test_a_seed_gives_the_same_weights_everywhere(case):
    expected = gdx.MLP([4, 5, 3], rng=3).params
    net = network(case, [4, 5, 3])
    assert all(map(case.holds, net.params.values()))
    assert_same(net.params, expected, rtol=4 * case.eps)
    narrow = network(case, [4, 5, 3], dtype="float32")
    assert_same(narrow.params, {n: p.astype(np.float32) for n, p in expected.items()}, rtol=0)


def test_float32_stays_float32(case):
    net = network(case, [4, 5, 3], "sigmoid", dtype="float32")
    x, t = case.asarray(X), case.asarray(ONE_HOT)  # float64 where there is one
    results = [net.predict(x), net.loss(x, t), *net.gradient(x, t).values()]
    assert all(result.dtype == case.xp.float32 for result in results)


@pytest.mark.parametrize(
    ("options", "scales"),
    [
        ({}, (np.sqrt(2 / 300), np.sqrt(2 / 400))),
        ({"activation": gdx.relu}, (np.sqrt(2 / 300), np.sqrt(2 / 400))),
        ({"activation": "sigmoid"}, (np.sqrt(2 / 700), np.sqrt(2 / 600))),
        ({"activation": "tanh", "init": "he"}, (np.sqrt(2 / 300), np.sqrt(2 / 400))),
        ({"activation": softplus}, (np.sqrt(2 / 700), np.sqrt(2 / 600))),
        ({"init": 0.01}, (0.01, 0.01)),
    ],
)
def test_scale_of_initial_weights(options, scales):
    params = gdx.MLP([300, 400, 200], rng=0, **options).params
    assert np.std(params["W1"]) == pytest.approx(scales[0], rel=0.01)
    assert np.std(params["W2"]) == pytest.approx(scales[1], rel=0.01)
    assert not params["b1"].any()


def test_without_a_hidden_layer_it_is_a_simple_net():
    net = gdx.MLP(range(4, 2, -1), rng=0)
    simple = gdx.SimpleNet(4, 3, bias=True)
    simple.params = {"W": net.params["W1"], "b": [1.0, 2.0, 3.0]}
    net.params = {"W1": simple.W, "b1": simple.b}
    np.testing.assert_array_equal(net.predict(X), simple.predict(X))
    np.testing.assert_allclose(net.loss(X, LABELS), simple.loss(X, LABELS), rtol=1e-5)


def test_samples_may_have_any_number_of_axes():
    net = gdx.MLP([4, 5, 3], rng=0)
    scores = net.predict(X)
    np.testing.assert_allclose(net.predict(X[0]), scores[0], rtol=1e-13)
    np.testing.assert_allclose(net.predict(X[None]), scores[None], rtol=1e-13)
    np.testing.assert_array_equal(net.predict(X.tolist()), scores)
    np.testing.assert_allclose(net.loss(X[0], 2), net.loss(X[:1], [2]), rtol=1e-13)


def test_assigned_parameters_are_used():
    net, other = (gdx.MLP([4, 5, 3], rng=seed) for seed in (0, 1))
    net.params = dict(reversed(other.params.items()))
    assert list(net.params) == ["W1", "b1", "W2", "b2"]
    np.testing.assert_array_equal(net.predict(X), other.predict(X))
    net.params.clear()
    np.testing.assert_array_equal(net.predict(X), other.predict(X))


def test_a_failed_assignment_changes_nothing():
    net = gdx.MLP([4, 5, 3], rng=0)
    before = net.params
    with pytest.raises(ValueError, match=r"b2 must have the shape \(3,\); got \(2,\)"):
        net.params = {name: 0 * p for name, p in before.items()} | {"b2": np.zeros(2)}
    assert_same(net.params, before, rtol=0)


def test_it_travels_to_other_processes():
    net = gdx.MLP([4, 5, 3], "tanh", rng=0)
    there = pickle.loads(pickle.dumps(net))  # noqa: S301
    np.testing.assert_array_equal(there.predict(X), net.predict(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda net: gdx.MLP([4]), r"sizes must be two numbers or more.*got \[4\]"),
        (lambda net: gdx.MLP(4), "sizes must be two numbers or more.*got 4"),
        (lambda net: gdx.MLP([4, 5.5, 3]), r"sizes\[1\] must be an integer, 1 or more; got 5.5"),
        (lambda net: gdx.MLP([4, 0]), r"sizes\[1\] must be an integer, 1 or more; got 0"),
        (lambda net: gdx.MLP([4, 3], "step"), "one of relu, sigmoid, tanh, or a func.*got 'step'"),
        (lambda net: gdx.MLP([4, 3], 2), "one of relu, sigmoid, tanh, or a function.*got 2"),
        (lambda net: gdx.MLP([4, 3], init="lecun"), "normal, he, xavier.*'lecun'"),
        (lambda net: gdx.MLP([4, 3], dtype="int32"), "dtype must be real and floating.*'int32'"),
        (lambda net: net.predict(X[:, :3]), r"x must have the shape \(..., 4\).*W1.*got \(7, 3\)"),
        (lambda net: net.predict(1.0), r"x must have the shape \(..., 4\).*got \(\)"),
        (lambda net: net.loss(X, LABELS, {"W1": 1}), r"keys \['W1', 'b1', 'W2', .*\['W1'\]"),
        (lambda net: net.loss(X, LABELS, net.params["W1"]), "params must be a dict.*got ndarray"),
        (
            lambda net: net.loss(X, LABELS, net.params | {"W2": np.ones((3, 5))}),
            r"W2 must be an array of the shape \(5, 3\); got \(3, 5\)",
        ),
        (
            lambda net: net.loss(X, LABELS, net.params | {"b1": [0] * 5}),
            r"b1 must be an array of the shape \(5,\); got list",
        ),
        (lambda net: setattr(net, "params", {"W1": 1}), r"keys \['W1', 'b1', .*\['W1'\]"),
        (lambda net: net.loss(X, [0, 1]), r"labels of shape \(7,\)"),
        (lambda net: net.loss(X, LABELS + 3), "t holds the label"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make(gdx.MLP([4, 5, 3], rng=0))


def test_parameters_of_two_libraries():
    torch = pytest.importorskip("torch")
    net = gdx.MLP([4, 5, 3])
    with pytest.raises(TypeError, match="two libraries are mixed: numpy.*torch"):
        net.predict(X, net.params | {"b2": torch.zeros(3)})
