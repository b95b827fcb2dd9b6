"""f and its gradient as functions of one vector, which holds all the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.backends import Array, cast, library, namespace_of
from gdx.optimize.runs.reading import Reads
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.updates.segments import working_dtype
from gdx.trees import Tree, coarsest_epsilon, is_tree, leaves, raveled


class Objective:
    """f and its gradient at vectors.

    Parameters
    ----------
    slope : Slope
    x : array or tree
        The start; its structure is that of all points.
    """

    def __init__(self, slope: Slope, x: Tree) -> None:
        self.slope = slope
        self.tree_of: Callable[[Array], Tree]
        flat: Callable[[Tree], Array]
        xp = namespace_of(leaves(x)[0])
        if is_tree(x):
            vector, self.tree_of = raveled(x)
            flat = _raveled
        elif len(x.shape) == 1 and working_dtype(xp, x.dtype) == x.dtype:
            vector, self.tree_of, flat = x, _itself, _itself
        else:
            dtype, shape = x.dtype, x.shape
            vector, flat = xp.reshape(x, (-1,)), lambda tree: xp.reshape(tree, (-1,))
            self.tree_of = lambda vector: cast(xp.reshape(vector, shape), dtype, xp)
        working = working_dtype(xp, vector.dtype)
        self.x: Array = cast(vector, working, xp)
        self.vector_of: Callable[[Tree], Array] = lambda tree: cast(flat(tree), working, xp)
        self.xp, self.known, self.reads = xp, library(xp), Reads(self.x)
        self.rounding = coarsest_epsilon(x)
        self.max: Callable[[Array], Array] = self.known.quick.get("max", xp.max)

    def both(self, x: Array) -> tuple[Any, Array]:
        """Return what f returns at a point, and the gradient there, which is nobody else's."""
        value, gradient = self.slope.both(self.tree_of(x))
        return value, self.known.settled(self.owned(self.vector_of(gradient)))

    def owned(self, g: Array) -> Array:
        """Return a gradient whose memory no function of the user's will use again."""
        mine = self.slope.name != "given" or not self.known.writable(g)
        return g if mine else self.known.copied(g)

    def largest(self, x: Array) -> Array:
        """Return the largest absolute value of the elements, where they are."""
        return self.max(self.xp.abs(x))


def _itself(x: Any) -> Any:
    return x


def _raveled(tree: Tree) -> Array:
    return raveled(tree)[0]
