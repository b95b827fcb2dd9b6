"""Second looks at functions of a number, whose slope at 0 is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gdx.numerical.slopes import Finding, Profile

EPS = 2.0**-52


def look(f, slope, doubt, noise=EPS, eps=EPS):
    return Profile(f, f(0.0), noise, eps).second_look(slope, slope + doubt, doubt / 2)


@pytest.mark.parametrize("frequency", [1.0, 1e3, 1e6])
def test_smooth_functions(frequency):
    f = lambda s: math.sin(frequency * s)  # noqa: E731
    assert look(f, frequency, 0.5 * frequency) is Finding.RIGHT
    for bug in (1.1, 1.001, 0.0, -1.0):
        off = abs(bug - 1) * frequency
        assert look(f, bug * frequency, off) is Finding.WRONG


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 1.0])
def test_kinks(slope):
    assert look(abs, slope, 0.5) is Finding.KINK
    assert look(lambda s: max(s, -3 * s), slope, 0.5) is Finding.KINK


def test_slopes_beyond_those_of_a_kink():
    assert look(abs, 1.2, 1.2) is Finding.WRONG
    assert look(abs, -1.5, 1.5) is Finding.WRONG


def test_curvature_is_no_kink():
    f = lambda s: 1e6 * s * s  # noqa: E731
    assert look(f, 100.0, 100.0) is Finding.WRONG


def test_noise():
    rng = np.random.default_rng(0)
    f = lambda s: s + 1e-6 * rng.standard_normal()  # noqa: E731
    for _ in range(20):
        assert look(f, 1.0, 0.1, noise=1e-6) is Finding.RIGHT
        assert look(f, 2.0, 1.0, noise=1e-6) is Finding.WRONG
    hidden = Profile(f, f(0.0), 1e-6, EPS).second_look(1e-7, 0.0, 1e-6)
    assert hidden is not Finding.RIGHT


def test_what_is_not_finite():
    assert look(math.exp, math.nan, 1.0) is Finding.WRONG
    assert look(lambda s: math.nan if s else 1.0, 0.0, 1.0) is Finding.UNCLEAR
