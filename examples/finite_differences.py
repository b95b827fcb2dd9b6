"""How large should h be? And: a Hessian, and a gradient check that finds a bug.

Run it: python examples/finite_differences.py --backend numpy --save pictures
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from options import options, save

import gdx

METHODS = {
    "forward": {"method": "forward"},
    "central": {"method": "central"},
    "order 4": {"method": "central", "order": 4},
    "complex step": {"method": "complex"},
}
COLOURS = ["#d95f02", "#1b6ca8", "#3a8f4d", "#7a3b8f"]
AT = 1.5


def f(x):
    """Squire and Trapp (1998) chose this one; its slope at 1.5 is 4.05342789389862."""
    xp = gdx.array_namespace(x)
    return xp.sum(xp.exp(x) / xp.sqrt(xp.sin(x) ** 3 + xp.cos(x) ** 3))


SLOPE = 4.05342789389862


def how_large_should_h_be(dtypes):
    """Draw the error against h: too large, and the curve bends; too small, and f rounds."""
    figure, panels = plt.subplots(1, len(dtypes), figsize=(11, 4.8), sharey=True, squeeze=False)
    for ax, dtype in zip(panels[0], dtypes, strict=True):
        x = gdx.asarray([AT], dtype=dtype)
        eps = np.finfo(dtype).eps
        steps = np.logspace(np.log10(4 * eps), -0.7, 120)
        for (name, how), colour in zip(METHODS.items(), COLOURS, strict=True):
            errors = [error(gdx.numerical_gradient(f, x, h=float(h), **how)) for h in steps]
            ax.loglog(steps, errors, color=colour, lw=1.4, label=name)
            default = gdx.numerical_gradient(f, x, full_output=True, **how)
            h, off = float(gdx.to_numpy(default.step)[0]), error(default.value)
            print(f"{dtype}, {name}: default h = {h:.1e}, error {off:.0e}")
            if name == "complex step":  # far to the left of the picture
                ax.plot(steps[0], off, "<", color=colour, ms=10, mec="white", zorder=3)
            else:
                ax.plot(h, off, "o", color=colour, ms=9, mec="white", zorder=3)
        ax.set_title(dtype)
        ax.set_xlabel("step h")
        ax.grid(color="0.92")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("relative error of the slope")
    panels[0, 0].set_ylim(bottom=1e-17)
    panels[0, -1].plot([], [], "o", color="0.5", mec="white", ms=9, label="the default step")
    panels[0, -1].plot([], [], "<", color="0.5", mec="white", ms=9, label="... far to the left")
    panels[0, -1].legend(frameon=False, loc="lower left", ncols=2)
    figure.tight_layout()
    return panels[0, 0]


def error(slope):
    return max(abs(float(gdx.to_numpy(slope)[0]) / SLOPE - 1), 5e-17)


def newtons_method():
    """Use the Hessian of a logistic loss: four steps go where a descent takes hundreds."""
    rng = np.random.default_rng(0)
    points = gdx.asarray(rng.standard_normal((40, 2)))
    signs = gdx.asarray(np.where(rng.random(40) < 0.7, 1.0, -1.0))
    xp = gdx.array_namespace(points)

    def loss(w):  # -log sigmoid(z) = log(1 + exp(-z)), and a penalty that makes it convex
        z = signs * xp.sum(points * w, axis=-1)
        return xp.mean(xp.log1p(xp.exp(-z))) + 0.05 * xp.sum(w * w)

    w = gdx.asarray([1.0, -1.0])
    hessian = gdx.to_numpy(gdx.numerical_hessian(loss, w))
    print(f"\nHessian of a logistic loss:\n{hessian.round(4)}")
    print(f"eigenvalues {np.linalg.eigvalsh(hessian).round(4)}: positive, so the loss is convex")
    sizes = []
    for _ in range(4):
        gradient = gdx.to_numpy(gdx.numerical_gradient(loss, w))
        hessian = gdx.to_numpy(gdx.numerical_hessian(loss, w))
        w = gdx.asarray(gdx.to_numpy(w) - np.linalg.solve(hessian, gradient))
        sizes.append(abs(gradient).max())
    print("the gradient in Newton's method:", ", ".join(f"{size:.0e}" for size in sizes))
    assert sizes[-1] < 1e-2 * sizes[0]


def a_planted_bug():
    """Let a gradient check find what is wrong with a hand-written gradient."""
    rng = np.random.default_rng(1)
    w, x = (gdx.asarray(rng.standard_normal(5)) for _ in range(2))
    xp = gdx.array_namespace(w)

    def loss(w):
        return (xp.sum(w * x) - 1) ** 2 + 0.1 * xp.sum(w * w)

    def right(w):
        return 2 * (xp.sum(w * x) - 1) * x + 0.2 * w

    def forgotten_penalty(w):
        return 2 * (xp.sum(w * x) - 1) * x

    print()
    for gradient in (right, forgotten_penalty):
        print(f"{gradient.__name__}: {gdx.check_gradient(loss, w, gradient)}")
    assert gdx.check_gradient(loss, w, right)
    assert gdx.check_gradient(loss, w, forgotten_penalty).cause == "missing term"


def main() -> None:
    chosen = options(__doc__)
    both = str(gdx.asarray([0.0]).dtype).endswith("float64")
    ax = how_large_should_h_be(["float64", "float32"] if both else ["float32"])
    newtons_method()
    a_planted_bug()
    save(ax, chosen, "step_size.png")


if __name__ == "__main__":
    main()
