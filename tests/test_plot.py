"""Pictures: what is drawn, where, and from which arrays."""

from __future__ import annotations

import math
import sys

import matplotlib as mpl
import numpy as np
import pytest

import gdx
import gdx.plot

mpl.use("Agg")
from matplotlib import pyplot

START = np.asarray([-3.0, 4.0])


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def bowl(x):
    return x[0] ** 2 + x[1] ** 2


def bowl_at_100(x):
    return (x[0] - 100) ** 2 + (x[1] - 100) ** 2


def valley(x):
    """A thin one: its minimum is (3e-4, 1), and x0 counts ten thousand times as much."""
    return (1e4 * x[0] - 3) ** 2 / 100 + (x[1] - 1) ** 2


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def descent(lr, steps):
    """The points of a descent on the bowl from the start, where each step multiplies x."""
    return START * (1.0 - 2 * lr) ** np.arange(steps + 1)[:, None]


def dots(ax):
    """Return the points of the path that was drawn."""
    (line,) = [line for line in ax.lines if line.get_marker() == "o"]
    return line.get_xydata()


def joined(ax):
    """Return the pairs of points that lines of the path join."""
    line = next(line for line in ax.lines if line.get_linestyle() == "-")
    return line.get_xydata().reshape(-1, 3, 2)[:, :2]


def marks(ax):
    """Return the points that are marked, by their labels."""
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    return {line.get_label(): line.get_xydata()[0].tolist() for line in lines}


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def dashed(ax):
    return [line.get_data() for line in ax.lines if line.get_linestyle() == "--"]


def levels(ax):
    return ax.collections[0].levels


@pytest.mark.slow
def test_descent_path_draws_every_point(case, monkeypatch):
    monkeypatch.setattr(gdx.plot, "_GRID", 21)  # in Dask, each point takes a graph of its own
    path = case.asarray([[-3.0, 4.0], [-2.4, 3.2], [-1.92, 2.56]])
    ax = gdx.plot.descent_path(bowl, path)
    np.testing.assert_array_equal(dots(ax), gdx.to_numpy(path))
    np.testing.assert_array_equal(joined(ax), np.stack([dots(ax)[:-1], dots(ax)[1:]], axis=1))
    np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-3.6, 3.6), (-4.8, 4.8)], 1e-3)
    assert 0 < levels(ax).min() < levels(ax).max() < 3.6**2 + 4.8**2


def test_the_picture_of_the_course():
    result = gdx.gradient_descent(bowl, START, lr=0.1, step_num=20)
    ax = gdx.plot.descent_path(bowl, result)
    np.testing.assert_allclose(dots(ax), descent(0.1, 20), rtol=1e-12)
    assert marks(ax) == {"start": [-3.0, 4.0], "end": result.x.tolist()}
    assert legend(ax) == ["start", "end"]
    np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-3.6, 3.6), (-4.8, 4.8)], 1e-3)
    assert ax.get_aspect() == 1
    assert [[*map(list, line)] for line in dashed(ax)] == [[[0, 1], [0, 0]], [[0, 0], [0, 1]]]


