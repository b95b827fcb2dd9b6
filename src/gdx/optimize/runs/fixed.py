"""Runs that take every step that a rule says, and read nothing for it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

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
from gdx.optimize.runs.loop import Seen, relative_change
from gdx.optimize.runs.reading import Reads
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.updates.optimizer import Optimizer
from gdx.optimize.updates.segments import OptimizerState
from gdx.trees import Tree, flattened, is_tree, leaves, map_leaves


class FixedStep(ABC):
    """A run whose steps are what they are; its numbers are read only when they are looked at.

    Parameters
    ----------
    slope : Slope
    x : array or tree
        The run's own.
    """

    patience = math.inf
    boxes: Tree | None = None
    last_gradient = True  # whether it is taken at the end, too, where no step needs it

    def __init__(self, slope: Slope, x: Tree) -> None:
        self.slope, self.x, self.form = slope, x, x
        self.grad: Tree | None = None
        first = leaves(x)[0]
        xp = namespace_of(first)
        # Steps may take the memory of x away, but what is read goes beside an array.
        beside = xp.zeros(1, dtype=first.dtype, device=device_of(first))
        self.reads = Reads(chunked_like(beside, first, xp))
        self.settled = _of_trees(library(xp).settled, x)
        self.steps = 0
        self.seen: Seen | None = None
        self.watches = False
        self.before: Tree | None = None  # the point before the last step, if it is watched
        self.last_fun = math.nan  # f at the last look

    @abstractmethod
    def advance(self) -> Status | None:
        """Take a step."""

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
        if last and not self.last_gradient:
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
            if self.watches and step == steps[-1]:
                self.before = self.kept()
            self.advance()

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

    def change(self, seen: Seen) -> float:
        """Return the larger of the relative changes: of x by a step, of f since a look."""
        old, last = self.before, self.last_fun
        self.before, self.last_fun = self.kept(), seen.fun
        if old is None or self.lr(seen.step - 1) == 0:
            return math.inf
        moves = map_leaves(lambda x, y: x - y, seen.x, old)
        _, sizes = self.reads.sizes(0.0, [*leaves(moves), *leaves(seen.x)])
        half = len(sizes) // 2
        moved = max(sizes[:half]) / (max(sizes[half:]) or 1.0)
        return max(moved, relative_change(seen.fun, last))

    def size(self, seen: Seen) -> float:
        """Return the largest absolute value in x."""
        return max(self.reads.sizes(0.0, leaves(seen.x))[1])

    def stuck(self, fun: float) -> Status:
        """Tell what never happens: an update rule may raise f, and lower it later."""
        return Status.NO_DESCENT

    def shown(self, x: Tree) -> Tree:
        """Return a point as it is."""
        return x

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""
        before = None if self.before is None else leaves(self.before)
        return {"x": leaves(self.x), "steps": self.steps, "before": before, "fun": self.last_fun}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        _, refill = flattened(self.form)
        self.x, self.steps, self.last_fun = refill(iter(state["x"])), state["steps"], state["fun"]
        self.before = None if state["before"] is None else refill(iter(state["before"]))


class Plain(FixedStep):
    """A run against the gradient with one learning rate, each of its points in new memory."""

    def __init__(self, slope: Slope, x: Tree, lr: float) -> None:
        super().__init__(slope, x)
        self.rate = lr
        self.rates = map_leaves(lambda leaf: _beside(lr, leaf), x)
        self.stepped = _of_trees(_stepped, x)

    def advance(self) -> Status | None:
        """Step against the gradient."""
        self.x = self.stepped(self.x, self.grad, self.rates)
        self.steps += 1
        return None

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
        self.copied = _of_trees(library(common_namespace(*leaves(x))).copied, x)

    def advance(self) -> Status | None:
        """Update the point and the memory of the rule."""
        self.x, self.memory = self.update(self.grad, self.memory, self.x)
        if self.boxes is not None:
            self.x = nearest(self.boxes, self.x)
        self.steps += 1
        return None

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
    moved = x - rate * g
    return moved if moved.shape else namespace_of(x).asarray(moved)  # NumPy makes it a scalar
