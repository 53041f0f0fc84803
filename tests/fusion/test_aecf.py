from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion import AECFClassifier, AECFRegressor

MODALITIES = {"image": 4, "sound": 3, "text": 2}


def data(n=120, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    centres = 2 * np.random.default_rng(99).normal(size=(n_classes, 9))
    return centres[y] + rng.normal(size=(n, 9)), y


def with_gaps(X, seed=0, rate=0.4):
    """Blocks missing at random, at least one left in every sample."""
    rng = np.random.default_rng(seed)
    gone = rng.random((len(X), 3)) < rate
    gone[gone.all(axis=1), 0] = False
    X = X.copy()
    X[np.repeat(gone, [4, 3, 2], axis=1)] = np.nan
    return X, ~gone


def classifier(**options):
    return AECFClassifier(
        **{
            "modalities": MODALITIES,
            "max_epochs": 15,
            "batch_size": 64,
            "random_state": 0,
            **options,
        }
    )


@pytest.fixture(scope="module")
def fitted():
    X, y = data(240)
    X, _ = with_gaps(X)
    return classifier(max_epochs=30).fit(X, y)


# ------------------------------------------------------------------------------------- absence


def test_predictions_are_finite_whatever_is_missing(fitted):
    X, y = data(200, seed=1)
    X, presence = with_gaps(X, seed=1)
    p = fitted.predict_proba(X)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert fitted.score(X, y) > 0.8
    weights = fitted.modality_weights(X)
    assert (weights[~presence] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert np.isfinite(fitted.transform(X)).all()


def test_each_modality_alone_is_above_chance(fitted):
    X, y = data(300, seed=2)
    for columns in (slice(0, 4), slice(4, 7), slice(7, 9)):
        alone = np.full_like(X, np.nan)
        alone[:, columns] = X[:, columns]
        assert fitted.score(alone, y) > 0.5


def test_sample_without_any_modality_gets_the_class_frequencies():
    X, y = data(120)
    y = np.where(y == 2, 1, y)
    clf = classifier().fit(X, y)
    empty = np.full((2, 9), np.nan)
    with pytest.warns(MissingModalityWarning, match="2 of 2 samples have no present modality"):
        p = clf.predict_proba(empty)
    np.testing.assert_allclose(p, [np.bincount(y) / 120] * 2, rtol=1e-5)
    with pytest.warns(MissingModalityWarning):
        assert (clf.modality_weights(empty) == 0).all()
    with pytest.warns(MissingModalityWarning):
        assert (clf.gate_entropy(empty) == 0).all()


def test_samples_without_any_modality_teach_nothing():
    X, y = data(60)
    reference = classifier().fit(X, y)
    more = np.vstack([X, np.full((3, 9), np.nan)])
    with pytest.warns(MissingModalityWarning, match="3 of 63 samples"):
        clf = classifier().fit(more, np.append(y, [0, 0, 0]))
    np.testing.assert_array_equal(clf.predict_proba(X), reference.predict_proba(X))
    with pytest.raises(ValueError, match="no modality is present in any"):
        classifier().fit(np.full((5, 9), np.nan), [0, 1, 0, 1, 0])


def test_modality_never_seen_in_fit_is_refused_in_predict():
    X, y = data(60)
    X[:, 4:7] = np.nan
    clf = classifier().fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    other, _ = data(5)
    with pytest.raises(ValueError, match=r"\['sound'\] are present now, but were absent"):
        clf.predict(other)
    with pytest.raises(ValueError, match=r"\['sound'\] are present now"):
        clf.partial_fit(*data(5))


def test_values_of_a_dropped_block_do_not_matter_while_training():
    """The second pass of a training step is the one of the smaller subset, to the bit."""
    X, y = data(60)
    clf = classifier(masking="none", dropout=0.0).fit(X, y)
    masked = X.copy()
    masked[:, 4:7] = np.nan
    both = clf.module_.eval()
    samples = clf.get_dataset(X).X
    subset = torch.tensor([[True, False, True]]).expand(60, 3)
    with torch.no_grad():
        second = both(samples["X"], samples["presence"], subset)[3]
    np.testing.assert_allclose(
        torch.softmax(second.double(), dim=1), clf.predict_proba(masked), atol=1e-6
    )


def test_partly_missing_blocks():
    X, y = data(60)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="part of the block of modality 'image'"):
        classifier().fit(X, y)
    clf = classifier(partial_missing="impute").fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    filled = X.copy()
    filled[3, 1] = np.nanmean(X[:, 1])
    np.testing.assert_allclose(clf.predict_proba(X), clf.predict_proba(filled), atol=1e-6)


def test_standardisation_uses_present_samples_only():
    X, y = data(100)
    X, presence = with_gaps(X)
    clf = classifier(max_epochs=1).fit(X, y)
    means = clf.module_.scaler.center.double().sum(dim=0).numpy()
    np.testing.assert_allclose(means, np.nanmean(X, axis=0), rtol=1e-6)
    # with zeros in place of NaN the means would be drawn to zero
    assert not presence.all()


def test_infinite_values_are_refused():
    X, y = data(20)
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        classifier().fit(X, y)


# ------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    "labels", [np.array(["b", "a", "c"]), np.array([-5, 10, 3]), np.array([0.0, 1.0, 2.0])]
)
@pytest.mark.parametrize("dtype", [None, object])
def test_labels_of_any_type(labels, dtype):
    if labels.dtype.kind != "U" and dtype is object:
        pytest.skip("scikit-learn refuses object arrays of numbers")
    X, y = data(90)
    named = labels[y] if dtype is None else labels[y].astype(dtype)
    clf = classifier(max_epochs=30).fit(X, named)
    assert set(clf.predict(X)) <= set(labels)
    np.testing.assert_array_equal(clf.classes_, np.sort(labels))
    assert clf.score(X, named) > 0.9


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, bool])
def test_integer_labels_of_any_width_are_classes(dtype):
    X, y = data(60, n_classes=2)
    clf = classifier(max_epochs=2).fit(X, y.astype(dtype))
    assert clf.task_ == "multiclass"
    assert clf.predict_proba(X).shape == (60, 2)


