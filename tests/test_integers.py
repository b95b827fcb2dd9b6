"""Python's integers become the default float; in exact derivatives, arrays of them are an error."""

import numpy as np
import pytest

import gdx
from gdx.trees import leaves, map_leaves


def squares(x):
    """Return the sum of squares of all elements of a tree of arrays."""
    return sum((gdx.array_namespace(leaf).sum(leaf * leaf) for leaf in leaves(x)), 0.0)


def square(x):
    """Return the square of each element of an array."""
    return x * x


TWO = {"step_num": 2, "lr": 0.25}
EXACT = {
    "grad": gdx.grad(squares),
    "value_and_grad": lambda x: gdx.value_and_grad(squares)(x)[1],
    "vjp": lambda x: gdx.vjp(squares, x)[1](1)[0],
    "jvp": lambda x: gdx.jvp(squares, (x,), (x,))[1],
    "jacobian": gdx.jacobian(squares),
    "hessian": gdx.hessian(squares),
    "hvp": lambda x: gdx.hvp(squares, x, x),
    "tracer": gdx.grad(squares, engine="tracer"),
}
NUMERICAL = {
    "numerical_gradient": lambda x: gdx.numerical_gradient(squares, x),
    "numerical_jacobian": lambda x: gdx.numerical_jacobian(squares, x),
    "numerical_jvp": lambda x: gdx.numerical_jvp(squares, x, x),
    "numerical_hessian": lambda x: gdx.numerical_hessian(squares, x),
    "numerical_hessian_diagonal": lambda x: gdx.numerical_hessian_diagonal(squares, x),
    "check_gradient": lambda x: np.asarray(bool(gdx.check_gradient(squares, x)), dtype=float),
    "minimize": lambda x: gdx.minimize(squares, x, max_steps=2).x,
    "gradient_descent": lambda x: gdx.gradient_descent(squares, x, **TWO).x,
    "gradient_descent, exact": lambda x: (
        gdx.gradient_descent(squares, x, grad=gdx.grad(squares), **TWO).x
    ),
}
ROUTINES = EXACT | NUMERICAL
ARRAYS_OF = [name for name in ROUTINES if name != "check_gradient"]

INTEGERS = {
    "integer": 3,
    "list": [3, 4],
    "nested list": [[1, 2], [3, 4]],
    "tuple": (3, 4),
    "mixed list": [3, 4.0],
    "dict": {"W": [[1, 2], [3, 4]], "b": 5},
    "list of dicts": [{"b": 5}, {"b": [1, 2]}],
    "list of NumPy's integers": [np.int64(3), np.int64(4)],
}


def as_floats(x):
    """Return a tree whose numbers and lists are arrays of the current backend's default float."""
    return map_leaves(lambda leaf: gdx.asarray(np.asarray(leaf, float).tolist()), x)


def assert_equal(one, other):
    """Assert that two trees have the same arrays, of the default float."""
    ones, others = leaves(one), leaves(other)
    assert len(ones) == len(others) > 0
    for x, y in zip(ones, others, strict=True):
        assert x.dtype == y.dtype == gdx.asarray(3.0).dtype
        np.testing.assert_array_equal(gdx.to_numpy(x), gdx.to_numpy(y))


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("routine", ARRAYS_OF)
def test_integers_are_as_floats(routine, kind):
    x = INTEGERS[kind]
    assert_equal(ROUTINES[routine](x), ROUTINES[routine](as_floats(x)))


@pytest.mark.parametrize("kind", ["integer", "list", "dict"])
@pytest.mark.parametrize("routine", ["grad", "jvp", "hessian", "numerical_gradient", "minimize"])
def test_integers_go_to_the_backend(case, routine, kind):
    x = INTEGERS[kind]
    with case.using():
        result = ROUTINES[routine](x)
        assert_equal(result, ROUTINES[routine](as_floats(x)))
        assert all(map(case.holds, leaves(result)))


