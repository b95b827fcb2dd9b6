"""Activations and losses: pure functions of arrays, of any library."""

from gdx.functions.activations import log_softmax, relu, sigmoid, softmax
from gdx.functions.losses import (
    checked_target,
    cross_entropy_error,
    cross_entropy_of_softmax,
    mean_squared_error,
    softmax_cross_entropy,
)

__all__ = [
    "checked_target",
    "cross_entropy_error",
    "cross_entropy_of_softmax",
    "log_softmax",
    "mean_squared_error",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
]
