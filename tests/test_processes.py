"""Faults of the processes around an estimator: killed workers, full disks, long runs."""

from __future__ import annotations

import os
import signal

import joblib
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import AnchorStart, NeighborRefinement
from sklearn_align.datasets import make_multimodal_classification, make_rotated_embeddings


@pytest.fixture(scope="module")
def spaces():
    return make_rotated_embeddings(300, 8, random_state=0)


@pytest.fixture(scope="module")
def fusion_data():
    return make_multimodal_classification(n_samples=120, random_state=0)


class KillingStart(BaseEstimator):
    """Ends the process that asks for a map, unless it is the process that made this object."""

    def __init__(self, process=None):
        self.process = process

    def initial_map(self, problem, random_state):
        if os.getpid() != self.process:
            os.kill(os.getpid(), signal.SIGKILL)
        return AnchorStart(n_runs=1).initial_map(problem, random_state)


class ThreadCountingStart(AnchorStart):
    """Writes how many threads numerical libraries may use while an initialization runs."""

    def __init__(self, n_clusters=20, *, folder=None):
        super().__init__(n_clusters, n_runs=1)
        self.folder = folder

    def initial_map(self, problem, random_state):
        most = max((library["num_threads"] for library in threadpool_info()), default=1)
        with open(os.path.join(self.folder, f"{os.getpid()}"), "a") as file:
            file.write(f"{most}\n")
        return super().initial_map(problem, random_state)


def quick(start, **parameters):
    return MiniVec2Vec(
        start,
        n_init=1,
        selection=None,
        refinements=[NeighborRefinement(2)],
        random_state=0,
        **parameters,
    )


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")
def test_a_killed_worker_is_an_error_and_the_next_fit_works(spaces):
    search = GridSearchCV(
        quick(KillingStart(os.getpid())), {"pair_weight": [1.0, 2.0]}, cv=2, n_jobs=2
    )
    with joblib.parallel_config("loky"), pytest.raises(TerminatedWorkerError):
        search.fit(spaces.XA, XB=spaces.XB)
    search.set_params(n_jobs=1).fit(spaces.XA, XB=spaces.XB)
    check_is_fitted(search)
    parallel = clone(search).set_params(n_jobs=2, estimator=quick(AnchorStart(n_runs=1)))
    with joblib.parallel_config("loky"):
        parallel.fit(spaces.XA, XB=spaces.XB)
    check_is_fitted(parallel)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")
def test_parallel_searches_use_no_more_threads_than_there_are_cores(spaces, tmp_path):
    n_workers = 2
    search = GridSearchCV(
        quick(ThreadCountingStart(folder=str(tmp_path))),
        {"pair_weight": [1.0, 2.0]},
        cv=2,
        n_jobs=n_workers,
        refit=False,
    )
    with joblib.parallel_config("loky"):
        search.fit(spaces.XA, XB=spaces.XB)
    counts = [int(line) for file in tmp_path.iterdir() for line in file.read_text().split()]
    assert len(counts) == 4
    assert max(counts) <= max(1, joblib.cpu_count() // n_workers)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_and_leaves_the_estimator_as_it_is(spaces, fusion_data):
    # Workers import this file, and torch takes them two seconds.
    from sklearn_align import AECFClassifier

    aligner = quick(AnchorStart(n_runs=1))
    classifier = AECFClassifier(max_epochs=1, random_state=0)
    X, y = fusion_data.data, fusion_data.target
    aligner.fit(spaces.XA, spaces.XB)
    classifier.fit(X, y)
    Z, P = aligner.transform(spaces.XA_test), classifier.predict_proba(X)
    for estimator in (aligner, classifier):
        with pytest.raises(OSError, match="No space left"):
            joblib.dump(estimator, "/dev/full")
    assert aligner.transform(spaces.XA_test).tobytes() == Z.tobytes()
    assert classifier.predict_proba(X).tobytes() == P.tobytes()
