"""A stored aligner gives the same bits, also in another process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_align
from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import TransportRefinement
from sklearn_align.datasets import make_rotated_embeddings


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(
        800, 24, n_samples_target=700, n_features_target=28, random_state=0
    )


@pytest.fixture(scope="module")
def aligner(data):
    return MiniVec2Vec(
        n_init=1, refinements=[TransportRefinement(max_iter=10)], random_state=0
    ).fit(data.XA.astype(np.float32), data.XB.astype(np.float32))


def outputs(aligner, data):
    Z = aligner.transform(data.XA_test)
    return [
        Z,
        aligner.transform_target(data.XB_test),
        aligner.to_target(data.XA_test),
        aligner.inverse_transform(Z),
        np.array(aligner.score(data.XA_test)),
        np.array(aligner.score(data.XA_test, data.XB_test)),
    ]


def assert_same(loaded, aligner, data):
    for got, expected in zip(outputs(loaded, data), outputs(aligner, data), strict=True):
        assert got.tobytes() == expected.tobytes()
    assert loaded.history_ == aligner.history_
    assert loaded.converged_ is aligner.converged_


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(aligner, data, protocol):
    assert_same(pickle.loads(pickle.dumps(aligner, protocol=protocol)), aligner, data)


@pytest.mark.parametrize("compress", [0, 3])
def test_joblib(aligner, data, tmp_path, compress):
    joblib.dump(aligner, tmp_path / "aligner.joblib", compress=compress)
    assert_same(joblib.load(tmp_path / "aligner.joblib"), aligner, data)


def test_joblib_with_memory_mapped_arrays(aligner, data, tmp_path):
    joblib.dump(aligner, tmp_path / "aligner.joblib")
    loaded = joblib.load(tmp_path / "aligner.joblib", mmap_mode="r")
    assert_same(loaded, aligner, data)


def test_a_fresh_process_gives_the_same_bits(aligner, data, tmp_path):
    joblib.dump(aligner, tmp_path / "aligner.joblib")
    np.save(tmp_path / "samples.npy", data.XA_test)
    code = textwrap.dedent(
        """
        import sys
        import joblib
        import numpy as np
        folder = sys.argv[1]
        aligner = joblib.load(folder + "/aligner.joblib")
        Z = aligner.transform(np.load(folder + "/samples.npy"))
        np.save(folder + "/mapped.npy", Z)
        np.save(folder + "/raw.npy", aligner.to_target(np.load(folder + "/samples.npy")))
        """
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        cwd=Path(sklearn_align.__file__).parent.parent,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "mapped.npy"), aligner.transform(data.XA_test))
    np.testing.assert_array_equal(np.load(tmp_path / "raw.npy"), aligner.to_target(data.XA_test))


def test_a_fit_in_a_fresh_process_gives_the_same_bits(aligner, data, tmp_path):
    np.savez(tmp_path / "data.npz", XA=data.XA, XB=data.XB)
    joblib.dump(clone(aligner), tmp_path / "unfitted.joblib")
    code = textwrap.dedent(
        """
        import sys
        import joblib
        import numpy as np
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        aligner = joblib.load(folder + "/unfitted.joblib")
        aligner.fit(data["XA"].astype(np.float32), data["XB"].astype(np.float32))
        np.save(folder + "/map.npy", aligner.map_)
        """
    )
    # Linear algebra rounds otherwise on another number of threads, so both sides run on one.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        cwd=Path(sklearn_align.__file__).parent.parent,
        env={**os.environ, **single},
    )
    with threadpool_limits(1):
        here = clone(aligner).fit(data.XA.astype(np.float32), data.XB.astype(np.float32))
    np.testing.assert_array_equal(np.load(tmp_path / "map.npy"), here.map_)


@pytest.mark.usefixtures("unjudged")
def test_a_pipeline_with_a_classifier(data, tmp_path):
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0)
    model = make_pipeline(StandardScaler(), aligner, LogisticRegression())
    model.fit(data.XA, data.labels_A, minivec2vec__XB=data.XB)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        loaded.predict_proba(data.XA_test), model.predict_proba(data.XA_test)
    )


@pytest.mark.usefixtures("unjudged")
def test_a_clone_is_not_fitted_and_refits_to_the_same_bits(aligner, data):
    again = clone(aligner)
    assert not hasattr(again, "map_")
    again.fit(data.XA.astype(np.float32), data.XB.astype(np.float32))
    assert again.map_.tobytes() == aligner.map_.tobytes()


@pytest.mark.usefixtures("unjudged")
def test_stored_size_does_not_grow_with_the_samples(data):
    aligner = MiniVec2Vec(n_init=1, refinements=[], score_sample_size=100, random_state=0)
    small, large = (len(pickle.dumps(aligner.fit(data.XA[:n], data.XB))) for n in (500, 800))
    assert large < small * 1.1
