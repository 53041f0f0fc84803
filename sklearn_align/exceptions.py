"""Warnings that sklearn_align raises, each with a class of its own so that it can be filtered."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AlignmentWarning",
    "AmbiguousAlignmentWarning",
    "MissingModalityWarning",
    "PairingWarning",
    "SampleLengthWarning",
    "SmallSampleWarning",
    "StateVersionWarning",
    "TrainingInterruptedWarning",
    "ValidationSplitWarning",
]


class AlignmentWarning(ConvergenceWarning):
    """Issued when the convergence check of an alignment fails.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Its ``converged_`` is False if ``fit`` issues this warning.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_align.exceptions import AlignmentWarning
    >>> warnings.simplefilter("error", category=AlignmentWarning)  # make a failure fatal
    >>> warnings.resetwarnings()
    """


class AmbiguousAlignmentWarning(AlignmentWarning):
    """Raised when other maps are as good as the one that was found, because a space is symmetric.

    Images with as many mirror images are an example: their samples do not tell whether the map, or
    the map of their mirror images, is right. Known pairs do.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Its ``ambiguous_`` is True whenever this is raised by ``fit``.

    Examples
    --------
    >>> from sklearn_align.exceptions import AlignmentWarning, AmbiguousAlignmentWarning
    >>> issubclass(AmbiguousAlignmentWarning, AlignmentWarning)
    True
    """


class SmallSampleWarning(UserWarning):
    """Issued when a size parameter was reduced because there are too few samples.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Reduces the numbers of clusters and neighbors.

    Examples
    --------
    >>> from sklearn_align.exceptions import SmallSampleWarning
    >>> issubclass(SmallSampleWarning, UserWarning)
    True
    """


class PairingWarning(UserWarning):
    """Issued when samples that were passed as pairs are probably not paired.

    See Also
    --------
    sklearn_align.MiniVec2Vec.score : Uses `y` as paired if it has as many samples as `X`.

    Examples
    --------
    >>> from sklearn_align.exceptions import PairingWarning
    >>> issubclass(PairingWarning, UserWarning)
    True
    """


class SampleLengthWarning(UserWarning):
    """Issued when samples are much longer or shorter than the samples of the same space in ``fit``.

    A store that normalizes vectors does not return the vectors of the encoder.

    See Also
    --------
    sklearn_align.MiniVec2Vec.transform : Subtracts the mean of the samples of ``fit``.

    Examples
    --------
    >>> from sklearn_align.exceptions import SampleLengthWarning
    >>> issubclass(SampleLengthWarning, UserWarning)
    True
    """


class MissingModalityWarning(UserWarning):
    """Issued when samples have no present modality.

    ``fit`` leaves out such samples. Predictions for such samples are the class frequencies or the
    mean of the training targets.

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
    """Issued when early stopping or a scoring callback has no validation samples.

    See Also
    --------
    sklearn_align.AECFClassifier : `train_split` determines the validation samples.

    Examples
    --------
    >>> from sklearn_align.exceptions import ValidationSplitWarning
    >>> issubclass(ValidationSplitWarning, UserWarning)
    True
    """


class TrainingInterruptedWarning(UserWarning):
    """Issued when Ctrl-C ended a training; the message has the number of finished epochs.

    The estimator is fitted, with the weights of the network at the interrupt. If a callback raises
    ``KeyboardInterrupt`` at the beginning or the end of an epoch to end the training, no warning is
    issued.

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
    """Issued when an estimator is loaded that was stored by another version of this package.

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
