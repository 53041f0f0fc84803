from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Subset

from sklearn_align.fusion import TensorBatches
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._preprocessing import HoldOut, merge_equal_samples


def dataset(n=10):
    X = torch.arange(2.0 * n).reshape(n, 2)
    samples = {"X": X, "presence": torch.ones(n, 1, dtype=torch.bool)}
    return ModalityDataset(samples, torch.arange(n))


@pytest.mark.parametrize("batch_size", [1, 3, 10, 50])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_cover_every_sample_once(batch_size, shuffle):
    torch.manual_seed(0)
    batches = TensorBatches(dataset(), batch_size, shuffle=shuffle)
    parts = list(batches)
    assert len(parts) == len(batches)
    y = torch.cat([y for _, y in parts])
    assert sorted(y.tolist()) == list(range(10))
    assert (y.tolist() == list(range(10))) is not shuffle
    X = torch.cat([samples["X"] for samples, _ in parts])
    assert torch.equal(X, dataset().X["X"][y])


def test_same_samples_as_a_data_loader():
    ours = list(TensorBatches(dataset(), 4))
    theirs = list(DataLoader(dataset(), 4))
    for (X, y), (X_loader, y_loader) in zip(ours, theirs, strict=True):
        assert torch.equal(y, y_loader)
        assert all(torch.equal(X[name], X_loader[name]) for name in X)


def test_drop_last():
    batches = TensorBatches(dataset(), 4, drop_last=True)
    assert [len(y) for _, y in batches] == [4, 4]
    assert len(batches) == 2


def test_subsets_of_subsets():
    nested = Subset(Subset(dataset(), [9, 7, 5, 3, 1]), np.array([0, 2, 4]))
    ((samples, y),) = list(TensorBatches(nested, 10))
    assert y.tolist() == [9, 5, 1]
    assert torch.equal(samples["X"], dataset().X["X"][[9, 5, 1]])


def test_foreign_datasets_go_through_a_data_loader():
    class Foreign(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return torch.tensor([float(index)]), index

    assert [y.tolist() for _, y in TensorBatches(Foreign(), 2)] == [[0, 1], [2]]


def test_batches_are_whole_tensors(monkeypatch):
    """No sample is fetched by itself."""
    fetched = []
    original = ModalityDataset.__getitem__
    monkeypatch.setattr(
        ModalityDataset, "__getitem__", lambda self, i: fetched.append(i) or original(self, i)
    )
    list(TensorBatches(dataset(100), 25, shuffle=True))
    assert len(fetched) == 4


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30))
def test_merging_does_not_see_order_or_repetition(seed, n):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (n, 2)).astype(float)
    X[rng.random(n) < 0.2, 1] = np.nan
    y = rng.integers(0, 2, n)
    weight = rng.integers(1, 4, n).astype(float)
    merged = merge_equal_samples(X, y, weight)
    assert merged[2].sum() == weight.sum()
    order = rng.permutation(n)
    shuffled = merge_equal_samples(X[order], y[order], weight[order])
    index = np.repeat(np.arange(n), weight.astype(int))
    repeated = merge_equal_samples(X[index], y[index], np.ones(len(index)))
    for one, two, three in zip(merged, shuffled, repeated, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    keys = {tuple(row) for row in np.nan_to_num(np.column_stack(merged[:2]), nan=9.0)}
    assert len(keys) == len(merged[1])


def test_merging_knows_one_zero_and_one_nan():
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes())[0]
    X = np.array([[0.0, np.nan], [-0.0, other_nan]])
    assert len(merge_equal_samples(X, np.zeros(2), np.ones(2))[0]) == 1


def test_hold_out_is_stratified_and_disjoint():
    y = np.repeat([0, 1], [180, 20])
    train, valid = HoldOut(0.1, 100, stratified=True, seed=0)(dataset(200), y)
    assert not set(train.indices) & set(valid.indices)
    assert len(train) + len(valid) == 200
    assert np.bincount(y[valid.indices]).tolist() == [18, 2]


def test_hold_out_of_few_samples_is_empty():
    assert HoldOut(0.1, 100, stratified=True, seed=0)(dataset(50), np.zeros(50, int))[1] is None


def test_hold_out_of_a_class_with_one_sample_is_not_stratified():
    y = np.zeros(200, int)
    y[0] = 1
    train, valid = HoldOut(0.1, 100, stratified=True, seed=0)(dataset(200), y)
    assert (len(train), len(valid)) == (180, 20)
