"""Iterations that search along a direction; what an evaluation tells is read all at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import Array
from gdx.optimize.result import Status
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.endings import relative_distances, relative_slopes
from gdx.optimize.runs.loop import Seen, relative_changes
from gdx.optimize.searches.line_search import Probe, Search, armijo, strong_wolfe
from gdx.optimize.searches.objective import Objective
from gdx.trees import Tree


class Point(NamedTuple):
    """A vector, f there, its gradient, what bounds leave of it, and how large that is."""

    x: Array
    fun: float
    grad: Array
    free: Array
    grad_norm: float


class Move(NamedTuple):
    """An accepted step between two points, the slopes along it at both, and what was due."""

    old: Point
    new: Point
    d: Array
    step: float
    slope: float
    new_slope: float
    due: float


class Ahead(NamedTuple):
    """A direction, the first step to try, the slope of f along the direction, and the gain.

    The gain is by how much f would fall if the model of the direction were exact; infinite, where
    there is no model yet.
    """

    d: Array
    step: float
    slope: float
    gain: float = math.inf


class Direction(ABC):
    """Where to go from a point, and how far to try first.

    What it needs of a trial point besides f and the slope, it says in `measured`, and is given in
    `after`, as numbers and vectors on the host. `free` is the gradient without the elements that
    bounds hold, and `square` its product with itself.
    """

    kept: tuple[str, ...] = ()  # what it must remember to go on in another process

    def first(self, point: Point, square: float) -> Ahead:
        """Return the way against the gradient; the first step is of length one, or shorter.

        It promises no larger fall of f than |f|: the minimum of a loss is not below 0.
        """
        step = 1 / (math.sqrt(square) or 1.0)
        if 0 < abs(point.fun) < step * square:
            step = abs(point.fun) / square
        return Ahead(-point.free, step, -square)

    def again(self, point: Point, square: float) -> Ahead:
        """Return where to go after a search that found nothing."""
        return self.first(point, square)

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return arrays of one number, and vectors, that are to be read with f at `x`."""
        return [], []

    @abstractmethod
    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return where to go after a move."""


class Wolfe:
    """The search that ends where the slope has become flat, too."""

    kept = ()

    def __init__(self, curvature: float) -> None:
        self.curvature = curvature

    def begun(self, fun: float, slope: float, step: float, rounding: float) -> Search:
        """Return the search of a step."""
        return strong_wolfe(fun, slope, step, rounding, self.curvature)


class Armijo:
    """The search that ends where f has fallen enough, below the largest of its last values."""

    kept = ("last",)

    def __init__(self, memory: int = 1) -> None:
        self.memory = memory
        self.last: list[float] = []

    def begun(self, fun: float, slope: float, step: float, rounding: float) -> Search:
        """Return the search of a step."""
        self.last = [*self.last, fun][-self.memory :]
        return armijo(max(self.last), fun, step, rounding)


class Searched:
    """A run of steps, each along a direction to where a search ends.

    Parameters
    ----------
    objective : Objective
    direction : Direction
    search : Wolfe or Armijo
    box : Box, optional
        Of vectors.
    patience : int
        How many steps may bring nothing.
    """

    def __init__(
        self,
        objective: Objective,
        direction: Direction,
        search: Wolfe | Armijo,
        box: Box | None = None,
        patience: float = 20,
    ) -> None:
        self.objective, self.direction, self.search, self.box = objective, direction, search, box
        self.slope, self.form, self.patience = objective.slope, objective.x, patience
        self.reads_gain = False
        self.point: Point
        self.ahead: Ahead
        self.square: float | None = None  # gᵀg at the start, from where there is no way ahead yet
        self.begun = False
        self.steps = 0
        self.watches = False
        self.changed = math.inf  # the largest relative change of an element of x at the last step
        self.step = math.nan
        self.promised = math.inf

    @property
    def x(self) -> Tree:
        """The current point."""
        return self.objective.tree_of(self.point.x)

    @property
    def grad(self) -> Tree:
        """The gradient there."""
        return self.objective.tree_of(self.point.grad)

    def lr(self, step: int) -> float:
        """Return the length of the last step, in units of the direction."""
        return self.step

    def prepare(self, step: int, last: bool) -> Seen:
        """Return what is known; at the start, evaluate it."""
        if not self.begun:
            self._start(self.objective.x)
        return self.look(step)

    def look(self, step: int) -> Seen:
        """Return what is known of the current point."""
        x, fun, grad, _, norm = self.point
        return Seen(step, x, fun, grad, norm, math.isfinite(fun))

    def kept(self) -> Tree:
        """Return the current point, which nothing overwrites."""
        return self.x

    def own(self, seen: Seen) -> Seen:
        """Return the same: nothing overwrites it."""
        return seen

    def shown(self, x: Array) -> Tree:
        """Return the tree of a vector."""
        return self.objective.tree_of(x)

    def moved(self) -> float:
        """Return the largest relative change of an element of x at the last step."""
        return self.changed

    def gain(self) -> float:
        """Return by how much f would fall along the next direction, by what is known of it."""
        return math.inf if self.square is not None else self.ahead.gain

    def slopes(self, typical: float = 0.0) -> float:
        """Return the largest of the relative slopes at the current point."""
        found = self.objective.max(relative_slopes(self.point.x, self.point.free, typical))
        return self.objective.reads(0.0, [found])[1][0]

    def reach(self) -> float:
        """Return the largest of the relative distances to the minimum along the next direction."""
        d, _, slope, gain = self.ahead
        if not slope < 0:
            return math.inf
        objective = self.objective
        with np.errstate(all="ignore"):
            found = objective.max(relative_distances(d, self.point.x, objective.x))
        return objective.reads(0.0, [found])[1][0] * (-2 * gain / slope)

    def stuck(self, fun: float) -> Status:
        """Tell whether what the last direction promised is lost in the rounding of f."""
        lost = self.promised <= self._noise(fun)
        return Status.PRECISION_LIMIT if lost else Status.NO_DESCENT

    def _noise(self, fun: float) -> float:
        return 10 * self.objective.rounding * abs(fun)

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""
        return {
            "point": self.point,
            "ahead": None if self.square is not None else self.ahead,
            "square": self.square,
            "steps": self.steps,
            "changed": self.changed,
            "step": self.step,
            "promised": self.promised,
            **{_name_of(part): _kept(part) for part in (self.direction, self.search)},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        self.begun = True
        self.point = Point(*state["point"])
        if state["ahead"] is not None:
            self.ahead = Ahead(*state["ahead"])
        for name in ("steps", "step", "promised", "changed", "square"):
            setattr(self, name, state[name])
        for part in (self.direction, self.search):
            for name in part.kept:
                setattr(part, name, state[_name_of(part)][name])

    def _start(self, x: Array) -> None:
        value, g = self.objective.both(x)
        with np.errstate(all="ignore"):
            free, size = self._constrained(x, g)
            fun, (norm, self.square), _ = self.objective.reads(value, [size, free @ free])
        self.point = Point(x, fun, g, free, norm)
        self.begun = True

    def _constrained(self, x: Array, g: Array) -> tuple[Array, Array]:
        """Return what bounds leave of a gradient, and the largest element that stops a run."""
        largest, box = self.objective.largest, self.box
        if box is None:
            return g, largest(g)
        return box.free(x, g, g), largest(box.projected(x, g))

    def advance(self) -> Status | None:
        """Take a step. After a failure, try once more, from the gradient alone."""
        self.promised = math.inf
        if self.square is not None:
            self.ahead = self.direction.first(self.point, self.square)
            self.square = None
        if self._moved():
            return None
        promised, gain, free = self.promised, self.ahead.gain, self.point.free
        with np.errstate(all="ignore"):
            _, (square,), _ = self.objective.reads(0.0, [free @ free])
        self.ahead = self.direction.again(self.point, square)
        if self._moved():
            return None
        self.promised = promised
        if gain < math.inf:
            self.ahead = self.ahead._replace(gain=gain)
        return self.stuck(self.point.fun)

    def unseen(self, steps: range) -> Iterator[int]:
        """Take none: a search looks at every point."""
        return iter(())

    def _moved(self) -> bool:
        """Search along the direction, and go where that ends; tell whether it has found a step."""
        point, (d, step, slope, _) = self.point, self.ahead
        if not slope < 0:
            return False
        self.promised = -step * slope
        search = self.search.begun(point.fun, slope, step, self._noise(point.fun))
        next(search)
        best: _Trial | None = None
        while True:
            with np.errstate(all="ignore"):
                x = point.x + step * d
                if self.box is not None:
                    x = self.box.nearest(x)
            value, g = self.objective.both(x)
            with np.errstate(all="ignore"):
                trial = self._measured(step, x, value, g)
                if best is None or trial.probe.f < best.probe.f:
                    best = trial
                if self.ahead.gain == math.inf:
                    self._learn(step, trial.probe)
                try:
                    step = search.send(trial.probe)
                except StopIteration as found:
                    if found.value is None:
                        return False
                    if found.value != step:
                        trial, new = best, best.new
                        self.direction.measured(point, new.x, new.grad, new.free)
                    break
        self._go(trial)
        return True

    def _learn(self, step: float, probe: Probe) -> None:
        """Take the gain of a method that has no model yet from the slopes along the direction."""
        slope = self.ahead.slope
        rise = probe.slope - slope
        if rise > 0 and not probe.cut:
            self.ahead = self.ahead._replace(gain=slope * slope * step / rise / 2)

    def _measured(self, step: float, x: Array, value: Any, g: Array) -> _Trial:
        """Read all that a trial tells."""
        point, slope = self.point, self.ahead.slope
        free, size = self._constrained(x, g)
        numbers, vectors = self.direction.measured(point, x, g, free)
        wanted = [size, *self._along(step, x, g), *numbers]
        if self.watches:
            wanted.append(self.objective.max(relative_changes(x, point.x)))
        fun, read, vectors = self.objective.reads(value, wanted, vectors)
        changed = read.pop() if self.watches else self.changed
        if self.box is None:
            size, new_slope, *numbers = read
            due, cut = step * slope, 0.0
        else:
            size, new_slope, due, cut, *numbers = read
        fun = fun if math.isfinite(size) else math.inf
        new = Point(x, fun, g, free, size)
        return _Trial(new, step, Probe(fun, new_slope, due, cut > 0), changed, numbers, vectors)

    def _along(self, step: float, x: Array, g: Array) -> list[Array]:
        """Return the slope at a trial; within bounds, also what is due there, and whether cut."""
        point, d = self.point, self.ahead.d
        if self.box is None:
            return [g @ d]
        xp, moved = self.objective.xp, x - point.x
        cut = xp.astype(x != point.x + step * d, x.dtype)
        return [g @ (d - cut * d), point.free @ moved, self.objective.max(cut)]

    def _go(self, trial: _Trial) -> None:
        new, probe, (d, _, slope, _) = trial.new, trial.probe, self.ahead
        move = Move(self.point, new, d, trial.step, slope, probe.slope, probe.due)
        self.point, self.step = new, trial.step
        self.changed = trial.changed
        self.steps += 1
        ahead = self.direction.after(move, trial.numbers, trial.vectors)
        if self.box is not None:  # its product with the free gradient is as before
            ahead = ahead._replace(d=self.box.free(new.x, ahead.d, new.grad))
        self.ahead = ahead


class _Trial(NamedTuple):
    """A point that is tried, and what has been read there."""

    new: Point
    step: float
    probe: Probe
    changed: float
    numbers: list[float]
    vectors: list[Any]


def _name_of(part: Direction | Wolfe | Armijo) -> str:
    return "direction" if isinstance(part, Direction) else "search"


def _kept(part: Direction | Wolfe | Armijo) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.kept}
