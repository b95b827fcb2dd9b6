"""The double of CuPy keeps the rules of the real one.

`RULES` need no GPU and run on either; what else can be told without a GPU is compared by
tests marked ``cupy_wheel``, which need the real wheel.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import operator
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "double"
REFUSED = "Implicit conversion to a NumPy array is not allowed"
AXIS = np.exceptions.AxisError


class Hooked:
    """An object that CuPy's kernels hand themselves over to."""

    def __cupy_override_elementwise_kernel__(self, kernel, *args, **kwargs):
        return kernel.__name__, tuple(arg is self for arg in args), kwargs


class Deferred:
    """An object for whose sake CuPy's operators give way."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return "deferred"


HOOKED = Hooked()

# What is done with CuPy and a vector of three float64; what comes out, or which error.
RULES = {
    # Hooks and operators.
    "hook": (lambda cp, x: cp.maximum(x, HOOKED), ("cupy_maximum", (False, True), {})),
    "hook by the right": (lambda cp, x: HOOKED + x, ("cupy_add", (True, False), {})),
    "hook of a power": (lambda cp, x: HOOKED**x, ("cupy_power", (True, False), {})),
    "hook with out": (
        lambda cp, x: cp.exp(HOOKED, out=None),
        ("cupy_exp", (True,), {"out": None}),
    ),
    "deferring": (lambda cp, x: x + Deferred(), "deferred"),
    "no method to sum": (lambda cp, x: cp.sum(HOOKED), AttributeError),
    "no condition": (lambda cp, x: cp.where(HOOKED, 1.0, x), AttributeError),
    "no operand of a product": (lambda cp, x: cp.matmul(x, HOOKED), TypeError),
    "no NumPy array in a product": (lambda cp, x: x @ np.ones(3), TypeError),
    "no number in a product": (lambda cp, x: cp.dot(x, 2.0), TypeError),
    "no array to stack": (lambda cp, x: cp.stack([HOOKED, x]), TypeError),
    "no array to broadcast": (lambda cp, x: cp.broadcast_to(HOOKED, (3,)), TypeError),
    "no array like": (lambda cp, x: cp.ones_like(HOOKED), AttributeError),
    "a list has no sum": (lambda cp, x: cp.sum([1, 2]), AttributeError),
    "a list is no mask": (lambda cp, x: cp.all([1]), TypeError),
    # Conversion.
    "array of NumPy": (lambda cp, x: np.asarray(x), TypeError),
    "array of both": (lambda cp, x: cp.array([x, 1.0]), TypeError),
    "truth": (lambda cp, x: bool(x), ValueError),
    "number": (lambda cp, x: x.item(), ValueError),
    "index": (lambda cp, x: operator.index(x), TypeError),
    "hash": (lambda cp, x: hash(x), TypeError),
    "attribute": (lambda cp, x: setattr(x, "name", 1), AttributeError),
    "not NumPy's": (lambda cp, x: isinstance(x, np.ndarray), False),
    "dtype": (lambda cp, x: cp.ndarray((2,), object), ValueError),
    "negative shape": (lambda cp, x: cp.zeros((-1,)), ValueError),
    "shape of an array": (lambda cp, x: cp.zeros(x), TypeError),
    "shape of floats": (lambda cp, x: cp.ones((2.0,)), TypeError),
    # Views.
    "scalar": (lambda cp, x: x[0].shape, ()),
    "base": (lambda cp, x: x[:2].base is x, True),
    "memory": (lambda cp, x: x[1:].data.ptr - x.data.mem.ptr, 8),
    "reshape": (lambda cp, x: x.reshape(3, 1).base is x, True),
    "integer of NumPy": (lambda cp, x: x.reshape(np.int64(3)).shape, (3,)),
    "squeeze": (lambda cp, x: x.squeeze() is x, True),
    "transpose": (lambda cp, x: x.T is x, True),
    "real": (lambda cp, x: x.real is x, True),
    "conj": (lambda cp, x: x.conj() is x, True),
    "astype": (lambda cp, x: x.astype(float, copy=False) is x, True),
    "broadcast": (lambda cp, x: cp.broadcast_to(x, (2, 3)).strides, (0, 8)),
    "broadcast owns nothing": (lambda cp, x: cp.broadcast_to(x, (2, 3)).flags.owndata, False),
    "flip": (lambda cp, x: cp.flip(x, 0).strides, (-8,)),
    "overlap": (lambda cp, x: cp.may_share_memory(x, x[1:]), True),
    "no flag": (lambda cp, x: x.flags.writeable, AttributeError),
    "no matrix": (lambda cp, x: x.mT, ValueError),
    # Axes, shapes and indices that are wrong.
    "axis of a sum": (lambda cp, x: x.sum(axis=1), AXIS),
    "axis twice": (lambda cp, x: x.sum(axis=(0, 0)), ValueError),
    "float axis": (lambda cp, x: x.max(axis=0.0), TypeError),
    "too many indices": (lambda cp, x: x[0, 0], IndexError),
    "beyond the end": (lambda cp, x: x[5], IndexError),
    "reshape to fewer": (lambda cp, x: x.reshape(2), ValueError),
    "squeeze no axis": (lambda cp, x: x.squeeze(1), AXIS),
    "swap no axis": (lambda cp, x: x.swapaxes(0, 1), ValueError),
    "transpose of another": (lambda cp, x: x.transpose(0, 1), ValueError),
    "product of others": (lambda cp, x: cp.dot(x, x[:2]), ValueError),
    "diagonal of a vector": (lambda cp, x: x.diagonal(), AXIS),
    # What is put into an array.
    "a list": (lambda cp, x: operator.setitem(x, slice(None), [1, 2, 3]), ValueError),
    "an array of NumPy": (lambda cp, x: operator.setitem(x, slice(None), np.ones(3)), ValueError),
    "an object": (lambda cp, x: operator.setitem(x, 0, HOOKED), TypeError),
    "a string": (lambda cp, x: x.fill("a"), ValueError),
    "copy of NumPy": (lambda cp, x: cp.copyto(x, np.ones(3)), ValueError),
    "copy of complex": (lambda cp, x: cp.copyto(x, 1j), TypeError),
    "set": (lambda cp, x: x.set(np.ones(2)), ValueError),
    # Parameters.
    "reshape(shape=)": (lambda cp, x: cp.reshape(x, shape=(3,)), TypeError),
    "astype(device=)": (lambda cp, x: cp.astype(x, int, device=0), TypeError),
    "astype(casting=)": (lambda cp, x: x.astype(int, casting="safe"), TypeError),
    "sum(where=)": (lambda cp, x: cp.sum(x, 0, where=x), TypeError),
    "prod(initial=)": (lambda cp, x: cp.prod(x, initial=1), TypeError),
    "mean(where=)": (lambda cp, x: x.mean(where=x), TypeError),
    "fft(out=)": (lambda cp, x: cp.fft.fft(x, out=x), TypeError),
    "another sort": (lambda cp, x: cp.argsort(x, kind="quicksort"), ValueError),
    "multiply.at": (lambda cp, x: cp.multiply.at(x, 0, 1.0), NotImplementedError),
    "a foreign type": (
        lambda cp, x: x.__array_function__(np.sum, (type(x), int), (x,), {}),
        NotImplemented,
    ),
    # Dtypes and devices.
    "result_type": (lambda cp, x: cp.result_type(x, 1), np.dtype(float)),
    "min_scalar_type": (lambda cp, x: cp.min_scalar_type(x), np.dtype(float)),
    "device": (lambda cp, x: (x.device.id, str(x.device)), (0, "<CUDA Device 0>")),
    "devices are equal": (lambda cp, x: cp.cuda.Device(1) == cp.cuda.Device(1), True),
    "no number is a device": (lambda cp, x: cp.cuda.Device(1) == 1, False),
    "devices have no hash": (lambda cp, x: hash(cp.cuda.Device(0)), TypeError),
    "ours": (lambda cp, x: cp.get_array_module(x) is cp, True),
    "NumPy's": (lambda cp, x: cp.get_array_module(1) is np, True),
    "no vecdot": (lambda cp, x: cp.vecdot, AttributeError),
    "no unstack": (lambda cp, x: cp.unstack, AttributeError),
}


def check_rule(cp: Any, x: Any, rule: str) -> None:
    evaluate, expected = RULES[rule]
    if isinstance(expected, type) and issubclass(expected, Exception):
        with pytest.raises(expected):
            evaluate(cp, x)
    else:
        assert evaluate(cp, x) == expected


@pytest.fixture
def cp(counters):
    """The double."""
    return importlib.import_module("cupy")


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_the_double(cp, rule):
    check_rule(cp, cp.zeros(3), rule)


@pytest.mark.cupy_wheel
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what CuPy says of a driver that is not there
def test_rules_of_the_wheel(real_cupy, rule):
    """The vector has memory that nobody looks at: a rule that did would need a GPU."""
    memory = real_cupy.cuda.UnownedMemory(4096, 4096, None, 0)
    x = real_cupy.ndarray((3,), float, real_cupy.cuda.MemoryPointer(memory, 0))
    try:
        check_rule(real_cupy, x, rule)
    except real_cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("this rule takes a GPU")


def imported(path: Path, name: str) -> Any:
    """Import a module or package by its path, under a name of its own."""
    folders = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.cupy_wheel
def test_names_are_those_of_the_wheel(real_cupy):
    writer = imported(FOLDER / "write_names.py", "write_names")
    if not real_cupy.__version__.startswith("14.2."):
        pytest.skip(f"the names are those of CuPy 14.2, not {real_cupy.__version__}")
    assert list(writer.lines()) == writer.FILE.read_text().splitlines()


@pytest.mark.cupy_wheel
def test_ufuncs_take_the_loops_of_the_wheel(real_cupy):
    kernels = imported(FOLDER / "cupy" / "__init__.py", "double_of_cupy")._kernels
    strong = [(np.dtype(char), False) for char in kernels.DTYPES]
    weak = [(np.dtype(kind), kind) for kind in (int, float, complex)]
    ufuncs = [value for value in vars(real_cupy).values() if isinstance(value, real_cupy.ufunc)]
    names = {real.name: real for real in ufuncs}
    assert kernels.UFUNCS.keys() == names.keys()
    for name, real in names.items():
        for arguments in itertools.product(strong + weak, repeat=min(real.nin, 2)):
            dtypes, weaks = zip(*arguments * (1 if real.nin < 3 else 2), strict=True)
            dtypes, weaks = dtypes[: real.nin], weaks[: real.nin]
            found = real._ops._guess_routine_from_in_types(dtypes, weaks)
            expected = None if found is None else (found.in_types, found.out_types)
            assert kernels.UFUNCS[name].loop(dtypes, weaks) == expected, (name, arguments)


def test_functions_have_the_parameters_of_the_wheel(cp):
    names = importlib.import_module("cupy._names")
    for module, name in [(home, name) for home in names.NAMES for name in names.NAMES[home]]:
        kind, *words = names.NAMES[module][name]
        if kind == "def" and name != "matmul":  # which has those of a ufunc
            function = getattr(importlib.import_module(module), name)
            own, real = inspect.signature(function), names.signature(words)
            assert [(p.name, p.kind) for p in own.parameters.values()] == [
                (p.name, p.kind) for p in real.parameters.values()
            ], name


# Rules that take values: of arithmetic, indices and reductions.


def test_reductions_and_elements_are_arrays(cp):
    x = cp.asarray([3.0, 4.0])
    for value in (x.sum(), x[0], x @ x, cp.max(x), x.mean(), cp.linalg.norm(x)):
        assert type(value) is cp.ndarray
        assert value.shape == ()
    assert float(x @ x) == 25.0


def test_indices_wrap_around(cp):
    x = cp.arange(3)
    assert x[cp.asarray([1, 3, -4])].tolist() == [1, 0, 2]
    assert x.take(cp.asarray([5])).tolist() == [2]
    x[cp.asarray([4])] = 7
    assert x.tolist() == [0, 7, 2]


def test_values_are_added_at_indices(cp):
    x = cp.zeros(3)
    cp.add.at(x, cp.asarray([1, 1, 4]), cp.asarray([1.0, 2.0, 4.0]))
    assert x.tolist() == [0.0, 7.0, 0.0]
    with pytest.raises(TypeError, match="int8"):
        cp.add.at(cp.zeros(3, "int8"), cp.asarray([1]), 1)


def test_a_python_number_takes_the_dtype_of_the_array(cp):
    x = cp.ones(2, "float32")
    assert (x + 1.0).dtype == (2 * x).dtype == (x**2).dtype == x.dtype
    assert (x + np.float64(1)).dtype == np.float64
    assert (cp.ones(2, "int32") + 1.0).dtype == np.float64
    with pytest.raises(TypeError, match="Unsupported type"):
        x + np.ones(2)
    with pytest.raises(TypeError, match="Unsupported type"):
        np.ones(2) + x


def test_matrices_are_not_checked(cp):
    singular = cp.ones((2, 2))
    assert cp.isnan(cp.linalg.inv(singular)).all()
    assert cp.isnan(cp.linalg.cholesky(-singular)).all()
    assert cp.isnan(cp.linalg.solve(singular, cp.ones(2))).all()
    with pytest.raises(np.linalg.LinAlgError):
        cp.linalg.inv(cp.ones((2, 3)))


def test_pickled_arrays_come_back(cp):
    x = cp.asarray([[1.0, 2.0]])
    again = pickle.loads(pickle.dumps(x))  # noqa: S301 - of this very process
    assert type(again) is cp.ndarray
    assert again.tolist() == x.tolist()


# What is counted.


def test_kernels_are_counted_by_name(cp, counters):
    x = cp.asarray([1.0, 2.0])
    counters.clear()
    (x + x * 2.0).sum()
    assert counters.launches == {"cupy_multiply": 1, "cupy_add": 1, "cupy_sum": 1}
    assert not counters.reads
    assert not counters.uploads


def test_reads_are_counted_by_line(cp, counters):
    x = cp.asarray(2.0)
    line = sys._getframe().f_lineno + 1
    assert float(x) == x.item() == 2.0
    assert counters.reads == {f"tests/test_double.py:{line}": 2}
    (stack,) = counters.stacks
    assert stack[0] == f"tests/test_double.py:{line}"
    assert len(stack) > 1
    counters.clear()
    x[cp.asarray(True)]
    assert counters.reads.total() == 1  # a mask: how many elements are there?


def test_uploads_are_counted_by_line(cp, counters):
    line = sys._getframe().f_lineno + 1
    cp.asarray([1.0, 2.0])
    assert counters.uploads == {f"tests/test_double.py:{line}": 1}
    cp.asarray(1.0)  # an argument of a kernel
    assert counters.uploads.total() == 1


# Devices.


def test_arrays_are_made_on_the_current_device(cp, two_devices):
    first, second = two_devices
    x = cp.zeros(2)
    with second:
        y = cp.zeros(2)
        assert cp.cuda.Device() == cp.asarray(x).device == x.copy().device == second
    assert x.device == first == cp.cuda.Device()
    assert y.device == y[1:].device == second
    assert y.tolist() == [0.0, 0.0]  # to the host, from whatever device


def test_an_array_of_another_device_warns(cp, two_devices, counters):
    with two_devices[1]:
        x = cp.ones(2)
    with pytest.warns(RuntimeWarning, match=r"resides \(1\).*current device \(0\)"):
        y = x + 1.0
    assert y.device == two_devices[0]
    assert counters.peers == {"cupy_add": 1}


def test_the_current_device_belongs_to_the_thread(cp, two_devices):
    seen = []
    two_devices[1].use()
    thread = threading.Thread(target=lambda: seen.append(cp.cuda.Device().id))
    thread.start()
    thread.join()
    assert seen == [0]
    assert cp.cuda.Device() == two_devices[1]


def test_there_is_no_other_device(cp):
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="invalid device"):
        cp.cuda.Device(1).use()


def test_memory_ends(cp):
    free, _ = cp.cuda.Device().mem_info
    with pytest.raises(cp.cuda.memory.OutOfMemoryError):
        cp.empty(free // 8 + 1)


# Fusion.


def test_a_fused_function_is_one_kernel(cp, counters):
    @cp.fuse(kernel_name="step")
    def step(x, y, rate):
        x -= rate * y

    x, y = cp.asarray([1.0, 2.0]), cp.asarray([10.0, 20.0])
    counters.clear()
    assert step(x, y, 0.1) is None
    assert x.tolist() == [0.0, 0.0]
    assert counters.launches == {"step": 1}


def test_a_fused_function_is_traced_once(cp):
    factor = 2.0

    @cp.fuse
    def scaled(x):
        return factor * x

    x = cp.asarray([1.0])
    assert scaled(x).tolist() == [2.0]
    factor = 3.0
    assert scaled(x).tolist() == [2.0]  # the number is in the kernel
    assert scaled(x.reshape(1, 1)).tolist() == [[3.0]]


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x if x else -x,
        lambda x: x.reshape(-1),
        lambda x: x[0],
        lambda x: x + np.ones(2),
    ],
)
def test_what_cannot_be_fused_is_an_error(cp, body):
    with pytest.raises(Exception, match="cast to bool|attribute|subscriptable|Unsupported"):
        cp.fuse(body)(cp.ones(2))


# Dask.


def test_dask_keeps_arrays_of_cupy_as_chunks(cp):
    da = pytest.importorskip("dask.array")
    x = da.from_array(np.arange(6.0), chunks=3).map_blocks(cp.asarray)
    y = da.from_array(cp.arange(6.0), chunks=3, asarray=False)
    for z in ((x + y).sum(), da.concatenate([x, y]).sum(), x @ y):
        value = z.compute(scheduler="synchronous")
        assert type(value) is cp.ndarray
        assert float(value) in (30.0, 55.0)
