"""Devices, which of them is current, and their memory."""

from __future__ import annotations

import threading
from typing import Any

from ._counters import COUNTERS

FREE_BYTES, TOTAL_BYTES = 8 * 2**30, 80 * 2**30

_thread = threading.local()  # each thread has a current device of its own


class OutOfMemoryError(MemoryError):
    """An allocation is larger than what is free."""


class CUDARuntimeError(RuntimeError):
    """CUDA refuses."""


class runtime:  # noqa: N801 - a module of CuPy's
    """The functions of CUDA's runtime; a test may replace `getDeviceCount`."""

    CUDARuntimeError = CUDARuntimeError

    @staticmethod
    def getDeviceCount() -> int:  # noqa: N802 - CUDA's name
        return 1

    @staticmethod
    def getDevice() -> int:  # noqa: N802 - CUDA's name
        return getattr(_thread, "device", 0)

    @staticmethod
    def setDevice(device: int) -> None:  # noqa: N802 - CUDA's name
        if not 0 <= device < runtime.getDeviceCount():
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        _thread.device = device


class Device:
    """A device by its number; as a context, the current one."""

    __hash__ = None  # as CuPy's

    def __init__(self, device: Any = None):
        self.id = runtime.getDevice() if device is None else int(device)

    def __int__(self) -> int:
        return self.id

    def __enter__(self) -> Device:
        _thread.__dict__.setdefault("outer", []).append(runtime.getDevice())
        runtime.setDevice(self.id)
        return self

    def __exit__(self, *_: object) -> None:
        runtime.setDevice(_thread.outer.pop())

    def use(self) -> Device:
        runtime.setDevice(self.id)
        return self

    def synchronize(self) -> None:
        COUNTERS.synchronize()

    @property
    def mem_info(self) -> tuple[int, int]:
        return FREE_BYTES, TOTAL_BYTES

    @property
    def compute_capability(self) -> str:
        return "90"

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __lt__(self, other: Device) -> bool:
        return self.id < other.id


class Memory:
    """A block of a device's memory."""

    def __init__(self, ptr: int, size: int, device_id: int):
        self.ptr, self.size, self.device_id = ptr, size, device_id


class MemoryPointer:
    """A place in a block of memory."""

    def __init__(self, mem: Memory, offset: int):
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id

    @property
    def device(self) -> Device:
        return Device(self.device_id)


class MemoryPool:
    """A pool that keeps nothing."""

    def free_bytes(self) -> int:
        return 0

    def used_bytes(self) -> int:
        return 0

    def total_bytes(self) -> int:
        return 0

    def free_all_blocks(self) -> None:
        pass


POOL = MemoryPool()


def allocate(nbytes: int) -> int:
    """Take memory of the current device, which is returned."""
    if nbytes > FREE_BYTES:
        raise OutOfMemoryError(f"Out of memory allocating {nbytes:,} bytes")
    return runtime.getDevice()
