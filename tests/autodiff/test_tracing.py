"""What happens to traced arrays: assignment, views, control flow, errors, levels, memory."""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gdx
from gdx.backends import libraries

X = np.asarray([1.0, 2.0, 3.0])


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(gdx.to_numpy(a), b, rtol=rtol)


# Assignment


def filled(x):
    xp = gdx.array_namespace(x)
    y = xp.zeros(3)
    for i in range(3):
        y[i] = x[i] ** (i + 1)
    y[0] = y[1] * y[2]
    return xp.sum(y)


def in_place(x):
    y = x * 2
    y += x
    y *= y
    y[1:] -= x[0]
    return y.sum()


def overwritten(x):
    y = x * 3
    y[:] = 1.0
    return (y * x).sum()


def argument_changed(x):
    x[0] = x[1] * x[2]
    x += 1
    return (x * x).sum()


def masked(x):
    y = x.copy()
    y[x > 1.5] = 0
    return (y * y).sum()


def twice_the_same(x):
    y = np.zeros_like(x)
    y[np.asarray([0, 0, 2])] = x * x
    return (y * np.asarray([1.0, 10.0, 100.0])).sum()


ASSIGNMENTS = [
    (filled, [0, 2 * 2 * 27 + 2 * 2, 4 * 27 + 27]),
    (in_place, None),
    (overwritten, [1, 1, 1]),
    (argument_changed, None),
    (masked, [2, 0, 0]),
    (twice_the_same, [0, 2 * 2, 100 * 2 * 3]),
]


@pytest.mark.parametrize(("f", "expected"), ASSIGNMENTS, ids=lambda v: getattr(v, "__name__", ""))
def test_assignment(f, expected):
    before = X.copy()
    gradient = gdx.grad(f)(X)
    np.testing.assert_array_equal(X, before)
    numerical = gdx.numerical_gradient(lambda x: f(x.copy()), X, order=4)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-9, atol=1e-9)
    if expected is not None and f is not filled:
        close(gradient, expected)
    whole = gdx.hessian(f)(X)
    np.testing.assert_allclose(whole, gdx.numerical_hessian(lambda x: f(x.copy()), X), atol=1e-4)


def written_through_a_row(xp, x):
    y = xp.zeros((2, 3))
    row = y[0]
    row[:] = x
    row[1] = 5.0
    return y * 2


def read_after_the_base_changed(xp, x):
    y = xp.asarray(x, copy=True)
    part = y[1:]
    y[1] = x[0] * x[2]
    return part * 2


def through_transposes_and_reshapes(xp, x):
    y = xp.zeros((3, 2))
    flat = xp.reshape(y.T, (2, 3))[1]
    flat += x
    flat[::-1][0] = 7.0
    return y * y


def another_name(xp, x):
    y = xp.asarray(x, copy=True)
    z = y
    z += 1
    return y * x


def elements_are_no_views(xp, x):
    y = xp.asarray(x, copy=True)
    total = y[0]
    total += y[1]
    total += y[2]
    return y * total


def a_copy_is_no_view(xp, x):
    y = x[:2]
    z = xp.asarray(y, copy=True)
    z[0] = 5.0
    return y * z


def in_another_layout(xp, x):
    y = np.outer(x, x + 1) * 1
    v = y[:, 0:2]
    v[0] = 1.0
    r = v.reshape(-1)  # a copy, as v is not contiguous
    r[1] = 50.0
    return y * x


def added_in_place_in_another_layout(xp, x):
    y = np.outer(x, x).T * 1
    y += np.ones((3, 3))
    y.reshape(-1)[1] = 5.0
    return y * x


def broadcast_and_then_changed(xp, x):
    y = x * 1.0
    wide = np.broadcast_to(y, (2, 3))
    y[0] = 7.0
    return wide * wide


def diagonal_of_what_changes(xp, x):
    y = np.outer(x, x)
    d = y.diagonal()
    y[0, 0] = 10.0
    return d * x


VIEWS = [
    in_another_layout,
    added_in_place_in_another_layout,
    broadcast_and_then_changed,
    diagonal_of_what_changes,
    written_through_a_row,
    read_after_the_base_changed,
    through_transposes_and_reshapes,
    another_name,
    elements_are_no_views,
    a_copy_is_no_view,
]


@pytest.mark.parametrize("f", VIEWS, ids=lambda f: f.__name__)
def test_views_are_those_of_the_library(f):
    """The values are those of plain NumPy, and the derivatives belong to them."""
    y, pullback = gdx.vjp(lambda x: f(gdx.array_namespace(x), x), X)
    close(y, f(np, X.copy()))
    g = np.random.default_rng(0).normal(size=y.shape)
    numerical = gdx.numerical_gradient(lambda x: np.sum(g * f(np, x.copy())), X, order=4)
    np.testing.assert_allclose(pullback(g)[0], numerical, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [int, np.int32, np.uint8, bool])
