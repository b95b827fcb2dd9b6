"""A function of stacks against the same function of one array after another."""

from __future__ import annotations

import numpy as np
import pytest
from autodiff.cases import RULES

import gdx
from gdx.autodiff import tracer

LENGTH = 3


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("stacked", ["all", "first", "last"])
def test_stacks(rule, stacked):
    rows = [rule.arguments(seed, "float64") for seed in range(LENGTH)]
    count = len(rows[0])
    moving = {"all": range(count), "first": [0], "last": [count - 1]}[stacked]
    if stacked != "all" and count == 1:
        pytest.skip("one argument")

    def f(*arrays):
        return rule.f(gdx.array_namespace(*arrays), *arrays)

    def of_moving(arrays):
        given = [*rows[0]]
        for place, array in zip(moving, arrays, strict=True):
            given[place] = array
        return [f(*given)]

    stacks = [np.stack([row[place] for row in rows]) for place in moving]
    (together,) = tracer.vmap(of_moving)(stacks)
    in_turn = [of_moving([row[place] for place in moving])[0] for row in rows]
    np.testing.assert_allclose(together, np.stack(in_turn), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_hessians(rule):
    """Forward over reverse, both on stacks, against one direction after another."""
    x = rule.arguments(5, "float64")
    if rule.name == "astype":
        pytest.skip("of lower precision")

    def f(arrays):
        xp = gdx.array_namespace(*arrays)
        y = rule.f(xp, *arrays)
        y = xp.real(y) - 2 * xp.imag(y) if xp.isdtype(y.dtype, "complex floating") else y
        return xp.sum(y * y * (1 + y))

    whole = gdx.hessian(f)(x)
    direction = rule.arguments(6, "float64")
    product = gdx.hvp(f, x, direction)
    for row, expected in zip(whole, product, strict=True):
        total = sum(
            np.tensordot(block, v, axes=v.ndim) for block, v in zip(row, direction, strict=True)
        )
        np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-9)


def test_axes_in_a_list():
    def f(arrays):
        return [gdx.array_namespace(*arrays).fft.fftshift(arrays[0], axes=[0])]

    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(tracer.vmap(f)([x])[0], np.fft.fftshift(x, axes=1))
