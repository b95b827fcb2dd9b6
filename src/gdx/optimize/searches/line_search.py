"""Line searches: how far to go along a direction, decided by numbers on the host.

A search is a generator. It yields the next step to try, is sent a `Probe` of it, and returns the
step that it accepts; None, if it finds none.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple


class Probe(NamedTuple):
    """What is known of a trial.

    Attributes
    ----------
    f, slope : float
        The value, and its slope along the path there.
    due : float
        The change of f that the slope at the start promises: the step times the slope, if the path
        is straight.
    cut : bool
        Whether bounds have cut the step.
    """

    f: float
    slope: float
    due: float
    cut: bool = False


Search = Generator[float, Probe, float | None]

DECREASE = 1e-3  # c1, the share of the decrease that the slope at the start promises
CURVATURE = 0.9  # c2, the share of the slope at the start that may be left
TRIALS = 20
_NARROW = 0.66
_WIDEN = (1.1, 4.0)


class _Trial(NamedTuple):
    """A step, f there, and the slope."""

    step: float
    f: float
    slope: float

    def tilted(self, by: float) -> _Trial:
        """Return the same of the function f(t) - `by` t."""
        return _Trial(self.step, self.f - by * self.step, self.slope - by)


def strong_wolfe(
    f0: float, slope0: float, step: float, rounding: float, curvature: float = CURVATURE
) -> Search:
    """Search a step t with f(t) ≤ f(0) + c1 t f'(0) and |f'(t)| ≤ c2 |f'(0)|.

    Where f is within its `rounding` of f(0), the slope tells instead: the first condition becomes
    f'(t) ≤ (2 c1 - 1) f'(0). From a value that is NaN or infinite it backs off. Of a step that
    bounds have cut, the first condition alone is asked, with what is due in place of t f'(0).

    References
    ----------
    J. J. Moré and D. J. Thuente (1994), Line search algorithms with guaranteed sufficient decrease,
    ACM TOMS 20, 286-307.
    W. W. Hager and H. Zhang (2005), A new conjugate gradient method with guaranteed descent and an
    efficient line search, SIAM J. Optim. 16, 170-192, eq. 4.1: the approximate Wolfe conditions.
    """
    line, most_slope = DECREASE * slope0, (2 * DECREASE - 1) * slope0
    low = high = _Trial(0.0, f0, slope0)
    bracketed, first_stage = False, True
    limit = width = last_width = math.inf
    least, most = 0.0, (1 + _WIDEN[1]) * step
    for _ in range(TRIALS):
        f, slope, due, cut = yield step
        if not (math.isfinite(f) and math.isfinite(slope)):
            if step <= low.step:
                break
            limit, high, bracketed = step, low, False
            step = low.step + (step - low.step) / 4
            least, most = low.step, limit
            continue
        enough = f <= f0 + DECREASE * due
        if cut:
            found = due < 0 and f <= f0 + DECREASE * due + rounding
        else:
            flat = enough and abs(slope) <= -curvature * slope0
            nearly = f <= f0 + rounding and curvature * slope0 <= slope <= most_slope
            found = flat or nearly
        if found:
            return step
        first_stage = first_stage and not (enough and slope >= 0)
        # In the first stage, it is the height above the line of the first condition that counts.
        tilt = line if first_stage and f <= low.f and not enough else 0.0
        a, b, trial = (point.tilted(tilt) for point in (low, high, _Trial(step, f, slope)))
        low, high, step, bracketed = _narrowed(a, b, trial, bracketed, least, most)
        low, high = low.tilted(-tilt), high.tilted(-tilt)
        if bracketed:
            if abs(high.step - low.step) >= _NARROW * last_width:
                step = (low.step + high.step) / 2
            last_width, width = width, abs(high.step - low.step)
            least, most = sorted((low.step, high.step))
            if not least < step < most:
                break  # the interval has come down to rounding
        else:
            least, most = (step + by * (step - low.step) for by in _WIDEN)
            if step >= limit:
                step = (low.step + limit) / 2
    return low.step if low.f < f0 else None


def _narrowed(
    low: _Trial, high: _Trial, trial: _Trial, bracketed: bool, least: float, most: float
) -> tuple[_Trial, _Trial, float, bool]:
    """Return the interval after a trial, the next step, and whether it brackets a minimum.

    The four cases of Moré and Thuente, section 4.
    """
    ahead = trial.step - low.step
    opposite = trial.slope * low.slope < 0
    if trial.f > low.f:
        cubic, quadratic = _cubic(low, trial), _quadratic(low, trial)
        nearer = abs(cubic - low.step) < abs(quadratic - low.step)
        step = cubic if nearer else (cubic + quadratic) / 2
        return low, trial, step, True
    if opposite:
        cubic, secant = _cubic(trial, low), _secant(trial, low)
        step = cubic if abs(cubic - trial.step) > abs(secant - trial.step) else secant
        return trial, low, step, True
    if abs(trial.slope) < abs(low.slope):
        cubic, secant = _cubic(trial, low), _secant(trial, low)
        if (cubic - trial.step) * ahead <= 0:  # it has its minimum behind the trial, or none
            cubic = most if ahead > 0 else least
        nearer = abs(cubic - trial.step) < abs(secant - trial.step)
        step = cubic if nearer is bracketed else secant
        if bracketed:
            end = trial.step + _NARROW * (high.step - trial.step)
            step = min(step, end) if ahead > 0 else max(step, end)
        else:
            step = min(max(step, least), most)
    elif bracketed:
        step = _cubic(trial, high)
    else:
        step = most if ahead > 0 else least
    return trial, high, step, bracketed


def _cubic(a: _Trial, b: _Trial) -> float:
    """Return the minimum of the cubic that has the values and slopes of two trials."""
    theta = 3 * (a.f - b.f) / (b.step - a.step) + a.slope + b.slope
    size = max(abs(theta), abs(a.slope), abs(b.slope))
    if size == 0:
        return b.step
    gamma = size * math.sqrt(max(0.0, (theta / size) ** 2 - a.slope / size * (b.slope / size)))
    gamma = math.copysign(gamma, b.step - a.step)
    below = 2 * gamma - a.slope + b.slope
    if below == 0:
        return b.step
    return a.step + (gamma - a.slope + theta) / below * (b.step - a.step)


def _quadratic(a: _Trial, b: _Trial) -> float:
    """Return the minimum of the parabola that has both values and the slope of the first."""
    chord = (b.f - a.f) / (b.step - a.step)
    return a.step + a.slope / (a.slope - chord) / 2 * (b.step - a.step)


def _secant(a: _Trial, b: _Trial) -> float:
    """Return where the line through both slopes is zero."""
    return a.step + a.slope / (a.slope - b.slope) * (b.step - a.step)


def armijo(f_reference: float, f0: float, step: float, rounding: float) -> Search:
    """Search a step with f(t) ≤ f_reference + c1 f'(0) t, by going back from the first.

    In place of f'(0) t counts what is due. f may miss this by its `rounding`. The next trial is
    the minimum of the parabola through these numbers, between a tenth and a half of the last. With
    the largest of the last values of f as the reference, f need not fall at every step.

    References
    ----------
    L. Armijo (1966), Minimization of functions having Lipschitz continuous first partial
    derivatives, Pacific J. Math. 16, 1-3.
    L. Grippo, F. Lampariello and S. Lucidi (1986), A nonmonotone line search technique for Newton's
    method, SIAM J. Numer. Anal. 23, 707-716.
    """
    for _ in range(TRIALS):
        f, _, due, _ = yield step
        if due < 0 and f - f_reference <= DECREASE * due + rounding:
            return step
        above = f - f0 - due
        lowest = -due / (2 * above) if above > 0 else 0.5
        step *= min(max(lowest, 0.1), 0.5)
    return None
