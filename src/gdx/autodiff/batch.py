"""Batching: a function of one array is applied to a stack of them at once.

A traced array stands for one of a stack; its value has the stack's axis in front. A row of
`BATCHED` calls the same function on stacks, with the axes told anew. What has no row is called for
one array after another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gdx.autodiff.core import Rule, Trace, TracingError, names
from gdx.autodiff.memory import is_basic
from gdx.autodiff.rules import ELEMENTWISE
from gdx.trees import refilled

Array = Any


class Batch(Trace):
    """Carries stacks; all have one length."""

    __slots__ = ("length",)

    length: int

    def input(self, kind: type[Any], x: Any) -> Any:
        """Return one array that stands for all of the stack `x`."""
        self.length = x.shape[0]
        return kind(x, self, None)

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return the shape of one array of the stack."""
        return tuple(value.shape[1:])

    def ended(self, value: Any) -> Any:
        """Refuse: there is one array for each of the stack."""
        raise TracingError(
            "an array of a rule was kept that stands for many of them: use it in the rule alone."
        )

    def process(
        self,
        kind: type[Any],
        call: Callable[..., Any],
        function: Callable[..., Any],
        rule: Rule,
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Call the function on stacks."""
        values, places, _ = self.values(kind, args)
        one = Stacks(kind.functions, self.length, values, set(places))
        if rule.name in BATCHED:
            y = BATCHED[rule.name](one, call, *values[1:], **kwargs)
        else:
            y = call(*one.aligned(), **kwargs) if rule.name in ELEMENTWISE else NotImplemented
        if y is NotImplemented:
            y = one.in_turn(call, kwargs)
        if isinstance(y, tuple):
            return refilled(type(y), [kind(item, self, None) for item in y])
        return kind(y, self, None)


class Stacks:
    """The arguments of a call, some of which are stacks."""

    def __init__(self, xp: Any, length: int, values: list[Any], stacked: set[int]) -> None:
        self.xp = xp
        self.length = length
        self.values = values
        self.stacked = stacked

    @property
    def first(self) -> Array:
        """The first argument."""
        return self.values[0]

    @property
    def only_first(self) -> bool:
        """Whether the first argument is the only stack."""
        return self.stacked == {0}

    def ndim(self, place: int) -> int:
        """Return the number of axes that the user sees."""
        return getattr(self.values[place], "ndim", 0) - (place in self.stacked)

    def aligned(self) -> list[Any]:
        """Return the arguments with axes of length 1 where broadcasting would add them."""
        most = max(map(self.ndim, range(len(self.values))))
        return [
            self.raised(place, most) if place in self.stacked else value
            for place, value in enumerate(self.values)
        ]

    def raised(self, place: int, ndim: int) -> Array:
        """Return a stack of arrays with more axes."""
        x, missing = self.values[place], ndim - self.ndim(place)
        if not missing:
            return x
        return self.xp.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))

    def stack(self, place: int) -> Array:
        """Return an argument as a stack, also if it is one array for all."""
        x = self.values[place]
        if place in self.stacked:
            return x
        return self.xp.broadcast_to(x, (self.length, *x.shape))

    def in_turn(self, call: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        """Call the function for one array of the stack after another."""
        if not self.length:
            one = [
                self.xp.zeros(v.shape[1:], dtype=v.dtype) if i in self.stacked else v
                for i, v in enumerate(self.values)
            ]
            y = call(*one, **kwargs)
            return self.xp.zeros((0, *y.shape), dtype=y.dtype)
        results = [
            call(
                *(v[i, ...] if place in self.stacked else v for place, v in enumerate(self.values)),
                **kwargs,
            )
            for i in range(self.length)
        ]
        if isinstance(results[0], tuple):
            columns = [self.xp.stack(column) for column in zip(*results, strict=True)]
            return refilled(type(results[0]), columns)
        return self.xp.stack(results)


Axis = int | tuple[int, ...]


def _later(axis: Axis) -> Axis:
    """Return an axis counted in the stack; negative ones are the same."""
    if isinstance(axis, list | tuple):
        return tuple(a + 1 if a >= 0 else a for a in axis)
    return axis + 1 if axis >= 0 else axis


def _reducing(of: Stacks, call: Any, *, axis: Axis | None = None, **options: Any) -> Array:
    if not of.ndim(0):
        return NotImplemented
    axes = tuple(range(1, of.first.ndim)) if axis is None else _later(axis)
    return call(of.first, axis=axes, **options)


def _along_one(of: Stacks, call: Any, *, axis: int | None = None, **options: Any) -> Array:
    """Batch what works along one axis, by default along the one of a vector, or of all elements."""
    if axis is not None:
        return call(of.first, axis=_later(axis), **options)
    if options.get("keepdims"):
        return NotImplemented
    return call(of.xp.reshape(of.first, (of.length, -1)), axis=1, **options)


def _along_last(of: Stacks, call: Any, *, axis: int = -1, **options: Any) -> Array:
    return call(of.first, axis=_later(axis), **options)


def _over_axes(of: Stacks, call: Any, *, axes: Any = None, s: Any = None, **options: Any) -> Array:
    count = of.ndim(0) if s is None else len(s)
    chosen = tuple(range(-count, 0)) if axes is None else tuple(_later(tuple(axes)))  # type: ignore[arg-type]
    return call(of.first, axes=chosen, **({} if s is None else {"s": s}), **options)


def _shift(of: Stacks, call: Any, *, axes: Any = None) -> Array:
    return call(of.first, axes=tuple(range(1, of.first.ndim)) if axes is None else _later(axes))


def _as_it_is(of: Stacks, call: Any, *args: Any, **options: Any) -> Any:
    return call(of.first, *args, **options) if of.only_first else NotImplemented


def _reshape(of: Stacks, call: Any, shape: Any, **options: Any) -> Array:
    return call(of.first, (of.length, *((shape,) if isinstance(shape, int) else shape)), **options)


def _permute_dims(of: Stacks, call: Any, axes: tuple[int, ...]) -> Array:
    return call(of.first, (0, *(a % len(axes) + 1 for a in axes)))


def _moveaxis(of: Stacks, call: Any, source: Axis, destination: Axis) -> Array:
    return call(of.first, _later(source), _later(destination))


def _expand_dims(of: Stacks, call: Any, *args: int, axis: int = 0) -> Array:
    return call(of.first, axis=_later(args[0] if args else axis))


def _squeeze(of: Stacks, call: Any, *args: Axis, axis: Axis = ()) -> Array:
    return call(of.first, axis=_later(args[0] if args else axis))


def _broadcast_to(of: Stacks, call: Any, shape: tuple[int, ...]) -> Array:
    return call(of.raised(0, len(shape)), (of.length, *shape))


def _flip(of: Stacks, call: Any, *, axis: Axis | None = None) -> Array:
    return call(of.first, axis=tuple(range(1, of.first.ndim)) if axis is None else _later(axis))


def _roll(of: Stacks, call: Any, shift: Any, *, axis: Axis | None = None) -> Array:
    if axis is None:
        return NotImplemented
    return call(of.first, shift, axis=_later(axis))


def _concat(of: Stacks, call: Any, *rest: Any, axis: int | None = 0) -> Array:
    if axis is None:
        return NotImplemented
    return call(*map(of.stack, range(len(of.values))), axis=_later(axis))


def _stack(of: Stacks, call: Any, *rest: Any, axis: int = 0) -> Array:
    return call(*map(of.stack, range(len(of.values))), axis=_later(axis))


def _behind(key: Any) -> tuple[Any, ...]:
    """Return an index of one array as one of the stack."""
    return (slice(None), *key) if isinstance(key, tuple) else (slice(None), key)


def _getitem(of: Stacks, call: Any, key: Any) -> Array:
    return call(of.first, _behind(key)) if is_basic(key) else NotImplemented


def _placed(of: Stacks, call: Any, shape: tuple[int, ...], key: Any) -> Array:
    if not is_basic(key):
        return NotImplemented
    return call(of.first, (of.length, *shape), _behind(key))


def _updated(of: Stacks, call: Any, key: Any, value: Any) -> Array:
    if not is_basic(key):
        return NotImplemented
    x = of.stack(0)
    ndim = np.broadcast_to(0, x.shape[1:])[key].ndim
    return call(x, _behind(key), of.raised(2, ndim) if 2 in of.stacked else value)


def _take(of: Stacks, call: Any, indices: Array, *, axis: int | None = None) -> Array:
    if not of.only_first:
        return NotImplemented
    return call(of.first, indices, axis=1 if axis is None else _later(axis))


def _take_along_axis(of: Stacks, call: Any, indices: Array, *, axis: int = -1) -> Array:
    return call(of.stack(0), of.stack(1), axis=_later(axis))


def _matmul(of: Stacks, call: Any, other: Array) -> Array:
    a, b = of.values
    shapes = of.ndim(0), of.ndim(1)
    if of.only_first and shapes[0] == 1 and shapes[1] <= 2:
        return call(a, b)
    if of.stacked == {1} and shapes == (2, 1):
        return call(b, of.xp.matrix_transpose(a))
    # Vectors become matrices, and all have as many axes.
    a = of.xp.expand_dims(a, axis=-2) if shapes[0] == 1 else a
    b = of.xp.expand_dims(b, axis=-1) if shapes[1] == 1 else b
    sides = Stacks(of.xp, of.length, [a, b], of.stacked).aligned()
    y = call(*sides)
    if shapes[1] == 1:
        y = y[..., 0]
    return y if shapes[0] > 1 else y[..., 0] if shapes[1] == 1 else y[..., 0, :]


def _vecdot(of: Stacks, call: Any, other: Array, *, axis: int = -1) -> Array:
    return call(*of.aligned(), axis=axis) if axis < 0 else NotImplemented


def _tensordot(of: Stacks, call: Any, other: Array, *, axes: Any = 2) -> Array:
    if isinstance(axes, int):
        axes = range(of.ndim(0) - axes, of.ndim(0)), range(axes)
    of_a, of_b = ([i % of.ndim(place) for i in axes[place]] for place in (0, 1))
    if of.only_first:
        return call(*of.values, axes=([i + 1 for i in of_a], of_b))
    if of.stacked == {1}:
        y = call(*of.values, axes=(of_a, [i + 1 for i in of_b]))
        return of.xp.moveaxis(y, of.ndim(0) - len(of_a), 0)
    return NotImplemented


def _solve(of: Stacks, call: Any, right: Array) -> Array:
    a, b = of.stack(0), of.stack(1)
    if of.ndim(1) > 1:
        sides = Stacks(of.xp, of.length, [a, b], {0, 1}).aligned()
        return call(*sides)
    if of.ndim(0) > 2:
        return NotImplemented
    return call(a, of.xp.expand_dims(b, axis=-1))[..., 0]


_MATRIX_FUNCTIONS = names(
    "matrix_transpose tril triu linalg.cholesky linalg.det linalg.diagonal linalg.eigh linalg.inv "
    "linalg.matrix_rank linalg.pinv linalg.qr linalg.slogdet linalg.svd linalg.trace"
)

_TRANSFORMS = names("fft ifft rfft irfft hfft ihfft")

BATCHED: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(names("sum mean prod max min std all any count_nonzero"), _reducing),
    **dict.fromkeys(names("argmax argmin cumulative_sum cumulative_prod"), _along_one),
    "argsort": _along_last,
    **dict.fromkeys((*_MATRIX_FUNCTIONS, "as_dtype", "duplicated", "truncated"), _as_it_is),
    **dict.fromkeys((f"fft.{name}" for name in _TRANSFORMS), _along_last),
    **dict.fromkeys((f"fft.{name}n" for name in _TRANSFORMS if "h" not in name), _over_axes),
    **dict.fromkeys(("fft.fftshift", "fft.ifftshift"), _shift),
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "expand_dims": _expand_dims,
    "flip": _flip,
    "getitem": _getitem,
    "laid_out": lambda of, call, like: of.first,  # layouts are those of the stacks
    "linalg.solve": _solve,
    "matmul": _matmul,
    "moveaxis": _moveaxis,
    "permute_dims": _permute_dims,
    "placed": _placed,
    "reshape": _reshape,
    "roll": _roll,
    "squeeze": _squeeze,
    "stack": _stack,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "tensordot": _tensordot,
    "updated": _updated,
    "vecdot": _vecdot,
}
