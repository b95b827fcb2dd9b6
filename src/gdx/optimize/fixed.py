"""Runs by an update rule, which take every step that it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from gdx.backends import common_namespace, device_of, library
from gdx.optimize.bounds import nearest
from gdx.optimize.loop import Seen
from gdx.optimize.optimizer import Optimizer
from gdx.optimize.reading import Reads
from gdx.optimize.result import Status
from gdx.optimize.segments import OptimizerState
from gdx.optimize.slopes import Slope
from gdx.trees import Tree, flattened, is_tree, leaves, map_leaves


class FixedStep:
    """A run by an update rule; its numbers are read only when they are looked at.

    Parameters
    ----------
    slope : Slope
    x : array or tree
        The run's own: steps overwrite it.
    optimizer : Optimizer
    boxes : Box, or tree of them, optional
        Of the structure of x.
    last_gradient : bool
        Whether the gradient is taken at the end, too, where no step needs it.
    """

    patience = math.inf

    def __init__(
        self,
        slope: Slope,
        x: Tree,
        optimizer: Optimizer,
        boxes: Tree | None = None,
        last_gradient: bool = True,
    ) -> None:
        self.slope, self.optimizer, self.boxes = slope, optimizer, boxes
        self.last_gradient = last_gradient
        self.x, self.form = x, x
        self.grad: Tree | None = None
        self.state_of_rule = optimizer.init(x)
        self.update = optimizer.runner(x)
        xp, first = common_namespace(*leaves(x)), leaves(x)[0]
        # Steps may take the memory of x away, but what is read goes beside an array.
        self.reads = Reads(xp.zeros(1, dtype=first.dtype, device=device_of(first)))
        copied = library(xp).copied
        self.copied: Callable[[Tree], Tree] = partial(map_leaves, copied) if is_tree(x) else copied
        self.seen: Seen | None = None
        self.before: Seen | None = None

    @property
    def steps(self) -> int:
        """How many were taken."""
        return self.state_of_rule.step

    def prepare(self, step: int, last: bool) -> Seen:
        """Evaluate f and its gradient, and read them."""
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
        """Return the larger of the relative changes of x and f since the last look."""
        old, self.before = self.before, self.own(seen)
        if old is None:
            return math.inf
        moves = map_leaves(lambda x, y: x - y, seen.x, old.x)
        _, sizes = self.reads.sizes(0.0, [*leaves(moves), *leaves(seen.x)])
        half = len(sizes) // 2
        fell = abs(seen.fun - old.fun) / (max(abs(seen.fun), abs(old.fun)) or 1.0)
        return max(max(sizes[:half]) / (max(sizes[half:]) or 1.0), fell)

    def stuck(self, fun: float) -> Status:
        """Tell what never happens: an update rule may raise f, and lower it later."""
        return Status.NO_DESCENT

    def advance(self) -> Status | None:
        """Update the point and the memory of the rule."""
        self.x, self.state_of_rule = self.update(self.grad, self.state_of_rule, self.x)
        if self.boxes is not None:
            self.x = nearest(self.boxes, self.x)
        return None

    def kept(self) -> Tree:
        """Return a copy of the current point."""
        return self.copied(self.x)

    def own(self, seen: Seen) -> Seen:
        """Return the same with copies of the point and the gradient, whose memory is used again."""
        grad = seen.grad if seen.grad is None else self.copied(seen.grad)
        return seen._replace(x=self.copied(seen.x), grad=grad)

    def shown(self, x: Tree) -> Tree:
        """Return a point as it is."""
        return x

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""
        before = self.before and (leaves(self.before.x), self.before.fun)
        return {"x": leaves(self.x), "optimizer": self.state_of_rule, "before": before}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        _, refill = flattened(self.form)
        self.x = refill(iter(state["x"]))
        step, slots = state["optimizer"]
        self.state_of_rule = OptimizerState(step, tuple(map(tuple, slots)))
        if state["before"]:
            x, fun = state["before"]
            self.before = Seen(step, refill(iter(x)), fun, None, math.nan, True)

    def lr(self, step: int) -> float | None:
        """Return the learning rate of a step."""
        return self.optimizer.lr_at(step)
