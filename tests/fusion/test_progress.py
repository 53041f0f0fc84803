"""Callbacks of scikit-learn on the fits of the AECF estimators, and the printed table."""

from __future__ import annotations

import pickle
import re
import signal
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import brier_score_loss, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_align.exceptions import TrainingInterruptedWarning
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

MODALITIES = {"image": 4, "sound": 3}
KINDS = [AECFClassifier, AECFRegressor, AECFEmbedder]


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    X = rng.normal(size=(240, 7)) + y[:, None]
    X[:30, :4] = np.nan
    return X, y


def make(kind=AECFClassifier, **options):
    settings = {"max_epochs": 3, "batch_size": 64, "n_units": 8, "hidden_sizes": (8,)}
    return kind(MODALITIES, **{**settings, "random_state": 0, **options})


class Recorder:
    """Notes every call with the epochs that the history holds; stops or raises where told to."""

    def __init__(self, on_end=lambda context, fitted: False):
        self.on_end = on_end
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, context.task_id, None))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name, context.task_id, None))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.begun = (X, y, metadata)
        self._note("begin", estimator, context)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self._note("end", estimator, context)
        return self.on_end(context, fitted_estimator)

    def _note(self, kind, estimator, context):
        epochs = [] if estimator.history_ is None else [row["epoch"] for row in estimator.history]
        self.events.append((kind, context.task_name, context.task_id, epochs))

    def of(self, *event):
        return [found[2:] for found in self.events if found[: len(event)] == event]


class Propagated(Recorder):
    max_propagation_depth = None


def same(first, second):
    pairs = zip(
        first.module_.state_dict().values(), second.module_.state_dict().values(), strict=True
    )
    return all(torch.equal(a, b) for a, b in pairs)


# ---------------------------------------------------------------------------- Tasks and epochs


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_a_task_and_epochs_are_its_subtasks(kind, samples):
    recorder = Recorder()
    net = make(kind).set_callbacks(recorder).fit(*samples)
    epochs = [
        (event, "epoch", number, list(range(1, number + 2)))
        for number in range(3)
        for event in ("begin", "end")
    ]
    assert [event for event in recorder.events if event[1] == "epoch"] == epochs
    assert [event[:2] for event in recorder.events if event[1] == "fit"] == [
        (what, "fit") for what in ("setup", "begin", "end", "teardown")
    ]
    assert net.n_iter_ == 3
    assert not [name for name in vars(net) if name in ("_tasks", "_callback_fit_ctx")]


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_get_what_fit_was_given(kind, samples):
    X, y = samples
    weight = np.linspace(1, 2, len(X))
    recorder = Recorder()
    make(kind, max_epochs=1).set_callbacks(recorder).fit(X, y, sample_weight=weight)
    assert recorder.begun[0] is X
    assert recorder.begun[1] is y
    assert recorder.begun[2]["sample_weight"] is weight


def test_figures_of_an_epoch_can_be_read_at_its_end(samples):
    seen = []

    class Reader(Recorder):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                row = estimator.history[-1]
                seen.append((row["epoch"], row["train_loss"], row["valid_loss"], row["dur"]))

    net = make().set_callbacks(Reader()).fit(*samples)
    assert seen == net.history[:, ("epoch", "train_loss", "valid_loss", "dur")]


@pytest.mark.parametrize("kind", KINDS)
def test_watching_does_not_change_the_result(kind, samples):
    X, y = samples

    def look(context, fitted):
        torch.rand(3)
        output = fitted.transform(X) if kind is AECFEmbedder else fitted.predict(X)
        assert np.isfinite(output).all()
        assert len(fitted.history) == (3 if context.task_name == "fit" else context.task_id + 1)
        looked.append(fitted)

    looked = []
    watched = make(kind, dropout=0.2).set_callbacks(Recorder(look)).fit(X, y)
    assert same(watched, make(kind, dropout=0.2).fit(X, y))
    # Copies are what the fit was at their time, and stay it.
    assert [len(fitted.history) for fitted in looked] == [1, 2, 3, 3]
    assert not same(looked[0], watched)
    assert same(looked[-1], watched)


