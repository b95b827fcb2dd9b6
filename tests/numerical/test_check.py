"""Planted bugs are found and named, and no right gradient is called wrong."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import gdx
from gdx.testing import assert_gradient

RNG = np.random.default_rng(0)
A = RNG.standard_normal((6, 6))
B, SIGNS = RNG.standard_normal((40, 6)), RNG.choice([-1, 1], 40)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def its_gradient(x):
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


FUNCTIONS = {
    "quadratic": (lambda x: x @ A @ x, lambda x: (A + A.T) @ x),
    "logistic": (
        lambda x: np.mean(np.log1p(np.exp(-SIGNS * (B @ x)))) + 0.05 * x @ x,
        lambda x: -(B.T @ (SIGNS / (1 + np.exp(SIGNS * (B @ x))))) / 40 + 0.1 * x,
    ),
    "rosenbrock": (rosenbrock, its_gradient),
    "exp": (lambda x: np.sum(np.exp(x)), np.exp),
}
BUGS = {
    "factor": (lambda g, x: 2 * g, "factor", "It is 2 times"),
    "mean": (lambda g, x: g / 6, "factor", "It is 1/6 times"),
    "sign": (lambda g, x: -g, "sign", "wrong sign"),
    "roll": (lambda g, x: np.roll(g, 1), "order", "another order"),
    "penalty": (lambda g, x: g - 0.1 * x, "missing term", "0.1 times x"),
    "zero": (lambda g, x: 0 * g, "zero", "zero everywhere"),
    "one element": (
        lambda g, x: g * (1 + 0.01 * (np.arange(6) == 3)),
        "some elements",
        "1 of 6 elements is wrong. The others are right",
    ),
    "1e-4": (lambda g, x: g * (1 + 1e-4), "factor", "a factor of 1 +0.0001"),
    "nan": (lambda g, x: np.where(np.arange(6) == 2, np.nan, g), "not finite", "NaN"),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs(function, bug):
    f, gradient = FUNCTIONS[function]
    plant, cause, message = BUGS[bug]
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal(6)
        check = gdx.check_gradient(f, x, lambda x: plant(gradient(x), x))
        assert check.verdict == "wrong"
        assert not check
        assert (check.cause, message in check.message) == (cause, True), str(check)
        assert check.remainder_order < 1.5 or bug == "nan"
        with pytest.raises(AssertionError, match="wrong: "):
            assert_gradient(f, x, plant(gradient(x), x))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right_gradients(function, dtype):
    f, gradient = FUNCTIONS[function]
    for seed in range(10):
        x = np.random.default_rng(seed).standard_normal(6).astype(dtype)
        check = gdx.check_gradient(lambda x: dtype(f(x)), x, gradient)
        assert check, str(check)
        assert check.remainder_order == pytest.approx(2, abs=0.3) or dtype == np.float32
        assert_gradient(f, x, gradient(x))


def test_the_worst_element_is_named():
    x = {"W": [RNG.standard_normal((2, 3)), np.ones(2)], "b": np.ones(2)}
    g = {"W": [3 * x["W"][0] ** 2, 3 * np.ones(2)], "b": np.zeros(2)}
    f = lambda p: np.sum(p["W"][0] ** 3) + np.sum(p["W"][1] ** 3)  # noqa: E731
    assert gdx.check_gradient(f, x, g)
    g["W"][0][1, 2] *= 1.5
    check = gdx.check_gradient(f, x, g)
    assert check.worst == ("W", 0, 1, 2)
    assert check.given == pytest.approx(1.5 * check.numerical)
    assert check.error < 1e-9
    assert "('W', 0, 1, 2)" in str(check)


def test_a_transposed_array():
    W, V = RNG.standard_normal((2, 3, 3))
    check = gdx.check_gradient(lambda W: np.sum((W @ V) ** 2), W, (2 * W @ V @ V.T).T)
    assert (check.verdict, check.cause) == ("wrong", "transpose")


def test_missing_softmax_term():
    """A network whose weights have the right gradient, and whose bias has none."""
    x, t = RNG.standard_normal((5, 4)), RNG.integers(0, 3, 5)
    params = {"W": RNG.standard_normal((4, 3)), "b": np.zeros(3)}

    def f(p):
        return gdx.softmax_cross_entropy(x @ p["W"] + p["b"], t)

    d = (gdx.softmax(x @ params["W"]) - np.eye(3)[t]) / 5
    assert_gradient(f, params, {"W": x.T @ d, "b": d.sum(axis=0)})
    check = gdx.check_gradient(f, params, {"W": x.T @ d, "b": 0 * params["b"]})
    assert check.verdict == "wrong"
    assert check.worst[0] == "b"


@pytest.mark.parametrize("between", [0.0, 0.3, 1.0])
def test_kinks_take_any_slope_between(between):
    x = np.asarray([0.0, 1.0, -1.0, 1e-7, -1e-7, 1e-5])
    g = np.asarray([between, 1, 0, 1, 0, 1])
    check = gdx.check_gradient(lambda x: np.sum(np.maximum(x, 0)), x, g)
    assert check, str(check)
    assert "kink" in check.message
    g[2] = 1
    assert gdx.check_gradient(lambda x: np.sum(np.maximum(x, 0)), x, g).verdict == "wrong"


@pytest.mark.parametrize("offset", [0, 10, 1000])
def test_kinks_near_by_in_float32(offset):
    """Wide steps cross them, and narrow ones drown in rounding: that is not a wrong gradient."""
    verdicts = []
    for distance in 10.0 ** np.linspace(-6, -0.5, 12):
        for side in (1, -1):
            x = np.asarray([side * distance, 1.0], np.float32)
            check = gdx.check_gradient(
                lambda x: np.float32(max(x[0], 0) + x[1] + offset), x, np.asarray([x[0] > 0, 1.0])
            )
            verdicts.append(check.verdict)
    assert "wrong" not in verdicts
    assert verdicts.count("correct") >= 20


@pytest.mark.parametrize("curvature", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_curvature_is_no_kink(curvature, dtype):
    def f(x):
        return dtype(curvature * x[0] ** 2 + x[1] ** 2)

    x = np.asarray([0.0, 0.5], dtype)
    assert_gradient(f, x, np.asarray([0.0, 1.0]))
    check = gdx.check_gradient(f, x, np.asarray([1e-4 * curvature, 1.0]))
    assert check.verdict == "wrong", str(check)


@pytest.mark.parametrize("frequency", [1e3, 1e4, 1e5])
def test_features_narrower_than_the_steps(frequency):
    """A step as small as the noise of f allows sees them, and the bug in them."""
    x = RNG.standard_normal(5)
    f = lambda x: np.sum(np.sin(frequency * x))  # noqa: E731
    g = frequency * np.cos(frequency * x)
    check = gdx.check_gradient(f, x, g)
    assert check.verdict == "correct", str(check)
    assert check.cause is None
    assert gdx.check_gradient(f, x, 1.01 * g).verdict == "wrong"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(np.sum(np.sin(x.astype(np.float32)))),
        lambda x: float(np.round(np.sum(np.sin(x)), 8)),
        lambda x: np.sum(np.sin(x)) + 1e-9 * (zlib.crc32(x.tobytes()) % 1000 / 1000),
    ],
    ids=["float32 inside", "rounded", "noise"],
)
def test_noise_that_the_dtype_does_not_tell(f):
    """Values in float64 may be of less precision than that: jax-ml/jax#7742 in another form."""
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal(3)
        check = gdx.check_gradient(f, x, np.cos)
        assert check.verdict != "wrong", str(check)
        assert gdx.check_gradient(f, x, lambda x: 2 * np.cos(x)).verdict == "wrong"


