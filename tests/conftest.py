"""A test that asks for `case` runs on every array library of this machine.

`GDX_TEST_BACKENDS`, a list of names separated by commas, chooses among them; a backend that is
named there and cannot run makes the whole run fail.

A process has one `cupy`: the real one, or its double in tests/double, which computes on NumPy by
CuPy's rules. The double is taken where it is named (``cupy-double``) and where nothing is named and
CuPy is not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os

# Tests run in as many processes as there are cores (-n auto): threads of each would fight for them.
# NumPy and PyTorch read this when they are imported.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | os.environ)

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np
import pytest

import gdx
from gdx.backends import current
from gdx.backends.probe import Backend, start

_WANTED = [name for name in os.environ.get("GDX_TEST_BACKENDS", "").split(",") if name]
_DOUBLE = Path(__file__).parent / "double"
# It would be imported by its path, as another library.
collect_ignore = [_DOUBLE.name]


def _takes_the_double() -> bool:
    if {"cupy", "cupy-double"} <= {*_WANTED}:
        raise pytest.UsageError("GDX_TEST_BACKENDS names both cupy and cupy-double; name one.")
    if _WANTED:
        return "cupy-double" in _WANTED
    found = importlib.util.find_spec("cupy")
    # A process of pytest-xdist finds the double where the first process put it.
    return found is None or _DOUBLE in Path(str(found.origin)).parents


DOUBLE = _takes_the_double()
if DOUBLE:
    # For this process and for those that it starts.
    sys.path.insert(0, str(_DOUBLE))
    paths = [str(_DOUBLE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


@dataclass(frozen=True)
class Case:
    """An array library on one of its devices."""

    name: str
    backend: str  # its name in GDX_TEST_BACKENDS
    library: str
    device: str | None = None
    mutable: bool = True
    on_host: bool = False
    double: bool = False  # of the library, in tests/double

    @property
    def started(self) -> Backend:
        return _started(self)

    @property
    def xp(self) -> Any:
        return self.started.xp

    @property
    def has_float64(self) -> bool:
        return "float64" in str(self.started.dtype)

    @property
    def eps(self) -> float:
        return float(np.finfo(np.float64 if self.has_float64 else np.float32).eps)

    def asarray(self, values: object, dtype: str | None = None) -> Any:
        """Make an array of this library; float64 becomes float32 where there is none."""
        host = np.array(values, dtype=dtype)
        if host.dtype == np.float64 and not self.has_float64:
            host = host.astype(np.float32)
        x = self.xp.asarray(host, device=self.started.device)
        if self.name == "numpy-readonly":
            x.flags.writeable = False
        return x

    def using(self) -> AbstractContextManager[Backend]:
        """Make this the current backend, inside a ``with`` block."""
        started = self.started
        return gdx.using(started.xp, device=started.device, fallback=None)

    def holds(self, x: Any) -> bool:
        """Tell whether `x` is an array of this library on this device."""
        same_library = array_api_compat.array_namespace(x) is self.xp
        return same_library and array_api_compat.device(x) == self.started.device


CASES = {
    case.name: case
    for case in (
        Case("numpy", "numpy", "numpy", on_host=True),
        Case("numpy-readonly", "numpy", "numpy", mutable=False, on_host=True),
        Case("strict", "strict", "array_api_strict", device="device1"),
        Case("strict-float32", "strict", "array_api_strict", device="no_float64"),
        Case("torch", "torch", "torch", device="cpu", on_host=True),
        Case("jax", "jax", "jax", device="cpu", mutable=False, on_host=True),
        Case("dask", "dask", "dask", mutable=False),
        Case("cupy", "cupy", "cupy"),
        Case("cupy-double", "cupy-double", "cupy", double=True),
        Case("torch-cuda", "torch-cuda", "torch", device="cuda"),
    )
}


@cache
def _started(case: Case) -> Backend:
    if case.library == "array_api_strict":
        strict = pytest.importorskip("array_api_strict")
        strict.set_array_api_strict_flags(api_version="2024.12")
        return start(strict, strict.Device(case.device))
    return start(case.library, case.device)


@cache
def _reason_to_skip(case: Case) -> str | None:
    if _WANTED and case.backend not in _WANTED:
        return "not among GDX_TEST_BACKENDS"
    if case.library == "cupy" and case.double != DOUBLE:
        return "CuPy is installed" if case.double else "not installed; cupy-double stands in"
    try:
        case.started  # noqa: B018
    except (gdx.BackendUnavailableError, pytest.skip.Exception) as error:
        return str(error)
    return None


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every array library and device of this machine, in turn."""
    case = request.param
    reason = _reason_to_skip(case)
    if reason:
        pytest.skip(f"{case.name}: {reason}")
    _RAN[case.backend] += 1
    return case


