"""Write what the double knows of CuPy's public names, from the real wheel: ``cupy/names.txt``.

Needs an installed CuPy, but no GPU: ``python -P tests/double/write_names.py``. Without ``-P`` the
double itself would be imported, which stands beside this file.

Each module has a line ``[name]``, then one line for each of its names:

    add ufunc cupy_add ??->? bb->b …      a ufunc: its own name and its loops
    sum def a axis= dtype= out=           a function: its parameters; = where a default is
    float32 numpy                         an object of that module of NumPy
    pi value 3.141592653589793            a number
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parent / "cupy" / "names.txt"
MODULES = ("cupy", "cupy.linalg", "cupy.fft")
# bfloat16 and records, which gdx has not.
NOT_TAKEN = {"E", "V"}
MARKS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def lines() -> Iterator[str]:
    """Describe the CuPy that is installed."""
    cupy = importlib.import_module("cupy")
    for module in MODULES:
        yield f"[{module}]"
        for name, value in sorted(vars(importlib.import_module(module)).items()):
            described = None if name.startswith("_") else _described(value, cupy)
            if described is not None:
                yield f"{name} {described}"


def _described(value: Any, cupy: Any) -> str | None:
    if isinstance(value, cupy.ufunc):
        loops = [loop for loop in value.types if not NOT_TAKEN & {*loop}]
        return " ".join(["ufunc", value.name, *loops])
    if isinstance(value, float) or value is None:
        return f"value {value}"
    home, own = getattr(value, "__module__", None) or "", getattr(value, "__name__", "")
    for module in (np, np.exceptions, np.linalg):
        if home.startswith("numpy") and getattr(module, own, None) is value:
            return f"{module.__name__} {own}"
    if not callable(value) or isinstance(value, type):
        return None  # a class or module, which the double has or has not
    return " ".join(["def", *_parameters(value)])


def _parameters(function: Any) -> Iterator[str]:
    """Yield the parameters; compiled functions have theirs in the first line of the docstring."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        (inner,) = re.findall(r"\((.*?)\)", function.__doc__.splitlines()[0])
        for parameter in filter(None, inner.split(", ")):
            name, equals, _ = parameter.partition("=")
            yield name.split()[-1] + equals
        return
    kind = None
    for parameter in signature.parameters.values():
        if kind is parameter.POSITIONAL_ONLY and parameter.kind is not kind:
            yield "/"
        if parameter.kind is parameter.KEYWORD_ONLY and kind not in (
            parameter.KEYWORD_ONLY,
            parameter.VAR_POSITIONAL,
        ):
            yield "*"
        kind = parameter.kind
        equals = "" if parameter.default is parameter.empty else "="
        yield MARKS.get(kind, "") + parameter.name + equals
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        yield "/"


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n")
