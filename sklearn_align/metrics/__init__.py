"""Metrics for alignments, calibration, incomplete modalities and the importance of modalities."""

from sklearn_align.metrics._alignment import (
    csls_score,
    foscttm,
    mean_cosine_similarity,
    mean_rank,
    mean_reciprocal_rank,
    retrieval_accuracy,
)
from sklearn_align.metrics._calibration import (
    ConfidenceBins,
    expected_calibration_error,
    maximum_calibration_error,
)
from sklearn_align.metrics._importance import modality_importance
from sklearn_align.metrics._modality import (
    confidence_violation_rate,
    effective_modalities,
    missing_modality_curve,
    modality_entropy,
)
from sklearn_align.metrics._neighbors import neighbor_overlap, neighbor_recall

__all__ = [
    "ConfidenceBins",
    "confidence_violation_rate",
    "csls_score",
    "effective_modalities",
    "expected_calibration_error",
    "foscttm",
    "maximum_calibration_error",
    "mean_cosine_similarity",
    "mean_rank",
    "mean_reciprocal_rank",
    "missing_modality_curve",
    "modality_entropy",
    "modality_importance",
    "neighbor_overlap",
    "neighbor_recall",
    "retrieval_accuracy",
]
