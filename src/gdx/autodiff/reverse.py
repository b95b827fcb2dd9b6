"""Reverse mode: what depends on the inputs is remembered, and cotangents are pulled back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from gdx.autodiff.core import Rule, Trace, lifted
from gdx.backends import is_finite, library


class Node:
    """What is remembered of an array: from which it was made, and what pulls back to them.

    It holds none of the values but those that its pulls have captured.
    """

    __slots__ = ("dtype", "index", "parents", "pulls", "rule", "shape")

    def __init__(
        self,
        index: int,
        like: Any,
        rule: Rule | None,
        parents: Sequence[Node] = (),
        pulls: Any = (),
    ) -> None:
        self.index = index
        self.shape = like.shape
        self.dtype = like.dtype
        self.rule = rule
        self.parents = parents
        self.pulls = pulls


class Outputs:
    """The node of a function with several outputs: its one pull takes all their cotangents."""

    __slots__ = ("count", "index", "parents", "pull")

    def __init__(self, index: int, count: int, parents: Sequence[Node], pull: Any) -> None:
        self.index = index
        self.count = count
        self.parents = parents
        self.pull = pull


class Reverse(Trace):
    """Remembers; a traced array is marked with its `Node`."""

    __slots__ = ()

    def input(self, kind: type[Any], x: Any) -> Any:
        """Return `x` as an array to which cotangents will be pulled back."""
        self.nodes += 1
        return kind(x, self, Node(self.nodes, x, None))

    def process(
        self, kind: type[Any], call: Callable[..., Any], rule: Rule, args: Any, kwargs: Any
    ) -> Any:
        """Call the function one level down, and remember how to pull back."""
        values, places = self.values(kind, args)
        y = call(*values, **kwargs)
        parents, pulls = [], []
        for place in places:
            maker = rule.vjps[place]
            if maker is not None:
                parents.append(args[place].mark)
                pulls.append(maker(kind.functions, y, *values, **kwargs))
        if not parents:
            return lifted(kind, y)
        if rule.joint:
            return self.outputs(kind, y, parents, lambda gs: (pulls[0](gs),))
        self.nodes += 1
        return kind(y, self, Node(self.nodes, y, rule, parents, pulls))

    def outputs(self, kind: type[Any], ys: Any, parents: Sequence[Node], pull: Any) -> Any:
        """Return several outputs; `pull` maps their cotangents to those of all the parents."""
        self.nodes += 1
        together = Outputs(self.nodes, len(ys), parents, pull)
        traced = []
        for place, y in enumerate(ys):
            self.nodes += 1
            node = Node(self.nodes, y, None, (together,), (place,))  # type: ignore[arg-type]
            traced.append(kind(y, self, node))
        return type(ys)(*traced) if hasattr(ys, "_fields") else traced


def pull_back(kind: type[Any], nodes: list[Any], cotangents: list[Any]) -> dict[Any, Any]:
    """Return the cotangents of all inputs, given those of some nodes.

    The later a node was made, the earlier its turn; a node whose turn is over is let go, and with
    it what only it has kept.
    """
    waiting: dict[Any, Any] = {}
    heap: list[tuple[int, Any]] = []
    inputs = {}
    while nodes:
        _arrive(kind, waiting, heap, nodes.pop(), cotangents.pop())
    while heap:
        node = heappop(heap)[1]
        g = waiting.pop(node)
        if node.parents:
            _send(kind, waiting, heap, node, g)
        else:
            inputs[node] = g
    return inputs


def _send(kind: type[Any], waiting: dict[Any, Any], heap: Any, node: Any, g: Any) -> None:
    """Pull the cotangent of a node back to its parents."""
    if type(node) is Outputs:
        cotangents = node.pull(tuple(g))
    elif callable(node.pulls):
        cotangents = node.pulls(g)
    elif type(node.parents[0]) is Outputs:
        together, place = node.parents[0], node.pulls[0]
        if together not in waiting:
            waiting[together] = [None] * together.count
            heappush(heap, (-together.index, together))
        waiting[together][place] = g
        return
    elif node.rule.singular:
        cotangents = [_zero_where_unused(kind, pull(g), g) for pull in node.pulls]
    else:
        cotangents = [pull(g) for pull in node.pulls]
    for parent, c in zip(node.parents, cotangents, strict=True):
        if c is not None:
            _arrive(kind, waiting, heap, parent, c)


def _arrive(kind: type[Any], waiting: dict[Any, Any], heap: Any, node: Any, g: Any) -> None:
    """Add a cotangent to what a node waits with."""
    if g.shape != node.shape:
        g = kind.functions.unbroadcast(g, node.shape)
    if g.dtype != node.dtype:
        g = kind.functions.as_dtype(g, node.dtype)
    if node in waiting:
        waiting[node] = waiting[node] + g
    else:
        waiting[node] = g
        heappush(heap, (-node.index, node))


def _zero_where_unused(kind: type[Any], c: Any, g: Any) -> Any:
    """Return `c` with zeros where it is infinite or NaN, but nothing depends on it.

    So ``where(x > 0, log(x), 0)`` has the derivative zero at 0, not 0 · ∞. On the host, most
    arrays are seen to be finite; on a device, looking would cost more than doing it.
    """
    if type(c) is not kind and library(kind.xp).on_host(c) and is_finite(c, kind.xp):
        return c
    xp = kind.functions
    unused = xp.logical_and(g == 0, xp.logical_not(xp.isfinite(c)))
    return xp.where(unused, xp.zeros_like(c), c)