@pytest.mark.parametrize(
    ("f", "path", "xlim", "ylim", "aspect"),
    [
        # The box of the path and the minimum, and a tenth of its size on each side.
        (bowl_at_100, [[97.0, 104.0], [98.0, 103.0]], (96.7, 100.3), (99.6, 104.4), 1),
        (bowl_at_100, [[0.0, 0.0], [98.0, 103.0]], (-10, 110), (-10.3, 113.3), 1),
        (rosenbrock, [[-1.2, 0.0], [-1.0, 1.0]], (-1.42, 1.22), (-0.16, 1.16), 1),
        # Around a minimum at the origin, all four quadrants; also where the path is a point.
        (bowl, [[-3.0, 4.0]], (-3.6, 3.6), (-4.8, 4.8), 1),
        (bowl, [[-3.0, 4.0], [-3.0 + 1e-9, 4.0]], (-3.6, 3.6), (-4.8, 4.8), 1),
        # A path along one axis: no strip.
        (bowl, [[0.0, 4.0], [0.0, 2.0]], (-2.4, 2.4), (-4.8, 4.8), 1),
        # Long and thin: each side has a scale of its own.
        (valley, [[5e-4, 9.0], [3e-4, 9.0]], (2.8e-4, 5.2e-4), (0.2, 9.8), "auto"),
        # No size at all: that of x, or 1.
        (bowl_at_100, [[100.0, 100.0]], (40, 160), (40, 160), 1),
        (bowl, [[0.0, 0.0]], (-0.6, 0.6), (-0.6, 0.6), 1),
        (
            lambda x: -x[0] / 2 - x[1] / 2,
            [[1e308, 1e308]],
            (4e299, 1.6e300),
            (4e299, 1.6e300),
            1,
        ),
        # No minimum: there is none, it is too far off, or f raises on the way to it.
        (lambda x: x[0] + x[1], [[1.0, 1.0], [0.0, 0.0]], (-1.2, 1.2), (-1.2, 1.2), 1),
        (lambda x: (x[0] - 1e6) ** 2, [[1.0, 1.0], [2.0, 2.0]], (0.9, 2.1), (0.9, 2.1), 1),
        (
            lambda x: math.sqrt(9 - x[0] ** 2) + x[1] ** 2,
            [[1.0, 2.0], [2.0, 1.0]],
            (0.9, 2.1),
            (0.9, 2.1),
            1,
        ),
    ],
)
def test_the_window(f, path, xlim, ylim, aspect):
    ax = gdx.plot.descent_path(f, path)
    size = np.asarray([np.ptp(xlim), np.ptp(ylim)])[:, None]
    np.testing.assert_allclose(
        np.asarray([ax.get_xlim(), ax.get_ylim()]) / size,
        np.asarray([xlim, ylim]) / size,
        atol=1e-3,
    )
    assert ax.get_aspect() == aspect
    in_view = xlim[0] <= 0 <= xlim[1] and ylim[0] <= 0 <= ylim[1]
    assert len(dashed(ax)) == 2 * in_view


def test_a_window_may_be_chosen():
    ax = gdx.plot.descent_path(bowl, START[None], xlim=(-5, 0), ylim=(1, 1.25))
    assert (ax.get_xlim(), ax.get_ylim()) == ((-5, 0), (1, 1.25))
    assert ax.get_aspect() == "auto"
    assert marks(ax)["end"] == [-3, 4]
    assert ax.get_legend() is None  # all marks are out of view


def test_float32_has_a_window_of_distinct_points():
    path = np.asarray([[100, 100], [100, 100.0001]], dtype=np.float32)
    ax = gdx.plot.descent_path(lambda x: x[0], path)
    assert np.ptp(ax.get_ylim()) > 10


@pytest.mark.parametrize(("lr", "steps", "left"), [(1.02, 100, 63), (10, 100, 1), (1e9, 9, 1)])
def test_a_descent_that_diverges_is_drawn_whole(lr, steps, left):
    result = gdx.gradient_descent(bowl, START, lr, steps)
    ax = gdx.plot.descent_path(bowl, result)
    path = descent(lr, steps)
    np.testing.assert_allclose(dots(ax), path, rtol=1e-9)
    # Steps are up to ten times as long as the first one, and the window shows both sides.
    followed = path[: 2 + np.flatnonzero(abs(1.0 - 2 * lr) ** np.arange(steps) <= 10)[-1]]
    half = 1.2 * np.abs(followed).max(axis=0)
    np.testing.assert_allclose([ax.get_xlim()[1], ax.get_ylim()[1]], half, rtol=1e-6)
    assert np.flatnonzero((np.abs(path) > half).any(axis=1))[0] - 1 == left
    label = f"leaves the picture after step {left}"
    assert legend(ax) == ["start", label]
    edge = np.asarray(marks(ax)[label])
    np.testing.assert_allclose(edge[1] / edge[0], -4 / 3)  # all points lie on one line
    assert np.isclose(np.abs(edge), half).any()
    for one, other in joined(ax):
        assert abs(one[0] * other[1] - one[1] * other[0]) <= 1e-6 * np.abs([one, other]).max() * 5


