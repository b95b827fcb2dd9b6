"""Copy or view: traced NumPy arrays share memory where NumPy's arrays do.

Each program makes an array `a` in some layout, takes `b` of it by an expression, writes to one of
them and reads both. The oracle is the same program on plain arrays, and its differences: programs
are polynomials of degree four at most, for which the differences used are exact but for rounding.
"""

from __future__ import annotations

import functools
import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import gdx


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


# What may return its argument, a view of it or a copy, of the array a.
EXPRESSIONS = lines(
    """
    a
    a.flatten()
    a.flatten("F")
    a.ravel()
    a.ravel("F")
    a.ravel("K")
    a.ravel("A")
    np.ravel(a)
    np.ravel(a, order="F")
    a.reshape(a.shape)
    a.reshape(-1)
    a.reshape((-1,))
    a.reshape(-1, 1)
    a.reshape(1, -1)
    a.reshape(*a.shape, 1)
    a.reshape(a.shape[::-1])
    a.reshape(-1, order="F")
    a.reshape(a.shape[::-1], order="F")
    a.reshape(-1, copy=True)
    a.reshape(-1, copy=False)
    np.reshape(a, -1)
    np.reshape(a, a.shape[::-1])
    np.reshape(a, (1, -1), order="F")
    np.reshape(a, -1, copy=True)
    np.reshape(a, -1, copy=False)
    xp.reshape(a, (-1,))
    xp.reshape(a, (-1,), copy=True)
    xp.reshape(a, (-1,), copy=False)
    xp.reshape(a, a.shape[::-1])
    a.T
    a.mT
    a.transpose()
    a.transpose(-1, 0)
    a.transpose((1, 0))
    a.transpose(2, 0, 1)
    np.transpose(a)
    np.transpose(a, (0, 2, 1))
    np.permute_dims(a)
    xp.permute_dims(a, tuple(range(a.ndim))[::-1])
    np.matrix_transpose(a)
    xp.matrix_transpose(a)
    np.linalg.matrix_transpose(a)
    xp.linalg.matrix_transpose(a)
    a.swapaxes(0, -1)
    np.swapaxes(a, 0, 1)
    np.moveaxis(a, 0, -1)
    np.moveaxis(a, (0, 1), (-1, 0))
    xp.moveaxis(a, 0, -1)
    np.rollaxis(a, 1)
    a.squeeze()
    a.squeeze(0)
    np.squeeze(a)
    np.squeeze(a, axis=0)
    xp.squeeze(a, axis=0)
    np.expand_dims(a, 0)
    np.expand_dims(a, (0, -1))
    xp.expand_dims(a, axis=-1)
    np.atleast_1d(a)
    np.atleast_2d(a)
    np.atleast_3d(a)
    np.atleast_2d(a, 1.0)[0]
    np.flip(a)
    np.flip(a, 0)
    np.flip(a, (0, 1))
    np.flip(a, ())
    xp.flip(a)
    xp.flip(a, axis=-1)
    np.fliplr(a)
    np.flipud(a)
    np.rot90(a, 0)
    np.rot90(a)
    np.rot90(a, 2)
    np.rot90(a, 3)
    np.rot90(a, 4)
    np.broadcast_to(a, a.shape)
    np.broadcast_to(a, (2, *a.shape))
    xp.broadcast_to(a, (2, *a.shape))
    np.broadcast_arrays(a, np.ones(a.shape))[0]
    xp.broadcast_arrays(a, xp.ones(a.shape))[0]
    xp.broadcast_arrays(a)[0]
    np.asarray(a, like=a)
    xp.asarray(a)
    xp.asarray(a, copy=False)
    xp.asarray(a, copy=True)
    xp.asarray(a, dtype=xp.float64)
    np.asanyarray(a)
    np.asarray(a)
    np.array(a)
    np.array(a, copy=False)
    np.array(a, copy=None)
    np.ascontiguousarray(a)
    np.asfortranarray(a)
    np.require(a, requirements="C")
    np.asarray_chkfinite(a)
    a.astype(float)
    a.astype(np.float64)
    a.astype(np.float64, copy=False)
    a.astype(float, order="C", copy=False)
    a.astype(float, order="F")
    np.astype(a, np.float64)
    np.astype(a, np.float64, copy=False)
    xp.astype(a, xp.float64)
    xp.astype(a, xp.float64, copy=False)
    xp.astype(a, a.dtype, copy=True)
    a.to_device(a.device)
    a.view()
    a.conj()
    a.conjugate()
    np.conj(a)
    np.conjugate(a)
    xp.conj(a)
    a.real
    np.real(a)
    xp.real(a)
    a.imag
    np.imag(a)
    (a * 1j).imag
    (a * (1 + 1j)).real
    np.real(a + 0j)
    np.real_if_close(a)
    np.real_if_close(a + 0j)
    np.nan_to_num(a)
    np.nan_to_num(a, copy=False)
    a.diagonal()
    a.diagonal(1)
    np.diagonal(a)
    np.diagonal(a, -1, 1, 0)
    np.linalg.diagonal(a)
    xp.linalg.diagonal(a)
    np.diag(a)
    np.diag(a, 1)
    np.diagflat(a)
    np.einsum("ii->i", a)
    np.einsum("ij->ji", a)
    np.einsum("ij->ij", a)
    np.einsum("ij", a)
    np.einsum("i->i", a)
    np.einsum("...->...", a)
    np.einsum("...i->i...", a)
    np.einsum("ijk->kij", a)
    np.einsum("ij->i", a)
    np.einsum(a, [1, 0], [0, 1])
    np.einsum("ij->ji", a, optimize=True)
    np.split(a, [1])[1]
    np.split(a, [1])[0]
    np.split(a, [2], axis=1)[0]
    np.array_split(a, 2)[0]
    np.array_split(a, 2, axis=-1)[1]
    np.hsplit(a, [1])[1]
    np.vsplit(a, [1])[1]
    np.dsplit(a, [1])[0]
    np.unstack(a)[0]
    xp.unstack(a)[1]
    xp.unstack(a, axis=-1)[0]
    np.meshgrid(a, np.ones(2))[0]
    np.meshgrid(a, np.ones(2), copy=False)[0]
    np.meshgrid(a, np.ones(2), copy=False, indexing="ij")[0]
    np.meshgrid(a, np.ones(2), copy=False, sparse=True)[0]
    np.meshgrid(a, np.ones(2), sparse=True)[0]
    np.meshgrid(a)[0]
    xp.meshgrid(a, xp.ones(2))[0]
    list(a)[0]
    [row for row in a][-1]
    next(iter(a.T))
    next(reversed(a))
    dict(enumerate(a))[1]
    list(zip(a, a))[0][1]
    [*map(lambda r: r, a)][0]
    a[0]
    a[-1]
    a[np.int64(0)]
    a[np.asarray(0)]
    a[0, 1]
    a[0, 1, 0]
    a[(0,)]
    a[..., 0]
    a[0, ...]
    a[0, 0, ...]
    a[1, 1, 1, ...]
    a[1:]
    a[:0]
    a[:1]
    a[::2]
    a[::-1]
    a[:, ::-1]
    a[1:, :-1]
    a[:, 0]
    a[0, :]
    a[None]
    a[:, None]
    a[..., None]
    a[None, ..., None]
    a[np.newaxis, 0]
    a[()]
    a[...]
    a[:]
    a[:, :, 0]
    a[0][1:]
    a[1:][0]
    a[True]
    a[None, 0, ..., 0]
    a[[0]]
    a[[0, 1]]
    a[np.asarray([0, 0])]
    a[[0, 1], [1, 0]]
    a[[0], ...]
    a[:, [1, 0]]
    a[0, [1, 0]]
    a[[[0], [1]]]
    a[a > 0]
    a[a < 100]
    a[np.ones(a.shape, dtype=bool)]
    a[np.ix_([0, 1], [1, 0])]
    a[np.nonzero(a)]
    np.ix_(a)[0]
    a.take([0, 1])
    a.take(0)
    np.take(a, [0], axis=0)
    np.take(a, 0, axis=0)
    xp.take(a, xp.asarray([0]), axis=0)
    np.take_along_axis(a, np.argsort(a, axis=-1), axis=-1)
    np.compress([True], a, axis=0)
    a.compress([True], axis=0)
    np.extract(a > 0, a)
    np.choose(np.zeros(a.shape, dtype=int), [a])
    np.delete(a, 0)
    np.delete(a, [], axis=0)
    np.insert(a, 0, 1.0)
    np.append(a, [])
    a.copy()
    a.copy("F")
    a.copy(order="K")
    np.copy(a)
    np.copy(a, order="C")
    copy.copy(a)
    copy.deepcopy(a)
    +a
    -a
    abs(a)
    np.positive(a)
    xp.positive(a)
    np.abs(a)
    np.fabs(a)
    1 * a
    a + 0
    a / 1
    a**1
    np.square(a)
    gdx.stop_gradient(a)
    gdx.stop_gradient(a.T)
    gdx.stop_gradient(a)[0]
    np.trim_zeros(a)
    np.trim_zeros(a, "f")
    np.tril(a)
    np.triu(a, -5)
    xp.tril(a)
    np.where(True, a, 0.0)
    np.where(a > 0, a, a)
    xp.where(a < 100, a, a)
    np.select([a < 100], [a])
    np.piecewise(a, [a > 0], [lambda z: z, 0.0])
    np.roll(a, 0)
    np.roll(a, 1)
    np.roll(a, 1, axis=0)
    xp.roll(a, 0)
    np.repeat(a, 1)
    np.repeat(a, 1, axis=0)
    a.repeat(1, axis=-1)
    xp.repeat(a, 1)
    np.tile(a, 1)
    np.tile(a, (1,) * a.ndim)
    xp.tile(a, (1,))
    np.tile(a, (2, 1))
    np.resize(a, a.shape)
    np.sort(a)
    xp.sort(a)
    np.sort(a, axis=None)
    np.sort(a, axis=0)
    np.partition(a, 0)
    np.clip(a, -100, 100)
    a.clip(-0.5, 0.5)
    a.clip(min=0)
    xp.clip(a)
    np.clip(a, None, None)
    np.round(a)
    a.round(1)
    np.around(a, 2)
    round(a)
    np.rint(a)
    np.floor(a)
    np.fix(a)
    np.trunc(a)
    np.concat([a])
    np.concatenate([a])
    np.concatenate([a, a])
    np.concatenate([a], axis=None)
    np.concatenate(a)
    xp.concat([a])
    xp.concat([a], axis=None)
    np.hstack([a])
    np.vstack([a])
    np.dstack([a])
    np.column_stack([a])
    np.block([a])
    np.block([[a, a]])
    np.block(a)
    np.stack([a])
    np.stack(a)
    np.stack([a], axis=-1)
    xp.stack([a])
    np.hstack(a)
    np.apply_along_axis(lambda r: r, 0, a)
    np.pad(a, 0)
    xp.sum(a, axis=())
    np.sum(a, axis=0)
    np.sum(a)
    np.sum(a, axis=0, keepdims=True)
    a.sum(axis=-1)
    a.max()
    np.max(a, axis=0)
    np.mean(a, axis=())
    np.add.reduce(a, axis=())
    np.cumsum(a, axis=0)
    a.cumsum()
    np.diff(a, n=0)
    np.unwrap(a)
    np.ediff1d(a)
    np.linalg.matrix_power(a, 1)
    np.linalg.matrix_power(a, 0)
    np.linalg.multi_dot([a, a])
    np.trace(a)
    a.trace()
    a.dot(np.eye(len(a)))
    a @ np.eye(len(a))
    np.kron(1, a)
    np.tensordot(a, 1.0, 0)
    np.interp(a, [-50.0, 50.0], [-50.0, 50.0])
    np.float64(1) * a
    np.zeros(a.shape) + a
    np.zeros_like(a)
    np.ones_like(a)
    np.empty_like(a) * 0
    np.full_like(a, 2.0)
    np.full_like(a, a)
    xp.zeros_like(a)
    xp.full_like(a, 3.0)
    a.item(0)
    a.tolist()
    a.flat[0]
    a.flat[:]
    sum(a)
    sorted(a.ravel())[0]
    np.lib.stride_tricks.sliding_window_view(a, 1)
    np.lib.stride_tricks.as_strided(a, a.shape, a.strides)
    np.nanmax(a, axis=())
    np.vander(a)[:, -2]
    np.polyval([1.0, 0.0], a)
    np.convolve(a, [1.0])
    np.cross(a, a[::-1])
    np.nan_to_num(a)[0]
    np.asarray([a])
    xp.asarray([a[0]])
    """
)

