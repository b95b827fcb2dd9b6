"""Which two points a difference quotient compares, and how far from x they lie."""

from __future__ import annotations

from dataclasses import dataclass

from gdx.backends import Array, Namespace


@dataclass(frozen=True)
class Stencil:
    """The quotient (f(x + a·h) - f(x + b·h)) / (a·h - b·h), whose error falls like h^order."""

    a: int
    b: int
    order: int

    def relative_step(self, eps: float) -> float:
        """Return the step that balances truncation, h^order, against rounding, eps / h."""
        return float(eps ** (1 / (self.order + 1)))

    def steps(self, x: Array, h: float | None, eps: float, xp: Namespace) -> Array | float:
        """Return h: as given and absolute, or relative to each element of `x`."""
        return self.relative_step(eps) * xp.maximum(xp.abs(x), 1.0) if h is None else h


STENCILS = {
    "central": Stencil(1, -1, order=2),
    "forward": Stencil(1, 0, order=1),
    "backward": Stencil(-1, 0, order=1),
}
