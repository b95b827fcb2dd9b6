"""The hooks by which NumPy and CuPy hand their functions over to a traced array.

What NumPy has is imported at the first use of a hook, and every row is found once.
"""

from __future__ import annotations

import functools
import opcode
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from gdx.autodiff.core import CONSTANT, TracingError, lifted, refusals
from gdx.autodiff.sharing import SHARING, WITHOUT_AXES, shared
from gdx.backends import library

Row = Callable[..., Any]

# The names and rows of the functions and ufuncs that were met.
_ROWS: dict[Any, tuple[str, Row | None]] = {}

_PLAIN = frozenset((np.ndarray, float, int))
_OPTIONS = {"axis", "keepdims"}


@functools.cache
def _tables() -> ModuleType:
    from gdx.autodiff import numpy_names

    return numpy_names


class _Direct(dict[Any, dict[Any, Row]]):
    """By the type of a traced array, NumPy's functions that are dispatching functions themselves.

    They are those that mean what the standard's do, where dtypes follow NumPy's rules.
    """

    def __missing__(self, kind: Any) -> dict[Any, Row]:
        found = self[kind] = {}
        if library(kind.xp).numpy_dtypes:
            for name, to in {**_tables().DIRECT_UFUNCS, **_tables().DIRECT_FUNCTIONS}.items():
                found[getattr(np, name)] = getattr(kind.functions, to)
        return found


_DIRECT = _Direct()


def of_ufunc(
    x: Any, ufunc: Any, method: str, *inputs: Any, out: tuple[Any, ...] = (), **kwargs: Any
) -> Any:
    """Return what a ufunc, or a method of it, gives."""
    kind = type(x)
    if method == "__call__" and not kwargs and not out:
        function = _DIRECT[kind].get(ufunc)
        if function is not None:
            for value in inputs:
                type_ = type(value)
                if type_ is not kind and type_ not in _PLAIN:
                    break
            else:
                return function(*inputs)
    if out and library(kind.xp).numpy_dtypes and _loses(out, inputs):
        raise assigned(ufunc.__name__)
    if method == "__call__":
        _refuse_options(ufunc.__name__, kwargs)
    found = _ROWS.get((ufunc, method))
    if found is None:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        row = _tables().ufunc_row(ufunc.__name__, method)
        found = _ROWS[ufunc, method] = name, row
    result = _called(x, *found, inputs, kwargs)
    if found[0] in SHARING:
        result = shared(kind, found[0], ufunc, inputs, kwargs, result)
    return _put(result, out) if out else result


