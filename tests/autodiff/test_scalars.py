"""Python's numbers as arguments, results, tangents and cotangents; and what is made of them."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
import pytest

import gdx


class Pair(NamedTuple):
    a: Any
    b: Any


@gdx.custom_vjp
def product(a, b):
    return a * b


product.defvjp(lambda a, b: (a * b, (a, b)), lambda k, g: (g * k[1], g * k[0]))


@gdx.custom_vjp
def both(a, b):
    return a * b, a + b


both.defvjp(
    lambda a, b: ((a * b, a + b), (a, b)),
    lambda k, g: (g[0] * k[1] + g[1], g[0] * k[0] + g[1]),
)


@gdx.custom_vjp
def of_pair(p):
    return Pair(p[0] * p[1], p[0] + p[1])


of_pair.defvjp(
    lambda p: (Pair(p[0] * p[1], p[0] + p[1]), p),
    lambda p, g: (Pair(g.a * p[1] + g.b, g.a * p[0] + g.b),),
)


@gdx.custom_vjp
def constant_part(a, b):
    return {"product": a * b, "number": 2.0}


constant_part.defvjp(
    lambda a, b: ({"product": a * b, "number": 2.0}, (a, b)),
    lambda k, g: (g["product"] * k[1], g["product"] * k[0]),
)


# Functions of a and b that give u = a b and v = a + b, in whatever they return.
OUTPUTS = {
    "tuple": (lambda a, b: (a * b, a + b), lambda u, v: (u, v)),
    "list": (lambda a, b: [a * b, a + b], lambda u, v: [u, v]),
    "named tuple": (lambda a, b: Pair(a * b, a + b), Pair),
    "dict": (lambda a, b: {"u": a * b, "v": a + b}, lambda u, v: {"u": u, "v": v}),
    "nested": (lambda a, b: {"w": (a * b, [a + b])}, lambda u, v: {"w": (u, [v])}),
    "custom_vjp": (both, lambda u, v: (u, v)),
    "custom_vjp in a tuple": (lambda a, b: (product(a, b), a + b), lambda u, v: (u, v)),
    "custom_vjp of a pair": (lambda a, b: of_pair((a, b)), Pair),
    "custom_vjp of a named pair": (lambda a, b: of_pair(Pair(a, b)), Pair),
}
A, B, U, V = 3.0, 4.0, 10.0, 100.0  # the arguments, and a cotangent


def numbers(tree):
    """Return the numbers of a tree, in order."""
    if isinstance(tree, dict):
        tree = tree.values()
    if isinstance(tree, list | tuple) or type(tree).__name__ == "dict_values":
        return [number for item in tree for number in numbers(item)]
    return [float(gdx.to_numpy(tree))]


@pytest.mark.parametrize("engine", [None, "tracer"])
@pytest.mark.parametrize("kind", OUTPUTS)
def test_functions_that_return_numbers(kind, engine, case):
    f, of = OUTPUTS[kind]
    with case.using():
        y, pullback = gdx.vjp(f, A, B, engine=engine)
        assert numbers(y) == [A * B, A + B]
        # Cotangents of numbers, and of arrays.
        for g in (of(U, V), of(case.asarray(U), case.asarray(V)), of(int(U), V)):
            assert numbers(pullback(g)) == [U * B + V, U * A + V]
        y, dy = gdx.jvp(f, (A, B), (U, V), engine=engine)
        assert numbers(y) == [A * B, A + B]
        assert numbers(dy) == [U * B + A * V, U + V]
        assert type(dy) is type(y) is type(of(U, V))
        assert numbers(gdx.jacobian(f, engine=engine)(A, B)) == [B, 1]
        assert numbers(gdx.jacobian(f, (0, 1), engine=engine)(A, B)) == [B, A, 1, 1]

        def u(a, b):
            first = f(a, b)
            while isinstance(first, dict | list | tuple):
                first = next(iter(first.values())) if isinstance(first, dict) else first[0]
            return first * b

        assert numbers(gdx.grad(u, (0, 1), engine=engine)(A, B)) == [B * B, 2 * A * B]
        expected = [0, 2 * B, 2 * B, 2 * A]
        assert numbers(gdx.hessian(u, (0, 1), engine=engine)(A, B)) == expected


# Trees of numbers: of which the leaves are reached by name.
INPUTS = {
    "named tuple": (Pair(A, B), lambda p: (p.a, p.b)),
    "dict": ({"a": A, "b": B}, lambda p: (p["a"], p["b"])),
    "nested": ({"p": Pair(A, B)}, lambda p: (p["p"].a, p["p"].b)),
    "tuple": ((A, B), lambda p: (p[0], p[1])),
    "list": ([A, B], lambda p: (p[0], p[1])),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_trees_of_numbers(kind, case):
    p, parts = INPUTS[kind]

    def f(p):
        a, b = parts(p)
        return a * a * b

    def flat(tree):
        return np.concatenate([np.ravel(number) for number in arrays(tree)]).tolist()

    with case.using():
        gradient, products = [2 * A * B, A * A], [2 * B + 2 * A, 2 * A]
        ones = {"tuple": (1.0, 1.0), "list": [1.0, 1.0], "named tuple": Pair(1.0, 1.0)}.get(
            kind, {"a": 1.0, "b": 1.0} if kind == "dict" else {"p": Pair(1.0, 1.0)}
        )
        assert flat(gdx.grad(f)(p)) == gradient
        assert flat(gdx.vjp(f, p)[1](1.0)) == gradient
        assert flat(gdx.jvp(f, (p,), (ones,))[1]) == [sum(gradient)]
        assert flat(gdx.hvp(f, p, ones)) == products
        assert flat(gdx.hessian(f)(p)) == [2 * B, 2 * A, 2 * A, 0]
        tolerance = 1e-2 if case.eps > 1e-10 else 1e-6
        np.testing.assert_allclose(flat(gdx.numerical_gradient(f, p)), gradient, rtol=tolerance)


def arrays(tree):
    if isinstance(tree, dict):
        return arrays([*tree.values()])
    if isinstance(tree, list | tuple):
        return [each for item in tree for each in arrays(item)]
    return [gdx.to_numpy(tree)]


def test_numbers_that_a_rule_keeps_constant():
    y, pullback = gdx.vjp(constant_part, A, B)
    assert numbers(y) == [A * B, 2.0]
    assert numbers(pullback({"product": U, "number": V})) == [U * B, U * A]
    assert numbers(gdx.grad(lambda a: of_pair((a, 2.0)).a)(A)) == [2.0]
    assert numbers(gdx.grad(lambda a: of_pair((2.0, a)).a)(A)) == [2.0]


def test_a_cotangent_of_another_structure_is_named():
    @gdx.custom_vjp
    def f(p):
        return p["a"] * p["b"]

    f.defvjp(lambda p: (p["a"] * p["b"], p), lambda p, g: ({"a": g * p["b"]},))
    with pytest.raises(ValueError, match=r"rule of f .* structure of argument 0.*\['b'\]"):
        gdx.grad(lambda a, b: f({"a": a, "b": b}), 1)(A, B)


X, V2 = np.asarray([1.0, 2.0]), np.asarray([5.0, 7.0])


def moved(f, x, v):
    return gdx.jvp(f, (x,), (v,))[1]


def pulled(f, x, g):
    return gdx.vjp(f, x)[1](g)[0]


# Derivatives of functions that are derivatives, along directions that pass unchanged: g(x) for a
# direction x, and its Jacobian.
PASSING = {
    "jvp of x": (lambda x: moved(lambda y: y, x, x), lambda x: np.eye(2)),
    "jvp of x + 1": (lambda x: moved(lambda y: y + 1, x, x), lambda x: np.eye(2)),
    "jvp along x²": (lambda x: moved(lambda y: y, x, x * x), lambda x: np.diag(2 * x)),
    "jvp of x²": (lambda x: moved(lambda y: y * y, x, x), lambda x: np.diag(4 * x)),
    "jvp of jvp": (
        lambda x: moved(lambda y: moved(lambda z: z, y, y), x, x),
        lambda x: np.eye(2),
    ),
    "jvp of grad": (
        lambda x: moved(gdx.grad(lambda y: total(y * y) / 2), x, x),
        lambda x: np.eye(2),
    ),
    "vjp of x": (lambda x: pulled(lambda y: y, x, x), lambda x: np.eye(2)),
    "vjp of jvp": (
        lambda x: pulled(lambda y: moved(lambda z: z, y, y), x, x),
        lambda x: np.eye(2),
    ),
    "jvp of vjp": (
        lambda x: moved(lambda y: pulled(lambda z: z, y, y), x, x),
        lambda x: np.eye(2),
    ),
    "hvp": (lambda x: gdx.hvp(lambda y: total(y * y) / 2, x, x), lambda x: np.eye(2)),
    "jvp of two": (
        lambda x: sum(gdx.jvp(lambda a, b: (b, a), (x, x), (x, x))[1]),
        lambda x: 2 * np.eye(2),
    ),
}


def total(y):
    return gdx.array_namespace(y).sum(y)


@pytest.mark.parametrize("g", PASSING)
def test_tangents_that_pass_unchanged(g, case):
    function, jacobian = PASSING[g]
    x, v = case.asarray(X), case.asarray(V2)
    J = jacobian(X)
    for found, expected in (
        (moved(function, x, v), J @ V2),
        (pulled(function, x, v), V2 @ J),
        (gdx.grad(lambda x: total(function(x)))(x), J.sum(axis=0)),
        (gdx.jacobian(function)(x), J),
    ):
        np.testing.assert_allclose(gdx.to_numpy(found), expected, rtol=10 * case.eps)


def test_a_tangent_that_passes_is_not_that_which_was_given():
    def f(x):
        t = moved(lambda y: y, x, x)
        t += 1
        return total(x * x + t)

    np.testing.assert_array_equal(gdx.grad(f)(X), 2 * X + 1)


# What gdx.asarray makes of traced values.
MADE = {
    "an array": (gdx.asarray, [1, 1]),
    "a list": (lambda x: gdx.asarray([x[0], x[1] * 3]), [1, 3]),
    "a tuple": (lambda x: gdx.asarray((x[1], x[1])), [0, 2]),
    "with numbers": (lambda x: gdx.asarray([2, x[0], 0.5]), [1, 0]),
    "nested": (lambda x: gdx.asarray([[x[0], 1.0], [2.0, x[1] * 5]]), [1, 5]),
    "rows": (lambda x: gdx.asarray([x, 2 * x]), [3, 3]),
    "with a dtype": (lambda x: gdx.asarray([x[0], 2], dtype="float32"), [1, 0]),
    "of another dtype": (lambda x: gdx.asarray(x, dtype="float32"), [1, 1]),
}


@pytest.mark.parametrize("engine", [None, "tracer"])
@pytest.mark.parametrize("kind", MADE)
def test_asarray_of_what_is_differentiated(kind, engine, case):
    make, expected = MADE[kind]
    with case.using():
        x = case.asarray(X)
        gradient = gdx.grad(lambda x: total(make(x)), engine=engine)(x)
        assert case.holds(gradient)
        assert gdx.to_numpy(gradient).tolist() == expected
        assert gdx.minimize(lambda x: total((make(x) - 1) ** 2), x, max_steps=1).gradient == "exact"
        made = make(x)
        assert case.holds(made)
        host = make(X) if case.name == "numpy" else None
        assert host is None or gdx.to_numpy(made).tolist() == host.tolist()


LEAVES = r"would take.*xp\.stack\(\[a, b\]\)"


@pytest.mark.parametrize(
    "make",
    [
        np.array,
        np.asarray,
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.asarray([[x[0], 1.0], [2.0, x[1]]]),
        lambda x: np.asarray([x[0] * x[1]]),
        gdx.to_numpy,
    ],
)
def test_numpys_arrays_of_what_is_differentiated(make):
    with pytest.raises(gdx.TracingError, match=LEAVES):
        gdx.grad(lambda x: np.sum(make(x)))(X)
    assert gdx.minimize(lambda x: np.sum((make(x) - 1) ** 2), X).gradient == "numerical"


@pytest.mark.parametrize(
    "part",
    [lambda x: x, lambda x: x[0], total, lambda x: x[:1], lambda x: x[0] * x[1] > 0],
)
def test_constants_on_the_host(part, case):
    x = case.asarray(X)
    found = []

    def f(x):
        found.append(gdx.to_numpy(gdx.stop_gradient(part(x))))
        return total(x)

    gdx.grad(f, engine="tracer")(x)
    assert type(found[0]) is np.ndarray
    assert found[0].tolist() == gdx.to_numpy(part(x)).tolist()


SYMBOLS = {
    "iadd": "+",
    "isub": "-",
    "imul": "*",
    "itruediv": "/",
    "ifloordiv": "//",
    "imod": "%",
    "ipow": "**",
    "imatmul": "@",
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_plain_array_is_not_changed_in_place(name):
    symbol, change = SYMBOLS[name], getattr(operator, name)
    x = X if name != "imatmul" else np.eye(2)
    plain = np.ones(x.shape)
    match = (
        rf"cannot be assigned into a plain array .*Write c = c {'[' + ']['.join(symbol) + ']'} x"
    )
    with pytest.raises(gdx.TracingError, match=match):
        gdx.grad(lambda x: np.sum(change(plain, x)))(x)
    assert (plain == 1).all()


def element(y, x):
    y[0] = x[0]


def slices(y, x):
    y[:] = x


def everything(y, x):
    y[...] = x[1]


def mask(y, x):
    y[y > 0] = x


@pytest.mark.parametrize("assign", [element, slices, everything, mask])
def test_a_plain_array_takes_no_elements(assign, case):
    def f(x):
        y = case.xp.ones_like(case.asarray(X))
        assign(y, x)
        return total(y) + total(x)

    if case.name == "jax":
        pytest.skip("jax: arrays cannot be assigned to")
    with pytest.raises(gdx.TracingError, match=r"plain array .*xp\.zeros_like\(c\)") as caught:
        gdx.grad(f, engine="tracer")(case.asarray(X))
    assert "c[i] = x" in str(caught.value)


def test_other_errors_of_an_assignment_stay():
    def outside(x):
        y = np.ones(2)
        y[5] = 1.0
        return np.sum(x * y)

    with pytest.raises(IndexError, match="out of bounds"):
        gdx.grad(outside)(X)

    def fixed(x):
        y = np.broadcast_to(x, (2, 2))
        y[0] = x
        return np.sum(y)

    with pytest.raises(gdx.TracingError, match="view of another array"):
        gdx.grad(fixed)(X)
