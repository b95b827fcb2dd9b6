"""Quantiles: elements of the sorted array, or points between two of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import FUNCTIONS, NotTranslated, translate, translates
from gdx.backends import Array, Namespace

# Where a quantile lies, by where it would between the elements.
PLACES: dict[str, Callable[[float], float]] = {
    "higher": math.ceil,
    "linear": float,
    "lower": math.floor,
    "midpoint": lambda place: (math.floor(place) + math.ceil(place)) / 2,
    "nearest": round,
}


def _levels(q: Any) -> Any:
    """Return the levels of quantiles, which decide what elements are taken, on the host."""
    traced = given.found(q)
    if traced is not None and not isinstance(traced, np.ndarray | np.generic):
        raise NotTranslated("the quantile itself must be a number or a list of numbers")
    return np.asarray(q, dtype=float)


@translates("quantile")
def _quantile(
    xp: Namespace, a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Array:
    if method not in PLACES:
        raise NotTranslated(f"method={method!r}; known are {sorted(PLACES)}")
    levels = _levels(q)
    if not ((levels >= 0) & (levels <= 1)).all():
        raise ValueError("quantiles must lie between 0 and 1")
    a = given.floating(xp, a)
    axes = given.known_axes(axis, a.ndim)
    kept = tuple(k for k in range(a.ndim) if k not in axes)
    shape = tuple(a.shape[k] for k in kept)
    rows = xp.reshape(xp.permute_dims(a, kept + axes), (*shape, math.prod(a.shape) and -1))
    rows = xp.sort(rows, axis=-1)
    unknown = xp.any(xp.isnan(rows), axis=-1)
    answers = []
    for level in levels.reshape(-1).tolist():
        place = PLACES[method](level * (rows.shape[-1] - 1))
        left = math.floor(place)
        low, high, t = rows[..., left], rows[..., math.ceil(place)], place - left
        between = low + (high - low) * t if t < 0.5 else high - (high - low) * (1 - t)
        between = low if t == 0 else between  # inf - inf
        answers.append(xp.where(unknown, math.nan, between))
    if keepdims:
        shape = tuple(1 if k in axes else n for k, n in enumerate(a.shape))
    return xp.reshape(xp.stack(answers), levels.shape + shape)


translate(
    {
        "median": lambda xp, a, axis=None, keepdims=False: _quantile(
            xp, a, 0.5, axis=axis, keepdims=keepdims
        ),
        "percentile": lambda xp, a, q, *args, **kwargs: FUNCTIONS["quantile"](
            xp, a, _levels(q) / 100, *args, **kwargs
        ),
    }
)
