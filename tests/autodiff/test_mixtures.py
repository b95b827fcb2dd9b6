"""NumPy inside a function of another library's arrays: the right derivative, or an error."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gdx

N = np.asarray([3.0, 4.0])
START = [1.0, 2.0]


def numpy_in_place(x):
    y = N.copy()
    y += x
    return y.sum()


def in_place(x):
    y = x * 1
    y += N
    return y.sum()


def assigned(x):
    y = np.zeros(2)
    y[0] = x[0]
    return y.sum()


# What each does by the library's own engine, by the tracer, and in a descent: a gradient, an error
# that says what to write, or "numerical", which the result of a descent says.
MIX, LEAVES = "f mixes a NumPy array with arrays of torch", "would take|took a traced value"
TORCH = {
    "n * x": (lambda x: (N * x).sum(), MIX, MIX, MIX),
    "x * n": (lambda x: (x * N).sum(), MIX, MIX, MIX),
    "n + x": (lambda x: (N + x).sum(), MIX, MIX, MIX),
    "x - n": (lambda x: (x - N).sum(), MIX, MIX, MIX),
    "n @ x": (lambda x: N @ x, MIX, MIX, MIX),
    "x @ n": (lambda x: x @ N, MIX, MIX, MIX),
    "x < n": (lambda x: (x * (x < N)).sum(), MIX, MIX, MIX),
    "n += x": (numpy_in_place, MIX, MIX, MIX),
    "x += n": (in_place, MIX, MIX, MIX),
    "0-d * x": (lambda x: (np.asarray(2.0) * x).sum(), MIX, MIX, MIX),
    "np.sum(x)": (lambda x: np.sum(x * x), MIX, [2.0, 4.0], MIX),
    "np.sum(x[0] * n)": (lambda x: np.sum(x[0] * N), MIX, MIX, MIX),
    "np.mean": (lambda x: np.mean((x - N) ** 2), MIX, MIX, MIX),
    "np.exp": (lambda x: np.exp(x).sum(), MIX, np.exp(START), MIX),
    "np.dot": (lambda x: np.dot(N, x), MIX, MIX, MIX),
    "np.where": (lambda x: np.where(N > 3, x, N).sum(), MIX, MIX, MIX),
    "np.maximum": (lambda x: np.maximum(x, N).sum(), MIX, MIX, MIX),
    "norm": (np.linalg.norm, MIX, START / np.sqrt(5), MIX),
    "scalar * x": (lambda x: (np.float64(3) * x).sum(), [3.0, 3.0], [3.0, 3.0], "exact"),
    "x * scalar": (lambda x: (x * np.float64(3)).sum(), [3.0, 3.0], [3.0, 3.0], "exact"),
    "x[mask]": (lambda x: (x * x)[N > 3].sum(), [0.0, 4.0], [0.0, 4.0], "exact"),
    "np.asarray": (lambda x: np.asarray(x).sum(), LEAVES, LEAVES, "numerical"),
    "scalar * np.asarray": (
        lambda x: (np.float64(3) * np.asarray(np.float64(2) * x)).sum(),
        LEAVES,
        LEAVES,
        "numerical",
    ),
    "np.array": (lambda x: np.array([x[0], x[1]]).sum(), LEAVES, LEAVES, "numerical"),
    "to_numpy": (lambda x: gdx.to_numpy(x).sum(), LEAVES, LEAVES, "numerical"),
    "x.numpy": (lambda x: x.numpy().sum(), LEAVES, "numpy cannot", "numerical"),
    "x.detach().numpy": (lambda x: x.detach().numpy().sum(), LEAVES, "detach cannot", "numerical"),
    "an error of its own": (lambda x: len(3), "has no len", "has no len", "has no len"),
}


def outcome(expected, call):
    """Compare what a call gives, or its error, with what was expected."""
    if not isinstance(expected, str):
        np.testing.assert_allclose(gdx.to_numpy(call()), expected, rtol=1e-6)
        return
    with pytest.raises(TypeError, match=expected) as caught:
        call()
    assert isinstance(caught.value, gdx.TracingError) == (expected not in (MIX, "has no len"))
    if expected == MIX:
        assert "xp.asarray(n)" in str(caught.value)


# PyTorch and NumPy on what they make of each other.
_OF_THE_MIXTURE = "ignore:.*(__array_|Conversion of an array):DeprecationWarning"


@pytest.mark.filterwarnings(_OF_THE_MIXTURE)
@pytest.mark.parametrize("name", TORCH)
def test_numpy_with_tensors(name):
    torch = pytest.importorskip("torch")
    f, own, traced, descended = TORCH[name]
    x = torch.tensor(START, dtype=torch.float64)
    outcome(own, lambda: gdx.grad(f)(x))
    if isinstance(own, str):
        outcome(own, lambda: gdx.jvp(f, (x,), (x,)))
        outcome(own, lambda: gdx.hessian(f)(x))
        outcome(own, lambda: gdx.grad(lambda x: gdx.grad(f)(x)[0])(x))
    outcome(traced, lambda: gdx.grad(f, engine="tracer")(x))
    for descend in (
        lambda: gdx.gradient_descent(f, x, lr=1e-3, step_num=2),
        lambda: gdx.minimize(f, x, max_steps=2),
        lambda: gdx.minimize(f, {"x": x}["x"], method="bfgs", max_steps=2),
    ):
        if descended in ("exact", "numerical"):
            assert descend().gradient == descended
        else:
            outcome(descended, descend)
    assert x.tolist() == START


@pytest.mark.filterwarnings(_OF_THE_MIXTURE)
def test_a_descent_may_be_numerical_on_purpose():
    torch = pytest.importorskip("torch")
    x = torch.tensor(START, dtype=torch.float64)
    result = gdx.gradient_descent(lambda x: ((x - N) ** 2).sum(), x, lr=0.25, grad="numerical")
    np.testing.assert_allclose(result.x, N, atol=1e-4)


def test_lists_become_tensors_that_numpy_does_not_take():
    pytest.importorskip("torch")
    with gdx.using("torch"):
        for descend in (gdx.gradient_descent, gdx.minimize):
            with pytest.raises(TypeError, match=MIX):
                descend(lambda p: np.sum(p[0] * N), START)


JAX = {
    "n * x": (lambda x: (N * x).sum(), [3.0, 4.0], "exact"),
    "x @ n": (lambda x: x @ N, [3.0, 4.0], "exact"),
    "np.sum": (lambda x: np.sum(x * x), [2.0, 4.0], "exact"),
    "np.exp": (lambda x: np.exp(x).sum(), LEAVES, "numerical"),
    "np.asarray": (lambda x: np.asarray(x).sum(), LEAVES, "numerical"),
    "to_numpy": (lambda x: gdx.to_numpy(x).sum(), LEAVES, "numerical"),
    "math.exp": (lambda x: math.exp(x[0]), LEAVES, "numerical"),
    "an assignment": (assigned, LEAVES, "numerical"),
}


@pytest.mark.parametrize("name", JAX)
def test_numpy_with_arrays_of_jax(name):
    jnp = pytest.importorskip("jax").numpy
    f, own, descended = JAX[name]
    x = jnp.asarray(START)
    outcome(own, lambda: gdx.grad(f)(x))
    assert gdx.gradient_descent(f, x, lr=1e-3, step_num=2).gradient == descended


@pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype:UserWarning")
def test_numpy_with_arrays_of_a_strict_library():
    xp = pytest.importorskip("array_api_strict")
    xp.set_array_api_strict_flags(api_version="2024.12")
    x = xp.asarray(START)
    for f in (
        lambda x: x * N,
        lambda x: N * x,
        lambda x: N @ x,
        lambda x: np.maximum(x, N),
        lambda x: np.float64(2) * x,
        lambda x: x * np.float64(2),
    ):
        with pytest.raises(
            TypeError, match="f mixes a NumPy array with arrays of array_api_strict"
        ):
            gdx.grad(lambda x, f=f: gdx.array_namespace(x).sum(f(x)))(x)


def test_numpy_with_arrays_of_dask():
    x = pytest.importorskip("dask.array").asarray(START)
    for f, expected in (
        (lambda x: (x * N).sum(), N),
        (lambda x: (N * x).sum(), N),
        (lambda x: N @ x, N),
        (lambda x: np.exp(x).sum(), np.exp(START)),
        (lambda x: (np.float64(2) * x).sum(), [2.0, 2.0]),
    ):
        outcome(expected, lambda f=f: gdx.grad(f)(x))


def test_an_error_of_a_function_of_numpy_arrays_stays_its_own():
    def f(x):
        raise TypeError("numpy.ndarray is not welcome")

    with pytest.raises(TypeError, match="not welcome"):
        gdx.grad(f)(np.asarray(START))


def test_an_error_that_f_raises_stays_its_own():
    torch = pytest.importorskip("torch")
    calls = []

    def f(x):
        calls.append(x)
        raise TypeError("my own: numpy.float64 expected")

    with pytest.raises(TypeError, match="^my own"):
        gdx.grad(f)(torch.asarray(START))
    assert len(calls) == 1  # f is not called again to find out what the error means


PLAIN = {
    "+=": lambda c, x: c.__iadd__(x),
    "@=": lambda c, x: np.matmul(c, x, c),
    "out=": lambda c, x: np.exp(x, out=c),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_array_of_numpy_is_not_changed(name):
    plain = np.eye(3)

    def f(x):
        PLAIN[name](plain, x)
        return plain.sum()

    with pytest.raises(gdx.TracingError, match="cannot be assigned into a plain array"):
        gdx.grad(f)(np.ones((3, 3)))
    np.testing.assert_array_equal(plain, np.eye(3))


OWN = {"torch": "torch", "jax": "jax.numpy"}


@pytest.mark.parametrize("name", OWN)
def test_a_function_of_the_library_does_not_take_a_traced_array(name):
    own = pytest.importorskip(OWN[name])
    x = own.asarray(START)
    for f in (own.sum, lambda x: own.sum(own.exp(x)), lambda x: own.stack([x, x])[0, 0]):
        with pytest.raises(
            gdx.TracingError, match=f"{name}.* does not take a traced array.*xp = gdx"
        ):
            gdx.grad(f, engine="tracer")(x)


def test_an_error_in_f_that_names_the_traced_array_stays_its_own(case):
    for f in (lambda x: x + "1", lambda x: x < "1", lambda x: x(1), lambda x: {}[x]):
        with pytest.raises(TypeError) as caught:
            gdx.grad(f, engine="tracer")(case.asarray(START))
        assert "does not take a traced array" not in str(caught.value)