def test_networks_of_the_cross_fitting_are_tasks_of_their_own(samples):
    recorder = Recorder()
    make(calibration="cross_fit").set_callbacks(recorder).fit(*samples)
    assert recorder.of("begin", "training") == [(0, [])]
    assert [number for number, _ in recorder.of("begin", "calibration fold")] == [1, 2, 3, 4, 5]
    assert recorder.of("end", "calibration fold") == [(i, [1, 2, 3]) for i in range(1, 6)]
    assert recorder.of("end", "epoch") == 6 * [(i, list(range(1, i + 2))) for i in range(3)]
    unseen = make(calibration="cross_fit").fit(*samples)
    seen = make(calibration="cross_fit").set_callbacks(ScoringMonitor(scoring="accuracy"))
    assert same(unseen, seen.fit(*samples))


def test_further_training_counts_its_epochs_on(samples):
    recorder = Recorder()
    net = make(warm_start=True).set_callbacks(recorder).fit(*samples).fit(*samples)
    assert net.n_iter_ == 6
    assert [epochs[-1] for _, epochs in recorder.of("end", "epoch")] == [1, 2, 3, 4, 5, 6]
    cross_fitted = make(warm_start=True, calibration="cross_fit").fit(*samples)
    recorder = Recorder()
    cross_fitted.set_callbacks(recorder).fit(*samples)  # The temperature is kept.
    assert not recorder.of("begin", "calibration fold")
    assert len(recorder.of("end", "epoch")) == 3


def test_partial_fit_has_no_tasks(samples):
    recorder = Recorder()
    make().set_callbacks(recorder).partial_fit(*samples, epochs=2)
    assert recorder.events == []


# ------------------------------------------------------------------------------ Early endings


def test_early_stopping_ends_the_last_epoch_and_the_fit(samples):
    recorder = Recorder()
    net = make(early_stopping=True, patience=1, min_delta=10.0, max_epochs=9)
    net.set_callbacks(recorder).fit(*samples)
    assert net.n_iter_ < 9
    assert len(recorder.of("begin", "epoch")) == len(recorder.of("end", "epoch")) == net.n_iter_
    assert recorder.events[-2][:2] == ("end", "fit")


def test_a_callback_ends_the_training(samples):
    recorder = Recorder(lambda context, fitted: context.task_name == "epoch")
    net = make().set_callbacks(recorder).fit(*samples)
    assert net.n_iter_ == 1
    assert [event[:2] for event in recorder.events[-2:]] == [("end", "fit"), ("teardown", "fit")]
    assert net.predict_proba(samples[0]).shape == (240, 2)


