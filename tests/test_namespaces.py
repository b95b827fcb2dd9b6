"""Libraries that no table knows: what they must have, and all that gdx then does with them."""

from __future__ import annotations

import matplotlib as mpl
import minimal
import numpy as np
import pytest

import gdx

mpl.use("Agg")

LIBRARIES = {
    "plain": minimal.namespace("plain"),
    "immutable": minimal.namespace("immutable", array_type=minimal.Immutable),
    "final": minimal.namespace("final", array_type=minimal.Final),
}
X, C, V = np.asarray([0.5, -1.5, 2.0]), np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 0.0, 2.0])
W = np.asarray([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
EXP = np.exp(W - W.max(axis=1, keepdims=True))
SOFTMAX = EXP / EXP.sum(axis=1, keepdims=True)
ONE_HOT = np.asarray([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def total(x, **options):
    return gdx.array_namespace(x).sum(x, **options)


class Calls:
    """Calls of gdx with arrays of one library."""

    def __init__(self, xp):
        self.xp = xp
        self.x, self.c, self.v, self.W = map(self.asarray, (X, C, V, W))

    def asarray(self, values):
        return self.xp.asarray(np.asarray(values))

    def f(self, x):
        return total((x - 0.3) ** 2 * self.c)

    def squares(self, x):
        return x * x * self.c

    def rows(self, x):
        return total((x - 0.3) ** 2, axis=-1)

    def in_net(self):
        net = gdx.SimpleNet(3, 2, rng=0)
        t = gdx.asarray([0, 1])
        W = gdx.to_numpy(net.W)
        y = np.exp(X @ W)
        expected = np.outer(X, y / y.sum() - [0, 1])
        dW = gdx.grad(lambda W: net.loss(self.x, t, {"W": W}))(net.W)
        numerical = gdx.numerical_gradient(lambda W: net.loss(self.x, t, {"W": W}), net.W)
        return [gdx.to_numpy(dW) - expected, gdx.to_numpy(numerical) - expected]

    def in_mlp(self):
        net = gdx.MLP([3, 4, 2], rng=0)
        t = gdx.asarray([1, 0])
        result = gdx.gradient_descent(
            lambda p: net.loss(self.W, t, p), net.params, lr=0.5, step_num=200
        )
        net.params = result.x
        return net.accuracy(self.W, t)


GRADIENT = 2 * C * (X - 0.3)
MINIMUM = np.full(3, 0.3)
METHODS = (
    "l-bfgs bfgs cg newton-cg bb sgd momentum nesterov adagrad rmsprop adam adamw amsgrad lion"
)
CALLS = {
    "grad": (lambda c: gdx.grad(c.f)(c.x), GRADIENT),
    "value_and_grad": (lambda c: gdx.value_and_grad(c.f)(c.x)[1], GRADIENT),
    "grad of a dict": (
        lambda c: gdx.grad(lambda p: total(p["a"] * p["b"]))({"a": c.x, "b": c.c})["a"],
        C,
    ),
    "grad of an assignment": (
        lambda c: gdx.grad(lambda x: total(assigned(x)))(c.x),
        [-1.5, 2.5, -1.5],
    ),
    "vjp": (lambda c: gdx.vjp(c.squares, c.x)[1](c.v)[0], 2 * C * X * V),
    "jvp": (lambda c: gdx.jvp(c.squares, (c.x,), (c.v,))[1], 2 * C * X * V),
    "jacobian": (lambda c: gdx.jacobian(c.squares)(c.x), np.diag(2 * C * X)),
    "hessian": (lambda c: gdx.hessian(c.f)(c.x), np.diag(2 * C)),
    "hvp": (lambda c: gdx.hvp(c.f, c.x, c.v), 2 * C * V),
    "stop_gradient": (lambda c: gdx.grad(lambda x: total(x * gdx.stop_gradient(x)))(c.x), X),
    **{
        f"numerical_gradient {method}": (
            lambda c, m=method: gdx.numerical_gradient(c.f, c.x, method=m),
            GRADIENT,
        )
        for method in ("central", "forward", "backward", "complex")
    },
    "numerical_gradient, order 8": (
        lambda c: gdx.numerical_gradient(c.f, c.x, order=8),
        GRADIENT,
    ),
    "numerical_gradient, bounds": (
        lambda c: gdx.numerical_gradient(c.f, c.x, bounds=(-2, 2)),
        GRADIENT,
    ),
    "numerical_gradient, vectorized": (
        lambda c: gdx.numerical_gradient(c.rows, c.x, vectorized=True),
        2 * (X - 0.3),
    ),
    "numerical_gradient, error": (
        lambda c: gdx.numerical_gradient(c.f, c.x, return_error=True)[0],
        GRADIENT,
    ),
    "numerical_gradient, full": (
        lambda c: gdx.numerical_gradient(c.f, c.x, full_output=True).value,
        GRADIENT,
    ),
    "numerical_jacobian": (
        lambda c: gdx.numerical_jacobian(c.squares, c.x),
        np.diag(2 * C * X),
    ),
    "numerical_jvp": (lambda c: gdx.numerical_jvp(c.squares, c.x, c.v), 2 * C * X * V),
    "numerical_hessian": (lambda c: gdx.numerical_hessian(c.f, c.x), np.diag(2 * C)),
    "numerical_hessian_diagonal": (
        lambda c: gdx.numerical_hessian_diagonal(c.f, c.x),
        2 * C,
    ),
    "check_gradient": (lambda c: gdx.check_gradient(c.f, c.x).verdict == "correct", True),
    "check_gradient of a wrong one": (
        lambda c: gdx.check_gradient(c.f, c.x, c.c).verdict == "wrong",
        True,
    ),
    "gradient_descent": (
        lambda c: gdx.gradient_descent(c.f, c.x, lr=0.1, step_num=300).x,
        MINIMUM,
    ),
    "gradient_descent, numerical": (
        lambda c: gdx.gradient_descent(c.f, c.x, lr=0.1, step_num=300, grad="numerical").x,
        MINIMUM,
    ),
    "gradient_descent, bb": (lambda c: gdx.gradient_descent(c.f, c.x, line_search="bb").x, MINIMUM),
    "gradient_descent, history": (
        lambda c: gdx.gradient_descent(c.rows, c.x, lr=0.25, step_num=3).history[1],
        (X + 0.3) / 2,
    ),
    **{
        f"minimize {method}": (
            lambda c, m=method: gdx.minimize(c.f, c.x, method=m, max_steps=20).fun < c.f(c.x),
            True,
        )
        for method in METHODS.split()
    },
    "minimize": (lambda c: gdx.minimize(c.f, c.x).x, MINIMUM),
    "minimize, bounds": (lambda c: gdx.minimize(c.f, c.x, bounds=(None, 0.2)).x, [0.2] * 3),
    "minimize, numerical": (lambda c: gdx.minimize(c.f, c.x, grad="numerical").x, MINIMUM),
    "minimize, history": (lambda c: gdx.minimize(c.f, c.x, history=True).history.x[0], X),
    **{
        f"minimize, batch, {method}": (
            lambda c, m=method: gdx.minimize(c.rows, c.W, batch=True, method=m).x,
            np.full((2, 3), 0.3),
        )
        for method in ("l-bfgs", "bfgs")
    },
    "sigmoid": (lambda c: gdx.sigmoid(c.x), 1 / (1 + np.exp(-X))),
    "relu": (lambda c: gdx.relu(c.x), np.where(X > 0, X, 0)),
    "softmax": (lambda c: gdx.softmax(c.W), SOFTMAX),
    "log_softmax": (lambda c: gdx.log_softmax(c.W), np.log(SOFTMAX)),
    "cross_entropy_error": (
        lambda c: gdx.cross_entropy_error(gdx.softmax(c.W), c.asarray([2, 0])),
        -np.log(SOFTMAX[[0, 1], [2, 0]]).mean(),
    ),
    "softmax_cross_entropy": (
        lambda c: gdx.softmax_cross_entropy(c.W, c.asarray(ONE_HOT)),
        -np.log(SOFTMAX[[0, 1], [2, 0]]).mean(),
    ),
    "its gradient": (
        lambda c: gdx.grad(lambda W: gdx.softmax_cross_entropy(W, c.asarray([2, 0])))(c.W),
        (SOFTMAX - ONE_HOT) / 2,
    ),
    "mean_squared_error": (lambda c: gdx.mean_squared_error(c.x, c.c), np.mean((X - C) ** 2)),
    "asarray": (lambda c: gdx.asarray([1.5, 2.5]), [1.5, 2.5]),
    "asarray of integers": (lambda c: gdx.asarray([1, 2]), [1, 2]),
    "grad of a list": (lambda c: gdx.grad(c.f)([0.5, -1.5, 2.0]), GRADIENT),
    "minimize of a list": (lambda c: gdx.minimize(c.f, [0.5, -1.5, 2.0]).x, MINIMUM),
    "SimpleNet": (Calls.in_net, np.zeros((2, 3, 2))),
    "MLP": (Calls.in_mlp, 1.0),
    "descent_path": (lambda c: len(drawn(c).lines) > 0, True),
}


def drawn(calls):
    import gdx.plot

    f = lambda x: total((x - 0.3) ** 2)  # noqa: E731
    return gdx.plot.descent_path(f, gdx.minimize(f, calls.x[:2], history=True))


def assigned(x):
    y = gdx.array_namespace(x).zeros_like(x)
    y[1:] = x[:-1] * x[1:]
    y[:1] = 0.0
    return y


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return LIBRARIES[request.param]


@pytest.mark.parametrize("name", CALLS)
def test_all_calls_work_on_what_the_standard_demands(name, xp):
    call, expected = CALLS[name]
    with gdx.using(xp):
        result = call(Calls(xp))
    host = [gdx.to_numpy(each) for each in result] if isinstance(result, list) else result
    host = gdx.to_numpy(host)
    assert host.dtype.kind in "biuf"
    np.testing.assert_allclose(host, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        [[1.5, -2.5], [0.0, np.inf]],
        np.asarray([0.1], dtype=np.float32),
        [1 + 2j],
        np.asarray([1 + 2j], dtype=np.complex64),
        [2**53 + 1, -1],
        np.asarray([2**64 - 1], dtype=np.uint64),
        [True, False],
        3.5,
        np.zeros((2, 0, 3)),
    ],
    ids=str,
)
def test_numbers_are_read_one_by_one_where_nothing_else_is_offered(values, xp):
    host = np.asarray(values)
    read = gdx.to_numpy(xp.asarray(host))
    assert type(read) is np.ndarray
    assert read.dtype == host.dtype
    np.testing.assert_array_equal(read, host)


def test_a_constant_may_stand_on_the_left(xp):
    """Where nothing can be derived from the type of its arrays, an error says what to write."""
    c, x = xp.asarray(C), xp.asarray(X)
    if xp is LIBRARIES["final"]:
        with pytest.raises(gdx.TracingError, match=r"an array of final on its left.*xp\.multiply"):
            gdx.grad(lambda x: total(c * x))(x)
    else:
        np.testing.assert_array_equal(gdx.to_numpy(gdx.grad(lambda x: total(c * x))(x)), C)
    product = gdx.grad(lambda x: total(gdx.array_namespace(x).multiply(c, x)))(x)
    np.testing.assert_array_equal(gdx.to_numpy(product), C)


def test_a_type_with_methods_of_its_own():
    """Nothing that the library's type defines is taken for a traced array."""

    class Array(minimal.Array):
        def __setattr__(self, name, value):
            if name not in ("_data", "_xp"):
                raise AttributeError("these arrays are frozen")
            super().__setattr__(name, value)

        def __getattribute__(self, name):
            return super().__getattribute__(name)

        def sum(self):
            return self._made(self._data.sum())

        def doubled(self):
            return self._made(2 * self._data)

        def __len__(self):
            return 10**6

    xp = minimal.namespace("methodical", array_type=Array)
    c, x = xp.asarray(C), xp.asarray(X)
    np.testing.assert_array_equal(gdx.to_numpy(gdx.grad(lambda x: (c * x).sum())(x)), C)
    assert gdx.to_numpy(gdx.grad(lambda x: total(x) * len(x))(x)).tolist() == [3.0] * 3
    for f in (lambda x: total(x.doubled()), lambda x: total(x._made(X)), xp.sum):
        with pytest.raises(gdx.TracingError, match=r"xp = gdx\.array_namespace\(x\)"):
            gdx.grad(f)(x)


@pytest.mark.parametrize("version", ["2021.12", "2022.12", "2023.12"])
def test_an_older_standard_is_refused(version):
    xp = minimal.namespace("old", version)
    message = f"old follows version {version}; gdx needs 2024.12 of the Array API standard"
    for call in (gdx.to_numpy, gdx.grad(total), gdx.array_namespace, gdx.sigmoid):
        with pytest.raises(TypeError, match=message):
            call(xp.asarray(X))
    with pytest.raises(gdx.BackendUnavailableError, match=message):
        gdx.use(xp, fallback=None)
    with pytest.warns(gdx.BackendFallbackWarning, match=message):
        assert gdx.use(xp).name == "numpy"


def test_a_part_of_the_standard_is_refused():
    xp = minimal.namespace("partial")
    del xp.arange, xp.where
    with pytest.raises(TypeError, match=r"partial has no arange, where; gdx needs 2024\.12"):
        gdx.grad(total)(xp.asarray(X))


def test_a_version_that_is_not_declared_is_not_missed():
    xp = minimal.namespace("modest")
    del xp.__array_api_version__
    assert gdx.to_numpy(gdx.grad(total)(xp.asarray(X))).tolist() == [1, 1, 1]


def masked_arrays():
    """A library whose arrays have masks, which DLPack does not carry."""

    class Masked(minimal.Array):
        data = property(lambda self: self._made(self._data))
        mask = property(lambda self: self._made(np.isnan(self._data)))

        def __dlpack__(self, **options):
            return self._data.__dlpack__(**options)

        def __dlpack_device__(self):
            return self._data.__dlpack_device__()

    return minimal.namespace("masked", array_type=Masked)


def test_a_mask_is_not_dropped():
    xp = masked_arrays()
    assert gdx.to_numpy(xp.asarray(X)).tolist() == X.tolist()
    with pytest.raises(TypeError, match=r"elements of this Masked are masked.*x\.data.*x\.mask"):
        gdx.to_numpy(xp.asarray(np.asarray([1.0, np.nan])))


def test_a_mask_of_dask_is_not_dropped():
    da = pytest.importorskip("dask.array")
    x = da.ma.masked_greater(da.asarray([1.0, 2.0, 3.0]), 2.5)
    with pytest.raises(TypeError, match="elements of this MaskedArray are masked"):
        gdx.to_numpy(x)
    x = da.ma.masked_greater(da.asarray([1.0, 2.0]), 2.5)
    assert gdx.to_numpy(x).tolist() == [1, 2]
