"""One thread at a time perturbs an array in place; others that need its memory wait."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from threading import Lock, Thread, get_ident
from types import FrameType
from typing import Any, TypeVar

from gdx.backends import Array, library, namespace_of
from gdx.caller import warn
from gdx.trees import Tree, leaves, map_leaves

R = TypeVar("R")

# The number of a thread that holds memory, then a lock for each thread that waits for it. A list
# costs a third of what an instance costs.
Holder = list[Any]

# By `Library.memory`; an entry lasts as long as the memory is held, so that it is not freed.
_holders: dict[int, Holder] = {}
# The memory that a thread waits for, and its holder.
_waits: dict[int, tuple[int, Holder]] = {}
Link = tuple[int, int]  # the thread that is waited for, and by what
_deadlock_check = Lock()  # of two threads that wait for each other, one raises

_SECONDS_BETWEEN_CHECKS = 0.1
_SECONDS_UNTIL_WARNING = 60.0

_DEADLOCK = (
    "this thread and another one wait for each other: that one perturbs an array in place which "
    "this one needs. Hand each thread a copy of the array, as x.copy(), or a read-only view of it."
)
_SLOW = (
    "this thread has waited for {seconds:.0f} s for another one, which perturbs the same array in "
    "place. Hand each thread a copy of the array, as x.copy(), or a read-only view of it."
)


def undisturbed(function: Callable[[Tree], R], x: Tree, in_place: bool) -> R:
    """Return function(x), with no other thread perturbing an array of `x` in place meanwhile.

    Unless `function` perturbs `x` in place itself, it is given copies of what others may perturb.
    """
    memories = sorted(set(chain.from_iterable(map(_memory_of, leaves(x)))))
    if in_place or not memories:
        return exclusively(memories, function, x)
    return function(exclusively(memories, map_leaves, _copied, x))


def _memory_of(x: Array) -> tuple[int, ...]:
    """Return the memory of an array that can be perturbed in place; of no other."""
    known = library(namespace_of(x))
    return (known.memory(x),) if known.writable(x) and 0 not in x.shape else ()


def _copied(x: Array) -> Array:
    return library(namespace_of(x)).copied(x)


def exclusively(memories: Sequence[int], function: Callable[..., R], *args: Any) -> R:
    """Return function(*args), with the memories held by this thread alone.

    What it holds already, it goes on to hold. All threads must sort the memories in the same way:
    then no two of them wait for each other, unless they hold others already.
    """
    if not memories:
        return function(*args)
    own: Holder = [get_ident()]
    try:
        for memory in memories:
            # A single operation of a dict: of several threads, one finds its own list.
            while (holder := _holders.setdefault(memory, own)) is not own:
                if holder[0] == own[0]:
                    break
                _wait(memory, holder)
        return function(*args)
    finally:
        try:
            _release(memories, own)
        except BaseException:  # an interrupt
            _release(memories, own)
            raise


def _release(memories: Sequence[int], own: Holder) -> None:
    for memory in memories:
        if _holders.get(memory) is own:
            del _holders[memory]
    while len(own) > 1:
        own.pop().release()


def _wait(memory: int, holder: Holder) -> None:
    """Return when another thread has released the memory; raise if it never will."""
    me, released = get_ident(), Lock()
    released.acquire()
    holder.append(released)
    _waits[me] = memory, holder
    slow = time.monotonic() + _SECONDS_UNTIL_WARNING
    try:
        while _holders.get(memory) is holder:
            if released.acquire(timeout=_SECONDS_BETWEEN_CHECKS):
                return
            with _deadlock_check:
                if _is_deadlocked(me):
                    del _waits[me]
                    raise RuntimeError(_DEADLOCK)
            if time.monotonic() > slow:
                slow = math.inf
                warn(_SLOW.format(seconds=_SECONDS_UNTIL_WARNING), RuntimeWarning)
    finally:
        _waits.pop(me, None)


def _is_deadlocked(thread: int) -> bool:
    """Tell whether a thread waits for itself, by way of others.

    A cycle is looked for twice: a link that is found twice has not ended in between.
    """
    cycle = _cycle(thread)
    return bool(cycle) and cycle == _cycle(thread)


def _cycle(thread: int) -> list[Link]:
    """Return the chain of threads that wait for each other, if it leads back to `thread`."""
    links: list[Link] = []
    link = _link(thread)
    while link is not None and link not in links:
        links.append(link)
        if link[0] == thread:
            return links
        link = _link(link[0])
    return []


def _link(thread: int) -> Link | None:
    """Return the thread that another one waits for, and by what."""
    memory, holder = _waits.get(thread, (0, None))
    if holder is not None and _holders.get(memory) is holder:
        return holder[0], id(holder)
    return _joined_by(thread)


def _joined_by(thread: int) -> Link | None:
    """Return the thread that another one waits for in join() or result(), as its stack shows."""
    from concurrent.futures import Future  # imported late: see `workers`

    frames = sys._current_frames()
    for frame in _stack(frames.get(thread)):
        if frame.f_code in (Thread.join.__code__, Future.result.__code__):
            if frame.f_locals["timeout"] is not None:
                return None
            awaited = frame.f_locals["self"]
            if isinstance(awaited, Thread):
                return None if awaited.ident is None else (awaited.ident, id(awaited))
            workers = (worker for worker, top in frames.items() if _runs(top, awaited))
            return next(((worker, id(awaited)) for worker in workers), None)
    return None


def _runs(frame: FrameType, future: Any) -> bool:
    from concurrent.futures.thread import _WorkItem

    return future is not None and any(
        getattr(each.f_locals["self"], "future", None) is future
        for each in _stack(frame)
        if each.f_code is _WorkItem.run.__code__
    )


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _forget_other_threads() -> None:
    """Forget what other threads hold and wait for: a forked process has but the one that forked."""
    for memory, holder in list(_holders.items()):
        if holder[0] != get_ident():
            del _holders[memory]
    _waits.clear()
    _deadlock_check.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_deadlock_check.acquire,
        after_in_parent=_deadlock_check.release,
        after_in_child=_forget_other_threads,
    )
