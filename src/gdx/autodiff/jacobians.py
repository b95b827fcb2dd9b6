"""Whole matrices of exact derivatives: Jacobians and Hessians, and products with the latter."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.engines import engine_for
from gdx.autodiff.flat import Flat, of_number
from gdx.autodiff.transforms import IGNORED, gradient_of, jvp, of_chosen_arguments
from gdx.backends import Array, Namespace, device_of, is_complex, namespace_of
from gdx.caller import warn
from gdx.devices import on_device_of
from gdx.trees import Tree, map_leaves


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    engine: str | None = None,
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian ∂y_j/∂x_i of an array function.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or dicts, lists and tuples of arrays. Of complex arrays to complex
        ones, it must be holomorphic.
    argnums, engine
        As for `grad`.

    Returns
    -------
    jacobian : callable
        Takes what `f` takes and returns an array of shape ``y.shape + x.shape``; of trees, the
        structure of y with that of x inside.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad`.

    Warns
    -----
    RuntimeWarning
        If what `f` returns does not depend on the argument.

    See Also
    --------
    numerical_jacobian : by finite differences, also sparse ones.

    Notes
    -----
    Where y has no more elements than x, its rows are pulled back, otherwise the columns are pushed
    forward: all of them at once, as a stack.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.jacobian(lambda x: np.stack([x[0] * x[1], x[0] ** 2]))(np.asarray([3.0, 4.0]))
    array([[4., 3.],
           [6., 0.]])
    """

    @functools.wraps(f)
    @on_device_of(0)
    def of_jacobian(*args: Any, **kwargs: Any) -> Any:
        function, chosen = of_chosen_arguments(f, argnums, args, kwargs)
        flat = Flat(function, chosen)
        rows = _rows(flat, engine_for(flat, engine))
        items = [flat.like_inputs(row) for row in rows]
        return flat.like_output(
            [row if isinstance(argnums, list | tuple) else row[0] for row in items]
        )

    return of_jacobian


def _rows(flat: Flat, engine: Any) -> list[list[Array]]:
    """Return the derivative of each output with respect to each input, reverse or forward."""
    outputs, pullback, _, depends = engine.vjp(flat, flat.inputs)
    if not depends:
        warn(IGNORED, RuntimeWarning)
    complex_outputs = _any_complex(outputs, flat.xp) and not _any_complex(flat.inputs, flat.xp)
    if _size(outputs) <= _size(flat.inputs) and not complex_outputs:
        return _reverse_rows(flat, outputs, pullback, engine)
    return _forward_rows(flat, engine)


def _size(arrays: Sequence[Array]) -> int:
    return sum(math.prod(array.shape) for array in arrays)


def _any_complex(arrays: Sequence[Array], xp: Namespace) -> bool:
    return any(is_complex(xp, array.dtype) for array in arrays)


def _reverse_rows(
    flat: Flat, outputs: list[Array], pullback: Any, engine: Any
) -> list[list[Array]]:
    rows = []
    for place, y in enumerate(outputs):
        pull = _one_of(outputs, place, pullback, flat)
        cotangents = engine.vmap(pull)([_basis(y, flat)])
        rows.append([_reshaped(g, (*y.shape, *g.shape[1:])) for g in cotangents])
    return rows


def _forward_rows(flat: Flat, engine: Any) -> list[list[Array]]:
    """Return the derivatives of all outputs, a column for each element of the inputs."""

    def push(tangents: list[Array]) -> list[Array]:
        moved: list[Array] = engine.jvp(flat, flat.inputs, tangents)[1]
        return moved

    columns = []
    for place, x in enumerate(flat.inputs):
        moved = engine.vmap(_one_of(flat.inputs, place, push, flat))([_basis(x, flat)])
        columns.append([_reshaped(_first_last(t), (*t.shape[1:], *x.shape)) for t in moved])
    return [list(row) for row in zip(*columns, strict=True)]


