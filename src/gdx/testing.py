"""Assertions for test suites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.numerical.check import check_gradient
from gdx.trees import Tree

__all__ = ["assert_gradient"]


def assert_gradient(
    f: Callable[[Tree], Any],
    x: Tree,
    grad: Callable[[Tree], Tree] | Tree | None = None,
    *,
    x_scale: Any = None,
    rng: Any = None,
) -> None:
    """Raise an AssertionError unless a gradient is correct.

    Parameters
    ----------
    f, x, grad, x_scale, rng
        As for `gdx.check_gradient`.

    Raises
    ------
    AssertionError
        If the verdict is "wrong", or "inconclusive": a test that cannot tell does not pass. The
        message is the report.
    TypeError, ValueError
        As `gdx.check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from gdx.testing import assert_gradient
    >>> assert_gradient(lambda x: np.sum(x**3), np.asarray([1.0, 2.0]), lambda x: 3 * x**2)
    """
    check = check_gradient(f, x, grad, x_scale=x_scale, rng=rng)
    if not check:
        raise AssertionError(str(check))
