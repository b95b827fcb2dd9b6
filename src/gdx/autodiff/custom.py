"""Functions with a derivative of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gdx.autodiff.answers import Asked
from gdx.autodiff.core import CONSTANT, Trace, TracingError, lifted
from gdx.autodiff.forward import Forward, pushed
from gdx.autodiff.guard import FIXED
from gdx.autodiff.native import call_by, engine_that_follows
from gdx.autodiff.reverse import Reverse
from gdx.autodiff.traced import Traced, read_only, settled
from gdx.backends import Namespace, device_of, is_array, made_beside
from gdx.trees import Tree, flattened, is_tree, leaves, map_leaves, paths, refilled


class custom_vjp:  # noqa: N801 - a decorator
    r"""Give a function its own derivative, instead of that of what it computes with.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or dicts, lists and tuples of arrays. What else it takes
        (numbers, strings) is a constant.

    See Also
    --------
    stop_gradient : the derivative zero.

    Notes
    -----
    `defvjp` says how: ``f.defvjp(fwd, bwd)``, where ``fwd(*args)`` returns ``f(*args)`` and what
    is to be kept for ``bwd(kept, g)``, which returns a tuple with a cotangent for each argument:
    g times the derivative, of the argument's structure and shape; None is zero, and a function
    without arguments is called only if its argument is differentiated. Arguments are given by
    position; with respect to arrays that the rule uses without being given them, nothing is
    derived. ``bwd`` may be
    differentiated in turn. Forward mode (`jvp`, `hvp`, `hessian`) follows from it, too, as the
    transpose of ``bwd``.

    References
    ----------
    The interface is that of JAX: R. Frostig, M. J. Johnson and C. Leary (2018), Compiling machine
    learning programs via high-level tracing, SysML.

    Examples
    --------
    The derivative of log(1 + exp(x)) overflows where it is computed step by step:

    >>> import gdx
    >>> import numpy as np
    >>> @gdx.custom_vjp
    ... def softplus(x):
    ...     return np.log1p(np.exp(x))
    >>> def forward(x):
    ...     return softplus(x), x
    >>> def backward(x, g):
    ...     return (g / (1 + np.exp(-x)),)
    >>> softplus.defvjp(forward, backward)
    >>> print(gdx.grad(softplus)(0.0))
    0.5
    """

    __name__: str
    guards = True  # whether its arrays are guarded from changes by the rule

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.linear = False
        functools.update_wrapper(self, f)

    def defvjp(
        self, fwd: Callable[..., Any], bwd: Callable[..., Any], *, linear: bool = False
    ) -> None:
        """Say what is kept on the way forward, and what is made of it on the way back.

        A `linear` rule multiplies g, as a derivative does, where one that clips does not; then
        JAX's own forward mode (``jax.jvp``, ``jax.hessian``) takes it, too.
        """
        self.fwd, self.bwd, self.linear = fwd, bwd, linear

    def __call__(self, *args: Any) -> Any:
        """Return f(*args)."""
        if _PLAIN.issuperset(map(type, args)):
            return self.f(*args)
        traced: list[tuple[int, tuple[Any, ...], Traced]] = []
        for place, argument in enumerate(args):
            if isinstance(argument, Traced):
                traced.append((place, (), argument))
            elif isinstance(argument, _CONTAINERS):
                traced += _inside(place, argument)
        if not traced:
            engine = engine_that_follows(args)
            return self.f(*args) if engine is None else self._by(engine, args)
        kind: type[Traced] = type(traced[0][2])
        top: Trace = CONSTANT
        for _, _, leaf in traced:
            if leaf.memory is not None:
                leaf.refresh()
            if leaf.owner.level < 0:
                leaf.release()
            if leaf.owner.level > top.level:
                top = leaf.owner
        if not isinstance(top, Reverse | Forward):
            below = [_below(argument, CONSTANT) for argument in args] if top is CONSTANT else args
            return map_leaves(functools.partial(lifted, kind), self.f(*below))
        fwd, bwd = self._rule()
        below = [_below(x if type(x) in FIXED else top.kept(kind, x), top) for x in args]
        y, kept = top.kept(kind, fwd(*map(read_only, below))) if self.guards else fwd(*below)
        if not hasattr(y, "shape"):
            y = _of_arrays(y, settled(traced[0][2]), kind.xp)
        own = [y] if isinstance(y, Traced) else leaves(y) if isinstance(y, _CONTAINERS) else []
        if any(isinstance(leaf, Traced) and leaf.owner is top for leaf in own):
            raise TracingError(
                f"the rule of {self.__name__} uses a traced array that is no argument of it: "
                "pass it as one."
            )
        followed = [found for found in traced if found[2].owner is top]
        marks = [leaf.mark for _, _, leaf in followed]
        asked = Asked(
            self.__name__,
            bwd,
            len(args),
            [
                (place, path, mark.shape)
                for (place, path, _), mark in zip(followed, marks, strict=True)
            ],
            self.guards,
        )
        pull = _Pull(asked, kept if kind.defers else map_leaves(kind.beside, kept))
        return _FOLLOWED[type(top)](top, kind, y, marks, pull)

    def _by(self, engine: Any, args: Sequence[Any]) -> Any:
        return call_by(engine, self.__name__, self.f, *self._rule(), args, linear=self.linear)

    def _rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        if self.fwd is None or self.bwd is None:
            raise TypeError(f"{self.__name__} has no rule: call {self.__name__}.defvjp(fwd, bwd).")
        return self.fwd, self.bwd


class pure_vjp(custom_vjp):  # noqa: N801 - a decorator
    """Give a function of gdx its own derivative; f and its rule assign to no array."""

    guards = False


_CONTAINERS = (dict, list, tuple)
# Of these, nobody asks for a derivative: numbers, options, and arrays without an engine.
_PLAIN: set[type] = {int, float, bool, str, type(None), np.ndarray}


def _inside(place: int, argument: Any) -> list[tuple[int, tuple[Any, ...], Traced]]:
    """Return the traced arrays of a container, with the ways to them."""
    pairs = zip(paths(argument), leaves(argument), strict=True)
    return [(place, path, leaf) for path, leaf in pairs if isinstance(leaf, Traced)]


def _of_arrays(y: Tree, like: Any, xp: Namespace) -> Tree:
    """Return what a function gives, with arrays for its numbers."""
    if isinstance(y, dict):
        return {key: _of_arrays(item, like, xp) for key, item in y.items()}
    if isinstance(y, list | tuple):
        return refilled(type(y), [_of_arrays(item, like, xp) for item in y])
    return y if is_array(y) else made_beside(like, y, xp)


def _below(argument: Any, trace: Trace) -> Any:
    """Return an argument as it is one level below a trace."""
    if isinstance(argument, Traced):
        owner = argument.owner
        return argument.value if owner is trace or owner is CONSTANT else argument
    if isinstance(argument, _CONTAINERS) and is_tree(argument):
        return map_leaves(lambda leaf: _below(leaf, trace), argument)
    return argument


class _Pull:
    """From the cotangents of what a custom function returned, to those of its traced arrays."""

    __slots__ = ("asked", "kept", "like_y")

    def __init__(self, asked: Asked, kept: Any) -> None:
        self.asked = asked
        self.kept = kept
        self.like_y: Callable[[Iterator[Any]], Tree] = next

    def __call__(self, *gs: Any) -> list[Any]:
        return self.asked.of(self.kept, self.like_y(iter(gs)))


def _remembered(
    trace: Reverse, kind: type[Traced], y: Tree, marks: Sequence[Any], pull: _Pull
) -> Tree:
    if not isinstance(y, _CONTAINERS):
        return trace.joint(kind, y, marks, pull)
    ys, pull.like_y = flattened(y)
    sizes = [(y.shape, y.dtype, device_of(y)) for y in ys]

    def of_all(gs: Sequence[Any]) -> list[Any]:
        zeros = kind.functions.zeros
        return pull(
            *(
                zeros(shape, dtype=dtype, device=device) if g is None else g
                for g, (shape, dtype, device) in zip(gs, sizes, strict=True)
            )
        )

    return pull.like_y(iter(trace.outputs(kind, ys, marks, of_all)))


def _pushed_through(
    trace: Forward, kind: type[Traced], y: Tree, marks: Sequence[Any], pull: _Pull
) -> Tree:
    ys, pull.like_y = flattened(y)
    tangents = pushed(kind, pull, ys)(marks)
    return pull.like_y(iter([trace.input(kind, *pair) for pair in zip(ys, tangents, strict=True)]))


_FOLLOWED: dict[type[Trace], Callable[..., Tree]] = {
    Reverse: _remembered,
    Forward: _pushed_through,
}


def stop_gradient(x: Tree) -> Tree:
    """Return `x` as a constant: with respect to it, every derivative is zero.

    Parameters
    ----------
    x : array, or dict, list or tuple of arrays

    Returns
    -------
    x : array, or dict, list or tuple of arrays
        With the same values, for reading: an assignment to it in a function that is differentiated
        is a TracingError.

    Examples
    --------
    >>> import gdx
    >>> print(gdx.grad(lambda x: x * gdx.stop_gradient(x))(3.0))
    3.0
    """
    return map_leaves(_stopped, x) if isinstance(x, _CONTAINERS) else _stopped(x)


def _stopped(x: Any) -> Any:
    if type(x) in _PLAIN:
        return x
    if isinstance(x, Traced):
        y = x.functions.stopped(x)
        y.follow(x, _stopped, fixed=True)
        return y
    engine = engine_that_follows([x])
    return x if engine is None else engine.stop_gradient(x)
