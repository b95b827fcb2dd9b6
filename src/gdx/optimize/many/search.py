"""Steps of many problems at once, each to where a line search of its own ends."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

from gdx.backends import Array, cast, device_of, epsilon, library, namespace_of
from gdx.optimize.many.learnt import Learnt, Memory
from gdx.optimize.result import Status
from gdx.optimize.runs import endings
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.endings import nothing_left, relative_distances, relative_slopes
from gdx.optimize.runs.limits import CONFIRMED, Limits
from gdx.optimize.runs.loop import relative_changes
from gdx.optimize.searches.line_search import CURVATURE, DECREASE

STATUSES = tuple(Status)
CODE = {status: code for code, status in enumerate(STATUSES)}
RUNNING = -1

# Of one search; after the last of these, it also ends where less is promised than f is rounded.
_TRIALS, _BISECT_AFTER, _TRIALS_IN_ROUNDING = 30, 8, 3
_PATIENCE = 20  # so many steps may bring neither a lower f nor a smaller gradient
_WIDEN = (1.1, 4.0)
_EDGE = 0.1  # a trial keeps this share of an interval away from its ends
_BACK_OFF = 0.25  # from a value that is NaN or infinite


class Point(NamedTuple):
    """Vectors as columns, (n, k); f there, its gradient, and the largest element that stops."""

    x: Array
    fun: Array
    grad: Array
    norm: Array


class Search(NamedTuple):
    """A line search of each problem: the direction, the slope along it, the step to try next.

    At `low`, f is low enough, but still falls; `high` is beyond a minimum, or infinite. `promised`
    is the fall of f that the slope lets expect of the first trial, `plain` tells whether the
    direction is that of the gradient alone, and `gain` by how much f would fall along it if its
    model were exact.
    """

    d: Array
    slope: Array
    step: Array
    promised: Array
    plain: Array
    gain: Array
    low: Array
    low_fun: Array
    low_slope: Array
    high: Array
    high_fun: Array
    high_slope: Array
    trials: Array


class State(NamedTuple):
    """Where all problems are, how each of them ended, and what is to be remembered of them."""

    point: Point
    search: Search
    memory: Memory
    code: Array
    nit: Array
    idle: Array
    least_fun: Array
    least_norm: Array
    ending: Ending


class Ending(NamedTuple):
    """What is known of each problem to judge its end.

    `start` is where it began; at so many looks in a row as are `confirmed`, nothing was left to
    gain; `stuck` and `ended` tell whether nothing is for a run that cannot or may not go on.
    """

    start: Point
    confirmed: Array
    stuck: Array
    ended: Array


Fields = TypeVar("Fields", Point, Search)


def where(chosen: Array, new: Fields, old: Fields) -> Fields:
    """Return the fields of the problems that are chosen from `new`, of the others from `old`."""
    xp = namespace_of(chosen)
    pairs = zip(new, old, strict=True)
    return type(old)(*(a if a is b else xp.where(chosen, a, b) for a, b in pairs))


Parts = TypeVar("Parts", bound=tuple[Any, ...])


def settled(parts: Parts) -> Parts:
    """Return a tuple of arrays, or of such tuples, all computed now where the library is lazy."""
    each = [settled(part) if isinstance(part, tuple) else _settled(part) for part in parts]
    made: Parts = type(parts)(*each) if hasattr(parts, "_fields") else type(parts)(each)
    return made


def _settled(x: Array) -> Array:
    return library(namespace_of(x)).settled(x)


def coded(code: Array, ends: list[tuple[Status, Array]]) -> Array:
    """Return the codes, of problems that ran with the first of the ends that they have met."""
    xp = namespace_of(code)
    for status, met in ends:
        code = xp.where((code == RUNNING) & met, xp.full_like(code, CODE[status]), code)
    return code


def finite(fun: Array, grad: Array) -> Array:
    """Tell of which problems f and its gradient are finite."""
    xp = namespace_of(fun)
    return xp.isfinite(fun) & xp.all(xp.isfinite(grad), axis=0)


def size(x: Array, dtype: object) -> Array:
    """Return the largest absolute value in each column."""
    xp = namespace_of(x)
    return cast(xp.max(xp.abs(x), axis=0), dtype, xp)


def norm(x: Array, grad: Array, box: Box | None, dtype: object) -> Array:
    """Return what must become small in each problem: of the gradient, what bounds leave of it."""
    return size(grad if box is None else box.projected(x, grad), dtype)


def begun_ending(point: Point) -> Ending:
    """Return what is known at the start."""
    none = namespace_of(point.fun).zeros_like(point.norm)
    return Ending(point, none, none > 0, none > 0)


def judged(
    ending: Ending,
    point: Point,
    d: Array,
    gain: Array,
    looked: Array,
    box: Box | None,
    gradient: str,
) -> Ending:
    """Return what is known of problems at points, with the ways to the minima of their models.

    Those that are `looked` at have moved there; `gradient` is how gradients are had.
    """
    xp, dtype = namespace_of(point.x), point.fun.dtype
    free = point.grad if box is None else box.free(point.x, point.grad, point.grad)
    slopes = size(relative_slopes(point.x, free), dtype)
    reach = size(relative_distances(d, point.x, ending.start.x), dtype)
    scale = point.fun, ending.start.fun - point.fun, rounding(point), gradient
    running, stuck, ended = (
        nothing_left(gain, slopes, reach, *scale, bounds)
        for bounds in (endings.RUNNING, endings.STUCK, endings.ENDED)
    )
    of_one = size(relative_slopes(point.x, free, 1.0), dtype)
    stuck = stuck | endings.precise(of_one, point.fun, rounding(point))
    again = xp.where(running, ending.confirmed + 1, xp.zeros_like(ending.confirmed))
    confirmed = xp.where(looked, again, ending.confirmed)
    return ending._replace(confirmed=confirmed, stuck=stuck, ended=ended)


def endless(ending: Ending, point: Point) -> Array:
    """Return for each problem whether f seems to fall without end; see `Limits.endless`."""
    xp, eps = namespace_of(point.fun), rounding(point)
    start = ending.start
    far = start.fun - point.fun > (xp.abs(start.fun) + start.norm) / eps
    return (point.fun < start.fun) & (far | (point.norm > start.norm / eps))


def met(
    new: Point, old: Point | None, ending: Ending, limits: Limits
) -> list[tuple[Status, Array]]:
    """Return which problems have come to what is asked for."""
    xp = namespace_of(new.x)
    converged = new.norm == 0
    if limits.gtol is None:
        converged = converged | (ending.confirmed >= CONFIRMED)
    else:
        converged = new.norm <= limits.gtol
    ends = [(Status.CONVERGED, converged)]
    if limits.target is not None:
        ends.append((Status.TARGET_REACHED, new.fun <= limits.target))
    if old is None:
        return ends
    fell, height = xp.abs(new.fun - old.fun), xp.maximum(xp.abs(new.fun), xp.abs(old.fun))
    changes = []
    if limits.ftol:
        changes.append(fell <= limits.ftol * xp.maximum(height, xp.ones_like(height)))
    if limits.watches:
        moved = size(relative_changes(new.x, old.x), new.fun.dtype)
        if limits.xtol:
            changes.append(moved <= limits.xtol)
        if limits.rtol:
            changes.append((moved <= limits.rtol) & (fell <= limits.rtol * height))
    return [*ends, *((Status.HARDLY_CHANGED, small) for small in changes)]


class ManySearched:
    """Quasi-Newton steps of all problems, each with a search that is wherever it has come to.

    A search ends at a step t with f(t) ≤ f(0) + c1 t f'(0) and f'(t) ≥ c2 f'(0). Where f is within
    its rounding of f(0), the slope tells instead: the first condition becomes
    f'(t) ≤ (2 c1 - 1) f'(0). At the lower end of its interval the first condition holds and the
    second does not; at the upper end, the first does not. Within bounds, steps go along the
    projected arc, and the second condition counts only where nothing is cut off.

    Parameters
    ----------
    learnt : Learnt
    box : Box or None
        Of columns.
    limits : Limits

    References
    ----------
    A. S. Lewis and M. L. Overton (2013), Nonsmooth optimization via quasi-Newton methods, Math.
    Programming 141, 135-163: the interval.
    W. W. Hager and H. Zhang (2005), A new conjugate gradient method with guaranteed descent and an
    efficient line search, SIAM J. Optim. 16, 170-192, eq. 4.1: the approximate conditions.
    """

    def __init__(self, learnt: Learnt, box: Box | None, limits: Limits) -> None:
        self.learnt, self.box, self.limits = learnt, box, limits

    def start(self, x: Array, fun: Array, grad: Array) -> State:
        """Return the state at the start, from the values and the gradients there."""
        xp = namespace_of(x)
        fine = finite(fun, grad)
        grad = xp.where(fine, grad, xp.zeros_like(grad))
        none = xp.zeros(fun.shape, dtype=xp.int32, device=device_of(x))
        point = Point(x, fun, grad, norm(x, grad, self.box, fun.dtype))
        ending = begun_ending(point)
        ends = [(Status.DIVERGED, ~fine), *met(point, None, ending, self.limits)]
        if self.limits.max_steps == 0:
            ends.append((Status.STEP_LIMIT, fine))
        code = coded(none + RUNNING, ends)
        memory = self.learnt.nothing(x)
        search = self._begun(point, memory, ~fine, none)
        return settled(State(point, search, memory, code, none, none, fun, point.norm, ending))

    def trial(self, state: State) -> Array:
        """Return the points to be evaluated next; where a problem has ended, its point."""
        x, xp = state.point.x, namespace_of(state.point.x)
        ahead = self._straight(state)
        if self.box is not None:
            ahead = self.box.nearest(ahead)
        return xp.where(state.code == RUNNING, ahead, x)

    def after(self, state: State, x: Array, fun: Array, grad: Array, gradient: str) -> State:
        """Return the state after the trial points were evaluated, with gradients of a kind."""
        xp, old, search = namespace_of(x), state.point, state.search
        fine = finite(fun, grad)
        fun, grad = xp.where(fine, fun, old.fun), xp.where(fine, grad, old.grad)
        new = Point(x, fun, grad, norm(x, grad, self.box, fun.dtype))
        slope, due, cut = settled(self._along(state, new))
        nearly = (fun <= old.fun + self._noise(old)) & (slope <= (2 * DECREASE - 1) * search.slope)
        enough = fine & (due < 0) & (nearly | (fun <= old.fun + DECREASE * due))
        last, running = search.trials >= _TRIALS, state.code == RUNNING
        moved = running & enough & (cut | last | (slope >= CURVATURE * search.slope))
        narrowed = settled(_narrowed(search, fun, slope, enough, fine))
        narrowed = narrowed._replace(gain=_gain(search, slope, fine & ~cut))
        lost = -narrowed.step * search.slope <= rounding(old) * xp.abs(old.fun)
        lost = lost & (search.trials >= _TRIALS_IN_ROUNDING)
        failed = running & ~moved & (last | lost | xp.all(x == old.x, axis=0))
        moved, failed = settled((moved, failed))
        point = settled(where(moved, new, old))
        nit = state.nit + xp.astype(moved, xp.int32)
        fell = point.fun < state.least_fun - rounding(point) * xp.abs(point.fun)
        fell = fell | (point.norm < 0.9 * state.least_norm)
        idle = xp.where(moved, xp.where(fell, 0 * nit, state.idle + 1), state.idle)
        stuck = running & ((failed & (search.plain | state.ending.stuck)) | (idle >= _PATIENCE))
        memory = settled(self._learnt(state.memory, old, new, moved))
        begun = settled(self._begun(point, memory, failed, 0 * nit))
        begun = begun._replace(
            promised=xp.where(failed, search.promised, begun.promised),
            gain=xp.where(failed, narrowed.gain, begun.gain),
        )
        turned = moved | failed
        ahead = where(turned, begun, narrowed)
        d = cast(-2 * ahead.gain / ahead.slope, x.dtype, xp) * ahead.d
        ending = judged(state.ending, point, d, ahead.gain, moved, self.box, gradient)
        following = state._replace(
            point=point,
            search=ahead,
            memory=self.learnt.without(memory, turned & begun.plain),
            nit=nit,
            idle=idle,
            least_fun=xp.minimum(state.least_fun, point.fun),
            least_norm=xp.minimum(state.least_norm, point.norm),
            ending=ending,
        )
        in_rounding = (search.promised <= self._noise(point)) | ending.stuck
        found = met(new, old, ending, self.limits)
        ends = [
            *((status, moved & reached) for status, reached in found),
            (Status.PRECISION_LIMIT, stuck & in_rounding),
            (Status.NO_DESCENT, stuck),
            (Status.STEP_LIMIT, nit >= self.limits.max_steps),
        ]
        return settled(following._replace(code=coded(state.code, ends)))

    def _straight(self, state: State) -> Array:
        search, x = state.search, state.point.x
        return x + cast(search.step, x.dtype, namespace_of(x)) * search.d

    def _along(self, state: State, new: Point) -> tuple[Array, Array, Array]:
        """Return the slope at trial points, what that at the start promises, and what is cut."""
        xp, old, search = namespace_of(new.x), state.point, state.search
        if self.box is None:
            slope = _dot(new.grad, search.d, new.fun)
            return slope, search.step * search.slope, xp.zeros_like(search.plain)
        kept = new.x == self._straight(state)
        free = self.box.free(old.x, old.grad, old.grad)
        slope = _dot(new.grad, xp.where(kept, search.d, xp.zeros_like(search.d)), new.fun)
        return slope, _dot(free, new.x - old.x, new.fun), ~xp.all(kept, axis=0)

    def _learnt(self, memory: Memory, old: Point, new: Point, moved: Array) -> Memory:
        xp = namespace_of(new.x)
        s, y = new.x - old.x, new.grad - old.grad
        if self.box is not None:  # of a fixed element, nothing is to be learnt
            y = xp.where(s != 0, y, xp.zeros_like(y))
        curvature, square = xp.sum(s * y, axis=0), xp.sum(y * y, axis=0)
        due = xp.abs(xp.sum(old.grad * s, axis=0))
        fits = moved & (curvature > rounding(old) * cast(due, curvature.dtype, xp))
        one = xp.ones_like(square)
        curvature, square = xp.where(fits, curvature, one), xp.where(fits, square, one)
        return self.learnt.more(memory, s, y, curvature, square, fits)

    def _begun(self, point: Point, memory: Memory, failed: Array, none: Array) -> Search:
        """Return searches from points; where the last one failed, against the gradient."""
        xp, fun, free = namespace_of(point.x), point.fun, point.grad
        if self.box is not None:
            free = self.box.free(point.x, free, free)
        d = -self.learnt.times(memory, free)
        if self.box is not None:
            d = self.box.free(point.x, d, point.grad)
        slope = _dot(free, d, fun)
        plain = failed | ~self.learnt.known(memory) | ~(slope < 0)
        square = _dot(free, free, fun)
        slope = xp.where(plain, -square, slope)
        one = xp.ones_like(square)
        step = xp.where(plain, 1 / xp.sqrt(xp.where(square > 0, square, one)), one)
        zero = xp.zeros_like(slope)
        return Search(
            d=xp.where(plain, -free, d),
            slope=slope,
            step=step,
            promised=-step * slope,
            plain=plain,
            gain=xp.where(plain, xp.full_like(slope, math.inf), -slope / 2),
            low=zero,
            low_fun=fun,
            low_slope=slope,
            high=xp.full_like(slope, math.inf),
            high_fun=fun,
            high_slope=zero,
            trials=none,
        )

    def _noise(self, point: Point) -> Array:
        return 10 * rounding(point) * namespace_of(point.fun).abs(point.fun)


def rounding(point: Point) -> float:
    """Return the relative error of f, at least."""
    xp = namespace_of(point.x)
    return max(epsilon(xp, point.x.dtype), epsilon(xp, point.fun.dtype))


def _dot(a: Array, b: Array, like: Array) -> Array:
    xp = namespace_of(a)
    return cast(xp.sum(a * b, axis=0), like.dtype, xp)


def _gain(search: Search, slope: Array, whole: Array) -> Array:
    """Return the gains; where there is no model, by the slopes at both ends of a whole step."""
    xp, rise = namespace_of(slope), slope - search.slope
    seen = whole & (rise > 0) & ~xp.isfinite(search.gain)
    rise = xp.where(seen, rise, xp.ones_like(rise))
    return xp.where(seen, search.slope * search.slope * search.step / rise / 2, search.gain)


def _narrowed(search: Search, fun: Array, slope: Array, enough: Array, fine: Array) -> Search:
    """Return the searches with the trial as an end of the interval, and the next step.

    It is 0 where an interval has come down to rounding, or there were too many trials, and no step
    was found that is low enough; if one was, it is tried again, to be taken.
    """
    xp, step = namespace_of(fun), search.step
    endless = xp.full_like(fun, math.inf)
    low = xp.where(enough, step, search.low)
    low_fun = xp.where(enough, fun, search.low_fun)
    low_slope = xp.where(enough, slope, search.low_slope)
    high = xp.where(enough, search.high, step)
    high_fun = xp.where(enough, search.high_fun, xp.where(fine, fun, endless))
    high_slope = xp.where(enough, search.high_slope, slope)
    # Beyond the trial, where the slopes let expect the minimum:
    ahead, flatter = step - search.low, slope - search.low_slope
    least, most = (step + by * ahead for by in _WIDEN)
    secant = step - slope * ahead / xp.where(flatter > 0, flatter, xp.ones_like(flatter))
    secant = xp.where(flatter > 0, secant, most)
    beyond = xp.minimum(xp.maximum(secant, least), most)
    # Within the interval, that of the cubic with the values and slopes at its ends:
    bounded = xp.isfinite(high)
    width = xp.where(bounded, high, low + 1) - low
    theta = 3 * (low_fun - high_fun) / width + low_slope + high_slope
    root = xp.sqrt(xp.maximum(theta * theta - low_slope * high_slope, xp.zeros_like(theta)))
    share = (root - low_slope + theta) / (2 * root - low_slope + high_slope)
    share = xp.minimum(
        xp.maximum(share, xp.full_like(share, _EDGE)), xp.full_like(share, 1 - _EDGE)
    )
    halves = (search.trials >= _BISECT_AFTER) | ~xp.isfinite(share)
    share = xp.where(halves, xp.full_like(share, 0.5), share)
    share = xp.where(xp.isfinite(high_fun), share, xp.full_like(share, _BACK_OFF))
    trials = search.trials + 1
    narrow = width <= 2 * epsilon(xp, fun.dtype) * high
    over = (trials >= _TRIALS) | (bounded & narrow)
    following = xp.where(bounded, low + share * width, beyond)
    return search._replace(
        step=xp.where(over, low, following),
        low=low,
        low_fun=low_fun,
        low_slope=low_slope,
        high=high,
        high_fun=high_fun,
        high_slope=high_slope,
        trials=xp.where(over, xp.full_like(trials, _TRIALS), trials),
    )
