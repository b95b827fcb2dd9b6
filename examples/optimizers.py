"""Four rules on one narrow valley, x² / 20 + y², and L-BFGS, which learns its shape.

Run it: python examples/optimizers.py --backend numpy --save pictures
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from options import options, save

import gdx
import gdx.plot
from gdx.optimize import adagrad, adam, momentum, sgd


def f(x):
    return x[0] ** 2 / 20 + x[1] ** 2


def main() -> None:
    chosen = options(__doc__)
    start = [-7.0, 2.0]
    _, axes = plt.subplots(1, 5, figsize=(19, 4.4), layout="constrained")
    methods = (sgd(0.95), momentum(0.1), adagrad(1.5), adam(0.3), "l-bfgs")
    for method, ax in zip(methods, axes, strict=True):
        result = gdx.minimize(
            f, start, method=method, max_steps=30, check_every=1, history=True, tol=1e-3
        )
        gdx.plot.descent_path(f, result, ax=ax).set_title(f"{method}: f = {result.fun:.1g}")
        print(f"{method}: f = {result.fun:.3g} after {result.nfev} evaluations. {result.message}")
        assert result.fun < 0.1 * (7**2 / 20 + 2**2)
    assert result.success
    save(axes[0], chosen, "optimizers.png")


if __name__ == "__main__":
    main()
