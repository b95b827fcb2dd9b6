"""f and its gradient as functions of one vector, which holds all the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.backends import Array, library, namespace_of
from gdx.optimize.runs.reading import Reads
from gdx.optimize.runs.slopes import Slope
from gdx.trees import Tree, coarsest_epsilon, is_tree, raveled


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
        self.vector_of: Callable[[Tree], Array]
        if is_tree(x):
            self.x, self.tree_of = raveled(x)
            self.vector_of = lambda tree: raveled(tree)[0]
        elif len(x.shape) == 1:
            self.x, self.tree_of, self.vector_of = x, _itself, _itself
        else:
            xp, shape = namespace_of(x), x.shape
            self.vector_of = lambda tree: xp.reshape(tree, (-1,))
            self.tree_of = lambda vector: xp.reshape(vector, shape)
            self.x = self.vector_of(x)
        self.xp = namespace_of(self.x)
        self.known = library(self.xp)
        self.reads = Reads(self.x)
        self.rounding = coarsest_epsilon(x)
        self.max: Callable[[Array], Array] = self.known.quick.get("max", self.xp.max)

    def both(self, x: Array) -> tuple[Any, Array]:
        """Return what f returns at a point, and the gradient there, which is nobody else's."""
        value, gradient = self.slope.both(self.tree_of(x))
        g = self.vector_of(gradient)
        if self.slope.name == "given" and self.known.writable(g):
            g = self.known.copied(g)  # the user's function may reuse its memory
        return value, self.known.settled(g)

    def largest(self, x: Array) -> Array:
        """Return the largest absolute value of the elements, where they are."""
        return self.max(self.xp.abs(x))


def _itself(x: Any) -> Any:
    return x
