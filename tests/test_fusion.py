"""Elementwise computations in the memory of their arrays: block by block, compiled, as kernels."""

from __future__ import annotations

import importlib
import itertools
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import gdx
from gdx.backends import fusion
from gdx.backends.libraries import LIBRARIES, library

LARGE = 3 * fusion.BLOCK_BYTES // 8 + 5  # float64 numbers: three blocks and a bit


def moving(xp, scalars, read, written):
    """Average in place, and step by it: as update rules do, but of no rule."""
    (rate, keep), (most,) = scalars
    (g,), (p, m) = read, written
    m *= keep
    m += xp.sign(g) * xp.sqrt(g * g)
    p += rate * xp.maximum(xp.minimum(m, most), -1.5)
    return p, m


SCALARS = ((-0.5, 0.25), (1.0,))


def moved(g, p, m):
    """Return the same, in NumPy's float64."""
    g, p, m = (np.asarray(x, dtype=np.float64) for x in (g, p, m))
    m = 0.25 * m + g
    return p - 0.5 * np.clip(m, -1.5, 1.0), m


def fused(xp, body=moving):
    return library(xp).fused(body, xp)


def numbers(shape, seed=0):
    return [np.random.default_rng(seed + i).standard_normal(shape) for i in range(3)]


def numpy():
    return importlib.import_module("array_api_compat.numpy")


def check(values, expected, rtol=1e-14):
    for value, exact in zip(values, expected, strict=True):
        np.testing.assert_allclose(gdx.to_numpy(value), exact, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 3), (2, 3), (LARGE,), (3, LARGE // 2)])
def test_on_every_library(case, shape):
    host = numbers(shape)
    expected = moved(*host)
    g, p, m = (case.asarray(x) for x in host)
    values = fused(case.xp)(SCALARS, (g,), (p, m))
    assert isinstance(values, tuple)
    for value in values:
        assert case.holds(value)
        assert value.shape == shape
        assert value.dtype == g.dtype
    check(values, expected, 10 * case.eps)
    check([g], [host[0].astype(str(gdx.to_numpy(g).dtype))], 0)


def test_scalars_may_be_arrays_without_axes(case):
    host = numbers((4,))
    g, p, m = (case.asarray(x) for x in host)
    scalars = ((case.asarray(-0.5), 0.25), (case.asarray(1.0),))
    check(fused(case.xp)(scalars, (g,), (p, m)), moved(*host), 10 * case.eps)


LAYOUTS = {
    "C order": lambda x: x.copy(),
    "Fortran order": np.asfortranarray,
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
}


@pytest.mark.parametrize("of_gradient", LAYOUTS)
@pytest.mark.parametrize("of_parameters", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3), (1000, 300)])
def test_all_layouts(of_gradient, of_parameters, shape):
    g, p, m = numbers(shape)
    expected = moved(g, p, m)
    g, p = LAYOUTS[of_gradient](g), LAYOUTS[of_parameters](p)
    values = fused(numpy())(SCALARS, (g,), (p, m))
    assert values[0] is p
    assert values[1] is m
    check(values, expected)


@pytest.mark.parametrize("library_name", ["numpy", "torch"])
@pytest.mark.parametrize("size", [5, LARGE])
def test_what_is_read_may_share_memory(library_name, size):
    """Shifted by an element, a block would read what another has written."""
    xp = pytest.importorskip(library_name)
    run = fused(importlib.import_module(f"array_api_compat.{library_name}"))
    _, both, m = numbers((size + 1,))
    for read, written in ((slice(0, size), slice(1, None)), (slice(1, None), slice(0, size))):
        memory, slot = xp.asarray(both.copy()), xp.asarray(m[:size].copy())
        expected = moved(both[read], both[written], m[:size])
        check(run(SCALARS, (memory[read],), (memory[written], slot)), expected)
    memory, slot = xp.asarray(both.copy()), xp.asarray(m.copy())
    check(run(SCALARS, (memory,), (memory, slot)), moved(both, both, m))


@pytest.mark.parametrize("size", [5, LARGE])
def test_memory_that_cannot_be_assigned_is_left_alone(size):
    g, p, m = numbers((size,))
    expected = moved(g, p, m)
    before = p.copy()
    p.flags.writeable = False
    values = fused(numpy())(SCALARS, (g,), (p, m))
    check(values, expected)
    np.testing.assert_array_equal(p, before)
    assert values[1] is m
    one = np.broadcast_to(np.float64(2.0), (size,))
    check(fused(numpy())(SCALARS, (g,), (one, np.zeros(size)))[:1], moved(g, one, 0 * g)[:1])
    assert one[0] == 2


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("size", [5, LARGE])
def test_what_is_written_keeps_its_memory(name, size):
    xp = pytest.importorskip(name)
    g, p, m = (xp.asarray(x) for x in numbers((size,)))
    values = fused(importlib.import_module(f"array_api_compat.{name}"))(SCALARS, (g,), (p, m))
    assert values[0] is p
    assert values[1] is m


def test_what_a_body_computes_anew_is_put_where_the_old_one_was():
    def replaced(xp, scalars, read, written):
        return [written[0] + read[0], xp.maximum(written[1], read[0])]

    for size in (5, LARGE):
        g, p, m = numbers((size,))
        expected = p + g, np.maximum(m, g)
        values = fused(numpy(), replaced)((), (g,), (p, m))
        check(values, expected, 0)
        assert values[0] is p
        assert values[1] is m


