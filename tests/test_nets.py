"""SimpleNet against the course's figures and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

W = [[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]]
X = [0.6, 0.9]
DW = [[0.21924757, 0.14356243, -0.36281000], [0.32887136, 0.21534364, -0.54421500]]


@pytest.fixture
def net(case):
    net = gdx.SimpleNet()
    net.W = case.asarray(W)
    return net


def test_course_figures(case, net):
    np.testing.assert_allclose(
        gdx.to_numpy(net.predict(X)), [1.054148091, 0.630716529, 1.132807401], rtol=1e-6
    )
    for t, loss in (
        ([0, 0, 1], 0.92806829),
        ([1, 0, 0], 1.00672758),
        ([0, 1, 0], 1.43015899),
        (2, 0.92806829),
        (case.asarray([0.0, 0.0, 1.0]), 0.92806829),
    ):
        np.testing.assert_allclose(gdx.to_numpy(net.loss(case.asarray(X), t)), loss, rtol=1e-6)


def test_gradient_by_closure_and_by_function(case, net):
    tolerance = {"atol": 20 * case.eps ** (2 / 3)}
    t = [0, 0, 1]
    functional = gdx.numerical_gradient(lambda w: net.loss(X, t, {"W": w}), net.W)
    assert case.holds(functional)
    np.testing.assert_allclose(gdx.to_numpy(functional), DW, **tolerance)
    exact = net.gradient(X, t)["W"]
    assert case.holds(exact)
    np.testing.assert_allclose(gdx.to_numpy(exact), DW, rtol=1e-6)
    if case.mutable:
        closure = gdx.numerical_gradient(lambda w: net.loss(X, t), net.W)
        np.testing.assert_allclose(gdx.to_numpy(closure), DW, **tolerance)
    elif case.on_host:
        with pytest.warns(RuntimeWarning, match="did not react"):
            gdx.numerical_gradient(lambda w: net.loss(X, t), net.W)


@pytest.mark.parametrize("t", [2, [0.0, 0.0, 1.0]])
def test_loss_within_the_libraries_own_transforms(case, net, t):
    """There, arrays have no values to look at and no device; those from outside may have both."""
    t = case.asarray(t)

    def loss(W):
        return net.loss(X, t, {"W": W})

    if case.library == "jax":
        jax = pytest.importorskip("jax")
        gradients = [jax.grad(loss)(net.W), jax.jit(jax.grad(loss))(net.W)]
        batched = jax.vmap(loss)(net.W[None, ...])
    elif case.library == "torch":
        torch = pytest.importorskip("torch")
        leaf = net.W.clone().requires_grad_()
        loss(leaf).backward()
        gradients = [torch.func.grad(loss)(net.W), leaf.grad]
        batched = torch.func.vmap(loss)(net.W[None, ...])
    else:
        pytest.skip(f"{case.name} has no transforms")
    for gradient in gradients:
        np.testing.assert_allclose(gdx.to_numpy(gradient), DW, rtol=1e-5)
    np.testing.assert_allclose(gdx.to_numpy(batched), [0.92806829], rtol=1e-6)


def test_training_on_params(case):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 2))
    t = (x[:, 0] > 0).astype(np.int32)
    net = gdx.SimpleNet(2, 2, bias=True, rng=0)
    net.params = {"W": case.asarray(gdx.to_numpy(net.W)), "b": case.asarray([0.0, 0.0])}
    x, t = case.asarray(x), case.asarray(t)
    before = float(gdx.to_numpy(net.loss(x, t)))
    result = gdx.gradient_descent(
        lambda p: net.loss(x, t, p), net.params, lr=1.0, step_num=10, history=False
    )
    net.params = result.x
    assert case.holds(net.b)
    assert float(gdx.to_numpy(net.loss(x, t))) < before / 2
    assert gdx.to_numpy(net.accuracy(x, t)) >= 0.75


def test_bias_gradient_is_the_residual(case):
    """∂L/∂b = softmax(scores) - t, where eps is negligible."""
    net = gdx.SimpleNet(bias=True)
    net.params = {"W": case.asarray(W), "b": case.asarray([0.1, 0.2, 0.3])}
    scores = np.asarray(X) @ np.asarray(W) + [0.1, 0.2, 0.3]
    p = np.exp(scores) / np.exp(scores).sum()
    found = net.gradient(X, [0, 0, 1])
    np.testing.assert_allclose(gdx.to_numpy(found["b"]), p - [0, 0, 1], atol=1e-6)
    if case.library == "torch":
        torch = pytest.importorskip("torch")
        own = torch.func.grad(lambda params: net.loss(X, [0, 0, 1], params))(net.params)
        np.testing.assert_allclose(own["b"], gdx.to_numpy(found["b"]), rtol=1e-6)


@pytest.mark.parametrize(
    ("init", "scale"), [("normal", 1), (0.01, 0.01), ("he", 0.1), ("xavier", np.sqrt(2 / 500))]
)
def test_initial_weights(init, scale):
    net = gdx.SimpleNet(200, 300, init=init, rng=0)
    assert net.W.shape == (200, 300)
    assert np.std(net.W) == pytest.approx(scale, rel=0.01)
    assert net.b is None


def test_a_seed_gives_the_same_weights_everywhere(case):
    expected = np.random.default_rng(7).standard_normal((2, 3))
    with case.using():
        net = gdx.SimpleNet(rng=7)
        assert case.holds(net.W)
        biased = gdx.SimpleNet(rng=np.random.default_rng(7), bias=True, dtype="float32")
        assert case.holds(biased.b)
    np.testing.assert_allclose(gdx.to_numpy(net.W), expected, rtol=4 * case.eps)
    np.testing.assert_array_equal(gdx.to_numpy(biased.W), expected.astype(np.float32))
    assert gdx.to_numpy(biased.b).tolist() == [0, 0, 0]


def test_accuracy(case, net):
    x = case.asarray([[0.6, 0.9], [5.0, -1.0], [0.0, 9.0]])
    best = np.argmax(gdx.to_numpy(x) @ np.asarray(W), axis=1)
    wrong = (best + [0, 0, 1]) % 3
    share = net.accuracy(x, case.asarray(wrong))
    assert case.holds(share)
    np.testing.assert_allclose(gdx.to_numpy(share), 2 / 3, rtol=4 * case.eps)
    one_hot = net.accuracy(x, case.asarray(np.eye(3)[wrong]))
    np.testing.assert_allclose(gdx.to_numpy(one_hot), 2 / 3, rtol=4 * case.eps)


@pytest.mark.parametrize("t", [[[1], [2]], 1, [1]])
def test_accuracy_reads_targets_as_the_loss_does(case, net, t):
    """A column of labels would be compared with every answer."""
    for measure in (net.accuracy, net.loss):
        with pytest.raises(ValueError, match=r"t has the shape .*labels of shape \(2,\)"):
            measure([[0.6, 0.9], [5.0, -1.0]], case.asarray(t))


def test_bias_may_be_assigned_and_removed():
    net = gdx.SimpleNet()
    before = net.predict(X)
    net.b = [1, 2, 3]
    np.testing.assert_allclose(net.predict(X), before + [1, 2, 3])
    assert list(net.params) == ["W", "b"]
    net.b = None
    np.testing.assert_array_equal(net.predict(X), before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda net: setattr(net, "W", np.ones((3, 2))),
            r"W must have the shape \(2, 3\).*\(3, 2\)",
        ),
        (lambda net: setattr(net, "b", np.ones(2)), r"b must have the shape \(3,\)"),
        (lambda net: setattr(net, "params", {"V": 1}), "keys.*W.*V"),
        (lambda net: gdx.SimpleNet(0, 3), "n_in must be an integer, 1 or more; got 0"),
        (lambda net: gdx.SimpleNet(2, 1.5), "n_out"),
        (lambda net: gdx.SimpleNet(init="lecun"), "normal, he, xavier.*'lecun'"),
        (lambda net: gdx.SimpleNet(init=-1.0), "positive number"),
        (lambda net: net.predict([1.0, 2.0, 3.0]), r"x must have the shape \(..., 2\).*\(3,\)"),
        (lambda net: net.loss([1.0, 2.0], 0, net.W), r"params must be a dict.*'W': W.*got ndarray"),
        (lambda net: net.loss([1.0, 2.0], 0, {"w": net.W}), r"the key 'W'.*got \['w'\]"),
        (lambda net: gdx.SimpleNet(dtype="int32"), "dtype must be real and floating.*'int32'"),
        (lambda net: gdx.SimpleNet(dtype="float1"), "dtype must be real and floating.*'float1'"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make(gdx.SimpleNet())


def test_parameters_of_two_libraries():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="two libraries are mixed: torch.*numpy"):
        gdx.SimpleNet().predict(X, {"W": torch.tensor(W), "b": np.zeros(3)})


def test_a_device_by_name(case):
    if case.library not in ("numpy", "torch", "jax", "dask"):
        pytest.skip("the names of its devices are its own")
    with gdx.using(case.xp):
        net = gdx.SimpleNet(device="cpu", bias=True, init=np.float32(0.01), rng=0)
    assert case.holds(net.W)
    assert case.holds(net.b)


def test_a_failed_assignment_changes_nothing():
    net = gdx.SimpleNet(bias=True, rng=0)
    before = net.W.copy()
    with pytest.raises(ValueError, match="b must have"):
        net.params = {"W": np.zeros((2, 3)), "b": np.zeros(2)}
    np.testing.assert_array_equal(net.W, before)


@pytest.mark.parametrize("place", range(3))
def test_scores_that_are_not_a_number_make_the_loss_so(place):
    net = gdx.SimpleNet(1, 3, rng=0)
    net.W[0, place] = np.nan
    assert np.isnan(net.loss([1.0], 0))


@pytest.mark.parametrize("n_out", [3, 16, 17])
def test_the_loss_of_one_sample_is_that_of_a_batch_of_one(n_out):
    net = gdx.SimpleNet(2, n_out, rng=0)
    one, batch = net.loss([30.0, -9.0], 2), net.loss([[30.0, -9.0]], [2])
    np.testing.assert_allclose(one, batch, rtol=1e-15)
