"""Is a gradient right? It is compared with finite differences whose own error is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gdx.autodiff.transforms import gradient_of
from gdx.backends import Array, floating, library, namespace_of
from gdx.devices import on_device_of
from gdx.numerical.comparison import Comparison
from gdx.numerical.given import as_gradient
from gdx.numerical.in_place import check_unchanged
from gdx.numerical.jacobian import directional
from gdx.numerical.leafwise import leafwise, shape_of_x
from gdx.numerical.line import Line
from gdx.numerical.locks import undisturbed
from gdx.numerical.noise import noise_of
from gdx.numerical.points import Directions
from gdx.numerical.report import (
    APART,
    NOT_FINITE,
    RANDOM,
    SYMMETRIC,
    WORST,
    GradientCheck,
    inconclusive,
    unless_wrong,
)
from gdx.numerical.settings import Settings, settings
from gdx.numerical.slopes import Finding, Profile
from gdx.numerical.suspects import Evidence, suspected_cause
from gdx.numerical.values import Function, gathered
from gdx.numerical.vector import Vector, number, split, tree_of, unit
from gdx.trees import Tree, coarsest_epsilon, leaves, map_leaves

# So many elements are compared one by one; of more, as many chosen at random.
_MOST = 1000


@on_device_of(1)
def check_gradient(
    f: Callable[[Tree], Any],
    x: Tree,
    grad: Callable[[Tree], Tree] | Tree | None = None,
    *,
    x_scale: Any = None,
    rng: Any = None,
) -> GradientCheck:
    r"""Tell whether a gradient is right, by finite differences.

    Each element g_i is compared with a central difference d_i, extrapolated to the step 0, whose
    own error is known. Its *doubt* is 5 · error_i + √eps · \|d_i\|, where eps is that of the dtype
    of x or of the gradient, whichever is coarser. An element is

    - right if \|g_i - d_i\| is within the doubt, and the doubt no more than a fifth of the element;
    - otherwise looked at again, over single steps of all sizes. It is wrong if \|g_i - d_i\|
      exceeds the doubt by more than 10 · eps · max_j \|d_j\|, and steps over which f is as good as
      linear contradict it, too. It is right if they contradict d_i instead, or know the element
      better; if it lies between the slopes on both sides of a kink, as that of abs or relu at 0;
      or if it is zero and f is flat there. Or else nothing is known of it.

    The gradient is correct if all elements are right, wrong if one is wrong, and otherwise
    inconclusive. A symmetric gradient at a symmetric matrix x is compared with the mean of the
    differences in (i, j) and (j, i), where these differ: eigh and cholesky read one triangle alone,
    and `grad` has them as functions of symmetric matrices. How the remainder
    \|f(x + hv) - f(x) - h⟨g, v⟩\| falls along random directions v is reported, like h² where g is
    right; of more than 1000 elements, the slopes along these directions must be right, too.

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number.
    x : array_like, or dict, list or tuple of arrays
        Where the gradient is checked; real.
    grad : callable, array or tree of arrays, optional
        The gradient there, or a function that takes `x` and returns it. By default, the exact one,
        as `gdx.grad` has it.
    x_scale : float, array or tree, optional
        The unit of the steps in place of max(1, \|x_i\|): the length over which `f` varies, one for
        all elements or one for each. The steps are a fourth of it and less; only where an element
        is said to be 0, `f` is evaluated far away, too, and need not be defined there. Give it
        where `f` varies over much less than 1, as log at x = 1e-8, or where its rounding hides the
        slopes.
    rng : int or numpy.random.Generator, optional
        Of the directions, and of the elements where there are more than 1000: so many are compared,
        then, chosen at random. By default, they are the same in each call.

    Returns
    -------
    check : GradientCheck
        With `verdict`, `message`, `cause`, `worst`, `given`, `numerical`, `error`,
        `remainder_order`; its truth is that of ``verdict == "correct"``, and it prints as a report.

    Raises
    ------
    ValueError
        If the gradient has not the structure and shapes of `x`, if `f` changes its argument, or if
        `x_scale` is not positive.
    TypeError
        If `x` is not real, or `f` returns something that is not a real number.
    TracingError
        If `grad` is None and `f` cannot be traced.

    Notes
    -----
    "Inconclusive" is the verdict where nothing can be told, of f or of some elements, which are
    named: f is random or not finite at x, or its rounding is too large against its slopes, as that
    of a large function in float32, and of most functions in bfloat16, which has two to three
    digits. Numbers are read from the device, `f` is evaluated 34 times for each element compared
    (18 times in float32), up to 90 times more for one that is looked at again, and about 50 times
    for all. What is smaller than some roundings of `f` is not seen; stairs and waves that are not
    much larger can seem to be noise.

    An `x` that can be assigned is stepped in place, as by `numerical_gradient`, which says what
    other threads see meanwhile.

    References
    ----------
    E. Hairer, C. Lubich and G. Wanner (2006), Geometric Numerical Integration, 2nd ed.: orders of
    remainders, as a test.
    J. J. Moré and S. M. Wild (2011), Estimating computational noise, SIAM Journal on Scientific
    Computing 33, 1292-1314: the noise of f.
    C. J. F. Ridders (1982), Advances in Engineering Software 4, 75-76: the error.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> x = np.asarray([1.0, 2.0, 3.0])
    >>> bool(gdx.check_gradient(lambda x: np.sum(x**3), x, lambda x: 3 * x**2))
    True
    >>> check = gdx.check_gradient(lambda x: np.sum(x**3), x, lambda x: -3 * x**2)
    >>> print(check.verdict, check.cause)
    wrong sign
    """
    rng = np.random.default_rng(0 if rng is None else rng)
    point = map_leaves(_array, x)
    with np.errstate(all="ignore"):
        return undisturbed(lambda x: _checked(f, x, grad, x_scale, rng), point, in_place=True)


def _checked(
    f: Function, point: Tree, grad: Any, x_scale: Any, rng: np.random.Generator
) -> GradientCheck:
    if not any(math.prod(leaf.shape) for leaf in leaves(point)):
        raise ValueError("x must hold at least one element; there is no derivative to compare.")
    first, second = _evaluated(f, point), _evaluated(f, point)
    gradient = _gradient(f, point, grad)
    given = Vector(as_gradient(point, gradient))
    if not math.isfinite(first):
        return inconclusive(NOT_FINITE.format(f=first), "not finite", given)
    if first != second:
        message = RANDOM.format(first=first, second=second)
        return inconclusive(message, "random", given)
    eps = max(coarsest_epsilon(point), coarsest_epsilon(gradient))
    return _compared(_Start(f, point, first, eps, x_scale), given, rng)


def _array(leaf: object) -> Array:
    x, xp = floating(leaf, "x")
    return library(xp).detached(x)


def _evaluated(f: Function, x: Tree) -> float:
    """Return f(x) as a number; x must be the same afterwards."""
    before = map_leaves(lambda leaf: library(namespace_of(leaf)).copied(leaf), x)
    value = f(x)
    try:
        map_leaves(check_unchanged, x, before)
    except ValueError:
        map_leaves(_put_back, x, before)
        raise
    return number(gathered([value], leaves(x)[0], namespace_of(leaves(x)[0])))


def _put_back(x: Array, before: Array) -> None:
    x[...] = before


def _gradient(f: Function, x: Tree, grad: Any) -> Tree:
    if callable(grad):
        return grad(map_leaves(lambda leaf: leaf * 1, x))
    if grad is not None:
        return grad
    _, exact, _, _ = gradient_of(f, 0, (x,), {})
    return exact


@dataclass(frozen=True, eq=False)
class _Start:
    """f at x, and what is known of it there.

    Attributes
    ----------
    value : float
        f(x).
    eps : float
        The rounding of x and of the gradient.
    x_scale : number or tree
        The unit of the steps.
    noise : float
        The standard deviation of f.
    """

    f: Function
    x: Tree
    value: float
    eps: float
    x_scale: Any
    noise: float = 0.0

    @contextmanager
    def along(self, v: Tree) -> Iterator[tuple[Profile, float]]:
        """Give f(x + s · scale · v) as a function of the number s, and the scale.

        The scale makes s relative to the unit of the steps.
        """
        line = Line(self.f, self.x, v, self.settings(of_numbers=False))
        s, scale = line.differences.x, number(line.scale)
        moves = abs(Vector(v).numbers) * scale
        size = (abs(Vector(self.x).numbers) * (moves > 0)).max() / moves.max()
        with line.function() as moved:

            def along(step: float) -> float:
                return number(moved(s + float(step)))

            yield Profile(along, self.value, self.noise, self.eps, min(float(size), 1.0)), scale

    def settings(self, of_numbers: bool = True) -> Settings:
        """Return how the differences are taken."""
        central = settings(1, "central", None, x_scale=self.x_scale, of_numbers=of_numbers)
        return central._replace(expects_change=False, noise=self.noise)


def _compared(of: _Start, given: Vector, rng: np.random.Generator) -> GradientCheck:
    x, n = of.x, len(given.numbers)
    mirrored = _mirrored(Vector(x), given, of.eps)
    chosen = np.arange(n)
    if n > _MOST:
        chosen = _sampled(given.sizes, rng)
        chosen = np.union1d(chosen, mirrored[chosen])
    moves = [rng.standard_normal(n) for _ in range(_DIRECTIONS)]
    with of.along(tree_of(moves[0], x)) as (along, _):
        of = replace(of, noise=max(noise_of(along.f, of.eps), of.eps * abs(of.value)))
    found = Comparison(given.numbers[chosen], *_differences(of, chosen, n), of.eps)
    evenly = found.shared(np.searchsorted(chosen, mirrored[chosen]))
    if evenly is not None:
        found, moves = evenly, [(v + v[mirrored]) / 2 for v in moves]
    directions = [tree_of(v, x) for v in moves]
    largest = float(found.size[found.sure].max(initial=0.0))
    parts = found.own, found.right, np.where(found.off > found.allowed, found.doubt, found.allowed)
    for k in map(int, found.unsettled):
        with of.along(unit(x, int(chosen[k]))) as (along, scale):
            slope, right, doubt = (float(part[k]) * scale for part in parts)
            found.findings[k] = along.second_look(slope, right, doubt, largest * scale)
    order, apart = _along_directions(of, given, directions)
    i = found.worst
    place, own, right, error = (
        given.place(int(chosen[i])),
        float(found.own[i]),
        float(found.right[i]),
        float(found.errors[i]),
    )
    these = f"{len(chosen)} elements" + (f" chosen among {n}" if n > _MOST else "")
    where = WORST.format(place=place, own=own, right=right, error=error)
    if found.where(Finding.WRONG).any():
        fine = found.known & ~found.where(Finding.KINK, Finding.RIGHT, Finding.UNCLEAR)
        evidence = Evidence(
            found.own[fine],
            found.right[fine],
            Vector(x).numbers[chosen][fine],
            found.allowed[fine],
            _matrices(given, found.right) if n <= _MOST else [],
        )
        cause, sentence = suspected_cause(evidence)
        count = int(found.where(Finding.WRONG).sum())
        are = "is" if count == 1 else "are"
        verdict, message = "wrong", f"{count} of {these} {are} wrong. {sentence} {where}"
    else:
        places = [given.place(int(place)) for place in chosen]
        verdict, cause, message = unless_wrong(found, places, these, where)
        if verdict == "correct" and apart:
            verdict, cause, message = "wrong", "some elements", APART.format(these=these)
        elif verdict == "correct" and evenly is not None:
            cause, message = "triangle", message + SYMMETRIC
    return GradientCheck(verdict, message, cause, place, own, right, error, order)


def _mirrored(x: Vector, given: Vector, eps: float) -> np.ndarray:
    """Return for each element the place of that which the transpose has in its place.

    In arrays that are not symmetric matrices, or have another gradient, it is the element itself.
    """
    places = np.arange(len(given.numbers))
    for own, matrix, gradient in zip(split(places, x.tree), x.arrays, given.arrays, strict=True):
        if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
            continue
        if _is_symmetric(matrix, 8 * eps) and _is_symmetric(gradient, math.sqrt(eps)):
            own[...] = own.reshape(matrix.shape).mT.reshape(-1)
    return places


def _is_symmetric(matrix: np.ndarray, tolerance: float) -> bool:
    return bool((abs(matrix - matrix.mT) <= tolerance * abs(matrix).max(initial=0.0)).all())


def _sampled(sizes: list[int], rng: np.random.Generator) -> np.ndarray:
    """Return the places of `_MOST` elements or fewer, as many in each array as it has room for."""
    share = max(1, _MOST // len(sizes))
    starts = np.cumsum([0, *sizes[:-1]])
    return np.concatenate(
        [
            start + np.sort(rng.choice(size, min(size, share), replace=False))
            for start, size in zip(starts, sizes, strict=True)
        ]
    )


def _differences(of: _Start, chosen: np.ndarray, n: int) -> tuple[Any, Any]:
    """Return the numerical gradient in the chosen elements, and its error."""
    directions = None if len(chosen) == n else _only(chosen, of.x)
    result = leafwise(of.f, of.x, of.settings(), shape_of_x, True, directions)
    return Vector(result.value).numbers[chosen], Vector(result.error).numbers[chosen]


def _only(chosen: np.ndarray, x: Tree) -> list[Directions]:
    """Return directions in which the chosen elements move, each by itself."""
    moved = np.zeros(sum(math.prod(leaf.shape) for leaf in leaves(x)), dtype=bool)
    moved[chosen] = True
    return [
        Directions(np.where(part, np.cumsum(part) - 1, -1), (np.arange(part.sum()),))
        for part in split(moved, x)
    ]


_DIRECTIONS = 3
_LEVELS = 6


def _along_directions(of: _Start, given: Vector, directions: list[Tree]) -> tuple[float, bool]:
    """Return the order of the remainder, and whether a slope is not that of the gradient.

    Whether one is, matters only where not all elements are compared.
    """
    orders, apart = [], []
    for v in directions:
        moves = given.numbers * Vector(v).numbers
        slope = float(moves.sum())
        with of.along(v) as (along, scale):
            orders.append(_remainder_order(along, slope * scale))
        if len(moves) > _MOST:
            known = directional(of.f, of.x, v, of.settings(of_numbers=False), True)
            right = number(known.value)
            off = abs(slope - right)
            allowed = 5 * number(known.error) + math.sqrt(of.eps) * float(np.linalg.norm(moves))
            if off > allowed:
                with of.along(v) as (along, scale):
                    finding = along.second_look(
                        *(number * scale for number in (slope, right, allowed))
                    )
            apart.append(off > allowed and finding is Finding.WRONG)
    measured = [order for order in orders if not math.isnan(order)]
    return (float(np.median(measured)) if measured else math.nan), bool(apart) and all(apart)


def _remainder_order(along: Profile, slope: float) -> float:
    """Return the exponent p of f(x + hv) - f(x) - h · slope ~ h^p; NaN where it is rounding."""
    points = []
    for level in range(_LEVELS):
        h = along.eps**0.25 / 2**level
        remainder = abs(along.f(h) - along.value - h * slope)
        if remainder > 100 * max(along.noise, along.eps * abs(h * slope)):
            points.append((math.log(h), math.log(remainder)))
    if len(points) < 3:
        return math.nan
    steps, remainders = np.asarray(points).T
    return float(np.polyfit(steps, remainders, 1)[0])


def _matrices(given: Vector, right: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the arrays of two dimensions, as given and as they should be."""
    pairs = zip(given.arrays, split(right, given.tree), strict=True)
    return [(own, true.reshape(own.shape)) for own, true in pairs if own.ndim == 2]
