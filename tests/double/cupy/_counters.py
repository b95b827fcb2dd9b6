"""What a program asks of the device, counted by name."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = str(Path(__file__).parents[1])


@dataclass
class Counters:
    """Counts since the last `clear`.

    A function of CuPy that launches several kernels counts once, so `launches` is a lower bound.
    """

    launches: Counter[str] = field(default_factory=Counter)  # by kernel or function
    reads: Counter[str] = field(
        default_factory=Counter
    )  # to the host, by line: "folder/file.py:12"
    stacks: Counter[tuple[str, ...]] = field(
        default_factory=Counter
    )  # the lines that led to each read
    uploads: Counter[str] = field(default_factory=Counter)  # from the host, by line
    peers: Counter[str] = field(default_factory=Counter)  # arrays of another device, by kernel
    synchronizations: Counter[str] = field(default_factory=Counter)  # Device.synchronize, by line

    def clear(self) -> None:
        """Count from zero."""
        for counter in vars(self).values():
            counter.clear()

    def launch(self, name: str) -> None:
        """Count a kernel."""
        self.launches[name] += 1

    def read(self) -> None:
        """Count a copy to the host, for which the program waits."""
        lines = _lines()
        self.reads[lines[0]] += 1
        self.stacks[lines] += 1

    def upload(self) -> None:
        """Count a copy from the host."""
        self.uploads[_lines(1)[0]] += 1

    def synchronize(self) -> None:
        """Count a wait for the device."""
        self.synchronizations[_lines(1)[0]] += 1


COUNTERS = Counters()


def warn(message: str, category: type[Warning]) -> None:
    """Warn of the line outside the double that led here."""
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_code.co_filename.startswith(_ROOT):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _lines(depth: int = 8) -> tuple[str, ...]:
    """Return the lines outside the double that led here, the innermost first."""
    frame, found = sys._getframe(1), []
    while frame and len(found) < depth:
        code = frame.f_code
        if not code.co_filename.startswith(_ROOT):
            found.append("/".join(Path(code.co_filename).parts[-2:]) + f":{frame.f_lineno}")
        frame = frame.f_back
    return tuple(found) or ("<none>",)
