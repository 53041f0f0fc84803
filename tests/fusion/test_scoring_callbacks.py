"""Scoring callbacks see targets as they were given, and predictions in the same units."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, get_scorer, make_scorer, mean_squared_error
from skorch.callbacks import BatchScoring, Callback, EpochScoring
from torch.utils.data import DataLoader, Subset

from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor

MODALITIES = {"image": 3, "sound": 2}
N_TRAIN = 70
CODINGS = {
    "0/1": np.array([0, 1]),
    "1/2": np.array([1, 2]),
    "-1/1": np.array([-1.0, 1.0]),
    "bool": np.array([False, True]),
    "uint16": np.array([7, 9], dtype=np.uint16),
    "str": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
}


def first_samples_train(dataset, y=None, **params):
    return Subset(dataset, range(N_TRAIN)), Subset(dataset, range(N_TRAIN, len(dataset)))


def data(n=100, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 5)) + z[:, None]
    X[rng.random(n) < 0.2, :3] = np.nan
    return X, z


def settings(**options):
    return {
        "modalities": MODALITIES,
        "max_epochs": 3,
        "batch_size": 32,
        "train_split": first_samples_train,
        "random_state": 0,
        **options,
    }


def part(on_train):
    return slice(0, N_TRAIN) if on_train else slice(N_TRAIN, None)


def scorings(coding):
    positive = CODINGS[coding][1]
    named = {name: name for name in ("accuracy", "roc_auc", "neg_log_loss", "f1_macro")}
    if coding in ("0/1", "1/2", "-1/1", "bool"):
        named.update({name: name for name in ("average_precision", "f1", "precision", "recall")})
    named["f1 of positives"] = make_scorer(f1_score, pos_label=positive)
    named["own"] = lambda net, X, y: float((net.predict(X) == y).mean())
    named["none"] = None
    return named


def scorer_of(scoring):
    if scoring is None:
        return lambda clf, X, y: clf.score(X, y)
    return get_scorer(scoring) if isinstance(scoring, str) else scoring


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("use_caching", [True, False])
def test_classifier_scores_the_labels_of_the_user(coding, use_caching):
    X, z = data()
    y = CODINGS[coding][z]
    callbacks = [
        (f"{name} {on_train}", EpochScoring(scoring, name=f"{name} {on_train}", on_train=on_train,
                                            use_caching=use_caching))
        for name, scoring in scorings(coding).items()
        for on_train in ([False] if use_caching else [False, True])
    ]  # fmt: skip
    clf = AECFClassifier(**settings(calibration=False, callbacks=callbacks)).fit(X, y)
    for name, scoring in scorings(coding).items():
        for on_train in [False] if use_caching else [False, True]:
            where = part(on_train)
            expected = scorer_of(scoring)(clf, X[where], y[where])
            assert clf.history[-1, f"{name} {on_train}"] == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("on_train", [True, False])
@pytest.mark.parametrize("iterator", [None, DataLoader])
def test_callables_get_exactly_the_targets_of_the_user(use_caching, on_train, iterator):
    X, z = data()
    rng = np.random.default_rng(1)
    targets = {
        "classes": np.array(["a", "b"])[z],
        "labels": np.column_stack([z, 1 - z]).astype(bool),
        "one": 1e6 + rng.normal(size=100) / 3,
        "several": 1e-3 * rng.normal(size=(100, 2)),
    }
    extra = {} if iterator is None else {"iterator_train": iterator, "iterator_valid": iterator}
    for kind, y in targets.items():
        seen = []

        def record(net, X, y, seen=seen):
            predictions = net.predict(X)
            assert predictions.shape == y.shape
            assert predictions.dtype == y.dtype
            seen.append(y)
            return 0.0

        score = EpochScoring(record, name="own", on_train=on_train, use_caching=use_caching)
        kind_of_net = AECFRegressor if kind in ("one", "several") else AECFClassifier
        kind_of_net(**settings(callbacks=[score], max_epochs=1, **extra)).fit(X, y)
        (found,), expected = seen, y[part(on_train)]
        assert found.dtype.kind == y.dtype.kind
        order = (lambda a: a) if not on_train or not use_caching else (lambda a: np.sort(a, axis=0))
        np.testing.assert_array_equal(order(found), order(expected))


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "r2", "neg_mean_absolute_error"])
def test_regressor_scores_in_the_units_of_the_user(use_caching, scoring):
    X, z = data()
    for y in (1e4 + 300.0 * z + X[:, 4], np.column_stack([50.0 * z, X[:, 3]])):
        score = EpochScoring(scoring, name="score", use_caching=use_caching)
        reg = AECFRegressor(**settings(callbacks=[score])).fit(X, y)
        expected = get_scorer(scoring)(reg, X[N_TRAIN:], y[N_TRAIN:])
        assert reg.history[-1, "score"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("use_caching", [True, False])
def test_multilabel_scores_the_label_matrix(use_caching):
    X, z = data()
    y = np.column_stack([z, X[:, 4] > 0.5, X[:, 3] > 1]).astype(float)
    callbacks = [
        (name, EpochScoring(name, name=name, use_caching=use_caching))
        for name in ("f1_micro", "average_precision", "roc_auc")
    ]
    clf = AECFClassifier(**settings(calibration=False, callbacks=callbacks)).fit(X, y)
    for name, _ in callbacks:
        expected = get_scorer(name)(clf, X[N_TRAIN:], y[N_TRAIN:])
        assert clf.history[-1, name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("use_caching", [True, False])
def test_batch_scoring_sees_the_targets_of_the_user(use_caching):
    X, z = data()
    y = np.array(["no", "yes"])[z]
    callbacks = [
        ("f1", BatchScoring(make_scorer(f1_score, pos_label="yes"), name="f1",
                            use_caching=use_caching)),
        ("train", BatchScoring("accuracy", name="train", on_train=True, use_caching=use_caching)),
    ]  # fmt: skip
    clf = AECFClassifier(**settings(calibration=False, callbacks=callbacks)).fit(X, y)
    # The 30 validation samples are one batch.
    expected = f1_score(y[N_TRAIN:], clf.predict(X[N_TRAIN:]), pos_label="yes")
    assert clf.history[-1, "f1"] == pytest.approx(expected)
    assert 0 < clf.history[-1, "train"] <= 1

    y = 100.0 + X[:, 4]
    score = BatchScoring("neg_mean_squared_error", name="mse", use_caching=use_caching)
    reg = AECFRegressor(**settings(callbacks=[score])).fit(X, y)
    expected = -mean_squared_error(y[N_TRAIN:], reg.predict(X[N_TRAIN:]))
    assert reg.history[-1, "mse"] == pytest.approx(expected, rel=1e-5)


def test_scores_do_not_depend_on_the_coding_of_the_classes():
    """With the default split, sample weights and merged samples; also in further training."""
    X, z = data(260)
    X, z = np.vstack([X, X[:20]]), np.r_[z, z[:20]]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(z))
    histories = []
    for coding in CODINGS.values():
        callbacks = [
            ("valid", EpochScoring("accuracy", name="valid")),
            ("uncached", EpochScoring("accuracy", name="uncached", use_caching=False)),
            ("train", EpochScoring("roc_auc", name="train", on_train=True)),
        ]
        clf = AECFClassifier(**settings(train_split="auto", callbacks=callbacks))
        clf.fit(X, coding[z], sample_weight=weight)
        assert clf.history[-1, "valid"] == clf.history[-1, "uncached"]
        clf.partial_fit(X, coding[z])
        histories.append([clf.history[:, name] for name in ("valid", "train", "train_loss")])
    assert all(history == histories[0] for history in histories)


def test_callbacks_do_not_change_the_training():
    X, z = data(240)
    y = np.array(["no", "yes"])[z]
    callbacks = [
        EpochScoring("accuracy", name="a"),
        EpochScoring("accuracy", name="b", on_train=True, use_caching=False),
    ]
    with_callbacks = AECFClassifier(**settings(train_split="auto", callbacks=callbacks)).fit(X, y)
    without = AECFClassifier(**settings(train_split="auto")).fit(X, y)
    np.testing.assert_array_equal(with_callbacks.predict_proba(X), without.predict_proba(X))


def test_callbacks_of_an_embedder_get_no_targets_of_the_user():
    X, z = data()
    norms = EpochScoring(
        lambda net, X, y: float(np.linalg.norm(net.transform(X), axis=1).mean()), name="norm"
    )
    net = AECFEmbedder(**settings(callbacks=[norms])).fit(X, z)
    assert net.history[-1, "norm"] == pytest.approx(1, abs=1e-5)


def test_numbers_stay_tensors_in_batches():
    """Callbacks that are written for skorch's nets call methods of tensors."""
    X, z = data()
    kinds = []

    class Types(Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            kinds.append(type(batch[1]).__name__)

    AECFClassifier(**settings(callbacks=[Types()])).fit(X, z + 1)
    assert set(kinds) == {"Tensor"}
    kinds.clear()
    AECFClassifier(**settings(callbacks=[Types()])).fit(X, np.array(["no", "yes"])[z])
    assert set(kinds) == {"ndarray"}
