"""Exact derivatives: one tracing core, interpreters on top of it, and tables of rules."""

from gdx.autodiff.core import TracingError
from gdx.autodiff.custom import custom_vjp, stop_gradient
from gdx.autodiff.jacobians import hessian, hvp, jacobian
from gdx.autodiff.transforms import grad, jvp, value_and_grad, vjp

__all__ = [
    "TracingError",
    "custom_vjp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
