import dataclasses
import warnings

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


# Parts


@pytest.mark.parametrize("length", [None, 1.0])
@pytest.mark.parametrize("source_length", [None, 1.0])
@pytest.mark.parametrize("source_radius", [0.0, 0.5])
def test_lengths_are_kept_where_those_of_both_spaces_vary(length, source_length, source_radius):
    source = CentredNormalizer(np.zeros(2), source_radius, source_length)
    expected = length is None and source_length is None and source_radius > 0
    assert CentredNormalizer(np.zeros(2), 3.0, length).keeps_lengths_of(source) == expected


def test_lengths_keep_their_ratio_to_the_median():
    target, source = (CentredNormalizer(np.zeros(2), radius, None) for radius in (3.0, 2.0))
    np.testing.assert_allclose(target.lengths_from(source, np.array([0, 2, 5.0])), [0, 3, 7.5])
    small = CentredNormalizer(np.zeros(2), 1e-10, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert target.lengths_from(small, np.array([1e300]))[0] == np.inf


@pytest.mark.parametrize("exponent", [-600, -200, 200, 600])
def test_unit_samples_without_a_mean(samples, exponent):
    X = samples.copy()
    X[::3] = np.ldexp(X[::3], exponent)
    W = np.random.default_rng(1).standard_normal((6, 4))
    np.testing.assert_allclose(module.unit_samples(X), unit(samples))
    np.testing.assert_allclose(module.unit_samples(X, W=W), unit(samples @ W))


def test_arrays_for_the_result_and_its_lengths(samples):
    mean = samples.mean(axis=0)
    for directions in (False, True):
        out, lengths = np.empty_like(samples), np.empty(len(samples))
        options = {"directions": directions, "lengths": lengths, "out": out}
        assert module.unit_samples(samples, mean, **options) is out
        start = unit(samples) if directions else samples
        np.testing.assert_allclose(out, unit(start - mean))
        expected = samples if directions else samples - mean
        np.testing.assert_allclose(lengths, np.linalg.norm(expected, axis=1))


@pytest.mark.parametrize("block_bytes", [1, 100, 2**21])
def test_means_do_not_depend_on_the_size_of_a_block(samples, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    lengths = np.linalg.norm(samples, axis=1)
    limit = float(np.quantile(lengths, 0.8))
    cut = unit(samples) * np.minimum(lengths, limit)[:, None]
    np.testing.assert_allclose(module._limited_mean(samples, lengths, limit), cut.mean(axis=0))
    np.testing.assert_allclose(module._mean_direction(samples), unit(samples).mean(axis=0))
    np.testing.assert_allclose(module.sample_lengths(samples), lengths)
    np.testing.assert_allclose(
        module.sample_lengths(samples, samples[0]), np.linalg.norm(samples - samples[0], axis=1)
    )


def test_single_precision_samples_are_summed_in_double_precision():
    X = np.random.default_rng(0).standard_normal((20_000, 3)).astype(np.float32) + np.float32(3)
    np.testing.assert_allclose(module._mean(X), X.astype(float).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        module._mean_direction(X), unit(X.astype(float)).mean(axis=0), rtol=3e-8
    )


@pytest.mark.parametrize("length", [5e-324, 1e-310, 1e-200, 1e-76, 1e76, 1e200, 4e307])
def test_lengths_far_from_one_are_scaled_by_a_power_of_two(length):
    scale = module._scale(length)
    assert np.frexp(scale)[0] == 0.5
    assert scale * length <= 1
    assert scale * length >= 0.5 or scale == 2.0**1022
    assert scale >= 2.0**-1022


@pytest.mark.parametrize("length", [1e-74, 1e-3, 1.0, 7.0, 1e74])
def test_usual_lengths_are_not_scaled(length):
    assert module._scale(length) == 1


def test_the_largest_length_is_scaled_by_a_normal_number():
    assert module._scale(np.finfo(np.float64).max) == 2.0**-1022


def test_norms_of_any_range():
    X = np.array([[3.0, 4], [3e-200, 4e-200], [3e200, 4e200], [0, 0], [1.5e308, 1.5e308]])
    largest = np.finfo(np.float64).max / 4
    np.testing.assert_allclose(module._norms(X), [5, 5e-200, 5e200, 0, largest])
    assert module._norms(X[:, :0]).tolist() == [0] * len(X)
    single = np.array([[3e30, 4e30], [3e-30, 4e-30], [3, 4]], np.float32)
    np.testing.assert_allclose(module.sample_lengths(single), [5e30, 5e-30, 5], rtol=1e-6)
    np.testing.assert_allclose(module.sample_lengths(X[1:5]), [5e-200, 5e200, 0, largest])


def test_distances_of_any_range_from_a_mean():
    mean = np.array([1e200, 2e200])
    X = mean + np.array([[3e200, 4e200], [0, 0], [3e190, 4e190]])
    expected = np.array([5e200, 0, 5e190])
    np.testing.assert_allclose(module.sample_lengths(X, mean), expected, rtol=1e-5)


@pytest.mark.parametrize("has_norms", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reach_ends_on_the_sphere(dtype, has_norms):
    rng = np.random.default_rng(0)
    Z = unit(rng.standard_normal((50, 3))).astype(dtype)
    norms = rng.uniform(0.1, 10, 50).astype(dtype) if has_norms else None
    samples = norms[:, None] * Z if has_norms else Z
    mean = np.array([0.3, -0.2, 0.1])
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    scales = [1.0, 1e-14, 1e14] if dtype == np.float32 else [1.0, 1e-150, 1e150, 1e-300, 1e300]
    for scale in scales:
        reach = module._reach(samples, norms, (scale * mean).astype(dtype), 2 * scale)
        assert reach.dtype == dtype
        ends = reach[:, None].astype(float) / scale * Z + mean
        np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 2, atol=tolerance)
    # A sphere that the ray does not meet: the point of the ray's line nearest to the origin.
    reach = module._reach(samples, norms, np.array([5, 0, 0], dtype), 1.0)
    missed = 25 * (1 - Z[:, 0] ** 2) > 1.1
    assert missed.any()
    np.testing.assert_allclose(reach[missed], -5 * Z[missed, 0], rtol=1e-6)


def test_settings_of_a_fit(samples):
    normalizer = CentredNormalizer.fit(samples)
    lengths = np.linalg.norm(samples, axis=1)
    np.testing.assert_allclose(normalizer.raw_lengths, np.quantile(lengths, [0.05, 0.5, 0.95]))
    assert normalizer.length is None
    distances = np.linalg.norm(samples - samples.mean(axis=0), axis=1)
    assert normalizer.radius == pytest.approx(np.median(distances))
    tailed = CentredNormalizer.fit(samples * 10.0 ** np.linspace(-1, 1, len(samples))[:, None])
    assert tailed.length is None
    for X in (samples, samples * 10.0 ** np.linspace(-1, 1, len(samples))[:, None]):
        single = CentredNormalizer.fit(X.astype(np.float32))
        assert single.mean.dtype == np.float32
        expected = np.quantile(np.linalg.norm(X, axis=1), [0.05, 0.5, 0.95])
        np.testing.assert_allclose(single.raw_lengths, expected, rtol=1e-6)
    zeros = CentredNormalizer.fit(np.zeros((3, 2), np.float32))
    assert (zeros.mean.dtype, zeros.mean.tolist(), zeros.radius) == (np.float32, [0, 0], 0)
    assert (zeros.length, zeros.directions, zeros.raw_lengths) == (None, False, (0, 0, 0))


@pytest.mark.parametrize(
    ("share", "factor", "directions"),
    [
        (0.06, 2.05, True),
        (0.06, 1.95, False),
        (0.04, 100.0, False),
        (0.06, 0.245, True),
        (0.06, 0.255, False),
        (0.04, 0.01, False),
    ],
)
def test_what_long_tails_are(share, factor, directions):
    X = unit(np.random.default_rng(0).standard_normal((1000, 6)))
    X[: int(share * 1000)] *= factor
    assert CentredNormalizer.fit(X).directions == directions


def test_samples_in_nearly_one_direction_are_centred():
    rng = np.random.default_rng(0)
    for spread, directions in [(2e-3, True), (3e-4, False)]:
        X = np.array([1.0, 0, 0]) + spread * rng.standard_normal((500, 3))
        X *= rng.lognormal(0, 2, (500, 1))
        assert CentredNormalizer.fit(X).directions == directions


@pytest.mark.parametrize(("deviation", "equal"), [(0.0045, True), (0.006, False)])
@pytest.mark.parametrize("share", [0.005, 0.02])
def test_which_lengths_count_as_equal(deviation, equal, share):
    X = 3 * unit(np.random.default_rng(0).standard_normal((1000, 6)))
    X[: int(share * 1000)] *= 1 + deviation
    length = CentredNormalizer.fit(X).length
    assert (length is not None) == (equal or share == 0.005)
    assert length is None or length == pytest.approx(3)


def test_distances_are_measured_on_samples_spread_over_the_rows(monkeypatch):
    monkeypatch.setattr(
        module, "NORMALIZER", dataclasses.replace(module.NORMALIZER, max_samples=10)
    )
    X = np.random.default_rng(0).standard_normal((35, 4))
    some = X[::3]
    distances = np.linalg.norm(some - X.mean(axis=0), axis=1)
    assert CentredNormalizer.fit(X).radius == pytest.approx(np.median(distances))


MESSAGE = (
    "The samples of this space in fit have a length or a mean of about {0}, and a length of {1} "
    "after centring, which is out of the range of float32. Pass float64 samples, or multiply the "
    "space by a constant before fit."
)


@pytest.mark.parametrize(
    ("mean", "radius", "message"),
    [
        (0.0, 1e39, MESSAGE.format("1e+39", "1e+39")),
        (1e39, 1.0, MESSAGE.format("1e+39", "1")),
        (-1e39, 1.0, MESSAGE.format("1e+39", "1")),
        (0.0, 1e-46, MESSAGE.format("1e-46", "1e-46")),
        (0.0, 1.3e-45, MESSAGE.format("1.3e-45", "1.3e-45")),
    ],
)
def test_raw_coordinates_out_of_range(mean, radius, message):
    normalizer = CentredNormalizer(np.array([mean, 0.0]), radius, None)
    Z = np.array([[0.6, 0.8]], np.float32)
    with pytest.raises(ValueError, match="out of the range") as raised:
        normalizer.inverse_transform(Z)
    assert str(raised.value) == message
    expected = radius * Z.astype(float) + [mean, 0]
    np.testing.assert_allclose(normalizer.inverse_transform(Z.astype(float)), expected)


@pytest.mark.parametrize("radius", [1e-44, 1e-38, 1e-16, 1.0, 1e16, 1e37])
def test_raw_coordinates_in_range(radius):
    normalizer = CentredNormalizer(np.array([radius, 0.0]), radius, None)
    Z = np.array([[0.6, 0.8], [0, -1]], np.float32)
    out = np.empty_like(Z)
    normalizer.inverse_transform(Z, out=out)
    np.testing.assert_allclose(out, radius * (Z.astype(float) + [1, 0]), rtol=1e-6, atol=1.5e-45)
    lengths = np.array([2 * radius, 0])
    raw = normalizer.inverse_transform(Z, lengths)
    assert raw.dtype == np.float32
    expected = lengths[:, None] * Z.astype(float) + [radius, 0]
    np.testing.assert_allclose(raw, expected, rtol=1e-6, atol=1.5e-45)


def test_the_largest_length_that_counts_is_refused():
    largest = np.finfo(np.float64).max / 4
    normalizer = CentredNormalizer(np.zeros(2), 1.0, None)
    Z = np.array([[0.6, 0.8]])
    with pytest.raises(ValueError, match="out of the range of float64"):
        normalizer.inverse_transform(Z, np.array([largest]))
    back = normalizer.inverse_transform(Z, np.array([0.9 * largest]))
    np.testing.assert_allclose(back, 0.9 * largest * Z)
    assert normalizer.inverse_transform(Z[:0]).shape == (0, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_in_the_array_that_is_given(samples, dtype):
    for X in (samples, unit(samples), samples * 10.0 ** np.linspace(-1, 1, 200)[:, None]):
        normalizer = CentredNormalizer.fit(X)
        out = np.empty(X.shape, dtype)
        assert normalizer.transform(X.astype(dtype), out=out) is out
        Z = out.copy()
        assert normalizer.inverse_transform(Z, out=out) is out
        np.testing.assert_array_equal(out, normalizer.inverse_transform(Z))


def test_no_samples():
    far = CentredNormalizer(np.array([1e20, 0.0]), 1.0, None)
    none = np.empty((0, 2), np.float32)
    assert far.inverse_transform(none).shape == (0, 2)
    for directions in (False, True):
        normalizer = CentredNormalizer(np.zeros(2), 1.0, None, directions)
        assert normalizer.transform(none).shape == (0, 2)
        assert normalizer.transform(none, np.ones((2, 5))).shape == (0, 5)
        assert normalizer.transform(none).dtype == np.float32


def test_the_length_of_equally_long_samples_is_named():
    normalizer = CentredNormalizer(np.zeros(2), 1.0, 1e39)
    with pytest.raises(ValueError, match="out of the range") as raised:
        normalizer.inverse_transform(np.array([[0.6, 0.8]], np.float32))
    assert str(raised.value) == MESSAGE.format("1e+39", "1e+39")


def test_the_smallest_number_is_in_range():
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    normalizer = CentredNormalizer(np.zeros(2), smallest, None)
    back = normalizer.inverse_transform(np.array([[1, 0]], np.float32))
    assert back.tolist() == [[smallest, 0]]


@pytest.mark.parametrize(
    ("mean", "lengths"), [([1.6e308, 0], [4e307]), ([0.0, 0.0], [np.inf]), ([-1.6e308, 0], [4e307])]
)
def test_coordinates_out_of_range_are_refused_without_a_warning(mean, lengths):
    normalizer = CentredNormalizer(np.array(mean), 1.0, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sign in (-1, 1):
            Z = np.array([[sign, 0.0]])
            if abs(mean[0] + sign * lengths[0]) < 1.7e308:
                assert np.isfinite(normalizer.inverse_transform(Z, np.array(lengths))).all()
                continue
            with pytest.raises(ValueError, match="out of the range of float64"):
                normalizer.inverse_transform(Z, np.array(lengths))


def test_differences_out_of_range_have_a_direction():
    mean = np.array([-1.5e308, -1.5e308])
    X = np.array([[1.5e308, 1.5e308], [1.5e308, -1.5e308], [0, 0]])
    differences = np.array([[3.0, 3], [3, 0], [1.5, 1.5]])
    W = np.array([[1.0, -1], [2, 3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(module.unit_samples(X, mean), unit(differences))
        np.testing.assert_allclose(module.unit_samples(X, mean, W), unit(differences @ W))
        largest = np.finfo(np.float64).max / 4
        np.testing.assert_array_equal(module.sample_lengths(X, mean), [largest] * 3)
        lengths = np.empty(3)
        module.unit_samples(X, mean, lengths=lengths)
        np.testing.assert_array_equal(lengths, [largest] * 3)


def test_the_mean_is_in_range_where_the_sum_is_not():
    largest = np.finfo(np.float64).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = np.array([[1.7e308, -1.7e308, 1.0], [1.5e308, -1.5e308, 2]])
        np.testing.assert_array_equal(module._mean(X), (X / 2).sum(axis=0))
        alternating = np.tile([[1.7e308], [-1.7e308]], (16, 1))
        np.testing.assert_array_equal(module._mean(alternating), [0])
        for n_samples in range(2, 50):
            X = np.tile([largest, -largest], (n_samples, 1))
            np.testing.assert_allclose(module._mean(X), [largest, -largest], rtol=1e-15)


KINDS_OF_SPACE = {
    "one length": CentredNormalizer(np.array([0.3, -0.2, 0.1]), 1.2, 2.0),
    "lengths": CentredNormalizer(np.array([0.3, -0.2, 0.1]), 1.2, None),
    "directions": CentredNormalizer(np.array([0.3, -0.2, 0.1]), 1.2, None, True),
    "lengths out of the range of float32": CentredNormalizer(np.zeros(3), 1e200, None),
}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", KINDS_OF_SPACE)
def test_raw_coordinates_of_multiples_of_unit_samples(kind, in_place):
    normalizer, rng = KINDS_OF_SPACE[kind], np.random.default_rng(0)
    Z, norms = unit(rng.standard_normal((20, 3))), 10.0 ** rng.uniform(-150, 100, 20)
    if kind == "lengths out of the range of float32":
        norms = 10.0 ** rng.uniform(-150, -120, 20)
    lengths = normalizer.radius * rng.uniform(0.5, 2, 20)
    expected = normalizer.inverse_transform(Z, lengths)
    multiples = norms[:, None] * Z
    out = multiples if in_place else None
    raw = normalizer.inverse_transform(multiples, lengths, norms=norms, out=out)
    np.testing.assert_allclose(raw, expected, rtol=1e-9)
    if in_place:
        assert raw is multiples
