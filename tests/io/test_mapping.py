from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pa = pytest.importorskip("pyarrow")

from sklearn_align import MiniVec2Vec  # noqa: E402
from sklearn_align.datasets import make_rotated_embeddings  # noqa: E402
from sklearn_align.exceptions import SampleLengthWarning  # noqa: E402
from sklearn_align.io import map_batches, vectors_to_arrow, vectors_to_numpy  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.SampleLengthWarning"),
]

WIDTH = 6
LIST_TYPES = ["fixed_size_list", "list", "large_list"]
VALID = np.random.default_rng(1).standard_normal((40, WIDTH))


def cheap(**parameters):
    return MiniVec2Vec(n_init=1, refinements=[], random_state=0, **parameters)


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(120, WIDTH, random_state=0)


@pytest.fixture(scope="module")
def aligner(data):
    return cheap().fit(data.XA.astype(np.float32), data.XB.astype(np.float32))


def table(X, list_type="fixed_size_list"):
    n = len(X)
    vectors = X if isinstance(X, pa.Array) else vectors_to_arrow(X, list_type=list_type)
    return pa.table(
        {"id": range(n), "vector": vectors, "text": [f"text {i}" for i in range(n)]}
    ).replace_schema_metadata({"origin": "tests"})


def mapped_table(aligner, source, **options):
    return pa.Table.from_batches(map_batches(aligner, source, "vector", **options))


@pytest.mark.parametrize("list_type", LIST_TYPES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64"])
def test_vectors_are_those_of_to_target(aligner, dtype, list_type):
    X = (20 * np.abs(VALID)).astype(dtype)
    mapped = mapped_table(aligner, table(X, list_type))
    mapped.validate(full=True)
    expected = aligner.to_target(X)
    vectors = vectors_to_numpy(mapped["vector"])
    assert vectors.dtype == expected.dtype
    np.testing.assert_array_equal(vectors, expected)
    assert mapped.schema.field("vector").type == pa.list_(pa.from_numpy_dtype(expected.dtype), 6)


def test_cuts_change_results_by_rounding_at_most(aligner):
    X = VALID.astype(np.float32)
    batches = table(X).to_batches(max_chunksize=7)
    mapped = list(map_batches(aligner, batches, "vector"))
    assert [batch.num_rows for batch in mapped] == [7, 7, 7, 7, 7, 5]
    for batch, start in zip(mapped, range(0, 40, 7), strict=True):
        expected = aligner.to_target(X[start : start + 7])
        np.testing.assert_array_equal(vectors_to_numpy(batch["vector"]), expected)
    vectors = vectors_to_numpy(pa.Table.from_batches(mapped)["vector"])
    np.testing.assert_allclose(vectors, aligner.to_target(X), rtol=1e-4, atol=1e-5)


def test_warnings_of_the_aligner_point_to_the_caller(aligner):
    with pytest.warns(SampleLengthWarning) as record:
        next(map_batches(aligner, table(1000 * VALID), "vector"))
    assert [warning.filename for warning in record] == [__file__]


def test_other_columns_and_metadata_are_kept(aligner):
    source = table(VALID)
    mapped = mapped_table(aligner, source)
    assert mapped.column_names == source.column_names
    assert mapped.schema.metadata == {b"origin": b"tests"}
    assert mapped.drop_columns("vector") == source.drop_columns("vector")
    added = mapped_table(aligner, source, out_column="mapped")
    assert added.column_names == ["id", "vector", "text", "mapped"]
    assert added.schema.metadata == {b"origin": b"tests"}
    assert added.drop_columns("mapped") == source
    assert added["mapped"] == mapped["vector"]
    assert mapped_table(aligner, source, out_column="vector") == mapped


def test_metadata_of_the_field_are_kept_but_for_those_of_its_type(aligner):
    metadata = {"model": "encoder", "ARROW:extension:name": "unknown"}
    vectors = vectors_to_arrow(VALID)
    schema = pa.schema([pa.field("vector", vectors.type, nullable=False, metadata=metadata)])
    source = pa.Table.from_arrays([vectors], schema=schema)
    field = mapped_table(aligner, source).schema.field("vector")
    assert field.metadata == {b"model": b"encoder"}
    assert not field.nullable
    assert mapped_table(aligner, source, on_invalid="null").schema.field("vector").nullable


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_slices_are_mapped_as_what_they_show(aligner, list_type):
    source = table(VALID, list_type)
    batch = source.to_batches()[0].slice(11, 17)
    np.testing.assert_array_equal(
        vectors_to_numpy(next(map_batches(aligner, batch, "vector"))["vector"]),
        aligner.to_target(VALID[11:28]),
    )
    chunked = pa.concat_tables([source.slice(5, 3), source.slice(30)])
    np.testing.assert_allclose(
        vectors_to_numpy(mapped_table(aligner, chunked)["vector"]),
        aligner.to_target(np.concatenate([VALID[5:8], VALID[30:]])),
        rtol=1e-12,
    )


class Spy(TransformerMixin, BaseEstimator):
    """Maps as an aligner does and keeps what it was given."""

    def __init__(self, width=2):
        self.width = width
        self.given = []

    def to_target(self, X):
        self.given.append(X)
        return np.asarray(X[:, : self.width], dtype=np.float32)


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_the_aligner_is_given_the_memory_of_arrow_which_it_cannot_change(list_type):
    X = VALID.copy()
    spy = Spy()
    batch = table(X, list_type).to_batches()[0].slice(3)
    next(map_batches(spy, batch, "vector"))
    given = spy.given[0]
    assert np.shares_memory(given, X)
    assert not given.flags.writeable
    np.testing.assert_array_equal(given, X[3:])


@pytest.mark.parametrize("on_invalid", ["raise", "null"])
def test_input_is_unchanged(aligner, on_invalid):
    X = VALID.copy()
    source = table(X)
    mapped_table(aligner, source, on_invalid=on_invalid, dtype="float16")
    np.testing.assert_array_equal(X, VALID)
    assert source == table(VALID)


INVALID = {
    "null": None,
    "null inside": [1.0, None, 3.0, 4.0, 5.0, 6.0],
    "nan": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0],
    "inf": [1.0, 2.0, 3.0, 4.0, 5.0, -np.inf],
}


