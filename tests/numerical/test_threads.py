"""Threads that differentiate at the same memory: right derivatives, and every bit put back."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event, Thread, local

import numpy as np
import pytest

import gdx
from gdx.numerical import locks
from gdx.trees import leaves, map_leaves

SECONDS = 30  # until a test that hangs fails
X = np.asarray([0.5, -1.25, 2.0, 3.0, -0.75])


def cubes(x):
    """Return the sum of the cubes of all elements, of each point of a stack."""
    return sum(gdx.array_namespace(leaf).sum(leaf * leaf * leaf, axis=-1) for leaf in leaves(x))


def slopes(x):
    return map_leaves(lambda leaf: 3 * leaf**2, x)


def curvatures(x):
    return map_leaves(lambda leaf: 6 * leaf, x)


def bits(x):
    return gdx.to_numpy(x).tobytes()


def assert_near(found, expected, atol=1e-6):
    """Compare with so small a tolerance that a perturbed x is seen."""
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


@pytest.fixture(autouse=True)
def nothing_is_held():
    """Look, after each test, whether something is left in the tables of locks."""
    yield
    assert locks._holders == {}
    assert locks._waits == {}


class Meeting:
    """Threads that begin one after the other, and go on when all have begun.

    A thread has begun when it calls the meeting for the first time: where f is evaluated beside x,
    or where it waits for another thread.
    """

    def __init__(self):
        self.own = local()

    def __call__(self):
        place = self.own.__dict__.pop("place", None)
        if place is not None:
            place()

    def beside(self, x):
        """Return `cubes`, which calls the meeting where its argument is not what x is now."""
        clean = [bits(leaf) for leaf in leaves(x)]

        def f(p):
            value = cubes(p)
            if [bits(leaf) for leaf in leaves(p)] != clean:
                self()
            return value

        return f

    def run(self, *tasks):
        """Return what the tasks return, each in a thread of its own."""
        barrier = Barrier(len(tasks))
        begun = [Event() for _ in tasks]

        def in_thread(k, task):
            def place():
                begun[k].set()
                barrier.wait(SECONDS)

            self.own.place = place
            try:
                result = task()
                self()
                return result
            finally:
                begun[k].set()

        with ThreadPoolExecutor(len(tasks)) as pool:
            futures = []
            for k, task in enumerate(tasks):
                futures.append(pool.submit(in_thread, k, task))
                assert begun[k].wait(SECONDS)
            return [future.result() for future in futures]


@pytest.fixture
def meeting(monkeypatch):
    met, wait = Meeting(), locks._wait

    def waiting(*args):
        met()
        return wait(*args)

    monkeypatch.setattr(locks, "_wait", waiting)
    return met


def diagonal(hessian):
    """Return the diagonals of the blocks of a Hessian that belong to one array."""
    if isinstance(hessian, dict):
        return {key: np.diagonal(row[key]) for key, row in hessian.items()}
    if isinstance(hessian, list):
        return [np.diagonal(row[i]) for i, row in enumerate(hessian)]
    return np.diagonal(hessian)


def descent(f, x):
    """Return 3x², to which a descent goes whose f takes the numerical gradient of x."""

    def loss(p):
        slope = gdx.numerical_gradient(f, x)
        return sum(np.sum((a - b) ** 2) for a, b in zip(leaves(p), leaves(slope), strict=True))

    start = map_leaves(np.zeros_like, x)
    return gdx.gradient_descent(loss, start, lr=0.25, step_num=30, grad="numerical").x


def with_threads(f, x):
    with ThreadPoolExecutor(2) as pool:
        return gdx.numerical_gradient(f, x, workers=pool)


# Each with what it returns for `cubes`.
IN_PLACE = {
    "gradient": (gdx.numerical_gradient, slopes),
    "one-sided": (partial(gdx.numerical_gradient, method="forward", order=4), slopes),
    "h": (partial(gdx.numerical_gradient, h=1e-4), slopes),
    "f ignores its argument": (lambda f, x: gdx.numerical_gradient(lambda _: f(x), x), slopes),
    "within bounds": (partial(gdx.numerical_gradient, bounds=(-9.0, 9.0)), slopes),
    "full output": (lambda f, x: gdx.numerical_gradient(f, x, full_output=True).value, slopes),
    "error": (lambda f, x: gdx.numerical_gradient(f, x, return_error=True)[0], slopes),
    "jacobian": (gdx.numerical_jacobian, slopes),
    "jvp": (
        lambda f, x: gdx.numerical_jvp(f, x, map_leaves(np.ones_like, x)),
        lambda x: np.asarray(sum(np.sum(leaf) for leaf in leaves(slopes(x)))),
    ),
    "hessian": (lambda f, x: diagonal(gdx.numerical_hessian(f, x)), curvatures),
    "diagonal": (gdx.numerical_hessian_diagonal, curvatures),
    "beside complex numbers": (
        lambda f, x: gdx.numerical_gradient(
            lambda p: f(p["x"]) + abs(p["z"][0]) ** 2, {"x": x, "z": np.asarray([1 + 1j])}
        )["x"],
        slopes,
    ),
    "check": (
        lambda f, x: np.asarray(str(gdx.check_gradient(f, x, slopes)).startswith("correct")),
        lambda x: np.asarray(True),
    ),
    "descent": (descent, slopes),
}
AT_COPIES = {
    "stacks": (partial(gdx.numerical_gradient, vectorized=True), slopes),
    "stacks, all options": (
        lambda f, x: gdx.numerical_gradient(f, x, vectorized=True, full_output=True).value,
        slopes,
    ),
    "complex step": (partial(gdx.numerical_gradient, method="complex"), slopes),
    "workers": (with_threads, slopes),
    "jvp of stacks": (
        lambda f, x: gdx.numerical_jvp(f, x, np.ones_like(x), vectorized=True),
        lambda x: np.asarray(np.sum(slopes(x))),
    ),
}
# The first thread perturbs x[0], which all others have in their arrays.
SHARED = {
    "one array": lambda x, y: [x] * 4,
    "views": lambda x, y: [x, x[:4], x[::-1], x[::2]],
    "trees": lambda x, y: [x, {"a": x, "b": y}, {"b": y, "a": x}, [y, x]],
    "trees of views": lambda x, y: [x, [x[:2], y], {"a": x[::-1], "b": y}, [y[1:], x[::2]]],
}


@pytest.mark.parametrize("shared", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize(("routine", "expected"), IN_PLACE.values(), ids=IN_PLACE)
def test_shared_memory(meeting, routine, expected, shared):
    x, y = X.copy(), X[:3] + 1
    places = shared(x, y)
    clean = [map_leaves(np.copy, place) for place in places]
    found = meeting.run(*(partial(routine, meeting.beside(place), place) for place in places))
    for derivative, start in zip(found, clean, strict=True):
        assert_near(derivative, expected(start), 1e-4 if expected is curvatures else 1e-6)
    assert bits(x) == bits(X)
    assert bits(y) == bits(X[:3] + 1)


@pytest.mark.parametrize(("routine", "expected"), AT_COPIES.values(), ids=AT_COPIES)
def test_copies_are_made_while_nobody_perturbs(meeting, routine, expected):
    x = X.copy()
    routines = gdx.numerical_gradient, routine, gdx.numerical_gradient
    first, second, last = meeting.run(*(partial(one, meeting.beside(x), x) for one in routines))
    assert_near(second, expected(X))
    assert_near([first, last], [slopes(X)] * 2)
    assert bits(x) == bits(X)


def test_every_library(meeting, case):
    x = case.asarray([1.0, 2.0, 3.0])
    before, f = bits(x), meeting.beside(x) if case.mutable else cubes
    places = [x, x, x]
    if case.mutable and case.library != "array_api_strict":  # which tells nobody what is a view
        places = [x, x[:3], x[...]]
    for found in meeting.run(*(partial(gdx.numerical_gradient, f, place) for place in places)):
        expected = np.asarray([3.0, 12.0, 27.0])
        np.testing.assert_allclose(gdx.to_numpy(found), expected, rtol=600 * case.eps ** (2 / 3))
    assert bits(x) == before


def lent_by_bytearray(count):
    memory = bytearray(X.tobytes())
    return [np.frombuffer(memory) for _ in range(count)]


def lent_by_torch(count):
    tensor = pytest.importorskip("torch").asarray(X.copy())
    return [tensor.numpy() for _ in range(count)]


LENT = {
    "bytearray": lent_by_bytearray,
    "torch": lent_by_torch,
}


@pytest.mark.parametrize("lent", LENT.values(), ids=LENT)
def test_arrays_of_lent_memory(meeting, lent):
    """They have no owner in common."""
    places = lent(3)
    f = meeting.beside(places[0])
    for found in meeting.run(*(partial(gdx.numerical_gradient, f, x) for x in places)):
        assert_near(found, slopes(X))
    assert bits(places[0]) == bits(X)


def read_only(x):
    x = x.view()
    x.flags.writeable = False
    return x


FREE = {
    "read-only views": lambda x: (gdx.numerical_gradient, read_only(x)),
    "copies": lambda x: (gdx.numerical_gradient, x.copy()),
    "lists": lambda x: (gdx.numerical_gradient, x.tolist()),
    "stacks": lambda x: (partial(gdx.numerical_gradient, vectorized=True), x),
    "complex step": lambda x: (partial(gdx.numerical_gradient, method="complex"), x),
    "jvp of stacks": lambda x: (partial(gdx.numerical_jvp, v=np.ones(5), vectorized=True), x),
    "hessian of a tree": lambda x: (gdx.numerical_hessian, {"x": x}),
    "complex numbers": lambda x: (gdx.numerical_jacobian, x + 0j),
    "descent": lambda x: (partial(gdx.gradient_descent, step_num=1, grad="numerical"), x),
}


@pytest.mark.parametrize("free", FREE.values(), ids=FREE)
def test_what_does_not_wait(free):
    """Each thread is inside of f at the same time as all others."""
    barrier, met, x = Barrier(3), local(), X.copy()

    def f(p):
        if not hasattr(met, "all"):
            barrier.wait(SECONDS)
            met.all = True
        return cubes(p)

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(routine, f, place) for routine, place in (free(x) for _ in range(3))]
        for future in futures:
            future.result()


@pytest.mark.parametrize("kind", [np.asarray, read_only])
def test_the_same_array_again_inside_of_f(kind):
    x = kind(X.copy())
    hessian = gdx.numerical_jacobian(lambda p: gdx.numerical_gradient(cubes, p), x)
    np.testing.assert_allclose(hessian, np.diag(6 * X), atol=1e-3)
    second = gdx.numerical_gradient(
        lambda p: sum(np.sum(leaf) for leaf in leaves(gdx.numerical_gradient(cubes, p))),
        {"a": x, "b": X[:2].copy()},
    )
    np.testing.assert_allclose(second["a"], 6 * X, atol=1e-3)
    assert bits(x) == bits(X)


def at_argument(x):
    return lambda p: np.sum(gdx.numerical_gradient(cubes, p))


def at_the_callers(x):
    """The array from which the other workers make their copies meanwhile."""
    return lambda p: np.sum(gdx.numerical_gradient(cubes, x) * p)


@pytest.mark.parametrize(
    ("inner", "expected"), [(at_argument, curvatures), (at_the_callers, slopes)]
)
def test_numerical_gradients_in_workers(inner, expected):
    x = X.copy()
    with ThreadPoolExecutor(3) as pool:
        found = gdx.numerical_gradient(inner(x), x, workers=pool)
        np.testing.assert_allclose(found, expected(X), atol=1e-3)

        def outer(p):  # while this thread perturbs x in place
            return np.sum(gdx.numerical_gradient(cubes, p, workers=pool))

        np.testing.assert_allclose(gdx.numerical_gradient(outer, x), 6 * X, atol=1e-3)
    assert bits(x) == bits(X)


@pytest.fixture
def _soon(monkeypatch):
    monkeypatch.setattr(locks, "_SECONDS_BETWEEN_CHECKS", 0.001)


def joined(task):
    failures = []

    def caught():
        try:
            task()
        except RuntimeError as error:
            failures.append(error)

    thread = Thread(target=caught)
    thread.start()
    thread.join()
    for error in failures:
        raise error


def in_pool(wait):
    def waited(task):
        with ThreadPoolExecutor(2) as pool:
            wait(pool, task)

    return waited


WAYS_TO_WAIT = {
    "join": joined,
    "join of a join": lambda task: joined(lambda: joined(task)),
    "result": in_pool(lambda pool, task: pool.submit(task).result()),
    "workers": in_pool(
        lambda pool, task: gdx.numerical_jacobian(lambda p: task(), X.copy(), workers=pool)
    ),
    "map": in_pool(lambda pool, task: [*pool.map(lambda _: task(), range(4))]),
}


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("wait", WAYS_TO_WAIT.values(), ids=WAYS_TO_WAIT)
def test_f_waits_for_a_thread_that_needs_its_array(wait):
    x = X.copy()

    def f(p):
        wait(partial(gdx.numerical_gradient, cubes, x))
        return cubes(p)

    with pytest.raises(RuntimeError, match=r"wait for each other.*x\.copy\(\)"):
        gdx.numerical_gradient(f, x)
    assert bits(x) == bits(X)


@pytest.mark.usefixtures("_soon")
def test_two_threads_that_need_each_others_arrays():
    """One of them raises, the other goes on."""
    x, y, barrier, ends = X.copy(), X + 1, Barrier(2), []

    def crossed(one, other):
        met = []

        def f(p):
            if not met:
                met.append(barrier.wait(SECONDS))
            return np.sum(gdx.numerical_gradient(cubes, other)) + cubes(p)

        try:
            return gdx.numerical_gradient(f, one)
        except RuntimeError as error:
            ends.append(str(error))
            return None

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(crossed, x, y), pool.submit(crossed, y, x)]
        found = [future.result() for future in futures]
    [message] = ends
    assert "wait for each other" in message
    for derivative, start in zip(found, (X, X + 1), strict=True):
        if derivative is not None:
            np.testing.assert_allclose(derivative, slopes(start), atol=1e-4)
    assert bits(x) == bits(X)
    assert bits(y) == bits(X + 1)


def test_the_arrays_of_trees_are_taken_in_one_order(monkeypatch, meeting):
    """Each thread has taken one array, or waits for it, when any thread takes its second."""

    class Holders(dict):
        def setdefault(self, memory, own):
            holder = super().setdefault(memory, own)
            if holder is own:
                meeting()
            return holder

    monkeypatch.setattr(locks, "_holders", Holders())
    x, y = X.copy(), X[:3] + 1
    trees = [{"a": x, "b": y}, {"b": y, "a": x}, [y, x]]
    for found in meeting.run(*(partial(gdx.numerical_gradient, cubes, tree) for tree in trees)):
        assert {leaf.shape for leaf in leaves(found)} == {(5,), (3,)}


@pytest.mark.usefixtures("_soon")
def test_a_long_wait_is_told(monkeypatch):
    """As that of a thread for which f waits in a way that cannot be seen."""
    told = Event()
    monkeypatch.setattr(locks, "_SECONDS_UNTIL_WARNING", 0.0)
    x, threads = X.copy(), []

    def warned():
        with pytest.warns(RuntimeWarning, match=r"has waited for 0 s.*Hand each thread a copy"):
            gdx.numerical_gradient(cubes, x)

    def warn(message, category, warn=locks.warn):
        told.set()
        warn(message, category)

    monkeypatch.setattr(locks, "warn", warn)

    def f(p):
        if not threads:
            threads.append(pool.submit(warned))
            assert told.wait(SECONDS)
        return cubes(p)

    with ThreadPoolExecutor(1) as pool:
        gdx.numerical_gradient(f, x)
        threads[0].result()
    assert bits(x) == bits(X)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_memory_is_released_when_f_raises(error):
    x = {"a": X.copy(), "b": X + 1}

    def f(p):
        raise error

    with pytest.raises(error) as caught:  # which keeps the frames, and so the arrays, alive
        gdx.numerical_gradient(f, x)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(gdx.numerical_gradient, cubes, x).result(SECONDS)
    assert_near(found, slopes({"a": X, "b": X + 1}))
    assert caught.value is not None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_interrupts_at_any_time():
    x, rng = [X.copy() for _ in range(3)], np.random.default_rng(0)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # an interrupt of what other packages do while garbage is collected is ignored
    try:
        for place in [x, x[0]] * 200:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 5e-4))
                gdx.numerical_gradient(cubes, place)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            assert locks._holders == {}
            assert all(bits(leaf) == bits(X) for leaf in x)
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_arrays_are_not_kept_and_memory_is_used_again():
    for _ in range(100):
        x = X.copy()
        kept = weakref.ref(x)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(gdx.numerical_gradient, cubes, x).result(SECONDS)
        del x, pool
        assert kept() is None
        assert locks._holders == {}


IN_A_FRESH_PROCESS = """
from threading import Event, Thread
import numpy as np
import gdx

x, inside, done = np.asarray([1.0, 2.0, 3.0]), Event(), Event()

def slow(p):
    inside.set()
    done.wait()
    return float(np.sum(p**2))

def f(p):
    gdx.numerical_gradient(lambda q: np.sum(q**2), x)
    return np.sum(p**2)

thread = Thread(target=gdx.numerical_gradient, args=(slow, x))
thread.start()
inside.wait()
print(gdx.numerical_gradient(f, np.asarray([1.0, 2.0, 3.0]), workers=2).round(6))
done.set()
thread.join()
"""


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="not forked here")
def test_a_forked_process_does_not_wait_for_threads_it_has_not():
    command = [sys.executable, "-W", "error", "-c", IN_A_FRESH_PROCESS]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "[2. 4. 6.]\n"
