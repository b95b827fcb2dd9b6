"""Work on large arrays in parts that fit the cache."""

from __future__ import annotations

from collections.abc import Callable

from gdx.backends.libraries import Array, Namespace, library

# Of the argument: a few temporaries of this size fit the second-level cache of a core.
BLOCK_BYTES = 256 * 1024


def in_blocks(
    f: Callable[[Array], Array], x: Array, xp: Namespace, axis: int | None = None
) -> Array:
    """Return f(x), from parts of `x` that fit the cache where the library would leave it.

    `f` maps an array to one of the same shape and dtype, elementwise or, given `axis`, along it.
    The parts are slices along the longest other axis.
    """
    if not library(xp).cached(x) or x.nbytes <= BLOCK_BYTES:
        return f(x)
    along = None if axis is None else axis % x.ndim
    split = max((i for i in range(x.ndim) if i != along), key=x.shape.__getitem__, default=None)
    if split is None or x.shape[split] == 1:
        return f(x)
    y = xp.empty_like(x)
    step = max(1, x.shape[split] * BLOCK_BYTES // x.nbytes)
    for start in range(0, x.shape[split], step):
        part = (slice(None),) * split + (slice(start, start + step),)
        y[part] = f(x[part])
    return y
