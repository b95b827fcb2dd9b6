"""What is timed: the cases, the variants of each, and the bars that gdx should stay under."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import peers
import problems
from problems import Problem, squares

import gdx

Variants = dict[str, Callable[[], Any]]

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


@dataclass(frozen=True)
class Bar:
    """A row of the table: gdx beside a reference, both among the variants of a case.

    Parameters
    ----------
    most : float or None
        What the ratio should not exceed; None: nothing is promised.
    reference : str
        The variant that is 1.
    beside : tuple of str, optional
        The other variants in the row; by default all of them.
    """

    most: float | None
    reference: str = "course"
    beside: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Case:
    """One measurement; its variants are made when it is its turn."""

    name: str
    variants: Callable[[], Variants]
    bars: tuple[Bar, ...]


def cases() -> Iterator[Case]:
    """Yield what is timed, roughly from the small to the large."""
    # First, as long as torch and JAX are not imported: beside their threads nothing is forked.
    yield Case("f of 20 ms, n = 40, two processes", workers, (Bar(0.55, "one process"),))
    for n, most in ((2, 1.5), (10, 1.15), (100, 1.0), (1000, 1.0)):
        bars = (Bar(most),)
        if n == 100:
            bars += (Bar(0.4, "scipy 3-point", ()),)
        yield Case(f"numerical_gradient of Σx², n = {n}", lambda n=n: gradients(n), bars)
    for name, f in (("x0² + x1², 100 steps", two_squares), ("Σx², 100 steps, n = 2", squares)):
        yield Case(f"gradient_descent of {name}, numerical", lambda f=f: descents(f), (Bar(1.3),))
    yield Case("SimpleNet 2×3, gradient of the loss by closure", networks, (Bar(1.1),))
    yield Case("SimpleNet 2×3, vectorized", stacked_networks, (Bar(None),))
    for n, most, above_floor in ((100, 0.07, 2.5), (1000, 0.2, 1.4), (10_000, 1.0, 1.4)):
        yield Case(
            f"Σx², n = {n}, vectorized",
            lambda n=n: vectorized(problems.sum_of_squares(n)),
            (Bar(most), Bar(above_floor, "the floor", ("by hand",))),
        )
    for n, most in ((100, 0.07), (1000, 0.4)):
        yield Case(
            f"Rosenbrock, n = {n}, vectorized",
            lambda n=n: vectorized(problems.rosenbrock(n)),
            (Bar(most), Bar(None, "the floor", ("by hand",))),
        )
    for dtype, most in (("float64", 0.75), ("float32", 0.45)):
        yield Case(
            f"TwoLayerNet, 3,760 parameters, {dtype}, vectorized",
            lambda dtype=dtype: vectorized(problems.TwoLayerNet(dtype).problem()),
            (Bar(most), Bar(None, "the floor", ("by hand",))),
        )
    for shape in ((3,), (100, 10), (1000, 1000)):
        name = f"softmax of {shape}, against plain NumPy"
        yield Case(name, lambda shape=shape: softmaxes(shape), (Bar(None),))
    yield Case("import gdx, against import numpy", imports, (Bar(1.5),))


def left_out() -> Iterator[str]:
    """Yield what cannot be measured here, and why."""
    for name in ("torch", "jax"):
        if not peers.installed(name):
            yield f"{name}: not installed"
    if len(CORES) < 2:
        yield "two processes: there is one core"


def gradients(n: int) -> Variants:
    problem = problems.sum_of_squares(n)
    x, f = problem.x, problem.f

    def calls_of_f() -> None:
        for _ in range(2 * n):
            f(x)

    variants: Variants = {
        "course": lambda: peers.numerical_gradient(f, x),
        "gdx": lambda: gdx.numerical_gradient(f, x),
        "calls of f alone": calls_of_f,
        "scipy 3-point": peers.scipy_three_point(problem),
    }
    if n <= 100:
        variants["numdifftools"] = peers.numdifftools_gradient(problem)
        variants["scipy.differentiate"] = peers.scipy_differentiate(problem)
    return variants


def vectorized(problem: Problem) -> Variants:
    x, n = problem.x, problem.x.size
    variants: Variants = {
        "course": lambda: peers.numerical_gradient(problem.f, x),
        "gdx": lambda: gdx.numerical_gradient(problem.stacked, x, vectorized=True),
        "the floor": peers.floor(problem),
        "by hand": peers.by_hand(problem),
    }
    if n <= 1000:  # beyond, they take gigabytes and minutes
        variants["scipy 3-point"] = peers.scipy_three_point(problem)
        variants["scipy.differentiate"] = peers.scipy_differentiate(problem)
        variants["numdifftools"] = peers.numdifftools_gradient(problem)
    if n <= 5000 and peers.installed("torch"):
        variants["torch.vmap"] = peers.torch_vmap(problem)
    if peers.installed("jax"):
        variants["jax.jit(vmap)"] = peers.jax_vmap(problem)
        variants["jax.jit(vmap) in chunks"] = peers.jax_vmap(problem, chunks=True)
    return variants


def two_squares(x: Any) -> Any:
    return x[0] ** 2 + x[1] ** 2


def descents(f: Callable[[Any], Any]) -> Variants:
    start = np.asarray([-3.0, 4.0])
    return {
        "course": lambda: peers.gradient_descent(f, start.copy(), 0.1, 100),
        "gdx": lambda: gdx.gradient_descent(f, start, 0.1, 100, grad="numerical"),
    }


def networks() -> Variants:
    x, t = np.asarray([0.6, 0.9]), np.asarray([0, 0, 1])
    net, course = gdx.SimpleNet(rng=0), peers.SimpleNet(rng=0)
    return {
        "course": lambda: peers.numerical_gradient(lambda _: course.loss(x, t), course.W),
        "gdx": lambda: gdx.numerical_gradient(lambda _: net.loss(x, t), net.W),
    }


def stacked_networks() -> Variants:
    x, t = np.asarray([0.6, 0.9]), np.asarray([0, 0, 1])
    course = peers.SimpleNet(rng=0)
    W = course.W.copy()

    def losses(W: Any) -> Any:
        scores = x @ W
        scores -= np.max(scores, axis=-1, keepdims=True)
        return np.log(np.sum(np.exp(scores), axis=-1)) - scores[..., 2]

    return {
        "course": lambda: peers.numerical_gradient(lambda _: course.loss(x, t), course.W),
        "gdx": lambda: gdx.numerical_gradient(losses, W, vectorized=True),
    }


def workers() -> Variants:
    x = np.random.default_rng(0).standard_normal(40)

    def gradient(processes: int | None) -> Any:
        with all_cores():
            return gdx.numerical_gradient(problems.slow, x, workers=processes)

    return {"one process": lambda: gradient(None), "gdx": lambda: gradient(2)}


@contextlib.contextmanager
def all_cores() -> Iterator[None]:
    """Let the process run where it could before it was pinned to one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    pinned = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, pinned)


def softmaxes(shape: tuple[int, ...]) -> Variants:
    x = np.random.default_rng(0).standard_normal(shape)
    return {"course": lambda: peers.softmax(x), "gdx": lambda: gdx.softmax(x)}


def imports() -> Variants:
    def importing(module: str) -> Callable[[], Any]:
        command = [sys.executable, "-c", f"import {module}"]
        return lambda: subprocess.run(command, check=True)

    return {"course": importing("numpy"), "gdx": importing("gdx")}
