"""Maps that exist are judged on samples, as fit judges the one that it finds."""

from __future__ import annotations

import copy
import threading
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate

import sklearn_align.alignment._mini_vec2vec as module
from sklearn_align import MiniVec2Vec, load_map
from sklearn_align._linalg import polar_factor, unit_scale
from sklearn_align.alignment import (
    AlignmentProblem,
    KnownPairs,
    _convergence,
    _selection,
)
from sklearn_align.alignment._convergence import Convergence
from sklearn_align.alignment._fitted_map import EVIDENCE
from sklearn_align.alignment._held_out import accuracy_of_given_map
from sklearn_align.exceptions import AlignmentWarning, SampleLengthWarning
from tests.alignment.test_interrupts import Interrupter


def of_rotation(spaces, W=None, **parameters):
    """Return an aligner of the right map of the synthetic spaces, or of another one."""
    W = spaces.rotation if W is None else W
    means = spaces.XA.mean(axis=0), spaces.XB.mean(axis=0)
    return MiniVec2Vec.from_map(W, *means, **{"random_state": 0, **parameters})


def random_rotation(n_features, seed=0):
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]


def figures(aligner):
    return {name: getattr(aligner, name) for name in EVIDENCE}


@pytest.fixture(scope="module")
def recognised(spaces):
    """Return an aligner of the right rotation that has been judged, not to be judged again."""
    return of_rotation(spaces).assess(spaces.XA, spaces.XB)


def test_the_right_rotation_is_recognised(recognised):
    aligner = recognised
    assert aligner.converged_ is True
    assert aligner.agreement_ > 0.9
    assert aligner.relative_score_ > aligner.min_relative_score_ == 0.6
    assert aligner.expected_accuracy_ > 0.8
    assert aligner.accuracy_measured_ is False


def test_the_scale_of_a_map_does_not_matter(spaces, recognised):
    aligner = of_rotation(spaces, 1e-30 * spaces.rotation)
    assert aligner.assess(spaces.XA, spaces.XB) is aligner
    for name, value in figures(aligner).items():
        assert value == pytest.approx(getattr(recognised, name), abs=0.01, nan_ok=True)


def test_a_random_rotation_is_refused(spaces):
    aligner = of_rotation(spaces, random_rotation(24))
    with pytest.warns(AlignmentWarning, match="agreement_=0") as caught:
        aligner.assess(spaces.XA, spaces.XB)
    assert caught[0].filename == __file__
    assert aligner.converged_ is False
    assert aligner.agreement_ < 0.1


@pytest.mark.parametrize("right", [True, False])
def test_accuracy_is_measured_on_all_pairs(spaces, right):
    W = spaces.rotation if right else random_rotation(24)
    aligner = of_rotation(spaces, W)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner.assess(spaces.XA, XB=spaces.XB, pairs=(spaces.XA_test, spaces.XB_test))
    assert aligner.converged_ is right
    assert [warning.category for warning in caught] == ([] if right else [AlignmentWarning])
    assert (aligner.expected_accuracy_ > 0.9) is right


def test_the_accuracy_is_that_of_every_pair_that_was_given():
    rng = np.random.default_rng(0)
    A, B = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in rng.normal(size=(2, 60, 30)))
    B[:15] = A[:15]
    problem = AlignmentProblem(A, B, KnownPairs(A, B, 1.0))
    W, random_state = np.eye(30), np.random.RandomState(0)
    assert accuracy_of_given_map(W, problem, random_state) == pytest.approx(15 / 60, abs=0.1)
    problem = AlignmentProblem(A, B, KnownPairs(A[:15], B[:15], 1.0))
    assert np.isnan(accuracy_of_given_map(W, problem, random_state))
    problem = AlignmentProblem(A, A, KnownPairs(A, A, 1.0))
    assert accuracy_of_given_map(W, problem, random_state) == 1
    assert np.isnan(accuracy_of_given_map(W, AlignmentProblem(A, B), random_state))


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "regression"), [("word2vec", False), ("minilm_mpnet", True)])
def test_supervised_maps_of_sentence_encoders_are_recognised(pair, regression):
    from sklearn_align.datasets import load_sentence_embeddings

    data = load_sentence_embeddings(pair=pair)
    means = data.XA.mean(axis=0), data.XB.mean(axis=0)
    A, B = data.XA_test - means[0], data.XB_test - means[1]
    A, B = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (A, B))
    if regression:
        W = np.linalg.solve(A[:750].T @ A[:750] + np.eye(A.shape[1]), A[:750].T @ B[:750])
    else:
        W = polar_factor((A[:750].T @ B[:750]).astype(np.float64))
    aligner = MiniVec2Vec.from_map(W, *means, random_state=0).assess(data.XA, data.XB)
    assert aligner.converged_
    aligner.assess(data.XA, data.XB, pairs=(data.XA_test[750:], data.XB_test[750:]))
    assert aligner.expected_accuracy_ > 0.9


