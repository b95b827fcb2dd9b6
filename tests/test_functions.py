"""Activations and losses against mpmath, closed forms and the course's figures."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import gdx

mpmath.mp.dps = 400  # 1 - exp(-700) has 305 digits

HALF_TO_DOUBLE = [np.float16, np.float32, np.float64]
ACTIVATIONS = [gdx.sigmoid, gdx.relu, gdx.softmax, gdx.log_softmax]


def ulps(y, reference):
    """Return the largest error of `y` in units of the spacing at the reference, and where."""
    errors = []
    for value, exact in zip(np.ravel(y), reference, strict=True):
        spacing = np.spacing(np.asarray(abs(float(exact))).astype(y.dtype))
        errors.append(abs(mpmath.mpf(float(value)) - exact) / float(spacing))
    return float(max(errors))


def exact_softmax(x):
    powers = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
    return [power / mpmath.fsum(powers) for power in powers]


@pytest.mark.parametrize(
    ("dtype", "tail"), [(np.float16, 16), (np.float32, 103), (np.float64, 744)]
)
def test_sigmoid_is_accurate_in_both_tails(dtype, tail):
    x = np.linspace(-tail, tail, 401).astype(dtype)
    exact = [1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))) for v in x]
    assert ulps(gdx.sigmoid(x), exact) < 4


@pytest.mark.parametrize(
    ("dtype", "tail"), [(np.float16, 16), (np.float32, 100), (np.float64, 740)]
)
def test_softmax_is_accurate_far_from_the_largest(dtype, tail):
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = rng.uniform(-tail, 3, 6).astype(dtype)
        x[0] = 3.3
        assert ulps(gdx.softmax(x), exact_softmax(x)) < 4


def test_log_softmax_is_accurate_for_probable_classes():
    for gap in (1, 10, 30, 100, 700):
        x = np.asarray([0.3, 0.3 - gap])
        exact = [mpmath.log(p) for p in exact_softmax(x)]
        assert ulps(gdx.log_softmax(x), exact) < 4


def test_values_on_every_library(case):
    x = case.asarray([[-80.0, 0.5, 3.0], [2.0, 2.0, -1.0]])
    host = gdx.to_numpy(x)
    exact = np.asarray([[float(p) for p in exact_softmax(row)] for row in host])
    tolerance = 16 * case.eps
    for function, expected in (
        (gdx.sigmoid, 1 / (1 + np.exp(-host.astype(float)))),
        (gdx.relu, np.maximum(host, 0)),
        (gdx.softmax, exact),
        (gdx.log_softmax, np.log(exact)),
    ):
        y = function(x)
        assert case.holds(y)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(gdx.to_numpy(y), expected, rtol=tolerance)


@pytest.mark.parametrize("function", ACTIVATIONS)
@pytest.mark.parametrize("dtype", HALF_TO_DOUBLE)
def test_no_overflow_and_no_warning(function, dtype):
    y = function(np.asarray([1e4, -1e4, 0.0], dtype=dtype))
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    assert np.array_equal(gdx.sigmoid(np.asarray([-1e4, 1e4], dtype=dtype)), [0, 1])


def test_infinite_scores_have_no_probability():
    assert np.array_equal(gdx.softmax(np.asarray([-np.inf, 1.0])), [0, 1])
    assert np.array_equal(gdx.sigmoid(np.asarray([-np.inf, np.inf])), [0, 1])
    assert gdx.softmax_cross_entropy(np.asarray([-np.inf, 1.0]), [0.0, 1.0]) == 0


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_nan_stays_nan(function):
    assert np.isnan(function(np.asarray([np.nan, 1.0]))[0])


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_integers_and_lists_are_promoted(function):
    expected = function(np.asarray([1.0, 2.0]))
    np.testing.assert_array_equal(function([1, 2]), expected)
    np.testing.assert_array_equal(function(np.asarray([1, 2], dtype=np.int8)), expected)


@pytest.mark.parametrize("function", ACTIVATIONS)
@pytest.mark.parametrize("x", [np.asarray([1j]), np.asarray([True])])
def test_what_is_not_real_is_an_error(function, x):
    with pytest.raises(TypeError, match=f"x must hold real numbers.*{x.dtype}"):
        function(x)


@pytest.mark.parametrize("function", [gdx.softmax, gdx.log_softmax])
def test_axes(function):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(function(x, axis=0), function(x.T).T)
    with pytest.raises(ValueError, match=r"axis 2.*\(2, 3\)"):
        function(x, axis=2)
    with pytest.raises(ValueError, match=r"axis -1.*\(\)"):
        function(1.0)
    for axis in (None, True, 1.0):
        with pytest.raises(TypeError, match=f"axis must be an integer; got {axis}"):
            function(x, axis=axis)
    with pytest.raises(ValueError, match=r"no classes.*\(2, 0\)"):
        function(np.ones((2, 0)))
    assert function(np.ones((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("function", ACTIVATIONS)
@pytest.mark.parametrize("dtype", HALF_TO_DOUBLE)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((70_001, 3), 1), ((3, 70_001), 0), ((1, 9, 30_000), 1), ((300_000, 1), 0)]
)
def test_large_arrays_row_by_row(function, dtype, order, shape, axis):
    """They are worked on in blocks; what a row gives does not depend on its neighbours."""
    x = np.random.default_rng(0).normal(scale=3, size=shape).astype(dtype, order=order)
    before = x.copy()
    along = {"axis": axis} if function in (gdx.softmax, gdx.log_softmax) else {}
    y = function(x, **along)
    assert y.dtype == dtype
    assert y.shape == x.shape
    np.testing.assert_array_equal(x, before)
    rows = np.moveaxis(x, axis, -1).reshape(-1, shape[axis])
    found = np.moveaxis(y, axis, -1).reshape(-1, shape[axis])
    some = [0, 1, len(rows) // 2, len(rows) - 1]
    for i in {i % len(rows) for i in some}:
        alone = function(np.ascontiguousarray(rows[i]))
        np.testing.assert_allclose(found[i], alone, rtol=4 * np.finfo(dtype).eps)


def derivative_by(case, f, x):
    """Return the gradient of f at x by the library's own automatic differentiation."""
    if case.library == "jax":
        return pytest.importorskip("jax").grad(f)(x)
    if case.library == "torch":
        return pytest.importorskip("torch").func.grad(f)(x)
    pytest.skip(f"{case.name} does not differentiate")


