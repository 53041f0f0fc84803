from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_align.datasets import (
    load_avmnist,
    load_mfeat,
    make_multimodal_classification,
)

LOADERS = [
    (load_avmnist, {"image": 50, "audio": 50}, (7000, 1000, 2000)),
    (
        load_mfeat,
        {"fac": 216, "fou": 76, "kar": 64, "pix": 240, "zer": 47, "mor": 6},
        (1000, 300, 700),
    ),
]


@pytest.mark.parametrize(("load", "modalities", "sizes"), LOADERS)
class TestLoaders:
    def test_contents(self, load, modalities, sizes):
        data = load()
        assert data.modalities == modalities
        assert data.data.shape == (sum(sizes), sum(modalities.values()))
        assert data.data.dtype == np.float32
        assert np.isfinite(data.data).all()
        assert data.target.dtype == np.int64
        assert np.unique(data.target).tolist() == list(range(10))
        assert len(set(data.feature_names)) == data.data.shape[1]
        assert data.feature_names[0].startswith(next(iter(modalities)))
        assert "CC BY" in data.DESCR

    def test_subsets_are_the_parts_of_the_split(self, load, modalities, sizes):
        whole = load()
        parts = [load(subset=subset) for subset in ("train", "validation", "test")]
        assert tuple(len(part.target) for part in parts) == sizes
        for index, part in enumerate(parts):
            np.testing.assert_array_equal(part.data, whole.data[whole.split == index])
            np.testing.assert_array_equal(part.target, whole.target[whole.split == index])
            assert (part.split == index).all()

    def test_tuple_and_frame(self, load, modalities, sizes):
        X, y = load(subset="test", return_X_y=True)
        frame, series = load(subset="test", return_X_y=True, as_frame=True)
        assert isinstance(frame, pd.DataFrame)
        assert isinstance(series, pd.Series)
        np.testing.assert_array_equal(frame.to_numpy(), X)
        np.testing.assert_array_equal(series.to_numpy(), y)
        assert list(frame.columns) == load().feature_names

    def test_unknown_subset(self, load, modalities, sizes):
        with pytest.raises(ValueError, match="subset must be one of"):
            load(subset="valid")

    def test_every_modality_predicts_the_class_above_chance(self, load, modalities, sizes):
        train, test = load(subset="train"), load(subset="test")
        start = 0
        for width in modalities.values():
            block = slice(start, start + width)
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            samples = slice(0, 1500)
            model.fit(train.data[samples, block], train.target[samples])
            assert model.score(test.data[:, block], test.target) > 0.4
            start += width


def test_noise_of_avmnist_belongs_to_its_samples():
    whole, test = load_avmnist(), load_avmnist(subset="test")
    for name in ("image_noise", "audio_snr"):
        np.testing.assert_array_equal(test[name], whole[name][whole.split == 2])


def test_splits_of_mfeat_differ():
    splits = [load_mfeat(split=k).split for k in range(5)]
    assert len({split.tobytes() for split in splits}) == 5
    for split in (-1, 5):
        with pytest.raises(ValueError, match="split =="):
            load_mfeat(split=split)


def test_sizes_of_the_files_and_their_licence():
    folder = files("sklearn_align.datasets").joinpath("data")
    size = {entry.name: len(entry.read_bytes()) for entry in folder.iterdir()}
    assert size["sentences_word2vec.npz"] < 6e6
    assert size["sentences_minilm_mpnet.npz"] < 8e6
    assert size["avmnist.npz"] + size["mfeat.npz"] < 4e6
    licence = folder.joinpath("LICENSE-DATA").read_text(encoding="utf-8")
    for name in size:
        if name.endswith(".npz"):
            assert name in licence


class TestMakeMultimodal:
    def test_shapes_and_balance(self):
        data = make_multimodal_classification(101, n_classes=4, widths=(3, 1, 5), random_state=0)
        assert data.data.shape == (101, 9)
        assert data.modalities == {"m0": 3, "m1": 1, "m2": 5}
        assert data.noise.shape == (101, 3)
        assert sorted(np.bincount(data.target)) == [25, 25, 25, 26]
        # The classes are shuffled.
        assert (np.diff(data.target) != 1).any()

    def test_separation_by_modality(self):
        data = make_multimodal_classification(
            2000, class_sep=(4, 0), noise_spread=0, random_state=0
        )
        scores = [
            LogisticRegression()
            .fit(data.data[:1000, block], data.target[:1000])
            .score(data.data[1000:, block], data.target[1000:])
            for block in (slice(0, 10), slice(10, 20))
        ]
        assert scores[0] > 0.95
        assert scores[1] < 0.45

    def test_noise_is_as_stated(self):
        data = make_multimodal_classification(
            5000, widths=(50,), class_sep=0, noise_spread=1, random_state=0
        )
        ratio = data.data.std(axis=1) / data.noise[:, 0]
        assert ratio.mean() == pytest.approx(1, abs=0.02)
        assert ratio.std() < 0.15

    def test_missing_blocks(self):
        data = make_multimodal_classification(2000, missing_rate=0.5, random_state=0)
        missing = np.isnan(data.data).reshape(2000, 2, 10)
        assert (missing.all(axis=2) == missing.any(axis=2)).all()
        assert missing.mean() == pytest.approx(0.375, abs=0.03)
        full = make_multimodal_classification(2000, random_state=0)
        present = ~np.isnan(data.data)
        np.testing.assert_array_equal(data.data[present], full.data[present])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_samples": 0}, "n_samples"),
            ({"n_classes": 1}, "n_classes"),
            ({"n_samples": 3, "n_classes": 4}, "exceeds n_samples"),
            ({"widths": ()}, "widths is empty"),
            ({"widths": (3, 0)}, "widths"),
            ({"class_sep": -1}, "class_sep"),
            ({"noise_spread": -1}, "noise_spread"),
            ({"missing_rate": 1.2}, "missing_rate"),
        ],
    )
    def test_bad_input(self, options, message):
        with pytest.raises(ValueError, match=message):
            make_multimodal_classification(**options)
