"""MiniVec2Vec and KeepAbsent keep scikit-learn's contract, as the estimators in tests/fusion do."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from sklearn_align import MiniVec2Vec
from sklearn_align._sklearn import InvalidParameterError, validate_parameters
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    ComponentStart,
    MutualNeighborRefinement,
    NeighborRefinement,
    PairStart,
    StochasticTransportRefinement,
    TransportRefinement,
)
from sklearn_align.exceptions import AlignmentWarning, SmallSampleWarning
from tests.conftest import no_convergence_check
from tests.instances import alignment_estimators, transformers

ALIGNMENT = alignment_estimators()


@parametrize_with_checks(ALIGNMENT)
def test_check_estimator(estimator, check):
    default = repr(estimator) == repr(MiniVec2Vec())
    with warnings.catch_warnings():
        # The checks fit a few random samples, which nothing could align, to labels.
        warnings.simplefilter("ignore", AlignmentWarning)
        warnings.simplefilter("ignore", DataConversionWarning)
        warnings.simplefilter("ignore", SmallSampleWarning)
        # The convergence check is the same for all of them.
        with nullcontext() if default else no_convergence_check():
            check(estimator)


@parametrize_with_checks(transformers())
def test_check_transformer(estimator, check):
    check(estimator)


def test_every_parameter_is_validated():
    check_param_validation("MiniVec2Vec", MiniVec2Vec())


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("init", "kmeans"),
        ("init", 3),
        ("selection", "best"),
        ("n_init", 0),
        ("n_init", "some"),
        ("refinements", "best"),
        ("max_samples", 1),
        ("pair_weight", 0.0),
        ("pair_weight", -1.0),
        ("score_sample_size", 1),
        ("n_jobs", 1.5),
        ("verbose", -1),
        ("random_state", "seed"),
    ],
)
def test_a_value_out_of_range_is_named(parameter, value):
    X = np.random.default_rng(0).standard_normal((30, 3))
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of MiniVec2Vec"):
        MiniVec2Vec(**{parameter: value}).fit(X, X)


REFINEMENTS = [
    NeighborRefinement(),
    ClusterRefinement(),
    StochasticTransportRefinement(),
    TransportRefinement(),
    MutualNeighborRefinement(),
]


@pytest.mark.parametrize("refinement", REFINEMENTS, ids=lambda r: type(r).__name__)
def test_every_parameter_of_a_refinement_has_a_constraint(refinement):
    assert set(refinement.get_params()) == set(refinement._parameter_constraints)
    validate_parameters(refinement)
    assert clone(refinement).get_params() == refinement.get_params()


@pytest.mark.parametrize(
    ("refinement", "message"),
    [
        (NeighborRefinement(max_iter=0), "'max_iter' parameter of NeighborRefinement"),
        (NeighborRefinement(smoothing=0), "'smoothing' parameter of NeighborRefinement"),
        (NeighborRefinement(sample_size=-1), "'sample_size' parameter of NeighborRefinement"),
        (ClusterRefinement(0), "'n_clusters' parameter of ClusterRefinement"),
        (TransportRefinement(epsilon=0.1), "'epsilon' parameter of TransportRefinement"),
        (TransportRefinement(epsilon=(0.1, 0.0)), "'epsilon' parameter of TransportRefinement"),
        (TransportRefinement(epsilon=(0.1,)), "'epsilon' parameter of TransportRefinement"),
        (TransportRefinement(whitening=(0.1,)), "'whitening' parameter of TransportRefinement"),
        (TransportRefinement(whitening=("a", 1)), "'whitening' parameter of TransportRef"),
        (StochasticTransportRefinement(step=(1.0,)), "'step' parameter of StochasticTransportR"),
        (StochasticTransportRefinement(epsilon="x"), "'epsilon' parameter of StochasticTransp"),
        (TransportRefinement(tol=-1), "'tol' parameter of TransportRefinement"),
        (MutualNeighborRefinement(n_neighbors=0), "'n_neighbors' parameter of MutualNeighbor"),
    ],
)
def test_a_refinement_out_of_range_is_named_by_fit(refinement, message):
    X = np.random.default_rng(0).standard_normal((60, 3))
    with pytest.raises(ValueError, match=message):
        MiniVec2Vec(refinements=[refinement], random_state=0).fit(X, X)


STARTS = [AnchorStart(), ComponentStart(), PairStart()]


@pytest.mark.parametrize("start", STARTS, ids=lambda s: type(s).__name__)
def test_every_parameter_of_an_initialization_has_a_constraint(start):
    assert set(start.get_params()) == set(start._parameter_constraints)
    validate_parameters(start)
    assert clone(start).get_params() == start.get_params()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (AnchorStart(0), "'n_clusters' parameter of AnchorStart"),
        (AnchorStart(n_runs=0), "'n_runs' parameter of AnchorStart"),
        (AnchorStart(n_qap_restarts=0), "'n_qap_restarts' parameter of AnchorStart"),
        (AnchorStart(n_neighbors=2.5), "'n_neighbors' parameter of AnchorStart"),
        (AnchorStart(n_cluster_samples=1), "'n_cluster_samples' parameter of AnchorStart"),
        (AnchorStart(n_match_samples=1), "'n_match_samples' parameter of AnchorStart"),
        (ComponentStart(0), "'n_components' parameter of ComponentStart"),
        (ComponentStart(contrast="cube"), "'contrast' parameter of ComponentStart"),
        (ComponentStart(matched_fraction=0.0), "'matched_fraction' parameter of ComponentStart"),
        (PairStart(), "PairStart needs known pairs"),
        ([], "'init' parameter of MiniVec2Vec is an empty list"),
        ([AnchorStart], r"'init' parameter .* initial_map\(problem"),
        (["components"], r"'init' parameter .* initial_map\(problem"),
    ],
)
def test_an_initialization_that_cannot_be_used_is_named_by_fit(start, message):
    X = np.random.default_rng(0).standard_normal((60, 3))
    with pytest.raises(ValueError, match=message):
        MiniVec2Vec(init=start, random_state=0).fit(X, X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_init": 3},
        {"init": [AnchorStart(), ComponentStart()]},
        {"init": (AnchorStart(), ComponentStart())},
    ],
    ids=["n_init", "list", "tuple"],
)
def test_several_candidates_need_a_selection(parameters):
    X = np.random.default_rng(0).standard_normal((60, 3))
    with pytest.raises(ValueError, match="selection=None takes a single initialization"):
        MiniVec2Vec(selection=None, **parameters).fit(X, X)


@pytest.mark.parametrize("refinement", [TransportRefinement, "x", 3, None], ids=repr)
def test_a_refinement_without_iterate_is_refused(refinement):
    X = np.random.default_rng(0).standard_normal((60, 3))
    with pytest.raises(ValueError, match=r"'refinements' parameter .* iterate\(problem, W"):
        MiniVec2Vec(refinements=[refinement]).fit(X, X)
