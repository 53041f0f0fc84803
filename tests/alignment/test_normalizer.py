import numpy as np
import pytest

import sklearn_align.alignment._normalizer as module
from sklearn_align.alignment._normalizer import CentredNormalizer


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 6)) * [3, 2, 1, 1, 0.5, 0.1] + 2


def unit(samples):
    return samples / np.linalg.norm(samples, axis=1, keepdims=True)


def test_transform_centres_and_scales(samples):
    normalizer = CentredNormalizer.fit(samples)
    np.testing.assert_allclose(normalizer.transform(samples), unit(samples - samples.mean(axis=0)))


@pytest.mark.parametrize("block_bytes", [1, 300, 2**22])
@pytest.mark.parametrize("width_out", [3, 6, 9])
def test_transform_with_a_map_for_any_block_size(samples, block_bytes, width_out, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    W = np.random.default_rng(1).standard_normal((6, width_out))
    np.testing.assert_allclose(
        CentredNormalizer.fit(samples).transform(samples, W),
        unit((samples - samples.mean(axis=0)) @ W),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1.0, 7.5])
def test_samples_of_equal_length_come_back_exactly(samples, dtype, length):
    X = (length * unit(samples)).astype(dtype)
    normalizer = CentredNormalizer.fit(X)
    back = normalizer.inverse_transform(normalizer.transform(X))
    assert back.dtype == dtype
    # The point of that length on a ray from the mean is unique, because the mean lies inside.
    np.testing.assert_allclose(back, X, atol=length * (1e-5 if dtype == np.float32 else 1e-12))


def test_samples_of_unequal_length_come_back_with_their_direction(samples):
    normalizer = CentredNormalizer.fit(samples)
    assert normalizer.length is None
    back = normalizer.inverse_transform(normalizer.transform(samples))
    np.testing.assert_allclose(
        normalizer.transform(back), normalizer.transform(samples), atol=1e-12
    )
    distance = np.linalg.norm(samples - samples.mean(axis=0), axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(back - samples.mean(axis=0), axis=1), np.median(distance)
    )


def test_half_precision_unit_samples_count_as_equally_long(samples):
    normalizer = CentredNormalizer.fit(unit(samples).astype(np.float16).astype(np.float32))
    assert normalizer.length == pytest.approx(1, abs=1e-3)


def test_a_sample_at_the_mean_becomes_zero(samples):
    normalizer = CentredNormalizer.fit(samples)
    assert not normalizer.transform(normalizer.mean[None]).any()


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_does_not_matter(samples, scale, dtype):
    expected = CentredNormalizer.fit(samples).transform(samples)
    X = (samples * scale).astype(dtype)
    np.testing.assert_allclose(CentredNormalizer.fit(X).transform(X), expected, atol=1e-5)


def test_arguments_are_left_alone(samples):
    before = samples.copy()
    samples.setflags(write=False)
    normalizer = CentredNormalizer.fit(samples)
    Z = normalizer.transform(samples)
    Z.setflags(write=False)
    normalizer.inverse_transform(Z)
    np.testing.assert_array_equal(samples, before)
