"""Stencils are exact for polynomials of the degree they promise, and for no higher one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gdx.numerical.stencils import METHODS, stencil, weights_of

ALL = [
    (method, order, derivative)
    for method, kind in METHODS.items()
    if method != "complex"
    for order in kind.orders
    for derivative in (1, 2)
]


@pytest.mark.parametrize(
    ("offsets", "derivative", "weights"),
    [
        ([0, 1, -1], 1, [0, "1/2", "-1/2"]),
        ([0, 1, -1], 2, [-2, 1, 1]),
        ([-2, -1, 0, 1, 2], 1, ["1/12", "-2/3", 0, "2/3", "-1/12"]),
        ([-2, -1, 0, 1, 2], 2, ["-1/12", "4/3", "-5/2", "4/3", "-1/12"]),
        ([0, 1, 2, 3], 1, ["-11/6", 3, "-3/2", "1/3"]),
        ([0, 1, 2, 3], 2, [2, -5, 4, -1]),
        ([-4, -3, -2, -1, 0, 1, 2, 3, 4], 1,
         ["1/280", "-4/105", "1/5", "-4/5", 0, "4/5", "-1/5", "4/105", "-1/280"]),
    ],
)  # fmt: skip
def test_weights_of_the_paper(offsets, derivative, weights):
    """Tables 1 and 3 of Fornberg (1988)."""
    assert weights_of(offsets, derivative) == [Fraction(weight) for weight in weights]


@pytest.mark.parametrize(("method", "order", "derivative"), ALL)
def test_exact_up_to_its_order(method, order, derivative):
    of = stencil(method, order, derivative)
    offsets = [0, *of.offsets]
    weights = weights_of(offsets, derivative)
    degree = order + derivative - 1
    for power in range(degree + 1):
        total = sum(w * Fraction(a) ** power for w, a in zip(weights, offsets, strict=True))
        expected = {1: 1, 2: 2}[derivative] if power == derivative else 0
        assert total == expected
    total = sum(w * Fraction(a) ** (degree + 1) for w, a in zip(weights, offsets, strict=True))
    assert total != 0
    scale = of.span**derivative
    assert [of.weight_of_x / scale, *(w / scale for w in of.weights)] == pytest.approx(
        [float(w) for w in weights]
    )


@pytest.mark.parametrize(("method", "order", "derivative"), ALL)
def test_evaluations_of_each(method, order, derivative):
    of = stencil(method, order, derivative)
    assert len(of.offsets) == (order if method == "central" or derivative == 1 else order + 1)
    assert of.one_sided == (method != "central")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "upwind"}, "method must be one of central, forward, backward, complex"),
        ({"method": "central", "order": 3}, "order must be 2 or 4 or 6 or 8 for method='central'"),
        ({"method": "forward", "order": 9}, "order must be 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8"),
        ({"method": "complex", "order": 4}, "order must be 2 for method='complex'"),
        ({"method": "complex", "derivative": 2}, "first derivatives only.*method='central'"),
    ],
)
def test_what_there_is_not(options, message):
    with pytest.raises(ValueError, match=message):
        stencil(**options)
