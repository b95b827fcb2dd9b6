"""The rules themselves, called on plain arrays, against JAX's and against finite differences."""

import itertools
import math
from types import SimpleNamespace

import array_api_compat.numpy as anp
import numpy as np
import pytest

from gdx.autodiff.rules import linear_algebra, norms, products

rules = SimpleNamespace(
    LINEAR=linear_algebra.LINEAR,
    VJPS=linear_algebra.VJPS | norms.VJPS | products.VJPS,
    COMPOSITE=linear_algebra.COMPOSITE | norms.COMPOSITE | products.COMPOSITE,
    JOINT=linear_algebra.JOINT,
)

jax = pytest.importorskip("jax")
jnp = jax.numpy
strict = pytest.importorskip("array_api_strict")


pytestmark = pytest.mark.usefixtures("jax64")


def numbers(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng([seed, *shape])
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if "complex" in dtype else x).astype(dtype)


def positive(*shape, dtype):
    a = numbers(*shape, dtype=dtype)
    return a @ a.conj().mT + np.eye(shape[-1], dtype=dtype)


def hermitian(*shape, dtype, seed=0):
    a = numbers(*shape, dtype=dtype, seed=seed)
    return (a + a.conj().mT) / 2


def function(xp, name):
    *extension, name = name.split(".")
    return getattr(getattr(xp, *extension) if extension else xp, name)


def like(xp, x):
    return xp.asarray(x) if x is not None else None


def host(x):
    return np.asarray(x) if not hasattr(x, "_array") else x._array


def settled(g, x):
    """What the dispatcher does: sum over axes that were broadcast, drop what is not real."""
    g = host(g)
    g = g.sum(axis=tuple(range(g.ndim - x.ndim)))
    g = g.sum(axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)
    assert g.shape == x.shape
    return g if np.iscomplexobj(x) else g.real


def close(actual, wanted, **options):
    options = {"rtol": 1e-9, "atol": 1e-9, **options}
    np.testing.assert_allclose(host(actual), np.asarray(wanted), **options)


def difference_quotient(f, x, dx, h=1e-5):
    """The derivative of f along dx, of order 4."""
    near, far = f(x + h * dx) - f(x - h * dx), f(x + 2 * h * dx) - f(x - 2 * h * dx)
    return (8 * near - far) / (12 * h)


MATMULS = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((6, 5, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (1, 5, 3, 4)),
    ((0, 2, 3), (3, 4)),
    ((2, 0), (0, 4)),
]
CASES = [
    *(("matmul", shapes, {}) for shapes in MATMULS),
    *(
        ("tensordot", shapes, {"axes": axes})
        for shapes, axes in [
            (((2, 3, 4), (3, 4, 5)), 2),
            (((2, 3), (4,)), 0),
            (((2, 3, 4, 5), (6, 4, 3, 2)), ((1, 0, -2), (-2, 3, 1))),
            (((2, 3, 4), (4, 2, 3)), ((0, 2, 1), (1, 0, 2))),
        ]
    ),
    *(
        ("vecdot", shapes, {"axis": axis})
        for shapes, axis in [
            (((3,), (3,)), -1),
            (((2, 3), (3,)), -1),
            (((3, 2), (4, 3, 1)), -2),
        ]
    ),
    ("linalg.cross", ((3,), (3,)), {}),
    ("linalg.cross", ((2, 3), (5, 1, 3)), {}),
    ("linalg.cross", ((3, 2), (3, 1)), {"axis": -2}),
    ("linalg.outer", ((3,), (4,)), {}),
    *(("linalg.det", (shape,), {}) for shape in [(n, n) for n in (1, 2, 3, 4, 7)]),
    ("linalg.det", ((2, 5, 4, 4),), {}),
    ("linalg.inv", ((2, 4, 4),), {}),
    ("linalg.pinv", ((5, 3),), {}),
    ("linalg.pinv", ((2, 3, 5),), {"rtol": 1e-10}),
    ("linalg.solve", ((4, 4), (4,)), {}),
    ("linalg.solve", ((2, 4, 4), (4,)), {}),
    ("linalg.solve", ((4, 4), (4, 2)), {}),
    ("linalg.solve", ((4, 4), (3, 4, 2)), {}),
    ("linalg.solve", ((3, 1, 4, 4), (2, 4, 2)), {}),
    *(
        ("linalg.vector_norm", ((2, 3, 4),), {"ord": ord, "axis": axis, "keepdims": keepdims})
        for (ord, axis), keepdims in itertools.product(
            [
                (2, None), (1, 0), (math.inf, (0, 2)), (-math.inf, -1), (0, 1), (3, (-1, 0)),
                (-2, 1), (0.5, None),
            ],
            (False, True),
        )
    ),
    ("linalg.diagonal", ((2, 3, 5),), {}),
    ("linalg.diagonal", ((3, 5),), {"offset": 3}),
    ("linalg.diagonal", ((3, 5),), {"offset": -1}),
    ("linalg.diagonal", ((2, 5, 3),), {"offset": 1}),
    ("linalg.diagonal", ((2, 5, 3),), {"offset": -1}),
    ("linalg.trace", ((2, 3, 5),), {}),
    ("linalg.trace", ((5, 3),), {"offset": -2}),
    ("matrix_transpose", ((2, 3, 5),), {}),
]  # fmt: skip


