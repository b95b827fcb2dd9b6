"""Pictures of functions, descents and losses (needs matplotlib: ``pip install matplotlib``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gdx.backends import Array, as_like, asarray, floating, is_array, namespace_of, to_numpy
from gdx.numerical import numerical_gradient
from gdx.numerical.values import gathered
from gdx.optimize import DescentResult, History, OptimizeResult, gradient_descent
from gdx.options import whole

Axes = Any
_GRID = 61  # points along each side of a picture


Result = DescentResult | OptimizeResult | History


def descent_path(
    f: Callable[[Array], Any], path: Array | Result, *, ax: Axes | None = None
) -> Axes:
    """Draw the way of a descent over the contours of f, with both axes through the origin.

    Parameters
    ----------
    f : callable
        A function of two variables; called for each point of a grid.
    path : array_like, shape (steps, 2), or the result of a run that kept its history
        The points of the descent, as in ``x, path = gradient_descent(...)``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    ax : matplotlib Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx, gdx.plot
    >>> def f(x):
    ...     return x[0] ** 2 + x[1] ** 2
    >>> x, path = gdx.gradient_descent(f, [-3.0, 4.0], lr=0.1)
    >>> ax = gdx.plot.descent_path(f, path)
    >>> ax.get_xlabel()
    '$x_0$'
    """
    path, _ = floating(_points_of(path) if isinstance(path, Result) else path, "path")
    points = to_numpy(path)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"path must have the shape (steps, 2); it has {points.shape}.")
    ax = ax if ax is not None else _new_axes()
    # A descent that leaves for infinity is followed to ten times the distance of its start.
    reach = 10 * max(1.0, float(np.nan_to_num(np.abs(points[0])).max()))
    near = points[(np.abs(points) <= reach).all(axis=1)]
    if not len(near):
        raise ValueError("path holds no finite point.")
    half = 1.2 * max(float(np.abs(near).max(initial=0.0)), 1e-3)
    side = np.linspace(-half, half, _GRID)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    heights = _values(f, _points_like(grid, path))
    ax.contour(
        side, side, np.reshape(heights, (_GRID, _GRID)), levels=12, cmap="Blues_r", linewidths=0.8
    )
    ax.axhline(0, color="0.5", linestyle="--", linewidth=0.8)
    ax.axvline(0, color="0.5", linestyle="--", linewidth=0.8)
    ax.plot(near[:, 0], near[:, 1], "o-", color="tab:orange", markersize=3.5, linewidth=0.8)
    ax.plot(*near[0], "s", color="tab:green", label="start")
    ax.plot(*near[-1], "*", color="tab:red", markersize=10, label="end")
    ax.set(xlabel="$x_0$", ylabel="$x_1$", xlim=(-half, half), ylim=(-half, half), aspect="equal")
    ax.legend(loc="upper right")
    return ax


def learning_rates(
    f: Callable[[Array], Any],
    init_x: Array,
    lrs: Iterable[float],
    step_num: int = 100,
    *,
    axes: Axes | Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw descents from one start with several learning rates, side by side.

    Parameters
    ----------
    f : callable
        A function of two variables.
    init_x : array_like, shape (2,)
        The start of each descent.
    lrs : iterable of float
        The learning rates: good, too large, too small.
    step_num : int
        The number of steps of each.
    axes : matplotlib Axes, or sequence or array of them, optional
        As many as learning rates; a new figure otherwise.

    Returns
    -------
    axes : list of matplotlib Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx, gdx.plot
    >>> axes = gdx.plot.learning_rates(lambda x: (x**2).sum(), [-3.0, 4.0], [0.1, 1e-10])
    >>> axes[1].get_title()
    'lr = 1e-10: hardly moved'
    """
    lrs, step_num = [*lrs], whole("step_num", step_num, 1)
    if axes is None:
        figure = _pyplot().figure(figsize=(4.2 * len(lrs), 4.6), layout="constrained")
        axes = [figure.add_subplot(1, len(lrs), i + 1) for i in range(len(lrs))]
    axes = [*np.ravel(np.asarray(axes, dtype=object))]
    if len(axes) != len(lrs):
        raise ValueError(f"axes must be as many as lrs, {len(lrs)}; got {len(axes)}.")
    for lr, ax in zip(lrs, axes, strict=True):
        result = gradient_descent(f, init_x, lr, step_num)
        descent_path(f, result.history, ax=ax).set_title(f"lr = {lr:g}: {result.status}")
    return axes


