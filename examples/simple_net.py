"""A network of six weights: its loss, the gradient dL/dW, and training by W ← W - lr · dL/dW.

Run it: python examples/simple_net.py --backend numpy --save pictures
"""

from __future__ import annotations

import numpy as np
from options import options, save

import gdx
import gdx.plot


def main() -> None:
    chosen = options(__doc__)
    net = gdx.SimpleNet(n_in=2, n_out=3)
    net.W = [[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]]
    x, t = gdx.asarray([0.6, 0.9]), [0, 0, 1]
    print("prediction:", gdx.to_numpy(net.predict(x)).round(6))
    print("loss:", gdx.to_numpy(net.loss(x, t)))
    dW = gdx.to_numpy(gdx.numerical_gradient(lambda W: net.loss(x, t, {"W": W}), net.W))
    print(f"dL/dW:\n{dW.round(6)}")
    published = [[0.21924757, 0.14356243, -0.36281], [0.32887136, 0.21534364, -0.544215]]
    assert np.allclose(dW, published, atol=1e-3)

    # Three clouds of points, one around each of three corners.
    rng = np.random.default_rng(0)
    t = np.arange(60) % 3
    corners = np.asarray([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    points = gdx.asarray(corners[t] + 0.7 * rng.standard_normal((60, 2)))
    labels = gdx.asarray(t)
    net = gdx.SimpleNet(2, 3, init=0.01, bias=True, rng=0)
    result = gdx.gradient_descent(
        lambda params: net.loss(points, labels, params), net.params, lr=0.5, step_num=60
    )
    net.params = result.x
    accuracy = float(gdx.to_numpy(net.accuracy(points, labels)))
    print(f"after training: loss {result.fun:.3f}, accuracy {accuracy:.3f}")
    assert accuracy >= 0.95
    ax = gdx.plot.loss_curve(result)
    ax.set(title="Training a network of nine parameters", ylabel="loss")
    save(ax, chosen, "simple_net_loss.png")


if __name__ == "__main__":
    main()
