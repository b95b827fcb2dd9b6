"""Gradient descent from (-3, 4), and what the learning rate does to it.

Run it: python examples/gradient_descent.py --backend numpy --save pictures
"""

from __future__ import annotations

from options import options, save

import gdx
import gdx.plot
from gdx import Status


def f(x):
    return x[0] ** 2 + x[1] ** 2


def main() -> None:
    chosen = options(__doc__)
    start = [-3.0, 4.0]
    expected = {0.1: Status.CONVERGED, 1.02: Status.DIVERGED, 1e-10: Status.HARDLY_MOVED}
    for lr, status in expected.items():
        result = gdx.gradient_descent(f, start, lr=lr, step_num=100)
        print(f"lr = {lr:g}: {gdx.to_numpy(result.x)}\n  {result.message}")
        assert result.status == status
    axes = gdx.plot.learning_rates(f, start, list(expected))
    save(axes[0], chosen, "learning_rates.png")


if __name__ == "__main__":
    main()
