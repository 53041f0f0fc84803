"""When a score is that of pairs, and when pairs are doubted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment._scoring import score_against
from sklearn_align.exceptions import PairingWarning
from sklearn_align.metrics import csls_score


def paired(n_samples, n_right):
    """Samples of which `n_right` are nearest to their counterparts, and the counterparts."""
    T = np.eye(n_samples)
    order = np.arange(n_samples)
    order[n_right:] = np.roll(order[n_right:], 1)
    return T[order], T


def score(Z, T, converged=True):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        value = score_against(Z, T, converged=converged)
    assert {warning.category for warning in record} <= {PairingWarning}
    return value, [str(warning.message) for warning in record]


@pytest.mark.parametrize(
    ("n_samples", "n_right", "converged", "doubted"),
    [
        # Five of them may be nearest by chance, and fifty are enough to doubt.
        (60, 6, True, False),
        (60, 5, True, True),
        (60, 0, True, True),
        (60, 0, False, False),
        (50, 5, True, True),
        (49, 0, True, False),
    ],
)
def test_pairs_no_better_than_chance(n_samples, n_right, converged, doubted):
    value, messages = score(*paired(n_samples, n_right), converged)
    assert value == n_right / n_samples
    assert len(messages) == doubted


def test_text_of_the_warning():
    _, messages = score(*paired(80, 1))
    assert messages == [
        "y has as many samples as X and is used as their counterparts, but only 1.2% of them are "
        "nearest although the alignment converged. If y is not paired with X, pass the target "
        "samples as XB= in fit or in a search: fit(XA, XB=XB)."
    ]


@pytest.mark.parametrize("n_target", [59, 61])
def test_other_numbers_of_samples_are_not_paired(n_target):
    rng = np.random.default_rng(0)
    Z, T = unit_rows(rng.normal(size=(60, 5))), unit_rows(rng.normal(size=(n_target, 5)))
    value, messages = score(Z, T)
    assert value == csls_score(Z, T)
    assert not messages
