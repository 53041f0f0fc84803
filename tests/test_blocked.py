import numpy as np
import pytest

import sklearn_align._blocked as blocked
from sklearn_align._blocked import blocked_top_k, max_csls, mean_of_top_k, row_blocks


@pytest.fixture(params=[1, 700, 2**25])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(blocked, "_BLOCK_BYTES", request.param)
    return request.param


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((37, 5)), rng.standard_normal((23, 5))


@pytest.mark.parametrize("n_rows", [0, 1, 100])
def test_blocks_cover_all_rows_within_their_budget(block_bytes, n_rows):
    blocks = list(row_blocks(n_rows, 10, np.float64))
    assert np.concatenate([[], *(np.arange(n_rows)[b] for b in blocks)]).tolist() == list(
        range(n_rows)
    )
    for block in blocks:
        n = block.stop - block.start
        assert n == 1 or n * 10 * 8 <= block_bytes


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("k", [1, 4, 23, 50])
def test_top_k_against_a_full_sort(rows, k):
    X, Y = rows
    similarity, index = blocked_top_k(X, Y, k)
    order = np.argsort(-(X @ Y.T), axis=1)[:, :k]
    np.testing.assert_array_equal(np.sort(index, axis=1), np.sort(order, axis=1))
    np.testing.assert_allclose(similarity, np.take_along_axis(X @ Y.T, index, axis=1))
    np.testing.assert_allclose(mean_of_top_k(X, Y, k), similarity.mean(axis=1))


@pytest.mark.usefixtures("block_bytes")
def test_max_csls_against_the_formula(rows):
    X, Y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in rows)
    cosine = X @ Y.T
    r_X = np.sort(cosine, axis=1)[:, -3:].mean(axis=1)
    r_Y = np.sort(cosine, axis=0)[-3:].mean(axis=0)
    expected = (2 * cosine - r_X[:, None] - r_Y).max(axis=1)
    np.testing.assert_allclose(max_csls(X, Y, 3), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(rows, dtype):
    X, Y = (side.astype(dtype) for side in rows)
    assert blocked_top_k(X, Y, 2)[0].dtype == dtype
    assert mean_of_top_k(X, Y, 2).dtype == dtype
    assert max_csls(X, Y, 2).dtype == dtype
