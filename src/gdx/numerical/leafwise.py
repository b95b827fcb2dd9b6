"""A derivative in each element of x, which is one array or a tree of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gdx.backends import Array, cast, device_of, is_complex, namespace_of, overlaps
from gdx.numerical.differences import Differences
from gdx.numerical.locks import exclusively
from gdx.numerical.points import Directions
from gdx.numerical.result import Derivative
from gdx.numerical.settings import Settings, fx_given
from gdx.numerical.values import Function
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
    of_copies = iter(chosen.of_copies)

    def prepared(leaf: object, **own: Any) -> Differences:
        return Differences(
            leaf,
            chosen.stencil,
            **own,
            evaluation=chosen.evaluation,
            directions=None if each is None else next(each),
            expects_change=chosen.expects_change,
            of_copy=next(of_copies, False),
            noise=chosen.noise,
        )

    differences = chosen.at_leaves(prepared, x)
    if not is_tree(x):
        fx = fx_given(chosen.f0, differences.x, chosen.evaluation)
        return exclusively(
            differences.held, derivative_of_leaf, f, differences, fx, form, return_error
        )
    start, held = starts(x, differences)
    return exclusively(held, _leaf_by_leaf, f, start, differences, chosen, form, return_error)


def _leaf_by_leaf(
    f: Function, x: Tree, differences: Tree, chosen: Settings, form: Form, return_error: bool
) -> Derivative:
    parts: list[Derivative] = []
    fx: Array | None = None
    evaluations = 0

    def at_leaf(_: object, of: Differences) -> None:
        nonlocal fx, evaluations
        function = AtOneLeaf(f, x, len(parts), chosen.evaluation.vectorized)
        if fx is None and chosen.f0 is not None:
            fx = fx_given(chosen.f0, of.x, chosen.evaluation)
        elif fx is None and of.needs_x and not of.empty:
            fx, evaluations = of.evaluation.at_x(function, of.x), 1
        parts.append(derivative_of_leaf(function, of, fx, form, return_error))

    map_leaves(at_leaf, x, differences)
    return Derivative(
        _tree_of(parts, "value", x),
        _tree_of(parts, "error", x) if return_error else None,
        sum(part.nfev for part in parts) + evaluations,
        _tree_of(parts, "step", x),
    )


def starts(x: Tree, differences: Tree) -> tuple[Tree, list[int]]:
    """Return the arrays that are stepped: of those that share memory with another, copies.

    And the memory of those that are the caller's, as `exclusively` takes it.
    """
    before: list[Array] = []
    held: set[int] = set()

    def own(_: object, of: Differences) -> Array:
        if of.in_place and overlaps(of.x, before):
            of.x, of.held = exclusively(of.held, of.known.copied, of.x), ()
        before.append(of.x)
        held.update(of.held)
        return of.x

    return map_leaves(own, x, differences), sorted(held)


@dataclass(frozen=True, eq=False)
class AtOneLeaf:
    """`f` as a function of one array of `tree`, the others staying as they are.

    A class, since workers pickle it.
    """

    f: Function
    tree: Tree
    place: int
    vectorized: bool = False

    def __call__(self, leaf: Array) -> Any:
        """Return f at the tree that has this leaf."""
        tree = self.tree
        if self.vectorized:
            k = leaf.shape[0]
            tree = map_leaves(lambda x: namespace_of(x).broadcast_to(x, (k, *x.shape)), tree)
        return self.f(with_leaf(tree, self.place, leaf))


def _tree_of(parts: list[Derivative], name: str, x: Tree) -> Tree:
    each = iter(parts)
    return map_leaves(lambda _: getattr(next(each), name), x)


def derivative_of_leaf(
    f: Function, of: Differences, fx: Array | None, form: Form, return_error: bool
) -> Derivative:
    """Return the derivative with respect to one array; `fx` is f(x), if it is known."""
    if of.empty:
        return _of_nothing(f, of, form, return_error)
    count = 0
    if fx is None and of.needs_x:
        fx, count = of.evaluation.at_x(f, of.x), 1
    result = of.derivative(
        f, partial(of.quotients, f, of.x, fx), partial(_formed, of, form), return_error
    )
    return replace(result, nfev=result.nfev + count) if count else result


def _of_nothing(f: Function, of: Differences, form: Form, return_error: bool) -> Derivative:
    """Return the derivative where no element moves: zeros."""
    x, xp = of.x, of.xp
    shape, count = (), 0
    if not of.evaluation.of_numbers:
        shape, count = of.evaluation.at_x(f, x).shape[1:], 1
    zeros = xp.zeros((math.prod(x.shape), *shape), dtype=x.dtype, device=device_of(x))
    value = form(zeros, x)
    return Derivative(value, value if return_error else None, count, xp.zeros_like(x))


def _formed(of: Differences, form: Form, value: Array) -> Array:
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
