"""Real data: 1,797 handwritten digits, read by softmax regression with 650 parameters.

Run it: python examples/digits.py --backend numpy --save pictures
With another backend it trains on NumPy too, and prints both times.
"""

from __future__ import annotations

import time

import numpy as np
from options import options, save
from sklearn.datasets import load_digits

import gdx
import gdx.plot

TEST = 360  # digits that are kept for testing


def data() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    return digits.data[order] / 16, digits.target[order]


def train(x: np.ndarray, t: np.ndarray):
    """Train on the current backend; return the network, the result, the time, and scores."""
    xp, dtype = gdx.backend().xp, gdx.backend().dtype
    net = gdx.SimpleNet(64, 10, init=0.01, bias=True, rng=0)
    images, labels = gdx.asarray(x[TEST:], dtype=dtype), gdx.asarray(t[TEST:])
    one_hot = gdx.asarray(np.eye(10)[t[TEST:]], dtype=dtype)

    def loss(params):
        return gdx.softmax_cross_entropy(net.predict(images, params), labels)

    def gradient(params):
        # ∂L/∂scores = (softmax(scores) - one-hot) / N; a numerical one would take 1,300 losses.
        error = (gdx.softmax(net.predict(images, params)) - one_hot) / images.shape[0]
        return {"W": xp.matmul(xp.matrix_transpose(images), error), "b": xp.sum(error, axis=0)}

    start = time.perf_counter()
    result = gdx.gradient_descent(
        loss, net.params, lr=0.5, step_num=500, grad=gradient, history=False
    )
    seconds = time.perf_counter() - start
    net.params = result.x
    return result, seconds, gdx.to_numpy(net.predict(gdx.asarray(x[:TEST], dtype=dtype)))


def misread_digits(images: np.ndarray, t: np.ndarray, read: np.ndarray):
    """Draw the digits that were read wrongly, and how."""
    from matplotlib import pyplot

    wrong = np.flatnonzero(read != t)[:24]
    rows = -(-len(wrong) // 8)
    _, axes = pyplot.subplots(rows, 8, figsize=(9, 1.5 * rows), layout="constrained")
    for ax in np.ravel(axes):
        ax.axis("off")
    for ax, i in zip(np.ravel(axes), wrong, strict=False):
        ax.imshow(images[i].reshape(8, 8), cmap="gray_r")
        ax.set_title(f"{t[i]}, read as {read[i]}", fontsize=9)
    return np.ravel(axes)[0]


def main() -> None:
    chosen = options(__doc__)
    x, t = data()
    if gdx.backend().name != "numpy":
        with gdx.using("numpy"):
            _, seconds, _ = train(x, t)
        print(f"numpy: {seconds:.2f} s")
    result, seconds, scores = train(x, t)
    read = scores.argmax(axis=1)
    accuracy = float((read == t[:TEST]).mean())
    print(f"{gdx.backend().name}: {seconds:.2f} s, loss {result.fun:.3f}")
    print(f"accuracy on {TEST} digits that were not seen in training: {accuracy:.3f}")
    assert accuracy >= 0.93
    ax = gdx.plot.loss_curve(result)
    ax.set_title("Softmax regression on handwritten digits")
    save(ax, chosen, "digits_loss.png")
    save(misread_digits(x[:TEST], t[:TEST], read), chosen, "digits_misread.png")


if __name__ == "__main__":
    main()
