"""The libraries' own differentiation: one interface, checked by closed forms and by each other."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

from gdx.backends.engines import Rule, jax_engine, torch_engine


class Torch:
    name = "torch"

    def __init__(self):
        self.xp = pytest.importorskip("torch")
        self.engine = torch_engine()

    def array(self, values, dtype=None):
        return self.xp.asarray(np.array(values, dtype=dtype))

    def host(self, x):
        return x.detach().numpy()

    def astype(self, x, dtype):
        return x.to(getattr(self.xp, dtype))


class Jax:
    name = "jax"

    def __init__(self):
        self.xp = pytest.importorskip("jax").numpy
        self.engine = jax_engine()

    def array(self, values, dtype=None):
        return self.xp.asarray(np.array(values, dtype=dtype))

    def host(self, x):
        return np.asarray(x)

    def astype(self, x, dtype):
        return x.astype(dtype)


@pytest.fixture(params=[Torch, Jax], ids=lambda library: library.name)
def lib(request):
    lib = request.param()
    if lib.name == "jax":
        request.getfixturevalue("jax64")
    return lib


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def flat(f):
    """Return a function of arrays that gives one, as engines take it."""
    return lambda *arrays: ([f(*arrays)], None)


def gradient(engine, f):
    def of_gradient(*arrays):
        (y,), pullback, _, _ = engine.vjp(flat(f), arrays)
        return pullback([y * 0 + 1])[0]

    return of_gradient


def tangent(engine, f, *tangents):
    return lambda *arrays: engine.jvp(flat(f), arrays, list(tangents))[1][0]


X = [0.5, -1.5, 2.0]
V = [1.0, 2.0, -3.0]


def test_reverse(lib):
    x, y = lib.array(X), lib.array(V)
    outputs, pullback, extra, depends = lib.engine.vjp(
        lambda x, y: ([x * y, lib.xp.sin(x)], "beside"), [x, y]
    )
    assert isinstance(outputs, list)
    assert (extra, depends) == ("beside", True)
    np.testing.assert_allclose(lib.host(outputs[0]), np.multiply(X, V))
    for last in (False, False, True):
        dx, dy = pullback([x, y], last=last)
        np.testing.assert_allclose(lib.host(dx), np.multiply(X, V) + V * np.cos(X))
        np.testing.assert_allclose(lib.host(dy), np.square(X))


def test_forward(lib):
    x, v = lib.array(X), lib.array(V)
    outputs, tangents, extra = lib.engine.jvp(
        lambda x: ([x**3, lib.xp.sin(x)], {"beside": 1}), [x], [v]
    )
    assert extra == {"beside": 1}
    np.testing.assert_allclose(lib.host(outputs[1]), np.sin(X))
    np.testing.assert_allclose(lib.host(tangents[0]), 3 * np.square(X) * V)
    np.testing.assert_allclose(lib.host(tangents[1]), np.cos(X) * V)


def cubes(x):
    return (x**3).sum()


NESTED = {
    "reverse over reverse": lambda e, x, v: gradient(
        e, lambda x: (gradient(e, cubes)(x) * v).sum()
    )(x),
    "forward over reverse": lambda e, x, v: tangent(e, gradient(e, cubes), v)(x),
    "reverse over forward": lambda e, x, v: gradient(e, tangent(e, cubes, v))(x),
    "pullback, mapped": lambda e, x, v: e.vmap(e.vjp(lambda x: ([3 * x**2], None), [x]).pullback)(
        [v[None]]
    )[0][0],
    "pullback, forward": lambda e, x, v: tangent(
        e, lambda g: e.vjp(lambda x: ([3 * x**2], None), [x]).pullback([g])[0], v
    )(x),
    "mapped, forward over reverse": lambda e, x, v: e.vmap(
        lambda vs: [tangent(e, gradient(e, cubes), vs[0])(x)]
    )([v[None]])[0][0],
}


@pytest.mark.parametrize("name", NESTED)
def test_nested(lib, name):
    x, v = lib.array(X), lib.array(V)
    np.testing.assert_allclose(lib.host(NESTED[name](lib.engine, x, v)), 6 * np.multiply(X, V))


def test_third_derivatives(lib):
    e = lib.engine
    one = lib.array(1.0)
    for second in (
        gradient(e, gradient(e, lambda x: x**4)),
        tangent(e, gradient(e, lambda x: x**4), one),
    ):
        for third in (gradient(e, second), tangent(e, second, one)):
            assert float(third(lib.array(2.0))) == pytest.approx(48)


def test_in_the_users_transforms(lib):
    f = gradient(lib.engine, cubes)
    if lib.name == "jax":
        jax = pytest.importorskip("jax")
        results = [jax.jit(f), jax.vmap(f), jax.jit(jax.vmap(f)), jax.checkpoint(f)]
        twice = jax.grad(lambda x: f(x).sum())
    else:
        func = pytest.importorskip("torch").func
        results = [f, func.vmap(f)]
        twice = func.grad(lambda x: f(x).sum())
    x = lib.array([X])
    for result in results:
        np.testing.assert_allclose(lib.host(result(x)), 3 * np.square([X]))
    np.testing.assert_allclose(lib.host(twice(x)), 6 * np.asarray([X]))


def test_map(lib):
    x = lib.array([X, V])
    outputs = lib.engine.vmap(lambda arrays: [arrays[0] * arrays[1], x[0]])([x, x])
    np.testing.assert_allclose(lib.host(outputs[0]), np.square([X, V]))
    np.testing.assert_allclose(lib.host(outputs[1]), [X, X])


Z = [0.3 + 0.7j, -1.2 + 0.4j]
R = [0.3, -1.2]
# f, its derivative by the conventions at Z, and its tangent, by hand.
COMPLEX = {
    "holomorphic": (lambda xp, z: xp.exp(z) * z, Z, lambda z, g: g * np.exp(z) * (1 + z)),
    "real of complex": (lambda xp, z: xp.abs(z) ** 2, Z, lambda z, g: 2 * g.real * z.conj()),
    "real part": (lambda xp, z: xp.real(z * z), Z, lambda z, g: 2 * g.real * z),
    "conjugate": (lambda xp, z: xp.conj(z) * 2j, Z, lambda z, g: (2j * g).conj()),
    "complex of real": (
        lambda xp, x: xp.exp(1j * x),
        R,
        lambda x, g: (g * 1j * np.exp(1j * x)).real,
    ),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(lib, name):
    f, at, by_hand = COMPLEX[name]
    x = lib.array(at)
    (y,), pullback, _, _ = lib.engine.vjp(flat(lambda x: f(lib.xp, x)), [x])
    g = np.asarray([1.5, 2.0])
    if np.iscomplexobj(lib.host(y)):
        g = g + np.asarray([-0.5j, 1j])
    (dx,) = pullback([lib.array(g)])
    assert dx.dtype == x.dtype
    np.testing.assert_allclose(lib.host(dx), by_hand(np.asarray(at), g), atol=1e-14)


@pytest.mark.parametrize("name", COMPLEX)
def test_tangents_are_the_transpose_of_cotangents(lib, name):
    f, at, _ = COMPLEX[name]
    x, v = lib.array(at), lib.array(at) * 1.5
    (y,), (dy,), _ = lib.engine.jvp(flat(lambda x: f(lib.xp, x)), [x], [v])
    assert dy.dtype == y.dtype
    one = np.ones_like(lib.host(y))
    for g in (one, 1j * one) if np.iscomplexobj(one) else (one,):
        (dx,) = lib.engine.vjp(flat(lambda x: f(lib.xp, x)), [x]).pullback([lib.array(g)])
        left, right = np.sum(g * lib.host(dy)), np.sum(lib.host(dx) * lib.host(v))
        assert left.real == pytest.approx(right.real)


DEPENDS = {
    "computes": (lambda lib, x, c: x * c, True),
    "returns it": (lambda lib, x, c: x, True),
    "reshapes it": (lambda lib, x, c: x[:, None], True),
    "one of many": (lambda lib, x, c: (c + x[0]) * 0, True),
    "ignores it": (lambda lib, x, c: c * 2, False),
    "returns another": (lambda lib, x, c: c, False),
    "stops": (lambda lib, x, c: lib.engine.stop_gradient(x) * 2, False),
    "compares": (lambda lib, x, c: lib.astype(x > 0, "float64"), False),
    "integers": (lambda lib, x, c: lib.astype(x, "int32"), False),
}


@pytest.mark.parametrize("name", DEPENDS)
def test_depends(lib, name):
    f, expected = DEPENDS[name]
    x, c = lib.array(X), lib.array(V)
    (y,), pullback, _, depends = lib.engine.vjp(flat(lambda x: f(lib, x, c)), [x])
    assert depends is expected
    if not expected:
        np.testing.assert_array_equal(lib.host(pullback([y])[0]), np.zeros(3))

    seen = []

    def outer(x):  # where the other array belongs to an outer transform, and moves
        seen.append(lib.engine.vjp(flat(lambda c: f(lib, c, x)), [c]).depends)
        return x.sum()

    gradient(lib.engine, outer)(x)
    tangent(lib.engine, outer, c)(x)
    lib.engine.vmap(lambda arrays: [outer(arrays[0])])([x[None]])
    assert seen == [expected] * 3


def test_integers_go_past(lib):
    x, n = lib.array(X), lib.array([1, 2, 3])

    def f(x, n):
        return [x * n, n + 1, lib.xp.argmax(x)], None

    outputs, pullback, _, depends = lib.engine.vjp(f, [x, n])
    assert depends
    dx, dn = pullback([x, n, outputs[2]])
    np.testing.assert_allclose(lib.host(dx), np.multiply(X, [1, 2, 3]))
    _, tangents, _ = lib.engine.jvp(f, [x, n], [x, n])
    np.testing.assert_allclose(lib.host(tangents[0]), np.multiply(X, [1, 2, 3]))
    for zeros, like in ((dn, n), (tangents[1], n), (tangents[2], outputs[2])):
        assert zeros.dtype == like.dtype
        assert zeros.shape == like.shape
        assert not lib.host(zeros).any()


def test_nothing_to_differentiate(lib):
    n = lib.array([1, 2])
    outputs, pullback, extra, depends = lib.engine.vjp(lambda n: ([n * 1.5], "extra"), [n])
    assert (extra, depends) == ("extra", False)
    np.testing.assert_array_equal(lib.host(pullback(outputs)[0]), [0, 0])
    _, (t,), _ = lib.engine.jvp(lambda n: ([n * 1.5], None), [n], [n])
    assert t.dtype == outputs[0].dtype
    assert not lib.host(t).any()
    x = lib.array(X)
    assert lib.engine.vjp(lambda x: ([], 1), [x])[::2] == ([], 1)
    assert lib.engine.jvp(lambda x: ([], 1), [x], [x]) == ([], [], 1)
    np.testing.assert_array_equal(
        lib.host(lib.engine.vjp(lambda x: ([], 1), [x]).pullback([])[0]), np.zeros(3)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 2)])
def test_shapes_and_dtypes(lib, dtype, shape):
    x = lib.array(np.full(shape, 0.5), dtype)
    (y,), pullback, _, _ = lib.engine.vjp(flat(lambda x: x * x), [x])
    _, (t,), _ = lib.engine.jvp(flat(lambda x: x * x), [x], [x])
    for result, value in ((y, 0.25), (pullback([x])[0], 0.5), (t, 0.5)):
        assert result.dtype == x.dtype
        assert tuple(result.shape) == shape
        np.testing.assert_array_equal(lib.host(result), np.full(shape, value, dtype))


def test_the_same_array_twice(lib):
    x = lib.array(X)
    outputs, pullback, _, _ = lib.engine.vjp(lambda x, y: ([x, x, y], x), [x, x])
    for y in outputs:
        np.testing.assert_array_equal(lib.host(y), X)
    dx, dy = pullback([x, x, x])
    np.testing.assert_array_equal(lib.host(dx), np.multiply(X, 2))
    np.testing.assert_array_equal(lib.host(dy), X)


def test_extra_leaves_the_transform(lib):
    pair = collections.namedtuple("pair", "a b")
    x = lib.array(X)
    seen = []

    def f(x):
        s = lib.xp.sin(x)
        extra = {
            "z": s,
            "a": [s, (x, "text", None, f, 3, np.ones(2))],
            7: pair(s, collections.OrderedDict(y=s)),
        }
        return [s.sum()], extra

    def inner(x):
        for extra in (lib.engine.vjp(f, [x]).extra, lib.engine.jvp(f, [x], [x])[2]):
            assert [*extra] == ["z", "a", 7]
            assert extra["a"][1][1:5] == ("text", None, f, 3)
            assert type(extra["a"][1][5]) is np.ndarray
            seen.append(extra)
        return (seen[-1]["z"] * seen[-2]["a"][0] * seen[-2][7].b["y"]).sum()

    inner(x)
    for extra in seen:
        for leaf in (extra["z"], extra["a"][0], extra[7].a, extra[7].b["y"]):
            np.testing.assert_allclose(lib.host(leaf), np.sin(X))
            assert not getattr(leaf, "requires_grad", False)
        np.testing.assert_array_equal(lib.host(extra["a"][1][0]), X)
    # of an outer transform it is a part
    g = gradient(lib.engine, inner)(x)
    np.testing.assert_allclose(lib.host(g), 3 * np.sin(X) ** 2 * np.cos(X))


def test_stop_gradient_stops_at_all_levels(lib):
    e = lib.engine

    def f(x):
        return (x * e.stop_gradient(x)).sum()

    x, v = lib.array(X), lib.array(V)
    np.testing.assert_allclose(lib.host(gradient(e, f)(x)), X)
    for second in (
        tangent(e, gradient(e, f), v)(x),
        gradient(e, lambda x: gradient(e, f)(x).sum())(x),
        gradient(e, lambda x: e.stop_gradient(gradient(e, cubes)(x)).sum())(x),
    ):
        np.testing.assert_array_equal(lib.host(second), np.zeros(3))
    assert float(tangent(e, f, v)(x)) == pytest.approx(np.dot(X, V))


# Functions with a rule.


def power_rule(n, scale=1):
    """Return x**n, whose derivative by the rule is `scale` times the true one."""
    return Rule(
        lambda x: [x**n],
        lambda x: ([x**n], [x ** (n - 1)], {"n": n}),
        lambda kept, static, gs: [gs[0] * kept[0] * static["n"] * scale],
    )


def test_a_rule_is_used(lib):
    e = lib.engine
    x, v = lib.array(X), lib.array(V)
    f = e.custom(power_rule(3, scale=2))
    np.testing.assert_allclose(lib.host(f(x)[0]), np.power(X, 3))

    def total(x):
        return f(x)[0].sum()

    np.testing.assert_allclose(lib.host(gradient(e, total)(x)), 6 * np.square(X))
    assert float(tangent(e, total, v)(x)) == pytest.approx(np.sum(6 * np.square(X) * V))
    for second in (
        gradient(e, lambda x: (gradient(e, total)(x) * v).sum())(x),
        tangent(e, gradient(e, total), v)(x),
        gradient(e, tangent(e, total, v))(x),
        e.vmap(lambda vs: [tangent(e, gradient(e, total), vs[0])(x)])([v[None]])[0][0],
    ):
        np.testing.assert_allclose(lib.host(second), 12 * np.multiply(X, V))


def test_third_derivatives_by_a_rule(lib):
    e = lib.engine
    f = e.custom(power_rule(4))

    def second(x):
        return gradient(e, gradient(e, lambda x: f(x)[0]))(x)

    assert float(gradient(e, second)(lib.array(2.0))) == pytest.approx(48)
    assert float(tangent(e, second, lib.array(1.0))(lib.array(2.0))) == pytest.approx(48)


def test_rules_within_the_users_transforms(lib):
    e = lib.engine
    f = e.custom(power_rule(3, scale=2))
    x = lib.array([X])

    def total(x):
        return f(x)[0].sum()

    if lib.name == "torch":
        func = lib.xp.func
        leaf = x.clone().requires_grad_()
        total(leaf).backward()
        results = [func.grad(total)(x), func.vmap(func.grad(total))(x), leaf.grad]
        mapped = func.vmap(lambda x: f(x)[0])(x)
        again = x.clone().requires_grad_()
        (dx,) = lib.xp.autograd.grad(total(again), again, create_graph=True)
        dx.sum().backward()
        seconds = [again.grad, func.grad(lambda x: func.grad(total)(x).sum())(x)]
    else:
        jax = pytest.importorskip("jax")
        results = [
            g(x) for g in (jax.grad(total), jax.jit(jax.grad(total)), jax.vmap(jax.grad(total)))
        ]

        def scanned(x):
            return jax.lax.scan(lambda c, row: (c + total(row), f(row)[0]), 0.0, x)[0]

        results.append(jax.grad(scanned)(x))
        results.append(jax.jit(jax.grad(jax.checkpoint(scanned)))(x))
        mapped = jax.vmap(lambda x: f(x)[0])(x)
        seconds = [jax.jit(jax.grad(lambda x: jax.grad(total)(x).sum()))(x)]
    for result in results:
        np.testing.assert_allclose(lib.host(result), 6 * np.square([X]))
    for second in seconds:
        np.testing.assert_allclose(lib.host(second), 12 * np.asarray([X]))
    np.testing.assert_allclose(lib.host(mapped), np.power([X], 3))


def test_a_rule_of_many_arrays(lib):
    """With None for zero, integers on both sides, an argument returned, and an output twice."""
    e = lib.engine

    def fwd(x, y, n):
        product = x * y
        return [product, product, x, n + 1], [y], None

    def bwd(kept, static, gs):
        assert gs[3] is None
        return [(gs[0] + gs[1]) * kept[0] + gs[2], None, None]

    f = e.custom(Rule(lambda *arrays: fwd(*arrays)[0], fwd, bwd))
    x, y, n = lib.array(X), lib.array(V), lib.array([1, 2, 3])
    outputs, pullback, _, depends = e.vjp(lambda *arrays: (f(*arrays), None), [x, y, n])
    assert depends
    dx, dy, dn = pullback([x, y, x, n])
    np.testing.assert_allclose(lib.host(dx), (np.add(X, V)) * V + X)
    assert not lib.host(dy).any()
    assert not lib.host(dn).any()
    _, tangents, _ = e.jvp(lambda *arrays: (f(*arrays), None), [x, y, n], [x, y, n])
    for t, expected in zip(tangents, [np.multiply(X, V)] * 2 + [X, [0, 0, 0]], strict=True):
        np.testing.assert_allclose(lib.host(t), expected)
    assert outputs[3].dtype == tangents[3].dtype == n.dtype


def test_a_complex_rule_follows_the_conventions(lib):
    e = lib.engine
    # abs(z)**2, real of complex: g times 2 conj(z)
    rule = Rule(
        lambda z: [lib.xp.abs(z) ** 2],
        lambda z: ([lib.xp.abs(z) ** 2], [z], None),
        lambda kept, static, gs: [gs[0] * 2 * lib.xp.conj(kept[0])],
    )
    f = e.custom(rule)
    z, v = lib.array(Z), lib.array(Z) * 1j + 1
    for function in (lambda z: f(z)[0], lambda z: lib.xp.abs(z) ** 2):
        (y,), pullback, _, _ = e.vjp(flat(function), [z])
        np.testing.assert_allclose(lib.host(pullback([y])[0]), 2 * lib.host(y) * np.conj(Z))
        t = lib.host(tangent(e, function, v)(z))
        np.testing.assert_allclose(t, (2 * np.conj(Z) * lib.host(v)).real)


def test_a_rule_that_is_not_linear_holds_in_reverse(lib):
    e = lib.engine
    rule = Rule(
        lambda x: [x],
        lambda x: ([x], [], None),
        lambda kept, static, gs: [lib.xp.clip(gs[0], -1, 1)],
    )
    f = e.custom(rule)
    x = lib.array(X)
    (dx,) = e.vjp(lambda x: (f(x * 1.0), None), [x]).pullback([lib.array([5.0, -5.0, 0.5])])
    np.testing.assert_array_equal(lib.host(dx), [1, -1, 0.5])


# PyTorch alone: arrays that change, and that have a graph of their own.

IN_PLACE = {
    "add": lambda x: x.add_(1),
    "assign": lambda x: x.__setitem__(0, 9.0),
    "a view": lambda x: x.view_as(x).mul_(2),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_nothing_of_the_users_is_changed(torch, name):
    e = torch_engine()

    def f(x):
        IN_PLACE[name](x)
        return (x**2).sum()

    x, v = torch.tensor(X), torch.tensor(V)
    with pytest.raises(RuntimeError, match="in-place"):
        e.vjp(flat(f), [x])
    with pytest.raises(RuntimeError, match="in-place"):
        tangent(e, gradient(e, f), v)(x)
    (y,), (t,), _ = e.jvp(flat(f), [x], [v])
    assert x.tolist() == X
    assert v.tolist() == V
    copy, changed = x.clone(), x.clone()
    assert y == f(changed)
    expected = gradient(e, lambda x: f(x.clone()))(copy) @ v
    assert float(t) == pytest.approx(float(expected))


def test_results_have_memory_of_their_own(torch):
    x, y = torch.tensor(X), torch.tensor(V)
    for f in (lambda x, y: x + y, lambda x, y: torch.cat([x, y])[:3] + y, lambda x, y: x.sum() * y):
        pullback = torch_engine().vjp(flat(f), [x, y]).pullback
        given = torch.ones(3)
        dx, dy = pullback([given])
        before = dy.clone()
        dx.add_(100)
        assert torch.equal(dy, before)
        assert torch.equal(given, torch.ones(3))


def test_a_sparse_output(torch):
    x = torch.ones(2, 2)
    for f, expected in (
        (torch.Tensor.to_sparse, True),
        (lambda x: torch.eye(2).to_sparse(), False),
    ):
        assert torch_engine().vjp(flat(f), [x]).depends is expected


def test_tensors_with_a_graph(torch):
    e = torch_engine()
    leaf = torch.tensor(X, requires_grad=True)
    for x in (leaf, leaf[:], leaf * 1.0):
        leaf.grad = None
        g = gradient(e, cubes)(x)
        assert g.requires_grad
        g.sum().backward()
        np.testing.assert_allclose(leaf.grad, 6 * np.asarray(X))
    with torch.inference_mode():
        inference = torch.tensor(X)
        np.testing.assert_allclose(gradient(e, cubes)(inference).tolist(), 3 * np.square(X))
        np.testing.assert_allclose(
            tangent(e, cubes, inference)(inference), 3 * np.sum(np.power(X, 3))
        )
    for x in (inference, leaf.detach()[:]):
        np.testing.assert_allclose(gradient(e, cubes)(x), 3 * np.square(X))
        np.testing.assert_allclose(tangent(e, cubes, x)(x), 3 * np.sum(np.power(X, 3)), rtol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(gradient(e, cubes)(leaf), 3 * np.square(X))


def test_two_forward_modes_through_a_rule(lib):
    e = lib.engine
    f = e.custom(power_rule(3))
    x, v = lib.array(X), lib.array(V)

    def twice(x):
        return tangent(e, tangent(e, lambda x: f(x)[0], v), v)(x)

    np.testing.assert_allclose(lib.host(twice(x)), 6 * np.multiply(X, V) * V)
    np.testing.assert_allclose(lib.host(tangent(e, twice, v)(x)), 6 * np.power(V, 3))


LEAKS = {
    "float": float,
    "numpy": np.asarray,
    "math": math.sin,
    "ufunc": np.sin,
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("name", LEAKS)
def test_taken_out_of_the_trace(name):
    lib = Jax()
    with pytest.raises(lib.engine.leaves_trace()):
        gradient(lib.engine, lambda x: x * LEAKS[name](x))(lib.array(1.0))


def test_kept_for_after_the_trace():
    lib = Jax()
    kept = []
    gradient(lib.engine, lambda x: (kept.append(x * 1), x * x)[1])(lib.array(1.0))
    with pytest.raises(lib.engine.leaves_trace()):
        kept[0] + 1
    assert torch_engine().leaves_trace() == ()
