"""Quasi-Newton directions: BFGS, with limited memory and with the whole inverse Hessian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdx.backends import Array, chunked_like, device_of, made_beside
from gdx.optimize.searches.objective import Objective
from gdx.optimize.searches.searched import Ahead, Direction, Move, Point

# The inverse Hessian of BFGS begins at so many times ‖s‖ / ‖y‖.
_LARGE = 8.0


class LBFGS(Direction):
    r"""The quasi-Newton direction from the last m pairs of s = Δx and y = Δ∇f.

    The inverse Hessian is γ I + [S γY] [[R^-T (D + γ YᵀY) R^-1, -R^-T], [-R^-1, 0]] [S γY]ᵀ,
    where R is the upper triangle of SᵀY, D its diagonal, and γ = sᵀy / yᵀy of the last pair. The
    vectors s and y are rows on the device, one pair more than is used: each trial point writes its
    own into the spare one. Two products with these rows, by the gradient and by y, then tell all
    that is needed of the trial, and the small matrices stay on the host: YᵀY, and R^-1, which
    gets a column with a new pair, and loses a row and a column with an old one.

    References
    ----------
    R. H. Byrd, J. Nocedal and R. B. Schnabel (1994), Representations of quasi-Newton matrices and
    their use in limited memory methods, Math. Programming 63, 129-156, eq. 3.1.
    """

    kept = ("rows", "spare", "gamma", "inverse", "products", "diagonal")

    def __init__(self, objective: Objective, memory: int) -> None:
        self.x, self.rounding = objective.x, objective.rounding
        self.xp, self.known = objective.xp, objective.known
        self.pairs = memory + 1
        self._forget()

    def _forget(self) -> None:
        x, n = self.x, self.pairs
        zeros = self.xp.zeros((2 * n, x.shape[0]), dtype=x.dtype, device=device_of(x))
        self.rows = chunked_like(zeros, x, self.xp)
        self.spare, self.gamma = 0, 1.0
        self.inverse = np.zeros((n, n))
        self.products = np.zeros((n, n))
        self.diagonal = np.zeros(n)

    def first(self, point: Point, square: float) -> Ahead:
        """Forget all pairs, and return the way against the gradient."""
        self._forget()
        return super().first(point, square)

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return gᵀg, and the products of all rows with the gradient, and with y."""
        s, y = x - point.x, g - point.grad
        if free is not g:  # of what a bound holds, nothing is learnt
            y = self.xp.where(s == 0, self.xp.zeros_like(y), y)
        self._write(self.spare, s)
        self._write(self.spare + self.pairs, y)
        return [free @ free], [self.rows @ free, self.rows @ y]

    def _write(self, place: int, row: Array) -> None:
        if self.known.writable(self.rows):
            self.rows[place, ...] = row
        else:
            self.rows = self.known.settled(self.known.updated(self.rows, (place, ...), row))

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return the quasi-Newton direction, and the step 1."""
        with_g, with_y = vectors
        with np.errstate(all="ignore"):  # on the way to infinity; the search will find no descent
            weights = self._learnt(-move.due, with_g, with_y)
            slope = float(weights @ with_g) - self.gamma * numbers[0]
        along = made_beside(self.x, weights, self.xp, self.x.dtype)
        d = along @ self.rows - self.gamma * move.new.free
        if not self.diagonal.any():
            return Ahead(d, move.step, slope)
        return Ahead(d, 1.0, slope, -slope / 2)

    def _learnt(self, due: float, with_g: Any, with_y: Any) -> Any:
        """Keep the pair, and return the weights of all rows in the direction."""
        n, k = self.pairs, self.spare
        curvature, square = float(with_y[k]), float(with_y[n + k])
        if curvature > self.rounding * due:  # else it is lost in rounding, or negative
            self.gamma = curvature / square
            self.inverse[:, k] = self.inverse @ with_y[:n] / -curvature
            self.inverse[k, k] = 1 / curvature
            self.products[k] = self.products[:, k] = with_y[n:]
            self.diagonal[k] = curvature
            self.spare = k = (k + 1) % n
            self.inverse[k] = self.inverse[:, k] = 0.0
        p = self.inverse @ with_g[:n]
        c = (self.diagonal * p + self.gamma * (self.products @ p - with_g[n:])) @ self.inverse
        return np.concatenate([-c, self.gamma * p])


class BFGS(Direction):
    r"""The quasi-Newton direction -H ∇f, where each step adds to H what it has learnt.

    H ← (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ with ρ = 1 / sᵀy, s = Δx, y = Δ∇f, from γ I. With
    each step γ becomes that of its pair, as if H had begun there: H = γ A + B, where A, from I, and
    B, from 0, are updated each. After n updates nothing is left of γ I, and H is one matrix.

    γ = 8 ‖s‖ / ‖y‖ is more than the curvature along s lets expect: too large an inverse Hessian is
    mended by a few updates, too small a one by many.

    References
    ----------
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., eq. 6.17.
    """

    kept = ("parts", "gamma", "updates")

    def __init__(self, objective: Objective) -> None:
        self.objective, self.xp = objective, objective.xp
        self._forget()

    def _forget(self) -> None:
        x = self.objective.x
        eye = self.xp.eye(x.shape[0], dtype=x.dtype, device=device_of(x))
        self.parts: Sequence[Array] = [chunked_like(each, x, self.xp) for each in (eye, 0 * eye)]
        self.gamma, self.updates = 1.0, 0

    def first(self, point: Point, square: float) -> Ahead:
        """Forget all updates, and return the way against the gradient."""
        if self.updates:
            self._forget()
        return super().first(point, square)

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return the products of s, y and g, and those of y and g across the parts of H."""
        xp = self.xp
        rows = xp.stack([x - point.x, g - point.grad, g])
        pair = rows[1:, :]
        self.applied = [part @ xp.matrix_transpose(pair) for part in self.parts]
        products = [rows @ xp.matrix_transpose(rows), *(pair @ each for each in self.applied)]
        return [], [xp.reshape(each, (-1,)) for each in products]

    def after(self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]) -> Ahead:
        """Return the quasi-Newton direction, and the step 1."""
        (ss, sy, sg, _, yy, *_, gg), *across = (vector.tolist() for vector in vectors)
        ways = [each[:, 1] for each in self.applied]  # the parts of H, times g
        squares = [each[3] for each in across]
        if sy > -self.objective.rounding * move.due and yy > 0:
            s, last = move.new.x - move.old.x, len(self.parts) - 1
            parts = []
            for i, (of_pair, (yhy, yhg, *_)) in enumerate(zip(self.applied, across, strict=True)):
                share = ((i == last) + yhy / sy) / (2 * sy)  # ρ s sᵀ belongs to the last part
                u, ug = share * s - of_pair[:, 0] / sy, share * sg - yhg / sy
                parts.append(self._added(self.parts[i], u, s))
                ways[i] = ways[i] + sg * u + ug * s
                squares[i] += 2 * sg * ug
            self.parts = parts
            self.gamma, self.updates = _LARGE * math.sqrt(ss / yy), self.updates + 1
        if not self.updates:
            return Ahead(-move.new.grad, move.step, -gg)
        if len(ways) == 2:
            ways[1], squares[1] = self._joined(*ways), self._joined(*squares)
            if self.updates == move.new.x.shape[0]:
                self.parts = [self._joined(*self.parts)]
        return Ahead(-ways[-1], 1.0, -squares[-1], squares[-1] / 2)

    def _added(self, part: Array, u: Array, s: Array) -> Array:
        """Return a part with u sᵀ + s uᵀ added."""
        xp = self.xp
        both = xp.matrix_transpose(xp.stack([u, s]))
        return self.objective.known.settled(part + both @ xp.stack([s, u]))

    def _joined(self, a: Any, b: Any) -> Any:
        return self.gamma * a + b
