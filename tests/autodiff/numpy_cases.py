"""Functions of NumPy with arguments, and how a row is compared with them."""

from __future__ import annotations

import inspect
import operator
from contextlib import suppress

import array_api_compat.numpy
import array_api_strict
import numpy as np
import pytest

from gdx.autodiff.numpy_names.quantiles import PLACES

NAMESPACES = [array_api_compat.numpy, array_api_strict]

rng = np.random.default_rng(0)
x = rng.normal(size=6)
y = rng.normal(size=6)
up = np.sort(x)
A = rng.normal(size=(3, 4))
B = rng.normal(size=(3, 4))
S = rng.normal(size=(3, 3))
spd = S @ S.T + np.eye(3)
T = rng.normal(size=(2, 3, 4))
Z = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
z = Z[0]
n = np.asarray([3, 1, 2, 0])
mask = np.asarray([[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 1]], dtype=bool)
mask[0, 2] = True
holes = np.where(mask, A, np.nan)
scalar = np.asarray(0.7)
special = np.asarray([-np.inf, -2.5, -0.0, 0.0, 0.5, 1.5, np.inf, np.nan])
identity = np.eye(3)


def given(*args, **kwargs):
    return args, kwargs


def of_numpy(name):
    """Return NumPy's own function of that name; a test skips where this NumPy has none."""
    try:
        return operator.attrgetter(name)(np)
    except AttributeError:
        pytest.skip(f"NumPy {np.__version__} has no {name}")


def by_numpy(name, args, kwargs):
    """Return what NumPy returns; a test skips where this NumPy lacks or deprecates that call."""
    function = of_numpy(name)
    with suppress(ValueError):  # a function in C may have no signature
        try:
            inspect.signature(function).bind(*args, **kwargs)
        except TypeError as error:
            pytest.skip(f"{name} of NumPy {np.__version__}: {error}")
    try:
        return function(*args, **kwargs)
    except (DeprecationWarning, PendingDeprecationWarning) as warning:
        pytest.skip(f"NumPy {np.__version__}: {warning}")


def values(result, xp):
    """Return what a row returned as NumPy's arrays, in tuples."""
    if isinstance(result, tuple | list):
        return tuple(values(part, xp) for part in result)
    if xp is array_api_strict and isinstance(result, array_api_strict._array_object.Array):
        return np.asarray(result)
    return result


def converted(value, xp):
    if isinstance(value, np.ndarray):
        return xp.asarray(value)
    if isinstance(value, list | tuple):
        return type(value)(converted(part, xp) for part in value)
    return value


def same(found, expected):
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for part, wanted in zip(found, expected, strict=True):
            same(part, wanted)
        return
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype.kind == expected.dtype.kind
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def check(row, expected, args, kwargs, xp):
    args = [converted(value, xp) for value in args]
    kwargs = {name: converted(value, xp) for name, value in kwargs.items()}
    same(values(row(xp, *args, **kwargs), xp), expected)


REDUCTION = [given(A), given(A, 0), given(T, axis=(0, -1)), given(A, axis=1, keepdims=True)]
CUMULATIVE = [given(A), given(A, 1), given(A, axis=0), given(mask, axis=0)]
SHAPES = [given(A), given(x), given(scalar), given(T)]
FFT = [given(x), given(A, 5), given(A, axis=0, norm="ortho"), given(T, n=2, axis=1)]
FFTN = [given(A), given(T, axes=(0, 2)), given(A, s=(4, 4), axes=(0, 1), norm="forward")]
LIKE = [given(A), given(A, dtype="float32"), given(A, shape=(2, 2)), given(n, shape=3)]

