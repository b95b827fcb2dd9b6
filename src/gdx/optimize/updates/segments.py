"""Chains of rules at work: links that are elementwise become one function for each array."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import (
    Array,
    DType,
    Namespace,
    as_like,
    cast,
    common_namespace,
    epsilon,
    is_real_floating,
    library,
)
from gdx.devices import on_device_of
from gdx.optimize.updates.rules import RULES, Rule, Scalars
from gdx.trees import StructureError, Tree, flattened, is_tree, map_leaves

Rate = float | Callable[[int], float]


class OptimizerState(NamedTuple):
    """What an optimizer remembers between two steps.

    Attributes
    ----------
    step : int
        The number of steps taken.
    slots : tuple of tuples of arrays
        For each array of the parameters, in the order of their tree, what the rules remember.
    """

    step: int
    slots: tuple[tuple[Array, ...], ...]


Step = Callable[[Tree, OptimizerState, Tree], tuple[Tree, OptimizerState]]


@dataclass(frozen=True, repr=False)
class Link:
    """A rule with its options; `lr` is None where the rule has no learning rate."""

    name: str
    lr: Rate | None
    options: tuple[tuple[str, float], ...]
    shown: str

    def __repr__(self) -> str:
        return self.shown

    @property
    def rule(self) -> Rule:
        """The row of the table."""
        return RULES[self.name]

    def rate(self, step: int) -> float:
        """Return the learning rate after so many steps."""
        if not callable(self.lr):
            return self.lr or 0.0
        lr = float(self.lr(step))
        if not 0 <= lr < math.inf:
            raise ValueError(f"lr must be a finite number, 0 or more; at step {step} it is {lr!r}.")
        return lr

    def scalars(self) -> Callable[[int], Scalars]:
        """Return what maps a number of steps to the scalars of the step after them."""
        of_rule, options = self.rule.scalars, dict(self.options)
        if callable(self.lr):
            rate = self.rate
            return lambda step: of_rule(rate(step), step + 1, **options)
        lr = self.lr or 0.0
        return lambda step: of_rule(lr, step + 1, **options)


class _Segment:
    """Links that are one elementwise function; the first of them may have a reduction."""

    def __init__(self, links: Sequence[Link], start: int) -> None:
        self.rules = tuple(link.rule for link in links)
        self.reduction = self.rules[0].reduction
        self.places = slice(start, start + sum(rule.slots for rule in self.rules))
        self._scalars = [link.scalars() for link in links]

    def scalars(self, step: int) -> tuple[Scalars, ...]:
        """Return the scalars of each link."""
        return tuple([of_link(step) for of_link in self._scalars])

    def fused(self, xp: Namespace, dtype: DType, *, adds: bool) -> Any:
        """Return the segment for arrays of a dtype, as the library runs it best."""
        return _fused(xp, self.rules, adds, working_dtype(xp, dtype) != dtype)


def _segments(links: Sequence[Link]) -> Iterator[_Segment]:
    starts = [0, *(i for i, link in enumerate(links) if i and link.rule.reduction), len(links)]
    place = 0
    for start, end in itertools.pairwise(starts):
        segment = _Segment(links[start:end], place)
        yield segment
        place = segment.places.stop


@cache
def _fused(xp: Namespace, rules: tuple[Rule, ...], adds: bool, narrow: bool) -> Any:
    """Return rules as one function: of (u), written into (p, slots), or of (p) into (u, slots)."""
    ends = list(itertools.accumulate((rule.slots for rule in rules), initial=1))
    places = [slice(*each) for each in itertools.pairwise(ends)]
    parts = [(rule.body, place) for rule, place in zip(rules, places, strict=True)]

    def body(
        xp: Namespace, scalars: Sequence[Scalars], read: Sequence[Array], written: Sequence[Array]
    ) -> list[Array]:
        (u, p) = (read[0], written[0]) if adds else (written[0], read[0])
        if narrow:
            p = xp.astype(p, xp.float32)
        changed: list[Array] = []
        for i, (of_rule, place) in enumerate(parts):
            u, slots = of_rule(u, p, tuple(written[place]), scalars[i], xp)
            changed += slots
        if adds:
            p += u
        return [p if adds else u, *changed]

    return library(xp).fused(body, xp)


def runner(links: Sequence[Link], params: Tree, *, adds: bool) -> Step:
    """Return what takes a step: adds it to the parameters, in their memory, or returns it."""
    arrays, refill = flattened(params)
    if not arrays:
        raise ValueError(f"params must hold an array; got {params!r}.")
    xp = common_namespace(*arrays)
    segments = list(_segments(links))
    if adds and not is_tree(params) and len(segments) == 1 and segments[0].reduction is None:
        return _on_device(_of_one_array(segments[0], xp, params.dtype), xp)
    known, like = library(xp), map_leaves(lambda _: _PLACE, params)
    copied = known.copied
    dtypes = [leaf.dtype for leaf in arrays]

    def run(grad: Tree, state: OptimizerState, params: Tree) -> tuple[Tree, OptimizerState]:
        old: list[Array] = []
        updates: list[Array] = []

        def collect(_: Array, p: Array, g: Array) -> None:
            updates.append(_fitting(g, p, working_dtype(xp, p.dtype), xp))
            old.append(p)

        try:
            map_leaves(collect, like, params, grad)
        except StructureError as error:
            raise ValueError(f"grad must have the structure of params: {error}.") from None
        if adds and len(set(map(id, old))) < len(old):
            old = [copied(p) for p in old]  # one array at two places takes two steps
        if adds:
            # As the gradients of a · b, which are b and a.
            taken = set(map(known.memory, old))
            updates = [
                copied(u) if known.memory(u) in taken and u is not p else u
                for u, p in zip(updates, old, strict=True)
            ]
        slots = [list(each) for each in state.slots]
        if not adds:
            slots = [[copied(slot) for slot in each] for each in slots]
        if not adds or len(segments) > 1:
            updates = [copied(u) for u in updates]
        for segment in segments:
            last, places = adds and segment is segments[-1], segment.places
            scalars = segment.scalars(state.step)
            if segment.reduction is not None:
                factor = segment.reduction(updates, scalars[0], xp)
            for i, (u, p, own) in enumerate(zip(updates, old, slots, strict=True)):
                if segment.reduction is not None:
                    scalars = ((cast(factor, u.dtype, xp),), *scalars[1:])
                fused = segment.fused(xp, dtypes[i], adds=last)
                read, written = (u, p) if last else (p, u)
                updates[i], *own[places] = fused(scalars, (read,), (written, *own[places]))
        if not adds:
            updates = [cast(u, p.dtype, xp) for u, p in zip(updates, old, strict=True)]
        return refill(iter(updates)), OptimizerState(state.step + 1, tuple(map(tuple, slots)))

    return _on_device(run, xp)


def _on_device(step: Step, xp: Namespace) -> Step:
    """Return what takes a step on the device of its gradient."""
    return step if library(xp).current is None else on_device_of(0)(step)


# Of the structure of the parameters their places are kept, not their arrays.
_PLACE = np.empty(0)


def _of_one_array(segment: _Segment, xp: Namespace, dtype: DType) -> Step:
    working, fused = working_dtype(xp, dtype), segment.fused(xp, dtype, adds=True)
    scalars = segment.scalars

    def run(grad: Array, state: OptimizerState, x: Array) -> tuple[Array, OptimizerState]:
        step, (slots,) = state
        values = fused(scalars(step), (_fitting(grad, x, working, xp),), (x, *slots))
        return values[0], OptimizerState(step + 1, (values[1:],))

    return run


def _fitting(g: Array, p: Array, dtype: DType, xp: Namespace) -> Array:
    """Return a gradient with the given dtype, if it fits the parameter."""
    if type(g) is not type(p) or g.dtype != dtype:
        g = as_like(g, p, xp, "grad", dtype=dtype, attached=True)
    if g.shape != p.shape:
        raise ValueError(
            f"grad must have the shapes of params, here {tuple(p.shape)}; got {tuple(g.shape)}."
        )
    return g


@cache
def working_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype in which steps are computed: no narrower than float32.

    In float16, a squared gradient of 1e-4 is 0.
    """
    if not is_real_floating(xp, dtype):
        raise TypeError(
            f"params must hold real floating numbers, but the dtype of one is {dtype}. Convert it "
            "first, for example by gdx.asarray(x, dtype='float64')."
        )
    return xp.float32 if epsilon(xp, dtype) > 2.0**-22 else dtype