@pytest.mark.parametrize("function", [gdx.sigmoid, gdx.softmax, gdx.log_softmax])
@pytest.mark.parametrize("x", [[0.0, -1.0, 2.0], [2.0, 2.0, -30.0], [-0.0, 0.0, 0.0]])
def test_the_libraries_own_derivatives(case, function, x):
    """At 0 and where the largest scores tie, too: nothing there has a kink."""
    weights = np.asarray([0.3, 1.0, -2.0])
    w = case.asarray(weights)
    ours = derivative_by(case, lambda x: case.xp.sum(w * function(x)), case.asarray(x))
    expected = gdx.numerical_gradient(lambda x: np.sum(weights * function(x)), np.asarray(x))
    np.testing.assert_allclose(gdx.to_numpy(ours), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("labels", [[1, 0], [[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]]])
@pytest.mark.parametrize(
    "loss",
    [gdx.softmax_cross_entropy, lambda x, t: gdx.cross_entropy_error(gdx.softmax(x), t)],
    ids=["exact", "course"],
)
def test_the_libraries_own_derivatives_of_losses(case, loss, labels):
    x = np.asarray([[0.5, -1.0, 2.0], [2.0, 2.0, -3.0]])
    t = case.asarray(labels)
    ours = derivative_by(case, lambda x: loss(x, t), case.asarray(x))
    expected = gdx.numerical_gradient(lambda x: loss(x, np.asarray(labels)), x)
    np.testing.assert_allclose(gdx.to_numpy(ours), expected, rtol=1e-5, atol=1e-6)


@given(arrays(np.float64, array_shapes(max_side=6), elements=st.floats(-500, 500)))
def test_softmax_sums_to_one_and_ignores_a_shift(x):
    y = gdx.softmax(x)
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-14)
    np.testing.assert_allclose(gdx.softmax(x + 64.0), y, rtol=1e-12, atol=1e-290)
    np.testing.assert_allclose(np.exp(gdx.log_softmax(x)), y, rtol=1e-12, atol=1e-290)


