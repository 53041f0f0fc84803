"""The ambiguity check: symmetric and unrelated narrow spaces are no success, other spaces are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sklearn_align import MiniVec2Vec, load_map
from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.alignment import AlignmentProblem, KnownPairs, _ambiguity, _convergence
from sklearn_align.alignment._ambiguity import OtherMap, find_equal_map
from sklearn_align.alignment._convergence import Convergence, check_convergence
from sklearn_align.alignment._selection import reduce_problem
from sklearn_align.exceptions import AlignmentWarning, AmbiguousAlignmentWarning


def mixture(n_samples, width, rng):
    """Return samples of ten clusters with skewed noise, which have no symmetry."""
    centres = rng.standard_normal((10, width)) * np.linspace(2, 1, width)
    noise = rng.gamma(1.0, 0.5, (n_samples, width)) * np.linspace(1, 0.5, width)
    return centres[rng.integers(10, size=n_samples)] + noise


def rotation(width, rng):
    return np.linalg.qr(rng.standard_normal((width, width)))[0]


def mirror_axis(X, rng):
    X = X.copy()
    X[:, 0] *= rng.choice([-1, 1], size=len(X))
    return X


def point_symmetric(X, rng):
    return X * rng.choice([-1, 1], size=(len(X), 1))


def exchangeable(X, rng):
    X = X.reshape(len(X), 2, -1)
    swapped = rng.random(len(X)) < 0.5
    X[swapped] = X[swapped, ::-1]
    return X.reshape(len(X), -1)


def independent(X, rng):
    return rng.gamma(1.0, 1.0, X.shape)


SYMMETRIES = [mirror_axis, point_symmetric, exchangeable, independent]


def reduced_problem(X, R, pairs=None):
    """Return the problem between two halves of the samples, the second one rotated by R."""
    A, B = np.array_split((X - X.mean(axis=0)).astype(np.float32), 2)
    R = R.astype(np.float32)
    problem = AlignmentProblem(unit_rows(A), unit_rows(B @ R), pairs)
    return problem, reduce_problem(problem, np.random.RandomState(0)), R


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("symmetric", SYMMETRIES)
def test_the_true_map_of_symmetric_spaces_is_ambiguous(symmetric, seed):
    rng = np.random.default_rng(seed)
    X = symmetric(mixture(1600, 12, rng), rng)
    _, reduced, R = reduced_problem(X, rotation(12, rng))
    other = find_equal_map(reduced, R, np.random.RandomState(seed))
    assert other is not None
    assert other.agreement < 0.5
    assert other.score > 0.8


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("n_samples", "width"), [(400, 12), (1600, 12), (1600, 40)])
def test_the_true_map_of_other_spaces_is_not(n_samples, width, seed):
    rng = np.random.default_rng(seed)
    _, reduced, R = reduced_problem(mixture(n_samples, width, rng), rotation(width, rng))
    assert find_equal_map(reduced, R, np.random.RandomState(seed)) is None


@pytest.mark.parametrize("side", [0, 1])
def test_a_wide_space_whose_halves_can_be_exchanged_is_ambiguous(side):
    rng = np.random.default_rng(side)
    X = exchangeable(mixture(1600, 40, rng), rng)
    _, reduced, R = reduced_problem(X, rotation(40, rng))
    assert find_equal_map(reduced, R, np.random.RandomState(0)) is not None


def test_maps_between_unrelated_mixtures_are_ambiguous():
    rng = np.random.default_rng(0)
    A, B = (
        unit_rows((X - X.mean(axis=0)).astype(np.float32))
        for X in (mixture(100, 12, rng), mixture(100, 12, rng))
    )
    reduced = reduce_problem(AlignmentProblem(A, B), np.random.RandomState(0))
    W = polar_factor(rng.standard_normal((12, 12)).astype(np.float32))
    assert find_equal_map(reduced, W, np.random.RandomState(0)) is not None


def test_known_pairs_decide_between_symmetric_maps():
    rng = np.random.default_rng(0)
    X = point_symmetric(mixture(1600, 12, rng), rng)
    R = rotation(12, rng)
    samples = unit_rows(mixture(30, 12, rng).astype(np.float32))
    pairs = KnownPairs(samples, samples @ R.astype(np.float32), 1.0)
    _, without, W = reduced_problem(X, R)
    assert find_equal_map(without, W, np.random.RandomState(0)) is not None
    _, reduced, W = reduced_problem(X, R, pairs)
    assert find_equal_map(reduced, W, np.random.RandomState(0)) is None


def test_equal_seeds_find_equal_maps():
    rng = np.random.default_rng(0)
    X = mirror_axis(mixture(800, 12, rng), rng)
    _, reduced, R = reduced_problem(X, rotation(12, rng))
    one, two = (find_equal_map(reduced, R, np.random.RandomState(0)) for _ in range(2))
    assert one == two


def test_reflections_change_one_direction_and_are_orthogonal():
    Q = rotation(6, np.random.default_rng(0))
    for number, S in enumerate(_ambiguity._reflections(Q)):
        signs = np.where(np.arange(6) == number, -1, 1)
        np.testing.assert_allclose(Q.T @ S @ Q, np.diag(signs), atol=1e-12)


def test_a_fit_of_symmetric_spaces_is_ambiguous(tmp_path):
    rng = np.random.default_rng(0)
    A, B = np.array_split(mirror_axis(mixture(1600, 16, rng), rng), 2)
    with pytest.warns(AmbiguousAlignmentWarning, match=r"ambiguous.*another map.*pairs="):
        aligner = MiniVec2Vec(random_state=0).fit(A, B @ rotation(16, rng))
    assert aligner.agreement_ >= 0.7
    assert aligner.relative_score_ >= 0.6
    assert aligner.ambiguous_ is True
    assert aligner.converged_ is False
    aligner.export(tmp_path / "map.npz")
    assert load_map(tmp_path / "map.npz").ambiguous_ is True


def test_a_fit_of_other_spaces_is_not(fitted):
    assert fitted.ambiguous_ is False
    assert fitted.converged_ is True


def test_nothing_is_searched_where_the_map_has_failed(spaces, monkeypatch):
    monkeypatch.setattr(
        _convergence, "find_equal_map", lambda *args: pytest.fail("a failed map was searched")
    )
    rng = np.random.default_rng(0)
    problem, reduced, R = reduced_problem(mixture(800, 12, rng), rotation(12, rng))
    wrong = np.roll(R, 1, axis=1)
    evidence = check_convergence(problem, reduced, wrong, [], None, np.random.RandomState(0))
    assert not evidence.converged
    assert not evidence.ambiguous


def test_an_equal_map_is_a_failure_with_a_warning_of_its_own():
    evidence = Convergence(1.0, 1.0, equal_map=OtherMap(0.956, 0.104))
    assert evidence.ambiguous
    assert not evidence.converged
    with pytest.warns(AmbiguousAlignmentWarning, match=r"only 10% of the samples.*96% as high"):
        _convergence.warn_unless_converged(evidence)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AlignmentWarning)
        with pytest.raises(AlignmentWarning):
            _convergence.warn_unless_converged(evidence)
