"""Who is told that x did not move, or that f did not notice."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

ALL = [
    gdx.numerical_gradient,
    gdx.numerical_jacobian,
    gdx.numerical_hessian,
    gdx.numerical_hessian_diagonal,
]


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("return_error", [False, True])
def test_f_that_does_not_react(derive, return_error):
    with pytest.warns(RuntimeWarning, match="f did not react to x") as seen:
        derive(lambda x: 3.0, np.ones(2), return_error=return_error)
    assert [warning.filename for warning in seen] == [__file__]
    assert "copies" not in str(seen[0].message)


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize(
    ("x", "options"),
    [
        ([1.0, 2.0], {}),
        (np.asarray([1, 2]), {}),
        (np.ones(2), {"vectorized": True}),
        (np.ones(2), {"workers": map}),
    ],
)
def test_f_that_is_evaluated_at_copies(derive, x, options):
    """There, a function that reads the array elsewhere sees nothing."""

    def f(x):
        return np.ones(len(x)) if options.get("vectorized") else 1.0

    with pytest.warns(RuntimeWarning, match=r"did not react.*evaluated at copies of x"):
        derive(f, x, **options)


def test_complex_numbers_and_trees_of_a_hessian_are_copies():
    z = np.asarray([1j, 2.0])
    with pytest.warns(RuntimeWarning, match="evaluated at copies"):
        gdx.numerical_gradient(lambda ignored: np.sum(abs(z)), z)
    x = {"W": np.ones(2)}
    with pytest.warns(RuntimeWarning, match="evaluated at copies"):
        gdx.numerical_hessian(lambda ignored: np.sum(x["W"] ** 2), x)


@pytest.mark.parametrize("derive", ALL)
@pytest.mark.parametrize("options", [{}, {"bounds": (0, 1e4)}, {"return_error": True}])
def test_h_that_vanished(derive, options):
    x = np.asarray([3000.0, 1.0], dtype=np.float32)
    with pytest.warns(RuntimeWarning) as seen, np.errstate(all="ignore"):
        derive(lambda x: np.sum(x**2), x, h=1e-4, **options)
    first, *rest = (str(warning.message) for warning in seen)
    assert first.startswith("h=0.0001 vanished in the rounding of x + h")
    assert all("not finite" in message for message in rest)


def test_h_that_vanished_along_a_direction():
    x = np.asarray([3000.0, 1.0], dtype=np.float32)
    f = lambda x: np.sum(x**2)  # noqa: E731
    with pytest.warns(RuntimeWarning, match=r"h=0.0001 vanished"):
        gdx.numerical_jvp(f, x, np.ones(2), h=1e-4)
    gdx.numerical_jvp(f, x, np.asarray([0.0, 1.0]), h=1e-4)


def test_bounds_that_leave_no_room_for_a_step():
    x = np.ones(1)
    with pytest.warns(RuntimeWarning) as seen, np.errstate(all="ignore"):
        gdx.numerical_gradient(lambda x: x[0] ** 2, x, bounds=(1, np.nextafter(1, 2)))
    assert str(seen[0].message).startswith("bounds leave so little room")


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_complex_function_has_no_complex_step(vectorized):
    """Its imaginary part is not that of the step."""
    for derive in (gdx.numerical_gradient, gdx.numerical_jacobian):
        with pytest.raises(TypeError, match=r"f returned complex numbers at a real x.*central"):
            derive(
                lambda x: 1j * np.sum(x, axis=-1),
                np.ones(3),
                method="complex",
                vectorized=vectorized,
            )


def test_a_zero_of_f_is_no_reason_to_doubt_the_complex_step():
    result = gdx.numerical_gradient(
        lambda x: 1e20 * np.sin(x[0]), np.zeros(1), method="complex", full_output=True
    )
    np.testing.assert_allclose(result.value, 1e20)
    assert result.nfev == 3


WEIGHTS = np.asarray([1.0, 2.0, -1.0])
POINT = np.asarray([0.3, 0.7, 1.1])
# Of a complex step they give 0, slopes of the wrong sign, or part of the slope.
NOT_ANALYTIC = {
    "vdot(x, x)": lambda x: np.vdot(x, x),
    "vdot(x, a)": lambda x: np.vdot(x, WEIGHTS),
    "conj": lambda x: np.sum(np.exp(x.conj())),
    "mH": lambda x: (x[None].conj().T[:, 0] @ WEIGHTS) + 0j,
    "squared modulus": lambda x: np.sum(x * x.conj()),
    "abs": lambda x: np.sum(abs(x)) + 0j,
    "real": lambda x: np.sum(x.real) + x[0],
}
ANALYTIC = {
    "vdot(a, x)": (lambda x: np.vdot(WEIGHTS, x), lambda x: WEIGHTS),
    "large": (lambda x: 1e12 + np.sum(np.sin(x)), np.cos),
    "fast": (lambda x: np.sum(np.sin(1e7 * x)), lambda x: 1e7 * np.cos(1e7 * x)),
    "pole": (lambda x: np.sum(1 / (x - 0.3 + 1e-9)), lambda x: -1 / (x - 0.3 + 1e-9) ** 2),
    "kink": (lambda x: np.sum(np.where(x.real > 0.3, x, -x)), lambda x: [-1.0, 1.0, 1.0]),
    "constant": (lambda x: 0 * x[0] + 5, np.zeros_like),
    "complex at a real x": (lambda x: np.sum((x + 0j) ** 2), lambda x: 2 * x),
    "complex64 inside": (lambda x: np.sum(x.astype(np.complex64) ** 2), lambda x: 2 * x),
}
DERIVE = {
    "gradient": lambda f, **how: gdx.numerical_gradient(f, POINT, method="complex", **how),
    "jacobian": lambda f, **how: gdx.numerical_jacobian(f, POINT, method="complex", **how),
    "jvp": lambda f, **how: gdx.numerical_jvp(f, POINT, WEIGHTS, method="complex", **how),
}
HOW = [
    {},
    {"bounds": (0, 2)},
    {"bounds": (POINT - 1e-9, 1.1)},
    {"return_error": True},
    {"h": 1e-30},
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("derive", DERIVE)
@pytest.mark.parametrize("f", NOT_ANALYTIC)
def test_a_complex_step_through_a_function_that_is_not_analytic(f, derive, how):
    with pytest.raises(TypeError, match=r"f is not analytic.*write x @ x and x\.mT"):
        DERIVE[derive](NOT_ANALYTIC[f], **how)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("derive", DERIVE)
@pytest.mark.parametrize("f", ANALYTIC)
def test_a_complex_step_through_analytic_functions(f, derive, how):
    f, slopes = ANALYTIC[f]
    result = DERIVE[derive](f, full_output=True, **how)
    exact = np.asarray(slopes(POINT))
    np.testing.assert_allclose(
        result.value, exact @ WEIGHTS if derive == "jvp" else exact, rtol=1e-6
    )


def test_a_complex_step_costs_one_evaluation_more():
    for n in (1, 3, 50):
        result = gdx.numerical_gradient(
            lambda x: np.sum(np.exp(x)), np.ones(n), method="complex", full_output=True
        )
        assert result.nfev == n + 1


def test_a_complex_step_through_a_function_that_is_not_analytic_in_a_small_part():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 5)), rng.normal(size=50)
    x = np.linspace(0.5, 2, 300)
    for f, at in (
        (lambda w: np.sum((a @ w - b) ** 2) + 0.01 * np.vdot(w, w), np.ones(5)),
        (lambda x: np.sum(x[1:] ** 2) + np.vdot(x[0], x[0]), x),
    ):
        with pytest.raises(TypeError, match="f is not analytic"):
            gdx.numerical_gradient(f, at, method="complex")


@pytest.mark.parametrize("size", [1e-280, 1e-290, 1e-295])
def test_a_complex_step_whose_imaginary_part_underflows(size):
    x = np.asarray([0.3, 1.1])
    found, error = gdx.numerical_gradient(
        lambda x: size * np.exp(x).sum(), x, method="complex", return_error=True
    )
    assert (abs(found - size * np.exp(x)) < error).all()


@pytest.mark.filterwarnings("ignore:f is not finite beside x, or a step vanished")
def test_a_complex_step_that_vanishes():
    with pytest.warns(RuntimeWarning, match="x_scale=1e-300 makes steps that vanish"):
        found = gdx.numerical_gradient(
            lambda x: np.exp(x).sum(), np.ones(2), method="complex", x_scale=1e-300
        )
    assert np.isnan(found).all()
