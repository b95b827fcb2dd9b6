"""Reverse mode: what depends on the inputs is remembered, and cotangents are pulled back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any

import numpy as np

from gdx.autodiff.core import Rule, Trace, lifted, names
from gdx.trees import refilled

# Their pulls remember no array.
FORGETFUL = names("add concat stack subtract")


class Node:
    """What is remembered of an array: from which it was made, and what pulls back to them.

    It holds none of the values but those that its pulls have captured.
    """

    __slots__ = ("dtype", "order", "parents", "pulls", "shape")

    def __init__(
        self,
        order: int,
        like: Any,
        parents: Sequence[Any] = (),
        pulls: Sequence[Callable[[Any], Any]] = (),
    ) -> None:
        self.order = order  # the later it was made, the smaller
        self.shape = like.shape
        self.dtype = like.dtype
        self.parents = parents
        self.pulls = pulls

    def pulled(self, kind: type[Any], g: Any) -> Sequence[Any]:
        """Return a cotangent for each parent, or None."""
        return [pull(g) for pull in self.pulls]

    def joined(self, kind: type[Any], g: Any, other: Any) -> Any:
        """Return a cotangent that arrives here, with that which was here already."""
        if g.shape != self.shape:
            g = kind.functions.unbroadcast(g, self.shape)
        if g.dtype != self.dtype:
            g = kind.functions.as_dtype(g, self.dtype)
        return g if other is None else kind.beside(other) + g


class JointNode(Node):
    """The node of an array of which one pull gives the cotangents of all parents."""

    __slots__ = ("pull",)

    def __init__(self, order: int, like: Any, parents: Sequence[Any], pull: Any) -> None:
        super().__init__(order, like, parents)
        self.pull = pull

    def pulled(self, kind: type[Any], g: Any) -> Sequence[Any]:
        """Return a cotangent for each parent, or None."""
        # Rules of users get arrays, where NumPy has made a number of one.
        cotangents: Sequence[Any] = self.pull(np.asarray(g) if isinstance(g, np.generic) else g)
        return cotangents


class Outputs:
    """The node of several arrays together; its pull takes a cotangent of each, or None."""

    __slots__ = ("count", "order", "parents", "pull")

    def __init__(self, order: int, count: int, parents: Sequence[Any], pull: Any) -> None:
        self.order = order
        self.count = count
        self.parents = parents
        self.pull = pull

    def pulled(self, kind: type[Any], gs: Any) -> Sequence[Any]:
        """Return a cotangent for each parent, or None."""
        cotangents: Sequence[Any] = self.pull(tuple(gs))
        return cotangents

    def joined(self, kind: type[Any], g: Any, others: Any) -> Any:
        """Return the cotangents that have arrived, with that of one array more."""
        place, own = g
        gs = [None] * self.count if others is None else others
        gs[place] = own
        return gs


class Reverse(Trace):
    """Remembers; a traced array is marked with its `Node`."""

    __slots__ = ("last", "locked")

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.last = 0
        self.locked: list[Any] = []

    def close(self) -> None:
        """Let no array of this trace be used any more, and what was kept be changed again."""
        super().close()
        locked, self.locked = self.locked, []
        while locked:  # a view cannot be unlocked before its base
            left = [x for x in locked if not _unlocked(x)]
            locked = left if len(left) < len(locked) else []

    def lock(self, kind: type[Any], args: Any) -> None:
        """Keep plain arrays from being changed in f after they were used; pulls remember them."""
        for x in args:
            if type(x) is tuple:
                self.lock(kind, x)
            elif type(x) is np.ndarray and x.flags.writeable:
                x.flags.writeable = False
                self.locked.append(x)

    def input(self, kind: type[Any], x: Any) -> Any:
        """Return `x` as an array to which cotangents will be pulled back."""
        self.last -= 1
        return kind(x, self, Node(self.last, x))

    def process(
        self,
        kind: type[Any],
        call: Callable[..., Any],
        function: Callable[..., Any],
        rule: Rule,
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Call the function one level down, and remember how to pull back."""
        values, places, nested = self.values(kind, args)
        y = (call if nested else function)(*values, **kwargs)
        if kind.locks and len(args) > len(places) and rule.name not in FORGETFUL:
            self.lock(kind, args)
        told, told_values = y, values
        if not kind.defers:
            told, told_values = kind.beside(y), [kind.beside(value) for value in values]
        parents, pulls = [], []
        for place in places:
            maker = rule.vjps[place]
            if maker is not None:
                parents.append(args[place].mark)
                pulls.append(maker(kind.functions, told, *told_values, **kwargs))
        if not parents:
            return lifted(kind, y)
        if rule.joint:
            return self.outputs(kind, y, parents, lambda gs: (pulls[0](gs),))
        self.last -= 1
        return kind(y, self, Node(self.last, y, parents, pulls))

    def joint(self, kind: type[Any], y: Any, parents: Sequence[Any], pull: Any) -> Any:
        """Return an array; `pull` maps its cotangent to those of all the parents."""
        self.last -= 1
        return kind(y, self, JointNode(self.last, y, parents, pull))

    def outputs(self, kind: type[Any], ys: Any, parents: Sequence[Any], pull: Any) -> Any:
        """Return several arrays; `pull` maps their cotangents to those of all the parents."""
        self.last -= 1
        together = (Outputs(self.last, len(ys), parents, pull),)
        traced = []
        for place, y in enumerate(ys):
            self.last -= 1
            node = Node(self.last, y, together, (partial(_at, place),))
            traced.append(kind(y, self, node))
        return refilled(type(ys), traced)


def _unlocked(x: Any) -> bool:
    try:
        x.flags.writeable = True
    except ValueError:
        return False
    return True


def _at(place: int, g: Any) -> tuple[int, Any]:
    return place, g


def pull_back(kind: type[Any], nodes: list[Any], cotangents: list[Any]) -> dict[Any, Any]:
    """Return the cotangents of all inputs, given those of some nodes.

    The later a node was made, the earlier its turn; a node whose turn is over is let go, and with
    it what only it has kept.
    """
    waiting: dict[Any, Any] = {}
    turns: list[tuple[int, Any]] = []
    inputs = {}
    while nodes:
        node = nodes.pop()
        if node not in waiting:
            heappush(turns, (node.order, node))
        waiting[node] = node.joined(kind, cotangents.pop(), waiting.get(node))
    while turns:
        node = heappop(turns)[1]
        g = waiting.pop(node)
        if not node.parents:
            inputs[node] = g
            continue
        for parent, c in zip(node.parents, node.pulled(kind, g), strict=True):
            if c is not None:
                other = waiting.get(parent)
                if other is None:
                    heappush(turns, (parent.order, parent))
                waiting[parent] = parent.joined(kind, c, other)
        del node, parent
    return inputs