class RaiseInterrupt(Callback):
    """Sends what Ctrl-C sends, in a batch of an epoch."""

    def __init__(self, epoch, batch):
        self.epoch, self.batch = epoch, batch

    def on_batch_begin(self, net, **kwargs):
        n_batches = len(net.history[-1]["batches"])
        if len(net.history) == self.epoch and n_batches == self.batch:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals go elsewhere"
)
def test_an_interrupted_training_ends_the_fit_for_callbacks(samples):
    recorder = Recorder()
    net = make(callbacks=[RaiseInterrupt(2, 3)]).set_callbacks(recorder)
    with pytest.warns(TrainingInterruptedWarning, match="1 of 3 epochs"):
        net.fit(*samples)
    assert net.n_iter_ == 1
    assert len(recorder.of("end", "epoch")) == 1
    assert [event[:2] for event in recorder.events[-2:]] == [("end", "fit"), ("teardown", "fit")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_fit_that_fails_is_undone_and_callbacks_are_torn_down(kind, error, samples):
    def fail(context, fitted):
        if context.task_name == "fit":
            raise error

    net = make(kind, warm_start=True).fit(*samples)
    before, recorder = pickle.dumps(net.history), Recorder(fail)
    weights = [value.clone() for value in net.module_.state_dict().values()]
    names = set(vars(net))
    net.set_callbacks(recorder)
    with pytest.raises(error):
        net.fit(*samples)
    assert recorder.events[-1][0] == "teardown"
    assert pickle.dumps(net.history) == before
    assert all(map(torch.equal, weights, net.module_.state_dict().values()))
    assert set(vars(net)) - names == {"_skl_callbacks"}


def test_a_fit_that_fails_early_is_undone(samples):
    X, y = samples
    recorder = Recorder()
    net = make().set_callbacks(recorder)
    with pytest.raises(ValueError, match="samples"):
        net.fit(X, y[:-1])
    assert set(vars(net)) - set(vars(make())) == {"_skl_callbacks"}
    # The callbacks are as usable as before.
    net.fit(X, y)
    assert recorder.events[-1][0] == "teardown"


# ------------------------------------------------------------- Bars, pipelines, searches, copies


@pytest.mark.parametrize("kind", KINDS)
def test_progress_bars(kind, samples, capsys):
    pytest.importorskip("rich")
    net = make(kind, early_stopping=True, patience=1, min_delta=10.0, max_epochs=9)
    net.set_callbacks(ProgressBar()).fit(*samples)
    shown = capsys.readouterr().out
    assert kind.__name__ in shown
    assert "100%" in shown


def test_progress_bars_of_cross_fitting(samples, capsys):
    pytest.importorskip("rich")
    make(calibration="cross_fit").set_callbacks(ProgressBar()).fit(*samples)
    shown = capsys.readouterr().out
    assert "calibration fold #5" in shown
    assert shown.count("100%") >= 7


def test_scoring_monitor_scores_every_epoch(samples):
    X, y = samples
    names = np.array(["cat", "dog"])[y]
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    net = make(max_epochs=8, lr=0.01).set_callbacks(monitor).fit(X, names)
    rows = monitor.get_logs().data
    scores = [row["accuracy"] for row in rows if row["task_name"] == "epoch"]
    assert len(scores) == 8
    (last,) = [row["accuracy"] for row in rows if row["task_name"] == "fit"]
    assert last == scores[-1] == net.score(X, names) > 0.6


def distance_of_means(net, X, y, sample_weight=None):
    """Distance between the weighted means of both classes in the embedding."""
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    Z = net.transform(X)
    means = [np.average(Z[y == label], axis=0, weights=weight[y == label]) for label in (0, 1)]
    return {"score": float(np.linalg.norm(means[0] - means[1]))}


SCORERS = {
    AECFClassifier: make_scorer(brier_score_loss, response_method="predict_proba"),
    AECFRegressor: make_scorer(mean_squared_error),
    AECFEmbedder: distance_of_means,
}


def scores_of(monitor, task):
    return [row["score"] for row in monitor.get_logs().data if row["task_name"] == task]


@pytest.mark.parametrize("kind", KINDS)
def test_scoring_monitor_of_all_kinds(kind, samples):
    X, y = samples
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    monitor = ScoringMonitor(scoring=SCORERS[kind])
    net = make(kind).set_callbacks(monitor)

    def score(net, X, **options):
        found = SCORERS[kind](net, X, y, **options)
        return found["score"] if kind is AECFEmbedder else found

    net.fit(X, y, weight)
    assert len(set(scores_of(monitor, "epoch"))) == 3
    assert scores_of(monitor, "fit") == [score(net, X, sample_weight=weight)]
    assert score(net, X) not in scores_of(monitor, "fit")

    model = Pipeline([("scale", StandardScaler()), ("net", net)]).fit(X, y)
    assert len(set(scores_of(monitor, "epoch"))) == 3
    assert scores_of(monitor, "fit") == [score(net, model[0].transform(X))]

    search = GridSearchCV(net, {"lr": [0.001, 0.01]}, cv=2, scoring=lambda net, X, y: 0.0).fit(X, y)
    assert len(set(scores_of(monitor, "epoch"))) == 5 * 3
    assert score(search.best_estimator_, X) in scores_of(monitor, "fit")


def test_a_pipeline_hands_its_callbacks_on(samples):
    recorder = Propagated()
    inner = Recorder()
    scale = ("scale", StandardScaler())
    model = Pipeline([scale, ("net", make().set_callbacks(inner))]).set_callbacks(recorder)
    recorder._note = lambda kind, estimator, context: recorder.events.append(
        (kind, context.task_name, context.task_id, None)
    )
    model.fit(*samples)
    assert len(recorder.of("end", "epoch")) == len(inner.of("end", "epoch")) == 3
    assert model[-1]._skl_callbacks == [inner]
    assert not hasattr(model[-1], "_parent_callback_ctx")


class Counting:
    """Writes a line for every epoch, also of fits in other processes."""

    max_propagation_depth = None

    def __init__(self, path):
        self.path = str(path)

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{context.task_id}\n")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_hands_its_callbacks_on(samples, n_jobs, tmp_path, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(make(), {"lr": [0.001, 0.01]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(Counting(tmp_path / "epochs"), ProgressBar()).fit(*samples)
    seen = (tmp_path / "epochs").read_text(encoding="utf-8").split()
    assert sorted(seen) == sorted(5 * ["0", "1", "2"])
    assert "AECFClassifier" in capsys.readouterr().out
    assert not hasattr(search.best_estimator_, "_skl_callbacks")
    alone = GridSearchCV(make(), {"lr": [0.001, 0.01]}, cv=2).fit(*samples)
    assert same(search.best_estimator_, alone.best_estimator_)


def test_a_clone_has_the_callbacks_and_a_copy_is_usable(samples, tmp_path):
    X, y = samples
    recorder = Recorder()
    net = make().set_callbacks(recorder)
    assert clone(net)._skl_callbacks == [recorder]
    assert "callbacks" in net.get_params()
    assert net.get_params()["callbacks"] is None
    net.fit(X, y)
    recorder.on_end = None  # A function inside of a test cannot be pickled.
    joblib.dump(net, tmp_path / "net.joblib")
    for copied in (pickle.loads(pickle.dumps(net)), joblib.load(tmp_path / "net.joblib")):
        np.testing.assert_array_equal(copied.predict_proba(X), net.predict_proba(X))
        assert [type(callback) for callback in copied._skl_callbacks] == [Recorder]


def test_callbacks_can_be_taken_away(samples):
    recorder = Recorder()
    make().set_callbacks(recorder).set_callbacks().fit(*samples)
    assert recorder.events == []
    with pytest.raises(TypeError, match="FitCallback"):
        make().set_callbacks(RaiseInterrupt(1, 1))


def test_callbacks_of_skorch_stand_beside_them(samples):
    seen = []

    class Skorch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append("skorch")

    recorder = Recorder(lambda context, fitted: seen.append(context.task_name))
    make(callbacks=[Skorch()], max_epochs=2).set_callbacks(recorder).fit(*samples)
    assert seen == ["skorch", "epoch", "skorch", "epoch", "fit"]


# --------------------------------------------------------------------------------- The table


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_fits_100_columns(kind, samples, capsys):
    terms = {"ece_weight": 0.1} if kind is AECFClassifier else {}
    make(kind, verbose=1, **terms).fit(*samples)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    columns = ["epoch", "train_loss", "train_task", "valid_loss", "valid_task", "lr", "dur"]
    assert lines[0].split() == columns
    assert [int(line.split()[0]) for line in lines[2:]] == [1, 2, 3]
    assert all(len(re.split(r"\s+", line.strip())) == len(columns) for line in lines[2:])


def test_a_table_of_all_figures(samples, capsys):
    net = make(verbose=2, ece_weight=0.1).fit(*samples)
    columns = capsys.readouterr().out.splitlines()[0].split()
    figures = {name for name in net.history[-1] if not name.endswith(("_best", "_count"))}
    assert set(columns) == {name.removeprefix("event_") for name in figures - {"batches"}}


def test_columns_of_other_callbacks_are_in_the_table(samples, capsys):
    class Extra(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("extra", 1.5)

    make(verbose=1, callbacks=[Extra()]).fit(*samples)
    assert "extra" in capsys.readouterr().out.splitlines()[0].split()
