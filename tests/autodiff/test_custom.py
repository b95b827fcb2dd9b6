"""Functions with a rule of their own, on the tracer and on the libraries' own engines."""

from __future__ import annotations

import numpy as np
import pytest

import gdx


def close(a, b, rtol=1e-6):
    np.testing.assert_allclose(gdx.to_numpy(a), b, rtol=rtol)


@gdx.custom_vjp
def scaled(x, factor, params):
    """Three times as steep as it is, so that one can see whose derivative was taken."""
    return {"y": x * factor * params["a"], "rest": [x + params["b"][0]]}


def _forward(x, factor, params):
    return scaled(x, factor, params), (x, factor, params["a"])


def _backward(kept, g):
    x, factor, a = kept
    of_y, of_rest = g["y"], g["rest"][0]
    return (
        3 * (of_y * (factor * a) + of_rest),
        None,
        {"a": lambda: 3 * of_y * (factor * x), "b": [of_rest]},
    )


scaled.defvjp(_forward, lambda kept, g: (*_backward(kept, g)[:2], _called(_backward(kept, g)[2])))


def _called(tree):
    return {"a": tree["a"](), "b": tree["b"]}


@pytest.fixture(params=["numpy", "torch", "jax"])
def asarray(request):
    pytest.importorskip(request.param)
    with gdx.using(request.param, dtype="float32", fallback=None):
        yield gdx.asarray


@pytest.mark.parametrize("engine", [None, "tracer"])
def test_trees_constants_and_several_outputs(asarray, engine):
    x = asarray([1.0, 2.0])
    params = {"a": asarray([3.0, 4.0]), "b": [asarray([5.0, 6.0])]}

    def f(x, params):
        out = scaled(x, 10, params)
        return (out["y"] * out["y"]).sum() / 2 + (out["rest"][0] * x).sum()

    y = np.asarray([1.0, 2.0]) * 10 * np.asarray([3.0, 4.0])
    of_x, of_params = gdx.grad(f, (0, 1), engine=engine)(x, params)
    rest = np.asarray([6.0, 8.0])
    close(of_x, 3 * (y * 10 * np.asarray([3.0, 4.0]) + [1.0, 2.0]) + rest)
    close(of_params["a"], 3 * y * 10 * np.asarray([1.0, 2.0]))
    close(of_params["b"][0], [1.0, 2.0])

    def first_alone(x):
        return scaled(x, 10, params)["y"].sum()

    close(gdx.grad(first_alone, engine=engine)(x), 3 * 10 * np.asarray([3.0, 4.0]))
    tangent = gdx.jvp(first_alone, (x,), (asarray([1.0, -1.0]),), engine=engine)[1]
    close(tangent, 3 * 10 * (3.0 - 4.0))


@gdx.custom_vjp
def cubed(x):
    return x**3


cubed.defvjp(lambda x: (cubed(x), x), lambda x, g: (3 * g * x * x,))


@pytest.mark.parametrize("engine", [None, "tracer"])
def test_derivatives_of_any_order(asarray, engine):
    f, x = cubed, asarray(2.0)
    for expected in (12.0, 12.0, 6.0):
        f = gdx.grad(f, engine=engine)
        close(f(x), expected)
    v = asarray([1.0, 0.5])
    point = asarray([2.0, 3.0])

    def total(x):
        return cubed(x).sum()

    close(gdx.hessian(total, engine=engine)(point), np.diag([12.0, 18.0]))
    close(gdx.hvp(total, point, v, engine=engine), [12.0, 9.0])
    close(gdx.jacobian(cubed, engine=engine)(point), np.diag([12.0, 27.0]))


def test_the_rule_is_taken_and_not_the_steps(asarray):
    @gdx.custom_vjp
    def clipped(x):
        return x * 1

    clipped.defvjp(
        lambda x: (clipped(x), None), lambda _, g: (gdx.array_namespace(g).clip(g, -1, 1),)
    )
    x = asarray([1.0, 2.0, 3.0])
    close(gdx.grad(lambda x: (clipped(x) ** 2).sum())(x), [1, 1, 1])
    close(clipped(x), [1, 2, 3])


def test_lazy_cotangents_are_called_if_they_are_asked_for():
    calls = []

    @gdx.custom_vjp
    def product(x, y):
        return x * y

    def backward(kept, g):
        x, y = kept
        return g * y, lambda: calls.append(1) or g * x

    product.defvjp(lambda x, y: (x * y, (x, y)), backward)
    close(gdx.grad(product)(2.0, 3.0), 3)
    assert not calls
    close(gdx.grad(product, 1)(2.0, 3.0), 2)
    assert calls


