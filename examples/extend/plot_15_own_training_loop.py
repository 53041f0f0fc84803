"""
The network in a training loop of your own
==========================================

The estimators train with skorch. Where a project has a training loop already, the network and the
loss are modules of PyTorch like any other: this example trains them over a ``DataLoader``, and
compares the result with that of :class:`~sklearn_align.AECFClassifier`.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.fusion import (
    AECFLoss,
    AECFModule,
    calibrate_module,
    parameter_groups,
    set_epoch,
)

N_EPOCHS, SEEDS = 15, [0]
train, test = load_avmnist(subset="train"), load_avmnist(subset="test")

# %%
# The data
# --------
# The blocks of the modalities lie one after the other in `X`; a block of NaN is absent.
# ``StandardScaler`` does not change NaN. A tenth of the samples is held out for the temperature.


def tensors(X, y):
    return torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y)


def make_data(seed):
    X, X_valid, y, y_valid = train_test_split(
        train.data, train.target, test_size=0.1, stratify=train.target, random_state=seed
    )
    scaler = StandardScaler().fit(X)
    loader = DataLoader(
        TensorDataset(*tensors(scaler.transform(X), y)), batch_size=128, shuffle=True
    )
    return scaler, loader, tensors(scaler.transform(X_valid), y_valid)


# %%
# The loop
# --------
# ``set_epoch`` sets all values that depend on the epoch: the weights of the entropy term and of
# the consistency term, and the rate of masking if ``masking_warmup`` is given. In each step, the
# network is trained on all present modalities and on a random subset of them. The loss takes the
# result of the network. After every call, ``loss.components`` has the terms of the loss, detached.
#
# ``parameter_groups`` excludes the gate from the weight decay. With ``gate_lr``, the gate has a
# learning rate of its own.


def fit_by_hand(seed):
    torch.manual_seed(seed)
    scaler, loader, valid = make_data(seed)
    module = AECFModule(widths=list(train.modalities.values()), n_outputs=10)
    loss = AECFLoss(max_epochs=N_EPOCHS)
    optimizer = torch.optim.AdamW(parameter_groups(module, weight_decay=0.01), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=N_EPOCHS)
    log = []
    for epoch in range(N_EPOCHS):
        set_epoch(epoch, module, loss)
        module.train()
        terms = []
        for X, y in loader:
            optimizer.zero_grad()
            total = loss(module(X), y)
            total.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            terms.append({**loss.components, "total": total.detach()})
        schedule.step()
        log.append({name: float(np.mean([term[name] for term in terms])) for name in terms[0]})
    calibrate_module(module, *valid)
    return module, scaler, log


# %%
# Predictions
# -----------
# In evaluation mode, the outputs are logits that are divided by the temperature.


def predict_by_hand(module, scaler, X):
    X, _ = tensors(scaler.transform(X), np.zeros(len(X)))
    with torch.no_grad():
        logits = module.eval()(X)[0]
    return torch.softmax(logits, dim=1).numpy()


# %%
# The same figures
# ----------------
# Mean average precision over the digits, and the log loss, with all modalities and with half of
# them missing.


def figures(predict):
    values = []
    for rate in (0.0, 0.5):
        X = drop_modalities(test.data, test.modalities, rate, random_state=0)
        proba = predict(X)
        values += [
            average_precision_score(np.eye(10)[test.target], proba),
            log_loss(test.target, proba),
        ]
    return values


by_hand, by_estimator = [], []
for seed in SEEDS:
    module, scaler, log = fit_by_hand(seed)
    by_hand.append(figures(partial(predict_by_hand, module, scaler)))
    clf = AECFClassifier(train.modalities, max_epochs=N_EPOCHS, random_state=seed)
    by_estimator.append(figures(clf.fit(train.data, train.target).predict_proba))

print("medians            mAP 0 %  NLL 0 %  mAP 50 %  NLL 50 %")
for name, values in (("own loop", by_hand), ("AECFClassifier", by_estimator)):
    print(f"{name:16s}   {'    '.join(f'{value:.3f}' for value in np.median(values, axis=0))}")

# %%
# The terms of the loss
# ---------------------
# The estimator records the same terms in ``history_``, for training and validation samples.

fig, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
for ax, name in zip(axes, ("task", "consistency", "gate_entropy"), strict=True):
    ax.plot([terms[name] for terms in log], label="own loop")
    ax.plot(clf.history_[:, f"train_{name}"], label="AECFClassifier")
    ax.set(xlabel="Epoch", title=name)
_ = axes[0].legend()

# %%
# Checkpoints, devices
# --------------------
# ``state_dict`` includes the temperature. It does not include the epoch: call ``set_epoch`` again
# when a training is continued. ``module.to("cuda")`` and ``loss.to("cuda")`` move all tensors to
# the device.

copy = AECFModule(widths=list(train.modalities.values()), n_outputs=10)
copy.load_state_dict(module.state_dict())
same = predict_by_hand(copy, scaler, test.data) == predict_by_hand(module, scaler, test.data)
print(bool(same.all()))