# The shape of x and, of an array `base` of that shape, the array a.
LAYOUTS: dict[str, tuple[tuple[int, ...], str]] = {
    "C": ((3, 3), "base"),
    "Fortran": ((3, 3), "base"),
    "transposed": ((3, 3), "base.T"),
    "every other row": ((6, 3), "base[::2]"),
    "every other column": ((3, 6), "base[:, ::2]"),
    "rows reversed": ((3, 3), "base[::-1]"),
    "columns reversed": ((2, 3), "base[:, ::-1]"),
    "one row": ((1, 4), "base"),
    "one column": ((4, 1), "base"),
    "a row": ((3, 4), "base[1]"),
    "a column": ((4, 3), "base[:, 1]"),
    "1-d": ((4,), "base"),
    "1-d reversed": ((4,), "base[::-1]"),
    "1-d strided": ((8,), "base[::2]"),
    "one element": ((1,), "base"),
    "3-d": ((2, 3, 2), "base"),
    "3-d transposed": ((2, 3, 2), "base.transpose(2, 0, 1)"),
    "3-d strided": ((2, 3, 4), "base[:, :, ::2]"),
    "3-d, length 1": ((2, 1, 3), "base"),
    "empty": ((3, 0), "base"),
    "1-d empty": ((0,), "base"),
    "0-d": ((), "base"),
    "element": ((3,), "base[1, ...]"),
    "broadcast": ((3,), "np.broadcast_to(base, (3, 3))"),
    "diagonal": ((3, 3), "np.diagonal(base)"),
}

