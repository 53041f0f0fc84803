"""Warnings that sklearn_align raises, each with a class of its own so that it can be filtered."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AlignmentWarning",
    "MissingModalityWarning",
    "PairingWarning",
    "SampleLengthWarning",
    "SmallSampleWarning",
    "StateVersionWarning",
    "TrainingInterruptedWarning",
    "ValidationSplitWarning",
]


class AlignmentWarning(ConvergenceWarning):
    """Raised when an alignment did not converge to a trustworthy map.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Its ``converged_`` is False whenever this is raised by ``fit``.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_align.exceptions import AlignmentWarning
    >>> warnings.simplefilter("error", category=AlignmentWarning)  # make a failure fatal
    >>> warnings.resetwarnings()
    """


class SmallSampleWarning(UserWarning):
    """Raised when a size parameter was reduced because there are too few samples.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Clips the number of clusters and of neighbors.

    Examples
    --------
    >>> from sklearn_align.exceptions import SmallSampleWarning
    >>> issubclass(SmallSampleWarning, UserWarning)
    True
    """


class PairingWarning(UserWarning):
    """Raised when samples passed as paired do not look paired.

    See Also
    --------
    sklearn_align.MiniVec2Vec.score : Treats a `y` with as many samples as `X` as paired.

    Examples
    --------
    >>> from sklearn_align.exceptions import PairingWarning
    >>> issubclass(PairingWarning, UserWarning)
    True
    """


class SampleLengthWarning(UserWarning):
    """Raised when samples are much longer or shorter than those of the same space at ``fit``.

    Vectors that a store has normalized are others than those that an encoder gives.

    See Also
    --------
    sklearn_align.MiniVec2Vec.transform : Subtracts the mean of the samples that ``fit`` has seen.

    Examples
    --------
    >>> from sklearn_align.exceptions import SampleLengthWarning
    >>> issubclass(SampleLengthWarning, UserWarning)
    True
    """


class MissingModalityWarning(UserWarning):
    """Raised when samples have no present modality at all.

    ``fit`` leaves such samples out; predictions for them are the class frequencies or the mean of
    the training targets.

    See Also
    --------
    sklearn_align.AECFClassifier : Fuses the modalities that are present.

    Examples
    --------
    >>> from sklearn_align.exceptions import MissingModalityWarning
    >>> issubclass(MissingModalityWarning, UserWarning)
    True
    """


class ValidationSplitWarning(UserWarning):
    """Raised when early stopping or a scoring callback has no validation samples.

    See Also
    --------
    sklearn_align.AECFClassifier : `train_split` says how validation samples are split off.

    Examples
    --------
    >>> from sklearn_align.exceptions import ValidationSplitWarning
    >>> issubclass(ValidationSplitWarning, UserWarning)
    True
    """


class TrainingInterruptedWarning(UserWarning):
    """Raised when Ctrl-C ended a training; the message says how many epochs were finished.

    The estimator is fitted and holds the network as it was left. Callbacks that end the training
    on purpose, by raising ``KeyboardInterrupt`` at the beginning or the end of an epoch, raise no
    warning.

    See Also
    --------
    sklearn_align.AECFClassifier : Can be trained further with ``partial_fit``.

    Examples
    --------
    >>> from sklearn_align.exceptions import TrainingInterruptedWarning
    >>> issubclass(TrainingInterruptedWarning, UserWarning)
    True
    """


class StateVersionWarning(UserWarning):
    """Raised when an estimator is loaded that another version of this package stored.

    See Also
    --------
    sklearn.exceptions.InconsistentVersionWarning : The same for versions of scikit-learn.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_align.exceptions import StateVersionWarning
    >>> warnings.simplefilter("error", category=StateVersionWarning)  # refuse other versions
    >>> warnings.resetwarnings()
    """


# Frames of these packages lie between the code of the user and the place of a warning.
_LIBRARIES = frozenset(
    {
        "sklearn_align",
        "sklearn",
        "skorch",
        "skops",
        "joblib",
        "pickle",
        "copy",
        "contextlib",
        "torch",
    }
)


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user's code that called into this package, however indirectly."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and _is_library(frame) and frame.f_back is not None:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES
