"""The traced array: an array object of the standard, over the arrays of any library."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from gdx.autodiff import protocols
from gdx.autodiff.core import CONSTANT, OVER, PicklingError, Trace, TracingError, lifted, refusals
from gdx.autodiff.memory import OWN, Own, Part, Step, View, is_basic
from gdx.backends import Library, device_of, is_complex, is_real_floating, to_numpy
from gdx.trees import refilled

# The slots of an array are those of a subclass for each library: Python has no class of two bases
# that have some, and such a subclass may be one of the library's own type, too.
SLOTS = ("__weakref__", "mark", "memory", "owner", "value", "version")
_OF_SUBCLASSES: tuple[str, ...] = ()


class Traced:
    """An array inside a function that is differentiated.

    It has the operators, attributes and methods of the Array API standard; its namespace, from
    ``__array_namespace__``, has all functions of the standard. NumPy's functions work, too, if it
    stands for a NumPy array. An assignment ``x[i] = v`` and ``x += v`` gives it a new value, from
    which derivatives follow; views that were taken of it change with it, where the library's do.

    Attributes
    ----------
    value : array
        The array one level down: the library's own or, in nested transforms, a traced one.
    owner : Trace
        Who follows it.
    mark : object
        What the trace remembers of it.
    memory : View, Own or None
        Whose memory it lies in, where an assignment has to know.
    version : int
        How often it was assigned to.
    """

    __slots__ = _OF_SUBCLASSES

    # One subclass for each library has these:
    xp: Any  # the library's own namespace
    operands: Any  # the types that its functions take
    functions: Any  # the dispatching functions: plain arrays in, plain arrays out
    known: Library  # what gdx knows of the library
    array: type  # the type of the library's arrays
    views: bool  # whether x[1:] shares the memory of x
    zeros: Any  # the library's function
    assignable: bool  # whether, besides, x[i] = v changes its arrays in place
    scalars: bool  # whether an element of its arrays is a number of its own
    defers: bool  # whether its arrays leave operators to a traced array on the right
    namespace: Any  # the same for the user: whatever comes out is traced

    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000

    def __init__(self, value: Any, owner: Trace, mark: Any) -> None:
        self.value = value
        self.owner = owner
        self.mark = mark
        self.memory: View | Own | None = None
        self.version = 0

    @classmethod
    def beside(cls, x: Any) -> Any:
        """Return an array that may stand on the left of a traced one."""
        return x if cls.defers else lifted(cls, x)

    def __copy__(self) -> Any:
        return self.functions.asarray(self, copy=True)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.functions.asarray(self, copy=True)

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None:
            raise TracingError("round(x, digits) cannot be differentiated: use round(x * 10) / 10.")
        return self.functions.round(self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_constant():
            self.owner.pickled = True
            raise PicklingError(self.owner.level)
        return self.value.__reduce_ex__(protocol)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.namespace

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.owner.shape(self.value)

    @property
    def dtype(self) -> Any:
        """The dtype, one of the library's own."""
        return self.value.dtype

    @property
    def device(self) -> Any:
        """The device, in the library's terms."""
        return device_of(self.value)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def T(self) -> Any:  # noqa: N802 - the standard's name
        """The transpose: of a matrix by the standard, of any array with NumPy's order of axes."""
        return self.functions.permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Any:  # noqa: N802
        """The transpose of a matrix, or of each of a stack of matrices."""
        return self.functions.matrix_transpose(self)

    def __getitem__(self, key: Any) -> Any:
        key = lowered_key(key)
        memory = self.memory
        item: Traced = self.functions.getitem(self, key)
        if self.views and self._is_view(item, key):
            if memory is OWN:
                item.owner.detach(item)
            item.follow(self, Part(key))
        if memory is OWN:  # of what was read, nobody shares it
            self.memory = OWN
        return item

    def _is_view(self, item: Traced, key: Any) -> bool:
        """Tell whether what was read shares memory with this array."""
        if is_basic(key):
            return bool(item.shape) or not self.scalars or _has_ellipsis(key)
        return not self.scalars and self.known.overlap(settled(self), settled(item))

    def __setitem__(self, key: Any, value: Any) -> None:
        key = lowered_key(key)
        if not self.shape and isinstance(settled(self), np.generic):
            raise TypeError("a number is not assigned to, as by y[...] = v: write y = v.")
        if type(self.memory) is View:
            self.memory.write(self, key, self.fitting(value))
        else:
            self.write(key, self.fitting(value))

    def check_fits(self, new: Any) -> None:
        """Raise if an array cannot take the place of this one, as by y += v or out=y."""
        if new.shape != self.shape:
            raise ValueError(
                f"in place, as by y += v, the result has the shape {new.shape}, and y has "
                f"{self.shape}: write y = y + v."
            )
        xp, complex_now = self.xp, is_complex(self.xp, self.dtype)
        if new.dtype != self.dtype and (
            is_complex(xp, new.dtype) > complex_now
            or not (complex_now or is_real_floating(xp, self.dtype))
        ):
            raise TypeError(
                f"in place, as by y += v, the result is of {new.dtype}, and y of {self.dtype}: "
                "write y = y + v."
            )

    def fitting(self, value: Any) -> Any:
        """Return what is assigned to elements of this array; traced, it has the same dtype."""
        if isinstance(value, Traced):
            if value.memory is not None:
                value.refresh()
            if value.owner.level == OVER:
                value.release()
            if value.dtype != self.dtype:
                return self.functions.astype(value, self.dtype)
        return value

    def write(self, key: Any, value: Any) -> None:
        """Assign to elements of an array that is no view: in place, if its memory is its own."""
        if self.owner.level == OVER:
            self.release()
        if self.memory is not OWN or not self.owner.write(type(self), self, key, value):
            new = self.functions.updated(self, key, value)
            self.value, self.owner, self.mark = new.value, new.owner, new.mark
            self.memory = OWN if self.assignable else None
        self.version += 1

    def follow(self, x: Traced, step: Step, fixed: bool = False) -> None:
        """Be a view of another array: what is assigned to one of them, the other sees."""
        value = x.value
        if type(value) is self.array or not isinstance(settled(value), np.generic):
            self.memory = View.of(x, step, fixed)  # of a number, there is no view

    def assign(self, new: Traced) -> None:
        """Take the value of another traced array; so do the views that share memory with it."""
        if type(self.memory) is View:
            self.memory.write(self, ..., new)
            self.refresh()  # with the strides that it has in its root
            return
        self.value, self.owner, self.mark = new.value, new.owner, new.mark
        self.memory = None
        self.version += 1

    def refresh(self) -> None:
        """Make ready to be used: a view follows its root; memory of its own is shared from now."""
        memory = self.memory
        if not isinstance(memory, View):
            self.memory = None
        elif memory.version != memory.root.version:
            view = memory.seen()
            self.value, self.owner, self.mark = view.value, view.owner, view.mark

    def snapshot(self) -> Traced:
        """Return another array of the same value, which does not change with this one."""
        if self.memory is not None:
            self.refresh()
        return type(self)(self.value, self.owner, self.mark)

    def release(self) -> None:
        """Become the value, now that the trace is over."""
        while self.owner.level == OVER:
            value = self.owner.ended(self.value)
            if isinstance(value, Traced):
                value.refresh()
                self.value, self.owner, self.mark = value.value, value.owner, value.mark
            else:
                self.value, self.owner, self.mark = value, CONSTANT, None

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        if not self.shape:
            raise TypeError("iteration over an array without axes")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        return bool(settled(self))

    def __float__(self) -> float:
        return float(self._constant("float()"))

    def __complex__(self) -> complex:
        return complex(self._constant("complex()"))

    def __int__(self) -> int:
        return int(self._constant("int()"))

    def __index__(self) -> int:
        try:
            value = self._constant("an index")
        except TracingError:
            refusals.levels.pop()  # NumPy asks, too, of numbers on the left of an operator
            raise
        return int(value.__index__())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self._constant("numpy.asarray, or an assignment into a plain array,")
        host = read_only(np.asarray(to_numpy(value)))  # a trace, or its caller, has this memory
        return np.array(host, dtype=dtype) if copy else np.asarray(host, dtype=dtype)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        options = {"stream": stream, "max_version": max_version, "dl_device": dl_device}
        given = {
            name: value for name, value in {**options, "copy": copy}.items() if value is not None
        }
        return self.xp.asarray(self._constant("another library"), copy=True).__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self.xp.asarray(settled(self)).__dlpack_device__()

    def to_dask_array(self) -> Any:
        """Refuse, as long as it is differentiated, to be wrapped by functions of Dask."""
        return self._constant("a function of dask.array")

    def is_constant(self) -> bool:
        """Tell whether no trace follows this array, or none any more."""
        if self.memory is not None:
            self.refresh()
        if self.owner.level == OVER:
            self.release()
        return self.owner is CONSTANT

    def _constant(self, who: str) -> Any:
        if not self.is_constant():
            raise TracingError(
                f"{who} would take a traced value out of the function that is differentiated, and "
                "its derivative would be lost. Keep it an array: compute with operators, with "
                "functions of its namespace (xp = gdx.array_namespace(x)), and assign into arrays "
                "of xp.zeros or xp.zeros_like; write xp.stack([a, b]) for numpy.array([a, b]). "
                "gdx.stop_gradient(x) makes a constant of it.",
                self.owner.level,
            )
        return self.value

    __array_ufunc__ = protocols.of_ufunc
    __array_function__ = protocols.of_function
    __cupy_override_elementwise_kernel__ = protocols.of_cupy_kernel
    __getattr__ = protocols.of_attribute

    def __repr__(self) -> str:
        return f"Traced({settled(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(settled(self), spec)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Traced:
        """Return itself; a trace stays on one device."""
        if device != self.device:
            raise TracingError(f"a traced array cannot be moved to another device: {device!r}.")
        return self


