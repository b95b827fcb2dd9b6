"""Learning rates that change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gdx.options import not_negative, positive, whole


@dataclass(frozen=True, repr=False)
class Schedule:
    """A learning rate as a function of the number of steps taken before; made by functions.

    Attributes
    ----------
    name : str
        The function that made it.
    options : tuple of (str, float)
        What the function was given, by name.
    """

    name: str
    options: tuple[tuple[str, float], ...]

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        return _FORMULAS[self.name](step, **dict(self.options))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.options)})"


def constant(lr: float) -> Schedule:
    """Learning rate that stays as it is: lr(t) = lr.

    Parameters
    ----------
    lr : float
        Positive.

    Returns
    -------
    schedule : Schedule
        Maps the number of steps taken before, an int, to the learning rate.

    Raises
    ------
    ValueError
        If `lr` is not positive.

    Examples
    --------
    >>> import gdx
    >>> gdx.optimize.constant(0.1)(1000)
    0.1
    """
    return Schedule("constant", (("lr", positive("lr", lr)),))


def step_decay(lr: float, every: int, *, factor: float = 0.1) -> Schedule:
    """Learning rate that falls in steps: lr(t) = lr · factor^⌊t / every⌋.

    Parameters
    ----------
    lr : float
        At the start; positive.
    every : int
        After so many steps it is multiplied by `factor`.
    factor : float
        Positive.

    Returns
    -------
    schedule : Schedule
        Maps the number of steps taken before, an int, to the learning rate.

    Raises
    ------
    ValueError
        If `lr` or `factor` is not positive, or `every` is below 1.

    Examples
    --------
    >>> import gdx
    >>> schedule = gdx.optimize.step_decay(1.0, 10, factor=0.5)
    >>> [schedule(t) for t in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """
    options = ("lr", positive("lr", lr)), ("every", whole("every", every, 1))
    return Schedule("step_decay", (*options, ("factor", positive("factor", factor))))


def exponential_decay(lr: float, rate: float, *, every: int = 1) -> Schedule:
    """Learning rate that falls by the same ratio in each step: lr(t) = lr · rate^(t / every).

    Parameters
    ----------
    lr : float
        At the start; positive.
    rate : float
        What it is multiplied by within `every` steps; positive.
    every : int
        A number of steps.

    Returns
    -------
    schedule : Schedule
        Maps the number of steps taken before, an int, to the learning rate.

    Raises
    ------
    ValueError
        If `lr` or `rate` is not positive, or `every` is below 1.

    Examples
    --------
    >>> import gdx
    >>> schedule = gdx.optimize.exponential_decay(1.0, 0.25, every=10)
    >>> [schedule(t) for t in (0, 5, 10)]
    [1.0, 0.5, 0.25]
    """
    options = ("lr", positive("lr", lr)), ("rate", positive("rate", rate))
    return Schedule("exponential_decay", (*options, ("every", whole("every", every, 1))))


def cosine_decay(lr: float, steps: int, *, warmup: int = 0, final: float = 0.0) -> Schedule:
    r"""Learning rate that falls along half a cosine, after a linear rise from zero.

    lr(t) = lr · t / warmup for t < warmup, then with s = (t - warmup) / (steps - warmup)
    lr(t) = final + (lr - final) · (1 + cos(π · s)) / 2, and `final` after `steps`.

    Parameters
    ----------
    lr : float
        The highest, at the step `warmup`; positive.
    steps : int
        After so many steps, those of the rise among them, it is `final`.
    warmup : int
        The number of steps in which it rises from 0; less than `steps`.
    final : float
        The last learning rate, 0 or more.

    Returns
    -------
    schedule : Schedule
        Maps the number of steps taken before, an int, to the learning rate.

    Raises
    ------
    ValueError
        If `lr` is not positive, `steps` is below 1, `warmup` is not below `steps`, or `final` is
        negative.

    Notes
    -----
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, eq. 5,
    without restarts; the rise is that of Goyal et al. (2017), Accurate, large minibatch SGD, 2.2.

    Examples
    --------
    >>> import gdx
    >>> schedule = gdx.optimize.cosine_decay(1.0, 12, warmup=4)
    >>> [round(schedule(t), 3) for t in (0, 2, 4, 8, 12, 20)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    steps = whole("steps", steps, 1)
    if whole("warmup", warmup, 0) >= steps:
        raise ValueError(f"warmup must be less than steps={steps}; got {warmup!r}.")
    options = ("lr", positive("lr", lr)), ("steps", steps), ("warmup", int(warmup))
    return Schedule("cosine_decay", (*options, ("final", not_negative("final", final))))


def one_cycle(
    lr: float,
    steps: int,
    *,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    r"""Learning rate that rises along half a cosine, and falls along another to almost nothing.

    From lr / div_factor it rises to lr at the step pct_start · steps - 1, and from there falls to
    lr / (div_factor · final_div_factor) at the last, steps - 1; there it stays. Where the rise
    would take less than a step, it starts at lr.

    Parameters
    ----------
    lr : float
        The highest; positive.
    steps : int
        The number of steps of the cycle, 2 or more.
    pct_start : float
        The fraction of the steps in which it rises, between 0 and 1. PyTorch's name: no percentage.
    div_factor, final_div_factor : float
        Positive.

    Returns
    -------
    schedule : Schedule
        Maps the number of steps taken before, an int, to the learning rate.

    Raises
    ------
    ValueError
        If `lr` or a factor is not positive, `steps` is below 2, or `pct_start` is not between 0
        and 1.

    Notes
    -----
    Smith and Topin (2019), Super-convergence: very fast training of neural networks using large
    learning rates; in two phases, as torch.optim.lr_scheduler.OneCycleLR has it.

    Examples
    --------
    >>> import gdx
    >>> schedule = gdx.optimize.one_cycle(1.0, 10)
    >>> [round(schedule(t), 3) for t in (0, 2, 9)]
    [0.04, 1.0, 0.0]
    """
    steps = whole("steps", steps, 2)
    if not positive("pct_start", pct_start) < 1:
        raise ValueError(f"pct_start must be a fraction between 0 and 1; got {pct_start!r}.")
    options = (
        ("lr", positive("lr", lr)),
        ("steps", steps),
        ("pct_start", float(pct_start)),
        ("div_factor", positive("div_factor", div_factor)),
        ("final_div_factor", positive("final_div_factor", final_div_factor)),
    )
    return Schedule("one_cycle", options)


def _cosine(t: int, lr: float, steps: int, warmup: int, final: float) -> float:
    if t < warmup:
        return lr * t / warmup
    return _between(lr, final, (min(t, steps) - warmup) / (steps - warmup))


def _one_cycle(
    t: int, lr: float, steps: int, pct_start: float, div_factor: float, final_div_factor: float
) -> float:
    first, top, last = lr / div_factor, pct_start * steps - 1, steps - 1
    if t < top:
        return _between(first, lr, t / top)
    return _between(
        lr, first / final_div_factor, (min(t, last) - max(top, 0)) / (last - max(top, 0))
    )


def _between(start: float, end: float, fraction: float) -> float:
    """Return the value on half a cosine from one to the other."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


_FORMULAS: dict[str, Callable[..., float]] = {
    "constant": lambda t, lr: lr,
    "step_decay": lambda t, lr, every, factor: lr * factor ** (t // every),
    "exponential_decay": lambda t, lr, rate, every: lr * rate ** (t / every),
    "cosine_decay": _cosine,
    "one_cycle": _one_cycle,
}
