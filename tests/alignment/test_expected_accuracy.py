"""Estimate of the accuracy without known pairs."""

import csv
from pathlib import Path

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
from sklearn_align.alignment._relearned import RelearnedMaps
from sklearn_align.metrics import retrieval_accuracy

RECORDED = Path(__file__).parents[2] / "docs" / "tables" / "runs" / "alignment_verdict.csv"
SHARES = st.floats(0, 1)
SCORES = st.floats(-10, 1e4)
NUMBERS = st.integers(2, 10**8)


@given(SHARES, SHARES, SCORES, SCORES, NUMBERS, NUMBERS, SHARES, SHARES, SCORES, SCORES)
def test_the_estimate_is_a_share_that_rises_with_every_figure(
    agreement, more, score, higher, n_samples, others, share, better, of_others, best
):
    relearned = RelearnedMaps(share, of_others)
    rising = [
        RelearnedMaps(max(share, better), of_others),
        RelearnedMaps(share, max(of_others, best)),
    ]
    for wide in (False, True):
        for unseen in (False, True):
            kind = SampleKind(n_samples, wide, unseen)
            found = estimate_accuracy(agreement, score, kind, relearned)
            assert 0 <= found <= 1
            assert estimate_accuracy(max(agreement, more), score, kind, relearned) >= found
            assert estimate_accuracy(agreement, max(score, higher), kind, relearned) >= found
            for figures in rising:
                assert estimate_accuracy(agreement, score, kind, figures) >= found
            many = SampleKind(max(n_samples, others), wide, unseen)
            if many.relearned is kind.relearned:
                assert estimate_accuracy(agreement, score, many, relearned) >= found


@pytest.mark.parametrize(
    ("kind", "relearned"),
    [
        (SampleKind(1500, wide=True), True),
        (SampleKind(1499, wide=True), False),
        (SampleKind(1500, wide=False), False),
        (SampleKind(1500, wide=True, unseen=True), False),
    ],
)
def test_where_maps_are_learned_again(kind, relearned):
    assert kind.relearned is relearned
    low, high = (
        estimate_accuracy(0.9, 1.0, kind, RelearnedMaps(share, 0.2)) for share in (0.1, 1.0)
    )
    assert (low < 0.2) is relearned
    assert (low == high) is not relearned


def test_maps_of_halves_must_agree_and_fit_the_other_half():
    """Figures of encoders against digits, and of a wrong and a right map between encoders."""
    kind = SampleKind(2000, wide=True)
    assert estimate_accuracy(0.95, 1.01, kind, RelearnedMaps(0.64, -0.05)) < 0.1
    assert estimate_accuracy(0.95, 0.78, kind, RelearnedMaps(0.82, -0.04)) < 0.15
    assert estimate_accuracy(0.95, 0.83, kind, RelearnedMaps(0.98, 0.21)) > 0.7


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


def test_the_estimates_of_the_published_table():
    """Fits between wide spaces of sentences, which did not serve to choose the coefficients."""
    errors = []
    with RECORDED.open() as file:
        for row in csv.DictReader(file):
            relearned = RelearnedMaps(
                float(row["relearned_agreement"] or "nan"), float(row["relearned_score"] or "nan")
            )
            if np.isnan(relearned.agreement):
                continue
            kind = SampleKind(int(row["n_samples"]), wide=True)
            # A map without rivals needs no independent run.
            agreement = 1.0 if row["converged"] == "True" else float(row["agreement"])
            found = estimate_accuracy(agreement, float(row["relative_score"]), kind, relearned)
            assert found == pytest.approx(float(row["expected_accuracy"]))
            errors.append(abs(found - float(row["top1"])))
    assert len(errors) > 80
    assert np.mean(errors) < 0.1


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
