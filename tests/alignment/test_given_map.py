"""Aligners of maps that were made elsewhere: what they return, and what is refused."""

from __future__ import annotations

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from sklearn_align import MiniVec2Vec, load_map
from sklearn_align.alignment import alignment_report
from sklearn_align.alignment._fitted_map import EVIDENCE
from sklearn_align.alignment._map_state import fitted_attributes, state_of
from sklearn_align.exceptions import SampleLengthWarning

RNG = np.random.default_rng(0)
A = RNG.standard_normal((40, 4)) + 0.5
MEAN_A, MEAN_B = A.mean(axis=0), np.arange(4.0)
Q = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
# No multiple of an orthogonal matrix.
SKEWED = RNG.standard_normal((4, 3))


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def close(one, other):
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_samples_are_mapped_by_the_matrix():
    aligner = MiniVec2Vec.from_map(Q, MEAN_A, MEAN_B)
    check_is_fitted(aligner)
    close(aligner.transform(A), unit((A - MEAN_A) @ Q))
    close(aligner.to_target(A), (A - MEAN_A) @ Q + MEAN_B)
    close(aligner.to_target(A[0]), (A[0] - MEAN_A) @ Q + MEAN_B)
    close(aligner.transform_target(A), unit(A - MEAN_B))
    close(aligner.inverse_transform(aligner.transform(A)), MEAN_A + unit(A - MEAN_A))
    assert aligner.score(A, aligner.to_target(A)) == 1
    assert (aligner.n_features_in_, aligner.n_features_target_) == (4, 4)
    np.testing.assert_array_equal(aligner.map_, Q)
    assert aligner.linear_map_ is aligner.map_


@pytest.mark.parametrize("scale", [1.0, 2.5, 1e-9])
def test_without_anything_else_it_is_a_product(scale):
    aligner = MiniVec2Vec.from_map(scale * Q)
    np.testing.assert_allclose(aligner.to_target(A), scale * A @ Q, rtol=1e-10, atol=1e-12 * scale)
    close(aligner.map_, Q)


def test_the_matrix_of_a_procrustes_problem():
    R, _ = orthogonal_procrustes(A - MEAN_A, A @ Q - (A @ Q).mean(axis=0))
    aligner = MiniVec2Vec.from_map(R, MEAN_A, (A @ Q).mean(axis=0))
    close(aligner.to_target(A), A @ Q)


def test_a_regression_is_applied_as_it_is_and_its_orthogonal_part_leads_back():
    ridge = Ridge(alpha=3.0).fit(A, A @ SKEWED + 1)
    aligner = MiniVec2Vec.from_map(ridge.coef_.T, target_mean=ridge.intercept_)
    predicted = ridge.predict(A) - ridge.intercept_
    close(aligner.transform(A), unit(predicted))
    np.testing.assert_array_equal(aligner.linear_map_, ridge.coef_.T)
    close(aligner.map_.T @ aligner.map_, np.eye(3))
    U, s, Vt = np.linalg.svd(ridge.coef_.T, full_matrices=False)
    close(aligner.map_, U @ Vt)
    Z = aligner.transform(A)
    close(aligner.inverse_transform(Z), unit(Z @ aligner.map_.T))
    # Directions are those of the prediction, lengths those of the samples.
    scale = np.sqrt((s**2).mean())
    lengths = scale * np.linalg.norm(A, axis=1, keepdims=True)
    close(aligner.to_target(A), ridge.intercept_ + lengths * unit(predicted))


def test_the_inverse_of_a_regression_is_an_aligner_of_its_own():
    W = np.eye(4) + 0.3 * SKEWED @ SKEWED.T
    there = MiniVec2Vec.from_map(W, MEAN_A, MEAN_B)
    back = MiniVec2Vec.from_map(np.linalg.pinv(W), MEAN_B, MEAN_A)
    mapped = MEAN_B + there.transform(A)
    close(back.transform(mapped), unit(A - MEAN_A))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_orthonormal_rows_or_columns_are_kept(shape):
    W = np.linalg.qr(RNG.standard_normal((6, 4)))[0].reshape(6, 4)
    W = W if shape == (6, 4) else np.ascontiguousarray(W.T)
    aligner = MiniVec2Vec.from_map(W)
    np.testing.assert_array_equal(aligner.map_, W)
    assert aligner.linear_map_ is aligner.map_


