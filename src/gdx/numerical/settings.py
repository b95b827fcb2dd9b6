"""What a caller may choose of a derivative, checked and put beside the arrays it is taken at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from gdx.backends import (
    Array,
    Namespace,
    as_like,
    is_array,
    library,
    made_beside,
    namespace_of,
)
from gdx.numerical import workers as by_workers
from gdx.numerical.evaluation import ONE_AT_A_TIME, Evaluation
from gdx.numerical.layout import Bounds
from gdx.numerical.stencils import Stencil, stencil
from gdx.numerical.values import Function
from gdx.options import positive, whole
from gdx.trees import StructureError, Tree, is_tree, map_leaves


class Settings(NamedTuple):
    """How a derivative is taken at each array of x, as the caller chose it."""

    stencil: Stencil
    h: Any = None
    bounds: Any = None
    f0: Any = None
    x_scale: Any = None
    evaluation: Evaluation = ONE_AT_A_TIME
    of_copies: Sequence[bool] = ()  # which arrays of x are copies of what the caller holds
    noise: float = 0.0  # by how much the values of f are known to be off, at least
    expects_change: bool = True  # whether a user is to be warned if f has one value everywhere

    @property
    def in_place(self) -> bool:
        """Whether f is evaluated at the arrays of x themselves, where they can be assigned."""
        return self.evaluation.in_place and not self.stencil.imaginary

    def at_leaves(self, function: Callable[..., Any], x: Tree) -> Tree:
        """Return `function(leaf, h=, x_scale=, bounds=(lower, upper))` for each array of x."""
        lower, upper = _ends(self.bounds)
        named = ("h", self.h), ("x_scale", self.x_scale), ("bounds", lower), ("bounds", upper)
        each = [for_each_leaf(name, given, x) for name, given in named]
        return map_leaves(
            lambda leaf, h, x_scale, *ends: function(leaf, h=h, x_scale=x_scale, bounds=ends),
            x,
            *each,
        )

    def of_leaves(self, function: Callable[..., Any], x: Tree) -> list[Any]:
        """Return the same as a list, whatever the function returns."""
        found: list[Any] = []
        self.at_leaves(lambda leaf, **own: found.append(function(leaf, **own)), x)
        return found

    @contextmanager
    def sending(self, f: Function) -> Iterator[tuple[Function, Settings]]:
        """Give f and the settings with which a cluster is sent f once, whatever is made of f."""
        client = self.evaluation.workers
        if not by_workers.is_client(client):
            yield f, self
            return
        cluster = by_workers.Cluster(client, f)
        try:
            evaluation = self.evaluation._replace(workers=cluster)
            yield by_workers.Reference(f), self._replace(evaluation=evaluation)
        finally:
            cluster.release()


def settings(
    derivative: int,
    method: str,
    order: int | None,
    h: Any = None,
    bounds: Any = None,
    f0: Any = None,
    vectorized: bool = False,
    max_bytes: int | None = None,
    workers: Any = None,
    x_scale: Any = None,
    of_numbers: bool = True,
) -> Settings:
    """Return the settings, or raise what is wrong with them."""
    if h is not None and x_scale is not None:
        raise ValueError(
            "h and x_scale exclude each other: h is the step itself, x_scale the unit of the steps "
            f"that gdx chooses; got h={h!r} and x_scale={x_scale!r}."
        )
    if not isinstance(vectorized, bool):
        raise TypeError(f"vectorized must be True or False; got {vectorized!r}.")
    if workers is not None:
        by_workers.check_workers(workers)
        if vectorized:
            raise ValueError(
                "vectorized=True and workers= exclude each other: f is evaluated on stacks of "
                "points, or at single ones by workers."
            )
    if max_bytes is not None:
        max_bytes = whole("max_bytes", max_bytes, 1)
        if not vectorized:
            raise ValueError("max_bytes is the size of a stack of points: write vectorized=True.")
    plain = not vectorized and workers is None and of_numbers
    evaluation = ONE_AT_A_TIME if plain else Evaluation(vectorized, max_bytes, workers, of_numbers)
    if bounds is not None and all(end is None for end in _ends(bounds)):
        bounds = None
    return Settings(stencil(method, order, derivative), h, bounds, f0, x_scale, evaluation)


def for_each_leaf(name: str, given: Any, x: Tree) -> Tree:
    """Return what is given for each array of x; one number, or None, is for all of them."""
    if given is None or isinstance(given, int | float):
        return map_leaves(lambda _: given, x)
    try:
        return map_leaves(lambda _, own: own, x, given)
    except StructureError as error:
        raise ValueError(f"{name} must be a number or have the structure of x: {error}.") from None


def length_beside(name: str, given: Any, x: Array) -> Any:
    """Return positive lengths as a number, or as a vector beside x; None, where none is given."""
    if given is None:
        return None
    if isinstance(given, str | int | float):
        return positive(name, given)
    return vector_beside(name, given, x, least=0)


def vector_beside(name: str, given: Any, x: Array, least: float | None = None) -> Array:
    """Return what is given for each element of x as a vector beside it."""
    xp = namespace_of(x)
    array = as_like(given, x, xp, name, dtype=x.dtype)
    try:
        array = xp.broadcast_to(array, x.shape)
    except (ValueError, RuntimeError, TypeError):
        raise ValueError(
            f"{name} must be a number or an array of the shape of x, {tuple(x.shape)}; got the "
            f"shape {tuple(array.shape)}."
        ) from None
    if least is not None and library(xp).on_host(x):
        fits = xp.isfinite(array) & (array > least)
        if not bool(xp.all(fits)):
            raise ValueError(f"{name} must be a positive number for each element; got {given!r}.")
    return xp.reshape(array, (-1,))


_PAIRS = (
    "bounds must be (lower, upper), each a number or an array of the shape of x, or an object "
    "with lb and ub, as scipy.optimize.Bounds; got {given!r}. A list of pairs, "
    "[(low, high), ...], could be misread where there are two: write bounds=(numpy.asarray(lower), "
    "numpy.asarray(upper)), after lower, upper = zip(*pairs)."
)


def _ends(bounds: Any) -> tuple[Any, Any]:
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    pairs = not isinstance(bounds, tuple) or len(bounds) != 2
    if pairs or any(isinstance(end, tuple) and not is_tree(end) for end in bounds):
        raise ValueError(_PAIRS.format(given=bounds))
    return bounds[0], bounds[1]


def bounds_beside(lower: Any, upper: Any, x: Array) -> Bounds | None:
    """Return the bounds as vectors beside x, which must lie within them."""
    return None if lower is None and upper is None else ends_beside(lower, upper, x)


def ends_beside(lower: Any, upper: Any, x: Array) -> Bounds:
    """Return the same; where there is no bound, infinity stands for it."""
    xp = namespace_of(x)
    ends = Bounds(
        vector_beside("bounds", -math.inf if lower is None else lower, x),
        vector_beside("bounds", math.inf if upper is None else upper, x),
    )
    if library(xp).on_host(x):
        _check_inside(xp.reshape(x, (-1,)), ends, xp)
    return ends


def _check_inside(x: Array, bounds: Bounds, xp: Namespace) -> None:
    outside = ~((bounds.lower <= x) & (x <= bounds.upper))
    for wrong, what in (
        (outside, "x must lie within bounds"),
        (bounds.lower == bounds.upper, "bounds leave no room to move"),
    ):
        if bool(xp.any(wrong)):
            i = int(xp.argmax(xp.astype(wrong, xp.int8)))
            lower, element, upper = (float(end[i]) for end in (bounds.lower, x, bounds.upper))
            raise ValueError(
                f"{what}; element {i} (in C order) is {element}, its bounds are "
                f"{lower} and {upper}."
            )


def fx_given(given: Any, x: Array, evaluation: Evaluation) -> Array | None:
    """Return f(x) as it is known, with a new first axis of length one."""
    if given is None:
        return None
    xp = namespace_of(x)
    if not is_array(given):
        given = as_like(given, x, xp, "f0")
    if evaluation.of_numbers and math.prod(given.shape) != 1:
        raise ValueError(f"f0 must be one number, f(x); got the shape {tuple(given.shape)}.")
    value = evaluation.gathered([given], x)
    if type(value) is not type(x):
        value = made_beside(x, value, xp, x.dtype)
    return value
