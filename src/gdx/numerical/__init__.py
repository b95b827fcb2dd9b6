"""Derivatives by finite differences."""

from gdx.numerical.check import check_gradient
from gdx.numerical.gradient import numerical_gradient, numerical_hessian_diagonal
from gdx.numerical.hessian import numerical_hessian
from gdx.numerical.jacobian import numerical_jacobian, numerical_jvp
from gdx.numerical.report import GradientCheck
from gdx.numerical.result import Derivative

__all__ = [
    "Derivative",
    "GradientCheck",
    "check_gradient",
    "numerical_gradient",
    "numerical_hessian",
    "numerical_hessian_diagonal",
    "numerical_jacobian",
    "numerical_jvp",
]
