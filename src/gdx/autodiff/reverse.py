"""Reverse mode: what depends on the inputs is remembered, and cotangents are pulled back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any

import numpy as np

from gdx.autodiff.core import Rule, lifted, names
from gdx.autodiff.guard import FIXED, Guarded
from gdx.autodiff.memory import is_plain
from gdx.backends import device_of
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
        pulls = self.pulls
        return (pulls[0](g),) if len(pulls) == 1 else [pull(g) for pull in pulls]

    def joined(self, kind: type[Any], g: Any, other: Any) -> Any:
        """Return a cotangent that arrives here, with that which was here already."""
        if g.shape != self.shape:
            if type(g) is OfPart or type(g) is Total:
                return g.joined(kind, self, other)
            g = kind.functions.unbroadcast(g, self.shape)
        if g.dtype != self.dtype:
            g = kind.functions.as_dtype(g, self.dtype)
        if other is None:
            return g
        if type(other) is Total:
            return Total(kind.beside(other.array) + g)
        return kind.beside(other) + g


class Total:
    """A cotangent in memory of its own; those of parts are added to it in place."""

    __slots__ = ("array",)
    shape = None  # so that it is seen to be no array

    def __init__(self, array: Any) -> None:
        self.array = array

    @classmethod
    def of(cls, kind: type[Any], g: Any) -> Total:
        """Return a cotangent in memory of its own."""
        return g if type(g) is cls else cls(kind.functions.duplicated(g))

    def joined(self, kind: type[Any], node: Node, other: Any) -> Total:
        """Return the total with what was at its node already."""
        if other is None:
            return self
        return Total(kind.beside(self.array) + (other.array if type(other) is Total else other))


class OfPart:
    """The cotangent of a part of an array; that of the rest is zero."""

    __slots__ = ("g", "key")
    shape = None

    def __init__(self, key: Any, g: Any) -> None:
        self.key = key
        self.g = g

    def joined(self, kind: type[Any], node: Node, other: Any) -> Any:
        """Return the cotangent of a node with this added to its part."""
        g, key = self.g, self.key
        if type(g) is kind:  # an outer trace follows one function with less work than assignments
            placed = kind.functions.placed(g, node.shape, key)
            return placed if other is None else node.joined(kind, placed, other)
        if other is None:
            total = Total(kind.zeros(node.shape, dtype=node.dtype, device=device_of(g)))
            total.array[key] = g
        else:
            total = Total.of(kind, other)
            total.array[key] = total.array[key] + g
        return total


class PartNode(Node):
    """The node of a part of an array."""

    __slots__ = ("key",)

    def __init__(self, order: int, like: Any, parent: Any, key: Any) -> None:
        super().__init__(order, like, (parent,))
        self.key = key

    def pulled(self, kind: type[Any], g: Any) -> Sequence[Any]:
        """Return the cotangent of the array: it is zero outside the part."""
        return (OfPart(self.key, g),)


class WrittenNode(Node):
    """The node of an array after an assignment; `parents` are the old array and the value."""

    __slots__ = ("key",)

    def __init__(self, order: int, like: Any, parents: Sequence[Any], key: Any) -> None:
        super().__init__(order, like, parents)
        self.key = key

    def pulled(self, kind: type[Any], g: Any) -> Sequence[Any]:
        """Return the cotangent without the part, in place, and the part."""
        total = Total.of(kind, g)
        array, key = total.array, self.key
        part = kind.functions.asarray(array[key], copy=True) if len(self.parents) > 1 else None
        array[key] = 0
        return (total,) if part is None else (total, part)


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


class Reverse(Guarded):
    """Remembers; a traced array is marked with its `Node`."""

    __slots__ = ("last",)

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.last = 0

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
        if len(args) > len(places) and rule.name not in FORGETFUL:
            for place, value in enumerate(values):
                if type(value) not in FIXED and place not in places:
                    values[place] = self.kept(kind, value)
        told, told_values = y, values
        if not kind.defers:
            told, told_values = kind.beside(y), [kind.beside(value) for value in values]
        if rule.name == "getitem" and kind.assignable and _is_assignable(*values):
            self.last -= 1
            return kind(y, self, PartNode(self.last, y, args[0].mark, values[1]))
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

    def write(self, kind: type[Any], x: Any, key: Any, value: Any) -> bool:
        """Assign to elements of an array in memory of its own."""
        parents = [x.mark]
        if type(value) is kind and value.owner is self:
            parents.append(value.mark)
        value = self.below(kind, x.value, value)
        if value is NotImplemented or not _is_assignable(x, key):
            return False
        x.value[key] = value
        self.last -= 1
        x.mark = WrittenNode(self.last, x.value, parents, self.kept(kind, key))
        return True

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


def _is_assignable(x: Any, key: Any) -> bool:
    """Tell whether the standard lets elements of x be assigned there, none of them twice."""
    if type(key) is slice or type(key) is int:
        return bool(x.shape)
    parts = key if type(key) is tuple else (key,)
    return bool(x.shape) and is_plain(key) and not any(part is None for part in parts)


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
        if type(g) is Total and type(node) is not WrittenNode:
            g = g.array
        if not node.parents:
            inputs[node] = g
            continue
        cs = node.pulled(kind, g)
        for place, parent in enumerate(node.parents):
            c = cs[place]
            if c is not None:
                other = waiting.get(parent)
                if other is None:
                    heappush(turns, (parent.order, parent))
                waiting[parent] = parent.joined(kind, c, other)
        del node, parent, cs, c
    return inputs