@pytest.mark.parametrize(
    ("given", "kept"),
    [("float32", "float32"), ("float64", "float64"), ("float16", "float32"), ("int64", "float64")],
)
def test_number_types(given, kept):
    W = (np.eye(4) if given == "int64" else Q).astype(given)
    aligner = MiniVec2Vec.from_map(W, MEAN_A.astype(given))
    assert aligner.map_.dtype == aligner.linear_map_.dtype == kept
    assert aligner.source_mean_.dtype == aligner.target_mean_.dtype == kept
    assert aligner.transform(A.astype("float32")).dtype == "float32"
    assert aligner.transform(A).dtype == "float64"


@pytest.mark.parametrize("W", [Q, SKEWED, Q.astype("float32"), np.asfortranarray(Q)])
def test_nothing_is_shared_with_the_caller(W):
    given = [W.copy(order="K"), np.ones(4), np.ones(W.shape[1])]
    before = [array.copy() for array in given]
    aligner = MiniVec2Vec.from_map(*given)
    for array, was in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, was)
        array[...] = 7
    np.testing.assert_array_equal(aligner.linear_map_, W)
    np.testing.assert_array_equal(aligner.source_mean_, 1)
    np.testing.assert_array_equal(aligner.target_mean_, 1)


def test_lists_and_frames_are_taken():
    expected = MiniVec2Vec.from_map(Q, MEAN_A).transform(A)
    for W, mean in ((Q.tolist(), MEAN_A.tolist()), (pd.DataFrame(Q), pd.Series(MEAN_A))):
        np.testing.assert_array_equal(MiniVec2Vec.from_map(W, mean).transform(A), expected)


def test_normalized_spaces():
    mean_A, mean_B = unit(A).mean(axis=0), np.full(4, 0.1)
    aligner = MiniVec2Vec.from_map(
        Q, mean_A, mean_B, source_normalized=True, target_normalized=True, target_radius=5.0
    )
    assert aligner.source_normalized_
    assert aligner.target_normalized_
    close(aligner.transform(A), unit((unit(A) - mean_A) @ Q))
    close(aligner.transform_target(A), unit(unit(A) - mean_B))
    np.testing.assert_allclose(
        np.linalg.norm(aligner.to_target(A), axis=1), 5 * np.linalg.norm(A, axis=1)
    )


def test_lengths_of_the_spaces():
    aligner = MiniVec2Vec.from_map(
        Q, unit(A).mean(axis=0), 0.1 * MEAN_B, source_length=1.0, target_length=2
    )
    assert (aligner.source_length_, aligner.target_length_) == (1.0, 2.0)
    np.testing.assert_allclose(np.linalg.norm(aligner.to_target(unit(A)), axis=1), 2)
    Z = aligner.transform(unit(A))
    close(aligner.inverse_transform(Z), unit(A))
    distances = np.linalg.norm(unit(A) - unit(A).mean(axis=0), axis=1)
    assert aligner.source_radius_ == pytest.approx(np.sqrt((distances**2).mean()))
    with pytest.warns(SampleLengthWarning, match="The samples of X have"):
        aligner.transform(30 * A)


def test_radii():
    aligner = MiniVec2Vec.from_map(Q, source_radius=2.0, target_radius=6.0)
    assert (aligner.source_radius_, aligner.target_radius_) == (2.0, 6.0)
    close(aligner.to_target(A), 3 * A @ Q)
    close(aligner.inverse_transform(unit(A)), 2 * unit(A) @ Q.T)


def test_names_of_features():
    names, target_names = list("abcd"), list("wxyz")
    aligner = MiniVec2Vec.from_map(
        Q, source_feature_names=names, target_feature_names=np.array(target_names)
    )
    assert aligner.feature_names_in_.tolist() == names
    assert aligner.feature_names_target_in_.tolist() == target_names
    aligner.transform(pd.DataFrame(A, columns=names))
    aligner.transform_target(pd.DataFrame(A, columns=target_names))
    with pytest.raises(ValueError, match="feature names"):
        aligner.transform(pd.DataFrame(A, columns=target_names))
    with pytest.raises(ValueError, match="feature names"):
        aligner.transform_target(pd.DataFrame(A, columns=names))


