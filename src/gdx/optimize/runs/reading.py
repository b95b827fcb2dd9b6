"""How numbers come to the host: all that is asked for at once, in one transfer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdx.backends import Array, cast, is_array, library, namespace_of, to_numpy
from gdx.numerical.values import FLOATS, gathered

# Up to so many elements, Python is quicker than a reduction of an array.
_FEW = 50


class Reads:
    """Reads what f returned, and arrays of the library of `x`.

    Parameters
    ----------
    x : array
    """

    def __init__(self, x: Array) -> None:
        self.x, self.xp = x, namespace_of(x)
        self.free = library(self.xp).on_host(x)

    def __call__(
        self, value: Any, numbers: Sequence[Array], vectors: Sequence[Array] = ()
    ) -> tuple[float, list[float], list[Any]]:
        """Return what f returned as a number, arrays of one number as numbers, and vectors."""
        if self.free:
            found = [float(array) for array in numbers]
            return self._number(value), found, [to_numpy(vector) for vector in vectors]
        arrays, of_device = [*numbers, *vectors], is_array(value) and type(value) is type(self.x)
        if of_device:
            arrays.insert(0, gathered([value], self.x, self.xp))
        parts = self._together(arrays)
        fun = float(parts.pop(0)[0]) if of_device else self._number(value)
        count = len(numbers)
        return fun, [float(part[0]) for part in parts[:count]], parts[count:]

    def sizes(self, value: Any, arrays: Sequence[Array]) -> tuple[float, list[float]]:
        """Return what f returned as a number, and the largest absolute value in each array."""
        if self.free:
            return self._number(value), [_largest_on_host(array) for array in arrays]
        xp = self.xp
        largest = [xp.max(xp.abs(a)) if math.prod(a.shape) else xp.sum(a) for a in arrays]
        fun, found, _ = self(value, largest)
        return fun, found

    def _number(self, value: Any) -> float:
        if type(value) in FLOATS:
            return float(value)
        return float(to_numpy(gathered([value], self.x, self.xp))[0])

    def _together(self, arrays: list[Array]) -> list[Any]:
        if not arrays:
            return []
        dtype = self.xp.result_type(*arrays)
        flat = [cast(self.xp.reshape(array, (-1,)), dtype, self.xp) for array in arrays]
        ends = np.cumsum([math.prod(array.shape) for array in arrays])
        return np.split(to_numpy(self.xp.concat(flat)), ends[:-1])


def _largest_on_host(array: Array) -> float:
    host = array if type(array) is np.ndarray else to_numpy(array)
    if host.size > _FEW:
        return float(np.abs(host).max())
    sizes = [abs(element) for element in host.ravel().tolist()]
    return max(sizes, default=0.0) if math.isfinite(sum(sizes)) else math.nan
