"""Groups of samples, such as speakers or sites, none of which is on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedGroupKFold

from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import Float64Array, IntArray
from sklearn_align.exceptions import ValidationSplitWarning, warn_user
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._preprocessing import (
    MIN_SAMPLES_TO_SPLIT,
    SHARE_TO_HOLD_OUT,
    merge_equal_samples,
    prepare_training,
    split_samples,
    validate_samples,
)
from sklearn_align.fusion._targets import LabelTargets
from sklearn_align.fusion._validation import MIN_SAMPLES_TO_CALIBRATE
from sklearn_align.fusion._weights import bounded

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

Samples = tuple[NDArray[Any], NDArray[Any], Float64Array]

# Hold-outs that are drawn; the one in which shares of samples and classes are nearest is taken.
_N_DRAWS = 20


def check_groups(groups: ArrayLike, n_samples: int) -> IntArray:
    """Return a number (n_samples,) for the group of each sample."""
    # NumPy would make a text of a NaN among texts.
    is_list = isinstance(groups, list | tuple)
    values = np.asarray(groups, dtype=object) if is_list else np.asarray(groups)
    if values.shape != (n_samples,):
        raise ValueError(
            f"groups has shape {values.shape}, but X has {n_samples} samples: give one group for "
            f"each of them, shape ({n_samples},)."
        )
    missing = [position for position, value in enumerate(values.tolist()) if _is_missing(value)]
    if missing:
        raise ValueError(
            f"groups is missing (NaN or None) for {len(missing)} of {n_samples} samples, the first "
            f"at position {missing[0]}: give each a group, for example one of its own, or leave "
            "these samples out."
        )
    try:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        kinds = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"groups holds values of the types {kinds}, which have no common order: convert all "
            "to one type, for example to str."
        ) from error


def prepare_grouped(
    net: AECFNet,
    X: ArrayLike,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    *,
    reset: bool,
) -> Samples | tuple[NDArray[Any], NDArray[Any], Float64Array, IntArray]:
    """Prepare samples; if they have groups, return these, too, and merge equal samples within them.

    Without `groups` it is :func:`prepare_training`.
    """
    prepared = prepare_training(net, X, y, sample_weight, reset=reset)
    if groups is None:
        return prepared
    X_array, y_array = validate_samples(net, X, y, reset=False)
    codes = check_groups(groups, len(X_array))
    weight = check_sample_weight(sample_weight, X_array, dtype=np.float64, ensure_non_negative=True)
    kept = (weight > 0) & net._presence(X_array).any(axis=1)
    X_array, y_array, codes = X_array[kept], y_array[kept], codes[kept]
    if len(np.unique(codes)) < 2:
        # A name that says which group it is, as it was given.
        name = np.asarray(groups, dtype=object)[int(np.flatnonzero(kept)[0])]
        raise ValueError(
            f"groups holds a single group, {name!r}, among the samples that count (with a weight "
            "and a present modality), so that none can be held out: fit on samples of at least "
            "two groups, or without groups."
        )
    if net.train_split is not None and not isinstance(net.train_split, str):
        return *prepared, codes
    encoded = net._targets.encode(y_array)
    columns = np.column_stack([encoded.reshape(len(encoded), -1).astype(np.float64), codes])
    X_array, columns, weight = merge_equal_samples(X_array, columns, bounded(weight[kept]))
    encoded = columns[:, :-1].reshape(-1, *encoded.shape[1:]).astype(encoded.dtype)
    weight = bounded(weight * net._targets.weights(encoded, weight, net.class_weight))
    # Numbered as they occur, so that what the groups are called has no influence.
    _, first, inverse = np.unique(columns[:, -1], return_index=True, return_inverse=True)
    return X_array, encoded, weight / weight.mean(), first.argsort().argsort()[inverse]


def split_groups(net: AECFNet, dataset: Any, y: Any, **split_params: Any) -> tuple[Any, Any]:
    """Split prepared samples as `train_split` says, without a group on both sides if any."""
    if not _in_groups(dataset):
        return split_samples(net, dataset, y, **split_params)
    groups = dataset.X["group"].numpy()
    if net.train_split is not None and not isinstance(net.train_split, str):
        if _takes_groups(net.train_split):
            split_params["groups"] = groups
        parts = split_samples(net, dataset, y, **split_params)
        _check_disjoint(net, *parts)
        return parts
    if split_samples(net, dataset, y)[1] is None:
        return dataset, None
    seed = int(torch.randint(2**31 - 1, ()).item())
    fitted, held_out = group_hold_out(_indicators(net, y), groups, seed=seed)
    _warn_of_small_groups(net, len(dataset), len(held_out))
    train, valid = (dataset.take(torch.from_numpy(part)) for part in (fitted, held_out))
    samples = {**valid.X, **net._second_pass(valid.X["presence"])}
    return train, ModalityDataset(samples, valid.encoded, valid.y)


def group_hold_out(
    indicators: NDArray[Any], groups: IntArray, *, seed: int
) -> tuple[IntArray, IntArray]:
    """Hold out a tenth of the groups; return positions of training and held-out samples.

    Groups and classes may be uneven: of several draws, the one is taken that holds out nearest to
    a tenth of the ones of each column of indicators (n_samples, n_columns).
    """
    totals = indicators.sum(axis=0)
    splitter = GroupShuffleSplit(_N_DRAWS, test_size=SHARE_TO_HOLD_OUT, random_state=seed)
    draws = list(splitter.split(groups, groups=groups))
    shares = np.array([indicators[held_out].sum(axis=0) / totals for _, held_out in draws])
    fitted, held_out = draws[np.abs(shares - SHARE_TO_HOLD_OUT).mean(axis=1).argmin()]
    return fitted, held_out


def group_folds(
    encoded: NDArray[Any],
    groups: IntArray,
    n_folds: int,
    *,
    stratify: bool,
    rng: np.random.RandomState,
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield positions of training and held-out samples; as many folds as groups at most."""
    n_folds = min(n_folds, len(np.unique(groups)))
    if stratify and np.unique(encoded, return_counts=True)[1].min() >= n_folds:
        stratified = StratifiedGroupKFold(n_folds, shuffle=True, random_state=rng)
        folds = list(stratified.split(encoded, encoded, groups))
        # For the sake of the classes, it may put no group into a fold.
        if all(len(held_out) for _, held_out in folds):
            yield from folds
            return
    yield from GroupKFold(n_folds, shuffle=True, random_state=rng).split(encoded, groups=groups)