def test_output_as_a_frame():
    aligner = MiniVec2Vec.from_map(Q).set_output(transform="pandas")
    assert list(aligner.transform(A).columns) == aligner.get_feature_names_out().tolist()
    assert aligner.get_feature_names_out()[0] == "minivec2vec0"


def test_parameters_are_those_of_the_aligner_and_a_clone_is_not_fitted():
    aligner = MiniVec2Vec.from_map(Q, random_state=3, n_init=2)
    assert aligner.get_params(deep=False) == MiniVec2Vec(random_state=3, n_init=2).get_params(False)
    cloned = clone(aligner)
    assert vars(cloned) == vars(MiniVec2Vec(random_state=3, n_init=2))
    with pytest.raises(NotFittedError):
        cloned.transform(A)
    with pytest.raises(TypeError, match="nothing"):
        MiniVec2Vec.from_map(Q, nothing=1)


def test_it_is_copied_stored_and_used_in_a_pipeline(tmp_path):
    aligner = MiniVec2Vec.from_map(SKEWED, MEAN_A)
    expected = aligner.to_target(A)
    joblib.dump(aligner, tmp_path / "map.joblib")
    for other in (
        joblib.load(tmp_path / "map.joblib"),
        pickle.loads(pickle.dumps(aligner)),
        copy.copy(aligner),
        copy.deepcopy(aligner),
    ):
        np.testing.assert_array_equal(other.to_target(A), expected)
        assert not hasattr(other, "converged_")
    pipeline = make_pipeline(FunctionTransformer(), aligner)
    np.testing.assert_array_equal(pipeline.transform(A), aligner.transform(A))


@pytest.mark.parametrize("W", [Q, SKEWED, Q.astype("float32")], ids=["Q", "skewed", "float32"])
@pytest.mark.parametrize("judged", [False, True])
def test_it_is_exported_before_and_after_it_is_judged(tmp_path, W, judged):
    aligner = MiniVec2Vec.from_map(W, MEAN_A, source_feature_names=list("abcd"))
    if judged:
        answers = dict.fromkeys(("converged_", "accuracy_measured_", "ambiguous_"), True)
        figures = dict.fromkeys(EVIDENCE, 0.5) | answers
        vars(aligner).update(figures)
    aligner.export(tmp_path / "map.npz", metadata={"from": "a notebook"})
    loaded = load_map(tmp_path / "map.npz")
    frame = pd.DataFrame(A, columns=list("abcd"))
    np.testing.assert_array_equal(loaded.to_target(frame), aligner.to_target(frame))
    Z = aligner.transform(frame)
    np.testing.assert_array_equal(loaded.inverse_transform(Z), aligner.inverse_transform(Z))
    np.testing.assert_array_equal(loaded.map_, aligner.map_)
    assert loaded.metadata_ == {"from": "a notebook"}
    assert [hasattr(loaded, name) for name in EVIDENCE] == [judged] * len(EVIDENCE)
    if judged:
        assert {name: getattr(loaded, name) for name in EVIDENCE} == figures


@pytest.mark.parametrize("name", EVIDENCE)
def test_what_is_not_known_before_it_is_judged(name):
    aligner = MiniVec2Vec.from_map(Q)
    with pytest.raises(AttributeError, match=rf"has no {name}.*Call assess\(XA, XB\)"):
        getattr(aligner, name)
    assert getattr(aligner, name, None) is None
    # Aligners that are not fitted are as they were.
    with pytest.raises(AttributeError, match=f"'MiniVec2Vec' object has no attribute '{name}'"):
        getattr(MiniVec2Vec(), name)


def test_other_absent_attributes_are_reported_as_usual():
    with pytest.raises(AttributeError, match="object has no attribute 'nothing'"):
        _ = MiniVec2Vec.from_map(Q).nothing
    with pytest.raises(AttributeError, match="object has no attribute '_corrected_map'"):
        _ = MiniVec2Vec().linear_map_


