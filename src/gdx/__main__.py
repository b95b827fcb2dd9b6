"""``python -m gdx``: what this machine has, and a demonstration."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gdx

W = [[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]]


def bowl(x: Any) -> Any:
    """f(x) = x0² + x1²."""
    return x[0] ** 2 + x[1] ** 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m gdx", description=__doc__)
    parser.add_argument(
        "--backend", metavar="NAME", help="numpy, cupy, torch, jax, dask or auto (default: numpy)"
    )
    parser.add_argument("--save", metavar="DIR", type=Path, help="save the pictures there")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", gdx.BackendFallbackWarning)
        try:
            backend = gdx.use(options.backend) if options.backend else gdx.backend()
        except ValueError as error:
            print(f"gdx: {error}", file=sys.stderr)
            return 2
    for warning in caught:
        print(f"gdx: {warning.message}", file=sys.stderr)
    print_backends()
    print(f"\nDemonstration on {backend}\n")
    demonstrate()
    if options.save:
        save_pictures(options.save)
    return 0


def print_backends() -> None:
    """Print a table of the array libraries of this machine."""
    print(f"gdx {gdx.__version__}\n")
    print(f"{'library':<9}{'version':<14}usable")
    for info in gdx.backends().values():
        usable = f"yes: {', '.join(info.devices)}" if info.usable else f"no: {info.reason}"
        print(f"{info.name:<9}{info.version or '-':<14}{usable}")


def demonstrate() -> None:
    """Print a gradient, a descent and a network: the figures of the course."""
    print("Gradient of f(x) = x0² + x1²")
    for point in ([3.0, 4.0], [0.0, 2.0], [3.0, 0.0]):
        print(f"  at {point}: {_shown(gdx.numerical_gradient(bowl, point), 6)}")

    print("\nGradient descent from [-3, 4] with lr = 0.1, 20 steps")
    result = gdx.gradient_descent(bowl, [-3.0, 4.0], lr=0.1, step_num=20)
    path = gdx.to_numpy(result.history)
    for step in (0, 1, 2, 5, 10, 19):
        print(f"  step {step:2}: {_shown(path[step])}")
    print(f"  end    : {_shown(result.x)}\n  {result.message}")

    print("\nSimpleNet, x = [0.6, 0.9], t = [0, 0, 1]")
    net = gdx.SimpleNet()
    net.W = W
    x, t = [0.6, 0.9], [0, 0, 1]
    print(f"  prediction: {_shown(net.predict(x))}")
    print(f"  loss      : {float(gdx.to_numpy(net.loss(x, t))):.8f}")
    rows = _shown(net.gradient(x, t)["W"]).splitlines()
    print(f"  dL/dW     : {rows[0]}")
    for row in rows[1:]:
        print(f"              {row}")


def save_pictures(folder: Path) -> None:
    """Save the pictures of the descent and of the gradient's field."""
    import matplotlib as mpl

    mpl.use("Agg")
    from gdx import plot

    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "learning_rates.png": plot.learning_rates(bowl, [-3.0, 4.0], [0.1, 1.02, 0.001])[0],
        "gradient_field.png": plot.gradient_field(bowl),
    }
    for name, ax in pictures.items():
        ax.figure.savefig(folder / name, dpi=100)
        print(f"saved {folder / name}")


def _shown(x: Any, digits: int = 8) -> str:
    return str(gdx.to_numpy(x).round(digits) + 0.0)  # + 0.0 turns -0.0 into 0.0


if __name__ == "__main__":
    sys.exit(main())
