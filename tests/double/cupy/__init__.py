"""A double of CuPy 14.2, computed by NumPy: the rules of CuPy's source, without a GPU.

It stands in for `cupy` and `cupyx` where the folder ``tests/double`` comes first on ``sys.path``.

What it proves: that code follows CuPy's rules. Reductions and indexing give arrays without axes,
never scalars; nothing is converted to NumPy by itself; operators defer, and hooks are called, in
CuPy's order; a function has CuPy's parameters, a ufunc CuPy's loops; `fuse` traces once and takes
only what CuPy can fuse; a singular matrix is no error; each thread has a current device, on which
arrays are made, and using an array of another one warns. It counts kernels, copies to the host and
from it (``cupy._counters.COUNTERS``).

What it does not prove: that a kernel compiles, that it is right, how it rounds; that no two kernels
race; how long anything takes. Streams, pools of memory and DLPack are not there, and what is left
of CuPy's names raises NotImplementedError.
"""

import numpy as _numpy

from . import cuda as cuda
from . import fft as fft
from . import linalg as linalg
from ._functions import namespace as _namespace
from ._kernels import ElementwiseKernel as ElementwiseKernel
from ._kernels import ReductionKernel as ReductionKernel
from ._kernels import ufunc as ufunc
from ._ndarray import ndarray as ndarray

__version__ = "14.2.0"
globals().update(_namespace("cupy", _numpy))
