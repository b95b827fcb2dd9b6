"""Derivatives are as accurate as values, also in the tails, where 1 - y would cancel.

The bar is a few roundings: |computed - exact| ≤ 6 eps |exact|, where the exact derivative is a
normal number of the dtype. That of log_softmax is taken from logarithms: the bar is 6 eps |log p|.
"""

import mpmath
import numpy as np
import pytest

import gdx

ROUNDINGS = 6
DTYPES = ("float16", "float32", "float64")


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(400):
        yield


def assert_accurate(computed, exact, eps, tiny, times=1.0):
    """Assert that each element is right up to some roundings, `times` as many if asked for."""
    computed = np.asarray(computed, dtype=float).reshape(-1)
    assert len(computed) == len(exact)
    for value, right in zip(computed, exact, strict=True):
        if abs(right) >= tiny or right == 0:
            error = abs(mpmath.mpf(float(value)) - right)
            assert error <= ROUNDINGS * times * eps * abs(right), (value, mpmath.nstr(right, 20))


def _with_finite(points, dtype):
    with np.errstate(over="ignore"):
        x = np.asarray(points).astype(dtype)
    return x[np.isfinite(x)]


def _slope_of_sigmoid(x):
    power = mpmath.exp(-abs(x))
    return power / (1 + power) ** 2


BIG = [0.0, 1e-8, -0.5, 2.0, -9.0, 20.0, 300.0, -6e4, 1e10, 1e20, 1e160, -1e300]
TAILS = [0.0, 1e-8, 0.5, -2.0, 8.0, 9.0, 11.0, -17.0, 17.0, 40.0, 80.0, -88.0, 100.0, 340.0, 800.0]
NEAR_ONE = [0.0, 0.5, 0.999, 1 - 2.0**-11, -1 + 2.0**-20, 1 - 2.0**-50]
MODERATE = [1e-8, 1e-3, 0.5, -3.0, 5.0, -10.0]
POSITIVE = [1e-3, 0.5, 1.001, 3.0, 300.0]
ELEMENTWISE = {
    "acos": (np.arccos, lambda x: -1 / mpmath.sqrt(1 - x * x), NEAR_ONE),
    "acosh": (np.arccosh, lambda x: 1 / mpmath.sqrt(x * x - 1), [1.001, 1.5, 300.0, 1e20, 1e160]),
    "asin": (np.arcsin, lambda x: 1 / mpmath.sqrt(1 - x * x), NEAR_ONE),
    "asinh": (np.arcsinh, lambda x: 1 / mpmath.sqrt(1 + x * x), BIG),
    "atan": (np.arctan, lambda x: 1 / (1 + x * x), BIG),
    "atan2": (lambda x: np.arctan2(x, 1.0), lambda x: 1 / (1 + x * x), BIG),
    "atanh": (np.arctanh, lambda x: 1 / (1 - x * x), NEAR_ONE),
    "cbrt": (np.cbrt, lambda x: 1 / (3 * mpmath.cbrt(x) ** 2), POSITIVE),
    "cos": (np.cos, lambda x: -mpmath.sin(x), MODERATE),
    "cosh": (np.cosh, mpmath.sinh, MODERATE),
    "exp": (np.exp, mpmath.exp, MODERATE),
    "exp2": (np.exp2, lambda x: mpmath.log(2) * mpmath.mpf(2) ** x, MODERATE),
    "expm1": (np.expm1, mpmath.exp, MODERATE),
    "hypot": (lambda x: np.hypot(x, 1.0), lambda x: x / mpmath.sqrt(1 + x * x), BIG),
    "log": (np.log, lambda x: 1 / x, POSITIVE),
    "log10": (np.log10, lambda x: 1 / (x * mpmath.log(10)), POSITIVE),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), [-1 + 2.0**-10, -0.5, 1e-8, 1.0, 1e10]),
    "log2": (np.log2, lambda x: 1 / (x * mpmath.log(2)), POSITIVE),
    "logaddexp": (lambda x: np.logaddexp(x, 0.0), lambda x: 1 / (1 + mpmath.exp(-x)), TAILS),
    "pow": (lambda x: x**1.5, lambda x: 1.5 * mpmath.sqrt(x), POSITIVE),
    "reciprocal": (np.reciprocal, lambda x: -1 / x**2, [0.01, -0.5, 3.0]),
    "sigmoid": (gdx.sigmoid, _slope_of_sigmoid, TAILS),
    "sin": (np.sin, mpmath.cos, MODERATE),
    "sinc": (
        np.sinc,
        lambda x: (mpmath.cospi(x) - mpmath.sincpi(x)) / x,
        [0.05, 0.094, 0.097, 0.11, 0.3, 0.33],
    ),
    "sinh": (np.sinh, mpmath.cosh, MODERATE),
    "sqrt": (np.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x)), POSITIVE),
    "tan": (np.tan, lambda x: mpmath.sec(x) ** 2, [0.0, 0.5, -1.5]),
    "tanh": (np.tanh, lambda x: mpmath.sech(x) ** 2, TAILS),
}

