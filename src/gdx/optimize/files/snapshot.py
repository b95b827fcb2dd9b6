"""The memory of a run as what a file holds: a header, and arrays by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    device_of,
    dtype_name,
    dtype_named,
    is_array,
    library,
    namespace_of,
    to_numpy,
)
from gdx.trees import Tree, is_tree, leaves, map_leaves

Arrays = dict[str, Any]


def packed(value: Any, arrays: Arrays) -> Any:
    """Return a value in which a name stands for each array, which is put among `arrays`."""
    if is_array(value):
        name = f"array {len(arrays)}"
        arrays[name] = to_numpy(value)
        return {"array": name, "dtype": dtype_name(value.dtype), "host": type(value) is np.ndarray}
    if isinstance(value, Mapping):
        return {key: packed(item, arrays) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [packed(item, arrays) for item in value]
    return value


def unpacked(value: Any, arrays: Mapping[str, Any], beside: Array) -> Any:
    """Return what was packed, tuples as lists, with its arrays on the device of another."""
    if isinstance(value, dict):
        if "array" not in value:
            return {key: unpacked(item, arrays, beside) for key, item in value.items()}
        array = arrays[value["array"]]
        if value["host"]:
            return array
        xp = namespace_of(beside)
        dtype = dtype_named(xp, value["dtype"])
        return xp.asarray(array, dtype=dtype, device=device_of(beside))
    if isinstance(value, list):
        return [unpacked(item, arrays, beside) for item in value]
    return value


def identity_of(x: Tree, boxes: Tree | None) -> dict[str, Any]:
    """Return what tells a start within bounds from others."""
    bounds = None
    if boxes is not None:
        ends = map_leaves(lambda _, box: (box.lower, box.upper), x, boxes)
        bounds = _checksum(leaves(ends))
    return {
        "library": library(namespace_of(leaves(x)[0])).name,
        "structure of x0": _structure(x),
        "checksum of x0": _checksum(leaves(x)),
        "checksum of bounds": bounds,
    }


def _structure(x: Tree) -> Any:
    """Return the names, shapes and dtypes of the arrays of x, as a text tells them."""
    if not is_tree(x):
        return f"{dtype_name(x.dtype)}{[*x.shape]}"
    items = x.items() if isinstance(x, dict) else enumerate(x)
    return [[str(key), _structure(item)] for key, item in items]


def _checksum(arrays: Sequence[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(to_numpy(array)).tobytes())
    return digest.hexdigest()
