"""Derivatives of decompositions, determinants, inverses and diagonals, of stacks of matrices.

A maker gets the function's namespace `xp`, its value `y` (of several outputs, their tuple `ys`) and
its arguments, and returns the pull. A derivative is multiplied without conjugation, so that of a
real f of z = a + ib the gradient is ∂f/∂a - i ∂f/∂b. The dispatcher sums over the axes that were
broadcast, and takes the real part of what belongs to a real argument.

References: Giles (2008), Collected matrix derivative results for forward and reverse mode; Murray
(2016), Differentiation of the Cholesky decomposition; Townsend (2016), Differentiating the
singular value decomposition; Golub and Pereyra (1973), The differentiation of pseudo-inverses;
Roberts and Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.core import Maker, Pull
from gdx.autodiff.rules.matrices import (
    adjoint,
    conjugate,
    identity_like,
    nonzero,
    on_matrices,
    reciprocal,
    times_transpose,
    zeros_beside,
)
from gdx.backends import Array, DType, cast, device_of, epsilon, is_complex

# Diagonals


def _on_diagonal(xp: Any, values: Array, rows: int, columns: int, offset: int) -> Array:
    """Return matrices of zeros but for one diagonal, of `values` that are broadcast to them."""
    device = device_of(values)
    places = xp.reshape(xp.arange(rows, device=device), (rows, 1)) + offset
    mask = places == xp.arange(columns, device=device)
    return xp.where(mask, values, xp.zeros_like(values))


def _trace(xp: Any, y: Array, x: Array, offset: int = 0, dtype: DType | None = None) -> Pull:
    rows, columns = x.shape[-2:]
    return lambda g: _on_diagonal(xp, on_matrices(xp, g), rows, columns, offset)


def _diagonal(xp: Any, y: Array, x: Array, offset: int = 0) -> Pull:
    rows, columns = x.shape[-2:]
    along, axis = (rows, -1) if offset >= 0 else (columns, -2)

    def pull(g: Array) -> Array:
        if along > g.shape[-1]:
            shape = (*g.shape[:-1], along - g.shape[-1])
            g = xp.concat([g, zeros_beside(xp, shape, g)], axis=-1)
        return _on_diagonal(xp, xp.expand_dims(g, axis=axis), rows, columns, offset)

    return pull


# Determinants, inverses and systems


def _cofactors(xp: Any, x: Array, det: Array) -> Array:
    """Return det(x) x⁻ᵀ, also of matrices whose rank is smaller than n."""
    n = x.shape[-1]
    if n == 1:
        return xp.ones_like(x)
    if n == 2:
        signs = 1 - 2 * (1 - identity_like(xp, 2, x))
        return xp.flip(xp.flip(x, axis=-1), axis=-2) * signs
    if n == 3:
        a, b, c = (x[..., i, :] for i in range(3))
        cross = xp.linalg.cross
        return xp.stack([cross(b, c), cross(c, a), cross(a, b)], axis=-2)
    return _updated_cofactors(xp, x, det)


def _updated_cofactors(xp: Any, x: Array, det: Array) -> Array:
    """Return det(x) x⁻ᵀ, of singular matrices from the inverse of z = x + u vᵀ.

    By the matrix determinant lemma, adj(x) = det(z) ((1 - t) z⁻¹ + z⁻¹ u vᵀ z⁻¹), t = vᵀ z⁻¹ u. If
    the rank of x is n - 1, z has an inverse; if it is smaller, z is singular, and adj(x) zero. A
    matrix is taken for singular if its determinant is rounding, beside that of the matrix with
    such a change, which is in scale with its rows and columns.
    """
    n = x.shape[-1]
    size = xp.abs(x)
    rows = xp.max(size, axis=-1, keepdims=True)
    rows = nonzero(xp, xp.where(rows == 0, xp.max(rows, axis=-2, keepdims=True), rows))
    columns = nonzero(xp, xp.max(size / rows, axis=-2, keepdims=True))
    k = xp.arange(n, dtype=size.dtype, device=device_of(x))

    def change(frequency: float) -> tuple[Array, Array]:
        # A matrix of some structure is unlikely to have a range at right angles to these.
        u, v = xp.cos(frequency * k * k), xp.cos((frequency + 1) * k * k + 1)
        scale = math.sqrt(2 / n)
        return rows * cast(u * scale, x.dtype, xp)[:, None], columns * cast(v * scale, x.dtype, xp)

    def is_singular(det: Array, changed: Array) -> Array:
        return xp.abs(det) <= 16 * n * epsilon(xp, size.dtype) * xp.abs(changed)

    u, v = change(1.0)
    det_z = xp.linalg.det(x + u * v)
    singular = is_singular(det, det_z)
    further_u, further_v = change(math.sqrt(3))
    further = xp.linalg.det(x + u * v + further_u * further_v)
    lost = singular & is_singular(det_z, further)
    det = xp.where(lost, xp.zeros_like(det), xp.where(singular, det_z, det))
    u = xp.where(on_matrices(xp, singular), u, xp.zeros_like(u))
    z = xp.where(on_matrices(xp, lost), identity_like(xp, n, x), x + u * v)
    inverse = xp.linalg.inv(z)
    column, row = xp.matmul(inverse, u), xp.matmul(v, inverse)
    adjugate = (1 - xp.matmul(v, column)) * inverse + column * row
    return xp.matrix_transpose(on_matrices(xp, det) * adjugate)


def _det(xp: Any, y: Array, x: Array) -> Pull:
    if x.shape[-1] == 0:
        return lambda g: xp.zeros_like(x)
    return lambda g: on_matrices(xp, g) * _cofactors(xp, x, y)


def _slogdet(xp: Any, ys: Sequence[Array], x: Array) -> Pull:
    turns, sign = is_complex(xp, x.dtype), ys[0]

    def pull(gs: Sequence[Array | None]) -> Array:
        of_sign, of_log = gs
        if of_log is None and not (turns and of_sign is not None):
            return xp.zeros_like(x)
        inverse = xp.matrix_transpose(xp.linalg.inv(x))
        total = None
        if of_log is not None:
            total = on_matrices(xp, of_log) * inverse
        if turns and of_sign is not None:
            angle = xp.imag(of_sign * sign)
            turned = on_matrices(xp, angle) * (inverse * 1j)
            total = turned if total is None else total + turned
        return total

    return pull


def _inv(xp: Any, y: Array, x: Array) -> Pull:
    def pull(g: Array) -> Array:
        transposed = xp.matrix_transpose(y)
        return -xp.matmul(xp.matmul(transposed, g), transposed)

    return pull


def _solve_transpose(xp: Any, a: Array, g: Array, vector: bool) -> Array:
    g = xp.expand_dims(g, axis=-1) if vector else g
    return xp.linalg.solve(xp.matrix_transpose(a), g)


def _solve_first(xp: Any, y: Array, a: Array, b: Array) -> Pull:
    vector = b.ndim == 1

    def pull(g: Array) -> Array:
        solved = _solve_transpose(xp, a, g, vector)
        return -times_transpose(xp, solved, xp.expand_dims(y, axis=-1) if vector else y, a.ndim)

    return pull


def _solve_second(xp: Any, y: Array, a: Array, b: Array) -> Pull:
    if b.ndim == 1:
        return lambda g: _solve_transpose(xp, a, g, True)[..., 0]
    return lambda g: _solve_transpose(xp, a, g, False)


def _pinv(xp: Any, y: Array, x: Array, rtol: float | Array | None = None) -> Pull:

    def pull(g: Array) -> Array:
        p, ph, g = y, adjoint(xp, y), conjugate(xp, g)
        gh = adjoint(xp, g)
        below = xp.matmul(gh, p)
        below = xp.matmul(below - xp.matmul(x, xp.matmul(p, below)), ph)
        right = xp.matmul(p, gh)
        right = xp.matmul(ph, right - xp.matmul(xp.matmul(right, p), x))
        return conjugate(xp, below + right - xp.matmul(xp.matmul(ph, g), ph))

    return pull


# Decompositions


def _hermitian(xp: Any, x: Array) -> Array:
    return (x + adjoint(xp, x)) / 2


def _cholesky(xp: Any, y: Array, x: Array, upper: bool = False) -> Pull:
    def pull(g: Array) -> Array:
        g = conjugate(xp, g)
        lower, g = (adjoint(xp, y), adjoint(xp, g)) if upper else (y, g)
        n = y.shape[-1]
        inner = xp.matmul(adjoint(xp, lower), g)
        inner = xp.tril(inner) - inner * (identity_like(xp, n, y) / 2)
        inverse = xp.linalg.inv(lower)
        middle = xp.matmul(_hermitian(xp, inner), inverse)
        return conjugate(xp, xp.matmul(adjoint(xp, inverse), middle))

    return pull


def _tolerance(xp: Any, largest: Array, n: int) -> Array:
    """Return below what a difference of eigenvalues or singular values is rounding."""
    return max(n, 8) * epsilon(xp, largest.dtype) * largest


def _eigh(xp: Any, ys: Sequence[Array], x: Array, UPLO: str = "L") -> Pull:  # noqa: N803
    """Return the pull of the eigenvalues and eigenvectors, finite for all eigenvalues.

    It is that of a function of symmetric matrices, whichever triangle is read.
    Between eigenvectors to the same eigenvalue there is no derivative; zero is taken, which is
    right for all functions of the eigenvalues and of whole eigenspaces.
    """
    w, v = ys

    def pull(gs: Sequence[Array | None]) -> Array:
        of_w, of_v = gs
        if of_w is None and of_v is None:
            return xp.zeros_like(v)
        vh = adjoint(xp, v)
        total = None
        if of_w is not None:
            total = xp.matmul(v * xp.expand_dims(of_w, axis=-2), vh)
        if of_v is not None:
            gaps = xp.expand_dims(w, axis=-2) - xp.expand_dims(w, axis=-1)
            largest = xp.maximum(xp.abs(w[..., :1]), xp.abs(w[..., -1:]))
            tolerance = _tolerance(xp, xp.expand_dims(largest, axis=-1), w.shape[-1])
            inner = xp.matmul(vh, conjugate(xp, of_v)) * reciprocal(xp, gaps, tolerance)
            turned = xp.matmul(v, xp.matmul(_hermitian(xp, inner), vh))
            total = turned if total is None else total + turned
        return conjugate(xp, total)

    return pull


def _svd(xp: Any, ys: Sequence[Array], x: Array, full_matrices: bool = True) -> Pull:
    """Return the pull of x = U S Vᴴ, finite for all singular values.

    With P = skew(Uᴴ gU) and Q = skew(Vᴴ gV), the cotangent of the inner matrix is
    (Pᵢⱼ sⱼ + sᵢ Qᵢⱼ) / (sⱼ² - sᵢ²), or (P + Q) / 2(sⱼ - sᵢ) + (P - Q) / 2(sⱼ + sᵢ). In a function
    that does not depend on the choice of vectors to the same singular value, as U Vᴴ, P + Q is
    zero there, and only the first term has to be dropped.
    """
    u, s, vh = ys
    k, shape = s.shape[-1], x.shape

    def pull(gs: Sequence[Array | None]) -> Array:
        of_u, of_s, of_vh = gs
        first, second = u[..., :, :k], vh[..., :k, :]
        total = None
        if of_s is not None:
            total = xp.matmul(first * xp.expand_dims(of_s, axis=-2), second)
        if of_u is not None or of_vh is not None:
            turned = _turned(xp, ys, of_u, of_vh)
            total = turned if total is None else total + turned
        return zeros_beside(xp, shape, u) if total is None else conjugate(xp, total)

    return pull


def _turned(xp: Any, ys: Sequence[Array], of_u: Array | None, of_vh: Array | None) -> Array:
    """Return what comes from the singular vectors, still conjugated."""
    u, s, vh = ys
    k, rows, columns = s.shape[-1], u.shape[-2], vh.shape[-1]
    first, second = u[..., :, :k], vh[..., :k, :]
    tolerance = _tolerance(xp, s[..., :1], max(rows, columns))
    across, down = xp.expand_dims(s, axis=-2), xp.expand_dims(s, axis=-1)
    tolerances = xp.expand_dims(tolerance, axis=-1)
    of_difference = reciprocal(xp, across - down, tolerances) / 2
    of_sum = reciprocal(xp, across + down, tolerances) / 2
    inverse = reciprocal(xp, s, tolerance)
    inner = outside = None
    if of_u is not None:
        of_u = conjugate(xp, of_u)
        skew = _skew(xp, xp.matmul(adjoint(xp, u), of_u))
        inner = skew[..., :k, :k] * (of_difference + of_sum)
        if u.shape[-1] > k:
            outside = xp.matmul(u[..., :, k:], skew[..., k:, :k])
        elif rows > k:
            outside = of_u - xp.matmul(u, xp.matmul(adjoint(xp, u), of_u))
        if outside is not None:
            outside = xp.matmul(outside * xp.expand_dims(inverse, axis=-2), second)
    if of_vh is not None:
        of_vh = conjugate(xp, of_vh)
        skew = _skew(xp, xp.matmul(vh, adjoint(xp, of_vh)))
        turned = skew[..., :k, :k] * (of_difference - of_sum)
        inner = turned if inner is None else inner + turned
        right = None
        if vh.shape[-2] > k:
            right = xp.matmul(adjoint(xp, skew[..., k:, :k]), vh[..., k:, :])
        elif columns > k:
            right = of_vh - xp.matmul(xp.matmul(of_vh, adjoint(xp, vh)), vh)
        if right is not None:
            right = xp.matmul(first, xp.expand_dims(inverse, axis=-1) * right)
            outside = right if outside is None else outside + right
    total = xp.matmul(xp.matmul(first, inner), second)
    return total if outside is None else total + outside


def _skew(xp: Any, x: Array) -> Array:
    return x - adjoint(xp, x)


def _qr(xp: Any, ys: Sequence[Array], x: Array, mode: str = "reduced") -> Pull:
    q, r = ys
    shape = x.shape
    rows, columns = shape[-2:]
    k = min(rows, columns)

    def pull(gs: Sequence[Array | None]) -> Array:
        of_q, of_r = gs
        if of_q is None and of_r is None:
            return zeros_beside(xp, shape, q)
        if of_q is not None and q.shape[-1] > k:
            raise ValueError(
                f"linalg.qr(x, mode={mode!r}) has no derivative for a matrix of {rows} rows and "
                f"{columns} columns: the last {rows - k} columns of Q are not determined by x. Use "
                'mode="reduced".'
            )
        thin, square = q[..., :, :k], r[..., :k, :k]
        inner, rest = None, None
        if of_r is not None:
            of_r = conjugate(xp, of_r)[..., :k, :]
            inner = xp.matmul(of_r[..., :, :k], adjoint(xp, square))
        if of_q is not None:
            of_q = conjugate(xp, of_q)
        if of_r is not None and columns > k:
            # The columns beyond the square come from Q, which is that of the square.
            rest = xp.matmul(thin, of_r[..., :, k:])
            more = xp.matmul(r[..., :k, k:], adjoint(xp, of_r[..., :, k:]))
            more = xp.matmul(thin, more)
            of_q = more if of_q is None else of_q + more
        if of_q is not None:
            turned = xp.matmul(adjoint(xp, thin), of_q)
            inner = -turned if inner is None else inner - turned
        upper = xp.triu(inner) - inner * (identity_like(xp, k, inner) / 2)
        left = xp.matmul(thin, upper + adjoint(xp, upper))
        left = left if of_q is None else left + of_q
        left = adjoint(xp, xp.linalg.solve(square, adjoint(xp, left)))
        if columns > k:
            rest = zeros_beside(xp, (*shape[:-1], columns - k), q) if rest is None else rest
            left = xp.concat([left, rest], axis=-1)
        return conjugate(xp, left)

    return pull


def _svdvals(xp: Any, x: Array) -> Array:
    return xp.linalg.svd(x, full_matrices=False)[1]


LINEAR: dict[str, Maker] = {
    "linalg.diagonal": _diagonal,
    "linalg.trace": _trace,
    "matrix_transpose": lambda xp, y, x: xp.matrix_transpose,
}

VJPS: dict[str, tuple[Maker | None, ...]] = {
    "linalg.cholesky": (_cholesky,),
    "linalg.det": (_det,),
    "linalg.inv": (_inv,),
    "linalg.pinv": (_pinv,),
    "linalg.solve": (_solve_first, _solve_second),
}

COMPOSITE: dict[str, Callable[..., Array]] = {
    "linalg.eigvalsh": lambda xp, x: xp.linalg.eigh(x)[0],
    "linalg.svdvals": _svdvals,
}

# What the standard calls the outputs; not every library does.
OUTPUTS = {
    "linalg.eigh": namedtuple("EighResult", ("eigenvalues", "eigenvectors")),
    "linalg.qr": namedtuple("QRResult", ("Q", "R")),
    "linalg.slogdet": namedtuple("SlogdetResult", ("sign", "logabsdet")),
    "linalg.svd": namedtuple("SVDResult", ("U", "S", "Vh")),
}

JOINT: dict[str, Maker] = {
    "linalg.eigh": _eigh,
    "linalg.qr": _qr,
    "linalg.slogdet": _slogdet,
    "linalg.svd": _svd,
}
