"""What each function of the standard means: every name is in exactly one table.

`RULES` has derivatives; `COMPOSITE` functions are written in others and traced through;
`NO_DERIVATIVE` names functions that are constant between jumps, `CREATION` those that make arrays
from numbers, `QUESTIONS` those that answer with something else than an array, `VALUES` constants
and dtypes; `NOT_DIFFERENTIABLE` says what to write instead.
"""

from __future__ import annotations

from typing import Any

from gdx.autodiff.core import Rule, names
from gdx.autodiff.rules import (
    elementwise,
    fourier,
    indexing,
    linear_algebra,
    making,
    norms,
    products,
    reductions,
    shapes,
)

_MODULES: tuple[Any, ...] = (
    elementwise,
    reductions,
    shapes,
    indexing,
    linear_algebra,
    norms,
    products,
    fourier,
)


def _rows(table: str) -> dict[str, Any]:
    return {name: row for module in _MODULES for name, row in getattr(module, table, {}).items()}


class _NoMaker:
    """Of each argument, nothing is pulled back."""

    def __getitem__(self, place: int) -> None:
        return None


NO_MAKER: Any = _NoMaker()

# Constant between jumps: of each element by itself, and of whole arrays.
STEPS = names(
    "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor "
    "ceil equal floor floor_divide greater greater_equal isfinite isinf isnan less less_equal "
    "logical_and logical_not logical_or logical_xor not_equal round signbit trunc"
)
CHOICES = names(
    "all any argmax argmin argsort count_nonzero linalg.matrix_rank nonzero searchsorted"
)
NO_DERIVATIVE = STEPS | CHOICES

CREATION = names("arange empty eye fft.fftfreq fft.rfftfreq ones zeros")

QUESTIONS = names("__array_namespace_info__ can_cast finfo iinfo isdtype result_type")

VALUES = names(
    "__array_api_version__ bool complex128 complex64 e float32 float64 inf int16 int32 int64 int8 "
    "nan newaxis pi uint16 uint32 uint64 uint8"
)

_SORT = "its values are those of xp.sort, without the repeated ones"

NOT_DIFFERENTIABLE = {
    "from_dlpack": "convert arrays before they enter the function",
    "nextafter": "stop_gradient makes its argument a constant",
    "unique_all": _SORT,
    "unique_counts": _SORT,
    "unique_inverse": _SORT,
    "unique_values": _SORT,
}

COMPOSITE = {**_rows("COMPOSITE"), **making.COMPOSITE}

LISTS = frozenset(shapes.LISTS)

VIEWS, FIXED_VIEWS = shapes.VIEWS, shapes.FIXED_VIEWS

# What works on each element by itself, with or without a derivative.
ELEMENTWISE = frozenset(
    {*elementwise.ELEMENTWISE, *elementwise.VJPS, *STEPS, "stopped", "truncated"}
)

RULES: dict[str, Rule] = {
    **{
        name: Rule(name, makers, elementwise=True)
        for name, makers in elementwise.ELEMENTWISE.items()
    },
    **{name: Rule(name, (maker,), linear="each") for name, maker in _rows("LINEAR").items()},
    **{
        name: Rule(name, makers, linear="together")
        for name, makers in {**indexing.TOGETHER, **shapes.LISTS}.items()
    },
    **{name: Rule(name, makers) for name, makers in _rows("VJPS").items()},
    **{name: Rule(name, (maker,), joint=True) for name, maker in _rows("JOINT").items()},
    **{name: Rule(name, NO_MAKER) for name in (*NO_DERIVATIVE, "truncated", "stopped")},
}
