"""The quotients in Python's floats and those in arrays are the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gdx
from gdx.numerical.differences import Differences
from gdx.numerical.floats import points_of_each
from gdx.numerical.layout import Step, lay_out
from gdx.numerical.stencils import stencil

METHODS = ["central", "forward", "backward"]


def curved(x):
    return np.sum(np.exp(-np.abs(x)) + x**3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("h", [None, 1e-4])
@pytest.mark.parametrize(
    "shape", [(), (1,), (2,), (64,), (65,), (256,), (257,), (2, 3), (3, 2, 2), (9, 20)]
)
def test_floats_and_arrays_agree_to_the_bit(shape, h, method):
    x = np.asarray(np.random.default_rng(0).standard_normal(shape) * 100)
    found = gdx.numerical_gradient(curved, x, h=h, method=method)
    differences = Differences(x, stencil(method), h)
    differences.few = False
    of_arrays, _ = differences.gradient(curved, x)
    assert type(found) is type(of_arrays) is np.ndarray
    np.testing.assert_array_equal(found, of_arrays)


@pytest.mark.parametrize("method", METHODS)
@given(
    elements=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=16),
    h=st.none() | st.floats(1e-8, 1),
)
def test_points_agree_to_the_bit(method, elements, h):
    points, distances = points_of_each(stencil(method), elements, h, 1e-5)
    x = np.asarray(elements)
    layout = lay_out(x, stencil(method), Step(h, 1e-5), np)
    np.testing.assert_array_equal(np.asarray(points).T, layout.columns)
    np.testing.assert_array_equal(distances, layout.distance)
    far = x if len(layout.columns) == 1 else layout.columns[1]
    moved = layout.columns[0] != far
    np.testing.assert_array_equal(layout.distance[moved], (layout.columns[0] - far)[moved])
    assert np.isnan(layout.distance[~moved]).all()


@pytest.mark.parametrize("odd", [int, np.float32, np.asarray, lambda v: np.asarray([v])])
def test_a_function_that_changes_its_type(odd):
    def f(x):
        value = float(np.sum(x**2))
        return odd(value) if x[0] > 3 else value

    found = gdx.numerical_gradient(f, np.asarray([3.0, 4.0]), h=0.5)
    above = np.reshape(f(np.asarray([3.5, 4.0])), ())
    np.testing.assert_allclose(found, [above - 22.25, 8.0])


def test_the_precision_of_f_is_remembered():
    of = Differences(np.ones(3), stencil("central"))

    def f(x):
        return np.sum(x.astype(np.float32) ** 2)

    first, count = of.gradient(f, of.x)
    second, again = of.gradient(f, of.x)
    assert (count, again) == (12, 6)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("x", [np.ones(2), {"W": np.ones(2)}, [np.ones(2), np.ones(20)]])
def test_warnings_point_at_the_caller(x):
    with pytest.warns(RuntimeWarning, match="did not react") as seen:
        gdx.numerical_gradient(lambda x: 1.0, x)
    assert {warning.filename for warning in seen} == {__file__}


@pytest.mark.parametrize("x", [[1.0, 2.0], np.asarray([1, 2])])
def test_arrays_of_gdx_itself_cannot_be_read_elsewhere(x):
    with pytest.warns(RuntimeWarning, match="evaluated at copies of x"):
        gdx.numerical_gradient(lambda x: 1.0, x)


def test_no_warning_where_f_reacts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gdx.numerical_gradient(curved, np.ones(2))


def test_a_function_that_begins_to_return_views():
    of = Differences(np.ones(3), stencil("central"))
    calls = []

    def f(x):
        calls.append(x)
        return x[:1] if x[1] > 2 else x[0]

    for x in np.ones(3), np.full(3, 4.0), np.full(3, 4.0):
        gradient, count = of.gradient(f, x)
        np.testing.assert_allclose(gradient, [1, 0, 0], atol=1e-10)
        assert count == len(calls)
        calls.clear()
