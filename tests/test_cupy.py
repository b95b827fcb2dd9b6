"""What is CuPy's own: its kernels and hooks, devices, launches and reads, chunks of Dask.

It runs on a GPU, and without one on the double in tests/double, which alone counts launches and
has two devices.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gdx
from gdx.backends import start

X = np.asarray([0.5, 2.0, 3.0])
M = np.asarray([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3.0, 0.0, 1.0]])


@pytest.fixture
def cp():
    """CuPy, real or double."""
    try:
        start("cupy")
    except gdx.BackendUnavailableError as error:
        pytest.skip(f"cupy: {error}")
    return pytest.importorskip("cupy")


def test_a_point_whose_elements_share_memory_is_not_stepped_in_place(cp):
    shared = cp.broadcast_to(cp.asarray(2.0), (3,))
    rows = cp.broadcast_to(cp.asarray([1.0, 2.0]), (2, 2))
    for x, twice in ((shared, [4, 4, 4]), (rows, [[2, 4], [2, 4]])):
        before = gdx.to_numpy(x)
        gradient = gdx.numerical_gradient(lambda x: cp.sum(x**2), x)
        np.testing.assert_allclose(gdx.to_numpy(gradient), twice, rtol=1e-9)
        np.testing.assert_array_equal(gdx.to_numpy(x), before)


# Of CuPy and a vector: functions that the tracer follows, and their derivatives in NumPy.
FOLLOWED = {
    "square": (lambda cp, x: cp.square(x), 2 * X),
    "divide": (lambda cp, x: cp.divide(1.0, x), -1 / X**2),
    "true_divide": (lambda cp, x: cp.true_divide(x, 4.0), 0 * X + 0.25),
    "absolute": (lambda cp, x: cp.absolute(-x), 0 * X + 1),
    "exp": (lambda cp, x: cp.exp(x), np.exp(X)),
    "arctan": (lambda cp, x: cp.arctan(x), 1 / (1 + X**2)),
    "maximum": (lambda cp, x: cp.maximum(x, 1.0), [0, 1, 1]),
    "where": (lambda cp, x: cp.where(x > 1, x * x, -x), [-1, 4, 6]),
    "power": (lambda cp, x: cp.power(x, 3), 3 * X**2),
    "constant on the left": (lambda cp, x: cp.asarray(X) * x - x / cp.asarray(X), X - 1 / X),
    "compress": (lambda cp, x: cp.compress(cp.asarray([True, False, True]), x), [1, 0, 1]),
    "clip": (lambda cp, x: cp.clip(x, 1.0, 2.5), [0, 1, 0]),
    "numbers of elements": (lambda cp, x: x[cp.asarray([0, 0, 2])], [2, 0, 1]),
    "copy": (lambda cp, x: cp.copy(x) * x, 2 * X),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_functions_of_cupy_that_are_followed(cp, name):
    f, expected = FOLLOWED[name]
    gradient = gdx.grad(lambda x: f(cp, x).sum())(cp.asarray(X))
    np.testing.assert_allclose(gdx.to_numpy(gradient), expected, rtol=1e-12)


# Functions of CuPy that refuse arrays other than its own, or lose what follows.
REFUSED = {
    "matmul": lambda cp, x: cp.matmul(cp.asarray(M), x),
    "dot": lambda cp, x: cp.dot(cp.asarray(M), x),
    "stack": lambda cp, x: cp.stack([x, x]),
    "concatenate": lambda cp, x: cp.concatenate([x, cp.asarray(X)]),
    "split": lambda cp, x: cp.split(x, 3)[1],
    "tensordot": lambda cp, x: cp.tensordot(cp.asarray(M), x, 1),
    "einsum": lambda cp, x: cp.einsum("ij,j->i", cp.asarray(M), x),
    "cumsum": lambda cp, x: cp.cumsum(x),
    "broadcast_to": lambda cp, x: cp.broadcast_to(x, (2, 3)),
    "expand_dims": lambda cp, x: cp.expand_dims(x, 0),
    "flip": lambda cp, x: cp.flip(x),
    "linalg.norm": lambda cp, x: cp.linalg.norm(x),
    "linalg.solve": lambda cp, x: cp.linalg.solve(cp.asarray(M), x),
    "zeros_like": lambda cp, x: cp.zeros_like(x) + x,
    "asarray": lambda cp, x: cp.asarray(x),
    "array of a list": lambda cp, x: cp.asarray([x[0], x[1]]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_functions_of_cupy_that_are_not_followed(cp, name):
    def f(x):
        return (REFUSED[name](cp, x) ** 2).sum()

    x = cp.asarray(X)
    with pytest.raises(gdx.TracingError, match=r"xp = gdx\.array_namespace\(x\)"):
        gdx.grad(f)(x)
    descended = gdx.gradient_descent(f, x, lr=1e-3, step_num=1)
    assert descended.gradient == "numerical"
    expected = X - 1e-3 * gdx.to_numpy(gdx.numerical_gradient(f, x))
    np.testing.assert_allclose(gdx.to_numpy(descended.x), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["square", "cupy_square", "cupy_fill"])
def test_kernels_of_users_have_no_known_derivative(cp, name):
    cube = cp.ElementwiseKernel("T x", "T y", "y = x * x * x", name)
    with pytest.raises(gdx.TracingError):
        gdx.grad(lambda x: cp.sum(cube(x)))(cp.asarray(X))


# Of a plain array c and a traced x: what would change c, and lose the derivative.
ASSIGNMENTS = {
    "+=": lambda cp, c, x: c.__iadd__(x),
    "-=": lambda cp, c, x: c.__isub__(x),
    "*=": lambda cp, c, x: c.__imul__(x),
    "/=": lambda cp, c, x: c.__itruediv__(x),
    "**=": lambda cp, c, x: c.__ipow__(x),
    "//=": lambda cp, c, x: c.__ifloordiv__(x),
    "%=": lambda cp, c, x: c.__imod__(x),
    "out=": lambda cp, c, x: cp.add(x, 1.0, out=c),
    "out by position": lambda cp, c, x: cp.exp(x, c),
    "an element": lambda cp, c, x: c.__setitem__(0, x[0]),
    "all elements": lambda cp, c, x: c.__setitem__(slice(None), x),
    "some elements": lambda cp, c, x: c.__setitem__(cp.asarray([0, 1]), x[:2]),
    "fill": lambda cp, c, x: c.fill(x[0]),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_plain_array_is_not_changed(cp, name):
    plain = cp.asarray(X)

    def f(x):
        ASSIGNMENTS[name](cp, plain, x)
        return cp.sum(plain * x)

    with pytest.raises(gdx.TracingError):
        gdx.grad(f)(cp.asarray(X))
    np.testing.assert_array_equal(gdx.to_numpy(plain), X)


def test_options_of_ufuncs_are_refused(cp):
    with pytest.raises(gdx.TracingError, match="add cannot be differentiated with dtype="):
        gdx.grad(lambda x: cp.sum(cp.add(x, 1.0, dtype="float32")))(cp.asarray(X))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_elements_that_are_read_twice_add_up(cp, dtype):
    """Warnings are errors: ndarray.scatter_add is deprecated, and knows no complex numbers."""
    x = cp.asarray(X.astype(dtype))
    _, pullback = gdx.vjp(lambda x: x[cp.asarray([0, 0, 2])], x)
    cotangent = np.asarray([1, 2, 4], dtype=dtype) * (1 + 1j if dtype == "complex128" else 1)
    (g,) = pullback(cp.asarray(cotangent))
    expected = [cotangent[0] + cotangent[1], 0, cotangent[2]]
    np.testing.assert_array_equal(gdx.to_numpy(g), expected)


def test_the_sign_of_nan_is_nan(cp):
    x = cp.asarray([-2.0, 0.0, np.nan])
    gradient = gdx.grad(lambda x: cp.sum(cp.abs(x)))(x)
    np.testing.assert_array_equal(gdx.to_numpy(gradient), [-1, 0, np.nan])


# With a function of CuPy: how many kernels are launched, at most.
def cross_entropy(cp):
    scores, labels = cp.asarray(M), cp.asarray([0, 2, 1])
    return lambda: gdx.softmax_cross_entropy(scores, labels)


def gradient_of_a_network(cp):
    with gdx.using("cupy"):
        net = gdx.MLP([20, 10, 4], "relu", rng=0)
    x, t = cp.asarray(np.ones((5, 20))), cp.asarray([0, 1, 2, 3, 0])
    return lambda: gdx.grad(lambda p: net.loss(x, t, p))(net.params)


def gradient_of_abs(cp):
    return lambda: gdx.grad(lambda x: cp.sum(abs(x)))(cp.asarray(X))


def gradient_of_log(cp):
    return lambda: gdx.grad(lambda x: cp.sum(cp.log(x)))(cp.asarray(X))


LAUNCHES = {cross_entropy: 24, gradient_of_a_network: 46, gradient_of_abs: 7, gradient_of_log: 8}


@pytest.mark.parametrize("made", LAUNCHES, ids=lambda made: made.__name__)
def test_launches_and_reads(cp, counters, made):
    call = made(cp)
    call()
    counters.clear()
    call()
    assert counters.launches.total() <= LAUNCHES[made]
    assert not counters.reads


@pytest.mark.parametrize("method", ["l-bfgs", "bb", "adam"])
def test_bounds_cost_no_reads(cp, counters, method):
    """A line search reads once for each evaluation, an update rule at its checks."""

    def reads(bounds, steps):
        counters.clear()
        gdx.minimize(
            lambda x: cp.sum((x - 1) ** 4), cp.asarray(X), bounds=bounds, method=method, tol=0,
            max_steps=steps,
        )  # fmt: skip
        return counters.reads.total()

    more = reads(None, 8) - reads(None, 4)
    assert reads((-9.0, 9.0), 8) - reads((-9.0, 9.0), 4) == more
    assert more == (0 if method == "adam" else 4)


ADAM = gdx.optimize.adam(0.1)

# Of a vector x and a function f of it: public calls, which return arrays of its device.
CALLS = {
    "grad": lambda f, x: gdx.grad(f)(x),
    "grad of a tree": lambda f, x: gdx.grad(lambda p: f(p["x"]))({"x": x})["x"],
    "value_and_grad": lambda f, x: gdx.value_and_grad(f)(x)[1],
    "vjp": lambda f, x: gdx.vjp(lambda x: 2 * x, x)[1](x)[0],
    "jvp": lambda f, x: gdx.jvp(f, (x,), (x,))[1],
    "jacobian": lambda f, x: gdx.jacobian(lambda x: 2 * x)(x),
    "hessian": lambda f, x: gdx.hessian(f)(x),
    "hvp": lambda f, x: gdx.hvp(f, x, x),
    "numerical_gradient": gdx.numerical_gradient,
    "vectorized": lambda f, x: gdx.numerical_gradient(
        lambda x: (x * x).sum(-1), x, vectorized=True
    ),
    "by threads": lambda f, x: gdx.numerical_gradient(f, x, workers=ThreadPoolExecutor(2)),
    "numerical_jacobian": lambda f, x: gdx.numerical_jacobian(lambda x: 2 * x, x),
    "numerical_hessian": gdx.numerical_hessian,
    "numerical_hessian_diagonal": gdx.numerical_hessian_diagonal,
    "numerical_jvp": lambda f, x: gdx.numerical_jvp(f, x, x),
    "gradient_descent": lambda f, x: gdx.gradient_descent(f, x, step_num=2).x,
    "l-bfgs": lambda f, x: gdx.minimize(f, x).x,
    "bounds": lambda f, x: gdx.minimize(f, x, bounds=(-9, 9)).x,
    "adam": lambda f, x: gdx.minimize(f, x, method="adam", max_steps=3).x,
    "sigmoid": lambda f, x: gdx.sigmoid(x),
    "relu": lambda f, x: gdx.relu(x),
    "softmax": lambda f, x: gdx.softmax(x),
    "log_softmax": lambda f, x: gdx.log_softmax(x),
    "softmax_cross_entropy": lambda f, x: gdx.softmax_cross_entropy(x, 1),
    "cross_entropy_error": lambda f, x: gdx.cross_entropy_error(x, 1),
    "mean_squared_error": lambda f, x: gdx.mean_squared_error(x, x),
    "a tree that begins without arrays": lambda f, x: gdx.minimize(lambda p: f(p[1]), [{}, x]).x[1],
    "a pullback of a number": lambda f, x: gdx.vjp(f, x)[1](1.0)[0],
    "update": lambda f, x: ADAM.update(x, ADAM.init(x), x)[0],
    "apply": lambda f, x: ADAM.apply(x, ADAM.init(x), gdx.relu(x))[0],
}


@pytest.mark.parametrize("name", CALLS)
def test_results_lie_on_the_device_of_the_argument(cp, two_devices, counters, name):
    first, second = two_devices
    with second:
        x = cp.asarray(X)
    counters.clear()
    result = CALLS[name](lambda x: (x * x).sum() + x[cp.asarray([0])].sum(), x)
    assert result.device == second
    assert not counters.peers
    assert cp.cuda.Device() == first


def test_a_network_computes_where_its_parameters_lie(cp, two_devices, counters):
    _, second = two_devices
    with gdx.using("cupy", device=1):
        net = gdx.SimpleNet(3, 2, rng=0)
    x, t = [[1.0, 2.0, 3.0]], [0]
    for result in (net.predict(x), net.loss(x, t), net.accuracy(x, t), net.gradient(x, t)["W"]):
        assert result.device == second
    assert not counters.peers


def test_arrays_are_made_on_the_device_of_the_backend(cp, two_devices):
    _, second = two_devices
    with gdx.using("cupy", device=1):
        net = gdx.SimpleNet(3, 2, rng=0)
        made = [
            gdx.asarray([1.0, 2.0]),
            net.W,
            net.predict([1.0, 2.0, 3.0]),
            gdx.softmax([1.0, 2.0]),
            gdx.gradient_descent(lambda x: (x * x).sum(), [1.0, 2.0], step_num=2).x,
            gdx.numerical_gradient(lambda x: (x * cp.ones(2)).sum(), [1.0, 2.0]),
        ]
    assert [x.device for x in made] == [second] * len(made)


# Of Dask's arrays over chunks of CuPy's.
CHUNKED = {
    "numerical_gradient": (gdx.numerical_gradient, 2 * X),
    "bounds": (lambda f, x: gdx.numerical_gradient(f, x, bounds=(0, 3)), 2 * X),
    "grad": (lambda f, x: gdx.grad(f)(x), 2 * X),
    "gradient_descent": (lambda f, x: gdx.gradient_descent(f, x, lr=0.1, step_num=1).x, 0.8 * X),
    "l-bfgs": (lambda f, x: gdx.minimize(f, x).x, 0 * X),
    "sigmoid": (lambda f, x: gdx.sigmoid(x), 1 / (1 + np.exp(-X))),
}


@pytest.mark.parametrize("name", CHUNKED)
def test_dask_over_chunks_of_cupy(cp, name):
    da = pytest.importorskip("dask.array")
    call, expected = CHUNKED[name]
    x = da.from_array(cp.asarray(X), chunks=2, asarray=False)
    np.testing.assert_array_equal(gdx.to_numpy(x), X)
    result = call(lambda x: (x**2).sum(), x)
    assert isinstance(result.compute(), cp.ndarray)
    np.testing.assert_allclose(gdx.to_numpy(result), expected, rtol=1e-6, atol=1e-6)


MEASURED = """
import device, numpy
for variants in (device.squares(3), device.rosenbrock(3), device.network((4, 3, 2))):
    for call in variants.values():
        call()
for call in device.adam(8).values():
    call()
import cupy
gradient = device.course(lambda x: cupy.sum(x**2), cupy.asarray([3.0, 4.0]))
numpy.testing.assert_allclose(gradient.get(), [6.0, 8.0], rtol=1e-6)
"""


def test_the_benchmarks_of_a_device_run(cp):
    folder = Path(__file__).parent / "benchmarks"
    subprocess.run([sys.executable, "-c", MEASURED], cwd=folder, check=True)
