import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sklearn_align._linalg import polar_factor, principal_axes, unit_rows
from sklearn_align.alignment import AlignmentProblem
from sklearn_align.alignment._problem import KnownPairs, ReducedProblem
from sklearn_align.alignment.solvers._fastica import Whitening
from sklearn_align.metrics import csls_score


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    return (
        unit_rows(rng.standard_normal((120, 8)) * np.linspace(3, 0.2, 8)),
        unit_rows(rng.standard_normal((90, 6)) * np.linspace(3, 0.2, 6)),
    )


def reduced_problem(problem, n_components, n_samples=1000):
    return ReducedProblem(
        problem,
        n_components=n_components,
        n_samples=n_samples,
        score_sample_size=50,
        random_state=np.random.RandomState(0),
    )


def test_samples_are_drawn_without_repetition(sides):
    problem = AlignmentProblem(*sides)
    for side, all_samples in zip("AB", sides, strict=True):
        sample = problem.sample(side, 40, np.random.RandomState(0))
        assert len(np.unique(sample, axis=0)) == 40
        assert {r.tobytes() for r in sample} <= {r.tobytes() for r in all_samples}
        for size in (None, len(all_samples), 10_000):
            assert problem.sample(side, size, np.random.RandomState(0)) is all_samples


def test_solve_is_procrustes(sides):
    A, B = sides
    problem = AlignmentProblem(A, B)
    np.testing.assert_allclose(problem.solve(A[:90], B), polar_factor(A[:90].T @ B))


def test_a_known_pair_counts_as_many_samples_as_its_weight(sides):
    A, B = sides
    pairs = KnownPairs(A[:5], B[5:10], weight=3.0)
    repeated_A = np.concatenate([A[:90], *[A[:5]] * 3])
    repeated_B = np.concatenate([B, *[B[5:10]] * 3])
    np.testing.assert_allclose(
        AlignmentProblem(A, B, pairs).solve(A[:90], B),
        polar_factor(repeated_A.T @ repeated_B),
        atol=1e-10,
    )


def test_no_pairs_are_none(sides):
    assert AlignmentProblem(*sides, KnownPairs(sides[0][:0], sides[1][:0], 1.0)).pairs is None


def test_score_is_the_public_csls_score(sides):
    A, B = sides
    W = np.random.default_rng(1).standard_normal((8, 6))
    assert AlignmentProblem(A, B).score(W) == pytest.approx(csls_score(A @ W, B))
    sampled = AlignmentProblem(A, B, score_sample_size=30, random_state=np.random.RandomState(0))
    assert sampled.score(W) == sampled.score(W.copy())
    assert sampled.score(W) != pytest.approx(csls_score(A @ W, B))


def test_score_of_another_map_is_not_remembered(sides):
    problem = AlignmentProblem(*sides)
    maps = [np.random.default_rng(seed).standard_normal((8, 6)) for seed in range(2)]
    first, second = (problem.score(W) for W in maps)
    assert first != second
    assert problem.score(maps[0]) == first


def test_principal_axes_agree_with_the_singular_vectors(sides):
    A, _ = sides
    axes = principal_axes(A, 3)
    Vt = np.linalg.svd(A)[2]
    np.testing.assert_allclose(np.abs(np.diag(Vt[:3] @ axes)), 1, atol=1e-9)


def test_reducing_without_loss_keeps_every_score(sides):
    problem = AlignmentProblem(*sides)
    reduced = reduced_problem(problem, n_components=100)
    assert reduced.A.shape == (120, 8)
    assert reduced.B.shape == (90, 6)
    W = np.random.default_rng(1).standard_normal((8, 6))
    np.testing.assert_allclose(reduced.lift(reduced.reduce(W)), W, atol=1e-9)
    np.testing.assert_allclose(
        reduced.A @ reduced.reduce(W) @ reduced.B.T, sides[0] @ W @ sides[1].T, atol=1e-9
    )


def test_lifted_maps_ignore_the_other_directions(sides):
    reduced = reduced_problem(AlignmentProblem(*sides), n_components=3)
    V = np.random.default_rng(1).standard_normal((3, 3))
    lifted = reduced.lift(V)
    assert np.linalg.matrix_rank(lifted) == 3
    np.testing.assert_allclose(reduced.reduce(lifted), V, atol=1e-12)


