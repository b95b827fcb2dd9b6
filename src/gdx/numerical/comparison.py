"""A gradient beside finite differences: which elements fit, and which deserve a second look."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from gdx.numerical.slopes import Finding

_TINY = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class Comparison:
    """Elements of a gradient, `own`, beside finite differences, `right`, and the errors of these.

    `findings` are those of a second look at some.
    """

    own: np.ndarray
    right: np.ndarray
    errors: np.ndarray
    eps: float
    findings: dict[int, Finding] = field(default_factory=dict)

    @functools.cached_property
    def known(self) -> np.ndarray:
        """Tell of which elements the finite difference is known."""
        return np.asarray(np.isfinite(self.right) & np.isfinite(self.errors))

    @functools.cached_property
    def largest(self) -> float:
        """Return the largest slope."""
        return float(abs(self.right[self.known]).max(initial=0.0))

    @functools.cached_property
    def allowed(self) -> np.ndarray:
        """Return by how much each element may be off."""
        relative = math.sqrt(self.eps) * abs(self.right)
        return np.asarray(5 * self.errors + relative + 10 * self.eps * self.largest)

    @functools.cached_property
    def off(self) -> np.ndarray:
        """Return by how much each element is off."""
        return np.asarray(abs(self.own - self.right))

    @property
    def doubtful(self) -> np.ndarray:
        """Return the places of elements that deserve a second look."""
        return np.nonzero(self.known & ~(self.off <= self.allowed))[0]

    def shared(self, mirrored: np.ndarray) -> Comparison | None:
        """Return the comparison with the means of elements and their mirror images.

        None where that is not better: nothing is in doubt, or something stays so.
        """
        moved = mirrored != np.arange(len(mirrored))
        if not moved[self.doubtful].any():
            return None
        right, errors = ((part + part[mirrored]) / 2 for part in (self.right, self.errors))
        means = Comparison(self.own, right, errors, self.eps)
        return None if moved[means.doubtful].any() else means

    def where(self, *findings: Finding) -> np.ndarray:
        """Tell of which elements a second look found this."""
        return np.asarray([self.findings.get(k) in findings for k in range(len(self.own))])

    @property
    def worst(self) -> int:
        """Return the place of the element that fits worst."""
        share = np.where(self.known, self.off / np.maximum(self.allowed, _TINY), -1.0)
        share[self.where(Finding.KINK, Finding.RIGHT)] = -1.0
        return int(np.argmax(np.where(np.isnan(share), np.inf, share)))
