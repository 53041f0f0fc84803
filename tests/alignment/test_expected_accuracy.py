"""Estimate of the accuracy without known pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment._expected_accuracy import estimate_accuracy
from sklearn_align.metrics import retrieval_accuracy

SHARES = st.floats(0, 1)
SCORES = st.floats(-10, 1e4)
NUMBERS = st.integers(2, 10**8)


@given(SHARES, SHARES, SCORES, SCORES, NUMBERS, NUMBERS)
def test_the_estimate_is_a_share_that_rises_with_every_figure(
    agreement, more, score, higher, n_samples, others
):
    found = estimate_accuracy(agreement, score, n_samples)
    assert 0 < found < 1
    assert estimate_accuracy(max(agreement, more), score, n_samples) >= found
    assert estimate_accuracy(agreement, max(score, higher), n_samples) >= found
    assert estimate_accuracy(agreement, score, max(n_samples, others)) >= found


@pytest.mark.parametrize("n_samples", [60, 7000, 10**6])
def test_what_one_figure_denies_no_other_one_supports(n_samples):
    assert estimate_accuracy(1.0, 0.0, n_samples) < 0.05
    assert estimate_accuracy(0.0, 30.0, n_samples) < 0.2


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
    assert estimate_accuracy(agreement, score, 7000) == pytest.approx(accuracy, abs=tolerance)


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