# The argument itself, a copy of it with the same layout, or one in the order C.
SOURCES = ("x", "x * 1.0", "x.copy()")

WRITES = lines(
    """
    pass
    b += 1
    b *= 2
    b -= 0.5 * b
    b /= 4
    b **= 2
    b += a
    b += b[::-1]
    b[...] = 0
    b[...] = b * 2 + 1
    b[:] = b[::-1]
    b[()] = 3
    b[0] = 5.0
    b[-1] = b[0] * 3
    b[..., 0] = 7.0
    b[..., 0] *= 3
    b[1:] += b[:-1]
    b[b > 0] = 0
    b[[0, 0]] += 1
    b[0][...] = 2.0
    b.T[0] = 4.0
    b[0, 1] = b[1, 0]
    b[0] = a[0] + 1
    b[...] = a + 1
    b = b + 1
    b = b * 2; b += 1
    c = b; c *= 3
    c = b[...]; c += 1; b = c * 2
    np.multiply(b, 2, out=b)
    np.copyto(b, 2.0)
    b.fill(2.0)
    a += 1
    a *= 3
    a += b
    a[...] = 3.0
    a[0] = 7.0
    a[-1] = a[0] * 2
    a[..., -1] *= 2
    a[1:] = a[:-1]
    a[a > 0] = 1.0
    a[[0, 1]] = a[[1, 0]]
    c = a; c += 1
    a = a + 1
    a += 1; b += 1; a[0] = b[0] * 2
    b += 1; c = b; a[...] = 0; c *= 2
    base[...] = 2.0
    base += b
    x[...] = 1.0
    x += 1
    """
)


class Skipped(Exception):  # noqa: N818 - no error
    """NumPy itself has no such program."""


@functools.cache
def compiled(head: str, body: str) -> Callable[..., Any]:
    """Return a function of the program text."""
    scope: dict[str, Any] = {}
    exec(f"import copy\nimport gdx\nimport numpy as np\n{head}\n    {body}", scope)
    return scope["program"]


@functools.cache
def weights(shape: tuple[int, ...], salt: int) -> np.ndarray:
    return np.random.default_rng([salt, *shape]).uniform(0.5, 1.5, shape)


def program_of(source: str, layout: str, expression: str, write: str) -> Callable[[Any], Any]:
    """Return the function of x that the pieces make up."""
    layouts = LAYOUTS[layout][1]
    start = compiled("def program(x):", f"return {source}")
    arranged = compiled("def program(base):", f"return {layouts}")
    taken = compiled("def program(xp, a):", f"return {expression}")
    written = compiled("def program(x, base, a, b):", f"{write}; return base, a, b")

    def f(x: Any) -> Any:
        first = np.sum(x * weights(x.shape, 0))
        base = start(x)
        a = arranged(base)
        try:
            b = taken(gdx.array_namespace(x), a)
        except gdx.TracingError:
            raise
        except Exception as error:
            raise Skipped(error) from error
        if isinstance(b, list):
            b = b[0]
        base, a, b = written(x, base, a, b)
        parts = ((x, 1), (base, 2), (a, 3))
        squares = [np.sum(z**2 * weights(np.shape(z), salt)) for z, salt in parts]
        return first + sum(squares) + np.sum(b * weights(np.shape(b), 4))

    return f


def text_of(source: str, layout: str, expression: str, write: str) -> str:
    return f"base = {source}; a = {LAYOUTS[layout][1]}; b = {expression}; {write}  [{layout}]"


