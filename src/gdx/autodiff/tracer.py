"""gdx's own engine: the derivatives of a function of any library, by tracing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdx.autodiff.batch import Batch
from gdx.autodiff.core import CONSTANT, OVER, Trace, opened
from gdx.autodiff.forward import Forward
from gdx.autodiff.lifting import traced_type
from gdx.autodiff.reverse import Reverse, pull_back
from gdx.autodiff.traced import Traced
from gdx.backends import Library, namespace_of
from gdx.trees import refilled

Flat = Callable[..., tuple[list[Any], Any]]


def vjp(f: Flat, primals: Sequence[Any]) -> tuple[list[Any], Callable[..., list[Any]], Any, bool]:
    """Return the outputs of `f`, their pullback, what else it returned, and if it uses primals."""
    kind, primals = _prepared(primals)
    with opened(Reverse) as trace:
        trace.copies = getattr(f, "pulled_later", False)
        inputs = [trace.input(kind, trace.given(kind, x)) for x in primals]
        _hand_over_numbers(f, inputs)
        nodes = [x.mark for x in inputs]
        ys, extra = f(*inputs)
        del inputs
        trace.warn_of_refusals()
        outputs: list[Any] = []
        followed: list[tuple[int, Any]] = []
        y = None
        for place, y in enumerate(ys):
            outputs.append(_left(y, trace, primals))
            if type(y) is kind and y.owner is trace:
                followed.append((place, y.mark))
        if extra is not None:
            extra = _left_by_all(extra, trace, primals)
        del ys, y

    depends = bool(followed)

    def pullback(cotangents: Sequence[Any], last: bool = False) -> list[Any]:
        trace.check()
        starts = [node for _, node in followed]
        arriving = [kind.beside(cotangents[place]) for place, _ in followed]
        if last:  # what was remembered is let go while it is used
            followed.clear()
        found = pull_back(kind, starts, arriving)
        return _own(kind, [found.get(node) for node in nodes], primals, cotangents)

    return outputs, pullback, extra, depends


def jvp(
    f: Flat, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any], Any]:
    """Return the outputs of `f`, their tangents, and what else it returned."""
    kind, primals = _prepared(primals)
    xp = kind.functions
    with opened(Forward) as trace:
        pairs = zip(primals, tangents, strict=True)
        inputs = [trace.input(kind, trace.given(kind, x), _lowered(v)) for x, v in pairs]
        _hand_over_numbers(f, inputs)
        ys, extra = f(*inputs)
        trace.check()
        trace.warn_of_refusals()
        outputs = [_left(y, trace, primals) for y in ys]
        moved = [
            y.mark if type(y) is kind and y.owner is trace else xp.zeros_like(output)
            for y, output in zip(ys, outputs, strict=True)
        ]
        extra = _left_by_all(extra, trace, primals)
    results: list[Any] = []
    for tangent in moved:
        results.append(_apart(kind.known, _lowered(tangent), (*tangents, *results)))
    return outputs, results, extra


def _hand_over_numbers(f: Flat, inputs: Sequence[Traced]) -> None:
    """Let what the caller gave as a number be one for f, too, which y += v does not change."""
    for place in getattr(f, "numbers", ()):
        if type(inputs[place].value) is np.ndarray:
            inputs[place].value = inputs[place].value[()]


def _apart(known: Library, x: Any, given: Sequence[Any]) -> Any:
    """Return an array in memory of its own: no view, and none of the arrays that were given."""
    if isinstance(x, Traced):
        return x.snapshot()
    if isinstance(x, np.generic):
        return x
    shared = not known.owner(x)
    for other in given:
        shared = shared or x is other
    return known.copied(x) if shared else x


def _prepared(primals: Sequence[Any]) -> tuple[type[Traced], list[Any]]:
    first = primals[0]
    kind = type(first) if isinstance(first, Traced) else traced_type(namespace_of(first))
    return kind, [_lowered(x) if isinstance(x, Traced) else x for x in primals]


def _lowered(x: Any) -> Any:
    if not isinstance(x, Traced):
        return x
    x.refresh()
    x.release()
    return x.value if x.owner is CONSTANT else x.snapshot()


def _left(y: Any, trace: Trace, given: Sequence[Any]) -> Any:
    """Return an array as it is outside a trace, in memory that is none of the arrays given."""
    if not isinstance(y, Traced):
        return y
    if y.memory is not None:
        y.refresh()
    owner = y.owner
    if owner.level == OVER:
        y.release()
        owner = y.owner
    if owner is not trace and owner is not CONSTANT:
        return y
    if type(trace) is Reverse and trace.copies:
        return trace.kept(type(y), y.value)
    return _apart(y.known, y.value, given)


def _left_by_all(extra: Any, trace: Trace, given: Sequence[Any]) -> Any:
    if isinstance(extra, dict):
        return {key: _left_by_all(item, trace, given) for key, item in extra.items()}
    if isinstance(extra, list | tuple):
        items = [_left_by_all(item, trace, given) for item in extra]
        return refilled(type(extra), items)
    return _left(extra, trace, given)


def _own(
    kind: type[Traced], cotangents: list[Any], primals: Sequence[Any], given: Sequence[Any]
) -> list[Any]:
    """Return cotangents as arrays with memory of their own; zeros where there is none."""
    result: list[Any] = []
    for g, x in zip(cotangents, primals, strict=True):
        g = kind.functions.zeros_like(x) if g is None else _lowered(g)  # noqa: PLW2901
        if type(g) is not kind and type(g) is not type(x) and type(x) is not kind:
            g = kind.xp.asarray(g)  # noqa: PLW2901 - NumPy's scalars
        g = _apart(kind.known, g, (*result, *given))  # noqa: PLW2901
        result.append(g)
    return result


def vmap(f: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    """Return `f` mapped over the first axis of all its arrays."""

    def mapped(arrays: list[Any]) -> list[Any]:
        kind, values = _prepared(arrays)
        with opened(Batch) as trace:
            ys = f([trace.input(kind, x) for x in values])
            return [
                _left(y, trace, arrays) if _is_of(y, trace) else _repeated(y, trace.length, kind)
                for y in ys
            ]

    return mapped


def _is_of(y: Any, trace: Trace) -> bool:
    if not isinstance(y, Traced):
        return False
    y.refresh()
    return y.owner is trace


def _repeated(y: Any, length: int, kind: type[Traced]) -> Any:
    y = _lowered(y)
    return kind.functions.broadcast_to(y, (length, *y.shape))
