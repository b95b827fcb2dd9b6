"""The published optimizers."""

from __future__ import annotations

from gdx.optimize.updates.optimizer import Optimizer, made
from gdx.optimize.updates.segments import Rate


def sgd(lr: Rate = 0.001) -> Optimizer:
    """Gradient descent: p ← p - lr · g.

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` is not positive.

    Notes
    -----
    Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées; with
    gradients of random samples, Robbins and Monro (1951), A stochastic approximation method.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.sgd(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.6, -0.8])
    """
    return made(sgd, lr)


def momentum(lr: Rate = 0.001, *, momentum: float = 0.9) -> Optimizer:
    """Heavy ball: v ← momentum · v + g, p ← p - lr · v.

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    momentum : float
        What of the velocity lasts in a step; in [0, 1).

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` is not positive, or `momentum` not in [0, 1).

    Notes
    -----
    Polyak (1964), Some methods of speeding up the convergence of iteration methods.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.momentum(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.6, -0.8])
    """
    return made(_heavy_ball, lr, momentum=momentum)


_heavy_ball = momentum  # by the name that the argument does not hide


def nesterov(lr: Rate = 0.001, *, momentum: float = 0.9) -> Optimizer:
    """Nesterov's momentum: v ← momentum · v + g, p ← p - lr · (g + momentum · v).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    momentum : float
        What of the velocity lasts in a step; in [0, 1).

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` is not positive, or `momentum` not in [0, 1).

    Notes
    -----
    Nesterov (1983), A method of solving a convex programming problem with convergence rate
    O(1/k²); in the form of Sutskever et al. (2013), On the importance of initialization and
    momentum in deep learning, as PyTorch has it.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.nesterov(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 1.14, -1.52])
    """
    return made(nesterov, lr, momentum=momentum)


def adagrad(lr: Rate = 0.01, *, eps: float = 1e-10) -> Optimizer:
    """Adagrad: s ← s + g², p ← p - lr · g / (√s + eps).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    eps : float
        Added to the root; positive.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive.

    Notes
    -----
    Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and stochastic
    optimization, with a diagonal matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.adagrad(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.1, -0.1])
    """
    return made(adagrad, lr, eps=eps)


def rmsprop(lr: Rate = 0.01, *, rho: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """RMSprop: v ← rho · v + (1 - rho) · g², p ← p - lr · g / (√v + eps).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    rho : float
        By how much the mean of the squared gradient lasts in a step; in [0, 1).
    eps : float
        Added to the root; positive.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, or `rho` not in [0, 1).

    Notes
    -----
    Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning; the details are
    those of PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.rmsprop(0.01), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.1, -0.1])
    """
    return made(rmsprop, lr, rho=rho, eps=eps)


def adam(
    lr: Rate = 0.001, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Optimizer:
    """Adam: steps against the mean gradient, in units of its root mean square.

    m ← beta1 · m + (1 - beta1) · g, v ← beta2 · v + (1 - beta2) · g², and after t steps
    p ← p - lr · m / (1 - beta1ᵗ) / (√(v / (1 - beta2ᵗ)) + eps).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    beta1, beta2 : float
        By how much the means of the gradient and of its square last in a step; in [0, 1).
    eps : float
        Added to the root; positive.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, or a beta not in [0, 1).

    Notes
    -----
    Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.adam(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.1, -0.1])
    """
    return made(adam, lr, beta1=beta1, beta2=beta2, eps=eps)


def adamw(
    lr: Rate = 0.001,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay: p ← p - lr · (the step of `adam` + weight_decay · p).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    beta1, beta2 : float
        By how much the means of the gradient and of its square last in a step; in [0, 1).
    eps : float
        Added to the root; positive.
    weight_decay : float
        What the parameters lose in a step, in units of lr; positive, or 0.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, `weight_decay` is negative, or a beta not in [0, 1).

    Notes
    -----
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, algorithm 2, with the decay
    in units of lr, as PyTorch has it.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.adamw(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.103, -0.104])
    """
    return made(adamw, lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def amsgrad(
    lr: Rate = 0.001, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Optimizer:
    """Adam with a second moment that does not fall.

    m and v are as for `adam`, and w ← max(w, v); after t steps
    p ← p - lr · m / (1 - beta1ᵗ) / (√(w / (1 - beta2ᵗ)) + eps).

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    beta1, beta2 : float
        By how much the means of the gradient and of its square last in a step; in [0, 1).
    eps : float
        Added to the root; positive.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` or `eps` is not positive, or a beta not in [0, 1).

    Notes
    -----
    Reddi, Kale and Kumar (2018), On the convergence of Adam and beyond, algorithm 2, with the
    corrections for the first steps, as PyTorch has it.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.amsgrad(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.1, -0.1])
    """
    return made(amsgrad, lr, beta1=beta1, beta2=beta2, eps=eps)


def lion(
    lr: Rate = 0.0001,
    *,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Lion: steps of one length, by the sign of a mean gradient.

    p ← p - lr · (sign(beta1 · m + (1 - beta1) · g) + weight_decay · p), and then
    m ← beta2 · m + (1 - beta2) · g.

    Parameters
    ----------
    lr : float or callable
        The learning rate: positive, or a function of the number of steps taken before.
    beta1, beta2 : float
        What of the mean gradient lasts in the step, and in the memory; in [0, 1).
    weight_decay : float
        What the parameters lose in a step, in units of lr; positive, or 0.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If `lr` is not positive, `weight_decay` is negative, or a beta not in [0, 1).

    Notes
    -----
    Chen et al. (2023), Symbolic discovery of optimization algorithms, algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> optimizer, x = gdx.optimize.lion(0.1), np.asarray([-3.0, 4.0])
    >>> step, state = optimizer.update(2 * x, optimizer.init(x), x)
    >>> step
    array([ 0.1, -0.1])
    """
    return made(lion, lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)
