"""Render a report of run.py as the table of the README: python tests/benchmarks/table.py FILE."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path


def render(report: dict) -> str:
    """Return a report as a table in Markdown: ratios of times, and errors as they are."""
    lines = ["| measure | gdx | bar | peers |", "|---|---|---|---|"]
    lines += map(line, report["rows"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines += ["", f"{report['hardware']}; Python {report['python']}, {versions}; {report['date']}."]
    return "\n".join(lines)


def line(row: dict) -> str:
    """Return a row; the reference of its ratios is named where it is not the course's loop."""
    case, reference, values = row["case"], row.get("reference"), row["values"]
    if row["kind"] in ("time", "memory"):
        values = {name: time / values[reference] for name, time in values.items()}
    if reference not in ("course", None):
        case += f", to {reference}"
    shown = {name: FORMATS[row["kind"]](value) for name, value in values.items()}
    others = (f"{name} {value}" for name, value in shown.items() if name not in (reference, "gdx"))
    bar = "-" if row["bar"] is None else f"≤ {row['bar']}"
    return f"| {case} | {shown['gdx']} | {bar} | {', '.join(others) or '-'} |"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


FORMATS: dict[str, Callable[[float], str]] = {
    "time": ratio,
    "memory": ratio,
    "error": "{:.0e}".format,
    "count": "{:.0f}".format,
}

if __name__ == "__main__":
    print(render(json.loads(Path(sys.argv[1]).read_text())))