def test_narrow_arrays_beside_wide_ones():
    def narrow(xp, scalars, read, written):
        p = xp.astype(written[0], xp.float32)
        p += read[0]
        return [p, written[1] + read[0]]

    for size in (5, LARGE):
        g, p, m = (x.astype(np.float32) for x in numbers((size,)))
        p = p.astype(np.float16)
        expected = (p.astype(np.float32) + g).astype(np.float16), m + g
        values = fused(numpy(), narrow)((), (g,), (p, m))
        check(values, expected, 0)
        assert [value.dtype for value in values] == [np.float16, np.float32]


def test_a_step_takes_no_memory_but_that_of_a_block():
    g, p, m = numbers((100 * fusion.BLOCK_BYTES // 8,))
    run = fused(numpy())
    run(SCALARS, (g,), (p, m))
    tracemalloc.start()
    run(SCALARS, (g,), (p, m))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < p.nbytes / 2


def test_jax_computes_where_the_old_values_are():
    jax = pytest.importorskip("jax")
    g, p, m = (jax.numpy.asarray(x) for x in numbers((1000,)))
    fused(jax.numpy)(SCALARS, (g,), (p, m))
    assert p.is_deleted()
    assert m.is_deleted()
    assert not g.is_deleted()
    g, m = (jax.numpy.asarray(x) for x in numbers((1000,))[1:])
    expected = moved(g, g, m)
    check(fused(jax.numpy)(SCALARS, (g,), (g, m)), expected, 1e-6)


def test_jax_may_trace_it():
    jax = pytest.importorskip("jax")
    g, p, m = numbers((10,))
    values = jax.jit(lambda *x: fused(jax.numpy)(SCALARS, x[:1], x[1:]))(g, p, m)
    check(values, moved(g, p, m), 1e-6)


def test_torch_records_nothing():
    torch = pytest.importorskip("torch")
    g, p, m = (torch.asarray(x) for x in numbers((5,)))
    p.requires_grad_()
    g.requires_grad_()
    expected = moved(g.detach(), p.detach(), m)
    values = fused(importlib.import_module("array_api_compat.torch"))(SCALARS, (g * 1,), (p, m))
    assert values[0].is_leaf
    assert not values[1].requires_grad
    check([value.detach() for value in values], expected)


class FakeCuPy:
    """NumPy under the name of CuPy: a fused function gets all its arguments by position."""

    def __init__(self):
        self.kernels = 0
        for name in ("sqrt", "maximum", "minimum", "where", "isnan", "float32"):
            setattr(self, name, getattr(np, name))
        self.may_share_memory = np.may_share_memory

    def sign(self, x):
        return np.where(np.isnan(x), 0, np.sign(x))  # as CuPy has it

    def fuse(self, kernel_name):
        assert kernel_name.isidentifier()

        def fused_function(function):
            def run(*arguments):
                assert all(isinstance(each, (float, np.ndarray)) for each in arguments)
                read, written = [x for x in arguments if isinstance(x, np.ndarray)][:2]
                assert read is written or not np.may_share_memory(read, written)
                assert function(*arguments) is None
                self.kernels += 1

            return run

        return fused_function


@pytest.mark.parametrize("size", [5, LARGE])
def test_the_arguments_of_a_kernel(monkeypatch, size):
    fake = FakeCuPy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    run = LIBRARIES["cupy"].fused(moving, SimpleNamespace(__name__="array_api_compat.cupy"))
    g, p, m = numbers((size,))
    expected = moved(g, p, m)
    values = run(SCALARS, (g,), (p, m))
    assert values[0] is p
    assert fake.kernels == 1
    check(values, expected)
    expected = moved(p[:-1], p[1:], m[1:])
    check(run(SCALARS, (p[:-1],), (p[1:], m[1:])), expected)
    g, p, m = np.asarray([np.nan]), np.zeros(1), np.zeros(1)
    assert np.isnan(run(SCALARS, (g,), (p, m))[1])


@pytest.mark.cupy_wheel
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rule", ["adam", "amsgrad", "lion", "sgd"])
def test_the_real_cupy_makes_one_kernel_of_a_rule(real_cupy, monkeypatch, rule, dtype):
    """It is traced, but neither compiled nor run: that takes a GPU."""
    history = importlib.import_module("cupy._core.fusion")._FusionHistory
    traced, addresses = [], itertools.count(4096, 4096)

    def trace(self, function, arguments, name, get=history.get_fusion):
        traced.append(get(self, function, arguments, name)[0])
        raise KeyboardInterrupt  # which CuPy does not take for a reason to try another way

    def array(shape, kind):
        memory = real_cupy.cuda.UnownedMemory(next(addresses), 4096, None, 0)
        return real_cupy.ndarray(shape, kind, real_cupy.cuda.MemoryPointer(memory, 0))

    monkeypatch.setattr(history, "get_fusion", trace)
    segments = importlib.import_module("gdx.optimize.updates.segments")
    optimizer = getattr(gdx.optimize, rule)(0.1)
    (segment,) = segments._segments(optimizer.links)
    wide = np.promote_types(dtype, np.float32)
    slots = [array((3, 4), wide) for _ in range(segment.places.stop)]
    run = segment.fused(
        importlib.import_module("array_api_compat.cupy"), np.dtype(dtype), adds=True
    )
    with pytest.raises(KeyboardInterrupt):
        run(segment.scalars(0), (array((3, 4), wide),), (array((3, 4), dtype), *slots))
    (kernel,) = traced
    assert kernel.no_return
    *scalars, u = (p for p in kernel.in_params if p.is_const)
    assert len(scalars) == len(segment.scalars(0)[0])
    assert u.dtype == wide
    changed = [p.dtype for p in kernel.in_params if not p.is_const]
    assert changed == [np.dtype(dtype), *[wide] * len(slots)]
    # Numbers are double, but nothing is computed in double unless the arrays are.
    assert ("double" in kernel.operation) == (dtype == np.float64)
