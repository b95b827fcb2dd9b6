"""The engine of PyTorch."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdx.backends.engines.imported import Call, Imported, chosen
from gdx.backends.engines.interface import Array, Mapped, Rule


class Torch(Imported):
    """PyTorch by torch.func.

    Where f changes its argument in place, reverse mode raises before anything is changed, and
    forward mode works on copies. Under ``torch.no_grad()``, on what ``detach()`` returned, and in
    `vmap`, PyTorch lets f write to the arrays that it was handed.
    """

    def __init__(self) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.func: Any = importlib.import_module("torch.func")

    def differentiable(self, x: Array) -> bool:
        return bool(x.is_floating_point() or x.is_complex())

    def is_array(self, x: object) -> bool:
        return isinstance(x, self.torch.Tensor)

    def zeros_like(self, x: Array) -> Array:
        return self.torch.zeros_like(x)

    def depends(self, y: Array, primal: Array) -> bool:
        # Of an array that comes from outside, the flag tells of an outer transform, or of a user's
        # own leaf; a view of it belongs to this transform. Of sparse arrays there are no views.
        own = y.view_as(y) if y.layout is self.torch.strided else y.clone()
        return bool(own.requires_grad)

    def map_leaves(self, function: Callable[[Any], Any], tree: Any) -> Any:
        return importlib.import_module("torch.utils._pytree").tree_map(function, tree)

    def conjugated(self, arrays: Sequence[Array]) -> list[Array]:
        """Go from PyTorch's convention for complex cotangents to JAX's, or back."""
        # conj() would set a bit, with which NumPy cannot take the result.
        return [self.torch.conj_physical(g) if g.is_complex() else g for g in arrays]

    def pulled(self, call: Call, values: list[Array]) -> tuple[list[Array], Any, list[Array]]:
        outputs, pull, beside = self.func.vjp(self.padded(call), *values, has_aux=True)

        def pullback(cotangents: list[Array], last: bool) -> list[Array]:
            pulled = pull(self.conjugated(cotangents), retain_graph=not last)
            return self.owned(self.conjugated(pulled), cotangents)

        return outputs, pullback, beside

    def pushed(
        self, call: Call, values: list[Array], tangents: list[Array]
    ) -> tuple[list[Array], list[Array], list[Array]]:
        _start_forward_mode()
        # Of dual numbers, PyTorch lets f change both parts in place.
        values, tangents = [x.clone() for x in values], [t.clone() for t in tangents]
        outputs, moved, beside = self.func.jvp(
            self.padded(call), tuple(values), tuple(tangents), has_aux=True
        )
        return outputs, moved, beside

    def padded(self, call: Call) -> Callable[..., tuple[list[Array], list[Array]]]:
        """Return `call` with an output where it has none, which torch.func would not take."""

        def padded(*values: Array) -> tuple[list[Array], list[Array]]:
            outputs, beside = call(*values)
            return outputs or [values[0].new_zeros(())], beside

        return padded

    def owned(self, results: list[Array], given: Sequence[Array]) -> list[Array]:
        """Return arrays that may be changed: no views, and none that are there twice."""
        owned: list[Array] = []
        for g in results:
            shared = g._is_view() or any(g is other for other in (*given, *owned))
            owned.append(g.clone() if shared else g)
        return owned

    def vmap(self, f: Mapped) -> Mapped:
        # As if f had been called once: with the same random numbers in all rows.
        mapped: Mapped = self.func.vmap(f, randomness="same")
        return mapped

    def stop_gradient(self, x: Array) -> Array:
        return x.detach()

    def follows(self, x: Array) -> bool:
        # The flag of a tensor inside torch.func is that of its innermost level.
        wrapped = self.torch._C._functorch.is_functorch_wrapped_tensor(x)
        asked = x.requires_grad and self.torch.is_grad_enabled()
        return bool(wrapped or asked or self.is_dual(x))

    def is_dual(self, x: Array) -> bool:
        forward_ad = importlib.import_module("torch.autograd.forward_ad")
        return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None

    def custom(self, rule: Rule) -> Callable[..., list[Array]]:
        function = _torch_function(self, rule)
        return lambda *arrays: list(function.apply(*arrays))

    # In reverse mode, and where there is nothing behind a tensor, as in forward mode.
    leaving: str | None = r"Can't call numpy\(\) on Tensor|Cannot access data pointer of Tensor"

    def meets_numpy(self, f: Callable[..., Any], primals: Sequence[Array]) -> bool:
        try:
            f(*(x.detach().clone().as_subclass(_probe()) for x in primals))
        except _MeetsNumPyError:
            return True
        except Exception:
            return False
        return False

    def leaves_trace(self) -> tuple[type[Exception], ...]:
        return ()  # float(x) succeeds, and what fails is a RuntimeError as any other


class _MeetsNumPyError(TypeError):
    """NumPy was handed a tensor."""


@functools.cache
def _probe() -> Any:
    """Return a type of tensors that raise where NumPy computes with them."""
    torch = importlib.import_module("torch")

    def of_ufunc(x: Array, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Array:
        if any(isinstance(value, np.generic) for value in inputs):  # which PyTorch takes
            plain = [y.cpu().numpy() if isinstance(y, torch.Tensor) else y for y in inputs]
            return torch.as_tensor(ufunc(*plain), device=x.device).as_subclass(_probe())
        raise _MeetsNumPyError

    def of_function(x: Array, *args: Any) -> Array:
        raise _MeetsNumPyError

    members = {"__array_ufunc__": of_ufunc, "__array_function__": of_function}
    return type("Tensor", (torch.Tensor,), members)


@functools.cache
def _start_forward_mode() -> None:
    """Let PyTorch compile what its first dual number needs, which warns of what it calls itself."""
    forward_ad = importlib.import_module("torch.autograd.forward_ad")
    one = importlib.import_module("torch").ones(())
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(one, one)


def _torch_function(engine: Torch, rule: Rule) -> Any:
    # What is kept would be computed without a graph in `forward`, and second derivatives would miss
    # what goes through it. So the inputs alone are saved, and `fwd` runs again on the way back.

    def forward(*arrays: Array) -> tuple[Array, ...]:
        # An argument that is returned as it is cannot be saved.
        outputs = rule.f(*arrays)
        return tuple(y.view_as(y) if any(y is x for x in arrays) else y for y in outputs)

    def setup_context(ctx: Any, inputs: Sequence[Array], output: Sequence[Array]) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)
        ctx.smooth = [engine.differentiable(y) for y in output]

    def backward(ctx: Any, *cotangents: Array) -> tuple[Array | None, ...]:
        _, kept, static = rule.fwd(*ctx.saved_tensors)
        gs = iter(engine.conjugated(chosen(cotangents, ctx.smooth)))
        pulled = rule.bwd(kept, static, [next(gs) if smooth else None for smooth in ctx.smooth])
        return tuple(None if c is None else engine.conjugated([c])[0] for c in pulled)

    def jvp(ctx: Any, *tangents: Array | None) -> tuple[Array | None, ...]:
        # PyTorch has switched forward mode off: an outer one would find zeros here. Switched on
        # again, it must not see the tangents of this one.
        forward_ad = importlib.import_module("torch.autograd.forward_ad")
        with forward_ad._set_fwd_grad_enabled(True):
            arrays = [forward_ad.unpack_dual(x).primal for x in ctx.saved_tensors]
            given = [
                engine.zeros_like(x) if t is None else t
                for x, t in zip(arrays, tangents, strict=True)
            ]
            moved = engine.tangents_by(rule, arrays, given)
        return tuple(t if smooth else None for t, smooth in zip(moved, ctx.smooth, strict=True))

    methods = (forward, setup_context, backward, jvp)
    members = {method.__name__: staticmethod(method) for method in methods}
    return type(
        "Custom", (engine.torch.autograd.Function,), {**members, "generate_vmap_rule": True}
    )