def loss_curve(
    losses: Result | Array | Sequence[float],
    *,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a loss against the number of steps, on a logarithmic scale where it is positive.

    Parameters
    ----------
    losses : DescentResult, OptimizeResult or one-dimensional array_like
        The result of a descent, of which the checks are drawn, or of `minimize` with its history,
        or one loss for each step.
    label : str, optional
        The name of the curve in a legend.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    ax : matplotlib Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx.plot
    >>> gdx.plot.loss_curve([3.0, 1.0, 0.5]).get_ylabel()
    'loss'
    """
    if isinstance(losses, DescentResult):
        steps, heights = map(np.asarray, zip(*losses.checks, strict=True))
    elif isinstance(losses, OptimizeResult | History):
        history = _kept(losses)
        steps, heights = history.step, history.fun
    else:
        heights = to_numpy(losses) if is_array(losses) else np.asarray([*map(to_numpy, losses)])
        if heights.ndim != 1:
            raise ValueError(f"losses must be one-dimensional; its shape is {heights.shape}.")
        steps = np.arange(len(heights))
    ax = ax if ax is not None else _new_axes()
    ax.plot(steps, heights, label=label)
    ax.set(xlabel="step", ylabel="loss", yscale="log" if (heights > 0).all() else "linear")
    if label:
        ax.legend()
    return ax


def _points_of(result: Result) -> Array:
    history = _kept(result)
    return history.x if isinstance(history, History) else history


def _kept(result: Result) -> Any:
    """Return the history of a run."""
    if isinstance(result, History):
        return result
    if result.history is None:
        raise ValueError("the result has no history to draw: run it with history=True.")
    return result.history


def gradient_field(
    f: Callable[[Array], Any],
    *,
    xlim: tuple[float, float] = (-2.0, 2.0),
    ylim: tuple[float, float] = (-2.0, 2.0),
    n: int = 17,
    ax: Axes | None = None,
) -> Axes:
    """Draw the negative gradient of f, the directions of descent, as arrows on a grid.

    Parameters
    ----------
    f : callable
        A function of two variables; it is handed arrays of the current backend.
    xlim, ylim : tuple of float
        The rectangle.
    n : int
        Arrows along each side.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    ax : matplotlib Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx.plot
    >>> gdx.plot.gradient_field(lambda x: (x**2).sum(), n=5).get_ylabel()
    '$x_1$'
    """
    n = whole("n", n, 1)
    ax = ax if ax is not None else _new_axes()
    grid = np.stack(np.meshgrid(np.linspace(*xlim, n), np.linspace(*ylim, n)), -1).reshape(-1, 2)
    start = asarray(grid[0])
    arrows = -np.stack([to_numpy(numerical_gradient(f, x)) for x in _points_like(grid, start)])
    ax.quiver(*grid.T, *arrows.T, np.hypot(*arrows.T), angles="xy", cmap="viridis")
    ax.set(xlabel="$x_0$", ylabel="$x_1$", xlim=xlim, ylim=ylim, aspect="equal")
    return ax


def _values(f: Callable[[Array], Any], points: list[Array]) -> Any:
    xp = namespace_of(points[0])
    return to_numpy(gathered([f(point) for point in points], points[0], xp))


def _points_like(grid: Any, x: Array) -> list[Array]:
    """Return the rows of `grid` as arrays beside `x`."""
    xp = namespace_of(x)
    return [as_like(row.tolist(), x, xp, "grid") for row in grid]


def _new_axes() -> Axes:
    return _pyplot().figure(layout="constrained").add_subplot()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("gdx.plot needs matplotlib: pip install matplotlib.") from error
    return pyplot
