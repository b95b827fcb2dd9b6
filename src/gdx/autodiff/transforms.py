"""Exact derivatives: grad, vjp, jvp, Jacobians and Hessians of functions of any array library."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.engines import engine_for
from gdx.autodiff.flat import Flat, beside
from gdx.autodiff.traced import Traced
from gdx.backends import Array, Namespace, device_of, is_array, is_complex, library, namespace_of
from gdx.caller import warn
from gdx.options import integer
from gdx.trees import Tree


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    engine: str | None = None,
) -> Callable[..., Any]:
    """Return a function that gives the value of `f` and its gradient.

    Parameters
    ----------
    f, argnums, has_aux, engine
        As for `grad`.

    Returns
    -------
    value_and_gradient : callable
        Takes what `f` takes and returns ``(f(...), gradient)``; with `has_aux`,
        ``((value, aux), gradient)``.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad`.

    Examples
    --------
    >>> import gdx
    >>> value, gradient = gdx.value_and_grad(lambda x: x**3)(2.0)
    >>> print(value, gradient)
    8.0 12.0
    """

    @functools.wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradient, aux, depends = gradient_of(
            f, argnums, args, kwargs, has_aux=has_aux, engine=engine
        )
        if not depends:
            warn(IGNORED, RuntimeWarning)
        return ((value, aux) if has_aux else value), gradient

    return value_and_gradient


IGNORED = (
    "f does not depend on the argument with respect to which it is differentiated: the derivative "
    "is zero. f must compute with its argument, as lambda W: net.loss(x, t, {'W': W}) does; "
    "lambda W: net.loss(x, t) does not."
)


def gradient_of(
    f: Callable[..., Any],
    argnums: int | Sequence[int],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    has_aux: bool = False,
    engine: str | None = None,
) -> tuple[Any, Tree, Any, bool]:
    """Return f(...), its gradient, what is auxiliary, and whether f uses its argument."""
    function, chosen = _of_chosen(f, argnums, args, kwargs)
    flat = Flat(function, chosen, has_aux=has_aux)
    outputs, pullback, aux, depends = engine_for(flat, engine).vjp(flat, flat.inputs)
    y = _scalar(outputs, flat)
    ones = library(flat.plain).quick.get("ones", flat.plain.ones)
    one = ones(y.shape, dtype=y.dtype, device=device_of(flat.inputs[0]))
    gradient = flat.like_inputs(pullback([one], last=True))
    return y, gradient[0] if not isinstance(argnums, list | tuple) else gradient, aux, depends


def _scalar(outputs: list[Array], flat: Flat) -> Array:
    if len(outputs) != 1 or math.prod(outputs[0].shape) != 1:
        shapes = flat.like_output([tuple(y.shape) for y in outputs])
        raise TypeError(
            f"f must return one number; what it returned has the shape {shapes}. For an array of "
            "derivatives use gdx.jacobian, for a weighted sum of them gdx.vjp, or return a sum."
        )
    y = outputs[0]
    if is_complex(flat.xp, y.dtype):
        raise TypeError(
            f"f must return a real number; it returned one of {y.dtype}. Take its real or "
            "imaginary part, or use gdx.vjp."
        )
    return y


def _of_chosen(
    f: Callable[..., Any],
    argnums: int | Sequence[int],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Callable[..., Any], list[Tree]]:
    """Return `f` as a function of the chosen arguments alone, and those."""
    if argnums == 0 and len(args) == 1 and not kwargs:
        return f, [args[0]]
    numbers: Sequence[Any] = argnums if isinstance(argnums, list | tuple) else [argnums]
    places = [n if type(n) is int else integer("argnums", n) for n in numbers]
    for place in places:
        if not -len(args) <= place < len(args):
            raise ValueError(
                f"argnums is {argnums}, but f was called with {len(args)} positional arguments; "
                "what is given by keyword is not differentiated."
            )
    places = [place % len(args) for place in places]
    if len(set(places)) < len(places):
        raise ValueError(f"argnums names an argument twice: {argnums}.")

    def of_chosen(*chosen: Any) -> Any:
        new = [*args]
        for place, argument in zip(places, chosen, strict=True):
            new[place] = argument
        return f(*new, **kwargs)

    return of_chosen, [args[place] for place in places]


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    engine: str | None = None,
) -> Callable[..., Any]:
    r"""Return a function that gives the exact gradient of a scalar function.

    The derivatives of the steps that `f` computes are multiplied from the result back to the
    argument (reverse mode): the gradient costs a few evaluations of `f`, however many elements the
    argument has. Each element of it is ∂f/∂x_i.

    Parameters
    ----------
    f : callable
        Takes arrays, or dicts, lists and tuples of arrays, and returns one real number. It is
        written with operators, indexing and the functions of the Array API standard
        (``xp = gdx.array_namespace(x)``), with NumPy's functions if the arrays are NumPy's, or with
        those of PyTorch or JAX if they are theirs.
    argnums : int or sequence of int
        With respect to which positional arguments; of several, the gradient is a tuple.
    has_aux : bool
        `f` returns a pair: the number, and anything else. The gradient comes as a pair, too.
    engine : {None, "tracer"}
        By default, PyTorch and JAX arrays are differentiated by their own libraries, all others by
        gdx's tracer. "tracer" takes it for all.

    Returns
    -------
    gradient : callable
        Takes what `f` takes and returns arrays of the structure, shapes, dtypes and devices of the
        argument. Of a complex x = a + ib it is ∂f/∂a - i ∂f/∂b, as JAX has it.

    Raises
    ------
    TypeError
        If the argument does not hold floating-point numbers, or `f` returns something else than
        one real number.
    ValueError
        If there is no such argument.
    TracingError
        If `f` takes a number out of the arrays that it computes with (``float(x)``,
        ``numpy.asarray(x)``), or uses what has no derivative: it cannot be followed there. See the
        notes for PyTorch and JAX.

    Warns
    -----
    RuntimeWarning
        If what `f` returns does not depend on the argument, whose gradient is then zero.

    See Also
    --------
    numerical_gradient : of functions that cannot be traced.
    check_gradient : tells whether a gradient is right.
    custom_vjp : gives a function a derivative of its own.

    Notes
    -----
    What follows is said of the tracer; PyTorch and JAX have rules of their own, by which
    ``float(x)`` is a constant, and arrays that `f` was handed cannot be assigned to.

    ``y[i] = v`` and ``y += v`` are followed, in arrays that `f` was handed or has made by ``xp``;
    the arguments that the caller gave are not changed. A NumPy array that `f` has computed with
    is read-only until it returns, as the derivative may depend on it (another view of the same
    memory is not); an array of another library, `f` must not change. Comparisons, ``argmax``,
    ``floor`` and the like are constants; where a derivative has a jump, it is that of one side,
    and evenly shared by equal elements of ``max``, ``min`` and ``maximum``. Where nothing depends
    on an infinite derivative, as on the branch of ``where`` that is not taken, it counts as zero.
    Derivatives of derivatives are taken by calling `grad` on its own result.

    References
    ----------
    S. Linnainmaa (1976), Taylor expansion of the accumulated rounding error, BIT 16, 146-160.
    A. Griewank and A. Walther (2008), Evaluating Derivatives, 2nd ed., SIAM.
    J. M. Siskind and B. A. Pearlmutter (2005), Perturbation confusion and referential transparency,
    IFL 2005: why each derivative has a level of its own.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def f(x):
    ...     return np.sum(x**2) + np.prod(x)
    >>> gdx.grad(f)(np.asarray([3.0, 4.0]))
    array([10., 11.])
    >>> print(gdx.grad(gdx.grad(lambda x: x**3))(2.0))
    12.0
    >>> gdx.grad(lambda p: gdx.mean_squared_error(p["W"] @ p["x"], [1.0]))(
    ...     {"W": np.asarray([[1.0, 2.0]]), "x": np.asarray([1.0, 1.0])}
    ... )["W"]
    array([[4., 4.]])
    """
    both = value_and_grad(f, argnums, has_aux=has_aux, engine=engine)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def vjp(
    f: Callable[..., Any], *primals: Tree, has_aux: bool = False, engine: str | None = None
) -> Any:
    r"""Return the value of `f`, and its pullback: what multiplies from the left by the Jacobian.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or dicts, lists and tuples of arrays.
    *primals : array_like, or dict, list or tuple of arrays
        The arguments.
    has_aux : bool
        `f` returns a pair, of which the second part is not differentiated.
    engine : {None, "tracer"}
        As for `grad`.

    Returns
    -------
    y : array or tree
        f(\\*primals).
    pullback : callable
        Takes a cotangent g, of the structure and shapes of y, and returns a tuple: for each
        argument Σ_j g_j ∂y_j/∂x_i, of its structure and shapes. It may be called as often as
        you like, and be differentiated itself. Nothing is conjugated.
    aux : object
        If `has_aux`.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad`; also if a cotangent has not the structure and shapes of y.

    References
    ----------
    A. Griewank and A. Walther (2008), Evaluating Derivatives, 2nd ed., SIAM, chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> y, pullback = gdx.vjp(lambda x: x**2, np.asarray([1.0, 2.0]))
    >>> pullback(np.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    flat = Flat(f, primals, has_aux=has_aux)
    # The pullback remembers arrays, which the user may go on to change.
    inputs = [_copied(x) for x in flat.inputs]
    outputs, pullback, aux, _ = engine_for(flat, engine).vjp(flat, inputs)
    outputs = [_copied(y) for y in outputs]
    like = flat.like_output

    def pull(cotangent: Tree) -> tuple[Tree, ...]:
        return flat.like_inputs(pullback(beside("cotangent", cotangent, outputs, like, flat.plain)))

    y = like(outputs)
    return (y, pull, aux) if has_aux else (y, pull)


def _copied(x: Array) -> Array:
    if isinstance(x, Traced) or not is_array(x):
        return x
    known = library(namespace_of(x))
    # The libraries that have an engine see by themselves that an array has been changed.
    return known.copied(x) if known.engine is None and known.writable(x) else x


def jvp(
    f: Callable[..., Any],
    primals: Sequence[Tree],
    tangents: Sequence[Tree],
    *,
    has_aux: bool = False,
    engine: str | None = None,
) -> Any:
    r"""Return the value of `f`, and its derivative along a direction, in forward mode.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or dicts, lists and tuples of arrays.
    primals, tangents : tuple
        The arguments, and the direction: for each argument, of its structure and shapes.
    has_aux : bool
        `f` returns a pair, of which the second part is not differentiated.
    engine : {None, "tracer"}
        As for `grad`.

    Returns
    -------
    y : array or tree
        f(\\*primals).
    tangent : array or tree
        Σ_i ∂y_j/∂x_i v_i, of the structure, shapes and dtypes of y.
    aux : object
        If `has_aux`.

    Raises
    ------
    TypeError, ValueError, TracingError
        As `grad`; also if the tangents have not the structure and shapes of the primals.

    See Also
    --------
    numerical_jvp : by finite differences.

    References
    ----------
    R. E. Wengert (1964), A simple automatic derivative evaluation program, CACM 7, 463-464.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> x, v = np.asarray([1.0, 2.0]), np.asarray([1.0, 0.0])
    >>> gdx.jvp(lambda x: x * np.sum(x), (x,), (v,))
    (array([3., 6.]), array([4., 2.]))
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise TypeError("primals and tangents must be tuples: jvp(f, (x,), (v,)).")
    flat = Flat(f, primals, has_aux=has_aux)
    directions = beside("tangents", tuple(tangents), flat.inputs, flat.like_inputs, flat.plain)
    outputs, moved, aux = engine_for(flat, engine).jvp(flat, flat.inputs, directions)
    y, dy = flat.like_output(outputs), flat.like_output(moved)
    return (y, dy, aux) if has_aux else (y, dy)


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
    def of_jacobian(*args: Any, **kwargs: Any) -> Any:
        function, chosen = _of_chosen(f, argnums, args, kwargs)
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
    return forward_rows(flat, engine)


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


def forward_rows(flat: Flat, engine: Any) -> list[list[Array]]:
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
    def of_hessian(*args: Any, **kwargs: Any) -> Any:
        function, chosen = _of_chosen(f, argnums, args, kwargs)
        numbers = tuple(range(len(chosen)))

        def gradient(*trees: Tree) -> Any:
            return gradient_of(function, numbers, trees, {}, engine=engine)[1]

        flat = Flat(gradient, chosen)
        rows = forward_rows(flat, engine_for(flat, engine))
        single = not isinstance(argnums, list | tuple)
        of_inputs = [flat.like_inputs(row) for row in rows]
        result = flat.like_output([row[0] if single else row for row in of_inputs])
        return result[0] if single else result

    return of_hessian


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

    return jvp(gradient, (x,), (v,), engine=engine)[1]
