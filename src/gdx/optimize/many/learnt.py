"""What quasi-Newton steps teach of the inverse Hessians of many problems at once.

All vectors are columns, (n, k), and numbers have the shape (k,): sums over n are then sums of whole
rows.
"""

from __future__ import annotations

from typing import Protocol

from gdx.backends import Array, device_of, namespace_of

Memory = tuple[Array, ...]


class Learnt(Protocol):
    """What is learnt of the inverse Hessians; the memory itself is apart from it."""

    def nothing(self, x: Array) -> Memory:
        """Return the memory at the start."""

    def known(self, memory: Memory) -> Array:
        """Tell of which problems anything is known."""

    def more(
        self, memory: Memory, s: Array, y: Array, curvature: Array, square: Array, new: Array
    ) -> Memory:
        """Return the memory after s = Δx has changed the gradient by y, where that is `new`.

        `curvature` is sᵀy, and `square` is yᵀy; both are positive.
        """

    def times(self, memory: Memory, g: Array) -> Array:
        """Return the inverse Hessians times a gradient."""

    def without(self, memory: Memory, lost: Array) -> Memory:
        """Return the memory without that of some problems."""


class Inverse:
    """The whole inverse Hessians, (n, n, k), by the updates of BFGS.

    Before an update they are enlarged by sᵀy / yᵀHy, where that is more than 1: after a start that
    is too small, or far from the minimum, it takes fewer steps.

    References
    ----------
    S. S. Oren and D. G. Luenberger (1974), Self-scaling variable metric (SSVM) algorithms, part I,
    Management Science 20, 845-862: the factor.
    M. Al-Baali (1998), Global and superlinear convergence of a restricted class of self-scaling
    methods with inexact line searches, for convex functions, Comput. Optim. Appl. 9, 191-203: its
    restriction to one side.
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., eq. 6.17 and 6.20.
    """

    def nothing(self, x: Array) -> Memory:
        """Return the memory at the start."""
        xp, (n, k), device = namespace_of(x), x.shape, device_of(x)
        zeros = xp.zeros((n, n, k), dtype=x.dtype, device=device)
        return zeros, xp.zeros((k,), dtype=xp.bool, device=device)

    def known(self, memory: Memory) -> Array:
        """Tell of which problems anything is known."""
        return memory[1]

    def more(
        self, memory: Memory, s: Array, y: Array, curvature: Array, square: Array, new: Array
    ) -> Memory:
        """Return the updated inverse Hessians; the first update is of γ I, γ = sᵀy / yᵀy."""
        xp, (inverse, known) = namespace_of(s), memory
        eye = xp.eye(s.shape[0], dtype=s.dtype, device=device_of(s))[:, :, None]
        start = xp.where(known, inverse, eye * (curvature / square))
        product = xp.sum(start * y, axis=1)
        square = xp.sum(y * product, axis=0)
        scale = xp.maximum(curvature / square, xp.ones_like(square))
        along = (1 + scale * square / curvature) / (2 * curvature)
        half = (s * along - product * (scale / curvature))[:, None, :] * s[None, :, :]
        changed = scale * start + (half + xp.permute_dims(half, (1, 0, 2)))
        return xp.where(new, changed, inverse), known | new

    def times(self, memory: Memory, g: Array) -> Array:
        """Return the inverse Hessians times a gradient."""
        return namespace_of(g).sum(memory[0] * g, axis=1)

    def without(self, memory: Memory, lost: Array) -> Memory:
        """Return the memory without that of some problems: it begins anew."""
        return memory[0], memory[1] & ~lost


class Pairs:
    """The last m pairs s = Δx and y = Δ∇f, (m, n, k), the latest of them last.

    References
    ----------
    J. Nocedal (1980), Updating quasi-Newton matrices with limited storage, Math. Comp. 35, 773-782.
    """

    def __init__(self, memory: int) -> None:
        self.pairs = memory

    def nothing(self, x: Array) -> Memory:
        """Return the memory at the start."""
        xp, (n, k), m = namespace_of(x), x.shape, self.pairs
        shapes = ((m, n, k), (m, n, k), (m, k), (k,))
        return tuple(xp.zeros(shape, dtype=x.dtype, device=device_of(x)) for shape in shapes)

    def known(self, memory: Memory) -> Array:
        """Tell of which problems anything is known."""
        return memory[3] > 0

    def more(
        self, memory: Memory, s: Array, y: Array, curvature: Array, square: Array, new: Array
    ) -> Memory:
        """Return the pairs with the new one, and γ = sᵀy / yᵀy of it."""
        xp, (*lists, gamma) = namespace_of(s), memory
        pushed = (
            xp.where(new, xp.concat([old[1:, ...], latest[None, ...]], axis=0), old)
            for old, latest in zip(lists, (s, y, 1 / curvature), strict=True)
        )
        return *pushed, xp.where(new, curvature / square, gamma)

    def times(self, memory: Memory, g: Array) -> Array:
        """Return the inverse Hessians times a gradient, by the two loops over the pairs."""
        xp, (s, y, rho, gamma) = namespace_of(g), memory
        shares: list[Array] = []
        for i in reversed(range(self.pairs)):
            shares.append(rho[i, ...] * xp.sum(s[i, ...] * g, axis=0))
            g = g - shares[-1] * y[i, ...]
        g = gamma * g
        for i in range(self.pairs):
            share = shares.pop() - rho[i, ...] * xp.sum(y[i, ...] * g, axis=0)
            g = g + share * s[i, ...]
        return g

    def without(self, memory: Memory, lost: Array) -> Memory:
        """Return the memory without that of some problems."""
        xp = namespace_of(lost)
        return tuple(xp.where(lost, xp.zeros_like(part), part) for part in memory)
