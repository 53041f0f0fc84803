"""The estimator: what its map must do, its input and output formats, reproducibility."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError
from threadpoolctl import threadpool_info

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import (
    AnchorStart,
    ClusterRefinement,
    MutualNeighborRefinement,
    NeighborRefinement,
    TransportRefinement,
)
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning, PairingWarning, SmallSampleWarning
from sklearn_align.metrics import csls_score, mean_cosine_similarity, retrieval_accuracy
from tests.conftest import no_convergence_check
from tests.repetitions import repetitions


def accuracy(aligner, data):
    return retrieval_accuracy(
        aligner.transform(data.XA_test), aligner.transform_target(data.XB_test)
    )


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# What the map must do


@pytest.mark.parametrize("settings", [{}, {"n_init": 1}], ids=repr)
def test_a_pure_rotation_is_recovered(twins, settings):
    X, R, order = twins
    aligner = MiniVec2Vec(random_state=0, **settings).fit(X, X[order] @ R)
    np.testing.assert_allclose(aligner.map_, R, atol=1e-3)
    assert aligner.converged_
    assert aligner.agreement_ > 0.99


@pytest.fixture(scope="module")
def map_of_twins(twins, quick):
    X, R, order = twins
    with no_convergence_check():
        return quick().fit(X, X[order] @ R).map_


@pytest.mark.usefixtures("unjudged")
def test_rotating_the_target_rotates_the_map(twins, map_of_twins, quick):
    X, R, order = twins
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal(R.shape))[0]
    turned = quick().fit(X, X[order] @ R @ Q)
    np.testing.assert_allclose(turned.map_, map_of_twins @ Q, atol=1e-3)


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("side", ["A", "B"])
def test_the_order_of_the_samples_does_not_matter(twins, map_of_twins, quick, side):
    X, R, order = twins
    XB = X[order] @ R
    shuffled = np.random.default_rng(2).permutation(len(X))
    sides = (X[shuffled], XB) if side == "A" else (X, XB[shuffled])
    np.testing.assert_allclose(quick().fit(*sides).map_, map_of_twins, atol=1e-3)


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 7.0), (100.0, -2.0)])
def test_scale_and_shift_of_either_space_do_not_matter(spaces, fitted, quick, scale, shift):
    A, B = scale * spaces.XA + shift, scale * spaces.XB - shift
    for sides in ((A, spaces.XB), (spaces.XA, B)):
        aligner = quick().fit(*sides)
        np.testing.assert_allclose(aligner.map_, fitted.map_, atol=1e-3)


@pytest.mark.parametrize(
    ("n_A", "n_B", "d_A", "d_B"), [(600, 900, 24, 24), (800, 600, 24, 30), (800, 600, 30, 24)]
)
def test_unequal_sample_counts_and_widths(quick, n_A, n_B, d_A, d_B):
    data = make_rotated_embeddings(
        n_A, d_A, n_samples_target=n_B, n_features_target=d_B, random_state=0
    )
    aligner = quick().fit(data.XA.astype(np.float32), data.XB.astype(np.float32))
    W = aligner.map_
    assert W.shape == (d_A, d_B)
    assert W.dtype == np.float32
    gram = W @ W.T if d_A <= d_B else W.T @ W
    assert np.abs(gram - np.eye(min(d_A, d_B))).max() < 1e-5
    assert aligner.converged_
    assert accuracy(aligner, data) > 0.9


def test_a_square_map_is_orthogonal_from_both_sides(fitted):
    for gram in (fitted.map_ @ fitted.map_.T, fitted.map_.T @ fitted.map_):
        assert np.abs(gram - np.eye(24)).max() < 1e-5


def test_the_fit_beats_no_alignment_and_nears_the_true_rotation(spaces, fitted):
    T = fitted.transform_target(spaces.XB_test)
    Z = fitted.transform(spaces.XA_test)
    oracle = unit((spaces.XA_test - spaces.XA.mean(axis=0)) @ spaces.rotation)
    assert retrieval_accuracy(spaces.XA_test, spaces.XB_test) < 0.05
    assert retrieval_accuracy(Z, T) > retrieval_accuracy(oracle, T) - 0.02
    assert mean_cosine_similarity(Z, T) > mean_cosine_similarity(oracle, T) - 0.05


def test_both_means_are_kept(spaces, fitted):
    np.testing.assert_allclose(fitted.source_mean_, spaces.XA.mean(axis=0))
    np.testing.assert_allclose(fitted.target_mean_, spaces.XB.mean(axis=0))
    np.testing.assert_allclose(
        fitted.transform_target(spaces.XB_test), unit(spaces.XB_test - spaces.XB.mean(axis=0))
    )
    np.testing.assert_allclose(
        fitted.transform(spaces.XA_test),
        unit((spaces.XA_test - spaces.XA.mean(axis=0)) @ fitted.map_),
    )


def test_the_transform_of_a_sample_does_not_depend_on_the_others(spaces, fitted):
    together = fitted.transform(spaces.XA_test)
    alone = np.concatenate([fitted.transform(x[None]) for x in spaces.XA_test[:20]])
    np.testing.assert_allclose(alone, together[:20], atol=1e-12)


def test_samples_in_the_coordinates_of_the_target(spaces, fitted):
    V = fitted.to_target(spaces.XA_test)
    np.testing.assert_allclose(
        fitted.transform_target(V), fitted.transform(spaces.XA_test), atol=1e-9
    )
    # Nearest in the raw target space, as an index of raw target samples would search it.
    distance = np.linalg.norm(V[:, None] - spaces.XB_test[None], axis=2)
    assert (distance.argmin(axis=1) == np.arange(len(V))).mean() > 0.6


@pytest.mark.usefixtures("unjudged")
def test_unit_samples_are_mapped_to_unit_samples(spaces, quick):
    aligner = quick().fit(unit(spaces.XA), unit(spaces.XB))
    V = aligner.to_target(unit(spaces.XA_test))
    np.testing.assert_allclose(np.linalg.norm(V, axis=1), 1, atol=1e-9)


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse_transform_undoes_transform(spaces, quick, dtype):
    A, B = unit(spaces.XA).astype(dtype), unit(spaces.XB).astype(dtype)
    aligner = quick().fit(A, B)
    new = unit(spaces.XA_test).astype(dtype)
    back = aligner.inverse_transform(aligner.transform(new))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, new, atol=1e-4 if dtype == np.float32 else 1e-9)


@pytest.mark.usefixtures("unjudged")
def test_back_from_a_wider_space_is_exact_and_keeps_directions(quick):
    data = make_rotated_embeddings(800, 24, n_features_target=30, random_state=0)
    aligner = quick().fit(data.XA, data.XB)
    back = aligner.inverse_transform(aligner.transform(data.XA_test))
    mean = data.XA.mean(axis=0)
    np.testing.assert_allclose(unit(back - mean), unit(data.XA_test - mean), atol=1e-6)


# score


def test_score_without_y_is_the_label_free_score(spaces, fitted):
    expected = csls_score(fitted.transform(spaces.XA_test), fitted.target_sample_)
    assert fitted.score(spaces.XA_test) == pytest.approx(expected)
    assert fitted.score(spaces.XA_test, spaces.labels_test) == pytest.approx(expected)
    assert fitted.score(spaces.XA_test, spaces.XB_test[:, 1:]) == pytest.approx(expected)
    assert fitted.target_sample_.shape == (500, 24)


def test_score_with_counterparts_is_the_retrieval_accuracy(spaces, fitted):
    assert fitted.score(spaces.XA_test, spaces.XB_test) == accuracy(fitted, spaces)
    frame = pd.DataFrame(spaces.XB_test)
    assert fitted.score(spaces.XA_test, frame) == accuracy(fitted, spaces)


def test_score_with_other_target_samples_is_label_free(spaces, fitted):
    expected = csls_score(
        fitted.transform(spaces.XA_test), fitted.transform_target(spaces.XB[:300])
    )
    assert fitted.score(spaces.XA_test, spaces.XB[:300]) == pytest.approx(expected)


def test_unpaired_samples_taken_as_counterparts_are_pointed_out(spaces, fitted):
    with pytest.warns(PairingWarning, match=r"fit\(XA, XB=XB\)"):
        score = fitted.score(spaces.XA, spaces.XB)
    assert score < 0.02


def test_the_label_free_score_ranks_the_true_map_above_a_wrong_one(spaces, fitted):
    wrong = copy.copy(fitted)
    wrong.map_ = np.roll(wrong.map_, 1, axis=1)
    assert fitted.score(spaces.XA_test) > wrong.score(spaces.XA_test)


# Formats


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_in_is_precision_out(spaces, quick, dtype):
    aligner = quick().fit(spaces.XA.astype(dtype), spaces.XB.astype(dtype))
    new = spaces.XA_test.astype(dtype)
    Z = aligner.transform(new)
    assert Z.dtype == aligner.map_.dtype == aligner.source_mean_.dtype == dtype
    assert aligner.target_sample_.dtype == dtype
    assert aligner.transform_target(spaces.XB_test.astype(dtype)).dtype == dtype
    assert aligner.to_target(new).dtype == dtype
    assert aligner.inverse_transform(Z).dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1, atol=1e-6)


def test_single_precision_samples_stay_so_in_an_aligner_fitted_in_double(spaces, fitted):
    Z = fitted.transform(spaces.XA_test.astype(np.float32))
    assert Z.dtype == np.float32
    np.testing.assert_allclose(Z, fitted.transform(spaces.XA_test), atol=1e-5)


@pytest.mark.usefixtures("unjudged")
def test_half_precision_input(spaces, quick):
    aligner = quick().fit(spaces.XA.astype(np.float16), spaces.XB.astype(np.float16))
    assert accuracy(aligner, spaces) > 0.9
    assert aligner.map_.dtype == np.float32
    assert aligner.transform(spaces.XA_test.astype(np.float16)).dtype == np.float32


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("layout", ["F", "strided", "memmap", "list"])
def test_memory_layout_does_not_matter(spaces, fitted, quick, layout, tmp_path):
    def lay_out(X, name):
        if layout == "F":
            return np.asfortranarray(X)
        if layout == "strided":
            return np.repeat(X, 2, axis=1)[:, ::2]
        if layout == "list":
            return X.tolist()
        np.save(tmp_path / name, X)
        return np.load(tmp_path / name, mmap_mode="r")

    A, B = lay_out(spaces.XA, "A.npy"), lay_out(spaces.XB, "B.npy")
    aligner = quick().fit(A, B)
    np.testing.assert_allclose(aligner.map_, fitted.map_, atol=1e-3)
    Z = aligner.transform(lay_out(spaces.XA_test, "test.npy"))
    np.testing.assert_allclose(Z, aligner.transform(spaces.XA_test), atol=1e-9)


def test_names_of_the_output(fitted):
    names = fitted.get_feature_names_out()
    assert names.tolist() == [f"minivec2vec{j}" for j in range(24)]


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize(("backend", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_data_frames_in_and_out(spaces, fitted, quick, backend, frame):
    columns = [f"a{j}" for j in range(24)]
    A = frame({c: spaces.XA[:, j] for j, c in enumerate(columns)})
    B = frame({f"b{j}": spaces.XB[:, j] for j in range(24)})
    new = frame({c: spaces.XA_test[:, j] for j, c in enumerate(columns)})
    aligner = quick().set_output(transform=backend).fit(A, B)
    Z = aligner.transform(new)
    assert isinstance(Z, frame)
    assert list(Z.columns) == aligner.get_feature_names_out().tolist()
    np.testing.assert_allclose(Z.to_numpy(), fitted.transform(spaces.XA_test), atol=1e-3)
    assert aligner.feature_names_in_.tolist() == columns
    assert aligner.score(new) == pytest.approx(fitted.score(spaces.XA_test), abs=1e-3)
    assert isinstance(aligner.to_target(new), np.ndarray)
    with pytest.raises(ValueError, match="feature names"):
        aligner.transform(new.rename({"a0": "other"}) if backend == "polars" else
                          new.rename(columns={"a0": "other"}))  # fmt: skip


@pytest.mark.usefixtures("unjudged")
def test_index_of_a_data_frame_is_kept(spaces, quick):
    index = [f"sample {i}" for i in range(len(spaces.XA_test))]
    aligner = quick().set_output(transform="pandas").fit(spaces.XA, spaces.XB)
    Z = aligner.transform(pd.DataFrame(spaces.XA_test, index=index))
    assert Z.index.tolist() == index


# Reproducibility and side effects


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("settings", [{"n_init": 5}, {"n_init": 2, "init": AnchorStart(n_runs=5)}])
def test_the_same_bits_for_any_number_of_jobs(spaces, quick, settings):
    maps = [quick(n_jobs=n_jobs, **settings).fit(spaces.XA, spaces.XB).map_ for n_jobs in (1, 2)]
    assert maps[0].tobytes() == maps[1].tobytes()


@pytest.mark.usefixtures("unjudged")
def test_the_same_bits_when_fitted_again(spaces, fitted, quick):
    aligner = quick()
    for _ in range(2):
        aligner.fit(spaces.XA, spaces.XB)
        assert aligner.map_.tobytes() == fitted.map_.tobytes()
        assert aligner.alignment_score_ == fitted.alignment_score_


@pytest.mark.usefixtures("unjudged")
def test_a_generator_that_is_passed_advances(spaces, quick):
    generator = np.random.RandomState(0)
    aligner = quick(random_state=generator)
    first = aligner.fit(spaces.XA, spaces.XB).target_sample_
    second = aligner.fit(spaces.XA, spaces.XB).target_sample_
    assert not np.array_equal(first, second)


def test_nothing_of_the_caller_is_changed(spaces, quick):
    A, B, new = (X.copy() for X in (spaces.XA, spaces.XB, spaces.XA_test))
    for X in (A, B, new):
        X.setflags(write=False)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    threads = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    aligner = quick(n_init=3, n_jobs=2)
    before = aligner.get_params()
    aligner.fit(A, B)
    Z = aligner.transform(new)
    aligner.to_target(new)
    aligner.inverse_transform(Z)
    aligner.score(new, spaces.XB_test)
    np.testing.assert_array_equal(A, spaces.XA)
    np.testing.assert_array_equal(B, spaces.XB)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert [(p["filepath"], p["num_threads"]) for p in threadpool_info()] == threads
    assert aligner.get_params() == before


def test_samples_beyond_max_samples_count_in_the_means_only(spaces, quick):
    aligner = quick(max_samples=700).fit(spaces.XA, spaces.XB)
    np.testing.assert_allclose(aligner.source_mean_, spaces.XA.mean(axis=0))
    assert aligner.converged_
    assert accuracy(aligner, spaces) > 0.9


# Settings


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"init": AnchorStart(n_runs=10), "n_init": 1},
        {"refinements": [MutualNeighborRefinement(sample_size=None)]},
        {"refinements": []},
    ],
    ids=repr,
)
def test_settings_that_succeed_on_easy_data(spaces, quick, settings):
    aligner = quick(**settings).fit(spaces.XA, spaces.XB)
    assert aligner.converged_
    assert accuracy(aligner, spaces) > (0.9 if settings.get("refinements") != [] else 0.5)


def test_the_published_recipe_on_easy_data(spaces):
    aligner = MiniVec2Vec.from_paper(
        n_runs=10, max_iter=20, n_refine_clusters=100, random_state=0
    ).fit(spaces.XA, spaces.XB)
    assert [record["stage"] for record in aligner.history_] == [
        "start",
        "NeighborRefinement",
        "ClusterRefinement",
    ]
    assert [record["n_iter"] for record in aligner.history_] == [1, 20, 1]
    assert aligner.converged_
    assert accuracy(aligner, spaces) > 0.9


def test_history_of_a_fit(spaces, quick):
    aligner = quick(n_init=4).fit(spaces.XA, spaces.XB)
    start, transport = aligner.history_
    assert start["stage"] == "start"
    assert transport["stage"] == "TransportRefinement"
    for record in (start, transport):
        assert record["n_iter"] == len(record["score"]) > 0
        assert np.isfinite(record["score"]).all()
        assert record["time"] > 0
    assert aligner.n_iter_ == start["n_iter"] + transport["n_iter"]
    assert len(start["start_scores"]) == start["n_iter"]
    for scores, best in zip(start["start_scores"], start["score"], strict=True):
        assert scores[0] == max(scores) == best
    assert transport["score"][-1] == aligner.alignment_score_


# Real encoders


@pytest.mark.parametrize("seed", range(1, repetitions(2, 5)))
def test_separately_trained_encoders_are_aligned(sentences, seed):
    aligner = MiniVec2Vec(random_state=seed)
    aligner.fit(sentences.XA[:2000], sentences.XB[:2000])
    assert aligner.converged_
    assert accuracy(aligner, sentences) >= 0.9
    assert aligner.map_.dtype == np.float32
    assert np.abs(aligner.map_.T @ aligner.map_ - np.eye(300)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("unjudged")
def test_the_published_recipe_on_separately_trained_encoders(sentences):
    aligner = MiniVec2Vec.from_paper(max_iter=15, random_state=0)
    aligner.fit(sentences.XA, sentences.XB)
    assert accuracy(aligner, sentences) >= 0.8


@pytest.mark.slow
@pytest.mark.usefixtures("unjudged")
def test_anchor_starts_on_separately_trained_encoders(sentences):
    refinement = TransportRefinement(max_iter=20, sample_size=1500)
    aligner = MiniVec2Vec(init="anchors", n_init=2, refinements=[refinement], random_state=0)
    aligner.fit(sentences.XA, sentences.XB)
    assert accuracy(aligner, sentences) >= 0.9


# Bad input


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((60, 5))


def with_value(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


BAD = {
    "empty": (lambda X: X[:0], "0 sample"),
    "no columns": (lambda X: X[:, :0], "0 feature"),
    "one sample": (lambda X: X[:1], "minimum of 2"),
    "one dimension": (lambda X: X[:, 0].tolist(), "1D array|one-dimensional"),
    "three dimensions": (lambda X: X[None], "dim 3|3 dimensions|expected <= 2"),
    "nan": (lambda X: with_value(X, np.nan), "contains NaN"),
    "infinity": (lambda X: with_value(X, np.inf), "infinity"),
    "strings": (lambda X: np.full(X.shape, "word"), "could not convert"),
    "sparse": (sparse.csr_matrix, "[Ss]parse"),
    "complex": (lambda X: X + 1j, "[Cc]omplex"),
    "identical samples": (lambda X: np.repeat(X[:1], 20, axis=0), "All samples of .* are equal"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_source_samples(samples, quick, kind):
    spoil, message = BAD[kind]
    with pytest.raises((ValueError, TypeError), match=message):
        quick().fit(spoil(samples), samples)


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "one dimension"])
def test_bad_target_samples(samples, quick, kind):
    spoil, message = BAD[kind]
    with pytest.raises((ValueError, TypeError), match=message):
        quick().fit(samples, XB=spoil(samples))


@pytest.mark.parametrize("method", ["transform", "to_target", "score"])
@pytest.mark.parametrize("kind", ["nan", "infinity", "one dimension", "sparse"])
def test_bad_samples_after_fit(spaces, fitted, method, kind):
    spoil, message = BAD[kind]
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(fitted, method)(spoil(spaces.XA_test))


@pytest.mark.parametrize("method", ["transform", "to_target", "score"])
def test_source_samples_of_a_wrong_width(spaces, fitted, method):
    with pytest.raises(ValueError, match="X has 23 features, but MiniVec2Vec is expecting 24"):
        getattr(fitted, method)(spaces.XA_test[:, :23])


@pytest.mark.parametrize(
    ("method", "name"), [("transform_target", "XB"), ("inverse_transform", "X")]
)
def test_target_samples_of_a_wrong_width(spaces, fitted, method, name):
    with pytest.raises(ValueError, match=f"{name} has 23 features, but the target .* has 24"):
        getattr(fitted, method)(spaces.XB_test[:, :23])


@pytest.mark.parametrize(
    "method", ["transform", "transform_target", "to_target", "inverse_transform", "score"]
)
def test_nothing_works_before_fit(samples, method):
    with pytest.raises(NotFittedError):
        getattr(MiniVec2Vec(), method)(samples)


def test_without_a_target_space(samples):
    with pytest.raises(ValueError, match=r"requires y to be passed.*fit\(XA, XB\)"):
        MiniVec2Vec().fit(samples)


LABELS = {
    "int": lambda y: y.astype(int),
    "bool": lambda y: y.astype(bool),
    "uint8": lambda y: y.astype(np.uint8),
    "float": lambda y: y.astype(float),
    "-1 and 1": lambda y: 2.0 * y - 1,
    "1 and 2": lambda y: y + 1,
    "object": lambda y: y.astype(object),
    "list": lambda y: y.tolist(),
    "Int64": lambda y: pd.DataFrame(y).astype("Int64"),
    "boolean": lambda y: pd.DataFrame(y).astype("boolean"),
    "polars": lambda y: pl.DataFrame(y.astype(np.int8)),
}


@pytest.mark.parametrize("form", LABELS)
def test_a_label_matrix_as_y_is_refused_whatever_its_type(samples, form):
    y = LABELS[form]((samples > 0).astype(int))
    with pytest.raises(ValueError, match=r"multilabel targets.*convert it to float.*XB="):
        MiniVec2Vec().fit(samples, y)


@pytest.mark.usefixtures("unjudged")
def test_two_values_by_name_are_a_target_space(spaces, quick):
    signs = np.where(np.median(spaces.XB, axis=0) < spaces.XB, 1, -1).astype(np.int8)
    assert quick().fit(spaces.XA, XB=signs).n_features_target_ == 24


@pytest.mark.parametrize("argument", ["y", "XB"])
def test_integer_target_samples_are_a_target_space(quick, spaces, argument):
    XB = (20 * spaces.XB).astype(np.int8)
    assert quick().fit(spaces.XA, **{argument: XB}).converged_


def test_integer_target_samples_by_name_are_allowed(quick, spaces):
    XB = (1000 * spaces.XB).astype(int)
    assert quick().fit(spaces.XA, spaces.labels_A, XB=XB).converged_


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
def test_a_vector_is_one_column_and_points_to_labels(samples, quick):
    with pytest.warns(DataConversionWarning, match=r"labels, pass .* as XB="):
        aligner = quick().fit(samples, samples[:, 0])
    assert aligner.map_.shape == (5, 1)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"init": AnchorStart(61, n_runs=2, n_neighbors=9)}, "n_clusters=61 was reduced to 60"),
        ({"init": AnchorStart(n_runs=2, n_neighbors=99)}, "n_neighbors=99 was reduced to 60"),
        ({"refinements": [NeighborRefinement(2, n_neighbors=99)]}, "n_neighbors=99 was reduced"),
        ({"refinements": [ClusterRefinement(61)]}, "n_clusters=61 was reduced to 60"),
        ({"refinements": [MutualNeighborRefinement(2, n_neighbors=61)]}, "n_neighbors=61 was"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_more_clusters_or_neighbors_than_samples(samples, quick, settings, parameter):
    with pytest.warns(SmallSampleWarning, match=parameter) as caught:
        aligner = quick(**settings).fit(samples, samples @ samples[:5])
    assert {warning.filename for warning in caught} == {__file__}
    assert np.isfinite(aligner.map_).all()


def spoiled(X, kind):
    X = X.copy()
    if kind == "zero samples":
        X[::40] = 0
    elif kind == "samples at the mean":
        X[::40] = X.mean(axis=0)
    elif kind == "duplicate samples":
        X[1::4] = X[::4]
    elif kind == "one huge sample":
        X[0] *= 1e6
    return X


@pytest.mark.parametrize("kind", ["zero samples", "samples at the mean", "duplicate samples"])
@pytest.mark.parametrize("settings", [{}, {"init": AnchorStart(n_runs=10)}], ids=repr)
def test_degenerate_samples_do_not_spoil_the_fit(spaces, quick, kind, settings):
    aligner = quick(**settings).fit(spoiled(spaces.XA, kind), spoiled(spaces.XB, kind))
    assert np.isfinite(aligner.map_).all()
    assert np.abs(aligner.map_.T @ aligner.map_ - np.eye(24)).max() < 1e-5
    assert accuracy(aligner, spaces) > 0.8


def test_constant_columns_are_directions_without_samples(spaces, quick):
    def widened(X):
        return np.insert(X, [3, 17], 5.0, axis=1)

    aligner = quick().fit(widened(spaces.XA), widened(spaces.XB))
    assert aligner.converged_
    assert np.abs(aligner.map_.T @ aligner.map_ - np.eye(26)).max() < 1e-5
    Z = aligner.transform(widened(spaces.XA_test))
    assert retrieval_accuracy(Z, aligner.transform_target(widened(spaces.XB_test))) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SmallSampleWarning")
@pytest.mark.parametrize("n_samples", [2, 3, 5])
@pytest.mark.parametrize("recipe", ["robust", "paper"])
@pytest.mark.parametrize("width", [1, 2, 9])
def test_a_few_samples_are_no_error(n_samples, recipe, width):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((n_samples, width)), rng.standard_normal((n_samples + 1, 4))
    aligner = MiniVec2Vec(random_state=0)
    if recipe == "paper":
        aligner = MiniVec2Vec.from_paper(n_runs=2, max_iter=3, random_state=0)
    aligner.fit(A, B)
    assert np.isfinite(aligner.map_).all()
    assert np.isfinite(aligner.transform(A)).all()


@pytest.mark.parametrize("kind", ["one huge sample"])
def test_a_single_outlier_is_no_error(spaces, quick, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        aligner = quick().fit(spoiled(spaces.XA, kind), spaces.XB)
    assert np.isfinite(aligner.map_).all()
    assert np.isfinite(aligner.transform(spaces.XA_test)).all()


def test_a_sample_at_the_mean_has_no_direction(spaces, fitted):
    assert not fitted.transform(fitted.source_mean_[None]).any()
    np.testing.assert_allclose(fitted.to_target(fitted.source_mean_[None])[0], fitted.target_mean_)


def test_target_samples_can_be_dropped(fitted, spaces):
    small = copy.copy(fitted)
    del small.target_sample_
    kept = pickle.dumps(small)
    assert len(kept) < len(pickle.dumps(fitted)) - fitted.target_sample_.nbytes // 2
    loaded = pickle.loads(kept)
    Z = fitted.transform(spaces.XA_test)
    assert loaded.transform(spaces.XA_test).tobytes() == Z.tobytes()
    paired = loaded.score(spaces.XA_test, spaces.XB_test)
    assert paired == fitted.score(spaces.XA_test, spaces.XB_test)
    for y in (None, np.zeros(len(Z))):
        with pytest.raises(ValueError, match=r"target_sample_ was deleted. Pass samples"):
            loaded.score(spaces.XA_test, y)
