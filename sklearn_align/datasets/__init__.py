"""Small real data sets, generators of synthetic data sets, and removal of modalities."""

from sklearn_align.datasets._embeddings import load_sentence_embeddings, make_rotated_embeddings
from sklearn_align.datasets._missing import drop_modalities
from sklearn_align.datasets._multimodal import (
    load_avmnist,
    load_mfeat,
    make_multimodal_classification,
)

__all__ = [
    "drop_modalities",
    "load_avmnist",
    "load_mfeat",
    "load_sentence_embeddings",
    "make_multimodal_classification",
    "make_rotated_embeddings",
]