@pytest.mark.parametrize(
    ("path", "step", "edge", "angle"),
    [
        ([[0, 0], [4, 0]], 0, [2, 0], 0),
        ([[0, 0], [0, -5]], 0, [0, -1], -90),
        ([[0, 0], [1, 0], [1, 4], [0, 0], [-9, 0]], 1, [1, 1], 90),
        ([[0, 0], [1, 1], [3, 1]], 1, [2, 1], 0),
        ([[0, 0], [-1e300, -5e299]], 0, [-2, -1], math.degrees(math.atan2(-1, -2))),
        ([[0, 0], [1.7e308, -1.7e308]], 0, [1, -1], -45),
    ],
)
def test_where_a_path_leaves_the_window(path, step, edge, angle):
    ax = gdx.plot.descent_path(bowl, np.asarray(path, dtype=float), xlim=(-2, 2), ylim=(-1, 1))
    np.testing.assert_array_equal(dots(ax), path)
    label = f"leaves the picture after step {step}"
    assert marks(ax)[label] == pytest.approx(edge)
    assert label in legend(ax)
    (mark,) = [line for line in ax.lines if line.get_label() == label]
    assert mark.get_marker()[2] == pytest.approx(angle - 90)  # its tip points up without rotation
    # Each line that is drawn has the direction of two neighbours.
    ways = np.diff(joined(ax), axis=1)[:, 0]
    with np.errstate(over="ignore"):
        expected = np.diff(np.asarray(path, dtype=float), axis=0)
    np.testing.assert_allclose(
        ways / np.abs(ways).max(axis=1, keepdims=True),
        expected / np.abs(expected).max(axis=1, keepdims=True),
        atol=1e-5,
    )


def test_a_line_between_two_points_far_away_is_not_guessed():
    path = np.asarray([[0.0, 0.0], [1e20, 1e3], [-1e30, 1e3], [0.0, 0.5]])
    ax = gdx.plot.descent_path(bowl, path, xlim=(-1, 1), ylim=(-1, 1))
    np.testing.assert_array_equal(dots(ax), path)
    (out, back) = joined(ax)
    assert out[0].tolist() == [0, 0]
    assert back[1].tolist() == [0, 0.5]
    assert out[1, 0] > 1e5
    assert back[0, 0] < -1e5


def test_a_path_that_ends_in_nan():
    path = np.asarray([[1.0, 0.0], [-2.0, 0.0], [2.0, 1.0], [np.nan, 0.0], [np.inf, 0.0]])
    ax = gdx.plot.descent_path(bowl, path)
    np.testing.assert_array_equal(dots(ax), path[:3])
    assert marks(ax) == {"start": [1, 0], "not finite after step 2": [2, 1]}
    assert legend(ax) == [*marks(ax)]


def test_a_run_that_ends_in_nan():
    def f(x):
        return gdx.array_namespace(x).sqrt(x[0] - 1) + x[1] ** 2

    with np.errstate(invalid="ignore"):
        result = gdx.gradient_descent(f, [3.0, 1.0], 0.5, 50, check_every=1)
    assert result.nit == len(result.history)
    ax = gdx.plot.descent_path(f, result)
    finite = result.history[np.isfinite(result.history).all(axis=1)]
    np.testing.assert_array_equal(dots(ax), finite)
    assert marks(ax)["end"] == result.x.tolist()
    assert legend(ax) == ["f is not finite", *marks(ax)]
    assert marks(ax)[f"not finite after step {len(finite) - 1}"] == finite[-1].tolist()


