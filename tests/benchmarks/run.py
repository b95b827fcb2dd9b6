"""Measure gdx against its peers: ratios of medians, versions in turn, one core, one thread.

    python tests/benchmarks/run.py [--quick] [--output FILE]

The table is printed, and written as JSON where --output says; table.py renders it again.
"""

from __future__ import annotations

import os

for _pool in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"

import argparse
import datetime
import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numdifftools
import numpy as np
import peers
from scipy.differentiate import jacobian
from scipy.optimize._numdiff import approx_derivative
from table import render

import gdx

Variants = dict[str, Callable[[], Any]]


def in_turn(variants: Variants, seconds: float) -> dict[str, float]:
    """Return the median time of each variant in µs, measured A B C A B C ... for `seconds`."""
    repeats, times = {}, {name: [] for name in variants}
    for name, call in variants.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(0.01 / (time.perf_counter() - start)))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[name]) < 11:
        for name, call in variants.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: 1e6 * statistics.median(each) for name, each in times.items()}


def measured(variants: Variants, seconds: float) -> dict[str, Any]:
    """Return the medians, and the share of the time in which this process had its core."""
    start, used = time.perf_counter(), cpu_time()
    microseconds = in_turn(variants, seconds)
    share = (cpu_time() - used) / (time.perf_counter() - start)
    return {"cpu_share": round(share, 3), "microseconds": microseconds}


def cpu_time() -> float:
    """Return the seconds that this process and those it started have computed."""
    return sum(os.times()[:4])


def squares(x: Any) -> Any:
    return np.sum(x**2)


def gradients(n: int) -> Variants:
    x = np.random.default_rng(0).standard_normal(n)

    def calls_of_f() -> None:
        for _ in range(2 * n):
            squares(x)

    variants: Variants = {
        "course": lambda: peers.numerical_gradient(squares, x),
        "gdx": lambda: gdx.numerical_gradient(squares, x),
        "calls of f alone": calls_of_f,
        "scipy 3-point": lambda: approx_derivative(squares, x, method="3-point"),
    }
    if n <= 100:
        variants["numdifftools"] = lambda: numdifftools.Gradient(squares)(x)
        variants["scipy.differentiate"] = lambda: jacobian(lambda x: np.sum(x**2, axis=0), x)
    return variants


def two_squares(x: Any) -> Any:
    return x[0] ** 2 + x[1] ** 2


def descents(f: Callable[[Any], Any]) -> Variants:
    start = np.asarray([-3.0, 4.0])
    return {
        "course": lambda: peers.gradient_descent(f, start.copy(), 0.1, 100),
        "gdx": lambda: gdx.gradient_descent(f, start, 0.1, 100),
    }


def networks() -> Variants:
    x, t = np.asarray([0.6, 0.9]), np.asarray([0, 0, 1])
    net, course = gdx.SimpleNet(rng=0), peers.SimpleNet(rng=0)
    return {
        "course": lambda: peers.numerical_gradient(lambda _: course.loss(x, t), course.W),
        "gdx": lambda: gdx.numerical_gradient(lambda _: net.loss(x, t), net.W),
    }


def softmaxes(shape: tuple[int, ...]) -> Variants:
    x = np.random.default_rng(0).standard_normal(shape)
    return {"course": lambda: peers.softmax(x), "gdx": lambda: gdx.softmax(x)}


def imports() -> Variants:
    def importing(module: str) -> Callable[[], Any]:
        command = [sys.executable, "-c", f"import {module}"]
        return lambda: subprocess.run(command, check=True)

    return {"course": importing("numpy"), "gdx": importing("gdx")}


def cases() -> Iterator[tuple[str, Variants, float | None]]:
    """Yield what is measured, its variants, and the bar for gdx against the first of them."""
    for n, bar in ((2, 1.5), (10, 1.15), (100, 1.0), (1000, 1.0)):
        yield f"numerical_gradient of Σx², n = {n}", gradients(n), bar
    yield "gradient_descent of x0² + x1², 100 steps", descents(two_squares), 1.3
    yield "gradient_descent of Σx², 100 steps, n = 2", descents(squares), 1.3
    yield "SimpleNet 2×3, gradient of the loss by closure", networks(), 1.1
    for shape in ((3,), (100, 10), (1000, 1000)):
        yield f"softmax of {shape}, against plain NumPy", softmaxes(shape), None
    yield "import gdx, against import numpy", imports(), 1.5


def machine() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="half a second a case")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the JSON goes")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the first serves interrupts
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python tests/benchmarks/run.py" + " --quick" * options.quick,
        "hardware": f"{machine()}, one core, one BLAS thread",
        "python": platform.python_version(),
        "versions": {"gdx": gdx.__version__}
        | {
            name: importlib.metadata.version(name)
            for name in ("numpy", "array-api-compat", "scipy", "numdifftools")
        },
        "rows": [
            {"case": name, "bar": bar, **measured(variants, 0.5 if options.quick else 8)}
            for name, variants, bar in cases()
        ],
    }
    print(render(report))
    for row in report["rows"]:
        if row["cpu_share"] < 0.97:
            print(f"disturbed: {row['case']} had its core {row['cpu_share']:.0%} of the time")
    if options.output:
        options.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
