"""Every name of the standard has a rule, and takes what the standard says it takes.

Values are those of NumPy, whoever follows the arguments. Of constants, the third-party suite that
``nox -s conformance`` runs looks at many more.
"""

from __future__ import annotations

import inspect
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gdx
from gdx.autodiff import TracingError, rules
from gdx.autodiff.batch import Batch
from gdx.autodiff.core import CONSTANT, opened
from gdx.autodiff.forward import Forward
from gdx.autodiff.lifting import traced_type
from gdx.autodiff.reverse import Reverse
from gdx.autodiff.traced import settled

strict = pytest.importorskip("array_api_strict")
ARRAY = type(strict.ones(1))
KIND = traced_type(xp)

OTHERS = {
    "ArrayAPIStrictFlags", "Device", "__version__", "fft", "get_array_api_strict_flags", "linalg",
    "reset_array_api_strict_flags", "set_array_api_strict_flags",
    "broadcast_shapes", "isin",  # of 2025.12
}  # fmt: skip
ALIASES = {"linalg.matmul", "linalg.matrix_transpose", "linalg.tensordot", "linalg.vecdot"}
NAMES = sorted(
    {
        *strict.__all__,
        *(f"linalg.{name}" for name in strict.linalg.__all__),
        *(f"fft.{name}" for name in strict.fft.__all__),
    }
    - OTHERS
)


def of(namespace: Any, name: str) -> Any:
    for part in name.split("."):
        namespace = getattr(namespace, part)
    return namespace


FUNCTIONS = [name for name in NAMES if inspect.isfunction(of(strict, name))]
METHODS = [name for name, method in vars(ARRAY).items() if inspect.isfunction(method)]
METHODS = [
    name
    for name in METHODS
    if name.startswith("__") or not name.startswith("_")
    if name not in ("__array__", "__buffer__", "__new__", "__reduce__")
]
ATTRIBUTES = [name for name, value in vars(ARRAY).items() if isinstance(value, property)]


@pytest.mark.parametrize("name", NAMES)
def test_is_in_one_table(name):
    tables = ("RULES", "COMPOSITE", "CREATION", "QUESTIONS", "VALUES", "NOT_DIFFERENTIABLE")
    found = [table for table in tables if name in getattr(rules, table)]
    assert len(found) == (name not in ALIASES)


def test_values():
    names = {*NAMES} - {*FUNCTIONS}
    assert names == rules.VALUES
    for name in names - {"nan"}:
        assert getattr(KIND.namespace, name) == getattr(xp, name)
    assert np.isnan(KIND.namespace.nan)


M = [[2.0, 0.5, 0.0], [0.5, 3.0, 1.0], [0.0, 1.0, 4.0]]
V = [1.0, 2.5, 4.0]

# Arguments by the names that the standard has for them; lists stand for arrays.
ARGUMENTS: dict[str, Any] = {
    "arrays": (M, M), "arrays_and_dtypes": (M, xp.float32), "axes": (1, 0), "axis": 0,
    "condition": [True, False, True], "destination": 1, "device": "cpu", "dtype": xp.float32,
    "fill_value": 2.0, "from_": xp.float32, "indices": [2, 0], "key": 1, "kind": "real floating",
    "n": 3, "n_rows": 3, "num": 5, "obj": M, "other": M, "repeats": 2, "repetitions": (2, 1),
    "self": M, "shape": (3, 3), "shift": 1, "source": 0, "start": 0.0, "stop": 4.0,
    "to": xp.float64, "type": xp.float64, "value": V, "x": M, "x1": M, "x2": M,
}  # fmt: skip
OF_ONE: dict[str, dict[str, Any]] = {
    "cumulative_prod": {"x": V}, "cumulative_sum": {"x": V}, "iinfo": {"type": xp.int64},
    "linalg.outer": {"x1": V, "x2": V}, "meshgrid": {"arrays": (V, V)}, "searchsorted": {"x1": V},
    "squeeze": {"x": [M]}, "take": {"x": V}, "take_along_axis": {"indices": [[2], [0], [1]]},
    **{name: {"self": 2.0} for name in ("__bool__", "__complex__", "__float__", "__int__")},
    "__index__": {"self": 2},
}  # fmt: skip
BITWISE = {"and", "or", "xor", "invert", "lshift", "rshift"}


