"""Complex variables z = a + ib, as the pairs (a, b) of real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    ComplexError,
    as_like,
    host_array,
    is_array,
    is_complex,
    namespace_of,
    new_floats,
)
from gdx.numerical.result import Derivative
from gdx.numerical.settings import Settings, for_each_leaf
from gdx.numerical.values import Function
from gdx.trees import Tree, leaves, map_leaves


def of_parts(
    derive: Callable[..., Derivative], f: Function, z: Tree, chosen: Settings, *how: Any
) -> Derivative:
    """Return derive(f, z, chosen, *how); where z is complex, from the derivatives in its parts.

    Those of a real f are ∂f/∂a - i ∂f/∂b, those of a complex f (∂f/∂a - i ∂f/∂b) / 2, which is
    f'(z) for an analytic one.
    """
    if not any(map(_has_parts, leaves(z))):
        return derive(f, z, chosen, *how)
    z = map_leaves(lambda leaf: leaf if is_array(leaf) else new_floats(leaf, "x"), z)
    kinds = map_leaves(_has_parts, z)
    if chosen.bounds is not None:
        raise ComplexError("bounds need a real x: complex numbers have no order.")
    if chosen.stencil.imaginary:
        raise ComplexError("method='complex' needs a real x, which it moves along i.")
    lengths = {
        name: map_leaves(partial(_of_both_parts, name), z, for_each_leaf(name, given, z), kinds)
        for name, given in (("h", chosen.h), ("x_scale", chosen.x_scale))
    }
    real = derive(
        _OfParts(f, kinds),
        map_leaves(_apart, z, kinds),
        chosen._replace(**lengths, of_copies=[*map(_has_parts, leaves(z))]),
        *how,
    )
    return Derivative(
        map_leaves(_value, real.value, kinds),
        None if real.error is None else map_leaves(_error, real.error, kinds),
        real.nfev,
        map_leaves(lambda step, kind: step[..., 0] if kind else step, real.step, kinds),
    )


def _has_parts(leaf: Any) -> bool:
    if is_array(leaf):
        return is_complex(namespace_of(leaf), leaf.dtype)
    return not isinstance(leaf, int | float) and np.iscomplexobj(host_array(leaf, "x"))


@dataclass(frozen=True, eq=False)
class _OfParts:
    """A function of complex arrays as one of their parts; a class, since workers pickle it."""

    f: Function
    kinds: Tree

    def __call__(self, pairs: Tree) -> Any:
        return self.f(map_leaves(_joined, pairs, self.kinds))


def _of_both_parts(name: str, leaf: Array, given: Any, kind: bool) -> Any:
    """Return the length that is given for an element as that of both its parts."""
    if not kind or given is None or isinstance(given, int | float):
        return given
    xp = namespace_of(leaf)
    lengths = as_like(given, xp.real(leaf), xp, name)
    return xp.expand_dims(lengths, axis=-1) if lengths.ndim else lengths


def _apart(leaf: Any, kind: bool) -> Array:
    if not kind:
        return leaf
    xp = namespace_of(leaf)
    return xp.stack([xp.real(leaf), xp.imag(leaf)], axis=-1)


def _joined(pair: Array, kind: bool) -> Array:
    # NumPy makes scalars of arrays without axes.
    return namespace_of(pair).asarray(pair[..., 0] + 1j * pair[..., 1]) if kind else pair


def _value(derivative: Array, kind: bool) -> Array:
    if not kind:
        return derivative
    xp = namespace_of(derivative)
    joined = derivative[..., 0] - 1j * derivative[..., 1]
    return xp.asarray(joined / 2 if is_complex(xp, derivative.dtype) else joined)


def _error(error: Array, kind: bool) -> Array:
    return namespace_of(error).asarray(error[..., 0] + error[..., 1]) if kind else error