CASES = {
    "all": [*REDUCTION, given(mask), given(A, axis=0, where=mask)],
    "allclose": [given(A, A + 1e-9), given(A, B), given(holes, holes, equal_nan=True)],
    "amax": REDUCTION,
    "amin": REDUCTION,
    "angle": [given(Z), given(A), given(Z, deg=True)],
    "any": [*REDUCTION, given(mask), given(A, axis=0, where=mask)],
    "append": [given(A, B), given(A, B, axis=0), given(x, [1.0, 2.0]), given(x, 3.0)],
    "argmax": [given(A), given(A, 0), given(A, axis=1, keepdims=True)],
    "argmin": [given(A), given(A, 0), given(A, axis=1, keepdims=True)],
    "argsort": [given(A), given(A, 0), given(A, None), given(x, kind="stable")],
    "argwhere": [given(mask), given(A)],
    "around": [given(A), given(A, 2), given(A * 100, -1)],
    "array_equal": [given(A, A), given(A, B), given(A, x), given(holes, holes, equal_nan=True)],
    "array_split": [given(x, 4), given(A, [1, 3], axis=1), given(A, 2)],
    "astype": [given(A, np.float32), given(n, "float64")],
    "atleast_1d": [*SHAPES, given(x, scalar)],
    "atleast_2d": SHAPES,
    "atleast_3d": SHAPES,
    "average": [
        given(A),
        given(A, weights=B**2),
        given(A, 0, [1.0, 2.0, 3.0]),
        given(A, axis=1, weights=x[:4] ** 2, returned=True, keepdims=True),
        given(T, axis=(2, 0), weights=rng.random((4, 2))),
        given(A, returned=True),
    ],
    "broadcast_arrays": [given(A, x[:4]), given(scalar, A)],
    "broadcast_to": [given(x, (2, 6)), given(scalar, 3)],
    "clip": [
        given(A, -0.5, 0.5),
        given(A, None, 0.5),
        given(A, min=-0.1, max=0.3),
        given(A, x[:4] - 1, [1.0, 2.0, 0.0, 1.0]),
    ],
    "column_stack": [given([x, y]), given((A, A[:, 0].copy()))],
    "compress": [given([True, False, True], A, 0), given(mask[0], A, axis=1), given([1, 0, 1], x)],
    "concatenate": [
        given([A, B]),
        given((A, B), 1),
        given([A, x], axis=None),
        given([x, [1.0, 2.0]]),
        given([x, y], dtype=np.float32),
    ],
    "convolve": [
        given(v, w, mode)
        for v, w in ((x, y[:3]), (y[:3], x), (x, y[:4]), (x, y), (x, [1.0, 2.0]))
        for mode in ("full", "same", "valid")
    ],
    "copy": [given(A)],
    "corrcoef": [given(A), given(x, y), given(A, rowvar=False)],
    "correlate": [
        given(v, w, mode)
        for v, w in ((x, y[:3]), (y[:3], x), (x, y[:4]), (y[:4], x), (z, z[:2]), (z[:2], z))
        for mode in ("full", "same", "valid")
    ],
    "count_nonzero": [given(mask), given(A, axis=1), given(n)],
    "cov": [given(A), given(x), given(x, y), given(A, rowvar=False, bias=True), given(A, ddof=2)],
    "cross": [given(S, S[::-1].copy()), given(A, B, axis=0), given(S[0], S, axisb=0, axisc=0)],
    "cumprod": CUMULATIVE,
    "cumsum": [*CUMULATIVE, given(n), given(A, 0, np.float32)],
    "cumulative_prod": [given(x), given(A, axis=1, include_initial=True)],
    "cumulative_sum": [given(x), given(A, axis=1, include_initial=True)],
    "delete": [given(x, 1), given(A, [0, 2], axis=1), given(A, slice(0, 2), 0), given(A, -1)],
    "diag": [given(x), given(x, 2), given(x, k=-1), given(A), given(A, 1)],
    "diagflat": [given(A), given(x, 1)],
    "diagonal": [given(A), given(T, 1, 1, 2), given(T, axis1=2, axis2=0)],
    "diff": [
        given(x),
        given(A, 2),
        given(A, axis=0),
        given(x, prepend=0.0, append=[1.0, 2.0]),
        given(mask),
        given(x, 0),
    ],
    "dot": [
        given(x, y),
        given(A, x[:4]),
        given(x[:3], A),
        given(A, B.T.copy()),
        given(T, T.swapaxes(1, 2).copy()),
        given(A, 2.0),
        given(x, [1, 2, 3, 4, 5, 6]),
        given(T, x[:4]),
    ],
    "dsplit": [given(T, 2)],
    "dstack": [given([A, B]), given([x, y]), given([T, T])],
    "einsum": [
        given("ij,kj->ik", A, B),
        given("ij,kj", A, B),
        given("ii", S),
        given("ii->i", S),
        given("ba", A),
        given("ij->", A),
        given("i,i->i", x, y),
        given("i,j->ji", x, y),
        given("...ij,...j->...i", T, T[:, 0].copy()),
        given("...ij,jk", T, B.T.copy()),
        given("bij,bjk->bik", T, T.swapaxes(1, 2).copy()),
        given("ij,ij,ij->j", A, B, A),
        given("i,ij,j->", x[:3], A, x[:4], optimize=True),
        given("i...->...", T),
        given("ij,kl->", A, B),
        given("iij->ji", np.stack([S] * 3, axis=-1)),
        given("iii", rng.random((3, 3, 3))),
        given("ij,ij->ij", A, B[:1]),
        given("...,...", A, B[0]),
        given("i , j -> i j", x, [1.0, 2.0]),
        given("ij,i->j", Z, z),
        given(A, [0, 1], [1, 0]),
        given(A, [0, 1], B, [2, 1]),
        given(T, [..., 3], [3, ...]),
    ],
    "empty_like": [],
    "expand_dims": [given(A, 0), given(A, -1), given(A, (0, 3))],
    "extract": [given(mask, A)],
    "fft.fft": [*FFT, given(Z)],
    "fft.fft2": [given(A), given(T, axes=(0, 1)), given(A, s=(2, 2))],
    "fft.fftn": FFTN,
    "fft.fftshift": [given(x), given(A, axes=1)],
    "fft.hfft": [given(z), given(Z, 5, axis=0)],
    "fft.ifft": FFT,
    "fft.ifft2": [given(A)],
    "fft.ifftn": FFTN,
    "fft.ifftshift": [given(x), given(A, axes=(0, 1))],
    "fft.ihfft": [given(x), given(A, axis=0)],
    "fft.irfft": [given(z), given(Z, 5, axis=0, norm="ortho"), given(x)],
    "fft.irfft2": [given(Z)],
    "fft.irfftn": [given(Z)],
    "fft.rfft": FFT,
    "fft.rfft2": [given(A)],
    "fft.rfftn": FFTN,
    "fix": [given(A * 3)],
    "flatnonzero": [given(A > 0), given(n)],
    "flip": [given(A), given(A, 0), given(T, axis=(0, 1))],
    "fliplr": [given(A)],
    "flipud": [given(A)],
    "full_like": [given(A, 2.0), given(A, [1.0, 2.0, 3.0, 4.0]), given(n, 2.5, dtype=float)],
    "gradient": [
        given(x),
        given(x, 0.5),
        given(x, edge_order=2),
        given(A),
        given(A, 0.5, 2.0),
        given(A, axis=0),
        given(x, np.sort(y)),
        given(A, [0.0, 1.0, 3.0, 4.5], axis=1, edge_order=2),
    ],
    "hsplit": [given(A, 2), given(x, [1, 3])],
    "hstack": [given([A, B]), given((x, y)), given([x, 1.0])],
    "imag": [given(Z), given(A)],
    "inner": [given(x, y), given(A, B), given(A, x[:4]), given(A, 2.0)],
    "interp": [
        given(np.asarray([-1.0, 0.0, 0.5, 1.0, 2.5, 9.0]), [0.0, 1.0, 3.0], [1.0, 2.0, -1.0]),
        given(A, up, y),
        given(A, up, y, left=-5.0, right=7.0),
        given(scalar, up, y),
    ],
    "isclose": [given(A, A + 1e-9), given(A, 0.3, atol=0.5), given(special, special)],
    "iscomplexobj": [given(Z), given(A)],
    "isneginf": [given(special)],
    "isposinf": [given(special)],
    "isrealobj": [given(Z), given(A)],
    "kron": [given(A, S), given(x, y), given(A, x), given(x[:2], T)],
    "linalg.cholesky": [given(spd), given(spd, upper=True)],
    "linalg.cond": [given(S), given(A), given(S, 1), given(S, -2), given(S, "fro")],
    "linalg.cross": [given(S, S[::-1].copy())],
    "linalg.det": [given(S), given(Z)],
    "linalg.diagonal": [given(A), given(T, offset=1)],
    "linalg.eigh": [given(spd), given(Z)],
    "linalg.eigvalsh": [given(spd), given(S, UPLO="U")],
    "linalg.inv": [given(S), given(Z)],
    "linalg.matmul": [given(A, B.T.copy())],
    "linalg.matrix_norm": [given(A), given(T, ord=1, keepdims=True)],
    "linalg.matrix_power": [given(S, 3), given(S, -1), given(S, 0)],
    "linalg.matrix_transpose": [given(A), given(T)],
    "linalg.multi_dot": [given([x[:3], A, B.T.copy()]), given([A, B.T.copy(), S, x[:3]])],
    "linalg.norm": [
        given(A),
        given(x),
        given(x, 1),
        given(x, np.inf),
        given(A, axis=1),
        given(A, "fro"),
        given(A, "nuc"),
        given(A, 2),
        given(T, axis=(0, 2)),
        given(T, 1, axis=(2, 0), keepdims=True),
        given(A, keepdims=True),
        given(A, 3, 0),
        given(n),
        given(Z),
        given(T),
    ],
    "linalg.outer": [given(x, y)],
    "linalg.pinv": [given(A), given(Z), given(A, 0.5)],
    "linalg.qr": [given(S), given(A, "complete"), given(A.T.copy(), mode="r")],
    "linalg.slogdet": [given(S), given(spd)],
    "linalg.solve": [given(S, x[:3]), given(spd, A), given(S, [1.0, 2.0, 3.0])],
    "linalg.svd": [given(S), given(A, full_matrices=False), given(A, compute_uv=False)],
    "linalg.svdvals": [given(A)],
    "linalg.tensordot": [given(A, B, axes=([0, 1], [0, 1]))],
    "linalg.trace": [given(A), given(T, offset=1)],
    "linalg.vecdot": [given(A, B), given(A, B, axis=0)],
    "linalg.vector_norm": [given(A), given(A, axis=1, ord=1, keepdims=True)],
    "linspace": [
        given(scalar, 3.0, 5),
        given(x, y, num=4, axis=1),
        given(x, 2.0, 3, endpoint=False, retstep=True),
        given(x, y, 1),
    ],
    "matrix_transpose": [given(A), given(T)],
    "max": [*REDUCTION, given(A, initial=5.0), given(A, axis=0, where=mask, initial=-1.0)],
    "mean": [
        *REDUCTION,
        given(mask),
        given(n),
        given(Z, 0),
        given(A, where=mask),
        given(A, axis=0, dtype=np.float64, keepdims=True, where=mask),
    ],
    "median": [*REDUCTION, given(x), given(x[:5]), given(special), given(holes, axis=1)],
    "meshgrid": [
        given(x, y),
        given(x, y[:3], indexing="ij"),
        given(x, y[:2], sparse=True),
        given(x, y, n.astype(float), sparse=True, indexing="ij"),
    ],
    "min": [*REDUCTION, given(A, initial=-5.0), given(A, axis=0, where=mask, initial=1.0)],
    "moveaxis": [given(T, 0, -1), given(T, (0, 1), (1, 2))],
    "nan_to_num": [
        given(special),
        given(special, nan=1.0, posinf=2.0, neginf=-2.0),
        given(n),
        given(Z),
    ],
    "nanargmax": [given(holes), given(holes, axis=0)],
    "nanargmin": [given(holes), given(holes, axis=0)],
    "nancumprod": [given(holes), given(holes, axis=1)],
    "nancumsum": [given(holes), given(holes, axis=1)],
    "nanmax": [given(holes), given(holes, axis=0)],
    "nanmean": [given(holes), given(holes, axis=1, keepdims=True), given(holes, where=mask)],
    "nanmin": [given(holes), given(holes, axis=0)],
    "nanprod": [given(holes), given(holes, axis=0)],
    "nanstd": [given(holes), given(holes, axis=1, ddof=1)],
    "nansum": [given(holes), given(holes, axis=0)],
    "nanvar": [given(holes), given(holes, axis=1)],
    "ndim": SHAPES,
    "nonzero": [given(mask), given(n)],
    "ones_like": LIKE,
    "outer": [given(x, y), given(A, x), given(x, [1, 2])],
    "pad": [
        given(A, 1),
        given(A, ((1, 0), (0, 2)), constant_values=3.0),
        given(x, (2, 1), constant_values=(1.0, 2.0)),
        *(given(A, ((1, 2), (0, 3)), mode) for mode in ("edge", "reflect", "symmetric", "wrap")),
    ],
    "percentile": [given(x, 30), given(A, [10, 50.0], axis=1), given(T, 25, (0, 2), keepdims=True)],
    "polymul": [given(x, y[:3])],
    "polyval": [given(x, A), given([1.0, 2.0, 3.0], x), given(x, 2.0)],
    "prod": [*REDUCTION, given(n), given(A, initial=2.0), given(A, axis=0, where=mask)],
    "ptp": REDUCTION,
    "quantile": [
        *(given(A, [0.0, 0.1, 0.5, 0.77, 1.0], axis=1, method=method) for method in PLACES),
        given(x, 0.3),
        given(A, [[0.2, 0.3], [0.5, 1.0]], axis=0, keepdims=True),
        given(holes, 0.3, axis=0),
    ],
    "ravel": [given(A), given(T, order="C"), *(given(A, order=order) for order in "FAK")],
    "real": [given(Z), given(A)],
    "repeat": [given(A, 2), given(A, 3, axis=1), given(x, [1, 0, 2, 1, 1, 3]), given(A, [2], 0)],
    "reshape": [
        given(A, (2, 6)),
        given(A, -1),
        given(A, (4, -1), order="C"),
        given(A, (4, 3), "F"),
    ],
    "result_type": [],
    "roll": [given(A, 2), given(A, 1, axis=1), given(A, (1, 2), axis=(0, 1)), given(A, 1, (0, 1))],
    "rot90": [given(A, k) for k in range(5)] + [given(T, 1, axes=(1, 2))],
    "round": [given(A), given(A, 2), given(A * 100, decimals=-1), given(n, 2)],
    "searchsorted": [given(up, y), given(up, 0.1, side="right"), given(up, A)],
    "select": [
        given([A > 1, A < 0], [A, B]),
        given([A > 1, A < 0], [A, 0.5], default=B),
        given([mask], [1.0], 2.0),
    ],
    "shape": SHAPES,
    "sinc": [given(A), given(np.asarray([0.0, 1e-9, 0.01, 0.09, 0.1, 1.0, -3.0]))],
    "size": [*SHAPES, given(A, 1)],
    "sort": [given(A), given(A, 0), given(A, None), given(A, axis=1, kind="stable")],
    "split": [given(x, 3), given(A, [1, 3], axis=1), given(A, 2, -1)],
    "squeeze": [given(T[:, :1]), given(T[:, :1], axis=1), given(x[:1])],
    "stack": [given([x, y]), given((A, B), axis=-1), given([x, [1.0] * 6])],
    "std": [*REDUCTION, given(A, ddof=1), given(n), given(Z, 0), given(A, 0, where=mask, ddof=-1)],
    "sum": [
        *REDUCTION,
        given(mask),
        given(n, dtype=float),
        given(A, initial=2.0),
        given(A, axis=0, where=mask),
        given(A, None, None, None, True),
    ],
    "swapaxes": [given(T, 0, 2), given(A, -1, 0)],
    "take": [
        given(A, 2, axis=1),
        given(x, [0, -1]),
        given(A, [[0, 1], [2, 3]]),
        given(T, n[:2], axis=2),
        given(A, n - 2, axis=1),
        given(x, [7, -9], mode="wrap"),
        given(x, [7, -9], mode="clip"),
        given(x, n * 3, mode="clip"),
        given(x, n * 3 - 5, mode="wrap"),
        given(x, np.asarray(2)),
    ],
    "take_along_axis": [given(A, np.argsort(A, axis=1), axis=1), given(x, n, 0), given(x, n, None)],
    "tensordot": [
        given(A, B.T.copy(), 1),
        given(A, B),
        given(T, A, axes=([1, 2], [0, 1])),
        given(T, A, ([-1], [-1])),
        given(A, B, axes=(0, 0)),
        given(x, y, 0),
    ],
    "tile": [given(A, 2), given(x, (2, 3)), given(A, (2, 1, 2))],
    "trace": [given(A), given(A, 1), given(T, axis1=1, axis2=2)],
    "transpose": [given(A), given(T, (2, 0, 1)), given(x)],
    "trapezoid": [
        given(x),
        given(x, up),
        given(A, dx=0.5, axis=0),
        given(A, B),
        given(A, up[:3], axis=0),
    ],
    "tril": [given(A), given(T, 1), given(x, -1)],
    "triu": [given(A), given(T, -1), given(x)],
    "unstack": [given(A), given(A, axis=1)],
    "var": [*REDUCTION, given(A, ddof=1), given(n), given(Z, 0), given(A, 0, where=mask, ddof=-1)],
    "vdot": [given(A, B), given(z, z[::-1].copy())],
    "vsplit": [given(A, 3)],
    "vstack": [given([A, B]), given((x, y)), given([x, [1.0] * 6])],
    "where": [
        given(mask, A, B),
        given(A, A, 0.0),
        given(mask, 1.0, 0),
        given(mask, 1, 0),
        given(mask),
        given(mask, A, [1.0, 2.0, 3.0, 4.0]),
        given([True, False, True, False], A, B),
    ],
    "zeros_like": LIKE,
}
