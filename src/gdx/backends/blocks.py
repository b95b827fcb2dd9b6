"""Work on large arrays in parts that fit the cache."""

from __future__ import annotations

from collections.abc import Callable

from gdx.backends.libraries import Array, Namespace, library

# Of the argument: a few temporaries of this size fit the second-level cache of a core.
BLOCK_BYTES = 256 * 1024


def in_blocks(
    f: Callable[[Array], tuple[Array, ...]],
    x: Array,
    xp: Namespace,
    axis: int | None = None,
    *,
    outputs: int = 1,
) -> tuple[Array, ...]:
    """Return f(x), from parts of `x` that fit the cache where the library would leave it.

    `f` maps an array to a number of `outputs` of the same shape and dtype, elementwise or, given
    `axis`, along it. The parts are slices along the longest other axis.
    """
    if not library(xp).cached(x) or x.nbytes <= BLOCK_BYTES:
        return f(x)
    along = None if axis is None else axis % x.ndim
    split = max((i for i in range(x.ndim) if i != along), key=x.shape.__getitem__, default=None)
    if split is None or x.shape[split] == 1:
        return f(x)
    ys = tuple([xp.empty_like(x) for _ in range(outputs)])
    step = max(1, x.shape[split] * BLOCK_BYTES // x.nbytes)
    for start in range(0, x.shape[split], step):
        part = (slice(None),) * split + (slice(start, start + step),)
        _assign(ys, part, f(x[part]))
    return ys


def _assign(ys: tuple[Array, ...], part: tuple[slice, ...], values: tuple[Array, ...]) -> None:
    """Assign to a part of each array; the values are free before the next ones are computed."""
    for y, of_y in zip(ys, values, strict=True):
        y[part] = of_y
