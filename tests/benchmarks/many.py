"""Many small fits at once beside one after the other by SciPy, and Optax's under jit(vmap)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peers
from cases import Bar, Case, Variants

import gdx

TOL, MAX_STEPS = 1e-6, 500


def cases() -> Iterator[Case]:
    """Yield what is timed: from the same starts down to the same gradient."""
    for count, most in ((1_000, 0.07), (10_000, None)):
        bars = []
        if count <= 1_000:  # beyond, SciPy takes minutes
            bars.append(Bar(most, "scipy, one by one", ("gdx, gradient by hand",)))
        if peers.installed("optax"):
            bars.append(Bar(1.0, "optax, jit(vmap)", ("gdx, gradient by hand",)))
        if bars:
            name = f"{count:,} fits of a e^(-bt) + c to 20 samples"
            yield Case(name, lambda count=count: fits(Fits(count)), tuple(bars))


def left_out() -> Iterator[str]:
    """Yield what cannot be measured here, and why."""
    if not peers.installed("optax"):
        yield "optax: not installed"


class Fits:
    """Exponential decays with noise, and where to start."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.t = np.linspace(0, 1, 20)
        a, b, c = rng.uniform((1, 1, -1), (3, 5, 1), (count, 3)).T[:, :, None]
        noise = rng.standard_normal((count, self.t.size))
        self.data = a * np.exp(-b * self.t) + c + 0.01 * noise
        self.start = np.tile([1.0, 1.0, 0.0], (count, 1))

    def values(self, p: Any) -> Any:
        """Return the sums of squares of all problems."""
        fit = p[:, 0:1] * np.exp(-p[:, 1:2] * self.t) + p[:, 2:3]
        return np.sum((fit - self.data) ** 2, axis=1)

    def by_hand(self, p: Any) -> tuple[Any, Any]:
        """Return the same, and the gradients."""
        decay = np.exp(-p[:, 1:2] * self.t)
        residual = p[:, 0:1] * decay + p[:, 2:3] - self.data
        along = residual * decay
        gradient = [along.sum(axis=1), -p[:, 0] * (along @ self.t), residual.sum(axis=1)]
        return (residual * residual).sum(axis=1), 2 * np.stack(gradient, axis=1)

    def one(self, p: Any, data: Any) -> tuple[float, Any]:
        """Return the sum of squares of one problem, and its gradient by hand."""
        decay = np.exp(-p[1] * self.t)
        residual = p[0] * decay + p[2] - data
        along = residual * decay
        gradient = np.asarray([along.sum(), -p[0] * (along @ self.t), residual.sum()])
        return residual @ residual, 2 * gradient


def fits(problem: Fits) -> Variants:
    options = {"batch": True, "tol": TOL, "max_steps": MAX_STEPS}
    start = problem.start
    variants: Variants = {
        "gdx": lambda: gdx.minimize(problem.values, start, **options),
        "gdx, gradient by hand": lambda: gdx.minimize(problem.by_hand, start, grad=True, **options),
    }
    if len(start) <= 1_000:
        variants["scipy, one by one"] = lambda: scipy_fits(problem)
    if peers.installed("optax"):
        variants["optax, jit(vmap)"] = optax_fits(problem)
    return variants


def scipy_fits(problem: Fits) -> Any:
    from scipy import optimize

    options = {"gtol": TOL, "ftol": 0, "maxiter": MAX_STEPS}
    found = [
        optimize.minimize(
            problem.one, start, (data,), jac=True, method="L-BFGS-B", options=options
        ).x
        for start, data in zip(problem.start, problem.data, strict=True)
    ]
    return np.stack(found)


def optax_fits(problem: Fits) -> Callable[[], Any]:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    jnp, solver, t = jax.numpy, optax.lbfgs(), jax.numpy.asarray(problem.t)

    def fit(start: Any, data: Any) -> Any:
        def f(p: Any) -> Any:
            return jnp.sum((p[0] * jnp.exp(-p[1] * t) + p[2] - data) ** 2)

        value_and_gradient = optax.value_and_grad_from_state(f)

        def step(carry: Any) -> Any:
            p, state, _ = carry
            value, gradient = value_and_gradient(p, state=state)
            updates, state = solver.update(
                gradient, state, p, value=value, grad=gradient, value_fn=f
            )
            return optax.apply_updates(p, updates), state, carry[2] + 1

        def goes_on(carry: Any) -> Any:
            gradient = optax.tree.get(carry[1], "grad")
            large = jnp.max(jnp.abs(gradient)) > TOL
            return (carry[2] == 0) | ((carry[2] < MAX_STEPS) & large)

        return jax.lax.while_loop(goes_on, step, (start, solver.init(start), 0))[0]

    start, data = jnp.asarray(problem.start), jnp.asarray(problem.data)
    compiled = jax.jit(jax.vmap(fit))
    return lambda: jax.block_until_ready(compiled(start, data))
