"""Estimators that are held to scikit-learn's contract. None has an expected failure."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_align import KeepAbsent, MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    MutualNeighborRefinement,
    NeighborRefinement,
    TransportRefinement,
)


def transformers() -> list[BaseEstimator]:
    """Return the transformers of blocks, around some of scikit-learn."""
    return [
        KeepAbsent(StandardScaler()),
        KeepAbsent(SimpleImputer()),
        KeepAbsent(OneHotEncoder(handle_unknown="ignore")),
    ]


def alignment_estimators() -> list[BaseEstimator]:
    """Return the default and settings that take other paths through ``fit``, with short runs."""
    return [
        MiniVec2Vec(),
        MiniVec2Vec(n_init=1),
        MiniVec2Vec.from_paper(n_runs=3, n_qap_restarts=5, max_iter=5),
        MiniVec2Vec(init=AnchorStart(n_runs=3, n_qap_restarts=5), n_init=2),
        MiniVec2Vec(
            init=AnchorStart(n_runs=2, n_qap_restarts=5),
            n_init=1,
            refinements=[
                TransportRefinement(max_iter=5),
                NeighborRefinement(max_iter=2),
                ClusterRefinement(),
                MutualNeighborRefinement(max_iter=3),
            ],
        ),
    ]
