"""Elementwise computations as one: in blocks that fit the cache, or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Array = Any
Namespace = Any

# Maps (xp, scalars, read, written) to the new values of `written`.
Body = Callable[[Namespace, Sequence[Any], Sequence[Array], Sequence[Array]], Sequence[Array]]
# The same without xp; what was `written` may be overwritten, and is not to be used any more.
Fused = Callable[[Sequence[Any], Sequence[Array], Sequence[Array]], tuple[Array, ...]]


def evaluated(body: Body, xp: Namespace) -> Fused:
    """Return what evaluates a body as it is written, in new memory."""

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        values = body(xp, scalars, read, written)
        return tuple(
            value if value.dtype == old.dtype else xp.astype(value, old.dtype)
            for value, old in zip(values, written, strict=True)
        )

    return fused


def in_cache(body: Body, xp: Namespace) -> Fused:
    """Return what evaluates a body in blocks."""

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        values = body(xp, scalars, read, written)
        return tuple(
            [xp.asarray(value, dtype=old.dtype) for value, old in zip(values, written, strict=True)]
        )

    return fused
