"""The estimator's own steps, with stand-ins for the parts they call: no fit is run."""

from __future__ import annotations

import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sklearn_align.alignment._fitted_map as fitted_map
import sklearn_align.alignment._inputs as _inputs
import sklearn_align.alignment._mini_vec2vec as module
from sklearn_align import MiniVec2Vec
from sklearn_align._linalg import polar_factor
from sklearn_align.alignment import (
    AnchorStart,
    NeighborRefinement,
)
from sklearn_align.alignment._convergence import Convergence
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.alignment._recipes import UnseenSettings
from sklearn_align.alignment._relearned import RelearnedMaps
from sklearn_align.exceptions import PairingWarning, SampleLengthWarning
from sklearn_align.metrics import csls_score
from tests.alignment.stand_ins import Problem, maps

WIDTH_A, WIDTH_B = 5, 4


def make_spaces(n_A=40, n_B=30):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_A, WIDTH_A)) + 0.5, rng.standard_normal((n_B, WIDTH_B)) - 0.5


def by_hand(dtype=np.float64, **parameters):
    """Return an aligner with a map that no fit has found, and its spaces."""
    A, B = (X.astype(dtype) for X in make_spaces())
    aligner = MiniVec2Vec(**parameters)
    aligner._source_normalizer = CentredNormalizer.fit(A)
    aligner._target_normalizer = CentredNormalizer.fit(B)
    aligner._dtype = np.dtype(dtype)
    aligner.n_features_in_, aligner.n_features_target_ = WIDTH_A, WIDTH_B
    W = np.random.default_rng(1).standard_normal((WIDTH_A, WIDTH_B))
    for name, value in aligner._fitted_map(W).items():
        setattr(aligner, name, value)
    aligner.target_sample_ = aligner._target_normalizer.transform(B)[:20]
    return aligner, A, B


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# Parameters


def test_default_parameters():
    assert MiniVec2Vec().get_params(deep=False) == {
        "init": "components",
        "n_init": "auto",
        "selection": "halving",
        "refinements": "robust",
        "max_samples": 30_000,
        "pair_weight": 1.0,
        "correction": "auto",
        "score_sample_size": 2000,
        "n_jobs": None,
        "keep_maps": False,
        "verbose": 0,
        "random_state": None,
    }


def test_parameters_are_kept_as_they_are():
    parameters = {name: object() for name in MiniVec2Vec().get_params(deep=False)}
    assert MiniVec2Vec(**parameters).get_params(deep=False) == parameters


def test_arguments_of_the_published_recipe():
    aligner = MiniVec2Vec.from_paper(
        n_clusters=2,
        n_runs=3,
        n_qap_restarts=4,
        n_neighbors=5,
        anchor_sample_size=6,
        max_iter=7,
        sample_size=8,
        smoothing=0.25,
        n_refine_clusters=9,
        random_state=11,
    )
    assert (aligner.n_init, aligner.selection, aligner.correction) == (1, None, None)
    assert aligner.random_state == 11
    expected = AnchorStart(2, n_runs=3, n_qap_restarts=4, n_neighbors=5, n_cluster_samples=6)
    assert repr(aligner.init) == repr(expected)
    neighbors, clusters = aligner.refinements
    expected = NeighborRefinement(7, sample_size=8, n_neighbors=5, smoothing=0.25)
    assert repr(neighbors) == repr(expected)
    assert (clusters.n_clusters, clusters.smoothing) == (9, 0.25)
    assert MiniVec2Vec.from_paper(correction="ridge", n_init=2).get_params(deep=False).items() >= {
        ("correction", "ridge"),
        ("n_init", 2),
        ("selection", None),
    }


def test_defaults_of_the_published_recipe():
    aligner = MiniVec2Vec.from_paper()
    assert (
        aligner.init.get_params().items()
        >= {
            "n_clusters": 20,
            "n_runs": 30,
            "n_qap_restarts": 30,
            "n_neighbors": 50,
            "n_cluster_samples": 10_000,
        }.items()
    )
    neighbors, clusters = aligner.refinements
    assert (
        neighbors.get_params().items()
        >= {
            "max_iter": 75,
            "sample_size": 10_000,
            "n_neighbors": 50,
            "smoothing": 0.5,
        }.items()
    )
    assert (clusters.n_clusters, clusters.smoothing) == (500, 0.5)


