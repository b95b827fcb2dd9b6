"""Joining arrays, and parting them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.shapes import atleast
from gdx.autodiff.numpy_names.table import Row, translate, translates
from gdx.backends import Array, Namespace


@translates("concatenate")
def concatenate(
    xp: Namespace, arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None
) -> Array:
    """Return the arrays joined along an axis that they have."""
    return xp.concat(_made(xp, arrays, dtype), axis=axis)


@translates("stack")
def _stack(xp: Namespace, arrays: Any, axis: int = 0, *, dtype: Any = None) -> Array:
    return xp.stack(_made(xp, arrays, dtype), axis=axis)


def _made(xp: Namespace, values: Any, dtype: Any) -> list[Array]:
    made = given.alike(xp, *given.arrays(xp, *values))
    return made if dtype is None else [given.cast(xp, a, dtype) for a in made]


def _stacked(ndim: int, axis: Callable[[Array], int]) -> Row:
    """Return the row of a function that joins arrays which have at least so many axes."""

    def row(xp: Namespace, tup: Any, *, dtype: Any = None) -> Array:
        made = [atleast(xp, ndim, a) for a in given.arrays(xp, *tup)]
        return concatenate(xp, made, axis=axis(made[0]), dtype=dtype)

    return row


@translates("column_stack")
def _column_stack(xp: Namespace, tup: Any) -> Array:
    made = given.arrays(xp, *tup)
    return concatenate(xp, [a if a.ndim > 1 else xp.reshape(a, (-1, 1)) for a in made], axis=1)


@translates("array_split")
def _array_split(xp: Namespace, ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    ary = given.array(xp, ary)
    n = ary.shape[axis]
    if isinstance(indices_or_sections, Iterable):
        inner = list(given.ints(indices_or_sections))
    else:
        sections = operator.index(indices_or_sections)
        inner = [k * (n // sections) + min(k, n % sections) for k in range(1, sections)]
    return [given.part(ary, axis, *bounds) for bounds in itertools.pairwise([0, *inner, n])]


@translates("split")
def _split(xp: Namespace, ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    ary = given.array(xp, ary)
    if not isinstance(indices_or_sections, Iterable) and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return _array_split(xp, ary, indices_or_sections, axis)


@translates("delete")
def _delete(xp: Namespace, arr: Any, obj: Any, axis: Any = None) -> Array:
    arr, axis = given.raveled(xp, arr, axis)
    return given.gather(xp, arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


translate(
    {
        "append": lambda xp, arr, values, axis=None: concatenate(xp, (arr, values), axis=axis),
        "dsplit": lambda xp, ary, indices_or_sections: _split(xp, ary, indices_or_sections, 2),
        "dstack": _stacked(3, lambda first: 2),
        "hsplit": lambda xp, ary, indices_or_sections: _split(
            xp, ary, indices_or_sections, min(given.array(xp, ary).ndim - 1, 1)
        ),
        "hstack": _stacked(1, lambda first: min(first.ndim - 1, 1)),
        "unstack": lambda xp, x, *, axis=0: xp.unstack(x, axis=axis),
        "vsplit": lambda xp, ary, indices_or_sections: _split(xp, ary, indices_or_sections, 0),
        "vstack": _stacked(2, lambda first: 0),
    }
)
