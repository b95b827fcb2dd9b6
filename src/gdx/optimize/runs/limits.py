"""When a minimisation ends."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from gdx.optimize.result import Status
from gdx.optimize.runs.loop import Seen, Stepper

# So many roundings of f are no progress.
_NOISE = 100
_REMEMBERED = ("judged", "idle", "least_norm", "least_fun")


@dataclass
class Limits:
    """What ends a run, and what has to be remembered for it.

    Parameters
    ----------
    tol, rtol : float
        Of the gradient; of the relative change of x and f. Zero switches them off.
    target, max_nfev, max_seconds : number or None
    max_steps : int
    rounding : float
        The relative error of f, at least.
    """

    tol: float
    rtol: float
    target: float | None
    max_steps: int
    max_nfev: int | None
    max_seconds: float | None
    rounding: float
    # What is remembered:
    judged: int = -1
    idle: int = 0
    least_norm: float = math.inf
    least_fun: float = math.inf
    began: float = field(default_factory=time.monotonic)

    def __call__(self, seen: Seen, stepper: Stepper) -> Status | None:
        """Return why the run ends at a point, if it does."""
        if not seen.finite:
            return Status.DIVERGED
        again, self.judged = seen.step == self.judged, seen.step
        if self.target is not None and seen.fun <= self.target:
            return Status.TARGET_REACHED
        if not math.isfinite(seen.grad_norm):
            return Status.DIVERGED
        if seen.grad_norm <= self.tol or seen.grad_norm == 0:
            flat = seen.grad_norm == 0 and not stepper.slope.reacts(stepper.x)
            return Status.NO_REACTION if flat else Status.CONVERGED
        if self.rtol and not again and stepper.change(seen) <= self.rtol:
            return Status.HARDLY_CHANGED
        if self.max_nfev is not None and stepper.slope.counts.nfev >= self.max_nfev:
            return Status.EVALUATION_LIMIT
        if self.max_seconds is not None and self.seconds >= self.max_seconds:
            return Status.TIME_LIMIT
        if not again:
            self._watch(seen)
        return stepper.stuck(seen.fun) if self.idle >= stepper.patience else None

    @property
    def seconds(self) -> float:
        """How long this call has taken."""
        return time.monotonic() - self.began

    def state(self) -> dict[str, float]:
        """Return what is to be remembered to go on in another process."""
        return {name: getattr(self, name) for name in _REMEMBERED}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from what was remembered."""
        for name in _REMEMBERED:
            setattr(self, name, state[name])

    def _watch(self, seen: Seen) -> None:
        """Count the looks since f fell by more than its noise, or the gradient did."""
        fell = seen.fun < self.least_fun - _NOISE * self.rounding * abs(seen.fun)
        if fell or seen.grad_norm < 0.9 * self.least_norm:
            self.idle = 0
            self.least_fun = min(self.least_fun, seen.fun)
        else:
            self.idle += 1
        self.least_norm = min(self.least_norm, seen.grad_norm)
