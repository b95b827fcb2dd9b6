"""Runs that take every step that a rule says, and read nothing for it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import (
    Array,
    chunked_like,
    common_namespace,
    device_of,
    library,
    made_beside,
    namespace_of,
)
from gdx.optimize.result import Status
from gdx.optimize.runs.bounds import nearest
from gdx.optimize.runs.endings import relative_distances, relative_slopes
from gdx.optimize.runs.loop import Seen, relative_changes
from gdx.optimize.runs.reading import Reads
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.updates.optimizer import Optimizer
from gdx.optimize.updates.segments import OptimizerState
from gdx.trees import Tree, flattened, is_tree, leaves, map_leaves


class Passed(NamedTuple):
    """A point that a run has left, and the gradient there."""

    step: int
    x: Tree
    grad: Tree


class FixedStep(ABC):
    """A run whose steps are what they are; its numbers are read only when they are looked at.

    Parameters
    ----------
    slope : Slope
    x : array or tree
        The run's own.
    """

    patience = math.inf
    reads_gain = True
    boxes: Tree | None = None
    last_gradient = True  # whether it is taken at the end, too, where no step needs it
    grad_is_of_last_step = False

    def __init__(self, slope: Slope, x: Tree) -> None:
        self.slope, self.x, self.form = slope, x, x
        self.grad: Tree | None = None
        first = leaves(x)[0]
        xp = namespace_of(first)
        # Steps may take the memory of x away, but what is read goes beside an array.
        beside = xp.zeros(1, dtype=first.dtype, device=device_of(first))
        self.reads = Reads(chunked_like(beside, first, xp))
        self.settled = _of_trees(library(xp).settled, x)
        self.copied = _of_trees(library(common_namespace(*leaves(x))).copied, x)
        self.steps = 0
        self.seen: Seen | None = None
        self.watches = False
        self.start: Tree | None = None  # if it is watched
        self.passed: list[Passed] = []  # the last two of the points that were watched
        self.known_secants = math.inf, math.inf

    @abstractmethod
    def step(self) -> None:
        """Take a step."""

    def advance(self) -> Status | None:
        """Take a step, and remember the point before if it is watched."""
        if self.watches:
            if self.start is None:
                self.start = self.kept()
            given = self.slope.name == "given"  # and its memory may be used again
            grad = self.copied(self.grad) if given else self.grad
            here = Passed(self.steps, self.kept(), grad)
            self.passed = [*self.passed[-1:], here]
        self.step()
        return None

    @abstractmethod
    def lr(self, step: int) -> float:
        """Return the learning rate of a step."""

    @abstractmethod
    def kept(self) -> Tree:
        """Return the current point, in memory that later steps do not overwrite."""

    @abstractmethod
    def own(self, seen: Seen) -> Seen:
        """Return the same with a point and a gradient that later steps do not overwrite."""

    def prepare(self, step: int, last: bool) -> Seen:
        """Evaluate f and its gradient, and read them."""
        self.x = self.settled(self.x)
        self.grad_is_of_last_step = last and not self.last_gradient
        if self.grad_is_of_last_step:
            value = self.slope.value(self.x)
        else:
            value, self.grad = self.slope.both(self.x)
        self.seen = self._read(step, value)
        return self.seen

    def unseen(self, steps: range) -> Iterator[int]:
        """Take steps of which nothing is read; yield the number of each before it is taken."""
        gradient = self.slope.gradient
        for step in steps:
            self.grad, self.seen = gradient(self.x), None
            yield step
            if step == steps[-1]:
                self.advance()
            else:
                self.step()

    def look(self, step: int) -> Seen:
        """Return what is read of the current point; f is evaluated if it was not yet."""
        if self.seen is None:
            self.seen = self._read(step, self.slope.value(self.x))
        return self.seen

    def _read(self, step: int, value: Any) -> Seen:
        points = leaves(self.x)
        slopes = [] if self.grad is None else leaves(self._projected())
        fun, sizes = self.reads.sizes(value, [*points, *slopes])
        finite = math.isfinite(fun) and all(map(math.isfinite, sizes[: len(points)]))
        sizes = sizes[len(points) :]
        norm = max(sizes, default=math.nan) if all(map(math.isfinite, sizes)) else math.nan
        return Seen(step, self.x, fun, self.grad, norm, finite)

    def _projected(self) -> Tree:
        """Return what bounds leave of the gradient."""
        if self.boxes is None:
            return self.grad
        return map_leaves(lambda x, g, box: box.projected(x, g), self.x, self.grad, self.boxes)

    @np.errstate(all="ignore")
    def moved(self) -> float:
        """Return the largest relative change of an element of x at the last step."""
        return self._largest(relative_changes, self.x, self.passed[-1].x)

    @np.errstate(all="ignore")
    def gain(self) -> float:
        """Return by how much f would fall along the gradient, by the secant of an earlier point.

        The secant is that of J. Barzilai and J. M. Borwein (1988), Two-point step size gradient
        methods, IMA J. Numer. Anal. 8, 141-148.
        """
        g = self._projected()
        secant, _ = self.secants()
        return secant * self._products((g, g))[0] / 2

    @np.errstate(all="ignore")
    def secants(self, start: Passed | None = None) -> tuple[float, float]:
        """Return sᵀs / sᵀy and sᵀy / yᵀy of two points: steps to the minimum of a parabola.

        They are infinite where the curvature is not positive, or nothing is known of it. Where the
        run has overflowed, the points are earlier ones; the first is the start, if that is given.
        """
        points = [start] if start else []
        points += self.passed
        latest = self._latest()
        if not points or latest is not points[-1]:
            points.append(latest)
        for old, new in zip(points[-2::-1], points[:0:-1], strict=True):
            s, y = (
                map_leaves(_difference, a, b) for a, b in ((new.x, old.x), (new.grad, old.grad))
            )
            length, curvature, square = self._products((s, s), (s, y), (y, y))
            if length > 0 and math.isfinite(length + square):
                known = curvature > 0
                self.known_secants = (
                    (length / curvature, curvature / square) if known else (math.inf, math.inf)
                )
                break
        return self.known_secants

    def _latest(self) -> Passed:
        """Return the last point at which the gradient was taken."""
        if self.passed and self.grad_is_of_last_step:
            return self.passed[-1]
        return Passed(self.steps, self.x, self.grad)

    @np.errstate(all="ignore")
    def slopes(self, typical: float = 0.0) -> float:
        """Return the largest of the relative slopes at the current point."""
        return self._largest(
            partial(relative_slopes, typical=typical), self._latest().x, self._projected()
        )

    @np.errstate(all="ignore")
    def reach(self) -> float:
        """Return the largest of the relative distances to the minimum along the gradient."""
        longest, _ = self.known_secants
        return longest * self._largest(
            relative_distances, self._projected(), self._latest().x, self.start
        )

    def _largest(self, measure: Callable[..., Array], *trees: Tree) -> float:
        return max(self.reads.sizes(0.0, leaves(map_leaves(measure, *trees)))[1])

    def _products(self, *pairs: tuple[Tree, Tree]) -> list[float]:
        """Return products of trees, taken for vectors."""
        found = [
            _flat(a) @ _flat(b) for pair in pairs for a, b in zip(*map(leaves, pair), strict=True)
        ]
        _, numbers, _ = self.reads(0.0, found)
        each = len(numbers) // len(pairs)
        return [math.fsum(numbers[i : i + each]) for i in range(0, len(numbers), each)]

    def stuck(self, fun: float) -> Status:
        """Tell what never happens: an update rule may raise f, and lower it later."""
        return Status.NO_DESCENT

    def shown(self, x: Tree) -> Tree:
        """Return a point as it is."""
        return x

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""
        passed = [[step, leaves(x), leaves(grad)] for step, x, grad in self.passed]
        known = {"x": leaves(self.x), "steps": self.steps}
        start = None if self.start is None else leaves(self.start)
        return {**known, "passed": passed, "secants": self.known_secants, "start": start}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        _, refill = flattened(self.form)
        self.x, self.steps = refill(iter(state["x"])), state["steps"]
        self.start = None if state["start"] is None else refill(iter(state["start"]))
        longest, shortest = state["secants"]
        self.known_secants = longest, shortest
        self.passed = [
            Passed(step, refill(iter(x)), refill(iter(grad))) for step, x, grad in state["passed"]
        ]


class Plain(FixedStep):
    """A run against the gradient with one learning rate, each of its points in new memory."""

    def __init__(self, slope: Slope, x: Tree, lr: float) -> None:
        super().__init__(slope, x)
        self.rate = lr
        self.rates = map_leaves(lambda leaf: _beside(lr, leaf), x)
        self.stepped = _of_trees(_stepped, x)

    def step(self) -> None:
        """Step against the gradient."""
        self.x = self.stepped(self.x, self.grad, self.rates)
        self.steps += 1

    def kept(self) -> Tree:
        """Return the current point."""
        return self.x

    def own(self, seen: Seen) -> Seen:
        """Return the same."""
        return seen

    def lr(self, step: int) -> float:
        """Return the learning rate."""
        return self.rate


class ByRule(FixedStep):
    """A run by an update rule, in the memory of x.

    Parameters
    ----------
    slope : Slope
    x : array or tree
        The run's own: steps overwrite it.
    optimizer : Optimizer
    boxes : Box, or tree of them, optional
        Of the structure of x.
    """

    def __init__(
        self, slope: Slope, x: Tree, optimizer: Optimizer, boxes: Tree | None = None
    ) -> None:
        super().__init__(slope, x)
        self.optimizer, self.boxes = optimizer, boxes
        self.memory = optimizer.init(x)
        self.update = optimizer.runner(x)

    def step(self) -> None:
        """Update the point and the memory of the rule."""
        self.x, self.memory = self.update(self.grad, self.memory, self.x)
        if self.boxes is not None:
            self.x = nearest(self.boxes, self.x)
        self.steps += 1

    def kept(self) -> Tree:
        """Return a copy of the current point."""
        return self.copied(self.x)

    def own(self, seen: Seen) -> Seen:
        """Return the same with copies of the point and the gradient, whose memory is used again."""
        grad = seen.grad if seen.grad is None else self.copied(seen.grad)
        return seen._replace(x=self.copied(seen.x), grad=grad)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.optimizer.lr_at(step)

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""
        return {**super().state(), "slots": self.memory.slots}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        super().restore(state)
        self.memory = OptimizerState(self.steps, tuple(map(tuple, state["slots"])))


def _of_trees(function: Callable[..., Any], like: Tree) -> Callable[..., Any]:
    """Return a function of arrays for trees of the structure of `like`."""
    return partial(map_leaves, function) if is_tree(like) else function


def _beside(lr: float, x: Array) -> Array:
    """Return a number beside `x`: two arrays multiply quicker than an array and a number."""
    return made_beside(x, lr, namespace_of(x), x.dtype)


def _stepped(x: Array, g: Array, rate: Array) -> Array:
    return _difference(x, rate * g)


def _flat(x: Array) -> Array:
    return x if len(x.shape) == 1 else namespace_of(x).reshape(x, (-1,))


def _difference(x: Array, y: Array) -> Array:
    difference = x - y
    # NumPy makes a scalar of an array without dimensions.
    return difference if difference.shape else namespace_of(x).asarray(difference)
