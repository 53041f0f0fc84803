"""Fits in parallel threads, under every backend of joblib, and the threads of linear algebra."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.parallel import ParallelBackendBase, register_parallel_backend
from sklearn.model_selection import GridSearchCV
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

import sklearn_align
from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    NeighborRefinement,
    TransportRefinement,
)
from sklearn_align.alignment._threads import one_fit_at_a_time

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning"),
]


def spaces(n_samples=300, width=24):
    rng = np.random.default_rng(0)
    A, B = rng.gamma(1, 1, (2, n_samples, width)).astype(np.float32)
    return A, B


SETTINGS = {
    "components": {"n_init": 3, "refinements": [TransportRefinement(3)]},
    "anchors": {"init": AnchorStart(8, n_runs=2), "n_init": 2, "refinements": []},
    "published": {
        "init": AnchorStart(8, n_runs=2),
        "n_init": 1,
        "selection": None,
        "refinements": [NeighborRefinement(2), ClusterRefinement(20)],
    },
}


def aligner(setting="components", **parameters):
    return MiniVec2Vec(
        **{"score_sample_size": 100, "random_state": 0, **SETTINGS[setting], **parameters}
    )


def thread_counts():
    return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]


def test_fits_in_parallel_threads():
    # Where linear algebra has several threads, products of this size round otherwise on one.
    A, B = spaces()
    before = thread_counts()
    alone = {setting: aligner(setting).fit(A, B).map_ for setting in SETTINGS}
    jobs = [("components", 2), ("anchors", 1), ("published", 1), ("anchors", 2)]

    def fit(job):
        setting, n_jobs = job
        return aligner(setting, n_jobs=n_jobs).fit(A, B).map_

    with ThreadPoolExecutor(len(jobs)) as pool:
        maps = list(pool.map(fit, jobs))
    assert thread_counts() == before
    for (setting, _), W in zip(jobs, maps, strict=True):
        assert W.tobytes() == alone[setting].tobytes()


@pytest.fixture
def restored_threads():
    """Put the numbers of threads back that a limit restores wrongly where they were patched."""
    with threadpool_limits(None):
        yield


@pytest.mark.usefixtures("restored_threads")
def test_fits_wait_for_one_another_where_they_limit_threads(monkeypatch):
    controller = ThreadpoolController()
    blas = controller.select(user_api="blas").lib_controllers
    inside, most = [], []
    for n_threads in (1, 2):
        monkeypatch.setattr(type(blas[0]), "get_num_threads", lambda self, n=n_threads: n)
        barrier = threading.Barrier(2, timeout=0.5)

        def work(barrier=barrier):
            with one_fit_at_a_time():
                inside.append(1)
                with contextlib.suppress(threading.BrokenBarrierError):
                    barrier.wait()
                most.append(len(inside))
                inside.pop()

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(work) for _ in range(2)]:
                future.result()
    assert most[0] == 2
    assert most[2:] == [1, 1]


def test_a_fit_inside_a_fit_does_not_wait_for_it():
    A, B = spaces(100, 4)
    inner = []

    class Nested:
        def iterate(self, problem, W, random_state):
            inner.append(aligner().fit(A, B))
            yield W

    outer = aligner(refinements=[Nested()])
    thread = threading.Thread(target=outer.fit, args=(A, B), daemon=True)
    with threadpool_limits(2):
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    assert inner[0].map_.shape == (4, 4)


def test_the_limit_ends_after_the_last_thread(monkeypatch):
    A, B = spaces(100, 4)
    release, begun = threading.Event(), threading.Event()
    seen = []

    class Slow:
        def initial_map(self, problem, random_state):
            begun.set()
            release.wait(60)
            with threadpool_limits(1, user_api="blas"):
                seen.append(threading.current_thread())
            return np.eye(4, dtype=np.float32)

    class Failing:
        def initial_map(self, problem, random_state):
            assert begun.wait(60)
            threading.Timer(0.3, release.set).start()
            raise RuntimeError("stop")

    with threadpool_limits(2):
        before = thread_counts()
        with pytest.raises(RuntimeError, match="stop"):
            aligner(init=[Slow(), Failing()], n_init=2, n_jobs=2).fit(A, B)
        assert len(seen) == 1
        assert thread_counts() == before


class ProcessesOnly(ParallelBackendBase):
    """A backend that cannot share memory, as those of loky and of dask."""

    supports_sharedmem = False
    uses_threads = False

    def effective_n_jobs(self, n_jobs):
        raise AssertionError("a backend without shared memory was used")

    def submit(self, func, callback=None):
        raise AssertionError("a backend without shared memory was used")

    apply_async = submit


register_parallel_backend("processes only", ProcessesOnly)

CONTEXTS = [
    {"backend": "loky", "n_jobs": 2},
    {"backend": "loky"},
    {"backend": "multiprocessing", "n_jobs": 2},
    {"backend": "threading", "n_jobs": 2},
    {"backend": "sequential"},
    {"backend": "processes only", "n_jobs": 2},
    {"prefer": "processes"},
    {"prefer": "threads", "n_jobs": 2},
    {"require": "sharedmem", "n_jobs": 2},
]


@pytest.fixture(scope="module")
def fitted_alone():
    return aligner().fit(*spaces(100, 4))


# Where the context says how many jobs, the aligner does not, and the other way round.
@pytest.mark.parametrize(
    ("context", "n_jobs"),
    [*((context, None if "n_jobs" in context else 2) for context in CONTEXTS), ({}, -1)],
    ids=repr,
)
def test_every_backend_of_joblib(fitted_alone, context, n_jobs):
    with joblib.parallel_config(**context):
        fitted = aligner(n_jobs=n_jobs).fit(*spaces(100, 4))
    assert fitted.map_.tobytes() == fitted_alone.map_.tobytes()


@pytest.fixture(scope="module")
def views():
    """Return two views of one space.

    Their map is one that rounding, which old releases of NumPy do not repeat in another process,
    cannot turn into another one.
    """
    rng = np.random.default_rng(1)
    # With different variances, no permutation of the features is nearly a symmetry.
    scales = np.array([1, 1.3, 1.7, 2.2, 2.9, 3.7])
    A = (rng.gamma(1, 1, (300, 6)) * scales).astype(np.float32)
    return A, A @ np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)


def search_for(views, n_jobs=None):
    model = aligner(refinements=[TransportRefinement(20)])
    grid = {"n_init": [1, 2], "n_jobs": [2]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    return search.fit(views[0], XB=views[1])


@pytest.fixture(scope="module")
def search_alone(views):
    return search_for(views)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_inside_a_parallel_search(views, search_alone, backend):
    with joblib.parallel_config(backend=backend):
        search = search_for(views, n_jobs=2)
    alone = search_alone
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=1e-3
    )
    found, expected = search.best_estimator_, alone.best_estimator_
    np.testing.assert_allclose(found.map_, expected.map_, atol=1e-3)
    assert found.score(*views) > 0.99


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_fit_while_its_parent_does():
    # The lock of the parent is held by a thread that does not exist in the forked process.
    code = """
    import os, signal, threading, warnings
    import numpy as np
    from sklearn_align import MiniVec2Vec
    from threadpoolctl import threadpool_limits
    warnings.simplefilter("ignore")
    A, B = np.random.default_rng(0).gamma(1, 1, (2, 60, 4))
    held, release = threading.Event(), threading.Event()

    class Waiting:
        def iterate(self, problem, W, random_state):
            held.set()
            release.wait(60)
            yield W

    def fit(refinements):
        return MiniVec2Vec(n_init=1, refinements=refinements, random_state=0).fit(A, B)

    threadpool_limits(2)
    thread = threading.Thread(target=fit, args=([Waiting()],))
    thread.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        fit([])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    release.set()
    thread.join()
    print(status)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(sklearn_align.__file__).parent.parent,
    )
    assert result.stdout.strip() == "0", result.stderr