def best_of_a_bad_run():
    """Rise and fall, and end above the best point, which the result returns."""
    method = gdx.optimize.momentum(0.4)
    result = gdx.minimize(
        bowl, START, method=method, max_steps=7, check_every=1, history=True, tol=0
    )
    assert result.fun < result.history.fun[-1]
    return result


@pytest.mark.parametrize(
    ("run", "points"),
    [
        (lambda: gdx.gradient_descent(bowl, START, 0.1, 3), descent(0.1, 3)),
        (lambda: gdx.gradient_descent(bowl, START, 0.1, 3).history, descent(0.1, 2)),
        (lambda: [*gdx.gradient_descent(bowl, START, 0.1, 3).history], descent(0.1, 2)),
        (
            lambda: gdx.gradient_descent(bowl, START, 0.1, 10, history=4),
            descent(0.1, 10)[[0, 4, 8, 10]],
        ),
        (lambda: gdx.gradient_descent(bowl, START, 0.1, 0), START[None]),
        (
            lambda: gdx.gradient_descent(bowl, START, 0.1, 9, callback=lambda now: now.step == 2),
            descent(0.1, 2)[[0, 1, 2, 2]],
        ),
        (lambda: gdx.minimize(bowl, START, method="sgd", max_steps=0, history=True), START[None]),
        (best_of_a_bad_run, None),
        (lambda: best_of_a_bad_run().history, None),
    ],
)
def test_runs_and_paths_end_where_they_ended(run, points):
    path = run()
    ax = gdx.plot.descent_path(bowl, path)
    points = getattr(path, "history", path).x if points is None else points
    np.testing.assert_allclose(dots(ax), points, rtol=1e-12)
    end = path.x if hasattr(path, "nit") else points[-1]
    assert marks(ax) == {"start": [-3, 4], "end": pytest.approx(end)}


@pytest.mark.parametrize(
    ("run", "label"),
    [
        # Every fourth step is looked at: the label counts steps, not points.
        (
            lambda: gdx.minimize(
                bowl,
                START,
                method=gdx.optimize.sgd(1.05),
                max_steps=40,
                check_every=4,
                history=True,
            ),
            "leaves the picture after step 4",
        ),
        (
            lambda: gdx.gradient_descent(bowl, START, 1.05, 40, history=4),
            "leaves the picture",
        ),
    ],
)
def test_the_label_counts_steps(run, label):
    ax = gdx.plot.descent_path(bowl, run(), xlim=(-6, 6), ylim=(-6, 6))
    assert np.abs(descent(1.05, 8)[[4, 8]]).max(axis=1) == pytest.approx([5.86, 8.57], abs=0.01)
    assert [*marks(ax)] == ["start", "end", label]


@pytest.mark.parametrize("f", [bowl, bowl_at_100, rosenbrock, valley])
def test_levels_divide_the_window_into_equal_parts(f):
    ax = gdx.plot.descent_path(f, [[-1.2, 1.0], [-1.0, 1.0]], xlim=(-1.5, 1.5), ylim=(-0.5, 1.5))
    x = np.stack(np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(-0.5, 1.5, 61)))
    expected = np.quantile(f(x), np.arange(1, 13) / 13)
    np.testing.assert_allclose(levels(ax), expected, rtol=0.05)
    labels = {float(text.get_text()) for text in ax.texts}
    assert labels <= {*levels(ax)}
    assert 1 <= len(labels) <= 4


def test_levels_of_a_function_that_hardly_changes_are_told_apart():
    ax = gdx.plot.descent_path(lambda x: 1000 + 1e-6 * bowl(x), [[3.0, 4.0], [2.0, 1.0]])
    assert len(levels(ax)) == 12
    assert len({text.get_text() for text in ax.texts}) == len(levels(ax)[1::3])