def makers(name):
    return rules.VJPS[name] if name in rules.VJPS else (rules.LINEAR[name],)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("name", "shapes", "options"), CASES)
def test_pulls(name, shapes, options, dtype):
    """Along a direction of each argument, as JAX would take long for so many shapes."""
    args = [numbers(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)]
    y = function(anp, name)(*args, **options)
    g = numbers(*y.shape, dtype=str(y.dtype), seed=9)
    for i, (maker, x) in enumerate(zip(makers(name), args, strict=True)):

        def f(x, i=i):
            y = function(anp, name)(*args[:i], x, *args[i + 1 :], **options)
            return np.sum(g * y).real

        dx = numbers(*x.shape, dtype=dtype, seed=8)
        wanted = difference_quotient(f, x, dx)
        for xp in (anp, strict):
            here = [xp.asarray(arg) for arg in args]
            actual = maker(xp, xp.asarray(y), *here, **options)(xp.asarray(g))
            assert str(actual.dtype).endswith(dtype)
            close(np.sum(settled(actual, x) * dx).real, wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "shapes", "options"),
    [case for case, after in zip(CASES, [*CASES[1:], ("",)], strict=True) if case[0] != after[0]],
)
def test_pulls_against_jax(name, shapes, options):
    args = [numbers(*shape, dtype="complex128", seed=i) for i, shape in enumerate(shapes)]
    y, vjp = jax.vjp(lambda *args: function(jnp, name)(*args, **options), *args)
    g = numbers(*y.shape, dtype=str(y.dtype), seed=9)
    for maker, arg, wanted in zip(makers(name), args, vjp(g), strict=True):
        actual = maker(anp, np.asarray(y), *args, **options)(g)
        close(settled(actual, arg), wanted)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("matmul", ((2, 3, 4), (4, 2))),
        ("vecdot", ((3, 4), (4,))),
        ("linalg.solve", ((3, 3), (3, 2))),
        ("linalg.cross", ((2, 3), (3,))),
    ],
)
@pytest.mark.parametrize("complex_one", [0, 1])
def test_real_beside_complex(name, shapes, complex_one):
    dtypes = ["float64", "complex128"]
    args = [numbers(*shape, dtype=dtypes[i == complex_one]) for i, shape in enumerate(shapes)]
    y, vjp = jax.vjp(function(jnp, name), *args)
    g = numbers(*y.shape, dtype="complex128")
    for maker, arg, wanted in zip(makers(name), args, vjp(g), strict=True):
        close(settled(maker(anp, np.asarray(y), *args)(g), arg), wanted)


