"""What the examples have in common: --backend, --save, and a picture that is saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import style

import gdx

mpl.use("Agg")
style.use("tableau-colorblind10")  # which the colour-blind can tell apart


def options(description: str) -> argparse.Namespace:
    """Read the command line and choose the backend."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--backend", default="numpy", help="numpy, cupy, torch, jax, dask, auto")
    parser.add_argument("--save", metavar="DIR", type=Path, help="save the pictures there")
    chosen = parser.parse_args()
    print(f"on {gdx.use(chosen.backend)}")
    return chosen


def save(ax: Any, chosen: argparse.Namespace, name: str) -> None:
    """Save the figure of `ax`, if a folder was named."""
    if chosen.save:
        chosen.save.mkdir(parents=True, exist_ok=True)
        ax.figure.savefig(chosen.save / name, dpi=90)
        print(f"saved {chosen.save / name}")
