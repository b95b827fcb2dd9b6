"""Arrays like others, and between others."""

from __future__ import annotations

from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import Row, translate, translates
from gdx.backends import Array, Namespace


def _like(name: str) -> Row:
    def row(
        xp: Namespace, a: Any, dtype: Any = None, order: Any = None, subok: Any = None,
        shape: Any = None,
    ) -> Array:  # fmt: skip
        dtype = given.known_dtype(xp, dtype)
        if shape is None:
            return getattr(xp, f"{name}_like")(a, dtype=dtype)
        dtype, place = a.dtype if dtype is None else dtype, getattr(a, "device", None)
        return getattr(xp, name)(given.ints(shape), dtype=dtype, device=place)

    return row


@translates("full_like")
def _full_like(
    xp: Namespace, a: Any, fill_value: Any, dtype: Any = None, shape: Any = None
) -> Array:
    like = given.found(a, fill_value)
    a = given.array(xp, a, like)
    dtype = a.dtype if dtype is None else given.known_dtype(xp, dtype)
    shape = tuple(a.shape) if shape is None else given.ints(shape)
    if not given.is_array(fill_value) and not isinstance(fill_value, list | tuple):
        return xp.full(shape, fill_value, dtype=dtype, device=given.device(like))
    return xp.broadcast_to(xp.astype(given.array(xp, fill_value, like), dtype), shape)


@translates("linspace")
def _linspace(
    xp: Namespace, start: Any, stop: Any, num: int = 50, endpoint: bool = True,
    retstep: bool = False, dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    start, stop = xp.broadcast_arrays(*given.floatings(xp, start, stop))
    parts = max(num - 1 if endpoint else num, 1)
    step = (stop - start) / parts
    t = xp.asarray([k / parts for k in range(num)], dtype=step.dtype, device=given.device(step))
    t = xp.reshape(t, (-1,) + (1,) * step.ndim)
    grid = xp.where(t < 0.5, start + (stop - start) * t, stop - (stop - start) * (1 - t))
    grid = given.cast(xp, xp.moveaxis(grid, 0, axis), dtype)
    return (grid, step) if retstep else grid


translate({f"{name}_like": _like(name) for name in ("empty", "ones", "zeros")})