def _one_of(
    arrays: list[Array], place: int, function: Callable[[list[Array]], list[Array]], flat: Flat
) -> Callable[[list[Array]], list[Array]]:
    """Return a function of many arrays as one of the array at `place`, the others being zero."""

    def of_one(one: list[Array]) -> list[Array]:
        device = device_of(flat.inputs[0])
        zeros = functools.partial(flat.plain.zeros, device=device)
        return function(
            [one[0] if i == place else zeros(x.shape, dtype=x.dtype) for i, x in enumerate(arrays)]
        )

    return of_one


def _basis(x: Array, flat: Flat) -> Array:
    """Return the unit arrays of the shape of `x`, one for each element, stacked."""
    n = math.prod(x.shape)
    unit = flat.plain.eye(n, dtype=x.dtype, device=device_of(flat.inputs[0]))
    return flat.plain.reshape(unit, (n, *x.shape))


def _first_last(x: Array) -> Array:
    # moveaxis has no rule in torch.func.vmap.
    return namespace_of(x).permute_dims(x, (*range(1, len(x.shape)), 0))


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return namespace_of(x).reshape(x, shape)


def hessian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    engine: str | None = None,
) -> Callable[..., Any]:
    """Return a function that gives the Hessian ∂²f/∂x_i∂x_j of a scalar function.

    Parameters
    ----------
    f : callable
        Takes arrays, or dicts, lists and tuples of arrays, and returns one real number.
    argnums, engine
        As for `grad`.

    Returns
    -------
    hessian : callable
        Takes what `f` takes and returns an array of shape ``x.shape + x.shape``; of trees, the
        structure of x with that of x inside.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad`.

    See Also
    --------
    hvp : the product with one vector, for the cost of a few gradients.
    numerical_hessian : by finite differences.

    Notes
    -----
    The gradient, in reverse mode, is pushed along all directions at once, in forward mode: n times
    the memory of a gradient.

    References
    ----------
    A. Griewank and A. Walther (2008), Evaluating Derivatives, 2nd ed., SIAM, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.hessian(lambda x: x[0] ** 2 * x[1])(np.asarray([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])
    """

    @functools.wraps(f)
    @on_device_of(0)
    def of_hessian(*args: Any, **kwargs: Any) -> Any:
        function, chosen = of_chosen_arguments(f, argnums, args, kwargs)
        numbers = tuple(range(len(chosen)))

        def gradient(*trees: Tree) -> Any:
            return gradient_of(function, numbers, trees, {}, engine=engine)[1]

        flat = Flat(gradient, chosen)
        rows = _forward_rows(flat, engine_for(flat, engine))
        single = not isinstance(argnums, list | tuple)
        of_inputs = [flat.like_inputs(row) for row in rows]
        result = flat.like_output([row[0] if single else row for row in of_inputs])
        return result[0] if single else result

    return of_hessian


@on_device_of(1)
def hvp(f: Callable[..., Any], x: Tree, v: Tree, *, engine: str | None = None) -> Tree:
    """Return the product of the Hessian of a scalar function with a vector, Σ_j ∂²f/∂x_i∂x_j v_j.

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number.
    x : array_like, or dict, list or tuple of arrays
        Where the Hessian is taken. It is not built.
    v : array_like, or dict, list or tuple of arrays
        The vector, of the structure and shapes of `x`.
    engine : {None, "tracer"}
        As for `grad`.

    Returns
    -------
    product : array or tree
        Of the structure, shapes and dtypes of `x`.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad` and `jvp`.

    References
    ----------
    B. A. Pearlmutter (1994), Fast exact multiplication by the Hessian, Neural Computation 6,
    147-160.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.hvp(lambda x: np.sum(x**3), np.asarray([1.0, 2.0]), np.asarray([1.0, 1.0]))
    array([ 6., 12.])
    """

    def gradient(x: Tree) -> Tree:
        return gradient_of(f, 0, (x,), {}, engine=engine)[1]

    product = jvp(gradient, (x,), (v,), engine=engine)[1]
    return map_leaves(of_number, product)