def test_multilabel():
    X, Y = make_multilabel_classification(150, 9, n_classes=4, random_state=0)
    X = StandardScaler().fit_transform(X)
    clf = classifier(max_epochs=40).fit(X, Y)
    assert clf.task_ == "multilabel"
    p = clf.predict_proba(X)
    assert p.shape == (150, 4)
    assert ((p > 0) & (p < 1)).all()
    np.testing.assert_array_equal(clf.predict(X), (p > 0.5).astype(int))
    assert (clf.predict(X) == Y).mean() > max(Y.mean(), 1 - Y.mean()) + 0.1
    constant = Y.copy()
    constant[:, 0] = 1
    assert classifier(max_epochs=40).fit(X, constant).predict(X)[:, 0].all()


def test_multilabel_prior_of_empty_samples():
    X, Y = make_multilabel_classification(150, 9, n_classes=4, random_state=0)
    clf = classifier(max_epochs=1).fit(X, Y)
    with pytest.warns(MissingModalityWarning):
        p = clf.predict_proba(np.full((1, 9), np.nan))
    np.testing.assert_allclose(p[0], (Y.sum(axis=0) + 0.5) / 151, rtol=1e-5)


def test_balanced_pos_weight_is_zeros_over_ones():
    X, Y = make_multilabel_classification(150, 9, n_classes=4, random_state=0)
    clf = classifier(max_epochs=1, pos_weight="balanced").fit(X, Y)
    f = Y.mean(axis=0)
    np.testing.assert_allclose(clf.criterion_.pos_weight, (1 - f) / f, rtol=1e-5)
    given = classifier(max_epochs=1, pos_weight=[1.0, 2.0, 3.0, 4.0]).fit(X, Y)
    np.testing.assert_allclose(given.criterion_.pos_weight, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="4 positive numbers"):
        classifier(pos_weight=[1.0, 2.0]).fit(X, Y)