def arguments(name: str, stub: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments that fit the standard's signature, defaults where it has them."""
    dtype = np.bool if name.startswith("logical") else None
    operator = name.strip("_")
    if name.startswith("bitwise") or {operator, operator[1:]} & BITWISE:
        dtype = np.int64

    def made(key: str) -> Any:
        value = OF_ONE.get(name, {}).get(key, ARGUMENTS[key])
        if isinstance(value, tuple) and key.startswith("arrays"):
            return [np.asarray(v) if isinstance(v, list) else v for v in value]
        is_array = isinstance(value, list) or key == "self"
        return np.asarray(value, dtype=dtype) if is_array else value

    args: list[Any] = []
    kwargs = {}
    for key, parameter in inspect.signature(stub).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if type(parameter.default).__name__ != "Undef":
                kwargs[key] = parameter.default
        elif parameter.kind is parameter.VAR_POSITIONAL:
            args += made(key)
        elif parameter.default is parameter.empty:
            if parameter.kind is parameter.POSITIONAL_ONLY or key == "self":
                args.append(made(key))
            else:
                kwargs[key] = made(key)
    return args, kwargs


def given(trace: Any, x: Any) -> Any:
    """Return an argument as a trace gives it to the user's function."""
    if isinstance(x, list):
        return [given(trace, item) for item in x]
    if not isinstance(x, np.ndarray):
        return x
    if isinstance(trace, Batch):
        return trace.input(KIND, np.stack([x, x]))
    if trace is CONSTANT or x.dtype.kind != "f":
        return KIND(x, CONSTANT, None)
    tangent = (np.ones_like(x),) if isinstance(trace, Forward) else ()
    return trace.input(KIND, x, *tangent)


def leaves(y: Any) -> list[Any]:
    return [leaf for item in y for leaf in leaves(item)] if isinstance(y, list | tuple) else [y]


def check(name: str, y: Any, expected: Any) -> None:
    for one, other in zip(leaves(y), leaves(expected), strict=True):
        if not isinstance(other, np.ndarray | np.generic):
            assert type(one) is type(other)
            continue
        assert type(one) is KIND
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        value = settled(one)[0] if isinstance(one.owner, Batch) else settled(one)
        if not name.startswith("empty"):
            np.testing.assert_allclose(value, other, rtol=1e-14)


@pytest.mark.parametrize("trace_type", [None, Reverse, Forward, Batch])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, trace_type):
    args, kwargs = arguments(name, of(strict, name))
    with np.errstate(all="ignore"):
        # What is None by default may as well be left out, which NumPy's diff wants.
        options = {key: value for key, value in kwargs.items() if value is not None}
        expected = of(xp, name)(*args, **options)
        if trace_type is None:
            y = of(KIND.namespace, name)(*(given(CONSTANT, x) for x in args), **kwargs)
        else:
            with opened(trace_type) as trace:
                inputs = [given(trace, x) for x in args]
                if name in rules.NOT_DIFFERENTIABLE:
                    with pytest.raises(TracingError, match="has no derivative"):
                        of(KIND.namespace, name)(*inputs, **kwargs)
                    return
                y = of(KIND.namespace, name)(*inputs, **kwargs)
        check(name, y, expected)


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    args, kwargs = arguments(name, getattr(ARRAY, name))
    inputs = [given(CONSTANT, x) for x in args]
    with np.errstate(all="ignore"):
        y = getattr(KIND, name)(*inputs, **kwargs)
        expected = getattr(np.ndarray, name)(*args, **kwargs)
    if name not in ("__array_namespace__", "__iter__"):
        check(name, y, expected)
    check(name, inputs[0], args[0])  # what was assigned


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes(name):
    x = np.asarray(M[:2])
    check(name, getattr(given(CONSTANT, x), name), getattr(x, name))


@pytest.mark.parametrize(
    "make",
    [
        lambda xp, x: xp.clip(x),
        lambda xp, x: xp.full(3, x[1]),
        lambda xp, x: xp.meshgrid(x, x)[0][0, :],
        lambda xp, x: xp.tile(x[:1], (3,)),
    ],
    ids=["clip", "full", "meshgrid", "tile"],
)
def test_has_memory_of_its_own(make):
    def f(x):
        y = make(gdx.array_namespace(x), x)
        view = y[:2]
        view += 1.0
        return y + x

    x = np.asarray(V)
    np.testing.assert_array_equal(gdx.vjp(f, x)[0], f(x))


@pytest.mark.parametrize("dtype", ["bool", "float64"])
def test_asarray_copies_if_asked(dtype):
    x = KIND.namespace.asarray([1, 0], dtype=getattr(xp, dtype))
    same, copy = (KIND.namespace.asarray(x, copy=copy) for copy in (False, True))
    x[1] = 1
    assert same[1] == 1
    assert copy[1] == 0
