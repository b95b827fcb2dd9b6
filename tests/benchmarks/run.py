"""Measure gdx against its peers: ratios of medians, versions in turn, one core, one thread.

    python tests/benchmarks/run.py [--quick] [--only TEXT] [--output FILE]

Then accuracies, and the same on a CUDA device where there is one. The table is printed, and
written as JSON where --output says; table.py renders it again.
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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accuracy
import device
import exact
import many
import minima
import updates
from cases import CORES, Case, Variants, cases, left_out
from table import render

PACKAGES = (
    *("gdx", "numpy", "array-api-compat", "scipy"),
    *("numdifftools", "autograd", "torch", "jax", "optax", "cupy"),
)
WHAT_IS_LEFT_OUT = (left_out, exact.left_out, minima.left_out, many.left_out, device.left_out)


def in_turn(variants: Variants, seconds: float, least: int) -> dict[str, float]:
    """Return the median time of each variant in µs, measured A B C A B C ... for `seconds`."""
    repeats, times = {}, {name: [] for name in variants}
    for name, call in variants.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(0.01 / (time.perf_counter() - start)))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[name]) < least:
        for name, call in variants.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: 1e6 * statistics.median(each) for name, each in times.items()}


def timed(case: Case, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of a case, with the share of the time in which it had its core."""
    variants = case.variants()
    start, used = time.perf_counter(), cpu_time()
    times = in_turn(variants, *((0.5, 3) if quick else (8, 7)))
    share = (cpu_time() - used) / (time.perf_counter() - start)
    for bar in case.bars:
        names = times if bar.beside is None else (bar.reference, "gdx", *bar.beside)
        yield {
            "case": case.name,
            "kind": "time",
            "reference": bar.reference,
            "bar": bar.most,
            "cpu_share": round(share, 3),
            "values": {name: times[name] for name in names},
        }


def cpu_time() -> float:
    """Return the seconds that this process and those it started have computed."""
    return sum(os.times()[:4])


def rows(only: str, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield all rows whose names contain `only`."""
    for case in (
        *(*cases(), *exact.cases(), *minima.cases(), *updates.cases(), *many.cases()),
        *device.cases(),
    ):
        if only in case.name.lower():
            yield from timed(case, quick)
    memory = exact.memory() if only in "memory" else None
    if memory is not None:
        yield memory
    for measure in (*minima.measures(), *accuracy.measures()):
        if only in measure.name.lower():
            yield measure.row()


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="half a second a case")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose names contain it")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the JSON goes")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(CORES)})  # the first serves interrupts
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python tests/benchmarks/run.py" + " --quick" * options.quick,
        "hardware": f"{machine()}, one core, one BLAS thread",
        "python": platform.python_version(),
        "versions": versions(),
        "rows": [],
        "left_out": [*dict.fromkeys(reason for source in WHAT_IS_LEFT_OUT for reason in source())],
    }
    for row in rows(options.only.lower(), options.quick):
        report["rows"].append(row)
        print(row["case"], flush=True)
    print("\n" + render(report))
    for row in report["rows"]:
        if row.get("cpu_share", 1) < 0.97:
            print(f"disturbed: {row['case']} had its core {row['cpu_share']:.0%} of the time")
    for line in report["left_out"]:
        print(f"left out: {line}")
    if options.output:
        options.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