def rule(answer):
    @gdx.custom_vjp
    def ruled(x, factor):
        return x * factor

    ruled.defvjp(lambda x, factor: (x * factor, None), lambda _, g: answer(g))
    return ruled


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda g: g, TypeError, "tuple of 2 cotangents"),
        (lambda g: (g,), TypeError, "tuple of 2 cotangents"),
        (lambda g: (g[:1], None), ValueError, r"shape \(2,\) for argument 0; it returned \(1,\)"),
        (lambda g: (3.0, None), ValueError, "argument 0; it returned 3.0"),
    ],
)
def test_wrong_answers(asarray, answer, error, message):
    f = rule(answer)
    with pytest.raises(error, match=message):
        gdx.grad(lambda x: f(x, 2.0).sum())(asarray([1.0, 2.0]))


def test_answers_that_are_not_asked_for(asarray):
    f = rule(lambda g: (g * 2, g.sum()))
    close(gdx.grad(lambda x: f(x, 2.0).sum())(asarray([1.0, 2.0])), [2, 2])


def test_without_a_rule():
    @gdx.custom_vjp
    def bare(x):
        return x * 2

    assert bare(3.0) == 6
    with pytest.raises(TypeError, match=r"bare has no rule: call bare\.defvjp"):
        gdx.grad(bare)(3.0)


def test_a_rule_that_uses_what_is_no_argument():
    def f(w):
        @gdx.custom_vjp
        def closing(x):
            return x * w

        closing.defvjp(lambda x: (x * w, None), lambda _, g: (g,))
        return closing(w).sum()

    with pytest.raises(gdx.TracingError, match="no argument of it"):
        gdx.grad(f)(np.ones(2))


def test_outside_of_derivatives_nothing_happens(asarray):
    x = asarray([1.0, 2.0])
    assert type(cubed(x)) is type(x)
    close(cubed(x), [1, 8])


def test_stop_gradient(asarray):
    x = asarray([1.0, 2.0])
    for engine in (None, "tracer"):
        close(gdx.grad(lambda x: (x * gdx.stop_gradient(x)).sum(), engine=engine)(x), [1, 2])
        tangent = gdx.jvp(
            lambda p: (p["a"] * gdx.stop_gradient(p)["a"]).sum(),
            ({"a": x},),
            ({"a": x},),
            engine=engine,
        )[1]
        close(tangent, 5)
    close(gdx.stop_gradient({"a": x})["a"], [1, 2])


def test_a_rule_that_changes_its_cotangent_in_place():
    @gdx.custom_vjp
    def squared(x):
        return x**2

    def backward(x, g):
        g *= 2
        return (g * x,)

    squared.defvjp(lambda x: (x**2, x), backward)
    with pytest.raises(ValueError, match=r"rule of squared changes .* in place"):
        gdx.grad(lambda x: (squared(x) + x).sum())(np.ones(3))


def test_the_losses_targets_and_jax_itself():
    z, t = [0.3, -1.0, 2.0], [0.2, 0.3, 0.4]
    expected = gdx.grad(lambda t: gdx.softmax_cross_entropy(np.asarray(z) * t[0], t))(np.asarray(t))
    torch = pytest.importorskip("torch")
    scores = torch.asarray(z)
    found = gdx.grad(lambda t: gdx.softmax_cross_entropy(scores * t[0], t))(torch.asarray(t))
    close(found, expected)
    jax = pytest.importorskip("jax")
    curvature = jax.hessian(lambda x: gdx.sigmoid(x).sum())(jax.numpy.ones(2))
    close(np.asarray(curvature), gdx.hessian(lambda x: gdx.sigmoid(x).sum())(np.ones(2)), rtol=1e-4)
    half = jax.numpy.ones(3, dtype="float16")
    assert gdx.grad(lambda x: gdx.softmax_cross_entropy(x * 2, 2))(half).dtype == half.dtype


@gdx.custom_vjp
def both_powers(x):
    """Square and cube, twice as steep as they are."""
    return x**2, x**3


def _powers_backward(x, gs):
    return (2 * (gs[0] * 2 * x + gs[1] * 3 * x**2),)


both_powers.defvjp(lambda x: (both_powers(x), x), _powers_backward)


@pytest.mark.parametrize("x", [2.0, np.float32(2.0), [2.0]])
def test_tuples_of_scalars_of_numpy(x):
    """NumPy makes scalars of arrays without axes, and a tuple of scalars is no array."""
    close(gdx.grad(lambda x: np.sum(both_powers(x)[1]))(x), 24 * np.ones_like(x))
    square, cube = gdx.jvp(both_powers, (x,), (x,))[1]
    close(square, 16 * np.ones_like(x))
    close(cube, 48 * np.ones_like(x))
