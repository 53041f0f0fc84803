"""Callbacks, progress, the log: what a fit tells about itself."""

from __future__ import annotations

import logging
from copy import deepcopy

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import MutualNeighborRefinement, TransportRefinement
from sklearn_align.metrics import csls_score

pytestmark = pytest.mark.usefixtures("unjudged")

STEPS = [TransportRefinement(max_iter=4), MutualNeighborRefinement(max_iter=3)]


def name_of(context):
    """Name of a task, that of an iteration with its stage and its number."""
    if context.task_name == "iteration":
        return f"{context.parent.task_name} {context.task_id}"
    return context.task_name


class Recorder:
    """A callback that notes what it sees and stops where it is told to."""

    def __init__(self, stop=None, look=None):
        self.stop = stop
        self.look = look
        self.events = []
        self.histories = []

    def setup(self, estimator, context):
        self.events.append(("setup", name_of(context)))

    def on_fit_task_begin(self, estimator, context):
        self._note("begin", estimator, context)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self._note("end", estimator, context)
        if self.look is not None:
            self.look(name_of(context), fitted_estimator)
        return name_of(context) == self.stop

    def teardown(self, estimator, context):
        self.events.append(("teardown", name_of(context)))

    def _note(self, hook, estimator, context):
        self.events.append((hook, name_of(context)))
        self.histories.append(
            (hook, name_of(context), deepcopy(getattr(estimator, "history_", None)))
        )

    def history(self, hook, name):
        (history,) = [found for *event, found in self.histories if event == [hook, name]]
        return history


@pytest.fixture
def fit(spaces, quick):
    def _fit(callback, **params):
        aligner = quick(refinements=STEPS, **params).set_callbacks(callback)
        return aligner.fit(spaces.XA, spaces.XB)

    return _fit


def test_stages_and_iterations_are_seen_in_order(fit):
    recorder = Recorder()
    aligner = fit(recorder)
    names = ["fit"]
    for record in aligner.history_:
        names += [record["stage"], *(f"{record['stage']} {i}" for i in range(record["n_iter"]))]
    assert [record["stage"] for record in aligner.history_] == [
        "start",
        "TransportRefinement",
        "MutualNeighborRefinement",
    ]
    assert [name for hook, name in recorder.events if hook == "begin"] == names
    inside = [event for event in recorder.events if event[1] != "fit"]
    iterations = [event for event in inside if event[1][-1].isdigit()]
    assert iterations[::2] == [("begin", name) for _, name in iterations[1::2]]
    ends = [name for hook, name in inside if hook == "end" and not name[-1].isdigit()]
    assert ends == [record["stage"] for record in aligner.history_]
    assert recorder.events[:2] == [("setup", "fit"), ("begin", "fit")]
    assert recorder.events[-2:] == [("end", "fit"), ("teardown", "fit")]


def test_hooks_read_the_history_of_their_time(fit):
    recorder = Recorder()
    aligner = fit(recorder)
    assert recorder.history("begin", "fit") == []
    assert recorder.history("end", "fit") == aligner.history_
    for n, record in enumerate(aligner.history_):
        stage = record["stage"]
        *before, running = recorder.history("begin", stage)
        assert before == aligner.history_[:n]
        assert running == {"stage": stage, "n_iter": 0, "score": [], "time": 0.0}
        assert recorder.history("end", stage) == aligner.history_[: n + 1]
        for i in range(record["n_iter"]):
            for hook, n_iter in (("begin", i), ("end", i + 1)):
                *before, running = recorder.history(hook, f"{stage} {i}")
                assert before == aligner.history_[:n]
                assert running["n_iter"] == n_iter
                assert running["score"] == record["score"][:n_iter]
                assert 0 <= running["time"] <= record["time"]


def test_hooks_get_what_fit_was_given(spaces, quick):
    pd = pytest.importorskip("pandas")
    names = [f"f{i}" for i in range(24)]
    XA, XB = (pd.DataFrame(X, columns=names) for X in (spaces.XA, spaces.XB))
    seen = []

    class Taker(Recorder):
        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            seen.append((X, y))
            # Warnings are errors: the columns have names here, as in `fit`.
            fitted_estimator.transform(X)
            fitted_estimator.transform_target(y)

    quick().set_callbacks(Taker()).fit(XA, np.zeros(800), XB=XB)
    assert len(seen) > 10
    assert all(X is XA and y is XB for X, y in seen)


def test_copies_keep_the_history_of_their_time(fit):
    copies = []
    aligner = fit(Recorder(look=lambda name, copy: copies.append((name, copy))))
    after = [sum(r["n_iter"] for r in copy.history_) for name, copy in copies if name[-1].isdigit()]
    assert after == list(range(1, aligner.n_iter_ + 1))
    assert all(copy.history_ is not aligner.history_ for _, copy in copies)


def test_nothing_of_an_earlier_fit_is_seen(fit, spaces):
    seen = []

    def look(name, copy):
        seen.append(set(vars(copy)))
        # Without target samples, those of this fit are taken.
        assert copy.score(spaces.XA_test) == pytest.approx(copy.history_[-1]["score"][-1], abs=0.1)

    recorder = Recorder()
    aligner = fit(recorder, keep_maps=True)
    recorder.look = look
    aligner.metadata_ = {"from": "a file"}
    aligner.fit(spaces.XA[:, ::-1], spaces.XB)
    results = {"converged_", "agreement_", "maps_", "n_iter_", "correction_strength_"}
    assert results <= seen[-1]
    assert all(not names & {*results, "metadata_"} for names in seen[:-1])
    assert "metadata_" not in seen[-1]


