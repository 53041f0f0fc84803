"""Calibration of a classifier: on held-out samples, or by cross-fitting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import BoolArray, Float64Array, IntArray
from sklearn_align.fusion._ambient import plain_torch, seeded
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._groups import check_enough_groups
from sklearn_align.fusion._interrupts import warn_of_interrupt
from sklearn_align.fusion._prediction import OUTPUTS, collect
from sklearn_align.fusion._preprocessing import sample_tensors, validate_samples
from sklearn_align.fusion._temperature import (
    HeldOut,
    SubsetTemperature,
    calibration_folds,
    masked_outputs,
)
from sklearn_align.fusion._training import train
from sklearn_align.fusion._validation import enough_to_calibrate
from sklearn_align.fusion._weights import bounded, check_usable

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


def calibrate_after_training(net: AECFClassifier, samples: Any) -> None:
    """Fit the temperature on the validation samples, if there are enough and it is wanted."""
    wanted = net.calibration and not isinstance(net.calibration, str)
    if wanted and enough_to_calibrate(net, samples):
        fit_temperature(net, samples)


def fit_temperature(net: AECFClassifier, samples: ModalityDataset) -> None:
    """Fit the temperature on samples that the network has not seen."""
    before = net.module_.log_temperature.clone()
    try:
        net.module_.log_temperature.zero_()
        _set_temperature(net, [_held_out(net, samples)])
    except BaseException:
        net.module_.log_temperature.copy_(before)
        raise


def calibrate(
    net: AECFClassifier, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> None:
    """Fit the temperature on raw samples that the network has not seen."""
    check_is_fitted(net)
    X_array, y_array = validate_samples(net, X, y, reset=False)
    weight = check_sample_weight(sample_weight, X_array, dtype=np.float64, ensure_non_negative=True)
    encoded = net._targets.encode(y_array)
    presence = net._seen_presence(X_array)
    check_usable(weight, presence.any(axis=1))
    samples = prepared_samples(net, X_array, encoded, presence, bounded(weight))
    # With many modalities, subsets are drawn.
    with plain_torch(), seeded(net.random_state, net.device):
        fit_temperature(net, samples)


def train_calibrated(
    net: AECFClassifier,
    X: NDArray[Any],
    encoded: NDArray[Any],
    sample_weight: Float64Array,
    groups: IntArray | None = None,
    *,
    epochs: int,
    start: bool,
) -> None:
    """Train on validated samples; calibrate by cross-fitting where that is asked for."""
    before = None if start else net.module_.log_temperature.clone()
    cross_fit = isinstance(net.calibration, str)
    if cross_fit and groups is not None:
        check_enough_groups(net, groups)
    with net._tasks.main_training(net, epochs, apart=cross_fit and start):
        interrupted = train(net, X, encoded, sample_weight, groups, epochs=epochs, start=start)
    if cross_fit and before is not None:
        net.module_.log_temperature.copy_(before)
    elif cross_fit and interrupted is None:
        with plain_torch(), seeded(net.random_state, net.device):
            cross_fit_temperature(net, X, encoded, sample_weight, epochs, groups)
    warn_of_interrupt(interrupted, calibrated=not cross_fit or before is not None)


def cross_fit_temperature(
    net: AECFClassifier,
    X: NDArray[Any],
    encoded: NDArray[Any],
    sample_weight: Float64Array,
    epochs: int,
    groups: IntArray | None = None,
) -> None:
    """Fit the temperature on samples that each come from a network that has not seen them."""
    rng = check_random_state(net.random_state)
    parts = []
    stratify = net._targets.stratify
    for fitted, held_out in calibration_folds(encoded, stratify=stratify, rng=rng, groups=groups):
        fold = _fold_estimator(net, int(rng.randint(np.iinfo(np.int32).max)))
        weight = sample_weight[fitted] / sample_weight[fitted].mean()
        own_groups = None if groups is None else groups[fitted]
        with net._tasks.fold_training(fold, epochs):
            fold._train(X[fitted], encoded[fitted], weight, own_groups, epochs=epochs, start=True)
        # A modality that is rare may be absent from the other folds.
        presence = fold._presence(X[held_out]) & fold.module_.seen.cpu().numpy()
        samples = prepared_samples(
            fold, X[held_out], encoded[held_out], presence, sample_weight[held_out]
        )
        parts.append(_held_out(fold, samples))
    if parts:
        _set_temperature(net, parts)


def _held_out(net: AECFClassifier, samples: ModalityDataset) -> HeldOut:
    return masked_outputs(samples, lambda masked: torch.from_numpy(collect(net, masked, OUTPUTS)))


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
