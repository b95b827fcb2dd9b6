"""What may stand beside a traced array: arrays of its library, arrays of NumPy, and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdx.autodiff.core import Rule, TracingError
from gdx.backends import (
    Namespace,
    common_namespace,
    is_array,
    library,
    namespace_of,
    refusal,
)

# Where functions take an index, which is read, and not computed with.
_INDICES = {("getitem", 1), ("placed", 2), ("updated", 1)}


class Operands(set[type]):
    """The types of the arguments that the functions of a library take, beside traced arrays.

    Each type is looked at once, when an argument of it is first met. `own` is that of the library's
    arrays, which most arguments have.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.xp: Namespace = kind.xp
        self.own = type(self.xp.asarray(0.0))
        super().__init__([kind, self.own])

    def check(self, rule: Rule, args: Sequence[Any]) -> None:
        """Raise an error if a function cannot be followed, because of one of its arguments."""
        for place, x in enumerate(args):
            if type(x) in self:
                continue
            error = self._error(x)
            if error is None:
                self.add(type(x))
            elif (rule.name, place) not in _INDICES:
                raise error

    def _error(self, x: Any) -> TypeError | None:
        """Return why an object cannot stand beside a traced array, if it cannot."""
        refused = refusal(x)
        if refused is not None:
            return TracingError(refused)
        if isinstance(x, np.ndarray):
            known = library(self.xp)
            return None if known.takes_numpy else mixture(known.name)
        if is_array(x) and not isinstance(x, type) and namespace_of(x) is not self.xp:
            try:
                common_namespace(self.xp.asarray(0.0), x)
            except TypeError as error:
                return TracingError(str(error))
        return None


def mixture(name: str) -> TypeError:
    """Return the error of a function that mixes NumPy's arrays with those of another library."""
    return TypeError(
        f"f mixes a NumPy array with arrays of {name}, or calls a function of NumPy on them. Write "
        f"xp.asarray(n) for a NumPy array n, and xp.sum(x) for numpy.sum(x) "
        "(xp = gdx.array_namespace(x)). gdx.to_numpy(x) leaves for the host on purpose, where "
        "derivatives are numerical."
    )