COMPOSITES = [
    ("linalg.eigvalsh", {}),
    ("linalg.svdvals", {}),
    *(
        ("linalg.matrix_norm", {"ord": ord, "keepdims": keepdims})
        for ord, keepdims in itertools.product(
            ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf], [False, True]
        )
    ),
]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("name", "options"), COMPOSITES)
def test_composites(name, options, dtype):
    x = hermitian(2, 3, 3, dtype=dtype)
    composite, original = rules.COMPOSITE[name], function(jnp, name)
    wanted, vjp = jax.vjp(lambda x: original(x, **options), x)
    close(composite(anp, x, **options), wanted)
    close(composite(strict, strict.asarray(x), **options), wanted)
    actual = jax.vjp(lambda x: composite(jnp, x, **options), x)[1](jnp.ones_like(wanted))
    # Not the same function where x is not Hermitian.
    wanted = vjp(jnp.ones_like(wanted))
    close(actual[0] + actual[0].conj().mT, wanted[0] + wanted[0].conj().mT)


@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 3, 6, 11])
def test_matrix_power(n):
    x = numbers(2, 3, 3)
    composite = rules.COMPOSITE["linalg.matrix_power"]
    for xp in (anp, strict):
        close(composite(xp, xp.asarray(x), n), np.linalg.matrix_power(x, n), rtol=1e-7)
    wanted = jax.vjp(lambda x: jnp.linalg.matrix_power(x, n), x)[1](x)[0]
    close(jax.vjp(lambda x: composite(jnp, x, n), x)[1](x)[0], wanted, rtol=1e-7, atol=1e-6)


def test_an_unknown_matrix_norm():
    with pytest.raises(ValueError, match="ord=3"):
        rules.COMPOSITE["linalg.matrix_norm"](anp, numbers(2, 2), ord=3)


# Decompositions. JAX's own outputs are pulled back, so that signs and phases agree.


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_cholesky(dtype, upper):
    x = positive(2, 4, 4, dtype=dtype)
    y, vjp = jax.vjp(lambda x: jnp.linalg.cholesky(x, upper=upper), x)
    g = numbers(2, 4, 4, dtype=dtype)
    for xp in (anp, strict):
        y = xp.linalg.cholesky(xp.asarray(x), upper=upper)
        actual = linear_algebra._cholesky(xp, y, xp.asarray(x), upper=upper)(xp.asarray(g))
        close(actual, vjp(jnp.asarray(g))[0])


JOINTS = [
    ("linalg.eigh", (2, 4, 4), {}),
    ("linalg.slogdet", (2, 4, 4), {}),
    ("linalg.svd", (2, 4, 4), {"full_matrices": False}),
    ("linalg.svd", (5, 3), {"full_matrices": False}),
    ("linalg.svd", (3, 5), {"full_matrices": False}),
    ("linalg.svd", (4, 4), {}),
    ("linalg.qr", (2, 5, 3), {}),
    ("linalg.qr", (4, 4), {"mode": "complete"}),
]


