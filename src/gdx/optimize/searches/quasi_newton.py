"""Quasi-Newton directions: BFGS, with limited memory and with the whole inverse Hessian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdx.backends import Array, chunked_like, device_of, library, made_beside, namespace_of
from gdx.optimize.searches.searched import Direction, Move, Point

# Below this share of yᵀy, sᵀy is taken for rounding, and the pair is left out.
_LEAST_CURVATURE = 1e-16


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

    def __init__(self, x: Array, memory: int) -> None:
        self.x = x
        self.xp = namespace_of(x)
        self.known = library(self.xp)
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

    def first(self, point: Point, norm: float) -> tuple[Array, float]:
        """Return the direction against the gradient, and a step of length one."""
        self._forget()
        return -point.free, 1 / norm

    def measured(
        self, point: Point, x: Array, g: Array, free: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return the products of all rows with the gradient, and with y."""
        s, y = x - point.x, g - point.grad
        if free is not g:  # of what a bound holds, nothing is learnt
            y = self.xp.where(s == 0, self.xp.zeros_like(y), y)
        self._write(self.spare, s)
        self._write(self.spare + self.pairs, y)
        return [], [self.rows @ free, self.rows @ y]

    def _write(self, place: int, row: Array) -> None:
        if self.known.writable(self.rows):
            self.rows[place, ...] = row
        else:
            self.rows = self.known.settled(self.known.updated(self.rows, (place, ...), row))

    def after(
        self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]
    ) -> tuple[Array, float]:
        """Return the quasi-Newton direction, and the step 1."""
        with np.errstate(all="ignore"):  # on the way to infinity; the search will find no descent
            weights = self._learnt(*vectors)
        along = made_beside(self.x, weights, self.xp, self.x.dtype)
        d = along @ self.rows - self.gamma * move.new.free
        return d, 1.0 if self.diagonal.any() else move.step

    def _learnt(self, with_g: Any, with_y: Any) -> Any:
        """Keep the pair, and return the weights of all rows in the direction."""
        n, k = self.pairs, self.spare
        curvature, square = float(with_y[k]), float(with_y[n + k])
        if curvature > _LEAST_CURVATURE * square:
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

    H ← (I - ρ s yᵀ) σH (I - ρ y sᵀ) + ρ s sᵀ with ρ = 1 / sᵀy, s = Δx, y = Δ∇f, and
    σ = max(1, sᵀy / yᵀHy); at the first step H is γ I, γ = sᵀy / yᵀy. It stays on the device.

    References
    ----------
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., eq. 6.17 and 6.20.
    S. S. Oren and D. G. Luenberger (1974), Self-scaling variable metric algorithms, Management
    Science 20, 845-862: σ, which here only enlarges.
    """

    kept = ("inverse",)

    def __init__(self) -> None:
        self.inverse: Array | None = None

    def first(self, point: Point, norm: float) -> tuple[Array, float]:
        """Return the direction against the gradient, and a step of length one."""
        self.inverse = None
        return -point.free, 1 / norm

    def after(
        self, move: Move, numbers: Sequence[float], vectors: Sequence[Any]
    ) -> tuple[Array, float]:
        """Return the quasi-Newton direction, and the step 1."""
        new, old = move.new, move.old
        xp = namespace_of(new.x)
        if move.new_slope > move.slope:  # sᵀy > 0
            s, y = new.x - old.x, new.grad - old.grad
            curvature = s @ y
            if self.inverse is None:
                eye = xp.eye(s.shape[0], dtype=s.dtype, device=device_of(s))
                self.inverse = chunked_like(eye, s, xp) * (curvature / (y @ y))
            hy = self.inverse @ y
            scale = xp.maximum(curvature / (y @ hy), xp.ones_like(curvature))
            hy = scale * hy
            u = s * ((1 + (y @ hy) / curvature) / (2 * curvature)) - hy / curvature
            both = xp.stack([u, s])
            self.inverse = library(xp).settled(
                scale * self.inverse + xp.matrix_transpose(both) @ xp.stack([s, u])
            )
        if self.inverse is None:
            return -new.grad, move.step
        return -(self.inverse @ new.grad), 1.0
