"""Accuracy on known pairs that the map has not been fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from sklearn_align._linalg import unit_rows
from sklearn_align._similarity import top_k
from sklearn_align._typing import FloatArray, IntArray
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs
from sklearn_align.alignment._recipes import CORRECTION, HELD_OUT

# Fits a map to the samples and the pairs of a problem.
FitMap = Callable[[AlignmentProblem], FloatArray]


def accuracy_on_pairs(
    problem: AlignmentProblem,
    fit_map: FitMap,
    random_state: np.random.RandomState,
    *,
    wide: bool = False,
) -> float:
    """Fraction of left-out pairs whose counterpart is nearest among 1,000 target samples.

    Fits of a quarter of the known pairs less are made until enough pairs have been left out. The
    samples of the pairs and the target samples among which they are retrieved are left out as well:
    a map sends the samples that it is fitted to to wrong samples more often than others. What these
    samples would have added to the accuracy between `wide` spaces is estimated, see
    `with_all_samples`. NaN with too few pairs, or too few that share no sample with the others.
    """
    if problem.pairs is None or len(problem.pairs) < HELD_OUT.min_pairs:
        return float("nan")
    folds = split_pairs(problem.pairs, random_state)
    n_left_out = sum(len(left_out) for _, left_out in folds)
    if n_left_out < HELD_OUT.min_left_out:
        return float("nan")
    n_retrieved = 0.0
    shares = []
    for used, left_out in folds:
        rest, targets = leave_out(problem, used, left_out, random_state)
        accuracy = retrieval_of_pairs(fit_map(rest), left_out, targets, random_state)
        n_retrieved += accuracy * len(left_out)
        shares.append(len(rest.B) / len(problem.B))
    measured = n_retrieved / n_left_out
    return with_all_samples(measured, float(np.mean(shares))) if wide else measured


def with_all_samples(accuracy: float, share: float) -> float:
    """Accuracy of a map that is fitted to all samples, given that of fits to a share of them.

    Its log-odds rise with the logarithm of the number of samples between wide spaces. A map between
    narrow spaces has fewer entries, which fewer samples determine.
    """
    return float(expit(logit(accuracy) - HELD_OUT.slope_of_samples * np.log(share)))


def accuracy_of_given_map(
    W: FloatArray, problem: AlignmentProblem, random_state: np.random.RandomState
) -> float:
    """Fraction of all known pairs that a map retrieves which was not fitted to them.

    NaN with too few pairs.
    """
    if problem.pairs is None or len(problem.pairs) < HELD_OUT.min_pairs:
        return float("nan")
    return retrieval_of_pairs(W, problem.pairs, problem.B, random_state)


def split_pairs(
    pairs: KnownPairs, random_state: np.random.RandomState
) -> list[tuple[KnownPairs, KnownPairs]]:
    """Pairs to fit with, and pairs that are left out, which share no sample with them.

    Several times, each with other pairs that are left out.
    """
    size = int(HELD_OUT.left_out * len(pairs))
    n_folds = min(-(-HELD_OUT.n_wanted // size), int(1 / HELD_OUT.left_out))
    groups = groups_of_shared_samples(pairs)
    sizes = np.bincount(groups)
    # Groups that do not fit into the rest are used: a sample of many pairs would take it all.
    fold_of_group = np.full(len(sizes), -1)
    n_in_fold = np.zeros(n_folds, dtype=np.intp)
    for group in random_state.permutation(len(sizes)):
        fold = int(np.argmin(n_in_fold))
        if n_in_fold[fold] + sizes[group] <= size:
            fold_of_group[group] = fold
            n_in_fold[fold] += sizes[group]
    fold_of_pair = fold_of_group[groups]
    return [
        (pairs.take(fold_of_pair != fold), pairs.take(fold_of_pair == fold))
        for fold in range(n_folds)
        if n_in_fold[fold]
    ]


def leave_out(
    problem: AlignmentProblem,
    used: KnownPairs,
    left_out: KnownPairs,
    random_state: np.random.RandomState,
) -> tuple[AlignmentProblem, FloatArray]:
    """Return a problem without the samples of some pairs and without some target samples.

    Also returns target samples (n_targets, n_features_B), first those without which the problem is.
    They are fewer than 999 only where there are fewer.
    """
    A = _without(problem.A, left_out.A)
    B = _without(problem.B, left_out.B)
    B = B[random_state.permutation(len(B))]
    n_targets = HELD_OUT.n_targets - 1
    n_left_out = min(n_targets, int(HELD_OUT.targets_left_out * len(B)))
    rest = AlignmentProblem(A, B[n_left_out:], used, random_state=random_state)
    return rest, B[:n_targets]


def _without(samples: FloatArray, others: FloatArray) -> FloatArray:
    """Return the unit samples that are not among the others; all samples if most of them are."""
    nearest, _ = top_k(samples, others, 1)
    kept = nearest[:, 0] < 1 - CORRECTION.same_sample
    return samples[kept] if kept.mean() > HELD_OUT.min_kept else samples


def groups_of_shared_samples(pairs: KnownPairs) -> IntArray:
    """Return a group (n_pairs,) for each pair; pairs of different groups share no sample."""
    A, B = (_numbers_of_equal_rows(side) for side in (pairs.A, pairs.B))
    shape = (A.max() + 1, B.max() + 1)
    links = sparse.coo_array((np.ones(len(pairs), dtype=bool), (A, B)), shape=shape)
    both = sparse.block_array([[None, links], [links.T, None]])
    _, groups = sparse.csgraph.connected_components(both, directed=False)
    return np.asarray(groups[A])


def _numbers_of_equal_rows(X: FloatArray) -> IntArray:
    """Return a number (n_samples,) for each row, the same for equal ones."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in X], dtype=np.intp)


def retrieval_of_pairs(
    W: FloatArray, pairs: KnownPairs, B: FloatArray, random_state: np.random.RandomState
) -> float:
    """Fraction of pairs whose counterpart is nearest among 1,000 target samples.

    The others are samples of `B` (n_samples, n_features_B), fewer if there are fewer, without those
    that are the counterpart itself.
    """
    n_others = min(len(B), HELD_OUT.n_targets - 1)
    others = B[random_state.choice(len(B), n_others, replace=False)]
    mapped = unit_rows(pairs.A @ W)
    own = np.einsum("ij,ij->i", mapped, pairs.B)
    cosine = mapped @ others.T
    is_counterpart = np.greater(pairs.B @ others.T, 1 - CORRECTION.same_sample)
    cosine[is_counterpart] = -np.inf
    return float((own > cosine.max(axis=1)).mean())
