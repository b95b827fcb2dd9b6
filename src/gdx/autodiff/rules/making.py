"""Functions that make arrays of numbers, some of which may be traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdx.backends import device_of, is_complex, is_real_floating

Array = Any


def _asarray(
    xp: Any, obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    if isinstance(obj, list | tuple):
        obj = xp.stack([xp.asarray(item) for item in obj])
    elif not obj.shape and isinstance(xp.settled(obj), np.generic):
        obj = xp.duplicated(obj)  # an array, and no number
    elif copy:
        obj = xp.astype(obj, obj.dtype)  # another traced array: an assignment changes only one
    if dtype is None or dtype == obj.dtype:
        return obj
    if copy is False:
        raise ValueError(f"an array of {obj.dtype} cannot become one of {dtype} without a copy.")
    return xp.astype(obj, dtype)


def _astype(xp: Any, x: Array, dtype: Any, *, copy: bool = True, device: Any = None) -> Array:
    if not copy and dtype == x.dtype:
        return x
    floating = is_real_floating(xp, dtype) or is_complex(xp, dtype)
    return xp.as_dtype(x, dtype) if floating else xp.truncated(x, dtype)


def _full(
    xp: Any, shape: Any, fill_value: Array, *, dtype: Any = None, device: Any = None
) -> Array:
    y = xp.broadcast_to(fill_value, (shape,) if isinstance(shape, int) else tuple(shape))
    return xp.astype(y, fill_value.dtype if dtype is None else dtype)  # in memory of its own


def _full_like(
    xp: Any, x: Array, /, fill_value: Array, *, dtype: Any = None, device: Any = None
) -> Array:
    dtype = x.dtype if dtype is None else dtype
    device = device_of(x) if device is None else device
    return xp.full(x.shape, fill_value, dtype=dtype, device=device)


def _linspace(
    xp: Any,
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    like = start if hasattr(start, "dtype") else stop
    parts = max(num - 1 if endpoint else num, 1)
    share = xp.arange(num, dtype=like.dtype, device=device_of(like)) / parts
    y = start * (1 - share) + stop * share
    return y if dtype is None else xp.astype(y, dtype)


def _like(name: str) -> Any:
    def like(xp: Any, x: Array, *, dtype: Any = None, device: Any = None) -> Array:
        dtype = x.dtype if dtype is None else dtype
        return getattr(xp, name)(
            x.shape, dtype=dtype, device=device_of(x) if device is None else device
        )

    return like


COMPOSITE = {
    "asarray": _asarray,
    "astype": _astype,
    "full": _full,
    "full_like": _full_like,
    "linspace": _linspace,
    "empty_like": _like("empty"),
    "ones_like": _like("ones"),
    "zeros_like": _like("zeros"),
}
