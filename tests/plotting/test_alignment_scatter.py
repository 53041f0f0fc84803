import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.plotting import AlignmentScatterDisplay

WIDTH = 6


def clouds(n=40, seed=0):
    """Two spaces with distinct variances of their axes, off the origin."""
    rng = np.random.default_rng(seed)
    T = 3 + rng.standard_normal((n, WIDTH)) * np.arange(WIDTH, 0, -1)
    return T + 0.1 * rng.standard_normal(T.shape), T


@pytest.fixture(scope="module")
def known():
    """An aligner fitted with pairs, whose map is nearly exact."""
    data = make_rotated_embeddings(
        80, WIDTH, n_features_target=WIDTH + 2, n_test=60, random_state=0
    )
    pairs = (data.XA_test, data.XB_test)
    aligner = MiniVec2Vec(n_init=1, random_state=0)
    return aligner.fit(data.XA, data.XB, pairs=pairs), data


def test_coordinates_are_components_of_the_target_samples():
    Z, T = clouds()
    display = AlignmentScatterDisplay.from_predictions(Z, T, X=Z[:, ::-1], n_samples=None)
    pca = PCA(2).fit(T)
    for drawn, samples in (
        (display.target, T),
        (display.after, Z),
        (display.before, Z[:, ::-1]),
    ):
        # The sign of a component is arbitrary, but the same for all.
        expected = pca.transform(samples)
        signs = np.sign((display.target * pca.transform(T)).sum(axis=0))
        np.testing.assert_allclose(drawn * signs, expected, atol=1e-10)


def test_artists_hold_the_coordinates_and_lines_join_counterparts():
    Z, T = clouds()
    display = AlignmentScatterDisplay.from_predictions(Z, T, X=-Z, paired=True, n_samples=None)
    display.figure_.canvas.draw()
    assert [ax.get_title() for ax in display.axes_] == ["before alignment", "after alignment"]
    for source, points, target, lines in zip(
        (display.before, display.after),
        display.sources_,
        display.targets_,
        display.lines_,
        strict=True,
    ):
        np.testing.assert_array_equal(points.get_offsets(), source)
        np.testing.assert_array_equal(target.get_offsets(), display.target)
        np.testing.assert_allclose(
            np.array(lines.get_segments()), np.stack([source, display.target], axis=1)
        )
    before, after = display.axes_
    assert before.get_xlim() == after.get_xlim()
    assert before.get_ylim() == after.get_ylim()
    for cloud in (display.before, display.after, display.target):
        assert (cloud.min(axis=0) > [before.get_xlim()[0], before.get_ylim()[0]]).all()
        assert (cloud.max(axis=0) < [before.get_xlim()[1], before.get_ylim()[1]]).all()


def test_the_same_samples_are_drawn_with_a_random_state():
    Z, T = clouds()
    options = {"X": -Z, "n_samples": 10}
    first, same, other = (
        AlignmentScatterDisplay.from_predictions(Z, T, random_state=seed, **options)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.after, same.after)
    np.testing.assert_array_equal(first.target, same.target)
    assert not np.array_equal(first.after, other.after)
    everything = AlignmentScatterDisplay.from_predictions(Z, T, n_samples=None)
    # The components do not depend on the samples that are drawn.
    for drawn, all_of_them in ((first.after, everything.after), (first.target, everything.target)):
        assert len(drawn) == 10
        assert set(map(tuple, drawn)) <= set(map(tuple, all_of_them))


def test_counterparts_are_drawn_together():
    _, T = clouds()
    display = AlignmentScatterDisplay.from_predictions(
        T, T, X=T, paired=True, n_samples=10, random_state=0
    )
    np.testing.assert_array_equal(display.after, display.target)
    np.testing.assert_array_equal(display.before, display.target)


def test_spaces_of_different_size_without_counterparts():
    Z, T = clouds()
    display = AlignmentScatterDisplay.from_predictions(Z[:7], T)
    assert len(display.after) == 7
    assert len(display.target) == 40
    assert display.before is None
    assert len(display.axes_) == 1
    assert display.lines_ == []
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert set(legend) == {"source", "target"}