def test_class_weight_balanced_is_the_same_as_weights():
    X, y = data(90, n_classes=2)
    keep = (y == 0) | (np.arange(90) % 5 == 0)
    X, y = X[keep], y[keep]
    count = np.bincount(y)
    balanced = classifier(class_weight="balanced").fit(X, y)
    by_hand = classifier(class_weight={0: 1 / count[0], 1: 1 / count[1]}).fit(X, y)
    weighted = classifier().fit(X, y, sample_weight=1 / count[y])
    for other in (by_hand, weighted):
        np.testing.assert_allclose(
            balanced.predict_proba(X), other.predict_proba(X), rtol=1e-3, atol=1e-4
        )
    with pytest.raises(ValueError, match=r"class_weight names \[7\]"):
        classifier(class_weight={7: 1.0}).fit(X, y)


def test_settings_of_the_other_task_are_refused():
    X, Y = make_multilabel_classification(60, 9, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match="weigh several labels with pos_weight"):
        classifier(class_weight="balanced").fit(X, Y)
    with pytest.raises(ValueError, match="weigh classes with class_weight"):
        classifier(pos_weight="balanced").fit(X, Y[:, 0])


def test_one_class_and_unsupported_targets():
    X, _ = data(20)
    with pytest.raises(ValueError, match="1 class"):
        classifier().fit(X, np.ones(20))
    with pytest.raises(ValueError, match="Unknown label type"):
        classifier().fit(X, np.linspace(0, 1, 20))
    with pytest.raises(ValueError, match="y is None"):
        classifier().fit(X, None)


def test_column_vector_is_flattened_with_a_warning():
    X, y = data(30)
    with pytest.warns(DataConversionWarning):
        clf = classifier(max_epochs=1).fit(X, y[:, None])
    assert clf.predict(X).shape == (30,)


# ------------------------------------------------------------------------------------- weights


def test_weights_are_repetitions_and_order_does_not_matter():
    X, y = data(320)
    X, _ = with_gaps(X)
    weight = np.random.default_rng(0).integers(0, 4, 320)
    order = np.random.default_rng(1).permutation(320)
    weighted = classifier(max_epochs=4).fit(X, y, sample_weight=weight)
    repeated = classifier(max_epochs=4).fit(X.repeat(weight, axis=0), y.repeat(weight))
    shuffled = classifier(max_epochs=4).fit(X[order], y[order], sample_weight=weight[order])
    # more than 200 samples are left: validation split, early stopping and temperature take part
    assert "valid_loss" in weighted.history[-1]
    for other in (repeated, shuffled):
        np.testing.assert_array_equal(weighted.predict_proba(X), other.predict_proba(X))


def test_scale_of_the_weights_does_not_matter():
    X, y = data(60)
    weight = np.random.default_rng(0).random(60) + 0.5
    one = classifier().fit(X, y, sample_weight=weight)
    two = classifier().fit(X, y, sample_weight=8 * weight)
    np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X), rtol=1e-5, atol=1e-7)


def test_negative_weights_are_refused():
    X, y = data(20)
    with pytest.raises(ValueError, match="Negative values"):
        classifier().fit(X, y, sample_weight=-np.ones(20))


# ------------------------------------------------------------------------- reproducible, inert


def test_same_seed_same_bits_and_other_seed_other_model():
    X, y = data(240)
    first = classifier(max_epochs=3).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, classifier(max_epochs=3).fit(X, y).predict_proba(X))
    other = classifier(max_epochs=3, random_state=1).fit(X, y).predict_proba(X)
    assert not np.array_equal(first, other)


def test_callers_state_is_left_alone():
    X, y = data(240)
    X_before, y_before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    torch.manual_seed(3)
    expected_torch = torch.rand(1)
    torch.manual_seed(3)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    clf = classifier(max_epochs=2).fit(X, y)
    clf.predict(X)
    assert torch.equal(torch.rand(1), expected_torch)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)


