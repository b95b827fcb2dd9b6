"""When a minimisation ends."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from gdx.optimize.result import Status
from gdx.optimize.runs.endings import RUNNING, Bounds, nothing_left
from gdx.optimize.runs.loop import Seen, Stepper, relative_change

# So many roundings of f are no progress.
_NOISE = 100
# Where f changes by more than this share between two looks, there is more to gain.
_STEADY = 1e-3
# At so many looks in a row, nothing must be left to gain: one model of f may be wrong.
CONFIRMED = 2
_REMEMBERED = (
    *("judged", "idle", "least_norm", "least_fun"),
    *("start", "start_norm", "last", "confirmed"),
)


_OF = {"ftol": "f", "xtol": "each element of x", "rtol": "each element of x, and f,"}


@dataclass
class Limits:
    """What ends a run, and what has to be remembered for it.

    Parameters
    ----------
    rounding : float
        The relative error of f, at least.
    gtol : float or None
        Of the gradient; None asks that there is nothing left to gain.
    ftol, xtol, rtol : float
        Of the change of f, of x, of both. Zero switches them off.
    target, max_nfev, max_seconds : number or None
    max_steps : int
    """

    rounding: float
    gtol: float | None = None
    ftol: float = 0.0
    xtol: float = 0.0
    rtol: float = 0.0
    target: float | None = None
    max_steps: int = 10_000
    max_nfev: int | None = None
    max_seconds: float | None = None
    fired: str = ""  # which of the tolerances of a change has ended the run
    # What is remembered:
    judged: int = -1
    idle: int = 0
    least_norm: float = math.inf
    least_fun: float = math.inf
    start: float = math.nan  # f there
    start_norm: float = math.nan  # of the gradient
    last: float = math.nan  # f at the last look
    confirmed: int = 0
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
        if seen.grad_norm == 0:
            reacts = stepper.slope.reacts(stepper.x)
            return Status.CONVERGED if reacts else Status.NO_REACTION
        if self.gtol is not None and seen.grad_norm <= self.gtol:
            return Status.CONVERGED
        if not again:
            status = self._compared(seen, stepper)
            if status is not None:
                return status
        if self.gtol is None and self.confirmed >= CONFIRMED:
            return Status.CONVERGED
        if self.max_nfev is not None:
            counts = stepper.slope.counts
            counts.most = self.max_nfev  # from here on: the start is evaluated in any case
            if counts.nfev >= counts.most:
                return Status.EVALUATION_LIMIT
        if self.max_seconds is not None and self.seconds >= self.max_seconds:
            return Status.TIME_LIMIT
        return stepper.stuck(seen.fun) if self.idle >= stepper.patience else None

    @property
    def watches(self) -> bool:
        """Whether the change of x must be known."""
        return self.xtol > 0 or self.rtol > 0

    @property
    def seconds(self) -> float:
        """How long this call has taken."""
        return time.monotonic() - self.began

    def at_minimum(self, seen: Seen, stepper: Stepper, bounds: Bounds = RUNNING) -> bool:
        """Tell whether nothing is left to gain, as far as the method can tell."""
        gain, fall, gradient = stepper.gain(), self.start - seen.fun, stepper.slope.name
        scale = seen.fun, fall, self.rounding, gradient, bounds
        if gain == math.inf or not nothing_left(gain, 0.0, 0.0, *scale):
            return False  # as most often; the rest must be read
        return bool(nothing_left(gain, stepper.slopes(), stepper.reach(), *scale))

    def endless(self, seen: Seen) -> bool:
        """Tell whether f seems to fall without end, or the gradient to grow without end as f falls.

        By the size of f at the start, and by that of the change in a step of length one.
        """
        if not seen.fun < self.start:
            return False
        far = self.start - seen.fun > (abs(self.start) + self.start_norm) / self.rounding
        return far or seen.grad_norm > self.start_norm / self.rounding

    @property
    def change(self) -> tuple[str, float]:
        """What has hardly changed, and the tolerance that says so."""
        return _OF[self.fired], getattr(self, self.fired)

    def state(self) -> dict[str, float]:
        """Return what is to be remembered to go on in another process."""
        return {name: getattr(self, name) for name in _REMEMBERED}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from what was remembered."""
        for name in _REMEMBERED:
            setattr(self, name, state[name])

    def _compared(self, seen: Seen, stepper: Stepper) -> Status | None:
        """Return why the run ends, judged by what was seen before; remember what is seen now."""
        last, self.last = self.last, seen.fun
        if math.isnan(last):
            self.start, self.start_norm = seen.fun, seen.grad_norm
        elif self._hardly_changed(seen, stepper, last):
            return Status.HARDLY_CHANGED
        if self.gtol is None:
            done = self._steady(seen, last, stepper) and self.at_minimum(seen, stepper)
            self.confirmed = self.confirmed + 1 if done else 0
        self._watch(seen)
        return None

    def _steady(self, seen: Seen, last: float, stepper: Stepper) -> bool:
        """Tell whether it pays to ask for the gain, where that must be read from the device."""
        if not stepper.reads_gain:
            return True
        change = abs(last - seen.fun)
        return change <= _STEADY * abs(seen.fun) + _STEADY**2 * abs(self.start - seen.fun)

    def _hardly_changed(self, seen: Seen, stepper: Stepper, last: float) -> bool:
        """Tell whether a change is within a tolerance, and remember which."""
        if not (self.ftol or self.watches) or stepper.lr(seen.step - 1) == 0:
            return False
        fell = abs(seen.fun - last)
        moved = stepper.moved() if self.watches else math.inf
        changes = {
            "ftol": fell / max(abs(seen.fun), abs(last), 1.0),
            "xtol": moved,
            "rtol": max(moved, relative_change(seen.fun, last)),
        }
        found = (name for name, change in changes.items() if change <= getattr(self, name) > 0)
        self.fired = next(found, "")
        return self.fired != ""

    def _watch(self, seen: Seen) -> None:
        """Count the looks since f fell by more than its noise, or the gradient did."""
        fell = seen.fun < self.least_fun - _NOISE * self.rounding * abs(seen.fun)
        if fell or seen.grad_norm < 0.9 * self.least_norm:
            self.idle = 0
            self.least_fun = min(self.least_fun, seen.fun)
        else:
            self.idle += 1
        self.least_norm = min(self.least_norm, seen.grad_norm)
