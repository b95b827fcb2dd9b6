"""`fuse`: a function of arrays is traced once for dtypes and axes, then run as one kernel.

What CuPy cannot fuse so is an error here; CuPy goes on to its second, slower way of fusing.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from . import _kernels, _ndarray
from ._counters import COUNTERS

_thread = threading.local()


def is_fusing() -> bool:
    """Tell whether this thread traces a function."""
    return getattr(_thread, "tape", None) is not None


def call_ufunc(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Record a call of a ufunc."""
    return _thread.tape.call(function, *args, **kwargs)


class Scalar:
    """A number in a kernel; it has no value while the function is traced."""

    __hash__ = None

    def __init__(self, slot: int, dtype: Any, ndim: int, weak: Any = False):
        self.slot, self.dtype, self.ndim, self.weak = slot, numpy.dtype(dtype), ndim, weak

    def __bool__(self) -> bool:
        raise Exception("Can't cast to bool")

    def __setitem__(self, slices: Any, value: Any) -> None:
        if slices is not Ellipsis and slices != slice(None):
            raise ValueError("The fusion supports `[...]` or `[:]`.")
        call_ufunc(_kernels.COPY, value, out=self)

    def copy(self) -> Any:
        return call_ufunc(_kernels.COPY, self)

    def astype(self, dtype: Any, order: None = None, casting: None = None, subok: None = None,
               copy: bool = True) -> Any:  # fmt: skip
        if order is not None or casting is not None or subok is not None:
            raise TypeError("order, casting and subok are not supported yet")
        dtype = numpy.dtype(dtype)
        return self if not copy and self.dtype == dtype else _astype(dtype)(self)


class Array(Scalar):
    """An array in a kernel, of which the kernel sees one element."""


@functools.cache
def _astype(dtype: Any) -> Any:
    loops = [f"{char}->{dtype.char}" for char in _kernels.DTYPES]
    return _kernels.ufunc(f"astype_{dtype}", loops, numpy.asarray)


def _give_operators() -> None:
    for name, function in _ndarray._ARITHMETIC.items():
        if name == "divmod":
            continue
        own = _kernels.UFUNCS[f"cupy_{function}"]
        setattr(Scalar, f"__{name}__", lambda x, y, own=own: own(x, y))
        if name != "pow":
            setattr(Scalar, f"__r{name}__", lambda x, y, own=own: own(y, x))
        setattr(Array, f"__i{name}__", lambda x, y, own=own: own(x, y, x))
    for name, function in _ndarray._COMPARISONS.items():
        own = _kernels.UFUNCS[f"cupy_{function}"]
        setattr(Scalar, f"__{name}__", lambda x, y, own=own: own(x, y))
    for name in ("negative", "invert"):
        own = _kernels.UFUNCS[f"cupy_{name}"]
        setattr(Scalar, f"__{name[:3]}__", lambda x, own=own: own(x))


