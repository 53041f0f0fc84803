"""Refinements: each improves a map and yields it after every iteration."""

from sklearn_align.alignment.refinements._clusters import ClusterRefinement
from sklearn_align.alignment.refinements._mutual_neighbors import MutualNeighborRefinement
from sklearn_align.alignment.refinements._neighbors import NeighborRefinement
from sklearn_align.alignment.refinements._protocol import Refinement
from sklearn_align.alignment.refinements._stochastic_transport import (
    StochasticTransportRefinement,
)
from sklearn_align.alignment.refinements._transport import TransportRefinement

__all__ = [
    "ClusterRefinement",
    "MutualNeighborRefinement",
    "NeighborRefinement",
    "Refinement",
    "StochasticTransportRefinement",
    "TransportRefinement",
]
