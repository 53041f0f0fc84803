"""The code of docs/user_guide/io.rst does what the text says, with stand-ins for the engines."""

import pickle

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from sklearn_align import MiniVec2Vec  # noqa: E402
from sklearn_align.datasets import make_rotated_embeddings  # noqa: E402
from sklearn_align.io import map_batches, vectors_to_arrow, vectors_to_numpy  # noqa: E402
from tests.test_documented_code import ROOT, blocks  # noqa: E402

pytestmark = pytest.mark.usefixtures("unjudged_module")

FIT, MAP, RAY, SPARK, DASK = blocks(ROOT / "docs" / "user_guide" / "io.rst")


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(2000, 12, random_state=0)


@pytest.fixture(scope="module")
def names(data):
    """What the snippets for engines take as given; the aligner has been sent to a worker."""
    aligner = MiniVec2Vec(n_init=1, refinements=[], random_state=0).fit(
        data.XA.astype(np.float32), data.XB.astype(np.float32)
    )
    aligner = pickle.loads(pickle.dumps(aligner))
    return {"aligner": aligner, "map_batches": map_batches, "np": np, "pa": pa}


def test_a_file_is_mapped(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, X in (("old", data.XA), ("new", data.XB)):
        table = pa.table({"id": range(len(X)), "vector": vectors_to_arrow(X.astype(np.float32))})
        parquet.write_table(table, f"{name}.parquet", row_group_size=300)
    names = {}
    exec(FIT + MAP, names)
    mapped = parquet.read_table("mapped.parquet")
    assert mapped["id"].to_pylist() == list(range(len(data.XA)))
    np.testing.assert_allclose(
        vectors_to_numpy(mapped["vector"]),
        names["aligner"].to_target(data.XA.astype(np.float32)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_ray_data(data, names):
    class Dataset:
        def map_batches(self, function, *, batch_format):
            assert batch_format == "pyarrow"
            return function(table)

    X = data.XA_test.astype(np.float32)
    table = pa.table({"vector": vectors_to_arrow(X, list_type="large_list")})
    names = names | {"dataset": Dataset()}
    exec(RAY, names)
    np.testing.assert_array_equal(
        vectors_to_numpy(names["mapped"]["vector"]), names["aligner"].to_target(X)
    )


def test_spark(data, names):
    class Frame:
        def mapInArrow(self, function, schema):
            assert schema == "id bigint, vector array<float>"
            return list(function(iter(table.to_batches())))

    X = data.XA_test.astype(np.float32)
    table = pa.table({"id": range(len(X)), "vector": vectors_to_arrow(X, list_type="list")})
    names = names | {"frame": Frame()}
    exec(SPARK, names)
    (batch,) = names["mapped"]
    assert batch.schema.types == [pa.int64(), pa.list_(pa.float32())]
    np.testing.assert_array_equal(vectors_to_numpy(batch["vector"]), names["aligner"].to_target(X))


def test_dask(data, names):
    array = pytest.importorskip("dask.array")
    X = data.XA_test.astype(np.float32)
    names = names | {"X": array.from_array(X, chunks=(50, 5))}
    exec(DASK, names)
    mapped = names["mapped"]
    assert mapped.shape == (len(X), 12)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(
        mapped.compute(scheduler="synchronous"),
        names["aligner"].to_target(X),
        rtol=1e-4,
        atol=1e-5,
    )
