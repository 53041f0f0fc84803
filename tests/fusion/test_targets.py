"""One object for each kind of target."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_align.fusion import AECFClassifier, AECFRegressor
from sklearn_align.fusion._numeric_targets import NoTargets, NumericTargets
from sklearn_align.fusion._targets import ClassTargets, LabelTargets, classification_targets


def test_the_kind_of_targets_follows_from_y():
    assert isinstance(classification_targets(np.array(["a", "b"]), None, "Net"), ClassTargets)
    assert isinstance(classification_targets(np.eye(3, dtype=int), None, "Net"), LabelTargets)


@pytest.mark.parametrize(
    "y",
    [np.arange(12) % 3, np.arange(12) % 2, np.array(["a", "b"] * 6), np.arange(12)[:, None] % 2],
)
def test_a_vector_is_refused_for_several_labels(y):
    X = np.random.default_rng(0).normal(size=(12, 3))
    message = r"task='multilabel' \(also task_type of an AECFConfig\), but y holds one class .*"
    with pytest.raises(ValueError, match=message + "MultiLabelBinarizer.*task='auto'"):
        AECFClassifier(task="multilabel", max_epochs=1).fit(X, y)


def test_an_indicator_matrix_is_refused_for_one_class():
    X, y = np.random.default_rng(0).normal(size=(12, 3)), np.eye(3, dtype=int)[np.arange(12) % 3]
    with pytest.raises(ValueError, match=r"task='multiclass', but y .* 3 labels.*argmax\(axis=1\)"):
        AECFClassifier(task="multiclass", max_epochs=1).partial_fit(X, y)
    fitted = AECFClassifier(task="multilabel", max_epochs=1, random_state=0).fit(X, y)
    assert fitted.task_ == "multilabel"
    plain = AECFClassifier(max_epochs=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))


def test_classes_are_encoded_and_decoded():
    y = np.array(["b", "a", "c", "a"])
    targets = classification_targets(y, ["a", "b", "c", "d"], "Net")
    encoded = targets.encode(y)
    assert encoded.tolist() == [1, 0, 2, 0]
    assert targets.n_outputs == 4
    probabilities = targets.probabilities(5.0 * np.eye(4)[encoded])
    assert targets.decode(probabilities).tolist() == y.tolist()
    with pytest.raises(ValueError, match="not among the classes"):
        targets.encode(np.array(["e", "a"]))
    with pytest.raises(ValueError, match="fitted as multiclass"):
        targets.encode(np.eye(2, dtype=int))


def test_prior_outputs_are_logarithms_of_frequencies():
    classes = ClassTargets(np.array([0, 1]))
    prior = classes.prior_output(np.array([0, 0, 0, 1]), np.ones(4))
    torch.testing.assert_close(prior, torch.log(torch.tensor([0.75, 0.25])))
    labels = LabelTargets(1, np.dtype(int))
    prior = labels.prior_output(np.array([[1], [0], [0]]), np.array([2.0, 1.0, 1.0]))
    torch.testing.assert_close(prior, torch.tensor([0.0]))
    assert torch.equal(
        NumericTargets(2, 2).prior_output(np.ones((3, 2)), np.ones(3)), torch.zeros(2)
    )
    assert torch.equal(NoTargets(3).prior_output(np.zeros(2), np.ones(2)), torch.zeros(3))


def test_weights_of_labels_are_resolved_into_a_copy():
    labels = LabelTargets(2, np.dtype(int))
    encoded = np.array([[1, 1], [0, 1], [0, 1], [0, 1]])
    resolved = labels.resolve(encoded, np.ones(4), "balanced")
    assert resolved.pos_weight.tolist() == [3.0, 1.0]
    assert labels.pos_weight is None
    with pytest.raises(ValueError, match="2 positive numbers"):
        labels.resolve(encoded, np.ones(4), [1.0])


def test_calibration_checks_the_sample_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = np.arange(30) % 2
    clf = AECFClassifier(max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"(?i)negative"):
        clf.calibrate(X, y, sample_weight=np.r_[-1.0, np.ones(29)])
    with pytest.raises(ValueError, match="sample_weight"):
        clf.calibrate(X, y, sample_weight=np.ones(7))


def test_the_prior_output_leaves_the_scaling_of_targets_alone():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), 5.0 + 3.0 * rng.normal(size=40)
    reg = AECFRegressor(max_epochs=1, random_state=0).fit(X, y)
    scaler = {name: value.clone() for name, value in reg.module_.target_scaler.state_dict().items()}
    reg._targets.prior_output(100.0 + y.reshape(-1, 1), np.ones(40))
    assert all(
        torch.equal(reg.module_.target_scaler.state_dict()[name], scaler[name]) for name in scaler
    )
    assert {f"target_scaler.{name}" for name in scaler} <= set(reg.module_.state_dict())


def test_stored_weights_bring_the_scaling_of_targets(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), 5.0 + 3.0 * rng.normal(size=40)
    reg = AECFRegressor(max_epochs=1, random_state=0).fit(X, y)
    reg.save_params(f_params=tmp_path / "weights.pt")
    other = AECFRegressor(random_state=1).partial_fit(X, -y, epochs=0)
    other.load_params(f_params=tmp_path / "weights.pt")
    np.testing.assert_array_equal(other.predict(X), reg.predict(X))
