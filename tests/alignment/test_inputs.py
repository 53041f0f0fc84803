"""Known pairs and the second space: accepted forms, refused ones, and what pairs do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment._inputs import check_pairs, choose_target
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy


@pytest.fixture(scope="module")
def paired():
    """Return spaces whose first 50 samples correspond: sample ``i`` of A to sample ``i`` of B."""
    data = make_rotated_embeddings(800, 24, random_state=0)
    A = np.concatenate([data.XA_test[:50], data.XA[:700]])
    B = np.concatenate([data.XB_test[:50], data.XB[:650]])
    return A, B, data


def accuracy(aligner, data):
    return retrieval_accuracy(
        aligner.transform(data.XA_test[50:]), aligner.transform_target(data.XB_test[50:])
    )


def test_indices_and_samples_give_the_same_map(paired, quick):
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
    assert not np.allclose(maps[0], quick().fit(A, B).map_, atol=1e-6)


@pytest.mark.parametrize("empty", [([], []), (np.arange(0), np.arange(0)), None])
def test_no_pairs(paired, quick, empty):
    A, B, _ = paired
    np.testing.assert_array_equal(quick().fit(A, B, pairs=empty).map_, quick().fit(A, B).map_)


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
    ids=repr,
)
def test_two_pairs_as_arrays_have_one_reading(paired, pairs):
    A, B, _ = paired
    seen = known_pairs(A, B, pairs)
    expected = known_pairs(A, B, (A[[0, 5]], B[[1, 6]]))
    np.testing.assert_array_equal(seen.A, expected.A)
    np.testing.assert_array_equal(seen.B, expected.B)


def known_pairs(A, B, pairs):
    normalizers = (CentredNormalizer.fit(A), CentredNormalizer.fit(B))
    return check_pairs(
        pairs,
        A,
        B,
        normalizers=normalizers,
        names=(None, None),
        weight=1.0,
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


@pytest.mark.parametrize("n_pairs", [1, 2])
def test_one_or_two_pairs_do_no_harm(paired, n_pairs):
    A, B, data = paired
    indices = np.arange(n_pairs)
    without = accuracy(MiniVec2Vec(random_state=0).fit(A, B), data)
    aligner = MiniVec2Vec(random_state=0).fit(A, B, pairs=(indices, indices))
    assert aligner.converged_
    assert accuracy(aligner, data) > without - 0.02


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_pairs_align_what_cannot_be_aligned_without_them():
    # The same spectrum and no shape: isotropic normal samples have no geometry to go by.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 12))
    R = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    A, B = X[:500], np.concatenate([X[:60], X[500:]]) @ R
    indices = np.arange(60)
    aligner = MiniVec2Vec(pair_weight=20, random_state=0).fit(A, B, pairs=(indices, indices))
    np.testing.assert_allclose(aligner.map_, R, atol=0.1)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
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


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_wrong_pairs_degrade_gracefully(paired, share):
    A, B, data = paired
    indices, wrong = np.arange(50), np.arange(50)
    n_wrong = int(share * 50)
    wrong[:n_wrong] = np.roll(wrong[:n_wrong], 1)
    aligner = MiniVec2Vec(random_state=0).fit(A, B, pairs=(indices, wrong))
    assert aligner.converged_
    assert accuracy(aligner, data) > 0.85


def test_pairs_of_real_encoders_do_not_hurt(sentences):
    indices = slice(0, 20)
    aligner = MiniVec2Vec(random_state=0).fit(
        sentences.XA[:2000],
        sentences.XB[:2000],
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
