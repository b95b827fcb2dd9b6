"""Networks: named parameters, and functions of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from gdx.autodiff import grad
from gdx.backends import (
    Array,
    Device,
    DType,
    Namespace,
    as_like,
    backend,
    cast,
    common_namespace,
    floating,
    is_array,
    is_complex,
    namespace_of,
    start,
)
from gdx.devices import on_device_of
from gdx.functions import (
    checked_target,
    cross_entropy_of_softmax,
    relu,
    sigmoid,
    softmax_cross_entropy,
)
from gdx.options import whole

Params = dict[str, Array]

_SCALES = {
    "normal": lambda n_in, n_out: 1.0,
    "he": lambda n_in, n_out: math.sqrt(2 / n_in),
    "xavier": lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
}


def _tanh(x: Array) -> Array:
    return namespace_of(x).tanh(x)


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": _tanh,
}


# Of samples or, where they are lists, of the parameters.
_on_device = on_device_of(1, lambda net: net._params)


class Network(ABC):
    """What classifiers have in common, whatever their layers: one says how to make scores."""

    _params: Params

    @property
    def params(self) -> Params:
        """The parameters by name. May be assigned."""
        return dict(self._params)

    @params.setter
    def params(self, value: Params) -> None:
        if set(value) != set(self._params):
            raise ValueError(f"params must have the keys {[*self._params]}; got {[*value]}.")
        self._params = {
            name: _assigned(name, value[name], p.shape) for name, p in self._params.items()
        }

    @abstractmethod
    def predict(self, x: Array, params: Params | None = None) -> Array:
        """Return the scores of the classes, of shape (..., n_classes)."""

    @abstractmethod
    def loss(self, x: Array, t: Array, params: Params | None = None) -> Array:
        """Return how far the scores are from `t`, a 0-d array."""

    @_on_device
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

    @_on_device
    def gradient(self, x: Array, t: Array, params: Params | None = None) -> Params:
        """Return the exact gradient of the loss with respect to each parameter, by name."""
        of_loss = grad(lambda p: self.loss(x, t, p))
        gradient: Params = of_loss(self._params if params is None else params)
        return gradient


class SimpleNet(Network):
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
        sizes = whole("n_in", n_in, 1), whole("n_out", n_out, 1)
        ((W, b),) = _layers(sizes, init, dtype, device, rng)  # noqa: N806 - the field's name
        self._params = {"W": W, "b": b} if bias else {"W": W}

    @property
    def W(self) -> Array:  # noqa: N802 - the field's name for weights
        """The weights, of shape (n_in, n_out)."""
        return self._params["W"]

    @W.setter
    def W(self, value: Array) -> None:  # noqa: N802
        self._params["W"] = _assigned("W", value, self.W.shape)

    @property
    def b(self) -> Array | None:
        """The bias, of shape (n_out,), or None."""
        return self._params.get("b")

    @b.setter
    def b(self, value: Array | None) -> None:
        if value is None:
            self._params.pop("b", None)
        else:
            self._params["b"] = _assigned("b", value, self.W.shape[1:])

    @_on_device
    def predict(self, x: Array, params: Params | None = None) -> Array:
        """Return the scores x W + b, of shape (..., n_out), for `x` of shape (..., n_in)."""
        W, b = _named(self._params if params is None else params)  # noqa: N806
        if b is None:
            x, xp = _inputs(x, "W", W)
            return xp.matmul(x, W)
        b = _array_beside(W, b, "b")
        x, xp = _inputs(x, "W", W, b)
        return xp.matmul(x, W) + b

    @_on_device
    def loss(self, x: Array, t: Array, params: Params | None = None) -> Array:
        """Return the cross entropy error of softmax(predict(x)) against `t`, a 0-d array.

        `t` holds labels or a probability for each class, as in `cross_entropy_error`.
        """
        scores = self.predict(x, params)
        return cross_entropy_of_softmax(scores, t, namespace_of(scores))


class MLP(Network):
    r"""Multilayer perceptron: hidden layers h ← φ(h W + b), scores h W + b, and softmax.

    Parameters
    ----------
    sizes : iterable of int
        Numbers of inputs, of the units of each hidden layer, and of classes. Two numbers are
        softmax regression, without a hidden layer.
    activation : {"relu", "sigmoid", "tanh"} or callable
        φ: one of these, or a function of an array that returns one of the same shape.
    init : {"normal", "he", "xavier"} or float, optional
        The standard deviation of the initial weights of each layer, as for `SimpleNet`: for relu
        "he", otherwise "xavier". Biases start at zero.
    dtype, device : optional
        Those of the current backend otherwise.
    rng : numpy.random.Generator or int, optional
        Drawn from on the host, so a seed gives the same weights on every backend.

    Attributes
    ----------
    sizes : tuple of int
        As given.
    params : dict
        Arrays "W1" of shape (sizes[0], sizes[1]), "b1" of shape (sizes[1],), "W2" and so on. May
        be assigned.

    Raises
    ------
    ValueError
        If `sizes` are not two or more positive integers, or `activation` or `init` is unknown;
        later, if `x` has another width than sizes[0], or `params` other keys or shapes.

    See Also
    --------
    SimpleNet : one layer, and a loss that is rounded as in textbooks.

    Notes
    -----
    ``MLP([784, 50, 10], "sigmoid", init=0.01)`` is the TwoLayerNet of a beginners' course.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams (1986), Learning representations by
    back-propagating errors, Nature 323, 533-536.

    Examples
    --------
    Exclusive or, which one layer cannot learn:

    >>> import gdx
    >>> net = gdx.MLP([2, 8, 2], "tanh", rng=0)
    >>> x, t = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> trained = gdx.gradient_descent(
    ...     lambda params: net.loss(x, t, params),
    ...     net.params,
    ...     lr=1.0,
    ...     grad=lambda params: net.gradient(x, t, params),
    ... )
    >>> net.params = trained.x
    >>> net.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        sizes: Iterable[int],
        activation: str | Callable[[Array], Array] = "relu",
        *,
        init: str | float | None = None,
        dtype: DType | None = None,
        device: Device = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.sizes = _checked_sizes(sizes)
        self._activation = _checked_activation(activation)
        if init is None:
            init = "he" if self._activation is relu else "xavier"
        layers = _layers(self.sizes, init, dtype, device, rng)
        self._params, self._names = {}, []
        for i, (W, b) in enumerate(layers, start=1):  # noqa: N806
            self._params |= {f"W{i}": W, f"b{i}": b}
            self._names.append((f"W{i}", f"b{i}"))
        self._shapes = {name: tuple(p.shape) for name, p in self._params.items()}

    @_on_device
    def predict(self, x: Array, params: Params | None = None) -> Array:
        """Return the scores of the last layer, of shape (..., sizes[-1]).

        `x` has the shape (..., sizes[0]).
        """
        params = self._params if params is None else self._checked(params)
        h, xp = _inputs(x, "W1", params["W1"], *params.values())
        *hidden, last = self._names
        for W, b in hidden:  # noqa: N806
            h = self._activation(xp.matmul(h, params[W]) + params[b])
        return xp.matmul(h, params[last[0]]) + params[last[1]]

    @_on_device
    def loss(self, x: Array, t: Array, params: Params | None = None) -> Array:
        """Return the cross entropy of softmax(predict(x)) and `t`, a 0-d array.

        `t` holds labels or a probability for each class, as in `softmax_cross_entropy`.
        """
        return softmax_cross_entropy(self.predict(x, params), t)

    def _checked(self, params: Any) -> Params:
        if not isinstance(params, dict) or params.keys() != self._shapes.keys():
            raise ValueError(
                f"params must be a dict with the keys {[*self._shapes]}; got {_shown(params)}."
            )
        for name, shape in self._shapes.items():
            p = params[name]
            if not is_array(p) or p.shape != shape:
                got = tuple(p.shape) if is_array(p) else type(p).__name__
                raise ValueError(f"{name} must be an array of the shape {shape}; got {got}.")
        return params


