"""The same on a CUDA device: stacks of points beside the course's loop on CuPy's arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peers
import problems
import updates
from cases import Bar, Case, Variants
from problems import Problem

import gdx
from gdx.backends import start


@functools.cache
def _unusable() -> str | None:
    """Return why CuPy cannot be used here."""
    try:
        start("cupy")
    except gdx.BackendUnavailableError as error:
        return str(error)
    return None


def left_out() -> Iterator[str]:
    """Yield what cannot be measured here, and why."""
    if _unusable():
        yield f"a CUDA device: {_unusable()}"


def cases() -> Iterator[Case]:
    """Yield what is timed, if there is a device."""
    if _unusable():
        return
    for n in (100, 1000, 10_000, 100_000):
        yield Case(f"Σx², n = {n}, on the device", lambda n=n: squares(n), (Bar(None),))
    for n in (100, 1000, 10_000):
        yield Case(f"Rosenbrock, n = {n}, on the device", lambda n=n: rosenbrock(n), (Bar(None),))
    for sizes in ((64, 50, 10), (784, 100, 10)):
        yield Case(
            f"TwoLayerNet {sizes}, float32, on the device",
            lambda sizes=sizes: network(sizes),
            (Bar(None, "f, one at a time"),),
        )
    yield Case("Adam step, 1e8 float32, on the device", adam, (Bar(1.25, "copies"),))
    if peers.installed("torch"):
        yield Case(
            "L-BFGS, logistic regression, 1e6 × 100 float32, on the device",
            logistic,
            (Bar(1.0, "torch"),),
        )


def waiting(call: Callable[[], Any]) -> Callable[[], None]:
    """Return a call that ends when the device has finished."""
    import cupy

    def waited() -> None:
        call()
        cupy.cuda.Device().synchronize()

    return waited


def squares(n: int) -> Variants:
    import cupy

    return beside_the_loop(
        problems.sum_of_squares(n),
        lambda x: cupy.sum(x**2),
        lambda x: cupy.sum(x**2, axis=-1),
    )


def rosenbrock(n: int) -> Variants:
    import cupy

    def stacked(x: Any) -> Any:
        off = 100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2
        return cupy.sum(off, axis=-1)

    return beside_the_loop(problems.rosenbrock(n), stacked, stacked)


def beside_the_loop(
    problem: Problem, f: Callable[[Any], Any], stacked: Callable[[Any], Any]
) -> Variants:
    import cupy

    x = cupy.asarray(problem.x)
    variants = {
        "gdx": waiting(lambda: gdx.numerical_gradient(stacked, x, vectorized=True)),
        "gdx, one at a time": waiting(lambda: gdx.numerical_gradient(f, x)),
        "course": waiting(lambda: course(f, x)),
    }
    if len(problem.x) > 10_000:  # minutes
        del variants["gdx, one at a time"]
    return variants


def course(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient by the loop of the course; numpy.nditer takes no arrays of CuPy."""
    h = 1e-4
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        value = x[place].copy()
        x[place] = value + h
        above = f(x)
        x[place] = value - h
        gradient[place] = (above - f(x)) / (2 * h)
        x[place] = value
    return gradient


def network(sizes: tuple[int, int, int]) -> Variants:
    """Return the gradient of a network of random images."""
    import cupy

    n_in, hidden, n_out = sizes
    rng = np.random.default_rng(0)
    images = cupy.asarray(rng.random((100, n_in)), dtype=cupy.float32)
    labels = cupy.asarray(rng.integers(0, n_out, 100))
    ends = np.cumsum([n_in * hidden, hidden, hidden * n_out, n_out])
    x = cupy.asarray(0.1 * rng.standard_normal(ends[-1]), dtype=cupy.float32)

    def losses(vector: Any) -> Any:
        W1, b1, W2, b2 = cupy.split(vector, ends[:-1].tolist(), axis=-1)
        lead = vector.shape[:-1]
        z = images @ W1.reshape(*lead, n_in, hidden) + b1[..., None, :]
        scores = cupy.tanh(z) @ W2.reshape(*lead, hidden, n_out) + b2[..., None, :]
        scores = scores - scores.max(axis=-1, keepdims=True)
        sums = cupy.log(cupy.sum(cupy.exp(scores), axis=-1))
        return cupy.mean(sums - scores[..., cupy.arange(100), labels], axis=-1)

    def one_at_a_time() -> None:
        for _ in range(2 * len(x)):
            losses(x)

    return {
        "gdx": waiting(lambda: gdx.numerical_gradient(losses, x, vectorized=True)),
        "f, one at a time": waiting(one_at_a_time),
    }


def normal(shape: int | tuple[int, ...], seed: int) -> Any:
    """Return random numbers, made on the host."""
    import cupy

    return cupy.asarray(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def adam(size: int = 10**8) -> Variants:
    """Return a step, and copies of as many bytes: it reads four arrays and writes three."""
    import cupy

    x, g = normal(size, seed=0), normal(size, seed=1)
    there, half = cupy.empty_like(x), size // 2

    def copies() -> None:
        for _ in range(3):
            cupy.copyto(there, g)
        cupy.copyto(there[:half], g[:half])

    step = updates.gdx_steps(gdx.optimize.adam(updates.RATE), x, g)
    return {"gdx": waiting(step), "copies": waiting(copies)}


def logistic(samples: int = 10**6, n: int = 100) -> Variants:
    """Return minimisations of the same loss, with the same gradient, by gdx and PyTorch."""
    import cupy
    import torch

    X = normal((samples, n), seed=0)
    signs = cupy.sign(X @ normal(n, seed=1) + 1)

    def both(xp: Any, X: Any, signs: Any, w: Any) -> tuple[Any, Any]:
        margins = signs * (X @ w)
        off = 1 / (1 + xp.exp(margins))
        gradient = X.T @ (-signs * off) / samples + 1e-3 * w
        return xp.mean(xp.logaddexp(-margins, 0 * margins)) + 5e-4 * (w @ w), gradient

    of_torch = functools.partial(both, torch, *map(torch.as_tensor, (X, signs)))
    method, start = gdx.optimize.lbfgs(10), cupy.zeros(n, dtype=cupy.float32)

    def by_torch() -> None:
        w = torch.zeros(n, device="cuda", requires_grad=True)
        solver = torch.optim.LBFGS(
            [w], max_iter=500, tolerance_grad=1e-5, tolerance_change=0, history_size=10,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Any:
            value, w.grad = of_torch(w.detach())
            return value

        solver.step(closure)

    of_cupy = functools.partial(both, cupy, X, signs)
    return {
        "gdx": waiting(lambda: gdx.minimize(of_cupy, start, grad=True, method=method, tol=1e-5)),
        "torch": waiting(by_torch),
    }
