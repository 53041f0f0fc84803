"""Symmetric spaces: their alignment is ambiguous, and the estimator says so."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, _ambiguity
from sklearn_align.alignment._ambiguity import (
    agreement_with_equivalent_maps,
    scores_as_identity,
)
from sklearn_align.alignment._recipes import ROBUST
from sklearn_align.alignment._selection import reduce_problem
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AmbiguousAlignmentWarning

N_TEST = 300


def make_spaces(n_reflected, seed=0, n_samples=2500, width=24):
    """Two samples of one space, of which each is reflected along leading axes at random.

    Returns both, the rotation between them and held-out samples of the first.
    """
    data = make_rotated_embeddings(n_samples=n_samples, n_features=width, random_state=seed)
    rng = np.random.default_rng(seed)
    A, B = data.XA - data.XA.mean(axis=0), (data.XB - data.XB.mean(axis=0)) @ data.rotation.T
    axes = np.linalg.svd(A, full_matrices=False)[2]
    samples = [X @ axes.T for X in (A, B, data.XA_test - data.XA.mean(axis=0))]
    for X in samples:
        X[:, :n_reflected] *= rng.choice([-1, 1], size=(len(X), 1))
    rotation = axes @ data.rotation
    return samples[0], samples[1] @ rotation, rotation, samples[2][:N_TEST]


def reduced_problem(A, B, pairs=None):
    A, B = (unit_rows(X, X.mean(axis=0)).astype(np.float32) for X in (A, B))
    stream = np.random.RandomState(0)
    return reduce_problem(AlignmentProblem(A, B, pairs, random_state=stream), stream)


def agreement(A, B, W, seed=0):
    reduced = reduced_problem(A, B)
    W = reduced.reduce(W.astype(np.float32))
    return agreement_with_equivalent_maps(reduced, W, np.random.RandomState(seed))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("n_reflected", "symmetric"), [(0, False), (6, True), (24, True)],
    ids=["no symmetry", "mirror images", "point reflection"],
)  # fmt: skip
def test_a_symmetric_space_has_another_map_that_is_as_good(n_reflected, symmetric, seed):
    A, B, rotation, _ = make_spaces(n_reflected, seed)
    found = agreement(A, B, rotation, seed=seed)
    assert found < 0.35 if symmetric else found == 1


def test_the_estimator_says_that_an_alignment_is_ambiguous():
    A, B, rotation, test = make_spaces(6)
    with pytest.warns(AmbiguousAlignmentWarning, match=r"ambiguous.*Only known pairs \(pairs="):
        aligner = MiniVec2Vec(random_state=0).fit(A, B)
    assert (aligner.ambiguous_, aligner.converged_) == (True, False)
    assert aligner.expected_accuracy_ < 0.5
    # What the warning asks for helps.
    pairs = (test[:150], test[:150] @ rotation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aligner.fit(A, B, pairs=pairs)
    assert (aligner.ambiguous_, aligner.converged_) == (False, True)
    assert aligner.score(test[150:], test[150:] @ rotation) > 0.9


def test_a_space_without_symmetry_is_not_ambiguous():
    A, B, *_ = make_spaces(0)
    aligner = MiniVec2Vec(random_state=0).fit(A, B)
    assert (aligner.ambiguous_, aligner.converged_) == (False, True)


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize(("n_reflected", "symmetric"), [(0, False), (12, True)])
def test_spaces_whose_clusters_overlap(n_reflected, symmetric, seed):
    """After a wrong map, nearest neighbours are nearly as near as after the right one."""
    A, B, rotation, _ = make_spaces(n_reflected, seed, n_samples=1500, width=12)
    found = agreement(A, B, rotation, seed=seed)
    assert found < 0.35 if symmetric else found == 1


@pytest.mark.parametrize("seed", range(4))
def test_mirror_images_of_clusters_that_overlap(seed):
    A, B, *_ = make_spaces(3, seed, n_samples=1500, width=12)
    *_, source, _ = reduced_problem(A, B).halves(np.random.RandomState(seed))
    mirror, other = np.eye(12, dtype=np.float32), np.eye(12, dtype=np.float32)
    mirror[:3] *= -1
    other[1:4] *= -1
    # Samples are reduced to their principal directions, which are mixtures of the mirrored axes.
    axes = reduced_problem(A, B)._axes_A
    for S, symmetric in ((mirror, True), (other, False)):
        S = axes.T @ S @ axes
        assert scores_as_identity(source, S, np.random.RandomState(seed)) is symmetric


@pytest.mark.parametrize(
    ("gain", "fits", "symmetric"),
    [
        (0.019, True, True),
        (0.019, False, False),
        (0.019, None, False),
        (0.059, True, True),
        (0.059, False, False),
        # The score decides where densities do not.
        (0.059, None, True),
        (0.061, False, True),
    ],
)
def test_densities_decide_where_the_score_rises_little(monkeypatch, gain, fits, symmetric):
    asked = []

    def fits_as_well(A, B, V, reference, random_state):
        np.testing.assert_array_equal(reference, np.eye(3))
        asked.append(V)
        return fits

    monkeypatch.setattr(_ambiguity, "fits_as_well", fits_as_well)
    monkeypatch.setattr(_ambiguity, "_score_of_reflections", lambda *_: 0.5)
    half = SimpleNamespace(A=np.eye(3), B=np.eye(3), score=lambda V: 0.5 + gain)
    assert _ambiguity.scores_as_identity(half, S, np.random.RandomState(0)) is symmetric
    assert len(asked) == (gain < 0.06)
    assert all(V is S for V in asked)


@pytest.mark.parametrize("n_reflected", [0, 24])
def test_a_symmetry_that_is_given(n_reflected):
    A, B, *_ = make_spaces(n_reflected)
    *_, source, _ = reduced_problem(A, B).halves(np.random.RandomState(0))
    identity = np.eye(24, dtype=np.float32)
    stream = np.random.RandomState(0)
    assert scores_as_identity(source, -identity, stream) is (n_reflected == 24)


def test_normal_samples_prove_nothing():
    X = np.random.default_rng(0).standard_normal((600, 40))
    *_, source, _ = reduced_problem(X, X).halves(np.random.RandomState(0))
    assert not scores_as_identity(source, np.eye(40, dtype=np.float32), np.random.RandomState(0))


# ------------------------------------------------------- which maps count, with maps that are given

IDENTITY, S, T = (np.diag(np.array(d, dtype=float)) for d in ([1, 1, 1], [-1, -1, 1], [1, -1, -1]))
CYCLE = np.roll(np.eye(3), 1, axis=1)
W = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]


@pytest.fixture
def find(monkeypatch):
    """Agreement with maps of the two spaces to themselves, those of the second without `W`."""

    def find(of_source=(), of_target=()):
        def likely_symmetries(reduced, random_state):
            assert reduced.pairs is None
            return [*(("A", V) for V in of_source), *(("B", W.T @ V @ W) for V in of_target)]

        monkeypatch.setattr(_ambiguity, "_likely_symmetries", likely_symmetries)
        monkeypatch.setattr(_ambiguity, "scores_as_identity", lambda *_: False)
        A = np.random.default_rng(0).standard_normal((400, 3))
        reduced = reduced_problem(A, A, KnownPairs(A[:9], A[:9], 1.0))
        return agreement_with_equivalent_maps(reduced, W, np.random.RandomState(0))

    return find


@pytest.mark.parametrize(
    ("of_source", "of_target", "confirmed"),
    [
        ([], [], False),
        # A mirror image is its own inverse.
        ([S], [], True),
        ([], [S], True),
        # Others are confirmed by a second map, also of the other space.
        ([CYCLE], [], False),
        ([CYCLE, CYCLE], [], True),
        ([], [CYCLE, CYCLE], True),
        ([CYCLE], [CYCLE], True),
        ([CYCLE], [CYCLE.T], True),
        ([CYCLE, S @ CYCLE], [], False),
    ],
)
def test_which_maps_are_symmetries(find, of_source, of_target, confirmed):
    found = find(of_source, of_target)
    assert found < 0.35 if confirmed else found == 1


def test_the_lowest_agreement_counts(find, monkeypatch):
    shares = {"S": 0.3, "T": 0.1}

    def share(probe, one, other):
        if np.allclose(one, IDENTITY):
            return shares["S" if np.allclose(other, S) else "T"]
        return float(np.allclose(one, other))

    monkeypatch.setattr(_ambiguity, "map_agreement", share)
    assert find([S]) == 0.3
    assert find([S, T]) == find([T], [S]) == 0.1


class Steps:
    """Refinement that yields maps of a list, the last of them for ever, and counts them."""

    def __init__(self, maps):
        self.maps = maps
        self.n_iter = 0

    def iterate(self, *_):
        for V in self.maps:
            self.n_iter += 1
            yield V
        while True:
            self.n_iter += 1
            yield self.maps[-1]


@pytest.mark.parametrize(
    ("maps", "score", "found", "n_iter"),
    [
        # A map that has become the identity is given up, at once or later.
        ([IDENTITY], 9.0, False, 5),
        ([S] * 5 + [IDENTITY], 9.0, False, 15),
        ([S] * 15 + [IDENTITY], 9.0, False, 60),
        # Another one needs the score of the refined identity: .5 + .85 * (2 - .5).
        ([S], 1.774, False, 60),
        ([S], 1.776, True, 60),
    ],
)
def test_a_map_of_a_space_to_itself(monkeypatch, maps, score, found, n_iter):
    steps, of_identity = Steps(maps), Steps([2 * IDENTITY])
    monkeypatch.setattr(_ambiguity, "refine", lambda refinements, *_: steps.iterate())
    monkeypatch.setattr(_ambiguity, "candidate_refinements", lambda: [None, of_identity])
    monkeypatch.setattr(_ambiguity, "limit_components", lambda starts, problem: starts)

    def score_of(V):
        if np.allclose(V, S):
            return score
        # Reflections of random axes have other signs, on average.
        return 2.0 if np.allclose(V, 2 * IDENTITY) else 0.5

    half = SimpleNamespace(
        A=np.random.default_rng(0).standard_normal((50, 3)), B=np.eye(3), score=score_of
    )
    monkeypatch.setattr(_ambiguity, "_score_of_reflections", lambda *_: 0.5)
    start = SimpleNamespace(initial_map=lambda problem, random_state: S)
    V = _ambiguity._other_map(half, start, np.random.RandomState(0))
    assert (V is not None) is found
    assert steps.n_iter == n_iter
    assert of_identity.n_iter == (20 if n_iter == 60 and maps[-1] is S else 0)


def test_each_map_has_halves_of_its_own(monkeypatch):
    seen = []

    def other_map(half, start, random_state):
        seen.append((start.n_components, start.contrast, half.A.tobytes(), random_state.rand()))
        return -np.eye(half.A.shape[1])

    monkeypatch.setattr(_ambiguity, "_other_map", other_map)
    monkeypatch.setattr(_ambiguity, "share_work", lambda work, items: work(items))
    rng = np.random.default_rng(0)
    for width, n_maps in ((127, 8), (128, 4)):
        seen.clear()
        reduced = reduced_problem(*(rng.standard_normal((600, n)) for n in (width, 130)))
        found = _ambiguity._likely_symmetries(reduced, np.random.RandomState(0))
        assert [side for side, _ in found] == ["A", "B"] * n_maps
        starts = [(s["n_components"], s["contrast"]) for s in ROBUST.starts[:n_maps]]
        assert [one[:2] for one in seen[::2]] == [one[:2] for one in seen[1::2]] == starts
        assert len({one[2] for one in seen}) == len({one[3] for one in seen}) == 2 * n_maps


@pytest.mark.parametrize("n_reflected", [0, 6])
def test_maps_do_not_depend_on_the_number_of_threads(n_reflected):
    A, B, *_ = make_spaces(n_reflected)
    reduced = reduced_problem(A, B)
    results = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            results.append(_ambiguity._likely_symmetries(reduced, np.random.RandomState(0)))
    one, two = results
    assert bool(one) is (n_reflected > 0)
    assert [side for side, _ in one] == [side for side, _ in two]
    for (_, S_one), (_, S_two) in zip(one, two, strict=True):
        np.testing.assert_array_equal(S_one, S_two)


@pytest.mark.parametrize(("n_A", "n_B", "enough"), [(500, 500, True), (499, 900, False),
                                                    (900, 499, False)])  # fmt: skip
def test_few_samples_show_no_symmetry(monkeypatch, n_A, n_B, enough):
    monkeypatch.setattr(_ambiguity, "_other_map", lambda half, start, random_state: start)
    rng = np.random.default_rng(0)
    reduced = reduced_problem(rng.standard_normal((n_A, 4)), rng.standard_normal((n_B, 4)))
    found = _ambiguity._likely_symmetries(reduced, np.random.RandomState(0))
    assert bool(found) is enough
