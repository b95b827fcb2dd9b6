"""Derivatives by finite differences."""

from gdx.numerical.gradient import numerical_gradient

__all__ = ["numerical_gradient"]
