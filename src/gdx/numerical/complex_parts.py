"""Complex variables z = a + ib, as the pairs (a, b) of real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.backends import Array, ComplexError, is_array, is_complex, namespace_of
from gdx.numerical.evaluation import Function
from gdx.numerical.result import Derivative
from gdx.numerical.settings import Settings
from gdx.trees import Tree, leaves, map_leaves


def of_parts(
    derive: Callable[..., Derivative], f: Function, z: Tree, chosen: Settings, *how: Any
) -> Derivative:
    """Return derive(f, z, chosen, *how); where z is complex, from the derivatives in its parts.

    Those of a real f are ∂f/∂a - i ∂f/∂b, those of a complex f (∂f/∂a - i ∂f/∂b) / 2, which is
    f'(z) for an analytic one.
    """
    if not (_has_parts(z) if is_array(z) else any(map(_has_parts, leaves(z)))):
        return derive(f, z, chosen, *how)
    kinds = map_leaves(_has_parts, z)
    if chosen.bounds is not None:
        raise ComplexError("bounds need a real x: complex numbers have no order.")
    if chosen.stencil.imaginary:
        raise ComplexError("method='complex' needs a real x, which it moves along i.")
    real = derive(
        lambda pairs: f(map_leaves(_joined, pairs, kinds)),
        map_leaves(_apart, z, kinds),
        chosen,
        *how,
    )
    return Derivative(
        map_leaves(_value, real.value, kinds),
        None if real.error is None else map_leaves(_error, real.error, kinds),
        real.nfev,
        lambda: map_leaves(lambda step, kind: step[..., 0] if kind else step, real.step, kinds),
    )


def _has_parts(leaf: object) -> bool:
    if not is_array(leaf):
        return isinstance(leaf, complex)
    return is_complex(namespace_of(leaf), leaf.dtype)  # type: ignore[attr-defined]


def _apart(leaf: Any, kind: bool) -> Array:
    if not kind:
        return leaf
    xp = namespace_of(leaf)
    return xp.stack([xp.real(leaf), xp.imag(leaf)], axis=-1)


def _joined(pair: Array, kind: bool) -> Array:
    return pair[..., 0] + 1j * pair[..., 1] if kind else pair


def _value(derivative: Array, kind: bool) -> Array:
    if not kind:
        return derivative
    xp = namespace_of(derivative)
    joined = derivative[..., 0] - 1j * derivative[..., 1]
    return joined / 2 if is_complex(xp, derivative.dtype) else joined


def _error(error: Array, kind: bool) -> Array:
    return error[..., 0] + error[..., 1] if kind else error
