"""The traced arrays and the traced namespace of each array library, made from the rules."""

from __future__ import annotations

import functools
import inspect
import operator
import types
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from gdx.autodiff import protocols
from gdx.autodiff.core import CONSTANT, TracingError, dispatching, lifted, names
from gdx.autodiff.memory import View
from gdx.autodiff.operands import Operands
from gdx.autodiff.rules import (
    COMPOSITE,
    CREATION,
    FIXED_VIEWS,
    LISTS,
    NOT_DIFFERENTIABLE,
    QUESTIONS,
    RULES,
    VALUES,
    VIEWS,
)
from gdx.autodiff.rules.elementwise import sech_squared
from gdx.autodiff.rules.indexing import placed, replaced
from gdx.autodiff.rules.linear_algebra import OUTPUTS
from gdx.autodiff.rules.shapes import unbroadcast
from gdx.autodiff.sharing import SHARING, shared
from gdx.autodiff.traced import SLOTS, Traced, settled
from gdx.backends import (
    Namespace,
    is_complex,
    is_finite,
    library,
    remember_namespace,
)

# Python's operators; the functions of the module `operator` have the names of their methods, too.
BINARY = {
    "__add__": "add",
    "__sub__": "subtract",
    "__mul__": "multiply",
    "__truediv__": "divide",
    "__floordiv__": "floor_divide",
    "__mod__": "remainder",
    "__pow__": "pow",
    "__matmul__": "matmul",
    "__and__": "bitwise_and",
    "__or__": "bitwise_or",
    "__xor__": "bitwise_xor",
    "__lshift__": "bitwise_left_shift",
    "__rshift__": "bitwise_right_shift",
}
COMPARISONS = {
    "__lt__": "less",
    "__le__": "less_equal",
    "__gt__": "greater",
    "__ge__": "greater_equal",
    "__eq__": "equal",
    "__ne__": "not_equal",
}
UNARY = {
    "__neg__": "negative",
    "__pos__": "positive",
    "__abs__": "abs",
    "__invert__": "bitwise_invert",
}


class Functions:
    """The functions that rules are written with: plain arrays in, plain arrays out."""

    # What rules need beyond the standard:
    unbroadcast: Callable[..., Any]
    replaced: Callable[..., Any]
    settled: Callable[[Any], Any]
    careful: Callable[..., Any]
    # Of a namespace for users, the library's own.
    over: Namespace
    newaxis: None

    def __init__(self, name: str) -> None:
        self.__name__ = name


@functools.cache
def traced_type(xp: Namespace) -> type[Traced]:
    """Return the type of the traced arrays of a library; it knows their functions."""
    known = library(xp)
    kind: Any = None if known.defers else _derived(xp)
    if kind is None:
        kind = type("Traced", (Traced,), {"__slots__": SLOTS})
        kind.defers = known.defers
    kind.xp, kind.known, kind.views, kind.scalars = xp, known, known.views, known.scalars
    kind.array = type(xp.asarray(0.0))
    kind.zeros = known.quick.get("zeros", xp.zeros)
    kind.assignable = known.views and hasattr(kind.array, "__setitem__")
    kind.operands = Operands(kind)
    kind.functions = _functions(kind)
    kind.namespace = _namespace(kind)
    for method, name in {**BINARY, **COMPARISONS, **UNARY}.items():
        dispatched = dispatching(kind, getattr(operator, method), RULES[name])
        setattr(kind, method, dispatched)
        if method in BINARY:
            setattr(kind, f"__r{method[2:]}", _reflected(dispatched, getattr(kind.functions, name)))
            setattr(kind, f"__i{method[2:]}", _in_place(dispatched))
    kind.__pos__ = kind.functions.positive
    remember_namespace(kind, kind.namespace)
    return cast(type[Traced], kind)


def _derived(xp: Namespace) -> type[Traced] | None:
    """Return a type of traced arrays that is a subclass of the type of the library's own, too.

    Then Python asks a traced array on the right of an operator before the library's own on the
    left, which may not know what to do with it. Nothing but this is taken from the library's type.
    None, if nothing can be derived from that.
    """
    base = type(xp.asarray(0.0))
    own = {name for each in base.__mro__[:-1] for name in vars(each)} - _OF_CLASSES
    members = {name: inspect.getattr_static(Traced, name, _beyond(name)) for name in own}
    members["__module__"] = Traced.__module__
    members["__slots__"] = SLOTS[1:] if base.__weakrefoffset__ else SLOTS
    members["__new__"] = lambda cls, *args: object.__new__(cls)
    try:
        kind: Any = types.new_class("Traced", (Traced, base), {}, lambda body: body.update(members))
        kind(None, CONSTANT, None)
    except TypeError:
        return None
    kind.defers = True
    return cast(type[Traced], kind)


