"""Threads that work for a fit, and the limit on those of libraries, without a fit."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_limits

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


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_slices", [0, 1, 2, 11])
def test_every_slice_is_worked_on_once(n_threads, n_slices):
    slices = [slice(k, k + 1) for k in range(n_slices)]
    done = []
    with _threads.shared_work(n_threads) as share:
        for _ in range(3):
            share(done.append, slices)
            # All threads have ended.
            assert sorted(one.start for one in done) == list(range(n_slices))
            done.clear()


@pytest.mark.parametrize("failing", [0, 3])
def test_an_error_of_any_thread_is_raised_after_all_have_ended(failing):
    ended = []

    def work(one):
        if one.start == failing:
            raise KeyError(failing)
        ended.append(one.start)

    with _threads.shared_work(4) as share, pytest.raises(KeyError):
        share(work, [slice(k, k + 1) for k in range(4)])
    assert sorted(ended) == [k for k in range(4) if k != failing]


def test_number_of_threads_of_products(monkeypatch):
    with threadpool_limits(1):
        assert _threads.blas_threads() == 1
    monkeypatch.setattr(_threads.ThreadpoolController, "select", lambda *_, **__: NoLibrary)
    assert _threads.blas_threads() == 1


class NoLibrary:
    lib_controllers = ()
