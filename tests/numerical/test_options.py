"""Options in pairs: each value of one with each of another is right, or refused by a sentence."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gdx

X = np.asarray([0.5, -0.75, 0.875])
V = np.asarray([1.0, -2.0, 0.5])
POOL = ThreadPoolExecutor(2)


def elements(x):
    x = np.concatenate([x["p"], x["q"]], axis=-1) if isinstance(x, dict) else x
    return x[..., 0], x[..., 1], x[..., 2]


def number(x):
    a, b, c = elements(x)
    return np.exp(a) * np.sin(b) + a * b * c + c**3


def array(x):
    a, b, c = elements(x)
    return np.stack([np.exp(a) * np.sin(b), b * c**2, c**3, np.sin(a)], axis=-1)


def gradient(x):
    a, b, c = x
    e = np.exp(a)
    return np.asarray([e * np.sin(b) + b * c, e * np.cos(b) + a * c, a * b + 3 * c**2])


def jacobian(x):
    a, b, c = x
    e, o = np.exp(a), 0 * a
    rows = [[e * np.sin(b), e * np.cos(b), o], [o, c**2, 2 * b * c], [o, o, 3 * c**2]]
    return np.asarray([*rows, [np.cos(a), o, o]])


def hessian(x):
    a, b, c = x
    e = np.exp(a)
    mixed = e * np.cos(b) + c
    return np.asarray([[e * np.sin(b), mixed, b], [mixed, -e * np.sin(b), a], [b, a, 6 * c]])


# The function, f, its derivative in closed form, of which degree it is.
FUNCTIONS = {
    "gradient": (gdx.numerical_gradient, number, gradient, 1),
    "jacobian": (gdx.numerical_jacobian, array, jacobian, 1),
    "jvp": (gdx.numerical_jvp, array, lambda x: jacobian(x) @ V, 1),
    "diagonal": (gdx.numerical_hessian_diagonal, number, lambda x: np.diag(hessian(x)), 2),
    "hessian": (gdx.numerical_hessian, number, hessian, 2),
}
BOUNDS = {
    "inside": (X - 3, X + 3),
    "at": (X - [0, 1, 1], X + [1, 0, 1]),
    "near": (X - [1e-3, 1, 1e-3], X + [1e-3, 2e-3, 1]),
    "above": (None, 0.875),
}
STRUCTURE = jacobian(X) != 0
OPTIONS = {
    "x": ["array", "tree", "complex", "complex tree"],
    "method": ["central", "forward", "backward", "complex"],
    "order": [None, 1, 2, 3, 4, 6],
    "h": [None, 1e-3, np.asarray([1e-3, 2e-3, 5e-4])],
    "x_scale": [None, 0.5, np.asarray([0.5, 2.0, 1.0])],
    "bounds": [None, *BOUNDS],
    "f0": [False, True],
    "vectorized": [False, True],
    "max_bytes": [None, 1, 100],
    "workers": [None, map, POOL],
    "return_error": [False, True],
    "full_output": [False, True],
    "sparsity": [None, STRUCTURE, (STRUCTURE, [0, 1, 0])],
}
PLACES = {name: range(len(values)) for name, values in OPTIONS.items()}
COMPLEX, TREE, CENTRAL, IMAGINARY, GIVEN = {2, 3}, {1, 3}, {0}, {3}, {1, 2, 3, 4}
FIRST, SECOND = {"gradient", "jacobian", "jvp"}, {"diagonal", "hessian"}
TAKE_BYTES = {*FUNCTIONS} - {"jvp"}

# What is refused: of which functions, which places in OPTIONS, by what sentence.
REFUSED = [
    ({*FUNCTIONS}, {"h": GIVEN, "x_scale": GIVEN}, "h and x_scale exclude each other"),
    ({*FUNCTIONS}, {"vectorized": {1}, "workers": GIVEN}, "vectorized=True and workers= exclude"),
    (TAKE_BYTES, {"vectorized": {0}, "max_bytes": GIVEN}, "write vectorized=True"),
    (TAKE_BYTES, {"workers": GIVEN, "max_bytes": GIVEN}, "vectorized=True"),
    ({"jvp"}, {"max_bytes": GIVEN}, "unexpected keyword argument 'max_bytes'"),
    ({*FUNCTIONS} - {"jacobian"}, {"sparsity": GIVEN}, "unexpected keyword argument 'sparsity'"),
    ({*FUNCTIONS}, {"method": CENTRAL, "order": {1, 3}}, "order must be 2 or 4 or 6 or 8"),
    (FIRST, {"method": IMAGINARY, "order": {1, 3, 4, 5}}, "order must be 2 for method='complex'"),
    (SECOND, {"method": IMAGINARY}, "method='complex' gives first derivatives only"),
    (SECOND | {"jvp"}, {"x": COMPLEX}, "x must hold real numbers"),
    (FIRST - {"jvp"}, {"x": COMPLEX, "method": IMAGINARY}, "method='complex' needs a real x"),
    (FIRST - {"jvp"}, {"x": COMPLEX, "bounds": GIVEN}, "bounds need a real x"),
    ({"jacobian"}, {"x": COMPLEX - TREE, "sparsity": GIVEN}, "x must hold real numbers"),
    ({"jacobian"}, {"x": TREE, "sparsity": GIVEN}, "sparsity needs an x of one array"),
]


def refusals(name, row):
    return [
        sentence
        for functions, excluded, sentence in REFUSED
        if name in functions and all(row.get(option) in at for option, at in excluded.items())
    ]


def rows_of(name):
    """Return rows in which each pair of values appears, but for the pairs that are refused."""
    rng = np.random.default_rng(0)
    rows, left = [], {}
    for one, other in itertools.combinations(PLACES, 2):
        for pair in itertools.product(PLACES[one], PLACES[other]):
            row = dict(zip((one, other), pair, strict=True))
            if not refusals(name, row):
                left[tuple(row.items())] = row
    while left:
        row = None
        while row is None or refusals(name, row):
            chosen = {option: int(rng.integers(len(places))) for option, places in PLACES.items()}
            row = chosen | next(iter(left.values()))
        rows.append(row)
        for pair in itertools.combinations(row.items(), 2):
            left.pop(pair, None)
    return rows


def tree(x):
    return {"p": x[..., :2].copy(), "q": x[..., 2:].copy()}


def call(name, row):
    """Return the result, the points f was evaluated at, and the closed form."""
    function, f, exact, _ = FUNCTIONS[name]
    given = {option: OPTIONS[option][place] for option, place in row.items()}
    of_tree, of_complex = row["x"] in TREE, row["x"] in COMPLEX
    like_x = tree if of_tree else np.copy
    start = X + 1j * V / 4 if of_complex else X
    x, points = like_x(start), []

    def watched(x):
        points.extend(np.stack(elements(x), axis=-1).reshape(-1, 3))
        value = f(x)
        return np.real(value) if name == "gradient" and of_complex else value

    how = {option: given[option] for option in given if option != "x" and given[option] is not None}
    for option in {"h", "x_scale"} & {*how}:
        if np.ndim(how[option]):
            how[option] = 2e-3 if (name, option) == ("jvp", "h") else like_x(how[option])
    if "bounds" in how:
        ends = BOUNDS[how["bounds"]]
        how["bounds"] = tuple(like_x(end) if np.ndim(end) else end for end in ends)
    how["f0"] = (
        f(start).real if how["f0"] and name == "gradient" else f(start) if how["f0"] else None
    )
    along = [like_x(V)] if name == "jvp" else []
    result = function(watched, x, *along, **how)
    assert np.array_equal(np.stack(elements(x)), start)
    return result, np.asarray(points), exact(start)


def whole(parts, levels):
    """Return a tree of arrays, whose last axes are those of x at each level, as one array."""
    if not isinstance(parts, dict):
        return parts
    inner = [whole(part, levels - 1) for part in parts.values()]
    return np.concatenate(inner, axis=-levels)


# How far off a derivative is by the truncation of each order, where steps are 2e-3 at most, and by
# rounding; where it is extrapolated.
TRUNCATION = {1: 1e-2, 2: 1e-4, 3: 1e-6, 4: 1e-6, 6: 1e-6}
ROUNDING = {1: 1e-9, 2: 1e-4}
EXTRAPOLATED = {1: 1e-8, 2: 1e-4}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_pair(name):
    levels = 0 if name == "jvp" else 1 + (name == "hessian")
    degree = FUNCTIONS[name][-1]
    for row in rows_of(name):
        on = {option for option, place in row.items() if place}
        result, points, exact = call(name, row)
        error = None
        if "full_output" in on:
            assert result.nfev == len(points)
            assert (result.error is not None) == ("return_error" in on)
            result, error = result.value, result.error
        elif "return_error" in on:
            result, error = result
        off = abs(whole(result, levels) - exact)
        if error is None:
            one_sided = OPTIONS["method"][row["method"]] in ("forward", "backward")
            order = OPTIONS["order"][row["order"]] or (1 if one_sided else 2)
            allowed = ROUNDING[degree] + TRUNCATION[order]
        else:
            allowed = np.minimum(EXTRAPOLATED[degree], 30 * whole(error, levels) + 1e-12)
        assert np.all(off <= allowed), (off, row)
        if "bounds" in on:
            lower, upper = BOUNDS[OPTIONS["bounds"][row["bounds"]]]
            assert lower is None or np.all(points.real >= lower)
            assert np.all(points.real <= upper)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_pair_that_is_refused(name):
    """Also where all other options are at their defaults, each pair is refused by its sentence."""
    for functions, excluded, sentence in REFUSED:
        if name not in functions:
            continue
        for places in itertools.product(*(at & {*PLACES[o]} for o, at in excluded.items())):
            row = dict.fromkeys(OPTIONS, 0) | dict(zip(excluded, places, strict=True))
            with pytest.raises((TypeError, ValueError), match=re.escape(sentence)):
                call(name, row)
