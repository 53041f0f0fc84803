"""Estimate of the accuracy without known pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment._expected_accuracy import (
    SampleKind,
    estimate_accuracy,
    needed_relative_score,
)
from sklearn_align.metrics import retrieval_accuracy

SHARES = st.floats(0, 1)
SCORES = st.floats(-10, 1e4)
NUMBERS = st.integers(2, 10**8)


@given(SHARES, SHARES, SCORES, SCORES, NUMBERS, NUMBERS)
def test_the_estimate_is_a_share_that_rises_with_every_figure(
    agreement, more, score, higher, n_samples, others
):
    for wide in (False, True):
        for unseen in (False, True):
            kind = SampleKind(n_samples, wide, unseen)
            found = estimate_accuracy(agreement, score, kind)
            assert 0 <= found < 1
            assert estimate_accuracy(max(agreement, more), score, kind) >= found
            assert estimate_accuracy(agreement, max(score, higher), kind) >= found
            kind = SampleKind(max(n_samples, others), wide, unseen)
            assert estimate_accuracy(agreement, score, kind) >= found


@pytest.mark.parametrize("n_samples", [60, 7000, 10**6])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("unseen", [False, True])
def test_what_one_figure_denies_no_other_one_supports(n_samples, wide, unseen):
    kind = SampleKind(n_samples, wide, unseen)
    assert estimate_accuracy(1.0, 0.0, kind) < 0.1
    assert estimate_accuracy(0.0, 30.0, kind) == 0


def succeeds(agreement, score, kind):
    return estimate_accuracy(agreement, score, kind) >= 0.5


@pytest.mark.parametrize(
    ("kind", "lowest"), [(SampleKind(7000, wide=False), 0.6), (SampleKind(7000, wide=True), 0.4)]
)
def test_a_success_needs_agreement_and_a_score(kind, lowest):
    assert succeeds(0.7, 1.0, kind)
    assert not succeeds(0.699, 1.0, kind)
    assert not succeeds(0.699, 30.0, SampleKind(30_000, wide=True, unseen=True))
    assert needed_relative_score(kind) == lowest
    assert succeeds(1.0, lowest, kind)
    assert not succeeds(1.0, lowest - 0.001, kind)


@given(st.integers(50, 10**8), st.booleans(), st.booleans())
def test_the_score_that_is_needed_is_the_lowest_one_of_a_success(n_samples, wide, unseen):
    kind = SampleKind(n_samples, wide, unseen)
    needed = needed_relative_score(kind)
    assert 0 < needed < 1
    assert not succeeds(1.0, needed - 1e-6, kind)
    assert succeeds(1.0, needed + 1e-6, kind)


def test_few_samples_need_a_higher_score_and_very_few_prove_nothing():
    assert [needed_relative_score(SampleKind(n, wide=True)) for n in (2, 20, 1000, 7000)] == [
        1,
        1,
        0.4,
        0.4,
    ]
    assert 0.5 < needed_relative_score(SampleKind(100, wide=True)) < 1
    assert not succeeds(1.0, 30.0, SampleKind(20, wide=True))


# Top-1 among 1,000 and the relative score of 2,500 samples that fits to the descriptions of
# packages had not seen, of maps that are right, right in part and wrong.
@pytest.mark.parametrize(
    ("accuracy", "score"),
    [(0.956, 0.446), (0.864, 0.368), (0.819, 0.312), (0.518, 0.199), (0.315, 0.133)],
)
def test_scores_of_samples_that_were_not_seen(accuracy, score):
    found = estimate_accuracy(1.0, score, SampleKind(13_500, wide=True, unseen=True))
    assert found == pytest.approx(accuracy, abs=0.1)


# Top-1 among 1,000 held-out samples and the figures of fits to 7,000 sentences, of encoders whose
# maps did not serve to choose the coefficients: contextual ones, and a static one at the end.
@pytest.mark.parametrize(
    ("accuracy", "agreement", "score", "tolerance"),
    [
        (0.991, 1.000, 0.684, 0.1),
        (0.919, 0.988, 0.767, 0.1),
        (0.956, 0.977, 0.708, 0.1),
        (0.906, 0.955, 0.746, 0.1),
        (0.908, 0.947, 0.624, 0.1),
        (0.872, 0.969, 0.654, 0.1),
        (0.866, 0.943, 0.697, 0.1),
        (0.020, 0.384, 0.433, 0.1),
        (0.606, 0.962, 0.433, 0.15),
        (0.451, 0.875, 0.381, 0.25),
    ],
)
def test_fits_to_7000_sentences(accuracy, agreement, score, tolerance):
    found = estimate_accuracy(agreement, score, SampleKind(7000, wide=True))
    assert found == pytest.approx(accuracy, abs=tolerance)


def test_the_estimate_of_a_right_map(spaces):
    right = MiniVec2Vec(random_state=0).fit(spaces.XA, spaces.XB)
    assert right.accuracy_measured_ is False
    accuracy = retrieval_accuracy(
        right.transform(spaces.XA_test), right.transform_target(spaces.XB_test)
    )
    assert right.expected_accuracy_ == pytest.approx(accuracy, abs=0.1)


@pytest.mark.filterwarnings("ignore:The alignment did not converge")
def test_of_unrelated_spaces_little_is_expected(spaces):
    noise = np.random.default_rng(0).standard_normal(spaces.XB.shape)
    assert MiniVec2Vec(n_init=3, random_state=0).fit(spaces.XA, noise).expected_accuracy_ < 0.1