# What each class has of its own.
_OF_CLASSES = {"__dict__", "__doc__", "__module__", "__slots__", "__weakref__", *SLOTS}


def _beyond(name: str) -> property:
    """Return an attribute that traced arrays have, or refuse, as if the library had none."""
    return property(lambda self: protocols.of_attribute(self, name))


def _reflected(
    function: Callable[[Any, Any], Any], named: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    # Python's complex numbers make one of themselves of a NumPy scalar.
    return lambda self, other: (named if type(other) is complex else function)(other, self)


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def assign(self: Traced, other: Any) -> Any:
        new = function(self, other)
        known = library(self.xp)
        now = settled(self)
        if type(self.memory) is not View and (
            isinstance(now, np.generic) or not known.writable(now)
        ):
            return new
        self.check_fits(new)
        if new.dtype != self.dtype:
            new = self.functions.as_dtype(new, self.dtype)
        if _layout(settled(new)) != _layout(now):
            new = self.functions.updated(self, ..., new)
        self.assign(new)
        return self

    return assign


def _layout(x: Any) -> Any:
    return type(x), getattr(x, "strides", None)


def _own(xp: Namespace) -> dict[str, Callable[..., Any]]:
    """Return the plain functions of which the standard has no name."""

    def as_dtype(x: Any, dtype: Any) -> Any:
        if is_complex(xp, x.dtype) and not is_complex(xp, dtype):
            x = xp.real(x)
        return xp.astype(x, dtype)

    return {
        "as_dtype": as_dtype,
        "duplicated": library(xp).duplicated,
        "laid_out": library(xp).laid_out,
        "getitem": operator.getitem,
        "placed": functools.partial(placed, xp),
        "sech_squared": functools.partial(sech_squared, xp),
        "stopped": lambda x: x,
        "truncated": xp.astype,
        "updated": library(xp).updated,
        "concat": lambda *arrays, axis=0: xp.concat(arrays, axis=axis),
        "stack": lambda *arrays, axis=0: xp.stack(arrays, axis=axis),
    }


def _functions(kind: type[Traced]) -> Functions:
    xp = kind.xp
    functions = Functions(library(xp).name)
    own = {**_own(xp), **library(xp).quick}
    for name, rule in RULES.items():
        function = own.get(name) or _found(xp, name)
        if function is None:
            _set(functions, name, _missing(xp, name))
            continue
        function = _with_names(function, OUTPUTS[name]) if name in OUTPUTS else function
        _set(functions, name, dispatching(kind, function, rule))
    for name in LISTS:
        _set(functions, name, _of_list(getattr(functions, name)))
    for name in VIEWS | FIXED_VIEWS:
        function = _found(functions, name)
        _set(functions, name, _viewing(kind, function, name.rpartition(".")[2], name in VIEWS))
    for name, body in COMPOSITE.items():
        _set(functions, name, _composite(kind, functions, name, body, _found(xp, name)))
    for name, advice in NOT_DIFFERENTIABLE.items():
        function = _found(xp, name)
        if function is not None:
            _set(functions, name, _refusing(kind, function, name, advice))
    for name in {*CREATION, *QUESTIONS}:
        function = own.get(name) or _found(xp, name)
        if function is not None:
            _set(functions, name, _of_settled(function))
    for name in VALUES:
        setattr(functions, name, getattr(xp, name, None))
    functions.unbroadcast = functools.partial(unbroadcast, functions)
    functions.replaced = functools.partial(replaced, functions)
    functions.settled = settled
    functions.careful = functools.partial(_careful, kind)
    for name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
        _set(functions, f"linalg.{name}", getattr(functions, name))
    return functions


def _namespace(kind: type[Traced]) -> Functions:
    """Return the functions for the user: whatever array comes out is traced."""
    functions = kind.functions
    namespace = Functions(f"gdx.autodiff({functions.__name__})")
    namespace.over = kind.xp

    def facing(function: Callable[..., Any], takes_options: bool) -> Callable[..., Any]:
        @functools.wraps(function)
        def face(*args: Any, **kwargs: Any) -> Any:
            if kwargs and takes_options:
                kwargs = {name: _lowered_option(value) for name, value in kwargs.items()}
            return lifted(kind, function(*args, **kwargs))

        return face

    for name in NAMES:
        function = _found(functions, name)
        if function is not None and (name in COMPOSITE or _found(kind.xp, name) is not None):
            constant = name in QUESTIONS or name in VALUES
            _set(namespace, name, function if constant else facing(function, name in RULES))
    namespace.newaxis = None
    return namespace


LINEAR_ALGEBRA = frozenset(("matmul", "matrix_transpose", "tensordot", "vecdot"))
INTERNAL = names(
    "as_dtype duplicated getitem laid_out placed sech_squared stopped truncated updated"
)
NAMES = {
    *RULES,
    *COMPOSITE,
    *CREATION,
    *QUESTIONS,
    *VALUES,
    *NOT_DIFFERENTIABLE,
    *(f"linalg.{name}" for name in LINEAR_ALGEBRA),
} - INTERNAL


def _found(xp: Any, name: str) -> Any:
    for part in name.split("."):
        xp = getattr(xp, part, None)
    return xp


def _set(target: Functions, name: str, function: Any) -> None:
    extension, _, last = name.rpartition(".")
    if extension:
        if not hasattr(target, extension):
            setattr(target, extension, Functions(f"{target.__name__}.{extension}"))
        target = getattr(target, extension)
    setattr(target, last, function)


def _missing(xp: Namespace, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise TracingError(
            f"a derivative needs {name}, which {library(xp).name} does not have: use "
            "gdx.numerical_gradient, or give the function a derivative by gdx.custom_vjp."
        )

    return call


def _with_names(function: Callable[..., Any], outputs: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return outputs(*function(*args, **kwargs))

    return call


def _holds(kind: type[Traced], arguments: Any) -> bool:
    return any(
        type(a) is kind or (isinstance(a, list | tuple) and _holds(kind, a)) for a in arguments
    )


def _of_list(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(arrays: Any, /, *, axis: int | None = 0) -> Any:
        return function(*arrays, axis=axis)

    return call


def _composite(
    kind: type[Traced],
    functions: Functions,
    name: str,
    body: Callable[..., Any],
    plain: Callable[..., Any] | None,
) -> Callable[..., Any]:
    shares = plain is not None and kind.views and name in SHARING

    def call(*args: Any, **kwargs: Any) -> Any:
        if plain is None or _holds(kind, args) or (kwargs and _holds(kind, kwargs.values())):
            result = body(functions, *args, **kwargs)
            return shared(kind, name, plain, args, kwargs, result) if plain and shares else result
        return plain(*args, **kwargs)

    return functools.wraps(plain or body)(call)


def _of_settled(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(settled, args), **{k: settled(v) for k, v in kwargs.items()})

    return call


def _refusing(
    kind: type[Traced], function: Callable[..., Any], name: str, advice: str
) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(type(a) is kind and a.owner is not CONSTANT for a in args):
            raise TracingError(f"{name} has no derivative: {advice}, or use gdx.custom_vjp.")
        return function(*map(settled, args), **kwargs)

    return call


def _viewing(
    kind: type[Traced], function: Callable[..., Any], name: str, assignable: bool
) -> Callable[..., Any]:
    """Return a function whose result may share memory with its argument, as it does there."""
    on_host, overlap = getattr(np, name), library(kind.xp).overlap

    @functools.wraps(function)
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        y = function(x, *args, **kwargs)
        if type(x) is kind and overlap(settled(x), settled(y)):
            own, options = (on_host, call), {**kwargs}
            options.pop("copy", None)  # it is a view; NumPy 2.0 does not know the option
            step = lambda z: own[type(z) is not np.ndarray](z, *args, **options)  # noqa: E731
            y.follow(x, step, fixed=not assignable)
        return y

    return call


def _careful(kind: type[Traced], pull: Callable[[Any], Any], g: Any) -> Any:
    """Return pull(g) with zeros where it is infinite or NaN, but nothing depends on it.

    On the host, most arrays are seen to be finite; on a device, looking would cost more than doing.
    """
    with np.errstate(all="ignore"):
        c = pull(g)
        if type(c) is not kind and library(kind.xp).on_host(c) and is_finite(c, kind.xp):
            return c
        xp = kind.functions
        return xp.where((g == 0) & xp.isnan(c), 0.0, c)  # 0 · ∞ is NaN


def _lowered_option(value: Any) -> Any:
    if not isinstance(value, Traced):
        return value
    if value.owner is CONSTANT:
        return value.value
    raise TracingError(
        "a traced array is given by keyword; give it by position, or gdx.stop_gradient of it."
    )
