"""Alignment of two embedding spaces from unpaired rows."""

from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec
from sklearn_align.alignment._problem import AlignmentProblem
from sklearn_align.alignment._refine import (
    ClusterRefinement,
    MutualNeighborRefinement,
    NeighborRefinement,
    Refinement,
    TransportRefinement,
)

__all__ = [
    "AlignmentProblem",
    "ClusterRefinement",
    "MiniVec2Vec",
    "MutualNeighborRefinement",
    "NeighborRefinement",
    "Refinement",
    "TransportRefinement",
]