FUNCTIONS = {
    "log": (lambda x: x[0] - np.log(x[0]) + x[1] ** 2, True),
    "infinite": (lambda x: 1 / (x[0] * x[1]) ** 2, True),
    "nan": (lambda x: np.nan * x[0], True),
    "overflow": (lambda x: np.exp(1e4 * x[0]), True),
    "constant": (lambda x: 0 * x[0] + 3, False),
    "ignores x": (lambda x: 3.0, False),
    "flat": (lambda x: np.maximum(x[0], 0) + np.maximum(x[1], 0), False),
    "stairs": (lambda x: np.floor(x[0]), False),
    "large": (lambda x: 1e300 * bowl(x), False),
    "small": (lambda x: 1e-306 * bowl(x), False),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_is_drawn_without_a_warning(name):
    f, missing = FUNCTIONS[name]
    ax = gdx.plot.descent_path(f, [[0.1, 0.1], [1.0, 0.5]], xlim=(-1, 1.5), ylim=(-1, 1))
    ax.figure.canvas.draw()
    assert ("f is not finite" in legend(ax)) == missing
    gdx.plot.gradient_field(f, n=4).figure.canvas.draw()
    for ax in gdx.plot.learning_rates(f, [0.1, 0.1], [0.1, 1e3], 3):
        ax.figure.canvas.draw()


def test_grey_is_where_f_is_not_finite():
    ax = gdx.plot.descent_path(lambda x: np.log(x[0]), [[1.0, 0.5]], xlim=(-1, 1), ylim=(-1, 1))
    *_, grey = ax.collections
    corners = grey.get_paths()[0].vertices
    assert corners[:, 0].min() == -1
    assert corners[:, 0].max() == pytest.approx(0, abs=2 / 60)  # within one cell of the grid


def test_the_given_axes_are_used():
    _, (first, second, third) = pyplot.subplots(1, 3)
    assert gdx.plot.descent_path(bowl, np.ones((2, 2)), ax=first) is first
    assert gdx.plot.loss_curve([1.0], ax=second) is second
    assert gdx.plot.gradient_field(bowl, n=3, ax=third) is third
    _, axes = pyplot.subplots(1, 2)
    drawn = gdx.plot.learning_rates(bowl, [1.0, 1.0], iter([0.1, 0.2]), axes=axes)
    assert drawn == list(axes)
    assert gdx.plot.learning_rates(bowl, [1.0, 1.0], [0.1], axes=first) == [first]


def tree():
    return gdx.gradient_descent(lambda p: (p["W"] ** 2).sum(), {"W": np.ones(2)}, step_num=2)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: gdx.plot.loss_curve(gdx.minimize(bowl, START)), ValueError, "history=True"),
        (
            lambda: gdx.plot.descent_path(bowl, gdx.minimize(bowl, START)),
            ValueError,
            "run it with history=True",
        ),
        (lambda: gdx.plot.descent_path(0.1, [START]), TypeError, r"f must be a function; got 0\.1"),
        (lambda: gdx.plot.gradient_field("f"), TypeError, "f must be a function; got 'f'"),
        (lambda: gdx.plot.learning_rates(None, START, [1]), TypeError, "f must be a function"),
        *(
            (lambda shape=shape: gdx.plot.descent_path(bowl, np.ones(shape)), ValueError, message)
            for shape in [(), (3,), (3, 3), (0, 2), (2, 1, 2)]
            for message in (r"path must have the shape \(steps, 2\); it has",)
        ),
        (lambda: gdx.plot.descent_path(bowl, tree()), ValueError, "path .* not over a dict"),
        (lambda: gdx.plot.descent_path(bowl, "path"), TypeError, "path"),
        (
            lambda: gdx.plot.descent_path(bowl, np.full((3, 2), np.nan)),
            ValueError,
            r"path holds no finite point at 0, but \[nan, nan\]",
        ),
        (
            lambda: gdx.plot.descent_path(bowl, [[1.0, 1], [np.inf, 1], [0, 1]]),
            ValueError,
            r"path holds no finite point at 1, but \[inf, 1",
        ),
        (
            lambda: gdx.plot.descent_path(lambda x: x, np.ones((3, 2))),
            TypeError,
            r"one number.*\(2,\)",
        ),
        (
            lambda: gdx.plot.descent_path(bowl, [START], xlim=(1, 1)),
            ValueError,
            r"xlim must be \(low, high\).*got \(1, 1\)",
        ),
        (
            lambda: gdx.plot.gradient_field(bowl, ylim=(0, np.inf)),
            ValueError,
            r"ylim must be \(low, high\)",
        ),
        (lambda: gdx.plot.gradient_field(bowl, ylim=2), TypeError, "ylim must be two numbers"),
        (lambda: gdx.plot.gradient_field(bowl, n=0), ValueError, "n must be an integer, 1 or more"),
        (lambda: gdx.plot.learning_rates(bowl, START, [0.1], 0), ValueError, "step_num"),
        (
            lambda: gdx.plot.learning_rates(bowl, START, 0.1),
            TypeError,
            r"lrs must be an iterable .* for example \[0\.1\]; got 0\.1",
        ),
        (
            lambda: gdx.plot.learning_rates(bowl, START, []),
            ValueError,
            "lrs must hold at least one",
        ),
        (
            lambda: gdx.plot.learning_rates(bowl, START, [0.1, -1]),
            ValueError,
            "lr must be a positive number; got -1",
        ),
        *(
            (
                lambda x=x: gdx.plot.learning_rates(bowl, x, [0.1]),
                ValueError,
                "init_x must hold two finite numbers",
            )
            for x in ([1.0, 2.0, 3.0], [[1.0, 2.0]], 1.0, [1.0, np.nan])
        ),
        (
            lambda: gdx.plot.learning_rates(bowl, START, [0.1], axes=pyplot.subplots(1, 2)[1]),
            ValueError,
            "as many as lrs, 1; got 2",
        ),
        (lambda: gdx.plot.loss_curve(np.ones((3, 2))), ValueError, r"one-dimensional.*\(3, 2\)"),
        (lambda: gdx.plot.loss_curve([]), ValueError, "losses must be .* not empty"),
        *(
            (
                lambda losses=losses: gdx.plot.loss_curve(losses),
                TypeError,
                "losses must be a result or a sequence of real numbers; got",
            )
            for losses in (2.0, None, "3, 2", {"W": 1.0}, [None], [1j], np.asarray([1j]))
        ),
        (lambda: gdx.plot.loss_curve([[2.0, 1.0], [1.0]]), ValueError, "losses .* equal lengths"),
    ],
)
def test_bad_arguments(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_learning_rates_are_titled_by_their_outcome():
    lrs = [0.1, 0.9, 1.02, 10, 1e-10]
    axes = gdx.plot.learning_rates(bowl, START, lrs)
    assert [ax.get_title() for ax in axes] == [
        "lr = 0.1: converged",
        "lr = 0.9: converged",
        "lr = 1.02: diverged",
        "lr = 10: diverged",
        "lr = 1e-10: hardly moved",
    ]
    for ax, lr in zip(axes, lrs, strict=True):
        np.testing.assert_allclose(dots(ax), descent(lr, 100), rtol=1e-9)
        np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-3.6, 3.6), (-4.8, 4.8)], 1e-3)
    # |x| grows by 1.04 with each step, and the window by 1.2.
    assert "leaves the picture after step 4" in legend(axes[2])
    assert "leaves the picture after step 0" in legend(axes[3])


