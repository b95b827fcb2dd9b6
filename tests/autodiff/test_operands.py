"""Objects beside traced arrays, and as arguments: taken as the arrays they are, or refused."""

from __future__ import annotations

import operator
from fractions import Fraction

import numpy as np
import pytest

import gdx

X = np.asarray([1.0, 2.0])
PAIR = np.asarray([3.0, 4.0])


class Quantity(np.ndarray):
    """As astropy has it: an array of NumPy with units, which its ufuncs look after."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = (np.asarray(x) if isinstance(x, Quantity) else x for x in inputs)
        return getattr(ufunc, method)(*plain, **kwargs).view(Quantity)


class Squares(np.ndarray):
    """An array of NumPy whose one operator means something else."""

    def __pow__(self, other):
        return np.asarray(self) ** 2


class Measured:
    """As pint has it: an object over numbers, with operators of its own."""

    __array_priority__ = 20

    def __init__(self, magnitude):
        self.magnitude = np.asarray(magnitude)
        self.shape, self.ndim = self.magnitude.shape, self.magnitude.ndim
        self.dtype = self.magnitude.dtype

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = (x.magnitude if isinstance(x, Measured) else x for x in inputs)
        return Measured(getattr(ufunc, method)(*plain, **kwargs))

    def _computed(self, other, function):
        return Measured(function(self.magnitude, np.asarray(other)))

    def __add__(self, other):
        return self._computed(other, np.add)

    def __sub__(self, other):
        return self._computed(other, np.subtract)

    def __mul__(self, other):
        return self._computed(other, np.multiply)

    def __truediv__(self, other):
        return self._computed(other, np.divide)

    def __matmul__(self, other):
        return self._computed(other, np.matmul)

    def __gt__(self, other):
        return self._computed(other, np.greater)


class Series(Measured):
    """As pandas has it."""

    def to_numpy(self):
        return self.magnitude


class Sparse(Measured):
    """As scipy.sparse has it, in which nothing but operators takes arrays."""

    __array_ufunc__ = None

    def toarray(self):
        return self.magnitude


# What is refused, and what its error says to write.
REFUSED = {
    "masked": (np.ma.masked_array(PAIR, mask=[False, True]), r"d\.data and d\.mask"),
    "matrix": (np.asarray([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix), r"numpy\.asarray\(m\)"),
    "Quantity": (PAIR.view(Quantity), r"numpy\.asarray\(m\)"),
    "Squares": (PAIR.view(Squares), r"numpy\.asarray\(m\)"),
    "Measured": (Measured(PAIR), r"q\.magnitude"),
    "Series": (Series(PAIR), r"s\.to_numpy\(\)"),
    "Sparse": (Sparse([[1.0, 2.0], [3.0, 4.0]]), r"A\.toarray\(\).*gdx\.custom_vjp.*A\.T"),
}


def assigned(x, c):
    y = gdx.array_namespace(x).zeros_like(x)
    y[...] = c
    return y * x


OPERATORS = {
    "x + c": lambda x, c: x + c,
    "c + x": lambda x, c: c + x,
    "x - c": lambda x, c: x - c,
    "c - x": lambda x, c: c - x,
    "x * c": lambda x, c: x * c,
    "c * x": lambda x, c: c * x,
    "x / c": lambda x, c: x / c,
    "c / x": lambda x, c: c / x,
    "x @ c": lambda x, c: x @ c,
    "c @ x": lambda x, c: c @ x,
    "x > c": lambda x, c: x * (x > c),
    "c > x": lambda x, c: x * (c > x),
    "x += c": operator.iadd,
    "x[...] = c": assigned,
}
FUNCTIONS = {
    "xp.multiply": lambda x, c: gdx.array_namespace(x).multiply(x, c),
    "xp.where": lambda x, c: gdx.array_namespace(x).where(x > 1, x, c),
    "xp.concat": lambda x, c: gdx.array_namespace(x).concat([x, c]),
    "xp.stack": lambda x, c: gdx.array_namespace(x).stack([x, c]),
    "np.multiply": lambda x, c: np.multiply(c, x),
    "np.maximum": np.maximum,
    "np.where": lambda x, c: np.where(x > 1, x, c),
    "np.concatenate": lambda x, c: np.concatenate([x, c], axis=None),
    "np.dot": np.dot,
}


def total(y):
    return gdx.array_namespace(y).sum(y)


@pytest.mark.parametrize("use", OPERATORS | FUNCTIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_other_operators_are_refused(name, use):
    c, advice = REFUSED[name]
    f = (OPERATORS | FUNCTIONS)[use]
    if name == "Sparse" and use in FUNCTIONS and use.startswith("np.") and use != "np.where":
        advice += "|does not support ufuncs|no implementation"  # NumPy itself refuses it
    match = f"does not take a {type(c).__name__}.*({advice})" if "|" not in advice else advice
    for differentiate in (
        lambda: gdx.grad(lambda x: total(f(x, c)))(X),
        lambda: gdx.jvp(lambda x: f(x, c), (X,), (X,)),
        lambda: gdx.hessian(lambda x: total(f(x, c)))(X),
    ):
        with pytest.raises(TypeError, match=match) as caught:
            differentiate()
        assert "|" in advice or isinstance(caught.value, gdx.TracingError)


@pytest.mark.parametrize("use", ["x * c", "c * x", "x - c", "x @ c"])
def test_matrices_and_masks_are_refused_beside_all_arrays(use, case):
    x = case.asarray(X)
    for name in ("masked", "matrix"):
        c, advice = REFUSED[name]
        with pytest.raises(TypeError, match=advice + "|xp.asarray"):
            gdx.grad(lambda x, c=c: total(OPERATORS[use](x, c)), engine="tracer")(x)


SCIPY = {
    "csr_array": lambda sparse: sparse.csr_array([[1.0, 2.0], [3.0, 4.0]]),
    "csc_matrix": lambda sparse: sparse.csc_matrix([[1.0, 2.0], [3.0, 4.0]]),
    "coo_array": lambda sparse: sparse.coo_array([[1.0, 2.0], [3.0, 4.0]]),
    "LinearOperator": lambda sparse: sparse.linalg.aslinearoperator(np.eye(2)),
}


@pytest.mark.parametrize("use", ["x @ c", "c @ x", "x * c", "c * x", "dot"])
@pytest.mark.parametrize("name", SCIPY)
def test_sparse_matrices_of_scipy(name, use):
    pytest.importorskip("scipy.sparse.linalg")
    c = SCIPY[name](pytest.importorskip("scipy.sparse"))
    f = OPERATORS.get(use, lambda x, c: c.dot(x))
    with pytest.raises(gdx.TracingError, match=r"does not take a .*gdx\.custom_vjp.*A\.T"):
        gdx.grad(lambda x: total(f(x, c)))(X)


def test_a_sparse_matrix_by_the_rule_that_the_error_names():
    A = pytest.importorskip("scipy.sparse").csr_array([[1.0, 2.0], [3.0, 4.0]])

    @gdx.custom_vjp
    def times(x):
        return x @ A

    times.defvjp(lambda x: (x @ A, None), lambda _, g: (g @ A.T,))
    np.testing.assert_allclose(gdx.grad(lambda x: total(times(x) ** 2))(X), [54.0, 122.0])


@pytest.mark.parametrize("use", ["x * c", "c * x", "x + c", "x @ c", "np.concatenate", "xp.where"])
def test_arrays_of_objects_are_refused(use):
    c = np.asarray([3, Fraction(4)], dtype=object)
    f = (OPERATORS | FUNCTIONS)[use]
    with pytest.raises(gdx.TracingError, match=r"numpy\.asarray\(c, dtype=float\)"):
        gdx.grad(lambda x: total(f(x, c)))(X)
    with pytest.raises(gdx.TracingError, match=r"numpy\.asarray\(c, dtype=float\)"):
        gdx.jvp(lambda x: f(x, c), (X,), (X,))


class Labelled(np.ndarray):
    """A subclass that means what arrays mean."""

    label = "of something"


def memory_map(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", dtype=np.float64, mode="w+", shape=(2,))
    mapped[:] = PAIR
    return mapped


TAKEN = {
    "memmap": memory_map,
    "subclass": lambda _: PAIR.view(Labelled),
    "recarray": lambda _: PAIR.view(np.recarray),
}


@pytest.mark.parametrize("name", TAKEN)
def test_arrays_that_compute_as_arrays_are_taken(name, tmp_path):
    c = TAKEN[name](tmp_path)
    np.testing.assert_allclose(gdx.grad(lambda x: np.sum(c * x**2))(X), 2 * PAIR * X)
    np.testing.assert_allclose(gdx.grad(lambda x: np.sum((x - c) ** 2))(X), 2 * (X - PAIR))
    np.testing.assert_allclose(gdx.grad(lambda x: np.sum(x**2))(c), 2 * PAIR)
    np.testing.assert_allclose(gdx.hessian(lambda x: np.sum(x**3))(c), np.diag(6 * PAIR))
    np.testing.assert_allclose(gdx.numerical_gradient(lambda x: np.sum(x**2), c), 2 * PAIR)
    for descend in (gdx.minimize, lambda f, x: gdx.gradient_descent(f, x, lr=0.1)):
        np.testing.assert_allclose(descend(lambda x: np.sum((x - 1) ** 2), c).x, 1, atol=1e-6)
    assert c.tolist() == PAIR.tolist()


ROUTINES = {
    "grad": lambda f, x: gdx.grad(f)(x),
    "grad of a tree": lambda f, x: gdx.grad(lambda p: f(p["x"]))({"x": x}),
    "value_and_grad": lambda f, x: gdx.value_and_grad(f)(x),
    "vjp": gdx.vjp,
    "jvp": lambda f, x: gdx.jvp(f, (x,), (x,)),
    "jacobian": lambda f, x: gdx.jacobian(f)(x),
    "hessian": lambda f, x: gdx.hessian(f)(x),
    "hvp": lambda f, x: gdx.hvp(f, x, x),
    "numerical_gradient": gdx.numerical_gradient,
    "numerical_jacobian": gdx.numerical_jacobian,
    "numerical_hessian": gdx.numerical_hessian,
    "minimize": gdx.minimize,
    "gradient_descent": gdx.gradient_descent,
}


@pytest.mark.parametrize("routine", ROUTINES)
@pytest.mark.parametrize("name", REFUSED)
def test_other_operators_are_refused_as_arguments(name, routine):
    x, advice = REFUSED[name]
    before = str(x)
    with pytest.raises(TypeError, match=f"does not take a {type(x).__name__}.*{advice}"):
        ROUTINES[routine](lambda x: (x * x).sum(), x)
    assert str(x) == before


def test_a_descent_beside_a_mask_is_numerical_and_right():
    d = np.ma.masked_array([1.0, 2.0, 0.75], mask=[False, False, True])

    def f(p):
        return ((p[0] * np.ones(3) - d) ** 2).mean()

    result = gdx.minimize(f, [0.0])
    np.testing.assert_allclose(result.x, 1.5, rtol=1e-6)
    assert result.gradient == "numerical"
    result = gdx.gradient_descent(f, [0.0], lr=0.2, step_num=200)
    np.testing.assert_allclose(result.x, 1.5, rtol=1e-6)
    np.testing.assert_allclose(gdx.numerical_gradient(f, [0.0]), -3.0, rtol=1e-6)
    with pytest.raises(gdx.TracingError, match=r"d\.mask"):
        gdx.minimize(f, [0.0], grad="exact")

    def as_the_error_says(p):
        return np.sum(np.where(d.mask, 0.0, p[0] * np.ones(3) - d.data) ** 2) / np.sum(~d.mask)

    result = gdx.minimize(as_the_error_says, [0.0])
    np.testing.assert_allclose(result.x, 1.5, rtol=1e-6)
    assert result.gradient == "exact"


@pytest.mark.parametrize("use", ["x * c", "x + c", "xp.multiply", "xp.concat"])
def test_arrays_of_another_library_are_refused_beside_numpys(use):
    c = pytest.importorskip("array_api_strict").asarray(PAIR)
    with pytest.raises(gdx.TracingError, match="two libraries are mixed: numpy.*array_api_strict"):
        gdx.grad(lambda x: total((OPERATORS | FUNCTIONS)[use](x, c)))(X)