def test_slopes_below_the_rounding_of_f():
    x = RNG.standard_normal(4)
    f = lambda x: 1e6 + 1e-9 * np.sum(np.sin(x))  # noqa: E731
    for factor in (1, 2, -1):
        check = gdx.check_gradient(f, x, factor * 1e-9 * np.cos(x))
        assert (check.verdict, check.cause) == ("inconclusive", "rounding")


def test_a_gradient_of_a_coarser_dtype():
    x = RNG.standard_normal(4)
    assert_gradient(lambda x: np.sum(x**3), x, lambda x: (3 * x**2).astype(np.float32))


def test_a_gradient_of_a_constant():
    check = gdx.check_gradient(lambda x: 3.0, np.ones(3), np.ones(3))
    assert (check.verdict, check.cause) == ("wrong", "constant")


def test_a_gradient_of_numbers():
    x = np.asarray([1.0, 2.0])
    for g in ([2.0, 4.0], (2, 4), np.asarray([2, 4]), lambda x: [2 * float(x[0]), 4]):
        assert_gradient(lambda x: np.sum(x**2), x, g)


def test_what_f_returns_is_checked():
    for value, message in ((None, "is a return missing"), (np.ones(2), "one number"), (1j, "real")):
        with pytest.raises((TypeError, ValueError), match=message):
            gdx.check_gradient(lambda x, v=value: v, np.ones(2), np.ones(2))


