"""The routines of the course, written anew: what a beginner's program does."""

from __future__ import annotations

import numpy as np


def numerical_gradient(f, x):
    h = 1e-4
    gradient = np.zeros_like(x)
    places = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not places.finished:
        place = places.multi_index
        value = x[place]
        x[place] = float(value) + h
        above = f(x)
        x[place] = value - h
        below = f(x)
        gradient[place] = (above - below) / (2 * h)
        x[place] = value
        places.iternext()
    return gradient


def gradient_descent(f, init_x, lr=0.01, step_num=100):
    x = init_x
    history = []
    for _ in range(step_num):
        history.append(x.copy())
        x -= lr * numerical_gradient(f, x)
    return x, np.array(history)


def softmax(x):
    power = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return power / np.sum(power, axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    if y.ndim == 1:
        y, t = y.reshape(1, y.size), t.reshape(1, t.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    n = y.shape[0]
    return -np.sum(np.log(y[np.arange(n), t] + 1e-7)) / n


class SimpleNet:
    def __init__(self, rng=None):
        self.W = np.random.default_rng(rng).standard_normal((2, 3))

    def loss(self, x, t):
        return cross_entropy_error(softmax(np.dot(x, self.W)), t)