@pytest.mark.parametrize(
    "assign",
    [
        lambda y, x: y.__setitem__(..., x * 3),
        lambda y, x: y.__setitem__(1, x[0] * x[2]),
        lambda y, x: y[1:].__setitem__(0, x[2]),
        lambda y, x: y.reshape(3, 1).__setitem__((slice(1), 0), x[:1] + 1),
        lambda y, x: y.__setitem__(np.asarray([0, 2]), x[1:]),
        lambda y, x: [y.__setitem__(i, x[i] ** 2) for i in range(3)],
    ],
)
def test_an_array_of_integers_takes_constants(assign, dtype):
    """The derivative of what is truncated is zero, as that of astype(int)."""

    def f(x):
        y = np.zeros_like(x, dtype=dtype)
        assign(y, x)
        return np.sum(y * x)

    whole = np.zeros(3, dtype=dtype)
    assign(whole, X)
    close(gdx.grad(f)(X), whole)
    close(gdx.jvp(f, (X,), (np.ones(3),))[1], whole.sum())


def filled_by_elements(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i] ** 2
    return y


def recurrence(x):
    y = np.zeros_like(x)
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] + x[i]
    return y


def rows_of_rows(x):
    y = np.zeros_like(x, shape=(len(x) // 2, 2))
    for i in range(len(x) // 2):
        row = y[i]
        row[0], row[1] = x[2 * i], row[0] * x[2 * i + 1]
    return y


def through_another_shape(x):
    y = np.zeros_like(x, shape=(2, len(x) // 2))
    flat = y.reshape(-1)
    for i in range(len(x)):
        flat[i] = x[i]
    return y


@pytest.mark.parametrize(
    "filled", [filled_by_elements, recurrence, rows_of_rows, through_another_shape]
)
def test_filling_copies_an_array_a_few_times(filled, monkeypatch):
    """However many elements are assigned one by one."""
    copies = []
    duplicated = libraries._numpy_duplicated

    def counted(x):
        copies.append(x.size)
        return duplicated(x)

    monkeypatch.setattr(libraries, "_numpy_duplicated", counted)
    x = np.linspace(1.0, 2.0, 100)
    for derivative in (
        lambda: gdx.grad(lambda x: np.sum(filled(x)))(x),
        lambda: gdx.jvp(filled, (x,), (x,)),
    ):
        copies.clear()
        derivative()
        assert sum(size == x.size for size in copies) <= 4


@pytest.mark.parametrize("make", [lambda y: np.broadcast_to(y, (2, 3)), lambda y: (y * 1j).imag])
def test_a_view_that_cannot_be_assigned_to(make):
    def f(x):
        make(x * 1.0)[0] = 1.0
        return x.sum()

    with pytest.raises(gdx.TracingError, match="copy it first"):
        gdx.grad(f)(X)


def test_arrays_that_vjp_was_given_and_has_returned_may_be_changed():
    z = X.copy()
    y, pullback = gdx.vjp(np.exp, z)
    z += 1
    y += 1
    close(pullback(np.ones(3))[0], np.exp(X))
    c = np.ones(3)
    (same,) = gdx.vjp(lambda x: x, z)[1](c)
    assert not np.shares_memory(same, c)
    assert not np.shares_memory(gdx.vjp(lambda x: x, z)[0], z)
    assert not np.shares_memory(gdx.jvp(lambda x: x, (z,), (c,))[1], c)


def test_numbers_are_not_changed_in_place():
    def f(x):
        y = x
        y += 1
        return y * x

    value, gradient = gdx.value_and_grad(f)(2.0)
    assert (value, gradient) == (6, 5)


def test_copies():
    close(gdx.grad(lambda x: np.sum(copy.deepcopy(x) ** 2))(X), 2 * X)

    def f(x):
        y = x * 1
        c = copy.copy(y[1:])
        c[0] = 9.0
        return (y * y).sum()

    close(gdx.grad(f)(X), 2 * X)


def test_a_thread_inside_of_f():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            inner = pool.submit(lambda: gdx.grad(lambda y: x + y)(1.0)).result()
        return x * inner

    assert gdx.grad(f)(1.0) == 1


def test_a_plain_array_does_not_take_a_traced_value():
    def f(x):
        y = np.zeros(3)
        y[0] = x[0]
        return y.sum()

    with pytest.raises(gdx.TracingError, match=r"xp\.zeros"):
        gdx.grad(f)(X)


# Control flow


def power(x, n):
    return x if n == 1 else x * power(x, n - 1)


def test_control_flow():
    def collatz(x):
        while x < 100:
            x = x * 3 if x < 10 else x + x
        return x

    close(gdx.grad(collatz)(2.0), 3 * 3 * 2 * 2 * 2)
    close(gdx.grad(lambda x: power(x, 5))(2.0), 5 * 2**4)
    close(gdx.grad(lambda x: x if x > 0 else -x)(-3.0), -1)
    close(gdx.grad(lambda x: sum(v * v for v in x))(X), 2 * X)
    scale = {"by": 3.0}
    close(gdx.grad(lambda x: scale["by"] * x)(1.0), 3)


# Levels


def test_perturbations_are_not_confused():
    """Siskind & Pearlmutter (2005), Perturbation confusion and referential transparency."""
    assert gdx.grad(lambda x: x * gdx.grad(lambda y: x + y)(1.0))(1.0) == 1
    assert gdx.grad(lambda x: x * gdx.jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0) == 1
    forward = gdx.jvp(lambda x: x * gdx.grad(lambda y: x + y)(1.0), (1.0,), (1.0,))[1]
    assert forward == 1
    inner = gdx.jvp(lambda x: x * gdx.jvp(lambda y: x * y * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))
    assert inner[1] == 24


def test_derivatives_of_any_order():
    f = np.sin
    x = 0.7
    expected = [math.cos(x), -math.sin(x), -math.cos(x), math.sin(x)]
    for value in expected:
        f = gdx.grad(f)
        close(f(x), value)
    mixed = gdx.jvp(gdx.grad(gdx.grad(np.exp)), (x,), (1.0,))[1]
    close(mixed, math.exp(x))


def test_different_variables_at_different_levels():
    def f(x, y):
        return x**2 * y**3

    close(gdx.grad(lambda y: gdx.grad(f)(2.0, y))(3.0), 2 * 2 * 3 * 9)
    close(gdx.grad(gdx.grad(f, 1), 0)(2.0, 3.0), 2 * 2 * 3 * 9)


# What cannot be


LEAVING = [
    lambda x: float(x[0]),
    lambda x: int(x[0]) * x[1],
    lambda x: complex(x[0]).real,
    lambda x: np.asarray(x).sum(),
    lambda x: np.array([x[0], x[1]]).sum(),
    lambda x: math.sin(x[0]),
    lambda x: [1, 2, 3][x[0]],
    lambda x: np.from_dlpack(x).sum(),
    lambda x: x.no_such_method(),
    lambda x: x.tolist()[0],
    lambda x: x.item(),
    lambda x: gdx.array_namespace(x).nextafter(x, x + 1).sum(),
    lambda x: gdx.array_namespace(x).unique_values(x).sum(),
    lambda x: np.linalg.eig(np.outer(x, x))[0].sum(),
    lambda x: gdx.to_numpy(x).sum(),
]


@pytest.mark.parametrize("f", LEAVING)
def test_leaving_the_tracer_is_an_error(f):
    with pytest.raises((gdx.TracingError, AttributeError)) as caught:
        gdx.grad(f)(X)
    assert "no_such" in str(caught.value) or isinstance(caught.value, gdx.TracingError)


def test_constants_may_leave():
    def f(x):
        xp = gdx.array_namespace(x)
        mask = x > 1.5
        assert bool(xp.any(mask))
        assert int(xp.sum(xp.astype(mask, xp.int64))) == 2
        assert np.asarray(mask).tolist() == [False, True, True]
        assert float(gdx.stop_gradient(x)[0]) == 1
        assert f"{x[0]:.1f}" == "1.0"
        return xp.sum(x)

    close(gdx.grad(f)(X), [1, 1, 1])


def test_an_argument_that_is_ignored_is_told():
    net = gdx.SimpleNet(rng=0)
    with pytest.warns(RuntimeWarning, match="does not depend on the argument") as caught:
        gradient = gdx.grad(lambda W: net.loss([0.6, 0.9], 2))(net.W)
    assert caught[0].filename == __file__
    assert not gradient.any()
    with pytest.warns(RuntimeWarning, match="does not depend"):
        assert gdx.grad(lambda x: 3.0)(1.0) == 0
    with pytest.warns(RuntimeWarning, match="does not depend"):
        assert not gdx.jacobian(lambda x: np.ones(2))(X).any()


def test_errors_say_what_to_write():
    with pytest.raises(TypeError, match=r"gdx\.jacobian.*gdx\.vjp"):
        gdx.grad(lambda x: x * x)(X)
    with pytest.raises(TypeError, match="int64"):
        gdx.grad(lambda x: x.sum())(np.arange(3))
    with pytest.raises(TypeError, match="real number"):
        gdx.grad(lambda x: x * 1j)(1.0)
    with pytest.raises(TypeError, match="returned None"):
        gdx.grad(lambda x: None)(1.0)
    with pytest.raises(ValueError, match="argnums is 2"):
        gdx.grad(lambda x, y: x * y, 2)(1.0, 2.0)
    with pytest.raises(ValueError, match="engine must be"):
        gdx.grad(lambda x: x * x, engine="jax")(1.0)
    with pytest.raises(ValueError, match=r"tangents must have the shape \(3,\)"):
        gdx.jvp(lambda x: x, (X,), (np.ones(2),))
    with pytest.raises(TypeError, match="must be tuples"):
        gdx.jvp(lambda x: x, X, X)
    with pytest.raises(ValueError, match=r"cotangent must have the shape"):
        gdx.vjp(lambda x: x.sum(), X)[1](X)
    with pytest.raises(TypeError, match="pair"):
        gdx.grad(lambda x: x.sum(), has_aux=True)(X)
    with pytest.raises(TypeError, match="mixed"):
        gdx.grad(lambda x, y: x.sum(), (0, 1))(X, pytest.importorskip("torch").ones(3))


def test_an_error_in_f_leaves_nothing_behind():
    def f(x):
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            gdx.grad(gdx.grad(f))(1.0)
    close(gdx.grad(lambda x: x * x)(3.0), 6)


def test_aux():
    value, gradient = gdx.value_and_grad(lambda x: (x.sum(), {"y": x * 2}), has_aux=True)(X)
    assert value[0] == 6
    assert type(value[1]["y"]) is np.ndarray
    close(value[1]["y"], 2 * X)
    close(gradient, [1, 1, 1])
    gradient, aux = gdx.grad(lambda x: (x.sum(), "text"), has_aux=True)(X)
    assert aux == "text"


def test_threads_and_tasks_do_not_disturb_each_other():
    results = {}

    def work(n):
        for _ in range(50):
            results[n] = gdx.grad(gdx.grad(lambda y: y**n))(2.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: n * (n - 1) * 2.0 ** (n - 2) for n in range(3, 7)}

    async def task(n):
        await asyncio.sleep(0)
        return gdx.grad(lambda x: x**n)(1.0)

    async def both():
        return await asyncio.gather(task(2), task(3))

    assert asyncio.run(both()) == [2, 3]


def test_a_generator_that_is_not_finished_leaves_nothing_behind():
    def steps(x):
        for i in range(3):
            yield gdx.grad(lambda y, i=i: y * y * i)(x)

    running = steps(1.0)
    next(running)
    close(gdx.grad(lambda x: x * x)(3.0), 6)
    assert [float(v) for v in running] == [2, 4]


# Memory


class Watched(np.ndarray):
    """An array of which one can tell whether it still exists."""


def test_no_cycle_keeps_arrays_alive():
    watched = []

    def f(x):
        y = x * 2
        watched.append(weakref.ref(y))
        z = np.exp(y)
        watched.append(weakref.ref(z))
        z[0] = 1.0
        return (z[1:] * y[1:]).sum()

    gc.collect()
    gc.disable()
    try:
        gdx.grad(f)(X)
        gdx.hessian(f)(X)
        assert all(ref() is None for ref in watched)
        _, pullback = gdx.vjp(f, X)
        del pullback
        assert all(ref() is None for ref in watched)
    finally:
        gc.enable()


def test_what_was_remembered_is_let_go_on_the_way_back():
    alive = []
    refs = []

    @gdx.custom_vjp
    def watched(x):
        return x * 2

    class Kept:
        pass

    def fwd(x):
        kept = Kept()
        refs.append(weakref.ref(kept))
        return x * 2, kept

    def bwd(kept, g):
        alive.append(sum(ref() is not None for ref in refs))
        return (g * 2,)

    watched.defvjp(fwd, bwd)
    f = lambda x: watched(watched(watched(watched(x)))).sum()  # noqa: E731
    close(gdx.grad(f)(X), [16, 16, 16])
    assert alive == [4, 3, 2, 1]


def test_gradients_have_memory_of_their_own():
    a, b = gdx.grad(lambda a, b: (a + b).sum(), (0, 1))(X, X)
    assert a is not b
    a[0] = 5
    assert b[0] == 1
    (g,) = gdx.vjp(lambda x: x.reshape(3, 1), X)[1](np.ones((3, 1)))
    assert g.flags.owndata
    assert gdx.grad(lambda x: x.sum())(X).flags.writeable
