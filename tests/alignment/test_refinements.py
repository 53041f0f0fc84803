import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import (
    AlignmentProblem,
    ClusterRefinement,
    KnownPairs,
    MutualNeighborRefinement,
    NeighborRefinement,
    Refinement,
    StochasticTransportRefinement,
    TransportRefinement,
)
from sklearn_align.alignment.refinements import _mutual_neighbors
from sklearn_align.alignment.refinements._protocol import blend
from sklearn_align.alignment.solvers._semi_dual import SemiDual
from sklearn_align.alignment.solvers._sinkhorn import transport_cross_covariance
from sklearn_align.exceptions import SmallSampleWarning
from sklearn_align.metrics import mean_cosine_similarity, retrieval_accuracy

BUILT_IN = [
    NeighborRefinement(max_iter=15, n_neighbors=10),
    ClusterRefinement(n_clusters=60, smoothing=1.0),
    TransportRefinement(max_iter=15),
    StochasticTransportRefinement(max_iter=2, n_batches=5),
    MutualNeighborRefinement(),
]


@pytest.fixture(scope="module")
def problem(spaces):
    return AlignmentProblem(*(unit_rows(X, X.mean(axis=0)) for X in (spaces.XA, spaces.XB)))


@pytest.fixture(scope="module")
def rough(spaces):
    """A map that is right, but for noise."""
    noise = np.random.default_rng(0).standard_normal(spaces.rotation.shape)
    return polar_factor(spaces.rotation + 0.15 * noise)


def quality(spaces, W):
    Z = (spaces.XA_test - spaces.XA.mean(axis=0)) @ W
    T = spaces.XB_test - spaces.XB.mean(axis=0)
    return mean_cosine_similarity(Z, T), retrieval_accuracy(Z, T)


def maps(refinement, problem, W, seed=0):
    return list(refinement.iterate(problem, W, np.random.RandomState(seed)))


@pytest.mark.parametrize("refinement", BUILT_IN, ids=lambda r: type(r).__name__)
def test_a_rough_map_gets_better(spaces, problem, rough, refinement):
    before = rough.copy()
    *_, refined = maps(refinement, problem, rough)
    np.testing.assert_array_equal(rough, before)
    cosine_rough, accuracy_rough = quality(spaces, rough)
    cosine, accuracy = quality(spaces, polar_factor(refined))
    assert cosine > cosine_rough + 0.05
    assert accuracy > accuracy_rough
    assert problem.score(refined) > problem.score(rough)


@pytest.mark.parametrize("refinement", BUILT_IN, ids=lambda r: type(r).__name__)
def test_protocol_reproducibility_and_clone(problem, rough, refinement):
    assert isinstance(refinement, Refinement)
    first, second = maps(refinement, problem, rough), maps(clone(refinement), problem, rough)
    assert len(first) == len(second) <= refinement.max_iter
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    maps(refinement, problem, rough)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_refine_1_against_the_algorithm_written_out(problem, rough):
    W = rough
    for refined in maps(
        NeighborRefinement(max_iter=3, sample_size=None, n_neighbors=7, smoothing=0.3),
        problem,
        rough,
    ):
        nearest = np.argsort(-(problem.A @ W @ problem.B.T), axis=1)[:, :7]
        W = 0.7 * W + 0.3 * polar_factor(problem.A.T @ problem.B[nearest].mean(axis=1))
        np.testing.assert_allclose(refined, W, atol=1e-9)


def test_mutual_neighbours_with_one_neighbour_written_out(problem, rough):
    (refined,) = maps(
        MutualNeighborRefinement(max_iter=1, sample_size=None, n_neighbors=1), problem, rough
    )
    cosine = unit_rows(problem.A @ rough) @ problem.B.T
    csls = 2 * cosine - cosine.max(axis=1, keepdims=True) - cosine.max(axis=0)
    mutual = [i for i in range(len(csls)) if csls[:, csls[i].argmax()].argmax() == i]
    expected = polar_factor(problem.A[mutual].T @ problem.B[csls[mutual].argmax(axis=1)])
    np.testing.assert_allclose(refined, expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "refinement",
    [*BUILT_IN, TransportRefinement(2, momentum=0.5), TransportRefinement(2, whitening=(0.3, 0.3))],
    ids=repr,
)
def test_the_precision_is_kept(problem, rough, refinement, dtype):
    few = AlignmentProblem(problem.A[:80].astype(dtype), problem.B[:70].astype(dtype))
    assert {W.dtype for W in maps(refinement, few, rough.astype(dtype))} == {np.dtype(dtype)}


def test_without_smoothing_nothing_is_left_of_the_old_map():
    new = np.eye(2)
    np.testing.assert_array_equal(blend(np.full((2, 2), np.nan), new, 1.0), new)
    np.testing.assert_allclose(blend(np.ones((2, 2)), new, 0.25), 0.75 + 0.25 * new)