def test_learning_rates_that_all_diverge():
    first, second = gdx.plot.learning_rates(bowl, START, [1.02, 10])
    assert first.get_xlim() == second.get_xlim()
    # The first step of the second one is 19 times as long, and no other one is followed.
    np.testing.assert_allclose(first.get_ylim(), np.asarray([-1.2, 1.2]) * 19 * 4, rtol=1e-6)


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (5, 2, 3)])
def test_learning_rates_stand_in_rows_of_three(n, rows, columns):
    axes = gdx.plot.learning_rates(bowl, START, [0.1] * n, 2)
    grid = axes[0].get_subplotspec().get_gridspec()
    assert (len(axes), grid.nrows, grid.ncols) == (n, rows, columns)


def test_loss_curve_of_arrays(case):
    losses = [case.asarray(loss) for loss in (3.0, 1.0)]
    assert gdx.plot.loss_curve(losses).lines[0].get_ydata().tolist() == [3, 1]
    assert gdx.plot.loss_curve(case.asarray([3.0, 1.0])).lines[0].get_ydata().tolist() == [3, 1]


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([100.0, 10.0, 1.0], "log"),
        ([10.0, 1.0], "log"),
        ([9.0, 1.0], "linear"),  # less than a factor of ten
        ([2.0, 2.0, 2.0], "linear"),
        ([5.0], "linear"),
        ([100.0, 0.0], "linear"),
        ([100.0, 1.0, -1.0], "linear"),
        ([100.0, np.nan, 1.0, np.inf], "log"),
        ([np.nan, np.nan], "linear"),
        ([1e-300, 1e300], "log"),
        ([3, 2, 1], "linear"),
    ],
)
def test_the_scale_of_a_loss(losses, scale):
    ax = gdx.plot.loss_curve(losses)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == scale
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [*range(len(losses))]
    np.testing.assert_array_equal(line.get_ydata(), np.where(np.isfinite(losses), losses, np.nan))
    assert all(tick == int(tick) for tick in ax.get_xticks())