def test_own_module_is_not_trained_in_place():
    X, y = data(60)
    own = nn.Linear(4, 128)
    before = own.weight.detach().clone()
    clf = classifier(encoders={"image": own}, max_epochs=2).fit(X, y)
    assert torch.equal(own.weight, before)
    assert not torch.equal(clf.module_.encoders[0].weight, before)
    clone(clf).fit(X, y)


def test_samples_do_not_influence_each_other(fitted):
    X, _ = data(50, seed=3)
    whole = fitted.predict_proba(X)
    alone = np.vstack([fitted.predict_proba(x[None]) for x in X])
    np.testing.assert_allclose(alone, whole, rtol=1e-6)


def test_precision_follows_the_input(fitted):
    X, _ = data(10, seed=3)
    for method in ("predict_proba", "transform", "modality_weights", "gate_entropy"):
        assert getattr(fitted, method)(X).dtype == np.float64
        assert getattr(fitted, method)(X.astype(np.float32)).dtype == np.float32


# ------------------------------------------------------------------------------------ layouts


def test_columns_by_name_and_feature_names():
    X, y = data(60)
    names = [f"c{i}" for i in range(9)]
    frame = pd.DataFrame(X, columns=names)
    layout = {"image": names[:4], "sound": names[4:7], "text": names[7:]}
    clf = classifier(modalities=layout).fit(frame, y)
    np.testing.assert_array_equal(clf.predict_proba(frame), classifier().fit(X, y).predict_proba(X))
    with pytest.raises(ValueError, match="same order"):
        clf.predict(frame[names[::-1]])
    assert clf.modality_names_ == ["image", "sound", "text"]
    with pytest.raises(ValueError, match="no column names"):
        classifier(modalities=layout).fit(X, y)


def test_order_of_columns_in_x_does_not_matter():
    X, y = data(60)
    order = np.random.default_rng(0).permutation(9)
    position = np.argsort(order)
    layout = {"image": position[:4], "sound": position[4:7], "text": position[7:]}
    moved = classifier(modalities=layout, train_split=lambda samples, y: (samples, None))
    plain = classifier(train_split=lambda samples, y: (samples, None))
    np.testing.assert_array_equal(
        moved.fit(X[:, order], y).predict_proba(X[:, order]), plain.fit(X, y).predict_proba(X)
    )


def test_widths_must_match():
    X, y = data(20)
    with pytest.raises(ValueError, match="sum to 3, but X has 9"):
        classifier(modalities={"a": 3}).fit(X, y)


# ------------------------------------------------------------------------ further training


def test_partial_fit_needs_no_fit_and_goes_on():
    X, y = data(240)
    clf = classifier()
    clf.partial_fit(X[:100], y[:100], classes=[0, 1, 2, 3])
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2, 3])
    before = [p.detach().clone() for p in clf.module_.parameters()]
    for _ in range(30):
        clf.partial_fit(X[100:], y[100:])
    assert clf.n_iter_ == 31
    assert any(not torch.equal(a, b) for a, b in zip(before, clf.module_.parameters(), strict=True))
    assert clf.score(X, y) > 0.9
    with pytest.raises(ValueError, match=r"\[7\], which are not among the classes"):
        clf.partial_fit(X[:2], [0, 7])


def test_zero_epochs_only_build_the_network():
    X, y = data(30)
    clf = classifier().partial_fit(X, y, epochs=0)
    assert clf.n_iter_ == 0
    assert clf.predict_proba(X).shape == (30, 3)
    with pytest.raises(ValueError, match="epochs must be"):
        clf.partial_fit(X, y, epochs=-1)


def test_warm_start_continues_and_fit_starts_over():
    X, y = data(60)
    warm = classifier(warm_start=True, max_epochs=3).fit(X, y).fit(X, y)
    assert warm.n_iter_ == 6
    cold = classifier(max_epochs=3).fit(X, y)
    first = cold.predict_proba(X)
    cold.fit(X, y)
    assert cold.n_iter_ == 3
    np.testing.assert_array_equal(cold.predict_proba(X), first)


