"""Threads that work for a fit, and the limit on those of libraries, without a fit."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_align.alignment import _threads
from sklearn_align.alignment._threads import Workers


def test_no_thread_begins_after_the_end():
    workers = Workers()
    with workers:
        workers.close()
    with pytest.raises(RuntimeError, match=r"^The fit has ended\.$"), workers:
        pass


def test_the_end_waits_for_the_threads_that_work():
    workers = Workers()
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work():
        with workers:
            begun.set()
            assert release.wait(60)

    def close():
        workers.close()
        ended.set()

    working = threading.Thread(target=work, daemon=True)
    closing = threading.Thread(target=close, daemon=True)
    working.start()
    assert begun.wait(60)
    with workers:  # The thread that closes does not wait for itself, but for others.
        closing.start()
        release.set()
        working.join(60)
        # Longer than the time after which a closing thread looks again.
        assert not ended.wait(0.2)
    assert ended.wait(60)
    closing.join(60)


def test_the_end_does_not_wait_for_threads_that_have_gone():
    workers = Workers()
    gone = threading.Thread(target=workers.__enter__)
    gone.start()
    gone.join(60)
    closing = threading.Thread(target=workers.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()


def test_the_end_notices_that_a_thread_has_gone_without_a_word():
    workers = Workers()
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work():
        workers.__enter__()
        begun.set()
        assert release.wait(60)

    def close():
        workers.close()
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    assert begun.wait(60)
    threading.Thread(target=close, daemon=True).start()
    assert not ended.wait(0.1)
    release.set()
    assert ended.wait(60)


def test_a_thread_that_works_has_one_thread_of_openmp_and_no_other_has():
    def openmp_threads():
        return {
            pool["filepath"]: pool["num_threads"]
            for pool in threadpool_info()
            if "openmp" in (pool["user_api"], pool.get("threading_layer"))
        }

    def work():
        with threadpool_limits(2):
            before = openmp_threads()
            with workers:
                inside = openmp_threads(), elsewhere(openmp_threads)
            return before, inside, openmp_threads()

    workers = Workers()
    before, (inside, outside), after = elsewhere(work)
    if set(before.values()) != {2}:
        pytest.skip("OpenMP has one thread here")
    assert set(inside.values()) == {1}
    assert outside == elsewhere(openmp_threads)
    assert after == before


def elsewhere(function):
    """What a function returns on another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(60)


class Library:
    """What is asked of a library with threads."""

    def __init__(self, filepath, num_threads):
        self.filepath = filepath
        self.num_threads = num_threads


def test_libraries_on_one_thread_are_left_alone(monkeypatch):
    calls = []

    class Controller:
        lib_controllers = (Library("a", 1), Library("b", 2), Library("c", 8))

        def select(self, **conditions):
            calls.append(conditions)
            return self

        def limit(self, **limits):
            calls.append(limits)
            return "context"

    monkeypatch.setattr(_threads, "ThreadpoolController", Controller)
    assert _threads.on_one_thread() == "context"
    assert calls == [{"filepath": ["b", "c"]}, {"limits": 1}]


def test_a_forked_process_has_a_lock_of_its_own(monkeypatch):
    held = threading.RLock()
    monkeypatch.setattr(_threads, "_fit_lock", held)
    with held:
        _threads._renew_lock()
        assert _threads._fit_lock is not held
        assert type(_threads._fit_lock) is type(held)


def with_blas_threads(monkeypatch, n_threads):
    """Have BLAS n threads, or what stands for them where it cannot have as many."""

    @contextmanager
    def limited(blas):
        yield n_threads

    monkeypatch.setattr(_threads, "_one_blas_thread_each", limited)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_slices", [0, 1, 2, 11])
@pytest.mark.parametrize("at_a_time", [3, 100])
def test_every_slice_is_worked_on_once(n_threads, n_slices, at_a_time, monkeypatch):
    with_blas_threads(monkeypatch, n_threads)
    monkeypatch.setattr(_threads, "_ITEMS_AT_A_TIME", at_a_time)
    done = []
    _threads.share_work(done.extend, [slice(k, k + 1) for k in range(n_slices)])
    assert sorted(one.start for one in done) == list(range(n_slices))


def test_neighbours_go_to_one_thread(monkeypatch):
    with_blas_threads(monkeypatch, 2)
    parts = []
    _threads.share_work(parts.append, [slice(k, k + 1) for k in range(5)])
    assert sorted([one.start for one in part] for part in parts) == [[0, 1], [2, 3, 4]]


@pytest.mark.parametrize("failing", [0, 3])
def test_an_error_of_any_thread_is_raised_after_all_have_ended(failing, monkeypatch):
    with_blas_threads(monkeypatch, 4)
    ended = []

    def work(some):
        if some[0].start == failing:
            raise KeyError(failing)
        time.sleep(0.05)
        ended.extend(some)

    with pytest.raises(KeyError):
        _threads.share_work(work, [slice(k, k + 1) for k in range(4)])
    assert sorted(one.start for one in ended) == [k for k in range(4) if k != failing]