def needs_timers(test):
    """Skip a test where no timer can interrupt it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    has_timers = hasattr(signal, "setitimer")
    return pytest.mark.skipif(
        not (has_timers and in_main_thread), reason="needs timers and the main thread"
    )(test)


def interrupted_calls(call, delays):
    """Interrupt a call after each of the delays in seconds; yield whether it was interrupted.

    At least one has to be. Threads are as before after each of them.
    """
    may_interrupt = False

    def interrupt(number, frame):
        # Python may run this a little after the call, when an exception would end the test.
        nonlocal may_interrupt
        if may_interrupt:
            may_interrupt = False
            raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    n_interrupted = 0
    try:
        with threadpool_limits(2):
            before = thread_counts()
            for delay in delays:
                interrupted = False
                try:
                    may_interrupt = True
                    signal.setitimer(signal.ITIMER_REAL, delay)
                    call()
                    may_interrupt = False
                except KeyboardInterrupt:
                    interrupted = True
                finally:
                    may_interrupt = False
                    signal.setitimer(signal.ITIMER_REAL, 0)
                assert thread_counts() == before
                n_interrupted += interrupted
                yield interrupted
    finally:
        signal.signal(signal.SIGALRM, old)
    assert n_interrupted > 0


# where the signal comes while an object is deleted, Python reports the exception and goes on
ignore_interrupted_deletions = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@needs_timers
@ignore_interrupted_deletions
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_threads_are_as_before_after_signals(n_jobs):
    A, B = spaces(200, 8)
    model = aligner("components", init=[ComponentStart(), AnchorStart(8, n_runs=2)], n_jobs=n_jobs)
    for interrupted in interrupted_calls(lambda: model.fit(A, B), np.linspace(0.005, 0.3, 12)):
        if interrupted:
            assert not hasattr(model, "map_") or model.map_.shape == (8, 8)


@needs_timers
@ignore_interrupted_deletions
def test_threads_are_as_before_after_signals_while_samples_are_mapped():
    A, B = spaces(200, 64)
    model = aligner("anchors", n_init=1).fit(A, B)
    X = np.tile(A, (750, 1))

    def fit_elsewhere():
        with one_fit_at_a_time():
            return True

    for _ in interrupted_calls(lambda: model.transform(X), np.linspace(0.002, 0.06, 30)):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(fit_elsewhere).result(60)
