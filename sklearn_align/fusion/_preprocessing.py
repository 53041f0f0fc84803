"""From arrays to prepared tensors: validation, presence, merging and the validation split."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from torch import Tensor
from torch.utils.data import Subset

from sklearn_align._modalities import ModalityLayout
from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import BoolArray, Float64Array, FloatArray
from sklearn_align.exceptions import MissingModalityWarning, warn_user
from sklearn_align.fusion._data import ModalityDataset, TensorBatches, given_targets
from sklearn_align.fusion._ranges import check_scaled
from sklearn_align.fusion._reading import NO_TARGETS, early_layout, late_layout, read_samples
from sklearn_align.fusion._scaling import ColumnScaler
from sklearn_align.fusion._target_numbers import check_number_of_outputs
from sklearn_align.fusion._validation import validation_needed
from sklearn_align.fusion._weights import bounded, check_usable

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

# With fewer samples nothing is held out, unless train_split says so or a callback needs it.
MIN_SAMPLES_TO_SPLIT = 200
SHARE_TO_HOLD_OUT = 0.1


def validate_samples(
    net: AECFNet,
    X: ArrayLike,
    y: ArrayLike | None,
    *,
    reset: bool,
    layout: ModalityLayout | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Validate X (n_samples, n_features) and y; without targets, y becomes zeros (n_samples,).

    A first call needs the `layout` if it leaves columns out.
    """
    layout = layout if reset else net.layout_
    options: dict[str, Any] = {
        "dtype": (np.float64, np.float32),
        "ensure_all_finite": "allow-nan",
        "ensure_min_samples": 2 if reset else 1,
    }
    if y is None and not net.__sklearn_tags__().target_tags.required:
        X_array, _ = read_samples(net, X, NO_TARGETS, layout, reset=reset, **options)
        return X_array, np.zeros(len(X_array), dtype=np.int64)
    return read_samples(net, X, y, layout, reset=reset, **options)


def validate_inputs(net: AECFNet, X: ArrayLike) -> NDArray[Any]:
    """Validate X (n_samples, n_features) of a prediction, which may have no samples."""
    options: dict[str, Any] = {
        "dtype": (np.float64, np.float32),
        "ensure_all_finite": "allow-nan",
        "ensure_min_samples": 0,
    }
    return read_samples(net, X, NO_TARGETS, net.layout_, reset=False, **options)[0]


def check_seen(presence: BoolArray, seen: BoolArray, names: tuple[str, ...]) -> None:
    """Raise if presence (n_samples, n_modalities) has a modality that training never saw."""
    unseen = presence.any(axis=0) & ~seen
    if unseen.any():
        raise ValueError(
            f"modalities {[names[index] for index in np.flatnonzero(unseen)]} are present now, but "
            "were absent from every sample in fit, so that the network was not trained on them. "
            "Fit with samples that have them, or set their columns to NaN."
        )


def training_samples(presence: BoolArray, sample_weight: Float64Array) -> BoolArray:
    """Mask (n_samples,) of the samples to train on: weighted, and with a present modality."""
    absent = ~presence.any(axis=1)
    if absent.all():
        raise ValueError(
            f"no modality is present in any of the {len(presence)} samples of X: all values are "
            "NaN."
        )
    if absent.any():
        warn_user(
            f"{int(absent.sum())} of {len(presence)} samples have no present modality; they are "
            "left out of the training.",
            MissingModalityWarning,
        )
    keep: BoolArray = (sample_weight > 0) & ~absent
    if not keep.any():
        raise ValueError("all samples with a present modality have a sample weight of zero.")
    return keep


def warn_of_absent_samples(presence: BoolArray) -> None:
    """Warn of samples to predict that have no present modality."""
    absent = int((~presence.any(axis=1)).sum())
    if absent:
        warn_user(
            f"{absent} of {len(presence)} samples have no present modality; the results for "
            "them do not depend on X.",
            MissingModalityWarning,
        )


def sample_tensors(
    X: NDArray[Any],
    presence: BoolArray,
    layout: ModalityLayout,
    scaler: ColumnScaler,
    sample_weight: Float64Array | None = None,
    feature_names: Any = None,
) -> dict[str, Tensor]:
    """Scale X, set absent blocks to 0 and name the tensors as `ModalityDataset` wants them."""
    ordered = X[:, layout.order]
    scaled = scaler.transform(ordered)
    absent = np.repeat(~presence, layout.widths, axis=1)
    scaled[absent] = 0.0
    check_scaled(scaled, ordered, partial(name_of_column, layout, feature_names))
    samples = {
        "X": torch.from_numpy(scaled.astype(np.float32)),
        "presence": torch.from_numpy(presence),
    }
    if sample_weight is not None:
        samples["sample_weight"] = torch.from_numpy(sample_weight.astype(np.float32))
    return samples


def name_of_column(layout: ModalityLayout, feature_names: Any, position: int) -> str:
    """Say which column of X stands at a position in the order of the network."""
    column = int(layout.order[position])
    name = column if feature_names is None else repr(feature_names[column])
    owner = int(np.searchsorted(np.cumsum(layout.widths), position, side="right"))
    return f"column {name} of X (modality {layout.names[owner]!r})"


def in_precision_of(X: Any, values: Float64Array) -> FloatArray:
    """Return float32 for float32 input, float64 for everything else."""
    if getattr(X, "dtype", None) == np.float32:
        return values.astype(np.float32)
    return values


