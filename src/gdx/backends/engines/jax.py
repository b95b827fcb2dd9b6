"""The engine of JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdx.backends.engines.imported import Call, Imported, forward_modes, outside
from gdx.backends.engines.interface import Array, Mapped, Rule


class Jax(Imported):
    """JAX by its own transforms."""

    def __init__(self) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.numpy: Any = importlib.import_module("jax.numpy")

    def differentiable(self, x: Array) -> bool:
        return bool(self.numpy.issubdtype(x.dtype, self.numpy.inexact))

    def is_array(self, x: object) -> bool:
        return isinstance(x, self.jax.Array)

    def zeros_like(self, x: Array) -> Array:
        return self.numpy.zeros_like(x)

    def depends(self, y: Array, primal: Array) -> bool:
        # A tracer may belong to another transform. JAX does not say so in public; without that
        # attribute every tracer counts.
        ours = getattr(y, "_trace", None) is getattr(primal, "_trace", None)
        return isinstance(y, self.jax.core.Tracer) and ours

    def map_leaves(self, function: Callable[[Any], Any], tree: Any) -> Any:
        return self.jax.tree.map(function, tree)

    def pulled(self, call: Call, values: list[Array]) -> tuple[list[Array], Any, list[Array]]:
        outputs, pull, beside = self.jax.vjp(call, *values, has_aux=True)
        return outputs, lambda cotangents, last: list(pull(cotangents)), beside

    def pushed(
        self, call: Call, values: list[Array], tangents: list[Array]
    ) -> tuple[list[Array], list[Array], list[Array]]:
        outputs, moved, beside = self.jax.jvp(call, tuple(values), tuple(tangents), has_aux=True)
        return outputs, moved, beside

    def vmap(self, f: Mapped) -> Mapped:
        mapped: Mapped = self.jax.vmap(f)
        return mapped

    def stop_gradient(self, x: Array) -> Array:
        return self.jax.lax.stop_gradient(x)

    def follows(self, x: Array) -> bool:
        return isinstance(x, self.jax.core.Tracer)

    def custom(self, rule: Rule) -> Callable[..., list[Array]]:
        # JAX has one or the other. The rule itself is custom_vjp, also where it is not linear, as
        # one that clips; of custom_jvp, JAX's transpose of a transpose is pulled back through.
        reverse, forward = self.by_vjp(rule), self.by_jvp(rule)

        def custom(*arrays: Array) -> list[Array]:
            pushes = rule.linear or any(forward_modes.get()[-1:])
            outputs: list[Array] = (forward if pushes else reverse)(*arrays)
            return outputs

        return custom

    def by_vjp(self, rule: Rule) -> Any:
        jax = self.jax

        def fwd(*arrays: Array) -> tuple[list[Array], Any]:
            with outside():
                outputs, kept, static = rule.fwd(*arrays)

            def backward(kept: Sequence[Array], gs: list[Array]) -> tuple[Array | None, ...]:
                integer = jax.dtypes.float0
                gs = [None if g.dtype == integer else g for g in gs]
                return tuple(rule.bwd(kept, static, gs))

            # What is no array goes along as a function.
            return list(outputs), jax.tree_util.Partial(backward, list(kept))

        function = jax.custom_vjp(lambda *arrays: list(rule.f(*arrays)))
        function.defvjp(fwd, lambda backward, gs: backward(gs))
        return function

    def by_jvp(self, rule: Rule) -> Any:
        def push(
            primals: Sequence[Array], given: Sequence[Array]
        ) -> tuple[list[Array], list[Array]]:
            with outside():
                outputs = list(rule.fwd(*primals)[0])
                tangents = self.tangents_by(rule, primals, given)
            moved = [
                t if self.differentiable(y) else np.zeros(y.shape, self.jax.dtypes.float0)
                for y, t in zip(outputs, tangents, strict=True)
            ]
            return outputs, moved

        function = self.jax.custom_jvp(lambda *arrays: list(rule.f(*arrays)))
        function.defjvp(push)
        return function

    leaving: str | None = None

    def meets_numpy(self, f: Callable[..., Any], primals: Sequence[Array]) -> bool:
        return False  # its operators take NumPy's arrays, and its errors say the rest

    def leaves_trace(self) -> tuple[type[Exception], ...]:
        errors = self.jax.errors
        return (
            errors.ConcretizationTypeError,
            errors.TracerArrayConversionError,
            errors.TracerIntegerConversionError,
            errors.UnexpectedTracerError,
        )
