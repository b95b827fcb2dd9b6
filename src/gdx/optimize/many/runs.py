"""Methods at work on many problems at once: searches, and update rules."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import Array, cast, library, namespace_of
from gdx.optimize.many.search import (
    CODE,
    RUNNING,
    Goal,
    ManySearched,
    Point,
    coded,
    finite,
    met,
    norm,
    settled,
    where,
)
from gdx.optimize.many.slopes import values_of
from gdx.optimize.result import Status
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.updates.optimizer import Optimizer
from gdx.optimize.updates.segments import OptimizerState

_REACHED = (Status.CONVERGED, Status.HARDLY_CHANGED, Status.TARGET_REACHED)


class Columns:
    """f and its gradient at vectors that are columns, (n, k).

    Sums over the elements of a vector are then sums of rows, which lie in one piece, and a number
    of each problem fits to a vector of it as it is.
    """

    def __init__(self, slope: Slope, x: Array) -> None:
        self.slope, self.shape = slope, tuple(x.shape)
        self.xp = namespace_of(x)
        self.known = library(self.xp)
        self.elements = math.prod(self.shape[1:])

    def columns_of(self, x: Array) -> Array:
        """Return a stack, (k, ...), as columns of their own memory."""
        xp, k = self.xp, self.shape[0]
        flat = xp.reshape(xp.matrix_transpose(xp.reshape(x, (k, self.elements))), (-1,))
        if 1 in (k, self.elements) and self.known.writable(flat):
            flat = self.known.copied(flat)  # the transposed has the memory of x
        return self.known.settled(xp.reshape(flat, (self.elements, k)))

    def stack_of(self, x: Array) -> Array:
        """Return columns as a stack."""
        return self.xp.reshape(self.xp.matrix_transpose(x), self.shape)

    def result_of(self, x: Array) -> Array:
        """Return columns as a stack that lies in one piece."""
        return self.xp.reshape(self.xp.reshape(self.stack_of(x), (-1,)), self.shape)

    def both(self, x: Array) -> tuple[Array, Array]:
        """Return the values and the gradients at columns."""
        stack = self.stack_of(x)
        value, grad = self.slope.both(stack)
        fun = values_of(value, stack)
        fun = cast(fun, self.xp.result_type(x.dtype, fun.dtype), self.xp)
        if self.slope.name == "given" and self.known.writable(fun):
            fun = self.known.copied(fun)  # the user's function may reuse its memory
        return self.known.settled(fun), self.columns_of(cast(grad, x.dtype, self.xp))

    def gradient(self, x: Array) -> Array:
        """Return the gradients at columns."""
        return self.columns_of(self.slope.gradient(self.stack_of(x)))


class Run(ABC):
    """A method at work on all problems.

    Attributes
    ----------
    state : State or Stepped
        Where all problems are, and how each of them ended: `point`, `code` and `nit`.
    """

    ticks: float = math.inf  # how often it may go on
    always_judged = True  # or only where it is looked at

    def __init__(self, columns: Columns, x: Array) -> None:
        self.columns, self.x = columns, x
        self.state: Any = None

    @abstractmethod
    def prepare(self, tick: int, look: bool) -> None:
        """Evaluate what is needed to go on."""

    @abstractmethod
    def advance(self) -> None:
        """Go on by a step, or by a trial."""

    @abstractmethod
    def finished(self, code: Array) -> tuple[Point, Array]:
        """Return the points that are the result, and which of them are a success."""

    def reached(self, code: Array) -> Array:
        """Tell which problems have come to what was asked for."""
        xp = namespace_of(code)
        found = xp.zeros_like(code, dtype=xp.bool)
        for status in _REACHED:
            found = found | (code == CODE[status])
        return found


class Searching(Run):
    """A run of searches; each evaluation is a trial of all problems."""

    def __init__(self, columns: Columns, x: Array, search: ManySearched) -> None:
        super().__init__(columns, x)
        self.search = search

    def prepare(self, tick: int, look: bool) -> None:
        """Evaluate the start; all else is evaluated to go on."""
        if self.state is None:
            fun, grad = self.columns.both(self.x)
            with np.errstate(all="ignore"):
                self.state = self.search.start(self.x, fun, grad)

    def advance(self) -> None:
        """Evaluate the next trial of each problem."""
        x = self.columns.known.settled(self.search.trial(self.state))
        fun, grad = self.columns.both(x)
        with np.errstate(all="ignore"):
            self.state = self.search.after(self.state, x, fun, grad)

    def finished(self, code: Array) -> tuple[Point, Array]:
        """Return where the searches are; a small gradient may be all that rounding allows."""
        precise = (code == CODE[Status.PRECISION_LIMIT]) & self.state.small
        return self.state.point, self.reached(code) | precise


class Stepped(NamedTuple):
    """Where all problems are when they are looked at, the best points seen, and how they ended."""

    point: Point
    best: Point
    code: Array
    nit: Array


class Stepping(Run):
    """A run by an update rule, by which all problems step together until each of them ends."""

    always_judged = False

    def __init__(
        self, columns: Columns, x: Array, optimizer: Optimizer, box: Box | None, goal: Goal
    ) -> None:
        super().__init__(columns, x)
        self.box, self.goal, self.ticks = box, goal, goal.max_steps
        self.grad: Array = None
        self.before = x
        self.state_of_rule = optimizer.init(x)
        self.update = optimizer.runner(x)

    def prepare(self, tick: int, look: bool) -> None:
        """Evaluate the gradient, and f where it is looked at, and judge that."""
        if not look:
            self.grad = self.columns.gradient(self.x)
            return
        fun, self.grad = self.columns.both(self.x)
        with np.errstate(all="ignore"):
            self.state = settled(self._judged(tick, fun))

    def _judged(self, tick: int, fun: Array) -> Stepped:
        xp, grad, old = namespace_of(fun), self.grad, self.state
        fine = finite(fun, grad)
        new = Point(self.x, fun, grad, norm(self.x, grad, self.box, fun.dtype))
        if old is None:
            whole = xp.zeros_like(fun, dtype=xp.int32)
            old = Stepped(new, new, whole + RUNNING, whole)
        running = old.code == RUNNING
        better = running & fine & ~(old.best.fun <= fun)
        ends = [
            (Status.DIVERGED, ~fine),
            *met(new, self.state and self.state.point._replace(x=self.before), self.goal),
            (Status.STEP_LIMIT, xp.full_like(fine, tick >= self.ticks)),
        ]
        nit = xp.where(running, xp.full_like(old.nit, tick), old.nit)
        return Stepped(new, where(better, new, old.best), coded(old.code, ends), nit)

    def advance(self) -> None:
        """Step, where a problem has not ended."""
        xp, known, old = self.columns.xp, self.columns.known, self.x
        with np.errstate(all="ignore"):
            x, (step, slots) = self.update(self.grad, self.state_of_rule, known.copied(old))
        self.before = old
        self.state_of_rule = OptimizerState(step, settled(slots))
        if self.box is not None:
            x = self.box.nearest(x)
        self.x = known.settled(xp.where(self.state.code == RUNNING, x, old))

    def finished(self, code: Array) -> tuple[Point, Array]:
        """Return the points where problems came to an end, else the best."""
        reached = self.reached(code)
        return where(reached, self.state.point, self.state.best), reached
