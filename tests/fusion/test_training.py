"""The training system: skorch's own callbacks on our estimators."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LoadInitState,
    LRScheduler,
    ProgressBar,
    TensorBoard,
    WandbLogger,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split

from sklearn_align.exceptions import ValidationSplitWarning
from sklearn_align.fusion import AECFClassifier, AECFRegressor

MODALITIES = {"image": 4, "sound": 3}


def data(n=240, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = 1.5 * np.random.default_rng(99).normal(size=(3, 7))[y] + rng.normal(size=(n, 7))
    X[rng.random(n) < 0.2, :4] = np.nan
    return X, y


def classifier(**options):
    return AECFClassifier(
        **{
            "modalities": MODALITIES,
            "max_epochs": 5,
            "batch_size": 64,
            "random_state": 0,
            **options,
        }
    )


def weights_of(clf):
    return {name: value.clone() for name, value in clf.module_.state_dict().items()}


# ------------------------------------------------------------------------ stopping and schedules


def test_early_stopping_restores_the_best_weights():
    X, y = data()
    seen = {}

    class Snapshots(EpochScoring):
        def on_epoch_end(self, net, **kwargs):
            seen[len(net.history)] = weights_of(net)

    clf = classifier(
        early_stopping=True,
        patience=3,
        max_epochs=200,
        lr=0.03,
        lr_schedule="constant",
        calibration=False,
        callbacks=[("snapshots", Snapshots("accuracy"))],
    ).fit(X, y)
    assert clf.n_iter_ < 200
    best = int(np.argmin(clf.history[:, "valid_task"])) + 1
    assert clf.n_iter_ > best
    for name, value in clf.module_.state_dict().items():
        assert torch.equal(value, seen[best][name]), name


def test_early_stopping_without_validation_samples_trains_all_epochs():
    X, y = data()
    with pytest.warns(ValidationSplitWarning, match="train_split"):
        clf = classifier(early_stopping=True, train_split=None).fit(X, y)
    assert clf.n_iter_ == 5


def test_users_early_stopping_may_watch_any_component():
    X, y = data()
    stop = EarlyStopping(monitor="train_task", patience=2, threshold=10.0, threshold_mode="abs")
    assert classifier(max_epochs=50, callbacks=[stop]).fit(X, y).n_iter_ == 3


def test_learning_rates_follow_the_cosine():
    X, y = data(60)
    clf = classifier(lr=1e-2, gate_lr=2e-2, max_epochs=4).fit(X, y)
    expected = 1e-2 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(clf.history[:, "event_lr"], expected)
    np.testing.assert_allclose([g["lr"] for g in clf.optimizer_.param_groups], 0, atol=1e-12)


def test_users_schedule_takes_the_place_of_ours():
    X, y = data(60)
    step = LRScheduler(policy=torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    clf = classifier(lr_schedule="constant", lr=1e-2, callbacks=[step], max_epochs=3).fit(X, y)
    np.testing.assert_allclose(clf.history[:, "event_lr"], [1e-2, 5e-3, 2.5e-3])


def test_gradients_are_clipped():
    X, y = data(60)
    norms = []

    class Norms(EpochScoring):
        def on_batch_end(self, net, training, **kwargs):
            if training:
                grads = [p.grad for p in net.module_.parameters() if p.grad is not None]
                norms.append(float(torch.sqrt(sum((g**2).sum() for g in grads))))

        def on_epoch_end(self, net, **kwargs):
            pass

    classifier(gradient_clip=1e-3, callbacks=[Norms("accuracy")]).fit(X, y)
    assert max(norms) <= 1e-3 * 1.01
    norms.clear()
    classifier(gradient_clip=None, callbacks=[Norms("accuracy")]).fit(X, y)
    assert max(norms) > 1e-3


# ------------------------------------------------------------------------------- other callbacks


def test_scoring_callbacks_see_validation_samples_with_string_labels():
    X, y = data()
    names = np.array(["a", "b", "c"])[y]
    clf = classifier(
        max_epochs=20,
        callbacks=[
            ("acc", EpochScoring("accuracy", lower_is_better=False, name="acc")),
            ("uncached", EpochScoring("accuracy", name="uncached", use_caching=False)),
            ("nll", EpochScoring("neg_log_loss", name="nll", lower_is_better=False)),
        ],
    ).fit(X, names)
    assert clf.history[-1, "acc"] > 0.6
    assert clf.history[-1, "uncached"] == clf.history[-1, "acc"]
    assert -1.5 < clf.history[-1, "nll"] < 0


def test_scoring_callback_of_a_regressor():
    X, y = data()
    score = EpochScoring("r2", name="r2", lower_is_better=False)
    reg = AECFRegressor(
        modalities=MODALITIES, max_epochs=20, callbacks=[score], random_state=0
    ).fit(X, 100.0 + y)
    assert 0.2 < reg.history[-1, "r2"] <= 1


def test_progress_bar_and_log_lines(capsys):
    X, y = data(60)
    classifier(callbacks=[ProgressBar()], max_epochs=2).fit(X, y)
    counted = ProgressBar(batches_per_epoch="count")
    classifier(callbacks=[counted], max_epochs=2, batch_size="auto").fit(X, y)
    classifier(verbose=1, max_epochs=2).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


def test_silent_by_default(capsys):
    X, y = data()
    classifier().fit(X, y).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_callbacks_can_be_disabled():
    X, y = data(60)
    clf = classifier(callbacks="disable").fit(X, y)
    assert clf.callbacks_ == []
    assert clf.n_iter_ == 5


@pytest.mark.parametrize("n_splits", [3, 5])
def test_skorch_splits(n_splits):
    X, y = data()
    clf = classifier(train_split=ValidSplit(n_splits, stratified=True)).fit(X, y)
    n_validation = sum(batch.get("valid_batch_size", 0) for batch in clf.history[-1, "batches"])
    assert n_validation == 240 // n_splits


def test_predefined_validation_samples():
    X, y = data()
    names = np.array(["a", "b", "c"])
    valid = Dataset(X[200:], names[y[200:]])
    clf = classifier(train_split=predefined_split(valid)).fit(X[:200], names[y[:200]])
    sizes = [b["valid_batch_size"] for b in clf.history[-1, "batches"] if "valid_batch_size" in b]
    assert sum(sizes) == 40
    assert (clf.module_.log_temperature != 0).any()


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_writes_the_components(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    X, y = data()
    writer = SummaryWriter(str(tmp_path))
    classifier(callbacks=[TensorBoard(writer)], max_epochs=3).fit(X, y)
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert any(tag.lower().endswith("consistency") for tag in tags)
    assert len(events.Scalars(sorted(tags)[0])) == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_offline(tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    X, y = data()
    run = wandb.init(project="test", dir=str(tmp_path), mode="offline")
    try:
        classifier(callbacks=[WandbLogger(run, save_model=False)], max_epochs=2).fit(X, y)
        assert "valid_consistency" in dict(run.summary)
    finally:
        run.finish()
    assert list(tmp_path.rglob("*.wandb"))


# ---------------------------------------------------------------------------------------- memory


def live_tensors():
    gc.collect()
    # type() and not isinstance(): asking deprecated objects for their class makes them warn
    return sum(1 for item in gc.get_objects() if issubclass(type(item), torch.Tensor))


def test_memory_is_flat_over_epochs():
    X, y = data()
    alive = {}

    class Count(EpochScoring):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) in (2, 20):
                alive[len(net.history)] = live_tensors()

    classifier(max_epochs=20, callbacks=[("count", Count("accuracy"))]).fit(X, y)
    assert alive[20] == alive[2]


# ----------------------------------------------------------------------------------- persistence


@pytest.mark.parametrize("via", ["pickle", "joblib"])
def test_round_trip_to_the_bit(via, tmp_path):
    X, y = data()
    clf = classifier().fit(X, y)
    if via == "pickle":
        copy = pickle.loads(pickle.dumps(clf))
    else:
        joblib.dump(clf, tmp_path / "clf.joblib")
        copy = joblib.load(tmp_path / "clf.joblib")
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    copy.partial_fit(X, y)
    assert copy.n_iter_ == clf.n_iter_ + 1


def test_round_trip_through_a_fresh_process(tmp_path):
    X, y = data()
    clf = classifier().fit(X, y)
    joblib.dump(clf, tmp_path / "clf.joblib")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import joblib, numpy, torch; torch.set_num_threads(1);"
        f"clf = joblib.load({str(tmp_path / 'clf.joblib')!r});"
        f"X = numpy.load({str(tmp_path / 'X.npy')!r});"
        f"numpy.save({str(tmp_path / 'p.npy')!r}, clf.predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), clf.predict_proba(X))


def test_save_and_load_params(tmp_path):
    X, y = data()
    clf = classifier(max_epochs=8).fit(X, y)
    clf.save_params(f_params=tmp_path / "p.pt", f_history=tmp_path / "h.json")
    other = classifier(random_state=7).partial_fit(X[:50], y[:50], epochs=0)
    other.load_params(f_params=tmp_path / "p.pt", f_history=tmp_path / "h.json")
    # scaling, fallback and temperature travel with the weights
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
    assert other.n_iter_ == 8


def test_checkpoint_keeps_the_best_and_can_restore_it(tmp_path):
    X, y = data()
    checkpoint = Checkpoint(dirname=str(tmp_path), monitor="valid_task_best", load_best=True)
    score = EpochScoring(
        lambda net, X, y: net.history[-1, "valid_task"], name="valid_task", use_caching=True
    )
    clf = classifier(max_epochs=12, lr=0.05, calibration=False, callbacks=[score, checkpoint]).fit(
        X, y
    )
    best = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, value in clf.module_.state_dict().items():
        assert torch.equal(value, best[name])


TO_BE_KILLED = """
import time
import numpy as np
from skorch.callbacks import Callback, Checkpoint
from sklearn_align.fusion import AECFClassifier

