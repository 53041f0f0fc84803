"""Targets of the estimators: one object for each kind of target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from sklearn_align._typing import Float64Array
from sklearn_align.fusion._losses import soft_calibration_error
from sklearn_align.fusion._weights import check_class_weight, check_indicators, check_pos_weight
from sklearn_align.fusion.nn._module import AECFModule

# Initial probability of a label's value that no sample has.
_UNSEEN_SHARE = 0.25


class Targets(Protocol):
    """What the network, its loss and its training need to know of the targets."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""

    @property
    def stratify(self) -> bool:
        """Whether a split keeps the frequencies of the targets."""

    @property
    def loss_options(self) -> dict[str, Any]:
        """Parameters of the loss that follow from the targets."""

    @property
    def calibration_error(self) -> Callable[..., Tensor] | None:
        """Calibration error of outputs, if they are probabilities."""

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        """Check y and return it as positions, indicators or a matrix."""

    def restore(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """Return encoded targets as they were given in y."""

    def weights(
        self, encoded: NDArray[Any], sample_weight: Float64Array, class_weight: Any
    ) -> Float64Array:
        """Factors (n_samples,) of the sample weights."""

    def resolve(
        self, encoded: NDArray[Any], sample_weight: Float64Array, pos_weight: Any
    ) -> Targets:
        """Targets whose loss is weighted as the parameters and the training samples say."""

    def prepare(self, module: AECFModule) -> None:
        """Give the network the buffers that the targets need."""

    def fit(self, module: AECFModule, encoded: NDArray[Any], sample_weight: Float64Array) -> None:
        """Fit these buffers."""

    def tensor(self, module: AECFModule, encoded: NDArray[Any]) -> Tensor:
        """Make the tensor of encoded targets that the loss takes."""

    def prior_output(self, encoded: NDArray[Any], sample_weight: Float64Array) -> Tensor:
        """Output (n_outputs,) that says no more than the frequencies or the mean."""


@dataclass(frozen=True)
class ClassTargets:
    """One class for each sample; outputs are logits (n_samples, n_classes)."""

    classes: NDArray[Any]
    task: ClassVar[str] = "multiclass"
    stratify: ClassVar[bool] = True

    @classmethod
    def from_samples(
        cls, y: NDArray[Any], classes: ArrayLike | None, estimator_name: str
    ) -> ClassTargets:
        """Take the classes of y (n_samples,), or the given ones."""
        known = np.unique(y if classes is None else np.asarray(classes))
        targets = cls(known)
        targets.encode(y)
        if len(known) < 2:
            raise ValueError(
                f"{estimator_name} needs samples of at least 2 classes; the data contains 1 "
                f"class: {known[0]!r}."
            )
        return targets

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    @property
    def loss_options(self) -> dict[str, Any]:
        return {"task": self.task, "pos_weight": None}

    @property
    def calibration_error(self) -> Callable[..., Tensor]:
        return partial(soft_calibration_error, multilabel=False)

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        if _is_multilabel(y):
            raise ValueError(
                "y is an indicator matrix, but the estimator was fitted as multiclass."
            )
        y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(y, self.classes)
        if unknown.size:
            raise ValueError(
                f"y holds classes {unknown.tolist()}, which are not among the classes "
                f"{self.classes.tolist()} of the first call."
            )
        return np.searchsorted(self.classes, y)

    def restore(self, encoded: NDArray[Any]) -> NDArray[Any]:
        labels: NDArray[Any] = self.classes[encoded]
        return labels

    def weights(
        self, encoded: NDArray[Any], sample_weight: Float64Array, class_weight: Any
    ) -> Float64Array:
        if class_weight is None:
            return np.ones(len(encoded))
        n_classes = len(self.classes)
        labels = self.classes.tolist()
        if isinstance(class_weight, str):
            mass = np.bincount(encoded, weights=sample_weight, minlength=n_classes)
            per_class = mass.sum() / (n_classes * np.maximum(mass, np.finfo(float).tiny))
        else:
            check_class_weight(class_weight)
            # As scikit-learn does: classes without a weight have 1, and weights of classes that do
            # not occur, as in a fold without them, are ignored; both at once look like a mistake.
            unknown = [label for label in class_weight if label not in labels]
            missing = [label for label in labels if label not in class_weight]
            if unknown and missing:
                raise ValueError(
                    f"class_weight names {unknown}, which do not occur in y, and does not name the "
                    f"classes {missing}: name every class."
                )
            per_class = np.array([class_weight.get(label, 1.0) for label in labels])
        weights: Float64Array = per_class[encoded]
        return weights

    def resolve(
        self, encoded: NDArray[Any], sample_weight: Float64Array, pos_weight: Any
    ) -> ClassTargets:
        if pos_weight is not None:
            raise ValueError(
                "pos_weight is for several labels per sample; weigh classes with class_weight."
            )
        return self

    def prepare(self, module: AECFModule) -> None:
        pass

    def fit(self, module: AECFModule, encoded: NDArray[Any], sample_weight: Float64Array) -> None:
        pass

    def tensor(self, module: AECFModule, encoded: NDArray[Any]) -> Tensor:
        return torch.from_numpy(encoded.astype(np.int64))

    def prior_output(self, encoded: NDArray[Any], sample_weight: Float64Array) -> Tensor:
        mass = np.bincount(encoded, weights=sample_weight, minlength=len(self.classes))
        share = np.maximum(mass / sample_weight.sum(), np.finfo(np.float32).tiny)
        unseen = mass == 0
        if unseen.any():
            # Classes of later samples: from a probability of almost 0 they could not be learned.
            share = np.where(unseen, 1.0, share * np.count_nonzero(~unseen)) / len(share)
        return torch.from_numpy(np.log(share)).float()

    def probabilities(self, outputs: Float64Array) -> Float64Array:
        """Probabilities (n_samples, n_classes) of the classes."""
        values: Float64Array = softmax(outputs, axis=1)
        return values

    def log_probabilities(self, outputs: Float64Array) -> Float64Array:
        """Logarithms (n_samples, n_classes) of the probabilities."""
        values: Float64Array = log_softmax(outputs, axis=1)
        return values

    def decode(self, probabilities: Float64Array) -> NDArray[Any]:
        """Return the most probable class of each sample."""
        return self.restore(probabilities.argmax(axis=1))


@dataclass(frozen=True)
class LabelTargets:
    """Several labels, each 0 or 1, for each sample; outputs are logits (n_samples, n_labels)."""

    n_labels: int
    dtype: np.dtype[Any]
    pos_weight: Float64Array | None = None
    task: ClassVar[str] = "multilabel"
    stratify: ClassVar[bool] = False

    @classmethod
    def from_samples(cls, y: NDArray[Any]) -> LabelTargets:
        """Take the labels of an indicator matrix (n_samples, n_labels)."""
        dense = _dense(y)
        return cls(dense.shape[1], dense.dtype)

    @property
    def classes(self) -> NDArray[Any]:
        """Positions of the labels."""
        return np.arange(self.n_labels)

    @property
    def n_outputs(self) -> int:
        return self.n_labels

    @property
    def loss_options(self) -> dict[str, Any]:
        return {"task": self.task, "pos_weight": self.pos_weight}

    @property
    def calibration_error(self) -> Callable[..., Tensor]:
        return partial(soft_calibration_error, multilabel=True)

    def encode(self, y: NDArray[Any]) -> NDArray[Any]:
        if not _is_multilabel(y):
            raise ValueError(
                "y is a vector of classes, but the estimator was fitted as multilabel."
            )
        dense = _dense(y)
        if dense.shape[1] != self.n_labels:
            raise ValueError(
                f"y has {dense.shape[1]} labels; the estimator was fitted with {self.n_labels}."
            )
        check_indicators(dense)
        return dense.astype(np.int64)

    def restore(self, encoded: NDArray[Any]) -> NDArray[Any]:
        return encoded.astype(self.dtype)

    def weights(
        self, encoded: NDArray[Any], sample_weight: Float64Array, class_weight: Any
    ) -> Float64Array:
        if class_weight is not None:
            raise ValueError(
                "class_weight is for one class per sample; weigh several labels with pos_weight."
            )
        return np.ones(len(encoded))

    def resolve(
        self, encoded: NDArray[Any], sample_weight: Float64Array, pos_weight: Any
    ) -> LabelTargets:
        if pos_weight is None:
            return replace(self, pos_weight=None)
        if isinstance(pos_weight, str):
            share = sample_weight @ encoded / sample_weight.sum()
            constant = (share == 0) | (share == 1)
            balanced: Float64Array = np.where(
                constant, 1.0, (1 - share) / np.where(constant, 1.0, share)
            )
            return replace(self, pos_weight=balanced)
        return replace(self, pos_weight=check_pos_weight(pos_weight, self.n_labels))

    def prepare(self, module: AECFModule) -> None:
        pass

    def fit(self, module: AECFModule, encoded: NDArray[Any], sample_weight: Float64Array) -> None:
        pass

    def tensor(self, module: AECFModule, encoded: NDArray[Any]) -> Tensor:
        return torch.from_numpy(encoded.astype(np.int64))

    def prior_output(self, encoded: NDArray[Any], sample_weight: Float64Array) -> Tensor:
        # Half a sample on either side keeps the logits of constant labels finite.
        total = sample_weight.sum()
        counts = sample_weight @ encoded
        ones = (counts + 0.5) / (total + 1.0)
        # Values of later samples, which could not be learned from a probability of almost 0.
        ones = np.where(counts == 0, np.maximum(ones, _UNSEEN_SHARE), ones)
        ones = np.where(counts == total, np.minimum(ones, 1 - _UNSEEN_SHARE), ones)
        return torch.from_numpy(np.log(ones) - np.log1p(-ones)).float()

    def probabilities(self, outputs: Float64Array) -> Float64Array:
        """Probability of each label (n_samples, n_labels) being one."""
        values: Float64Array = expit(outputs)
        return values

    def log_probabilities(self, outputs: Float64Array) -> Float64Array:
        """Logarithms (n_samples, n_labels) of the probabilities."""
        values: Float64Array = log_expit(outputs)
        return values

    def decode(self, probabilities: Float64Array) -> NDArray[Any]:
        """Return the indicators of the labels that are more likely one than zero."""
        return self.restore(probabilities > 0.5)


def classification_targets(
    y: NDArray[Any], classes: ArrayLike | None, estimator_name: str, task: str = "auto"
) -> ClassTargets | LabelTargets:
    """Make the targets of a classifier from y, a vector of classes or an indicator matrix."""
    is_multilabel = _is_multilabel(y)
    if task == "multilabel" and not is_multilabel:
        raise ValueError(
            "task='multilabel' (also task_type of an AECFConfig), but y holds one class for each "
            "sample. Pass an indicator matrix of shape (n_samples, n_labels) with at least two "
            "labels, such as MultiLabelBinarizer().fit_transform(y) of scikit-learn for lists of "
            "labels, or set task='auto'."
        )
    if task == "multiclass" and is_multilabel:
        raise ValueError(
            f"task='multiclass', but y is an indicator matrix of {y.shape[1]} labels. Pass one "
            "class for each sample, such as y.argmax(axis=1) if each sample has one label, or set "
            "task='auto'."
        )
    if is_multilabel:
        return LabelTargets.from_samples(y)
    return ClassTargets.from_samples(column_or_1d(y), classes, estimator_name)


def _is_multilabel(y: NDArray[Any]) -> bool:
    """Tell whether y is an indicator matrix; raise if it does not hold classes at all."""
    # scikit-learn compares numbers with integers, in whose range they need not be.
    with np.errstate(invalid="ignore"):
        check_classification_targets(y)
        is_multilabel = bool(type_of_target(y, input_name="y").startswith("multilabel"))
    if not is_multilabel and np.ndim(y) == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf":
        # Miscoded labels are a likelier reason than several classes per sample.
        check_indicators(y)
    return is_multilabel


def _dense(y: Any) -> NDArray[Any]:
    return np.asarray(y.toarray() if hasattr(y, "toarray") else y)
