"""Who evaluates f: processes of gdx's own, or whoever the caller has."""

from __future__ import annotations

import functools
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported where they are used: they take a fifth of the time of `import gdx`
    from concurrent.futures import Executor, Future

Task = Any
Shared = tuple[Any, ...]
Work = Callable[[Shared, Task], Any]

_FORMS = (
    "workers must be a number of processes (-1: one for each core), a map-like callable, a "
    "concurrent.futures.Executor or a dask.distributed.Client; got {workers!r}."
)
_NOT_PICKLED = (
    "workers={workers}: f cannot be sent to another process ({reason}). Define it at the top level "
    "of a module, or use threads: workers=concurrent.futures.ThreadPoolExecutor({workers})."
)
_DIED = (
    "workers={workers}: a process died before it had finished. Either f ended it or the system "
    "killed it, for want of memory for example; or the script has no line "
    "if __name__ == '__main__': before it calls gdx, and was run anew in each process."
)
_ATTEMPTS = 3


def check_workers(workers: Any) -> None:
    """Raise if this is nobody who could evaluate f."""
    if isinstance(workers, bool) or not (_is_number(workers) or _finds_work(workers)):
        raise TypeError(_FORMS.format(workers=workers))
    if _is_number(workers) and workers != -1 and workers < 1:
        raise ValueError(_FORMS.format(workers=workers))


def _is_number(workers: Any) -> bool:
    return isinstance(workers, Integral)


def _finds_work(workers: Any) -> bool:
    return callable(workers) or _is_executor(workers) or _is_client(workers)


def _is_executor(workers: Any) -> bool:
    from concurrent.futures import Executor

    return isinstance(workers, Executor)


def _is_client(workers: Any) -> bool:
    return all(hasattr(workers, name) for name in ("scatter", "submit", "gather"))


def run(
    function: Work, shared: Shared, tasks: Sequence[Task], workers: Any, *, fork: bool = False
) -> list[Any]:
    """Return function(shared, task) for each of the tasks, in their order.

    `shared` may be large: it goes once to each process of a number of them and to each worker of a
    cluster. With `fork`, processes of gdx's own inherit it, where that is how Python starts them;
    otherwise it is pickled.
    """
    if _is_number(workers):
        return _by_processes(function, shared, tasks, workers, fork)
    if _is_executor(workers):
        return _by_executor(workers, functools.partial(function, shared), tasks)
    if _is_client(workers):
        return _by_client(workers, function, shared, tasks)
    results = workers(functools.partial(function, shared), tasks)
    results = list(results) if isinstance(results, Iterable) else []
    if len(results) != len(tasks):
        raise ValueError(
            f"workers={workers!r} returned {len(results)} results for {len(tasks)} tasks; it must "
            "work like map."
        )
    return results


def _by_executor(
    executor: Executor, function: Callable[[Task], Any], tasks: Sequence[Task]
) -> list[Any]:
    return _results([executor.submit(function, task) for task in tasks])


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
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(_NOT_PICKLED.format(workers=workers, reason=error)) from error


# In a process of gdx's own: what it was started with.
_received: list[tuple[Work, Shared]] = []


def _receive(function: Work, shared: Shared) -> None:
    _received[:] = [(function, shared)]


def _on_received(task: Task) -> Any:
    ((function, shared),) = _received
    return function(shared, task)


def _by_client(client: Any, function: Work, shared: Shared, tasks: Sequence[Task]) -> list[Any]:
    """Return the results of a cluster; what was lost with a worker is sent once more."""
    from concurrent.futures import CancelledError

    for attempt in range(_ATTEMPTS):
        [everywhere] = client.scatter([shared], broadcast=True, hash=False)
        futures = [client.submit(function, everywhere, task, pure=False) for task in tasks]
        try:
            results: list[Any] = client.gather(futures)
            return results
        except CancelledError:
            if attempt == _ATTEMPTS - 1:
                raise
        finally:
            client.cancel(futures)
    raise AssertionError  # the last attempt returns or raises