COURSE = np.asarray([0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0])


@pytest.mark.parametrize(("label", "loss"), [(2, 0.510825457099338), (7, 2.302584092994546)])
def test_cross_entropy_of_the_course(case, label, loss):
    y = case.asarray(COURSE)
    one_hot = case.asarray(np.eye(10)[label])
    tolerance = 8 * case.eps
    for t in (label, one_hot, np.eye(10)[label].tolist(), case.asarray(label)):
        value = gdx.cross_entropy_error(y, t)
        assert case.holds(value)
        assert value.shape == ()
        assert value.dtype == y.dtype
        np.testing.assert_allclose(gdx.to_numpy(value), loss, rtol=tolerance)


def test_a_batch_whose_labels_have_as_many_numbers_as_a_one_hot_row(case):
    """With t.size == y.size as the criterion, ten labels would be read as one-hot."""
    y = case.asarray(np.tile(COURSE, (2, 1)))
    t = case.asarray([2, 7])
    expected = (0.510825457099338 + 2.302584092994546) / 2
    value = gdx.to_numpy(gdx.cross_entropy_error(y, t))
    np.testing.assert_allclose(value, expected, rtol=8 * case.eps)
    with pytest.raises(ValueError, match=r"t has the shape \(2,\).*labels of shape \(1,\)"):
        gdx.cross_entropy_error(y[:1, ...], t)


def test_soft_labels_give_the_true_cross_entropy(case):
    logits = case.asarray([[1.0, 2.0, 0.5]])
    t = case.asarray([[0.2, 0.5, 0.3]])
    p = np.exp([1.0, 2.0, 0.5])
    expected = -np.sum(np.asarray([0.2, 0.5, 0.3]) * np.log(p / p.sum()))
    exact = gdx.to_numpy(gdx.softmax_cross_entropy(logits, t))
    np.testing.assert_allclose(exact, expected, rtol=8 * case.eps)
    with_eps = gdx.to_numpy(gdx.cross_entropy_error(gdx.softmax(logits), t, eps=0.0))
    np.testing.assert_allclose(with_eps, expected, rtol=8 * case.eps)


def test_eps_is_added_and_not_clipped():
    assert gdx.cross_entropy_error([0.0, 1.0], 0) == -np.log(1e-7)
    assert gdx.cross_entropy_error([0.25, 0.75], 0, eps=0.25) == -np.log(0.5)


def test_softmax_cross_entropy_is_exact_where_probabilities_round():
    assert gdx.softmax_cross_entropy([1000.0, 0.0], 1) == 1000
    assert gdx.softmax_cross_entropy([40.0, 0.0], 0) == pytest.approx(np.exp(-40), rel=1e-14)


