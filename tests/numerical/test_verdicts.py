"""Of gradients that are right, none is called wrong; of those that are wrong, none correct."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import gdx
from gdx.testing import assert_gradient

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((6, 6)), RNG.standard_normal((8, 6)) / 2
SIGNS, C = RNG.choice([-1.0, 1.0], 8), RNG.uniform(0.5, 2, 6)
X = RNG.standard_normal(6)
APART = np.asarray([0.5, -1.0, 2.0, -0.25, 1.5, -3.0])  # from each other and from zero


class Case(NamedTuple):
    """A function of x, its gradient by hand, and where it is checked; xp is the namespace of x."""

    f: Any  # f(xp, x)
    gradient: Any  # by NumPy, in float64
    x: np.ndarray = X


def matrices(xp, x, *constants):
    return [xp.asarray(c, dtype=x.dtype) for c in constants]


def quadratic(xp, x):
    [a] = matrices(xp, x, A)
    return x @ a @ x


def logistic(xp, x):
    b, signs = matrices(xp, x, B, SIGNS)
    return xp.mean(xp.log1p(xp.exp(-signs * (b @ x)))) + 0.05 * xp.sum(x * x)


def rosenbrock(xp, x):
    return xp.sum(10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x):
    g = np.zeros_like(x)
    g[:-1] = -40 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 20 * (x[1:] - x[:-1] ** 2)
    return g


def layer(xp, x):
    [b] = matrices(xp, x, B)
    return xp.sum(xp.tanh(b @ x))


def normalised(xp, x):
    y = (x - xp.mean(x)) / xp.sqrt(xp.mean((x - xp.mean(x)) ** 2))
    return xp.sum(y)


def softmax(xp, x):
    power = xp.exp(x - xp.max(x))
    return power / xp.sum(power)


def entropy(xp, x):
    return xp.log(xp.sum(xp.exp(x))) - x[2]


def softmax_by_hand(x):
    return np.exp(x) / np.exp(x).sum()


def weighed_softmax(xp, x):
    [c] = matrices(xp, x, C)
    return xp.sum(c * softmax(xp, x))


def weighed_softmax_gradient(x):
    p = softmax_by_hand(x)
    return p * (C - C @ p)


CASES = {
    "quadratic": Case(quadratic, lambda x: (A + A.T) @ x),
    "logistic": Case(
        logistic, lambda x: -(B.T @ (SIGNS / (1 + np.exp(SIGNS * (B @ x))))) / 8 + 0.1 * x
    ),
    "rosenbrock": Case(rosenbrock, rosenbrock_gradient, 1 + X / 4),
    "exp": Case(lambda xp, x: xp.sum(xp.exp(x)), np.exp),
    "layer": Case(layer, lambda x: B.T @ (1 - np.tanh(B @ x) ** 2)),
    "norm": Case(lambda xp, x: xp.sqrt(xp.sum(x * x)), lambda x: x / np.linalg.norm(x)),
    "rational": Case(lambda xp, x: xp.sum(1 / (1 + x * x)), lambda x: -2 * x / (1 + x * x) ** 2),
    "log": Case(lambda xp, x: xp.mean(xp.log(x)), lambda x: 1 / x / 6, abs(X) + 0.5),
    "entropy": Case(entropy, lambda x: softmax_by_hand(x) - np.eye(6)[2]),
    "weighed softmax": Case(weighed_softmax, weighed_softmax_gradient),
    "product": Case(lambda xp, x: xp.prod(x), lambda x: np.prod(x) / x, APART),
    "cubes": Case(lambda xp, x: xp.sum(x * x * x), lambda x: 3 * x * x, APART),
    "mean of sines": Case(lambda xp, x: xp.mean(xp.sin(x)), lambda x: np.cos(x) / 6),
    "quick sines": Case(lambda xp, x: xp.sum(xp.sin(30 * x)), lambda x: 30 * np.cos(30 * x)),
    # What is zero:
    "sum of softmax": Case(lambda xp, x: xp.sum(softmax(xp, x)), np.zeros_like),
    "sum of a normalised array": Case(normalised, np.zeros_like),
    "constant": Case(lambda xp, x: 5 + 0 * x[0], np.zeros_like),
    "minimum": Case(lambda xp, x: xp.sum((x - 0.5) ** 2), lambda x: 2 * (x - 0.5), X * 0 + 0.5),
    "flat minimum": Case(
        lambda xp, x: xp.sum(x[1:] ** 4) + x[0], lambda x: np.append(1.0, 4 * x[1:] ** 3), X * 0
    ),
    "of one element": Case(
        lambda xp, x: xp.exp(x[3]), lambda x: np.exp(x[3]) * (np.arange(6) == 3)
    ),
    # What is rough, large or small:
    "relu": Case(
        lambda xp, x: xp.sum(xp.maximum(x, 0 * x)), lambda x: np.where(x > 0, 1.0, 0.0), APART
    ),
    "abs at zero": Case(lambda xp, x: xp.sum(abs(x)), np.zeros_like, X * 0),
    "largest": Case(lambda xp, x: xp.max(x), lambda x: np.where(x == x.max(), 1.0, 0.0), APART),
    "large curvature": Case(
        lambda xp, x: 1e6 * x[0] ** 2 + xp.sum(x[1:]),
        lambda x: np.append(2e6 * x[0], np.ones(5)),
        np.append(0.7, X[1:]),
    ),
    "large offset": Case(lambda xp, x: xp.sum(x * x) + 1e14, lambda x: 2 * x),
    "some offset": Case(lambda xp, x: xp.sum(x * x) + 100, lambda x: 2 * x),
    "small": Case(lambda xp, x: 1e-6 * xp.sum(x * x), lambda x: 2e-6 * x),
    "scales": Case(
        lambda xp, x: xp.sum(x * xp.asarray(10.0 ** np.arange(-3, 3), dtype=x.dtype)),
        lambda x: 10.0 ** np.arange(-3, 3),
    ),
    "at large x": Case(lambda xp, x: xp.sum(x * x) / 1e6, lambda x: 2 * x / 1e6, 1e3 * APART),
    "at small x": Case(lambda xp, x: xp.sum(xp.cos(x) + x), lambda x: 1 - np.sin(x), APART / 1e4),
}
BUGS = {
    "factor 1.3": lambda g, x: 1.3 * g,
    "sign": lambda g, x: -g,
    "zero": lambda g, x: 0 * g,
    "one": lambda g, x: g + 0.5 * (np.arange(6) == 4) * (abs(g[4]) + abs(g).max()),
    "order": lambda g, x: np.roll(g, 1),
    "shift": lambda g, x: g + 0.3 * abs(g).max(),
    "more": lambda g, x: g + 1.0,
}
WRONG = [
    (name, bug)
    for name, case in CASES.items()
    for bug, plant in BUGS.items()
    if name != "abs at zero"  # where any slope from -1 to 1 is one
    and not np.allclose(plant(case.gradient(case.x), case.x), case.gradient(case.x), rtol=0.01)
]
# What is added is below the roundings of f in some of these; there, nothing can be told.
HIDDEN = {
    "float64": {"large offset"},
    "float32": {"large offset", "large curvature", "at large x", "scales"},
}


def checked(dtype, name, bug=None):
    case, (xp, of) = CASES[name], arrays_of(dtype)
    x = xp.asarray(case.x, dtype=of)
    at = np.asarray(x, dtype=np.float64)
    g = case.gradient(at)
    given = g if bug is None else BUGS[bug](g, at)
    return gdx.check_gradient(lambda x: case.f(xp, x), x, xp.asarray(given, dtype=of))


def arrays_of(dtype):
    """Return the namespace and the dtype of a name."""
    if dtype == "bfloat16":
        jnp = pytest.importorskip("jax").numpy
        return jnp, jnp.bfloat16
    return np, np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_no_right_gradient_is_called_wrong(dtype):
    verdicts = {name: checked(dtype, name) for name in CASES}
    assert {name: str(check) for name, check in verdicts.items() if check.verdict == "wrong"} == {}
    told = {name for name, check in verdicts.items() if check}
    assert {"sum of softmax", "sum of a normalised array", "constant", "minimum"} <= told
    if dtype in HIDDEN:
        assert set(CASES) - told <= HIDDEN[dtype]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_no_wrong_gradient_is_called_correct(dtype):
    pairs = WRONG[:: 3 if dtype == "bfloat16" else 1]
    verdicts = {pair: checked(dtype, *pair) for pair in pairs}
    assert {pair: str(check) for pair, check in verdicts.items() if check} == {}
    untold = {name for (name, _), check in verdicts.items() if check.verdict != "wrong"}
    if dtype in HIDDEN:
        assert untold <= HIDDEN[dtype]


@pytest.mark.parametrize("curvature", [1e6, 1e8])
@pytest.mark.parametrize("at", [0.5, 1, 5, 100])
@pytest.mark.parametrize("slope", [1, -1, 0, 2])
def test_a_slope_below_the_rounding_of_another_one(curvature, at, slope):
    x = np.asarray([at, 1.0], dtype=np.float32)
    check = gdx.check_gradient(
        lambda x: np.float32(curvature) * x[0] ** 2 + x[1],
        x,
        np.asarray([2 * curvature * at, slope], dtype=np.float32),
    )
    assert (check.verdict, check.cause, check.worst) == ("inconclusive", "rounding", (1,))
    assert "(1,) could not be checked. Either rounding of f" in check.message


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_bias_that_is_normalised_away(dtype):
    """Its gradient is zero, but for rounding; those of the other parameters are not."""
    x, t = RNG.standard_normal((20, 4)).astype(dtype), RNG.integers(0, 3, 20)

    def loss(p):
        h = x @ p["W"] + p["b"]
        h = h - h.mean(axis=0)
        return gdx.softmax_cross_entropy(h / (h * h).mean(axis=0) ** 0.5 * p["scale"], t)

    params = {
        "W": RNG.standard_normal((4, 3)).astype(dtype),
        "b": np.full(3, 0.3, dtype),
        "scale": np.ones(3, dtype),
    }
    assert_gradient(loss, params)
    g = gdx.grad(loss)(params)
    assert gdx.check_gradient(loss, params, {**g, "b": g["b"] + dtype(0.01)}).verdict == "wrong"


def test_many_elements_of_which_nothing_is_known():
    x = np.ones(9, dtype=np.float32)
    many = gdx.check_gradient(
        lambda x: np.float32(1e6) * x[0] ** 2 + np.sum(x[1:]), x, np.append(2e6, np.ones(8))
    )
    assert "(1,), (2,), (3,), (4,), (5,) and 3 more" in many.message


@pytest.mark.parametrize("frequency", [1e3, 1e6, 1e9])
def test_a_zero_gradient_of_what_oscillates(frequency):
    x = RNG.standard_normal(4)
    check = gdx.check_gradient(lambda x: np.sum(np.sin(frequency * x)), x, np.zeros(4))
    assert check.verdict != "correct", str(check)
    assert check.verdict == "wrong" or frequency == 1e9


def test_x_scale_sets_the_unit_of_the_steps():
    """By default the unit is max(1, |x|), and the steps lead beyond 0, where log is NaN."""
    x = np.asarray([1e-8, 2e-8])
    f = lambda x: np.sum(np.log(x))  # noqa: E731
    assert gdx.check_gradient(f, x, 1 / x).verdict == "inconclusive"
    for scale in (1e-8, x, x.tolist()):
        assert gdx.check_gradient(f, x, 1 / x, x_scale=scale)
        assert gdx.check_gradient(f, x, 1.01 / x, x_scale=scale).cause == "factor"
    tree = {"a": x[:1], "b": [x[1:]]}
    by_tree = gdx.check_gradient(
        lambda p: f(p["a"]) + f(p["b"][0]),
        tree,
        {"a": 1 / x[:1], "b": [1 / x[1:]]},
        x_scale={"a": 1e-8, "b": [x[1:]]},
    )
    assert by_tree
    for scale, message in ((-1, "x_scale must be a positive"), (np.ones(3), "the shape of x")):
        with pytest.raises(ValueError, match=message):
            gdx.check_gradient(f, x, 1 / x, x_scale=scale)


P = np.asarray([0.1, 0.2, 0.3, 0.4])
# Functions whose terms cancel at a point where their gradient is zero.
CANCELLING = {
    "x - sin": (lambda x: np.sum(x - np.sin(x)), np.zeros(3)),
    "x - tanh": (lambda x: np.sum(x - np.tanh(x)), np.zeros(3)),
    "tan - x": (lambda x: np.sum(np.tan(x) - x), np.zeros(3)),
    "exp - 1 - x": (lambda x: np.sum(np.exp(x) - 1 - x), np.zeros(3)),
    "1 - cos": (lambda x: np.sum(1 - np.cos(x)), np.zeros(3)),
    "pseudo-Huber": (lambda x: np.sum(np.sqrt(1 + x * x) - 1), np.zeros(3)),
    "Kullback-Leibler": (lambda x: np.sum(P.astype(x.dtype) * np.log(P / x) + x - P), P),
    "quartic": (lambda x: np.sum((x - 1) ** 4) + 1, np.ones(3)),
    "monkey saddle": (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, np.zeros(2)),
    "Rosenbrock": (lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, np.ones(2)),
    "Lennard-Jones": (lambda x: np.sum(x**-12 - 2 * x**-6), np.ones(2)),
    "variance": (np.var, np.full(4, 0.7)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CANCELLING)
def test_zeros_at_which_f_cancels(name, dtype):
    f, x = CANCELLING[name]
    x = x.astype(dtype)
    check = gdx.check_gradient(f, x, np.zeros_like(x))
    assert check.verdict != "wrong"
    assert check or name == "exp - 1 - x", str(check)  # whose rounding is as large as its changes
    assert gdx.check_gradient(f, x, np.ones_like(x)).verdict != "correct"


ROUNDED_AT = {np.float64: 1e14, np.float32: 1e5}
# Odd functions: over any step, their slopes on both sides agree, and are not that at 0.
ODD = {
    "tanh": (lambda x: np.tanh(10 * x), 10.0),
    "sine": (lambda x: np.sin(10 * x), 10.0),
    "cubic": (lambda x: x + 30 * x**3, 1.0),
    "bump": (lambda x: 10 * x / (1 + 100 * x * x), 10.0),
    "hard tanh": (lambda x: np.clip(10 * x, -1, 1), 10.0),
}


@pytest.mark.parametrize("offset", [0, 1e-3, 1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ODD)
def test_wide_steps_across_an_odd_function(name, dtype, offset):
    f, slope = ODD[name]
    x, rest = np.zeros(1, dtype), dtype(offset * ROUNDED_AT[dtype])

    def shifted(x):
        return np.sum(f(x), dtype=x.dtype) + rest

    assert gdx.check_gradient(shifted, x, np.full(1, slope, dtype)).verdict != "wrong"
    for wrong in (0, -slope, 1.5 * slope, 0.5 * slope):
        assert gdx.check_gradient(shifted, x, np.full(1, wrong, dtype)).verdict != "correct"


@pytest.mark.parametrize("length", [1e-3, 1e-5, 1e-7, 1e-9])
def test_features_of_which_the_differences_see_nothing(length):
    x = np.asarray([0.7, -0.4]) * length
    f = lambda x: np.sum(np.exp(-((x / length) ** 2) / 2))  # noqa: E731
    g = -x / length**2 * np.exp(-((x / length) ** 2) / 2)
    assert gdx.check_gradient(f, x, g).verdict != "wrong"
    for wrong in (0 * g, -g, 1.5 * g):
        assert gdx.check_gradient(f, x, wrong).verdict != "correct"
        assert gdx.check_gradient(f, x, wrong, x_scale=length).verdict == "wrong"
    assert gdx.check_gradient(f, x, g, x_scale=length)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("waves", [1, 4, 16, 64, 1024])
def test_periods_that_wide_steps_hit(waves, dtype):
    """Between x and x + 1/4, the cosines change by nothing; their slope is what rounding leaves."""
    x = np.arange(5, dtype=dtype) / 4
    turns = dtype(2 * np.pi * waves)
    g = -turns * np.sin(turns * x)
    check = gdx.check_gradient(lambda x: np.sum(np.cos(turns * x)), x, g)
    assert check or (check.verdict == "inconclusive" and waves >= 64), str(check)
    wrong = gdx.check_gradient(lambda x: np.sum(np.cos(turns * x)), x, g + turns / 10)
    assert wrong.verdict == "wrong" or (wrong.verdict == "inconclusive" and waves >= 64)


@pytest.mark.parametrize("seed", range(6))
def test_waves_far_from_zero(seed):
    """The steps follow |x|, and over those of 1e5 f has many waves, which may seem to be noise."""
    x = (1e5 + np.random.default_rng(seed).standard_normal(5)).astype(np.float32)
    f, far = (lambda x: np.sum(np.sin(x - far))), np.float32(1e5)
    g = np.cos(x - far)
    assert gdx.check_gradient(f, x, g).verdict != "wrong"
    for wrong in (0 * g, -g, 1.5 * g):
        assert gdx.check_gradient(f, x, wrong).verdict != "correct"


@pytest.mark.parametrize("unit", [1e-2, 1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_potential_in_small_units(unit, dtype):
    """1/r of an r that is small against 1: what the steps see is next to nothing."""
    x = np.asarray([1, 2, -1], dtype) * dtype(unit)
    each = dtype(1 / unit)
    f = lambda x: -dtype(1e-18) / np.sqrt(np.sum((x * each) ** 2))  # noqa: E731
    scaled = x.astype(np.float64) / unit
    g = 1e-18 / unit * scaled / np.sum(scaled**2) ** 1.5
    assert gdx.check_gradient(f, x, g.astype(dtype)).verdict != "wrong"
    assert gdx.check_gradient(f, x, g.astype(dtype), x_scale=unit)
    for wrong in (0 * g, -g, 1.5 * g):
        assert gdx.check_gradient(f, x, wrong.astype(dtype)).verdict != "correct"
        assert gdx.check_gradient(f, x, wrong.astype(dtype), x_scale=unit).verdict == "wrong"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("margin", [8, 13, 18, 23, 30])
def test_the_entropy_of_a_confident_classifier(margin, dtype):
    """It is log(1 + small), so that the rounding of 1 counts, however small f is itself."""

    def f(x):
        shifted = x - x.max()
        return np.log(np.sum(np.exp(shifted))) - shifted[0]

    for seed in range(5):
        others = np.random.default_rng(seed).normal(0, 3, 4)
        x = np.asarray([margin + others.max(), *others], dtype)
        g = softmax_by_hand(x.astype(np.float64))
        g[0] = -g[1:].sum()
        assert gdx.check_gradient(f, x, g.astype(dtype)).verdict != "wrong"
        for wrong in (-g, 2 * g):
            check = gdx.check_gradient(f, x, wrong.astype(dtype))
            assert check.verdict != "correct" or 10 * np.finfo(dtype).eps > abs(g).max()


def coarse(values, digits):
    return float(np.round(np.sum(values**2), digits))


COARSE = {
    "float32 inside": lambda x: float(np.sum(x.astype(np.float32) ** 2)),
    "float16 inside": lambda x: float(np.sum(x.astype(np.float16) ** 2)),
    "10 digits": lambda x: coarse(x, 10),
    "6 digits": lambda x: coarse(x, 6),
    "2 digits": lambda x: coarse(x, 2),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", COARSE)
def test_a_part_that_was_forgotten_where_f_is_coarse(name, dtype):
    """Narrow steps do not change f at all, as if its slope were 0."""
    x = np.asarray([1, -2, 0.5], dtype)
    assert gdx.check_gradient(COARSE[name], x, 2 * x).verdict != "wrong"
    for kept in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        check = gdx.check_gradient(COARSE[name], x, 2 * x * np.asarray(kept, dtype))
        assert check.verdict == "wrong", str(check)


@pytest.mark.parametrize("change", [lambda g: 2 * g, lambda g: 0 * g, lambda g: -g])
def test_a_kink_of_one_rounding(change):
    """1 - p is rounded more coarsely than p: at the narrowest steps, f has kinks that are none."""
    x = np.asarray([2e-4, 3e-5, 0.4])
    f = lambda x: np.sum(1e4 * np.log(1 - x) + 5 * np.log(x))  # noqa: E731
    g = -1e4 / (1 - x) + 5 / x
    assert gdx.check_gradient(f, x, g).verdict != "wrong"
    for k in range(3):
        wrong = np.where(np.arange(3) == k, change(g), g)
        assert gdx.check_gradient(f, x, wrong).verdict != "correct"


def test_zero_next_to_a_kink():
    for distance in (1e-4, 1e-8, 1e-12):
        x = np.asarray([1 + distance])
        assert gdx.check_gradient(lambda x: np.sum(abs(x - 1)), x, np.ones(1))
        assert gdx.check_gradient(lambda x: np.sum(abs(x - 1)), x, np.zeros(1)).verdict != "correct"


def test_elements_at_which_f_is_not_defined():
    check = gdx.check_gradient(
        lambda x: np.sum(np.sqrt(x)), np.asarray([0, 1.0]), np.asarray([0, 0.5])
    )
    assert (check.verdict, check.cause) == ("inconclusive", "not finite")
    x = np.asarray([1e5, -3e5], np.float32)
    with pytest.warns(RuntimeWarning, match=r"x_scale=0\.001 makes steps that vanish"):
        check = gdx.check_gradient(lambda x: np.sum(x * x), x, -2 * x, x_scale=1e-3)
    assert check.verdict == "inconclusive"


def test_kinks_near_the_steps_of_a_network_in_float32():
    """Differences across the kinks of relu are not the slopes at x, and no contradiction."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((30, 4)).astype(np.float32), rng.integers(0, 3, 30)
    for seed in range(3):
        net = gdx.MLP([4, 16, 3], rng=seed)
        params = {name: array.astype(np.float32) for name, array in net.params.items()}

        def loss(params, net=net):
            return net.loss(x, t, params)

        check = gdx.check_gradient(loss, params)
        assert check.verdict != "wrong", str(check)
        g = gdx.grad(loss)(params)
        assert gdx.check_gradient(loss, params, {**g, "b2": -g["b2"]}).verdict == "wrong"
