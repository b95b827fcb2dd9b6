"""Forward mode: each array carries its derivative along a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.core import Rule, lifted, opened
from gdx.autodiff.guard import Guarded
from gdx.autodiff.reverse import Reverse, pull_back
from gdx.trees import refilled


class Forward(Guarded):
    """Carries tangents; a traced array is marked with its tangent, of its shape and dtype."""

    __slots__ = ()

    def input(self, kind: type[Any], x: Any, tangent: Any) -> Any:
        """Return `x` as an array that moves along `tangent`."""
        return kind(x, self, kind.beside(fitted(kind, tangent, x)))

    def detach(self, x: Any) -> None:
        """Give an array and its tangent memory of their own."""
        super().detach(x)
        x.mark = x.functions.duplicated(x.mark)

    def write(self, kind: type[Any], x: Any, key: Any, value: Any) -> bool:
        """Assign to elements of an array and of its tangent, in memory of their own."""
        moving = type(value) is kind and value.owner is self
        tangent = self.below(kind, x.mark, value.mark if moving else 0)
        value = self.below(kind, x.value, value)
        if value is NotImplemented or tangent is NotImplemented:
            return False
        x.value[key] = value
        x.mark[key] = tangent
        return True

    def process(
        self,
        kind: type[Any],
        call: Callable[..., Any],
        function: Callable[..., Any],
        rule: Rule,
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Call the function one level down, and push the tangents through it."""
        values, places, _ = self.values(kind, args)
        y = call(*values, **kwargs)
        moving = {place: args[place].mark for place in places if rule.vjps[place] is not None}
        if not moving:
            return lifted(kind, y)
        if rule.linear == "together":
            rest = [_still(kind, rule, *pair) for pair in enumerate(values)]
            total = call(*(moving.get(*pair) for pair in enumerate(rest)), **kwargs)
        else:
            pairs = ((place, moving[place]) for place in moving)
            tangents = [self.pushed(kind, call, rule, y, values, kwargs, *pair) for pair in pairs]
            total = tangents[0]
            for tangent in tangents[1:]:
                total = total + tangent
        if rule.joint:
            traced = [self.input(kind, *pair) for pair in zip(y, total, strict=True)]
            return refilled(type(y), traced)
        return self.input(kind, y, total)

    def pushed(
        self,
        kind: type[Any],
        call: Callable[..., Any],
        rule: Rule,
        y: Any,
        values: list[Any],
        kwargs: Any,
        place: int,
        tangent: Any,
    ) -> Any:
        """Return what the tangent of one argument adds to that of the result."""
        if rule.linear:
            return call(*values[:place], tangent, *values[place + 1 :], **kwargs)
        maker: Any = rule.vjps[place]
        pull = maker(kind.functions, kind.beside(y), *map(kind.beside, values), **kwargs)
        if rule.elementwise:
            return pull(tangent)
        if rule.joint:
            return pushed(kind, lambda *gs: [pull(gs)], y)([tangent])
        return pushed(kind, lambda g: [pull(g)], [y])([tangent])[0]


def _still(kind: type[Any], rule: Rule, place: int, value: Any) -> Any:
    """Return the tangent of an argument that does not move; what has none, as it is."""
    if rule.vjps[place] is None:
        return value
    return kind.functions.zeros_like(value) if hasattr(value, "dtype") else 0


def fitted(kind: type[Any], tangent: Any, y: Any) -> Any:
    """Return a tangent of the shape and dtype of `y`."""
    xp = kind.functions
    if tangent.shape != y.shape:
        tangent = xp.broadcast_to(tangent, y.shape)
    return tangent if tangent.dtype == y.dtype else xp.as_dtype(tangent, y.dtype)


def pushed(
    kind: type[Any], pull: Callable[..., Sequence[Any]], ys: Sequence[Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Return the transpose of `pull`, which maps cotangents of all `ys` to those of all arguments.

    `pull` is linear, so its own pullback, taken anywhere, is its transpose.
    """
    xp = kind.functions

    def push(tangents: Sequence[Any]) -> list[Any]:
        zeros = [xp.zeros_like(y) for y in ys]
        nodes, arriving = [], []
        with opened(Reverse) as trace:
            cotangents = [trace.input(kind, zero) for zero in zeros]
            for image, tangent in zip(pull(*cotangents), tangents, strict=True):
                if type(image) is not kind or image.owner is not trace:
                    continue
                if image.shape != tangent.shape:
                    image = xp.unbroadcast(image, tangent.shape)  # noqa: PLW2901
                if image.dtype != tangent.dtype:
                    image = xp.as_dtype(image, tangent.dtype)  # noqa: PLW2901
                nodes.append(image.mark)
                arriving.append(tangent)
        found = pull_back(kind, nodes, [kind.beside(tangent) for tangent in arriving])
        pairs = zip(cotangents, zeros, strict=True)
        return [found.get(cotangent.mark, zero) for cotangent, zero in pairs]

    return push
