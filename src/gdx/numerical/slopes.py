"""A second look at one slope: at differences over steps of all sizes, from the narrowest on."""

from __future__ import annotations

import enum
import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# A slope is known if no more than this share of it is in doubt: one that is 1.3 times too large is
# seen.
MOST_DOUBT = 0.2

# The ratio of one distance to the next, and the widest of them.
_RATIO = 4.0
_WIDEST = 16.0
# The narrowest step is a few roundings of x, or of this number where x is smaller.
_SMALLEST = 1e-8
# Where f leaves a point at which its slope is 0, it changes by more than in proportion to the
# distance: by this factor at the next one, at least.
_GROWTH = 8
# So large a share of the slopes of f over wide steps may the doubt of a slope be that is 0; and
# so large a share of the doubt, its finite difference.
_LEFT = 0.02
_FOUND = 0.25
# So many deviations of noise lie between two values of an f that stays the same; if they are
# roundings of its value alone, fewer.
_SAME = 10
_SAME_ROUNDED = 4
# So many deviations of noise may change a slope.
_DEVIATIONS = 4
# A slope that was computed as zero may be off by so many roundings of larger slopes, and of x where
# slopes change with it, but by no more than this share of those over steps that are not so wide.
_ROUNDINGS = 10
_SMALL = 0.01
# At a kink, the one-sided slopes differ by the same over a wider step, up to this factor;
# through curvature they differ in proportion to it.
_SAME_JUMP = 1.5
# Central slopes over two steps differ by this share, at most, where f has no wave between them.
_WAVE = 0.5
# An f that stays the same at all distances must not be linear at these: there, it shows a slope
# that noise hides nearer to x. Slopes of a linear f differ by less than the factor.
_FAR = (4.0**9, 4.0**10)
_LINEAR = 1.25


class Finding(enum.Enum):
    """What a second look finds of a slope."""

    WRONG = "f has another slope"
    RIGHT = "f has this slope; wider steps did not see it"
    KINK = "the slope lies between those on both sides of a kink"
    ZERO = "the slope is zero, and f is flat as far as its noise tells"
    UNCLEAR = "the noise of f hides it, or steps of different sizes contradict each other"


class _Range(NamedTuple):
    """The one-sided slopes over some steps lie between `low` and `high`, which are off by `by`."""

    low: float
    high: float
    by: float

    @property
    def kinked(self) -> bool:
        """Whether the slopes on both sides are known to differ."""
        return self.high - self.low > 2 * self.by

    def holds(self, slope: float) -> bool:
        """Tell whether a slope may lie between the two."""
        return self.low - self.by <= slope <= self.high + self.by

    def meets(self, other: _Range) -> bool:
        """Tell whether some slope may be in both."""
        by = self.by + other.by
        return self.low - by <= other.high and other.low - by <= self.high