def settled(x: Any) -> Any:
    """Return the library's own array under all levels."""
    while isinstance(x, Traced):
        x.refresh()
        x = x.value
    return x


def read_only(value: Any) -> Any:
    """Return a value with views in the place of its arrays to which nothing can be assigned."""
    if type(value) is np.ndarray:
        value = value.view()
        value.flags.writeable = False
        return value
    if isinstance(value, tuple | list):
        return refilled(type(value), [read_only(item) for item in value])
    if isinstance(value, dict):
        return {key: read_only(item) for key, item in value.items()}
    if isinstance(value, Traced):
        value.refresh()
        view = type(value)(value.value, value.owner, value.mark)
        view.follow(value, _itself, fixed=True)
        return view
    return value


def _itself(x: Any) -> Any:
    return x


def lowered_key(key: Any) -> Any:
    """Return an index of Python's integers, slices, None, Ellipsis, lists and plain arrays."""
    if type(key) in _PLAIN_PARTS:
        return key
    if isinstance(key, tuple):
        exact = type(key) is tuple and _PLAIN_PARTS.issuperset(map(type, key))
        return key if exact else tuple(map(lowered_key, key))
    if isinstance(key, Traced):
        return key._constant("an index")
    counts = hasattr(key, "__index__") and not hasattr(key, "dtype") and not isinstance(key, bool)
    return operator.index(key) if counts else key


_PLAIN_PARTS = {int, slice, type(None), type(...), np.ndarray}


def _has_ellipsis(key: Any) -> bool:
    return key is ... or (type(key) is tuple and any(part is ... for part in key))
