"""The public names of CuPy: what each is, which parameters and which loops it has.

They are read off the real wheel; ``write_names.py`` says how, and what a line means.
"""

from __future__ import annotations

import inspect
from pathlib import Path


def _sections() -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    for line in (Path(__file__).parent / "names.txt").read_text().splitlines():
        if line.startswith("["):
            names = sections[line.strip("[]")] = {}
        else:
            name, *words = line.split()
            names[name] = words
    return sections


NAMES = _sections()


def loops() -> dict[str, list[str]]:
    """Return the loops of each ufunc, by its own name, as ``cupy_add``."""
    described = (words for names in NAMES.values() for words in names.values())
    return {words[1]: words[2:] for words in described if words[0] == "ufunc"}


def signature(words: list[str]) -> inspect.Signature:
    """Make a signature of the words ``a axis= * dtype=``; every default is None."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters: list[inspect.Parameter] = []
    for word in words:
        name, equals, _ = word.lstrip("*").partition("=")
        if word == "/":
            parameters = [p.replace(kind=p.POSITIONAL_ONLY) for p in parameters]
            continue
        if word.startswith("*"):
            kind = inspect.Parameter.KEYWORD_ONLY
        if word == "*":
            continue
        stars = len(word) - len(word.lstrip("*"))
        own = (kind, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)[stars]
        default = None if equals else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, own, default=default))
    return inspect.Signature(parameters)