@pytest.mark.parametrize("list_type", LIST_TYPES)
@pytest.mark.parametrize("kind", INVALID)
def test_invalid_vectors_become_null(aligner, kind, list_type):
    rows = VALID.tolist()
    bad = [0, 9, 10, 39]
    for row in bad:
        rows[row] = INVALID[kind]
    vectors = pa.array(rows, vectors_to_arrow(VALID, list_type=list_type).type)
    for start in (0, 5):
        source = table(vectors).slice(start).combine_chunks()
        mapped = mapped_table(aligner, source, on_invalid="null", list_type=list_type)
        mapped.validate(full=True)
        is_null = np.array(mapped["vector"].is_null())
        assert (np.flatnonzero(is_null) + start).tolist() == [row for row in bad if row >= start]
        np.testing.assert_array_equal(
            vectors_to_numpy(mapped["vector"].drop_null()),
            aligner.to_target(VALID[start:][~is_null]),
        )
        assert mapped["text"] == source["text"]


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_vectors_are_named_by_their_row_in_the_stream(aligner, kind):
    rows = VALID.tolist()
    rows[25] = INVALID[kind]
    source = table(pa.array(rows, pa.list_(pa.float64(), WIDTH)))
    mapped = map_batches(aligner, source.to_batches(max_chunksize=10), "vector")
    assert next(mapped).num_rows == next(mapped).num_rows == 10
    what = "is null" if kind == "null" else "holds NaN"
    message = f"row 25 of column 'vector' {what}.*on_invalid='null'"
    with pytest.raises(ValueError, match=message):
        next(mapped)


