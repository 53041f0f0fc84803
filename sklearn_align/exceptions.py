"""Warnings that sklearn_align raises, each with a class of its own so that it can be filtered."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AlignmentWarning",
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
