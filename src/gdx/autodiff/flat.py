"""A function of trees of arrays as one of a flat list of arrays, which is what engines take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdx.autodiff.explained import explained
from gdx.backends import (
    Array,
    Namespace,
    common_namespace,
    device_of,
    instead_of_booleans,
    is_array,
    is_complex,
    is_real_floating,
    namespace_of,
    new_floats,
    plain_namespace,
)
from gdx.trees import StructureError, Tree, flattened, is_tree, map_leaves


class Flat:
    """`f` of the arrays of some trees, in order; it returns the arrays of its result.

    Attributes
    ----------
    inputs : list of arrays
        The arrays at which `f` is to be differentiated.
    numbers : sequence of int
        The places of those that the caller gave as numbers, which are not changed in place.
    xp, plain : namespace
        That of the inputs; the library's own, also where they are traced.
    """

    numbers: Sequence[int] = ()
    pulled_later = False  # whether the caller goes on before cotangents are pulled back
    leaving: tuple[type[Exception], ...] = ()  # what the engine raises where f leaves its trace
    leaving_words: str | None = None  # or how it says so in a RuntimeError, as a pattern
    meets_numpy: Callable[..., bool] | None = None

    def __init__(
        self, f: Callable[..., Any], trees: Sequence[Tree], *, has_aux: bool = False
    ) -> None:
        self.of_inputs = f  # as a function of the inputs alone
        self.has_aux = has_aux
        self.single = len(trees) == 1 and not is_tree(trees[0]) and is_array(trees[0])
        if self.single:
            self.inputs: list[Array] = [_differentiable(trees[0])]
            self.xp: Namespace = namespace_of(trees[0])
            self.plain = plain_namespace(self.xp)
            return
        flattened_trees = [flattened(tree) for tree in trees]
        self.structures = [of_tree for _, of_tree in flattened_trees]
        given = [leaf for found, _ in flattened_trees for leaf in found]
        self.inputs = [_differentiable(leaf) for leaf in given]
        self.numbers = [place for place, leaf in enumerate(given) if not is_array(leaf)]
        if not self.inputs:
            raise ValueError("there is no array to differentiate with respect to.")
        self.xp = common_namespace(*self.inputs)
        self.plain = plain_namespace(self.xp)
        self.of_inputs = lambda *arrays: f(*self.like_inputs(arrays))

    def __call__(self, *arrays: Array) -> tuple[list[Array], Any]:
        """Return the arrays of f(...), and what is auxiliary."""
        try:
            result = self.of_inputs(*arrays)
        except Exception as error:
            meaning = explained(error, self)
            if meaning is error:
                raise
            raise meaning from error
        aux = None
        if self.has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    "with has_aux=True, f must return a pair (value, aux); it returned a "
                    f"{type(result).__name__}."
                )
            result, aux = result
        if is_array(result):
            self._of_result: Callable[..., Any] = next
            return [result], aux
        ys, self._of_result = flattened(result)
        return [self._array(y) for y in ys], aux

    def _array(self, y: Any) -> Array:
        if is_array(y):
            return y
        number = np.asarray(y)
        if number.dtype.kind not in "biufc":
            raise TypeError(
                "f must return an array or a number, or a dict, list or tuple of arrays; it "
                f"returned {y!r}."
            )
        return self.xp.asarray(number, device=device_of(self.inputs[0]))

    def like_inputs(self, items: Sequence[Any]) -> tuple[Tree, ...]:
        """Return one tree for each of the trees of inputs, with other leaves."""
        if self.single:
            return (items[0],)
        remaining = iter(items)
        return tuple(of_tree(remaining) for of_tree in self.structures)

    def like_output(self, items: Sequence[Any]) -> Tree:
        """Return a tree like what `f` returned last, with other leaves."""
        return self._of_result(iter(items))


def _differentiable(x: Any) -> Array:
    """Return an argument as an array of real or complex floating-point numbers.

    Python's numbers and lists become one, arrays of integers do not: to NumPy's scalars the same
    applies as to arrays.
    """
    if not is_array(x):
        x = np.asarray(x) if isinstance(x, np.integer) else new_floats(x, "the argument")
    xp = namespace_of(x)
    if not is_real_floating(xp, x.dtype) and not is_complex(xp, x.dtype):
        raise TypeError(
            "derivatives are taken at floating-point numbers; the dtype of the argument is "
            f"{x.dtype}."
            + (instead_of_booleans(xp, x.dtype) or " Convert it: xp.astype(x, xp.float64).")
        )
    return x


def of_number(x: Any) -> Array:
    """Return an array also of what NumPy makes a scalar."""
    return np.asarray(x) if isinstance(x, np.generic) else x


def beside(
    name: str,
    given: Tree,
    like: Sequence[Array],
    of: Callable[[Sequence[Any]], Tree],
    xp: Namespace,
) -> list[Array]:
    """Return the arrays of a tree that must have the structure and shapes of `like`.

    `of` makes a tree of the right structure.
    """
    pairs: list[tuple[Array, Any]] = []
    try:
        template = of([of_number(x) for x in like])
        map_leaves(lambda x, v: pairs.append((x, v)), template, given)
    except StructureError as error:
        raise ValueError(f"{name}: {error}.") from None
    return [_fitted(name, v, x, xp) for x, v in pairs]


def _fitted(name: str, v: Any, x: Array, xp: Namespace) -> Array:
    if not is_array(v):
        try:
            v = xp.asarray(v, dtype=x.dtype, device=device_of(x))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold arrays like those of f; got {v!r}.") from error
    elif type(v) is not type(x):
        common_namespace(x, v)
    if v.shape != x.shape:
        raise ValueError(f"{name} must have the shape {tuple(x.shape)}; it has {tuple(v.shape)}.")
    if v.dtype == x.dtype:
        return v
    if is_complex(xp, v.dtype) and not is_complex(xp, x.dtype):
        raise TypeError(f"{name} must be real, as {x.dtype} is; its dtype is {v.dtype}.")
    return namespace_of(v).astype(v, x.dtype)
