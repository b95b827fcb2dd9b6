"""Gradient descent: the loop, how it is judged, and its result."""

from gdx.optimize.descent import Descent, gradient_descent
from gdx.optimize.result import DescentResult, Status

__all__ = ["Descent", "DescentResult", "Status", "gradient_descent"]
