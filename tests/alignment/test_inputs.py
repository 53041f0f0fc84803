"""Known pairs and the second space: accepted forms, refused ones, and what pairs do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import _inputs
from sklearn_align.alignment._inputs import (
    check_pairs,
    choose_target,
    clip_to_samples,
    draw_samples,
    refuse_labels,
    shape_of,
)
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.exceptions import AlignmentWarning, SmallSampleWarning
from sklearn_align.metrics import retrieval_accuracy
from tests.conftest import no_convergence_check


@pytest.fixture(scope="module")
def paired():
    """Return spaces whose first 50 samples correspond: sample ``i`` of A to sample ``i`` of B."""
    data = make_rotated_embeddings(800, 24, random_state=0)
    A = np.concatenate([data.XA_test[:50], data.XA[:700]])
    B = np.concatenate([data.XB_test[:50], data.XB[:650]])
    return A, B, data


@pytest.fixture(scope="module")
def without_pairs(paired, quick):
    A, B, _ = paired
    with no_convergence_check():
        return quick().fit(A, B).map_


def accuracy(aligner, data):
    return retrieval_accuracy(
        aligner.transform(data.XA_test[50:]), aligner.transform_target(data.XB_test[50:])
    )


@pytest.mark.usefixtures("unjudged")
def test_indices_and_samples_give_the_same_map(paired, quick, without_pairs):
    A, B, _ = paired
    a, b = np.arange(30), np.arange(30)
    forms = [
        (a, b),
        (a.tolist(), b.tolist()),
        [a.astype(np.int32), b.astype(np.uint8)],
        (pd.Series(a), pd.Series(b)),
        (pd.Series(a).astype("Int64"), a.astype(object)),
        (pl.Series(a), a.astype(np.uint64)),
        (A[a], B[b]),
        (pd.DataFrame(A[a]), pd.DataFrame(B[b])),
    ]
    maps = [quick().fit(A, B, pairs=pairs).map_ for pairs in forms]
    for W in maps[1:]:
        np.testing.assert_allclose(W, maps[0], atol=1e-9)
    assert not np.allclose(maps[0], without_pairs, atol=1e-6)


@pytest.mark.parametrize("empty", [([], []), (np.arange(0), np.arange(0)), None])
def test_no_pairs(paired, quick, empty, without_pairs, unjudged):
    A, B, _ = paired
    np.testing.assert_array_equal(quick().fit(A, B, pairs=empty).map_, without_pairs)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((np.arange(3), np.arange(4)), "as many rows_A as rows_B"),
        ((np.array([750]), np.array([0])), r"rows_A must lie in \[0, 749\], got .* 750"),
        ((np.array([0]), np.array([700])), r"rows_B must lie in \[0, 699\], got .* 700"),
        ((np.array([-1]), np.array([0])), r"rows_A must lie in \[0, 749\], got .* -1"),
        ((np.zeros((3, 23)), np.zeros((3, 24))), r"pairs\[0\] has 23 features"),
        ((np.zeros((3, 24)), np.zeros((3, 25))), r"pairs\[1\] has 25 features"),
        ((np.full((3, 24), np.nan), np.zeros((3, 24))), r"pairs\[0\] contains NaN"),
        ((np.array([True, False]), np.array([True, False])), "two integer vectors .* got bool"),
        ((np.array([0.0, 1.0]), np.array([0.0, 1.0])), "two integer vectors .* got float64"),
        ((np.array(["a"]), np.array(["b"])), "two integer vectors"),
        ((np.array([True, False, True]),) * 2, r"numpy.flatnonzero\(mask\)"),
        ((np.array([0.0, 1.0, 2.0]),) * 2, r"rows.astype\(int\)"),
        ((np.array([0, True, 1], dtype=object), np.arange(3)), "two integer vectors .* got object"),
        ((pd.Series([0, None], dtype="Int64"), np.arange(2)), "two integer vectors"),
        (([0, 1, -2], [0, 1, 2]), r"rows_A must lie in \[0, 749\], got .* -2"),
        ((np.arange(24), np.zeros((24, 24))), "two integer vectors .* or two matrices"),
        ((1, 2), "as many rows_A as rows_B"),
        ((np.arange(3),), "tuple .* got tuple of length 1"),
        ((np.arange(3),) * 3, "tuple .* got tuple of length 3"),
        ("ab", "tuple .* got str"),
        (5, "tuple .* got int"),
        ({0: 1, 1: 2}, "tuple .* got dict"),
        (np.zeros((4, 2), dtype=int), "tuple .* got ndarray"),
    ],
)
def test_pairs_that_cannot_be_used(paired, quick, pairs, message):
    A, B, _ = paired
    with pytest.raises(ValueError, match=message):
        quick().fit(A, B, pairs=pairs)


TWO_PAIRS = {
    "list of tuples": [(0, 5), (1, 6)],
    "list of lists": [[0, 5], [1, 6]],
    "tuple of lists": ([0, 5], [1, 6]),
    "tuple of tuples": ((0, 5), (1, 6)),
    "numbers of numpy": [(np.int64(0), np.int64(5)), (np.int64(1), np.int64(6))],
    "list of pairs of samples": [(np.ones(24), np.zeros(24)), (np.zeros(24), np.ones(24))],
    "lists of two samples": ([[1.0] * 24, [0.0] * 24], [[0.0] * 24, [1.0] * 24]),
}


@pytest.mark.parametrize("form", TWO_PAIRS)
def test_two_pairs_that_can_be_read_in_two_ways_are_refused(paired, quick, form):
    A, B, _ = paired
    with pytest.raises(ValueError, match="can be read in two ways") as refused:
        quick().fit(A, B, pairs=TWO_PAIRS[form])
    if "sample" not in form and "numpy" not in form:
        message = str(refused.value)
        assert "rows_A=[0, 5] and rows_B=[1, 6], or as the pairs (0, 5) and (1, 6)" in message
        assert "pairs=(numpy.array([0, 5]), numpy.array([1, 6])) for the former" in message
        assert "pairs=(numpy.array([0, 1]), numpy.array([5, 6])) for the latter" in message


@pytest.mark.parametrize(
    "pairs",
    [
        (np.array([0, 5]), np.array([1, 6])),
        [np.array([0, 5]), np.array([1, 6])],
        (np.array([0, 5]), [1, 6]),
        (pd.Series([0, 5]), (1, 6)),
    ],
    ids=["tuple of arrays", "list of arrays", "array and list", "Series and tuple"],
)
def test_two_pairs_as_arrays_have_one_reading(paired, pairs):
    A, B, _ = paired
    seen = known_pairs(A, B, pairs)
    expected = known_pairs(A, B, (A[[0, 5]], B[[1, 6]]))
    np.testing.assert_array_equal(seen.A, expected.A)
    np.testing.assert_array_equal(seen.B, expected.B)


def known_pairs(A, B, pairs, *, names=(None, None), weight=1.0):
    normalizers = (CentredNormalizer.fit(A), CentredNormalizer.fit(B))
    return check_pairs(
        pairs,
        A,
        B,
        normalizers=normalizers,
        names=names,
        weight=weight,
        estimator=MiniVec2Vec(),
    )


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 5), (1, 6), (2, 7)],
        np.array([[0, 5], [1, 6], [2, 7]]),
        np.array([[0, 1, 2], [5, 6, 7]]),
        np.array([[0, 5], [1, 6]]),
        pd.DataFrame({"a": [0, 1, 2], "b": [5, 6, 7]}),
        zip([0, 1], [5, 6], strict=True),
    ],
    ids=lambda pairs: type(pairs).__name__,
)
def test_a_table_of_pairs_is_refused_with_the_way_to_pass_it(paired, quick, pairs):
    A, B, _ = paired
    with pytest.raises(ValueError, match=r"tuple \(rows_A, rows_B\) .*pairs\[:, 0\]"):
        quick().fit(A, B, pairs=pairs)


def test_the_way_out_of_a_table_of_pairs(paired):
    A, B, _ = paired
    table = [(0, 5), (1, 6), (2, 7)]
    seen = known_pairs(A, B, tuple(np.array(table).T))
    np.testing.assert_array_equal(seen.A, known_pairs(A, B, (A[:3], B[5:8])).A)


def test_a_sample_may_stand_in_several_pairs(paired):
    A, B, _ = paired
    repeated = known_pairs(A, B, (np.array([0, 0, 1]), np.array([4, 4, 4])))
    np.testing.assert_array_equal(repeated.A, known_pairs(A, B, (A[[0, 0, 1]], B[:3])).A)
    assert len(repeated) == 3


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_pairs_of_an_integer_space_keep_their_digits(paired, dtype):
    A, B, _ = paired
    spaces = (np.round(20 * A).astype(dtype), np.round(20 * B).astype(dtype))
    pairs = (20 * A[:9], 20 * B[:9])
    seen = known_pairs(*spaces, pairs)
    expected = CentredNormalizer.fit(spaces[0]).transform(pairs[0])
    np.testing.assert_allclose(seen.A, expected, atol=1e-6)


@pytest.fixture(scope="module")
def without_pairs_by_default(paired):
    A, B, data = paired
    with no_convergence_check():
        return accuracy(MiniVec2Vec(random_state=0).fit(A, B), data)


@pytest.mark.parametrize("n_pairs", [1, 2])
def test_one_or_two_pairs_do_no_harm(paired, n_pairs, without_pairs_by_default):
    A, B, data = paired
    indices = np.arange(n_pairs)
    aligner = MiniVec2Vec(random_state=0).fit(A, B, pairs=(indices, indices))
    assert aligner.converged_
    assert accuracy(aligner, data) > without_pairs_by_default - 0.02


@pytest.mark.usefixtures("unjudged")
def test_pairs_align_what_cannot_be_aligned_without_them():
    # The same spectrum and no shape: isotropic normal samples have no geometry to go by.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 12))
    R = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    A, B = X[:500], np.concatenate([X[:60], X[500:]]) @ R
    indices = np.arange(60)
    aligner = MiniVec2Vec(pair_weight=20, random_state=0).fit(A, B, pairs=(indices, indices))
    np.testing.assert_allclose(aligner.map_, R, atol=0.1)


@pytest.mark.usefixtures("unjudged")
def test_a_larger_weight_follows_the_pairs_more_closely(paired, quick):
    A, B, _ = paired
    wrong = np.random.default_rng(0).permutation(50)
    indices = np.arange(50)

    def cosine(weight):
        # A correction by the pairs follows them whatever their weight in the search.
        aligner = quick(pair_weight=weight, correction=None).fit(A, B, pairs=(indices, wrong))
        Z, T = aligner.transform(A[indices]), aligner.transform_target(B[wrong])
        return (Z * T).sum(axis=1).mean()

    assert cosine(1000.0) > cosine(0.01) + 0.05


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_wrong_pairs_degrade_gracefully(paired, share):
    A, B, data = paired
    indices, wrong = np.arange(50), np.arange(50)
    n_wrong = int(share * 50)
    wrong[:n_wrong] = np.roll(wrong[:n_wrong], 1)
    aligner = MiniVec2Vec(random_state=0).fit(A, B, pairs=(indices, wrong))
    assert accuracy(aligner, data) > 0.85
    # Wrong pairs that are left out are not retrieved, however right the map is.
    assert aligner.accuracy_measured_
    assert aligner.expected_accuracy_ == pytest.approx(1 - share, abs=0.1)


@pytest.mark.parametrize("seed", [0, 2])
def test_pairs_decide_between_maps_of_a_symmetric_space(seed):
    # Two groups of features have one distribution: wrong maps have high scores, and most
    # initializations lead to one of them.
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((8, 8))
    groups = [rng.gamma(1, 1, (1500, 8)) @ mixing for _ in range(2)]
    A = np.concatenate(groups, axis=1)
    A -= A.mean(axis=0)
    B = A @ np.linalg.qr(rng.standard_normal((16, 16)))[0]
    aligner = MiniVec2Vec(random_state=seed)
    aligner.fit(A[:600], B[600:1200], pairs=(A[1200:1210], B[1200:1210]))
    assert aligner.converged_
    Z, T = aligner.transform(A[1210:]), aligner.transform_target(B[1210:])
    assert retrieval_accuracy(Z, T) > 0.9


def test_arbitrary_pairs_are_no_evidence_for_a_map_that_is_fitted_to_them():
    # Every permutation of the eight features is a symmetry.
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((200, 8)))[0]
    X = rng.gamma(1, 1, (1200, 8)) @ axes.T
    B = X[600:] @ np.linalg.qr(rng.standard_normal((200, 200)))[0]
    pairs = rng.permutation(600)[:6], rng.permutation(600)[:6]
    with pytest.warns(AlignmentWarning):
        aligner = MiniVec2Vec(random_state=0).fit(X[:600], B, pairs=pairs)
    assert not aligner.converged_


def test_pairs_of_real_encoders_do_not_hurt(sentences):
    indices = slice(0, 20)
    aligner = MiniVec2Vec(random_state=0).fit(
        sentences.XA[:1500],
        sentences.XB[:1500],
        pairs=(sentences.XA_test[indices], sentences.XB_test[indices]),
    )
    assert aligner.converged_
    assert (
        retrieval_accuracy(
            aligner.transform(sentences.XA_test[20:]),
            aligner.transform_target(sentences.XB_test[20:]),
        )
        > 0.85
    )


def test_the_named_target_wins_over_y():
    y, XB = np.zeros(3), np.ones((4, 2))
    assert choose_target(XB, y, "X") is XB
    assert choose_target(None, XB, "X") is XB


def test_a_data_frame_of_floats_is_a_target_space():
    frame = pd.DataFrame(np.ones((4, 2)))
    assert choose_target(None, frame, "X") is frame


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_search_runs_in_single_precision_with_pairs(paired, quick, dtype):
    seen = []

    class Spy:
        def iterate(self, problem, W, random_state):
            seen.extend([problem.A, problem.B, problem.pairs.A, problem.pairs.B, W])
            seen.append(problem.solve(problem.A[:90], problem.B[:90]))
            yield W

    A, B, _ = paired
    pairs = (np.arange(30), np.arange(30))
    aligner = quick(refinements=[Spy()]).fit(A.astype(dtype), B.astype(dtype), pairs=pairs)
    assert {array.dtype for array in seen} == {np.dtype(np.float32)}
    assert aligner.map_.dtype == dtype


# Parts


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (np.zeros((4, 2)), (4, 2)),
        ([[1, 2], [3, 4], [5, 6]], (3, 2)),
        ([1, 2, 3], (3,)),
        (range(5), (5,)),
        ([[1, 2], [3]], (2,)),
        (7, ()),
        (pd.DataFrame({"a": [1, 2]}), (2, 1)),
        (sparse.csr_matrix(np.ones((4, 2))), (4, 2)),
    ],
    ids=["matrix", "lists", "list", "range", "unequal lists", "number", "data frame", "sparse"],
)
def test_shape_of_an_array_like(y, shape):
    assert shape_of(y) == shape


def test_a_shape_that_is_no_tuple_is_not_believed():
    class Figures(list):
        def shape(self):
            return "round"

    assert shape_of(Figures([1, 2, 3])) == (3,)


@pytest.mark.parametrize(
    "y", [[1, 2, 3], np.arange(3), pd.Series([1, 2, 3])], ids=["list", "array", "Series"]
)
def test_a_vector_becomes_a_column(y):
    with pytest.warns(DataConversionWarning) as caught:
        column = choose_target(None, y, "X")
    assert [str(warning.message) for warning in caught] == [
        "y is one-dimensional and is used as a target space with a single feature. If y holds "
        "labels, pass the samples of the target space as XB=..."
    ]
    assert column.shape == (3, 1)
    assert column[:, 0].tolist() == list(y)


def test_no_target_space():
    with pytest.raises(ValueError, match="requires") as raised:
        choose_target(None, None, "Caller")
    assert str(raised.value) == (
        "Caller requires y to be passed, but the target y is None. Pass the samples of the target "
        "space as fit(XA, XB)."
    )


def two_values(low, high, shape=(300, 2), dtype=float):
    return np.where(np.random.default_rng(0).random(shape) < 0.5, low, high).astype(dtype)


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(0, 1, bool), (0, 1, float), (-1, 1, np.int8), (3, 70, np.float32)]
)
def test_two_whole_numbers_are_labels(low, high, dtype, monkeypatch):
    y = two_values(low, high, dtype=dtype)
    for _ in range(2):
        with pytest.raises(ValueError, match="multilabel") as raised:
            refuse_labels(y)
        monkeypatch.setattr(_inputs, "sample_blocks", lambda *_: [slice(0, 150), slice(150, 300)])
    assert str(raised.value) == (
        f"y has two dimensions and only the values {y.min()} and {y.max()}, so that it is treated "
        "as multilabel targets, also if you convert it to float. Pass the samples of the target "
        "space as XB=..., which is never treated as labels."
    )


@pytest.mark.parametrize(
    "y",
    [
        two_values(0, 1, (300, 1)),
        two_values(0, 0.5),
        two_values(0.5, 1),
        two_values(0, 0),
        np.where(np.arange(300)[:, None] == [200, -1], 2, two_values(0, 3)),
        np.where(np.arange(300)[:, None] == [99, -1], 2, two_values(0, 3)),
        np.random.default_rng(0).standard_normal((300, 2)),
    ],
    ids=["a column", "a half", "from a half", "one value", "a third one late", "a third one", "x"],
)
def test_other_matrices_are_samples(y):
    refuse_labels(y)


@pytest.mark.parametrize("max_samples", [None, 30, 31])
def test_all_samples_are_taken_where_they_are_few(max_samples):
    X = np.random.default_rng(0).standard_normal((30, 3))
    drawn, others = draw_samples("X", X, max_samples, np.random.RandomState(0))
    assert drawn is X
    assert others.shape == (0, 3)


def test_samples_are_drawn_once_each_in_their_order():
    X = np.arange(30)[:, None] + [0, 100, 200]
    seen = [draw_samples("X", X, 20, np.random.RandomState(seed))[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    for drawn in seen:
        assert drawn.shape == (20, 3)
        assert (np.diff(drawn[:, 0]) > 0).all()
        assert (drawn == drawn[:, :1] + [0, 100, 200]).all()


def test_equal_samples_are_refused():
    X = np.tile([1.0, 2.0], (9, 1))
    with pytest.raises(ValueError, match="equal") as raised:
        draw_samples("the name", X, None, np.random.RandomState(0))
    assert str(raised.value) == (
        "All samples of the name are equal, so there is no geometry to align. Pass samples that "
        "differ."
    )
    X[3, 1] = 2.5
    assert draw_samples("X", X, None, np.random.RandomState(0))[0] is X


@pytest.mark.parametrize(
    ("max_samples", "leave_out", "n_drawn", "n_others"),
    [
        # The others are taken from what the search does not use anyway, 2,500 at most.
        (None, False, 4000, 0),
        (3000, False, 3000, 1000),
        (900, False, 900, 2500),
        (900, True, 900, 2500),
        # Or they are left out of the search.
        (None, True, 1500, 2500),
        (3000, True, 1500, 2500),
        (1500, True, 1500, 2500),
    ],
)
def test_samples_that_the_search_does_not_use(max_samples, leave_out, n_drawn, n_others):
    X = np.arange(4000)[:, None] * [1.0, 2.0]
    drawn, others = draw_samples("X", X, max_samples, np.random.RandomState(0), leave_out=leave_out)
    assert (len(drawn), len(others)) == (n_drawn, n_others)
    assert len(np.unique(np.concatenate([drawn, others]), axis=0)) == n_drawn + n_others
    for part in (drawn, others):
        assert (np.diff(part[:, 0]) > 0).all()
        assert (part[:, 1] == 2 * part[:, 0]).all()


def test_a_value_up_to_the_number_of_samples_is_kept():
    assert clip_to_samples("n_clusters", 7, 8) == 7
    assert clip_to_samples("n_clusters", 8, 8) == 8
    with pytest.warns(SmallSampleWarning) as caught:
        assert clip_to_samples("n_clusters", 9, 8) == 8
    assert [str(warning.message) for warning in caught] == [
        "n_clusters=9 was reduced to 8, the number of samples. Pass more samples or a smaller "
        "n_clusters."
    ]


@pytest.fixture(scope="module")
def small():
    A, B = np.random.default_rng(0).standard_normal((2, 20, 3))
    return A, B[:15, :2]


def test_known_pairs_are_unit_samples_in_single_precision(small):
    A, B = small
    rows_A, rows_B = np.array([0, 19, 4]), np.array([14, 0, 7])
    seen = known_pairs(A, B, (rows_A, rows_B), weight=2.5)
    assert seen.weight == 2.5
    for X, rows, side in ((A, rows_A, seen.A), (B, rows_B, seen.B)):
        assert side.dtype == np.float32
        np.testing.assert_allclose(side, CentredNormalizer.fit(X).transform(X[rows]), atol=1e-6)


@pytest.mark.parametrize(
    "pairs",
    [None, ([], []), (np.zeros((0, 3)), np.zeros((0, 2)))],
    ids=["None", "no indices", "no samples"],
)
def test_without_pairs_there_are_none(small, pairs):
    assert known_pairs(*small, pairs) is None


WAY_OUT = (
    " A list of pairs [(a, b), ...] is turned into such a tuple by "
    "pairs=tuple(numpy.array(pairs).T), an array of shape (n_pairs, 2) by "
    "pairs=(pairs[:, 0], pairs[:, 1])."
)
TUPLE = (
    "pairs must be a tuple (rows_A, rows_B) of two index vectors or of two matrices of paired "
    "samples, got "
)
VECTORS = (
    "pairs must be two integer vectors (sample indices) or two matrices (the samples themselves), "
    "got "
)
MESSAGES = {
    "set": ({1, 2}, f"{TUPLE}set.{WAY_OUT}"),
    "array": (np.zeros((4, 2), int), f"{TUPLE}ndarray of shape (4, 2).{WAY_OUT}"),
    "list of three": ([1, 2, 3], f"{TUPLE}list of length 3.{WAY_OUT}"),
    "bytes": (b"ab", f"{TUPLE}bytes of length 2.{WAY_OUT}"),
    "text": ("ab", f"{TUPLE}str of length 2.{WAY_OUT}"),
    "other lengths": (
        (np.arange(3), np.arange(4)),
        "pairs must hold as many rows_A as rows_B, got shapes (3,) and (4,).",
    ),
    "numbers": ((1, 2), "pairs must hold as many rows_A as rows_B, got shapes () and ()."),
    "a number": (
        (np.arange(3), 2),
        "pairs must hold as many rows_A as rows_B, got shapes (3,) and ().",
    ),
    "width": ((np.ones((4, 3)), np.ones((4, 3))), "pairs[1] has 3 features, but its space has 2."),
    "no columns": (
        (np.ones((4, 0)), np.ones((4, 2))),
        "Found array with 0 feature(s) (shape=(4, 0)) while a minimum of 1 is required by "
        "MiniVec2Vec.",
    ),
    "three dimensions": (
        (np.ones((4, 3, 1), np.int8), np.ones((4, 2))),
        f"{VECTORS}int8 of shape (4, 3, 1) and float64 of shape (4, 2).",
    ),
    "no whole numbers": (
        (np.arange(2, dtype=np.int64), np.array([0.0, 1.0])),
        f"{VECTORS}int64 of shape (2,) and float64 of shape (2,). Indices are converted by "
        "rows.astype(int), a mask by numpy.flatnonzero(mask).",
    ),
    "beyond A": (
        (np.array([3, 20]), np.arange(2)),
        "pairs: rows_A must lie in [0, 19], got values from 3 to 20.",
    ),
    "below B": (
        (np.arange(2), np.array([3, -1])),
        "pairs: rows_B must lie in [0, 14], got values from -1 to 3.",
    ),
    "two ways": (
        [(0, 5.5), (1, "word")],
        "pairs=[[0, 5.5], [1, ...]] can be read in two ways: as rows_A=[0, 5.5] and "
        "rows_B=[1, ...], or as the pairs (0, 5.5) and (1, ...). Pass the two sides as arrays: "
        "pairs=(numpy.array([0, 5.5]), numpy.array([1, ...])) for the former, "
        "pairs=(numpy.array([0, 1]), numpy.array([5.5, ...])) for the latter.",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_what_is_said_of_pairs_that_cannot_be_used(small, case):
    pairs, message = MESSAGES[case]
    with pytest.raises(ValueError, match=r"pairs|MiniVec2Vec") as raised:
        known_pairs(*small, pairs)
    assert str(raised.value) == message


def test_indices_are_refused_after_a_split(small, monkeypatch):
    A, B = small
    monkeypatch.setattr(_inputs, "called_from_cross_validation", lambda: True)
    with pytest.raises(ValueError, match="cross-validation") as raised:
        known_pairs(A, B, (np.arange(4), np.arange(4)))
    assert str(raised.value) == (
        "pairs holds sample indices, which no longer point to the same samples after a "
        "cross-validation split. Pass the paired samples themselves: "
        "pairs=(XA[rows_A], XB[rows_B])."
    )
    assert len(known_pairs(A, B, (A[:4], B[:4]))) == 4


@pytest.mark.parametrize("side", [0, 1])
def test_names_of_pairs_are_those_of_their_space(small, side):
    names = [np.array(["a", "b", "c"], object), np.array(["d", "e"], object)]
    frames = [
        pd.DataFrame(X[:4], columns=list(columns)) for X, columns in zip(small, names, strict=True)
    ]
    assert len(known_pairs(*small, frames, names=names)) == 4
    frames[side] = frames[side].rename(columns=str.upper)
    with pytest.raises(ValueError, match=rf"pairs\[{side}\]: The feature names should match"):
        known_pairs(*small, frames, names=names)


@pytest.mark.parametrize("side", [0, 1])
def test_pairs_must_be_finite(small, side):
    pairs = [X[:4].copy() for X in small]
    pairs[side][2, 1] = np.inf
    with pytest.raises(ValueError, match=rf"pairs\[{side}\] contains infinity"):
        known_pairs(*small, pairs)
    # Finite numbers that the type of the space does not hold.
    spaces = [X.astype(np.float32) for X in small]
    pairs[side][2, 1] = 1e300
    with pytest.raises(ValueError, match=rf"pairs\[{side}\] contains infinity"):
        known_pairs(*spaces, pairs)


@pytest.mark.parametrize("dtype", [object, np.uint8, np.int16, np.uint64])
def test_indices_of_any_integer_type(small, dtype):
    A, B = small
    rows_A, rows_B = np.array([0, 19, 4]), np.array([14, 0, 7])
    expected = known_pairs(A, B, (rows_A, rows_B))
    seen = known_pairs(A, B, (rows_A.astype(dtype), rows_B.astype(dtype)))
    np.testing.assert_array_equal(seen.A, expected.A)
    np.testing.assert_array_equal(seen.B, expected.B)
