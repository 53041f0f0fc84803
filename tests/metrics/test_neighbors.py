import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sklearn_align import _similarity
from sklearn_align.metrics import neighbor_recall


@pytest.fixture
def index():
    rng = np.random.default_rng(0)
    native = rng.standard_normal((200, 8)) * rng.lognormal(0, 0.5, (200, 1)) + 0.5
    return native + 0.3 * rng.standard_normal(native.shape), native, rng.standard_normal((30, 8))


def neighbours(X, queries, k, metric):
    if metric == "dot":
        return np.argsort(-(queries @ X.T), axis=1)[:, :k]
    search = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(X)
    return search.kneighbors(queries, return_distance=False)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot"])
@pytest.mark.parametrize("k", [1, 10, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_an_independent_search(index, metric, k, dtype, monkeypatch):
    monkeypatch.setattr(_similarity, "_BLOCK_BYTES", 4096)
    mapped, native, queries = (X.astype(dtype) for X in index)
    expected = np.mean(
        [
            len(set(found) & set(known)) / k
            for found, known in zip(
                neighbours(mapped, queries, k, metric),
                neighbours(native, queries, k, metric),
                strict=True,
            )
        ]
    )
    assert neighbor_recall(mapped, native, queries, k, metric=metric) == pytest.approx(expected)
    assert 0 < expected <= 1


def test_default_is_ten_neighbours_by_cosine(index):
    scaled = index[0] * np.random.default_rng(1).lognormal(0, 1, (200, 1))
    assert neighbor_recall(scaled, *index[1:]) == neighbor_recall(*index, k=10, metric="cosine")
    assert neighbor_recall(scaled, *index[1:], metric="dot") < neighbor_recall(*index, metric="dot")


def test_rotation_and_order_do_not_matter(index):
    mapped, native, queries = index
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    expected = neighbor_recall(mapped, native, queries)
    assert neighbor_recall(mapped @ Q, native @ Q, queries @ Q) == pytest.approx(expected)
    order = np.random.default_rng(2).permutation(200)
    assert neighbor_recall(mapped[order], native[order], queries) == pytest.approx(expected)


def test_inputs_are_left_alone(index):
    copies = [X.copy() for X in index]
    for metric in ("cosine", "euclidean", "dot"):
        neighbor_recall(*index, metric=metric)
    for X, copy in zip(index, copies, strict=True):
        np.testing.assert_array_equal(X, copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k == 0, must be >= 1"),
        ({"k": 201}, "k=201 is more than the 200 samples"),
        ({"metric": "l2"}, "metric must be one of"),
        ({"mapped": np.ones((199, 8))}, r"mapped has the shape \(199, 8\) and native \(200, 8\)"),
        ({"queries": np.ones((3, 7))}, "queries has 7 features and native 8"),
        ({"native": np.full((200, 8), np.nan)}, "native contains NaN"),
    ],
)
def test_bad_input(index, change, message):
    arguments = dict(zip(("mapped", "native", "queries"), index, strict=True))
    with pytest.raises(ValueError, match=message):
        neighbor_recall(**{**arguments, **change})
