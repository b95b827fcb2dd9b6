"""Networks: named parameters, and functions of them."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    Device,
    DType,
    as_like,
    backend,
    cast,
    floating,
    namespace_of,
    start,
)
from gdx.functions import checked_target, cross_entropy_of_softmax
from gdx.numerical import numerical_gradient
from gdx.options import whole

Params = dict[str, Array]

_SCALES = {
    "normal": lambda n_in, n_out: 1.0,
    "he": lambda n_in, n_out: math.sqrt(2 / n_in),
    "xavier": lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
}


class SimpleNet:
    r"""One layer and softmax: scores x W + b, probabilities softmax(x W + b).

    Parameters
    ----------
    n_in, n_out : int
        Numbers of inputs and of classes.
    init : {"normal", "he", "xavier"} or float
        The standard deviation of the initial weights, which are normal with mean zero: 1,
        sqrt(2 / n_in) (for ReLU), sqrt(2 / (n_in + n_out)) (for sigmoid), or the number given.
    bias : bool
        Whether there is a bias b; it starts at zero.
    dtype, device : optional
        Those of the current backend otherwise.
    rng : numpy.random.Generator or int, optional
        Drawn from on the host, so a seed gives the same weights on every backend.

    Attributes
    ----------
    W : array, shape (n_in, n_out)
        The weights. May be assigned.
    b : array, shape (n_out,), or None
        The bias. May be assigned.

    References
    ----------
    K. He et al. (2015), Delving deep into rectifiers, ICCV; X. Glorot and Y. Bengio (2010),
    Understanding the difficulty of training deep feedforward neural networks, AISTATS.

    Examples
    --------
    >>> import gdx
    >>> net = gdx.SimpleNet(2, 3)
    >>> net.W = [[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]]
    >>> net.predict([0.6, 0.9]).round(6)
    array([1.054148, 0.630717, 1.132807])
    >>> print(round(float(net.loss([0.6, 0.9], [0, 0, 1])), 8))
    0.92806829
    >>> net.gradient([0.6, 0.9], [0, 0, 1])["W"].round(6)
    array([[ 0.219248,  0.143562, -0.36281 ],
           [ 0.328871,  0.215344, -0.544215]])
    """

    def __init__(
        self,
        n_in: int = 2,
        n_out: int = 3,
        *,
        init: str | float = "normal",
        bias: bool = False,
        dtype: DType | None = None,
        device: Device = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        n_in, n_out = whole("n_in", n_in, 1), whole("n_out", n_out, 1)
        where = backend()
        if dtype is not None or device is not None:
            device = where.device if device is None else device
            where = start(where.xp, device, where.dtype if dtype is None else dtype)
        new = partial(where.xp.asarray, dtype=where.dtype, device=where.device)
        drawn = np.random.default_rng(rng).standard_normal((n_in, n_out))
        scaled = drawn * _scale(init, n_in, n_out)
        self._W = new(scaled)
        self._b = new(np.zeros(n_out)) if bias else None

    @property
    def W(self) -> Array:  # noqa: N802 - the field's name for weights
        """The weights, of shape (n_in, n_out)."""
        return self._W

    @W.setter
    def W(self, value: Array) -> None:  # noqa: N802
        self._W = _assigned("W", value, self._W.shape)

    @property
    def b(self) -> Array | None:
        """The bias, of shape (n_out,), or None."""
        return self._b

    @b.setter
    def b(self, value: Array | None) -> None:
        self._b = None if value is None else _assigned("b", value, self._W.shape[1:])

    @property
    def params(self) -> Params:
        """The parameters by name: "W" and, if there is a bias, "b". May be assigned."""
        return {"W": self._W} if self._b is None else {"W": self._W, "b": self._b}

    @params.setter
    def params(self, value: Params) -> None:
        if set(value) != set(self.params):
            raise ValueError(f"params must have the keys {[*self.params]}; got {[*value]}.")
        checked = {name: _assigned(name, value[name], p.shape) for name, p in self.params.items()}
        self._W, self._b = checked["W"], checked.get("b")

    def predict(self, x: Array, params: Params | None = None) -> Array:
        """Return the scores x W + b, of shape (..., n_out), for `x` of shape (..., n_in)."""
        W, b = (self._W, self._b) if params is None else _named(params)  # noqa: N806
        xp = namespace_of(W)
        x = as_like(x, W, xp, "x", dtype=W.dtype)
        if x.ndim == 0 or x.shape[-1] != W.shape[0]:
            raise ValueError(
                f"x must have the shape (..., {W.shape[0]}), as W has the shape {tuple(W.shape)}; "
                f"got {tuple(x.shape)}."
            )
        scores = x @ W
        return scores if b is None else scores + as_like(b, W, xp, "b")

    def loss(self, x: Array, t: Array, params: Params | None = None) -> Array:
        """Return the cross entropy error of softmax(predict(x)) against `t`, a 0-d array.

        `t` holds labels or a probability for each class, as in `cross_entropy_error`.
        """
        scores = self.predict(x, params)
        return cross_entropy_of_softmax(scores, t, namespace_of(scores))

    def accuracy(self, x: Array, t: Array, params: Params | None = None) -> Array:
        """Return the share of samples whose highest score is at their label, a 0-d array.

        `t` as in `loss`; of soft targets, the most probable class is the label.
        """
        scores = self.predict(x, params)
        xp = namespace_of(scores)
        answer = xp.argmax(scores, axis=-1)
        target = checked_target(t, scores, "scores", xp)
        label = xp.argmax(target, axis=-1) if target.shape == scores.shape else target
        return xp.mean(xp.astype(answer == cast(label, answer.dtype, xp), scores.dtype))

    def gradient(self, x: Array, t: Array, params: Params | None = None) -> Params:
        """Return the gradient of the loss with respect to each parameter, by name."""
        params = self.params if params is None else params
        gradient: Params = numerical_gradient(lambda p: self.loss(x, t, p), params)
        return gradient


def _named(params: Any) -> tuple[Array, Array | None]:
    if not isinstance(params, dict) or "W" not in params:
        shown = [*params] if isinstance(params, dict) else type(params).__name__
        raise ValueError(f"params must be a dict with the key 'W', as {{'W': W}}; got {shown}.")
    return params["W"], params.get("b")


def _scale(init: Any, n_in: int, n_out: int) -> float:
    if isinstance(init, str) and init in _SCALES:
        return _SCALES[init](n_in, n_out)
    if isinstance(init, Real) and 0 < float(init) < math.inf:
        return float(init)
    raise ValueError(
        f"init must be one of {', '.join(_SCALES)}, or a positive number: got {init!r}."
    )


def _assigned(name: str, value: object, shape: tuple[int, ...]) -> Array:
    array, _ = floating(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {tuple(shape)}; got {tuple(array.shape)}.")
    return array
