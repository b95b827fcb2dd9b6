"""What the rule of a custom function answers, looked at: one cotangent for each array asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.traced import read_only


class Asked:
    """The arrays of the arguments of a custom function whose cotangents are asked for.

    Parameters
    ----------
    name : str
        That of the function, for errors.
    bwd : callable
        Its rule: of what was kept and the cotangent of what it returned.
    count : int
        Of its arguments.
    arrays : sequence of (place, path, shape)
        The place of the argument, the keys and positions that lead to the array, and its shape.
    guards : bool
        Whether `bwd` is handed arrays to which it cannot assign.
    """

    __slots__ = ("arrays", "bwd", "count", "guards", "name")

    def __init__(
        self,
        name: str,
        bwd: Callable[..., Any],
        count: int,
        arrays: Sequence[tuple[int, tuple[Any, ...], tuple[int, ...]]],
        guards: bool = True,
    ) -> None:
        self.name = name
        self.bwd = bwd
        self.count = count
        self.arrays = arrays
        self.guards = guards

    def of(self, kept: Any, g: Any) -> list[Any]:
        """Return the cotangents; None is zero."""
        try:
            if self.guards:
                kept, g = read_only(kept), read_only(g)
            answer = self.bwd(kept, g)
        except ValueError as error:
            if "read-only" in str(error):
                raise ValueError(
                    f"the rule of {self.name} changes the cotangent, or what was kept, in place: "
                    "others have it, too. Make a new array, as by g = g * 2 for g *= 2."
                ) from error
            raise
        if not isinstance(answer, tuple) or len(answer) != self.count:
            raise TypeError(
                f"the rule of {self.name} must return a tuple of {self.count} cotangents, one for "
                f"each argument; it returned {answer!r}."
            )
        return [
            self._checked(answer[place], place, path, shape) for place, path, shape in self.arrays
        ]

    def _checked(self, c: Any, place: int, path: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
        if callable(c):
            c = c()
        at = f"argument {place}"
        for key in path:
            if c is None:
                return None
            try:
                c = c[key]
            except (IndexError, KeyError, TypeError):
                raise ValueError(
                    f"the rule of {self.name} must return a cotangent of the structure of "
                    f"argument {place}; what it returned has nothing at {at}[{key!r}]."
                ) from None
            at += f"[{key!r}]"
        if c is not None and getattr(c, "shape", None) != shape:
            raise ValueError(
                f"the rule of {self.name} must return a cotangent of the shape {tuple(shape)} for "
                f"{at}; it returned {tuple(c.shape) if hasattr(c, 'shape') else c}."
            )
        return c