def test_a_gradient_that_is_nan_where_f_is_not_known():
    with np.errstate(all="ignore"):
        check = gdx.check_gradient(
            lambda x: x[0] ** 2 + np.log(x[1]), np.asarray([1.0, 1e-12]), np.asarray([2.0, np.nan])
        )
    assert check.verdict != "correct"


@pytest.mark.parametrize("factor", [0.5, 2.0, -3.0])
def test_a_factor_of_a_gradient_that_is_like_x(factor):
    for x in (RNG.standard_normal(4), np.asarray([1.5])):
        check = gdx.check_gradient(lambda x: x @ x, x, 2 * factor * x)
        assert (check.verdict, check.cause) == ("wrong", "factor")


def test_kinks_are_no_excuse():
    for g in (2.0, -1.5):
        assert gdx.check_gradient(lambda x: np.sum(abs(x)), np.zeros(3), np.full(3, g)).verdict == (
            "wrong"
        )
    check = gdx.check_gradient(np.max, np.asarray([1.0, 1.0, 0.0]), np.asarray([0.5, 0.5, 0]))
    assert check


def test_random_functions():
    rng = np.random.default_rng(0)
    check = gdx.check_gradient(lambda x: np.sum(x) + rng.random(), np.zeros(3), np.ones(3))
    assert (check.verdict, check.cause) == ("inconclusive", "random")
    with pytest.raises(AssertionError, match="inconclusive: f is random"):
        assert_gradient(lambda x: np.sum(x) + rng.random(), np.zeros(3), np.ones(3))


def test_a_function_that_is_not_finite():
    check = gdx.check_gradient(lambda x: np.sum(np.log(x)), -np.ones(3), np.ones(3))
    assert (check.verdict, check.cause) == ("inconclusive", "not finite")
    check = gdx.check_gradient(lambda x: 1.0 if x[0] == 1 else np.nan, np.ones(1), np.ones(1))
    assert (check.verdict, check.cause) == ("inconclusive", "not finite")
    part = gdx.check_gradient(
        lambda x: x[1] ** 2 + (0 if x[0] == 1 else np.nan), np.ones(2), np.asarray([9.0, 2.0])
    )
    assert (part.verdict, part.cause) == ("inconclusive", "not finite")
    assert "(0,) could not be checked. Either f is not finite near x" in part.message


def test_a_function_that_changes_its_argument():
    x = np.ones(3)

    def f(x):
        x *= 2
        return float(np.sum(x))

    with pytest.raises(ValueError, match="f must not change its argument"):
        gdx.check_gradient(f, x, np.ones(3))
    assert x.tolist() == [1, 1, 1]


def test_float16_of_a_large_function_tells_nothing():
    x = np.ones(3, dtype=np.float16)
    check = gdx.check_gradient(lambda x: np.float16(3e4 + np.sum(x)), x, np.ones(3))
    assert (check.verdict, check.cause) == ("inconclusive", "rounding")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["sin", "exp", "tanh"])
def test_no_false_failure_in_coarse_dtypes(dtype, name):
    """Fixed steps of 1e-4 to 1e-6 fail here: pytorch/pytorch#8659 and jax-ml/jax#7742."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    x = jnp.asarray([0.3, -0.7, 1.1], dtype=dtype)
    check = gdx.check_gradient(lambda x: getattr(jnp, name)(x).sum(), x)
    assert check.verdict != "wrong", str(check)
    assert check or dtype != "float32"
    wrong = gdx.check_gradient(lambda x: getattr(jnp, name)(x).sum(), x, lambda x: 0 * x + 5)
    assert wrong.verdict == "wrong"


def test_no_false_failure_at_a_relu_or_in_expanded_tensors():
    """What steps across a kink or through shared memory gets wrong: pytorch/pytorch#5351."""
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.0, 1e-6, -1.0, 2.0], dtype=torch.float64)
    assert_gradient(lambda x: torch.relu(x).sum(), x)
    assert_gradient(lambda x: (x**2).sum(), torch.ones(1, dtype=torch.float64).expand(3))


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_derivatives_of_the_library_itself(library):
    pytest.importorskip(library)
    with gdx.using(library, fallback=None):
        x = {"a": gdx.asarray([1.0, 2.0]), "b": [gdx.asarray([[3.0]])]}
        assert_gradient(lambda p: (p["a"] ** 3).sum() * p["b"][0].sum(), x)
        assert_gradient(lambda x: (x**3).sum(), x["a"])


