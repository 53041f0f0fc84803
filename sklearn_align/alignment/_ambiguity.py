"""Ambiguity of a map without labels: whether quite another map explains the samples as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._problem import AlignmentProblem, KnownPairs, ReducedProblem, Side
from sklearn_align.alignment._recipes import AMBIGUITY, Contrast
from sklearn_align.alignment.refinements import TransportRefinement
from sklearn_align.alignment.solvers._component_statistics import (
    Components,
    component_relations,
    component_similarity,
)
from sklearn_align.alignment.solvers._fastica import Whitening, fast_ica
from sklearn_align.alignment.solvers._graph_matching import match_graphs


@dataclass(frozen=True)
class OtherMap:
    """A map that was compared with the one that is checked.

    `agreement` is the fraction of samples that both send to the same place; `score` the label-free
    score of the other map, where that of the checked map is 1 and that of arbitrary maps is 0.
    """

    score: float
    agreement: float


def find_equal_map(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> OtherMap | None:
    """Find a map that differs from `W` and scores as high; None where there is none.

    `W` (n_features_A, n_features_B) is a map at full width. In a symmetric space, `W` composed with
    a symmetry is such a map, and between unrelated narrow spaces there are many maps that are
    equally good. Known pairs rule out maps that do not send them to their counterparts.
    """
    best = best_other_map(reduced, W, random_state)
    return best if best is not None and best.score >= AMBIGUITY.min_score else None


def best_other_map(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState
) -> OtherMap | None:
    """Refine other maps, and return the one that differs from `W` and scores highest."""
    narrow = min(reduced.A.shape[1], reduced.B.shape[1]) <= AMBIGUITY.max_width
    max_agreement = AMBIGUITY.max_agreement if narrow else AMBIGUITY.max_agreement_wide
    # Refined on all samples, because a map that is fitted to few of them scores high on these.
    problem = AlignmentProblem(
        reduced.A, reduced.B, score_sample_size=AMBIGUITY.n_score_samples, random_state=random_state
    )
    probe = problem.sample("A", AMBIGUITY.n_score_samples, random_state)
    # The map is refined as the others are, so that its score is comparable with theirs.
    W = _refine(problem, polar_factor(reduced.reduce(W)), random_state, AMBIGUITY.n_iterations)
    arbitrary = [_random_map(W, random_state) for _ in range(AMBIGUITY.n_arbitrary_maps)]
    of_arbitrary = float(np.mean([problem.score(V) for V in arbitrary]))
    scale = problem.score(W) - of_arbitrary
    if scale <= 0:
        return None
    others = [
        _refine(problem, V, random_state, AMBIGUITY.n_first_iterations)
        for V in _first_maps(reduced, W, random_state, narrow=narrow)
    ]
    others = [V for V in others if map_agreement(probe, W, V) < max_agreement]
    others.sort(key=lambda V: -problem.score(V))
    found: list[OtherMap] = []
    for first in others:
        V = _refine(problem, first, random_state, AMBIGUITY.n_iterations)
        agreement = map_agreement(probe, W, V)
        if agreement < max_agreement and _fits_pairs(reduced.pairs, W, V):
            found.append(OtherMap((problem.score(V) - of_arbitrary) / scale, agreement))
            if found[-1].score >= AMBIGUITY.min_score or len(found) == AMBIGUITY.n_finalists:
                break
    return max(found, key=lambda other: other.score, default=None)


def _first_maps(
    reduced: ReducedProblem, W: FloatArray, random_state: np.random.RandomState, *, narrow: bool
) -> Iterator[FloatArray]:
    """Yield `W` composed with candidates for a symmetry, and arbitrary maps in narrow spaces."""
    yield -W
    signs = sign_changes(
        reduced.principal_coordinates("A"),
        random_state,
        min_moved=AMBIGUITY.min_moved_variance if narrow else AMBIGUITY.min_moved_variance_wide,
    )
    for change in signs if narrow else signs[: AMBIGUITY.n_sign_changes_wide]:
        yield change.astype(W.dtype)[:, None] * W
    sides: tuple[Side, ...] = ("A", "B")
    contrasts: tuple[Contrast, ...] = ("skew", "logcosh")
    for side in sides:
        for contrast in contrasts if narrow else contrasts[:1]:
            components = _components(reduced, side, contrast, random_state)
            permutation = _permutation(components, random_state)
            yield permutation @ W if side == "A" else W @ permutation
            # Narrower, so that there are few.
            if (
                narrow
                and contrast == "logcosh"
                and side == ("A" if W.shape[0] < W.shape[1] else "B")
            ):
                for reflection in _reflections(components.directions):
                    yield reflection @ W if side == "A" else W @ reflection
    if narrow:
        for _ in range(AMBIGUITY.n_random_maps):
            yield _random_map(W, random_state)


def sign_changes(
    X: FloatArray, random_state: np.random.RandomState, *, min_moved: float
) -> list[Float64Array]:
    """Return changes of signs of principal coordinates that keep third moments, best first.

    A symmetry of a space commutes with its covariance. Where no two variances are equal, it changes
    the signs of some principal coordinates, and the mean of a product of three coordinates is zero
    unless their signs multiply to one. `X` (n_samples, n_components) are coordinates by falling
    variance; each vector of signs (n_components,) comes from a greedy search in which one of the
    leading signs is negative from the beginning. Those that move less than a share `min_moved` of
    the variance are left out.
    """
    X = _draw(X, random_state)
    variances = (X.astype(np.float64) ** 2).mean(axis=0)
    n_axes = min(AMBIGUITY.n_sign_axes, int((variances > 0).sum()))
    Z = np.clip(X[:, :n_axes] / np.sqrt(variances[:n_axes]), -AMBIGUITY.clip, AMBIGUITY.clip)
    moments = np.stack([Z.T @ (Z * column[:, None]) / len(Z) for column in Z.T])
    # The variance of a mean of `n_samples` products of unit variance is no evidence.
    weights = np.maximum(moments.astype(np.float64) ** 2 - AMBIGUITY.noise / len(Z), 0)
    found: dict[bytes, tuple[float, Float64Array]] = {}
    for axis in range(n_axes):
        signs = _complete_signs(weights, axis)
        moved = float(variances[:n_axes][signs < 0].sum() / variances.sum())
        if moved >= min_moved:
            kept = float((weights @ signs @ signs) @ signs)
            full = np.concatenate([signs, np.ones(X.shape[1] - n_axes)])
            found[full.tobytes()] = (-kept, full)
    return [signs for _, signs in sorted(found.values(), key=lambda item: item[0])]


def _complete_signs(weights: Float64Array, axis: int) -> Float64Array:
    """Signs (n,) that keep moments with these weights (n, n, n), that of `axis` being negative."""
    n_axes = len(weights)
    diagonal = np.arange(n_axes)
    signs = np.ones(n_axes)
    signs[axis] = -1
    repeated = weights[diagonal, diagonal]
    cubes = weights[diagonal, diagonal, diagonal]
    for _ in range(2 * n_axes):
        # Moments in which a coordinate occurs once or three times change with its sign.
        total = weights @ signs @ signs - 2 * signs * (repeated @ signs) + cubes
        change = -signs * (3 * total + cubes)
        change[axis] = -np.inf
        best = int(change.argmax())
        if change[best] <= 0:
            break
        signs[best] *= -1
    return signs


def _draw(X: FloatArray, random_state: np.random.RandomState) -> FloatArray:
    """Draw as many samples as the statistics of a space need."""
    if len(X) <= AMBIGUITY.n_component_samples:
        return X
    return X[random_state.choice(len(X), AMBIGUITY.n_component_samples, replace=False)]


def _components(
    reduced: ReducedProblem, side: Side, contrast: Contrast, random_state: np.random.RandomState
) -> Components:
    """Independent components of one space, from at most as many samples as are needed."""
    X = _draw(reduced.principal_coordinates(side), random_state)
    whitening = Whitening.fit(X)
    sources, directions = fast_ica(
        whitening, AMBIGUITY.n_components, contrast=contrast, random_state=random_state
    )
    return Components.oriented(sources, directions)


def _permutation(components: Components, random_state: np.random.RandomState) -> FloatArray:
    """Orthogonal matrix that sends components to others with the same relations."""
    relations = component_relations(components)
    similarity = component_similarity(components, components)
    # Without it, every component would be matched with itself.
    np.fill_diagonal(similarity, AMBIGUITY.similarity_with_itself)
    first, second = match_graphs(relations, relations, similarity, random_state=random_state)
    D = components.directions
    return polar_factor(D[:, first] @ D[:, second].T)


def _reflections(directions: FloatArray) -> Iterator[FloatArray]:
    """Yield orthogonal matrices that change the sign of one direction (n_features, n)."""
    filters = np.linalg.pinv(directions)
    identity = np.eye(len(directions), dtype=directions.dtype)
    for direction, analysis in zip(directions.T, filters, strict=True):
        yield polar_factor(identity - 2 * np.outer(analysis, direction))


def _random_map(W: FloatArray, random_state: np.random.RandomState) -> FloatArray:
    """Draw a (semi-)orthogonal map of the shape of `W`."""
    return polar_factor(random_state.standard_normal(W.shape).astype(W.dtype))


def _refine(
    problem: AlignmentProblem, W: FloatArray, random_state: np.random.RandomState, n_iter: int
) -> FloatArray:
    """Return the map after some iterations."""
    refinement = TransportRefinement(max_iter=n_iter, **AMBIGUITY.refinement)
    for W_new in refinement.iterate(problem, W, random_state):
        W = W_new
    return W


def _fits_pairs(pairs: KnownPairs | None, W: FloatArray, V: FloatArray) -> bool:
    """Whether `V` sends known pairs as close to their counterparts as `W` does."""
    if pairs is None:
        return True
    of_W, of_V = (float((unit_rows(pairs.A @ M) * pairs.B).sum(axis=1).mean()) for M in (W, V))
    return of_V >= AMBIGUITY.min_score * of_W
