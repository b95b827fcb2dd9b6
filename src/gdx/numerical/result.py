"""What is known of a derivative that was taken numerically."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gdx.backends import is_finite, library, namespace_of
from gdx.caller import warn
from gdx.trees import Tree, map_leaves


@dataclass(frozen=True, eq=False)
class Derivative:
    """A derivative with what is known of it: what ``full_output=True`` returns.

    Attributes
    ----------
    value : array or tree
        The derivative.
    error : array or tree, or None
        An estimate of its absolute error, of the same shape, if ``return_error=True``.
    nfev : int
        How many points f was evaluated at.
    step : array or tree
        How far from each element of x the next point lay, of the shape of x; with
        ``return_error=True``, the widest of these steps.
    """

    value: Tree
    error: Tree | None
    nfev: int
    step: Tree

    @property
    def not_finite(self) -> Tree:
        """Truth values of the shape of `value`: where it is NaN or infinite."""
        return map_leaves(lambda leaf: ~namespace_of(leaf).isfinite(leaf), self.value)


def answer(result: Derivative, return_error: bool, full_output: bool) -> Any:
    """Return as much of the result as the caller asked for."""
    map_leaves(warn_where_not_finite, result.value)
    if full_output:
        return result
    return (result.value, result.error) if return_error else result.value


_SHOWN = 5


def warn_where_not_finite(value: Any) -> None:
    """Name the elements that are NaN or infinite, on the host, where looking is free."""
    xp = namespace_of(value)
    known = library(xp)
    if not known.on_host(value) or is_finite(value):
        return
    finite = np.isfinite(known.to_numpy(value))
    places = [tuple(map(int, place)) for place in np.argwhere(~finite)]
    shown = ", ".join(map(str, places[:_SHOWN])) + ", ..." * (len(places) > _SHOWN)
    warn(
        "f is not finite beside x, or a step vanished: of the derivative, the "
        f"element{'s' * (len(places) > 1)} {shown} {'are' if len(places) > 1 else 'is'} NaN or "
        "infinite.",
        RuntimeWarning,
    )
