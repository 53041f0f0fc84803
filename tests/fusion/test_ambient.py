"""What a process or a thread has set for torch neither changes results nor is changed by them."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor, _ambient

TINY = {
    "modalities": {"image": 3, "sound": 2, "text": 2, "pulse": 2},
    "n_units": 6,
    "hidden_sizes": (5,),
    "gate_hidden": 4,
    "max_epochs": 2,
    "batch_size": 32,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 9))
X[:30, :3] = np.nan
Y = RNG.integers(0, 3, 240)
ESTIMATORS = [AECFClassifier(**TINY), AECFRegressor(**TINY), AECFEmbedder(**TINY, n_components=4)]


def of_kind(estimator):
    return type(estimator).__name__


def outputs(estimator):
    names = ("predict", "predict_proba", "transform", "modality_weights", "gate_entropy")
    seen = [getattr(estimator, name)(X) for name in names if hasattr(estimator, name)]
    return b"".join(values.tobytes() for values in seen)


def fitted(estimator, seed=0):
    return clone(estimator).set_params(random_state=seed).fit(X, Y)


def fit_and_predict(seed, **params):
    clf = AECFClassifier(**TINY, random_state=seed, **params).fit(X, Y)
    return outputs(clf), outputs(clf.partial_fit(X, Y)), outputs(clf.calibrate(X, Y))


@pytest.mark.parametrize("params", [{}, {"iterator_train": torch.utils.data.DataLoader}], ids=str)
def test_fits_in_threads_have_the_same_bits_and_leave_the_generator_alone(params):
    serial = [fit_and_predict(seed, **params) for seed in range(4)]
    before = torch.get_rng_state()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            parallel = list(pool.map(lambda seed: fit_and_predict(seed, **params), range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert parallel == serial
    assert torch.equal(torch.get_rng_state(), before)


def test_fits_in_threads_of_joblib():
    serial = [fit_and_predict(seed) for seed in range(3)]
    parallel = joblib.Parallel(n_jobs=3, backend="threading")(
        joblib.delayed(fit_and_predict)(seed) for seed in range(3)
    )
    assert parallel == serial


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=of_kind)
def test_predictions_in_threads_have_the_same_bits(estimator):
    estimator = fitted(estimator)
    expected = outputs(estimator)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: outputs(estimator), range(12))) == {expected}


def test_predictions_with_a_data_loader_draw_nothing():
    clf = fitted(AECFClassifier(**TINY, iterator_valid=torch.utils.data.DataLoader))
    before = torch.get_rng_state()
    clf.predict(X)
    assert torch.equal(torch.get_rng_state(), before)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(before)


AMBIENTS = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "device": lambda: torch.device("meta"),
}


def fit_and_go_on(estimator, around_fit=ExitStack, around_rest=ExitStack):
    """Return the outputs after a fit and after further training in the given surroundings."""
    with around_fit():
        new = fitted(estimator)
    seen = [outputs(new)]
    with around_rest():
        seen.append(outputs(new))
        new.partial_fit(X, Y)
        if hasattr(new, "calibrate"):
            new.calibrate(X, Y)
        seen.append(outputs(new))
    return [*seen, outputs(new.partial_fit(X, Y))]


@cache
def undisturbed(number):
    return fit_and_go_on(ESTIMATORS[number])


@pytest.mark.parametrize("ambient", AMBIENTS)
@pytest.mark.parametrize("number", range(len(ESTIMATORS)), ids=lambda n: of_kind(ESTIMATORS[n]))
def test_surroundings_do_not_change_results(number, ambient):
    estimator, around = ESTIMATORS[number], AMBIENTS[ambient]
    assert fit_and_go_on(estimator, around, around) == undisturbed(number)
    assert fit_and_go_on(estimator, around_rest=around) == undisturbed(number)


def test_default_device_set_for_good():
    torch.set_default_device("meta")
    try:
        got = outputs(fitted(ESTIMATORS[0]))
    finally:
        torch.set_default_device(None)
    assert got == outputs(fitted(ESTIMATORS[0]))


def test_default_type_is_put_back_by_the_last_of_several_threads():
    expected = [fit_and_predict(seed) for seed in range(4)]
    with default_dtype(torch.float64), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fit_and_predict, range(4))) == expected


# Steps of two threads take long where another process has one of the cores.
TWO_BATCHES = {**TINY, "max_epochs": 1, "batch_size": 120}


class Threads(Callback):
    def __init__(self):
        self.seen = []

    def on_batch_end(self, net, **kwargs):
        self.seen.append(torch.get_num_threads())
        thread = threading.Thread(target=lambda: self.seen.append(-torch.get_num_threads()))
        thread.start()
        thread.join()


@contextmanager
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("largest", "n_threads"), [(1e9, 1), (0, 2)])
def test_small_networks_train_on_one_thread(largest, n_threads, monkeypatch):
    monkeypatch.setattr(_ambient, "MOST_WORK_OF_ONE_THREAD", largest)
    callback = Threads()
    with two_threads():
        AECFClassifier(**TWO_BATCHES, callbacks=[callback]).fit(X, Y)
        assert torch.get_num_threads() == 2
    # The threads of others keep their number.
    assert set(callback.seen) == {n_threads, -2}


class Broken(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("broken")


def test_number_of_threads_is_put_back_after_errors_and_in_threads():
    def fit_in_thread(seed):
        before = torch.get_num_threads()
        with pytest.raises(RuntimeError, match="broken"):
            AECFClassifier(**TWO_BATCHES, callbacks=[Broken()]).fit(X, Y)
        AECFClassifier(**TWO_BATCHES).fit(X, Y)
        return before, torch.get_num_threads()

    with two_threads():
        with ThreadPoolExecutor(3) as pool:
            assert set(pool.map(fit_in_thread, range(6))) == {(2, 2)}
        assert fit_in_thread(0) == (2, 2)


def _in_child(estimator, connection):
    connection.send((outputs(estimator), fit_and_predict(0)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_fork():
    estimator = fitted(ESTIMATORS[0])
    expected = (outputs(estimator), fit_and_predict(0))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # Another thread is in the middle of a training when the process forks.
    release, held = threading.Event(), threading.Event()

    def hold():
        with _ambient.seeded(0, "cpu"):
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        held.wait()
        context = multiprocessing.get_context("fork")
        child = context.Process(target=_in_child, args=(estimator, sender), daemon=True)
        child.start()
        assert receiver.poll(60), "the child hangs"
        assert receiver.recv() == expected
        child.join(10)
    finally:
        release.set()
        thread.join()


def test_in_worker_processes():
    estimator = fitted(ESTIMATORS[0])
    expected = outputs(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = joblib.Parallel(n_jobs=2)(joblib.delayed(outputs)(estimator) for _ in range(2))
    assert got == [expected] * 2