@functools.cache
def argument(shape: tuple[int, ...], fortran: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a point, at which nothing is near to a step or a tie, and a direction."""
    rng = np.random.default_rng([7, *shape])
    size = int(np.prod(shape))
    order = "F" if fortran else "C"
    point = (rng.permutation(size) - size // 2) * 0.25 + 0.08
    point, direction = point.reshape(shape), rng.uniform(-1, 1, size=shape)
    return np.asarray(point, order=order), np.asarray(direction, order=order)


STEP = 2.0**-10
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}


def slope(f: Callable[[Any], Any], x: np.ndarray, direction: np.ndarray) -> Any:
    """Return the derivative along a direction, exact for polynomials of degree four."""
    return sum(c * f(np.asarray(x + k * STEP * direction)) for k, c in STENCIL.items()) / STEP


# What a refusal names: a function or a line to write instead.
HELPFUL = re.compile(
    r"\b(numpy|np|xp|gdx)\.\w|\b(assign|compute|copy|give|make|take|use|write)\b", re.I
)


def failure_of(f: Callable[[Any], Any], shape: tuple[int, ...], **options: bool) -> str | None:
    """Return what is wrong with value and gradient of f; None if they are right or refused.

    `fortran` is the order of x; `constants`, whether f stops derivatives, which differences do not.
    """
    x, direction = argument(shape, options.get("fortran", False))
    try:
        expected = f(x.copy("K"))
    except Skipped:
        raise
    except Exception:
        expected = None
    try:
        value, gradient = gdx.value_and_grad(f)(x.copy("K"))
    except gdx.TracingError as error:
        return None if HELPFUL.search(str(error)) else f"unclear refusal: {error}"
    except Exception as error:
        cause = error.__cause__ if isinstance(error, Skipped) else error
        return expected and f"unclear error: {type(cause).__name__}: {cause}"
    if expected is None:  # gdx computes what NumPy refuses, as a write to a view for reading
        return None
    tolerance = 1e-8 * (1 + abs(expected))
    if not abs(value - expected) <= tolerance:
        return f"wrong value {value:.6g}: NumPy has {expected:.6g}"
    if options.get("constants"):
        return None
    found, along = np.sum(gradient * direction), slope(f, x, direction)
    if gradient.shape != x.shape or not abs(found - along) <= tolerance:
        return f"wrong gradient {found:.6g} along a direction: differences have {along:.6g}"
    return None


def programs(expression: str, every: int) -> Iterator[tuple[str, str, str, str]]:
    """Return one of `every` so many programs of an expression: others for others."""
    pieces = itertools.product(SOURCES, LAYOUTS, WRITES)
    first = zlib.crc32(expression.encode()) % every
    for source, layout, write in itertools.islice(pieces, first, None, every):
        yield source, layout, expression, write


def failures_of(expression: str, every: int) -> list[str]:
    failures, compared = [], 0
    for program in programs(expression, every):
        _, layout, _, _ = program
        options = {"fortran": layout == "Fortran", "constants": "stop_gradient" in expression}
        try:
            failure = failure_of(program_of(*program), LAYOUTS[layout][0], **options)
        except Skipped:
            continue
        compared += 1
        if failure:
            failures.append(f"{failure}\n    {text_of(*program)}")
    if not compared:
        pytest.skip(f"NumPy {np.__version__} has no {expression}")
    return failures


def report(failures: list[str], shown: int = 12) -> str:
    return "\n".join([f"{len(failures)} failures", *failures[:shown]])


# A prime number, so that each layout meets each write.
@pytest.mark.parametrize("every", [pytest.param(11, marks=pytest.mark.slow), 97])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_copy_or_view_is_that_of_numpy(expression, every):
    failures = failures_of(expression, every)
    assert not failures, report(failures)


# Views of views: each of each.
STEPS = lines(
    """
    a.T
    a.ravel()
    a.ravel("F")
    a.reshape(-1)
    a.reshape(a.shape[::-1])
    a.reshape(2, -1)
    a.flatten()
    a.copy()
    a[1:]
    a[::-1]
    a[..., 0]
    a[..., ::2]
    a[0]
    a[None]
    a[[0, 1]]
    a.real
    a.diagonal()
    a.squeeze()
    np.flip(a, 0)
    np.rot90(a)
    np.expand_dims(a, -1)
    np.atleast_2d(a)
    np.split(a, [1])[1]
    np.broadcast_to(a, (2, *a.shape))
    np.ascontiguousarray(a)
    np.asfortranarray(a)
    np.swapaxes(a, 0, -1)
    np.moveaxis(a, 0, -1)
    np.einsum("ij->ji", a)
    xp.asarray(a)
    xp.astype(a, xp.float64, copy=False)
    xp.reshape(a, (-1,))
    """
)


@pytest.mark.parametrize("every", [pytest.param(53, marks=pytest.mark.slow), 769])
@pytest.mark.parametrize("first", STEPS)
def test_views_of_views(first, every):
    failures = []
    for then in STEPS:
        with suppress(pytest.skip.Exception):
            failures += failures_of(f"(lambda a: {then})({first})", every)
    assert not failures, report(failures)


# Names and elements: each is the body of a function of a (4,) or (3, 3) or (1,) array x.
STATEMENTS = lines(
    """
    s = x[0]; s += 1; return x, s
    s = x[0]; t = s; s *= 3; return x, s, t
    s = x[..., 0]; s += 1; return x, s
    s = x[0, ...]; s += 1; return x, s
    s = x[0:1]; s += 1; return x, s
    s = x[-1]; x[-1] = 5.0; return x, s
    s = x[..., -1]; x[-1] = 5.0; return x, s
    s = x.reshape(-1)[0]; s += 1; return x, s
    s = x.reshape(-1)[0, ...]; s += 1; return x, s
    s = x.reshape(-1)[:1].reshape(()); s += 1; return x, s
    s = x.reshape(-1)[:1].reshape(()); s[...] = 7.0; return x, s
    s = x.reshape(-1)[:1].reshape(()); s[()] *= 2; return x, s
    s = x.reshape(-1)[:1].squeeze(); s += 1; return x, s
    s = np.squeeze(x.reshape(-1)[:1]); t = s; t *= 2; return x, s, t
    s = np.sum(x); t = s; t += 1; return s, t
    s = x.sum(); t = s; s *= 2; return s, t
    s = np.mean(x, axis=()); t = s; s += 1; return s, t
    s = np.max(x); s += 1; s -= x[0]; return x, s
    s = np.sum(x, axis=0); t = s; s += 1; return s, t
    s = np.sum(x, axis=0, keepdims=True); t = s; s += 1; return s, t
    s = np.dot(x, x); t = s; s += 1; return s, t
    s = x @ x; t = s; s /= 2; return s, t
    s = np.einsum("i,i", x, x); t = s; s += 1; return s, t
    s = np.einsum("i,i->", x, x); t = s; s += 1; return s, t
    s = np.einsum("...->...", x[0]); t = s; s += 1; return s, t, x
    s = np.tensordot(x, x, 1); t = s; s += 1; return s, t
    s = np.tensordot(x, x, x.ndim); t = s; s += 1; return s, t
    s = np.inner(x, x); t = s; s += 1; return s, t
    s = np.vdot(x, x); t = s; s += 1; return s, t
    s = np.linalg.norm(x); t = s; s += 1; return s, t
    s = np.linalg.det(np.outer(x, x) + np.eye(x.size)); t = s; s += 1; return s, t
    s = np.trace(np.outer(x, x)); t = s; s += 1; return s, t
    s = np.asarray(np.sum(x), like=x); t = s; s += 1; return s, t
    s = np.where(True, x[0], 0.0); t = s; s += 1; return s, t
    s = np.clip(x[0], 0, 1); t = s; s += 1; return s, t
    s = np.prod(x); t = s; s += 1; return s, t
    s = np.cumsum(x)[-1]; t = s; s += 1; return s, t
    s = np.take(x, 0); t = s; s += 1; return s, t
    s = np.median(x); t = s; s += 1; return s, t
    s = np.var(x); t = s; s += 1; return s, t
    s = np.trapezoid(x); t = s; s += 1; return s, t
    s = np.interp(x.ravel()[0], [-9.0, 9.0], [0.0, 1.0]); t = s; s += 1; return s, t
    s = np.exp(x[0, ...] * 0.01) if x.ndim == 1 else x[0]; t = s; s += 1; return s, t
    s = np.exp(x.ravel()[0] * 0.01); t = s; s += 1; return s, t
    s = np.zeros_like(x[0]); t = s; s += x[0]; return s, t
    s = np.full_like(x, 0.0)[..., 0]; t = s; s += x[0]; return s, t
    s = xp.zeros(()); t = s; s += x[0]; return s, t
    s = xp.zeros(()); t = s; s[...] = x.ravel()[0]; return s, t
    s = xp.asarray(0.0); t = s; s += x[0]; return s, t
    s = xp.sum(x); t = s; s += 1; return s, t
    s = xp.zeros(()); s = s + x[0]; t = s; s += 1; return s, t
    s = 0.0; t = s; s += x[0]; s += x[-1]; return s, t
    s = 0; t = x * 0; t += x; s += t; u = s; s += 1; return s, t, u
    s = x.copy(); t = s; s += 1; return x, s, t
    s = x.copy(); t = s; s = s + 1; s *= 2; return x, s, t
    s = x; t = s; s *= x; return x, s, t
    s = x; x = x * 2; s += 1; return x, s
    s, t = x, x[::-1]; s += 1; return x, s, t
    s = x[:]; s = s * 2; s[0] = 4.0; return x, s
    s = [x]; s[0] += 1; return x, s[0]
    s = (x,); t = s[0]; t += 1; return x, s[0]
    s = {"x": x}; s["x"] -= 2; return x, s["x"]
    s = [*x]; s[0] = s[0] + 1; return x, s[0]
    s = [*x]; s[0] += 1; return x, s[0]
    for row in x: row += 1; return x
    for i, row in enumerate(x): x[-1] = row * 2; return x
    for row in x: row[...] = 0.0; return x
    for i in range(1, len(x)): x[i] += 2 * x[i - 1]; return x
    for i in range(1, len(x)): x[i] = x[i - 1] + x[i]; return x
    y = np.zeros_like(x); y[0] = x[0]; y[1:] = y[:-1] + x[1:]; return y
    y = xp.zeros(x.shape); z = y[...]; z += x; return y, z
    y = xp.zeros(x.shape); y[...] = x; y[0] *= 2; return x, y
    y = xp.asarray(x, copy=True); y[0] = 3.0; return x, y
    y = xp.asarray(x); y[0] = 3.0; return x, y
    y = x * 1; y[0], y[-1] = y[-1], y[0]; return x, y
    y = x * 1; y[[0, -1]] = y[[-1, 0]]; return x, y
    y = x * 1; y[::-1] = y; return x, y
    y = x * 1; y[:] = y.T; return x, y
    y = x * 1; y += y.T; return x, y
    y = x * 1; y -= y[0]; return x, y
    y = x * 1; y *= y[-1]; return x, y
    y = x * 1; y[1:] -= y[:-1]; return x, y
    y = x * 1; y[:-1] += y[1:]; return x, y
    y = x * 1; y[y < 0] *= -1; return x, y
    y = x * 1; y[y < 0] = y[y < 0] * 2; return x, y
    y = x * 1; y[[0, 0, -1]] += x[0]; return x, y
    y = x * 1; np.add.at(y, [0, 0], 1.0); return x, y
    y = x * 1; v = y[1:]; w = v[::-1]; w[0] = 9.0; v *= 2; return y, v, w
    y = x * 1; v = y[1:]; y = y * 2; v += 1; return x, y, v
    y = x * 1; v = y[1:]; del y; v += 1; return x, v
    y = x * 1; v = y[...]; w = y[...]; v += 1; w *= 2; return y, v, w
    y = x * 1; v = y.T; z = v * v; v += 1; return y, v, z
    y = x * 1; z = y * y; y += 1; return y, z
    y = x * 1; z = np.sin(0 * y) + y; y[...] = z; z += 1; return y, z
    y = x * 1; z = y**2; y[0] = 0.0; z = z + y**2; return y, z
    y = x * 1; np.add(y, x, out=y); return x, y
    y = x * 1; np.multiply(y, y, out=y[::1]); return x, y
    y = x * 1; z = np.add(y, 1, out=y); z *= 2; return y, z
    y = x * 1; np.cumsum(y, out=y) if y.ndim == 1 else 0; return x, y
    y = x * 1; np.sum(y, axis=0, out=y[0, ...]); return x, y
    y = x * 1; np.negative(y, y); return x, y
    y = x * 1; np.multiply(y, 2, out=(y,)); return x, y
    y = x * 1; np.multiply(y, 2, y); return x, y
    y = x * 1; np.clip(y, -0.3, 0.3, out=y); return x, y
    y = x * 1; y.clip(-0.3, 0.3, out=y); return x, y
    y = x * 1; np.fill_diagonal(np.outer(y, y), 0); return x, y
    y = x * 1; z = np.outer(y, y); np.fill_diagonal(z, 0); return x, z
    y = x * 1; np.put(y, [0], 5.0); return x, y
    y = x * 1; np.place(y, y > 0, 0.0); return x, y
    y = x * 1; np.putmask(y, y > 0, 0.0); return x, y
    y = x * 1; np.put_along_axis(y, np.zeros((1,) * y.ndim, dtype=int), 5.0, 0); return x, y
    y = x * 1; np.copyto(y, x * 2); return x, y
    y = x * 1; y.sort(); return x, y
    y = x * 1; y.partition(0); return x, y
    y = x * 1; y.fill(2.0); return x, y
    y = x * 1; y.put([0], 2.0); return x, y
    y = x * 1; y.resize(y.shape); return x, y
    y = x * 1; y.shape = (-1,); return x, y
    y = x * 1; y.flat = 1.0; return x, y
    y = x * 1; y.flat[0] = 1.0; return x, y
    y = x * 1; y.real = 2.0; return x, y
    y = x * 1; y.real[0] = 2.0; return x, y
    y = x * 1; y.T[0] += 1; return x, y
    y = x * 1; y.setflags(write=False); return x, y
    y = x * 1; y.byteswap(inplace=True); return x, y
    y = x * 1; y @= np.eye(len(y)); return x, y
    y = x * 1; y //= 2; return x, y
    y = x * 1; y %= 0.25; return x, y
    y = x * 1; y **= 3; return x, y
    y = x * 1; y += np.float32(1); return x, y
    y = x * 1; y += 1 + 0j; return x, y
    y = x * 1; y = y * 1j; z = y.real; w = y.imag; y *= 2; return z, w
    y = x + 0j; z = y.real; z += 1; return y.real, z
    y = x + 0j; y.imag = x; return y.real, y.imag
    y = x + 0j; y.real[0] = 3.0; y.imag[...] = x; return y.real, y.imag
    y = x + 0j; y[0] = 1j; return y.real, y.imag
    y = np.zeros(x.shape); y = y + x; y[0] = 2.0; return x, y
    y = np.zeros(x.shape); y += 1; z = y * x; y = y + x; return y, z
    y = np.ones(x.shape); z = y * x; y = y * 2; z = z + y * x; return z
    y = np.ones(x.shape); z = y * x; y += 1; z = z + y * x; return z
    y = np.zeros(x.shape); y[...] = x; return y
    y = np.zeros(x.shape); y += x; return y
    y = np.zeros(x.shape); y[0] = x[0]; return y
    y = [0.0] * len(x); y[0] = x[0]; return y[0], x
    y = gdx.stop_gradient(x); y += 1; return x, y * x
    y = gdx.stop_gradient(x); z = y[...]; x += 1; return x, y * x, z * x
    y = gdx.stop_gradient(x * 1); y[...] = x; return x, y
    y = gdx.stop_gradient(x * 1); y += x; return x, y
    y = gdx.stop_gradient(x[0]); x[0] = 3.0; return x, x * y
    y = x * 1; z = gdx.stop_gradient(y); y += 1; return y, x * z
    y = x * 1; z = gdx.stop_gradient(y); z[0] = 5.0; return y, x * z
    y = x * 1; z = y[0]; y[0] = 2.0; y[-1] = z; return x, y
    y = x * 1; z = y[:1]; y[0] = 2.0; y[-1:] = z; return x, y
    y = x * 1; i = np.asarray([0, 0]); z = y[i]; z += 1; return y, z
    y = x * 1; i = np.asarray([0]); z = y[i]; i[0] = -1; return y, z
    y = x * 1; m = y > 0; z = y[m]; y += 1; return y, z
    y = x * 1; m = y > 0; y[m] = 0.0; m[...] = True; return y
    y = x * 1; first, *others = y; others[-1][...] = 0.0; return y
    """
)

POINTS = [(4,), (3, 3), (1,)]


def of_statements(text: str) -> Callable[[Any], Any]:
    statements, _, results = text.rpartition("return")
    statements = statements.rstrip("; ")
    body = compiled("def program(xp, x):", f"{statements}\n    return {results},")

    def f(x: Any) -> Any:
        start = np.sum(x * weights(x.shape, 0))
        parts = enumerate(body(gdx.array_namespace(x), x), 1)
        return start + sum(np.sum(z**2 * weights(np.shape(z), salt)) for salt, z in parts)

    return f


@pytest.mark.parametrize("text", STATEMENTS)
def test_names_elements_and_functions_in_place(text):
    failures = []
    for shape in POINTS:
        failure = failure_of(of_statements(text), shape, constants="stop_gradient" in text)
        if failure:
            failures.append(f"{failure}\n    {text}  {shape}")
    assert not failures, report(failures)


# What NumPy refuses: each is a statement about an array y of shape (3, 3).
REFUSED = lines(
    """
    np.broadcast_to(y, (2, 3, 3))[0] = 1.0
    xp.broadcast_to(y, (2, 3, 3))[0] = 1.0
    b = np.broadcast_to(y, (3, 3)); b += 1
    np.diagonal(y)[0] = 1.0
    y.diagonal()[...] = 0.0
    d = np.diagonal(y); d *= 2
    np.diag(y)[0] = 1.0
    np.diagonal(y)[1:][0] = 1.0
    np.sum(y)[...] = 1.0
    y[0, 0][...] = 1.0
    y += np.ones((2, 3, 3))
    y[0] += np.ones((3, 3))
    y[0] = np.ones((2, 3))
    y[3] = 1.0
    y[:, 5] += 1.0
    y += 1j
    y[0] = 1j
    n = np.arange(3); n += y[0]
    np.multiply(y, 1j, out=y)
    np.sum(y, axis=0, out=y)
    y.reshape(4, 4)
    y.squeeze(0)
    len(np.sum(y))
    iter(np.sum(y))
    """
)


@pytest.mark.parametrize("text", REFUSED)
def test_what_numpy_refuses_is_refused(text):
    program = compiled("def program(xp, y):", f"{text}; return y")

    def f(x):
        return np.sum(program(gdx.array_namespace(x), x * 1.0) * x)

    x, _ = argument((3, 3), fortran=False)
    with pytest.raises((TypeError, ValueError, IndexError)) as refused:
        f(x)
    expected = TypeError if issubclass(refused.type, TypeError) else refused.type
    with pytest.raises((gdx.TracingError, expected)):
        gdx.grad(f)(x)


# The layout in memory and the type, a number or an array without axes, of what functions return;
# of matrices m and s, a vector v and a stack t of matrices.
RETURNED = lines(
    """
    m + 1
    m * m.T.copy().T
    m * m.T if m.shape[0] == m.shape[1] else m
    m + v[:1]
    m + np.ones(m.shape)
    m.T + np.ones(m.T.shape)
    t * t
    t + m[0, 0]
    t * np.ones(t.shape, order="F")
    -m
    abs(m)
    np.exp(m)
    np.sqrt(abs(m))
    np.sin(t)
    np.maximum(m, 0)
    np.arctan2(m, 1 + abs(m))
    np.where(m > 0, m, 0.0)
    np.where(m > 0, m, np.ones(m.shape))
    np.clip(m, -1, 1)
    np.round(m)
    np.nan_to_num(m)
    np.real(m + 1j)
    m + 1j
    np.conj(m)
    np.conj(m + 1j)
    m.astype(np.float32)
    m.astype(float)
    m.copy()
    np.copy(m)
    m.flatten()
    m.ravel()
    m.reshape(-1)
    m.T
    t.T
    np.sum(m)
    np.sum(m, axis=0)
    np.sum(m, axis=1, keepdims=True)
    np.sum(m, keepdims=True)
    np.sum(t, axis=0)
    np.sum(t, axis=1)
    np.sum(t, axis=(0, 2))
    np.sum(t, axis=1, keepdims=True)
    np.sum(v)
    v.sum()
    v.sum(axis=0)
    np.sum(v, axis=())
    np.add.reduce(m)
    np.multiply.outer(v, v)
    np.mean(m)
    np.mean(m, axis=0)
    np.mean(t, axis=1)
    np.mean(t, axis=1, keepdims=True)
    np.var(m)
    np.var(t, axis=0)
    np.std(m, axis=1)
    np.max(m)
    np.max(m, axis=0)
    np.max(t, axis=1)
    np.min(t, axis=2, keepdims=True)
    np.prod(m)
    np.prod(t, axis=1)
    np.ptp(m, axis=0)
    np.ptp(m)
    np.median(m)
    np.median(m, axis=0)
    np.median(t, axis=1)
    np.quantile(m, 0.5)
    np.quantile(m, 0.5, axis=0)
    np.quantile(m, [0.2, 0.5], axis=1)
    np.percentile(t, 30, axis=1)
    np.average(m)
    np.average(m, axis=0, weights=np.arange(len(m)) + 1.0)
    np.nansum(m)
    np.nansum(m, axis=0)
    np.nanmean(m)
    np.nanmean(t, axis=1)
    np.nanmax(m)
    np.nanstd(m, axis=0)
    np.cumsum(m)
    np.cumsum(m, axis=0)
    np.cumsum(t, axis=1)
    np.cumprod(m, axis=1)
    np.cumulative_sum(m, axis=0)
    np.diff(m)
    np.diff(t, axis=0)
    np.gradient(m, axis=0)
    np.trapezoid(m)
    np.trapezoid(v)
    np.cov(m)
    np.corrcoef(m)
    np.cov(v)
    np.sort(m)
    np.sort(m, axis=0)
    np.sort(t, axis=1)
    np.take(m, [0, 1], axis=0)
    np.take(m, [0, 1], axis=1)
    np.take(t, [[0, 1]], axis=1)
    np.take(m, 0)
    np.take(v, 0)
    np.take(m, 0, axis=0)
    np.take_along_axis(m, np.argsort(m, axis=0), axis=0)
    np.compress([True, False], m, axis=0)
    m[[0, 1]]
    m[:, [0, 1]]
    t[:, [0, 1]]
    t[[0, 1], :, [0, 1]]
    t[:, :, [1, 0]]
    t[[0]]
    m[[0, 1], [0, 1]]
    m[m > 0]
    m[0]
    m[0, 0]
    m[0, 0, ...]
    m[..., 0, 0]
    v[0]
    v[..., 0]
    v[()]
    v[0, ...]
    v[np.asarray(0)]
    v[[0]][0]
    np.repeat(m, 2, axis=0)
    np.repeat(m, 2, axis=1)
    np.repeat(m, 2)
    np.tile(m, 2)
    np.tile(m, (2, 1))
    np.roll(m, 1)
    np.roll(m, 1, axis=0)
    np.flip(m)
    np.rot90(m)
    np.pad(m, 1)
    np.pad(m, 1, mode="edge")
    np.pad(t, 0)
    np.concatenate([m, m])
    np.concatenate([m, m], axis=1)
    np.concatenate([t, t], axis=1)
    np.concatenate([m, np.ones(m.shape)])
    np.concatenate([np.ones(m.shape), m], axis=1)
    np.concatenate([m, m], axis=None)
    np.stack([m, m])
    np.stack([m, m], axis=1)
    np.stack([m, m], axis=-1)
    np.stack([v, v], axis=1)
    np.stack([t, t], axis=2)
    np.hstack([m, m])
    np.vstack([m, m])
    np.vstack([v, v])
    np.dstack([m, m])
    np.column_stack([v, v])
    np.column_stack([m, m])
    np.append(m, m, axis=0)
    np.delete(m, 0, axis=0)
    np.broadcast_to(v, (2, *v.shape))
    np.expand_dims(m, 1)
    np.moveaxis(t, 0, -1)
    np.swapaxes(t, 0, 1)
    np.atleast_3d(m)
    np.atleast_3d(v)
    np.atleast_2d(v)
    np.meshgrid(v, v)[0]
    np.meshgrid(v, v, indexing="ij")[0]
    np.meshgrid(v, v, sparse=True)[1]
    np.diag(v)
    np.diag(m)
    np.diagflat(v)
    np.diagonal(t, axis1=0, axis2=2)
    np.tril(m)
    np.tril(t)
    np.trace(m)
    np.trace(t)
    np.zeros_like(m)
    np.zeros_like(t)
    np.ones_like(m)
    np.full_like(m, 2.0)
    np.full_like(t, 2.0)
    np.empty_like(m)
    np.linspace(v[0], v[1], 3)
    np.linspace(v, 1 + v, 3)
    np.linspace(v, 1 + v, 3, axis=1)
    np.dot(m, m.T)
    np.dot(m.T, m)
    np.dot(v, v)
    np.dot(m, v[:1].repeat(m.shape[1]))
    np.dot(t, m.T)
    np.dot(m, 2.0)
    m @ m.T
    m.T @ m
    v @ v
    t @ t.swapaxes(1, 2)
    t.swapaxes(1, 2) @ t
    np.matmul(t, t.swapaxes(1, 2))
    np.inner(m, m)
    np.inner(v, v)
    np.inner(t, t)
    np.outer(v, v)
    np.vdot(m, m)
    np.vecdot(m, m)
    np.vecdot(v, v)
    np.kron(m, m)
    np.kron(v, v)
    np.cross(s, s[::-1])
    np.tensordot(m, m)
    np.tensordot(m, m, 0)
    np.tensordot(m, m, axes=([0], [0]))
    np.tensordot(t, m, axes=([2], [1]))
    np.tensordot(t, t, axes=([0, 2], [0, 2]))
    np.tensordot(v, v, 1)
    np.tensordot(v, v, 0)
    np.einsum("i,i", v, v)
    np.einsum("i,i->", v, v)
    np.einsum("i->", v)
    np.einsum("ii", s)
    np.einsum("ii->i", s)
    np.einsum("ij->ji", m)
    np.einsum("ij->i", m)
    np.einsum("ij->j", m)
    np.einsum("ij->", m)
    np.einsum("ij,kj->ik", m, m)
    np.einsum("ij,kj->ki", m, m)
    np.einsum("ij,ij->j", m, m)
    np.einsum("i,j->ij", v, v)
    np.einsum("i,j->ji", v, v)
    np.einsum("ijk,lk->ijl", t, m)
    np.einsum("ijk,ijl->ikl", t, t)
    np.einsum("ijk->kij", t)
    np.einsum("ijk->ki", t)
    np.einsum("ij,jk,kl->il", s, s, s, optimize=True)
    np.convolve(v, v)
    np.convolve(v, [1.0, 2.0], "same")
    np.correlate(v, v, "full")
    np.polyval(v, m)
    np.polyval(v, 2.0)
    np.interp(m, [-9.0, 9.0], [0.0, 1.0])
    np.interp(v[0], [-9.0, 9.0], [0.0, 1.0])
    np.select([m > 0], [m], 0.0)
    np.heaviside(m, 0.5)
    np.modf(m)[0]
    np.divmod(m, 2)[0]
    np.frexp(m)[0]
    np.angle(m + 1j)
    np.sinc(m)
    np.i0(m)
    np.unwrap(v)
    np.linalg.norm(m)
    np.linalg.norm(v)
    np.linalg.norm(m, axis=0)
    np.linalg.norm(m, axis=0, keepdims=True)
    np.linalg.norm(v, 1)
    np.linalg.norm(m, 1)
    np.linalg.norm(m, "nuc")
    np.linalg.norm(t, axis=(0, 1))
    np.linalg.vector_norm(m)
    np.linalg.vector_norm(m, axis=0)
    np.linalg.matrix_norm(m)
    np.linalg.det(s)
    np.linalg.slogdet(s)[0]
    np.linalg.slogdet(s)[1]
    np.linalg.inv(s)
    np.linalg.pinv(m)
    np.linalg.solve(s, s)
    np.linalg.solve(s, s[0])
    np.linalg.cholesky(s @ s.T)
    np.linalg.cholesky(s @ s.T, upper=True)
    np.linalg.eigh(s + s.T)[0]
    np.linalg.eigh(s + s.T)[1]
    np.linalg.eigvalsh(s + s.T)
    np.linalg.eig(s @ s.T)[0]
    np.linalg.svd(m)[0]
    np.linalg.svd(m, full_matrices=False)[0]
    np.linalg.svd(m, full_matrices=False)[1]
    np.linalg.svd(m, full_matrices=False)[2]
    np.linalg.svdvals(m)
    np.linalg.qr(s)[0]
    np.linalg.qr(s)[1]
    np.linalg.qr(m, mode="r")
    np.linalg.matrix_power(s, 0)
    np.linalg.matrix_power(s, 1)
    np.linalg.matrix_power(s, 3)
    np.linalg.multi_dot([s, s, s])
    np.linalg.multi_dot([v, np.outer(v, v), v])
    np.linalg.cond(s)
    np.linalg.trace(m)
    np.linalg.trace(t)
    np.linalg.outer(v, v)
    np.linalg.cross(s, s[::-1])
    np.linalg.tensordot(m, m, axes=2)
    np.linalg.tensorsolve(s, v[:1].repeat(len(s)))
    np.fft.fft(m)
    np.fft.fft(m, axis=0)
    np.fft.rfft(m)
    np.fft.irfft(m + 1j)
    np.fft.fft2(m)
    np.fft.ifftn(t)
    np.fft.fftshift(m)
    xp.sum(v)
    xp.sum(m, axis=0)
    xp.mean(m)
    xp.mean(t, axis=1)
    xp.std(m, axis=1, correction=1)
    xp.var(m)
    xp.max(m)
    xp.prod(t, axis=1)
    xp.cumulative_sum(m, axis=0)
    xp.cumulative_sum(v, include_initial=True)
    xp.concat([m, m], axis=1)
    xp.stack([m, m], axis=1)
    xp.matmul(m, m.T)
    xp.tensordot(m, m)
    xp.tensordot(v, v, axes=1)
    xp.vecdot(v, v)
    xp.vecdot(m, m)
    xp.outer(v, v) if hasattr(xp, "outer") else np.outer(v, v)
    xp.linalg.outer(v, v)
    xp.linalg.vector_norm(v)
    xp.linalg.vector_norm(m, axis=0, keepdims=True)
    xp.linalg.matrix_norm(m)
    xp.linalg.det(s)
    xp.linalg.inv(s)
    xp.linalg.slogdet(s).logabsdet
    xp.linalg.trace(m)
    xp.linalg.diagonal(t)
    xp.take(m, xp.asarray([0, 1]), axis=1)
    xp.take_along_axis(m, xp.argsort(m, axis=0), axis=0)
    xp.where(m > 0, m, 0.0)
    xp.clip(m, -1, 1)
    xp.astype(m, xp.float32)
    xp.asarray(m, copy=True)
    xp.repeat(m, 2, axis=1)
    xp.tile(m, (2, 1))
    xp.tril(m)
    xp.sort(m, axis=0)
    xp.diff(m, axis=0)
    xp.squeeze(v[:1], axis=0)
    xp.reshape(v[:1], ())
    xp.zeros_like(m)
    xp.zeros(())
    xp.asarray(2.0)
    xp.full((), 2.0)
    xp.real(m + 1j)
    xp.fft.fft(m, axis=0)
    """
)


def described(y: Any) -> str:
    """Return the type, dtype, shape and layout of an array, plain or traced."""
    if not np.shape(y):
        return "a number" if "array" not in repr(y) else "an array without axes"
    plain = np.asarray(gdx.stop_gradient(y))
    if 0 in plain.shape:
        return f"{plain.dtype} {plain.shape}"
    strides = [
        s // plain.itemsize for s, n in zip(plain.strides, plain.shape, strict=True) if n > 1
    ]
    return f"{plain.dtype} {plain.shape}, elements apart {strides}"


RETURNED_LAYOUTS = {
    "C": lambda x: x * 1.0,
    "Fortran": lambda x: (x.transpose() * 1.0).transpose(),
    "strided": lambda x: (x * 1.0).repeat(2, axis=-1)[..., ::2],
    "reversed": lambda x: (x * 1.0)[::-1],
    "swapped": lambda x: x.swapaxes(0, -1) * 1.0 if x.ndim < 3 else x.transpose(1, 0, 2) * 1.0,
}


@pytest.mark.parametrize("expression", RETURNED)
def test_layout_and_type_are_those_of_numpy(expression):
    taken = compiled("def program(xp, m, s, v, t):", f"return {expression}")

    def f(x: Any, layout: Callable[[Any], Any]) -> Any:
        pieces = x[:6].reshape(2, 3), x[6:15].reshape(3, 3), x[15:19], x[19:43].reshape(2, 3, 4)
        seen.append(described(taken(gdx.array_namespace(x), *map(layout, pieces))))
        return np.sum(x**2)

    x = np.random.default_rng(3).normal(size=43)
    failures = []
    for name, layout in RETURNED_LAYOUTS.items():
        seen: list[str] = []
        try:
            f(x, layout)
        except (AttributeError, TypeError, ValueError):
            continue
        with suppress(gdx.TracingError):
            gdx.grad(f)(x, layout)
        if len({*seen}) > 1:
            failures.append(f"{name}: {seen[1]}; NumPy: {seen[0]}")
    assert not failures, "\n".join(failures)
