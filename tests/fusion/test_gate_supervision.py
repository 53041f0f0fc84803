"""The term of the loss that lets the gate's weights follow the losses of each modality alone."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import softmax

from sklearn_align.fusion import (
    AECFClassifier,
    AECFConfig,
    AECFLoss,
    AECFModule,
    AECFRegressor,
    ModalityGate,
)
from sklearn_align.fusion._losses import (
    cross_entropy_per_sample,
    focal_loss_per_sample,
    gate_supervision_per_sample,
    squared_error_per_sample,
)
from sklearn_align.fusion._parameters import owned_by

WIDTHS = [3, 2, 4]
MODALITIES = {"a": 3, "b": 2, "c": 4}
SMALL = {"n_units": 8, "hidden_sizes": (7,)}
N = 30
LABEL_WEIGHTS = torch.tensor([1.0, 2.0, 3.0, 0.5, 1.0])
# Task: targets, options of the loss, loss of each sample.
TASKS = {
    "multiclass": (
        torch.arange(N) % 5,
        {"label_smoothing": 0.1},
        partial(cross_entropy_per_sample, label_smoothing=0.1),
    ),
    "multilabel": (
        (torch.arange(5 * N).reshape(N, 5) % 3 == 0).long(),
        {"focal_gamma": 2.0, "focal_alpha": 0.3, "pos_weight": LABEL_WEIGHTS},
        partial(focal_loss_per_sample, gamma=2.0, alpha=0.3, pos_weight=LABEL_WEIGHTS),
    ),
    "regression": (torch.linspace(-2, 2, 5 * N).reshape(N, 5), {}, squared_error_per_sample),
}


def network(**options):
    torch.manual_seed(0)
    return AECFModule(WIDTHS, 5, **SMALL, modality_outputs=True, **options)


def samples():
    """Return samples and their presence: every subset of the modalities occurs."""
    X = torch.randn(N, sum(WIDTHS), generator=torch.Generator().manual_seed(1))
    presence = torch.tensor([[i & 1, i & 2, i & 4] for i in range(N)]).bool()
    return X, presence


def results(task, presence, seed=0):
    """Return a result of two passes, with a tensor for each modality alone, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    weights = torch.softmax(draw(N, 3).masked_fill(~presence, -torch.inf), dim=1).nan_to_num()
    return draw(N, 5), weights, None, draw(N, 5), weights, presence, 2 * draw(N, 3, 5)


def supervised(task, **options):
    return AECFLoss(task, gate_supervision_weight=1.0, **TASKS[task][1], **options)


# -------------------------------------------------------------------------------- closed forms


