"""A second look at one slope: over steps as small as the noise of f allows, or over wide ones."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

# A slope is known if no more than this share of it is in doubt: one that is 1.3 times too large is
# seen.
MOST_DOUBT = 0.2

# The steps, in units of the one in which noise is as large as the doubt. The first of them is taken
# only if it is narrow, the others until one tells; none is wider than the widest.
_ABOVE_NOISE = (256, 16, 64)
_NARROW = 1e-9
_WIDEST = 1.0
# So many deviations of noise are allowed.
_DEVIATIONS = 4
# Over a wide step, one-sided slopes of a smooth f differ by less than this share of the larger one.
_SMOOTH = 0.5
# At a kink, one-sided slopes differ by the same over three steps, up to this factor; through
# curvature they differ in proportion to the step, through noise in inverse proportion.
_SAME_JUMP = 1.5

# The distances at which an f with the slope 0 is looked at, and where it must not be linear: there,
# it shows a slope that is hidden by noise nearer to x.
_DISTANCES = tuple(4.0**k for k in range(-3, 3))
_FAR = (4.0**9, 4.0**10)
# Slopes of a linear f differ by less than this factor.
_LINEAR = 1.25
# So many deviations of noise may lie between two values of an f that stays the same.
_SAME = 10
# A slope that was computed as zero may be off by so many roundings: of larger slopes, and of x.
_ROUNDINGS = 10
_ROUNDINGS_OF_X = 2


class Finding(enum.Enum):
    """What a second look finds of a slope."""

    WRONG = "f has another slope"
    RIGHT = "f has this slope; wider steps did not see it"
    KINK = "the slope lies between those on both sides of a kink"
    ZERO = "the slope is zero, and f is flat as far as its noise tells"
    UNCLEAR = "the noise of f hides it"


@dataclass(frozen=True)
class Profile:
    """f as a function of a number, at 0; distances are in units of max(1, |x|), or of x_scale.

    `value` is f(0), `noise` the standard deviation of f, and `eps` the rounding of its argument.
    """

    f: Callable[[float], float]
    value: float
    noise: float
    eps: float

    def second_look(self, slope: float, doubt: float, tolerance: float = 0.0) -> Finding:
        """Tell whether f may have this slope.

        `doubt` is how far the slope is, or may be, from what wider steps have found. The slope is
        compared with the one-sided ones, where the step is just so large that they are known much
        better than the doubt. It is wrong where it lies outside of these by more than `tolerance`;
        but over a step that is wide itself, only if f is seen to be smooth.
        """
        if not math.isfinite(slope):
            return Finding.WRONG
        noise = self.noise + self.eps * (abs(slope) + doubt)
        first, *others = [above * noise / doubt for above in _ABOVE_NOISE]
        finding = Finding.UNCLEAR
        for h in [first] * (first <= _NARROW) + others:
            if finding is Finding.UNCLEAR and h <= _WIDEST:
                margin = _DEVIATIONS * noise / h
                finding = self._compared(slope, h, margin, 0.0 if tolerance else doubt, tolerance)
        return finding

    def _compared(
        self, slope: float, h: float, margin: float, least: float, tolerance: float
    ) -> Finding:
        """Compare a slope with the one-sided ones over the step h, which noise moves by `margin`.

        `least` is a slope that f is known to have next to it.
        """
        ahead, behind = self._slopes(h)
        if not math.isfinite(ahead - behind):
            return Finding.UNCLEAR
        low, high = min(ahead, behind), max(ahead, behind)
        jump, largest = high - low, max(abs(low), abs(high))
        if not low - margin <= slope <= high + margin:
            resolved = h <= math.sqrt(self.eps) or jump <= _SMOOTH * largest
            apart = max(low - slope, slope - high) > tolerance
            return Finding.WRONG if resolved and apart else Finding.UNCLEAR
        if margin > MOST_DOUBT * max(abs(slope), largest, least):
            return Finding.UNCLEAR
        if jump <= 2 * margin:
            return Finding.RIGHT
        wider = [abs(a - b) for a, b in (self._slopes(2 * h), self._slopes(4 * h))]
        same = all(jump <= _SAME_JUMP * other <= _SAME_JUMP**2 * jump for other in wider)
        return Finding.KINK if same else Finding.UNCLEAR

    def _slopes(self, h: float) -> tuple[float, float]:
        return (self.f(h) - self.value) / h, (self.value - self.f(-h)) / h

    def is_zero(self, slope: float, doubt: float, largest: float) -> bool:
        """Tell whether f has the slope 0, as far as its noise tells.

        `slope` is what is claimed: 0, or what rounding leaves of it. Where f stays the same, its
        slope is bounded by its noise over that distance. What is left in doubt must be little
        against the slopes of f over wide steps or, where it never changes, against 1 and `largest`,
        the largest slope that is known of the other elements.
        """
        changes = self._changes()
        same = _SAME * self.noise
        first = min((d for d, change in changes.items() if change > same), default=math.inf)
        flat = max((d for d in changes if d < first), default=0.0)
        if flat:
            doubt = min(doubt, same / flat)
        scale = max(1.0, largest)
        rounding = _ROUNDINGS * self.eps * scale
        if first < math.inf:
            scale = max(changes[d] / d for d in changes if d <= max(first, 1.0))
            rounding = _ROUNDINGS_OF_X * self.eps * changes[first] / first**2
        elif self._is_linear():
            return False
        return doubt <= MOST_DOUBT * scale and abs(slope) <= min(doubt, rounding)

    def _changes(self) -> dict[float, float]:
        """Return by how much f changes at each distance, up to those at which it is not defined."""
        found = {}
        for distance in _DISTANCES:
            change = distance * max(map(abs, self._slopes_where_defined(distance)))
            if not math.isfinite(change):
                break
            found[distance] = change
        return found

    def _is_linear(self) -> bool:
        """Tell whether f has one slope, other than 0, to both sides far away."""
        slopes = [slope for distance in _FAR for slope in self._slopes_where_defined(distance)]
        low, high = sorted([min(slopes), max(slopes)], key=abs)
        return 0 < high / low <= _LINEAR if low and all(map(math.isfinite, slopes)) else False

    def _slopes_where_defined(self, h: float) -> tuple[float, float]:
        """Return the one-sided slopes; NaN where f raises, which need not be defined far away."""
        try:
            return self._slopes(h)
        except Exception:
            return math.nan, math.nan
