"""Directions from gradients alone: steepest descent, Barzilai-Borwein, conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gdx.backends import Array
from gdx.optimize.searches.searched import Ahead, Direction, Move, Point

# Where f does not curve up, a step of Barzilai and Borwein is so many times as long as the last.
_WIDER = 10.0
# Of Hager and Zhang (2013).
_ETA = 0.4
# The first trial goes at most so many times as far as the minimum of a parabola with the last
# curvature: near a minimum, where the slope has all but vanished, nothing else limits it.
_BEYOND = 4.0


class Steepest(Direction):
    """Against the gradient; tries at first twice the last step."""

    def __init__(self, lr: float | None) -> None:
        self.lr = lr

    def first(self, point: Point, square: float) -> Ahead:
        """Return the direction, and the learning rate, by default a step of length one."""
        ahead = super().first(point, square)
        return ahead if self.lr is None else ahead._replace(step=self.lr)

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return gᵀg, sᵀs and sᵀy."""
        s = x - point.x
        return [free @ free, s @ s, s @ (g - point.grad)], []

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return the direction, and twice the last step."""
        square, secant = numbers[0], _secant(*numbers[1:])
        return Ahead(-move.new.free, 2 * move.step, -square, secant * square / 2)


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

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return the direction, and the step of the secant."""
        ahead, secant = super().after(move, numbers, vectors), _secant(*numbers[1:])
        return ahead._replace(step=secant if secant < math.inf else _WIDER * move.step)


def _secant(length: float, curvature: float) -> float:
    """Return sᵀs / sᵀy, the step to the minimum of a parabola; infinite, if it has none."""
    return length / curvature if curvature > 0 else math.inf


class ConjugateGradient(Direction):
    """The direction d ← -g + β d, with the β of Hager and Zhang, which always leads down.

    References
    ----------
    W. W. Hager and H. Zhang (2005), A new conjugate gradient method with guaranteed descent and an
    efficient line search, SIAM J. Optim. 16, 170-192, eq. 1.3-1.5: β.
    W. W. Hager and H. Zhang (2013), The limited memory conjugate gradient method, SIAM J. Optim.
    23, 2150-2168: its lower bound, which does not depend on the scale of f.
    """

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return the products of y, s and the gradients that β needs."""
        y, s = g - point.grad, x - point.x
        return [y @ y, y @ g, g @ g, s @ s], []

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return the conjugate direction, and a step that promises the last change of f again."""
        y_square, y_grad, square, moved = numbers
        rise = move.new_slope - move.slope  # dᵀy
        if rise <= 0 or square == 0:
            return Ahead(-move.new.grad, move.step, -square)
        length = moved / move.step**2  # dᵀd
        beta = (y_grad - 2 * y_square * move.new_slope / rise) / rise
        beta = max(beta, _ETA * move.slope / length)
        slope = beta * move.new_slope - square
        curvature = rise / (move.step * length)
        new_length = beta * (beta * length - 2 * move.new_slope) + square
        parabola = -slope / (curvature * new_length)
        step = min(move.step * move.slope / slope, _BEYOND * parabola)
        return Ahead(beta * move.d - move.new.grad, step, slope, -parabola * slope / 2)