@pytest.mark.parametrize(
    ("curves", "scale"),
    [
        ([[100, 1], [5, 5]], "log"),
        ([[5, 5], [100, 1]], "log"),
        ([[100, 1], [5, -5]], "linear"),
        ([[3, 2], [30, 20]], "log"),
    ],
)
def test_all_curves_decide_on_the_scale(curves, scale):
    ax = gdx.plot.loss_curve(curves[0], label="first")
    assert gdx.plot.loss_curve(curves[1], label="second", ax=ax) is ax
    assert ax.get_yscale() == scale
    assert legend(ax) == ["first", "second"]


def test_a_logarithmic_axis_of_steps_is_kept():
    _, ax = pyplot.subplots()
    ax.set_xscale("log")
    assert gdx.plot.loss_curve([3.0, 2.0, 1.0], ax=ax).get_xscale() == "log"


def test_few_points_of_a_curve_are_marked():
    assert gdx.plot.loss_curve([3.0, 1.0]).lines[0].get_marker() == "."
    assert gdx.plot.loss_curve(np.ones(300)).lines[0].get_marker() == "None"


def test_loss_curve_of_runs():
    result = gdx.gradient_descent(bowl, START, lr=0.1, step_num=20)
    line = gdx.plot.loss_curve(result, label="bowl").lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [0, 10, 20])
    np.testing.assert_allclose(line.get_ydata(), 25 * 0.8 ** np.asarray([0, 20, 40]), rtol=1e-12)
    run = gdx.minimize(bowl, START, history=True)
    for given in (run, run.history):
        ax = gdx.plot.loss_curve(given)
        assert ax.get_ylabel() == "f(x)"
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), run.history.step)
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), run.history.fun)
    assert gdx.plot.loss_curve(result).get_ylabel() == "f(x)"
    assert gdx.plot.loss_curve([2.0, 1.0]).get_ylabel() == "loss"


def test_gradient_field_points_downhill(case):
    if case.name == "dask":
        pytest.skip("a thousand small graphs")
    with case.using():
        ax = gdx.plot.gradient_field(bowl, n=3)
    arrows = ax.collections[0]
    np.testing.assert_allclose(arrows.U, -2 * arrows.X, atol=0.05)
    np.testing.assert_allclose(arrows.V, -2 * arrows.Y, atol=0.05)


def test_gradient_field_of_a_thin_rectangle():
    ax = gdx.plot.gradient_field(valley, n=3, xlim=(-1e-3, 1e-3), ylim=(-10, 10))
    assert ax.get_aspect() == "auto"
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1e-3, 1e-3), (-10, 10))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        gdx.plot.loss_curve([1.0])