# The derivative of logaddexp comes from its value, x at most: exp(x - y).
CONDITION = {"logaddexp": 800.0}


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name, dtype, mode):
    f, slope, points = ELEMENTWISE[name]
    x = _with_finite(points, dtype)
    x = x[np.abs(x) != 1] if points is NEAR_ONE else x
    if mode == "reverse":
        computed = gdx.grad(lambda x: np.sum(f(x)))(x)
    else:
        computed = gdx.jvp(f, (x,), (np.ones_like(x),))[1]
    assert computed.dtype == dtype
    kind = np.finfo(dtype)
    times = CONDITION.get(name, 1.0)
    exact = [slope(mpmath.mpf(float(v))) for v in x]
    assert_accurate(computed, exact, kind.eps, float(kind.tiny), times)


SECOND = {
    "sigmoid": (
        gdx.sigmoid,
        lambda x: -_slope_of_sigmoid(x) * mpmath.tanh(x / 2),
        [-80.0, -17.0, -2.0, 2.0, 8.0, 17.0, 40.0, 80.0],
    ),
    "tanh": (
        np.tanh,
        lambda x: -2 * mpmath.tanh(x) * mpmath.sech(x) ** 2,
        [-40.0, -9.0, -0.5, 1e-3, 2.0, 17.0, 40.0],
    ),
    "asinh": (
        np.arcsinh,
        lambda x: -x / mpmath.sqrt(1 + x * x) ** 3,
        [-300.0, -0.5, 1e-3, 5.0, 1e5],
    ),
}


