"""Symmetry of a space: whether another map is as good as the one that was found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement, islice

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._candidate_refinements import candidate_refinements, refine
from sklearn_align.alignment._discrepancy import fits_as_well
from sklearn_align.alignment._problem import ReducedProblem
from sklearn_align.alignment._recipes import AMBIGUITY, CONVERGENCE, ROBUST
from sklearn_align.alignment._selection import limit_components
from sklearn_align.alignment._threads import share_work
from sklearn_align.alignment.starts import ComponentStart


def agreement_with_equivalent_maps(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> float:
    """Smallest agreement of a map of the reduced problem with another map that is as good.

    1 where there is none. A space is symmetric if an orthogonal map other than the identity, such
    as a mirror image, leaves the distribution of its samples as it is. Such a map, followed by the
    right one, is as good as the right one, and no sample tells which of them is right. To find it,
    halves of the samples of a space are mapped to the other halves. Without symmetry, these maps
    are the identity or have a lower score than the identity. Another map with such a score counts
    if it is its own inverse, as a mirror image is, or if a second map is the same or its inverse.
    Maps of the target space are carried over to the source space by the inverse of `W`. The point
    reflection ``x -> -x`` is tried as it is: where it is a symmetry, no component is skewed, and
    few maps of halves succeed.
    """
    identity = np.eye(W.shape[0], dtype=W.dtype)
    probe = reduced.sample("A", CONVERGENCE.n_probe_samples, random_state)
    *_, source, _ = reduced.halves(random_state, max_samples=AMBIGUITY.n_samples)
    if scores_as_identity(source, -identity, random_state):
        return map_agreement(probe, identity, -identity)
    symmetries = [
        S if side == "A" else W @ S @ W.T
        for side, S in _likely_symmetries(reduced.without_pairs(), random_state)
    ]
    agreements = [map_agreement(probe, identity, S) for S in symmetries]
    confirmed = [
        min(agreements[i], agreements[j])
        for i, j in combinations_with_replacement(range(len(symmetries)), 2)
        if _confirm(probe, symmetries[i], symmetries[j], same=i == j)
    ]
    return min(confirmed, default=1.0)


def scores_as_identity(
    half: ReducedProblem, S: FloatArray, random_state: np.random.RandomState
) -> bool:
    """Whether a map between halves of a space that was not fitted scores nearly as the identity."""
    identity = np.eye(half.A.shape[1], dtype=half.A.dtype)
    # Where samples have no close neighbours, the identity scores no higher than any other map.
    gain, share = AMBIGUITY.min_gain, AMBIGUITY.min_score_as_given
    return _scores_as(half, S, identity, share, random_state, min_gain=gain)


def _likely_symmetries(
    reduced: ReducedProblem, random_state: np.random.RandomState
) -> list[tuple[str, FloatArray]]:
    """Return maps of a space to itself that score as the identity but are another map.

    None with few samples, to whose accidents a map is fitted. Maps are made on as many threads as
    BLAS has, each with its own random stream, so that they do not depend on the number of threads.
    """
    if min(len(reduced.A), len(reduced.B)) // 2 < CONVERGENCE.min_samples_to_confirm:
        return []
    starts = [ComponentStart(**s) for s in ROBUST.starts]
    tasks: list[tuple[str, ReducedProblem, ComponentStart, np.random.RandomState]] = []
    for start in starts[: AMBIGUITY.n_maps if reduced.wide else AMBIGUITY.n_maps_narrow]:
        # With halves of its own, a map does not share the accidents of another one.
        *_, source, target = reduced.halves(random_state, max_samples=AMBIGUITY.n_samples)
        for side, half in (("A", source), ("B", target)):
            seed = random_state.randint(np.iinfo(np.int32).max)
            tasks.append((side, half, start, np.random.RandomState(seed)))
    found: list[FloatArray | None] = [None] * len(tasks)

    def make(indices: Sequence[int]) -> None:
        for k in indices:
            _, half, start, stream = tasks[k]
            found[k] = _other_map(half, start, stream)

    share_work(make, range(len(tasks)))
    return [(task[0], S) for task, S in zip(tasks, found, strict=True) if S is not None]


def _other_map(
    half: ReducedProblem, start: ComponentStart, random_state: np.random.RandomState
) -> FloatArray | None:
    """Map one half of a space to the other one; None if this is the identity or scores lower."""
    identity = np.eye(half.A.shape[1], dtype=half.A.dtype)
    probe = half.A[: CONVERGENCE.n_probe_samples]
    [limited] = limit_components([start], half)
    S = limited.initial_map(half, random_state)
    iterations = refine(candidate_refinements(), half, S, random_state)
    for n_iter in AMBIGUITY.n_iterations:
        for S_new in islice(iterations, n_iter):
            S = S_new
        if map_agreement(probe, identity, S) >= AMBIGUITY.max_agreement:
            return None
    # The identity is fitted to these samples as well, so that both scores profit alike.
    fitted = identity
    last = candidate_refinements()[-1]
    for fitted_new in islice(
        last.iterate(half, identity, random_state), AMBIGUITY.n_iterations_of_identity
    ):
        fitted = fitted_new
    as_good = _scores_as(half, S, fitted, AMBIGUITY.min_score_fitted, random_state)
    return S if as_good else None


def _scores_as(
    half: ReducedProblem,
    S: FloatArray,
    reference: FloatArray,
    share: float,
    random_state: np.random.RandomState,
    *,
    min_gain: float = 0.0,
) -> bool:
    """Whether the score of a map is at least a share of that of a reference map.

    On a scale where reflections of random axes, which are no symmetries, have 0, and the reference
    has 1. Where the reference scores little higher than these, the ratio is noisy, and the map must
    leave the density of the samples as it is. Where the density does not tell, the reference must
    score higher by more than `min_gain`.
    """
    arbitrary = _score_of_reflections(half, random_state)
    gain = half.score(reference) - arbitrary
    if gain <= AMBIGUITY.max_gain_of_densities:
        identity = np.eye(half.A.shape[1], dtype=half.A.dtype)
        symmetric = fits_as_well(half.A, half.B, S, identity, random_state)
        if symmetric is not None:
            return symmetric
    return gain > min_gain and half.score(S) - arbitrary >= share * gain


def _score_of_reflections(half: ReducedProblem, random_state: np.random.RandomState) -> float:
    """Mean score of reflections of random axes of a space."""
    size = (CONVERGENCE.n_arbitrary_maps, half.A.shape[1])
    signs = random_state.choice([-1, 1], size=size)
    return float(np.mean([half.score(np.diag(s).astype(half.A.dtype)) for s in signs]))


def _confirm(probe: FloatArray, S: FloatArray, T: FloatArray, *, same: bool) -> bool:
    """Whether a map is its own inverse, or two of them are the same or inverse to one another."""
    others = [T.T] if same else [T, T.T]
    return any(map_agreement(probe, S, V) >= CONVERGENCE.min_agreement for V in others)