LOSSES = [gdx.cross_entropy_error, gdx.softmax_cross_entropy]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label", [3, -1])
def test_labels_out_of_range(case, loss, label):
    y = case.asarray([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    t = case.asarray([0, label])
    if case.on_host:
        with pytest.raises(ValueError, match=rf"label {label}; with 3 classes, labels are 0 to 2"):
            loss(y, t)
    else:
        assert np.isnan(gdx.to_numpy(loss(y, t)))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_labels_of_fewer_bits_than_there_are_classes(case, loss, dtype):
    """Class 257 and label 1 are the same eight bits."""
    y = case.asarray(np.concatenate([np.full(256, 0.5 / 256), [0.25, 0.25]]))
    expected = gdx.to_numpy(loss(y, 1))
    assert gdx.to_numpy(loss(y, case.asarray(1, dtype=dtype))) == expected


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_that_fit_no_reading(loss):
    y = np.full((2, 3), 1 / 3)
    with pytest.raises(TypeError, match="must hold integers.*float64"):
        loss(y, np.asarray([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"\(2, 1\).*\(2, 3\).*labels of shape \(2,\)"):
        loss(y, np.asarray([[0], [1]]))
    with pytest.raises(ValueError, match="t must hold probabilities.*2.0"):
        loss(y[0], np.asarray([2, 0, 1]))
    with pytest.raises(ValueError, match="no sample"):
        loss(np.ones((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match="no sample"):
        loss(1.0, 0)


@pytest.mark.parametrize("loss", [*LOSSES, gdx.mean_squared_error])
@pytest.mark.parametrize("t", [[1j, 0], ["a", "b"], np.asarray([0, 1], dtype="M8[s]")])
def test_targets_that_are_not_real(loss, t):
    with pytest.raises(TypeError, match="t must hold real numbers"):
        loss([0.5, 0.5], np.asarray(t))


@pytest.mark.parametrize("eps", [-1e-7, float("nan"), None, "small", np.ones(2)])
def test_eps_out_of_range(eps):
    with pytest.raises(ValueError, match="eps must be a number, 0 or more; got"):
        gdx.cross_entropy_error([0.5, 0.5], 0, eps=eps)


def test_eps_in_sixteen_bits():
    y = np.asarray([0.0, 1.0], dtype=np.float16)
    loss = gdx.cross_entropy_error(y, 0)
    assert loss.dtype == np.float16
    assert loss == np.float16(-np.log(1e-7))


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_what_is_no_probability(value):
    with pytest.raises(ValueError, match=rf"y must hold probabilities; it holds {value}"):
        gdx.cross_entropy_error([value, 0.5], 1)


def test_a_difference_step_over_the_edge_is_no_error():
    y = np.asarray([0.0, 1.0])
    gradient = gdx.numerical_gradient(lambda y: gdx.cross_entropy_error(y, 1), y, h=1e-4)
    np.testing.assert_allclose(gradient, [0, -1], rtol=1e-6)


def test_half_precision_sums_do_not_overflow():
    y = np.full((30_000, 2), 0.01, dtype=np.float16)
    t = np.zeros(30_000, dtype=int)
    assert gdx.cross_entropy_error(y, t) == pytest.approx(-np.log(0.01), rel=1e-3)
    big = np.full(4, 300.0, dtype=np.float16)
    assert gdx.mean_squared_error(big, big - 100) == 10_000


def test_mean_squared_error(case):
    y, t = case.asarray([[1.0, 2.0], [3.0, 4.0]]), case.asarray([[1.0, 0.0], [0.0, 4.0]])
    value = gdx.mean_squared_error(y, t)
    assert case.holds(value)
    assert gdx.to_numpy(value) == 13 / 4
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2,\)"):
        gdx.mean_squared_error(y, t[0, ...])
    with pytest.raises(ValueError, match="no element"):
        gdx.mean_squared_error([], [])


@pytest.mark.parametrize("t", [1, [0.0, 1.0, 0.0]])
def test_nothing_is_read_from_a_device(no_host_sync, t):
    xp = no_host_sync
    x = xp.asarray([0.2, 0.3, 0.5], device=xp.Device("device1"))
    for function in ACTIVATIONS:
        function(x)
    for loss in LOSSES:
        loss(x, t)
    with pytest.raises(AssertionError, match="read back"):
        float(x[0])


@pytest.mark.parametrize("function", [gdx.softmax, gdx.log_softmax])
@pytest.mark.parametrize("axis", [0, 1])
def test_dask_with_empty_chunks(function, axis):
    dask = pytest.importorskip("dask.array")
    host = np.random.default_rng(0).normal(size=(5, 7))
    for chunks in ((2, 3), ((2, 0, 3), (3, 0, 4)), ((0, 5, 0), (7, 0))):
        x = dask.from_array(host).rechunk(chunks)
        np.testing.assert_allclose(function(x, axis=axis), function(host, axis=axis), rtol=1e-14)
    nothing = dask.from_array(host, chunks=(2, 7))
    nothing = nothing[nothing[:, 0] > 100]  # of which Dask does not know how many rows are left
    for x in (dask.zeros((0, 3)), dask.zeros((0, 3), chunks=(1, 1)), nothing):
        assert function(x, axis=1).compute().shape == (0, x.shape[1])


def test_dask_stays_lazy():
    dask = pytest.importorskip("dask.array")
    x = dask.asarray([[0.2, 0.8]])
    t = dask.asarray([1])
    for lazy in (gdx.softmax(x), gdx.cross_entropy_error(x, t)):
        assert isinstance(lazy, dask.Array)
