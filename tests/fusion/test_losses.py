from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss

from sklearn_align.fusion import AECFLoss, ContrastiveLoss
from sklearn_align.fusion._losses import (
    cross_entropy_per_sample,
    focal_loss_per_sample,
    info_nce,
    kl_consistency_per_sample,
    monotone_consistency_per_sample,
    soft_calibration_error,
    squared_error_per_sample,
    violations_per_sample,
)
from sklearn_align.metrics import confidence_violation_rate

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 4))
OTHER = RNG.normal(size=(40, 4))
Y = RNG.integers(0, 4, 40)
LABELS = RNG.integers(0, 2, (40, 4))


def tensor(array):
    return torch.from_numpy(np.asarray(array))


# ------------------------------------------------------------------------------- closed forms


def test_cross_entropy_against_sklearn():
    ours = cross_entropy_per_sample(tensor(LOGITS), tensor(Y)).mean().item()
    assert ours == pytest.approx(log_loss(Y, softmax(LOGITS, axis=1)))


def test_label_smoothing_against_its_definition():
    target = 0.9 * np.eye(4)[Y] + 0.1 / 4
    expected = -(target * log_softmax(LOGITS, axis=1)).sum(axis=1)
    ours = cross_entropy_per_sample(tensor(LOGITS), tensor(Y), label_smoothing=0.1)
    np.testing.assert_allclose(ours, expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_loss_against_its_definition(gamma, alpha):
    weight = np.array([1.0, 2.0, 3.0, 0.5])
    p = expit(LOGITS)
    p_true = np.where(LABELS == 1, p, 1 - p)
    alpha_true = 1.0 if alpha is None else np.where(LABELS == 1, alpha, 1 - alpha)
    pos = np.where(LABELS == 1, weight, 1.0)
    expected = (alpha_true * (1 - p_true) ** gamma * -np.log(p_true) * pos).mean(axis=1)
    ours = focal_loss_per_sample(
        tensor(LOGITS), tensor(LABELS), gamma=gamma, alpha=alpha, pos_weight=tensor(weight)
    )
    np.testing.assert_allclose(ours, expected)


def test_focal_loss_without_options_is_the_binary_cross_entropy():
    p = expit(LOGITS)
    expected = -np.log(np.where(LABELS == 1, p, 1 - p)).mean(axis=1)
    np.testing.assert_allclose(focal_loss_per_sample(tensor(LOGITS), tensor(LABELS)), expected)


def test_squared_error_refuses_to_broadcast():
    with pytest.raises(ValueError, match="must agree"):
        squared_error_per_sample(torch.zeros(5, 1), torch.zeros(5))
    error = squared_error_per_sample(tensor(LOGITS), tensor(OTHER))
    np.testing.assert_allclose(error, ((LOGITS - OTHER) ** 2).mean(axis=1))


def test_kl_against_its_definition_and_zero_for_equal_predictions():
    p, q = softmax(LOGITS, axis=1), softmax(OTHER, axis=1)
    ours = kl_consistency_per_sample(tensor(LOGITS), tensor(OTHER))
    np.testing.assert_allclose(ours, (p * np.log(p / q)).sum(axis=1))
    assert (ours > 0).all()
    shifted = kl_consistency_per_sample(tensor(LOGITS), tensor(LOGITS + 3.0))
    np.testing.assert_allclose(shifted, 0, atol=1e-12)


def test_multilabel_kl_against_its_definition():
    p, q = expit(LOGITS), expit(OTHER)
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    ours = kl_consistency_per_sample(tensor(LOGITS), tensor(OTHER), multilabel=True)
    np.testing.assert_allclose(ours, expected.mean(axis=1))


def test_kl_has_no_gradient_in_the_full_prediction():
    full, subset = tensor(LOGITS).requires_grad_(), tensor(OTHER).requires_grad_()
    kl_consistency_per_sample(full, subset).sum().backward()
    assert full.grad is None
    assert (subset.grad != 0).any()


def test_monotone_term_is_positive_only_for_a_more_confident_subset():
    weak, strong = tensor([[1.0, 0.0]]), tensor([[3.0, 0.0]])
    assert monotone_consistency_per_sample(strong, weak).item() == 0
    expected = expit(3.0) - expit(1.0)
    assert monotone_consistency_per_sample(weak, strong).item() == pytest.approx(expected)
    # A probability p of a label is as confident as 1 - p.
    no, yes = tensor([[-3.0]]), tensor([[1.0]])
    assert monotone_consistency_per_sample(no, yes, multilabel=True).item() == 0
    assert monotone_consistency_per_sample(yes, no, multilabel=True).item() == pytest.approx(
        expected
    )


@pytest.mark.parametrize("multilabel", [False, True])
def test_monotone_term_against_its_definition(multilabel):
    if multilabel:
        full, subset = (np.maximum(expit(z), 1 - expit(z)) for z in (LOGITS, OTHER))
        expected = np.maximum(subset - full, 0).mean(axis=1)
    else:
        full, subset = (softmax(z, axis=1).max(axis=1) for z in (LOGITS, OTHER))
        expected = np.maximum(subset - full, 0)
    ours = monotone_consistency_per_sample(tensor(LOGITS), tensor(OTHER), multilabel=multilabel)
    assert 0 < (expected > 0).sum() < 40 or multilabel
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("multilabel", [False, True])
def test_soft_calibration_error_against_its_definition(multilabel):
    weight = RNG.random(40)
    if multilabel:
        confidence, correct = expit(LOGITS).ravel(), LABELS.ravel()
        weights = np.repeat(weight, 4)
    else:
        p = softmax(LOGITS, axis=1)
        confidence, correct, weights = p.max(axis=1), p.argmax(axis=1) == Y, weight
    centers = (np.arange(15) + 0.5) / 15
    membership = softmax(-1500 * (confidence[:, None] - centers) ** 2, axis=1)
    gaps = np.abs((weights * (confidence - correct)) @ membership)
    ours = soft_calibration_error(
        tensor(LOGITS),
        tensor(LABELS if multilabel else Y),
        sample_weight=tensor(weight),
        multilabel=multilabel,
    )
    assert ours.item() == pytest.approx(gaps.sum() / weights.sum(), rel=1e-10)


def test_soft_calibration_error_has_the_dtype_of_the_logits():
    weight = torch.ones(40, dtype=torch.float64)
    error = soft_calibration_error(tensor(LOGITS).float(), tensor(Y), sample_weight=weight)
    assert error.dtype == torch.float32


def test_sharp_soft_bins_are_hard_bins():
    n_bins = 10
    p = softmax(3 * LOGITS, axis=1)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == Y
    weight = RNG.random(40)
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    expected = (
        sum(abs((weight * (confidence - correct))[bins == b].sum()) for b in range(n_bins))
        / weight.sum()
    )
    ours = soft_calibration_error(
        tensor(3 * LOGITS), tensor(Y), n_bins=n_bins, sharpness=1e6, sample_weight=tensor(weight)
    )
    assert ours.shape == ()
    assert ours.item() == pytest.approx(expected, abs=1e-6)


def test_calibration_error_of_perfect_predictions_is_zero():
    certain = 50.0 * (2 * LABELS - 1)
    assert soft_calibration_error(tensor(certain), tensor(LABELS), multilabel=True) < 1e-9
    certain = 50.0 * np.eye(4)[Y]
    assert soft_calibration_error(tensor(certain), tensor(Y)) < 1e-9


def test_info_nce_against_its_definition_and_its_extremes():
    a = tensor(LOGITS) / tensor(LOGITS).norm(dim=1, keepdim=True)
    b = tensor(OTHER) / tensor(OTHER).norm(dim=1, keepdim=True)
    similarity = (a @ b.T / 0.2).numpy()
    forward = -np.diag(log_softmax(similarity, axis=1))
    backward = -np.diag(log_softmax(similarity, axis=0))
    ours = info_nce(a, b, temperature=0.2)
    np.testing.assert_allclose(ours, (forward + backward) / 2)
    np.testing.assert_allclose(info_nce(a, b), ours)
    constant = torch.ones(8, 2) / 2**0.5
    torch.testing.assert_close(info_nce(constant, constant), torch.full((8,), np.log(8)).float())
    perfect = torch.eye(8)
    assert (info_nce(perfect, perfect, temperature=0.01) < 1e-6).all()


# ---------------------------------------------------------------------------------- gradients

Y_T, LABELS_T = torch.from_numpy(Y), torch.from_numpy(LABELS)
COMPONENTS = {
    "cross_entropy": lambda a, b: cross_entropy_per_sample(a, Y_T, label_smoothing=0.1),
    "focal": lambda a, b: focal_loss_per_sample(a, LABELS_T, gamma=2.0, alpha=0.25),
    "squared_error": squared_error_per_sample,
    "kl": lambda a, b: kl_consistency_per_sample(b.detach(), a),
    "kl_multilabel": lambda a, b: kl_consistency_per_sample(b.detach(), a, multilabel=True),
    "monotone": monotone_consistency_per_sample,
    "monotone_multilabel": lambda a, b: monotone_consistency_per_sample(a, b, multilabel=True),
    "ece": lambda a, b: soft_calibration_error(a, Y_T),
    "ece_multilabel": lambda a, b: soft_calibration_error(a, LABELS_T, multilabel=True),
    "info_nce": lambda a, b: info_nce(
        torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)
    ),
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_gradient_against_finite_differences(name):
    first, second = tensor(LOGITS).requires_grad_(), tensor(OTHER).requires_grad_()
    function = COMPONENTS[name]
    assert torch.autograd.gradcheck(
        lambda a: function(a, second.detach()), (first,), eps=1e-6, atol=1e-5
    )
    function(first, second).sum().backward()
    assert (first.grad != 0).any()


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_gradient_of_the_whole_loss_against_finite_differences(task):
    y = {"multiclass": Y_T, "multilabel": LABELS_T, "regression": tensor(OTHER)}[task]
    loss = AECFLoss(task, ece_weight=0.5, l2_weight=0.1, max_epochs=10, entropy_warmup_epochs=1)
    weight = tensor(RNG.random(40))

    def total(full, scores, subset):
        weights = torch.softmax(scores, dim=1)
        outputs = (full, weights, None, subset, weights, None)
        return loss(outputs, y, sample_weight=weight)

    full = tensor(LOGITS)
    scores, subset = tensor(RNG.normal(size=(40, 2))), tensor(OTHER * 0.5)
    assert torch.autograd.gradcheck(
        lambda s, u: total(full, s, u),
        (scores.requires_grad_(), subset.requires_grad_()),
        eps=1e-6,
        atol=1e-5,
    )


# ------------------------------------------------------------------------------ the composition


def outputs_of_two_passes(seed=0):
    generator = torch.Generator().manual_seed(seed)
    full, subset = torch.randn(2, 12, 3, generator=generator)
    weights = torch.softmax(torch.randn(12, 2, generator=generator), dim=1)
    y = torch.randint(0, 3, (12,), generator=generator)
    return (full, weights, None, subset, weights, None), y


def test_loss_is_the_weighted_sum_of_its_components():
    outputs, y = outputs_of_two_passes()
    loss = AECFLoss(
        max_epochs=40,
        entropy_weight=0.3,
        ece_weight=0.7,
        l2_weight=0.05,
        consistency_weight=2.0,
        consistency_ramp_epochs=4,
    )
    for epoch in (0, 2, 10, 39, 45):
        loss.set_epoch(epoch)
        total = loss(outputs, y)
        part = {name: value.item() for name, value in loss.components.items()}
        expected = (
            part["task"]
            + loss.entropy_lambda * part["entropy"]
            + 0.7 * part["ece"]
            + 0.05 * part["l2"]
            + 2.0 * min(1, (epoch + 1) / 4) * part["consistency"]
        )
        assert total.item() == pytest.approx(expected, rel=1e-5)
        assert part["consistency"] > 0
        assert part["entropy"] == -part["gate_entropy"]


def test_defaults_and_the_weights_of_the_first_epoch():
    schedule = {
        "max_epochs": 60,
        "entropy_weight": 0.2,
        "entropy_free_epochs": 0,
        "entropy_warmup_epochs": 5,
        "consistency_weight": 1.0,
        "components": {},
    }
    own = {
        "task": "multiclass",
        "ece_weight": 0.0,
        "l2_weight": 1e-4,
        "consistency": "kl",
        "consistency_ramp_epochs": 5,
        "gate_supervision_weight": 0.0,
        "label_smoothing": 0.0,
        "focal_gamma": 0.0,
        "focal_alpha": None,
        "pos_weight": None,
    }
    loss, contrastive = AECFLoss(), ContrastiveLoss()
    for name, value in (schedule | own).items():
        assert getattr(loss, name) == value, name
    for name, value in (schedule | {"temperature": 0.2, "consistency_ramp_epochs": 0}).items():
        assert getattr(contrastive, name) == value, name
    assert loss.entropy_lambda == contrastive.entropy_lambda == pytest.approx(0.2 / 5)
    assert loss.consistency_ramp == pytest.approx(1 / 5)
    assert contrastive.consistency_ramp == 1


LABEL_WEIGHTS = [1.0, 2.0, 3.0, 0.5]
TASKS = {
    "multiclass": (Y, {"label_smoothing": 0.1}),
    "multilabel": (
        LABELS,
        {"focal_gamma": 2.0, "focal_alpha": 0.3, "pos_weight": LABEL_WEIGHTS},
    ),
    "regression": (OTHER[::-1].copy(), {}),
}


@pytest.mark.parametrize(
    ("task", "consistency"),
    [
        ("multiclass", "kl"),
        ("multiclass", "monotone"),
        ("multilabel", "kl"),
        ("multilabel", "monotone"),
        ("regression", "kl"),
    ],
)
@pytest.mark.parametrize("n_passes", [1, 2])
def test_terms_of_every_task_against_their_functions(task, consistency, n_passes):
    target, options = TASKS[task]
    full, subset, y = tensor(LOGITS), tensor(OTHER), tensor(target)
    rng = np.random.default_rng(1)
    weight, gate = tensor(rng.random(40)), torch.softmax(tensor(rng.normal(size=(40, 3))), dim=1)
    multilabel = {"multilabel": task == "multilabel"}
    per_sample = {
        "multiclass": partial(cross_entropy_per_sample, label_smoothing=0.1),
        "multilabel": partial(
            focal_loss_per_sample, gamma=2.0, alpha=0.3, pos_weight=tensor(LABEL_WEIGHTS)
        ),
        "regression": squared_error_per_sample,
    }[task]
    outputs = (full, gate, None, subset, gate, None)[: 3 * n_passes]
    passes = (full, subset)[:n_passes]
    expected = {
        "task": sum((weight * per_sample(z, y)).mean() for z in passes) / n_passes,
        "l2": sum((weight * (z**2).mean(dim=1)).mean() for z in passes) / n_passes,
        "entropy": (weight * (gate * gate.log()).sum(dim=1)).mean(),
        "consistency": torch.zeros(()),
        "ece": torch.zeros(()),
        "gate_supervision": torch.zeros(()),
    }
    if task != "regression":
        expected["ece"] = soft_calibration_error(full, y, sample_weight=weight, **multilabel)
        expected["violations"] = torch.zeros(())
    if n_passes == 2 and task == "regression":
        expected["consistency"] = (weight * squared_error_per_sample(subset, full)).mean()
    elif n_passes == 2:
        function = {
            "kl": kl_consistency_per_sample,
            "monotone": monotone_consistency_per_sample,
        }[consistency]
        expected["consistency"] = (weight * function(full, subset, **multilabel)).mean()
        expected["violations"] = (weight * violations_per_sample(full, subset, **multilabel)).mean()
    expected["gate_entropy"] = -expected["entropy"]

    loss = AECFLoss(
        task,
        ece_weight=0.7,
        l2_weight=0.05,
        consistency=consistency,
        consistency_weight=0.5,
        **options,
    )
    loss.set_epoch(1)
    total = loss(outputs, y, sample_weight=weight)
    assert loss.components.keys() == expected.keys()
    for name, value in expected.items():
        assert not loss.components[name].requires_grad
        assert loss.components[name].item() == pytest.approx(value.item(), rel=1e-10), name
    weights = {"task": 1.0, "l2": 0.05, "entropy": 0.08, "ece": 0.7, "consistency": 0.5 * 0.4}
    expected_total = sum(w * expected[name].item() for name, w in weights.items())
    assert total.item() == pytest.approx(expected_total, rel=1e-10)


def test_terms_without_weight_are_not_computed():
    outputs, y = outputs_of_two_passes()
    loss = AECFLoss(consistency_weight=0.0)
    loss(outputs, y)
    assert loss.components["consistency"] == 0
    assert loss.components["ece"] == 0
    assert loss.components["gate_supervision"] == 0


def test_weights_of_labels_are_a_buffer_in_single_precision():
    loss = AECFLoss("multilabel", pos_weight=np.array(LABEL_WEIGHTS))
    assert loss.pos_weight.dtype == torch.float32
    assert loss.state_dict().keys() == {"pos_weight"}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("epoch", [0, 3])
def test_contrastive_loss_against_its_definition(weighted, epoch):
    whole, first, second = torch.nn.functional.normalize(
        torch.randn(3, 10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
        dim=2,
    )
    rng = np.random.default_rng(2)
    gate = torch.softmax(tensor(rng.normal(size=(10, 3))), dim=1)
    weight = tensor(rng.random(10)) if weighted else None
    factor = weight if weighted else torch.ones(10, dtype=torch.float64)
    loss = ContrastiveLoss(
        0.5,
        max_epochs=8,
        entropy_weight=0.3,
        entropy_free_epochs=1,
        entropy_warmup_epochs=2,
        consistency_weight=0.6,
        consistency_ramp_epochs=5,
    )
    loss.set_epoch(epoch)
    total = loss((whole, gate, None, first, second), None, sample_weight=weight)
    to_views = info_nce(whole, first, temperature=0.5) + info_nce(whole, second, temperature=0.5)
    expected = {
        "task": (factor * info_nce(first, second, temperature=0.5)).mean(),
        "consistency": (factor * to_views).mean() / 2,
        "entropy": (factor * (gate * gate.log()).sum(dim=1)).mean(),
    }
    expected["gate_entropy"] = -expected["entropy"]
    assert loss.components.keys() == expected.keys()
    for name, value in expected.items():
        assert loss.components[name].item() == pytest.approx(value.item(), rel=1e-10), name
    # Epoch 3 is one of six epochs past the peak of the entropy term.
    entropy_lambda = {0: 0.0, 3: 0.15 * (1 + np.cos(np.pi / 6))}[epoch]
    expected_total = (
        expected["task"]
        + 0.6 * (epoch + 1) / 5 * expected["consistency"]
        + entropy_lambda * expected["entropy"]
    )
    assert total.item() == pytest.approx(expected_total.item(), rel=1e-10)


def test_both_passes_count_for_the_task():
    outputs, y = outputs_of_two_passes()
    loss = AECFLoss()
    loss(outputs, y)
    both = (
        cross_entropy_per_sample(outputs[0], y).mean()
        + cross_entropy_per_sample(outputs[3], y).mean()
    ) / 2
    torch.testing.assert_close(loss.components["task"], both)
    loss(outputs[:3], y)
    torch.testing.assert_close(
        loss.components["task"], cross_entropy_per_sample(outputs[0], y).mean()
    )


def test_entropy_term_has_a_gradient_in_the_gate():
    scores = torch.randn(12, 2, requires_grad=True)
    outputs, y = outputs_of_two_passes()
    loss = AECFLoss(entropy_weight=1.0, entropy_warmup_epochs=0)
    loss((outputs[0], torch.softmax(scores, dim=1), None), y).backward()
    assert (scores.grad != 0).any()


def test_a_weight_of_two_equals_a_repeated_sample():
    outputs, y = outputs_of_two_passes()
    weight = torch.tensor([2.0, 0.0] + [1.0] * 10)
    index = torch.tensor([0, 0, *range(2, 12)])
    loss = AECFLoss(ece_weight=1.0)
    weighted = loss(outputs, y, sample_weight=weight)
    repeated = loss(tuple(None if o is None else o[index] for o in outputs), y[index])
    torch.testing.assert_close(weighted, repeated)


def test_samples_without_modality_do_not_count_for_the_calibration_term():
    outputs, y = outputs_of_two_passes()
    presence = torch.ones(12, 2, dtype=torch.bool)
    presence[:4] = False
    loss = AECFLoss(ece_weight=1.0)
    loss(outputs, y, presence=presence)
    expected = soft_calibration_error(outputs[0][4:], y[4:])
    torch.testing.assert_close(loss.components["ece"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "nope"}, "task must be"),
        ({"consistency": "nope"}, "consistency must be"),
        ({"task": "regression", "consistency": "monotone"}, "regression has none"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        AECFLoss(**options)


@pytest.mark.parametrize("multilabel", [False, True])
def test_violations_agree_with_the_metric(multilabel):
    full, subset = 3 * torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0))
    squash = torch.sigmoid if multilabel else partial(torch.softmax, dim=1)
    expected = confidence_violation_rate(squash(subset), squash(full), multilabel=multilabel)
    violations = violations_per_sample(full, subset, multilabel=multilabel)
    assert violations.mean().item() == pytest.approx(expected)
    assert violations_per_sample(full, full, multilabel=multilabel).sum() == 0
