"""Whoever evaluates f, the answer is the same, and what goes wrong comes back."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest

import gdx
from gdx.numerical import workers

X = np.random.default_rng(0).standard_normal(12)
FORKS = multiprocessing.get_start_method() == "fork"


def cubes(x):
    return float(np.sum(x**3))


def times(shared, task):
    time.sleep(0.01 * (task % 3))
    return shared[0] * task


def failing(x):
    if x[7] != X[7]:
        raise ZeroDivisionError("on purpose")
    return 1.0


def dying(x):
    os.kill(os.getpid(), signal.SIGKILL)


WHO = {
    "map": lambda: nullcontext(map),
    "one": lambda: nullcontext(1),
    "two": lambda: nullcontext(2),
    "all": lambda: nullcontext(-1),
    "threads": lambda: ThreadPoolExecutor(3),
    "pool of threads": lambda: ThreadPool(2),
    "spawned": lambda: ProcessPoolExecutor(2, multiprocessing.get_context("spawn")),
}


@pytest.fixture(params=WHO.values(), ids=WHO)
def by(request):
    with request.param() as one:
        yield one.map if isinstance(one, ThreadPool) else one


def test_the_same_gradient(by):
    x = X.copy()
    for method in ("central", "forward"):
        found = gdx.numerical_gradient(cubes, x, method=method, workers=by)
        np.testing.assert_array_equal(found, gdx.numerical_gradient(cubes, x, method=method))
    assert x.tolist() == X.tolist()
    np.testing.assert_array_equal(
        gdx.numerical_hessian(cubes, x[:3], workers=by), gdx.numerical_hessian(cubes, x[:3])
    )


def test_an_exception_comes_back_with_the_element(by):
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        gdx.numerical_gradient(failing, X, workers=by)
    assert caught.value.__notes__ == ["f raised this with the element 7 of x moved."]


def test_every_library(case):
    x = case.asarray([1.0, 2.0, 3.0])
    with ThreadPoolExecutor(2) as threads:
        found = gdx.numerical_gradient(lambda x: case.xp.sum(x * x), x, workers=threads)
    assert case.holds(found)
    np.testing.assert_allclose(gdx.to_numpy(found), [2, 4, 6], rtol=60 * case.eps ** (2 / 3))


IN_A_FRESH_PROCESS = """
import os, signal, time
import numpy as np
import gdx

x = np.random.default_rng(0).standard_normal(12)
scale = 3.0
assert (gdx.numerical_gradient(lambda x: np.sum(scale * x), x, workers=2).round(6) == 3).all()
try:
    gdx.numerical_gradient(lambda x: os.kill(os.getpid(), signal.SIGKILL), x, workers=2)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.skipif(not FORKS, reason="processes are not forked here")
def test_forked_processes_take_any_function():
    """As long as no library is imported that would not survive it."""
    command = [sys.executable, "-W", "error", "-c", IN_A_FRESH_PROCESS]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.stdout.startswith("workers=2: a process died before it had finished")


def of_tree(p):
    return float(np.sum(p["a"] ** 2) * p["b"][0])


def of_complex(z):
    return float(np.sum(abs(z) ** 2))


def squares(x):
    return x**2


def test_processes_take_trees_complex_numbers_and_directions():
    """Whatever gdx wraps around f can be sent, too."""
    x = {"a": np.asarray([1.0, 2.0]), "b": np.asarray([3.0])}
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = gdx.numerical_gradient(of_tree, x, workers=pool)
        np.testing.assert_allclose(found["a"], [6, 12], atol=1e-8)
        hessian = gdx.numerical_hessian(of_tree, x, workers=pool)
        np.testing.assert_allclose(hessian["a"]["b"], [[2], [4]], atol=1e-5)
        found = gdx.numerical_gradient(of_complex, np.asarray([1 + 1j, 2]), workers=pool)
        np.testing.assert_allclose(found, [2 - 2j, 4], atol=1e-8)
        found = gdx.numerical_jvp(squares, X, np.ones(12), workers=pool)
        np.testing.assert_allclose(found, 2 * X, atol=1e-8)


def test_a_function_that_cannot_be_sent():
    pytest.importorskip("torch")  # which would not survive a fork
    with pytest.raises(TypeError, match="workers=2: f cannot be sent to another process"):
        gdx.numerical_gradient(lambda x: np.sum(x), X, workers=2)  # noqa: PLW0108


