"""Gradients by finite differences, against closed forms and the course's figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import gdx

METHODS = ["central", "forward", "backward"]


def squares(x):
    return (x * x).sum() if hasattr(x, "sum") else gdx.array_namespace(x).sum(x * x)


@pytest.mark.parametrize(
    ("x", "gradient"), [((3.0, 4.0), (6, 8)), ((0.0, 2.0), (0, 4)), ((3.0, 0.0), (6, 0))]
)
@pytest.mark.parametrize("h", [None, 1e-4])
def test_course_figures(case, x, gradient, h):
    if h and not case.has_float64:
        pytest.skip("1e-4 is lost in float32: the course's figures need float64")
    found = gdx.numerical_gradient(lambda x: x[0] ** 2 + x[1] ** 2, case.asarray(x), h=h)
    assert case.holds(found)
    np.testing.assert_allclose(gdx.to_numpy(found), gradient, atol=40 * case.eps ** (2 / 3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3)])
def test_any_shape_and_method(case, method, shape):
    values = np.random.default_rng(0).standard_normal(shape)
    x = case.asarray(values)
    found = gdx.numerical_gradient(squares, x, method=method)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    order = {"central": 2 / 3}.get(method, 1 / 2)
    np.testing.assert_allclose(gdx.to_numpy(found), 2 * values, atol=40 * case.eps**order)
    np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(case.asarray(values)))


@pytest.mark.parametrize("method", METHODS)
def test_evaluations(method):
    calls = []

    def f(x):
        calls.append(x.copy())
        return squares(x)

    gdx.numerical_gradient(f, np.ones(5), method=method)
    assert len(calls) == {"central": 10}.get(method, 6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("value", [30.0, 1e-3, -2.0])
def test_steps_follow_the_dtype(dtype, value):
    x = np.asarray([value], dtype=dtype)
    found = gdx.numerical_gradient(lambda x: np.sum(x**2), x)
    assert found.dtype == dtype
    error = abs(found - 2 * x)[0] / max(1, abs(value))
    assert error < 20 * float(np.finfo(dtype).eps) ** (2 / 3)


def test_steps_follow_the_coarser_precision_of_f():
    x = np.asarray([1.0, 20.0])
    found = gdx.numerical_gradient(lambda x: np.sum(x.astype(np.float32) ** 2), x)
    np.testing.assert_allclose(found, 2 * x, rtol=1e-2)


def test_explicit_h_is_absolute():
    seen = []

    def f(x):
        seen.append(float(x[0]))
        return x[0] ** 3

    found = gdx.numerical_gradient(f, np.asarray([100.0]), h=0.5)
    assert seen == [100.5, 99.5]
    assert found[0] == (100.5**3 - 99.5**3) / 1.0


@pytest.mark.parametrize("method", METHODS)
def test_the_default_step_is_representable(method):
    seen = []
    gdx.numerical_gradient(lambda x: seen.append(x[0]) or x[0], np.asarray([0.1]), method=method)
    # The slope of the identity is 1 to the last bit only if the true distance is divided by.
    assert gdx.numerical_gradient(lambda x: x[0], np.asarray([0.1]), method=method)[0] == 1


@given(
    arrays(np.float64, (3, 3), elements=st.floats(-10, 10)),
    arrays(np.float64, 3, elements=st.floats(-10, 10)),
)
def test_quadratic_forms(a, x):
    a = a + a.T + np.eye(3)
    b = np.asarray([1.0, 2.0, 3.0])
    found = gdx.numerical_gradient(lambda x: x @ a @ x + b @ x, x)
    np.testing.assert_allclose(found, 2 * a @ x + b, atol=1e-5)


def bits(x):
    return x.tobytes()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@given(
    x=arrays(np.float32, (2, 3), elements=st.floats(width=32)),
    when=st.integers(0, 11),
    order=st.sampled_from("CF"),
)
def test_every_bit_is_put_back(error, x, when, order):
    x = np.asarray(x, order=order)
    before, calls = bits(x), iter(range(12))

    def f(x):
        if next(calls) == when:
            raise error
        return 1.0

    with pytest.raises(error), np.errstate(all="ignore"):
        gdx.numerical_gradient(f, x, h=1.0)
    assert bits(x) == before


def test_signalling_nan_and_minus_zero_are_put_back():
    x = np.asarray([0x7FA00001, 0x80000000, 0x3F800000], dtype=np.uint32).view(np.float32)
    before = bits(x)
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match=r"not finite.*\(0,\) is NaN"),
    ):
        gdx.numerical_gradient(lambda x: float(x[2]), x)
    assert bits(x) == before


def test_in_place_contract(case):
    """A function that ignores its argument sees the steps, where elements can be assigned."""
    x = case.asarray([[1.0, 2.0], [3.0, 4.0]])
    if case.mutable:
        found = gdx.numerical_gradient(lambda ignored: squares(x), x)
        np.testing.assert_allclose(gdx.to_numpy(found), 2 * gdx.to_numpy(x), rtol=1e-2)
    elif case.on_host:
        with pytest.warns(RuntimeWarning, match="did not react.*evaluated at copies of x"):
            found = gdx.numerical_gradient(lambda ignored: squares(x), x)
        assert not gdx.to_numpy(found).any()


def test_views_that_are_not_contiguous():
    base = np.arange(12.0).reshape(3, 4)
    view = base[::2, ::-1]
    found = gdx.numerical_gradient(lambda ignored: np.sum(base**2), view)
    np.testing.assert_allclose(found, 2 * view, atol=1e-6)


@pytest.mark.parametrize(
    "overlapping",
    [
        np.lib.stride_tricks.as_strided(np.asarray([3.0]), (3,), (0,)),
        np.lib.stride_tricks.sliding_window_view(np.arange(4.0), 2, writeable=True),
        np.lib.stride_tricks.sliding_window_view(np.arange(40.0), 5, writeable=True)[:, ::2],
    ],
)
def test_elements_that_share_memory(overlapping):
    """One of them cannot be stepped without the others: copies are."""
    before = overlapping.copy()
    found = gdx.numerical_gradient(squares, overlapping)
    np.testing.assert_allclose(found, 2 * before, atol=1e-5)
    np.testing.assert_array_equal(overlapping, before)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x[:1],
        lambda x: x[..., 0],
        lambda x: x[:1] if x[0] > 3 else float(x[0]),
        lambda x: float(x[0]) if x[0] > 3 else x[0],
    ],
)
def test_a_function_that_returns_a_view_of_x(case, method, n, view):
    """Its values must not follow x when x moves on."""
    if not case.on_host:
        pytest.skip("the functions look at x")
    x = np.arange(3.0, 3 + n)
    assert x[0] == 3
    found = gdx.to_numpy(gdx.numerical_gradient(view, case.asarray(x), method=method))
    copied = gdx.numerical_gradient(lambda x: float(np.reshape(view(x), ())), x, method=method)
    np.testing.assert_allclose(found, copied, atol=40 * case.eps ** (1 / 2))


def test_a_number_and_then_a_view_of_x():
    with pytest.raises(ValueError, match="f returned a number first and then a view of x"):
        gdx.numerical_gradient(lambda x: x[:1] if x[0] < 3 else 3.0, np.asarray([3.0]))


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_does_not_react(method):
    with pytest.warns(RuntimeWarning, match="did not react") as caught:
        found = gdx.numerical_gradient(lambda x: 3.0, np.ones(2), method=method)
    assert caught[0].filename == __file__
    assert not found.any()


def test_a_minimum_is_no_reason_to_warn():
    assert gdx.numerical_gradient(lambda x: np.sum(x**2), np.zeros(3)).tolist() == [0, 0, 0]


def test_a_step_that_vanished():
    x = np.asarray([3000.0], dtype=np.float32)
    with (
        pytest.warns(RuntimeWarning, match=r"h=0.0001 vanished"),
        pytest.warns(RuntimeWarning, match=r"a step vanished.*element \(0,\) is NaN"),
    ):
        found = gdx.numerical_gradient(squares, x, h=1e-4)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    "returned",
    [
        float,
        np.float64,
        np.float32,
        np.asarray,
        lambda v: np.asarray([v]),
        lambda v: np.asarray([[v]]),
    ],
)
def test_what_f_may_return(returned):
    found = gdx.numerical_gradient(lambda x: returned(x[0] * 2), np.asarray([1.0]))
    assert found[0] == pytest.approx(2, rel=1e-2)


def test_f_may_return_integers():
    found = gdx.numerical_gradient(lambda x: int(x[0] * 10), np.asarray([1.0]), h=0.5)
    assert found[0] == 10
    found = gdx.numerical_gradient(lambda x: np.uint8(x[0] * 10), np.asarray([-1.0 + 2]), h=0.5)
    assert found[0] == 10


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (None, TypeError, "returned None: is a return missing"),
        ("one", TypeError, "'one'"),
        (1j, TypeError, "real number"),
        (np.complex128(1j), TypeError, "real number"),
        (np.ones(2), TypeError, r"shape \(2,\)"),
        (np.ones((1, 0)), TypeError, r"shape \(1, 0\)"),
    ],
)
def test_what_f_may_not_return(returned, error, message):
    x = np.ones(2)
    with pytest.raises(error, match=message):
        gdx.numerical_gradient(lambda x: returned, x)
    assert x.tolist() == [1, 1]


def test_f_on_a_device_may_return_its_own_arrays(case):
    x = case.asarray([1.0, 2.0])
    xp = case.xp
    for shape in ((), (1,)):
        found = gdx.numerical_gradient(lambda x, s=shape: xp.reshape(xp.sum(x), s), x)
        np.testing.assert_allclose(gdx.to_numpy(found), [1, 1], rtol=1e-2)
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        gdx.numerical_gradient(lambda x: x, x)
    found = gdx.numerical_gradient(lambda x: xp.astype(x[0] * 8, xp.int32), x[:1], h=0.25)
    np.testing.assert_array_equal(gdx.to_numpy(found), [8])


def test_f_of_another_library():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="numpy.*array_api_strict"):
        gdx.numerical_gradient(lambda x: strict.asarray(1.0), np.ones(2))


def test_lists_numbers_and_integers():
    assert gdx.numerical_gradient(lambda x: x * x, 3).dtype == np.float64
    assert isinstance(gdx.numerical_gradient(lambda x: x * x, 3.0), np.ndarray)
    np.testing.assert_allclose(gdx.numerical_gradient(squares, [3, 4]), [6, 8])
    integers = np.asarray([3, 4])
    np.testing.assert_allclose(gdx.numerical_gradient(squares, integers), [6, 8])
    assert integers.tolist() == [3, 4]
    with gdx.using("numpy", dtype="float32"):
        assert gdx.numerical_gradient(squares, [3.0, 4.0]).dtype == np.float32


def test_empty_x_needs_no_evaluation():
    assert gdx.numerical_gradient(lambda x: 1 / 0, np.ones((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("x", [np.asarray(["one"]), np.asarray([True])])
def test_x_that_is_not_real(x):
    with pytest.raises(TypeError, match=f"x must hold real numbers.*{x.dtype}"):
        gdx.numerical_gradient(squares, x)


@pytest.mark.parametrize("h", [0, -1e-4, float("nan"), float("inf"), "big", np.zeros(2), [1, -1]])
def test_h_out_of_range(h):
    with pytest.raises(ValueError, match="h must be a positive number"):
        gdx.numerical_gradient(squares, np.ones(2), h=h)


def test_unknown_method():
    with pytest.raises(ValueError, match="forward, backward, complex; got 'middle'"):
        gdx.numerical_gradient(squares, np.ones(2), method="middle")


def test_parameters_by_name(case):
    x = {"W": case.asarray([[1.0, 2.0]]), "b": case.asarray([3.0]), "more": [case.asarray([4.0])]}
    found = gdx.numerical_gradient(lambda p: squares(p["W"]) * p["b"][0] + squares(p["more"][0]), x)
    assert list(found) == ["W", "b", "more"]
    tolerance = 60 * case.eps ** (2 / 3)
    np.testing.assert_allclose(gdx.to_numpy(found["W"]), [[6, 12]], rtol=tolerance)
    np.testing.assert_allclose(gdx.to_numpy(found["b"]), [5], rtol=tolerance)
    np.testing.assert_allclose(gdx.to_numpy(found["more"][0]), [8], rtol=tolerance)


def test_one_array_in_two_places(case):
    """It is two variables: the gradient has the partial derivative in each of them."""
    x = case.asarray([1.0, 2.0, 3.0])
    of_standard_only = case.backend == "strict"  # which cannot tell what memory is shared
    overlapping = {"a": x, "b": x, "c": x[1:] * 1 if of_standard_only else x[1:]}
    for options in ({}, {"full_output": True}):
        found = gdx.numerical_gradient(
            lambda p: squares(p["a"]) + 3 * squares(p["b"]) + 5 * squares(p["c"]),
            overlapping,
            **options,
        )
        found = found.value if options else found
        tolerance = 200 * case.eps ** (2 / 3)
        np.testing.assert_allclose(gdx.to_numpy(found["a"]), [2, 4, 6], rtol=tolerance)
        np.testing.assert_allclose(gdx.to_numpy(found["b"]), [6, 12, 18], rtol=tolerance)
        np.testing.assert_allclose(gdx.to_numpy(found["c"]), [20, 30], rtol=tolerance)


def test_nothing_is_read_from_a_device(no_host_sync):
    xp = no_host_sync
    x = xp.ones((2, 2), device=xp.Device("device1"))
    for method in METHODS:
        gdx.numerical_gradient(lambda x: xp.sum(x * x), x, method=method)
    gdx.numerical_gradient(lambda x: xp.sum(x * x), x, h=1e-4)


def test_dask_stays_lazy():
    dask = pytest.importorskip("dask.array")
    found = gdx.numerical_gradient(lambda x: (x**2).sum(), dask.asarray([3.0, 4.0]))
    assert isinstance(found, dask.Array)
    np.testing.assert_allclose(found.compute(), [6, 8], atol=1e-8)


def test_torch_that_requires_gradients():
    torch = pytest.importorskip("torch")
    x = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    found = gdx.numerical_gradient(lambda x: (x * x).sum(), x)
    assert not found.requires_grad
    assert x.tolist() == [3, 4]
    closed = gdx.numerical_gradient(lambda ignored: (x * x).sum(), x)
    assert closed.tolist() == pytest.approx([6, 8])
    of_others = gdx.numerical_gradient(lambda v: (x * v).sum(), torch.ones(2, dtype=torch.float64))
    assert not of_others.requires_grad
    assert of_others.tolist() == pytest.approx([3, 4])


def test_torch_does_not_notice_what_was_put_back():
    """Its autograd counts assignments to what it has saved for the backward pass."""
    torch = pytest.importorskip("torch")
    w, x = torch.ones(3, requires_grad=True), torch.ones(3)
    loss = torch.sum(w * w * x)
    gdx.numerical_gradient(squares, w)
    gdx.numerical_gradient(squares, x)
    loss.backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_torch_that_was_made_for_inference():
    torch = pytest.importorskip("torch")
    with torch.inference_mode():
        x = torch.ones(3, dtype=torch.float64)
        inside = gdx.numerical_gradient(squares, x)
    np.testing.assert_allclose(inside, 2, atol=1e-8)
    np.testing.assert_allclose(gdx.numerical_gradient(squares, x), 2, atol=1e-8)


def test_torch_that_is_expanded():
    torch = pytest.importorskip("torch")
    x = torch.ones(1, dtype=torch.float64).expand(3)
    assert gdx.numerical_gradient(lambda x: (x**2).sum(), x).tolist() == pytest.approx([2, 2, 2])


def test_inside_jit():
    jax = pytest.importorskip("jax")
    found = jax.jit(lambda x: gdx.numerical_gradient(lambda x: (x**2).sum(), x))(
        jax.numpy.asarray([3.0, 4.0])
    )
    np.testing.assert_allclose(np.asarray(found), [6, 8], rtol=1e-2)
