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


@pytest.mark.parametrize("n_samples", [15, 200, 25_000])
def test_every_sample_counts_in_the_mean(n_samples):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 5)) + np.linspace(-1, 1, n_samples)[:, None]
    np.testing.assert_allclose(CentredNormalizer.fit(X).mean, X.mean(axis=0), atol=1e-12)
    tailed = X * rng.lognormal(0, 2, (n_samples, 1))
    normalizer = CentredNormalizer.fit(tailed)
    assert normalizer.directions
    np.testing.assert_allclose(normalizer.mean, unit(tailed).mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("factor", [10.0, 1e3, 1e12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_few_long_samples_hardly_move_the_mean(samples, factor, dtype):
    long = samples.astype(dtype)
    long[[3, 50]] *= dtype(factor)
    normalizer = CentredNormalizer.fit(long)
    assert not normalizer.directions
    median = np.median(np.linalg.norm(long, axis=1))
    rest = np.delete(samples, [3, 50], axis=0)
    expected = (rest.sum(axis=0) + 4 * median * unit(samples[[3, 50]]).sum(axis=0)) / len(samples)
    np.testing.assert_allclose(normalizer.mean, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lengths_with_long_tails_change_no_direction(samples, sigma, dtype):
    factors = np.random.default_rng(1).lognormal(0, sigma, (2, len(samples), 1))
    sides = [(unit(samples) * factor).astype(dtype) for factor in factors]
    first, second = (CentredNormalizer.fit(side) for side in sides)
    assert first.directions
    assert second.directions
    expected = unit(unit(samples) - unit(samples).mean(axis=0))
    W = np.random.default_rng(2).standard_normal((6, 4)).astype(dtype)
    for normalizer, side in zip((first, second), sides, strict=True):
        Z = normalizer.transform(side)
        np.testing.assert_allclose(Z, expected, atol=1e-5)
        np.testing.assert_allclose(normalizer.transform(side, W), unit(expected @ W), atol=1e-5)
        assert normalizer.radius == pytest.approx(np.median(np.linalg.norm(side, axis=1)))


def test_short_samples_with_long_tails_change_no_direction(samples):
    X = unit(samples)
    X[:20] *= 1e-3
    normalizer = CentredNormalizer.fit(X)
    assert normalizer.directions
    np.testing.assert_allclose(
        normalizer.transform(X), unit(unit(samples) - unit(samples).mean(axis=0)), atol=1e-12
    )


@pytest.mark.parametrize("kind", ["equal", "centred", "directions"])
def test_samples_come_back_from_their_unit_samples_and_lengths(samples, kind):
    rng = np.random.default_rng(0)
    X = {
        "equal": 3 * unit(samples),
        "centred": samples,
        "directions": unit(samples) * rng.lognormal(0, 2, (len(samples), 1)),
    }[kind]
    normalizer = CentredNormalizer.fit(X)
    assert (normalizer.length is not None, normalizer.directions) == (
        kind == "equal",
        kind == "directions",
    )
    lengths = np.empty(len(X))
    Z = normalizer.transform(X, lengths=lengths)
    np.testing.assert_allclose(normalizer.inverse_transform(Z, lengths), X, rtol=1e-9, atol=1e-12)


def test_samples_of_zeros_have_no_direction(samples):
    X = samples * np.random.default_rng(0).lognormal(0, 2, (len(samples), 1))
    X[[2, 5]] = 0
    normalizer = CentredNormalizer.fit(X)
    Z = normalizer.transform(X)
    np.testing.assert_array_equal(np.flatnonzero(~Z.any(axis=1)), [2, 5])
    lengths = np.empty(len(X))
    normalizer.transform(X, lengths=lengths)
    back = normalizer.inverse_transform(Z, lengths)
    np.testing.assert_allclose(back, X, rtol=1e-9, atol=1e-12)


def test_samples_of_one_direction_are_centred():
    lengths = np.random.default_rng(0).lognormal(0, 2, 100)
    X = lengths[:, None] * [3.0, 4.0]
    normalizer = CentredNormalizer.fit(X)
    assert not normalizer.directions
    np.testing.assert_allclose(np.abs(normalizer.transform(X)), np.tile([0.6, 0.8], (100, 1)))


def test_nothing_but_zeros():
    X = np.zeros((5, 3))
    normalizer = CentredNormalizer.fit(X)
    assert not normalizer.transform(X).any()
    assert not normalizer.inverse_transform(X).any()


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