def test_without_a_gradient_the_exact_one_is_checked():
    assert gdx.check_gradient(lambda x: np.sum(x**3), np.ones(3))
    with pytest.raises(gdx.TracingError):
        gdx.check_gradient(lambda x: float(x[0]), np.ones(3))


def test_every_library(case):
    if case.name == "dask":
        pytest.skip("dask: a graph of a thousand evaluations takes half a minute")
    x = case.asarray([[1.0, 2.0], [3.0, 4.0]])
    xp = case.xp
    assert_gradient(lambda x: xp.sum(x * x * x), x, lambda x: 3 * x * x)
    check = gdx.check_gradient(lambda x: xp.sum(x * x * x), x, lambda x: -3 * x * x)
    assert (check.verdict, check.cause) == ("wrong", "sign")


def test_in_place_contract():
    net, x, t = gdx.SimpleNet(rng=0), [0.6, 0.9], [0, 0, 1]
    before = net.W.copy()
    gradient = gdx.numerical_gradient(lambda W: net.loss(x, t, {"W": W}), net.W.copy())
    assert_gradient(lambda ignored: net.loss(x, t), net.W, gradient)
    assert net.W.tolist() == before.tolist()


@pytest.mark.slow
def test_many_elements_are_sampled():
    x = RNG.standard_normal(3000)
    g = 3 * x**2
    right = gdx.check_gradient(lambda x: np.sum(x * x * x), x, g)
    assert right
    assert "1000 elements chosen among 3000" in right.message
    g[::2] *= 2
    assert gdx.check_gradient(lambda x: np.sum(x * x * x), x, g).verdict == "wrong"
    g = 3 * x**2
    unseen = next(i for i in range(3000) if i not in np.random.default_rng(0).choice(3000, 1000))
    g[unseen] += 50
    check = gdx.check_gradient(lambda x: np.sum(x * x * x), x, g, rng=0)
    assert check.verdict == "wrong"


@pytest.mark.slow
def test_many_elements_in_arrays_of_very_different_sizes():
    """All arrays are compared, and every comparison starts from x, although f couples them."""
    A = RNG.standard_normal((3, 1200)) / 30
    x = {"W": RNG.standard_normal(1200), "b": RNG.standard_normal(3), "none": np.ones(0)}

    def f(p):
        return np.sum(np.tanh(A @ p["W"] + p["b"]))

    slopes = 1 - np.tanh(A @ x["W"] + x["b"]) ** 2
    g = {"W": A.T @ slopes, "b": slopes, "none": np.ones(0)}
    check = gdx.check_gradient(f, x, g)
    assert check, str(check)
    wrong = {**g, "b": slopes * [1, 1.01, 1]}
    assert gdx.check_gradient(f, x, wrong).worst == ("b", 1)
    assert_gradient(
        lambda p: np.sum(p["W"] ** 2),
        {"W": np.ones(5000), "b": np.ones(3)},
        lambda p: {"W": 2 * p["W"], "b": 0 * p["b"]},
    )


def test_a_constant_and_a_minimum():
    assert gdx.check_gradient(lambda x: 5.0, np.ones(3), np.zeros(3))
    assert gdx.check_gradient(lambda x: np.sum(x**2), np.zeros(3), np.zeros(3))
    assert gdx.check_gradient(lambda x: 5.0, np.ones(3), np.full(3, 1e-3)).verdict == "wrong"


def test_extreme_scales():
    x = np.asarray([1e8, 1e-3])
    scale = x.copy()
    assert_gradient(lambda v: np.sum((v / scale) ** 2), x, 2 / x)
    for factor in (1e200, 1e-200):
        assert_gradient(lambda x, c=factor: c * np.sum(x**2), np.ones(3), np.full(3, 2 * factor))


@pytest.mark.parametrize(
    ("x", "grad", "error", "message"),
    [
        (np.ones(3), np.ones(2), ValueError, r"grad must return the shape of x, \(3,\)"),
        (np.ones(3), {"a": np.ones(3)}, TypeError, "real numbers"),
        ({"a": np.ones(3)}, np.ones(3), ValueError, "grad must return the structure of x"),
        (np.ones(0), np.ones(0), ValueError, "x must hold at least one element"),
        (np.ones(3) * 1j, np.ones(3), TypeError, "x must hold real numbers"),
    ],
)
def test_what_does_not_fit(x, grad, error, message):
    with pytest.raises(error, match=message):
        gdx.check_gradient(lambda x: 1.0, x, grad)
