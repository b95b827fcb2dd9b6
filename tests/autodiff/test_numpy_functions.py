"""NumPy's functions and methods on traced arrays: against JAX, which has the same names, and
finite differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gdx

pytestmark = pytest.mark.filterwarnings("ignore:f did not react:RuntimeWarning")


rng = np.random.default_rng(7)
X = rng.uniform(0.3, 2.0, size=(3, 4))
B = rng.normal(size=(3, 4))
M = rng.normal(size=(4, 3))
S = rng.normal(size=(3, 3))
T = rng.normal(size=(2, 3, 4))
V = rng.normal(size=4)
MASK = B > 0
SPREAD = np.linspace(0, 1, 12).reshape(3, 4) ** 2 + 0.1 * np.sin(np.arange(12)).reshape(3, 4)


def square(m, x):
    return x @ m.transpose(x) + m.eye(3)


# Each of m, which is NumPy or jax.numpy, and of a traced x of shape (3, 4) with elements in
# (0.3, 2), none of which are equal.
FUNCTIONS = {
    "add": lambda m, x: m.add(B, x) + m.add(x, 2.0),
    "subtract": lambda m, x: m.subtract(B, x) * (1 - x),
    "multiply": lambda m, x: m.multiply(B, x) * (B * x),
    "divide": lambda m, x: m.divide(B, x) / x + 1 / x,
    "power": lambda m, x: m.power(x, 3) + m.power(2.0, x) + m.power(x, B) + 2.0**x,
    "remainder": lambda m, x: m.remainder(5 * x, 1.7),
    "negative": lambda m, x: m.negative(x) * x,
    "absolute": lambda m, x: m.abs(x - 1) * x,
    "arctan2": lambda m, x: m.arctan2(x, B),
    "hypot": lambda m, x: m.hypot(B, x),
    "maximum": lambda m, x: m.maximum(x, 1.0) * m.maximum(B, x),
    "minimum": lambda m, x: m.minimum(x, 1.0) + m.minimum(B, x),
    "fmax": lambda m, x: m.fmax(x, B) * m.fmin(x, 1.1),
    "fmod": lambda m, x: m.fmod(5 * x, 1.7) * x,
    "heaviside": lambda m, x: m.heaviside(x - 1, 0.5) * x,
    "float_power": lambda m, x: m.float_power(x, 2),
    "logaddexp": lambda m, x: m.logaddexp(x, B) * m.logaddexp2(x, B),
    "exp": lambda m, x: m.exp(x) + m.exp2(x) + m.expm1(x),
    "log": lambda m, x: m.log(x) * m.log2(x) + m.log10(x) * m.log1p(x),
    "sqrt": lambda m, x: m.sqrt(x) + m.cbrt(x) * m.square(x) + m.reciprocal(x),
    "sin": lambda m, x: m.sin(x) * m.cos(x) + m.tan(x / 2),
    "sinh": lambda m, x: m.sinh(x) * m.cosh(x) + m.tanh(x),
    "arcsin": lambda m, x: m.arcsin(x / 3) + m.arccos(x / 3) * m.arctan(x),
    "arcsinh": lambda m, x: m.arcsinh(x) + m.arccosh(1 + x) + m.arctanh(x / 3),
    "deg2rad": lambda m, x: m.deg2rad(x) + m.degrees(x),
    "sign": lambda m, x: m.sign(x - 1) * x + m.floor(x) + m.fabs(x) + m.rint(x),
    "modf": lambda m, x: m.modf(3 * x)[0] * x,
    "multiply.outer": lambda m, x: m.multiply.outer(x, V),
    "add.reduce": lambda m, x: m.add.reduce(x * x, axis=1),
    "sum": lambda m, x: m.sum(x**2),
    "sum axis": lambda m, x: m.sum(x**2, axis=0, keepdims=True) * x,
    "sum where": lambda m, x: m.sum(x**2, axis=1, where=MASK, initial=2.0),
    "prod": lambda m, x: m.prod(x, axis=1),
    "mean": lambda m, x: m.mean(x**2, axis=(0, 1)) * x,
    "var": lambda m, x: m.var(x, axis=0) + m.var(x, ddof=1),
    "std": lambda m, x: m.std(x, axis=1, ddof=1, keepdims=True) * x,
    "max": lambda m, x: m.max(x, axis=1) * m.min(x, axis=1),
    "amax": lambda m, x: m.amax(x, 0) * m.amin(x, 0),
    "ptp": lambda m, x: m.ptp(x, axis=0),
    "average": lambda m, x: m.average(x, weights=B**2) + m.average(x, 1, V**2),
    "median": lambda m, x: m.median(x) * m.median(x, axis=1),
    "quantile": lambda m, x: m.quantile(x, np.asarray([0.2, 0.7]), axis=1),
    "percentile": lambda m, x: m.percentile(x, 30, axis=0),
    "nansum": lambda m, x: m.nansum(x * x, axis=0) + m.nanmean(x) + m.nanmax(x),
    "nanstd": lambda m, x: m.nanstd(x, axis=0) * m.nanvar(x) * m.nanprod(x),
    "cumsum": lambda m, x: m.cumsum(x, axis=1) * m.cumsum(x * x).reshape(3, 4),
    "cumprod": lambda m, x: m.cumprod(x, axis=0),
    "diff": lambda m, x: m.diff(x * x, axis=0),
    "diff n": lambda m, x: m.diff(x**3, n=2),
    "gradient": lambda m, x: m.gradient(x * x, axis=0) * m.gradient(x, 0.5, axis=1),
    "trapezoid": lambda m, x: m.trapezoid(x * x, axis=1) + m.trapezoid(x, dx=0.5).sum(),
    "cov": lambda m, x: m.cov(x),
    "corrcoef": lambda m, x: m.corrcoef(x),
    "clip": lambda m, x: m.clip(x, 0.6, 1.3) * x,
    "where": lambda m, x: m.where(x > 1, x * x, 0.0) + m.where(MASK, 1.0, x),
    "select": lambda m, x: m.select([x > 1.5, x > 1], [x * x, 3 * x], 0.5),
    "nan_to_num": lambda m, x: m.nan_to_num(x * x),
    "sinc": lambda m, x: m.sinc(x - 1),
    "real": lambda m, x: m.real(x * (1 + 2j)) * m.imag(x * x * (1 + 2j)),
    "angle": lambda m, x: m.angle(x + 1j * B) * m.abs(x + 1j * B),
    "reshape": lambda m, x: m.reshape(x, (4, 3)) * M,
    "ravel": lambda m, x: m.ravel(x)[::2] ** 2,
    "transpose": lambda m, x: m.transpose(x) * M,
    "swapaxes": lambda m, x: m.swapaxes(x, 0, 1) * M,
    "moveaxis": lambda m, x: m.moveaxis(x * T, 0, -1) ** 2,
    "expand_dims": lambda m, x: m.squeeze(m.expand_dims(x, (0, 2))) * x,
    "broadcast_to": lambda m, x: m.broadcast_to(x, (2, 3, 4)) * T,
    "atleast_3d": lambda m, x: m.atleast_3d(x) ** 2 + m.atleast_2d(x[0])[..., None],
    "tile": lambda m, x: m.tile(x, (2, 1)) ** 2,
    "repeat": lambda m, x: m.repeat(x, 2, axis=1)[0] * m.repeat(x, np.asarray([1, 3, 4]), 0)[:, 0],
    "roll": lambda m, x: m.roll(x, 1) * m.roll(x, (1, 2), axis=(0, 1)),
    "flip": lambda m, x: m.flip(x, 0) * m.fliplr(x) * m.flipud(x),
    "rot90": lambda m, x: m.rot90(x) * M,
    "pad": lambda m, x: m.pad(x, 1) ** 2 + m.pad(x, ((1, 1), (1, 1)), mode="edge"),
    "concatenate": lambda m, x: m.concatenate([x, B, x * x], axis=1),
    "stack": lambda m, x: m.stack([x, B, x * x], axis=-1),
    "hstack": lambda m, x: m.hstack([x, x * x]),
    "vstack": lambda m, x: m.vstack((x, x[0] * x[1])),
    "dstack": lambda m, x: m.dstack([x, B]) ** 2,
    "column_stack": lambda m, x: m.column_stack([x[0], V, x[1]]) ** 2,
    "append": lambda m, x: m.append(x, x * x, axis=0),
    "split": lambda m, x: m.split(x, 2, axis=1)[0] * m.hsplit(x, 2)[1],
    "delete": lambda m, x: m.delete(x, 1, axis=1) ** 2,
    "take": lambda m, x: m.take(x, np.asarray([0, 2, 0]), axis=1) ** 2,
    "take_along_axis": lambda m, x: m.take_along_axis(x, np.asarray([[3], [0], [1]]), axis=1) ** 2,
    "compress": lambda m, x: m.compress(np.asarray([True, False, True]), x, axis=0) ** 2,
    "sort": lambda m, x: m.sort(x, axis=1) * B,
    "argsort": lambda m, x: m.take_along_axis(x, m.argsort(x, axis=0), axis=0) * B,
    "full_like": lambda m, x: m.full_like(x, x[0, 0]) * x + m.zeros_like(x) + m.ones_like(x),
    "linspace": lambda m, x: m.linspace(x[0], x[1], 5) ** 2,
    "dot": lambda m, x: m.dot(x, M) + m.dot(M.T, x.T) + m.dot(x[0], V),
    "matmul": lambda m, x: m.matmul(x, M) @ m.matmul(S, x) + (B @ M) @ x,
    "inner": lambda m, x: m.inner(x, B) * m.vdot(x, B),
    "outer": lambda m, x: m.outer(x[0], x[1]) * m.outer(V, x[2]),
    "tensordot": lambda m, x: m.tensordot(x, T, axes=([0, 1], [1, 2])),
    "kron": lambda m, x: m.kron(x, S) ** 2,
    "cross": lambda m, x: m.cross(x[:, :3], x[:, 1:]),
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, B) * m.einsum("ij,ij->", x, x),
    "einsum ...": lambda m, x: m.einsum("...ij,ij->...j", T, x) ** 2,
    "einsum ii": lambda m, x: m.einsum("ii->i", square(m, x)) * m.einsum("ii", x[:, :3]),
    "convolve": lambda m, x: m.convolve(x[0], x[1]) + m.convolve(x[0], V, "same").sum(),
    "correlate": lambda m, x: m.correlate(x[0], x[1, :2], "valid"),
    "polyval": lambda m, x: m.polyval(x[0], x[1]),
    "interp": lambda m, x: m.interp(x[0], np.asarray([0.0, 1.0, 2.5]), m.cumsum(x[1, :3])),
    "diag": lambda m, x: m.diag(x[0]) @ m.diag(square(m, x)[0, :1] * x[1, :1] * np.ones(4)),
    "diagonal": lambda m, x: m.diagonal(x, 1) * m.diagonal(x)[:3] * m.trace(x),
    "tril": lambda m, x: m.tril(x) * x + m.triu(x, 1),
    "linalg.norm": lambda m, x: m.linalg.norm(x) * m.linalg.norm(x, axis=1),
    "linalg.norm ord": lambda m, x: m.linalg.norm(x, 1) + m.linalg.norm(x, "nuc"),
    "linalg.inv": lambda m, x: m.linalg.inv(square(m, x)) ** 2,
    "linalg.det": lambda m, x: m.linalg.det(square(m, x)) + m.linalg.slogdet(square(m, x))[1],
    "linalg.solve": lambda m, x: m.linalg.solve(square(m, x), x),
    "linalg.cholesky": lambda m, x: m.linalg.cholesky(square(m, x)),
    "linalg.eigh": lambda m, x: m.linalg.eigvalsh(square(m, x)) * m.linalg.eigh(square(m, x))[0],
    "linalg.svd": lambda m, x: m.linalg.svd(x, compute_uv=False) ** 2,
    "linalg.qr": lambda m, x: m.abs(m.linalg.qr(x[:, :3])[1]),
    "linalg.pinv": lambda m, x: m.linalg.pinv(x),
    "linalg.matrix_power": lambda m, x: m.linalg.matrix_power(square(m, x), 3),
    "linalg.multi_dot": lambda m, x: m.linalg.multi_dot([x, M, x, V]),
    "linalg.cond": lambda m, x: m.linalg.cond(x),
    "fft": lambda m, x: m.abs(m.fft.fft(x, axis=1)) ** 2,
    "rfft": lambda m, x: m.real(m.fft.rfft(x)) ** 3 + m.imag(m.fft.fft(x, 5)[:, :3]) ** 3,
    "fft2": lambda m, x: m.fft.ifft2(m.fft.fft2(x) * B).real * x,
    "irfft": lambda m, x: m.fft.irfft(m.fft.rfft(x) * (1 + 2j)) ** 2 + m.fft.fftshift(x),
}  # fmt: skip

METHODS = {
    "x.sum": lambda m, x: (x * x).sum() + (x * x).sum(axis=0) + x.sum(1, keepdims=True),
    "x.mean": lambda m, x: (x * x).mean(0) * x.mean() + x.mean(axis=1, keepdims=True),
    "x.std": lambda m, x: x.std(axis=0) * x.var(ddof=1),
    "x.max": lambda m, x: x.max(axis=1) * x.min(1) * x.prod(axis=1),
    "x.T": lambda m, x: x.T @ x,
    "x.reshape": lambda m, x: x.reshape(4, -1) * M + x.reshape((4, 3)) ** 2,
    "x.ravel": lambda m, x: x.ravel()[1:] * x.flatten()[:-1] * x.reshape(-1)[0],
    "x.transpose": lambda m, x: x.transpose() * x.transpose(1, 0) * x.transpose((1, 0)),
    "x.swapaxes": lambda m, x: x.swapaxes(0, 1) ** 2 * x[None].squeeze().T,
    "x.dot": lambda m, x: x.dot(M).dot(x),
    "x.clip": lambda m, x: x.clip(0.6, 1.3) ** 2,
    "x.cumsum": lambda m, x: x.cumsum(axis=1) * x.cumprod(axis=0),
    "x.take": lambda m, x: x.take(np.asarray([1, 1, 2]), axis=0) ** 2,
    "x.astype": lambda m, x: x.astype(np.float64) ** 2 + x.astype(float),
    "x.repeat": lambda m, x: x.repeat(2) ** 2,
    "x.diagonal": lambda m, x: x.diagonal() ** 2,
    "x.copy": lambda m, x: x.copy() * x,
    "x.real": lambda m, x: (x * (1 + 1j)).conj().imag * x.real,
    "x.argmax": lambda m, x: x[m.arange(3), x.argmax(axis=1)] ** 2,
    "x[i]": lambda m, x: x[0] * x[:, 1:3].sum() + x[..., -1][:, None][2],
    "x[integers]": lambda m, x: x[np.asarray([1, 1, 0]), 0] ** 2,
    "x[mask]": lambda m, x: x[MASK] ** 2,
    "iteration": lambda m, x: sum(row * row for row in x),
    "len": lambda m, x: x / len(x) * x.shape[1] * x.ndim * x.size,
}  # fmt: skip

CASES = FUNCTIONS | METHODS


def test_there_are_many():
    assert len(CASES) >= 130


# With jax.jit, an array of JAX has no length that depends on values.
@pytest.mark.parametrize("name", [name for name in CASES if name != "compress"])
def test_against_jax(name, jax64):
    f, jnp = CASES[name], jax64.numpy
    weights = np.cos(np.arange(np.size(f(np, X)))).reshape(np.shape(f(np, X)))

    def scalar(x):
        return np.sum(weights * f(np, x))

    def js(x):
        return jnp.sum(weights * f(jnp, x))

    value, gradient = gdx.value_and_grad(scalar)(X)
    expected = jax64.jit(jax64.value_and_grad(js))(jnp.asarray(X))
    np.testing.assert_allclose(value, expected[0], rtol=1e-10)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_against_finite_differences(name):
    f = CASES[name]
    weights = np.sin(1 + np.arange(np.size(f(np, X)))).reshape(np.shape(f(np, X)))

    def scalar(x):
        return np.sum(weights * f(np, x))

    exact = gdx.grad(scalar)(X)
    numerical = gdx.numerical_gradient(scalar, X, order=4)
    np.testing.assert_allclose(exact, numerical, rtol=1e-6, atol=1e-7 * np.abs(exact).max())
    y, moved = gdx.jvp(lambda x: f(np, x), (X,), (B,))
    np.testing.assert_allclose(y, f(np, X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.sum(weights * moved), np.sum(exact * B), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["dot", "exp", "x.sum", "linalg.norm", "where", "einsum", "pad"])
def test_second_derivatives(name, jax64):
    f, jnp = CASES[name], jax64.numpy
    ours = gdx.hessian(lambda x: np.sum(f(np, x)))(X)
    theirs = jax64.jit(jax64.hessian(lambda x: jnp.sum(f(jnp, x))))(jnp.asarray(X))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


# ------------------------------------------------------------------ code of a course, unchanged


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


def cross_entropy(y, t):
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + 1e-7)) / batch_size


def relu(x):
    out = x.copy()
    out[x <= 0] = 0
    return out


def two_layers(params, x, activation):
    hidden = activation(np.dot(x, params["W1"]) + params["b1"])
    return softmax(np.dot(hidden, params["W2"]) + params["b2"])


@pytest.fixture
def params():
    made = np.random.default_rng(3)
    return {
        "W1": made.normal(size=(4, 5)),
        "b1": made.normal(size=5),
        "W2": made.normal(size=(5, 3)),
        "b2": made.normal(size=3),
    }


@pytest.mark.parametrize("activation", [sigmoid, relu, np.tanh])
@pytest.mark.parametrize("t", [np.asarray([0, 2, 1]), np.eye(3)[[0, 2, 1]]], ids=["labels", "ones"])
def test_network(params, activation, t):
    def loss(p):
        return cross_entropy(two_layers(p, B, activation), t)

    exact, numerical = gdx.grad(loss)(params), gdx.numerical_gradient(loss, params, order=4)
    for name, expected in numerical.items():
        np.testing.assert_allclose(exact[name], expected, rtol=1e-6, atol=1e-9)


def test_one_example(params):
    def loss(p):
        return cross_entropy(two_layers(p, V, sigmoid), np.asarray([0, 0, 1]))

    exact, numerical = gdx.grad(loss)(params), gdx.numerical_gradient(loss, params, order=4)
    for name, expected in numerical.items():
        np.testing.assert_allclose(exact[name], expected, rtol=1e-6, atol=1e-9)


class Net:
    def __init__(self, params):
        self.params = params

    def loss(self, x, t):
        return cross_entropy(two_layers(self.params, x, relu), t)


def test_net_that_keeps_its_parameters(params):
    t = np.asarray([0, 2, 1])

    def loss(W):
        return Net(params | {"W1": W}).loss(B, t)

    numerical = gdx.numerical_gradient(loss, params["W1"], order=4)
    np.testing.assert_allclose(gdx.grad(loss)(params["W1"]), numerical, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------ what does not work says so


def test_eig_names_the_way_out():
    with pytest.raises(gdx.TracingError, match=r"linalg\.eig cannot .*numpy\.linalg\.eigh"):
        gdx.grad(lambda x: np.sum(np.linalg.eig(x)[0]))(S)


def test_what_assigns_into_a_plain_array():
    def into_out(x):
        out = np.empty(3)
        np.add(x, x, out=out)
        return np.sum(out)

    with pytest.raises(gdx.TracingError):
        gdx.grad(into_out)(np.ones(3))

    def into_element(x):
        plain = np.zeros(3)
        plain[0] = x[0]
        return np.sum(plain)

    with pytest.raises(gdx.TracingError, match=r"xp\.zeros"):
        gdx.grad(into_element)(np.ones(3))
    with pytest.raises(gdx.TracingError, match=r"Keep it an array"):
        gdx.grad(lambda x: np.sum(np.array([x[0], x[1]])))(np.ones(3))


def test_out_may_be_traced():
    def f(x):
        y = np.zeros_like(x)
        np.multiply(x, x, out=y)
        return np.sum(y)

    np.testing.assert_allclose(gdx.grad(f)(V), 2 * V)


def test_what_is_not_known_says_so():
    for f, message in (
        (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: x.sort(), "sort cannot .*numpy.sort"),
        (np.unwrap, "unwrap cannot"),
        (np.gcd.reduce, r"gcd\.reduce cannot"),
        (lambda x: x.tolist(), "tolist cannot"),
    ):
        with pytest.raises(gdx.TracingError, match=message):
            gdx.grad(f)(np.ones(3))


def test_attributes_may_be_asked_for():
    def f(x):
        assert hasattr(x, "sum")
        assert not hasattr(x, "tolist")
        assert not hasattr(x, "no_such_name")
        return x.sum(keepdims=np._NoValue)

    np.testing.assert_allclose(gdx.grad(f)(V), np.ones(4))


def test_lists_and_numbers_of_numpy_beside_traced_arrays():
    def f(x):
        return np.sum(np.multiply([1.0, 2.0, 3.0, 4.0], x) * np.float32(2) + np.int64(3) * x)

    np.testing.assert_allclose(gdx.grad(f)(V), [5.0, 7.0, 9.0, 11.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gdx.grad(lambda x: np.add(x, True).sum())(V).tolist() == [1.0] * 4
