"""Threads of a fit, and of the linear algebra below it, whose number belongs to the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import pairwise
from types import TracebackType
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")

_fit_lock = threading.RLock()
# Blocks of samples that are mapped before another thread may have its turn: about a second.
_ITEMS_AT_A_TIME = 512
# Steps between products are bound by memory and by the interpreter with more threads.
_MAX_THREADS = 8


def _renew_lock() -> None:
    """Make a lock that no thread holds: the thread that held it is not in the forked process."""
    global _fit_lock
    _fit_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def one_fit_at_a_time() -> Iterator[None]:
    """Keep other fits waiting while this one may change the number of threads of the process.

    A matrix product rounds otherwise on another number of threads, and two overlapping limits end
    with the lower one for good. Where linear algebra has one thread anyway, fits run side by side.
    """
    controller = ThreadpoolController()
    blas = controller.select(user_api="blas")
    # Limits of None restore the numbers of threads after an interrupt that comes while a limit
    # below is set or lifted.
    with _fit_lock:
        if _most_threads(blas) > 1:
            with controller.limit(limits=None):
                yield
            return
    # Each thread has its own number of threads for OpenMP.
    with controller.select(user_api="openmp").limit(limits=None):
        yield


def on_one_thread() -> Any:
    """Return a context in which libraries run on one thread; those that do anyway are left alone.

    Another thread may raise the number of threads meanwhile, which must not be undone.
    """
    controller = ThreadpoolController()
    return _limit_to_one(controller, controller.lib_controllers)


def _openmp_on_one_thread(libraries: ThreadpoolController) -> Any:
    """Return a context in which OpenMP, and BLAS built on it, has one thread in this thread.

    Each thread of Python has its own number of threads for OpenMP, which a limit that another
    thread has set does not change. What libraries on one thread have is left alone.
    """
    openmp = [
        one
        for one in libraries.lib_controllers
        if "openmp" in (one.user_api, getattr(one, "threading_layer", None))
    ]
    return _limit_to_one(libraries, openmp)


def _limit_to_one(controller: ThreadpoolController, libraries: Sequence[Any]) -> Any:
    """Return a context in which those of some libraries that have several threads have one."""
    several = [one.filepath for one in libraries if one.num_threads > 1]
    return controller.select(filepath=several).limit(limits=1)


@cache
def _linear_algebra() -> ThreadpoolController:
    """Libraries that NumPy and SciPy have loaded: finding them takes as long as a decomposition."""
    return ThreadpoolController().select(user_api="blas")


def n_linear_algebra_threads() -> int:
    """Return the number of threads of BLAS, on which a fit may work instead."""
    return min(_most_threads(ThreadpoolController().select(user_api="blas")), _MAX_THREADS)


def _most_threads(libraries: ThreadpoolController) -> int:
    """Return the largest number of threads of some libraries, 1 where there are none."""
    return max((one.num_threads for one in libraries.lib_controllers), default=1)


def for_a_small_matrix() -> AbstractContextManager[int]:
    """Return a context in which BLAS has one thread, unless another thread of Python runs a fit.

    Decompositions of matrices of some hundred rows take up to five times as long on two threads,
    and far longer where other processes use the same cores, because the threads wait for one
    another in every step.
    """
    return _one_blas_thread_each(_linear_algebra())


def share_work(work: Callable[[Sequence[Item]], object], items: Sequence[Item]) -> None:
    """Call `work` with parts of the items, on as many threads of Python as BLAS has.

    Each of them has one thread of BLAS meanwhile: threads that steps outside of BLAS share with
    those of products wait for one another. This call returns, also by an error, when all of them
    have ended. While a fit runs elsewhere, or another call shares its work, `work` is called on
    this thread alone, with the threads of BLAS that there are.
    """
    blas = ThreadpoolController().select(user_api="blas")

    def work_alone(part: Sequence[Item]) -> None:
        with _openmp_on_one_thread(blas):
            work(part)

    # A fit that waits for its turn does not wait for the whole of a long call.
    for first in range(0, len(items), _ITEMS_AT_A_TIME):
        some = items[first : first + _ITEMS_AT_A_TIME]
        with _one_blas_thread_each(blas) as n_threads:
            if n_threads == 1:
                work(some)
            else:
                _call_on_threads(work_alone, some, n_threads)


@contextmanager
def _one_blas_thread_each(blas: ThreadpoolController) -> Iterator[int]:
    """Limit BLAS to one thread, if no fit relies on its threads, and yield how many it had.

    Where it is not limited, 1 is yielded.
    """
    n_threads = _most_threads(blas)
    lock = _fit_lock
    if n_threads == 1 or not lock.acquire(blocking=False):
        yield 1
        return
    try:
        # The outer one restores the threads after an interrupt that comes while the inner one
        # is set or lifted.
        with blas.limit(limits=None), blas.limit(limits=1):
            yield min(n_threads, _MAX_THREADS)
    finally:
        lock.release()


def _call_on_threads(
    work: Callable[[Sequence[Item]], object], items: Sequence[Item], n_threads: int
) -> None:
    """Call `work` on threads, this one among them, with neighbouring items each."""
    bounds = [len(items) * k // n_threads for k in range(n_threads + 1)]
    own, *others = [items[i:j] for i, j in pairwise(bounds) if i < j]
    with ThreadPoolExecutor(n_threads - 1) as pool:
        futures = [pool.submit(work, some) for some in others]
        try:
            work(own)
        finally:
            wait(futures)
        for future in futures:
            future.result()


class Workers:
    """Threads that work for a fit: each enters while it works, and `close` waits for them.

    joblib does not wait for its threads after an error or an interrupt. They must not outlast the
    limit on the threads of the linear algebra. Each has one thread of OpenMP while it works.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._working: set[threading.Thread] = set()
        self._closed = False
        self._libraries = ThreadpoolController()
        self._limits = threading.local()

    def __enter__(self) -> None:
        with self._condition:
            if self._closed:
                raise RuntimeError("The fit has ended.")
            self._working.add(threading.current_thread())
        self._limits.of_openmp = _openmp_on_one_thread(self._libraries)
        self._limits.of_openmp.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._limits.of_openmp.__exit__(kind, error, traceback)
        with self._condition:
            self._working.discard(threading.current_thread())
            self._condition.notify_all()

    def close(self) -> None:
        """Let no thread begin any more, and wait until the others have finished."""
        with self._condition:
            self._closed = True
            while any(
                thread.is_alive() and thread is not threading.current_thread()
                for thread in self._working
            ):
                self._condition.wait(0.05)