def free_of_phases(name, gs, ys):
    """Cotangents as those of a function that does not see the phases of singular vectors."""
    if name != "linalg.svd" or gs[0] is None or not np.iscomplexobj(gs[0]):
        return gs
    u, s, vh = ys
    k = s.shape[-1]
    phase = np.sum(gs[0][..., :k] * u[..., :k], axis=-2).imag
    if gs[2] is not None:
        phase = phase - np.sum(gs[2][..., :k, :] * vh[..., :k, :], axis=-1).imag
    return (gs[0] - 1j * phase[..., None, :] * u.conj(), *gs[1:])


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("name", "shape", "options"), JOINTS)
def test_joint_pulls(name, shape, options, dtype):
    x = (hermitian if name == "linalg.eigh" else numbers)(*shape, dtype=dtype)
    ys, vjp = jax.vjp(lambda x: tuple(function(jnp, name)(x, **options)), x)
    gs = [numbers(*y.shape, dtype=str(y.dtype), seed=i) for i, y in enumerate(ys)]
    for used in itertools.product([True, False], repeat=len(ys)):
        some = tuple(g if use else None for g, use in zip(gs, used, strict=True))
        if name == "linalg.svd" and used[0] != used[2] and "complex" in dtype:
            continue  # one without the other depends on phases
        some = free_of_phases(name, some, [np.asarray(y) for y in ys])
        filled = tuple(jnp.zeros_like(y) if g is None else g for g, y in zip(some, ys, strict=True))
        wanted = vjp(filled)[0]
        for xp in (anp, strict):
            here = tuple(xp.asarray(np.asarray(y)) for y in ys)
            pull = rules.JOINT[name](xp, here, xp.asarray(x), **options)
            actual = pull(tuple(like(xp, g) for g in some))
            assert actual.shape == shape
            close(settled(actual, x), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 5)])
def test_all_singular_vectors(shape, dtype):
    """Of a function that depends on the space of the further vectors only; JAX has no rule."""
    x, dx, a, b = (numbers(*shape, dtype=dtype, seed=i) for i in range(4))

    def f(x, a=a):
        u, s, vh = np.linalg.svd(x)
        u = u if shape[-2] > shape[-1] else vh.conj().mT
        a = a if shape[-2] > shape[-1] else a.mT
        rest = u[..., s.shape[-1] :]
        return np.sum((rest @ rest.conj().mT @ a).real * b.reshape(a.shape).real)

    u, s, vh = anp.linalg.svd(x)
    k, tall = s.shape[-1], shape[-2] > shape[-1]
    rest = u[..., k:] if tall else vh[..., k:, :].conj().mT
    outer = (a if tall else a.mT) @ b.reshape((a if tall else a.mT).shape).real.mT
    g = ((outer + outer.conj().mT) @ rest).conj()  # f = Re tr(restᴴ outer rest)
    if tall:
        gs = (np.concat([np.zeros_like(u[..., :k]), g], axis=-1), None, None)
    else:
        gs = (None, None, np.concat([np.zeros_like(vh[..., :k, :]), g.conj().mT], axis=-2))
    actual = linear_algebra._svd(anp, (u, s, vh), x)(gs)
    close(np.sum(actual * dx).real, difference_quotient(f, x, dx), rtol=1e-7)


