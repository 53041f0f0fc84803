"""A fit that is interrupted or refused leaves the aligner exactly as it was."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info

import sklearn_align
from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ComponentStart,
    TransportRefinement,
    _convergence,
    _leading_part,
    _problem,
    _selection,
)
from tests.repetitions import repetitions

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore:.*feature names:UserWarning"),
]
PACKAGE = str(Path(sklearn_align.__file__).parent)
METHODS = ["transform", "to_target", "transform_target", "inverse_transform", "score"]


@pytest.fixture(autouse=True)
def few_iterations(monkeypatch):
    """Let the stages be short, so that interrupts fall on all of them and not on inner loops."""
    selection = replace(
        _selection.SELECTION, n_initial_iterations=2, full_rounds=(1, 1), final_rounds=(1, 1)
    )
    monkeypatch.setattr(_selection, "SELECTION", selection)
    convergence = replace(_convergence.CONVERGENCE, min_runs=2, max_runs=3)
    monkeypatch.setattr(_convergence, "CONVERGENCE", convergence)


@pytest.fixture
def wide(monkeypatch):
    """Let small spaces count as wide, in which the selected map is learned again."""
    width = replace(_problem.WIDTH, min_features=1, n_leading=1)
    monkeypatch.setattr(_problem, "WIDTH", width)
    learning_again = replace(
        _leading_part.LEARNING_AGAIN, n_directions=(2, 3), n_runs=2, n_iter=2, n_averaged=1
    )
    for module in (_leading_part, _selection):
        monkeypatch.setattr(module, "LEARNING_AGAIN", learning_again)


def tiny(**parameters):
    return MiniVec2Vec(
        **{
            "init": [ComponentStart(), AnchorStart(4, n_runs=2, n_neighbors=3)],
            "refinements": [TransportRefinement(2)],
            "score_sample_size": 30,
            "random_state": 0,
            **parameters,
        }
    )


@pytest.fixture(scope="module")
def fitted_before():
    """Return a fitted aligner, to be copied and not to be changed."""
    return tiny().fit(*spaces(0))


def spaces(seed, n_samples=40, widths=(4, 5)):
    rng = np.random.default_rng(seed)
    return tuple(rng.gamma(1, 1, (n_samples + d, d)) for d in widths)


def state(aligner):
    """Return everything that the aligner answers, as bytes."""
    A, B = spaces(9)
    answers = [
        aligner.transform(A).tobytes(),
        aligner.to_target(A).tobytes(),
        aligner.transform_target(B).tobytes(),
        aligner.inverse_transform(B).tobytes(),
        aligner.score(A),
        aligner.score(A[:30], B[:30]),
        repr(aligner.history_),
        aligner.map_.tobytes(),
        aligner.target_sample_.tobytes(),
        aligner.source_mean_.tobytes(),
        aligner.target_mean_.tobytes(),
    ]
    names = ["converged_", "agreement_", "relative_score_", "alignment_score_", "n_iter_"]
    names += ["n_features_in_", "n_features_target_"]
    answers += [getattr(aligner, name) for name in names]
    answers.append(list(getattr(aligner, "feature_names_in_", [])))
    answers.append(sorted(vars(aligner)))
    answers.append(repr(aligner.get_params()))
    return answers


class Interrupter:
    """Counts lines of the package while it is entered, and interrupts at the one that is chosen."""

    def __init__(self, line=None):
        self.line = line
        self.count = 0

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)

    def _call(self, frame, event, argument):
        inside = frame.f_code.co_filename.startswith(PACKAGE)
        # What puts the old state back, and what ends a fit, cannot be interrupted twice.
        return self._step if inside and frame.f_code.co_name != "guarded" else None

    def _step(self, frame, event, argument):
        if event == "line":
            self.count += 1
            if self.count == self.line:
                sys.settrace(self._before)
                raise KeyboardInterrupt
        return self._step


def interrupt(aligner, line, **arguments):
    with Interrupter(line), pytest.raises(KeyboardInterrupt):
        aligner.fit(**arguments)


def check_interrupts(n_interrupts, seed):
    A, B = spaces(0)
    pairs = (A[:6], B[:6])
    fitted = tiny().fit(A, B)
    before = state(fitted)
    threads = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    A_new, B_new = spaces(1, n_samples=50)
    arguments = {"X": pd.DataFrame(A_new).add_prefix("a"), "XB": B_new, "pairs": pairs}
    with Interrupter() as counter:
        tiny().fit(**arguments)
    lines = np.random.default_rng(seed).integers(1, counter.count + 1, n_interrupts)
    for line in lines:
        interrupt(fitted, line, **arguments)
        assert state(fitted) == before, line
        fresh = tiny()
        parameters = vars(fresh).copy()
        interrupt(fresh, line, **arguments)
        assert vars(fresh) == parameters, line
        with pytest.raises(NotFittedError):
            check_is_fitted(fresh)
        assert [(p["filepath"], p["num_threads"]) for p in threadpool_info()] == threads, line
    # It can be fitted afterwards, as if nothing had happened.
    refitted, expected = (aligner.fit(**arguments) for aligner in (fitted, tiny()))
    assert state(refitted)[0] == state(expected)[0]
    assert refitted.feature_names_in_.tolist() == ["a0", "a1", "a2", "a3"]


def test_a_few_interrupts():
    check_interrupts(6, seed=0)


@pytest.mark.usefixtures("wide")
def test_interrupts_while_a_map_is_learned_again(monkeypatch):
    begun = []

    def mean_of_run(*arguments):
        begun.append(arguments)
        return _mean_of_run(*arguments)

    _mean_of_run = _leading_part._mean_of_run
    monkeypatch.setattr(_leading_part, "_mean_of_run", mean_of_run)
    check_interrupts(6, seed=0)
    assert begun


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_while_a_map_is_learned_again(n_jobs, fitted_before, monkeypatch):
    def fail(problem, W, seed, workers):
        with workers:
            raise MemoryError

    monkeypatch.setattr(_leading_part, "_mean_of_run", fail)
    fitted, fresh = deepcopy(fitted_before), tiny(n_jobs=n_jobs)
    fitted.set_params(n_jobs=n_jobs)
    before = state(fitted)
    threads = [pool["num_threads"] for pool in threadpool_info()]
    for aligner in (fitted, fresh):
        with pytest.raises(MemoryError):
            aligner.fit(*spaces(1))
    assert state(fitted) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    assert [pool["num_threads"] for pool in threadpool_info()] == threads


@pytest.mark.slow
def test_interrupted_at_many_random_lines():
    check_interrupts(repetitions(12, 200), seed=1)


class FailingStart:
    def __init__(self, error):
        self.error = error

    def initial_map(self, problem, random_state):
        raise self.error


class FailingRefinement:
    def __init__(self, error):
        self.error = error

    def iterate(self, problem, W, random_state):
        yield W
        raise self.error


class Callback:
    """Raises in the chosen hook and notes which hooks were called."""

    def __init__(self, error=None, hook=None, task=None):
        self.error = error
        self.hook = hook
        self.task = task
        self.events = []

    def _note(self, hook, context):
        name = context.task_name
        if name == "iteration":
            name = f"{context.parent.task_name}/{name}"
        self.events.append((hook, name))
        if self.error is not None and hook == self.hook and self.task in (None, name):
            raise self.error

    def setup(self, estimator, context):
        self._note("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self._note("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._note("end", context)

    def teardown(self, estimator, context):
        self._note("teardown", context)


ERRORS = [KeyboardInterrupt(), RuntimeError("mine"), SystemExit(3), MemoryError()]


def with_callback(hook, task=None):
    return lambda error: tiny().set_callbacks(Callback(error, hook, task))


FAILURES = {
    "start": lambda error: tiny(init=FailingStart(error)),
    "start without selection": lambda error: tiny(init=FailingStart(error), selection=None),
    "start in a thread": lambda error: tiny(init=[FailingStart(error), ComponentStart()], n_jobs=2),
    "refinement": lambda error: tiny(refinements=[FailingRefinement(error)]),
    "setup": with_callback("setup"),
    "begin of the fit": with_callback("begin", "fit"),
    "end of the fit": with_callback("end", "fit"),
    "begin of a stage": with_callback("begin", "TransportRefinement"),
    "end of an iteration": with_callback("end", "TransportRefinement/iteration"),
    "end of an iteration of the start": with_callback("end", "start/iteration"),
    "teardown": with_callback("teardown"),
}


# joblib and the teardown of callbacks hand on exceptions of the class Exception only.
EXCEPTIONS_ONLY = {"start in a thread", "teardown"}


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(failure, error, id=f"{failure}, {type(error).__name__}")
        for failure in FAILURES
        for error in ERRORS
        if failure not in EXCEPTIONS_ONLY or isinstance(error, Exception)
    ],
)
def test_errors_of_the_users_own_objects(failure, error, fitted_before):
    spoiled = FAILURES[failure](error)
    A, B = spaces(1)
    parameters = dict(vars(spoiled))
    threads = [pool["num_threads"] for pool in threadpool_info()]
    with pytest.raises(type(error)):
        spoiled.fit(A, B)
    assert vars(spoiled) == parameters
    with pytest.raises(NotFittedError):
        spoiled.transform(A)

    fitted = deepcopy(fitted_before)
    fitted.set_params(**spoiled.get_params(deep=False))
    fitted.set_callbacks(*getattr(spoiled, "_skl_callbacks", []))
    before = state(fitted)
    with pytest.raises(type(error)):
        fitted.fit(A, B)
    assert state(fitted) == before
    assert [pool["num_threads"] for pool in threadpool_info()] == threads


@pytest.mark.parametrize("failure", ["end of an iteration", "begin of the fit", "end of the fit"])
def test_callbacks_are_torn_down_after_a_failure(failure):
    aligner = FAILURES[failure](KeyboardInterrupt())
    (callback,) = aligner._skl_callbacks
    with pytest.raises(KeyboardInterrupt):
        aligner.fit(*spaces(0))
    assert callback.events[0] == ("setup", "fit")
    assert callback.events[-1] == ("teardown", "fit")
    assert not hasattr(aligner, "_callback_fit_ctx")
    # The same object can be fitted with the same callbacks.
    callback.error = None
    callback.events.clear()
    aligner.fit(*spaces(0))
    assert callback.events[0] == ("setup", "fit")
    assert callback.events[-2:] == [("end", "fit"), ("teardown", "fit")]
    assert callback.events.count(("end", "fit")) == 1
    assert not [name for name in vars(aligner) if "ctx" in name or "teardown" in name]


A, B = spaces(3)
REFUSED = {
    "NaN": {"X": np.where(A > 2, np.nan, A), "XB": B},
    "no target": {"X": A},
    "target with NaN": {"X": A, "XB": np.where(B > 2, np.nan, B)},
    "one sample": {"X": A[:1], "XB": B},
    "one target sample": {"X": A, "XB": B[:1]},
    "equal samples": {"X": np.ones((20, 3)), "XB": B},
    "equal target samples": {"X": A, "XB": np.ones((20, 3))},
    "labels": {"X": A, "y": (B > 1).astype(int)},
    "pairs": {"X": A, "XB": B, "pairs": (np.arange(3), np.arange(4))},
    "text": {"X": [["a", "b"]], "XB": B},
}
BAD_PARAMETERS = [
    {"n_init": 0},
    {"init": "kmeans"},
    {"refinements": [3]},
    {"selection": None, "n_init": 3},
    {"random_state": "seed"},
    {"refinements": [TransportRefinement(epsilon=(1, -1))]},
]


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_arguments_change_nothing(kind, fitted_before):
    fitted, fresh = deepcopy(fitted_before), tiny()
    before = state(fitted)
    for aligner in (fitted, fresh):
        with pytest.raises(ValueError, match=r".+"):
            aligner.fit(**REFUSED[kind])
    assert state(fitted) == before
    with pytest.raises(NotFittedError):
        fresh.transform(A)


@pytest.mark.parametrize("parameters", BAD_PARAMETERS, ids=repr)
def test_refused_parameters_change_nothing(parameters, fitted_before):
    fitted, fresh = deepcopy(fitted_before), tiny(**parameters)
    fitted.set_params(**parameters)
    before = state(fitted)
    for aligner in (fitted, fresh):
        with pytest.raises(ValueError, match=r".+"):
            aligner.fit(*spaces(1))
    assert state(fitted) == before
    for method in METHODS:
        with pytest.raises(NotFittedError):
            partial(getattr(fresh, method), A)()
