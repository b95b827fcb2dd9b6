"""Why a gradient may be wrong: what beginners' bugs leave behind in its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# A cause is believed if it leaves no more than this share of what is wrong unexplained.
_UNEXPLAINED = 0.02


class Evidence(NamedTuple):
    """The gradient that was given, the right one, x, and what may be off, where they were compared.

    `matrices` are the given and the right arrays of two dimensions that differ, if all elements
    were compared.
    """

    given: np.ndarray
    right: np.ndarray
    x: np.ndarray
    allowed: np.ndarray
    matrices: list[tuple[np.ndarray, np.ndarray]]

    @property
    def wrong(self) -> np.ndarray:
        """By how much each element is wrong."""
        return np.asarray(self.right - self.given)

    def explains_all_but(self, unexplained: np.ndarray) -> bool:
        """Tell whether little is left of what is wrong."""
        left = float(np.linalg.norm(unexplained))
        return left <= _UNEXPLAINED * float(np.linalg.norm(self.wrong))


def suspected_cause(evidence: Evidence) -> tuple[str | None, str]:
    """Return the first cause that explains the evidence, and a sentence about it."""
    for cause, explains in _CAUSES.items():
        sentence = explains(evidence)
        if sentence:
            return cause, sentence
    return None, "No usual cause fits: look at the worst element."


def _not_finite(evidence: Evidence) -> str:
    if np.isfinite(evidence.given).all():
        return ""
    return "The gradient has elements that are NaN or infinite, where f is smooth."


def _zero(evidence: Evidence) -> str:
    zero = not evidence.given.any()
    return "The gradient is zero everywhere, f is not constant." if zero else ""


def _sign(evidence: Evidence) -> str:
    explained = evidence.explains_all_but(evidence.given + evidence.right)
    return "It has the wrong sign." if explained else ""


def _constant(evidence: Evidence) -> str:
    constant = evidence.given.any() and not evidence.right.any()
    return "f does not react to x, so its gradient is zero." if constant else ""


def _factor(evidence: Evidence) -> str:
    factor = _share(evidence.given, evidence.right)
    if not evidence.explains_all_but(evidence.given - factor * evidence.right):
        return ""
    if abs(factor - 1) < 1e-3:
        return f"It is off by a factor of 1 {factor - 1:+.2g}: a constant with too few digits?"
    inverse = 1 / factor if factor else 0.0
    whole = abs(inverse) > 1.5 and abs(inverse - round(inverse)) < 1e-3 * abs(inverse)
    shown = f"1/{round(inverse)}" if whole else f"{factor:.6g}"
    return f"It is {shown} times the right one: a mean where a sum is meant, or a missing factor?"


def _transpose(evidence: Evidence) -> str:
    for given, right in evidence.matrices:
        unexplained = float(np.linalg.norm(given - right.T.reshape(given.shape)))
        if unexplained < _UNEXPLAINED * float(np.linalg.norm(given - right)):
            return f"An array of shape {given.shape} is transposed."
    return ""


def _triangle(evidence: Evidence) -> str:
    for given, right in evidence.matrices:
        wrong = given - right
        square = wrong.shape[0] == wrong.shape[1]
        if square and np.linalg.norm(wrong + wrong.T) < _UNEXPLAINED * np.linalg.norm(wrong):
            return (
                "It is that of a function of symmetric matrices, while f reads one triangle of x, "
                "as eigh and cholesky do: write f of (x + x.T) / 2."
            )
    return ""


def _order(evidence: Evidence) -> str:
    if not evidence.explains_all_but(np.sort(evidence.given) - np.sort(evidence.right)):
        return ""
    return "It has the right numbers in another order: an index that is off, or a wrong axis?"


def _missing_term(evidence: Evidence) -> str:
    for term, sentence in (
        (evidence.x, "What is missing is {:.4g} times x: the gradient of a penalty?"),
        (
            np.ones_like(evidence.x),
            "What is missing is {:.4g} everywhere: a linear term?",
        ),
    ):
        factor = _share(evidence.wrong, term)
        if len(term) > 2 and evidence.explains_all_but(evidence.wrong - factor * term):
            return sentence.format(factor)
    return ""


def _some_elements(evidence: Evidence) -> str:
    wrong = abs(evidence.wrong) > evidence.allowed
    if wrong.mean() > 0.5:
        return ""
    return "The others are right: a special case?"


_CAUSES: dict[str, Callable[[Evidence], str]] = {
    "not finite": _not_finite,
    "sign": _sign,
    "transpose": _transpose,
    "triangle": _triangle,
    "order": _order,
    "zero": _zero,
    "constant": _constant,
    "factor": _factor,
    "missing term": _missing_term,
    "some elements": _some_elements,
}


def _share(vector: np.ndarray, of: np.ndarray) -> float:
    """Return the c for which c · of is next to the vector."""
    square = float(of @ of)
    return float(vector @ of) / square if square else 0.0
