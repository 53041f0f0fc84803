"""Names of the target features are kept at fit and checked wherever target samples come in."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from sklearn_align.exceptions import AlignmentWarning
from tests.alignment.conftest import quick_aligner

pytestmark = pytest.mark.usefixtures("unjudged_module")

NAMES_A = [f"a{j}" for j in range(24)]
NAMES_B = [f"b{j}" for j in range(24)]
FRAMES = {
    "pandas": lambda X, names: pd.DataFrame(X, columns=names),
    "polars": lambda X, names: pl.DataFrame(dict(zip(names, X.T, strict=True))),
}


@pytest.fixture(scope="module", params=FRAMES)
def frame(request):
    return FRAMES[request.param]


@pytest.fixture(scope="module", params=["y", "XB"])
def named(request, spaces, frame):
    target = {request.param: frame(spaces.XB, NAMES_B)}
    return quick_aligner().fit(frame(spaces.XA, NAMES_A), **target)


@pytest.fixture
def unnamed(fitted):
    return fitted


def test_names_are_kept_as_those_of_the_source(named, spaces, frame):
    assert named.feature_names_target_in_.tolist() == NAMES_B
    assert named.feature_names_target_in_.dtype == object
    expected = named.transform_target(frame(spaces.XB_test, NAMES_B))
    assert named.score(frame(spaces.XA_test, NAMES_A), frame(spaces.XB_test, NAMES_B)) > 0.9
    assert expected.shape == spaces.XB_test.shape


def reordered(X, frame):
    order = np.roll(np.arange(24), 1)
    return frame(X[:, order], [NAMES_B[j] for j in order])


WRONG = {
    "reordered": (reordered, "must be in the same order"),
    "of the other space": (lambda X, frame: frame(X, NAMES_A), "unseen at fit time:\n- a0"),
    "one renamed": (lambda X, frame: frame(X, ["c", *NAMES_B[1:]]), "yet now missing:\n- b0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_other_names_are_refused(named, spaces, frame, wrong):
    make, message = WRONG[wrong]
    samples = make(spaces.XB_test, frame)
    source = frame(spaces.XA_test, NAMES_A)
    with pytest.raises(ValueError, match=f"XB: The feature names should match[^$]*{message}"):
        named.transform_target(samples)
    with pytest.raises(ValueError, match=f"y: The feature names should match[^$]*{message}"):
        named.score(source, samples)
    with pytest.raises(ValueError, match=f"y: The feature names should match[^$]*{message}"):
        named.score(source[:50], samples)


def test_missing_columns_are_refused(named, spaces, frame):
    with pytest.raises(ValueError, match="yet now missing:\n- b23"):
        named.transform_target(frame(spaces.XB_test[:, :23], NAMES_B[:23]))


def test_samples_without_names_are_pointed_out(named, spaces):
    message = "XB does not have valid feature names, but MiniVec2Vec was fitted with feature names"
    with pytest.warns(UserWarning, match=message) as caught:
        named.transform_target(spaces.XB_test)
    assert caught[0].filename == __file__


def test_names_that_fit_has_not_seen_are_pointed_out(unnamed, spaces, frame):
    message = "XB has feature names, but MiniVec2Vec was fitted without feature names"
    with pytest.warns(UserWarning, match=message):
        T = unnamed.transform_target(frame(spaces.XB_test, NAMES_B))
    np.testing.assert_array_equal(T, unnamed.transform_target(spaces.XB_test))
    assert not hasattr(unnamed, "feature_names_target_in_")


def test_a_refit_without_names_forgets_them(spaces, frame, quick):
    aligner = quick().fit(frame(spaces.XA, NAMES_A), frame(spaces.XB, NAMES_B))
    aligner.fit(spaces.XA, spaces.XB)
    assert not hasattr(aligner, "feature_names_target_in_")
    assert not hasattr(aligner, "feature_names_in_")
    aligner.transform_target(spaces.XB_test)
    assert not hasattr(clone(aligner), "feature_names_target_in_")


def test_names_that_are_no_strings_are_not_kept(spaces, quick):
    aligner = quick().fit(pd.DataFrame(spaces.XA), pd.DataFrame(spaces.XB))
    assert not hasattr(aligner, "feature_names_target_in_")
    aligner.transform_target(pd.DataFrame(spaces.XB_test))
    mixed = pd.DataFrame(spaces.XB, columns=[0, *NAMES_B[1:]])
    with pytest.raises(TypeError, match="all input features have string names"):
        quick().fit(spaces.XA, mixed)


def test_a_vector_has_no_names(spaces, quick):
    y = pd.Series(spaces.XB[:, 0], name="b0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not hasattr(quick().fit(spaces.XA, y), "feature_names_target_in_")


@pytest.mark.parametrize("backend", FRAMES)
def test_the_output_of_transform_goes_back_by_name(named, spaces, backend):
    names = named.get_feature_names_out().tolist()
    make = FRAMES[backend]
    Z = copy.copy(named).set_output(transform=backend)
    output = Z.transform(FRAMES[backend](spaces.XA_test, NAMES_A))
    back = Z.inverse_transform(output)
    np.testing.assert_array_equal(back, Z.inverse_transform(output.to_numpy()))
    for wrong in (names[::-1], NAMES_B, NAMES_A):
        with pytest.raises(ValueError, match=r"feature names .* output of transform,.* minivec2"):
            Z.inverse_transform(make(output.to_numpy(), wrong))


def test_pairs_are_checked_by_name(spaces, quick, frame):
    A, B = frame(spaces.XA, NAMES_A), frame(spaces.XB, NAMES_B)
    pair_A, pair_B = frame(spaces.XA_test[:9], NAMES_A), frame(spaces.XB_test[:9], NAMES_B)
    named = quick().fit(A, B, pairs=(pair_A, pair_B))
    plain = quick().fit(spaces.XA, spaces.XB, pairs=(spaces.XA_test[:9], spaces.XB_test[:9]))
    np.testing.assert_allclose(named.map_, plain.map_, atol=1e-6)
    with pytest.raises(ValueError, match=r"pairs\[1\]: The feature names should match"):
        quick().fit(A, B, pairs=(pair_A, reordered(spaces.XB_test[:9], frame)))
    with pytest.raises(ValueError, match=r"pairs\[0\]: The feature names should match"):
        quick().fit(A, B, pairs=(pair_B, pair_B))
    with pytest.warns(UserWarning, match=r"pairs\[0\] has feature names"):
        quick().fit(spaces.XA, B, pairs=(pair_A, pair_B))
    with pytest.warns(UserWarning, match=r"pairs\[1\] does not have valid feature names"):
        quick().fit(A, B, pairs=(pair_A, spaces.XB_test[:9]))


def test_names_survive_a_search(spaces, quick, frame):
    from sklearn.model_selection import GridSearchCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        search = GridSearchCV(quick(), {"n_init": [1]}, cv=2, error_score="raise").fit(
            frame(spaces.XA, NAMES_A), XB=frame(spaces.XB, NAMES_B)
        )
    assert search.best_estimator_.feature_names_target_in_.tolist() == NAMES_B
