"""Linear algebra, by NumPy, with the checks that are CuPy's own.

A singular or indefinite matrix is no error, as long as ``cupyx.seterr`` asks for none: the result
means nothing.
"""

from __future__ import annotations

from collections.abc import Callable as _Callable
from functools import wraps as _wraps
from typing import Any as _Any

import numpy as _numpy

from ._functions import broadcast_to as _broadcast_to
from ._functions import full as _full
from ._functions import namespace as _namespace

_functions = _namespace("cupy.linalg", _numpy.linalg)
_WITHOUT_ERROR = ("Singular matrix", "Matrix is not positive definite")


def _unchecked(name: str, shape: _Callable[..., _Any]) -> _Callable[..., _Any]:
    """Return a function that gives NaN where NumPy's raises for what is in a matrix."""
    checked = _functions[name]

    @_wraps(checked)
    def function(*arrays: _Any) -> _Any:
        try:
            return checked(*arrays)
        except _numpy.linalg.LinAlgError as error:
            if str(error) not in _WITHOUT_ERROR:
                raise
            return _full(
                shape(*arrays), _numpy.nan, _numpy.result_type(*[a.dtype for a in arrays], "f")
            )

    return function


def _tuple_of(function: _Callable[..., _Any]) -> _Callable[..., _Any]:
    """Return a function that gives a plain tuple, where NumPy's has names."""

    @_wraps(function)
    def plain(*args: _Any, **kwargs: _Any) -> _Any:
        result = function(*args, **kwargs)
        return tuple(result) if isinstance(result, tuple) else result

    return plain


_functions |= {
    name: _tuple_of(_functions[name]) for name in ("eigh", "qr", "slogdet", "svd", "eig")
}
_functions |= {name: _unchecked(name, lambda a: a.shape) for name in ("cholesky", "inv")}
_solve = _unchecked("solve", lambda a, b: b.shape)


def solve(a: _Any, b: _Any) -> _Any:
    if b.ndim == 0:
        raise ValueError("b must have at least one dimension")
    if b.ndim == 1:
        if a.shape[-1] != b.size:
            raise ValueError(
                "a must have (..., M, M) shape and b must have (M,) for one-dimensional b"
            )
        return _solve(a, _broadcast_to(b, a.shape[:-1])[..., None])[..., 0]
    if a.shape[:-1] != b.shape[:-1]:
        raise ValueError(
            "a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b"
        )
    return _solve(a, b)


globals().update({**_functions, "solve": solve})
