"""The warning for samples of other lengths than those of the fit, at its boundaries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.alignment._sample_lengths import warn_unless_as_long
from sklearn_align.exceptions import SampleLengthWarning

SPREAD = CentredNormalizer(np.zeros(3), 2.0, None, False, (1.0, 2.0, 4.0))
EQUAL = CentredNormalizer(np.zeros(3), 2.0, 2.0, False, (1.99, 2.0, 2.01))
ADVICE = (
    "The mean of fit is wrong for such samples. Pass vectors of the same kind as in fit. If a "
    "store normalizes its vectors, fit on normalized vectors."
)


def messages(lengths, normalizer=SPREAD):
    X = np.zeros((len(lengths), 3))
    X[:, 1] = lengths
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        warn_unless_as_long("X", X, normalizer)
    assert {warning.category for warning in record} <= {SampleLengthWarning}
    return [str(warning.message) for warning in record]


def spread_around(median, n_samples=21):
    """Lengths of a median that are too unequal to be taken as normalized."""
    return median * np.linspace(0.7, 1.3, n_samples)


@pytest.mark.parametrize(
    ("normalizer", "n_samples", "median", "warned"),
    [
        # The median may leave the tails by a factor of 1.5, of 3 for fewer than 20 samples.
        (SPREAD, 21, 4 * 1.49, False),
        (SPREAD, 21, 4 * 1.51, True),
        (SPREAD, 21, 1 / 1.49, False),
        (SPREAD, 21, 1 / 1.51, True),
        (SPREAD, 20, 4 * 1.51, True),
        (SPREAD, 19, 4 * 1.51, False),
        (SPREAD, 19, 4 * 2.99, False),
        (SPREAD, 19, 4 * 3.01, True),
        (SPREAD, 19, 1 / 2.99, False),
        (SPREAD, 19, 1 / 3.01, True),
        # Of a space of one length: by a factor of 1.1, however many they are.
        (EQUAL, 21, 2.01 * 1.09, False),
        (EQUAL, 21, 2.01 * 1.11, True),
        (EQUAL, 3, 1.99 / 1.09, False),
        (EQUAL, 3, 1.99 / 1.11, True),
    ],
)
def test_median_length(normalizer, n_samples, median, warned):
    assert len(messages(spread_around(median, n_samples), normalizer)) == warned


def test_a_length_at_the_boundary_is_no_other():
    assert not messages([6.0] * 3 + [7.0] * 9 + [5.0] * 9)
    assert messages([6.01] * 3 + [7.0] * 9 + [5.0] * 9)


@pytest.mark.parametrize(
    ("n_samples", "spread", "normalizer", "warned"),
    [
        (20, 0.0, SPREAD, True),
        (19, 0.0, SPREAD, False),
        (200, 0.0049, SPREAD, True),
        (200, 0.0056, SPREAD, False),
        (20, 0.0, EQUAL, False),
        # Those of the fit have to spread ten times as much: 0.05 times their median, here 2.
        (20, 0.0, CentredNormalizer(np.zeros(3), 2.0, None, False, (2.0, 2.0, 2.11)), True),
        (20, 0.0, CentredNormalizer(np.zeros(3), 2.0, None, False, (2.0, 2.0, 2.09)), False),
    ],
)
def test_lengths_that_have_become_equal(n_samples, spread, normalizer, warned):
    # The tails leave out a twentieth on either side.
    lengths = 2 * (1 + spread / 0.9 * np.linspace(0, 1, n_samples))
    assert len(messages(lengths, normalizer)) == warned


def test_text_of_the_warning():
    assert messages(spread_around(60.0)) == [
        "The samples of X have the length 60, but the samples of fit have the length 2 "
        "(mostly 1 to 4). " + ADVICE
    ]
    assert messages([1.5] * 20) == [
        "The samples of X have a common length 1.5, but the samples of fit have the length 2 "
        "(mostly 1 to 4). " + ADVICE
    ]
    assert messages([3.14159], EQUAL) == [
        "The samples of X have the length 3.14, but the samples of fit have the length 2. " + ADVICE
    ]


def test_when_no_length_is_compared():
    directions = CentredNormalizer(np.zeros(3), 2.0, None, True, (1.0, 2.0, 4.0))
    nothing = CentredNormalizer(np.zeros(3), 0.0, None)
    assert not messages([100.0] * 30, directions)
    assert not messages([100.0] * 30, nothing)
    assert not messages([])
    assert not messages([0.0] * 30)
    # Zeros count neither as short nor as samples.
    assert not messages([0.0] * 30 + [3.0] * 19)
    assert messages([0.0] * 30 + [3.0] * 20)


@pytest.mark.parametrize(("step", "n_samples"), [(1, 1000), (2, 1001), (3, 2001)])
def test_a_thousand_samples_spread_over_the_rows_are_compared(step, n_samples):
    lengths = np.full(n_samples, 100.0)
    lengths[::step] = spread_around(2.0, len(lengths[::step]))
    assert not messages(lengths)
    lengths = spread_around(2.0, n_samples)
    lengths[::step] = 100.0
    assert messages(lengths)
