"""Who evaluates f: processes of gdx's own, or whoever the caller has."""

from __future__ import annotations

import functools
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from numbers import Integral
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported where they are used: they take a fifth of the time of `import gdx`
    from concurrent.futures import Executor, Future

Task = Any
Shared = tuple[Any, ...]
Work = Callable[[Shared, Task], Any]
Function = Callable[[Any], Any]

_FORMS = (
    "workers must be a number of processes (-1: one for each core), a map-like callable, a "
    "concurrent.futures.Executor or a dask.distributed.Client; got {workers!r}."
)
_NOT_PICKLED = (
    "workers={workers!r}: f cannot be sent to another process ({reason}). Define it at the top "
    "level of a module, or use threads: workers=concurrent.futures.ThreadPoolExecutor()."
)
_DIED = (
    "workers={workers}: a process died before it had finished. Either f ended it or the system "
    "killed it, for want of memory for example; or the script has no line "
    "if __name__ == '__main__': before it calls gdx, and was run anew in each process."
)
_TAKES_NONE = (
    "workers={workers!r} takes no work ({reason}). If that pool, executor or client is closed, "
    "hand over one that is open."
)
_UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)  # what pickle raises
_ATTEMPTS = 3


def check_workers(workers: Any) -> None:
    """Raise if this is nobody who could evaluate f."""
    if isinstance(workers, bool) or not (_is_number(workers) or _finds_work(workers)):
        raise TypeError(_FORMS.format(workers=workers))
    if _is_number(workers) and workers != -1 and workers < 1:
        raise ValueError(_FORMS.format(workers=workers))
    if is_client(workers) and getattr(workers, "status", None) in ("closing", "closed"):
        raise _takes_none(workers, f"its status is {workers.status!r}")


def _takes_none(workers: Any, reason: object) -> RuntimeError:
    return RuntimeError(_TAKES_NONE.format(workers=workers, reason=reason))


def _is_number(workers: Any) -> bool:
    return isinstance(workers, Integral)


def _finds_work(workers: Any) -> bool:
    return callable(workers) or _is_executor(workers) or is_client(workers)


def _is_executor(workers: Any) -> bool:
    from concurrent.futures import Executor

    return isinstance(workers, Executor)


def is_client(workers: Any) -> bool:
    """Tell whether this is a client of a cluster, as `Cluster` takes it."""
    return all(hasattr(workers, name) for name in ("scatter", "submit", "gather"))


def run(
    function: Work, shared: Shared, tasks: Sequence[Task], workers: Any, *, fork: bool = False
) -> list[Any]:
    """Return function(shared, task) for each of the tasks, in their order.

    `workers` is what `check_workers` takes, with a `Cluster` in the place of a client. `shared` may
    be large: it goes once to each process of a number of them and to each worker of a cluster. With
    `fork`, processes of gdx's own inherit it, where that is how Python starts them; otherwise it is
    pickled.
    """
    if _is_number(workers):
        return _by_processes(function, shared, tasks, workers, fork)
    if isinstance(workers, Cluster):
        return workers.results(function, shared, tasks)
    work = functools.partial(function, shared)
    try:
        return (_by_executor if _is_executor(workers) else _by_map)(workers, work, tasks)
    except _UNPICKLED as error:
        if _raises_the_same(error, pickle.dumps, work):
            raise TypeError(_NOT_PICKLED.format(workers=workers, reason=error)) from error
        raise


def _by_map(
    mapping: Callable[..., Any], function: Callable[[Task], Any], tasks: Sequence[Task]
) -> list[Any]:
    try:
        results = mapping(function, tasks)
        results = list(results) if isinstance(results, Iterable) else []
    except Exception as error:
        if _raises_the_same(error, lambda: list(mapping(bool, [0]))):
            raise _takes_none(mapping, error) from error
        raise
    if len(results) != len(tasks):
        raise ValueError(
            f"workers={mapping!r} must work like map; it returned {len(results)} results for "
            f"{len(tasks)} tasks."
        )
    return results


def _raises_the_same(error: Exception, function: Callable[..., Any], *args: Any) -> bool:
    try:
        function(*args)
    except Exception as other:
        return type(other) is type(error) and str(other) == str(error)
    return False


