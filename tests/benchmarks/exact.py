"""Exact derivatives beside those of autograd, PyTorch and JAX, and backpropagation by hand."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import peers
from cases import Bar, Case, Variants

import gdx

BATCH = 100


def cases() -> Iterator[Case]:
    """Yield what is timed: value and gradient, unless it says otherwise."""
    for sizes, most in (((784, 100, 10), 1.15), ((64, 50, 10), 1.7)):
        name = "-".join(map(str, sizes))
        yield Case(
            f"MLP {name}, batch {BATCH}, value and gradient",
            lambda sizes=sizes: networks(Network(sizes)),
            (Bar(most, "by hand"),),
        )
    yield Case("gradient of Σx², n = 2", squares, (Bar(0.4, "autograd"),))
    yield Case("gradient of Rosenbrock, n = 100", rosenbrocks, (Bar(0.5, "autograd"),))
    yield Case("Hessian of a logistic loss, n = 200", hessians, (Bar(1.0, "torch.func"),))
    yield Case("gradient_descent of x0² + x1², 100 steps, exact", descents, (Bar(None),))


def left_out() -> Iterator[str]:
    """Yield what cannot be measured here, and why."""
    if not peers.installed("autograd"):
        yield "autograd: not installed"


class Network:
    """A layer of sigmoids and a layer of scores; parameters, samples and labels of its own."""

    def __init__(self, sizes: tuple[int, int, int]) -> None:
        rng = np.random.default_rng(0)
        n_in, hidden, n_out = sizes
        self.params = [
            rng.standard_normal((n_in, hidden)) / np.sqrt(n_in),
            np.zeros(hidden),
            rng.standard_normal((hidden, n_out)) / np.sqrt(hidden),
            np.zeros(n_out),
        ]
        self.x = rng.standard_normal((BATCH, n_in))
        self.t = rng.integers(0, n_out, BATCH)

    def by_hand(self) -> Any:
        """Return the loss and the gradient by backpropagation, fused and partly in place."""
        W1, b1, W2, b2 = self.params
        z = 1 / (1 + np.exp(-(self.x @ W1 + b1)))
        scores = z @ W2 + b2
        scores -= scores.max(axis=1, keepdims=True)
        power = np.exp(scores)
        total = power.sum(axis=1, keepdims=True)
        rows = np.arange(BATCH)
        loss = (np.log(total[:, 0]) - scores[rows, self.t]).mean()
        d = power / total
        d[rows, self.t] -= 1
        d /= BATCH
        dz = d @ W2.T
        dz *= z
        dz *= 1 - z
        return loss, [self.x.T @ dz, dz.sum(axis=0), z.T @ d, d.sum(axis=0)]

    def traced(self, xp: ModuleType, params: list[Any], x: Any, t: Any) -> Any:
        """Return the loss as one writes it for those that trace it; `t` is one-hot."""
        W1, b1, W2, b2 = params
        scores = 1 / (1 + xp.exp(-(x @ W1 + b1))) @ W2 + b2
        top = xp.max(scores, axis=1, keepdims=True)
        log_sum = xp.log(xp.sum(xp.exp(scores - top), axis=1, keepdims=True))
        return -xp.sum(t * (scores - top - log_sum)) / BATCH

    @property
    def one_hot(self) -> Any:
        return np.eye(self.params[-1].size)[self.t]


def networks(net: Network) -> Variants:
    mlp = gdx.MLP([net.params[0].shape[0], net.params[1].size, net.params[3].size], "sigmoid")
    names = dict(zip(mlp.params, net.params, strict=True))
    of_mlp = gdx.value_and_grad(lambda params: mlp.loss(net.x, net.t, params))
    plain = gdx.value_and_grad(lambda params: net.traced(np, params, net.x, net.one_hot))
    variants: Variants = {
        "by hand": net.by_hand,
        "gdx": lambda: of_mlp(names),
        "gdx, of plain NumPy code": lambda: plain(net.params),
    }
    if peers.installed("autograd"):
        import autograd
        import autograd.numpy as anp

        one_hot = net.one_hot
        of_autograd = autograd.value_and_grad(
            lambda params: net.traced(anp, params, net.x, one_hot)
        )
        variants["autograd"] = lambda: of_autograd(net.params)
    if peers.installed("torch"):
        variants["torch"] = torch_network(net)
    if peers.installed("jax"):
        variants["jax.jit"] = jax_network(net)
    return variants


def torch_network(net: Network) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    params = [torch.asarray(p.copy()).requires_grad_() for p in net.params]
    x, t = torch.asarray(net.x), torch.asarray(net.t)

    def value_and_gradient() -> Any:
        W1, b1, W2, b2 = params
        scores = torch.sigmoid(x @ W1 + b1) @ W2 + b2
        loss = torch.nn.functional.cross_entropy(scores, t)
        return loss, torch.autograd.grad(loss, params)

    return value_and_gradient


def jax_network(net: Network) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    params = [jax.numpy.asarray(p) for p in net.params]
    x, t = jax.numpy.asarray(net.x), jax.numpy.asarray(net.one_hot)
    compiled = jax.jit(jax.value_and_grad(lambda p: net.traced(jax.numpy, p, x, t)))
    return lambda: jax.block_until_ready(compiled(params))


def gradients(x: Any, f: Callable[[ModuleType, Any], Any]) -> Variants:
    """Return the gradient of f(xp, x), which is written once for all."""
    of_gdx = gdx.grad(functools.partial(f, np))
    variants: Variants = {"gdx": lambda: of_gdx(x)}
    if peers.installed("autograd"):
        import autograd
        import autograd.numpy as anp

        of_autograd = autograd.grad(functools.partial(f, anp))
        variants["autograd"] = lambda: of_autograd(x)
    if peers.installed("torch"):
        import torch

        torch.set_num_threads(1)
        tensor, of_torch = torch.asarray(x.copy()), torch.func.grad(functools.partial(f, torch))
        variants["torch.func"] = lambda: of_torch(tensor)
    return variants


def squares() -> Variants:
    return gradients(np.asarray([1.0, 2.0]), lambda xp, x: xp.sum(x**2))


def rosenbrocks() -> Variants:
    x = np.random.default_rng(0).standard_normal(100)
    return gradients(x, lambda xp, x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def hessians() -> Variants:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((500, 200))
    signs = np.sign(rng.standard_normal(500))
    w = 0.1 * rng.standard_normal(200)

    def loss(xp: ModuleType, samples: Any, signs: Any, w: Any) -> Any:
        return xp.mean(xp.log1p(xp.exp(-signs * (samples @ w))))

    of_gdx = gdx.hessian(functools.partial(loss, np, samples, signs))
    variants: Variants = {"gdx": lambda: of_gdx(w)}
    if peers.installed("autograd"):
        import autograd
        import autograd.numpy as anp

        of_autograd = autograd.hessian(functools.partial(loss, anp, samples, signs))
        variants["autograd"] = lambda: of_autograd(w)
    if peers.installed("torch"):
        import torch

        torch.set_num_threads(1)
        tensors = [torch.asarray(array.copy()) for array in (samples, signs, w)]
        of_torch = torch.func.hessian(functools.partial(loss, torch, *tensors[:2]))
        variants["torch.func"] = lambda: of_torch(tensors[2])
    if peers.installed("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        arrays = [jax.numpy.asarray(array) for array in (samples, signs, w)]
        of_jax = jax.hessian(functools.partial(loss, jax.numpy, *arrays[:2]))
        variants["jax, not compiled"] = lambda: of_jax(arrays[2]).block_until_ready()
    return variants


def descents() -> Variants:
    start = np.asarray([-3.0, 4.0])

    def f(x: Any) -> Any:
        return x[0] ** 2 + x[1] ** 2

    return {
        "course": lambda: peers.gradient_descent(f, start.copy(), 0.1, 100),
        "gdx": lambda: gdx.gradient_descent(f, start, 0.1, 100),
    }


def memory() -> dict[str, Any] | None:
    """Return the row that compares the peaks of memory, in bytes, of one gradient of a network."""
    if not peers.installed("torch"):
        return None
    net = Network((784, 100, 10))
    mlp = gdx.MLP([784, 100, 10], "sigmoid")
    of_mlp = gdx.value_and_grad(lambda params: mlp.loss(net.x, net.t, params))
    names = dict(zip(mlp.params, net.params, strict=True))
    of_mlp(names)
    tracemalloc.start()
    of_mlp(names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "case": "MLP 784-100-10, peak of memory of a gradient",
        "kind": "memory",
        "reference": "torch",
        "bar": 1.2,
        "values": {"torch": torch_peak(torch_network(net)), "gdx": peak},
    }


def torch_peak(call: Callable[[], Any]) -> int:
    """Return the largest sum of what PyTorch has allocated in a call and not yet freed."""
    from torch.profiler import ProfilerActivity, profile

    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        result = call()
    now = peak = 0
    events = recorded.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    del result
    return peak
