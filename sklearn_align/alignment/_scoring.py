"""Score of mapped samples against target samples, paired or not."""

from __future__ import annotations

from sklearn_align._typing import FloatArray
from sklearn_align.exceptions import PairingWarning, warn_user
from sklearn_align.metrics import csls_score, retrieval_accuracy

# With fewer samples, no counterpart among the nearest may be chance.
_MIN_PAIRS_TO_DOUBT = 50
_MOST_BY_CHANCE = 5


def score_against(Z: FloatArray, T: FloatArray, *, converged: bool) -> float:
    """Score unit samples Z (n, n_features) against T (m, n_features), paired where m is n."""
    n_pairs = len(Z)
    if len(T) != n_pairs:
        return csls_score(Z, T)
    accuracy = retrieval_accuracy(Z, T)
    by_chance = accuracy <= _MOST_BY_CHANCE / n_pairs
    if converged and n_pairs >= _MIN_PAIRS_TO_DOUBT and by_chance:
        warn_user(
            "y has as many samples as X and is used as their counterparts, but only "
            f"{accuracy:.1%} of them are nearest although the alignment converged. If y is "
            "not paired with X, pass the target samples as XB= in fit or in a search: "
            "fit(XA, XB=XB).",
            PairingWarning,
        )
    return accuracy