class SpiedProblem(AlignmentProblem):
    """A problem that records which samples are drawn, with scores that are given."""

    def __init__(self, *args, scores=(), **kwargs):
        self.drawn = []
        super().__init__(*args, **kwargs)
        self.scores = list(scores)

    def sample(self, side, size, random_state):
        self.drawn.append((side, size))
        return super().sample(side, size, random_state)

    def score(self, W):
        return self.scores.pop(0)


@pytest.mark.parametrize(
    ("refinement", "parameters"),
    [
        (
            NeighborRefinement,
            {"max_iter": 75, "sample_size": 10_000, "n_neighbors": 50, "smoothing": 0.5},
        ),
        (ClusterRefinement, {"n_clusters": 500, "smoothing": 0.5}),
        (MutualNeighborRefinement, {"max_iter": 15, "sample_size": 10_000, "n_neighbors": 10}),
        (
            TransportRefinement,
            {
                "max_iter": 100,
                "sample_size": 2500,
                "epsilon": (0.05, 0.04),
                "whitening": (0.0, 0.0),
                "n_sinkhorn_rounds": 6,
                "smoothing": 0.7,
                "momentum": 0.0,
                "n_iter_no_change": 10,
                "tol": 0.002,
            },
        ),
    ],
)
def test_defaults(refinement, parameters):
    assert refinement().get_params() == parameters


