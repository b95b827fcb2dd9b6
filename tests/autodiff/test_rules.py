"""Every rule against JAX, PyTorch and finite differences."""

from __future__ import annotations

import warnings

import array_api_compat.numpy as np_xp
import numpy as np
import pytest
from autodiff.cases import RULES

import gdx
from gdx.autodiff.lifting import INTERNAL
from gdx.autodiff.rules import COMPOSITE, NO_MAKER
from gdx.autodiff.rules import RULES as TABLE

DTYPES = [
    (rule, dtype)
    for rule in RULES
    for dtype in ("float64", "complex128")
    if rule.complex or dtype == "float64"
]
IDS = [f"{rule}-{dtype}" for rule, dtype in DTYPES]


def test_every_rule_has_a_case():
    covered = {rule.name for rule in RULES}
    differentiable = {
        name.rpartition(".")[2]
        for name, rule in TABLE.items()
        if rule.vjps is not NO_MAKER and name not in INTERNAL
    }
    assert differentiable - covered == set()
    assert {name.rpartition(".")[2] for name in COMPOSITE} - covered == NO_DERIVATIVE


# Of arrays made anew; and what is tried under other names, in getitem and in test_tracing.
NO_DERIVATIVE = {"empty_like", "ones_like", "zeros_like"}


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "dtype"), DTYPES, ids=IDS)
def test_against_jax(rule, dtype, jax64):
    x = rule.arguments(0, dtype)
    jnp = jax64.numpy

    def f(*arrays):
        return rule.f(gdx.array_namespace(*arrays), *arrays)

    def jf(*arrays):
        return rule.f(jnp, *arrays)

    y, pullback = gdx.vjp(f, *x)
    jy, jpullback = jax64.vjp(jf, *map(jnp.asarray, x))
    close = np.testing.assert_allclose
    close(y, jy, rtol=1e-6)
    rng = np.random.default_rng(1)
    g = rng.normal(size=np.shape(y))
    if np.iscomplexobj(y):
        g = g + 1j * rng.normal(size=np.shape(y))
    g = g.astype(y.dtype)
    tolerance = 1e-6 if y.dtype == np.float32 else 1e-10
    for ours, theirs, argument in zip(pullback(g), jpullback(jnp.asarray(g)), x, strict=True):
        assert ours.dtype == argument.dtype
        assert ours.shape == argument.shape
        close(ours, theirs, rtol=tolerance, atol=tolerance)
    v = rule.arguments(2, dtype)
    ours, theirs = (
        gdx.jvp(f, x, v),
        jax64.jvp(jf, tuple(map(jnp.asarray, x)), tuple(map(jnp.asarray, v))),
    )
    assert ours[1].dtype == y.dtype
    close(ours[1], theirs[1], rtol=tolerance, atol=tolerance)

    # Second derivatives, through the pullback.
    def second(xp, pull, *arrays):
        return [xp.sum(xp.real(c * c)) if np.iscomplexobj(x[0]) else xp.sum(c * c) for c in pull]

    def s(*arrays):
        xp = gdx.array_namespace(*arrays)
        return sum(second(xp, gdx.vjp(f, *arrays)[1](g)))

    def js(*arrays):
        return sum(second(jnp, jax64.vjp(jf, *arrays)[1](jnp.asarray(g))))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # linear functions: nothing depends on x
        numbers = tuple(range(len(x)))
        ours = gdx.grad(s, numbers)(*x)
    theirs = jax64.grad(js, numbers)(*map(jnp.asarray, x))
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.filterwarnings("ignore:f did not react:RuntimeWarning")
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_against_finite_differences(rule):
    x = rule.arguments(3, "float64")
    weights = np.random.default_rng(4).normal(size=np.shape(rule.f(np_xp, *x)))

    def f(arrays):
        xp = gdx.array_namespace(*arrays)
        y = weights * rule.f(xp, *arrays)
        return xp.sum(xp.real(y) - 2 * xp.imag(y) if xp.isdtype(y.dtype, "complex floating") else y)

    exact = gdx.grad(f)(x)
    numerical = gdx.numerical_gradient(f, x, order=4, h=1e-3 if rule.name == "astype" else None)
    tolerance = 1e-3 if rule.name == "astype" else 1e-7
    for ours, theirs in zip(exact, numerical, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