def of_function(x: Any, function: Any, types: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """Return what a function of NumPy gives."""
    kind = type(x)
    if len(args) == 1 and type(args[0]) is kind:
        direct = _DIRECT[kind].get(function)
        if direct is not None and (not kwargs or _plain_options(kwargs)):
            return direct(x, **kwargs)
    found = _ROWS.get(function)
    if found is None:
        name = _tables().name_of(function)
        found = _ROWS[function] = name, _tables().FUNCTIONS.get(name)
    result = _called(x, *found, args, kwargs)
    if found[0] in SHARING:
        return shared(kind, found[0], function, args, kwargs, result)
    return result


def _loses(out: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Tell whether what follows the inputs would end in a plain array."""
    followed = any(getattr(x, "owner", CONSTANT) is not CONSTANT for x in inputs)
    return followed and not all(hasattr(x, "owner") for x in out)


def _plain_options(kwargs: dict[str, Any]) -> bool:
    return kwargs.keys() <= _OPTIONS and kwargs.get("keepdims", False) is not np._NoValue


def of_cupy_kernel(x: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a ufunc of CuPy gives; other kernels have derivatives that nobody knows."""
    name = library(x.xp).ufunc_name(kernel)
    given = {key: value for key, value in kwargs.items() if value is not None}
    if kernel.name == "cupy_fill" or "out" in given or (name and len(args) > kernel.nin):
        raise assigned(name)
    if name is None:
        raise TracingError(_unknown(f"the kernel {kernel.name}"))
    _refuse_options(name, given)
    row = _tables().ufunc_row(name) or _tables().FUNCTIONS.get(name)
    return _called(x, name, row, args, {})


_SYMBOLS = {
    "add": "+",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
    "divide": "/",
    "floor_divide": "//",
    "left_shift": "<<",
    "matmul": "@",
    "multiply": "*",
    "power": "**",
    "remainder": "%",
    "right_shift": ">>",
    "subtract": "-",
}


def assigned(ufunc: str | None = None) -> TracingError:
    """Return the error of an assignment of a traced array into a plain one."""
    symbol = _SYMBOLS.get(str(ufunc), "+")
    return TracingError(
        f"a traced array cannot be assigned into a plain array (c {symbol}= x, c[i] = x, out=c): "
        f"its derivative would be lost. Write c = c {symbol} x, or assign into xp.zeros_like(c), "
        "with xp = gdx.array_namespace(x)."
    )


def _refuse_options(name: str, options: dict[str, Any]) -> None:
    if options:
        raise TracingError(f"{name} cannot be differentiated with {min(options)}=.")


def of_attribute(x: Any, name: str) -> Any:
    """Return a method or attribute that the library's own array has beyond the standard.

    It becomes one of the type of `x`, so that it is looked for once.
    """
    if name.startswith("__") or not hasattr(x.functions.settled(x), name):
        raise AttributeError(f"a traced array has no attribute {name!r}.")
    if name in _tables().ATTRIBUTES:
        row = _tables().ATTRIBUTES[name]
        setattr(type(x), name, property(lambda self: _called(self, name, row, (self,), {})))
    elif name in _tables().METHODS:
        setattr(type(x), name, _method(name, _DIRECT[type(x)].get(getattr(np, name, None))))
    elif name in _OF_CONSTANTS and x.is_constant():
        return getattr(x.functions.settled(x), name)
    else:
        raise _UnknownAttributeError(_private(x, name) if name[0] == "_" else _unknown(name))
    return getattr(x, name)


def _method(name: str, direct: Row | None) -> Row:
    row, shares = _tables().METHODS[name], f".{name}" in SHARING

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if direct is not None and not args and (not kwargs or _plain_options(kwargs)):
            return direct(self, **kwargs)
        result = _called(self, name, row, (self, *args), kwargs)
        if shares:
            return shared(type(self), f".{name}", own, (self, *args), kwargs, result)
        return result

    def own(x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    return method


# These only read.
_OF_CONSTANTS = {"item", "itemsize", "nbytes", "strides", "tobytes", "tolist"}

_READS = [opcode.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in opcode.opmap]


class _UnknownAttributeError(TracingError, AttributeError):
    """`hasattr` may ask, which takes nothing out of f."""

    def __init__(self, *args: Any) -> None:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals.get("__name__", "").startswith("gdx."):
            frame = frame.f_back
        super().__init__(*args)
        if frame.f_code.co_code[frame.f_lasti] not in _READS:
            refusals.levels.pop()


def _put(result: Any, out: tuple[Any, ...]) -> Any:
    """Assign a result to the arrays that were given for it."""
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(out, results, strict=True):
        if type(target) is type(value):
            target.check_fits(value)
        target[...] = value
    return out if isinstance(result, tuple) else out[0]


def _called(x: Any, name: str, row: Row | None, args: Sequence[Any], kwargs: Any) -> Any:
    if row is None:
        raise TracingError(_unknown(name))
    try:
        result = lifted(type(x), row(x.functions, *args, **kwargs))
    except _tables().NotTranslated as error:
        raise TracingError(f"{name} cannot be differentiated so: {error}.") from None
    if x.known.numpy_dtypes and name not in WITHOUT_AXES:
        return _numbers(type(x), result)
    return result


def _numbers(kind: Any, y: Any) -> Any:
    """Return arrays without axes as the numbers that NumPy has in their place."""
    if type(y) is kind:
        value = y.value
        if type(value) is kind:
            value = y.functions.settled(value)
        return y.functions.getitem(y, ()) if type(value) is np.ndarray and not value.ndim else y
    return tuple(_numbers(kind, item) for item in y) if type(y) is tuple else y


def _private(x: Any, name: str) -> str:
    return (
        f"a function of {library(x.xp).name} itself, or an assignment to one of its arrays, was "
        f"handed a traced array and read its {name}: write c = c + x for c += x, and call "
        "the function of the array's namespace, xp = gdx.array_namespace(x)."
    )


def _unknown(name: str) -> str:
    advice = _tables().WAY_OUT.get(
        name,
        "use a function of the standard (xp = gdx.array_namespace(x)), give it a derivative by "
        "gdx.custom_vjp, or take gdx.numerical_gradient",
    )
    return f"{name} cannot be differentiated: {advice}."