def test_pairs_are_reduced_and_can_be_set_aside(sides):
    A, B = sides
    problem = AlignmentProblem(A, B, KnownPairs(A[:5], B[:5], 2.0))
    reduced = reduced_problem(problem, n_components=4)
    assert reduced.pairs.A.shape == (5, 4)
    np.testing.assert_allclose(np.linalg.norm(reduced.pairs.B, axis=1), 1)
    assert reduced.without_pairs().pairs is None
    assert reduced.pairs is not None
    assert problem.pairs is not None


def test_score_is_computed_on_the_first_samples_or_on_random_ones(sides):
    A, B = sides
    W = np.random.default_rng(1).standard_normal((8, 6))
    first = AlignmentProblem(A, B, score_sample_size=40)
    assert first.score(W) == pytest.approx(csls_score(A[:40] @ W, B[:40]))
    drawn = AlignmentProblem(A, B, score_sample_size=40, random_state=np.random.RandomState(0))
    stream = np.random.RandomState(0)
    drawn_A, drawn_B = (drawn.sample(side, 40, stream) for side in "AB")
    assert drawn.score(W) == pytest.approx(csls_score(drawn_A @ W, drawn_B))
    large = AlignmentProblem(np.tile(A, (20, 1)), np.tile(B, (30, 1)))
    default = csls_score(large.A[:2000] @ W, large.B[:2000])
    assert large.score(W) == pytest.approx(default)


def test_the_score_of_one_map_is_computed_once(sides, monkeypatch):
    problem, W = AlignmentProblem(*sides), np.eye(8, 6)
    score = problem.score(W)
    monkeypatch.setattr("sklearn_align.alignment._problem.max_csls", None)
    assert problem.score(W.copy()) == score


def test_scores_on_several_threads_are_those_of_their_maps(sides):
    maps = [polar_factor(np.random.default_rng(k).normal(size=(8, 6))) for k in range(3)]
    alone = [AlignmentProblem(*sides).score(W) for W in maps]

    class Interleaved(AlignmentProblem):
        """Every thread has set an attribute before one of them goes on."""

        barrier = None

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if self.barrier is not None:
                self.barrier.wait(60)

    problem = Interleaved(*sides)
    Interleaved.barrier = threading.Barrier(len(maps))
    with ThreadPoolExecutor(len(maps)) as pool:
        assert list(pool.map(problem.score, maps)) == alone


def test_whitening_is_that_of_the_principal_coordinates_of_a_side(sides):
    problem = AlignmentProblem(*sides)
    reduced = reduced_problem(problem, n_components=4)
    for one, coordinates in (
        (problem, (problem.A, problem.B)),
        (reduced, (reduced.coordinates_A, reduced.coordinates_B)),
    ):
        for side, X in zip("AB", coordinates, strict=True):
            assert one.principal_coordinates(side) is X
            whitening = one.whitening(side)
            assert whitening is one.whitening(side)
            expected = Whitening.fit(X)
            np.testing.assert_array_equal(whitening.centred, expected.centred)
            np.testing.assert_array_equal(whitening.eigenvalues, expected.eigenvalues)


def test_a_reduced_problem_holds_a_sample_of_each_side(sides):
    A, B = sides
    pairs = KnownPairs(A[:5], B[:5], 2.5)
    problem = AlignmentProblem(A, B, pairs)
    reduced = ReducedProblem(
        problem,
        n_components=3,
        n_samples=60,
        score_sample_size=25,
        random_state=np.random.RandomState(0),
    )
    stream = np.random.RandomState(0)
    drawn = [problem.sample(side, 60, stream) for side in "AB"]
    axes = [principal_axes(X, 3) for X in drawn]
    for X, U, coordinates, unit in zip(
        drawn,
        axes,
        (reduced.coordinates_A, reduced.coordinates_B),
        (reduced.A, reduced.B),
        strict=True,
    ):
        np.testing.assert_allclose(coordinates, X @ U)
        np.testing.assert_allclose(unit, unit_rows(X @ U))
    np.testing.assert_allclose(reduced.pairs.A, unit_rows(A[:5] @ axes[0]))
    np.testing.assert_allclose(reduced.pairs.B, unit_rows(B[:5] @ axes[1]))
    assert reduced.pairs.weight == 2.5
    scored_A, scored_B = (reduced.sample(side, 25, stream) for side in "AB")
    assert reduced.score(np.eye(3)) == pytest.approx(csls_score(scored_A, scored_B))


def test_score_of_a_map_that_is_updated_in_place(sides):
    problem = AlignmentProblem(*sides)
    W = np.eye(8, 6)
    before = problem.score(W)
    W[:] = np.roll(W, 1, axis=1)
    assert problem.score(W) == AlignmentProblem(*sides).score(W) != before


