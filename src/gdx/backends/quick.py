"""NumPy's functions by shorter ways, for what the tracer calls most; the results are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    if x.shape:
        return np.broadcast_to(x, shape)
    x = np.asarray(x)
    wide: Any = np.ndarray(shape, x.dtype, x, strides=(0,) * len(shape))
    wide.flags.writeable = False
    return wide


def _reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    if copy:
        x = np.array(x)
    y = x.reshape(shape) if isinstance(x, np.ndarray | np.generic) else np.reshape(x, shape)
    if copy is False and isinstance(x, np.ndarray) and y.size and not np.may_share_memory(x, y):
        raise ValueError("this shape cannot be had without a copy.")
    return y


def _sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    add: Any = np.add
    return add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    maximum: Any = np.maximum
    return maximum.reduce(x, axis=axis, keepdims=keepdims)


def _ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    dtype = np.float64 if dtype is None else dtype
    return np.ones(shape, dtype) if shape else np.array(1, dtype)


def _zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return np.zeros(shape, np.float64 if dtype is None else dtype)


QUICK: dict[str, Callable[..., Any]] = {
    "broadcast_to": _broadcast_to,
    "matmul": np.matmul,
    "max": _max,
    "matrix_transpose": lambda x, /: x.mT,
    "ones": _ones,
    "reshape": _reshape,
    "sum": _sum,
    "zeros": _zeros,
}