def test_several_kinds_of_invalid_vectors_in_one_batch(aligner):
    rows = VALID.tolist()
    for row, bad in zip((30, 4, 12, 20), INVALID.values(), strict=True):
        rows[row] = bad
    source = table(pa.array(rows, pa.list_(pa.float64(), WIDTH)))
    mapped = mapped_table(aligner, source, on_invalid="null")
    assert np.flatnonzero(mapped["vector"].is_null()).tolist() == [4, 12, 20, 30]
    with pytest.raises(ValueError, match="row 4 of column 'vector' holds"):
        mapped_table(aligner, source)


@pytest.mark.parametrize("list_type", ["list", "large_list"])
def test_a_vector_of_another_width_is_named_by_its_row_in_the_stream(aligner, list_type):
    rows = VALID.tolist()
    rows[17] = [1.0, 2.0]
    type_ = vectors_to_arrow(VALID, list_type=list_type).type
    batches = table(pa.array(rows, type_)).to_batches(max_chunksize=10)
    mapped = map_batches(aligner, batches, "vector", on_invalid="null")
    next(mapped)
    message = "row 17 of column 'vector' has a vector of 2 numbers, the rows before it have 6"
    with pytest.raises(ValueError, match=message):
        next(mapped)


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_batches_without_vectors_have_the_same_schema(aligner, list_type):
    source = table(VALID.astype(np.float32), list_type)
    nothing = source.to_batches()[0].slice(0, 0)
    nulls = table(pa.nulls(3, source.schema.field("vector").type)).to_batches()[0]
    for batches in ([nothing, *source.to_batches()], [*source.to_batches(), nothing], [nothing]):
        mapped = list(map_batches(aligner, batches, "vector"))
        assert [batch.num_rows for batch in mapped] == [batch.num_rows for batch in batches]
        expected = pa.list_(pa.float32(), WIDTH)
        assert all(batch.schema.field("vector").type == expected for batch in mapped)
    mapped = list(map_batches(aligner, [nulls, *source.to_batches()], "vector", on_invalid="null"))
    assert mapped[0]["vector"].null_count == 3
    assert mapped[0].schema == mapped[1].schema
    np.testing.assert_array_equal(
        vectors_to_numpy(mapped[1]["vector"]), aligner.to_target(VALID.astype(np.float32))
    )