@pytest.mark.parametrize("nested", ["grad of grad", "hvp", "jvp of jvp"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives(name, dtype, nested):
    f, curvature, points = SECOND[name]
    x = np.asarray(points, dtype=dtype)
    ones = np.ones_like(x)

    def total(x):
        return np.sum(f(x))

    computed = {
        "grad of grad": lambda: gdx.grad(lambda x: np.sum(gdx.grad(total)(x)))(x),
        "hvp": lambda: gdx.hvp(total, x, ones),
        "jvp of jvp": lambda: gdx.jvp(lambda x: gdx.jvp(f, (x,), (ones,))[1], (x,), (ones,))[1],
    }[nested]()
    kind = np.finfo(dtype)
    exact = [curvature(mpmath.mpf(float(v))) for v in x]
    assert_accurate(computed, exact, kind.eps, float(kind.tiny), times=2)


@pytest.mark.parametrize("x", [-1e6, -800.0, 800.0, 1e6, np.inf, -np.inf])
def test_tanh_is_flat_at_both_ends(x):
    assert gdx.grad(np.tanh)(x) == 0
    assert gdx.grad(gdx.grad(np.tanh))(x) == 0


def exact_softmax(logits):
    """Return the probabilities, and one less each of them, without cancellation."""
    powers = [mpmath.exp(mpmath.mpf(v)) for v in logits]
    total = mpmath.fsum(powers)
    places = range(len(powers))
    others = [mpmath.fsum(powers[j] for j in places if j != i) / total for i in places]
    return [power / total for power in powers], others


# The first class is the more probable, the narrower the dtype, the less.
LOGITS = {
    "narrow": [0.0, -6.0, -7.0, -4.0],
    "wide": [0.0, -5.0, -40.0, -20.0],
    "far": [0.0, -60.0, -80.0, -40.0],
}


def _first(function):
    """Return a function of an array that gives the first element of what another returns."""
    return lambda x: function(x)[0]


def _negated(values):
    return [-v for v in values]


# Of the probability p_i: q_i is 1 - p_i. The derivatives of the first class, or its loss.
OF_CLASSES = {
    "softmax": (gdx.softmax, lambda p, q: [p[0] * q[0], *(-p[0] * v for v in p[1:])]),
    "log_softmax": (gdx.log_softmax, lambda p, q: [q[0], *_negated(p[1:])]),
}
LOSSES = {
    "softmax_cross_entropy": gdx.softmax_cross_entropy,
    "cross_entropy_error": lambda x, t: gdx.cross_entropy_error(gdx.softmax(x), t, eps=0.0),
}


@pytest.fixture(params=[None, "tracer"], ids=["engine", "tracer"])
def engine(request):
    """Return the engine of a library, or gdx's own."""
    return request.param


@pytest.mark.parametrize("logits", LOGITS)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_probable_class(case, engine, name, logits):
    function, derivative = OF_CLASSES[name]
    x = case.asarray(LOGITS[logits])
    gradient = gdx.grad(_first(function), engine=engine)(x)
    assert case.holds(gradient)
    times = max(1.0, -min(LOGITS[logits])) if name == "log_softmax" else 1.0
    exact = derivative(*exact_softmax(LOGITS[logits]))
    assert_accurate(gdx.to_numpy(gradient), exact, case.eps, 1e-37, times)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("logits", LOGITS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(case, engine, name, logits, one_hot, label):
    x, t = case.asarray([LOGITS[logits]]), case.asarray([label])
    if one_hot:
        t = case.asarray(np.eye(4)[[label]])
    gradient = gdx.grad(lambda x: LOSSES[name](x, t), engine=engine)(x)
    p, q = exact_softmax(LOGITS[logits])
    exact = [-q[i] if i == label else p[i] for i in range(4)]
    assert_accurate(gdx.to_numpy(gradient), exact, case.eps, 1e-37)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_probable_classes_along_an_axis(name, axis):
    function, derivative = OF_CLASSES[name]
    x = np.asarray(list(LOGITS.values()))
    first = np.zeros((3, 4))
    first[:, 0] = 1
    gradient = gdx.grad(
        lambda x: np.sum(function(x, axis=axis) * (first.T if axis == 0 else first))
    )
    computed = gradient(x.T).T if axis == 0 else gradient(x)
    for row, logits in zip(computed, LOGITS.values(), strict=True):
        times = -min(logits) if name == "log_softmax" else 1.0
        assert_accurate(row, derivative(*exact_softmax(logits)), np.finfo(float).eps, 1e-300, times)


@pytest.mark.parametrize("shape", [(), (2,)])
def test_course_network(shape):
    """The loss of SimpleNet is -log(y + 1e-7)."""
    scores = np.asarray([30.0, 0.0, -5.0])
    net = gdx.SimpleNet(2, 3)
    net.W = np.stack([scores, np.zeros(3)])
    x = np.broadcast_to(np.asarray([1.0, 0.0]), (*shape, 2))
    gradient = net.gradient(x, np.zeros(shape, dtype=int))["W"][0]
    p, q = exact_softmax(scores)
    weight = p[0] / (p[0] + mpmath.mpf(1e-7))
    exact = [-weight * q[0], weight * p[1], weight * p[2]]
    assert_accurate(gradient, exact, np.finfo(float).eps, 1e-300)


@pytest.mark.parametrize("label", [0, 1])
def test_hessian_at_a_probable_label(case, engine, label):
    logits = [0.0, -40.0]
    p, q = exact_softmax(logits)
    hessian = gdx.hessian(lambda x: gdx.softmax_cross_entropy(x, label), engine=engine)
    exact = [p[0] * q[0], -p[0] * p[1], -p[0] * p[1], p[1] * q[1]]
    computed = gdx.to_numpy(hessian(case.asarray(logits)))
    if label == 0:
        assert_accurate(computed, exact, case.eps, 1e-37)
    else:
        np.testing.assert_allclose(computed.ravel(), np.asarray(exact, float), atol=4 * case.eps)


@pytest.mark.parametrize("x", TAILS)
def test_sigmoid_on_every_engine(case, engine, x):
    x = -x if x > 80 else x
    computed = gdx.grad(gdx.sigmoid, engine=engine)(case.asarray(x))
    assert_accurate(gdx.to_numpy(computed), [_slope_of_sigmoid(mpmath.mpf(x))], case.eps, 1e-37)


@pytest.mark.parametrize("x", [-80.0, -8.0, 8.0, 17.0, 40.0, 80.0])
def test_curvature_of_sigmoid_on_every_engine(case, engine, x):
    exact = SECOND["sigmoid"][1](mpmath.mpf(x))
    computed = gdx.hessian(gdx.sigmoid, engine=engine)(case.asarray(x))
    assert_accurate(gdx.to_numpy(computed), [exact], case.eps, 1e-37, times=2)
