"""The automatic differentiation that libraries bring themselves, behind one interface.

An `Engine` works on flat lists of arrays. Its conventions are JAX's: of a real f of z = a + ib, the
gradient is ∂f/∂a - i ∂f/∂b, and a holomorphic f pulls g back to g f'(z). Integers and booleans have
no derivatives: as primals they are constants, as outputs they go past the transform, and where a
list has a place for their tangent or cotangent, it holds zeros of their own dtype.
"""

from __future__ import annotations

import functools

from gdx.backends.engines.interface import Engine, Pulled, Rule

__all__ = ["Engine", "Pulled", "Rule", "jax_engine", "torch_engine"]


@functools.cache
def torch_engine() -> Engine:
    """Return the engine of PyTorch, which is imported."""
    from gdx.backends.engines.pytorch import Torch

    return Torch()


@functools.cache
def jax_engine() -> Engine:
    """Return the engine of JAX, which is imported."""
    from gdx.backends.engines.jax import Jax

    return Jax()
