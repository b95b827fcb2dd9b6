"""What is differentiated: each function one at a time, on a stack, and for those that trace it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
Function = Callable[[Array], Any]


@dataclass(frozen=True)
class Problem:
    """A function of a vector, and where its gradient is taken.

    Parameters
    ----------
    x : array
    f : callable
        Takes `x` and returns a number, as a beginner writes it.
    stacked : callable
        The same formula for each row of an array of shape (k, n); returns k numbers.
    traced : callable
        Takes torch or jax.numpy and returns `f` for it.
    exact : callable
        The gradient, by its formula.
    """

    x: Array
    f: Function
    stacked: Function
    traced: Callable[[Any], Function]
    exact: Function


def squares(x: Array) -> Any:
    return np.sum(x**2)


def sum_of_squares(n: int, dtype: Any = np.float64) -> Problem:
    return Problem(
        x=np.random.default_rng(0).standard_normal(n).astype(dtype),
        f=squares,
        stacked=lambda x: np.sum(x**2, axis=-1),
        traced=lambda xp: lambda x: xp.sum(x**2),
        exact=lambda x: 2 * x,
    )


def rosenbrock(n: int, dtype: Any = np.float64) -> Problem:
    def of(x: Array) -> Array:
        return 100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2

    def f(x: Array) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def exact(x: Array) -> Array:
        off = x[1:] - x[:-1] ** 2
        gradient = np.zeros_like(x)
        gradient[1:] += 200 * off
        gradient[:-1] -= 400 * x[:-1] * off + 2 * (1 - x[:-1])
        return gradient

    return Problem(
        x=np.random.default_rng(0).standard_normal(n).astype(dtype),
        f=f,
        stacked=lambda x: np.sum(of(x), axis=-1),
        traced=lambda xp: lambda x: xp.sum(of(x)),
        exact=exact,
    )


class TwoLayerNet:
    """Digits of 64 pixels, 50 sigmoids, 10 scores: 3,760 parameters in one vector.

    The loss is the cross entropy of the softmax of the scores, over a batch of 100 digits.
    """

    SHAPES = ((64, 50), (50,), (50, 10), (10,))

    def __init__(self, dtype: Any = np.float64) -> None:
        digits = _digits()
        self.dtype = dtype
        self.images = (digits.data[:100] / 16).astype(dtype)
        self.labels = digits.target[:100]
        self._columns = np.ascontiguousarray(-self.images.T)
        self._places = np.arange(100)

    def problem(self) -> Problem:
        x = 0.1 * np.random.default_rng(0).standard_normal(3760)
        return Problem(x.astype(self.dtype), self.loss, self.losses, self.traced, self.exact)

    def split(self, vector: Array) -> list[Array]:
        """Return W1, b1, W2 and b2 of a vector or of each row of a stack, without a copy."""
        parts, start = [], 0
        for shape in self.SHAPES:
            end = start + int(np.prod(shape))
            parts.append(vector[..., start:end].reshape(*vector.shape[:-1], *shape))
            start = end
        return parts

    def loss(self, vector: Array) -> Any:
        W1, b1, W2, b2 = self.split(vector)
        z = 1 / (1 + np.exp(-(np.dot(self.images, W1) + b1)))
        scores = np.dot(z, W2) + b2
        power = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        y = power / np.sum(power, axis=1, keepdims=True)
        return -np.sum(np.log(y[self._places, self.labels])) / 100

    def losses(self, stack: Array) -> Array:
        """Return the loss of each row, with the digits on the last axis: sums are then fast."""
        W1, b1, W2, b2 = self.split(stack)
        z = np.matmul(np.swapaxes(W1, -1, -2), self._columns)  # minus the first layer,
        z -= b1[:, :, None]
        np.exp(z, out=z)  # of which this is its sigmoid
        z += 1
        np.reciprocal(z, out=z)
        scores = np.matmul(np.swapaxes(W2, -1, -2), z)
        scores += b2[:, :, None]
        scores -= np.max(scores, axis=1, keepdims=True)
        right = scores[:, self.labels, self._places]
        np.exp(scores, out=scores)
        return np.mean(np.log(np.sum(scores, axis=1)) - right, axis=-1)

    def traced(self, xp: Any) -> Function:
        images = xp.asarray(self.images)
        picked = xp.asarray(np.eye(10, dtype=self.dtype)[self.labels])

        def loss(vector: Array) -> Any:
            W1, b1, W2, b2 = self.split(vector)
            z = 1 / (1 + xp.exp(-(images @ W1 + b1)))
            power = xp.exp(z @ W2 + b2)  # the scores are small: no maximum to take off
            y = power / xp.sum(power, axis=1)[:, None]
            return -xp.sum(picked * xp.log(y)) / 100

        return loss

    def exact(self, vector: Array) -> Array:
        """Return the gradient, propagated back from the loss."""
        W1, b1, W2, b2 = self.split(vector)
        z = 1 / (1 + np.exp(-(self.images @ W1 + b1)))
        power = np.exp(z @ W2 + b2)
        error = (power / power.sum(axis=1, keepdims=True) - np.eye(10)[self.labels]) / 100
        back = error @ W2.T * z * (1 - z)
        parts = self.images.T @ back, back.sum(axis=0), z.T @ error, error.sum(axis=0)
        return np.concatenate([np.ravel(part) for part in parts])


@functools.cache
def _digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()


def slow(x: Array) -> Any:
    """Compute for 20 ms, however fast the machine is."""
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass
    return np.sum(x**2)
