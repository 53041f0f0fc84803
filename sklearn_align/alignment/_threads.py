"""Threads of a fit, and of the linear algebra below it, whose number belongs to the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from types import TracebackType
from typing import Any

from threadpoolctl import ThreadpoolController

_fit_lock = threading.RLock()


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
        if any(library.num_threads > 1 for library in blas.lib_controllers):
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
    several = [one.filepath for one in controller.lib_controllers if one.num_threads > 1]
    return controller.select(filepath=several).limit(limits=1)


def blas_threads() -> int:
    """Return the number of threads of a matrix product, 1 where it is not known."""
    blas = ThreadpoolController().select(user_api="blas")
    return max((library.num_threads for library in blas.lib_controllers), default=1)


@contextmanager
def shared_work(
    n_threads: int,
) -> Iterator[Callable[[Callable[[slice], object], Sequence[slice]], None]]:
    """Yield a function that calls another one with each slice, on several threads.

    It returns, also by an error, when all of them have ended; this thread is one of them.
    """
    # The threads start with their first work.
    with ThreadPoolExecutor(max(1, n_threads - 1)) as pool:

        def share(work: Callable[[slice], object], slices: Sequence[slice]) -> None:
            def do(some: Sequence[slice]) -> None:
                for one in some:
                    work(one)

            # Neighbours go to one thread, as in a product, so that they are in its cache.
            bounds = [len(slices) * k // n_threads for k in range(n_threads + 1)]
            shares = [slices[i:j] for i, j in pairwise(bounds)]
            futures = [pool.submit(do, some) for some in shares[1:] if some]
            try:
                do(shares[0])
            finally:
                wait(futures)
            for future in futures:
                future.result()

        yield share


class Workers:
    """Threads that work for a fit: each is entered while it works, and `close` waits for them.

    joblib does not wait for its threads after an error or an interrupt. They must not outlast the
    limit on the threads of the linear algebra.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._working: set[threading.Thread] = set()
        self._closed = False

    def __enter__(self) -> None:
        with self._condition:
            if self._closed:
                raise RuntimeError("The fit has ended.")
            self._working.add(threading.current_thread())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
