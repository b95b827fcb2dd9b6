"""Assignments where derivatives are nested: no level changes an array of another one in silence."""

from __future__ import annotations

import enum

import numpy as np
import pytest

import gdx

X = np.asarray([1.5, 2.5])
Z = np.asarray([2.0, 3.0])
W = np.asarray([1.0, -2.0])


def weighted(inner):
    """Return a function of x that has the gradient of inner(w, z) with respect to z."""
    return lambda x: np.sum(gdx.grad(lambda z: inner(x * 1.0, z))(Z) * W)


# Functions of w, an array of the outer level that they change, and of z; and of both gradients.
# Each is a polynomial, written out for the oracle.


def multiplied(w, z):
    w *= z
    return np.sum(w)


def assigned(w, z):
    w[:] = w * z
    return np.sum(w * w)


def powered(w, z):
    w **= 2
    w = w * z
    return np.sum(w)


def with_out(w, z):
    np.multiply(w, z, out=w)
    return np.sum(w)


def changed_after_use(w, z):
    u = w * z
    w[0] = 5.0
    return np.sum(u)


def accumulated(w, z):
    s = 0 * z
    for _ in range(3):
        s = s + z * w
        w += 1.0
    return np.sum(s)


def through_a_view(w, z):
    v, u = w[:1], w * z
    v *= 10.0
    return np.sum(u) + np.sum(w * z)


def kept_by_a_rule(w, z):
    scaled = gdx.custom_vjp(lambda a, b: a * b)
    scaled.defvjp(lambda a, b: (a * b, (a, b)), lambda k, g: (g * k[1], g * k[0]))
    u = scaled(w, z)
    w[:] = 0.0
    return np.sum(u)


NESTED = {
    multiplied: lambda w, z: w,
    assigned: lambda w, z: 2 * w**2 * z,
    powered: lambda w, z: w**2,
    with_out: lambda w, z: w,
    changed_after_use: lambda w, z: w,
    accumulated: lambda w, z: 3 * w + 3,
    through_a_view: lambda w, z: w + w * np.asarray([10.0, 1.0]),
    kept_by_a_rule: lambda w, z: w,
}


@pytest.mark.parametrize("inner", NESTED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("transform", ["grad", "jvp", "hvp", "vjp"])
def test_an_array_of_the_outer_level_is_changed_inside(inner, transform):
    f = weighted(inner)

    def plain(x):
        return np.sum(NESTED[inner](x, Z) * W)

    expected = gdx.numerical_gradient(plain, X, order=4)
    if transform == "grad":
        value, gradient = gdx.value_and_grad(f)(X)
        np.testing.assert_allclose(value, plain(X))
        np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-8)
    elif transform == "jvp":
        value, slope = gdx.jvp(f, (X,), (W,))
        np.testing.assert_allclose([value, slope], [plain(X), expected @ W], rtol=1e-8, atol=1e-8)
    elif transform == "vjp":
        value, pullback = gdx.vjp(f, X)
        np.testing.assert_allclose(pullback(np.asarray(1.0))[0], expected, rtol=1e-8, atol=1e-8)
    else:
        second = gdx.numerical_hessian(plain, X) @ W
        np.testing.assert_allclose(gdx.hvp(f, X, W), second, rtol=1e-5, atol=1e-4)


def changed_between(x):
    y, pullback = gdx.vjp(lambda z: z**3, x)
    x[0] = 100.0
    return np.sum(pullback(np.ones(2))[0]) + 0 * np.sum(y)


def result_changed(x):
    y, pullback = gdx.vjp(np.exp, x)
    y[0] = 0.0
    return np.sum(pullback(np.ones(2))[0])


def tangent_changed(x):
    t = x * 1.0
    y, moved = gdx.jvp(lambda z: z * 1.0, (x,), (t,))
    t *= 5.0
    return np.sum(moved * moved) + 0 * np.sum(y)


