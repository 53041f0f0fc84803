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


@given(SHARES, SHARES, SCORES, SCORES, NUMBERS, NUMBERS, SHARES, SHARES)
def test_the_estimate_is_a_share_that_rises_with_every_figure(
    agreement, more, score, higher, n_samples, others, relearned, better
):
    for wide in (False, True):
        for unseen in (False, True):
            kind = SampleKind(n_samples, wide, unseen)
            found = estimate_accuracy(agreement, score, kind, relearned)
            assert 0 <= found < 1
            assert estimate_accuracy(max(agreement, more), score, kind, relearned) >= found
            assert estimate_accuracy(agreement, max(score, higher), kind, relearned) >= found
            higher_share = max(relearned, better)
            assert estimate_accuracy(agreement, score, kind, higher_share) >= found
            many = SampleKind(max(n_samples, others), wide, unseen)
            if kind.relearned:
                # Halves of many samples lead to a map again more easily.
                if agreement >= 0.7 and score >= 0.4:
                    assert estimate_accuracy(agreement, score, many, relearned) <= found
            elif not many.relearned:
                assert estimate_accuracy(agreement, score, many, relearned) >= found


@pytest.mark.parametrize(
    ("kind", "relearned"),
    [
        (SampleKind(2000, wide=True), True),
        (SampleKind(1999, wide=True), False),
        (SampleKind(2000, wide=False), False),
        (SampleKind(2000, wide=True, unseen=True), False),
    ],
)
def test_where_maps_are_learned_again(kind, relearned):
    assert kind.relearned is relearned
    low, high = (estimate_accuracy(0.9, 1.0, kind, share) for share in (0.1, 1.0))
    assert (low < 0.1) is relearned
    assert (low == high) is not relearned


def test_where_runs_do_not_agree_both_regressions_must_expect_much():
    """Unrelated spaces with a high agreement of relearned maps; few samples have one regression."""
    narrow = estimate_accuracy(0.53, 0.64, SampleKind(2000, wide=False))
    assert narrow < 0.1
    assert estimate_accuracy(0.53, 0.64, SampleKind(2000, wide=True), 0.44) == narrow
    assert estimate_accuracy(0.7, 0.64, SampleKind(2000, wide=True), 0.44) > 0.4


def test_samples_beyond_those_of_the_search_change_nothing():
    at, beyond = (
        estimate_accuracy(0.9, 1.0, SampleKind(n, wide=True), 0.9) for n in (8000, 14_000)
    )
    assert at == beyond


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


# Top-1 among 1,000 held-out samples and the agreement with relearned maps of fits to sentences, of
# encoders whose maps did not serve to choose the coefficients.
@pytest.mark.parametrize(
    ("n_samples", "accuracy", "relearned", "tolerance"),
    [
        (3500, 0.96, 0.995, 0.1),
        (3500, 0.62, 0.78, 0.1),
        (3500, 0.60, 0.83, 0.1),
        (3500, 0.51, 0.72, 0.1),
        (3500, 0.44, 0.63, 0.1),
        (3500, 0.25, 0.48, 0.1),
        (3500, 0.08, 0.37, 0.1),
        (3500, 0.63, 0.91, 0.25),
        (7000, 0.99, 0.995, 0.1),
        (7000, 0.94, 0.99, 0.1),
        (7000, 0.87, 0.985, 0.1),
        (7000, 0.03, 0.32, 0.1),
        (7000, 0.58, 0.97, 0.25),
    ],
)
def test_fits_to_sentences(n_samples, accuracy, relearned, tolerance):
    found = estimate_accuracy(0.9, 0.9, SampleKind(n_samples, wide=True), relearned)
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