def test_from_estimator_of_unequal_widths(known):
    aligner, data = known
    display = AlignmentScatterDisplay.from_estimator(
        aligner, data.XA_test, data.XB_test, paired=True, n_samples=None
    )
    assert display.own_components
    assert "each space" in display.axes_[0].get_xlabel()
    assert "target space" in display.axes_[1].get_xlabel()
    # Counterparts come to lie on one another.
    shift = np.linalg.norm(display.after - display.target, axis=1)
    assert np.median(shift) < 0.1 * np.linalg.norm(display.target, axis=1).mean()
    direct = AlignmentScatterDisplay.from_predictions(
        aligner.transform(data.XA_test), aligner.transform_target(data.XB_test), n_samples=None
    )
    np.testing.assert_array_equal(display.after, direct.after)
    np.testing.assert_array_equal(display.target, direct.target)


def test_before_alignment_only_the_map_is_left_out():
    data = make_rotated_embeddings(80, WIDTH, n_test=60, random_state=0)
    aligner = MiniVec2Vec(n_init=1, correction=None, random_state=0)
    aligner.fit(data.XA, data.XB, pairs=(data.XA_test, data.XB_test))
    aligner.map_ = np.eye(WIDTH, dtype=aligner.map_.dtype)
    display = AlignmentScatterDisplay.from_estimator(aligner, data.XA, data.XB, n_samples=None)
    assert not display.own_components
    np.testing.assert_allclose(display.before, display.after, atol=1e-5)


def test_given_axes_and_styles_are_used():
    Z, T = clouds()
    _, axes = plt.subplots(1, 2)
    display = AlignmentScatterDisplay.from_predictions(
        Z,
        T,
        X=Z,
        paired=True,
        ax=axes,
        names=("first run", "second run"),
        scatter_kw={"alpha": 0.5},
        line_kw={"linewidths": 3, "label": "same sample"},
    )
    assert list(display.axes_) == list(axes)
    assert {points.get_alpha() for points in display.sources_ + display.targets_} == {0.5}
    assert {float(lines.get_linewidth()[0]) for lines in display.lines_} == {3.0}
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert set(legend) == {"first run", "second run", "same sample"}
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("in_grid", [True, False])
def test_one_axes_is_divided(in_grid):
    Z, T = clouds()
    figure = plt.figure()
    ax = figure.add_subplot() if in_grid else figure.add_axes((0.1, 0.1, 0.3, 0.8))
    display = AlignmentScatterDisplay.from_predictions(Z, T, X=Z, ax=ax)
    figure.canvas.draw()
    assert display.ax_ is display.axes_[0] is ax
    before, after = (one.get_position() for one in display.axes_)
    assert before.x1 <= after.x0
    assert (before.y0, before.y1) == pytest.approx((after.y0, after.y1))


def test_samples_without_spread():
    display = AlignmentScatterDisplay.from_predictions(np.ones((3, 4)), np.ones((3, 4)))
    display.figure_.canvas.draw()
    np.testing.assert_array_equal(display.after, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Z": np.eye(4)}, "Z has 4 features and T has 3"),
        ({"Z": np.eye(3)[:2], "paired": True}, "the source has 2 samples and the target has 3"),
        ({"X": np.eye(3)[:2]}, "X has 2 samples and Z has 3"),
        ({"X": np.ones((3, 1))}, "X has one feature"),
        ({"T": np.ones((3, 1))}, "T has one feature"),
        ({"Z": np.full((3, 3), np.nan)}, "Z contains NaN"),
        ({"n_samples": 0}, "n_samples == 0, must be >= 1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlignmentScatterDisplay.from_predictions(**{"Z": np.eye(3), "T": np.eye(3), **arguments})


def test_bad_axes_and_unfitted():
    _, axes = plt.subplots(1, 3)
    with pytest.raises(ValueError, match="ax has 3 Axes for 2 panels"):
        AlignmentScatterDisplay.from_predictions(np.eye(3), np.eye(3), X=np.eye(3), ax=axes)
    with pytest.raises(NotFittedError):
        AlignmentScatterDisplay.from_estimator(MiniVec2Vec(), np.eye(3), np.eye(3))