def test_set_params_leaves_a_fitted_network_alone(fitted):
    clf = clone(fitted).set_params(max_epochs=2)
    X, y = data(60)
    clf.fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(module__n_units=16, n_units=16, masking="none", compile=False)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.fit(X, y).transform(X).shape == (60, 16)
    with pytest.raises(ValueError, match="Invalid parameter"):
        clf.set_params(nonsense=1)
    with pytest.raises(ValueError, match="Invalid parameter"):
        clf.set_params(nonsense__x=1)


# --------------------------------------------------------------------------------- skorch routes


def test_routed_parameters_arrive():
    X, y = data(60)
    clf = classifier(
        max_epochs=1,
        module__gate_hidden=5,
        optimizer__betas=(0.5, 0.9),
        criterion__label_smoothing=0.2,
        iterator_train__drop_last=True,
        callbacks__lr_schedule=None,
    )
    assert clone(clf).get_params()["module__gate_hidden"] == 5
    clf.fit(X, y)
    assert clf.module_.gate.hidden.out_features == 5
    assert clf.optimizer_.param_groups[0]["betas"] == (0.5, 0.9)
    assert clf.criterion_.label_smoothing == 0.2
    assert "lr_schedule" not in dict(clf.callbacks_)
    with pytest.raises(ValueError, match="unexpected argument"):
        classifier(gate_hiden=5).fit(X, y)


def test_gate_has_its_own_learning_rate_and_no_weight_decay():
    X, y = data(60)
    clf = classifier(max_epochs=1, lr=1e-3, gate_lr=5e-3, weight_decay=0.1, lr_schedule="constant")
    clf.fit(X, y)
    rest, gate = clf.optimizer_.param_groups
    assert {id(p) for p in gate["params"]} == {id(p) for p in clf.module_.gate.parameters()}
    assert (gate["lr"], gate["weight_decay"]) == (5e-3, 0.0)
    assert (rest["lr"], rest["weight_decay"]) == (1e-3, 0.1)


def test_data_loader_in_place_of_tensor_batches():
    X, y = data(60)
    loader = classifier(iterator_train=DataLoader, iterator_valid=DataLoader).fit(X, y)
    assert loader.score(X, y) > 0.8


def test_other_optimizer():
    X, y = data(60)
    clf = classifier(optimizer=torch.optim.SGD, lr=0.1, optimizer__momentum=0.9).fit(X, y)
    assert clf.score(X, y) > 0.8


