import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

pa = pytest.importorskip("pyarrow")

from sklearn_align.io import sample_rows, vectors_to_arrow  # noqa: E402


def numbered(n_rows, width=2, dtype=np.float64):
    """Vectors that hold the number of their row."""
    return np.repeat(np.arange(n_rows, dtype=dtype)[:, None], width, axis=1)


def table(X, list_type="fixed_size_list", **columns):
    return pa.table({"vector": vectors_to_arrow(X, list_type=list_type), **columns})


def cut(whole, sizes):
    """Batches of the given sizes, and one with what is left."""
    start = 0
    for size in sizes:
        yield from whole.slice(start, size).combine_chunks().to_batches()
        start += size
    yield from whole.slice(start).to_batches()


def test_a_sample_has_rows_of_the_source_once_each_in_their_order():
    X = numbered(500)
    sample = sample_rows(table(X), 60, "vector", random_state=0)
    assert sample.shape == (60, 2)
    assert (np.diff(sample[:, 0]) > 0).all()
    assert set(sample[:, 0]) < set(range(500))
    np.testing.assert_array_equal(sample[:, 0], sample[:, 1])


@pytest.mark.parametrize("n", [40, 41, 10**12])
def test_all_vectors_if_there_are_not_more(n):
    X = np.random.default_rng(0).standard_normal((40, 3))
    np.testing.assert_array_equal(sample_rows(table(X), n, "vector"), X)
    batches = table(X).to_batches(max_chunksize=7)
    np.testing.assert_array_equal(sample_rows(batches, n, "vector"), X)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 60),
    sizes=st.lists(st.integers(0, 20), max_size=8),
    list_type=st.sampled_from(["fixed_size_list", "list"]),
)
def test_the_sample_does_not_depend_on_how_rows_are_cut(n, sizes, list_type):
    rows = numbered(50).tolist()
    rows[7] = rows[20] = rows[21] = None
    rows[30] = [np.nan, 0.0]
    type_ = pa.list_(pa.float64(), 2) if list_type == "fixed_size_list" else None
    whole = pa.table({"vector": pa.array(rows, type_)})
    options = {"on_invalid": "drop", "random_state": 3}
    expected = sample_rows(whole, n, "vector", **options)
    np.testing.assert_array_equal(sample_rows(cut(whole, sizes), n, "vector", **options), expected)
    assert len(expected) == min(n, 46)
    assert not {7, 20, 21, 30} & set(expected[:, 0])


def test_every_vector_is_equally_likely_wherever_it_is():
    n_rows, n, n_draws = 30, 6, 2000
    batches = table(numbered(n_rows)).to_batches(max_chunksize=7)
    random = np.random.RandomState(0)
    drawn = np.concatenate(
        [sample_rows(batches, n, "vector", random_state=random)[:, 0] for _ in range(n_draws)]
    )
    counts = np.bincount(drawn.astype(int), minlength=n_rows)
    assert counts.sum() == n * n_draws
    # Drawn without replacement, counts vary less than those of a multinomial distribution.
    statistic = chisquare(counts).statistic * (n_rows - 1) / (n_rows - n)
    assert 10 < statistic < 56  # both tails of chi-square with 29 degrees of freedom at 0.1%


def test_every_pair_is_equally_likely():
    batches = table(numbered(6)).to_batches(max_chunksize=2)
    random = np.random.RandomState(0)
    pairs = [sample_rows(batches, 2, "vector", random_state=random)[:, 0] for _ in range(3000)]
    _, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
    assert len(counts) == 15
    assert chisquare(counts).pvalue > 0.001