@pytest.mark.parametrize("error", [None, KeyError])
def test_shared_work_has_one_blas_thread_and_leaves_them_as_they_were(error):
    seen = []

    def work(some):
        seen.append((blas_threads(), threading.get_ident()))
        if error:
            raise error("stop")

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        if before != {2}:
            pytest.skip("BLAS has one thread here")
        with pytest.raises(KeyError) if error else nullcontext():
            _threads.share_work(work, [slice(0, 1), slice(1, 2)])
        assert blas_threads() == before
        assert [threads for threads, _ in seen] == [{1}, {1}]
        assert len({thread for _, thread in seen}) == 2
    # A fit of another thread does not wait.
    assert try_lock_elsewhere()


def test_work_is_not_shared_while_a_fit_relies_on_the_threads():
    calls, slices = [], [slice(0, 1), slice(1, 2)]
    held, release = threading.Event(), threading.Event()

    def fit():
        with _threads.one_fit_at_a_time():
            held.set()
            release.wait(60)

    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("BLAS has one thread here")
        thread = threading.Thread(target=fit, daemon=True)
        thread.start()
        assert held.wait(60)
        _threads.share_work(lambda some: calls.append((some, blas_threads())), slices)
        release.set()
        thread.join(60)
    assert calls == [(slices, {2})]


def test_work_is_not_shared_where_blas_has_one_thread():
    calls, slices = [], [slice(0, 1), slice(1, 2)]
    with threadpool_limits(1, user_api="blas"):
        _threads.share_work(calls.append, slices)
    assert calls == [slices]


def test_work_is_not_shared_where_there_is_no_blas_to_limit(monkeypatch):
    calls, slices = [], [slice(0, 1), slice(1, 2)]
    monkeypatch.setattr(_threads.ThreadpoolController, "select", lambda *_, **__: NoLibrary)
    _threads.share_work(calls.append, slices)
    assert calls == [slices]


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def linear_algebra_threads():
    """Threads of the libraries that NumPy and SciPy call: others may have BLAS of their own."""
    return {library.num_threads for library in _threads._linear_algebra().lib_controllers}


def try_lock_elsewhere():
    """Whether another thread can take the lock of fits at once."""

    def take():
        taken = _threads._fit_lock.acquire(blocking=False)
        if taken:
            _threads._fit_lock.release()
        return taken

    return elsewhere(take)


class NoLibrary:
    lib_controllers = ()


@pytest.mark.parametrize("error", [None, KeyError])
def test_small_matrices_have_one_blas_thread_and_leave_them_as_they_were(error):
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        with pytest.raises(error) if error else nullcontext(), _threads.for_a_small_matrix():
            assert linear_algebra_threads() <= {1}
            assert not try_lock_elsewhere()
            if error:
                raise error
        assert blas_threads() == before
        assert try_lock_elsewhere()


def test_small_matrices_change_no_threads_while_a_fit_runs_elsewhere():
    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        pool.submit(_threads._fit_lock.acquire).result(60)
        try:
            with _threads.for_a_small_matrix():
                assert blas_threads() == before
        finally:
            pool.submit(_threads._fit_lock.release).result(60)
        # It can be entered again by the thread of a fit.
        with _threads._fit_lock, _threads.for_a_small_matrix():
            assert linear_algebra_threads() <= {1}


def test_small_matrices_set_no_limit_where_blas_has_one_thread(monkeypatch):
    # A limit would end by undoing what other threads have set meanwhile.
    with threadpool_limits(1, user_api="blas"):
        monkeypatch.setattr(_threads.ThreadpoolController, "limit", None)
        with _threads.for_a_small_matrix():
            assert linear_algebra_threads() <= {1}
        monkeypatch.undo()


THREADS_BEFORE_AND_AFTER_ANOTHER_LIBRARY = """
import json
import numpy, scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits
from sklearn_align.alignment._threads import for_a_small_matrix, share_work

def threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()
            if pool["user_api"] == "blas"}

seen = []
with threadpool_limits(3, user_api="blas"):
    with for_a_small_matrix():
        seen.append(threads())
import faiss
with threadpool_limits(3, user_api="blas"):
    with for_a_small_matrix():
        seen.append(threads())
shared = []
with threadpool_limits(2, user_api="blas"):
    share_work(lambda some: shared.append(threads()), [slice(0, 1), slice(1, 2)])
print(json.dumps([*seen, shared]))
"""


@pytest.mark.slow
def test_a_library_with_blas_of_its_own_may_be_loaded_later():
    pytest.importorskip("faiss")
    run = subprocess.run(
        [sys.executable, "-c", THREADS_BEFORE_AND_AFTER_ANOTHER_LIBRARY],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    before, after, shared = json.loads(run.stdout)
    assert before
    assert set(before.values()) == {1}
    assert {path: after[path] for path in before} == before
    # A library whose BLAS is built on OpenMP has a number of threads for each thread of Python.
    assert len(shared) == 2
    for counts in shared:
        assert set(counts) >= set(before)
        assert set(counts.values()) == {1}