@pytest.fixture
def xp(case: Case) -> Any:
    """The namespace of `case`."""
    return case.xp


@pytest.fixture
def jax64() -> Iterator[Any]:
    """JAX, with numbers of 64 bits as long as the test runs."""
    jax = pytest.importorskip("jax")
    # Older versions have it among what is experimental.
    home = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(True):
        yield jax


@pytest.fixture
def no_host_sync(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the strict library, in which looking at a value on its second device raises."""
    strict = pytest.importorskip("array_api_strict")
    strict.set_array_api_strict_flags(api_version="2024.12")
    array_type = type(strict.ones(1))
    for name in (
        "__bool__",
        "__int__",
        "__index__",
        "__float__",
        "__complex__",
        "__array__",
        "__dlpack__",
    ):
        original = getattr(array_type, name)

        def looked(self: Any, *args: Any, _original: Any = original, **options: Any) -> Any:
            if self.device != strict.Device("CPU_DEVICE"):
                raise AssertionError("a value was read back from the device")
            return _original(self, *args, **options)

        monkeypatch.setattr(array_type, name, looked)
    return strict


@pytest.fixture
def counters() -> Any:
    """Counts of kernels, of copies to the host and from it, by name, on the double of CuPy."""
    if not DOUBLE:
        pytest.skip("only the double of CuPy counts")
    counted = importlib.import_module("cupy._counters").COUNTERS
    counted.clear()
    return counted


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the devices 0 and 1 of the double of CuPy; using one's arrays on the other warns."""
    if not DOUBLE:
        pytest.skip("only the double of CuPy has two devices everywhere")
    cuda = importlib.import_module("cupy").cuda
    monkeypatch.setattr(cuda.runtime, "getDeviceCount", lambda: 2)
    with cuda.Device(0):
        yield cuda.Device(0), cuda.Device(1)


@pytest.fixture
def real_cupy() -> Any:
    """Return the real CuPy, with or without a GPU."""
    if DOUBLE:
        pytest.skip("the double stands in for CuPy")
    return pytest.importorskip("cupy")


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make CuPy a library that is not installed."""
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.fixture(autouse=True)
def _numpy_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test, and each doctest, with the backend of a fresh process."""
    monkeypatch.delenv("GDX_BACKEND", raising=False)
    monkeypatch.setattr(current, "_process", None)


_STATES: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def _same_random_numbers(request: pytest.FixtureRequest) -> None:
    """Let each test draw the same numbers from its module's RNG, whatever ran before it."""
    generator = getattr(getattr(request.node, "module", None), "RNG", None)
    if generator is not None:
        first = _STATES.setdefault(request.node.module.__name__, generator.bit_generator.state)
        generator.bit_generator.state = first


_RAN: Counter[str] = Counter()


_EXPECTED: set[str] = set()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Expect something of the backends that were asked for, if a selected test runs on them."""
    if any("case" in getattr(item, "fixturenames", ()) for item in session.items):
        _EXPECTED.update(_WANTED)


def _missing() -> set[str]:
    return {name for name in _EXPECTED if not _RAN[name]}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a backend that was asked for did nothing."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # in one of the processes of pytest-xdist
        output.update(ran=dict(_RAN), expected=[*_EXPECTED])
    elif _missing() and session.exitstatus == 0:
        session.exitstatus = 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has counted; one that crashed has no output."""
    output = getattr(node, "workeroutput", {})
    _RAN.update(output.get("ran", {}))
    _EXPECTED.update(output.get("expected", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end on which array libraries the tests ran, and why not on the others."""
    terminalreporter.section("array libraries")
    for case in CASES.values():
        state = _reason_to_skip(case) or str(case.started)
        if case.double and DOUBLE:
            state += " (a double of CuPy, computed by NumPy: no GPU)"
        terminalreporter.write_line(f"{case.name:>15}: {state}")
    for name in _missing():
        terminalreporter.write_line(f"{name} was asked for, but no test ran on it", red=True)
