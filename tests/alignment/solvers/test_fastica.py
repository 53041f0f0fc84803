import numpy as np
import pytest
from scipy.stats import skew
from sklearn.decomposition import FastICA

from sklearn_align.alignment._recipes import IcaSettings
from sklearn_align.alignment.solvers._component_statistics import Components
from sklearn_align.alignment.solvers._fastica import Whitening, fast_ica


def independent_components(X, n_components, *, contrast, random_state, **settings):
    sources, directions = fast_ica(
        Whitening.fit(X),
        n_components,
        contrast=contrast,
        random_state=random_state,
        settings=IcaSettings(**settings),
    )
    return Components.oriented(sources, directions)


def mixture(rng, n_samples=6000, n_sources=5, n_features=8):
    sources = rng.gamma(0.7, 1, (n_samples, n_sources))
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    mixing = rng.standard_normal((n_features, n_sources))
    return sources, mixing, sources @ mixing.T


def test_whitening_holds_the_covariance_of_centred_samples():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)) * [5, 4, 3, 2, 1] + [3, -2, 0, 1, 9]
    whitening = Whitening.fit(X)
    np.testing.assert_allclose(whitening.centred, X - X.mean(axis=0))
    assert (np.diff(whitening.eigenvalues) <= 0).all()
    axes = whitening.axes
    np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(axes * whitening.eigenvalues @ axes.T, np.cov(X.T, bias=True))


@pytest.mark.parametrize(("n_samples", "expected"), [(50, 3), (3, 2)])
def test_rank_counts_eigenvalues_far_above_rounding(n_samples, expected):
    eigenvalues = np.array([1.0, 1e-3, 2e-6, 5e-7])
    assert Whitening(np.zeros((n_samples, 4)), eigenvalues, np.eye(4)).rank() == expected


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
def test_iterations_end_when_no_component_turns_by_more_than_the_tolerance(contrast):
    _, _, X = mixture(np.random.default_rng(4))
    once, tolerant, strict = (
        independent_components(
            X, 5, contrast=contrast, random_state=np.random.RandomState(0), **settings
        ).sources
        for settings in ({"max_iter": 1}, {"max_iter": 50, "tol": 1.0}, {"max_iter": 50})
    )
    np.testing.assert_array_equal(once, tolerant)
    assert np.abs(once - strict).max() > 0.01


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_mixing_is_recovered_with_its_signs(contrast, dtype):
    sources, mixing, X = mixture(np.random.default_rng(0))
    found = independent_components(
        X.astype(dtype), 5, contrast=contrast, random_state=np.random.RandomState(0), max_iter=300
    )
    assert found.sources.dtype == found.directions.dtype == dtype
    correlation = np.corrcoef(sources.T, found.sources.T)[:5, 5:]
    order = correlation.argmax(axis=1)
    assert sorted(order) == list(range(5))
    assert correlation[np.arange(5), order].min() > 0.98
    error = found.directions[:, order] - mixing
    assert np.linalg.norm(error) < 0.2 * np.linalg.norm(mixing)


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
def test_sources_are_white_skewed_right_and_rebuild_the_samples(contrast):
    _, _, X = mixture(np.random.default_rng(1))
    found = independent_components(X, 5, contrast=contrast, random_state=np.random.RandomState(1))
    np.testing.assert_allclose(found.sources.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(found.sources.T @ found.sources / len(X), np.eye(5), atol=1e-8)
    assert (skew(found.sources) > 0).all()
    np.testing.assert_allclose(found.sources @ found.directions.T, X - X.mean(axis=0), atol=1e-8)


def test_rotation_of_the_space_rotates_the_directions_only():
    rng = np.random.default_rng(2)
    _, _, X = mixture(rng)
    R = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    plain, turned = (
        independent_components(
            view, 5, contrast="skew", random_state=np.random.RandomState(0), max_iter=300, tol=1e-9
        )
        for view in (X, X @ R)
    )
    similarity = (plain.directions.T @ R) @ turned.directions
    order = similarity.argmax(axis=1)
    assert sorted(order) == list(range(5))
    np.testing.assert_allclose(plain.sources, turned.sources[:, order], atol=1e-3)


@pytest.mark.parametrize(("n_samples", "rank", "expected"), [(50, 3, 3), (4, 8, 3), (50, 8, 6)])
def test_at_most_the_rank_of_the_samples_is_used(n_samples, rank, expected):
    rng = np.random.default_rng(3)
    X = rng.gamma(1, 1, (n_samples, rank)) @ rng.standard_normal((rank, 8))
    X -= X.mean(axis=0)
    found = independent_components(X, 6, contrast="logcosh", random_state=np.random.RandomState(0))
    assert found.sources.shape == (n_samples, expected)
    assert np.isfinite(found.directions).all()


@pytest.mark.parametrize("contrast", ["logcosh", "skew"])
def test_agrees_with_scikit_learn_in_double_precision(contrast):
    def skewness(x):
        return x**2, 2 * x.mean(axis=-1)

    _, _, X = mixture(np.random.default_rng(5))
    found = independent_components(
        X, 5, contrast=contrast, random_state=np.random.RandomState(0), max_iter=500, tol=1e-10
    )
    library = FastICA(
        5,
        fun="logcosh" if contrast == "logcosh" else skewness,
        whiten="unit-variance",
        max_iter=500,
        tol=1e-10,
        random_state=0,
    )
    correlation = np.abs(np.corrcoef(found.sources.T, library.fit_transform(X).T)[:5, 5:])
    assert sorted(correlation.argmax(axis=1)) == list(range(5))
    np.testing.assert_allclose(correlation.max(axis=1), 1, atol=1e-6)
