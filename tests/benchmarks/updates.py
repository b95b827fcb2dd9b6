"""Steps of update rules on one large array, beside the course's and those of PyTorch and Optax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peers
from cases import Bar, Case, Variants

import gdx

SIZE = 10**7
RATE = 1e-6  # thousands of steps leave the numbers as they are


def cases() -> Iterator[Case]:
    """Yield what is timed: a step, given the gradient."""
    yield Case("Adam step, 1e7 float32", lambda: steps("adam", Adam()), (Bar(0.33),))
    yield Case("SGD step, 1e7 float32", lambda: steps("sgd", SGD()), (Bar(0.65),))


def arrays() -> tuple[Any, Any]:
    """Return parameters and a gradient."""
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(SIZE, dtype=np.float32) for _ in range(2))


class SGD:
    """Gradient descent as in the course."""

    def __init__(self) -> None:
        self.x, self.g = arrays()

    def step(self) -> None:
        self.x -= RATE * self.g


class Adam(SGD):
    """Adam as in the course."""

    def __init__(self) -> None:
        super().__init__()
        self.m, self.v = np.zeros_like(self.x), np.zeros_like(self.x)
        self.t = 0

    def step(self) -> None:
        beta1, beta2 = 0.9, 0.999
        self.t += 1
        rate = RATE * np.sqrt(1 - beta2**self.t) / (1 - beta1**self.t)
        self.m += (1 - beta1) * (self.g - self.m)
        self.v += (1 - beta2) * (self.g**2 - self.v)
        self.x -= rate * self.m / (np.sqrt(self.v) + 1e-7)


def steps(rule: str, course: SGD) -> Variants:
    optimizer = getattr(gdx.optimize, rule)(RATE)
    variants: Variants = {"course": course.step, "gdx": gdx_steps(optimizer, *arrays())}
    if peers.installed("torch"):
        variants |= torch_steps(rule, optimizer)
    if peers.installed("optax"):
        variants |= jax_steps(rule, optimizer)
    return variants


def gdx_steps(
    optimizer: gdx.optimize.Optimizer, x: Any, g: Any, done: Callable[[Any], Any] = lambda x: x
) -> Callable[[], Any]:
    """Return what takes one step after the other, and waits until it is done."""
    take, at = optimizer.runner(x), [(x, optimizer.init(x))]

    def step() -> Any:
        x, state = at.pop()
        at.append(take(g, state, x))
        return done(at[0][0])

    return step


def torch_steps(rule: str, optimizer: gdx.optimize.Optimizer) -> Variants:
    import torch

    torch.set_num_threads(1)
    variants: Variants = {"gdx on torch": gdx_steps(optimizer, *map(torch.asarray, arrays()))}
    for way in ("foreach", "fused"):
        x, g = map(torch.asarray, arrays())
        x.requires_grad_().grad = g
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[rule]
        variants[f"torch, {way}"] = kind([x], RATE, **{way: True}).step
    return variants


def jax_steps(rule: str, optimizer: gdx.optimize.Optimizer) -> Variants:
    import jax
    import optax

    x, g = map(jax.numpy.asarray, arrays())
    of_optax = getattr(optax, rule)(RATE)

    def stepped(x: Any, state: Any) -> Any:
        updates, state = of_optax.update(g, state, x)
        return optax.apply_updates(x, updates), state

    compiled, at = jax.jit(stepped, donate_argnums=(0, 1)), [(x, of_optax.init(x))]

    def step() -> Any:
        at.append(compiled(*at.pop()))
        return jax.block_until_ready(at[0][0])

    ours = gdx_steps(optimizer, *map(jax.numpy.asarray, arrays()), jax.block_until_ready)
    return {"gdx on JAX": ours, "optax, jit": step}
