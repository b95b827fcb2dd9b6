"""What is common to engines of libraries whose transforms follow JAX's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from gdx.backends.engines.interface import Array, Function, Pulled, Rule

# Of the transforms that gdx has opened, the innermost last: is it forward mode?
forward_modes: ContextVar[tuple[bool, ...]] = ContextVar("gdx forward mode", default=())


@contextmanager
def _modes(modes: tuple[bool, ...]) -> Iterator[None]:
    token = forward_modes.set(modes)
    try:
        yield
    finally:
        forward_modes.reset(token)


def inside(*, forward: bool) -> AbstractContextManager[None]:
    """Say that one more transform is open."""
    return _modes((*forward_modes.get(), forward))


def outside() -> AbstractContextManager[None]:
    """Say that the innermost transform does not see what follows, as the rule of a function."""
    return _modes(forward_modes.get()[:-1])


class Imported(ABC):
    """What is common to engines of libraries whose transforms follow JAX's."""

    @abstractmethod
    def differentiable(self, x: Array) -> bool: ...

    @abstractmethod
    def is_array(self, x: object) -> bool: ...

    @abstractmethod
    def zeros_like(self, x: Array) -> Array: ...

    @abstractmethod
    def depends(self, y: Array, primal: Array) -> bool:
        """Tell, inside a reverse transform, whether the derivative of `y` may not be zero."""
        ...

    @abstractmethod
    def map_leaves(self, function: Callable[[Any], Any], tree: Any) -> Any:
        """Map over the containers that the library knows."""
        ...

    @abstractmethod
    def pulled(self, call: Call, values: list[Array]) -> tuple[list[Array], Any, list[Array]]:
        """Return the smooth outputs of `call`, their pullback, and what went beside them."""
        ...

    @abstractmethod
    def pushed(
        self, call: Call, values: list[Array], tangents: list[Array]
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Return the smooth outputs of `call`, their tangents, and what went beside them."""
        ...

    def vjp(self, f: Function, primals: Sequence[Array]) -> Pulled:
        call = Call(self, f, primals)
        values = chosen(primals, call.moves)
        with inside(forward=False):
            if not values:
                smooth_outputs, beside = call()
            else:
                smooth_outputs, pull, beside = self.pulled(call, values)
        outputs, extra = call.results(smooth_outputs, beside)
        moves, smooth = call.moves, call.smooth  # of `call` itself, traced arrays could be reached

        def pullback(cotangents: Sequence[Array], last: bool = False) -> list[Array]:
            if not values or not any(smooth):
                return [self.zeros_like(x) for x in primals]
            found = iter(pull(chosen(cotangents, smooth), last))
            return [
                next(found) if moving else self.zeros_like(x)
                for x, moving in zip(primals, moves, strict=True)
            ]

        return Pulled(outputs, pullback, extra, call.depends)

    def jvp(
        self, f: Function, primals: Sequence[Array], tangents: Sequence[Array]
    ) -> tuple[list[Array], list[Array], Any]:
        call = Call(self, f, primals)
        values = chosen(primals, call.moves)
        with inside(forward=True):
            if not values:
                smooth_outputs, beside = call()
                moved = [self.zeros_like(y) for y in smooth_outputs]
            else:
                smooth_outputs, moved, beside = self.pushed(
                    call, values, chosen(tangents, call.moves)
                )
        outputs, extra = call.results(smooth_outputs, beside)
        remaining = iter(moved)
        tangents_out = [
            next(remaining) if smooth else self.zeros_like(y)
            for y, smooth in zip(outputs, call.smooth, strict=True)
        ]
        return outputs, tangents_out, extra

    def mapped(self, function: Callable[[Any], Any], tree: Any) -> Any:
        """Map over the leaves of a tree; dicts keep their order, which JAX would sort by key."""
        kind = type(tree)
        if kind is dict:
            return {key: self.mapped(function, item) for key, item in tree.items()}
        if kind is list or kind is tuple:
            return kind(self.mapped(function, item) for item in tree)
        return self.map_leaves(function, tree)

    def tangents_by(
        self, rule: Rule, arrays: Sequence[Array], tangents: Sequence[Array]
    ) -> list[Array]:
        """Return the tangents of the outputs of a rule: what transposes its pullback."""
        outputs, kept, static = rule.fwd(*arrays)
        given: list[bool] = []

        def backward(*cotangents: Array) -> tuple[list[Array], None]:
            gs = [
                g if self.differentiable(y) else None
                for g, y in zip(cotangents, outputs, strict=True)
            ]
            pulled = rule.bwd(kept, static, gs)
            given[:] = [c is not None for c in pulled]
            return [c for c in pulled if c is not None], None

        transposed = self.vjp(backward, [self.zeros_like(y) for y in outputs]).pullback
        return transposed(chosen(tangents, given))


class Call:
    """One call of f, as a library takes it: what has no derivative goes past the transform."""

    def __init__(self, engine: Imported, f: Function, primals: Sequence[Array]) -> None:
        self.engine = engine
        self.f = f
        self.primals = primals
        self.moves = [engine.differentiable(x) for x in primals]
        self.smooth: list[bool] = []
        self.depends = False
        self.extra: Any = None

    def __call__(self, *values: Array) -> tuple[list[Array], list[Array]]:
        """Return the smooth outputs, and beside them the others and the arrays of `extra`."""
        engine, moving = self.engine, iter(values)
        pairs = zip(self.primals, self.moves, strict=True)
        outputs, self.extra = self.f(*(next(moving) if moves else x for x, moves in pairs))
        self.smooth = [engine.differentiable(y) for y in outputs]
        smooth_outputs = chosen(outputs, self.smooth)
        self.depends = bool(values) and any(engine.depends(y, values[0]) for y in smooth_outputs)
        beside = chosen(outputs, [not smooth for smooth in self.smooth])
        engine.mapped(lambda x: beside.append(x) if engine.is_array(x) else None, self.extra)
        return smooth_outputs, beside

    def results(
        self, smooth_outputs: Sequence[Array], beside: Sequence[Array]
    ) -> tuple[list[Array], Any]:
        """Return all outputs in order, and `extra`, of arrays that have left the transform."""
        remaining, left = iter(smooth_outputs), iter(beside)
        outputs = [next(remaining if smooth else left) for smooth in self.smooth]
        is_array = self.engine.is_array
        return outputs, self.engine.mapped(lambda x: next(left) if is_array(x) else x, self.extra)


def chosen(arrays: Sequence[Array], choices: Sequence[bool]) -> list[Array]:
    """Return the arrays at the places of the truths."""
    return [x for x, choice in zip(arrays, choices, strict=True) if choice]
