from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import KnownPairs
from sklearn_align.alignment._pair_evidence import (
    confirms,
    follows_pairs,
    halves_of_pairs,
    needed_share,
    share_retrieved,
    some_of,
)


def unit_samples(seed, n, width=6):
    return unit_rows(np.random.default_rng(seed).standard_normal((n, width)))


def rows(X):
    return {tuple(x) for x in X}


@given(n_pairs=st.integers(4, 60), seed=st.integers(0, 99), n_shared=st.integers(1, 7))
def test_halves_are_all_pairs_and_share_no_sample(n_pairs, seed, n_shared):
    A, B = unit_samples(seed, n_pairs), unit_samples(seed + 1, n_pairs)
    # Some pairs have their source sample in common, others their target sample.
    A[: min(n_shared, n_pairs // 2)] = A[0]
    B[-2:] = B[-1]
    halves = halves_of_pairs(KnownPairs(A, B, 2.5), np.random.RandomState(seed))
    # No sample is in more than half of the pairs, so that both halves have two pairs or more.
    assert halves is not None
    one, other = halves
    assert len(one) + len(other) == n_pairs
    assert rows(np.hstack([A, B])) == rows(
        np.vstack([np.hstack([half.A, half.B]) for half in halves])
    )
    assert not rows(one.A) & rows(other.A)
    assert not rows(one.B) & rows(other.B)
    assert min(len(one), len(other)) >= 2
    assert (one.weight, other.weight) == (2.5, 2.5)


@pytest.mark.parametrize("n_pairs", [10, 11, 200])
def test_halves_without_shared_samples_are_equal(n_pairs):
    pairs = KnownPairs(unit_samples(0, n_pairs), unit_samples(1, n_pairs), 1.0)
    one, other = halves_of_pairs(pairs, np.random.RandomState(0))
    assert abs(len(one) - len(other)) == n_pairs % 2
    again, _ = halves_of_pairs(pairs, np.random.RandomState(0))
    np.testing.assert_array_equal(one.A, again.A)
    another, _ = halves_of_pairs(pairs, np.random.RandomState(1))
    assert rows(one.A) != rows(another.A)


def test_too_few_pairs_have_no_halves():
    A, B = unit_samples(0, 60), unit_samples(1, 60)
    for n_pairs in (1, 2, 3):
        few = KnownPairs(A[:n_pairs], B[:n_pairs], 1.0)
        assert halves_of_pairs(few, np.random.RandomState(0)) is None
    # All pairs, or all but one, have a sample in common.
    for n_alone in (0, 1):
        A[n_alone:] = A[-1]
        assert halves_of_pairs(KnownPairs(A, B, 1.0), np.random.RandomState(0)) is None


@pytest.mark.parametrize(("n_pairs", "n_some"), [(3, 3), (1000, 1000), (1001, 501), (5000, 1000)])
def test_many_pairs_are_thinned_out_evenly(n_pairs, n_some):
    numbers = np.arange(n_pairs)[:, np.newaxis]
    some = some_of(KnownPairs(numbers, -numbers, 2.0))
    assert len(some) == n_some
    assert len(set(np.diff(some.A[:, 0]))) == 1
    np.testing.assert_array_equal(some.B, -some.A)
    assert some.weight == 2.0


@pytest.mark.parametrize(
    ("n_pairs", "share"), [(1, 2.0), (2, 1.0), (4, 0.5), (40, 0.05), (41, 0.05), (1000, 0.05)]
)
def test_how_many_pairs_are_more_than_chance(n_pairs, share):
    assert needed_share(n_pairs) == share


@pytest.mark.parametrize(
    ("share", "n_pairs", "expected"),
    [
        (1.0, 1, True),
        (0.5, 2, False),
        (1.0, 2, True),
        (0.5, 4, False),
        (0.75, 4, True),
        (0.2, 15, True),
        (0.2, 14, False),
        (0.19, 1000, False),
        (0.2, 1000, True),
        (0.0, 20, False),
    ],
)
def test_what_confirms_a_map(share, n_pairs, expected):
    assert confirms(share, n_pairs) is expected


def test_every_map_retrieves_its_own_pairs():
    B = unit_samples(1, 300, 12)
    R = np.linalg.qr(np.random.default_rng(2).standard_normal((12, 12)))[0]
    right = KnownPairs(B[:30] @ R.T, B[:30], 1.0)
    wrong = KnownPairs(right.A[:10], B[100:110], 1.0)
    stream = np.random.RandomState(0)
    assert share_retrieved([(R, right), (R, wrong)], B, stream) == (30 / 40, 40)
    assert share_retrieved([(R, right), (-R, right)], B, stream) == (0.5, 60)
    assert share_retrieved([], B, stream) == (0.0, 0)


@pytest.mark.parametrize("n_right", [0, 2, 4, 20])
def test_a_map_follows_pairs_that_it_retrieves(n_right):
    B = unit_samples(1, 300, 12)
    R = np.linalg.qr(np.random.default_rng(2).standard_normal((12, 12)))[0]
    A = B @ R.T
    pairs = KnownPairs(A[:20], np.concatenate([B[:n_right], B[100 : 120 - n_right]]), 1.0)
    reduced = SimpleNamespace(B=B, pairs=pairs)
    # A fifth of the pairs is needed, and three.
    assert follows_pairs(reduced, R, np.random.RandomState(0)) is (n_right >= 4)
    assert follows_pairs(reduced, -R, np.random.RandomState(0)) is False


def test_no_map_follows_pairs_where_there_are_none():
    reduced = SimpleNamespace(B=unit_samples(0, 9), pairs=None)
    assert follows_pairs(reduced, np.eye(6), None) is False
