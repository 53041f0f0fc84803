"""Displays of alignments and fusions; matplotlib is only imported when something is drawn."""

from sklearn_align.plotting._alignment_history import AlignmentHistoryDisplay
from sklearn_align.plotting._alignment_scatter import AlignmentScatterDisplay
from sklearn_align.plotting._missing_modality import MissingModalityDisplay
from sklearn_align.plotting._modality_importance import ModalityImportanceDisplay
from sklearn_align.plotting._modality_weights import ModalityWeightsDisplay
from sklearn_align.plotting._reliability import ReliabilityDisplay
from sklearn_align.plotting._retrieval import RetrievalDisplay

__all__ = [
    "AlignmentHistoryDisplay",
    "AlignmentScatterDisplay",
    "MissingModalityDisplay",
    "ModalityImportanceDisplay",
    "ModalityWeightsDisplay",
    "ReliabilityDisplay",
    "RetrievalDisplay",
]
