import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from sklearn_align.io import vectors_to_arrow, vectors_to_numpy  # noqa: E402

NUMBERS = ["float16", "float32", "float64", "int8", "uint8", "int32", "int64"]
LIST_TYPES = ["fixed_size_list", "list", "large_list"]


def matrix(dtype="float32", shape=(7, 3)):
    X = 10 * np.random.default_rng(0).standard_normal(shape)
    return np.abs(X).astype(dtype) if np.dtype(dtype).kind == "u" else X.astype(dtype)


def as_type(list_type, number, width):
    return {
        "fixed_size_list": pa.list_(number, width),
        "list": pa.list_(number),
        "large_list": pa.large_list(number),
    }[list_type]


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("list_type", LIST_TYPES)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_there_and_back(dtype, list_type):
    X = matrix(dtype)
    vectors = vectors_to_arrow(X, list_type=list_type)
    vectors.validate(full=True)
    assert vectors.type == as_type(list_type, pa.from_numpy_dtype(X.dtype), 3)
    assert vectors.to_pylist() == X.tolist()
    back = vectors_to_numpy(vectors)
    assert back.dtype == X.dtype
    np.testing.assert_array_equal(back, X)


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_memory_is_shared_and_cannot_be_written_through_the_view(list_type):
    X = matrix()
    vectors = vectors_to_arrow(X, list_type=list_type)
    back = vectors_to_numpy(vectors)
    assert address(back) == address(X)
    sliced = vectors_to_numpy(vectors[2:5])
    assert address(sliced) == address(X[2:])
    with pytest.raises(ValueError, match="read-only"):
        back[0, 0] = 0


@pytest.mark.parametrize("list_type", LIST_TYPES)
def test_slices_of_slices_of_arrays_with_an_offset_below(list_type):
    X = matrix(shape=(11, 3))
    # The list starts at the third number of its child, as in the children of other arrays.
    numbers = pa.array(np.append([5, 5], X.ravel()).astype(np.float32))[2:]
    if list_type == "fixed_size_list":
        vectors = pa.FixedSizeListArray.from_arrays(numbers, 3)
    else:
        offsets = pa.array(np.arange(0, 34, 3), pa.int32() if list_type == "list" else pa.int64())
        kind = pa.ListArray if list_type == "list" else pa.LargeListArray
        vectors = kind.from_arrays(offsets, numbers)
    np.testing.assert_array_equal(vectors_to_numpy(vectors), X)
    np.testing.assert_array_equal(vectors_to_numpy(vectors[3:]), X[3:])
    np.testing.assert_array_equal(vectors_to_numpy(vectors[3:9][2:4]), X[5:7])
    assert vectors_to_numpy(vectors[4:4]).shape[0] == 0


def test_chunks_of_other_layouts():
    X = matrix(shape=(10, 3))
    whole = vectors_to_arrow(X, list_type="list")
    chunked = pa.chunked_array([whole[:0], whole[:4], whole[4:4], whole[4:]])
    np.testing.assert_array_equal(vectors_to_numpy(chunked), X)
    assert vectors_to_numpy(pa.chunked_array([], pa.list_(pa.float16(), 5))).shape == (0, 5)


@pytest.mark.parametrize(("order", "step"), [("F", 1), ("C", 2), ("C", -1)])
def test_matrices_in_any_memory_order(order, step):
    X = np.asarray(matrix(shape=(8, 4)), order=order)[:, ::step]
    assert vectors_to_arrow(X).to_pylist() == X.tolist()
    swapped = X.astype(X.dtype.newbyteorder("S"))
    assert vectors_to_arrow(swapped).to_pylist() == X.tolist()


def test_no_vectors_and_no_numbers():
    for shape in [(0, 4), (3, 0)]:
        for list_type in LIST_TYPES:
            vectors = vectors_to_arrow(np.zeros(shape), list_type=list_type)
            vectors.validate(full=True)
            assert len(vectors) == shape[0]
            assert vectors_to_numpy(vectors).shape[0] == shape[0]
    assert vectors_to_numpy(vectors_to_arrow(np.zeros((0, 4)))).shape == (0, 4)


