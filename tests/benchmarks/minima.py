"""Minimisers beside those of SciPy, PyTorch and Optax: how often they evaluate f, and how long."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import peers
from accuracy import Measure
from cases import Bar, Case, Variants

import gdx

TOL, MEMORY, MAX_STEPS = 1e-5, 10, 10_000


class Minimum(NamedTuple):
    """f with its gradient, written by hand with NumPy, f for those that trace it, and a start."""

    name: str
    both: Callable[[Any], tuple[Any, Any]]
    traced: Callable[[Any, Any], Any]  # of the namespace and x
    start: Any


def minima() -> Iterator[tuple[Minimum, int, float]]:
    """Yield what is minimised, with the largest number of evaluations and ratio to SciPy."""
    yield rosenbrock(), 620, 2.0
    if peers.installed("sklearn"):
        yield digits(), 76, 1.2


def cases() -> Iterator[Case]:
    """Yield what is timed."""
    for problem, _, most in minima():
        yield Case(
            f"L-BFGS, {problem.name}, to a gradient of {TOL:g}",
            functools.partial(minimisers, problem),
            (Bar(most, "scipy L-BFGS-B"),),
        )
    yield Case(
        "gradient_descent, n = 2, 100 steps, gradient given",
        descents,
        (Bar(3.0, "a bare loop"),),
    )


def measures() -> Iterator[Measure]:
    """Yield what is counted."""
    for problem, most, _ in minima():
        yield Measure(
            f"L-BFGS, {problem.name}, evaluations",
            functools.partial(evaluations, problem),
            most,
            "count",
        )


def left_out() -> Iterator[str]:
    """Yield what cannot be measured here, and why."""
    for name in ("optax", "sklearn", "torch"):
        if not peers.installed(name):
            yield f"{name}: not installed"


def rosenbrock() -> Minimum:
    def both(x: Any) -> tuple[Any, Any]:
        a, b = x[:-1], x[1:]
        off = b - a * a
        gradient = np.zeros_like(x)
        gradient[:-1] = -400 * a * off - 2 * (1 - a)
        gradient[1:] += 200 * off
        return (100 * off**2 + (1 - a) ** 2).sum(), gradient

    def traced(xp: Any, x: Any) -> Any:
        return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return Minimum("Rosenbrock, n = 100", both, traced, np.tile([-1.2, 1.0], 50))


def digits() -> Minimum:
    """Softmax regression of the digits, 1,797 × 64, with a penalty of ‖p‖² / 2000."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    X, T = images / 16, np.eye(10)[labels]

    def both(p: Any) -> tuple[Any, Any]:
        scores = X @ p[:640].reshape(64, 10) + p[640:]
        scores -= scores.max(axis=1, keepdims=True)
        power = np.exp(scores)
        total = power.sum(axis=1, keepdims=True)
        loss = (np.log(total).sum() - (scores * T).sum()) / len(X) + 5e-4 * (p @ p)
        d = (power / total - T) / len(X)
        return loss, np.concatenate([(X.T @ d).ravel(), d.sum(axis=0)]) + 1e-3 * p

    def traced(xp: Any, p: Any) -> Any:
        scores = xp.asarray(X) @ p[:640].reshape((64, 10)) + p[640:]
        scores = scores - xp.amax(scores, 1, keepdims=True)
        chosen = xp.sum(scores * xp.asarray(T))
        log_sums = xp.log(xp.sum(xp.exp(scores), 1))
        return (xp.sum(log_sums) - chosen) / len(X) + 5e-4 * xp.sum(p * p)

    return Minimum("digits, 650 parameters", both, traced, np.zeros(650))


def by_gdx(problem: Minimum) -> gdx.OptimizeResult:
    method = gdx.optimize.lbfgs(MEMORY)
    return gdx.minimize(problem.both, problem.start, grad=True, method=method, tol=TOL)


