"""The methods of minimisation: which direction goes with which line search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any

from gdx.optimize.runs.bounds import raveled_box
from gdx.optimize.runs.slopes import Slope
from gdx.optimize.searches.first_order import BarzilaiBorwein, ConjugateGradient, Steepest
from gdx.optimize.searches.newton import NewtonCG, Product
from gdx.optimize.searches.objective import Objective
from gdx.optimize.searches.products import hessian_product
from gdx.optimize.searches.quasi_newton import BFGS, LBFGS
from gdx.optimize.searches.searched import Armijo, Direction, Searched, Wolfe
from gdx.optimize.updates.optimizer import Optimizer
from gdx.optimize.updates.published import (
    adagrad,
    adam,
    adamw,
    amsgrad,
    lion,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)
from gdx.options import whole
from gdx.trees import Tree

# Conjugate gradients need a more exact search than quasi-Newton steps.
_CURVATURE, _CURVATURE_OF_CG = 0.9, 0.1
# The largest of so many values of f is what the next must be below; as f need not fall at every
# step, it takes more of them to see that none helps.
_MEMORY_NONMONOTONE, _PATIENCE_NONMONOTONE = 10, 100


@dataclass(frozen=True)
class Method:
    """A method with a line search; made by functions.

    Attributes
    ----------
    name : str
        Its name in `minimize`.
    options : tuple of (str, number)
        What the function was given, by name.
    """

    name: str
    direction: Callable[[Objective, Product], Direction] = field(repr=False)
    search: Callable[[], Wolfe | Armijo] = field(repr=False)
    within_bounds: Callable[[], Wolfe | Armijo] | None = field(default=None, repr=False)
    patience: float = field(default=20, repr=False)
    options: tuple[tuple[str, Any], ...] = ()

    def stepper(
        self,
        slope: Slope,
        x: Tree,
        boxes: Tree | None = None,
        hvp: Callable[[Tree, Tree], Tree] | None = None,
    ) -> Searched:
        """Return the method at work on a function."""
        objective = Objective(slope, x)
        direction = self.direction(objective, hessian_product(objective, hvp))
        if boxes is None or self.within_bounds is None:
            return Searched(objective, direction, self.search(), None, self.patience)
        box = raveled_box(boxes, x, objective.x.dtype)
        return Searched(objective, direction, self.within_bounds(), box, self.patience)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options)
        return f"{self.name}({given})"


def lbfgs(memory: int = 10) -> Method:
    """Limited-memory BFGS, by which `minimize` goes if nothing is said.

    Parameters
    ----------
    memory : int
        From how many of the last steps the Hessian is estimated. All that is kept are two vectors
        for each.

    Returns
    -------
    method : Method

    Notes
    -----
    The compact form of Byrd, Nocedal and Schnabel (1994), with the line search of Moré and Thuente
    (1994). Within bounds, steps go along the projected arc (Bertsekas 1982, Projected Newton
    methods for optimization problems with simple constraints, SIAM J. Control Optim. 20, 221-246).

    Examples
    --------
    >>> import gdx
    >>> result = gdx.minimize(lambda x: (x - 3) ** 2, 0.0, method=gdx.optimize.lbfgs(memory=5))
    >>> result.success
    True
    """
    memory = whole("memory", memory, 1)
    return Method(
        "l-bfgs",
        lambda objective, _: LBFGS(objective, memory),
        partial(Wolfe, _CURVATURE),
        partial(Wolfe, _CURVATURE),
        options=(("memory", memory),),
    )


def _bb(lr: float | None = None) -> Method:
    search = partial(Armijo, _MEMORY_NONMONOTONE)
    return Method("bb", lambda *_: BarzilaiBorwein(lr), search, search, _PATIENCE_NONMONOTONE)


_BFGS = Method("bfgs", lambda objective, _: BFGS(objective), partial(Wolfe, _CURVATURE))
_CG = Method("cg", lambda *_: ConjugateGradient(), partial(Wolfe, _CURVATURE_OF_CG))
_NEWTON = Method("newton-cg", NewtonCG, partial(Wolfe, _CURVATURE))

_RULES = (sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, amsgrad, lion)

METHODS: dict[str, Callable[[], Method | Optimizer]] = {
    "l-bfgs": lbfgs,
    "l-bfgs-b": lbfgs,
    "bfgs": lambda: _BFGS,
    "cg": lambda: _CG,
    "bb": _bb,
    "newton-cg": lambda: _NEWTON,
    **{rule.__name__: rule for rule in _RULES},
}


def steepest(search: str, lr: float) -> Method:
    """Return gradient descent with a line search, whose first step has the length `lr`."""
    by_search = {
        "armijo": Method("armijo", lambda *_: Steepest(lr), Armijo),
        "wolfe": Method("wolfe", lambda *_: Steepest(lr), partial(Wolfe, _CURVATURE_OF_CG)),
        "bb": _bb(lr),
    }
    if search not in by_search:
        raise ValueError(f"line_search must be 'armijo', 'wolfe', 'bb' or None; got {search!r}.")
    return by_search[search]


def chosen(method: object) -> Method | Optimizer:
    """Return the method of a name, or the one that was given."""
    if isinstance(method, Method | Optimizer):
        return method
    made = _BY_LETTERS.get(_letters(method)) if isinstance(method, str) else None
    if callable(method):
        name = getattr(method, "__name__", "adam")
        raise ValueError(f"method must be made by a call, {name}(0.01); got the function {name}.")
    if made is None:
        names = ", ".join(map(repr, METHODS))
        near = get_close_matches(str(method).lower(), METHODS, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"method must be one of {names}, or an optimizer such as gdx.optimize.adam(0.01); "
            f"got {method!r}.{meant}"
        )
    return made()


def _letters(name: str) -> str:
    """Return what is left of a name without case, spaces and signs."""
    return "".join(filter(str.isalnum, name.lower()))


_BY_LETTERS = {_letters(name): made for name, made in METHODS.items()}
