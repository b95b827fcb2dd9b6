"""How much f is off by itself: through its rounding, or through what it computes in narrower types.

Values of a smooth function at equidistant points have differences that vanish with their order;
those of noise do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

_POINTS = 8
# Stairs of f are seen where the points lie on several of them; wider still, and waves seem noise.
_SPACINGS = (3 / 4, 1 / 2, 1 / 3)


def noise_of(f: Callable[[float], float], eps: float) -> float:
    """Return the standard deviation of the noise of f at 0, or 0 where none is seen.

    Spacings are powers of `eps`. The method is that of J. J. Moré and S. M. Wild (2011), Estimating
    computational noise, SIAM Journal on Scientific Computing 33, 1292-1314.
    """
    steps = np.arange(_POINTS) - _POINTS // 2
    for power in _SPACINGS:
        noise = _noise_in([f(float(step * eps**power)) for step in steps])
        if noise:
            return noise
    return 0.0


def _noise_in(values: Sequence[float]) -> float:
    """Return the noise in values at equidistant points, if all high differences agree on it."""
    largest = max(map(abs, values))
    if not 0 < largest < math.inf:
        return 0.0
    differences = np.asarray(values) / largest
    found = []
    for order in range(1, _POINTS - 1):
        differences = np.diff(differences)
        factor = math.factorial(order) ** 2 / math.factorial(2 * order)
        found.append(math.sqrt(factor * float(np.mean(differences**2))))
    last = found[-3:]
    return largest * float(np.median(last)) if 0 < max(last) <= 4 * min(last) else 0.0