def test_the_copy_at_the_end_is_the_result(spaces, quick):
    # Known pairs correct the map when the search is over.
    copies = {}
    pairs = (spaces.XA_test[:100], spaces.XB_test[:100])
    aligner = quick(correction="ridge").set_callbacks(Recorder(look=copies.__setitem__))
    aligner.fit(spaces.XA, spaces.XB, pairs=pairs)
    assert np.isfinite(aligner.correction_strength_)
    np.testing.assert_array_equal(copies["fit"].linear_map_, aligner.linear_map_)
    assert np.abs(copies["TransportRefinement"].linear_map_ - aligner.linear_map_).max() > 1e-3


def test_watching_does_not_change_the_result(fit, spaces, quick):
    watched = fit(Recorder(look=lambda name, estimator: estimator.transform(spaces.XA_test)))
    alone = quick(refinements=STEPS).fit(spaces.XA, spaces.XB)
    assert watched.map_.tobytes() == alone.map_.tobytes()


def test_a_callback_ends_the_iterations_of_a_stage(fit):
    aligner = fit(Recorder(stop="TransportRefinement 1"))
    assert [(r["stage"], r["n_iter"]) for r in aligner.history_][1:] == [
        ("TransportRefinement", 2),
        ("MutualNeighborRefinement", 3),
    ]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("start", ["start"]), ("TransportRefinement", ["start", "TransportRefinement"])],
)
def test_a_callback_ends_the_remaining_stages(fit, stage, expected):
    aligner = fit(Recorder(stop=stage))
    assert [record["stage"] for record in aligner.history_] == expected
    assert np.abs(aligner.map_.T @ aligner.map_ - np.eye(24)).max() < 1e-5


def test_a_callback_ends_a_fit_without_a_selection_after_its_initialization(fit):
    aligner = fit(Recorder(stop="start"), selection=None)
    assert [record["stage"] for record in aligner.history_] == ["start"]


def test_the_estimator_of_an_iteration_is_usable(fit, spaces):
    seen = {}

    def look(name, estimator):
        Z = estimator.transform(spaces.XA_test)
        assert np.abs(estimator.map_.T @ estimator.map_ - np.eye(24)).max() < 1e-5
        cosine = (Z * estimator.transform_target(spaces.XB_test)).sum(axis=1).mean()
        seen[name] = cosine

    fit(Recorder(look=look))
    assert {f"TransportRefinement {i}" for i in range(4)} < seen.keys()
    assert {f"MutualNeighborRefinement {i}" for i in range(3)} < seen.keys()
    assert seen["MutualNeighborRefinement 2"] > seen["start 0"] - 0.01


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
    assert recorder.events.count(("begin", "TransportRefinement")) == 1
    assert recorder.events.count(("end", "MutualNeighborRefinement 2")) == 1


def label_free(aligner, X, y):
    return csls_score(aligner.transform(X), aligner.transform_target(y))


def scores_of_fits(monitor):
    """Return the scores after each iteration, for each fit."""
    fits = {}
    for row in monitor.get_logs().data:
        if row["task_name"] == "iteration":
            fits.setdefault(row["task_id_path"][:-2], []).append(row["label-free"])
    return list(fits.values())


def make_watched(quick):
    monitor = ScoringMonitor(scoring={"label-free": label_free, "paired": MiniVec2Vec.score})
    return quick(refinements=STEPS).set_callbacks(monitor), monitor


def test_scoring_monitor_scores_every_iteration(spaces, quick):
    XA, XB = spaces.XA_test, spaces.XB_test
    aligner, monitor = make_watched(quick)
    aligner.set_params(keep_maps=True).fit(XA, XB)
    (scores,) = scores_of_fits(monitor)
    assert len(scores) == aligner.n_iter_
    assert len(set(scores)) > 3
    # The score after the last iteration of a stage is that of its map.
    last = np.cumsum([record["n_iter"] for record in aligner.history_]) - 1
    for i, W in zip(last, aligner.maps_.values(), strict=True):
        mapped = MiniVec2Vec.from_map(W, aligner.source_mean_, aligner.target_mean_)
        assert scores[i] == pytest.approx(label_free(mapped, XA, XB), abs=1e-6)
    (row,) = [row for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert row["paired"] == aligner.score(XA, XB) > 0.5


def test_scoring_monitor_in_a_pipeline(spaces, quick):
    aligner, monitor = make_watched(quick)
    model = Pipeline([("scale", StandardScaler()), ("align", aligner)])
    model.fit(spaces.XA_test, spaces.XB_test)
    (scores,) = scores_of_fits(monitor)
    assert len(scores) == aligner.n_iter_
    X = model[0].transform(spaces.XA_test)
    assert scores[-1] == pytest.approx(label_free(aligner, X, spaces.XB_test), abs=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_scoring_monitor_in_a_search(spaces, quick):
    aligner, monitor = make_watched(quick)
    search = GridSearchCV(aligner, {"score_sample_size": [200, 400]}, cv=2)
    search.fit(spaces.XA_test, XB=spaces.XB_test)
    fits = scores_of_fits(monitor)
    assert len(fits) == 5
    assert all(len(scores) >= 1 + 4 + 3 for scores in fits)
    assert len(fits[-1]) == search.best_estimator_.n_iter_


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
