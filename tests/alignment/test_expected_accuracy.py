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
            if not many.relearned:
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


def test_the_lower_one_of_two_estimates_counts():
    """Figures of encoders against digits, and of a partly right map; one of them is high."""
    few, many = SampleKind(2000, wide=True), SampleKind(3500, wide=True)
    assert estimate_accuracy(0.71, 0.75, few, 0.83) < 0.4
    assert estimate_accuracy(1.0, 1.0, few, 0.83) > 0.8
    assert estimate_accuracy(0.82, 0.90, many, 0.48) < 0.3
    assert estimate_accuracy(0.82, 0.90, many, 1.0) > 0.7


def test_the_same_agreement_of_halves_means_less_with_more_samples():
    found = [estimate_accuracy(1.0, 1.0, SampleKind(n, wide=True), 0.8) for n in (2000, 4000, 8000)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.7 > 0.4 > found[2]


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


# Top-1 among 1,000 held-out samples and the figures of fits to sentences, of encoders whose maps
# did not serve to choose the coefficients.
@pytest.mark.parametrize(
    ("n_samples", "accuracy", "agreement", "score", "relearned"),
    [
        (3500, 0.939, 1.000, 1.117, 0.995),
        (3500, 0.623, 0.984, 0.998, 0.776),
        (3500, 0.596, 0.905, 0.995, 0.833),
        (3500, 0.511, 0.880, 0.897, 0.724),
        (3500, 0.441, 0.885, 1.058, 0.628),
        (3500, 0.247, 0.821, 0.895, 0.479),
        (3500, 0.081, 0.703, 0.963, 0.371),
        (7000, 0.994, 1.000, 0.684, 0.995),
        (7000, 0.940, 0.924, 0.700, 0.993),
        (7000, 0.870, 0.991, 0.641, 0.986),
        (7000, 0.585, 0.965, 0.419, 0.972),
        (7000, 0.032, 0.200, 0.345, 0.324),
    ],
)
def test_fits_to_sentences(n_samples, accuracy, agreement, score, relearned):
    found = estimate_accuracy(agreement, score, SampleKind(n_samples, wide=True), relearned)
    assert found == pytest.approx(accuracy, abs=0.1)


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