def check_enough_groups(net: AECFNet, groups: IntArray) -> None:
    """Raise if a fold of the cross-fitting has a single group, of which one is to be held out."""
    n_groups = len(np.unique(groups))
    if n_groups < 3 and net.early_stopping and isinstance(net.train_split, str):
        raise ValueError(
            f"groups holds {n_groups} groups, but calibration={net.calibration!r} with "
            "early_stopping=True needs at least 3: a fold and its validation samples take one "
            "each. Set early_stopping=False, or fit on samples of more groups."
        )


def _indicators(net: AECFNet, y: NDArray[Any]) -> NDArray[Any]:
    """Ones (n_samples, n_columns) for every sample, and for the classes or labels that occur."""
    columns = [np.ones((len(y), 1))]
    if net._targets.stratify:
        columns.append(np.equal.outer(y, np.unique(y)).astype(np.float64))
    elif isinstance(net._targets, LabelTargets):
        columns.append(y[:, y.any(axis=0)].astype(np.float64))
    return np.hstack(columns)


def _in_groups(dataset: Any) -> bool:
    """Tell whether prepared samples carry the numbers of their groups."""
    return isinstance(dataset, ModalityDataset) and "group" in dataset.X


def _takes_groups(split: Any) -> bool:
    try:
        parameters = signature(split).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "groups" or p.kind is Parameter.VAR_KEYWORD for p in parameters)


def _check_disjoint(net: AECFNet, train: Any, valid: Any) -> None:
    """Raise if a group is on both sides, which can be told of samples of this fit only."""
    if not (_in_groups(train) and _in_groups(valid)):
        return
    shared = np.intersect1d(train.X["group"].numpy(), valid.X["group"].numpy())
    if len(shared):
        raise ValueError(
            f"train_split={net.train_split!r} puts samples of {len(shared)} groups on both sides, "
            "among the training and the validation samples: set train_split='auto', or a split "
            "that uses `groups`, such as skorch.dataset.ValidSplit(GroupKFold(5))."
        )


def _warn_of_small_groups(net: AECFNet, n_samples: int, n_held_out: int) -> None:
    enough = n_held_out >= MIN_SAMPLES_TO_CALIBRATE or n_samples < MIN_SAMPLES_TO_SPLIT
    if net.calibration is True and not enough:
        warn_user(
            f"calibration=True has no effect, because the groups that are held out have "
            f"{n_held_out} samples, fewer than {MIN_SAMPLES_TO_CALIBRATE}: set "
            "calibration='cross_fit'.",
            ValidationSplitWarning,
        )


def _is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and NA from all other values."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # NA of pandas is neither equal nor unequal to itself.
        return True
