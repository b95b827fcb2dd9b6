"""Derivatives and gradient descent on the arrays you already have.

The same call works on NumPy, CuPy, PyTorch, JAX, Dask and every other library that follows the
Array API standard; the result has the library, dtype and device of the input.
"""

from gdx.autodiff import (
    TracingError,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from gdx.backends import (
    Backend,
    BackendFallbackWarning,
    BackendInfo,
    BackendUnavailableError,
    array_namespace,
    asarray,
    backend,
    backends,
    to_numpy,
    use,
    using,
)
from gdx.functions import (
    cross_entropy_error,
    log_softmax,
    mean_squared_error,
    relu,
    sigmoid,
    softmax,
    softmax_cross_entropy,
)
from gdx.nets import MLP, SimpleNet
from gdx.numerical import (
    Derivative,
    GradientCheck,
    check_gradient,
    numerical_gradient,
    numerical_hessian,
    numerical_hessian_diagonal,
    numerical_jacobian,
    numerical_jvp,
)
from gdx.optimize import (
    CheckpointError,
    Descent,
    DescentResult,
    History,
    OptimizeResult,
    Status,
    gradient_descent,
    minimize,
)

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "Backend",
    "BackendFallbackWarning",
    "BackendInfo",
    "BackendUnavailableError",
    "CheckpointError",
    "Derivative",
    "Descent",
    "DescentResult",
    "GradientCheck",
    "History",
    "OptimizeResult",
    "SimpleNet",
    "Status",
    "TracingError",
    "array_namespace",
    "asarray",
    "backend",
    "backends",
    "check_gradient",
    "cross_entropy_error",
    "custom_vjp",
    "grad",
    "gradient_descent",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "mean_squared_error",
    "minimize",
    "numerical_gradient",
    "numerical_hessian",
    "numerical_hessian_diagonal",
    "numerical_jacobian",
    "numerical_jvp",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "stop_gradient",
    "to_numpy",
    "use",
    "using",
    "value_and_grad",
    "vjp",
]