def test_the_map_is_not_changed(spaces, fitted):
    aligner = copy.deepcopy(fitted)
    before = dict(vars(aligner))
    aligner.random_state = 1
    aligner.assess(spaces.XA[:600], spaces.XB[:700])
    after = dict(vars(aligner))
    assert {name for name in after if after[name] is not before.get(name)} <= {
        *EVIDENCE,
        "random_state",
    }
    assert aligner.converged_
    assert aligner.relative_score_ != before["relative_score_"]


def test_the_same_call_gives_the_same_figures(spaces, recognised, tmp_path):
    first = figures(recognised)
    recognised.export(tmp_path / "map.npz")
    loaded = load_map(tmp_path / "map.npz").set_params(random_state=0)
    np.testing.assert_equal(figures(loaded), first)
    np.testing.assert_equal(figures(loaded.assess(spaces.XA, y=spaces.XB)), first)


# What is judged, with stand-ins for the check


@pytest.fixture
def judged(monkeypatch):
    """Let the check note the maps that it sees and approve of all of them."""
    seen = []

    def check(problem, reduced, W, maps, start, random_state, *, unseen, expected_accuracy):
        assert unseen is None
        seen.append((problem, W, maps, start, expected_accuracy))
        return Convergence(0.8, 0.9, 0.85, 0.6)

    monkeypatch.setattr(module, "check_convergence", check)
    return seen


def test_no_run_on_the_samples_is_taken_for_that_of_the_map(spaces, judged):
    aligner = of_rotation(spaces).assess(spaces.XA, spaces.XB)
    (problem, W, independent_maps, start, accuracy) = judged[0]
    assert (independent_maps, start) == ([], None)
    assert np.isnan(accuracy)
    np.testing.assert_allclose(W, spaces.rotation, atol=1e-5)
    assert (aligner.agreement_, aligner.relative_score_) == (0.8, 0.9)
    assert aligner.alignment_score_ == pytest.approx(problem.score(W))


def test_of_a_regression_the_orthogonal_part_is_judged(spaces, judged):
    noise = np.random.default_rng(0).standard_normal((24, 24))
    W = spaces.rotation + 0.02 * noise
    of_rotation(spaces, W).assess(spaces.XA, spaces.XB)
    np.testing.assert_allclose(judged[0][1], polar_factor(W), atol=1e-5)


def test_a_map_unlike_its_orthogonal_part_is_judged_itself(spaces, judged):
    W = spaces.rotation @ np.diag(np.r_[np.full(4, 50.0), np.full(20, 1e-3)])
    of_rotation(spaces, W).assess(spaces.XA, spaces.XB)
    np.testing.assert_allclose(judged[0][1], unit_scale(W), atol=1e-4)


def test_unit_scale():
    W = np.random.default_rng(0).standard_normal((5, 3))
    for scale in (1.0, 1e-200, 1e200):
        s = np.linalg.svd(unit_scale(scale * W), compute_uv=False)
        assert (s**2).mean() == pytest.approx(1)
    np.testing.assert_allclose(unit_scale(np.eye(4)), np.eye(4))


# Arguments


def test_an_aligner_that_is_not_fitted_cannot_be_judged(spaces):
    with pytest.raises(NotFittedError):
        MiniVec2Vec().assess(spaces.XA, spaces.XB)


A, B = (np.random.default_rng(0).standard_normal((30, d)) for d in (4, 3))
REFUSED = {
    "no target": ({}, r"requires y to be passed.*assess\(XA, XB\)"),
    "width": ({"X": B, "XB": B}, "X has 3 features, but MiniVec2Vec is expecting 4"),
    "target width": ({"XB": A}, "XB has 4 features, but the target space"),
    "y of another width": ({"y": A}, "y has 4 features, but the target space"),
    "NaN": ({"X": np.full((9, 4), np.nan), "XB": B}, "X contains NaN"),
    "one sample": ({"X": A[:1], "XB": B}, "minimum of 2"),
    "labels": ({"y": (B > 0).astype(int)}, "multilabel"),
    "pairs": ({"XB": B, "pairs": (np.arange(3), np.arange(4))}, "as many rows_A as rows_B"),
    "equal samples": ({"X": np.ones((9, 4)), "XB": B}, "All samples of X are equal"),
    "names": (
        {"X": pd.DataFrame(A, columns=list("efgh")), "XB": B},
        "feature names should match",
    ),
}


@pytest.mark.filterwarnings("ignore:.*feature names:UserWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_arguments_that_are_refused(kind):
    arguments, message = REFUSED[kind]
    W = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 3)))[0]
    aligner = MiniVec2Vec.from_map(W, source_feature_names=list("abcd"))
    before = dict(vars(aligner))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        aligner.assess(**{"X": A, **arguments})
    assert vars(aligner) == before


