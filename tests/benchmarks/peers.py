"""What gdx stands beside: the course's routines, written anew, and the same work by others."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from problems import Problem

MIB = 2**20

# The course: what a beginner's program does.


def numerical_gradient(f, x):
    h = 1e-4
    gradient = np.zeros_like(x)
    places = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not places.finished:
        place = places.multi_index
        value = x[place]
        x[place] = float(value) + h
        above = f(x)
        x[place] = value - h
        below = f(x)
        gradient[place] = (above - below) / (2 * h)
        x[place] = value
        places.iternext()
    return gradient


def gradient_descent(f, init_x, lr=0.01, step_num=100):
    x = init_x
    history = []
    for _ in range(step_num):
        history.append(x.copy())
        x -= lr * numerical_gradient(f, x)
    return x, np.array(history)


def softmax(x):
    power = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return power / np.sum(power, axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    if y.ndim == 1:
        y, t = y.reshape(1, y.size), t.reshape(1, t.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    n = y.shape[0]
    return -np.sum(np.log(y[np.arange(n), t] + 1e-7)) / n


class SimpleNet:
    def __init__(self, rng=None):
        self.W = np.random.default_rng(rng).standard_normal((2, 3))

    def loss(self, x, t):
        return cross_entropy_error(softmax(np.dot(x, self.W)), t)


# NumPy by hand.


def rows_of(x: Any, max_bytes: int = MIB) -> int:
    """Return how many copies of x fit, as pairs of a point above and one below."""
    return max(1, max_bytes // (2 * x.nbytes)) * 2


def floor(problem: Problem) -> Callable[[], list[Any]]:
    """Return f at as many points as a central gradient needs, on a stack that is there already."""
    x, f = problem.x, problem.stacked
    points, rows = 2 * x.size, min(rows_of(x), 2 * x.size)
    stack = np.tile(x, (rows, 1))
    rest = stack[: points % rows]
    chunks = [stack] * (points // rows) + [rest] * bool(len(rest))
    return lambda: [f(chunk) for chunk in chunks]


def by_hand(problem: Problem) -> Callable[[], Any]:
    """Return the central gradient for which one stack is written, used and put back."""
    x, f = problem.x, problem.stacked

    def gradient() -> Any:
        h = np.finfo(x.dtype).eps ** (1 / 3) * np.maximum(np.abs(x), 1)
        above, below = x + h, x - h
        result = np.empty_like(x)
        pairs = min(rows_of(x) // 2, x.size)
        stack = np.tile(x, (2 * pairs, 1))
        for start in range(0, x.size, pairs):
            places = np.arange(start, min(start + pairs, x.size))
            up, n = np.arange(len(places)), len(places)
            stack[up, places], stack[n + up, places] = above[places], below[places]
            values = f(stack[: 2 * n])
            stack[up, places] = stack[n + up, places] = x[places]
            result[places] = values[:n] - values[n:]
        return result / (above - below)

    return gradient


# Other packages.


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def scipy_three_point(problem: Problem) -> Callable[[], Any]:
    from scipy.optimize._numdiff import approx_derivative

    return lambda: approx_derivative(problem.f, problem.x, method="3-point")


def scipy_differentiate(problem: Problem) -> Callable[[], Any]:
    """Return SciPy's adaptive Jacobian; it wants the elements on the first axis."""
    from scipy.differentiate import jacobian

    return lambda: jacobian(lambda x: problem.stacked(np.moveaxis(x, 0, -1)), problem.x).df


def numdifftools_gradient(problem: Problem) -> Callable[[], Any]:
    import numdifftools

    return lambda: numdifftools.Gradient(problem.f)(problem.x)


def torch_vmap(problem: Problem) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    x, f = torch.asarray(problem.x.copy()), problem.traced(torch)
    n, h = len(x), float(np.finfo(problem.x.dtype).eps ** (1 / 3))
    stacked = torch.func.vmap(f, chunk_size=rows_of(problem.x))

    def gradient() -> Any:
        steps = h * torch.eye(n, dtype=x.dtype)
        values = stacked(torch.cat([x + steps, x - steps]))
        return (values[:n] - values[n:]) / (2 * h)

    return gradient


def jax_vmap(problem: Problem, chunks: bool = False) -> Callable[[], Any]:
    """Return the compiled gradient, of all elements at once or in chunks of 1 MiB."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    x, f = jnp.asarray(problem.x), problem.traced(jnp)
    h = float(np.finfo(problem.x.dtype).eps ** (1 / 3))
    pairs = rows_of(problem.x) // 2

    def at_once(x: Any) -> Any:
        steps, stacked = h * jnp.eye(len(x), dtype=x.dtype), jax.vmap(f)
        return (stacked(x + steps) - stacked(x - steps)) / (2 * h)

    def in_chunks(x: Any) -> Any:
        def element(i: Any) -> Any:
            return (f(x.at[i].add(h)) - f(x.at[i].add(-h))) / (2 * h)

        return jax.lax.map(element, jnp.arange(len(x)), batch_size=min(pairs, len(x)))

    compiled = jax.jit(in_chunks if chunks else at_once)
    return lambda: compiled(x).block_until_ready()