def by_scipy(problem: Minimum, method: str = "L-BFGS-B") -> Any:
    from scipy import optimize

    options = {"gtol": TOL, "maxiter": MAX_STEPS}
    if method == "L-BFGS-B":
        options |= {"ftol": 0, "maxcor": MEMORY, "maxfun": MAX_STEPS}
    return optimize.minimize(problem.both, problem.start, jac=True, method=method, options=options)


def by_torch(problem: Minimum) -> Callable[[], int]:
    """Return what runs PyTorch's L-BFGS, and counts its evaluations."""
    import torch

    torch.set_num_threads(1)

    def run() -> int:
        x = torch.asarray(problem.start.copy()).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [x],
            max_iter=MAX_STEPS,
            max_eval=MAX_STEPS,
            tolerance_grad=TOL,
            tolerance_change=0,
            history_size=MEMORY,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Any:
            value, gradient = problem.both(x.detach().numpy())
            x.grad = torch.asarray(gradient)
            return value

        optimizer.step(closure)
        return optimizer.state[x]["func_evals"]

    return run


def by_optax(problem: Minimum) -> Callable[[], int]:
    """Return what runs Optax's L-BFGS, compiled as a whole, and counts its evaluations."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    f, solver = functools.partial(problem.traced, jax.numpy), optax.lbfgs(memory_size=MEMORY)
    value_and_gradient = optax.value_and_grad_from_state(f)

    def step(carry: Any) -> Any:
        x, state, steps, calls = carry
        value, gradient = value_and_gradient(x, state=state)
        updates, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=f)
        calls += optax.tree.get(state, "info").num_linesearch_steps
        return optax.apply_updates(x, updates), state, steps + 1, calls

    def goes_on(carry: Any) -> Any:
        large = jax.numpy.max(jax.numpy.abs(optax.tree.get(carry[1], "grad"))) > TOL
        return (carry[2] == 0) | ((carry[2] < MAX_STEPS) & large)

    start = jax.numpy.asarray(problem.start)
    compiled = jax.jit(lambda x: jax.lax.while_loop(goes_on, step, (x, solver.init(x), 0, 1)))
    return lambda: int(compiled(start)[3])


def minimisers(problem: Minimum) -> Variants:
    variants: Variants = {
        "scipy L-BFGS-B": lambda: by_scipy(problem),
        "gdx": lambda: by_gdx(problem),
    }
    if problem.start.size <= 100:  # beyond, its matrix takes seconds
        variants["scipy BFGS"] = lambda: by_scipy(problem, "BFGS")
    if peers.installed("torch"):
        variants["torch"] = by_torch(problem)
    if peers.installed("optax"):
        variants["optax, jit"] = by_optax(problem)
    return variants


def evaluations(problem: Minimum) -> dict[str, float]:
    ours = by_gdx(problem)
    assert ours.success
    counts = {"gdx": ours.nfev, "scipy L-BFGS-B": by_scipy(problem).nfev}
    if peers.installed("torch"):
        counts["torch"] = by_torch(problem)()
    if peers.installed("optax"):
        counts["optax"] = by_optax(problem)()
    return counts


def descents() -> Variants:
    start = np.asarray([-3.0, 4.0])

    def f(x: Any) -> Any:
        return x[0] ** 2 + x[1] ** 2

    def gradient(x: Any) -> Any:
        return 2 * x

    def bare() -> Any:
        x = start.copy()
        for _ in range(100):
            x = x - 0.1 * gradient(x)
        return x

    variants: Variants = {
        "a bare loop": bare,
        "gdx": lambda: gdx.gradient_descent(f, start, 0.1, 100, grad=gradient),
    }
    if peers.installed("torch"):
        variants["torch.optim.SGD"] = torch_descent(start)
    return variants


def torch_descent(start: Any) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)

    def run() -> Any:
        x = torch.asarray(start.copy()).requires_grad_()
        optimizer = torch.optim.SGD([x], lr=0.1)
        for _ in range(100):
            x.grad = 2 * x.detach()
            optimizer.step()
        return x

    return run
