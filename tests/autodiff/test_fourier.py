"""The transposes themselves, called on plain arrays, against JAX's and against their definition."""

import itertools

import array_api_compat.numpy as anp
import numpy as np
import pytest

from gdx.autodiff.rules.fourier import LINEAR

jax = pytest.importorskip("jax")
strict = pytest.importorskip("array_api_strict")

OF_REAL = ("fft.rfft", "fft.rfftn", "fft.ihfft")
ONE = ("fft.fft", "fft.ifft", "fft.rfft", "fft.irfft", "fft.hfft", "fft.ihfft")
MANY = ("fft.fftn", "fft.ifftn", "fft.rfftn", "fft.irfftn")
NORMS = ("backward", "ortho", "forward")


pytestmark = pytest.mark.usefixtures("jax64")


def numbers(*shape, is_complex, seed=0):
    rng = np.random.default_rng([seed, *shape])
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if is_complex else x


def cases():
    for name, n, axis, norm in itertools.product(ONE, (None, 1, 4, 7, 10), (-1, 0), NORMS):
        yield name, (5, 6) if axis == -1 else (6, 2), {"n": n, "axis": axis, "norm": norm}
    for name, (s, axes), norm in itertools.product(
        MANY,
        [
            (None, None),
            (None, (0, -1)),
            ((4, 5, 3), (0, 1, 2)),
            ((7, 6), (2, 0)),
            ((3,), (1,)),
            (None, (1,)),
        ],
        NORMS,
    ):
        yield name, (2, 5, 4), {"s": s, "axes": axes, "norm": norm}
    for name, axes in itertools.product(("fft.fftshift", "fft.ifftshift"), (None, 1, (0, -1))):
        yield name, (2, 5, 4), {"axes": axes}


@pytest.mark.parametrize("xp", [anp, strict], ids=["numpy", "strict"])
@pytest.mark.parametrize("name", sorted(LINEAR))
def test_transposes(name, xp):
    """<g, F dx> = <F* g, dx>, with real parts and without conjugation."""
    ran = 0
    for _, shape, options in (case for case in cases() if case[0] == name):
        function = getattr(xp.fft, name.removeprefix("fft."))
        x = numbers(*shape, is_complex=name not in OF_REAL)
        y = function(xp.asarray(x), **options)
        host = np.asarray(getattr(y, "_array", y))
        g = numbers(*y.shape, is_complex=np.iscomplexobj(host), seed=1)
        pulled = LINEAR[name](xp, y, xp.asarray(x), **options)(xp.asarray(g))
        assert pulled.dtype == xp.asarray(x).dtype
        pulled = np.asarray(getattr(pulled, "_array", pulled))
        assert pulled.shape == x.shape
        np.testing.assert_allclose(np.sum(pulled * x).real, np.sum(g * host).real, rtol=1e-11)
        ran += 1
    assert ran > 2


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_against_jax(name):
    x = numbers(5, 6, is_complex=name not in OF_REAL)
    y, vjp = jax.vjp(getattr(jax.numpy.fft, name.removeprefix("fft.")), x)
    g = numbers(*y.shape, is_complex=np.iscomplexobj(y), seed=1)
    pull = LINEAR[name](anp, np.asarray(y), x)
    np.testing.assert_allclose(pull(g), vjp(g)[0], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_single_precision_stays(name):
    """On a device that has no other."""
    device = strict.Device("no_float64")
    is_real = name in OF_REAL
    x = numbers(2, 6, is_complex=not is_real).astype("float32" if is_real else "complex64")
    x = strict.asarray(x, device=device)
    y = getattr(strict.fft, name.removeprefix("fft."))(x)
    pulled = LINEAR[name](strict, y, x)(y)
    assert pulled.dtype == x.dtype
    assert pulled.device == device


def test_real_input_of_a_complex_transform():
    """NumPy takes it. Of the pull, the dispatcher keeps the real part."""
    x = numbers(4, is_complex=False)
    y = anp.fft.fft(x, n=6)
    g = numbers(6, is_complex=True)
    pulled = LINEAR["fft.fft"](anp, y, x, n=6)(g)
    np.testing.assert_allclose(np.sum(pulled.real * x), np.sum(g * y).real)


def test_lengths_of_axes_that_are_not_named():
    """NumPy warns of them; the pull names the axes."""
    x = numbers(2, 5, 4, is_complex=True)
    y = anp.fft.fftn(x, s=(3, 6), axes=(1, 2))
    pulled = LINEAR["fft.fftn"](anp, y, x, s=(3, 6))(y)
    assert pulled.shape == x.shape
    np.testing.assert_allclose(np.sum(pulled * x), np.sum(y * y))