@pytest.mark.parametrize(
    ("refinement", "drawn"),
    [
        (NeighborRefinement(max_iter=2, sample_size=30), [("A", 30)]),
        (MutualNeighborRefinement(max_iter=2, sample_size=30), [("A", 30), ("B", 30)]),
        (
            TransportRefinement(max_iter=2, sample_size=30, n_iter_no_change=None),
            [("A", 30), ("B", 30)],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_iteration_draws_samples(problem, rough, refinement, drawn):
    spied = SpiedProblem(problem.A[:200], problem.B[:150])
    assert len(maps(refinement, spied, rough)) == 2
    assert spied.drawn == drawn * 2


def test_refine_2_against_the_algorithm_written_out(problem, rough):
    (refined,) = maps(ClusterRefinement(n_clusters=40, smoothing=0.3), problem, rough)
    stream = np.random.RandomState(0)
    centers_A = KMeans(40, n_init=1, random_state=stream).fit(problem.A).cluster_centers_
    k_means_B = KMeans(40, init=unit_rows(centers_A @ rough), n_init=1, random_state=stream)
    centers_B = k_means_B.fit(problem.B).cluster_centers_
    expected = 0.7 * rough + 0.3 * polar_factor(centers_A.T @ centers_B)
    np.testing.assert_allclose(refined, expected, atol=1e-9)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_transport_against_the_algorithm_written_out(problem, rough, momentum):
    pairs = KnownPairs(problem.A[:5], problem.B[:5], 2.0)
    with_pairs = AlignmentProblem(problem.A[:300], problem.B[:200], pairs)
    refinement = TransportRefinement(
        max_iter=3,
        sample_size=150,
        epsilon=(0.2, 0.05),
        whitening=(0.1, 0.5),
        n_sinkhorn_rounds=3,
        smoothing=0.4,
        momentum=momentum,
    )
    stream, W, change = np.random.RandomState(0), rough, 0.0
    settings = zip((0.2, 0.1, 0.05), (0.1, 0.3, 0.5), strict=True)
    for refined in maps(refinement, with_pairs, rough):
        epsilon, power = next(settings)
        X, Y = (with_pairs.sample(side, 150, stream) for side in "AB")
        C = transport_cross_covariance(X, Y, W, epsilon=epsilon, n_rounds=3, whitening=power)
        W_new = polar_factor(150 * C + 2.0 * pairs.A.T @ pairs.B)
        if momentum:
            change = 0.5 * change + (W_new - W)
            W = polar_factor(W + 0.4 * change)
        else:
            W = 0.6 * W + 0.4 * W_new
        np.testing.assert_allclose(refined, W, atol=1e-8)
    assert next(settings, None) is None


def test_stochastic_transport_against_the_algorithm_written_out(problem, rough):
    pairs = KnownPairs(problem.A[:5], problem.B[:5], 2.0)
    with_pairs = AlignmentProblem(problem.A[:300], problem.B[:200], pairs)
    refinement = StochasticTransportRefinement(
        2,
        n_batches=2,
        sample_size=150,
        target_sample_size=120,
        epsilon=0.1,
        whitening=0.4,
        step=(0.8, 0.1),
        momentum=0.3,
    )
    stream, W, change = np.random.RandomState(0), rough, 0.0
    transport, steps = SemiDual(with_pairs.B, 0.1, 0.4), iter((0.8, 0.4, 0.2, 0.1))
    for refined in maps(refinement, with_pairs, rough):
        for _ in range(2):
            X = with_pairs.sample("A", 150, stream)
            C = transport.cross_covariance(X, W, 120, stream)
            change = 0.3 * change + (polar_factor(150 * C + 2.0 * pairs.A.T @ pairs.B) - W)
            W = polar_factor(W + next(steps) * change)
        np.testing.assert_allclose(refined, W, atol=1e-9)
    assert next(steps, None) is None


@pytest.mark.parametrize(
    ("n_targets", "target_sample_size", "epsilon"),
    [
        (100, None, 0.03),
        (7000, None, 0.03),
        (14_000, None, 0.03 * 0.5**0.4),
        (100_000, None, 0.015),
        (100_000, 14_000, 0.03 * 0.5**0.4),
        (14_000, 100_000, 0.03 * 0.5**0.4),
    ],
)
def test_epsilon_follows_the_number_of_targets(n_targets, target_sample_size, epsilon):
    refinement = StochasticTransportRefinement(target_sample_size=target_sample_size)
    assert refinement._epsilon(n_targets) == pytest.approx(epsilon)
    assert refinement.set_params(epsilon=0.2)._epsilon(n_targets) == 0.2


def test_steps_that_become_smaller_average_over_batches(problem, rough):
    def change_of_the_last_step(step):
        refinement = StochasticTransportRefinement(20, n_batches=1, sample_size=100, step=step)
        *_, last_but_one, last = maps(refinement, problem, rough)
        return np.linalg.norm(last - last_but_one)

    assert change_of_the_last_step((1.0, 0.05)) < 0.3 * change_of_the_last_step((1.0, 1.0))


@pytest.mark.parametrize(
    ("scores", "n_maps"),
    [
        ([-5.0, -4.0, -3.99], 6),  # rises by half of `tol`
        ([-5.0, -4.0, -4.5], 6),
        ([0.0, 0.5, 1.0, 1.0], 8),
        ([0.0, 0.0], 4),
        ([0.0, 1.0, 2.0, 3.0, 4.0], 10),
    ],
)
def test_transport_stops_at_the_first_score_that_does_not_rise(problem, rough, scores, n_maps):
    watched = SpiedProblem(problem.A[:60], problem.B[:50], scores=scores)
    refinement = TransportRefinement(max_iter=10, n_iter_no_change=2, tol=0.02)
    assert len(maps(refinement, watched, rough)) == n_maps
    assert watched.scores == []


def test_a_rise_by_the_tolerance_counts(problem, rough):
    watched = SpiedProblem(problem.A[:60], problem.B[:50], scores=[0.0, 0.5, 1.0])
    assert len(maps(TransportRefinement(6, n_iter_no_change=2, tol=0.5), watched, rough)) == 6


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": (0.05,)}, "'epsilon' parameter .* two positive floats"),
        ({"epsilon": (0.05, 0.04, 0.03)}, "'epsilon' parameter .* two positive floats"),
        ({"epsilon": (0.05, "x", 0.04)}, "'epsilon' parameter .* two positive floats"),
        ({"epsilon": (0.05, 0.0)}, r"'epsilon' parameter .* got \(0.05, 0.0\)"),
        ({"epsilon": (-0.05, 0.04)}, "'epsilon' parameter .* two positive floats"),
        ({"epsilon": (0.05, np.nan)}, "'epsilon' parameter .* two positive floats"),
        ({"epsilon": (np.inf, 0.04)}, "'epsilon' parameter .* two positive floats"),
        ({"whitening": ("x", 0.0)}, "'whitening' parameter .* tuple of two floats"),
        ({"whitening": (0.0, None)}, "'whitening' parameter .* tuple of two floats"),
        ({"whitening": (0.0, np.inf)}, "'whitening' parameter .* tuple of two floats"),
    ],
)
def test_schedules_are_two_numbers(problem, rough, parameters, message):
    with pytest.raises(ValueError, match=message):
        maps(TransportRefinement(**parameters), problem, rough)


@pytest.mark.parametrize("step", [(1.0,), (1.0, 0.0), (1.0, "x"), [1.0, -0.1], (1.0, np.inf)])
def test_steps_are_two_positive_numbers(problem, rough, step):
    message = "'step' parameter of StochasticTransportRefinement must be .* two positive floats"
    with pytest.raises(ValueError, match=message):
        maps(StochasticTransportRefinement(step=step), problem, rough)


def test_schedules_of_whitening_may_be_negative(problem, rough):
    refinement = TransportRefinement(1, whitening=(-0.5, 0.0), epsilon=[0.5, 1])
    assert len(maps(refinement, problem, rough)) == 1


def test_the_neighbourhood_shrinks_to_one(problem, rough, monkeypatch):
    seen = []

    def spy(X, Y, n_neighbors):
        seen.append(n_neighbors)
        return np.arange(5), np.arange(5)

    monkeypatch.setattr(_mutual_neighbors, "mutual_csls_neighbors", spy)
    maps(MutualNeighborRefinement(max_iter=4, n_neighbors=10), problem, rough)
    few = AlignmentProblem(problem.A[:9], problem.B[:7])
    with pytest.warns(SmallSampleWarning, match="^n_neighbors=10 was reduced to 7"):
        maps(MutualNeighborRefinement(max_iter=3, n_neighbors=10), few, rough)
    assert seen == [10, 7, 4, 1, 7, 4, 1]


@pytest.mark.parametrize(
    ("refinement", "message"),
    [
        (NeighborRefinement(1, n_neighbors=9), "^n_neighbors=9 was reduced to 7"),
        (ClusterRefinement(9), "^n_clusters=9 was reduced to 7"),
    ],
)
def test_parameters_above_the_number_of_samples_are_named(problem, rough, refinement, message):
    few = AlignmentProblem(problem.A[:8], problem.B[:7])
    with pytest.warns(SmallSampleWarning, match=message):
        maps(refinement, few, rough)


def test_the_true_map_of_equal_samples_is_a_fixed_point(twins):
    X, R, order = twins
    A = unit_rows(X, X.mean(axis=0))
    problem = AlignmentProblem(A, (A @ R)[order])
    for refinement in (MutualNeighborRefinement(max_iter=3), ClusterRefinement(800)):
        *_, W = maps(refinement, problem, R)
        np.testing.assert_allclose(W, R, atol=1e-6)


def test_transport_stops_when_the_score_no_longer_rises(problem, rough):
    stopped = maps(TransportRefinement(max_iter=200, n_iter_no_change=5), problem, rough)
    assert len(stopped) < 200
    assert len(stopped) % 5 == 0
    endless = TransportRefinement(max_iter=30, n_iter_no_change=None)
    assert len(maps(endless, problem, rough)) == 30


def test_known_pairs_pull_the_map(spaces, problem, rough):
    pairs = KnownPairs(
        unit_rows(spaces.XA_test[:200], spaces.XA.mean(axis=0)),
        unit_rows(spaces.XB_test[:200], spaces.XB.mean(axis=0)),
        1000.0,
    )
    anchored = AlignmentProblem(problem.A, problem.B, pairs)
    (W,) = maps(TransportRefinement(max_iter=1, smoothing=1.0), anchored, rough)
    np.testing.assert_allclose(W, polar_factor(pairs.A.T @ pairs.B), atol=0.02)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.parametrize("refinement", BUILT_IN, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize(("n_A", "n_B"), [(3, 2), (1, 5), (2, 2)])
def test_fewer_samples_than_clusters_and_neighbors(refinement, n_A, n_B):
    rng = np.random.default_rng(0)
    problem = AlignmentProblem(
        unit_rows(rng.standard_normal((n_A, 4))), unit_rows(rng.standard_normal((n_B, 3)))
    )
    for W in maps(refinement, problem, polar_factor(rng.standard_normal((4, 3)))):
        assert W.shape == (4, 3)
        assert np.isfinite(W).all()


@pytest.mark.parametrize("refinement", BUILT_IN, ids=lambda r: type(r).__name__)
def test_an_own_step_stands_next_to_the_built_in_ones(spaces, quick, refinement):
    class Remembers:
        max_iter = 2

        def __init__(self):
            self.seen = []

        def iterate(self, problem, W, random_state):
            for _ in range(2):
                X = problem.sample("A", 300, random_state)
                W = problem.solve(X, problem.B[(X @ W @ problem.B.T).argmax(axis=1)])
                self.seen.append(problem.score(W))
                yield W

    own = Remembers()
    aligner = quick(refinements=[own, refinement]).fit(spaces.XA, spaces.XB)
    stages = [record["stage"] for record in aligner.history_]
    assert stages == ["start", "Remembers", type(refinement).__name__]
    assert aligner.history_[1]["score"] == own.seen
    assert aligner.converged_


def test_a_step_that_yields_nothing_keeps_the_map(spaces, quick):
    class Idle:
        def iterate(self, problem, W, random_state):
            yield from ()

    aligner = quick(refinements=[Idle()]).fit(spaces.XA, spaces.XB)
    assert aligner.history_[1]["score"] == []
    np.testing.assert_array_equal(
        aligner.map_, quick(refinements=[]).fit(spaces.XA, spaces.XB).map_
    )


def test_an_error_in_an_own_step_reaches_the_caller(spaces, quick):
    class Broken:
        def iterate(self, problem, W, random_state):
            yield W
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        quick(refinements=[Broken()]).fit(spaces.XA, spaces.XB)
