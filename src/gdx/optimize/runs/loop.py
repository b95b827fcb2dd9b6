"""The one loop that all methods run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from gdx.backends import Array, namespace_of
from gdx.optimize.result import Status
from gdx.optimize.runs.slopes import BudgetSpent, Slope
from gdx.trees import Tree


class Seen(NamedTuple):
    """What was read of a point, and after how many steps."""

    step: int
    x: Any
    fun: float
    grad: Any
    grad_norm: float
    finite: bool


class Stepper(Protocol):
    """A method at work: where it is, and how it goes on."""

    slope: Slope
    patience: float  # so many looks may bring neither a lower f nor a smaller gradient
    form: Any  # the start, of the structure of what is seen

    @property
    def steps(self) -> int:
        """How many were taken."""

    @property
    def x(self) -> Tree:
        """The current point."""

    @property
    def grad(self) -> Tree:
        """The gradient there."""

    watches: bool  # the change of x, which costs something
    reads_gain: bool  # whether the gain costs something, too

    def moved(self) -> float:
        """Return the largest relative change of an element of x at the last step.

        It is infinite where no step was taken. `watches` must have been set before.
        """

    def gain(self) -> float:
        """Return by how much f would fall to the minimum of a model of it; if none, infinity."""

    def slopes(self, typical: float = 0.0) -> float:
        """Return the largest of the relative slopes at the current point."""

    def reach(self) -> float:
        """Return the largest of the relative distances to the minimum of the model."""

    def stuck(self, fun: float) -> Status:
        """Tell what it means that f does not fall any more."""

    def prepare(self, step: int, last: bool) -> Seen:
        """Evaluate what the next step needs, and return what was read of the current point."""

    def advance(self) -> Status | None:
        """Take a step, or tell why there is none."""

    def unseen(self, steps: range) -> Iterator[int]:
        """Take steps of which nothing is read; yield the number of each before it is taken."""

    def kept(self) -> Tree:
        """Return the current point, in memory that later steps do not overwrite."""

    def own(self, seen: Seen) -> Seen:
        """Return the same with a point that later steps do not overwrite."""

    def shown(self, x: Any) -> Tree:
        """Return a point, or gradient, of what was seen with the structure of the start."""

    def lr(self, step: int) -> float | None:
        """Return the learning rate of a step, or the length of the last one."""

    def look(self, step: int) -> Seen:
        """Return what is to be read of the current point."""

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered to go on in another process."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""


class Descent:
    """What a callback sees of a run, before a step is taken.

    Attributes
    ----------
    step : int
        The number of steps taken so far.
    x : array or tree
        The current point: the run's own memory, which later steps may overwrite, and JAX deletes.
        Copy to keep it.
    grad : array or tree
        The gradient there.
    fun, grad_norm : float
        f there, and the largest absolute value in the gradient. In runs by an update rule they are
        read, and f is evaluated, when they are asked for.
    lr : float
        The learning rate; of a line search, its last step.
    nfev, njev : int
        Evaluations of f and of its gradient so far.
    """

    def __init__(self, stepper: Stepper, step: int, seen: Seen | None) -> None:
        self._stepper, self._seen = stepper, seen
        self.step = step
        self.x, self.grad, self.lr = stepper.x, stepper.grad, stepper.lr(step)
        counts = stepper.slope.counts
        self.nfev, self.njev = counts.nfev, counts.njev

    @property
    def fun(self) -> float:
        """The value of f at the current point."""
        return self._looked().fun

    @property
    def grad_norm(self) -> float:
        """The largest absolute value in the gradient."""
        return self._looked().grad_norm

    def _looked(self) -> Seen:
        if self._seen is None:
            if self._stepper.steps != self.step:
                raise RuntimeError(
                    f"f was not evaluated at step {self.step}, and the run has gone on since: ask "
                    "for fun and grad_norm inside the callback."
                )
            self._seen = self._stepper.look(self.step)
        return self._seen


class BatchDescent(NamedTuple):
    """What a callback sees of a run of many problems.

    Attributes
    ----------
    step : int
        How often all problems were evaluated before.
    x, grad : array, shape (k, ...)
        The current points, and the gradients there: the run's own memory, not to be changed.
    fun : array, shape (k,)
    running : int
        The number of problems that have not ended.
    nfev, njev : int
        Evaluations so far.
    """

    step: int
    x: Array
    fun: Array
    grad: Array
    running: int
    nfev: int
    njev: int


class Trail:
    """What a run has seen so far: where it is, and the best point; all points, if it `keeps` them.

    Looking again at the point at which a run ended, which then goes on, changes nothing.
    """

    end: Seen

    def __init__(self, keeps: bool = False) -> None:
        self.keeps = keeps
        self.points: list[Seen] = []
        self.best: Seen | None = None

    def add(self, seen: Seen, stepper: Stepper) -> None:
        """Remember a point that was looked at."""
        self.end = seen
        better = seen.finite and (self.best is None or seen.fun < self.best.fun)
        if not (better or self.keeps):
            return
        own = stepper.own(seen)
        if better:
            self.best = own
        if self.keeps:
            if self.points and self.points[-1].step == seen.step:
                self.points.pop()
            self.points.append(own)


Observer = Callable[[int, Stepper, Seen | None], bool]


def run(
    stepper: Stepper,
    trail: Trail,
    stop: Callable[[Seen, Stepper], Status | None],
    steps: range,
    check_every: int,
    before: Sequence[Callable[[int], None]],
    observers: Sequence[Observer],
    at_end: Sequence[Observer] = (),
) -> Status:
    """Take steps until one of the reasons to stop, and return it.

    Each point is seen by the observers before a step leads away from it; one that answers True
    ends the run. The last point, where a look ends the run, is seen by those `at_end`. Each of
    `before` is called before anything is evaluated there. An interrupt by the keyboard ends the run
    like any other reason, once there is a point to return.
    """
    step = steps.start
    try:
        while True:
            for each in before:
                each(step)
            last = step >= steps.stop
            if last or step % check_every == 0:
                seen = stepper.prepare(step, last)
                trail.add(seen, stepper)
                status = stop(seen, stepper)
                if status is not None or last:
                    _ended(at_end, step, stepper, seen)
                    return Status.STEP_LIMIT if status is None else status
                if _ended(observers, step, stepper, seen):
                    return Status.STOPPED
                failure = stepper.advance()
                if failure is not None:
                    return failure
            else:
                next_look = min(step - step % check_every + check_every, steps.stop)
                unseen = range(step, step + 1 if before else next_look)
                for step in stepper.unseen(unseen):
                    if observers and _ended(observers, step, stepper, None):
                        trail.add(stepper.look(step), stepper)
                        return Status.STOPPED
            step += 1
    except BudgetSpent:
        return Status.EVALUATION_LIMIT
    except KeyboardInterrupt:
        if trail.best is None:
            raise
        return Status.INTERRUPTED


def relative_change(new: float, old: float) -> float:
    """Return by how much a number has changed, relative to the larger of both."""
    return abs(new - old) / (max(abs(new), abs(old)) or 1.0)


def relative_changes(new: Array, old: Array) -> Array:
    """Return by how much each element has changed, relative to the larger of both."""
    xp = namespace_of(new)
    size = xp.maximum(xp.abs(new), xp.abs(old))
    return xp.asarray(xp.abs(new - old) / xp.where(size > 0, size, xp.ones_like(size)))


def _ended(observers: Sequence[Observer], step: int, stepper: Stepper, seen: Seen | None) -> bool:
    for observe in observers:  # noqa: SIM110 - any() would cost as much as the cheapest step
        if observe(step, stepper, seen):
            return True
    return False


def told(callback: Callable[[Descent], Any]) -> Observer:
    """Return what tells a callback of each point, and whether it has answered True.

    StopIteration is another way to say so.
    """

    def tell(step: int, stepper: Stepper, seen: Seen | None) -> bool:
        return stops(callback, Descent(stepper, step, seen))

    return tell


def stops(callback: Callable[[Any], Any], seen: object) -> bool:
    """Tell whether a callback wants a run to stop: it returns True, or raises StopIteration."""
    try:
        answer = callback(seen)
    except StopIteration:
        return True
    return isinstance(answer, bool | np.bool_) and bool(answer)
