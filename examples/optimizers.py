"""Four rules on one narrow valley, x² / 20 + y², and L-BFGS, which learns its shape.

Run it: python examples/optimizers.py --backend numpy --save pictures
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from options import options, save

import gdx
import gdx.plot
from gdx.optimize import adagrad, adam, lbfgs, momentum, sgd


def f(x):
    return x[0] ** 2 / 20 + x[1] ** 2


def main() -> None:
    chosen = options(__doc__)
    start = [-7.0, 2.0]
    _, ((*first, losses), second) = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    methods = (sgd(0.95), momentum(0.1), adagrad(1.5), adam(0.3), lbfgs())
    for method, ax in zip(methods, (*first, *second), strict=True):
        result = gdx.minimize(
            f, start, method=method, max_steps=30, check_every=1, history=True, tol=1e-3
        )
        gdx.plot.descent_path(f, result, ax=ax).set_title(str(method))
        gdx.plot.loss_curve(result, label=str(method), ax=losses).set_title("f on the way")
        print(f"{method}: f = {result.fun:.3g} after {result.nfev} evaluations. {result.message}")
        assert result.fun < 0.1 * (7**2 / 20 + 2**2)
    assert result.success
    losses.legend(loc="lower right", fontsize="small")
    save(losses, chosen, "optimizers.png")


if __name__ == "__main__":
    main()
