"""Warnings that sklearn_align raises, each with a class of its own so that it can be filtered."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AlignmentWarning",
    "MissingModalityWarning",
    "PairingWarning",
    "SmallSampleWarning",
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
    """Raised when a size parameter was reduced because there are too few rows.

    See Also
    --------
    sklearn_align.MiniVec2Vec : Clips the number of clusters and of neighbours.

    Examples
    --------
    >>> from sklearn_align.exceptions import SmallSampleWarning
    >>> issubclass(SmallSampleWarning, UserWarning)
    True
    """


class PairingWarning(UserWarning):
    """Raised when rows taken as counterparts of one another do not look like it.

    See Also
    --------
    sklearn_align.MiniVec2Vec.score : Takes a `y` with as many rows as `X` as paired.

    Examples
    --------
    >>> from sklearn_align.exceptions import PairingWarning
    >>> issubclass(PairingWarning, UserWarning)
    True
    """


class MissingModalityWarning(UserWarning):
    """Raised when rows have no present modality at all.

    Such rows teach nothing and are left out of ``fit``; predictions for them are the class
    frequencies or the mean of the training targets.

    See Also
    --------
    sklearn_align.AECFClassifier : Fuses the modalities that are present.

    Examples
    --------
    >>> from sklearn_align.exceptions import MissingModalityWarning
    >>> issubclass(MissingModalityWarning, UserWarning)
    True
    """
