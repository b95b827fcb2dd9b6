"""The box within which a minimum is sought."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdx.backends import Array, DType, cast, library, namespace_of, to_numpy
from gdx.numerical.settings import settings, vector_beside
from gdx.trees import Tree, leaves, map_leaves


@dataclass(frozen=True, eq=False)
class Box:
    """Lower and upper bounds, of the shape of x."""

    lower: Array
    upper: Array

    def nearest(self, x: Array) -> Array:
        """Return the nearest point of the box."""
        xp = namespace_of(x)
        # By way of xp.clip, array-api-compat assigns through masks, which CuPy reads.
        return xp.asarray(xp.minimum(xp.maximum(x, self.lower), self.upper))

    def free(self, x: Array, d: Array, g: Array) -> Array:
        """Return a direction without the elements that the gradient holds at a bound."""
        xp = namespace_of(x)
        held = ((x <= self.lower) & (g > 0)) | ((x >= self.upper) & (g < 0))
        return xp.where(held, xp.zeros_like(d), d)

    def projected(self, x: Array, g: Array) -> Array:
        """Return how far a step against the gradient goes before it leaves the box."""
        xp = namespace_of(x)
        down, up = xp.minimum(g, x - self.lower), xp.maximum(g, x - self.upper)
        return xp.asarray(xp.where(g > 0, down, up))


def boxes(bounds: Any, x: Tree) -> Tree | None:
    """Return the box of each array of x, or raise what is wrong with `bounds`."""
    given = settings(1, "central", None, bounds=bounds)
    return None if given.bounds is None else given.at_leaves(_box, x)


def _box(x: Array, bounds: tuple[Any, Any], **_: Any) -> Box:
    xp = namespace_of(x)
    pairs = zip(bounds, (-math.inf, math.inf), strict=True)
    copied = library(xp).copied  # nobody may change them on the way
    lower, upper = (
        copied(xp.reshape(vector_beside("bounds", none if end is None else end, x), x.shape))
        for end, none in pairs
    )
    low, high = np.atleast_1d(to_numpy(lower)), np.atleast_1d(to_numpy(upper))
    wrong = ~(low <= high) | (low == np.inf) | (high == -np.inf)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(
            f"bounds must not cross, and leave finite numbers; of element {i} (in C order) they "
            f"are {low.flat[i]:g} and {high.flat[i]:g}. Write (lower, upper)."
        )
    return Box(lower, upper)


def nearest(boxes: Tree, x: Tree) -> Tree:
    """Return the nearest point of which each array lies in its box."""
    return map_leaves(lambda leaf, box: box.nearest(leaf), x, boxes)


def raveled_box(boxes: Tree, x: Tree, dtype: DType) -> Box:
    """Return the box of the vector of all elements of x, in the dtype of that vector."""
    xp = namespace_of(leaves(x)[0])

    def joined(end: str) -> Array:
        ends = leaves(map_leaves(lambda _, box: getattr(box, end), x, boxes))
        return cast(xp.concat([xp.reshape(each, (-1,)) for each in ends]), dtype, xp)

    return Box(joined("lower"), joined("upper"))
