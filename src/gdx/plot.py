"""Pictures of functions, descents and losses (needs matplotlib: ``pip install matplotlib``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import (
    Array,
    as_like,
    asarray,
    epsilon_of,
    floating,
    host_array,
    is_array,
    namespace_of,
    to_numpy,
)
from gdx.numerical import numerical_gradient
from gdx.numerical.values import gathered
from gdx.optimize import DescentResult, History, OptimizeResult, Status, gradient_descent, minimize
from gdx.options import function, whole

Axes = Any
Function = Callable[[Array], Any]
Limits = tuple[float, float]
Result = DescentResult | OptimizeResult | History

_GRID = 61  # points along each side of a picture
_LEVELS = 12  # contours in a picture
_COLUMNS = 3  # pictures in a row
_MARGIN = 0.1  # around what a picture shows, relative to its size
_THIN = 10  # a window this many times as long as wide has no equal aspect
_LONG = 10  # a descent that diverges is followed until a step is this many times its first
_FAR = 10  # a minimum further off than this many times |x| would leave nothing of the path
_FEW = 40  # up to this many points of a curve are marked
# The colour-blind tell orange from blue, and white from black.
_PATH, _START, _END, _MISSING = "#d55e00", "white", "black", "0.88"


def descent_path(
    f: Function,
    path: Array | Result,
    *,
    xlim: Limits | None = None,
    ylim: Limits | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the path of a descent over the contours of f.

    Parameters
    ----------
    f : callable
        A function of two variables; called for each point of a grid.
    path : array_like, shape (steps, 2), or the result of a run that kept its history
        The points of the descent. A result of `gradient_descent` ends at its `x`, one step after
        the last point of its `history`; the `history` alone, as any array, ends at its last point.
    xlim, ylim : tuple of float, optional
        The window. By default it shows the path and the minimum that a search from its end finds,
        and all four quadrants around a minimum at the origin.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    ax : matplotlib Axes

    Notes
    -----
    The mark "end" is the `x` of a result. Where that is the best point seen and not the last one,
    the line does not lead to it.

    A descent diverges if f ends above its start, or in NaN or infinity. The window then shows it up
    to its first step that is ten times as long as the first one. All points are drawn; the legend
    says after which step the path leaves the window, or is not finite any more.

    The values of the contours are quantiles of f over the window: no narrow valley is empty. Where
    f is NaN or infinite, the picture is grey.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx, gdx.plot
    >>> def f(x):
    ...     return x[0] ** 2 + x[1] ** 2
    >>> result = gdx.gradient_descent(f, [-3.0, 4.0], lr=0.1)
    >>> ax = gdx.plot.descent_path(f, result)
    >>> ax.get_xlabel()
    '$x_0$'
    """
    function("f", f)
    drawn = _path_of(path)
    xlim = None if xlim is None else _limits("xlim", xlim)
    ylim = None if ylim is None else _limits("ylim", ylim)
    if xlim is None or ylim is None:
        shown = _window(_in_view(f, drawn), drawn.like).T
        xlim, ylim = xlim or shown[0], ylim or shown[1]
    window = np.stack([xlim, ylim], axis=-1)
    return _draw_path(f, drawn, window, ax)


