"""Devices and their memory, of which there is none here."""

from types import SimpleNamespace as _SimpleNamespace

from .._memory import Device, MemoryPointer, OutOfMemoryError, runtime
from . import device

memory = _SimpleNamespace(OutOfMemoryError=OutOfMemoryError)


def is_available() -> bool:
    return True


__all__ = ["Device", "MemoryPointer", "device", "is_available", "memory", "runtime"]
