"""The network and the loss in a training loop that is not the estimator's."""

import copy
import gc

import numpy as np
import pytest
import torch
from sklearn.utils import check_random_state
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sklearn_align import AECFClassifier
from sklearn_align.datasets import make_multimodal_classification
from sklearn_align.fusion import (
    AECFLoss,
    AECFModule,
    ContrastiveLoss,
    ContrastiveModule,
    calibrate_module,
    parameter_groups,
    set_epoch,
)
from sklearn_align.fusion._preprocessing import merge_equal_samples

NAN = torch.nan
WIDTHS = [3, 2, 4]
NAMES = ["a", "b", "c"]
TARGETS = {
    "multiclass": lambda n: torch.arange(n) % 5,
    "multilabel": lambda n: (torch.arange(5 * n).reshape(n, 5) % 3 == 0).float(),
    "regression": lambda n: torch.linspace(-1, 1, 5 * n).reshape(n, 5),
}


def network(**options):
    torch.manual_seed(0)
    return AECFModule(WIDTHS, 5, n_units=8, hidden_sizes=(7,), **options)


def samples(n=40):
    """Return samples with blocks of NaN, the first of them with all, the second with none."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(n, sum(WIDTHS), generator=generator)
    absent = torch.rand(n, 3, generator=generator) < 0.3
    absent[0], absent[1] = True, False
    return X.masked_fill(absent.repeat_interleave(torch.tensor(WIDTHS), dim=1), NAN)


def optimizer_for(module, **options):
    return torch.optim.AdamW(parameter_groups(module, weight_decay=0.01), lr=1e-2, **options)


def train_epoch(epoch, module, loss, optimizer, batches):
    set_epoch(epoch, module, loss)
    module.train()
    values = []
    for X, y in batches:
        optimizer.zero_grad()
        total = loss(module(X), y)
        total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        values.append({**loss.components, "total": total.detach()})
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}


@pytest.mark.parametrize("supervision", [0.0, 1.0])
def test_a_loop_gives_the_network_of_the_estimator_to_the_bit(supervision):
    data = make_multimodal_classification(90, random_state=0)
    X, y, _ = merge_equal_samples(
        np.asarray(data.data), np.asarray(data.target), np.ones(len(data.target))
    )
    settings = {"n_units": 16, "hidden_sizes": (8,), "masking_warmup": 3}
    clf = AECFClassifier(
        data.modalities,
        **settings,
        gate_supervision_weight=supervision,
        max_epochs=4,
        batch_size=32,
        gate_lr=5e-3,
        lr_schedule="constant",
        train_split=None,
        calibration=False,
        random_state=3,
    ).fit(X, y)
    prepared = torch.as_tensor(clf.get_dataset(X).X["X"])
    targets = torch.from_numpy(np.unique(y, return_inverse=True)[1])
    frequencies = torch.bincount(targets) / len(targets)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(check_random_state(3).randint(np.iinfo(np.int32).max)))
        widths = clf.layout_.widths
        module = AECFModule(widths, len(frequencies), modality_outputs=supervision > 0, **settings)
        loss = AECFLoss(gate_supervision_weight=supervision, max_epochs=4)
        groups = parameter_groups(module, gate_lr=5e-3, weight_decay=0.01)
        optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
        module.set_fallback(clf.module_.fallback)
        for epoch in range(4):
            order = torch.randperm(len(prepared)).split(32)
            batches = [(prepared[index], targets[index]) for index in order]
            terms = train_epoch(epoch, module, loss, optimizer, batches)
            assert terms["gate_entropy"] == pytest.approx(
                clf.history_[epoch, "train_gate_entropy"], rel=0.02
            )
    torch.testing.assert_close(clf.module_.fallback, frequencies.log())
    theirs = clf.module_.state_dict()
    for name, values in module.state_dict().items():
        if not name.startswith("scaler"):
            assert torch.equal(values, theirs[name]), name


def test_one_call_sets_what_follows_the_epochs():
    module = network(masking_warmup=4)
    losses = [AECFLoss(entropy_weight=0.5, max_epochs=20), ContrastiveLoss(max_epochs=20)]
    for epoch in (0, 2, 7, 19, 20):
        set_epoch(epoch, module, *losses)
        assert module.masker.ramp == min(1.0, (epoch + 1) / 4)
        for loss in losses:
            alone = copy.deepcopy(loss)
            alone.set_epoch(epoch)
            assert (loss.entropy_lambda, loss.consistency_ramp) == (
                alone.entropy_lambda,
                alone.consistency_ramp,
            )
    assert losses[0].entropy_lambda == 0.0


def test_parts_are_found_in_modules_that_contain_them():
    whole = nn.ModuleDict({"net": nn.Sequential(network(masking_warmup=10)), "loss": AECFLoss()})
    set_epoch(4, whole)
    assert whole["net"][0].masker.ramp == 0.5
    assert whole["loss"].consistency_ramp == 1.0


@pytest.mark.parametrize("modules", [(), (nn.Linear(1, 1),)])
def test_nothing_that_follows_the_epochs_is_an_error(modules):
    with pytest.raises(ValueError, match="pass the AECFModule and the AECFLoss"):
        set_epoch(0, *modules)


def test_negative_epochs_are_refused():
    with pytest.raises(ValueError, match=r"epoch must be at least 0.*got -1"):
        set_epoch(-1, network())


def test_a_negative_warmup_is_refused():
    with pytest.raises(ValueError, match="warmup must be at least 0; got -1"):
        network(masking_warmup=-1)


def test_the_warmup_of_the_estimator_can_be_given_to_the_module():
    data = make_multimodal_classification(60, random_state=0)
    clf = AECFClassifier(data.modalities, module__masking_warmup=2, max_epochs=3, random_state=0)
    assert clf.fit(data.data, data.target).history_[:, "masking_ramp"] == [0.5, 1.0, 1.0]


def test_every_weight_is_in_one_group():
    module = network()
    others, gate = parameter_groups(module, gate_lr=0.5, weight_decay=0.25)
    assert {id(weight) for weight in gate["params"]} == {
        id(weight) for weight in module.gate.parameters()
    }
    both = [*others["params"], *gate["params"]]
    assert sorted(map(id, both)) == sorted(map(id, module.parameters()))
    assert (others["weight_decay"], gate["weight_decay"], gate["lr"]) == (0.25, 0.0, 0.5)
    assert "lr" not in others
    assert "lr" not in parameter_groups(module)[1]


@pytest.mark.parametrize("kind", [AECFModule, ContrastiveModule])
@pytest.mark.parametrize("training", [False, True])
def test_presence_is_found_in_blocks_of_nan(kind, training):
    torch.manual_seed(0)
    module = kind(WIDTHS, 5, n_units=8, hidden_sizes=(7,)).train(training)
    X = samples()
    presence = module.find_presence(X)
    assert presence[0].tolist() == [False] * 3
    assert presence[1].tolist() == [True] * 3
    assert torch.equal(presence.repeat_interleave(torch.tensor(WIDTHS), dim=1), ~X.isnan())
    torch.manual_seed(1)
    given = module(X.nan_to_num(), presence)
    torch.manual_seed(1)
    found = module(X)
    assert len(given) == (3 if not training else 6 if kind is AECFModule else 5)
    for one, other in zip(given, found, strict=True):
        assert torch.isfinite(one).all()
        assert torch.equal(one, other)


def test_a_block_that_is_partly_nan_is_refused():
    X = samples()
    X[1, 4] = NAN
    with pytest.raises(ValueError, match=r"block of modality 1 in 1 sample\(s\), the first is sam"):
        network()(X)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match=r"X has 8 columns; widths=\[3, 2, 4\] are 9"):
        network()(samples()[:, 1:])


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("ece_weight", [0.0, 0.5])
@pytest.mark.parametrize("supervision", [0.0, 0.7])
def test_components_are_detached_and_sum_up_to_the_loss(task, ece_weight, supervision):
    module = network(modality_outputs=supervision > 0).train()
    loss = AECFLoss(
        task,
        entropy_weight=0.3,
        ece_weight=ece_weight,
        l2_weight=0.01,
        gate_supervision_weight=supervision,
    )
    set_epoch(2, module, loss)
    total = loss(module(samples()), TARGETS[task](40))
    terms = loss.components
    assert {"task", "entropy", "ece", "l2", "consistency"} <= set(terms)
    assert not any(term.requires_grad for term in terms.values())
    expected = (
        terms["task"]
        + loss.entropy_lambda * terms["entropy"]
        + ece_weight * terms["ece"]
        + 0.01 * terms["l2"]
        + loss.consistency_ramp * terms["consistency"]
        + supervision * terms["gate_supervision"]
    )
    torch.testing.assert_close(total.detach(), expected)
    assert loss.entropy_lambda > 0
    assert 0 < loss.consistency_ramp < 1
    assert (terms["ece"] > 0) == (ece_weight > 0 and task != "regression")
    assert (terms["gate_supervision"] > 0) == (supervision > 0)
    total.backward()
    assert all(weight.grad is not None for weight in module.parameters())
    assert sum(bool(weight.grad.any()) for weight in module.parameters()) > 20


@pytest.mark.parametrize("task", TARGETS)
def test_a_loop_over_a_data_loader_learns(task):
    X, y = samples(), TARGETS[task](40)
    batches = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=True)
    module, loss = network(dropout=0.0), AECFLoss(task, max_epochs=30)
    optimizer = optimizer_for(module)
    terms = [train_epoch(epoch, module, loss, optimizer, batches) for epoch in range(30)]
    assert terms[-1]["task"] < 0.8 * terms[0]["task"]
    with torch.no_grad():
        outputs = module.eval()(X)
        validation = loss(outputs, y)
    assert len(outputs) == 3
    assert torch.isfinite(validation)
    assert loss.components["consistency"] == 0.0
    assert torch.equal(outputs[0][0], module.fallback)


def n_tensors():
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_the_number_of_tensors_does_not_grow_with_the_epochs():
    X, y = samples(), TARGETS["multiclass"](40)
    batches = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=True)
    module, loss = network(), AECFLoss(ece_weight=0.5, max_epochs=7)
    optimizer = optimizer_for(module)
    counts, log = [], []
    for epoch in range(7):
        log.append(train_epoch(epoch, module, loss, optimizer, batches))
        with torch.no_grad():
            log[-1]["valid"] = float(loss(module.eval()(X), y))
        counts.append(n_tensors())
    assert counts[2] == counts[6]
    assert all(term.grad_fn is None for term in loss.components.values())


@pytest.mark.parametrize("training", [False, True])
def test_everything_follows_the_device(training):
    """On the device "meta", a tensor that was made on another device would be an error."""
    module = network().to("meta").train(training)
    loss = AECFLoss("multilabel", ece_weight=0.5, pos_weight=[1.0] * 5).to("meta")
    set_epoch(1, module, loss)
    X = torch.zeros(6, 9, device="meta")
    presence = torch.ones(6, 3, dtype=torch.bool, device="meta")
    outputs = module(X, presence)
    total = loss(outputs, torch.zeros(6, 5, device="meta"), presence)
    assert total.device.type == "meta"
    assert {output.device.type for output in outputs} == {"meta"}


def test_a_training_goes_on_from_a_checkpoint():
    X, y = samples(), TARGETS["multiclass"](40)
    batches = [(X[:20], y[:20]), (X[20:], y[20:])]

    def parts():
        module, loss = network(masking_warmup=4), AECFLoss(max_epochs=4)
        return module, loss, optimizer_for(module)

    whole = parts()
    for epoch in range(4):
        torch.manual_seed(epoch)
        train_epoch(epoch, *whole, batches)
        if epoch == 1:
            stored = copy.deepcopy([part.state_dict() for part in whole])
    resumed = parts()
    for part, state in zip(resumed, stored, strict=True):
        part.load_state_dict(state)
    for epoch in (2, 3):
        torch.manual_seed(epoch)
        train_epoch(epoch, *resumed, batches)
    for name, values in whole[0].state_dict().items():
        assert torch.equal(values, resumed[0].state_dict()[name]), name


@pytest.fixture(scope="module")
def trained():
    """Return a network that was trained to overconfidence, and samples for its temperature."""
    data = make_multimodal_classification(160, random_state=0)
    clf = AECFClassifier(
        data.modalities, max_epochs=15, lr=1e-2, calibration=False, random_state=0
    ).fit(data.data[:60], data.target[:60])
    prepared = clf.get_dataset(data.data[60:]).X
    y = torch.from_numpy(np.searchsorted(clf.classes_, data.target[60:]))
    return clf, data.data[60:], data.target[60:], prepared["X"], prepared["presence"], y


def test_the_temperature_is_that_of_the_estimator(trained):
    clf, X_raw, y_raw, X, presence, y = trained
    module = copy.deepcopy(clf.module_).train()
    columns = presence.repeat_interleave(torch.tensor(clf.layout_.widths), dim=1)
    calibrate_module(module, X.masked_fill(~columns, NAN), y)
    estimator = copy.deepcopy(clf).calibrate(X_raw, y_raw)
    assert module.training
    assert module.log_temperature.any()
    torch.testing.assert_close(module.log_temperature, estimator.module_.log_temperature)
    again = copy.deepcopy(module.log_temperature)
    calibrate_module(module, X, y, presence)
    torch.testing.assert_close(module.log_temperature, again)


def test_samples_without_weight_do_not_count_for_the_temperature(trained):
    clf, _, _, X, presence, y = trained
    weight = (torch.arange(len(y)) % 2).float()
    few, some = copy.deepcopy(clf.module_), copy.deepcopy(clf.module_)
    kept = weight > 0
    # Half as many samples are pulled together more strongly, so both have as many.
    calibrate_module(few, X[kept].repeat(2, 1), y[kept].repeat(2), presence[kept].repeat(2, 1))
    calibrate_module(some, X, y, presence, sample_weight=weight)
    torch.testing.assert_close(few.log_temperature, some.log_temperature, rtol=1e-4, atol=1e-5)


def test_the_temperature_of_labels():
    X, y = samples(400), TARGETS["multilabel"](400)
    module, loss = network(), AECFLoss("multilabel", max_epochs=3)
    with torch.no_grad():
        module.head.heads[0].output.weight.mul_(20)
    calibrate_module(module, X, y, multilabel=True)
    calibrated = loss(module.eval()(X), y)
    temperature = module.log_temperature.clone()
    module.log_temperature.zero_()
    assert calibrated < loss(module(X), y)
    assert temperature[1] > 0


def test_a_temperature_that_cannot_be_fitted_is_left_as_it_was(trained):
    clf, _, _, X, presence, y = trained
    module = copy.deepcopy(clf.module_)
    module.log_temperature.fill_(0.5)
    with pytest.raises(ValueError, match="no sample with a present modality"):
        calibrate_module(module, X, y, torch.zeros_like(presence))
    with torch.no_grad():
        module.head.heads[0].output.bias.fill_(NAN)
    with pytest.raises(ValueError, match="temperature cannot be fitted"):
        calibrate_module(module, X, y, presence)
    assert module.log_temperature.tolist() == [0.5] * len(module.log_temperature)
    assert not module.training
