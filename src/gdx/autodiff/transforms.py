"""Exact derivatives of functions of any array library: gradients, and products with Jacobians."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from gdx.autodiff.engines import engine_for
from gdx.autodiff.flat import Flat, beside
from gdx.autodiff.traced import Traced, settled
from gdx.backends import Array, device_of, is_array, is_complex, library, namespace_of
from gdx.caller import warn
from gdx.devices import device_scope, on_device_of
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
    function, chosen = of_chosen_arguments(f, argnums, args, kwargs)
    flat = Flat(function, chosen, has_aux=has_aux)
    current, of_one = library(flat.plain).current, not isinstance(argnums, list | tuple)
    if current is None:
        return _gradient_of(flat, of_one, engine)
    with current(device_of(flat.inputs[0])):
        return _gradient_of(flat, of_one, engine)


def _gradient_of(flat: Flat, of_one: bool, engine: str | None) -> tuple[Any, Tree, Any, bool]:
    outputs, pullback, aux, depends = engine_for(flat, engine).vjp(flat, flat.inputs)
    y = _scalar(outputs, flat)
    known, first = library(flat.plain), flat.inputs[0]
    ones = known.quick.get("ones", flat.plain.ones)
    one = ones(y.shape, dtype=y.dtype, device=device_of(first))
    if known.chunked_like is not None:
        one = known.chunked_like(one, settled(first))
    gradient = flat.like_inputs(pullback([one], last=True))
    return y, gradient[0] if of_one else gradient, aux, depends


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


def of_chosen_arguments(
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
        argument. Numbers and lists of numbers become an array of the current backend, integers
        become the default float. Of a complex x = a + ib it is ∂f/∂a - i ∂f/∂b, as JAX has it.

    Raises
    ------
    TypeError
        If the argument holds booleans or is an array of integers (``xp.astype`` converts it); if
        `f` returns something else than one real number, or mixes NumPy's arrays with those of a
        library that does not take them.
    ValueError
        If there is no such argument.
    TracingError
        If `f` takes a number out of the arrays that it computes with (``float(x)``,
        ``numpy.asarray(x)``), or uses what has no derivative: it cannot be followed there. Neither
        can operators of other objects: masked arrays, ``numpy.matrix``, sparse matrices. See the
        notes for PyTorch and JAX.

    Warns
    -----
    RuntimeWarning
        If what `f` returns does not depend on the argument, whose gradient is then zero, or if `f`
        has caught a TracingError.

    See Also
    --------
    numerical_gradient : of functions that cannot be traced.
    check_gradient : tells whether a gradient is right.
    custom_vjp : gives a function a derivative of its own.

    Notes
    -----
    What follows is said of the tracer; PyTorch and JAX have rules of their own, by which
    ``float(x)`` is a constant, and arrays that `f` was handed cannot be assigned to.

    *Assignments.* ``y[i] = v`` and ``y += v`` are followed, in arrays that `f` was handed or has
    made by ``xp``; the arguments that the caller gave are not changed. For NumPy arrays, NumPy
    decides whether a result is a view or a copy; of array libraries that gdx does not know by name,
    only parts, as ``y[1:]``, are views. Assignment to a view that NumPy makes read-only,
    and to the result of `stop_gradient`, is a TracingError. An array of integers takes a traced
    value as a constant, as ``astype(int)`` does.

    *Other arrays.* The derivative depends on the arrays that `f` computes with, so they are kept
    from changes. A NumPy array of at most 64 KiB is copied when `f` computes with it: a work buffer
    may be filled again. A larger one is read-only until `f` returns, and so is its base; a change
    through a view that was made before is a TracingError if it changes one of about 128 elements
    that are compared. Arguments above 32 KiB are treated alike; smaller ones are compared as a
    whole. PyTorch counts changes itself, and a change is an error. Of CuPy and other libraries,
    arrays up to 64 KiB are copied when `f` computes with them; larger ones, and the arguments that
    the caller gave, `f` must not change.

    *Threads.* Several threads may differentiate at once, also with arrays in common. Meanwhile a
    thread cannot assign to an array that is read-only for another one, and a view that is made of
    it stays read-only.

    *Constants.* Comparisons, ``argmax``, ``floor`` and the like are constants. An array that `f`
    has kept from an earlier call is its value, a constant. A host array, by `to_numpy` of the
    result of `stop_gradient`, has the values of that moment, and is read-only. If `f` catches a
    TracingError and goes on, a warning says so.

    *Jumps and poles.* Where a derivative has a jump, it is that of one side, and evenly shared by
    equal elements of ``max``, ``min`` and ``maximum``. Where nothing depends on an infinite
    derivative, as on the branch of ``where`` that is not taken, it counts as zero; a product with
    an infinite value on that branch, as x log(x) at zero, still is NaN.

    *Matrices.* ``eigh``, ``eigvalsh`` and ``cholesky`` read one triangle of a matrix, and are
    differentiated as functions of symmetric matrices: their gradient is symmetric, and right for
    symmetric changes.

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


@on_device_of(1)
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
    flat.pulled_later = True
    outputs, pullback, aux, _ = engine_for(flat, engine).vjp(flat, inputs)
    outputs = [_copied(y) for y in outputs]
    like = flat.like_output

    def pull(cotangent: Tree) -> tuple[Tree, ...]:
        with device_scope(flat.inputs[0]) or nullcontext():
            arriving = beside("cotangent", cotangent, outputs, like, flat.plain)
            return flat.like_inputs(pullback(arriving))

    y = like(outputs)
    return (y, pull, aux) if has_aux else (y, pull)


def _copied(x: Array) -> Array:
    if isinstance(x, Traced):
        return x.snapshot()
    known = library(namespace_of(x)) if is_array(x) else None
    return known.duplicated(x) if known is not None and known.mutable else x


@on_device_of(1)
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