def _checked_sizes(sizes: Any) -> tuple[int, ...]:
    given = [*sizes] if isinstance(sizes, Iterable) else []
    if len(given) < 2:
        raise ValueError(
            "sizes must be two numbers or more, of inputs, of units in each hidden layer and of "
            f"classes, as [784, 50, 10]; got {sizes!r}."
        )
    return tuple(whole(f"sizes[{i}]", size, 1) for i, size in enumerate(given))


def _checked_activation(activation: Any) -> Callable[[Array], Array]:
    if isinstance(activation, str) and activation in _ACTIVATIONS:
        return _ACTIVATIONS[activation]
    if callable(activation):
        function: Callable[[Array], Array] = activation
        return function
    raise ValueError(
        f"activation must be one of {', '.join(_ACTIVATIONS)}, or a function of an array: "
        f"got {activation!r}."
    )


def _layers(
    sizes: Iterable[int],
    init: Any,
    dtype: DType | None,
    device: Device,
    rng: np.random.Generator | int | None,
) -> list[tuple[Array, Array]]:
    """Return the initial weights and biases of the layers between `sizes`."""
    where = backend()
    if dtype is not None or device is not None:
        device = where.device if device is None else device
        where = start(where.xp, device, where.dtype if dtype is None else dtype)
    if isinstance(rng, str):
        raise TypeError(f"rng must be an integer, a numpy.random.Generator or None; got {rng!r}.")
    generator = np.random.default_rng(rng)

    def new(host: Any) -> Array:
        return where.xp.asarray(host, dtype=where.dtype, device=where.device)

    def layer(n_in: int, n_out: int) -> tuple[Array, Array]:
        drawn = generator.standard_normal((n_in, n_out))
        return new(drawn * _scale(init, n_in, n_out)), new(np.zeros(n_out))

    return [layer(*ends) for ends in pairwise(sizes)]


def _inputs(x: Any, name: str, W: Array, *others: Array) -> tuple[Array, Namespace]:  # noqa: N803
    """Return `x` beside the weights W that it is multiplied with, and the namespace of all.

    Traced arrays may be among them: then it is theirs.
    """
    x = _array_beside(W, x, "x")
    xp: Namespace = common_namespace(x, W, *others)
    if x.dtype != W.dtype:
        if is_complex(xp, x.dtype):
            raise TypeError(f"x must hold real numbers, but its dtype is {x.dtype}.")
        x = xp.astype(x, W.dtype)
    if x.ndim == 0 or x.shape[-1] != W.shape[0]:
        raise ValueError(
            f"x must have the shape (..., {W.shape[0]}), as {name} has the shape "
            f"{tuple(W.shape)}; got {tuple(x.shape)}."
        )
    return x, xp


def _array_beside(W: Array, given: Any, name: str) -> Array:  # noqa: N803
    return given if is_array(given) else as_like(given, W, namespace_of(W), name)


def _named(params: Any) -> tuple[Array, Array | None]:
    if not isinstance(params, dict) or "W" not in params:
        raise ValueError(
            f"params must be a dict with the key 'W', as {{'W': W}}; got {_shown(params)}."
        )
    return params["W"], params.get("b")


def _shown(params: Any) -> Any:
    return [*params] if isinstance(params, dict) else type(params).__name__


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
