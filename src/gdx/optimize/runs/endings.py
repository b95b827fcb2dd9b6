"""When so little is left to gain that a run has converged, whatever the units of x and f."""

from __future__ import annotations

from typing import Any, NamedTuple

from gdx.backends import Array, namespace_of


class Bounds(NamedTuple):
    """Below which powers of the rounding error of f nothing is left.

    The gain is by how much a model of f falls from here to its minimum. Where little is known of
    the curvature, it may be wrong by far; therefore another number must be small, too.

    Attributes
    ----------
    gain, slope : float
        Of |f|: the gain, and the largest of the `relative_slopes`.
    share, reach : float
        Where f falls to 0, and its model does, no gain is small beside |f|. There, |f| must be
        small: a share of its fall since the start; and x must have come to rest, by the largest of
        the `relative_distances` to the minimum of the model.
    """

    gain: float = 2 / 3
    slope: float = 2 / 5
    share: float = 5 / 3
    reach: float = 2 / 3


RUNNING = Bounds()
STUCK = Bounds(slope=1 / 6)  # in the rounding of f, the gradient has no more digits
ENDED = Bounds(slope=1 / 6, share=6 / 5, reach=3 / 5)  # after all steps that were asked for

# A model whose minimum is 0 has about |f| to gain; it may be wrong by so much.
_TO_ZERO = 0.1


def relative_slopes(x: Array, g: Array, typical: float = 0.0) -> Array:
    """Return |g_i| max(|x_i|, typical): how f would change if x_i changed by its size.

    Over |f|, the largest of them is the relative gradient of J. E. Dennis and R. B. Schnabel
    (1983), Numerical Methods for Unconstrained Optimization, eq. 7.2.5.
    """
    xp = namespace_of(x)
    size = xp.abs(x)
    return xp.asarray(xp.abs(g) * (xp.maximum(size, typical + 0 * size) if typical else size))


def relative_distances(d: Array, x: Array, start: Array) -> Array:
    """Return |d_i| in units of |x_i|, or of the distance from the start where that is larger."""
    xp = namespace_of(x)
    size = xp.maximum(xp.abs(x), xp.abs(x - start))
    return xp.asarray(xp.where(d == 0, xp.zeros_like(d), xp.abs(d) / size))


def nothing_left(
    gain: Any,
    slope: Any,
    reach: Any,
    fun: Any,
    fall: Any,
    eps: float,
    gradient: str,
    bounds: Bounds = RUNNING,
) -> Any:
    """Tell whether another step would gain next to nothing, by numbers or arrays of them.

    Numerical gradients have two thirds of the digits of f, and do not lead to a minimum of 0.
    """
    to_zero = _TO_ZERO
    if gradient == "numerical":
        eps, to_zero = eps ** (2 / 3), 0.0
    size = abs(fun)
    flat = (gain <= eps**bounds.gain * size) & (slope <= eps**bounds.slope * size)
    zero = (to_zero * size <= gain) & (size <= eps**bounds.share * fall)
    return flat | (zero & (reach <= eps**bounds.reach))


def precise(slope: Any, fun: Any, eps: float) -> Any:
    """Tell whether a gradient is all that rounding lets it be, where f cannot be lowered.

    The `slope` is that of elements whose typical size is 1, as that of f is.
    """
    relative = eps ** (1 / 3)
    return (slope <= relative * abs(fun)) | (slope <= relative)