def test_a_report_says_that_the_map_was_not_judged():
    report = alignment_report(MiniVec2Vec.from_map(Q))
    assert report.verdict == "check"
    assert "assess(XA, XB)" in report.findings[0]
    assert report.to_dict()["evidence"] is None
    assert "Evidence" not in str(report)
    assert report.to_html()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": MEAN_A}, r"W must be a matrix .* got the shape \(4,\)"),
        ({"W": 3.0}, r"W must be a matrix .* got the shape \(\)"),
        ({"W": np.full((4, 4), np.nan)}, "W contains NaN"),
        ({"W": np.full((4, 4), np.inf)}, "W contains infinity"),
        ({"W": np.zeros((4, 3))}, r"All entries of W, of shape \(4, 3\), are 0"),
        ({"W": np.zeros((0, 3))}, "minimum of 1"),
        ({"W": Q * 1j}, "Complex data"),
        ({"W": [["a", "b"], ["c", "d"]]}, "could not convert"),
        ({"source_mean": MEAN_A[:3]}, r"source_mean has the shape \(3,\), but W.shape\[0\] is 4"),
        ({"target_mean": MEAN_A[:3]}, r"target_mean has the shape \(3,\), but W.shape\[1\] is 4"),
        ({"W": SKEWED.T, "source_mean": MEAN_A}, r"pass W.T if W maps column vectors"),
        ({"source_mean": A}, r"source_mean has the shape \(40, 4\)"),
        ({"source_mean": 0.0}, r"source_mean has the shape \(\)"),
        ({"target_mean": [0, np.nan, 0, 0]}, "target_mean contains NaN"),
        (
            {"source_normalized": True, "source_mean": np.ones(4)},
            r"source_mean has the length 2.*length 1 \(source_normalized\).*leave out source_norm",
        ),
        (
            {"target_length": 1.5, "target_mean": np.ones(4)},
            r"target_mean has the length 2.*length 1.5 \(target_length\).*leave out target_length",
        ),
        (
            {"source_length": 2.0, "source_normalized": True},
            "source_length=2.0 and source_normalized=True exclude each other",
        ),
        ({"source_length": 0}, "source_length must be a positive number or None, got 0"),
        ({"target_radius": -1.0}, "target_radius must be a positive number or None, got -1.0"),
        ({"source_radius": np.nan}, "source_radius must be a positive number or None, got nan"),
        ({"source_feature_names": ["a"]}, "source_feature_names has 1 names, but W has 4"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"(?s){message}"):
            MiniVec2Vec.from_map(**{"W": Q, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_normalized": "yes"}, "source_normalized must be True or False, got 'yes'"),
        ({"target_length": "one"}, "target_length must be a positive number or None, got 'one'"),
        ({"target_feature_names": "wxyz"}, "target_feature_names must be a list of str"),
        ({"target_feature_names": [1, 2, 3, 4]}, "target_feature_names must be a list of str"),
    ],
)
def test_arguments_of_another_type(arguments, message):
    with pytest.raises(TypeError, match=message):
        MiniVec2Vec.from_map(Q, **arguments)


def test_only_files_of_maps_that_were_not_judged_need_this_version(tmp_path):
    aligner = MiniVec2Vec.from_map(Q)
    for judged, version in ((False, "2"), (True, "1")):
        if judged:
            vars(aligner).update(dict.fromkeys(EVIDENCE, 0.5))
        metadata = state_of(aligner, None).metadata
        assert metadata["sklearn_align.format"] == version
        assert ("sklearn_align.converged" in metadata) is judged


def test_figures_without_one_of_them_are_refused():
    aligner = MiniVec2Vec.from_map(Q)
    vars(aligner).update(dict.fromkeys(EVIDENCE, 0.5))
    state = state_of(aligner, None)
    state.metadata["sklearn_align.format"] = "2"
    assert fitted_attributes(state)["converged_"]
    del state.metadata["sklearn_align.agreement"]
    with pytest.raises(ValueError, match=r"'sklearn_align\.agreement' is missing"):
        fitted_attributes(state)
