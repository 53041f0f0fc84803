"""Callbacks, progress, the log: what a fit tells about itself."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.callback import ProgressBar
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.alignment import MutualNeighborRefinement, TransportRefinement

STEPS = [TransportRefinement(max_iter=4), MutualNeighborRefinement(max_iter=3)]


class Recorder:
    """A callback that notes what it sees and stops where it is told to."""

    def __init__(self, stop=lambda name, metadata: False, look=None):
        self.stop = stop
        self.look = look
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, metadata=None, **kwargs):
        self.events.append(("begin", context.task_name, metadata))

    def on_fit_task_end(
        self, estimator, context, *, metadata=None, fitted_estimator=None, **kwargs
    ):
        self.events.append(("end", context.task_name, metadata))
        if self.look is not None and fitted_estimator is not None:
            self.look(context.task_name, fitted_estimator)
        return self.stop(context.task_name, metadata)

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name, None))

    def of(self, kind, name):
        return [event[2] for event in self.events if event[:2] == (kind, name)]


@pytest.fixture
def fit(spaces, quick):
    def _fit(callback, **params):
        aligner = quick(refinements=STEPS, **params).set_callbacks(callback)
        return aligner.fit(spaces.XA, spaces.XB)

    return _fit


def test_stages_and_iterations_are_seen_in_order(fit):
    recorder = Recorder()
    aligner = fit(recorder)
    stages = [
        (kind, name)
        for kind, name, _ in recorder.events
        if name in {"start", "TransportRefinement", "MutualNeighborRefinement"}
    ]
    assert stages == [
        (kind, name)
        for name in ("start", "TransportRefinement", "MutualNeighborRefinement")
        for kind in ("begin", "end")
    ]
    for record in aligner.history_:
        iterations = recorder.of("end", f"{record['stage']} iteration")
        assert [m["score"] for m in iterations] == record["score"]
        assert [m["iteration"] for m in iterations] == list(range(record["n_iter"]))
        assert {m["stage"] for m in iterations} == {record["stage"]}
        assert len(recorder.of("begin", f"{record['stage']} iteration")) == record["n_iter"]
        assert recorder.of("begin", record["stage"]) == [{"stage": record["stage"]}]
        (summary,) = recorder.of("end", record["stage"])
        assert summary["n_iter"] == record["n_iter"]
    assert recorder.events[0][0] == "setup"
    assert recorder.events[-1][0] == "teardown"


def test_watching_does_not_change_the_result(fit, spaces, quick):
    watched = fit(Recorder(look=lambda name, estimator: estimator.transform(spaces.XA_test)))
    alone = quick(refinements=STEPS).fit(spaces.XA, spaces.XB)
    assert watched.map_.tobytes() == alone.map_.tobytes()


def test_a_callback_ends_the_iterations_of_a_stage(fit):
    aligner = fit(
        Recorder(
            stop=lambda name, m: name == "TransportRefinement iteration" and m["iteration"] == 1
        )
    )
    assert [(r["stage"], r["n_iter"]) for r in aligner.history_][1:] == [
        ("TransportRefinement", 2),
        ("MutualNeighborRefinement", 3),
    ]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("start", ["start"]), ("TransportRefinement", ["start", "TransportRefinement"])],
)
def test_a_callback_ends_the_remaining_stages(fit, stage, expected):
    aligner = fit(Recorder(stop=lambda name, metadata: name == stage))
    assert [record["stage"] for record in aligner.history_] == expected
    assert np.abs(aligner.map_.T @ aligner.map_ - np.eye(24)).max() < 1e-5


def test_the_estimator_of_an_iteration_is_usable(fit, spaces):
    seen = {}

    def look(name, estimator):
        Z = estimator.transform(spaces.XA_test)
        assert np.abs(estimator.map_.T @ estimator.map_ - np.eye(24)).max() < 1e-5
        cosine = (Z * estimator.transform_target(spaces.XB_test)).sum(axis=1).mean()
        seen.setdefault(name, []).append(cosine)

    fit(Recorder(look=look))
    assert len(seen["TransportRefinement iteration"]) == 4
    assert len(seen["MutualNeighborRefinement iteration"]) == 3
    assert seen["MutualNeighborRefinement iteration"][-1] > seen["start iteration"][0] - 0.01


def test_an_error_in_a_callback_reaches_the_caller(fit):
    def look(name, estimator):
        raise RuntimeError("seen enough")

    with pytest.raises(RuntimeError, match="seen enough"):
        fit(Recorder(look=look))


def test_progress_bar_runs(spaces, quick, capsys):
    pytest.importorskip("rich")
    aligner = quick(refinements=STEPS).set_callbacks(ProgressBar())
    aligner.fit(spaces.XA, spaces.XB)
    assert "MiniVec2Vec" in capsys.readouterr().out


class PropagatedRecorder(Recorder):
    max_propagation_depth = None


def test_a_pipeline_hands_its_callbacks_on(spaces, quick):
    recorder = PropagatedRecorder()
    model = Pipeline([("scale", StandardScaler()), ("align", quick(refinements=STEPS))])
    model.set_callbacks(recorder)
    model.fit(spaces.XA, spaces.XB)
    assert recorder.of("begin", "TransportRefinement") == [{"stage": "TransportRefinement"}]
    assert len(recorder.of("end", "MutualNeighborRefinement iteration")) == 3


def test_silent_by_default(spaces, quick, capsys):
    quick().fit(spaces.XA, spaces.XB)
    output = capsys.readouterr()
    assert output.out == output.err == ""


def test_verbose_prints_a_line_for_each_stage(spaces, quick, capsys):
    quick(verbose=1).fit(spaces.XA, spaces.XB)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[MiniVec2Vec] start: score ")
    assert lines[1].startswith("[MiniVec2Vec] TransportRefinement: score ")


def test_more_verbose_prints_a_line_for_each_iteration(spaces, quick, capsys):
    aligner = quick(verbose=2).fit(spaces.XA, spaces.XB)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(aligner.history_) + aligner.n_iter_


def test_the_log_has_stages_at_info_and_iterations_at_debug(spaces, quick, caplog):
    with caplog.at_level(logging.DEBUG, logger="sklearn_align"):
        aligner = quick().fit(spaces.XA, spaces.XB)
    levels = [
        record.levelno for record in caplog.records if record.name.startswith("sklearn_align")
    ]
    assert levels.count(logging.INFO) == 2
    assert levels.count(logging.DEBUG) == aligner.n_iter_
