"""All kinds of sources give the same rows."""

from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
dataset = pytest.importorskip("pyarrow.dataset")
parquet = pytest.importorskip("pyarrow.parquet")

from sklearn_align.io import map_batches, sample_rows, vectors_to_arrow, vectors_to_numpy  # noqa: E402

X = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)


class Double:
    """Stands for an aligner."""

    def to_target(self, X):
        return 2 * X


class OnlyTheStream:
    """An object of another library."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.fixture
def table():
    return pa.table({"id": range(60), "vector": vectors_to_arrow(X), "text": ["a b"] * 60})


def halves(table, folder):
    paths = [folder / "part-0.parquet", folder / "part-1.parquet"]
    for path, part in zip(paths, (table[:25], table[25:]), strict=True):
        parquet.write_table(part, path, row_group_size=10)
    return paths


SOURCES = {
    "table": lambda table, folder: table,
    "batch": lambda table, folder: table.to_batches()[0],
    "chunks": lambda table, folder: pa.concat_tables([table[:7], table[7:50], table[50:]]),
    "reader": lambda table, folder: table.to_reader(max_chunksize=8),
    "reader with an empty batch": lambda table, folder: pa.RecordBatchReader.from_batches(
        table.schema, [table.to_batches()[0][:0], *table.to_batches()]
    ),
    "list of batches": lambda table, folder: table.to_batches(max_chunksize=8),
    "generator": lambda table, folder: iter(table.to_batches(max_chunksize=8)),
    "list of tables": lambda table, folder: [table[:20], table[20:]],
    "stream": lambda table, folder: OnlyTheStream(table),
    "path": lambda table, folder: Path(pa_write(table, folder)),
    "string": lambda table, folder: pa_write(table, folder),
    "paths": halves,
    "data set of files": lambda table, folder: dataset.dataset(halves(table, folder)),
    "data set in memory": lambda table, folder: dataset.dataset(table),
}


def pa_write(table, folder):
    path = folder / "vectors.parquet"
    parquet.write_table(table, path, row_group_size=13)
    return str(path)


@pytest.mark.parametrize("name", SOURCES)
def test_samples_agree(name, table, tmp_path):
    source = SOURCES[name](table, tmp_path)
    expected = sample_rows(table, 20, "vector", random_state=0)
    np.testing.assert_array_equal(sample_rows(source, 20, "vector", random_state=0), expected)


@pytest.mark.parametrize("name", SOURCES)
def test_mapped_batches_agree(name, table, tmp_path):
    mapped = pa.Table.from_batches(
        map_batches(Double(), SOURCES[name](table, tmp_path), "vector", out_column="mapped")
    )
    np.testing.assert_array_equal(vectors_to_numpy(mapped["mapped"]), 2 * X)
    assert mapped.drop_columns("mapped") == table


@pytest.mark.parametrize("name", ["path", "paths", "data set of files"])
def test_files_are_read_in_small_batches(name, table, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_align.io._sources._ROWS_FROM_FILES", 4)
    source = SOURCES[name](table, tmp_path)
    mapped = list(map_batches(Double(), source, "vector"))
    assert max(batch.num_rows for batch in mapped) <= 4
    np.testing.assert_array_equal(vectors_to_numpy(pa.Table.from_batches(mapped)["vector"]), 2 * X)


def test_only_the_column_is_read_for_a_sample(table, tmp_path, monkeypatch):
    seen = []
    iter_batches = parquet.ParquetFile.iter_batches

    def recorded(self, *args, **kwargs):
        for batch in iter_batches(self, *args, **kwargs):
            seen.append(batch.schema.names)
            yield batch

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", recorded)
    sample_rows(halves(table, tmp_path), 5, "vector")
    assert seen == [["vector"]] * len(seen) != []

    class Recorded(dataset.InMemoryDataset):
        def to_batches(self, **kwargs):
            seen.append(kwargs["columns"])
            return super().to_batches(**kwargs)

    sample_rows(Recorded(table), 5, "vector")
    assert seen[-1] == ["vector"]


@pytest.mark.parametrize("array", [True, False])
def test_frames_of_polars(array):
    pl = pytest.importorskip("polars")
    kind = pl.Array(pl.Float32, 5) if array else pl.List(pl.Float32)
    frame = pl.DataFrame({"id": range(60)}).with_columns(pl.Series("vector", X.tolist(), kind))
    np.testing.assert_array_equal(sample_rows(frame, 100, "vector"), X)
    mapped = pl.from_arrow(pa.Table.from_batches(map_batches(Double(), frame, "vector")))
    assert mapped.schema["vector"] == pl.Array(pl.Float32, 5)
    assert mapped["vector"].to_list() == (2 * X).tolist()
    assert mapped["id"].to_list() == list(range(60))


def test_frames_of_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"id": range(60), "vector": list(X)})
    np.testing.assert_array_equal(sample_rows(frame, 100, "vector"), X)


def test_tables_without_rows_keep_their_columns(table, tmp_path):
    for name, make in SOURCES.items():
        if name.endswith("batch") or name in ("list of batches", "generator", "list of tables"):
            continue
        mapped = list(map_batches(Double(), make(table[:0], tmp_path), "vector"))
        assert sum(batch.num_rows for batch in mapped) == 0, name
        assert mapped[0].schema == table.schema, name


@pytest.mark.parametrize(
    "function",
    [
        lambda source: sample_rows(source, 5, "vector"),
        lambda source: next(map_batches(Double(), source, "vector")),
    ],
    ids=["sample_rows", "map_batches"],
)
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (X, "got ndarray, which holds no Arrow data. Pass a pyarrow Table"),
        ({"vector": X}, "got dict, which"),
        (7, "got int, which"),
        (None, "got NoneType, which"),
        ([X], "got list of ndarray, which"),
        ([{"vector": [1.0]}], "got list of dict, which"),
    ],
)
def test_other_sources_are_named(source, message, function):
    with pytest.raises(TypeError, match=message):
        function(source)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder: pass pyarrow.dataset.dataset"):
        sample_rows(tmp_path, 5, "vector")


@pytest.mark.parametrize("name", SOURCES)
def test_an_unknown_column_is_named_with_those_that_are_there(name, table, tmp_path):
    message = r"no column 'vectr'; the columns are id \(int64\), vector"
    with pytest.raises(ValueError, match=message):
        sample_rows(SOURCES[name](table, tmp_path), 5, "vectr")
    with pytest.raises(ValueError, match=message):
        next(map_batches(Double(), SOURCES[name](table, tmp_path), "vectr"))


def test_columns_of_one_name_are_ambiguous(table):
    twice = pa.Table.from_arrays([table["vector"]] * 2, names=["vector"] * 2)
    with pytest.raises(ValueError, match="2 columns 'vector': rename or drop"):
        sample_rows(twice, 5, "vector")


def test_batches_with_other_columns_are_refused(table):
    batches = [*table.to_batches(), *table.drop_columns("text").to_batches()]
    with pytest.raises(ValueError, match="must have the same columns"):
        list(map_batches(Double(), batches, "vector"))
    # A sample needs one column only, but of one type.
    np.testing.assert_array_equal(sample_rows(batches, 120, "vector"), np.concatenate([X, X]))
    batches[1] = pa.table({"vector": vectors_to_arrow(X.astype(np.float16))}).to_batches()[0]
    with pytest.raises(ValueError, match=r"the same columns.*\n.*float.*\n.*\n.*halffloat"):
        sample_rows(batches, 120, "vector")
