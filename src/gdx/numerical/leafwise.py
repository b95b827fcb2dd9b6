"""A derivative in each element of x, which is one array or a tree of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gdx.backends import Array, cast, device_of, is_complex, namespace_of, overlaps
from gdx.numerical.differences import Differences
from gdx.numerical.evaluation import Function
from gdx.numerical.points import Directions
from gdx.numerical.result import Derivative
from gdx.numerical.settings import Settings, at_x
from gdx.trees import Tree, is_tree, map_leaves, with_leaf

Form = Callable[[Array, Array], Array]  # of the quotients of the elements, and x


def leafwise(
    f: Callable[[Tree], Any],
    x: Tree,
    chosen: Settings,
    form: Form,
    return_error: bool,
    directions: Iterable[Directions] | None = None,
) -> Derivative:
    """Return the derivative with respect to each array of `x`, as `form` puts it together.

    `directions` says for each array which of its elements move together.
    """
    each = None if directions is None else iter(directions)

    def prepared(leaf: object, h: Any, ends: tuple[Any, Any]) -> Differences:
        together = None if each is None else next(each)
        return Differences(leaf, chosen.stencil, h, ends, chosen.evaluation, together)

    differences = chosen.at_leaves(prepared, x)
    if not is_tree(x):
        return derivative_of_leaf(f, differences, chosen.f0, form, return_error)
    start = starts(x, differences)
    parts: list[Derivative] = []

    def at_leaf(_: object, of: Differences) -> None:
        function = at_one_leaf(f, start, len(parts), chosen.evaluation.vectorized)
        parts.append(derivative_of_leaf(function, of, chosen.f0, form, return_error))

    map_leaves(at_leaf, x, differences)
    return Derivative(
        _tree_of(parts, "value", x),
        _tree_of(parts, "error", x) if return_error else None,
        sum(part.nfev for part in parts),
        partial(_tree_of, parts, "step", x),
    )


def starts(x: Tree, differences: Tree) -> Tree:
    """Return the arrays that are stepped: of those that share memory with another, copies."""
    before: list[Array] = []

    def own(_: object, of: Differences) -> Array:
        if of.in_place and overlaps(of.x, before):
            of.x, of.shared = of.known.copied(of.x), False
        before.append(of.x)
        return of.x

    return map_leaves(own, x, differences)


def at_one_leaf(f: Function, tree: Tree, place: int, vectorized: bool = False) -> Function:
    """Return `f` as a function of one array of `tree`, the others staying as they are."""
    if not vectorized:
        return lambda leaf: f(with_leaf(tree, place, leaf))

    def of_stack(stack: Array) -> Any:
        k = stack.shape[0]
        stacks = map_leaves(
            lambda leaf: namespace_of(leaf).broadcast_to(leaf, (k, *leaf.shape)), tree
        )
        return f(with_leaf(stacks, place, stack))

    return of_stack


def _tree_of(parts: list[Derivative], name: str, x: Tree) -> Tree:
    each = iter(parts)
    return map_leaves(lambda _: getattr(next(each), name), x)


def derivative_of_leaf(
    f: Function, of: Differences, f0: Any, form: Form, return_error: bool
) -> Derivative:
    """Return the derivative with respect to one array."""
    x, xp = of.x, of.xp
    if of.empty:
        zeros = form(_nothing(f, of), x)
        return Derivative(zeros, zeros if return_error else None, 0, partial(xp.zeros_like, x))
    known = at_x(f0, x, of.evaluation)
    if return_error:
        value, error, count = of.estimated(f, x, known)
        widest = partial(of.step, x, of.levels()[0])
        return Derivative(_formed(value, of, form), _formed(error, of, form), count, widest)
    quotients = of.quotients(f, x, known)
    value = _formed(quotients.value, of, form)
    return Derivative(value, None, quotients.count, partial(of.step, x))


def _nothing(f: Function, of: Differences) -> Array:
    """Return the quotients where no element moves: zeros."""
    shape = () if of.evaluation.of_numbers else of.evaluation.at_x(f, of.x).shape[1:]
    return of.xp.zeros((math.prod(of.x.shape), *shape), dtype=of.x.dtype, device=device_of(of.x))


def _formed(value: Array, of: Differences, form: Form) -> Array:
    xp = namespace_of(value)
    if not is_complex(xp, value.dtype):
        value = cast(value, of.x.dtype, xp)
    return form(value, of.x)


def shape_of_x(quotients: Array, x: Array) -> Array:
    """Return the derivatives of a number: an array of the shape of x."""
    return namespace_of(quotients).reshape(quotients, x.shape)


def shape_of_f_and_x(quotients: Array, x: Array) -> Array:
    """Return the derivatives of an array: one of the shape of f(x), followed by that of x."""
    xp = namespace_of(quotients)
    shape = (*quotients.shape[1:], *x.shape)
    return xp.reshape(xp.moveaxis(quotients, 0, -1), shape)