@dataclass(frozen=True)
class Profile:
    """f as a function of a number, at 0; distances are in units of max(1, |x|), or of x_scale.

    `value` is f(0), `noise` the standard deviation of f, `eps` the rounding of its argument, and
    `size` how large that is, at most 1.
    """

    f: Callable[[float], float]
    value: float
    noise: float
    eps: float
    size: float = 1.0

    def second_look(
        self, slope: float, found: float, doubt: float, largest: float = 0.0
    ) -> Finding:
        """Tell whether f may have this slope, where a finite difference has `found` another one.

        Or where the `doubt` of that is large. `largest` is the largest slope that is known of other
        elements.
        """
        if not math.isfinite(slope):
            return Finding.WRONG
        ranges = self._ranges()
        if ranges and ranges[0].kinked and ranges[0].holds(slope):
            return Finding.KINK
        if self._is_zero(slope, found, doubt, largest):
            return Finding.ZERO
        if self._is_hidden_by_rounding(slope):
            return Finding.UNCLEAR
        if abs(slope - found) > doubt:
            return Finding.WRONG if self._is_nowhere(slope) else self._instead(slope, found)
        best = min(ranges, key=lambda ranged: ranged.by, default=None)
        if best is None or not (best.holds(slope) and ranges[0].holds(slope)):
            return Finding.UNCLEAR
        return Finding.KINK if best.kinked else Finding.RIGHT

    def _instead(self, slope: float, found: float) -> Finding:
        """Tell whether f has this slope instead of the one that was found, by the narrowest steps.

        Those are the steps over which noise is little against the difference of the two.
        """
        off = abs(slope - found)
        narrower: list[_Range] = []
        told = False
        for h, (ahead, behind) in self._slopes.items():
            if h > 1:
                break
            wider, widest = (self._slopes.get(_RATIO**k * h, (math.nan,) * 2) for k in (1, 2))
            noise = self._deviation_at(self._deviation, (ahead, behind))
            by, believed = (
                self._by(each, max(abs(ahead), abs(behind)), h)
                for each in (noise, max(noise, self.noise))
            )
            centre, jump = (ahead + behind) / 2, abs(ahead - behind)
            bend = abs(sum(wider) / 2 - centre)
            if by <= off / 4 and not told:
                told = True
                here = _Range(min(ahead, behind), max(ahead, behind), by)
                if here.holds(slope):
                    if not max(bend, by) <= MOST_DOUBT * max(abs(slope), abs(centre), abs(found)):
                        return Finding.UNCLEAR
                    same = jump / _SAME_JUMP <= abs(wider[0] - wider[1]) <= _SAME_JUMP * jump
                    if here.kinked and same:
                        return Finding.KINK
                    if abs(slope - centre) <= by:
                        return Finding.RIGHT
            bend = max(bend, abs(sum(widest) / 2 - centre))
            if told and bend <= max(by, MOST_DOUBT * abs(centre)) and bend + by <= off / 2:
                there = _Range(centre, centre, bend + by)
                if all(map(there.meets, narrower)) and not there.holds(slope):
                    return Finding.UNCLEAR if self._is_seen_nearby(slope, off) else Finding.WRONG
            narrower.append(_Range(centre, centre, believed))
        return Finding.UNCLEAR

    def _is_seen_nearby(self, slope: float, off: float) -> bool:
        """Tell whether the narrowest steps agree with this slope, up to the rounding of f.

        Then a wave of f may have been taken for noise. One of these steps must be wide enough to
        distinguish the slope from another one that differs by `off`.
        """
        for h, sides in self._slopes.items():
            by = self._by(self._rounding, abs(slope), h)
            if not abs(slope - sum(sides) / 2) <= by:
                return False
            if 4 * by <= off and any(sides):
                return True
        return False

    @functools.cached_property
    def _slopes(self) -> dict[float, tuple[float, float]]:
        """The slopes of f over each distance, ahead and behind; NaN where f is not defined."""
        resolution = self.eps * max(self.size, _SMALLEST)
        narrowest = math.ceil(math.log(resolution, _RATIO)) + 1
        widest = round(math.log(_WIDEST, _RATIO))
        return {h: self._over(h) for h in (_RATIO**k for k in range(narrowest, widest + 1))}

    def _over(self, h: float) -> tuple[float, float]:
        try:
            return (self.f(h) - self.value) / h, (self.value - self.f(-h)) / h
        except Exception:  # f need not be defined far away
            return math.nan, math.nan

    @functools.cached_property
    def _changes(self) -> dict[float, float]:
        """By how much f changes at each distance, up to those at which it is not defined."""
        changes = {}
        for h, slopes in self._slopes.items():
            change = h * max(map(abs, slopes))
            if not math.isfinite(change + sum(slopes)):
                break
            changes[h] = change
        return changes

    @property
    def _rounding(self) -> float:
        """The rounding of f."""
        return self.eps * abs(self.value)

    @functools.cached_property
    def _deviation(self) -> float:
        """The noise of f, which slopes over narrow steps may show to be less than was believed.

        Waves as narrow as the steps in which noise was looked for seem to be noise.
        """
        seen = []
        for (h, slopes), (_, wider) in itertools.pairwise(self._slopes.items()):
            change = h * max(abs(a - b) for a, b in zip(slopes, wider, strict=True))
            if any(slopes) and h <= 1 and math.isfinite(change):
                seen.append(change)
        typical = 2 * sorted(seen)[len(seen) // 4] if seen else math.inf
        return max(self._rounding, min(self.noise, typical))

    def _deviation_at(self, least: float, sides: tuple[float, float]) -> float:
        """Return the least deviation, or the noise where f is constant on a side, as on a stair."""
        return least if all(sides) else max(least, self.noise)

    def _by(self, noise: float, slope: float, h: float) -> float:
        """Return by how much noise, and the rounding of the argument, may change a slope over h."""
        return _DEVIATIONS * (noise + self.eps * slope * max(self.size, h)) / h

    def _ranges(self) -> list[_Range]:
        """Return what slopes f has over the steps that tell, the narrowest first.

        Those tell over which, and over steps four and sixteen times as wide, the slopes agree on
        either side, unless they contradict slopes over narrower steps.
        """
        each = [(h, s) for h, s in self._slopes.items() if h <= 1]
        found: list[_Range] = []
        narrower: list[_Range] = []
        for k in range(len(each) - 2):
            h, own = each[k]
            ahead, behind = zip(*(slopes for _, slopes in each[k : k + 3]), strict=True)
            spread = max(max(side) - min(side) for side in (ahead, behind))
            size = max(map(abs, (*ahead, *behind)))
            noise = self._deviation_at(self._deviation, own)
            here = _Range(min(own), max(own), self._by(noise, size, h))
            ranged = here._replace(by=here.by + spread)
            seen = [other for other in narrower if other.by <= MOST_DOUBT * size]
            if ranged.by <= MOST_DOUBT * size and all(map(ranged.meets, seen)):
                found.append(ranged)
            narrower.append(here)
        return found

    def _is_nowhere(self, slope: float) -> bool:
        """Tell whether f has this slope over no step over which it could be seen.

        Over the narrowest of these, f must be as good as linear, or a wave might hide it.
        """
        by = {
            h: self._by(self._deviation_at(self._rounding, sides), abs(slope), h)
            for h, sides in self._slopes.items()
            if h <= 1
        }
        told = [h for h in by if by[h] <= MOST_DOUBT * abs(slope)]
        if len(told) < 2:
            return False
        narrow, wide = (self._slopes[h] for h in told[:2])
        linear = all(
            abs(there - here) <= by[told[1]] + _WAVE * abs(there)
            for here, there in zip(narrow, wide, strict=True)
        )
        if not linear or _Range(min(narrow), max(narrow), by[told[0]]).holds(slope):
            return False
        return all(
            abs(slope - sum(self._slopes[h]) / 2) > self._by(self._deviation, abs(slope), h)
            for h in told
        )

    def _is_zero(self, slope: float, found: float, doubt: float, largest: float) -> bool:
        """Tell whether f has the slope 0, as far as its noise tells.

        `slope` is what is claimed: 0, or what rounding leaves of it. Where f stays the same, its
        slope is bounded by its noise over that distance. What is left in doubt must be little
        against the slopes of f over wide steps or, where it never changes, against 1 and `largest`.
        """
        changes = self._changes
        rounded = self._deviation <= self._rounding
        same = (_SAME_ROUNDED if rounded else _SAME) * self._deviation
        flat, first = self._flat_up_to(same)
        left = min(doubt, same / flat) if flat else doubt
        scale = near = max(1.0, largest)
        share, curvature = MOST_DOUBT, 0.0
        if first < math.inf:
            before = max(same, changes.get(first / _RATIO, math.inf))
            after = changes.get(_RATIO * first, math.inf)
            if after < _GROWTH * changes[first] < _GROWTH**2 * before:
                return False
            slopes = {h: change / h for h, change in changes.items() if h >= first}
            scale, near = (
                max(slope for h, slope in slopes.items() if h <= max(first, far))
                for far in (1, 1 / 4)
            )
            share, curvature = _LEFT, slopes[first] / first
        elif self._is_linear():
            return False
        rounding = min(_ROUNDINGS * self.eps * (scale + self.size * curvature), _SMALL * near)
        small = abs(slope) <= rounding and abs(found) <= _FOUND * doubt + rounding
        return small and max(left, abs(found)) <= share * scale

    def _flat_up_to(self, most: float) -> tuple[float, float]:
        """Return the last distance at which f has not changed by more than this, and the next one.

        The next one is infinite where f never changes. Far away, a larger change is allowed.
        """
        moving = (h for h, change in self._changes.items() if change > most * max(1.0, h))
        first = min(moving, default=math.inf)
        return max((h for h in self._changes if h < first), default=0.0), first

    def _is_hidden_by_rounding(self, slope: float) -> bool:
        """Tell whether f is constant near x although it may have this slope.

        An example is the cross entropy of a confident classifier: it is log(1 + small), which is
        exactly 0. How f is rounded shows only in its larger values further away.
        """
        changes = self._changes
        flat, first = self._flat_up_to(0.0)
        if not flat or first == math.inf:
            return False
        rounding = self.eps * max(changes.values())
        most = min(changes[first], _ROUNDINGS * rounding)
        return _ROUNDINGS * self.noise < abs(slope) * flat <= most

    def _is_linear(self) -> bool:
        """Tell whether f has one slope, other than 0, to both sides far away."""
        slopes = [slope for distance in _FAR for slope in self._over(distance)]
        if not all(map(math.isfinite, slopes)):
            return False
        low, high = sorted([min(slopes), max(slopes)], key=abs)
        return low * high > 0 and abs(high) <= _LINEAR * abs(low)
