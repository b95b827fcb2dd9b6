"""Directions from gradients alone: steepest descent, Barzilai-Borwein, conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gdx.backends import Array
from gdx.optimize.searches.searched import Direction, Move, Point

# Of the step of Barzilai and Borwein.
_SHORTEST, _LONGEST = 1e-10, 1e10
# Hager and Zhang's bound of β, eq. 1.6.
_LEAST_ETA = 0.01


class Steepest(Direction):
    """Against the gradient; tries at first twice the last step."""

    def __init__(self, lr: float | None) -> None:
        self.lr = lr

    def first(self, point: Point, norm: float) -> tuple[Array, float]:
        """Return the direction, and the learning rate, by default a step of length one."""
        return -point.free, 1 / norm if self.lr is None else self.lr

    def after(
        self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]
    ) -> tuple[Array, float]:
        """Return the direction, and twice the last step."""
        return -move.new.free, 2 * move.step


class BarzilaiBorwein(Steepest):
    """Against the gradient, by the step sᵀs / sᵀy of the last move, a secant for the Hessian.

    References
    ----------
    J. Barzilai and J. M. Borwein (1988), Two-point step size gradient methods, IMA J. Numer. Anal.
    8, 141-148.
    M. Raydan (1997), The Barzilai and Borwein gradient method for the large scale unconstrained
    minimization problem, SIAM J. Optim. 7, 26-33.
    E. G. Birgin, J. M. Martínez and M. Raydan (2000), Nonmonotone spectral projected gradient
    methods on convex sets, SIAM J. Optim. 10, 1196-1211: with bounds.
    """

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return sᵀs and sᵀy."""
        s = x - point.x
        return [s @ s, s @ (g - point.grad)], []

    def after(
        self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]
    ) -> tuple[Array, float]:
        """Return the direction, and the step of the secant."""
        square, curvature = numbers
        step = square / curvature if curvature > square * _SHORTEST else _LONGEST
        return -move.new.free, max(step, _SHORTEST)


class ConjugateGradient(Direction):
    """The direction d ← -g + β d, with the β of Hager and Zhang, which always leads down.

    References
    ----------
    W. W. Hager and H. Zhang (2005), A new conjugate gradient method with guaranteed descent and an
    efficient line search, SIAM J. Optim. 16, 170-192, eq. 1.3-1.6.
    """

    def first(self, point: Point, norm: float) -> tuple[Array, float]:
        """Return the direction against the gradient, and a step of length one."""
        return -point.grad, 1 / norm

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return the products of y, s and the gradients that β needs."""
        y, s = g - point.grad, x - point.x
        return [y @ y, y @ g, g @ g, point.grad @ point.grad, s @ s], []

    def after(
        self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]
    ) -> tuple[Array, float]:
        """Return the conjugate direction, and a step that promises the last change of f again."""
        y_square, y_grad, square, old_square, length_square = numbers
        curvature = move.new_slope - move.slope  # dᵀy
        if curvature <= 0 or square == 0:
            return -move.new.grad, move.step
        beta = (y_grad - 2 * y_square * move.new_slope / curvature) / curvature
        length = math.sqrt(length_square) / move.step
        beta = max(beta, -1 / (length * min(_LEAST_ETA, math.sqrt(old_square))))
        slope = beta * move.new_slope - square
        return beta * move.d - move.new.grad, move.step * move.slope / slope