def test_two_modalities_with_known_losses():
    # exp(-loss) is 3 to 1, so that the gate is to have the weights 3/4 and 1/4.
    losses = torch.tensor([[0.0, np.log(3)], [0.0, np.log(3)], [np.log(3), 0.0]])
    weights = torch.tensor([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]], dtype=torch.float64)
    ours = gate_supervision_per_sample(weights, losses, torch.ones(3, 2, dtype=torch.bool))
    expected = [0.75 * np.log(1.5) + 0.25 * np.log(0.5), 0.0, 0.5 * np.log(3)]
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("n_passes", [1, 2])
def test_the_term_against_a_loop(task, given, n_passes):
    y, _, per_sample = TASKS[task]
    presence = samples()[1]
    outputs = results(task, presence)
    sample_weight = torch.rand(N, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    expected = 0.0
    for i in range(N):
        present = np.flatnonzero(presence[i])
        losses = [float(per_sample(outputs[-1][i : i + 1, m], y[i : i + 1])) for m in present]
        w = outputs[1][i, present].numpy()
        q = softmax(-np.array(losses)) if len(losses) else np.zeros(0)
        expected += float(sample_weight[i]) * (q * np.log(q / w)).sum() / N
    loss = supervised(task)
    passes = outputs if n_passes == 2 else (*outputs[:3], outputs[-1])
    total = loss(passes, y, presence if given else None, sample_weight)
    plain = AECFLoss(task, **TASKS[task][1])(passes, y, presence, sample_weight)
    assert expected > 0.01
    assert loss.components["gate_supervision"].item() == pytest.approx(expected, rel=1e-10)
    assert (total - plain).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_absent_modalities_have_no_share(task):
    y, (_, presence) = TASKS[task][0], samples()
    outputs = results(task, presence)
    changed = (*outputs[:-1], outputs[-1].masked_fill(~presence.unsqueeze(-1), torch.nan))
    first, second = supervised(task), supervised(task)
    first(outputs, y, presence)
    second(changed, y, presence)
    assert first.components["gate_supervision"] == second.components["gate_supervision"]


def test_one_modality_or_none_has_nothing_to_learn():
    presence = torch.tensor([[True, False], [False, True], [False, False]])
    weights, losses = presence.float(), torch.tensor([[1.0, 2.0], [3.0, 0.5], [0.1, 0.2]])
    weights.requires_grad_()
    ours = gate_supervision_per_sample(weights, losses, presence)
    assert ours.tolist() == [0.0] * 3
    ours.sum().backward()
    assert torch.isfinite(weights.grad).all()


@pytest.mark.parametrize("task", TASKS)
def test_the_order_of_the_modalities_does_not_matter(task):
    y, (_, presence) = TASKS[task][0], samples()
    outputs, order = results(task, presence), [2, 0, 1]
    moved = (
        *(outputs[0], outputs[1][:, order], None, outputs[3], outputs[4][:, order]),
        presence[:, order],
        outputs[-1][:, order],
    )
    first, second = supervised(task)(outputs, y, presence), supervised(task)(moved, y, moved[5])
    torch.testing.assert_close(first, second)


# ----------------------------------------------------------------------------------- gradients


def test_gradient_in_the_gate_against_finite_differences():
    presence = samples()[1]
    losses = torch.rand(N, 3, dtype=torch.float64)
    scores = torch.randn(N, 3, dtype=torch.float64, requires_grad=True)

    def term(scores):
        masked = scores.masked_fill(~presence, torch.finfo(scores.dtype).min)
        return gate_supervision_per_sample(
            torch.softmax(masked, dim=1) * presence, losses, presence
        )

    assert torch.autograd.gradcheck(term, (scores,))


def test_weights_of_zero_have_a_finite_gradient():
    scores = torch.tensor([[300.0, 0.0]], requires_grad=True)
    weights = torch.softmax(scores, dim=1)
    assert weights[0, 1] == 0
    term = gate_supervision_per_sample(weights, torch.zeros(1, 2), torch.ones(1, 2).bool())
    term.sum().backward()
    assert torch.isfinite(term).all()
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fusion", ["expert", "mean"])
def test_experts_have_no_gradient_of_the_term(task, fusion):
    """The heads are trained as without it; the gate is not."""
    y, (X, presence) = TASKS[task][0], samples()
    gradients = []
    for loss in (AECFLoss(task, **TASKS[task][1]), supervised(task)):
        net = network(fusion=fusion).train()
        loss(net(X, presence), y, presence).backward()
        gradients.append({name: weight.grad for name, weight in net.named_parameters()})
    without, with_term = gradients
    for name in without:
        if name.startswith("head."):
            assert torch.equal(without[name], with_term[name]), name
    assert any(
        not torch.equal(without[name], with_term[name])
        for name in without
        if name.startswith("gate.")
    )


def test_a_gate_that_learns_the_term_alone_has_the_weights_of_its_teacher():
    presence = torch.tensor([[True, True, True], [True, False, True]])
    losses = torch.tensor([[0.1, 1.0, 2.0], [0.1, 1.0, 2.0]])
    torch.manual_seed(0)
    gate, encoded = ModalityGate(3, 4), torch.ones(2, 3, 4)
    optimizer = torch.optim.Adam(gate.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        gate_supervision_per_sample(gate(encoded, presence), losses, presence).sum().backward()
        optimizer.step()
    expected = torch.softmax((-losses).masked_fill(~presence, -torch.inf), dim=1)
    torch.testing.assert_close(gate(encoded, presence), expected, atol=1e-3, rtol=0)


# --------------------------------------------------------------------- outputs of the network


@pytest.mark.parametrize("fusion", ["expert", "mean"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_outputs_of_a_modality_are_those_with_this_modality_alone(fusion, head):
    net = network(fusion=fusion, head=head).eval()
    net.log_temperature.copy_(torch.tensor([0.3, -0.2, 0.1, 0.5]))
    X, presence = samples()
    *rest, alone = net(X, presence)
    assert len(rest) == 3
    for m in range(3):
        only = torch.zeros(N, 3, dtype=torch.bool)
        only[:, m] = True
        torch.testing.assert_close(alone[:, m], net(X, only)[0])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masking", ["entropy", "none"])
def test_the_other_results_of_the_network_stay_as_they_are(training, masking):
    X, presence = samples()
    found = []
    for modality_outputs in (False, True):
        torch.manual_seed(0)
        net = AECFModule(
            WIDTHS, 5, **SMALL, head="mlp", masking=masking, modality_outputs=modality_outputs
        ).train(training)
        found.append(net(X, presence))
    assert len(found[1]) == len(found[0]) + 1
    for plain, other in zip(found[0], found[1][:-1], strict=True):
        assert torch.equal(plain, other)


@pytest.mark.parametrize("task", TASKS)
def test_a_weight_of_zero_is_the_loss_without_the_term(task):
    y, (_, presence) = TASKS[task][0], samples()
    outputs = results(task, presence)
    loss = AECFLoss(task, gate_supervision_weight=0.0, **TASKS[task][1])
    assert torch.equal(loss(outputs, y, presence), loss(outputs[:6], y, presence))
    one_pass = loss((*outputs[:3], outputs[-1]), y, presence)
    assert torch.equal(one_pass, loss(outputs[:3], y, presence))
    assert loss.components["gate_supervision"] == 0


@pytest.mark.parametrize("n", [3, 6])
def test_a_network_without_these_outputs_is_an_error(n):
    outputs = results("multiclass", samples()[1])
    with pytest.raises(ValueError, match=r"weight=1\.0 needs the outputs.*modality_outputs=True"):
        supervised("multiclass")(outputs[:n], TASKS["multiclass"][0])


# ------------------------------------------------------------------------------ the estimators


def data(kind="classes", n=300, seed=0):
    """Return two informative blocks, of which one is often missing, and one of noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 9))
    X[:, :3] += 2 * np.eye(3)[y]
    X[:, 3:5] += y[:, None]
    X[rng.random(n) < 0.2, :3] = np.nan
    if kind == "labels":
        return X, np.column_stack([y == 0, y < 2]).astype(int)
    return X, y + rng.normal(size=n) / 4 if kind == "numbers" else y


KINDS = {"classes": AECFClassifier, "labels": AECFClassifier, "numbers": AECFRegressor}


def fit(kind="classes", weight=1.0, n=300, **options):
    settings = {"max_epochs": 4, "random_state": 0, **SMALL, **options}
    return KINDS[kind](MODALITIES, gate_supervision_weight=weight, **settings).fit(*data(kind, n))


def predictions(estimator):
    X = data(seed=1)[0]
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    return getattr(estimator, method)(X)


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_block_of_noise_gets_less_weight(kind):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 500)
    X = rng.normal(size=(500, 24))
    X[:, :20] += 4 * np.tile(np.eye(10)[y], 2)
    weights = []
    for supervision in (0.0, 1.0):
        estimator = KINDS[kind](
            {"a": 10, "b": 10, "noise": 4},
            gate_supervision_weight=supervision,
            encoders="linear",
            n_units=16,
            max_epochs=25,
            batch_size=32,
            lr=1e-2,
            random_state=0,
        ).fit(X[:250], y[:250])
        weights.append(estimator.modality_weights(X[250:]).mean(axis=0))
    assert weights[1][2] < weights[0][2] - 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"fusion": "mean", "head": "mlp"}, {"masking": "none"}])
def test_history_has_the_term_and_its_share_of_the_loss(kind, options):
    estimator = fit(kind, 0.5, **options)
    for row in estimator.history_:
        for prefix in ("train", "valid"):
            total = (
                row[f"{prefix}_task"]
                + row["entropy_lambda"] * row[f"{prefix}_entropy"]
                + estimator.l2_weight * row[f"{prefix}_l2"]
                + row["consistency_ramp"] * row[f"{prefix}_consistency"]
                + 0.5 * row[f"{prefix}_gate_supervision"]
            )
            assert row[f"{prefix}_loss"] == pytest.approx(total, rel=1e-4)
            assert row[f"{prefix}_gate_supervision"] > 0


def test_without_weight_nothing_of_the_term_is_computed(monkeypatch):
    plain = fit(weight=0.0)

    def fail(*args):
        raise AssertionError

    monkeypatch.setattr("sklearn_align.fusion._criteria.gate_supervision_per_sample", fail)
    again = fit(weight=0.0)
    assert not again.module_.modality_outputs
    assert np.array_equal(predictions(plain), predictions(again))
    assert again.history_[:, "train_gate_supervision"] == [0.0] * 4
    with pytest.raises(AssertionError):
        fit(weight=0.5)


def test_the_weight_can_be_given_to_the_loss():
    routed = fit(weight=0.0, criterion__gate_supervision_weight=1.0)
    assert np.array_equal(predictions(routed), predictions(fit(weight=1.0)))


def test_a_network_of_the_user_has_to_return_these_outputs():
    class Plain(AECFModule):
        def forward(self, *args, **kwargs):
            return super().forward(*args, **kwargs)[:6]

    with pytest.raises(ValueError, match="modality_outputs=True"):
        fit(module=Plain)


def test_weights_groups_and_cross_fitting():
    X, y = data(n=120)
    clf = AECFClassifier(
        MODALITIES,
        gate_supervision_weight=1.0,
        calibration="cross_fit",
        max_epochs=2,
        random_state=0,
        **SMALL,
    )
    clf.fit(X, y, sample_weight=np.linspace(0, 2, 120), groups=np.arange(120) % 10)
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.history_[-1, "train_gate_supervision"] > 0


def test_a_weight_of_two_equals_a_repeated_sample():
    outputs, y = results("multiclass", samples()[1]), TASKS["multiclass"][0]
    index = torch.tensor([0, 0, *range(2, N)])
    weight = torch.tensor([2.0, 0.0] + [1.0] * (N - 2))
    repeated = tuple(None if part is None else part[index] for part in outputs)
    loss = supervised("multiclass")
    torch.testing.assert_close(loss(outputs, y, None, weight), loss(repeated, y[index]))


def test_a_stored_estimator_is_trained_further():
    X, y = data()
    clf = fit()
    stored = pickle.loads(pickle.dumps(clf))
    for estimator in (clf, stored):
        estimator.partial_fit(X, y)
    assert np.array_equal(predictions(clf), predictions(stored))
    assert stored.history_[-1, "train_gate_supervision"] > 0


def test_states_from_before_the_parameter_are_read():
    X, y = data()
    clf, old = fit(weight=0.0), fit(weight=0.0)
    del old.gate_supervision_weight
    del old.module_.modality_outputs
    del old.criterion_.gate_supervision_weight
    for estimator in (clf, old):
        estimator.partial_fit(X, y)
    assert np.array_equal(predictions(clf), predictions(old))


@pytest.mark.parametrize("value", [-0.1, "1", None, np.nan])
def test_weights_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match="gate_supervision_weight"):
        fit(weight=value, n=40)


def test_it_is_a_parameter_of_estimators_with_targets():
    assert "gate_supervision_weight" not in owned_by("AECFEmbedder")
    for task in ("classification", "multilabel", "regression"):
        config = AECFConfig(task_type=task)
        assert config.build().gate_supervision_weight == 0
        assert config.build(gate_supervision_weight=0.5).gate_supervision_weight == 0.5
