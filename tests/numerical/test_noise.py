"""The noise of functions whose noise is known."""

from __future__ import annotations

import numpy as np
import pytest

from gdx.numerical.noise import noise_of

EPS = 2.0**-52


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-2])
def test_random_noise(size):
    rng = np.random.default_rng(0)
    found = [noise_of(lambda s: np.exp(s) + size * rng.standard_normal(), EPS) for _ in range(50)]
    assert np.median(found) == pytest.approx(size, rel=0.5)


@pytest.mark.parametrize("digits", [5, 8, 11])
def test_stairs(digits):
    """Rounding to a multiple of u has a deviation of u / sqrt(12)."""
    found = [noise_of(lambda s, at=at: round(np.sin(at + s), digits), EPS) for at in range(20)]
    known = 10.0**-digits / np.sqrt(12)
    assert known / 5 < max(found) < 5 * known


def test_float32_inside():
    found = noise_of(lambda s: float(np.sin(np.float32(1 + s))), EPS)
    assert 1e-9 < found < 1e-7


@pytest.mark.parametrize("f", [np.exp, lambda s: 1 + s, lambda s: np.sin(100 * s + 1)])
def test_smooth_functions_have_their_rounding(f):
    assert noise_of(f, EPS) < 30 * EPS


@pytest.mark.parametrize("value", [0.0, 3.0, np.inf, np.nan])
def test_constants_have_none(value):
    assert noise_of(lambda s: value, EPS) == 0


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_scales(scale):
    rng = np.random.default_rng(0)
    assert noise_of(lambda s: scale * (1 + 1e-6 * rng.standard_normal()), EPS) > 1e-8 * scale