def prepare_training(
    net: AECFNet,
    X: ArrayLike,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    *,
    reset: bool,
    classes: ArrayLike | None = None,
) -> tuple[NDArray[Any], NDArray[Any], Float64Array]:
    """Validate, encode and weigh the samples; leave out those without weight or modality."""
    layout = early_layout(net, X) if reset else None
    X_array, y_array = validate_samples(net, X, y, reset=reset, layout=layout)
    weight = check_sample_weight(sample_weight, X_array, dtype=np.float64, ensure_non_negative=True)
    if reset:
        net._partial_missing = net.partial_missing
        net.layout_ = late_layout(net, X, X_array) if layout is None else layout
    presence = net._presence(X_array) if reset else net._seen_presence(X_array)
    keep = training_samples(presence, weight)
    X_array, y_array, weight = X_array[keep], y_array[keep], bounded(weight[keep])
    if reset:
        net._targets = net._make_targets(y_array, classes)
    check_number_of_outputs(net._targets, net.num_classes, net.num_targets)
    encoded = net._targets.encode(y_array)
    if net.train_split is None or isinstance(net.train_split, str):
        X_array, encoded, weight = merge_equal_samples(X_array, encoded, weight)
    weight = bounded(weight * net._targets.weights(encoded, weight, net.class_weight))
    check_usable(weight, np.ones(len(weight), dtype=bool))
    return X_array, encoded, weight / weight.mean()


def split_samples(net: AECFNet, X: Any, y: Any, **split_params: Any) -> tuple[Any, Any]:
    """Split prepared samples as `train_split` says; a pair of datasets is passed on."""
    if isinstance(X, tuple):
        return X
    split = net.train_split
    needed = validation_needed(net)
    # With cross-fitting, the temperature needs no validation samples.
    unneeded = isinstance(net.calibration, str) and not net.early_stopping and not needed
    if split is None or (isinstance(split, str) and unneeded):
        return X, None
    if isinstance(split, str):
        split = HoldOut(
            SHARE_TO_HOLD_OUT,
            2 if needed else MIN_SAMPLES_TO_SPLIT,
            stratified=net._targets.stratify,
            seed=int(torch.randint(2**31 - 1, ()).item()),
        )
    train, valid = split(X, y, **split_params)
    # Callbacks that score without caching read whole tensors, which a subset does not have.
    train = TensorBatches(train).dataset
    if valid is None:
        return train, None
    valid = _prepared(net, valid)
    if isinstance(valid, ModalityDataset):
        samples = {**valid.X, **net._second_pass(valid.X["presence"])}
        valid = ModalityDataset(samples, valid.encoded, valid.y)
    return train, valid


def _prepared(net: AECFNet, dataset: Any) -> Any:
    """Prepare validation samples, which may be a user's own dataset of raw samples."""
    samples = TensorBatches(dataset).dataset
    if isinstance(samples, ModalityDataset) or not hasattr(samples, "y"):
        return samples
    prepared = net.get_dataset(np.asarray(samples.X))
    return labelled(net, prepared.X, net._targets.encode(np.asarray(samples.y)))


def labelled(net: AECFNet, samples: dict[str, Tensor], encoded: NDArray[Any]) -> ModalityDataset:
    """Add encoded targets (n_samples, ...), also as callbacks read them, to prepared samples."""
    return ModalityDataset(
        {**samples, "target": torch.tensor(encoded)},
        net._targets.tensor(net.module_, encoded),
        given_targets(net._targets, encoded),
    )


class HoldOut:
    """Default validation split: a random share of the samples, stratified by class if possible."""

    def __init__(self, share: float, min_samples: int, stratified: bool, seed: int) -> None:
        self.share = share
        self.min_samples = min_samples
        self.stratified = stratified
        self.seed = seed

    def __call__(
        self, dataset: Any, y: NDArray[Any] | None = None, **split_params: Any
    ) -> tuple[Any, Any]:
        """Split into training samples and validation samples, which may be None."""
        n_samples = len(dataset)
        if n_samples < self.min_samples:
            return dataset, None
        kind: Any = ShuffleSplit
        size: float | int = self.share
        if self.stratified and y is not None and y.ndim == 1:
            counts = np.bincount(y)
            n_classes = int(np.count_nonzero(counts))
            few = n_samples < MIN_SAMPLES_TO_SPLIT
            if counts[counts > 0].min() >= 2 and (few or n_samples * self.share >= n_classes):
                kind = StratifiedShuffleSplit
                if few:
                    # A tenth of few samples may be fewer than there are classes.
                    size = max(n_classes, math.ceil(n_samples * self.share))
        splitter = kind(n_splits=1, test_size=size, random_state=self.seed)
        train, valid = next(splitter.split(np.zeros(n_samples), y))
        return Subset(dataset, train.tolist()), Subset(dataset, valid.tolist())


def merge_equal_samples(
    X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Merge samples with equal X and y into one that carries their weight, sorted by their bytes.

    Training on the result does not depend on the order of the samples, and a weight of two is the
    same as a sample that occurs twice. NaN equals NaN.
    """
    n_samples = len(X)
    targets = y.reshape(n_samples, -1).astype(np.float64)
    # Equal numbers must have equal bytes: one kind of NaN, one kind of zero.
    values = np.hstack([X.astype(np.float64), targets]) + 0.0
    values[np.isnan(values)] = np.nan
    keys = np.ascontiguousarray(values).view(np.dtype((np.void, values.itemsize * values.shape[1])))
    _, first, inverse = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    merged_weight = np.bincount(inverse.ravel(), weights=sample_weight).astype(np.float64)
    return X[first], y[first], merged_weight
