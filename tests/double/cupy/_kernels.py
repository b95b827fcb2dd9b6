"""Ufuncs and kernels: which loop is taken, what may be an argument, what is counted.

The loops are computed by NumPy, after the arguments were cast as CuPy casts them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from . import _fusion, _ndarray
from ._counters import COUNTERS, warn
from ._memory import runtime
from ._names import loops

# bfloat16 apart, what an array of CuPy may hold.
DTYPES = "?bhilqBHILQefdFD"
# Scalars of these very types are arguments; of a subclass, too, if it is NumPy's.
SCALARS = {bool, int, float, complex, *(numpy.dtype(char).type for char in DTYPES)}
_OVERRIDE = "__cupy_override_elementwise_kernel__"


class PerformanceWarning(RuntimeWarning):
    """What was asked for works, but slowly."""


def values(x: Any, kernel: str) -> Any:
    """Return the memory of an array, or a scalar, that a kernel is given."""
    if isinstance(x, _ndarray.ndarray):
        here = runtime.getDevice()
        if x._device != here:
            COUNTERS.peers[kernel] += 1
            warn(
                f"The device where the array resides ({x._device}) is different from the current "
                f"device ({here}). Peer access has been activated automatically.",
                PerformanceWarning,
            )
        return x._host
    if type(x) in SCALARS or isinstance(x, numpy.generic):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of NumPy; a device says nothing of what it computes."""
    with numpy.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def _is_weak(x: Any) -> bool:
    return type(x) in (int, float, complex)


def _score(kind: type) -> int:
    """Rank a type of scalars: booleans, integers, the rest."""
    if issubclass(kind, numpy.bool_):
        return 0
    return 1 if issubclass(kind, (numpy.integer, int)) else 2


class ufunc:  # noqa: N801 - CuPy's name
    """A function of each element, with a loop for some combinations of dtypes."""

    def __init__(
        self,
        name: str,
        types: Sequence[str],
        compute: Callable[..., Any] | None = None,
        casting: str = "same_kind",
    ):
        self.name = self.__name__ = name
        self.types = list(types)
        self._compute = compute or getattr(numpy, name.removeprefix("cupy_"))
        self._casting = casting
        split = [loop.split("->") for loop in types]
        self._loops = [
            (tuple(map(numpy.dtype, ins)), tuple(map(numpy.dtype, outs))) for ins, outs in split
        ]
        self.nin, self.nout = len(split[0][0]), len(split[0][1])
        self.nargs = self.nin + self.nout

    def __repr__(self) -> str:
        return f"<ufunc '{self.name}'>"

    def loop(self, dtypes: Sequence[Any], weaks: Sequence[Any]) -> Any:
        """Return the first loop into which the arguments can be cast safely.

        `weaks` holds the type of each argument that is a Python number: it takes the dtype of the
        others, if that can hold such numbers.
        """
        if self.name in _COMPARING:
            # A Python integer may lie outside the integers of the other argument.
            integers = any(
                t.kind in "iu" for t, weak in zip(dtypes, weaks, strict=True) if not weak
            )
            weaks = [False if weak is int and integers else weak for weak in weaks]
        for ins, outs in self._loops:
            if all(map(_accepts, ins, dtypes, weaks)):
                return ins, outs
        return None

    def _loop_of(self, ins: Sequence[Any], dtype: Any) -> Any:
        if dtype is not None:
            loops = [loop for loop in self._loops if {*loop[1]} == {dtype}]
            if (
                self.name == "cupy_true_divide"
            ):  # no quotient of integers, which are divided as float64
                loops = [loop for loop in loops if loop[0] == loop[1] * 2]
            return loops[0] if loops else None
        weaks = [type(x) if _is_weak(x) else False for x in ins]
        dtypes = [numpy.dtype(type(x)) if type(x) in (bool, int, float, complex) else x.dtype
                  for x in ins]  # fmt: skip
        strong = [_score(t.type) for t, weak in zip(dtypes, weaks, strict=True) if not weak]
        scalar = [_score(weak) for weak in weaks if weak]
        if not (strong and scalar and max(strong) >= max(scalar)):
            weaks = [False] * len(weaks)
        return self.loop(dtypes, weaks)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if hasattr(arg, _OVERRIDE):
                return getattr(arg, _OVERRIDE)(self, *args, **kwargs)
        if _fusion.is_fusing():
            return _fusion.call_ufunc(self, *args, **kwargs)
        out, where = kwargs.pop("out", None), kwargs.pop("_where", None)
        dtype, casting = kwargs.pop("dtype", None), kwargs.pop("casting", self._casting)
        if kwargs:
            raise TypeError(f"Wrong arguments {kwargs}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name!r}.")
        outs = list(args[self.nin :])
        if out is not None:
            if outs:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            outs = list(out) if isinstance(out, tuple) else [out]
        outs += [None] * (self.nout - len(outs))
        ins = [values(x, self.name) for x in args[: self.nin]]
        given = [values(x, self.name) for x in outs if x is not None]
        mask = [] if where is None else [values(where, self.name)]
        shape = numpy.broadcast_shapes(*map(numpy.shape, ins + mask + given))
        loop = self._loop_of(ins, None if dtype is None else numpy.dtype(dtype))
        if loop is None:
            asked = tuple(numpy.asarray(x).dtype for x in ins) if dtype is None else dtype
            raise TypeError(f"Wrong type ({asked}) of arguments for {self.name}")
        outs = [self._target(*pair, shape, casting) for pair in zip(outs, loop[1], strict=True)]
        if 0 not in shape:
            COUNTERS.launch(self.name)
            self._run(ins, loop, outs, *mask)
        return outs[0] if self.nout == 1 else tuple(outs)

    def _target(self, out: Any, dtype: Any, shape: tuple[int, ...], casting: str) -> Any:
        if out is None:
            return _ndarray.ndarray(shape, dtype)
        if not isinstance(out, _ndarray.ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        if out.shape != shape:
            raise ValueError("Out shape is mismatched")
        if not numpy.can_cast(dtype, out.dtype, casting):
            raise TypeError(
                f"Cannot cast output operand from {dtype!r} to {out.dtype!r} "
                f"with casting rule {casting!r}"
            )
        return out

    def _run(self, ins: Sequence[Any], loop: Any, outs: Sequence[Any], mask: Any = True) -> None:
        results = quietly(self._compute, *map(cast, ins, loop[0]))
        for out, result in zip(outs, results if self.nout > 1 else [results], strict=True):
            quietly(numpy.copyto, out._host, result, casting="unsafe", where=mask)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        a, b = _ndarray.array(a), _ndarray.array(b)
        return self(
            a.reshape(a.shape + (1,) * b.ndim), b.reshape((1,) * a.ndim + b.shape), **kwargs
        )

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if self.name not in SCATTER:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        a._scatter_op(indices, b, SCATTER[self.name])

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
               keepdims: bool = False) -> Any:  # fmt: skip
        return self._method("reduce", {"cupy_add": "sum", "cupy_multiply": "prod"}, array)(
            axis, dtype, out, keepdims
        )

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._method(
            "accumulate", {"cupy_add": "cumsum", "cupy_multiply": "cumprod"}, array
        )(axis, dtype, out)

    def _method(self, name: str, methods: dict[str, str], array: Any) -> Any:
        if self.name not in methods:
            raise NotImplementedError(f"`{self.name}.{name}` is not supported yet")
        return getattr(array, methods[self.name])


