"""Optimizers: rules by which a gradient becomes a step, alone or one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gdx.backends import Array, is_array, namespace_of
from gdx.devices import on_device_of
from gdx.optimize.updates.segments import Link, OptimizerState, Rate, Step, runner, working_dtype
from gdx.options import not_negative, positive
from gdx.trees import Tree, leaves


@dataclass(frozen=True, repr=False)
class Optimizer:
    """A rule by which a gradient becomes a step, or a chain of them; made by functions.

    Its state is apart from it: `init` gives the first one, `update` and `apply` take one and
    return the next.

    Attributes
    ----------
    links : tuple of Link
        The rules, in the order in which they are applied.
    """

    links: tuple[Link, ...]

    @property
    def name(self) -> str:
        """The names of the rules."""
        return " + ".join(link.name for link in self.links)

    def __repr__(self) -> str:
        first, *others = map(repr, self.links)
        return f"chain({first}, {', '.join(others)})" if others else first

    def lr_at(self, step: int) -> float:
        """Return the learning rate of the step that is taken after `step` others."""
        return self._descending().rate(step)

    @on_device_of(1)
    def init(self, params: Tree) -> OptimizerState:
        """Return the state before the first step: zeros for what the rules remember.

        Parameters
        ----------
        params : array, or dict, list or tuple of arrays
            Floating. They are not kept.

        Returns
        -------
        state : OptimizerState
            Arrays of the shapes, dtypes and devices of `params`; of dtypes narrower than float32,
            float32, in which a squared gradient does not vanish.

        Raises
        ------
        TypeError
            If an array is not of a real floating dtype.
        ValueError
            If no rule of the chain has a learning rate.
        """
        self._descending()
        count = sum(link.rule.slots for link in self.links)
        slots = (tuple(_zeros(leaf) for _ in range(count)) for leaf in leaves(params))
        return OptimizerState(0, tuple(slots))

    def update(
        self, grad: Tree, state: OptimizerState, params: Tree
    ) -> tuple[Tree, OptimizerState]:
        """Return the step, which is to be added to `params`, and the next state.

        Parameters
        ----------
        grad : array or tree
            Of the structure and shapes of `params`.
        state : OptimizerState
            From `init` or the last step.
        params : array, or dict, list or tuple of arrays
            Where the gradient was taken.

        Returns
        -------
        step : array or tree
            Of the structure, shapes, dtypes and devices of `params`.
        state : OptimizerState
            The next. Nothing that was given is changed.

        Raises
        ------
        ValueError
            If `grad` has not the structure and shapes of `params`, or no rule of the chain has a
            learning rate.
        """
        self._descending()
        _check(state, params)
        return runner(self.links, params, adds=False)(grad, state, params)

    def apply(self, grad: Tree, state: OptimizerState, params: Tree) -> tuple[Tree, OptimizerState]:
        """Return the parameters after the step, and the next state, in the memory of the old ones.

        Where the library allows, the memory of `params` and of the arrays of `state` is
        overwritten: do not use the old ones afterwards. `grad` is never changed. Parameters,
        errors and the rest are as for `update`; many steps cost less by `runner`.
        """
        _check(state, params)
        return self.runner(params)(grad, state, params)

    def runner(self, params: Tree) -> Step:
        """Return `apply` for parameters of the structure, dtypes and library of `params`."""
        self._descending()
        return runner(self.links, params, adds=True)

    def _descending(self) -> Link:
        """Return the link with the learning rate."""
        for link in self.links:
            if link.lr is not None:
                return link
        raise ValueError(
            f"{self!r} has no learning rate: it would climb. Put an optimizer at the end of it, "
            f"for example chain({', '.join(map(repr, self.links))}, sgd(0.01))."
        )


def _check(state: OptimizerState, params: Tree) -> None:
    """Raise what is wrong with a state of other parameters."""
    if not isinstance(state, OptimizerState):
        raise TypeError(
            "state must be what init or the last step returned; got a "
            f"{type(state).__name__}. The arguments are grad, state, params."
        )
    arrays = leaves(params)
    for leaf in arrays:
        if not is_array(leaf):
            raise TypeError(
                f"params must hold arrays; got {leaf!r}. The arguments are grad, state, params; "
                "gdx.asarray makes an array of numbers."
            )
    shapes = [leaf.shape for leaf in arrays]
    kept = [slots[0].shape if slots else None for slots in state.slots]
    fits = len(kept) == len(shapes) and all(
        found in (None, shape) for found, shape in zip(kept, shapes, strict=True)
    )
    if not fits:
        raise ValueError(
            f"state must be that of params, of the shapes {[*map(tuple, shapes)]}; it is of arrays "
            f"of the shapes {kept}. Begin anew: state = optimizer.init(params)."
        )


def _zeros(leaf: Array) -> Array:
    xp = namespace_of(leaf)
    return xp.zeros_like(leaf, dtype=working_dtype(xp, leaf.dtype))


def chain(*optimizers: Optimizer) -> Optimizer:
    """Apply rules one after the other: each takes the update of the one before.

    Parameters
    ----------
    *optimizers : Optimizer
        Of `clip_by_value`, `clip_by_global_norm` and `weight_decay` any number, and one rule with a
        learning rate, as `adam`. What stands after that one works on the step, not the gradient.

    Returns
    -------
    optimizer : Optimizer
        Rules that are elementwise are run as one function of each array.

    Raises
    ------
    TypeError
        If an argument is no `Optimizer`.
    ValueError
        If there is nothing to chain, more than one learning rate, or `weight_decay` after it.

    Examples
    --------
    >>> import gdx
    >>> from gdx.optimize import adam, chain, clip_by_global_norm, weight_decay
    >>> chain(clip_by_global_norm(1.0), weight_decay(1e-4), adam(0.01))
    chain(clip_by_global_norm(max_norm=1.0), weight_decay(rate=0.0001), adam(lr=0.01))
    """
    for each in optimizers:
        if not isinstance(each, Optimizer):
            raise TypeError(
                f"chain takes optimizers, for example adam(0.001); got {type(each).__name__}."
            )
    links = tuple(link for each in optimizers for link in each.links)
    if not links:
        raise ValueError("chain needs an optimizer, for example chain(clip_by_value(1.0), sgd()).")
    descending = [i for i, link in enumerate(links) if link.lr is not None]
    if len(descending) > 1:
        raise ValueError(
            f"chain takes one rule with a learning rate, which makes a descent of the gradient; "
            f"got {' and '.join(links[i].name for i in descending)}. Leave one of them out."
        )
    if descending and any(link.name == "weight_decay" for link in links[descending[0] :]):
        raise ValueError(
            "weight_decay after the learning rate would enlarge the parameters. Put it before, or "
            "use adamw or lion with weight_decay=."
        )
    return Optimizer(links)


def clip_by_value(limit: float) -> Optimizer:
    """Clip each element of the gradient: u ← min(max(u, -limit), limit).

    Parameters
    ----------
    limit : float
        Positive.

    Returns
    -------
    optimizer : Optimizer
        For `chain`: it has no learning rate of its own.

    Raises
    ------
    ValueError
        If `limit` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer = gdx.optimize.chain(gdx.optimize.clip_by_value(1.0), gdx.optimize.sgd(0.5))
    >>> x = np.zeros(3)
    >>> optimizer.update(np.asarray([0.5, -2.0, 3.0]), optimizer.init(x), x)[0]
    array([-0.25,  0.5 , -0.5 ])
    """
    return made(clip_by_value, limit=limit)


def clip_by_global_norm(max_norm: float) -> Optimizer:
    """Shorten the gradient to a norm: u ← u · min(1, max_norm / ‖u‖).

    Parameters
    ----------
    max_norm : float
        The largest Euclidean norm of all arrays of the parameters together; positive. The norm is
        computed where the arrays lie, and not read.

    Returns
    -------
    optimizer : Optimizer
        For `chain`: it has no learning rate of its own.

    Raises
    ------
    ValueError
        If `max_norm` is not positive.

    Notes
    -----
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks,
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> clip = gdx.optimize.clip_by_global_norm(1.0)
    >>> optimizer, x = gdx.optimize.chain(clip, gdx.optimize.sgd(0.5)), np.zeros(2)
    >>> optimizer.update(np.asarray([3.0, 4.0]), optimizer.init(x), x)[0]
    array([-0.3, -0.4])
    """
    return made(clip_by_global_norm, max_norm=max_norm)


def weight_decay(rate: float) -> Optimizer:
    """Add the gradient of rate / 2 · ‖p‖² to that of f: u ← u + rate · p.

    Parameters
    ----------
    rate : float
        Positive, or 0.

    Returns
    -------
    optimizer : Optimizer
        For `chain`: it has no learning rate of its own.

    Raises
    ------
    ValueError
        If `rate` is negative.

    Notes
    -----
    Before `adam`, this is not the decoupled decay of `adamw`: it is scaled with the gradient
    (Loshchilov and Hutter, 2019, Decoupled weight decay regularization).

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> decay, x = gdx.optimize.weight_decay(0.1), np.ones(2)
    >>> optimizer = gdx.optimize.chain(decay, gdx.optimize.sgd(0.5))
    >>> optimizer.update(np.zeros(2), optimizer.init(x), x)[0]
    array([-0.05, -0.05])
    """
    return made(weight_decay, rate=rate)


def made(function: Callable[..., Optimizer], lr: Rate | None = None, **options: float) -> Optimizer:
    """Return the optimizer of one rule for the function that is named as it, and its arguments."""
    checked = {name: _CHECKS[name](name, value) for name, value in options.items()}
    shown: dict[str, Any] = dict(checked)
    if lr is not None:
        lr = lr if callable(lr) else positive("lr", lr)
        shown = {"lr": lr, **checked}
    defaults = inspect.signature(function).parameters
    arguments = ", ".join(
        f"{name}={_shown(value)}"
        for name, value in shown.items()
        if name == "lr" or value != defaults[name].default
    )
    name = function.__name__
    return Optimizer((Link(name, lr, tuple(checked.items()), f"{name}({arguments})"),))


def _shown(value: object) -> str:
    """Return an option as text that is the same in every process: of a function, its name."""
    return str(getattr(value, "__qualname__", repr(value)))


def _fraction(name: str, value: Any) -> float:
    if not not_negative(name, value) < 1:
        raise ValueError(f"{name} must be 0 or more, and less than 1; got {value!r}.")
    return float(value)


_CHECKS: dict[str, Callable[[str, Any], float]] = {
    **dict.fromkeys(("momentum", "rho", "beta1", "beta2"), _fraction),
    **dict.fromkeys(("eps", "limit", "max_norm"), positive),
    **dict.fromkeys(("rate", "weight_decay"), not_negative),
}
