"""Pictures: what is drawn, where, and from which arrays."""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import pytest

import gdx
import gdx.plot

mpl.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


@pytest.mark.slow
def test_descent_path_draws_every_point(case, monkeypatch):
    monkeypatch.setattr(gdx.plot, "_GRID", 21)  # in Dask, each point takes a graph of its own
    path = case.asarray([[-3.0, 4.0], [-2.4, 3.2], [-1.92, 2.56]])
    ax = gdx.plot.descent_path(bowl, path)
    drawn = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(np.stack(drawn.get_data(), -1), gdx.to_numpy(path), rtol=1e-6)
    assert ax.get_xlim()[1] == pytest.approx(4.8)
    contours = ax.collections[0]
    assert contours.get_array().max() <= 2 * 4.8**2 + 10


def test_both_axes_are_drawn():
    ax = gdx.plot.descent_path(bowl, np.asarray([[1.0, 0.0], [0.5, 0.0]]))
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in dashed] == [[0, 1], [0, 0]]


def test_the_given_axes_are_used():
    _, (first, second, third) = pyplot.subplots(1, 3)
    assert gdx.plot.descent_path(bowl, np.ones((2, 2)), ax=first) is first
    assert gdx.plot.loss_curve([1.0], ax=second) is second
    assert gdx.plot.gradient_field(bowl, n=3, ax=third) is third
    _, axes = pyplot.subplots(1, 2)
    drawn = gdx.plot.learning_rates(bowl, [1.0, 1.0], iter([0.1, 0.2]), axes=axes)
    assert drawn == list(axes)
    assert gdx.plot.learning_rates(bowl, [1.0, 1.0], [0.1], axes=first) == [first]


def test_a_diverging_path_stays_readable():
    path = np.asarray([[1.0, 0.0], [-5.0, 0.0], [1e6, 0.0], [np.nan, 0.0]])
    ax = gdx.plot.descent_path(bowl, path)
    assert ax.get_xlim()[1] == pytest.approx(6)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (0, 2)])
def test_a_path_that_is_none(shape):
    with pytest.raises(ValueError, match=r"path must have the shape \(steps, 2\)"):
        gdx.plot.descent_path(bowl, np.ones(shape))


def test_a_path_may_be_a_result_or_a_list():
    result = gdx.gradient_descent(bowl, [-3.0, 4.0], lr=0.1, step_num=3)
    lines = [
        gdx.plot.descent_path(lambda x: bowl(x)[None], path).lines[2].get_xydata()
        for path in (result, result.history, result.history.tolist())
    ]
    np.testing.assert_array_equal(lines[0], lines[1])
    np.testing.assert_array_equal(lines[0], lines[2])


def test_a_path_may_be_a_minimisation():
    result = gdx.minimize(bowl, [-3.0, 4.0], history=True)
    drawn = gdx.plot.descent_path(bowl, result).lines[2].get_xydata()
    np.testing.assert_array_equal(drawn, result.history.x)
    line = gdx.plot.loss_curve(result).lines[0]
    np.testing.assert_array_equal(line.get_xdata(), result.history.step)
    np.testing.assert_array_equal(line.get_ydata(), result.history.fun)
    assert len(gdx.plot.descent_path(bowl, result.history).lines[2].get_xydata()) == len(drawn)
    assert len(gdx.plot.loss_curve(result.history).lines[0].get_xdata()) == len(drawn)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: gdx.plot.loss_curve(gdx.minimize(bowl, [1.0, 2.0])), "run it with history=True"),
        (lambda: gdx.plot.descent_path(bowl, gdx.minimize(bowl, [1.0, 2.0])), "history=True"),
        (lambda: gdx.plot.descent_path(bowl, np.full((3, 2), np.nan)), "no finite point"),
        (lambda: gdx.plot.descent_path(lambda x: x, np.ones((3, 2))), r"one number.*\(2,\)"),
        (lambda: gdx.plot.learning_rates(bowl, [1.0, 2.0], [0.1], 0), "step_num"),
        (
            lambda: gdx.plot.learning_rates(bowl, [1.0, 2.0], [0.1], axes=pyplot.subplots(1, 2)[1]),
            "as many as lrs, 1; got 2",
        ),
        (lambda: gdx.plot.gradient_field(bowl, n=0), "n must be an integer, 1 or more"),
        (lambda: gdx.plot.loss_curve(np.ones((3, 2))), r"one-dimensional.*\(3, 2\)"),
    ],
)
def test_bad_arguments(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_loss_curve_of_arrays(case):
    losses = [case.asarray(loss) for loss in (3.0, 1.0)]
    assert gdx.plot.loss_curve(losses).lines[0].get_ydata().tolist() == [3, 1]
    assert gdx.plot.loss_curve(case.asarray([3.0, 1.0])).lines[0].get_ydata().tolist() == [3, 1]


def test_learning_rates_are_titled_by_their_outcome():
    axes = gdx.plot.learning_rates(bowl, [-3.0, 4.0], [0.1, 1.02, 1e-10])
    assert [ax.get_title() for ax in axes] == [
        "lr = 0.1: converged",
        "lr = 1.02: diverged",
        "lr = 1e-10: hardly moved",
    ]


def test_loss_curve_of_a_result_and_of_numbers():
    result = gdx.gradient_descent(bowl, [-3.0, 4.0], lr=0.1, step_num=20)
    line = gdx.plot.loss_curve(result, label="bowl").lines[0]
    assert tuple(zip(*line.get_data(), strict=True)) == result.checks
    ax = gdx.plot.loss_curve([1.0, -1.0])
    assert ax.get_yscale() == "linear"
    assert ax.lines[0].get_xdata().tolist() == [0, 1]


def test_gradient_field_points_downhill(case):
    if case.name == "dask":
        pytest.skip("a thousand small graphs")
    with case.using():
        ax = gdx.plot.gradient_field(bowl, n=3)
    arrows = ax.collections[0]
    np.testing.assert_allclose(arrows.U, -2 * arrows.X, atol=0.05)
    np.testing.assert_allclose(arrows.V, -2 * arrows.Y, atol=0.05)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        gdx.plot.loss_curve([1.0])
