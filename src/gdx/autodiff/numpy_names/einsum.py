"""Einstein's sums."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Sequence
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import translates
from gdx.backends import Array, Namespace

Label = str | int


@translates("einsum")
def _einsum(xp: Namespace, subscripts: Any, *operands: Any, dtype: Any = None) -> Array:
    """Return the sum of products, contracted from the left to the right."""
    if not isinstance(subscripts, str):
        subscripts, operands = _as_text(subscripts, *operands)
    factors = [given.cast(xp, a, dtype) for a in given.arrays(xp, *operands)]
    labels, kept = _subscripts(subscripts, [a.ndim for a in factors])
    sizes: dict[Label, int] = {}
    for a, names in zip(factors, labels, strict=True):
        for name, n in zip(names, a.shape, strict=True):
            sizes[name] = n if sizes.get(name, 1) == 1 else sizes[name]
            if n not in (1, sizes[name]):
                raise ValueError(f"{name!r} has two sizes: {n} and {sizes[name]}")
    terms = [_diagonals(xp, *term, sizes) for term in zip(factors, labels, strict=True)]
    while len(terms) > 1:
        (a, of_a), (b, of_b), *others = terms
        wanted = set(kept).union(*(names for _, names in others))
        a, of_a = _summed(xp, a, of_a, wanted.union(of_b))
        b, of_b = _summed(xp, b, of_b, wanted.union(of_a))
        terms = [_contracted(xp, a, of_a, b, of_b, wanted), *others]
    last, names = _summed(xp, *terms[0], set(kept))
    return xp.permute_dims(last, tuple(names.index(name) for name in kept))


def _as_text(*given: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the subscripts as a string, and the operands, of both in turn."""
    operands, lists = given[: len(given) // 2 * 2 : 2], [*given[1::2]]
    texts = [
        "".join("..." if label is ... else string.ascii_letters[label] for label in labels)
        for labels in (*lists, *given[len(operands) * 2 :])
    ]
    inputs, output = texts[: len(operands)], texts[len(operands) :]
    return "->".join([",".join(inputs), *output]), operands


def _subscripts(text: str, ndims: Sequence[int]) -> tuple[list[list[Label]], list[Label]]:
    """Return the labels of each operand, and of the result; those of an ellipsis are negative."""
    inputs, arrow, output = text.replace(" ", "").replace("...", ".").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(ndims):
        raise ValueError(f"{text!r} has {len(parts)} operands, but {len(ndims)} are given")
    hidden = [n - len(part.replace(".", "")) for part, n in zip(parts, ndims, strict=True)]
    for part, n in zip(parts, hidden, strict=True):
        if n < 0 or (n > 0 and "." not in part) or part.count(".") > 1:
            raise ValueError(f"{part!r} of {text!r} does not fit the dimensions of its operand")
    most = max(hidden)
    counts = {name: inputs.count(name) for name in sorted(set(inputs) - set(",."))}
    if not all(name.isalpha() for name in counts):
        raise ValueError(f"{text!r}: axes are named by letters")
    if not arrow:
        output = "." + "".join(name for name, count in counts.items() if count == 1)
    if not set(output) <= counts.keys() | {"."} or len(set(output)) < len(output):
        raise ValueError(f"{output!r} of {text!r} must name each of some axes of operands once")

    def spelled(part: str, n: int) -> list[Label]:
        before, _, after = part.partition(".")
        return [*before, *range(-n, 0), *after] if "." in part else list(part)

    labels = [spelled(part, n) for part, n in zip(parts, hidden, strict=True)]
    return labels, spelled(output, most)


def _diagonals(
    xp: Namespace, a: Array, names: Sequence[Label], sizes: dict[Label, int]
) -> tuple[Array, list[Label]]:
    """Return an operand with each label once, and without those along which it is broadcast."""
    names = list(names)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            a = xp.linalg.diagonal(xp.moveaxis(a, (first, second), (-2, -1)))
            del names[second], names[first]
            names.append(name)
    spread = tuple(k for k, name in enumerate(names) if a.shape[k] != sizes[name])
    kept = [name for k, name in enumerate(names) if k not in spread]
    return (xp.squeeze(a, axis=spread) if spread else a), kept


def _summed(
    xp: Namespace, a: Array, names: list[Label], wanted: set[Label]
) -> tuple[Array, list[Label]]:
    """Return the sum over the labels that nothing else has."""
    over = tuple(k for k, name in enumerate(names) if name not in wanted)
    kept = [name for name in names if name in wanted]
    return (xp.sum(a, axis=over, dtype=a.dtype) if over else a), kept


def _contracted(
    xp: Namespace, a: Array, of_a: list[Label], b: Array, of_b: list[Label], wanted: set[Label]
) -> tuple[Array, list[Label]]:
    """Return the product of two operands, as one of matrices."""
    both = [name for name in of_a if name in of_b]
    batch = [name for name in both if name in wanted]
    inner = [name for name in both if name not in wanted]
    rows = [name for name in of_a if name not in both]
    columns = [name for name in of_b if name not in both]

    def arranged(x: Array, names: list[Label], order: list[Label], *parts: int) -> Array:
        x = xp.permute_dims(x, tuple(names.index(name) for name in order))
        edges = itertools.pairwise(itertools.accumulate(parts, initial=len(batch)))
        shape = tuple(x.shape)
        return xp.reshape(x, shape[: len(batch)] + tuple(math.prod(shape[i:j]) for i, j in edges))

    left = arranged(a, of_a, batch + rows + inner, len(rows), len(inner))
    right = arranged(b, of_b, batch + inner + columns, len(inner), len(columns))
    product = xp.matmul(left, right) if inner else left * right
    size = {
        name: n for x, of in ((a, of_a), (b, of_b)) for name, n in zip(of, x.shape, strict=True)
    }
    names = batch + rows + columns
    return xp.reshape(product, tuple(size[name] for name in names)), names