def _by_executor(
    executor: Executor, function: Callable[[Task], Any], tasks: Sequence[Task]
) -> list[Any]:
    try:
        futures = [executor.submit(function, task) for task in tasks]
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # a broken one says what broke it
            raise
        raise _takes_none(executor, error) from error
    return _results(futures)


def _results(futures: Sequence[Future[Any]]) -> list[Any]:
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _by_processes(
    function: Work, shared: Shared, tasks: Sequence[Task], workers: int, fork: bool
) -> list[Any]:
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    count = min(_cores() if workers == -1 else workers, len(tasks))
    if count <= 1:
        return [function(shared, task) for task in tasks]
    context = multiprocessing.get_context(_start_method(fork))
    if context.get_start_method() != "fork":
        _check_pickles(shared, workers)
    with warnings.catch_warnings():
        # Python 3.12 warns of each fork beside other threads. Those of NumPy's BLAS are made for
        # it, and the processes run nothing but f.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pool = ProcessPoolExecutor(count, context, _receive, (function, shared))
        try:
            return _results(_submitted(pool, tasks))
        except (BrokenProcessPool, _NotStartedError) as error:
            raise RuntimeError(_DIED.format(workers=workers)) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _submitted(pool: Executor, tasks: Sequence[Task]) -> list[Future[Any]]:
    try:
        return [pool.submit(_on_received, task) for task in tasks]
    # Only processes are started here. An f that raises the same raises it from its future.
    except (ConnectionError, EOFError) as error:
        raise _NotStartedError from error


class _NotStartedError(Exception):
    """The server that starts processes has died: it runs the script anew, too."""


def _cores() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _start_method(fork: bool) -> str:
    import multiprocessing

    if fork and multiprocessing.get_start_method() == "fork":
        return "fork"
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _check_pickles(shared: Shared, workers: int) -> None:
    try:
        pickle.dumps(shared)
    except _UNPICKLED as error:
        raise TypeError(_NOT_PICKLED.format(workers=workers, reason=error)) from error


# In a process of gdx's own: what it was started with.
_received: list[tuple[Work, Shared]] = []


def _receive(function: Work, shared: Shared) -> None:
    _received[:] = [(function, shared)]


def _on_received(task: Task) -> Any:
    ((function, shared),) = _received
    return function(shared, task)


class Reference:
    """f, to be sent to a cluster within other objects: pickled, it calls the f of its task.

    So f itself is sent once, however often these objects are.
    """

    def __init__(self, f: Function | None = None) -> None:
        self.f = f

    def __reduce__(self) -> tuple[type[Reference], tuple[()]]:
        return Reference, ()

    def __call__(self, x: Any) -> Any:
        """Return f(x)."""
        f = _f_of_task.get() if self.f is None else self.f
        return f(x)


_f_of_task: ContextVar[Function] = ContextVar("_f_of_task")


class Cluster:
    """The cluster of a client, to which f is sent with the first tasks; a `Reference` calls it."""

    def __init__(self, client: Any, f: Function) -> None:
        self.client, self.f = client, f
        self.sent: Any = None  # the future of f

    def results(self, function: Work, shared: Shared, tasks: Sequence[Task]) -> list[Any]:
        """Return function(shared, task) for each task; send once more what a worker lost."""
        from concurrent.futures import CancelledError

        for attempt in range(_ATTEMPTS):
            if self.sent is None:
                self.sent = self._scattered(self.f)
            everywhere = self._scattered(shared)
            futures = [
                self.client.submit(_with_f, function, self.sent, everywhere, task, pure=False)
                for task in tasks
            ]
            try:
                results: list[Any] = self.client.gather(futures)
                return results
            except CancelledError:
                self.release()
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                self.client.cancel(futures)
        raise AssertionError  # the last attempt returns or raises

    def _scattered(self, value: Any) -> Any:
        [future] = self.client.scatter([value], broadcast=True, hash=False)
        return future

    def release(self) -> None:
        """Let the cluster forget f."""
        if self.sent is not None:
            self.sent.release()
            self.sent = None


def _with_f(function: Work, f: Function, shared: Shared, task: Task) -> Any:
    before = _f_of_task.set(f)
    try:
        return function(shared, task)
    finally:
        _f_of_task.reset(before)
