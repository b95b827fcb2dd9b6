"""Elementwise computations as one: in blocks that fit the cache, compiled, or as one kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

Array = Any
Namespace = Any

# Maps (xp, scalars, read, written) to the new values of `written`: elementwise, for arrays of one
# shape. `scalars` are tuples of numbers and of arrays without axes. The function has the operators
# of arithmetic, xp.sqrt, xp.sign, xp.maximum, xp.minimum and xp.astype to xp.float32. It may
# change what is written in place, the first of it last, by operators as +=, which make a new array
# where a library cannot assign.
Body = Callable[[Namespace, Sequence[Any], Sequence[Array], Sequence[Array]], Sequence[Array]]
# The same without xp; what was `written` is not to be used any more, what is `read` never changes.
# It may be the first of what is written, or share memory with it.
Fused = Callable[[Sequence[Any], Sequence[Array], Sequence[Array]], tuple[Array, ...]]

# Of each array. Measured: with half as much, gradient descent takes a twentieth longer; with twice
# as much, Adam does.
BLOCK_BYTES = 512 * 1024
# glibc gives back memory at the end of the heap, to ask for it again at once, unless a larger block
# has been freed before. This one is never touched.
_FREED_BYTES = 2**24


def evaluated(body: Body, xp: Namespace) -> Fused:
    """Return what evaluates a body as it is written."""

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        dtypes = [old.dtype for old in written]
        values = body(xp, scalars, read, written)
        return tuple(
            value if value.dtype == dtype else xp.astype(value, dtype)
            for value, dtype in zip(values, dtypes, strict=True)
        )

    return fused


def at_once(body: Body, xp: Namespace) -> Fused:
    """Return what computes the new values of lazy arrays together: graphs would grow by steps."""
    dask, plain = importlib.import_module("dask"), evaluated(body, xp)

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        values: tuple[Array, ...] = dask.persist(*plain(scalars, read, written))
        return values

    return fused


class _Memory(NamedTuple):
    """How a library keeps arrays that can be assigned."""

    copied: Callable[[Array], Array]
    overlap: Callable[[Array, Array], bool]
    contiguous: Callable[[Array], bool]  # in C order
    on_host: Callable[[Array], bool]


_NUMPY = _Memory(
    copied=np.ndarray.copy,
    overlap=np.may_share_memory,
    contiguous=lambda x: x.flags.c_contiguous,
    on_host=lambda x: True,
)
_TORCH = _Memory(
    copied=lambda x: x.clone(),
    overlap=lambda x, y: x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr(),
    contiguous=lambda x: x.is_contiguous(),
    on_host=lambda x: x.device.type == "cpu",
)


def by_numpy(writable: Callable[[Array], bool], body: Body, xp: Namespace) -> Fused:
    """Return what evaluates a body in the memory of NumPy arrays."""
    return _in_memory(_NUMPY, writable, body, xp)


def by_torch(writable: Callable[[Array], bool], body: Body, xp: Namespace) -> Fused:
    """Return what evaluates a body in the memory of tensors, out of sight of autograd."""
    fused: Fused = xp.no_grad()(_in_memory(_TORCH, writable, body, xp))
    return fused


def _in_memory(
    memory: _Memory, writable: Callable[[Array], bool], body: Body, xp: Namespace
) -> Fused:
    """Return what writes the new values where the old ones are; large arrays, block by block."""

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        if not all(map(writable, written)):
            written = [x if writable(x) else memory.copied(x) for x in written]
        first = written[0]
        if written[-1].nbytes <= BLOCK_BYTES or not memory.on_host(first):
            _keep(body(xp, scalars, read, written), written)
            return tuple(written)
        # The part of one block may be written before another reads it.
        read = [
            memory.copied(x) if x is not first and memory.overlap(x, first) else x for x in read
        ]
        np.empty(_FREED_BYTES, np.uint8)
        for parts in _blocks([*read, *written], memory.contiguous):
            old = parts[len(read) :]
            _keep(body(xp, scalars, parts[: len(read)], old), old)
        return tuple(written)

    return fused


def _blocks(arrays: Sequence[Array], contiguous: Callable[[Array], bool]) -> Iterator[list[Array]]:
    """Yield the parts of large arrays of one shape that stand at the same place."""
    if all(map(contiguous, arrays)):
        arrays = [x.reshape(-1) for x in arrays]
    shape, nbytes = arrays[0].shape, max(x.nbytes for x in arrays)
    axis = max(range(len(shape)), key=shape.__getitem__)
    step = max(1, shape[axis] * BLOCK_BYTES // nbytes)
    for start in range(0, shape[axis], step):
        part = (slice(None),) * axis + (slice(start, start + step),)
        yield [x[part] for x in arrays]


def compiled(body: Body, xp: Namespace) -> Fused:
    """Return what JAX compiles, and computes in the memory of what is written."""
    jax = importlib.import_module("jax")
    plain = jax.jit(evaluated(body, xp), donate_argnums=2)

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        first = written[0]
        read = tuple([xp.array(x) if x is first else x for x in read])
        values: tuple[Array, ...] = plain(tuple(scalars), read, tuple(written))
        return values

    return fused


def as_kernel(body: Body, xp: Namespace) -> Fused:
    """Return what CuPy runs as one kernel, in the memory of what is written."""
    cupy = importlib.import_module("cupy")
    # Not those of `xp`, whose sign assigns NaN where the argument is NaN: no kernel can do that.
    functions = SimpleNamespace(
        sqrt=cupy.sqrt,
        maximum=cupy.maximum,
        minimum=cupy.minimum,
        sign=lambda x: cupy.where(cupy.isnan(x), x, cupy.sign(x)),
        astype=lambda x, dtype: x.astype(dtype),
        float32=cupy.float32,
    )

    @cache
    def kernel(sizes: tuple[int, ...], read: int) -> Callable[..., None]:
        """Return a function of the numbers and arrays, given how many of each there are."""

        def assigned(*arguments: Any) -> None:
            rest = iter(arguments)
            scalars = [tuple(islice(rest, size)) for size in sizes]
            kept, written = list(islice(rest, read)), list(rest)
            _keep(body(functions, scalars, kept, written), written)

        fused: Callable[..., None] = cupy.fuse(kernel_name="gdx_update")(assigned)
        return fused

    def fused(
        scalars: Sequence[Any], read: Sequence[Array], written: Sequence[Array]
    ) -> tuple[Array, ...]:
        first = written[0]
        apart = [
            x.copy() if x is not first and cupy.may_share_memory(x, first) else x for x in read
        ]
        run = kernel(tuple(map(len, scalars)), len(read))
        run(*chain.from_iterable(scalars), *apart, *written)
        return tuple(written)

    return fused


def _keep(new: Sequence[Array], written: Sequence[Array]) -> None:
    """Assign what was not computed in place."""
    for i, value in enumerate(new):
        if value is not written[i]:
            written[i][...] = value