class Slow(Callback):
    def on_epoch_end(self, net, **kwargs):
        print(len(net.history), flush=True)
        time.sleep(0.3)

data = np.load({data!r})
AECFClassifier(
    modalities={{"image": 4, "sound": 3}}, max_epochs=1000, random_state=0,
    callbacks=[("save", Checkpoint(dirname={where!r}, monitor=None)), ("slow", Slow())],
).fit(data["X"], data["y"])
"""


@pytest.mark.slow
def test_resume_after_a_killed_process(tmp_path):
    X, y = data()
    np.savez(tmp_path / "data.npz", X=X, y=y)
    where = str(tmp_path / "checkpoint")
    code = textwrap.dedent(TO_BE_KILLED).format(data=str(tmp_path / "data.npz"), where=where)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    for line in process.stdout:
        if int(line) >= 4:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL

    epochs = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(len(net.history))

    checkpoint = Checkpoint(dirname=where, monitor=None)
    clf = classifier(
        max_epochs=10, callbacks=[LoadInitState(checkpoint), checkpoint, ("count", Count())]
    ).fit(X, y)
    # The first epoch after the restart continues the count, from the last one that was saved.
    assert epochs[0] >= 4
    assert clf.n_iter_ == epochs[-1] == epochs[0] + 9
    assert clf.score(X, y) > 0.6


# ------------------------------------------------------------------------------- no collapse


@pytest.mark.parametrize(("encoders", "seed"), [("linear", 0), ("mlp", 1), ("mlp", 2)])
def test_gate_does_not_collapse_on_the_stronger_modality(encoders, seed):
    """One modality tells everything, the other a little: both must keep working alone."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 600)
    strong = 4 * np.eye(3)[y] + rng.normal(size=(600, 3))
    weak = 2 * np.eye(3)[y] + rng.normal(size=(600, 3))
    X = np.hstack([strong, weak])
    clf = AECFClassifier(
        modalities={"strong": 3, "weak": 3}, encoders=encoders, max_epochs=40, random_state=seed
    ).fit(X, y)
    alone = X.copy()
    alone[:, :3] = np.nan
    assert clf.score(alone, y) > 0.7
    assert clf.history[-1, "train_gate_entropy"] > 0.1


# --------------------------------------------------------------------- subclasses and precision


class WithExtra(AECFClassifier):
    """Passes on what it does not know, as skorch's mixins do."""

    def __init__(self, *args, extra=1, **kwargs):
        self.extra = extra
        super().__init__(*args, **kwargs)


def test_subclasses_that_pass_arguments_on_keep_all_parameters():
    clf = clone(WithExtra(modalities=MODALITIES, extra=3, max_epochs=2, module__gate_hidden=5))
    assert set(clf.get_params()) - set(AECFClassifier().get_params()) == {
        "extra",
        "module__gate_hidden",
    }
    assert clf.extra == 3
    assert clf.max_epochs == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mixed_precision_through_accelerate():
    accelerate = pytest.importorskip("accelerate")
    from skorch.hf import AccelerateMixin

    class Accelerated(AccelerateMixin, AECFClassifier):
        pass

    X, y = data()
    accelerator = accelerate.Accelerator(mixed_precision="bf16", cpu=True)
    clf = Accelerated(
        modalities=MODALITIES, accelerator=accelerator, max_epochs=20, batch_size=64, random_state=0
    ).fit(X, y)
    assert clf.score(X, y) > 0.8
    p = clf.predict_proba(X)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
