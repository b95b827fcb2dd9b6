"""What an engine of automatic differentiation does: for all libraries the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

Array = Any
# Of the primals, one by one; to a list of outputs, and what goes with them undifferentiated.
Function = Callable[..., tuple[list[Array], Any]]
Mapped = Callable[[list[Array]], list[Array]]


class Pulled(NamedTuple):
    """What `Engine.vjp` returns.

    Attributes
    ----------
    outputs : list of arrays
    pullback : callable
        From a list of the outputs' cotangents to a list of the primals', as often as you like, and
        with derivatives of its own; `last=True` lets go what it was remembered by.
    extra : object
        What f returned beside its outputs, with arrays that have left the transform.
    depends : bool
        Whether an output was computed from a primal by what can be differentiated.
    """

    outputs: list[Array]
    pullback: Callable[..., list[Array]]
    extra: Any
    depends: bool


class Rule(NamedTuple):
    """A function and its derivative, all three of flat lists.

    Attributes
    ----------
    f : callable
        ``f(*arrays)`` returns a list of outputs.
    fwd : callable
        ``fwd(*arrays)`` returns the outputs, a list of arrays to be kept, and something static.
    bwd : callable
        ``bwd(kept, static, cotangents)`` returns a cotangent for each array, None for zero and for
        integers. It gets None for outputs that are integers.
    linear : bool
        ``bwd`` is linear in the cotangents.
    """

    f: Callable[..., Sequence[Array]]
    fwd: Callable[..., tuple[Sequence[Array], Sequence[Array], Any]]
    bwd: Callable[[Sequence[Array], Any, list[Array | None]], Sequence[Array | None]]
    linear: bool = False


class Engine(Protocol):
    """Automatic differentiation on flat lists of arrays."""

    def vjp(self, f: Function, primals: Sequence[Array]) -> Pulled:
        """Call f once, and remember how to pull cotangents back."""

    def jvp(
        self, f: Function, primals: Sequence[Array], tangents: Sequence[Array]
    ) -> tuple[list[Array], list[Array], Any]:
        """Return the outputs, their tangents, and what f returned beside them."""

    def vmap(self, f: Mapped) -> Mapped:
        """Map f over the first axis of all arrays of its list."""

    def stop_gradient(self, x: Array) -> Array:
        """Return x as a constant to all transforms."""

    def follows(self, x: Array) -> bool:
        """Tell whether a derivative with respect to x may be asked for."""

    def custom(self, rule: Rule) -> Callable[..., list[Array]]:
        """Return the rule's f with the rule's derivative, in reverse and in forward mode.

        Nothing is pulled back to arrays that the rule's functions close over.
        """

    # A pattern of words in a RuntimeError by which the library says what follows:
    leaving: str | None

    def leaves_trace(self) -> tuple[type[Exception], ...]:
        """Return the errors by which the library says that f took a traced value out."""

    def meets_numpy(self, f: Callable[..., Any], primals: Sequence[Array]) -> bool:
        """Tell whether f, which has failed, hands these arrays to operators of NumPy's arrays.

        Or to its functions, but for those that convert. f may be called once more.
        """
