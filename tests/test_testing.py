"""What a test suite sees of a check."""

from __future__ import annotations

import numpy as np
import pytest

from gdx.testing import assert_gradient


def test_assertions():
    x = np.asarray([1.0, 2.0])
    assert assert_gradient(lambda x: np.sum(x**3), x, lambda x: 3 * x**2) is None
    with pytest.raises(AssertionError, match=r"wrong: 2 of 2 elements are wrong.*2 times") as error:
        assert_gradient(lambda x: np.sum(x**3), x, 6 * x**2)
    assert "Worst: element (1,) is 24; the difference is 12" in str(error.value)
