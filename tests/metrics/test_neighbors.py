import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sklearn_align import _similarity
from sklearn_align.metrics import neighbor_overlap, neighbor_recall


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


def test_overlap_against_an_independent_search(index, monkeypatch):
    monkeypatch.setattr(_similarity, "_BLOCK_BYTES", 4096)
    for metric in ("cosine", "euclidean", "dot"):
        for k in (1, 10, 199):
            sides = []
            for X in index[:2]:
                lists = neighbours(X, X, 200, metric).tolist()
                sides.append([[j for j in row if j != i][:k] for i, row in enumerate(lists)])
            shares = [len(set(a) & set(b)) / k for a, b in zip(*sides, strict=True)]
            expected = pytest.approx(np.mean(shares))
            assert neighbor_overlap(*index[:2], k, metric=metric) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_overlap_of_a_space_with_itself_is_one(index, dtype):
    X = index[0].astype(dtype)
    assert neighbor_overlap(X, X) == 1
    # A common rotation, scale and further columns of zeros change no neighbour.
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0]
    other = np.hstack([3 * X @ Q, np.zeros((200, 2))])
    for metric in ("cosine", "euclidean", "dot"):
        assert neighbor_overlap(other, X, metric=metric) == pytest.approx(1)


def test_overlap_of_independent_spaces_is_chance():
    rng = np.random.default_rng(0)
    n, k = 400, 20
    overlap = neighbor_overlap(rng.standard_normal((n, 8)), rng.standard_normal((n, 5)), k)
    # Hypergeometric: mean k / (n - 1) for each sample.
    p = k / (n - 1)
    assert overlap == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / (n * k)))


def test_overlap_is_symmetric_and_ignores_the_order(index):
    mapped, native, _ = index
    expected = neighbor_overlap(mapped, native)
    order = np.random.default_rng(2).permutation(200)
    assert neighbor_overlap(native, mapped) == pytest.approx(expected)
    assert neighbor_overlap(mapped[order], native[order]) == pytest.approx(expected)
    assert neighbor_overlap(mapped[order], native) < expected


def test_overlap_with_all_other_samples_is_one(index):
    assert neighbor_overlap(index[0], index[1], 199) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k == 0, must be >= 1"),
        ({"k": 200}, "k=200 is not less than the number of samples, 200"),
        ({"metric": "l2"}, "metric must be one of"),
        ({"mapped": np.ones((199, 8))}, "mapped has 199 samples and native 200"),
        ({"native": np.full((200, 8), np.inf)}, "native contains infinity"),
    ],
)
def test_bad_input_of_the_overlap(index, change, message):
    arguments = {"mapped": index[0], "native": index[1]}
    with pytest.raises(ValueError, match=message):
        neighbor_overlap(**{**arguments, **change})