def test_processes_that_are_not_forked():
    assert workers.run(times, (2,), range(7), 2) == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(TypeError, match="f cannot be sent.*top level of a module"):
        workers.run(times, (lambda: 1,), range(3), 2)


@pytest.mark.slow
def test_order(by):
    assert workers.run(times, (2,), range(9), by) == list(range(0, 18, 2))


def test_a_process_that_dies():
    before = multiprocessing.active_children()  # those of other tests
    with pytest.raises(RuntimeError, match="workers=2: a process died"):
        gdx.numerical_gradient(dying, X, workers=2)
    assert set(multiprocessing.active_children()) <= set(before)


def dropped(x):
    raise ConnectionResetError("by the simulation")


def test_a_connection_that_f_loses_is_its_own_error():
    with pytest.raises(ConnectionResetError, match="by the simulation"):
        gdx.numerical_gradient(dropped, X, workers=2)


# What the script is, and what a module is that the server of new processes imports first. Newer
# Pythons let the server import the script itself, which then dies of the same error.
WITHOUT_GUARD = """
import multiprocessing
multiprocessing.set_start_method("forkserver")
multiprocessing.set_forkserver_preload([{module!r}])
import numpy as np
import gdx

def f(x):
    return np.sum(x * x)

gdx.numerical_gradient(f, np.ones(3), workers=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no forkserver"
)
@pytest.mark.parametrize("module", ["__main__", "dies_on_import"])
def test_a_script_without_a_main_guard(module, tmp_path):
    (tmp_path / "dies_on_import.py").write_text("raise RuntimeError")
    (tmp_path / "script.py").write_text(WITHOUT_GUARD.format(module=module))
    ran = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    *_, last = ran.stderr.strip().splitlines()
    assert last.startswith("RuntimeError: workers=2: a process died before it had finished")
    assert "if __name__ == '__main__':" in last


class Counted:
    """An object that counts how often it is pickled."""

    pickled = 0

    def __reduce__(self):
        type(self).pickled += 1
        return int, (2,)


def scaled(shared, task):
    return int(shared[0]) * task


def test_what_is_shared_is_sent_once_to_each_process():
    Counted.pickled = 0
    assert workers.run(scaled, (Counted(),), range(50), 2) == list(range(0, 100, 2))
    assert Counted.pickled == 3  # to see whether it can be, and for two processes


@pytest.mark.parametrize(
    ("given", "error"),
    [(0, ValueError), (-2, ValueError), (True, TypeError), (2.5, TypeError), ("2", TypeError)],
)
def test_nobody(given, error):
    with pytest.raises(error, match=r"workers must be a number of processes.*got"):
        gdx.numerical_gradient(cubes, X, workers=given)


def test_a_map_that_loses_something():
    with pytest.raises(ValueError, match=r"like map; it returned 0 results for 12 tasks"):
        gdx.numerical_gradient(cubes, X, workers=lambda f, tasks: [])
    for nothing in (lambda f, tasks: None, lambda f, tasks: [1.0 for _ in tasks]):
        with pytest.raises(ValueError, match="must work like map"):
            gdx.numerical_gradient(cubes, X, workers=nothing)


def test_executors_to_which_f_cannot_be_sent():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        for workers in (executor, executor.map, pool.map):
            with pytest.raises(TypeError, match=r"f cannot be sent to another process.*threads"):
                gdx.numerical_gradient(lambda x: np.sum(x**2), X, workers=workers)


def test_workers_and_stacks_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        gdx.numerical_gradient(cubes, X, workers=2, vectorized=True)


def cubes_after_a_death(path, x):
    """Whoever is first to make the file dies."""
    try:
        open(path, "x").close()
    except FileExistsError:
        return cubes(x)
    return os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(action="ignore"),  # of a cluster that has trouble to start or end
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as of_two,
        distributed.Client(of_two) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with cluster() as client:
        yield client


class Sent:
    """A function that counts how often it is pickled."""

    pickled = 0

    def __init__(self, f):
        self.f = f

    def __call__(self, x):
        return self.f(x)

    def __reduce__(self):
        Sent.pickled += 1
        return Sent, (self.f,)


TREE = {"a": X[:2], "b": X[2:3]}
# Derivative, f, x and options.
CALLS = {
    "gradient": (gdx.numerical_gradient, cubes, X, {}),
    "gradient with f(x)": (gdx.numerical_gradient, cubes, X, {"method": "forward"}),
    "gradient within bounds": (gdx.numerical_gradient, cubes, X, {"bounds": (X, None)}),
    "gradient of float32": (gdx.numerical_gradient, cubes, X.astype(np.float32), {}),
    "gradient by a tree": (gdx.numerical_gradient, of_tree, TREE, {}),
    "gradient by complex numbers": (gdx.numerical_gradient, of_complex, X[:3] + 1j, {}),
    "diagonal": (gdx.numerical_hessian_diagonal, cubes, X, {}),
    "hessian": (gdx.numerical_hessian, cubes, X[:3], {}),
    "hessian by a tree": (gdx.numerical_hessian, of_tree, TREE, {}),
    "jacobian": (gdx.numerical_jacobian, squares, X, {}),
    "sparse jacobian": (gdx.numerical_jacobian, squares, X, {"sparsity": np.eye(12)}),
    "jvp": (functools.partial(gdx.numerical_jvp, v=np.ones(12)), squares, X, {}),
}


@pytest.mark.parametrize("return_error", [False, True])
@pytest.mark.parametrize(("derivative", "f", "x", "options"), CALLS.values(), ids=CALLS)
def test_a_cluster_is_sent_f_once(client, derivative, f, x, options, return_error):
    options = {**options, "return_error": return_error, "full_output": True}
    Sent.pickled = 0
    found, expected = (
        derivative(of, x, workers=by, **options) for of, by in ((Sent(f), client), (f, None))
    )
    assert Sent.pickled == 1
    assert found.nfev == expected.nfev
    gdx.trees.map_leaves(np.testing.assert_array_equal, found.value, expected.value)


def test_a_cluster_forgets_f(client):
    before = {*client.futures}
    gdx.numerical_gradient(cubes, X, workers=client, return_error=True)
    with pytest.raises(ZeroDivisionError):
        gdx.numerical_gradient(failing, X, workers=client)
    deadline = time.monotonic() + 10
    while {*client.futures} - before and time.monotonic() < deadline:
        gc.collect()  # the error holds the frames in which it was raised, and they hold it
        time.sleep(0.01)
    assert {*client.futures} <= before


def test_f_may_differentiate_on_the_cluster_that_evaluates_it(client):
    found = gdx.numerical_gradient(slope_of_cubes, X[:2], workers=client)
    np.testing.assert_allclose(found, 6 * X[:2], atol=1e-4)


def slope_of_cubes(x):
    """Return the sum of 3 x², by derivatives that other tasks evaluate."""
    from distributed import worker_client

    with worker_client() as own:
        return float(np.sum(gdx.numerical_gradient(Sent(cubes), x, workers=own, order=6)))


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_which_a_worker_is_killed(tmp_path):
    with cluster() as client:
        _kill_a_worker(client, tmp_path / "died")


def _kill_a_worker(client, died):
    expected = gdx.numerical_gradient(cubes, X)
    np.testing.assert_array_equal(gdx.numerical_gradient(cubes, X, workers=client), expected)

    def error_of(f):
        with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
            gdx.numerical_gradient(f, X, workers=client)
        return caught.value.__notes__

    assert "f raised this with the element 7 of x moved." in error_of(failing)

    f = functools.partial(cubes_after_a_death, died)
    np.testing.assert_array_equal(gdx.numerical_gradient(f, X, workers=client), expected)
    assert died.exists()


CLOSED = {
    "pool": lambda: _closed(ThreadPool(2), "close").map,
    "lazy pool": lambda: _closed(ThreadPool(2), "terminate").imap,
    "executor": lambda: _closed(ThreadPoolExecutor(2), "shutdown"),
    "map of an executor": lambda: _closed(ThreadPoolExecutor(2), "shutdown").map,
    "processes": lambda: _closed(ProcessPoolExecutor(2), "shutdown"),
    "client": lambda: _closed(
        pytest.importorskip("distributed").Client(
            processes=False, n_workers=1, dashboard_address=":0"
        ),
        "close",
    ),
}


def _closed(by, method):
    getattr(by, method)()
    return by


@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED)
def test_workers_that_are_closed(closed):
    with pytest.raises(
        RuntimeError, match=r"^workers=<.*> takes no work \(.+\)\. .*one that is open"
    ):
        gdx.numerical_gradient(cubes, X, workers=closed())


def not_running(x):
    raise ValueError("Pool not running")


def test_what_f_raises_is_its_own(by):
    with pytest.raises(ValueError, match=r"^Pool not running\nf raised this"):
        gdx.numerical_gradient(not_running, X, workers=by)
