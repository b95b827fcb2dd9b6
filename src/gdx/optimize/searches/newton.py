"""Newton's method without the Hessian: conjugate gradients from its products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdx.backends import Array
from gdx.optimize.searches.objective import Objective
from gdx.optimize.searches.searched import Ahead, Direction, Move, Point

Product = Callable[[Array, Array], Array]

# Conjugate gradients end after so many rounds for each element; exact ones would end after one.
_ROUNDS = 20
# A curvature pᵀHp below so many roundings of |p| |Hp| counts as none.
_FLAT = 3
# A direction in which f curves down is gone as far as if it curved up as much, at least by this
# share of |p| |Hp|.
_SHALLOW = 1e-3


class NewtonCG(Direction):
    r"""The direction that solves ∇²f d = -∇f roughly: to min(1/2, √(‖∇f‖ / most)) ‖∇f‖.

    Here `most` is the largest ‖∇f‖ so far.

    It ends where the curvature is not positive, with what it has got by then; where it is negative,
    that direction is added, as far as the quadratic of the opposite sign would go.

    References
    ----------
    R. S. Dembo and T. Steihaug (1983), Truncated-Newton algorithms for large-scale unconstrained
    optimization, Math. Programming 26, 190-212.
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., algorithm 7.1.
    Y. N. Dauphin et al. (2014), Identifying and attacking the saddle point problem in
    high-dimensional non-convex optimization, NeurIPS 27: the absolute curvature.
    """

    kept = ("largest",)

    def __init__(self, objective: Objective, product: Product) -> None:
        self.objective, self.product = objective, product
        self.largest = 0.0  # of gᵀg

    def first(self, point: Point, square: float) -> Ahead:
        """Return Newton's direction, and the step 1."""
        return self._newton(point)

    def again(self, point: Point, square: float) -> Ahead:
        """Return the direction against the gradient, and a step of length one."""
        return super().first(point, square)

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return Newton's direction, and the step 1."""
        return self._newton(move.new)

    def _newton(self, point: Point) -> Ahead:
        d = self._solved(point)
        _, (slope,), _ = self.objective.reads(0.0, [point.grad @ d])
        return Ahead(d, 1.0, slope, -slope / 2)

    @np.errstate(all="ignore")
    def _solved(self, point: Point) -> Array:
        """Return d of ∇²f d = -∇f, roughly."""
        reads, g = self.objective.reads, point.grad
        d, residual, p = 0 * g, g, -g
        _, (square,), _ = reads(0.0, [g @ g])
        rounding = self.objective.rounding
        self.largest = max(self.largest, square)
        least = square * max(min(0.25, math.sqrt(square / self.largest)), rounding)
        most = square / rounding  # a larger residual is made of rounding
        for _ in range(_ROUNDS * g.shape[0]):
            if not least < square < most:
                break
            hp = self.product(point.x, p)
            _, (curvature, cross, hp_square, p_square), _ = reads(
                0.0, [p @ hp, residual @ hp, hp @ hp, p @ p]
            )
            across = math.sqrt(hp_square * p_square)
            flat = _FLAT * rounding * across
            if curvature < -flat or (curvature <= flat and residual is g):
                least = max(-curvature, _SHALLOW * across)
                return d + square / least * p if least else d + p  # unless it has underflowed
            if not curvature > flat:
                return d
            along = square / curvature
            d = d + along * p
            residual = residual + along * hp
            new = max(0.0, square + along * (2 * cross + along * hp_square))
            p = new / square * p - residual
            square = new
        return d