_COMPARING = {
    f"cupy_{name}"
    for name in (
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logical_and", "logical_or"),
    )
}
# How ufunc.at names what it does.
SCATTER = {
    "cupy_add": "add",
    "cupy_subtract": "sub",
    "cupy_maximum": "max",
    "cupy_minimum": "min",
    "cupy_bitwise_and": "and",
    "cupy_bitwise_or": "or",
    "cupy_bitwise_xor": "xor",
}


def _accepts(to: Any, dtype: Any, weak: Any) -> bool:
    if numpy.can_cast(dtype, to):
        return True
    if not weak:
        return False
    try:
        return bool(numpy.result_type(weak(0), to) == to)
    except TypeError:
        return False


def cast(x: Any, dtype: Any) -> Any:
    """Cast an argument; a Python number must fit, as in NumPy."""
    if isinstance(x, (numpy.ndarray, numpy.generic)):
        return x.astype(dtype, copy=False)
    return numpy.asarray(x, dtype)


class ElementwiseKernel:
    """A kernel of a user, which nothing here can compile: arguments that override it still do."""

    def __init__(self, in_params: str, out_params: str, operation: str, name: str = "kernel",
                 **options: Any):  # fmt: skip
        self.name = self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if hasattr(arg, _OVERRIDE):
                return getattr(arg, _OVERRIDE)(self, *args, **kwargs)
        raise NotImplementedError(f"the double of CuPy compiles nothing: {self.name}")


class ReductionKernel:
    """A reduction of a user, which nothing here can compile."""

    def __init__(self, *args: Any, name: str = "reduce_kernel", **options: Any):
        self.name = self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"the double of CuPy compiles nothing: {self.name}")


def _clipped(x: Any, low: Any, high: Any) -> Any:
    inside = numpy.where(x < low, low, numpy.where(x > high, high, x))
    return numpy.where(low > high, high, inside)


UFUNCS = {name: ufunc(name, types) for name, types in loops().items()}
# Those without a public name.
WHERE = ufunc("cupy_where", [f"?{c}{c}->{c}" for c in DTYPES], numpy.where)
COPY = ufunc("cupy_copy", [f"{c}->{c}" for c in DTYPES], numpy.asarray, casting="unsafe")
CLIP = ufunc("cupy_clip", [f"{c}{c}{c}->{c}" for c in DTYPES if c not in "FD"], _clipped)
