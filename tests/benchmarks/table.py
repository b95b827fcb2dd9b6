"""Render a report of run.py as the table of the README: python tests/benchmarks/table.py FILE."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def render(report: dict) -> str:
    """Return the ratios of a report as a table in Markdown."""
    lines = ["| measure | gdx | bar | peers |", "|---|---|---|---|"]
    for row in report["rows"]:
        times = row["microseconds"]
        ratios = {name: f"{time / times['course']:.2f}" for name, time in times.items()}
        others = ", ".join(
            f"{name} {ratio}" for name, ratio in ratios.items() if name not in ("course", "gdx")
        )
        bar = "-" if row["bar"] is None else f"≤ {row['bar']}"
        lines.append(f"| {row['case']} | {ratios['gdx']} | {bar} | {others or '-'} |")
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines += ["", f"{report['hardware']}; Python {report['python']}, {versions}; {report['date']}."]
    return "\n".join(lines)


if __name__ == "__main__":
    print(render(json.loads(Path(sys.argv[1]).read_text())))
