"""What gdx uses of CuPy's extensions."""

from typing import Any as _Any


def scatter_add(a: _Any, slices: _Any, value: _Any) -> None:
    a.scatter_add(slices, value)
