"""Warnings point to the line of the user, from whatever method they are raised."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import AnchorStart, TransportRefinement
from sklearn_align.exceptions import AlignmentWarning, PairingWarning, SmallSampleWarning


def aligner(**parameters):
    return MiniVec2Vec(
        **{"n_init": 1, "refinements": [TransportRefinement(2)], "random_state": 0, **parameters}
    )


@pytest.fixture
def noise():
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 4)), rng.standard_normal((50, 5))


CALLS = {
    "fit": lambda A, B: aligner().fit(A, B),
    "fit_transform": lambda A, B: aligner().fit_transform(A, B),
    "pipeline": lambda A, B: Pipeline([("align", aligner())]).fit(A, B),
    "pipeline, second step": lambda A, B: make_pipeline(StandardScaler(), aligner()).fit(A, B),
    "pipeline, fit_transform": lambda A, B: make_pipeline(aligner()).fit_transform(A, B),
    "before a classifier": lambda A, B: make_pipeline(aligner(), LogisticRegression()).fit(
        A, np.arange(60) % 2, minivec2vec__XB=B
    ),
    "cross-validation": lambda A, B: cross_val_score(aligner(), A, params={"XB": B}, cv=2),
}


@pytest.mark.parametrize("call", CALLS)
def test_alignment_warning(noise, call):
    with pytest.warns(AlignmentWarning) as caught:
        CALLS[call](*noise)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize("call", ["fit", "fit_transform", "pipeline", "pipeline, second step"])
def test_one_dimensional_target(noise, call):
    A, _ = noise
    with pytest.warns(match="y is one-dimensional") as caught:
        CALLS[call](A, A[:, 0])
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize("n_jobs", [None, 1])
def test_clipped_sizes(noise, n_jobs):
    start = AnchorStart(n_clusters=99, n_runs=1)
    with pytest.warns(SmallSampleWarning) as caught:
        aligner(init=start, n_jobs=n_jobs).fit(*noise)
    assert {warning.filename for warning in caught} == {__file__}


def test_pairing_warning_of_score(spaces, fitted):
    for score in (fitted.score, Pipeline([("align", fitted)]).score):
        with pytest.warns(PairingWarning) as caught:
            score(spaces.XA, spaces.XB)
        assert [warning.filename for warning in caught] == [__file__]


def test_the_default_fit_of_few_samples_warns_of_nothing_that_it_does_not_use():
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SmallSampleWarning)
        warnings.simplefilter("ignore", AlignmentWarning)
        MiniVec2Vec(random_state=0).fit(rng.standard_normal((30, 3)), rng.standard_normal((18, 3)))
