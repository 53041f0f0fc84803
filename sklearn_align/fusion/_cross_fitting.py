"""Temperature of a classifier: on held-out samples, or by cross-fitting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from sklearn_align._typing import BoolArray, Float64Array
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._net import OUTPUTS
from sklearn_align.fusion._preprocessing import sample_tensors
from sklearn_align.fusion._temperature import (
    HeldOut,
    SubsetTemperature,
    calibration_folds,
    masked_outputs,
)

if TYPE_CHECKING:
    from sklearn_align.fusion._classifier import AECFClassifier


def prepared_samples(
    net: AECFClassifier,
    X: NDArray[Any],
    encoded: NDArray[Any],
    presence: BoolArray,
    sample_weight: Float64Array,
) -> ModalityDataset:
    """Prepare validated samples with weights for a fitted network."""
    samples = sample_tensors(X, presence, net.layout_, net.module_.scaler, sample_weight)
    return ModalityDataset(samples, net._targets.tensor(net.module_, encoded))


def fit_temperature(net: AECFClassifier, samples: ModalityDataset) -> None:
    """Fit the temperature on samples that the network has not seen."""
    before = net.module_.log_temperature.clone()
    try:
        net.module_.log_temperature.zero_()
        _set_temperature(net, [_held_out(net, samples)])
    except BaseException:
        net.module_.log_temperature.copy_(before)
        raise


def cross_fit_temperature(
    net: AECFClassifier,
    X: NDArray[Any],
    encoded: NDArray[Any],
    sample_weight: Float64Array,
    epochs: int,
) -> None:
    """Fit the temperature on samples that each come from a network that has not seen them."""
    rng = check_random_state(net.random_state)
    parts = []
    for train, held_out in calibration_folds(encoded, stratify=net._targets.stratify, rng=rng):
        fold = _fold_estimator(net, int(rng.randint(np.iinfo(np.int32).max)))
        weight = sample_weight[train] / sample_weight[train].mean()
        fold._train(X[train], encoded[train], weight, epochs=epochs, start=True)
        # A modality that is rare may be absent from the other folds.
        presence = fold._presence(X[held_out]) & fold.module_.seen.cpu().numpy()
        samples = prepared_samples(
            fold, X[held_out], encoded[held_out], presence, sample_weight[held_out]
        )
        parts.append(_held_out(fold, samples))
    if parts:
        _set_temperature(net, parts)


def _held_out(net: AECFClassifier, samples: ModalityDataset) -> HeldOut:
    return masked_outputs(samples, lambda masked: torch.from_numpy(net._collect(masked, OUTPUTS)))


def _set_temperature(net: AECFClassifier, parts: list[HeldOut]) -> None:
    temperature = SubsetTemperature(multilabel=net._targets.task == "multilabel").fit(parts)
    if not torch.isfinite(temperature.coefficients).all():
        raise ValueError(
            "the temperature cannot be fitted: the outputs for held-out samples are too large. "
            f"Lower lr={net.lr!r}, or set calibration=False."
        )
    net.module_.log_temperature.copy_(temperature.coefficients)


def _fold_estimator(net: AECFClassifier, seed: int) -> AECFClassifier:
    """Return an estimator like this one that trains without calibrating or reporting."""
    own = {name for name, _ in net._default_callbacks}
    params = {
        name: value
        for name, value in net.get_params(deep=False).items()
        if not name.startswith("callbacks__") or name.split("__")[1] in own
    }
    params.update(calibration=False, warm_start=False, verbose=0, random_state=seed)
    # A user's callbacks may write files, which the folds must not overwrite.
    params["callbacks"] = "disable" if net.callbacks == "disable" else None
    if not (net.early_stopping and isinstance(net.train_split, str)):
        params.update(train_split=None, early_stopping=False)
    fold: AECFClassifier = type(net)(**params)
    fold.layout_, fold._targets = net.layout_, net._targets
    # The network whose temperature is fitted would go on with the next fold.
    fold._ends_on_interrupt = False
    return fold
