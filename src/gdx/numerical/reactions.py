"""Did x move, and did f notice? What a user is told whose f or step cannot give a derivative."""

from __future__ import annotations

from typing import Any

from gdx.backends import Array, is_complex, namespace_of
from gdx.caller import warn

_VANISHED = {
    "h": "h={} vanished in the rounding of x + h; without h, the step fits each element.",
    "x_scale": "x_scale={} makes steps that vanish in the rounding of x; write a larger one.",
}
_NO_ROOM = "bounds leave so little room beside x that the step vanished in the rounding of x."
_UNMOVED = (
    "f did not react to x: it has one value at x and at all points beside it. Write f so that it "
    "uses its argument, as lambda W: loss(W) does."
)
_AT_COPIES = (
    " A function that reads the array elsewhere, as lambda W: net.loss(x, t) reads net.W, sees no "
    "step here, because f is evaluated at copies of x: it is immutable, read-only, a list, of "
    "integers or complex numbers, on stacks or with workers. Write "
    "lambda W: net.loss(x, t, {'W': W})."
)
_NOT_REAL = (
    "f returned complex numbers at a real x. method='complex' takes the imaginary part of f for "
    "its slope, so f must be real where x is: write method='central'."
)
_DROPPED = (
    "f dropped the imaginary part: at a complex x it returned {dtype}. method='complex' needs an "
    "f that is analytic, without abs, real parts, norms or comparisons; for others write "
    "method='central'."
)


def warn_vanished(**given: Any) -> None:
    """Warn that x + h is x, by the option of which that comes; None is no option, but bounds."""
    chosen = [_VANISHED[name].format(value) for name, value in given.items() if value is not None]
    warn(chosen[0] if chosen else _NO_ROOM, RuntimeWarning)


def warn_unmoved(*, at_copies: bool) -> None:
    """Warn that f is constant; `at_copies` of the caller's array it may have been blind."""
    warn(_UNMOVED + _AT_COPIES * at_copies, RuntimeWarning)


def alike(values: list[Array]) -> bool:
    """Tell whether all arrays along the first axes of all `values` are the same."""
    xp = namespace_of(values[0])
    first = values[0][:1, ...]
    return all(bool(xp.all(value == first)) for value in values)


def plainly_differ(one: Array, other: Array) -> bool:
    """Tell at little cost that a value of f differs from another, or that there is none."""
    if one.ndim == 1:
        return bool(one[0] != other[-1])
    different = one[0, ...] != other[-1, ...]
    return 0 in different.shape or bool(different.ndim == 0 and different)


def imaginary_part(value: Array) -> Array:
    """Return the imaginary part of values of f at a complex x."""
    xp = namespace_of(value)
    if not is_complex(xp, value.dtype):
        raise TypeError(_DROPPED.format(dtype=value.dtype))
    return xp.imag(value)


def seems_not_real(value: Array, eps: float) -> bool:
    """Tell whether the imaginary part of f is larger than that of a small complex step."""
    xp = namespace_of(value)
    if not is_complex(xp, value.dtype):
        return False
    return bool(xp.any(xp.abs(xp.imag(value)) > eps * xp.abs(xp.real(value))))


def check_real(fx: Array) -> None:
    """Raise if f is complex at a real x."""
    xp = namespace_of(fx)
    if is_complex(xp, fx.dtype) and bool(xp.any(xp.imag(fx) != 0)):
        raise TypeError(_NOT_REAL)