def test_the_seed_decides():
    source = table(numbered(400))
    first, again, other = (
        sample_rows(source, 50, "vector", random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    state = np.random.RandomState(0)
    np.testing.assert_array_equal(sample_rows(source, 50, "vector", random_state=state), first)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8"])
def test_numbers_keep_their_type(dtype):
    X = numbered(100, dtype=dtype)
    batches = table(X).to_batches(max_chunksize=30)
    sample = sample_rows(batches, 20, "vector", random_state=0)
    assert sample.dtype == dtype
    assert sample.flags.writeable
    expected = sample_rows(table(X.astype(float)), 20, "vector", random_state=0)
    np.testing.assert_array_equal(sample, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
def test_invalid_vectors_are_named_by_their_row_in_the_source(bad):
    rows = numbered(20).tolist()
    rows[3] = None
    rows[13] = [1.0, bad]
    source = pa.table({"vector": pa.array(rows, pa.list_(pa.float32(), 2))})
    for batches in (source, source.to_batches(max_chunksize=6)):
        with pytest.raises(ValueError, match=r"row 13 of column 'vector'.*on_invalid='drop'"):
            sample_rows(batches, 5, "vector", random_state=0)
    sample = sample_rows(source, 30, "vector", on_invalid="drop")
    assert sample[:, 0].tolist() == [row for row in range(20) if row not in (3, 13)]


def test_nulls_that_hide_numbers_are_not_drawn():
    numbers = pa.array(np.arange(12.0))
    valid = pa.py_buffer(np.packbits([1, 0, 1, 1], bitorder="little"))
    vectors = {
        "fixed_size_list": pa.Array.from_buffers(
            pa.list_(pa.float64(), 3), 4, [valid], children=[numbers]
        ),
        "list": pa.Array.from_buffers(
            pa.list_(pa.float64()),
            4,
            [valid, pa.py_buffer(np.array([0, 3, 6, 9, 12], np.int32))],
            children=[numbers],
        ),
        # The null has numbers of another count.
        "uneven": pa.Array.from_buffers(
            pa.list_(pa.float64()),
            3,
            [valid, pa.py_buffer(np.array([0, 4, 8, 12], np.int32))],
            children=[numbers],
        ),
    }
    expected = {
        "fixed_size_list": [[0, 1, 2], [6, 7, 8], [9, 10, 11]],
        "list": [[0, 1, 2], [6, 7, 8], [9, 10, 11]],
        "uneven": [[0, 1, 2, 3], [8, 9, 10, 11]],
    }
    for name, array in vectors.items():
        source = pa.table({"vector": array})
        assert sample_rows(source, 9, "vector").tolist() == expected[name]
        assert sample_rows(source.slice(1), 9, "vector").tolist() == expected[name][1:]


@pytest.mark.parametrize("start", [0, 1])
def test_nulls_between_vectors_that_hide_numbers_of_another_count(start):
    # Rows: null over one number, two numbers, null over three, two numbers, a number and a null.
    numbers = pa.array([9.0, 0.0, 1.0, 9.0, 9.0, 9.0, 2.0, 3.0, 4.0, None])
    valid = pa.py_buffer(np.packbits([0, 1, 0, 1, 1], bitorder="little"))
    offsets = pa.py_buffer(np.array([0, 1, 3, 6, 8, 10], np.int32))
    vectors = pa.Array.from_buffers(pa.list_(pa.float64()), 5, [valid, offsets], children=[numbers])
    source = pa.table({"vector": vectors}).slice(start)
    sample = sample_rows(source, 9, "vector", on_invalid="drop")
    assert sample.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    with pytest.raises(ValueError, match=f"row {4 - start} of column 'vector'"):
        sample_rows(source, 9, "vector")


def test_memory_does_not_grow_with_the_number_of_batches():
    # A batch has 1 MB, all of them 64 MB.
    X = np.random.default_rng(0).standard_normal((2000, 64))
    batch = table(X).to_batches()[0]

    tracemalloc.start()
    sample = sample_rows((batch for _ in range(64)), 500, "vector", random_state=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sample.shape == (500, 64)
    assert peak < 2e6


def test_no_vectors_are_an_error():
    empty = table(numbered(0))
    nulls = pa.table({"vector": pa.array([None, None], pa.list_(pa.float32(), 2))})
    for source, n_rows in [(empty, 0), (nulls, 2), ([], 0)]:
        with pytest.raises(ValueError, match=f"holds no vectors to draw from: {n_rows} rows"):
            sample_rows(source, 5, "vector")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n == 0, must be >= 1"),
        ({"n": 2.5}, TypeError, "n must be an instance of"),
        ({"column": "text"}, ValueError, r"no column 'text'; the columns are vector \(fixed"),
        ({"on_invalid": "null"}, ValueError, "must be 'raise' or 'drop'; got 'null'"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    call = {"source": table(numbered(4)), "n": 2, "column": "vector"} | arguments
    with pytest.raises(error, match=message):
        sample_rows(**call)