def test_scores_of_a_refinement_that_updates_its_map_in_place(spaces, quick):
    class InPlace:
        def iterate(self, problem, W, random_state):
            W = W.copy()
            for _ in range(4):
                X = problem.sample("A", 300, random_state)
                nearest = (X @ W @ problem.B.T).argmax(axis=1)
                W[:] = problem.solve(X, problem.B[nearest])
                yield W

    aligner = quick(refinements=[InPlace()]).fit(spaces.XA, spaces.XB)
    scores = aligner.history_[-1]["score"]
    assert len(set(scores)) == 4


def test_halves_share_no_sample(sides):
    pairs = KnownPairs(*(X[:9] for X in sides), weight=1.0)
    reduced = ReducedProblem(
        AlignmentProblem(*sides, pairs), n_components=4, n_samples=1000, score_sample_size=20,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    reduced.whitening("A"), reduced.whitening("B")
    first, second, source, target = reduced.halves(np.random.RandomState(1))
    for side, within in (("A", source), ("B", target)):
        samples, coordinates = getattr(reduced, side), reduced.principal_coordinates(side)
        parts = [getattr(half, side) for half in (first, second)]
        assert {len(part) for part in parts} <= {len(samples) // 2, -(-len(samples) // 2)}
        order = [int((samples == row).all(axis=1).argmax()) for part in parts for row in part]
        assert sorted(order) == list(range(len(samples)))
        own = [half.principal_coordinates(side) for half in (first, second)]
        np.testing.assert_array_equal(np.concatenate(own), coordinates[order])
        # The halves of one space are the two sides of a problem.
        for part, coordinate, end in zip(parts, own, ("A", "B"), strict=True):
            np.testing.assert_array_equal(getattr(within, end), part)
            np.testing.assert_array_equal(within.principal_coordinates(end), coordinate)
    for half in (first, second, source, target):
        assert half.pairs is None
        for side in ("A", "B"):
            expected = Whitening.fit(half.principal_coordinates(side))
            np.testing.assert_array_equal(half.whitening(side).eigenvalues, expected.eigenvalues)
        score = csls_score(half.A[:20] @ np.eye(4), half.B[:20])
        assert half.score(np.eye(4)) == pytest.approx(score)
    assert reduced.pairs is not None
    np.testing.assert_array_equal(reduced.halves(np.random.RandomState(1))[0].A, first.A)


def test_a_problem_without_copies_has_one_of_each_sample():
    X, Y = (space_of(12, 12, n_samples=n, seed=n) for n in (300, 200))
    A, B = np.concatenate([X, X[:70]]), np.repeat(Y, 3, axis=0)
    pairs = KnownPairs(A[:9], B[:9], 1.0)
    reduced = reduced_problem(AlignmentProblem(A, B, pairs), n_components=12)
    distinct = reduced.without_copies(np.random.RandomState(0))
    assert (len(distinct.A), len(distinct.B)) == (300, 200)
    assert distinct.pairs is None
    assert reduced.pairs is not None
    for side in ("A", "B"):
        samples, kept = getattr(reduced, side), getattr(distinct, side)
        index = (kept @ samples.T).argmax(axis=1)
        np.testing.assert_allclose(kept, samples[index], atol=1e-12)
        own = distinct.principal_coordinates(side)
        np.testing.assert_allclose(own, reduced.principal_coordinates(side)[index], atol=1e-12)


def space_of(rank, width, n_samples=600, noise=0.0, seed=0):
    """Samples whose features are combinations of others, with noise of a relative variance."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((width, rank)))[0]
    X = rng.standard_normal((n_samples, rank)) @ axes.T / np.sqrt(rank)
    return unit_rows(X + np.sqrt(noise / width) * rng.standard_normal(X.shape))


@pytest.mark.parametrize(
    ("space", "wide"),
    [
        (space_of(128, 128), True),
        (space_of(127, 127), False),
        (space_of(80, 200), True),
        (space_of(60, 200), False),
        (space_of(60, 200, noise=0.005), False),
        (space_of(60, 200, noise=0.05), True),
        (np.tile(space_of(20, 20), 10), False),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_space_is_wide_if_its_samples_vary_in_many_directions(space, wide, dtype):
    space = space.astype(dtype)
    for A, B in ((space, space_of(128, 128)), (space_of(128, 128), space)):
        reduced = reduced_problem(AlignmentProblem(A, B.astype(dtype)), n_components=128)
        assert reduced.wide is wide
        assert all(half.wide is wide for half in reduced.halves(np.random.RandomState(0)))