@pytest.mark.parametrize("kind", INTEGERS)
def test_gradient_at_integers(kind):
    x = INTEGERS[kind]
    gradient = leaves(gdx.grad(squares)(x))
    expected = leaves(map_leaves(lambda leaf: 2 * np.asarray(leaf, dtype=float), x))
    for one, other in zip(gradient, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("routine", EXACT)
def test_integers_beyond_64_bits(routine):
    x = [2**70, 3]
    assert_equal(EXACT[routine](x), EXACT[routine](as_floats(x)))


@pytest.mark.parametrize("routine", ARRAYS_OF)
def test_integers_take_the_dtype_of_the_backend(routine):
    with gdx.using("numpy", dtype="float32"):
        assert all(leaf.dtype == np.float32 for leaf in leaves(ROUTINES[routine]([3, 4])))


@pytest.mark.parametrize("routine", ["grad", "vjp", "jacobian", "hessian", "numerical_gradient"])
def test_an_empty_list_is_an_empty_array(routine):
    assert all(0 in leaf.shape for leaf in leaves(ROUTINES[routine]([])))


def test_zero_dimensional_complex_variables():
    np.testing.assert_allclose(gdx.numerical_jacobian(square, 3j), 6j, rtol=1e-8)


def array_of_integers(case):
    """Return an array of integers of the library of a case."""
    return case.asarray([3, 4], dtype="int32")


ARRAYS = {
    "int64": np.asarray([3, 4]),
    "tree": {"W": np.asarray([3, 4], dtype=np.uint8), "b": 5},
    "scalar of NumPy": np.int64(3),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("routine", EXACT)
def test_exact_derivatives_refuse_arrays_of_integers(routine, kind):
    with pytest.raises(TypeError, match=r"int(8|64)\. Convert it: xp\.astype\(x, xp\.float64\)"):
        EXACT[routine](ARRAYS[kind])


@pytest.mark.parametrize("routine", ["grad", "jvp", "hessian"])
def test_exact_derivatives_refuse_arrays_of_integers_of_any_library(case, routine):
    with pytest.raises(TypeError, match=r"int32\. Convert it: xp\.astype"):
        EXACT[routine](array_of_integers(case))


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("routine", NUMERICAL)
def test_numerical_routines_promote_arrays_of_integers(routine, kind):
    x = ARRAYS[kind]
    assert_equal(NUMERICAL[routine](x), NUMERICAL[routine](as_floats(x)))
    assert all(np.asarray(leaf).dtype.kind in "iu" for leaf in leaves(x))


@pytest.mark.parametrize("routine", ["numerical_gradient", "minimize"])
def test_numerical_routines_promote_arrays_of_integers_of_any_library(case, routine):
    result = NUMERICAL[routine](array_of_integers(case))
    assert case.holds(result)
    assert result.dtype == case.started.dtype


BOOLEANS = {
    "True": True,
    "list": [True, False],
    "dict": {"b": [True]},
    "scalar of NumPy": np.True_,
    "array": np.asarray([True, False]),
}


@pytest.mark.parametrize("kind", BOOLEANS)
@pytest.mark.parametrize("routine", ROUTINES)
def test_booleans_are_an_error(routine, kind):
    with pytest.raises(TypeError, match=r"dtype.* bool\. Write 1\.0 for True and 0\.0 for False"):
        ROUTINES[routine](BOOLEANS[kind])


NOT_NUMBERS = {
    "string": ("a", TypeError, "must hold numbers; got str"),
    "list of strings": (["a"], TypeError, "must hold numbers; got list"),
    "None": (None, TypeError, "must hold numbers; got NoneType"),
    "rows of two lengths": ([[1], [1, 2]], ValueError, "lists of equal lengths"),
}


@pytest.mark.parametrize("kind", NOT_NUMBERS)
@pytest.mark.parametrize("routine", ROUTINES)
def test_what_is_no_number_is_an_error(routine, kind):
    given, error, words = NOT_NUMBERS[kind]
    with pytest.raises(error, match=words):
        ROUTINES[routine](given)


@pytest.mark.parametrize("routine", ["vjp", "jvp", "jacobian", "numerical_jacobian"])
def test_complex_numbers_are_differentiated(routine):
    result = {
        "vjp": lambda x: gdx.vjp(square, x)[1](1.0)[0],
        "jvp": lambda x: gdx.jvp(square, (x,), (1.0,))[1],
        "jacobian": gdx.jacobian(square),
        "numerical_jacobian": lambda x: gdx.numerical_jacobian(square, x),
    }[routine](3 + 4j)
    np.testing.assert_allclose(result, 6 + 8j, rtol=1e-8)


@pytest.mark.parametrize("routine", ["numerical_hessian", "minimize", "gradient_descent"])
def test_real_routines_refuse_complex_numbers(routine):
    with pytest.raises(TypeError, match="must hold real numbers, but its dtype is complex128"):
        ROUTINES[routine]([3, 4j])
