"""Matrices: their parts, norms, factors and inverses."""

from __future__ import annotations

import functools
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.shapes import expand_dims, pad
from gdx.autodiff.numpy_names.table import (
    FUNCTIONS,
    NotTranslated,
    Row,
    translate,
    translates,
    words,
)
from gdx.backends import Array, Namespace, library, namespace_of, plain_namespace


@translates("diagonal")
def _diagonal(xp: Namespace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    moved = xp.moveaxis(given.array(xp, a), (axis1, axis2), (-2, -1))
    return xp.linalg.diagonal(moved, offset=offset)


@translates("trace")
def _trace(
    xp: Namespace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None
) -> Array:
    return xp.sum(
        _diagonal(xp, a, offset, axis1, axis2), axis=-1, dtype=given.known_dtype(xp, dtype)
    )


@translates("diag")
def _diag(xp: Namespace, v: Any, k: int = 0) -> Array:
    v = given.array(xp, v)
    if v.ndim == 2:
        return xp.linalg.diagonal(v, offset=k)
    rows = pad(xp, v, ((max(-k, 0), max(k, 0)),))
    on = xp.eye(rows.shape[0], k=k, device=given.device(v)) != 0
    return xp.where(on, rows[:, None], xp.zeros_like(rows)[:, None])


def _triangle(name: str) -> Row:
    def row(xp: Namespace, m: Any, k: int = 0) -> Array:
        m = given.array(xp, m)
        return getattr(xp, name)(xp.broadcast_to(m, m.shape * 2) if m.ndim == 1 else m, k=k)

    return row


@translates("linalg.norm")
def _norm(
    xp: Namespace, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Array:
    x = given.floating(xp, x)
    if axis is None and (ord is None or x.ndim == 1):
        size = xp.linalg.vector_norm(xp.reshape(x, (-1,)), ord=2 if ord is None else ord)
        return xp.reshape(size, (1,) * x.ndim) if keepdims else size
    axes = given.known_axes(axis, x.ndim)
    if len(axes) == 1:
        ord = 2 if ord is None else ord
        return xp.linalg.vector_norm(x, axis=axes[0], ord=ord, keepdims=keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError("the norm of a matrix is over two axes")
    moved = xp.moveaxis(x, axes, (-2, -1))
    size = xp.linalg.matrix_norm(moved, ord="fro" if ord is None else ord)
    return expand_dims(xp, size, axes) if keepdims else size


@translates("linalg.svd")
def _svd(xp: Namespace, a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    a = given.floating(xp, a)
    return xp.linalg.svd(a, full_matrices=full_matrices) if compute_uv else xp.linalg.svdvals(a)


@translates("linalg.qr")
def _qr(xp: Namespace, a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        raise NotTranslated(f"mode={mode!r}")
    factors = xp.linalg.qr(given.floating(xp, a), mode="reduced" if mode == "r" else mode)
    return factors[1] if mode == "r" else factors


@translates("linalg.eigh")
def _eigh(xp: Namespace, a: Any, UPLO: str = "L") -> Any:  # noqa: N803 — NumPy's name
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    a = given.floating(xp, a)
    if UPLO in "Ll":
        return xp.linalg.eigh(a)
    if library(plain_namespace(namespace_of(a))).reads_upper:
        return xp.linalg.eigh(a, UPLO="U")  # whose eigenvectors may have other signs
    return xp.linalg.eigh(_adjoint(xp, a))


@translates("linalg.eigvalsh")
def _eigvalsh(xp: Namespace, a: Any, UPLO: str = "L") -> Array:  # noqa: N803
    if UPLO in ("L", "l"):
        return xp.linalg.eigvalsh(given.floating(xp, a))
    return _eigh(xp, a, UPLO)[0]


@translates("linalg.cholesky")
def _cholesky(xp: Namespace, a: Any, *, upper: bool = False) -> Array:
    a = given.floating(xp, a)
    # The standard's function reads the lower triangle for both factors.
    return _adjoint(xp, xp.linalg.cholesky(_adjoint(xp, a))) if upper else xp.linalg.cholesky(a)


def _adjoint(xp: Namespace, a: Array) -> Array:
    return given.conj(xp, xp.matrix_transpose(a))


@translates("linalg.pinv")
def _pinv(xp: Namespace, a: Any, rcond: Any = None, *, rtol: Any = None) -> Array:
    rtol = rcond if rtol is None else rtol
    # NumPy's default, which is not that of the standard.
    return xp.linalg.pinv(given.floating(xp, a), rtol=1e-15 if rtol is None else rtol)


@translates("linalg.cond")
def _cond(xp: Namespace, x: Any, p: Any = None) -> Array:
    x = given.floating(xp, x)
    if p in (None, 2, -2):
        values = xp.linalg.svdvals(x)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return xp.linalg.matrix_norm(x, ord=p) * xp.linalg.matrix_norm(xp.linalg.inv(x), ord=p)


@translates("linalg.solve")
def _solve(xp: Namespace, a: Any, b: Any) -> Array:
    return xp.linalg.solve(*given.floatings(xp, a, b))


@translates("linalg.vecdot")
def _vecdot(xp: Namespace, x1: Any, x2: Any, *, axis: int = -1) -> Array:
    return xp.vecdot(*(xp.moveaxis(x, axis, -1) for x in given.arrays(xp, x1, x2)))


@translates("linalg.multi_dot")
def _multi_dot(xp: Namespace, arrays: Any) -> Array:
    return functools.reduce(functools.partial(FUNCTIONS["dot"], xp), given.arrays(xp, *arrays))


def _of_linalg(name: str) -> Row:
    """Return the row of a function whose arguments are those of the standard."""

    def row(xp: Namespace, x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(xp.linalg, name)(given.floating(xp, x), *args, **kwargs)

    return row


translate(
    {
        f"linalg.{name}": _of_linalg(name)
        for name in words(
            "cross det diagonal inv matmul matrix_norm matrix_power matrix_transpose outer "
            "slogdet svdvals trace vector_norm"
        )
    }
    | {
        "diagflat": lambda xp, v, k=0: _diag(xp, xp.reshape(given.array(xp, v), (-1,)), k),
        "tril": _triangle("tril"),
        "triu": _triangle("triu"),
    }
)
