"""Validation samples: who needs them, and what is said when there are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skorch.callbacks.scoring import ScoringBase
from skorch.exceptions import SkorchException

from sklearn_align.exceptions import ValidationSplitWarning, warn_user
from sklearn_align.fusion._data import ModalityDataset

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

MIN_SAMPLES_TO_CALIBRATE = 20
_REMEDY = "set train_split to a split such as skorch.dataset.ValidSplit(5)"


def scores_validation(callback: Any) -> bool:
    """Tell whether a callback scores validation samples."""
    return isinstance(callback, ScoringBase) and not callback.on_train


def validation_needed(net: AECFNet) -> bool:
    """Tell whether a callback of an initialized net reads figures of validation samples."""
    return any(
        scores_validation(callback) or str(getattr(callback, "monitor", "")).startswith("valid")
        for _, callback in net.callbacks_
    )


def enough_to_calibrate(net: AECFNet, dataset_valid: Any) -> bool:
    """Tell whether the samples that were held out, if any, are enough for a temperature."""
    if not isinstance(dataset_valid, ModalityDataset):
        return False
    # What "auto" holds out of few samples for a callback is too little.
    return not isinstance(net.train_split, str) or len(dataset_valid) >= MIN_SAMPLES_TO_CALIBRATE


def train_without_validation(net: AECFNet) -> None:
    """Drop early stopping, which has nothing to monitor, and warn of what has no effect."""
    why = _why(net)
    idle = [name for name, callback in net.callbacks_ if scores_validation(callback)]
    if any(name == "early_stopping" for name, _ in net.callbacks_):
        net.callbacks_ = [item for item in net.callbacks_ if item[0] != "early_stopping"]
        warn_user(
            "early_stopping=True has no effect, because there are no validation samples: "
            f"{why}. To stop early, {_REMEDY}.",
            ValidationSplitWarning,
        )
    if idle:
        warn_user(
            f"the callbacks {idle} score validation samples, but there are none: {why}. "
            f"To have scores, {_REMEDY}, or set on_train=True.",
            ValidationSplitWarning,
        )


@contextmanager
def missing_figures_explained(net: AECFNet, dataset_valid: Any) -> Iterator[None]:
    """Say what to do if a callback reads a validation figure that there cannot be."""
    try:
        yield
    except (KeyError, ValueError, SkorchException) as error:
        if dataset_valid is not None or "was not found in history" not in str(error):
            raise
        raise ValueError(
            f"a callback reads a value of validation samples, but there are none: {_why(net)} "
            f"({error}). Either {_REMEDY}, or let the callback read a value of the training, "
            "such as 'train_loss'."
        ) from error


def _why(net: AECFNet) -> str:
    """Say why there are no validation samples."""
    if net.train_split is None:
        return "train_split is None"
    if not isinstance(net.train_split, str):
        return f"train_split={net.train_split!r} returned none"
    if validation_needed(net):
        return "there are fewer than two different samples"
    return (
        "with train_split='auto', fewer than 200 samples are split only for callbacks that score "
        "validation samples or have a `monitor` whose name starts with 'valid'"
    )