def test_before_fit():
    X, _ = data(5)
    for method in ("predict", "predict_proba", "transform", "modality_weights", "gate_entropy"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(X)
    with pytest.raises(NotFittedError, match="was not fitted, and the sizes"):
        classifier().initialize()
    assert not hasattr(classifier(), "classes_")
    assert "AECFClassifier(" in repr(classifier())


# ----------------------------------------------------------------------------------- history


def test_history_has_every_component_over_all_samples():
    X, y = data(240)
    clf = classifier(max_epochs=6, early_stopping=False).fit(X, y)
    names = ("loss", "task", "entropy", "ece", "l2", "consistency", "gate_entropy", "violations")
    for row in clf.history:
        for name in names:
            assert np.isfinite(row[f"train_{name}"])
            assert np.isfinite(row[f"valid_{name}"])
        assert row["train_entropy"] == -row["train_gate_entropy"]
        for prefix in ("train", "valid"):
            total = (
                row[f"{prefix}_task"]
                + row["entropy_lambda"] * row[f"{prefix}_entropy"]
                + clf.l2_weight * row[f"{prefix}_l2"]
                + clf.consistency_weight * row["consistency_ramp"] * row[f"{prefix}_consistency"]
            )
            assert row[f"{prefix}_loss"] == pytest.approx(total, rel=1e-4)
    assert clf.history[-1, "valid_consistency"] > 0
    ramps = clf.history[:, "consistency_ramp"]
    np.testing.assert_allclose(ramps, [0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_epoch_figures_do_not_depend_on_the_batches():
    """They are figures of all samples, not means over batches of unequal size."""
    X, y = data(205)
    options = {"max_epochs": 1, "dropout": 0.0, "masking": "none", "lr": 1e-12}
    small = classifier(batch_size=100, **options).fit(X, y).history[0]
    large = classifier(batch_size=1000, **options).fit(X, y).history[0]
    for name in ("task", "ece", "l2", "gate_entropy", "loss"):
        assert small[f"train_{name}"] == pytest.approx(large[f"train_{name}"], rel=1e-4)
    assert small["train_batch_count"] > 1


def test_masking_warmup_ramps():
    X, y = data(60)
    clf = classifier(masking_warmup=4, max_epochs=5).fit(X, y)
    np.testing.assert_allclose(clf.history[:, "masking_ramp"], [0.25, 0.5, 0.75, 1, 1])


# ------------------------------------------------------------------------------- calibration


def test_temperature_is_fitted_with_a_split_and_only_then():
    X, y = data(240)
    fitted = classifier(max_epochs=3).fit(X, y)
    assert (fitted.module_.log_temperature != 0).any()
    for options in ({"calibration": False}, {"train_split": None}):
        plain = classifier(max_epochs=3, **options).fit(X, y)
        assert (plain.module_.log_temperature == 0).all()


def test_calibrate_on_held_out_samples():
    X, y = data(400, seed=5)
    noisy = np.where(np.random.default_rng(0).random(400) < 0.4, (y + 1) % 3, y)
    clf = classifier(train_split=None, max_epochs=60).fit(X[:100], noisy[:100])
    before, predicted = clf.predict_proba(X[100:]), clf.predict(X[100:])
    clf.calibrate(X[100:300], noisy[100:300])
    after = clf.predict_proba(X[100:])
    np.testing.assert_array_equal(clf.predict(X[100:]), predicted)
    held_out = noisy[300:]

    def loss(p):
        return -np.log(p[200:][np.arange(100), held_out]).mean()

    assert loss(after) < loss(before)


def test_cross_fitting_needs_no_held_out_samples():
    """Noisy classes that the network can learn by heart: only unseen samples show it."""
    X, y = data(150, seed=5)
    noisy = np.where(np.random.default_rng(0).random(150) < 0.4, (y + 1) % 3, y)
    options = {"max_epochs": 20, "lr": 1e-2, "dropout": 0.0}
    plain = classifier(train_split=None, **options).fit(X, noisy)
    fitted = classifier(calibration="cross_fit", **options).fit(X, noisy)
    assert "valid_loss" not in fitted.history[-1]
    # all samples have trained the same network, the temperature apart
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))
    np.testing.assert_array_equal(fitted.modality_weights(X), plain.modality_weights(X))
    X_new, y_new = data(600, seed=6)
    noisy_new = np.where(np.random.default_rng(1).random(600) < 0.4, (y_new + 1) % 3, y_new)
    for keep in ([True, True, True], [True, False, False]):
        hidden = X_new.copy()
        hidden[:, np.repeat(~np.array(keep), [4, 3, 2])] = np.nan
        calibrated, raw = (
            log_loss(noisy_new, clf.predict_proba(hidden)) for clf in (fitted, plain)
        )
        assert calibrated < raw


def test_cross_fitting_is_repeatable_and_further_training_keeps_the_temperature():
    X, y = data(60)
    X, _ = with_gaps(X)
    first, second = (
        classifier(calibration="cross_fit", max_epochs=3).fit(X, y).module_.log_temperature
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert (first != 0).any()
    clf = classifier(calibration="cross_fit", max_epochs=3).fit(X, y)
    assert torch.equal(clf.partial_fit(X, y).module_.log_temperature, first)


def test_cross_fitting_of_several_labels_rare_classes_and_rare_modalities():
    X, y = make_multilabel_classification(60, 9, n_classes=3, random_state=0)
    clf = classifier(calibration="cross_fit", max_epochs=2).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    X, y = data(60)
    y[:-1][y[:-1] == 2] = 0
    y[-1] = 2  # the only sample of its class, and the only one with the third modality
    X[:-1, 7:] = np.nan
    clf = classifier(calibration="cross_fit", max_epochs=2).fit(X, y)
    assert torch.isfinite(clf.module_.log_temperature).all()
    assert clf.predict_proba(X).shape == (60, 3)


def test_cross_fitting_leaves_the_callbacks_of_the_user_to_the_network_itself():
    begun = []

    class Recorder(Callback):
        def __init__(self, name=""):
            self.name = name

        def on_train_begin(self, net, **kwargs):
            begun.append(self.name)

    X, y = data(60)
    options = {"callbacks": [("recorder", Recorder())], "callbacks__recorder__name": "final"}
    classifier(calibration="cross_fit", max_epochs=1, **options).fit(X, y)
    assert begun == ["final"]


def test_cross_fitting_holds_samples_out_for_early_stopping_alone():
    X, y = data(240)
    clf = classifier(calibration="cross_fit", early_stopping=True, max_epochs=2).fit(X, y)
    assert "valid_loss" in clf.history[-1]


# -------------------------------------------------------------------------- the wider ecosystem


def test_pipeline_lets_missing_blocks_through():
    X, y = data(90)
    X, _ = with_gaps(X)
    pipeline = make_pipeline(StandardScaler(), classifier(max_epochs=25)).fit(X, y)
    assert pipeline.score(X, y) > 0.8


def test_column_transformer_in_front():
    X, y = data(90)
    columns = ColumnTransformer(
        [("a", StandardScaler(), [0, 1, 2, 3]), ("b", "passthrough", [4, 5, 6, 7, 8])]
    )
    assert make_pipeline(columns, classifier(max_epochs=25)).fit(X, y).score(X, y) > 0.9


def test_grid_search_with_two_processes():
    X, y = data(90)
    X, _ = with_gaps(X)
    grid = {"masking_prob": [0.3, 0.9], "lr": [1e-3, 1e-2], "module__gate_hidden": [8]}
    search = GridSearchCV(classifier(max_epochs=3), grid, cv=2, n_jobs=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.module_.gate.hidden.out_features == 8


def test_cross_validation_is_repeatable():
    X, y = data(90)
    scores = [cross_val_score(classifier(max_epochs=2), X, y, cv=2) for _ in range(2)]
    np.testing.assert_array_equal(*scores)
    p = cross_val_predict(classifier(max_epochs=2), X, y, cv=2, method="predict_proba")
    assert p.shape == (90, 3)


def test_as_a_part_of_other_estimators():
    X, y = data(90)
    X, _ = with_gaps(X)
    base = classifier(max_epochs=15)
    calibrated = CalibratedClassifierCV(base, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.7
    stack = StackingClassifier([("aecf", base)], LogisticRegression(), cv=2).fit(X, y)
    assert stack.score(X, y) > 0.7


def test_permutation_importance_finds_the_informative_block():
    rng = np.random.default_rng(0)
    X, y = make_classification(
        200, 4, n_informative=4, n_redundant=0, shuffle=False, random_state=0
    )
    X = np.hstack([X, rng.normal(size=(200, 5))])
    clf = classifier(max_epochs=25).fit(X, y)
    importance = permutation_importance(clf, X, y, n_repeats=3, random_state=0).importances_mean
    assert importance[:4].sum() > importance[4:].sum()


def test_sample_weight_by_metadata_routing():
    from sklearn import config_context

    X, y = data(60)
    weight = np.random.default_rng(0).integers(1, 3, 60)
    with config_context(enable_metadata_routing=True):
        clf = classifier(max_epochs=1).set_fit_request(sample_weight=True)
        clf.set_score_request(sample_weight=True)
        search = GridSearchCV(clf, {"lr": [1e-3]}, cv=2).fit(X, y, sample_weight=weight)
    assert np.isfinite(search.best_score_)


def test_transform_names_and_frames(fitted):
    X, _ = data(5, seed=4)
    names = fitted.get_feature_names_out()
    assert names[0] == "aecfclassifier0"
    assert len(names) == 128
    framed = clone(fitted).set_params(max_epochs=1).set_output(transform="pandas")
    X_train, y_train = data(40)
    assert list(framed.fit(X_train, y_train).transform(X).columns) == list(names)


# ------------------------------------------------------------------------------------ regressor


def test_regression_recovers_a_linear_target_in_its_own_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 9))
    y = 1e4 + 50 * X[:, 0] - 20 * X[:, 5]
    reg = AECFRegressor(modalities=MODALITIES, random_state=0).fit(X, y)
    assert reg.score(X, y) > 0.9
    assert reg.predict(X).shape == (400,)
    with pytest.warns(MissingModalityWarning):
        np.testing.assert_allclose(reg.predict(np.full((1, 9), np.nan)), y.mean(), rtol=1e-6)
    with pytest.raises(AttributeError):
        _ = reg.predict_proba
    gone = X.copy()
    gone[:, 4:] = np.nan
    assert np.corrcoef(reg.predict(gone), 50 * X[:, 0])[0, 1] > 0.9


def test_regression_of_several_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 9))
    Y = np.column_stack([X[:, 0], 1000 * X[:, 5]])
    reg = AECFRegressor(modalities=MODALITIES, random_state=0).fit(X, Y)
    assert reg.predict(X).shape == (150, 2)
    assert reg.score(X, Y) > 0.8
    column = AECFRegressor(max_epochs=2).fit(X, Y[:, :1]).predict(X)
    assert column.shape == (150, 1)
    with pytest.raises(ValueError, match="y has 1 targets; the estimator was fitted with 2"):
        reg.partial_fit(X, Y[:, 0])


