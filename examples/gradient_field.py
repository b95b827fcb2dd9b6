"""The gradient points uphill: of f(x) = x0² + x1² at three points, and everywhere as arrows.

Run it: python examples/gradient_field.py --backend numpy --save pictures
"""

from __future__ import annotations

import numpy as np
from options import options, save

import gdx
import gdx.plot


def f(x):
    return x[0] ** 2 + x[1] ** 2


def main() -> None:
    chosen = options(__doc__)
    for point, expected in (([3.0, 4.0], [6, 8]), ([0.0, 2.0], [0, 4]), ([3.0, 0.0], [6, 0])):
        gradient = gdx.to_numpy(gdx.numerical_gradient(f, point))
        print(f"gradient at {point}: {gradient.round(3)}")
        assert np.allclose(gradient, expected, atol=0.02)
    ax = gdx.plot.gradient_field(f)
    ax.set_title("The negative gradient leads to the lowest point")
    save(ax, chosen, "gradient_field.png")


if __name__ == "__main__":
    main()
