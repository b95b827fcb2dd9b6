"""Fourier transforms, by NumPy."""

import numpy as _numpy

from ._functions import namespace as _namespace

globals().update(_namespace("cupy.fft", _numpy.fft))