def test_parameters_are_checked(spaces):
    with pytest.raises(ValueError, match="'max_samples' parameter of MiniVec2Vec"):
        of_rotation(spaces, max_samples=-1).assess(spaces.XA, spaces.XB)


def test_lazy_collections_are_refused(spaces):
    dask = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="assess needs a sample in memory"):
        of_rotation(spaces).assess(dask.from_array(spaces.XA), spaces.XB)


def test_lengths_that_the_map_was_not_made_for(judged):
    A, B = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (A_, B_))
    aligner = MiniVec2Vec.from_map(np.eye(4), source_length=1.0)
    with pytest.warns(SampleLengthWarning, match="samples of X have the length 20"):
        aligner.assess(20 * A, B)


A_, B_ = np.random.default_rng(0).standard_normal((2, 60, 4))


def test_indices_of_pairs_are_refused_in_a_cross_validation():
    class Judged(MiniVec2Vec):
        def fit(self, X, y=None, *, XB=None, pairs=None):
            fitted = MiniVec2Vec.from_map(np.eye(4)).assess(X, XB=XB, pairs=pairs)
            vars(self).update(vars(fitted))
            return self

    index = np.arange(5)
    with pytest.raises(ValueError, match="sample indices"):
        cross_validate(
            Judged(), A_, params={"XB": B_, "pairs": (index, index)}, error_score="raise"
        )


# Faults and threads


@pytest.fixture
def few_iterations(monkeypatch):
    """Let the runs be short, so that interrupts fall on all of the steps."""
    selection = replace(
        _selection.SELECTION, n_initial_iterations=2, full_rounds=(1,), final_rounds=(1,)
    )
    monkeypatch.setattr(_selection, "SELECTION", selection)
    convergence = replace(_convergence.CONVERGENCE, min_runs=1, max_runs=2)
    monkeypatch.setattr(_convergence, "CONVERGENCE", convergence)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.parametrize("judged_before", [False, True])
def test_interrupts_change_nothing(few_iterations, judged_before):
    aligner = MiniVec2Vec.from_map(np.eye(4), random_state=0)
    arguments = {"X": A_, "XB": B_}
    if judged_before:
        aligner.assess(A_[:50], XB=B_[:50])
    before = dict(vars(aligner))
    other = MiniVec2Vec.from_map(np.eye(4), random_state=0)
    with Interrupter() as counter:
        other.assess(**arguments)
    lines = np.random.default_rng(0).integers(1, counter.count - 10, 8)
    for line in lines:
        with Interrupter(line), pytest.raises(KeyboardInterrupt):
            aligner.assess(**arguments)
        assert vars(aligner) == before, line


def test_a_warning_that_is_an_error_changes_nothing(monkeypatch):
    monkeypatch.setattr(module, "check_convergence", lambda *_, **__: Convergence(0.1, 0.1, 0.1))
    aligner = MiniVec2Vec.from_map(np.eye(4), random_state=0)
    before = dict(vars(aligner))
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=AlignmentWarning)
        with pytest.raises(AlignmentWarning):
            aligner.assess(A_, B_)
    assert vars(aligner) == before


def test_figures_appear_at_once(monkeypatch):
    aligner = MiniVec2Vec.from_map(np.eye(4), random_state=0)
    seen = []

    def check(*arguments, **options):
        seen.append([hasattr(aligner, name) for name in EVIDENCE])
        return Convergence(0.9, 0.9, 0.9)

    def note(evidence):
        seen.append([hasattr(aligner, name) for name in EVIDENCE])

    monkeypatch.setattr(module, "check_convergence", check)
    monkeypatch.setattr(module, "warn_unless_converged", note)
    aligner.assess(A_, B_)
    assert seen == [[False] * len(EVIDENCE)] * 2
    assert aligner.converged_


def test_in_several_threads_as_in_one(spaces, recognised):
    expected = figures(recognised)
    aligners = [of_rotation(spaces) for _ in range(2)]
    threads = [
        threading.Thread(target=aligner.assess, args=(spaces.XA, spaces.XB)) for aligner in aligners
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for aligner in aligners:
        np.testing.assert_equal(figures(aligner), expected)


def test_it_can_be_fitted_afterwards(spaces, quick, fitted):
    aligner = of_rotation(spaces, random_rotation(24), **quick().get_params(deep=False))
    aligner.fit(spaces.XA, spaces.XB)
    np.testing.assert_array_equal(aligner.map_, fitted.map_)
    np.testing.assert_equal(figures(aligner), figures(fitted))
    assert vars(aligner).keys() == vars(fitted).keys()