def test_a_width_that_nothing_tells_is_an_error():
    nothing = table(VALID, "list").to_batches()[0].slice(0, 0)
    with pytest.raises(ValueError, match=r"width of column 'vector' is not known.*FixedSizeList"):
        next(map_batches(Spy(), nothing, "vector"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_number_type_can_be_chosen(aligner, dtype):
    mapped = mapped_table(aligner, table(VALID), dtype=dtype)
    vectors = vectors_to_numpy(mapped["vector"])
    assert vectors.dtype == dtype
    np.testing.assert_array_equal(vectors, aligner.to_target(VALID).astype(dtype))
    nothing = mapped_table(aligner, table(VALID)[:0], dtype=np.dtype(dtype))
    assert nothing.schema == mapped.schema


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_the_type_of_the_lists_can_be_chosen(aligner, list_type):
    mapped = mapped_table(aligner, table(VALID), list_type=list_type)
    mapped.validate(full=True)
    expected = vectors_to_arrow(aligner.to_target(VALID), list_type=list_type)
    assert mapped["vector"].combine_chunks() == expected


def test_values_that_the_number_type_does_not_hold_are_named():
    rows = VALID.tolist()
    rows[2] = rows[6] = None
    rows[8][1] = 1e5
    source = table(pa.array(rows, pa.list_(pa.float64(), WIDTH)))
    options = {"on_invalid": "null", "dtype": "float16"}
    batches = source.to_batches(max_chunksize=5)
    with pytest.raises(ValueError, match=r"row 8 of column 'vector' .*float16 cannot represent"):
        list(map_batches(Spy(), batches, "vector", **options))


def test_infinite_results_are_none_that_the_number_type_does_not_hold():
    class Infinite:
        def transform(self, X):
            return np.full((len(X), 1), np.inf)

    mapped = mapped_table(Infinite(), table(VALID), dtype="float16")
    assert np.isinf(vectors_to_numpy(mapped["vector"])).all()


class Counted:
    """Batches, and how many were taken."""

    def __init__(self, batches):
        self.batches = batches
        self.n_taken = 0

    def __iter__(self):
        for batch in self.batches:
            self.n_taken += 1
            yield batch


def test_batches_are_taken_one_at_a_time(aligner):
    source = Counted(table(VALID).to_batches(max_chunksize=5))
    mapped = map_batches(aligner, source, "vector")
    assert isinstance(mapped, Iterator)
    assert source.n_taken == 0
    for n_asked_for in range(1, 4):
        next(mapped)
        assert source.n_taken == n_asked_for


def test_pipelines_and_searches_map_to_the_target_space(data):
    pipeline = make_pipeline(StandardScaler(), PCA(WIDTH, random_state=0), cheap())
    pipeline.fit(data.XA, data.XB)
    X = data.XA[:30]
    expected = pipeline[-1].to_target(pipeline[:-1].transform(X))
    vectors = vectors_to_numpy(mapped_table(pipeline, table(X))["vector"])
    np.testing.assert_array_equal(vectors, expected)
    assert np.abs(vectors - pipeline.transform(X)).max() > 0.1
    search = GridSearchCV(cheap(), {"max_samples": [100]}, cv=2).fit(data.XA, XB=data.XB)
    np.testing.assert_array_equal(
        vectors_to_numpy(mapped_table(search, table(X))["vector"]),
        search.best_estimator_.to_target(X),
    )


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_other_transformers_transform(data, output):
    pca = PCA(2, random_state=0).fit(data.XA).set_output(transform=output)
    source = table(data.XA)
    mapped = mapped_table(pca, source)
    np.testing.assert_array_equal(
        vectors_to_numpy(mapped["vector"]), np.asarray(pca.transform(data.XA))
    )
    # PCA refuses to transform no samples.
    assert mapped_table(pca, source[:0]).schema == mapped.schema


def test_another_width_than_that_of_the_aligner_is_named(aligner):
    with pytest.raises(ValueError, match="column 'vector' has vectors of width 4, but MiniVec2Vec"):
        next(map_batches(aligner, table(VALID[:, :4]), "vector"))


def test_results_that_are_no_vectors_are_refused():
    class Wrong:
        def transform(self, X):
            return X[:-1]

    with pytest.raises(ValueError, match=r"Wrong returned an array of shape \(39, 6\)"):
        next(map_batches(Wrong(), table(VALID), "vector"))


def test_no_batches_are_no_batches(aligner):
    assert list(map_batches(aligner, [], "vector")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_invalid": "drop"}, "on_invalid must be 'raise' or 'null'; got 'drop'"),
        ({"dtype": "int8"}, "dtype must be one of .* or None; got 'int8'"),
        ({"list_type": "array"}, "list_type must be one of .*; got 'array'"),
    ],
)
def test_parameters_are_checked_by_the_call(aligner, options, message):
    with pytest.raises(ValueError, match=message):
        map_batches(aligner, [], "vector", **options)


def test_what_is_no_aligner_is_refused_by_the_call():
    with pytest.raises(TypeError, match="to_target or transform; object has neither"):
        map_batches(object(), [], "vector")


def test_a_column_is_not_overwritten_by_another(aligner):
    with pytest.raises(ValueError, match="there is a column 'text' already"):
        next(map_batches(aligner, table(VALID), "vector", out_column="text"))
