"""What to do instead, where a function or a method has no row."""

from __future__ import annotations

_ASSIGNS = "it assigns to elements of an array: numpy.where makes a new one"
_SORTS = "numpy.sort returns the same elements in a new array"

WAY_OUT: dict[str, str] = {
    "apply_along_axis": "numpy.stack([f(row) for row in x]) is the same for rows",
    "apply_over_axes": "most functions take several axes, as numpy.sum(x, axis=(0, 1)) does",
    "argpartition": "numpy.argsort parts an array, too",
    "bincount": "numpy.sum(weights * (x[:, None] == numpy.arange(n)), axis=0) is the same",
    "block": "numpy.concatenate of rows that numpy.concatenate has made is the same",
    "choose": "numpy.select, or numpy.stack(choices)[a, numpy.arange(a.size)], is the same",
    "copyto": _ASSIGNS,
    "fill": _ASSIGNS,
    "fill_diagonal": _ASSIGNS,
    "flags": "arrays like a traced one are made by xp.zeros_like(x), xp = gdx.array_namespace(x)",
    "geomspace": "numpy.exp(numpy.linspace(numpy.log(start), numpy.log(stop), num)) is the same",
    "histogram": "counts are constant almost everywhere",
    "insert": "numpy.concatenate([x[:i], values, x[i:]]) is the same",
    "item": "x.item() leaves the function: compute with the array x itself",
    "ldexp": "x * 2.0 ** n is the same",
    "linalg.eig": "numpy.linalg.eigh has derivatives, for symmetric matrices",
    "linalg.eigvals": "numpy.linalg.eigvalsh has derivatives, for symmetric matrices",
    "linalg.lstsq": "numpy.linalg.pinv(a) @ b is its solution",
    "linalg.matrix_rank": "it is constant almost everywhere; numpy.linalg.svd(x)[1] tells more",
    "linalg.tensorinv": "numpy.linalg.inv, with reshape, is the same",
    "linalg.tensorsolve": "numpy.linalg.solve, with reshape, is the same",
    "logspace": "base ** numpy.linspace(start, stop, num) is the same",
    "nanmedian": "numpy.median of x[~numpy.isnan(x)] is the same",
    "partition": _SORTS,
    "piecewise": "numpy.where(condition, f(x), g(x)) is the same where f and g are finite",
    "place": _ASSIGNS,
    "polyadd": "numpy.pad the shorter one in front, and add",
    "polyder": "p[:-1] * numpy.arange(len(p) - 1, 0, -1) is the same",
    "polyfit": "numpy.linalg.pinv(x[:, None] ** numpy.arange(deg, -1, -1)) @ y is the same",
    "polysub": "numpy.pad the shorter one in front, and subtract",
    "put": _ASSIGNS,
    "put_along_axis": _ASSIGNS,
    "putmask": _ASSIGNS,
    "resize": "numpy.reshape, numpy.tile and numpy.pad return new arrays",
    "rollaxis": "numpy.moveaxis is the same",
    "sort": "x.sort() assigns to x: numpy.sort(x) returns a new array",
    "tolist": "numbers leave the function: compute with the elements x[i]",
    "unique": _SORTS,
    "unwrap": "numpy.unwrap(gdx.to_numpy(gdx.stop_gradient(x))) - x is constant; add it to x",
    "vander": "x[:, None] ** numpy.arange(n - 1, -1, -1) is the same",
}
