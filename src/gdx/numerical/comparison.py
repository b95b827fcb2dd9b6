"""A gradient beside finite differences: which elements fit, and which deserve a second look."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from gdx.numerical.slopes import MOST_DOUBT, Finding

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
    def doubt(self) -> np.ndarray:
        """Return how much is not known of each element."""
        return np.asarray(5 * self.errors + math.sqrt(self.eps) * abs(self.right))

    @functools.cached_property
    def allowed(self) -> np.ndarray:
        """Return by how much each element may be off: the gradient has been rounded, too."""
        return np.asarray(self.doubt + 10 * self.eps * self.largest)

    @functools.cached_property
    def off(self) -> np.ndarray:
        """Return by how much each element is off."""
        return np.asarray(abs(self.own - self.right))

    @functools.cached_property
    def size(self) -> np.ndarray:
        """Return the larger of what is given and what was found, in each element."""
        return np.asarray(np.maximum(abs(self.own), abs(self.right)))

    @functools.cached_property
    def sure(self) -> np.ndarray:
        """Tell which elements are right, and known so well that another one would be seen."""
        small = self.doubt <= MOST_DOUBT * self.size
        return np.asarray(self.known & (self.off <= self.doubt) & small)

    @property
    def doubtful(self) -> np.ndarray:
        """Return the places of elements that seem wrong."""
        return np.nonzero(self.known & ~(self.off <= self.allowed))[0]

    @property
    def unsettled(self) -> np.ndarray:
        """Return the places of elements that deserve a second look."""
        return np.nonzero(self.known & ~self.sure)[0]

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
        """Return the place of the element that fits worst: one that is wrong, or else unclear."""
        share = np.where(self.known, self.off / np.maximum(self.allowed, _TINY), -1.0)
        share = np.where(np.isnan(share), np.inf, share)
        for finding in (Finding.WRONG, Finding.UNCLEAR):
            found = self.where(finding)
            if found.any():
                return int(np.argmax(np.where(found, share, -1.0)))
        share[self.where(Finding.KINK, Finding.RIGHT, Finding.ZERO)] = -1.0
        return int(np.argmax(share))
