"""Known pairs as evidence for maps that were not fitted to them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._held_out import groups_of_shared_samples, retrieval_of_pairs
from sklearn_align.alignment._problem import KnownPairs, ReducedProblem
from sklearn_align.alignment._recipes import PAIR_EVIDENCE


def halves_of_pairs(
    pairs: KnownPairs, random_state: np.random.RandomState
) -> tuple[KnownPairs, KnownPairs] | None:
    """Split pairs into two halves that share no sample; None if one would have less than two pairs.

    A map that is fitted to few pairs retrieves them, right or wrong. Whether it retrieves other
    pairs tells right ones from wrong ones.
    """
    groups = groups_of_shared_samples(pairs)
    sizes = np.bincount(groups)
    # Large groups first, which leaves small ones to make up for the difference.
    order = random_state.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    half_of_group = np.zeros(len(sizes), dtype=np.intp)
    n_pairs = [0, 0]
    for group in order:
        half = int(n_pairs[1] < n_pairs[0])
        half_of_group[group] = half
        n_pairs[half] += int(sizes[group])
    if min(n_pairs) < PAIR_EVIDENCE.min_retrieved:
        return None
    is_second = half_of_group[groups] == 1
    return pairs.take(~is_second), pairs.take(is_second)


def some_of(pairs: KnownPairs) -> KnownPairs:
    """Return the pairs, or evenly spaced ones of them where all would take memory for nothing."""
    step = -(-len(pairs) // PAIR_EVIDENCE.max_judged)
    return pairs if step <= 1 else pairs.take(np.arange(0, len(pairs), step))


def share_retrieved(
    maps: Iterable[tuple[FloatArray, KnownPairs]],
    B: FloatArray,
    random_state: np.random.RandomState,
) -> tuple[float, int]:
    """Fraction of the pairs that maps retrieve, each map its own pairs, and number of all pairs."""
    n_retrieved, n_pairs = 0.0, 0
    for W, pairs in maps:
        n_retrieved += retrieval_of_pairs(W, pairs, B, random_state) * len(pairs)
        n_pairs += len(pairs)
    return (n_retrieved / n_pairs if n_pairs else 0.0), n_pairs


def needed_share(n_pairs: int) -> float:
    """Fraction of the pairs above which a map does not retrieve them by chance."""
    return max(PAIR_EVIDENCE.min_retrieved / n_pairs, PAIR_EVIDENCE.min_share)


def confirms(share: float, n_pairs: int) -> bool:
    """Whether this fraction of pairs, none of which made the map, confirms it."""
    n_needed = min(n_pairs, PAIR_EVIDENCE.min_retrieved_to_confirm)
    return share * n_pairs >= n_needed and share >= PAIR_EVIDENCE.min_share_to_confirm


def follows_pairs(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> bool:
    """Whether a map of the reduced problem retrieves the known pairs: it is no mirror image.

    The map may be fitted to the pairs as long as other evidence supports it: between symmetric
    spaces, a few pairs do not turn one map into its mirror image.
    """
    if reduced.pairs is None:
        return False
    pairs = some_of(reduced.pairs)
    share = retrieval_of_pairs(W, pairs, reduced.B, random_state)
    return confirms(share, len(pairs))
