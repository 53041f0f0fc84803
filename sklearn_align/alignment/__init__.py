"""Alignment of embedding spaces from unpaired samples."""

from sklearn_align.alignment._load import load_map
from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs
from sklearn_align.alignment._report import AlignmentReport, alignment_report
from sklearn_align.alignment._to_torch import to_torch
from sklearn_align.alignment.refinements import (
    ClusterRefinement,
    MutualNeighborRefinement,
    NeighborRefinement,
    Refinement,
    StochasticTransportRefinement,
    TransportRefinement,
)
from sklearn_align.alignment.starts import AnchorStart, ComponentStart, PairStart, Start

__all__ = [
    "AlignmentProblem",
    "AlignmentReport",
    "AnchorStart",
    "ClusterRefinement",
    "ComponentStart",
    "KnownPairs",
    "MiniVec2Vec",
    "MutualNeighborRefinement",
    "NeighborRefinement",
    "PairStart",
    "Refinement",
    "Start",
    "StochasticTransportRefinement",
    "TransportRefinement",
    "alignment_report",
    "load_map",
    "to_torch",
]
