"""Estimators that earlier versions stored can be loaded and predict what they predicted then."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone

ARTEFACTS = sorted((Path(__file__).parents[1] / "data").glob("aecf_*.joblib"))

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 cannot read pickles of NumPy 2"
)


def test_there_is_an_artefact():
    assert ARTEFACTS


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: path.stem)
def test_stored_estimators_predict_as_they_did(path):
    stored = joblib.load(path)
    X = stored["X"]
    clf = stored["classifier"]
    np.testing.assert_array_equal(clf.predict(X), stored["labels"])
    np.testing.assert_allclose(clf.predict_proba(X), stored["proba"], rtol=1e-4)
    np.testing.assert_allclose(clf.modality_weights(X), stored["weights"], rtol=1e-4)
    np.testing.assert_allclose(stored["regressor"].predict(X), stored["values"], rtol=1e-4)
    np.testing.assert_allclose(
        stored["embedder"].transform(X), stored["embedding"], rtol=1e-3, atol=1e-5
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: path.stem)
def test_stored_estimators_can_be_trained_further_and_anew(path):
    stored = joblib.load(path)
    clf, X = stored["classifier"], stored["X"]
    n_epochs = clf.n_iter_
    assert clf.partial_fit(X, stored["labels"]).n_iter_ == n_epochs + 1
    assert clone(clf).set_params(max_epochs=1).fit(X, stored["labels"]).n_iter_ == 1