# Steps of a fit


def make_problem(aligner, A, B, pairs=None, seed=0):
    return aligner._make_problem(A, B, pairs, np.random.RandomState(seed))[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_problem_of_all_samples(dtype):
    aligner, A, B = by_hand(dtype, max_samples=None, score_sample_size=7)
    problem = make_problem(aligner, A, B)
    assert problem.A.dtype == problem.B.dtype == np.float32
    np.testing.assert_allclose(problem.A, unit(A - A.mean(axis=0)), atol=1e-6)
    np.testing.assert_allclose(problem.B, unit(B - B.mean(axis=0)), atol=1e-6)
    assert problem.pairs is None
    assert len(problem._score_A) == len(problem._score_B) == 7
    # The samples of the score are drawn.
    assert not np.array_equal(problem._score_A, problem.A[:7])


def test_problem_of_some_samples_with_pairs():
    aligner, A, B = by_hand(max_samples=9, pair_weight=np.float32(2.5))
    rows_A, rows_B = np.array([39, 2]), np.array([1, 29])
    problem = make_problem(aligner, A, B, (rows_A, rows_B))
    all_A, all_B = (unit(X - X.mean(axis=0)) for X in (A, B))
    for side, everything in ((problem.A, all_A), (problem.B, all_B)):
        assert len(side) == 9
        distances = np.linalg.norm(side[:, None] - everything, axis=2)
        assert (distances.min(axis=1) < 1e-6).all()
        assert len(set(distances.argmin(axis=1))) == 9
    np.testing.assert_allclose(problem.pairs.A, all_A[rows_A], atol=1e-6)
    np.testing.assert_allclose(problem.pairs.B, all_B[rows_B], atol=1e-6)
    assert type(problem.pairs.weight) is float
    assert problem.pairs.weight == 2.5
    again, other = (make_problem(aligner, A, B, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.A, problem.A)
    assert not np.array_equal(other.A, problem.A)
    assert not np.array_equal(other.B, problem.B)


@pytest.mark.parametrize(
    ("n_A", "n_B", "n_pairs", "leave_out", "max_samples", "searched", "unseen"),
    [
        # Some of many samples are left out for the convergence check.
        (60, 70, 0, True, None, (50, 60), 10),
        (60, 70, 0, True, 20, (20, 20), 10),
        # Not where one space has few, where known pairs measure the accuracy, or for `assess`.
        (59, 70, 0, True, None, (59, 70), None),
        (60, 70, 50, True, None, (60, 70), None),
        (60, 70, 49, True, None, (50, 60), 10),
        (60, 70, 0, False, None, (60, 70), None),
        # Without leaving out any, there are others where the search uses a part of the samples.
        (30, 40, 0, True, 20, (20, 20), 10),
        (29, 40, 0, True, 20, (20, 20), None),
        (30, 40, 50, True, 20, (20, 20), None),
    ],
)
def test_samples_that_the_search_does_not_use(
    monkeypatch, n_A, n_B, n_pairs, leave_out, max_samples, searched, unseen
):
    settings = UnseenSettings(n_samples=10, min_samples=60)
    monkeypatch.setattr(_inputs, "UNSEEN", settings)
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((n_A, WIDTH_A)), rng.standard_normal((n_B, WIDTH_B))
    aligner, _, _ = by_hand(max_samples=max_samples)
    aligner._source_normalizer = CentredNormalizer.fit(A)
    aligner._target_normalizer = CentredNormalizer.fit(B)
    pairs = (np.arange(n_pairs) % n_A, np.arange(n_pairs) % n_B) if n_pairs else None
    problem, others = aligner._make_problem(
        A, B, pairs, np.random.RandomState(0), leave_out=leave_out
    )
    assert (len(problem.A), len(problem.B)) == searched
    if unseen is None:
        assert others is None
        return
    for side, X in (("A", A), ("B", B)):
        used, left_out = getattr(problem, side), getattr(others, side)
        assert len(left_out) == unseen
        assert left_out.dtype == np.float32
        everything = unit(X - X.mean(axis=0))
        for samples in (used, left_out):
            assert np.linalg.norm(samples[:, None] - everything, axis=2).min(axis=1).max() < 1e-6
        assert np.linalg.norm(used[:, None] - left_out, axis=2).min() > 1e-3


@pytest.mark.parametrize(("side", "name"), [(0, "X"), (1, "the target space")])
def test_problem_of_equal_samples(side, name):
    aligner, *spaces = by_hand()
    spaces[side] = np.ones_like(spaces[side])
    with pytest.raises(ValueError, match=f"All samples of {name} are equal"):
        make_problem(aligner, *spaces)


@pytest.mark.parametrize("side", [0, 1])
def test_pairs_with_other_names_than_their_space(side):
    aligner, A, B = by_hand()
    names = [
        np.array([f"{k}{j}" for j in range(X.shape[1])], object)
        for k, X in zip("ab", (A, B), strict=True)
    ]
    pairs = [pd.DataFrame(X[:6], columns=list(n)) for X, n in zip((A, B), names, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert len(make_problem(aligner, A, B, pairs).pairs) == 6
    aligner.feature_names_in_, aligner.feature_names_target_in_ = names
    assert len(make_problem(aligner, A, B, pairs).pairs) == 6
    pairs[side] = pairs[side].iloc[:, ::-1]
    with pytest.raises(ValueError, match=rf"pairs\[{side}\]: The feature names should"):
        make_problem(aligner, A, B, pairs)


@pytest.fixture
def aligner():
    aligner = MiniVec2Vec()
    aligner._dtype = np.dtype(np.float64)
    return aligner


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fitted_map_is_orthogonal(aligner, dtype):
    aligner._dtype = np.dtype(dtype)
    (W,) = maps(1)
    attributes = aligner._fitted_map(W.astype(np.float32))
    assert attributes.keys() == {"map_", "_corrected_map"}
    assert attributes["_corrected_map"] is None
    assert attributes["map_"].dtype == dtype
    # Computed in double precision, whatever comes in.
    expected = polar_factor(W.astype(np.float32).astype(float)).astype(dtype)
    np.testing.assert_array_equal(attributes["map_"], expected)


@pytest.mark.parametrize("selected", [True, False])
def test_evidence_of_the_convergence_check(aligner, selected, monkeypatch):
    calls, warned = [], []
    evidence = Convergence(
        agreement=0.25,
        relative_score=0.5,
        min_relative_score=0.3,
        relearned=RelearnedMaps(0.875, 0.125),
        expected_accuracy=0.625,
        measured=True,
        ambiguous=True,
    )

    def check(*arguments, unseen, expected_accuracy):
        calls.append((*arguments, unseen, expected_accuracy))
        return evidence

    monkeypatch.setattr(module, "check_convergence", check)
    monkeypatch.setattr(module, "warn_unless_converged", warned.append)
    state = SimpleNamespace(
        independent_maps=["one", "two"],
        candidates=[SimpleNamespace(start="best"), SimpleNamespace(start="second")],
    )
    problem, (W,) = Problem(), maps(1)
    aligner.expected_accuracy_ = 0.75
    aligner._check_convergence(
        problem, "reduced", W, state if selected else None, "random", "unseen"
    )
    assert calls == [
        (
            problem,
            "reduced",
            W,
            ["one", "two"] if selected else [],
            "best" if selected else None,
            "random",
            "unseen",
            0.75,
        )
    ]
    assert warned == [evidence]
    assert aligner.alignment_score_ == W[0, 0]
    assert (aligner.agreement_, aligner.relative_score_) == (0.25, 0.5)
    assert (aligner.expected_accuracy_, aligner.accuracy_measured_) == (0.625, True)
    assert aligner.min_relative_score_ == 0.3
    assert (aligner.relearned_agreement_, aligner.relearned_score_) == (0.875, 0.125)
    assert aligner.ambiguous_ is True
    assert aligner.converged_ is True


def test_names_of_the_target_are_set_and_forgotten(aligner):
    aligner._set_target_names(None)
    assert not hasattr(aligner, "feature_names_target_in_")
    aligner._set_target_names("names")
    assert aligner.feature_names_target_in_ == "names"
    aligner._set_target_names(None)
    assert not hasattr(aligner, "feature_names_target_in_")


# Methods of a fitted estimator


def test_mapping_of_a_map_that_is_given():
    aligner, A, B = by_hand()
    aligner._corrected_map = aligner.map_ + 0.1
    Z = unit((A - A.mean(axis=0)) @ aligner._corrected_map)
    out = np.empty((40, WIDTH_B))
    np.testing.assert_allclose(aligner.transform(A), Z)
    assert aligner.transform(A, out=out) is out
    np.testing.assert_allclose(out, Z)
    np.testing.assert_allclose(aligner.transform_target(B), unit(B - B.mean(axis=0)))
    lengths = np.linalg.norm(A - A.mean(axis=0), axis=1)[:, None]
    V = B.mean(axis=0) + Z * lengths * aligner.target_radius_ / aligner.source_radius_
    np.testing.assert_allclose(aligner.to_target(A), V)
    out = np.empty((40, WIDTH_B))
    assert aligner.to_target(A, out=out) is out
    np.testing.assert_allclose(out, V)
    assert aligner.to_target(A, dtype="float32").dtype == np.float32
    back = aligner.inverse_transform(Z)
    expected = A.mean(axis=0) + aligner.source_radius_ * unit(Z @ aligner.map_.T)
    np.testing.assert_allclose(back, expected)
    for empty in (A[:0], pd.DataFrame(A[:0])):
        assert aligner.transform(empty).shape == (0, WIDTH_B)
    assert aligner.transform_target(B[:0]).shape == (0, WIDTH_B)


def test_a_single_vector():
    aligner, A, _ = by_hand()
    expected = aligner.to_target(A[3:4])[0]
    np.testing.assert_allclose(aligner.to_target(A[3]), expected)
    out = np.empty(WIDTH_B, np.float32)
    assert np.shares_memory(aligner.to_target(A[3], out=out), out)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    assert aligner.to_target(A[3], dtype=np.float16).dtype == np.float16
    with pytest.raises(ValueError, match="Expected 2D array"):
        aligner.to_target(A[3].tolist())


@pytest.mark.parametrize("y", [None, np.zeros(40), np.zeros((40, WIDTH_B + 1)), np.zeros((40, 1))])
def test_score_against_the_samples_that_are_kept(y):
    aligner, A, _ = by_hand()
    expected = csls_score(aligner.transform(A), aligner.target_sample_)
    assert aligner.score(A, y) == pytest.approx(expected)
    single = aligner.score(A.astype(np.float32), y)
    assert single == pytest.approx(expected, abs=1e-5)
    del aligner.target_sample_
    with pytest.raises(ValueError, match="target_sample_") as raised:
        aligner.score(A, y)
    assert str(raised.value) == (
        "y holds no target samples, and the aligner has no target_sample_: its map was given to "
        "from_map or loaded from a file, or target_sample_ was deleted. Pass samples of the target "
        "space, a matrix of 4 columns, as y."
    )


def test_score_with_target_samples(monkeypatch):
    calls = []
    monkeypatch.setattr(
        fitted_map, "score_against", lambda *args, **kwargs: calls.append((*args, kwargs)) or 0.25
    )
    aligner, A, B = by_hand()
    assert aligner.score(A, B) == 0.25
    aligner.converged_ = "perhaps"
    aligner.score(A, B)
    for Z, T, _ in calls:
        np.testing.assert_allclose(Z, aligner.transform(A))
        np.testing.assert_allclose(T, aligner.transform_target(B))
    assert [options for *_, options in calls] == [{"converged": False}, {"converged": "perhaps"}]


def test_pairs_are_doubted_only_after_a_success():
    aligner, _, _ = by_hand()
    rng = np.random.default_rng(3)
    A, B = rng.standard_normal((60, WIDTH_A)) + 0.5, rng.standard_normal((60, WIDTH_B)) - 0.5
    aligner.score(A, B)
    aligner.converged_ = True
    with pytest.warns(PairingWarning):
        aligner.score(A, B)


@pytest.mark.parametrize(
    ("method", "name", "side"),
    [("transform", "X", 0), ("to_target", "X", 0), ("score", "X", 0),
     ("transform_target", "XB", 1), ("inverse_transform", "X", 1)],
)  # fmt: skip
def test_samples_that_are_refused(method, name, side):
    aligner, *spaces = by_hand()
    X = spaces[side]
    call = getattr(aligner, method)
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
        call(bad)
    with pytest.raises(ValueError, match=r"0 feature\(s\).* required by MiniVec2Vec"):
        call(X[:, :0])
    width = X.shape[1]
    with pytest.raises(ValueError, match=f"{name} has {width - 1} features") as raised:
        call(X[:, 1:])
    if side == 1:
        assert str(raised.value) == (
            f"{name} has 3 features, but the target space that MiniVec2Vec was fitted with has 4 "
            "features."
        )
    if method == "score":
        with pytest.raises(ValueError, match=r"0 sample\(s\).* minimum of 1 is .* by MiniVec2Vec"):
            call(X[:0])
        assert np.isfinite(call(X[:1]))
    else:
        assert len(call(X[:0])) == 0


def test_target_samples_of_a_score_are_called_y():
    aligner, A, B = by_hand()
    bad = B.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        aligner.score(A, bad)
    with pytest.raises(ValueError, match=r"0 sample\(s\).* minimum of 1 is .* by MiniVec2Vec"):
        aligner.score(A, B[:0])
    assert np.isfinite(aligner.score(A, B[:1]))


def test_lengths_of_either_space_are_compared():
    aligner, A, B = by_hand()
    for method, X, name in (
        ("transform", A, "X"), ("to_target", A, "X"), ("transform_target", B, "XB")
    ):  # fmt: skip
        with pytest.warns(SampleLengthWarning, match=f"The samples of {name} have"):
            getattr(aligner, method)(100 * X)
    with pytest.warns(SampleLengthWarning, match="The samples of y have"):
        aligner.score(A, 100 * B)


def test_names_of_target_samples_are_checked():
    aligner, A, B = by_hand()
    frame = pd.DataFrame(B, columns=list("abcd"))
    with pytest.warns(UserWarning, match="XB has feature names, but MiniVec2Vec was fitted"):
        aligner.transform_target(frame)
    aligner.feature_names_target_in_ = np.array(list("abcd"), object)
    aligner.transform_target(frame)
    for call, name in (
        (aligner.transform_target, "XB"), (lambda samples: aligner.score(A, samples), "y")
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}: The feature names should match"):
            call(frame[list("abdc")])


def test_names_of_what_goes_back():
    aligner, _, B = by_hand()
    names = [f"minivec2vec{j}" for j in range(WIDTH_B)]
    assert aligner.get_feature_names_out().tolist() == names
    aligner.inverse_transform(pd.DataFrame(B, columns=names))
    with pytest.raises(ValueError, match=r"^X has the feature names a, b, c, "):
        aligner.inverse_transform(pd.DataFrame(B, columns=list("abcd")))


def test_stored_state_holds_text_in_place_of_a_type():
    aligner, A, _ = by_hand(np.float32)
    state = aligner.__getstate__()
    assert type(state["_dtype"]) is str
    assert state["_dtype"] == "<f4"
    assert state["_sklearn_align_version"]
    assert aligner._dtype == np.dtype(np.float32)
    loaded = pickle.loads(pickle.dumps(aligner))
    assert loaded._dtype == np.dtype(np.float32)
    assert isinstance(loaded._dtype, np.dtype)
    assert vars(loaded).keys() == vars(aligner).keys()
    np.testing.assert_array_equal(loaded.transform(A), aligner.transform(A))
    fresh = pickle.loads(pickle.dumps(MiniVec2Vec(n_init=3)))
    assert not hasattr(fresh, "_dtype")
    assert fresh.n_init == 3


def test_state_of_another_version_is_named():
    aligner = MiniVec2Vec()
    state = {**aligner.__getstate__(), "_sklearn_align_version": "0.0.1"}
    with pytest.warns(match="this MiniVec2Vec was stored by version 0.0.1"):
        aligner.__setstate__(state)


def test_tags():
    tags = MiniVec2Vec().__sklearn_tags__()
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert tags.target_tags.required is True


def test_arguments_of_an_export(monkeypatch):
    calls = []
    monkeypatch.setattr(fitted_map, "export_map", lambda *arguments: calls.append(arguments))
    aligner = MiniVec2Vec()
    aligner.export("file.npz")
    aligner.export("file", format="onnx", metadata={"source": "a"})
    assert calls == [
        (aligner, "file.npz", None, None),
        (aligner, "file", "onnx", {"source": "a"}),
    ]
