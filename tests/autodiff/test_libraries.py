"""The same derivatives on every array library, on its device and in its dtype."""

from __future__ import annotations

import operator
import warnings

import numpy as np
import pytest
from autodiff.cases import RULES

import gdx

# What libraries raise that lack a function, or one of its arguments.
CANNOT = (NotImplementedError, AttributeError, TypeError, ValueError, IndexError, RuntimeError)
# Dask has no take_along_axis, and does not know how many elements a mask chooses.
NOT_ON_DASK = {"sort", "sort descending", "getitem mask"}


def total(rule, xp, arrays):
    """Return a number that depends on all of what a rule returns."""
    y = rule.f(xp, *arrays)
    y = xp.real(y) - 2 * xp.imag(y) if xp.isdtype(y.dtype, "complex floating") else y
    return xp.sum(y * (1 + y))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_gradients(rule, case):
    """The tracer over any library gives what it gives over NumPy."""
    if not case.has_float64 and rule.name == "astype":
        pytest.skip("there is no lower precision")
    host = rule.arguments(7, "float64")
    arrays = [case.asarray(x) for x in host]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library about itself
        try:
            total(rule, case.xp, arrays)
        except CANNOT as error:
            pytest.skip(f"{case.name} cannot: {error}")

        def f(arrays):
            return total(rule, gdx.array_namespace(*arrays), arrays)

        if case.name == "dask" and str(rule) in NOT_ON_DASK:
            with pytest.raises(gdx.TracingError):
                gdx.grad(f)(arrays)
            return
        gradient = gdx.grad(f, engine="tracer")(arrays)
        expected = gdx.grad(f)(host)
        scale = max(float(np.abs(e).max()) for e in expected) + 1
        for g, e, x in zip(gradient, expected, arrays, strict=True):
            assert case.holds(g)
            assert g.dtype == x.dtype
            assert g.shape == x.shape
            tolerance = 1e-3 if rule.name == "astype" else 1000 * case.eps
            np.testing.assert_allclose(gdx.to_numpy(g), e, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_second_derivatives(rule, case):
    """Rules are differentiated on a strict library, too, which mixes nothing."""
    if case.name != "strict":
        pytest.skip("the others are less strict")
    host, direction = rule.arguments(7, "float64"), rule.arguments(8, "float64")
    arrays, moving = ([case.asarray(x) for x in side] for side in (host, direction))
    try:
        total(rule, case.xp, arrays)
    except CANNOT as error:
        pytest.skip(f"{case.name} cannot: {error}")

    def f(arrays):
        return total(rule, gdx.array_namespace(*arrays), arrays)

    tolerance = 1e-3 if rule.name == "astype" else 1e-9
    for ours, theirs in zip(gdx.hvp(f, arrays, moving), gdx.hvp(f, host, direction), strict=True):
        np.testing.assert_allclose(gdx.to_numpy(ours), theirs, rtol=tolerance, atol=tolerance)


def quartic(x):
    xp = gdx.array_namespace(x)
    y = xp.zeros_like(x)
    y[1:] = x[:-1] * x[1:]
    y[0] = xp.exp(x[0])
    return xp.sum(y**2) + xp.prod(x)


@pytest.mark.parametrize("engine", [None, "tracer"])
def test_all_transforms(case, engine):
    if engine is None and not case.mutable and case.name == "jax":
        pytest.skip("jax: arrays cannot be assigned to")
    host = np.asarray([0.5, -1.5, 2.0])
    x, v = case.asarray(host), case.asarray([1.0, 0.5, -2.0])
    tolerance = 200 * case.eps
    for ours, expected in (
        (gdx.grad(quartic, engine=engine)(x), gdx.grad(quartic)(host)),
        (gdx.hessian(quartic, engine=engine)(x), gdx.hessian(quartic)(host)),
        (gdx.hvp(quartic, x, v, engine=engine), gdx.hvp(quartic, host, gdx.to_numpy(v) * 1.0)),
        (
            gdx.jacobian(lambda x: x[:2] * x[1:], engine=engine)(x),
            gdx.jacobian(lambda x: x[:2] * x[1:])(host),
        ),
        (
            gdx.grad(lambda x: gdx.grad(quartic, engine=engine)(x)[1], engine=engine)(x),
            gdx.hessian(quartic)(host)[1],
        ),
    ):
        assert case.holds(ours)
        assert ours.dtype == x.dtype
        np.testing.assert_allclose(gdx.to_numpy(ours), expected, rtol=tolerance, atol=tolerance)
    assert gdx.to_numpy(x).tolist() == host.tolist()


def test_nothing_is_read_from_a_device(no_host_sync):
    xp = no_host_sync
    x = xp.asarray([0.5, -1.5, 2.0], device=xp.Device("device1"))
    matrix = xp.asarray([[2.0, 0.5], [0.5, 1.0]], device=xp.Device("device1"))

    def f(p):
        xp = gdx.array_namespace(p["x"])
        y = xp.where(p["x"] > 0, xp.log(xp.abs(p["x"])), xp.sqrt(xp.abs(p["x"])))
        y = xp.sort(y) * xp.cumulative_prod(p["x"]) / xp.max(p["x"]) + xp.clip(p["x"], -1, 1)
        s = xp.linalg.solve(p["m"], p["x"][:2]) + xp.linalg.eigh(p["m"])[0]
        return xp.sum(y**2) + xp.sum(s) + xp.linalg.det(p["m"]) + xp.sum(xp.take(y, xp.argsort(y)))

    params = {"x": x, "m": matrix}
    gdx.grad(f)(params)
    gdx.hvp(f, params, params)
    gdx.hessian(f)(params)


def test_losses_read_nothing_from_a_device(no_host_sync):
    xp = no_host_sync
    device = xp.Device("device1")
    W, x = (xp.asarray(np.ones(shape), device=device) for shape in ((3, 2), (5, 3)))
    t = xp.asarray([0, 1, 1, 0, 1], device=device)
    for activation in (gdx.sigmoid, gdx.relu, gdx.softmax, gdx.log_softmax):

        def loss(W, f=activation):
            return gdx.softmax_cross_entropy(f(gdx.array_namespace(W).matmul(x, W)), t)

        g = gdx.grad(loss)(W)
        assert g.device == device


def test_functions_of_dask_do_not_wrap_what_is_differentiated():
    """What they make of it would be a constant, beside terms that are not."""
    da = pytest.importorskip("dask.array")
    x = da.asarray(np.asarray([1.0, 2.0]))
    with pytest.raises(gdx.TracingError, match=r"a function of dask\.array.*gdx\.array_namespace"):
        gdx.grad(lambda x: da.sum(x**2) + x[0])(x)
    gradient = gdx.grad(lambda x: gdx.array_namespace(x).sum(x**2) + x[0])(x)
    np.testing.assert_array_equal(gdx.to_numpy(gradient), [3, 4])
    assert gdx.to_numpy(da.sum(gdx.stop_gradient(x))) == 3


LEFT, RIGHT = np.asarray([2.0, 3.0, 5.0]), np.asarray([1.5, -0.75, 7.0])
MATRIX = np.asarray([[1.0, 2.0, 0.5], [3.0, -5.0, 4.0], [0.0, 1.0, 1.0]])
# The first and second derivatives of c op x, of which each element depends on one of x.
OPERATORS = {
    operator.add: (1 + 0 * LEFT, 0 * LEFT),
    operator.sub: (-1 + 0 * LEFT, 0 * LEFT),
    operator.mul: (LEFT, 0 * LEFT),
    operator.truediv: (-LEFT / RIGHT**2, 2 * LEFT / RIGHT**3),
    operator.floordiv: (0 * LEFT, 0 * LEFT),
    operator.mod: (-np.floor(LEFT / RIGHT), 0 * LEFT),
    operator.pow: (np.log(LEFT) * LEFT**RIGHT, np.log(LEFT) ** 2 * LEFT**RIGHT),
}


@pytest.mark.parametrize("engine", [None, "tracer"])
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_a_constant_on_the_left(op, engine, case):
    if case.library == "torch" and engine is None and op is operator.floordiv:
        pytest.skip("torch: its floor_divide has no derivative")
    first, second = OPERATORS[op]
    c, x, v = (case.asarray(each) for each in (LEFT, RIGHT, [1.0, -1.0, 0.5]))

    def f(x):
        return gdx.array_namespace(x).sum(op(c, x) + x)

    def close(ours, expected):
        assert case.holds(ours)
        np.testing.assert_allclose(gdx.to_numpy(ours), expected, rtol=300 * case.eps)

    close(gdx.grad(f, engine=engine)(x), first + 1)
    close(gdx.jvp(lambda x: op(c, x), (x,), (v,), engine=engine)[1], first * [1.0, -1.0, 0.5])
    close(gdx.hessian(f, engine=engine)(x), np.diag(second))


@pytest.mark.parametrize(
    "op",
    [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne],
    ids=lambda op: op.__name__,
)
def test_a_constant_on_the_left_of_a_comparison(op, case):
    c, x = case.asarray([1.0, 2.0, 3.0]), case.asarray([2.0, 2.0, 2.0])

    def f(x):
        xp = gdx.array_namespace(x)
        return xp.sum(xp.where(op(c, x), x**2, x))

    expected = np.where(op(np.asarray([1.0, 2.0, 3.0]), 2.0), 4.0, 1.0)
    for engine in (None, "tracer"):
        np.testing.assert_allclose(gdx.to_numpy(gdx.grad(f, engine=engine)(x)), expected)


def test_a_constant_matrix_on_the_left(case):
    A, b, x = (case.asarray(each) for each in (MATRIX, LEFT, RIGHT))

    def f(x):
        r = b - A @ x
        return gdx.array_namespace(x).sum(r * r)

    expected = -2 * MATRIX.T @ (LEFT - MATRIX @ RIGHT)
    for engine in (None, "tracer"):
        g = gdx.grad(f, engine=engine)(x)
        np.testing.assert_allclose(gdx.to_numpy(g), expected, rtol=300 * case.eps)
    result = gdx.minimize(f, x)
    assert result.gradient == "exact"
    solution = np.linalg.solve(MATRIX, LEFT)
    np.testing.assert_allclose(gdx.to_numpy(result.x), solution, rtol=0.02)


def test_a_constant_is_not_changed_in_place(no_host_sync):
    xp = no_host_sync
    for op in (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow):
        c, x = xp.asarray(LEFT), xp.asarray(RIGHT)
        with pytest.raises(gdx.TracingError, match="of array_api_strict itself.*xp = gdx"):
            gdx.grad(lambda x, c=c, op=op: gdx.array_namespace(x).sum(op(c, x)))(x)
        assert gdx.to_numpy(c).tolist() == LEFT.tolist()


def test_functions_of_a_strict_library_do_not_take_a_traced_array_for_theirs(no_host_sync):
    """A traced array is an instance of the library's own type, without anything in it."""
    xp = no_host_sync
    c, x = xp.asarray(LEFT), xp.asarray(RIGHT)
    for f in (
        xp.sum,
        lambda x: xp.sum(c * xp.exp(x)),
        lambda x: xp.sum(xp.add(c, x)),
        lambda x: xp.sum(xp.where(c > 2, c, x)),
        lambda x: xp.sum(xp.concat([c, x])),
        lambda x: xp.sum(xp.asarray(x, copy=True)),
        lambda x: xp.sum(xp.astype(x, xp.float32)),
        xp.linalg.vector_norm,
        lambda x: c[xp.astype(x, xp.int64)],
    ):
        with pytest.raises(gdx.TracingError, match="of array_api_strict itself.*xp = gdx"):
            gdx.grad(f)(x)
        with pytest.raises(gdx.TracingError):
            gdx.hessian(f)(x)