def gradients_changed_apart(x):
    p = {"w": x * 1.0, "b": x * 0.5}
    for _ in range(2):
        g = gdx.grad(lambda p: np.sum((p["w"] + p["b"]) ** 2))(p)
        g["w"] *= 0.1
        g["b"] *= 0.01
        p = {k: p[k] - g[k] for k in p}
    return np.sum((p["w"] + p["b"]) ** 2)


def in_a_rule(x):
    cube = gdx.custom_vjp(lambda x: x**3)

    def backward(k, g):
        r = gdx.array_namespace(k * g).zeros_like(k)
        r[:] = 3 * k**2
        r *= g
        return (r,)

    cube.defvjp(lambda x: (x**3, x), backward)
    return np.sum(gdx.jvp(cube, (x,), (W * x,))[1])


FUNCTIONS = {
    changed_between: lambda x: np.sum(3 * x**2),
    result_changed: lambda x: np.sum(np.exp(x)),
    tangent_changed: lambda x: np.sum(x**2),
    gradients_changed_apart: lambda x: np.sum((1.5 * x) ** 2) * (1 - 0.2 - 0.02) ** 4,
    in_a_rule: lambda x: np.sum(3 * x**3 * W),
}


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_an_inner_call_returns_is_changed(f):
    plain = FUNCTIONS[f]
    expected = gdx.numerical_gradient(plain, X, order=4)
    value, gradient = gdx.value_and_grad(f)(X.copy())
    np.testing.assert_allclose(value, plain(X))
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)
    np.testing.assert_allclose(gdx.jvp(f, (X.copy(),), (W,))[1], expected @ W, rtol=1e-8)
    second = gdx.numerical_hessian(plain, X)
    np.testing.assert_allclose(gdx.hessian(f)(X.copy()), second, rtol=1e-4, atol=1e-3)


def test_tangents_of_several_results_have_memory_of_their_own():
    _, (first, second) = gdx.jvp(lambda z: (z + 1.0, z - 1.0), (np.ones(3),), (np.ones(3),))
    assert not np.shares_memory(first, second)


# Indices that NumPy takes for integers or tuples of them


class Row(enum.IntEnum):
    FIRST = 0
    SECOND = 1


class Place(tuple):
    __slots__ = ()


class Counted:
    def __index__(self):
        return 1


@pytest.mark.parametrize(
    "key", [Row.FIRST, (Row.SECOND,), Place((0,)), Place((Row.FIRST, slice(None))), Counted()]
)
def test_indices_that_count_as_integers(key):
    def f(s):
        y = s * 1.0
        y[0, 0] = s[1, 1]
        r = y[key]
        q = r * r
        y[0, 1] = 0.0
        y[1, 0] = 0.0
        r[1] = 2 * y[0, 0]
        return np.sum(q) + np.sum(y**2)

    s = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    value, gradient = gdx.value_and_grad(f)(s)
    np.testing.assert_allclose(value, f(s.copy()))
    expected = gdx.numerical_gradient(lambda s: f(s.copy()), s, order=4)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-8)


def test_views_of_torch():
    torch = pytest.importorskip("torch")
    for view in (lambda y: +y, lambda y: y[torch.tensor(0)], lambda y: y[(torch.tensor(0), ...)]):

        def f(x, view=view):
            y = x * 1.0
            r = view(y)
            q = r * r
            y[0, 0] = 5 * x[1, 1]
            return (q + r * r).sum()

        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
        value, gradient = gdx.value_and_grad(f, engine="tracer")(x)
        torch.testing.assert_close(value, f(x.clone()))
        expected = gdx.numerical_gradient(lambda x, f=f: float(f(x.clone())), x, order=4)
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("engine", [None, "tracer"])
def test_tensors_that_are_changed_before_cotangents_are_pulled_back(engine):
    torch = pytest.importorskip("torch")
    x = torch.ones(3, dtype=torch.float64)
    y, pullback = gdx.vjp(lambda x: x.exp() if engine is None else x * x, x, engine=engine)
    x.fill_(5.0)
    y.fill_(0.0)
    expected = torch.ones(3, dtype=torch.float64) * (torch.e if engine is None else 2.0)
    torch.testing.assert_close(pullback(torch.ones(3, dtype=torch.float64))[0], expected)