def learning_rates(
    f: Function,
    init_x: Array,
    lrs: Iterable[float],
    step_num: int = 100,
    *,
    axes: Axes | Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw descents from one start with several learning rates, three in a row.

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
        All show the same window, that of the descents that did not diverge.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import gdx, gdx.plot
    >>> axes = gdx.plot.learning_rates(lambda x: (x**2).sum(), [-3.0, 4.0], [0.1, 1e-10])
    >>> axes[1].get_title()
    'lr = 1e-10: hardly moved'
    """
    function("f", f)
    step_num = whole("step_num", step_num, 1)
    start = to_numpy(floating(init_x, "init_x")[0])
    if start.shape != (2,) or not np.isfinite(start).all():
        raise ValueError(f"init_x must hold two finite numbers; got {init_x!r}.")
    try:
        lrs = [*lrs]
    except TypeError as error:
        raise TypeError(
            f"lrs must be an iterable of learning rates, for example [0.1]; got {lrs!r}."
        ) from error
    if not lrs:
        raise ValueError("lrs must hold at least one learning rate; it is empty.")
    if axes is not None:
        axes = [*np.ravel(np.asarray(axes, dtype=object))]
        if len(axes) != len(lrs):
            raise ValueError(f"axes must be as many as lrs, {len(lrs)}; got {len(axes)}.")
    with _quiet():
        results = [gradient_descent(f, init_x, lr, step_num) for lr in lrs]
    paths = [_path_of(result) for result in results]
    diverged = [result.status is Status.DIVERGED for result in results]
    shown = [path for path, gone in zip(paths, diverged, strict=True) if not gone] or paths
    window = _window(np.concatenate([_in_view(f, path) for path in shown]), paths[0].like)
    if axes is None:
        rows, columns = -(-len(lrs) // _COLUMNS), min(len(lrs), _COLUMNS)
        figure = _pyplot().figure(figsize=(4.2 * columns, 4.6 * rows), layout="constrained")
        axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(lrs))]
    for lr, result, path, ax in zip(lrs, results, paths, axes, strict=True):
        _draw_path(f, path, window, ax).set_title(f"lr = {lr:g}: {result.status}")
    return axes


def loss_curve(
    losses: Result | Array | Sequence[float],
    *,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a loss, or the f of a run, against the number of steps.

    The scale is logarithmic where all curves in the picture are positive and span a factor of ten.

    Parameters
    ----------
    losses : DescentResult, OptimizeResult or one-dimensional array_like
        The result of a descent, of which the checks are drawn, or of `minimize` with its history,
        or one loss for each step. Where it is NaN or infinite, the curve has a gap.
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
        heights = _losses(losses)
        steps = np.arange(len(heights))
    ax = ax if ax is not None else _new_axes()
    heights = np.where(np.isfinite(heights), heights, np.nan)
    ax.plot(steps, heights, label=label, marker="." if len(heights) <= _FEW else None)
    low, high = ax.dataLim.intervaly  # of all curves
    name = "f(x)" if isinstance(losses, Result) else "loss"
    with np.errstate(over="ignore"):  # of the margin above 1e300
        ax.set(xlabel="step", ylabel=name, yscale="log" if 0 < low <= high / 10 else "linear")
        ax.autoscale_view()
    if ax.get_xscale() == "linear":
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    if label:
        ax.legend()
    return ax


def gradient_field(
    f: Function,
    *,
    xlim: Limits = (-2.0, 2.0),
    ylim: Limits = (-2.0, 2.0),
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
    function("f", f)
    n = whole("n", n, 1)
    window = np.stack([_limits("xlim", xlim), _limits("ylim", ylim)], axis=-1)
    ax = ax if ax is not None else _new_axes()
    grid, _ = _grid(window, n)
    start = asarray(grid[0])
    with _quiet():
        slopes = [_on_host(numerical_gradient(f, x)) for x in _points_like(grid, start)]
    arrows = -np.stack(slopes)
    lengths = np.hypot(*arrows.T)
    longest = lengths[np.isfinite(lengths)].max(initial=0.0)
    # By default, matplotlib divides by the mean length; the dark end of the colours is the longest.
    looks = {"scale": None if longest else 1.0, "clim": (0.0, longest or 1.0), "cmap": "viridis_r"}
    ax.quiver(*grid.T, *arrows.T, lengths, angles="xy", **looks)
    _show(window, ax)
    return ax


class _Path(NamedTuple):
    """A path on the host, up to its first point that is not finite."""

    points: Any  # of shape (k, 2)
    steps: Any  # after how many steps each was reached; None where that is not known
    end: Any  # of shape (2,); None where the path does not end in a finite point
    finite: bool  # whether no point was left out
    like: Array  # the points where they were


def _path_of(path: Array | Result) -> _Path:
    """Return the points of an array or of a run, with its end."""
    given = _kept(path) if isinstance(path, Result) else path
    x = given.x if isinstance(given, History) else given
    if isinstance(path, Result) and not is_array(x):
        kind = type(x).__name__
        raise ValueError(f"path must be a run over one array of two numbers, not over a {kind}.")
    like, _ = floating(x, "path")
    points = _on_host(like)
    empty = not points.size and not isinstance(path, DescentResult)  # which has an end, too
    if points.ndim != 2 or points.shape[1] != 2 or empty:
        raise ValueError(f"path must have the shape (steps, 2); it has {points.shape}.")
    steps = given.step if isinstance(given, History) else np.arange(len(points))
    end = _on_host(path.x) if isinstance(path, DescentResult | OptimizeResult) else None
    if isinstance(path, DescentResult):
        points, steps = _to_its_end(path, points)
    finite = np.isfinite(points).all(axis=1)
    count = len(points) if finite.all() else int(finite.argmin())
    if not count or finite[count:].any():
        raise ValueError(
            f"path holds no finite point at {count}, but {points[count].tolist()}. Only its end "
            "may be NaN or infinite."
        )
    if end is None and finite.all():
        end = points[-1]
    return _Path(points[:count], steps, end, bool(finite.all()), like)


def _to_its_end(result: DescentResult, points: Any) -> tuple[Any, Any]:
    """Return the points of a descent with its last one, and after which step each was reached."""
    last = np.empty((0, 2))
    if result.checks[-1] == (result.nit, result.fun):  # x is not a best point seen before
        last = _on_host(result.x)[None]
    elif result.status is Status.DIVERGED:
        last = np.full((1, 2), np.nan)
    # With history=k, only every k-th point was kept.
    steps = np.arange(len(points) + len(last)) if len(points) >= result.nit else None
    return np.concatenate([points, last]), steps


def _kept(result: Result) -> Any:
    """Return the history of a run."""
    if isinstance(result, History):
        return result
    if result.history is None:
        raise ValueError("the result has no history to draw: run it with history=True.")
    return result.history


def _in_view(f: Function, path: _Path) -> Any:
    """Return the points that a window should show, the lowest that is known last."""
    points = path.points
    end = points[-1] if path.end is None else path.end
    at_start, at_last, at_end = _values(f, np.stack([points[0], points[-1], end]), path.like)
    if not (path.finite and at_last <= at_start):
        points = points[: _explodes(points)]
    lowest = end if at_end <= at_start else points[0]
    points = np.concatenate([points, [lowest]])
    minimum = _minimum(f, lowest, path.like)
    near = np.abs(minimum - lowest).max() / _FAR <= max(1.0, np.abs(points).max())
    return np.append(points, [minimum], axis=0) if near else points


def _minimum(f: Function, start: Any, like: Array) -> Any:
    """Return the minimum that is found from a point of the host, or the point itself."""
    (x,) = _points_like(start[None], like)
    try:
        with _quiet():
            # Numerical gradients need nothing of f but its values, as the contours do.
            result = minimize(f, x, grad="numerical", max_steps=200)
    except (ArithmeticError, ValueError):  # as math.log(-1) raises, away from the path
        return start
    return _on_host(result.x) if result.success else start


def _explodes(points: Any) -> int:
    """Return how many points come before the first step that is too long."""
    with np.errstate(all="ignore"):
        lengths = np.hypot(*np.diff(points, axis=0).T)
    first = next((length for length in lengths if length > 0), 0.0)
    return 1 + int(np.count_nonzero(np.logical_and.accumulate(lengths <= _LONG * first)))


def _window(points: Any, like: Array) -> Any:
    """Return the lower and the upper corner of the window that shows the points, with a margin."""
    if (np.abs(points[-1]) <= _MARGIN * np.ptp(points, axis=0).max()).all():
        # Around a minimum at the origin, all four quadrants are shown.
        points = np.concatenate([points, -points])
    points = np.clip(points, -1e300, 1e300)  # so that nothing overflows
    lower, upper = points.min(axis=0), points.max(axis=0)
    centre, size = (lower + upper) / 2, upper - lower
    largest = np.abs(centre).max()
    # A smaller side has no width: all of it is rounding, or the path runs along one axis.
    nothing = max(1000 * epsilon_of(like) * largest, 1e-6 * size.max())
    if size.max() <= nothing:
        size = np.full(2, max(1.0, largest))
    elif not nothing < size.min() < size.max() / _THIN:
        size = np.maximum(size, size.max() / 2)  # no strip, where the aspect is equal
    half = (0.5 + _MARGIN) * size
    return np.stack([centre - half, centre + half])


def _limits(name: str, limits: Any) -> Limits:
    """Return the two ends of a side of a window."""
    try:
        low, high = map(float, limits)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be two numbers, (low, high); got {limits!r}.") from error
    if not (low < high and np.isfinite([low, high]).all()):
        raise ValueError(f"{name} must be (low, high), finite and low < high; got {limits!r}.")
    return low, high


def _show(window: Any, ax: Axes) -> None:
    """Set the limits and labels of Axes, and an equal aspect unless the window is long and thin."""
    xlim, ylim = window.T
    ax.set(xlabel="$x_0$", ylabel="$x_1$", xlim=xlim, ylim=ylim, aspect=_aspect(window))
    ax.ticklabel_format(scilimits=(-3, 5))


def _aspect(window: Any) -> str:
    size = window[1] - window[0]
    return "equal" if size.min() * _THIN >= size.max() else "auto"


def _draw_path(f: Function, path: _Path, window: Any, ax: Axes | None) -> Axes:
    """Draw the contours of f in a window, and a path that may leave it."""
    ax = ax if ax is not None else _new_axes()
    _show(window, ax)
    handles = _contours(f, path, window, ax)
    if _inside(np.zeros(2), window):
        ax.axhline(0, color="0.5", linestyle="--", linewidth=0.8)
        ax.axvline(0, color="0.5", linestyle="--", linewidth=0.8)
    few = len(path.points) <= 10 * _FEW
    ax.plot(*path.points.T, "o", color=_PATH, markersize=3.5 if few else 1.5)
    ax.plot(*_segments(path.points, window).T, "-", color=_PATH, linewidth=0.8)
    for label, point, marker, size, color in _marks(path, window):
        style = {"marker": marker, "markersize": size, "markerfacecolor": color}
        (mark,) = ax.plot(*point, label=label, linestyle="", markeredgecolor="black", **style)
        if _inside(point, window):
            mark.set_clip_on(False)
            handles.append(mark)
    if handles:
        ax.legend(handles=handles, fontsize="small")
    return ax


def _segments(points: Any, window: Any) -> Any:
    """Return the lines between neighbouring points, each followed by NaN.

    Points further away than a million windows are moved to there, and lines between two of them
    left out: matplotlib would lose the direction of such lines in rounding.
    """
    centre, size = window.mean(axis=0), window[1] - window[0]
    with np.errstate(all="ignore"):
        distances = np.abs(points / size - centre / size).max(axis=1, keepdims=True)
        distances = np.clip(distances, 1.0, 1e300)
        moved = centre + (points / distances - centre / distances) * 1e6
    far = distances > 1e6
    points = np.where(far, moved, points)
    lines = np.stack([points[:-1], points[1:], np.full_like(points[1:], np.nan)], axis=1)
    return lines[~(far[:-1] & far[1:])[:, 0]].reshape(-1, 2)


def _marks(path: _Path, window: Any) -> Iterator[tuple[str, Any, Any, float, str]]:
    """Yield label, point, marker, size and colour of what is marked on a path."""
    points = path.points
    yield "start", points[0], "s", 7, _START
    if path.end is not None:
        yield "end", path.end, "*", 10, _END
    inside = _inside(points, window)
    for last in np.flatnonzero(inside[:-1] & ~inside[1:])[:1]:
        edge, angle = _crossing(points[last], points[last + 1], window)
        yield f"leaves the picture{_after(path, last)}", edge, (3, 0, angle - 90), 9, _PATH
    if not path.finite:
        yield f"not finite{_after(path, len(points) - 1)}", points[-1], "X", 8, _PATH


def _after(path: _Path, index: int) -> str:
    """Say after which step a point of a path was reached, where that is known."""
    return "" if path.steps is None else f" after step {path.steps[index]}"


def _crossing(inside: Any, outside: Any, window: Any) -> tuple[Any, float]:
    """Return where the way from one point to another leaves the window, and at which angle."""
    way = outside - inside
    edges = np.where(way > 0, window[1], window[0]) - inside
    parts = np.divide(edges, way, out=np.full(2, np.inf), where=way != 0)
    size = 1.0 if _aspect(window) == "equal" else window[1] - window[0]
    x, y = way / size
    edge = np.clip(inside + parts.min() * way, *window)
    return edge, float(np.degrees(np.arctan2(y, x)))


def _inside(points: Any, window: Any) -> Any:
    return ((window[0] <= points) & (points <= window[1])).all(axis=-1)


def _contours(f: Function, path: _Path, window: Any, ax: Axes) -> list[Any]:
    """Draw the contours of f; return what a legend should explain."""
    grid, sides = _grid(window, _GRID)
    heights = np.ma.masked_invalid(_values(f, grid, path.like).reshape(_GRID, _GRID))
    pyplot, levels = _pyplot(), _levels(heights.compressed())
    if len(levels):
        blues = pyplot.get_cmap("Blues_r")(np.linspace(0.05, 0.6, len(levels)))
        drawn = ax.contour(*sides, heights, levels=levels, colors=blues, linewidths=0.8)
        places = _label_places(drawn.get_paths()[1::3], path.points, window)
        ax.clabel(drawn, levels[1::3], fontsize=7, fmt="{:.15g}".format, manual=places)
    missing = np.ma.getmaskarray(heights)
    if not missing.any():
        return []
    ax.contourf(*sides, missing, levels=[0.5, 1.5], colors=[_MISSING])
    return [pyplot.Rectangle((0, 0), 1, 1, color=_MISSING, label="f is not finite")]


def _label_places(contours: Sequence[Any], points: Any, window: Any) -> list[Any]:
    """Return a point of each contour in view, as far from a path and the axes as can be."""
    size = window[1] - window[0]
    lines = _segments(points, window).reshape(-1, 3, 2)
    lines = lines[:: len(lines) // 100 + 1, :2, None]  # a hundred are enough
    points = lines[:, 0] + (lines[:, 1] - lines[:, 0]) * np.linspace(0, 1, 10)[:, None]
    points = points.reshape(-1, 2)
    inner = window + np.outer([1, -1], _MARGIN * size)  # all of a label is to be seen
    places = []
    for contour in contours:
        vertices = contour.vertices[_inside(contour.vertices, inner)]
        if len(vertices):
            from_path = np.hypot(*((vertices[:, None] - points) / size).T).min(axis=0, initial=1.0)
            from_axes = np.abs(vertices / size).min(axis=1)
            places.append(vertices[np.minimum(from_path, from_axes).argmax()])
    return places


def _levels(heights: Any) -> Any:
    """Return numbers of few digits between which lie equal parts of the heights."""
    if not heights.size:
        return heights
    with np.errstate(all="ignore"):
        parts = np.unique(np.quantile(heights, np.arange(1, _LEVELS + 1) / (_LEVELS + 1)))
    rounded = (
        np.unique([float(f"{part:.{digits}g}") for part in parts]) for digits in range(2, 18)
    )
    levels = next(levels for levels in rounded if len(levels) == len(parts))
    return levels[(heights.min() < levels) & (levels < heights.max())]


def _grid(window: Any, n: int) -> tuple[Any, Any]:
    """Return n × n points of a window, and the coordinates of its columns and rows."""
    sides = np.linspace(window[0], window[1], n).T
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2), sides


def _losses(given: Any) -> Any:
    """Return losses as a one-dimensional array on the host."""
    losses = given
    if isinstance(given, Iterable) and not is_array(given):
        numbers = [to_numpy(loss) if is_array(loss) else loss for loss in given]
        losses = host_array(numbers, "losses")
    heights = to_numpy(losses) if is_array(losses) else None
    if heights is None or heights.dtype.kind in "cOSU":
        raise TypeError(f"losses must be a result or a sequence of real numbers; got {given!r}.")
    if heights.ndim != 1 or not len(heights):
        shape = heights.shape
        raise ValueError(f"losses must be one-dimensional and not empty; its shape is {shape}.")
    return heights.astype(float)


def _values(f: Function, points: Any, like: Array) -> Any:
    """Return f at points of the host, as numbers of the host."""
    xs, xp = _points_like(points, like), namespace_of(like)
    with _quiet():
        # One row of a grid at a time: JAX compiles a stack of thousands of arrays for seconds.
        rows = [[f(x) for x in xs[i : i + _GRID]] for i in range(0, len(xs), _GRID)]
        return np.concatenate([_on_host(gathered(row, xs[0], xp)) for row in rows])


@contextmanager
def _quiet() -> Iterator[None]:
    """Let f overflow, be undefined or be flat, as it may be anywhere in a picture."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _points_like(grid: Any, x: Array) -> list[Array]:
    """Return the rows of `grid` as arrays beside `x`."""
    xp = namespace_of(x)
    return [as_like(row.tolist(), x, xp, "grid") for row in grid]


def _on_host(x: Any) -> Any:
    return np.asarray(to_numpy(x), dtype=float)


def _new_axes() -> Axes:
    return _pyplot().figure(layout="constrained").add_subplot()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("gdx.plot needs matplotlib: pip install matplotlib.") from error
    return pyplot