def test_regression_weights_are_repetitions():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 9)), rng.normal(size=40)
    weight = rng.integers(0, 3, 40)
    options = {"modalities": MODALITIES, "max_epochs": 3, "random_state": 0}
    weighted = AECFRegressor(**options).fit(X, y, sample_weight=weight)
    repeated = AECFRegressor(**options).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))


@pytest.mark.parametrize("encoder", ["identity", "linear", "mlp"])
@pytest.mark.parametrize("fusion", ["mean", "expert"])
def test_every_encoder_and_fusion_trains(encoder, fusion):
    X, y = data(120)
    X, _ = with_gaps(X)
    clf = classifier(encoders=encoder, fusion=fusion, max_epochs=60, lr=5e-3).fit(X, y)
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize(
    "strategy", ["none", "random", "weighted_random", "entropy_min", "entropy_max", "entropy"]
)
def test_every_masking_strategy_trains(strategy):
    X, y = data(120)
    clf = classifier(masking=strategy, max_epochs=25).fit(X, y)
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize(
    "options",
    [
        {"head": "mlp"},
        {"consistency": "monotone"},
        {"ece_weight": 0.5},
        {"gate_activation": "sigmoid"},
        {"label_smoothing": 0.05},
        {"standardize": False},
        {"min_active": 2},
        {"lr_schedule": "constant", "gradient_clip": None},
    ],
    ids=str,
)
def test_every_other_option_trains(options):
    X, y = data(240)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert classifier(max_epochs=25, **options).fit(X, y).score(X, y) > 0.8


def test_bad_temperatures_and_layers():
    X, y = data(20)
    with pytest.raises(ValueError, match="exceeds gate_temperature"):
        classifier(gate_temperature=1.0).fit(X, y)
    with pytest.raises(ValueError, match="hidden_sizes must hold positive integers"):
        classifier(hidden_sizes=(0,)).fit(X, y)
