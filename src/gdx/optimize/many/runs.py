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
    Ending,
    ManySearched,
    Point,
    begun_ending,
    coded,
    endless,
    finite,
    judged,
    met,
    norm,
    settled,
    where,
)
from gdx.optimize.many.slopes import values_of
from gdx.optimize.result import Status
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.outcome import FALLING, LIMITED, REACHED, STUCK
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.updates.optimizer import Optimizer
from gdx.optimize.updates.segments import OptimizerState


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
    def finished(self, code: Array) -> tuple[Point, Array, Array]:
        """Return the points that are the result, how they ended, and which are a success."""

    @np.errstate(all="ignore")
    def judged(self, code: Array, point: Point, limits: Limits) -> tuple[Array, Array]:
        """Return how problems ended, with what is seen at their ends, and which are a success.

        As `outcome.judged` does for one.
        """
        xp, ending = namespace_of(code), self.state.ending
        reached = self.reached(code)
        stuck, limited = (_among(code, statuses) for statuses in (STUCK, LIMITED))
        if limits.gtol is None:
            fine = limited & ending.ended
            code = xp.where(fine, xp.full_like(code, CODE[Status.CONVERGED]), code)
        precise = stuck & ending.stuck
        code = xp.where(precise, xp.full_like(code, CODE[Status.PRECISION_LIMIT]), code)
        success = reached | precise | (code == CODE[Status.CONVERGED])
        falls = ~success & _among(code, FALLING) & endless(self.state.ending, point)
        return xp.where(falls, xp.full_like(code, CODE[Status.UNBOUNDED]), code), success

    def reached(self, code: Array) -> Array:
        """Tell which problems have come to what was asked for."""
        return _among(code, REACHED)


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
            self.state = self.search.after(self.state, x, fun, grad, self.columns.slope.name)

    def finished(self, code: Array) -> tuple[Point, Array, Array]:
        """Return where the searches are, and how they ended."""
        point = self.state.point
        return point, *self.judged(code, point, self.search.limits)


class Stepped(NamedTuple):
    """Where all problems are when they are looked at, the best points seen, and how they ended."""

    point: Point
    best: Point
    code: Array
    nit: Array
    ending: Ending


class Stepping(Run):
    """A run by an update rule, by which all problems step together until each of them ends."""

    always_judged = False

    def __init__(
        self, columns: Columns, x: Array, optimizer: Optimizer, box: Box | None, limits: Limits
    ) -> None:
        super().__init__(columns, x)
        self.box, self.limits, self.ticks = box, limits, limits.max_steps
        self.grad: Array = None
        self.before: tuple[Array, Array] | None = None  # the last point, and the gradient there
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
            old = Stepped(new, new, whole + RUNNING, whole, begun_ending(new))
        running = old.code == RUNNING
        better = running & fine & ~(old.best.fun <= fun)
        last, ending = None, old.ending
        if self.before is not None:
            last = old.point._replace(x=self.before[0])
            ending = judged(
                ending, new, *self._model(*self.before), running, self.box, self.columns.slope.name
            )
        ends = [
            (Status.DIVERGED, ~fine),
            *met(new, last, ending, self.limits),
            (Status.STEP_LIMIT, xp.full_like(fine, tick >= self.ticks)),
        ]
        nit = xp.where(running, xp.full_like(old.nit, tick), old.nit)
        return Stepped(new, where(better, new, old.best), coded(old.code, ends), nit, ending)

    def _model(self, x: Array, grad: Array) -> tuple[Array, Array]:
        """Return the ways to the minima along the gradients, by secants, and the gains there."""
        xp = namespace_of(self.x)
        s, y, free = self.x - x, self.grad - grad, self.grad
        if self.box is not None:
            free = self.box.free(self.x, free, free)
        pairs = (s, s), (s, y), (free, free)
        length, curvature, square = (xp.sum(a * b, axis=0) for a, b in pairs)
        curved = curvature > 0
        secant = length / xp.where(curved, curvature, xp.ones_like(curvature))
        secant = xp.where(curved, secant, xp.full_like(secant, math.inf))
        return secant * free, secant * square / 2

    def advance(self) -> None:
        """Step, where a problem has not ended."""
        xp, known, old = self.columns.xp, self.columns.known, self.x
        with np.errstate(all="ignore"):
            x, (step, slots) = self.update(self.grad, self.state_of_rule, known.copied(old))
        self.before = old, known.copied(self.grad)
        self.state_of_rule = OptimizerState(step, settled(slots))
        if self.box is not None:
            x = self.box.nearest(x)
        self.x = known.settled(xp.where(self.state.code == RUNNING, x, old))

    def finished(self, code: Array) -> tuple[Point, Array, Array]:
        """Return the points where problems came to an end, else the best, and how they ended."""
        code, success = self.judged(code, self.state.best, self.limits)
        return where(success, self.state.point, self.state.best), code, success


def _among(code: Array, statuses: tuple[Status, ...]) -> Array:
    """Tell which codes are those of some statuses."""
    found = code == CODE[statuses[0]]
    for status in statuses[1:]:
        found = found | (code == CODE[status])
    return found
