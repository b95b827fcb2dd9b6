"""Which library, which device: choice, fallback, isolation, conversion."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import subprocess
import sys
import threading
import tomllib
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gdx
from gdx.backends import LIBRARIES, current, library, probe
from gdx.backends.libraries import LIBRARY_OF_ROOT, outdated


def test_numpy_is_the_first_backend():
    assert gdx.backend().name == "numpy"
    assert gdx.backend().dtype == np.float64


def test_environment_sets_the_first_backend(monkeypatch):
    monkeypatch.setenv("GDX_BACKEND", "nonesuch")
    with pytest.raises(ValueError, match="GDX_BACKEND.*numpy, cupy, torch, jax, dask.*nonesuch"):
        gdx.backend()
    monkeypatch.setenv("GDX_BACKEND", "numpy")
    assert gdx.backend().name == "numpy"


def test_import_brings_no_other_library():
    code = (
        "import gdx, sys; heavy = {'torch', 'jax', 'dask', 'cupy', 'matplotlib', 'tqdm'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_absent_cupy_falls_back_with_one_warning(no_cupy):
    with pytest.warns(gdx.BackendFallbackWarning) as caught:
        chosen = gdx.use("cupy")
    assert chosen.name == gdx.backend().name == "numpy"
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "cupy is not installed" in message
    assert "pip install cupy-cuda12x" in message
    assert "numpy on cpu" in message
    assert caught[0].filename == __file__


def test_without_fallback_it_is_an_error(no_cupy):
    with pytest.raises(gdx.BackendUnavailableError, match="cupy is not installed"):
        gdx.use("cupy", fallback=None)
    with (
        pytest.raises(gdx.BackendUnavailableError),
        gdx.using("cupy", fallback="cupy"),
    ):
        pass
    assert gdx.backend().name == "numpy"


@pytest.mark.cupy_wheel
def test_the_real_cupy_without_a_gpu_falls_back(real_cupy):
    if real_cupy.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.warns(gdx.BackendFallbackWarning, match="(?i)cuda.*Using numpy") as caught:
        assert gdx.use("cupy").name == "numpy"
    assert len(caught) == 1
    with pytest.warns(gdx.BackendFallbackWarning), gdx.using("cupy"):
        assert isinstance(gdx.numerical_gradient(lambda x: x * x, 3.0), np.ndarray)
    with pytest.raises(gdx.BackendUnavailableError, match="(?i)cuda"):
        gdx.use("cupy", fallback=None)
    with pytest.warns(gdx.BackendFallbackWarning, match="(?i)cuda"):
        assert gdx.use(real_cupy).name == "numpy"
    found = gdx.backends()["cupy"]
    assert not found.usable
    assert found.version == real_cupy.__version__
    assert "cuda" in found.reason.lower()
    assert gdx.use("auto").name in ("numpy", "torch", "jax")


def test_a_namespace_that_computes_nothing_is_not_usable():
    def asarray(x):
        raise RuntimeError("no device")

    with pytest.raises(gdx.BackendUnavailableError, match="broken cannot be used: no device"):
        gdx.use(SimpleNamespace(__name__="broken", asarray=asarray), fallback=None)


def test_a_wrong_sum_is_not_usable(monkeypatch):
    from array_api_compat import numpy as xp

    monkeypatch.setattr(xp, "sum", lambda x: np.asarray(24.0))
    with pytest.raises(gdx.BackendUnavailableError, match="24.0"):
        gdx.use("numpy", fallback=None)


def test_unknown_name_and_dtype():
    with pytest.raises(ValueError, match="numpy, cupy, torch, jax, dask, auto; got 'tensorflow'"):
        gdx.use("tensorflow")
    with pytest.raises(ValueError, match="'int32'"):
        gdx.use("numpy", dtype="int32")
    with pytest.raises(TypeError, match="no function asarray"):
        gdx.use(object())


def test_auto_is_the_first_accelerator_or_numpy():
    chosen = gdx.use("auto")
    if chosen.name != "numpy":
        assert "cpu" not in str(chosen.device)


def test_auto_takes_an_accelerator_that_computes(monkeypatch):
    numpy = LIBRARIES["numpy"]
    with_accelerator = type(numpy)(
        **{**vars(numpy), "name": "cupy", "accelerator": lambda: "cpu"},
    )
    failing = type(numpy)(**{**vars(numpy), "name": "failing", "accelerator": lambda: 1 / 0})
    table = {"failing": failing, "cupy": with_accelerator, "numpy": numpy}
    monkeypatch.setattr(probe, "LIBRARIES", table)
    assert gdx.use("auto").device == "cpu"


def test_every_case_can_be_used(case):
    with case.using() as chosen:
        assert case.holds(gdx.asarray([1.0, 2.0]))
        assert case.holds(gdx.asarray(np.asarray([1, 2])))
        assert gdx.array_namespace(1.0) is chosen.xp
        assert gdx.backend() is chosen
    assert gdx.backend().name == "numpy"


def test_use_inside_a_block_changes_the_process_alone():
    with gdx.using("numpy", dtype="float32"):
        gdx.use("numpy", dtype="float16")
        assert gdx.asarray([1.0]).dtype == np.float32
    assert gdx.asarray([1.0]).dtype == np.float16


def test_a_block_ends_also_by_an_exception():
    with pytest.raises(KeyError), gdx.using("numpy", dtype="float32"):
        raise KeyError
    assert gdx.asarray([1.0]).dtype == np.float64


def test_threads_do_not_disturb_each_other():
    seen, barrier = {}, threading.Barrier(2)

    def work(dtype):
        with gdx.using("numpy", dtype=dtype):
            barrier.wait()
            seen[dtype] = str(gdx.asarray([1.0]).dtype)
            barrier.wait()

    threads = [threading.Thread(target=work, args=(d,)) for d in ("float32", "float16")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"float32": "float32", "float16": "float16"}
    assert gdx.asarray([1.0]).dtype == np.float64


def test_a_thread_that_is_started_in_a_block():
    seen = []
    with gdx.using("numpy", dtype="float32"):
        thread = threading.Thread(target=lambda: seen.append(str(gdx.asarray([1.0]).dtype)))
        thread.start()
        thread.join()
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert seen == ["float32" if inherits else "float64"]


def test_threads_leave_the_filters_of_warnings_as_they_were():
    before = list(warnings.filters)
    interval = sys.getswitchinterval()

    def work():
        for _ in range(300):
            with gdx.using("numpy"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


def test_the_environment_yields_to_a_choice_that_was_made_meanwhile(monkeypatch):
    def slow():
        gdx.use("numpy", dtype="float16")
        return start("numpy")

    start = probe.start
    monkeypatch.setattr(current, "_from_environment", slow)
    assert str(gdx.backend()) == "numpy on cpu, float16"


def test_asyncio_tasks_do_not_disturb_each_other():
    async def work(dtype):
        with gdx.using("numpy", dtype=dtype):
            await asyncio.sleep(0)
            found = str(gdx.asarray([1.0]).dtype)
            await asyncio.sleep(0)
        return found

    async def both():
        return await asyncio.gather(work("float32"), work("float16"))

    assert asyncio.run(both()) == ["float32", "float16"]


def test_namespace_of_arrays(case):
    x = case.asarray([1.0])
    assert gdx.array_namespace(x, 2, np.float64(3)) is case.xp
    assert gdx.array_namespace(x, x) is case.xp


def test_mixed_libraries_are_named(case):
    if case.library == "numpy":
        pytest.skip("needs two libraries")
    with pytest.raises(TypeError, match=f"numpy.*{case.library}"):
        gdx.array_namespace(np.ones(1), case.asarray([1.0]))
    with pytest.raises(TypeError, match=f"{case.library}.*numpy"):
        gdx.mean_squared_error(case.asarray([1.0]), np.ones(1))


def test_mixed_devices_are_named():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match="CPU_DEVICE.*device1"):
        gdx.array_namespace(strict.ones(1), strict.ones(1, device=strict.Device("device1")))


@pytest.mark.parametrize(
    "x", [[1.0], "one", None, np.ma.ones(1), {"W": 1.0}], ids=lambda x: type(x).__name__
)
def test_what_is_no_array_has_no_namespace(x):
    with pytest.raises(TypeError, match=type(x).__name__):
        gdx.array_namespace(x)


def test_to_numpy_and_back(case):
    values = np.asarray([[1.0, -2.0], [0.5, 4.0]])
    with case.using():
        there = gdx.asarray(values)
        assert case.holds(there)
        back = gdx.to_numpy(there)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, values)


def test_asarray_shares_no_memory_with_the_host(case):
    values = np.asarray([1.0, 2.0])
    with case.using():
        there = gdx.asarray(values)
        if there is not values:
            values[0] = 5.0
            assert gdx.to_numpy(there)[0] == 1.0


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([1.0], "float32"),
        (1.5, "float32"),
        ([1, 2], "int64"),
        (np.float64(1.0), "float64"),
        (np.ones(1), "float64"),
        (np.ones(1, dtype=np.float16), "float16"),
    ],
)
def test_dtype_of_new_arrays(given, dtype):
    with gdx.using("numpy", dtype="float32"):
        assert gdx.asarray(given).dtype == dtype
        assert gdx.asarray(given, dtype="float64").dtype == np.float64


def test_what_is_too_wide_becomes_half_as_wide():
    """On a device without double precision, and in JAX without x64."""
    strict = pytest.importorskip("array_api_strict")
    narrow = strict.Device("no_float64")
    with gdx.using(strict, device=narrow):
        assert gdx.asarray(np.asarray([1.0])).dtype == strict.float32
        assert gdx.asarray([1j]).dtype == strict.complex64


@pytest.mark.parametrize(
    "values", [[2**40], [-(2**40)], np.asarray([2**40]), np.asarray([2**40], dtype=np.uint64)]
)
def test_integers_that_the_library_cannot_hold(values):
    pytest.importorskip("jax")
    with gdx.using("jax"), pytest.raises(ValueError, match="1099511627776.*integers of jax.*float"):
        gdx.asarray(values)


def test_numbers_of_the_other_byte_order(case):
    with gdx.using(case.xp, device=case.started.device):
        x = gdx.asarray(np.asarray([1.0, 2.0], dtype=">f4"))
    assert case.holds(x)
    np.testing.assert_array_equal(gdx.to_numpy(x), [1, 2])


def test_asarray_of_what_holds_no_numbers():
    with pytest.raises(TypeError, match="dtype <U3"):
        gdx.asarray(["one", "two"])
    with pytest.raises(ValueError, match="'float1' does not exist in numpy"):
        gdx.asarray([1.0], dtype="float1")


def test_asarray_of_a_third_library(case):
    if case.library == "numpy":
        pytest.skip("needs a third library")
    with pytest.raises(TypeError, match=f"{case.library}.*numpy.*to_numpy"):
        gdx.asarray(case.asarray([1.0]))


def test_backends_says_what_there_is():
    found = gdx.backends()
    assert list(found) == ["numpy", "cupy", "torch", "jax", "dask"]
    assert found["numpy"].usable
    assert found["numpy"].version == np.__version__
    assert found["numpy"].devices == ("cpu",)
    for info in found.values():
        assert info.usable == (info.reason is None) == bool(info.devices)


def test_a_library_that_fails_to_import_is_unusable(monkeypatch, tmp_path):
    (tmp_path / "broken_arrays.py").write_text("raise OSError('libfoo.so is missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    numpy = LIBRARIES["numpy"]
    broken = type(numpy)(
        **{
            **vars(numpy),
            "name": "broken",
            "package": "broken_arrays",
            "namespace": "broken_arrays",
        }
    )
    monkeypatch.setitem(LIBRARIES, "broken", broken)
    assert "libfoo.so is missing" in gdx.backends()["broken"].reason


@pytest.fixture
def old_arrays(monkeypatch, tmp_path):
    """A library of version 0.4.30, of which gdx is made to need 0.4.36."""
    package = tmp_path / "old_arrays"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '0.4.30'")
    (package / "numpy.py").write_text(
        "from array_api_compat.numpy import *\n"
        "from array_api_compat.numpy import __array_namespace_info__"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    known = dataclasses.replace(
        LIBRARIES["numpy"],
        name="old",
        package="old_arrays",
        namespace="old_arrays.numpy",
        install="pip install -U old-arrays",
        lowest="0.4.36",
    )
    monkeypatch.setitem(LIBRARIES, "old", known)
    monkeypatch.setitem(LIBRARY_OF_ROOT, "old_arrays", known)
    yield importlib.import_module("old_arrays.numpy")
    for name in ("old_arrays.numpy", "old_arrays"):
        del sys.modules[name]


OUTDATED = "old_arrays 0.4.30 is installed; gdx needs 0.4.36 or newer"


def test_a_library_that_is_too_old(old_arrays, monkeypatch):
    with pytest.raises(gdx.BackendUnavailableError) as caught:
        gdx.use("old", fallback=None)
    assert str(caught.value) == (
        f"the backend old cannot be used: {OUTDATED}. To get it: pip install -U old-arrays."
    )
    found = gdx.backends()["old"]
    assert (found.version, found.reason) == ("0.4.30", OUTDATED)
    with pytest.raises(ImportError, match=f"^{OUTDATED}: pip install -U old-arrays.$"):
        library(old_arrays)  # of arrays that were handed over
    monkeypatch.setattr(sys.modules["old_arrays"], "__version__", "0.4.36")
    assert gdx.use("old", fallback=None).name == "old_arrays.numpy"


@pytest.mark.parametrize(
    ("version", "is_outdated"),
    [
        ("0.4.9", True),
        ("0.4.35.dev1+cpu", True),
        ("0.4", True),
        ("0.4.36", False),
        ("0.10", False),
        ("", False),
        ("0+unknown", False),
        (None, False),
    ],
)
def test_versions_are_compared_as_numbers(old_arrays, monkeypatch, version, is_outdated):
    monkeypatch.setattr(sys.modules["old_arrays"], "__version__", version)
    assert (outdated(LIBRARIES["old"]) is not None) == is_outdated


def test_extras_ask_for_the_lowest_versions():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    lowest = {known.name: known.lowest for known in LIBRARIES.values() if known.lowest}
    assert lowest
    for name, version in lowest.items():
        assert extras[name][0].endswith(f">={version}")


def test_devices_by_name(case):
    known = library(case.xp)
    if known.name in ("torch", "jax"):
        with gdx.using(known.name, device="cpu", fallback=None) as chosen:
            assert "cpu" in str(chosen.device)
    if known.name in LIBRARIES:
        assert len(known.devices(case.xp)) >= 1


def test_an_unknown_library_has_the_standard_capabilities():
    strict = pytest.importorskip("array_api_strict")
    known = library(strict)
    assert known.name == "array_api_strict"
    assert strict.Device("device1") in known.devices(strict)
    x = strict.ones(2)
    assert known.writable(x)
    assert not known.on_host(x)


def test_bfloat16_and_required_gradients_come_to_the_host():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    assert gdx.to_numpy(x).dtype == np.float32
    assert gdx.to_numpy(torch.tensor([1 - 2j]).conj()).tolist() == [1 + 2j]
    assert gdx.to_numpy(torch.tensor([1 - 2j]).conj().imag).tolist() == [2]


def test_bfloat16_of_jax_comes_to_the_host():
    jnp = pytest.importorskip("jax").numpy
    assert gdx.to_numpy(jnp.ones(2, dtype=jnp.bfloat16)).dtype == np.float32


@pytest.mark.parametrize("device", ["cpu:99", "cpu:first"])
def test_a_device_that_jax_has_not(device):
    pytest.importorskip("jax")
    with pytest.raises(gdx.BackendUnavailableError, match=f"no device {device}, but .*0"):
        gdx.use("jax", device=device, fallback=None)


def test_jax_with_x64(tmp_path):
    pytest.importorskip("jax")
    code = "import gdx; print(gdx.use('jax', fallback=None).dtype)"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JAX_ENABLE_X64": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "float64" in out.stdout


def test_jax_without_x64_says_so():
    pytest.importorskip("jax")
    with pytest.raises(ValueError, match="no float64.*float32"):
        gdx.use("jax", dtype="float64")


def test_warnings_of_a_library_about_itself_are_not_ours():
    def asarray(*args, **options):
        warnings.warn("I am old", DeprecationWarning, stacklevel=2)
        return np.asarray(*args, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gdx.backends()
        with gdx.using(SimpleNamespace(asarray=asarray)) as chosen:
            assert chosen.name == "numpy"


def test_a_fallback_warning_points_at_the_block():
    with pytest.warns(gdx.BackendFallbackWarning) as caught, gdx.using("jax", device="cpu:99"):
        pass
    assert caught[0].filename == __file__


DEVICES = {
    "torch": ("cuda:99", "banana", 3.5),
    "jax": ("cpu:99", "banana"),
    "dask": ("gpu",),
    "numpy": ("gpu", "cuda:0"),
}


@pytest.mark.parametrize(
    ("name", "device"), [(name, device) for name, devices in DEVICES.items() for device in devices]
)
def test_a_device_that_is_missing_is_not_a_library_that_is_missing(name, device):
    if name != "numpy":
        pytest.importorskip(name)
    message = f"{name} has no device {device!r} here, only .*"
    with pytest.warns(gdx.BackendFallbackWarning, match=f"{message}Using {name} on") as caught:
        chosen = gdx.use(name, device=device)
    assert "pip install" not in str(caught[0].message)
    assert chosen == gdx.use(name, fallback=None)
    with pytest.warns(gdx.BackendFallbackWarning, match=message):
        assert gdx.use(name, device=device, fallback=name) == chosen
    with pytest.raises(gdx.BackendUnavailableError, match=message):
        gdx.use(name, device=device, fallback=None)


def test_the_devices_of_a_namespace_are_named():
    strict = pytest.importorskip("array_api_strict")
    with pytest.warns(
        gdx.BackendFallbackWarning, match=r"no device 'gpu' here.*Device\('device1'\)"
    ):
        assert gdx.use(strict, device="gpu").xp is strict


@pytest.mark.parametrize(
    ("given", "meant"),
    {
        "CuPy": "cupy",
        "pytorch": "torch",
        "PyTorch": "torch",
        "np": "numpy",
        "NumPy": "numpy",
        "nunpy": "numpy",
        "jnp": "jax",
        "jax.numpy": "jax",
        "dask.array": "dask",
        " dask": "dask",
        "Auto": "auto",
    }.items(),
)
def test_a_name_that_is_nearly_known(given, meant):
    with pytest.raises(ValueError, match=f"got {given!r}. Did you mean '{meant}'"):
        gdx.use(given)
    assert gdx.backend().name == "numpy"


def test_nothing_is_proposed_for_another_name():
    for name in ("tensorflow", "mxnet", ""):
        with pytest.raises(ValueError, match=rf"auto; got '{name}'\.$"):
            gdx.use(name)


@pytest.mark.parametrize("fallback", ["pytorch", "nonesuch"])
def test_an_unknown_fallback(fallback):
    with pytest.raises(ValueError, match=f"fallback must be None or one of.*got '{fallback}'"):
        gdx.use("numpy", fallback=fallback)


SPELLINGS = [float, np.float64, np.dtype("float64"), "float64", "f8", "double", "d", ">f8"]
SPELLINGS += [np.float32, np.dtype("f4"), "float32", "f4", "single"]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
def test_a_dtype_means_the_same_on_every_library(spelling, case):
    expected = np.dtype(spelling).name
    if expected == "float64" and not case.has_float64:
        for call in (
            lambda: gdx.use(case.xp, device=case.started.device, dtype=spelling),
            lambda: gdx.SimpleNet(dtype=spelling),
            lambda: gdx.asarray([1.0], dtype=spelling),
        ):
            with case.using(), pytest.raises(ValueError, match="no float64.*dtype='float32'"):
                call()
        return
    with gdx.using(case.xp, device=case.started.device, dtype=spelling) as chosen:
        assert chosen.dtype == getattr(case.xp, expected)
        assert gdx.asarray([1.0]).dtype == chosen.dtype
    with case.using():
        assert gdx.asarray([1.0], dtype=spelling).dtype == chosen.dtype
        assert gdx.SimpleNet(dtype=spelling).W.dtype == chosen.dtype
        assert gdx.MLP([2, 2], dtype=spelling).params["W1"].dtype == chosen.dtype


@pytest.mark.parametrize("spelling", [int, complex, bool, "i4", "uint8", "c8"], ids=repr)
def test_a_dtype_of_another_kind(spelling, case):
    expected = np.dtype(spelling).name
    narrower = {"int64": "int32", "complex128": "complex64"}
    if expected in narrower and not case.has_float64 and case.backend != "strict":
        expected = None
    if expected == "complex128" and not case.has_float64:
        expected = None
    with case.using():
        if expected is None:
            with pytest.raises(ValueError, match=f"has no {np.dtype(spelling).name} on"):
                gdx.asarray([1], dtype=spelling)
        else:
            assert gdx.asarray([1], dtype=spelling).dtype == getattr(case.xp, expected)
        with pytest.raises(ValueError, match="real and floating"):
            gdx.use(case.xp, device=case.started.device, dtype=spelling)


def test_a_dtype_of_the_library_itself(case):
    with gdx.using(case.xp, device=case.started.device, dtype=case.xp.float32) as chosen:
        assert chosen.dtype == case.xp.float32
        assert gdx.asarray([1.0], dtype=case.xp.float32).dtype == case.xp.float32


def test_pytorchs_own_float_is_float32():
    torch = pytest.importorskip("torch")
    with gdx.using("torch", dtype=torch.float) as chosen:
        assert chosen.dtype == torch.float32
    with gdx.using("torch", dtype="bfloat16") as chosen:
        assert chosen.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "dtype", ["sum", "asarray", "datetime64", str, bytes, object, 3.5, "f4,f8"]
)
def test_what_is_no_dtype_of_numbers(dtype):
    with pytest.raises(ValueError, match="does not exist in numpy"):
        gdx.asarray([1.0], dtype=dtype)
    with pytest.raises(ValueError, match="real and floating"):
        gdx.use("numpy", dtype=dtype)


def test_a_backend_has_a_hash(case):
    with case.using() as chosen, case.using() as again:
        assert chosen == again
        assert len({chosen, again, gdx.use("numpy", dtype="float16")}) == 2


def test_a_backend_has_a_hash_where_its_device_has_none():
    class Device:
        __hash__ = None

        def __eq__(self, other):
            return isinstance(other, Device)

    one, other = (probe.Backend("cupy", np, Device(), np.dtype("float32")) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
