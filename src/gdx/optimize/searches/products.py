"""Products of the Hessian with vectors: the user's, exact ones, or differences of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

from gdx.autodiff import hvp
from gdx.autodiff.core import TracingError
from gdx.backends import Array
from gdx.numerical.given import as_gradient
from gdx.optimize.runs.slopes import lent
from gdx.optimize.searches.newton import Product
from gdx.optimize.searches.objective import Objective
from gdx.trees import Tree


def hessian_product(objective: Objective, given: Callable[[Tree, Tree], Tree] | None) -> Product:
    """Return what gives ∇²f(x) v of two vectors, and counts."""
    counts, tree_of, vector_of = objective.slope.counts, objective.tree_of, objective.vector_of

    def exact(x: Array, v: Array) -> Array:
        counts.nhev += 1
        return vector_of(hvp(objective.slope.f, tree_of(x), tree_of(v)))

    def difference(x: Array, v: Array) -> Array:
        counts.nhev += 1
        xp, largest = objective.xp, objective.largest
        size = xp.where(largest(x) > 1, largest(x), xp.ones_like(largest(x)))
        h = math.sqrt(objective.rounding) * size / largest(v)
        low, high = (
            objective.owned(vector_of(objective.slope.gradient(tree_of(x + t * v))))
            for t in (-h, h)
        )
        return (high - low) / (2 * h)

    def exact_where_traced(x: Array, v: Array) -> Array:
        if objective.slope.name == "exact":
            try:
                return exact(x, v)
            except TracingError:
                counts.nhev -= 1
        return difference(x, v)

    if given is None:
        return exact_where_traced

    def of_user(x: Array, v: Array) -> Array:
        counts.nhev += 1
        point = tree_of(x)
        product = as_gradient(point, given(lent(point), lent(tree_of(v))), "hvp")
        return objective.owned(vector_of(product))

    return of_user