@pytest.mark.parametrize("mode", ["reduced", "complete"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_qr_of_wide_matrices(dtype, mode):
    """JAX has no rule for these."""
    x, dx = (numbers(2, 3, 5, dtype=dtype, seed=i) for i in range(2))
    q, r = ys = anp.linalg.qr(x, mode=mode)
    a, b = numbers(*q.shape, dtype=dtype, seed=2), numbers(*r.shape, dtype=dtype, seed=3)
    for gs in [(a, b), (a, None), (None, b)]:

        def f(x, gs=gs):
            return sum(
                np.sum(g * y).real
                for g, y in zip(gs, np.linalg.qr(x, mode=mode), strict=True)
                if g is not None
            )

        actual = linear_algebra._qr(anp, ys, x, mode=mode)(gs)
        close(np.sum(actual * dx).real, difference_quotient(f, x, dx), rtol=1e-7)


def test_complete_qr_of_tall_matrices():
    x, dx, g = numbers(5, 3), numbers(5, 3, seed=1), numbers(5, 3, seed=2)
    pull = linear_algebra._qr(anp, anp.linalg.qr(x, mode="complete"), x, mode="complete")
    wanted = difference_quotient(lambda x: np.sum(g * np.linalg.qr(x, mode="complete").R), x, dx)
    close(np.sum(pull((None, g)) * dx), wanted)
    with pytest.raises(ValueError, match=r"linalg.qr.*last 2 columns.*mode=\"reduced\""):
        pull((numbers(5, 5), g))


# Where the derivative is delicate.


def minors(x):
    n = x.shape[-1]
    keep = [[i for i in range(n) if i != j] for j in range(n)]
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return signs * [[np.linalg.det(x[np.ix_(rows, columns)]) for columns in keep] for rows in keep]


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_det_of_singular_matrices(n, lost, dtype):
    rank = n - lost
    x = numbers(n, rank, dtype=dtype) @ numbers(rank, n, dtype=dtype, seed=1)
    actual = linear_algebra._det(anp, anp.linalg.det(x), x)(np.asarray(1.0))
    wanted = minors(x)
    close(actual, wanted, rtol=0, atol=1e-12 * np.abs(x).max() ** (n - 1))


@pytest.mark.parametrize(
    "x", [np.zeros((4, 4)), np.eye(5, k=1), np.ones((4, 4)), np.diag([0.0, 1, 2, 3]), np.eye(6)]
)
def test_det_of_matrices_with_structure(x):
    actual = linear_algebra._det(anp, anp.linalg.det(x), x)(np.asarray(1.0))
    close(actual, minors(x), atol=1e-13)


def test_det_of_matrices_out_of_scale():
    scale = 10.0 ** np.asarray([0, -12, 9, -15, 3])
    for x in (numbers(5, 5) * scale, numbers(5, 5) * scale[:, None], np.diag(scale)):
        det = np.linalg.det(x)
        actual = linear_algebra._det(anp, det, x)(np.asarray(1.0))
        close(actual, det * np.linalg.inv(x).mT, atol=0)


def test_vector_norm_at_zero():
    for xp, ord in itertools.product((anp, strict), (2, 1, 0, 3, 0.5, -1, math.inf, -math.inf)):
        x = xp.zeros((2, 3))
        y = xp.sum(x, axis=-1)
        pull = norms._vector_norm(xp, y, x, axis=-1, ord=ord)
        close(pull(xp.ones_like(y)), np.zeros((2, 3)), rtol=0, atol=0)


def test_vector_norm_of_zeros_beside_others():
    x = np.asarray([0.0, 2.0, 0.0, -1.0])
    for ord in (0.5, 1.5, 3):
        y = np.linalg.vector_norm(x, ord=ord)
        actual = norms._vector_norm(anp, y, x, ord=ord)(np.asarray(1.0))
        wanted = np.sign(x) * np.abs(x / y) ** (ord - 1) * (x != 0) if ord > 1 else None
        assert np.all(np.isfinite(actual))
        if ord > 1:
            close(actual, wanted)
    close(norms._vector_norm(anp, np.asarray(0.0), x, ord=-2)(np.asarray(1.0)), 0 * x)


def test_ties_of_a_norm_share():
    x = np.asarray([2.0, -2.0, 1.0, -1.0])
    g = np.asarray(1.0)
    for ord, wanted in [(math.inf, [0.5, -0.5, 0, 0]), (-math.inf, [0, 0, 0.5, -0.5])]:
        y = np.linalg.vector_norm(x, ord=ord)
        close(norms._vector_norm(anp, y, x, ord=ord)(g), wanted)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_repeated_eigenvalues(dtype):
    """Of functions that do not see how the eigenvectors are chosen."""
    q = np.linalg.qr(numbers(6, 6, dtype=dtype)).Q
    x = q @ np.diag([1.0, 1, 1, 2, 2, -1]) @ q.conj().mT
    a, dx = hermitian(6, 6, dtype=dtype), hermitian(6, 6, dtype=dtype, seed=1)

    def of_values(w, v):
        power = (v * jnp.exp(w)) @ v.conj().mT
        return jnp.trace(power @ ((v * w) @ v.conj().mT)).real

    def of_spaces(w, v):
        return jnp.sum(a * (v[:, 1:4] @ v[:, 1:4].conj().mT)).real

    w, v = anp.linalg.eigh(x)
    for loss in (of_values, of_spaces):
        gs = jax.grad(loss, argnums=(0, 1))(w, v)
        actual = linear_algebra._eigh(anp, (w, v), x)(tuple(map(np.asarray, gs)))
        wanted = difference_quotient(lambda x, f=loss: f(*jnp.linalg.eigh(x)), x, dx, h=1e-3)
        close(np.sum(actual * dx).real, wanted, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("values", [[1.0, 1, 1], [2.0, 1, 1], [3.0, 2, 1]])
@pytest.mark.parametrize("rows", [3, 5])
def test_repeated_singular_values(rows, values, dtype):
    """The unitary polar factor U Vᴴ, which does not see how the vectors are chosen."""
    u = np.linalg.qr(numbers(rows, 3, dtype=dtype)).Q
    x = u @ np.diag(values) @ np.linalg.qr(numbers(3, 3, dtype=dtype, seed=5)).Q
    a, dx = numbers(rows, 3, dtype=dtype, seed=3), numbers(rows, 3, dtype=dtype, seed=4)

    def f(x):
        u, _, vh = np.linalg.svd(x, full_matrices=False)
        return np.sum(a * (u @ vh)).real

    u, _, vh = ys = anp.linalg.svd(x, full_matrices=False)
    gs = (a @ vh.mT, None, u.mT @ a)
    actual = linear_algebra._svd(anp, ys, x, full_matrices=False)(gs)
    close(np.sum(actual * dx).real, difference_quotient(f, x, dx, h=1e-3), rtol=1e-7)


def test_singular_values_of_zero():
    x = numbers(5, 2) @ numbers(2, 4)
    ys = anp.linalg.svd(x, full_matrices=False)
    gs = tuple(numbers(*y.shape, seed=i) for i, y in enumerate(ys))
    assert np.all(np.isfinite(linear_algebra._svd(anp, ys, x, full_matrices=False)(gs)))
    x = np.zeros((3, 3))
    ys = anp.linalg.svd(x)
    gs = tuple(numbers(*y.shape, seed=i) for i, y in enumerate(ys))
    assert np.all(np.isfinite(linear_algebra._svd(anp, ys, x)(gs)))


def test_pinv_of_lower_rank():
    a, b, g = numbers(5, 2), numbers(2, 4), numbers(4, 5)
    pull = linear_algebra._pinv(anp, np.linalg.pinv(a @ b), a @ b)
    da = numbers(5, 2, seed=3)
    wanted = difference_quotient(lambda a: np.sum(g * np.linalg.pinv(a @ b)), a, da)
    close(np.sum(pull(g) * (da @ b)), wanted, rtol=1e-7)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (1, 1), (2, 0, 0)])
def test_empty_and_single_matrices(shape):
    for name in ("linalg.det", "linalg.inv", "linalg.cholesky"):
        x = np.ones(shape) + np.zeros(shape) + np.eye(shape[-1])
        y = function(anp, name)(x)
        (maker,) = rules.VJPS[name]
        assert maker(anp, y, x)(np.ones_like(y)).shape == shape
    for name in ("linalg.eigh", "linalg.svd", "linalg.qr", "linalg.slogdet"):
        if name == "linalg.qr" and len(shape) < 3:
            continue
        ys = function(anp, name)(x)
        assert rules.JOINT[name](anp, ys, x)(tuple(map(np.ones_like, ys))).shape == shape


# Pulls are differentiated again, here by JAX.


@pytest.mark.parametrize(
    ("name", "shapes", "options"),
    [
        ("matmul", ((2, 3, 4), (4, 2)), {}),
        ("vecdot", ((2, 3), (3,)), {}),
        ("linalg.det", ((3, 3),), {}),
        ("linalg.det", ((5, 5),), {}),
        ("linalg.pinv", ((4, 3),), {}),
        ("linalg.solve", ((3, 3), (3, 2)), {}),
        ("linalg.cholesky", ((3, 3),), {}),
        ("linalg.vector_norm", ((3, 4),), {"ord": 3, "axis": 1}),
    ],
)
def test_second_derivatives(name, shapes, options):
    dtype = "complex128"
    args = [numbers(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)]
    if name == "linalg.cholesky":
        args = [positive(3, 3, dtype=dtype)]

    def of_jax(g, *args):
        return jax.vjp(lambda *args: function(jnp, name)(*args, **options), *args)[1](g)

    def ours(g, *args):
        def summed(pulled, arg):
            extra = tuple(range(pulled.ndim - arg.ndim))
            return pulled.sum(axis=extra) if extra else pulled

        y = function(jnp, name)(*args, **options)
        return tuple(
            summed(maker(jnp, y, *args, **options)(g), arg)
            for maker, arg in zip(makers(name), args, strict=True)
        )

    y = function(jnp, name)(*args, **options)
    g = jnp.asarray(numbers(*y.shape, dtype=str(y.dtype), seed=7))
    wanted, wanted_vjp = jax.vjp(of_jax, g, *args)
    actual, vjp = jax.vjp(ours, g, *args)
    gs = tuple(jnp.asarray(numbers(*x.shape, dtype=dtype, seed=8)) for x in actual)
    for one, other in zip((*actual, *vjp(gs)), (*wanted, *wanted_vjp(gs)), strict=True):
        close(one, other, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("linalg.eigh", (3, 3), {}),
        ("linalg.slogdet", (3, 3), {}),
        ("linalg.svd", (4, 3), {"full_matrices": False}),
        ("linalg.qr", (4, 3), {}),
    ],
)
def test_second_derivatives_of_joints(name, shape, options):
    x = (hermitian if name == "linalg.eigh" else numbers)(*shape, dtype="float64")

    def of_jax(x):
        return jax.vjp(lambda x: tuple(function(jnp, name)(x, **options)), x)[1](gs)[0]

    def ours(x):
        return rules.JOINT[name](jnp, function(jnp, name)(x, **options), x, **options)(gs)

    ys = function(jnp, name)(x, **options)
    gs = tuple(jnp.asarray(numbers(*y.shape, seed=i)) for i, y in enumerate(ys))
    wanted, wanted_vjp = jax.vjp(of_jax, x)
    actual, vjp = jax.vjp(ours, x)
    close(actual, wanted)
    g = jnp.asarray(numbers(*shape, seed=5))
    close(vjp(g)[0], wanted_vjp(g)[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", sorted({*rules.VJPS, *rules.JOINT, *rules.LINEAR}))
def test_nothing_is_read_back(name, no_host_sync):
    """Nor is an array of the wrong device or precision made."""
    device = no_host_sync.Device("no_float64")
    x = (numbers(3, 3) + 5 * np.eye(3)).astype("float32")
    x = x @ x.mT
    two = name in ("matmul", "tensordot", "vecdot", "linalg.cross", "linalg.outer", "linalg.solve")
    x = x[0] if name == "linalg.outer" else x
    args = (no_host_sync.asarray(x, device=device),) * (1 + two)
    y = function(no_host_sync, name)(*args)
    if name in rules.JOINT:
        pulled = [rules.JOINT[name](no_host_sync, y, *args)(tuple(y))]
    else:
        pulled = [maker(no_host_sync, y, *args)(y) for maker in makers(name)]
    for g in pulled:
        assert g.device == device
        assert g.dtype == no_host_sync.float32


def test_nothing_is_read_back_by_a_determinant(no_host_sync):
    device = no_host_sync.Device("no_float64")
    x = no_host_sync.asarray(numbers(2, 5, 5).astype("float32"), device=device)
    g = linear_algebra._det(no_host_sync, no_host_sync.linalg.det(x), x)(
        no_host_sync.ones(2, device=device)
    )
    assert g.device == device
    assert g.dtype == no_host_sync.float32