@dataclass
class Tape:
    """The calls of ufuncs in a function, between slots that hold values when it is run."""

    calls: list[tuple[Any, Any, Sequence[int], Sequence[int]]] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    dtypes: list[Any] = field(default_factory=list)

    def slot(self, dtype: Any) -> int:
        self.dtypes.append(numpy.dtype(dtype))
        return len(self.dtypes) - 1

    def parameter(self, x: Any) -> Any:
        """Return what stands for an argument of the function."""
        if x is None:
            return None
        if isinstance(x, _ndarray.ndarray):
            return Array(self.slot(x.dtype), x.dtype, x.ndim)
        return Scalar(self.slot(type(x)), type(x), -1, type(x))

    def variable(self, x: Any) -> Any:
        if isinstance(x, Scalar):
            return x
        if isinstance(x, (int, float, bool, complex, numpy.generic)):
            scalar = self.parameter(x)
            self.constants[scalar.slot] = x
            return scalar
        raise TypeError(f"Unsupported type {type(x)}")

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        variables = list(map(self.variable, args))
        ins, outs = variables[: function.nin], variables[function.nin :]
        out = kwargs.pop("out", None)
        if out is not None:
            if outs or not isinstance(out, Array):
                raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
            outs = [out]
        if kwargs:
            raise TypeError(f"Wrong arguments {kwargs}")
        if len(ins) != function.nin or len(outs) > function.nout:
            raise ValueError("invalid number of arguments")
        if not all(isinstance(x, Array) for x in outs):
            raise TypeError("return arrays must be of ArrayType")
        ndim = max(x.ndim for x in ins)
        if any(x.ndim < ndim for x in outs):
            raise ValueError("non-broadcastable output operand")
        # A scalar that is none of Python's is weak by its own type: CuPy's condition always holds.
        loop = function.loop([x.dtype for x in ins], [x.weak for x in ins])
        if loop is None:
            raise TypeError(f"Invalid type cast in {function.name!r}: {[x.dtype for x in ins]}")
        for x, dtype in zip(outs, loop[1], strict=False):
            if not numpy.can_cast(dtype, x.dtype, "same_kind"):
                raise TypeError(f"Cannot cast output from {dtype} to {x.dtype}")
        kind = Scalar if ndim == -1 else Array
        outs += [kind(self.slot(dtype), dtype, ndim) for dtype in loop[1][len(outs) :]]
        self.calls.append((function, loop, [x.slot for x in ins], [x.slot for x in outs]))
        return outs[0] if len(outs) == 1 else tuple(outs)

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Compute the calls; an argument that is written is changed in its memory."""
        slots = [*arguments, *[None] * (len(self.dtypes) - len(arguments))]
        for slot, value in self.constants.items():
            slots[slot] = value
        for function, loop, ins, outs in self.calls:
            casted = [_kernels.cast(slots[i], dtype) for i, dtype in zip(ins, loop[0], strict=True)]
            results = _kernels.quietly(function._compute, *casted)
            for slot, result in zip(outs, results if len(outs) > 1 else [results], strict=True):
                value = numpy.array(result, self.dtypes[slot])
                if slots[slot] is None:
                    slots[slot] = value
                else:
                    slots[slot][...] = value
        return slots


_ACCEPTED = (numpy.generic, int, float, complex, bool, type(None))


class Fusion:
    """A function that is fused when it is called with arrays of CuPy."""

    def __init__(self, func: Callable[..., Any], name: str | None = None):
        self.func, self.name = func, name or func.__name__
        self._tapes: dict[Any, tuple[Tape, Any]] = {}

    def __call__(self, *args: Any) -> Any:
        arrays = [x for x in args if isinstance(x, _ndarray.ndarray)]
        if is_fusing() or not arrays:
            return self.func(*args)
        if not all(isinstance(x, (_ndarray.ndarray, *_ACCEPTED)) for x in args):
            raise TypeError(f"Invalid argument type for {self.name!r}: {list(map(type, args))}")
        key = tuple(
            (x.dtype.char, x.ndim) if isinstance(x, _ndarray.ndarray) else type(x) for x in args
        )
        if key not in self._tapes:
            self._tapes[key] = self._traced(args)
        tape, returned = self._tapes[key]
        hosts = [_kernels.values(x, self.name) for x in args if x is not None]
        shape = numpy.broadcast_shapes(*map(numpy.shape, hosts))
        COUNTERS.launch(self.name)
        slots = tape.run(hosts)
        if returned is None:
            return None
        results = [
            _ndarray.made(numpy.array(numpy.broadcast_to(slots[x.slot], shape)))
            for x in (returned if isinstance(returned, tuple) else [returned])
        ]
        return tuple(results) if isinstance(returned, tuple) else results[0]

    def _traced(self, args: Sequence[Any]) -> tuple[Tape, Any]:
        if not hasattr(Scalar, "__add__"):
            _give_operators()
        tape = _thread.tape = Tape()
        try:
            returned = self.func(*map(tape.parameter, args))
        finally:
            _thread.tape = None
        parts = returned if isinstance(returned, tuple) else (returned,)
        if not all(isinstance(x, (Scalar, type(None))) for x in parts):
            raise TypeError(f"Fusion function can't return {type(returned)}")
        return tape, returned


def fuse(*args: Any, **kwargs: Any) -> Any:
    """Fuse a function, by ``@fuse`` or ``@fuse(kernel_name=...)``."""
    if len(args) == 1 and not kwargs and callable(args[0]):
        return functools.update_wrapper(Fusion(args[0]), args[0])

    def fusion(function: Callable[..., Any], kernel_name: str | None = None) -> Fusion:
        return Fusion(function, kernel_name)

    return lambda function: functools.update_wrapper(fusion(function, *args, **kwargs), function)
