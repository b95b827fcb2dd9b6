"""Minimisation: methods, update rules, the loop they run in, and its result."""

from gdx.optimize.descent import gradient_descent
from gdx.optimize.files.error import CheckpointError
from gdx.optimize.methods import Method, lbfgs
from gdx.optimize.minimize import minimize
from gdx.optimize.result import BatchResult, DescentResult, History, OptimizeResult, Status
from gdx.optimize.runs.loop import BatchDescent, Descent
from gdx.optimize.updates.optimizer import (
    Optimizer,
    chain,
    clip_by_global_norm,
    clip_by_value,
    weight_decay,
)
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
from gdx.optimize.updates.schedules import (
    Schedule,
    constant,
    cosine_decay,
    exponential_decay,
    one_cycle,
    step_decay,
)
from gdx.optimize.updates.segments import OptimizerState

__all__ = [
    "BatchDescent",
    "BatchResult",
    "CheckpointError",
    "Descent",
    "DescentResult",
    "History",
    "Method",
    "OptimizeResult",
    "Optimizer",
    "OptimizerState",
    "Schedule",
    "Status",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "constant",
    "cosine_decay",
    "exponential_decay",
    "gradient_descent",
    "lbfgs",
    "lion",
    "minimize",
    "momentum",
    "nesterov",
    "one_cycle",
    "rmsprop",
    "sgd",
    "step_decay",
    "weight_decay",
]
