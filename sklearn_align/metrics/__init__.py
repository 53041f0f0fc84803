"""Metrics for alignments, for calibration and for the use of modalities."""

from sklearn_align.metrics._alignment import (
    csls_score,
    foscttm,
    mean_cosine_similarity,
    mean_rank,
    mean_reciprocal_rank,
    retrieval_accuracy,
)

__all__ = [
    "csls_score",
    "foscttm",
    "mean_cosine_similarity",
    "mean_rank",
    "mean_reciprocal_rank",
    "retrieval_accuracy",
]
