"""Real data: handwritten digits, read without a hidden layer and with one.

Both networks learn from 1,437 digits, 100 at a time: each step goes against the exact gradient of
the loss of one such mini-batch. What they have learned is measured on 360 digits that they have
never seen; those they learned from, the second network knows by heart: its loss on them goes on
falling when the one on unseen digits does not any more.

Run it: python examples/digits.py --backend numpy --save pictures
With another backend it trains on NumPy too, and prints both times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from options import options, save
from sklearn.datasets import load_digits

import gdx
import gdx.plot

NETWORKS = {
    "softmax regression": [64, 10],  # from 8 × 8 pixels straight to a score for each digit
    "one hidden layer": [64, 100, 10],
}
TEST = 360  # digits that are kept for testing
BATCH = 100
EPOCHS = 40  # so often each digit is seen in training


def data() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    return digits.data[order] / 16, digits.target[order]


def mini_batches(n: int) -> Iterator[np.ndarray]:
    """Yield which of n samples are next, in a new order each epoch."""
    rng = np.random.default_rng(0)
    while True:
        yield from rng.permutation(n)[: n - n % BATCH].reshape(-1, BATCH)


def train(sizes: list[int], x: np.ndarray, t: np.ndarray):
    """Train on the current backend; return network, result, losses on unseen digits, and time."""
    xp, dtype = gdx.backend().xp, gdx.backend().dtype
    net = gdx.MLP(sizes, rng=0)
    unseen = gdx.asarray(x[:TEST], dtype=dtype), gdx.asarray(t[:TEST])
    images, labels = gdx.asarray(x[TEST:], dtype=dtype), gdx.asarray(t[TEST:])
    batches = mini_batches(len(t) - TEST)
    steps_per_epoch = (len(t) - TEST) // BATCH
    test_losses = []

    def loss(params):
        return net.loss(images, labels, params)

    def gradient(params):
        # Of a hundred digits it points nearly the same way as of all, at a fraction of the work. By
        # differences it would take 15,000 losses; exact, it takes as long as three or four.
        batch = gdx.asarray(next(batches))
        return net.gradient(xp.take(images, batch, axis=0), xp.take(labels, batch), params)

    def test(params):
        test_losses.append(float(gdx.to_numpy(net.loss(*unseen, params))))

    def once_an_epoch(descent):
        if descent.step % steps_per_epoch == 0:
            test(descent.x)

    start = time.perf_counter()
    result = gdx.gradient_descent(
        loss,
        net.params,
        lr=1.0,
        step_num=EPOCHS * steps_per_epoch,
        grad=gradient,
        history=False,
        check_every=steps_per_epoch,
        callback=once_an_epoch,
    )
    seconds = time.perf_counter() - start
    net.params = result.x
    return net, result, test_losses, seconds


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
    images, labels = gdx.asarray(x, dtype=gdx.backend().dtype), gdx.asarray(t)
    ax, accuracy = None, {}
    for name, sizes in NETWORKS.items():
        print(f"\n{name}, {' → '.join(map(str, sizes))}")
        if gdx.backend().name != "numpy":
            with gdx.using("numpy"):
                *_, seconds = train(sizes, x, t)
            print(f"numpy: {seconds:.2f} s")
        net, result, test_losses, seconds = train(sizes, x, t)
        print(f"{gdx.backend().name}: {seconds:.2f} s, loss {result.fun:.3f}")
        learned = float(gdx.to_numpy(net.accuracy(images[TEST:, :], labels[TEST:])))
        accuracy[name] = float(gdx.to_numpy(net.accuracy(images[:TEST, :], labels[:TEST])))
        print(f"reads {learned:.3f} of the digits it learned from,")
        print(f"      {accuracy[name]:.3f} of {TEST} that were not seen in training")
        ax = gdx.plot.loss_curve(result, label=f"{name}, training", ax=ax)
        steps, colour = [step for step, _ in result.checks], ax.lines[-1].get_color()
        ax.plot(steps, test_losses, "--", color=colour, label=f"{name}, unseen")
    assert accuracy["softmax regression"] >= 0.95
    assert accuracy["one hidden layer"] >= 0.975
    assert accuracy["one hidden layer"] > accuracy["softmax regression"]
    ax.legend()
    ax.set(title="Training on handwritten digits", ylabel="loss")
    save(ax, chosen, "digits_loss.png")
    read = gdx.to_numpy(net.predict(images[:TEST, :])).argmax(axis=1)
    save(misread_digits(x[:TEST], t[:TEST], read), chosen, "digits_misread.png")


if __name__ == "__main__":
    main()
