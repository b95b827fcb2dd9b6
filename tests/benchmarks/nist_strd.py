"""The nonlinear regressions of NIST: models here, data, starts and certified minima in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

exp, pi = np.exp, np.pi


class Regression(NamedTuple):
    """A model that is fitted to y, two starts, the certified sum of squares and where it is."""

    name: str
    residuals: Callable[[Any], Any]
    starts: tuple[Any, Any]
    minimum: float
    at: Any


def misra_1(b: Any, x: Any) -> Any:
    return b[0] * (1 - exp(-b[1] * x))


def chwirut(b: Any, x: Any) -> Any:
    return exp(-b[0] * x) / (b[1] + b[2] * x)


def lanczos(b: Any, x: Any) -> Any:
    return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x)


def gauss(b: Any, x: Any) -> Any:
    return b[0] * exp(-b[1] * x) + peak(b[2:5], x) + peak(b[5:], x)


def peak(b: Any, x: Any) -> Any:
    return b[0] * exp(-(((x - b[1]) / b[2]) ** 2))


def cubic(b: Any, x: Any) -> Any:
    return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1 + x * (b[4] + x * (b[5] + x * b[6])))


def wave(b: Any, period: Any, x: Any) -> Any:
    return b[0] * np.cos(2 * pi * x / period) + b[1] * np.sin(2 * pi * x / period)


# The higher the difficulty that NIST assigns, the lower.
MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "Misra1a": misra_1,
    "Chwirut2": chwirut,
    "Chwirut1": chwirut,
    "Lanczos3": lanczos,
    "Gauss1": gauss,
    "Gauss2": gauss,
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Hahn1": cubic,
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * exp(-b[2] * x[1]),
    "MGH17": lambda b, x: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Gauss3": gauss,
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / pi,
    "ENSO": lambda b, x: b[0] + wave(b[1:3], 12, x) + wave(b[4:6], b[3], x) + wave(b[7:], b[6], x),
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "Thurber": cubic,
    "BoxBOD": misra_1,
    "Rat42": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)),
    "MGH10": lambda b, x: b[0] * exp(b[1] / (x + b[2])),
    "Eckerle4": lambda b, x: b[0] / b[1] * exp(-(((x - b[2]) / b[1]) ** 2) / 2),
    "Rat43": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
}


def regressions() -> Iterator[Regression]:
    published = json.loads(Path(__file__).with_suffix(".json").read_text())
    for name, model in MODELS.items():
        given = {key: np.asarray(value, dtype=float) for key, value in published[name].items()}
        x, y = given["x"], np.log(given["y"]) if name == "Nelson" else given["y"]

        def residuals(b: Any, model: Any = model, x: Any = x, y: Any = y) -> Any:
            return model(b, x) - y

        yield Regression(
            name, residuals, tuple(given["starts"]), float(given["minimum"]), given["at"]
        )