def test_lists_of_lists_and_not_finite_values_are_kept():
    rows = [[1.0, np.nan], [np.inf, 2.0]]
    np.testing.assert_array_equal(vectors_to_numpy(vectors_to_arrow(rows)), rows)


def test_extension_types_are_read_by_what_they_store():
    class Embedding(pa.ExtensionType):
        def __init__(self, storage):
            super().__init__(storage, "tests.embedding")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage, serialized):
            return cls(storage)

    X = matrix()
    for list_type in LIST_TYPES:
        storage = vectors_to_arrow(X, list_type=list_type)
        vectors = pa.ExtensionArray.from_storage(Embedding(storage.type), storage)
        np.testing.assert_array_equal(vectors_to_numpy(vectors), X)
        np.testing.assert_array_equal(vectors_to_numpy(vectors[2:4]), X[2:4])


def test_tensors_are_vectors_if_they_have_one_axis():
    X = matrix(shape=(5, 6))
    storage = vectors_to_arrow(X)
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [6]), storage)
    np.testing.assert_array_equal(vectors_to_numpy(tensors), X)
    images = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [2, 3]), storage)
    with pytest.raises(ValueError, match=r"tensors of shape \(2, 3\).*flatten"):
        vectors_to_numpy(images)


@pytest.mark.parametrize("list_type", LIST_TYPES)
@pytest.mark.parametrize("bad", [None, [1.0, None, 2.0]])
def test_nulls_are_named_by_row(bad, list_type):
    rows = [[1.0, 2.0, 3.0]] * 3 + [bad] + [[4.0, 5.0, 6.0]]
    vectors = pa.array(rows, as_type(list_type, pa.float32(), 3))
    with pytest.raises(ValueError, match="row 3 of vectors is null or holds a null"):
        vectors_to_numpy(vectors)
    with pytest.raises(ValueError, match="row 2 of vectors"):
        vectors_to_numpy(pa.chunked_array([vectors[1:3], vectors[3:]]))
    assert vectors_to_numpy(vectors[4:]).tolist() == [[4.0, 5.0, 6.0]]


@pytest.mark.parametrize("list_type", ["list", "large_list"])
def test_another_width_is_named_by_row(list_type):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0], [6.0, 7.0]]
    vectors = pa.array(rows, as_type(list_type, pa.float64(), 2))
    message = "row 2 of vectors has a vector of 1 numbers, the rows before it have 2"
    with pytest.raises(ValueError, match=message):
        vectors_to_numpy(vectors)
    with pytest.raises(ValueError, match=message):
        vectors_to_numpy(pa.chunked_array([vectors[:2], vectors[2:3], vectors[3:]]))


@pytest.mark.parametrize(
    "vectors",
    [
        pa.array([1.0, 2.0]),
        pa.array(["a", "b"]),
        pa.array([["a"], ["b"]]),
        pa.array([[True], [False]]),
        pa.array([[[1.0]], [[2.0]]]),
    ],
    ids=lambda vectors: str(vectors.type),
)
def test_other_types_are_named(vectors):
    with pytest.raises(ValueError, match=r"vectors has the type .*; vectors are FixedSizeList"):
        vectors_to_numpy(vectors)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], "Expected 2D array"),
        (np.array([["a"]], dtype=object), "holds object values"),
        ([[True, False]], "holds bool values"),
        ([[1j]], "[Cc]omplex"),
    ],
)
def test_what_is_no_matrix_of_numbers(X, message):
    with pytest.raises(ValueError, match=message):
        vectors_to_arrow(X)


def test_a_wrong_list_type_is_named():
    with pytest.raises(ValueError, match=r"list_type must be one of .*; got 'array'"):
        vectors_to_arrow([[1.0]], list_type="array")


def test_lists_with_32_bits_have_a_limit(monkeypatch):
    monkeypatch.setattr("sklearn_align.io._vectors._MAX_INT32", 20)
    assert len(vectors_to_arrow(matrix(shape=(5, 4)), list_type="list")) == 5
    assert len(vectors_to_arrow(matrix(shape=(7, 3)), list_type="large_list")) == 7
    with pytest.raises(ValueError, match=r"7 vectors of width 3 .* 'large_list' or smaller"):
        vectors_to_arrow(matrix(shape=(7, 3)), list_type="list")
