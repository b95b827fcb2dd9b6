"""Array libraries: which one, on which device, and what they can do."""

from gdx.backends.arrays import (
    as_like,
    common_namespace,
    default_float,
    device_of,
    dtype_name,
    epsilon,
    is_array,
    is_integer,
    is_real_floating,
    namespace_of,
    to_numpy,
)
from gdx.backends.current import (
    BackendFallbackWarning,
    array_namespace,
    asarray,
    backend,
    floating,
    use,
    using,
)
from gdx.backends.libraries import LIBRARIES, Array, Device, DType, Library, Namespace, library
from gdx.backends.probe import Backend, BackendInfo, BackendUnavailableError, backends

__all__ = [
    "LIBRARIES",
    "Array",
    "Backend",
    "BackendFallbackWarning",
    "BackendInfo",
    "BackendUnavailableError",
    "DType",
    "Device",
    "Library",
    "Namespace",
    "array_namespace",
    "as_like",
    "asarray",
    "backend",
    "backends",
    "common_namespace",
    "default_float",
    "device_of",
    "dtype_name",
    "epsilon",
    "floating",
    "is_array",
    "is_integer",
    "is_real_floating",
    "library",
    "namespace_of",
    "to_numpy",
    "use",
    "using",
]
