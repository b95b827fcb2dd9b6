"""NumPy's functions, ufuncs and methods, told in the functions of the Array API standard.

A row takes a namespace `xp` of the standard (2024.12) and the arguments of NumPy, and calls the
functions of `xp`, operators and indexing. Nothing is assigned, and no value is looked at: only
shapes and Python's numbers decide, so that whatever `xp` does with arrays (it may differentiate)
works for the whole of a row.
"""

from gdx.autodiff.numpy_names import (  # noqa: F401 - each fills the table
    curves,
    einsum,
    elementwise,
    fourier,
    indexing,
    joining,
    linear_algebra,
    making,
    products,
    quantiles,
    shapes,
    statistics,
    sums,
)
from gdx.autodiff.numpy_names.methods import ATTRIBUTES, METHODS
from gdx.autodiff.numpy_names.sums import DIRECT_FUNCTIONS
from gdx.autodiff.numpy_names.table import FUNCTIONS, NotTranslated, name_of
from gdx.autodiff.numpy_names.ufuncs import DIRECT_UFUNCS, UFUNCS, UFUNCS_NOT_TRANSLATED, ufunc_row
from gdx.autodiff.numpy_names.ways_out import WAY_OUT

__all__ = [
    "ATTRIBUTES",
    "DIRECT_FUNCTIONS",
    "DIRECT_UFUNCS",
    "FUNCTIONS",
    "METHODS",
    "UFUNCS",
    "UFUNCS_NOT_TRANSLATED",
    "WAY_OUT",
    "NotTranslated",
    "name_of",
    "ufunc_row",
]
