"""Two spaces before and after alignment, in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state, check_scalar

from sklearn_align._compose import reach_final
from sklearn_align._linalg import principal_axes
from sklearn_align._samples import check_samples
from sklearn_align._typing import Float64Array, IntArray
from sklearn_align.plotting._display import DisplayMixin, check_axes, split_axes
from sklearn_align.plotting._frames import unmapped_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection

_RandomState = int | np.random.RandomState | None

# Two colours that are told apart with any colour vision; a point in its ring is a match.
_SOURCE_STYLE = {"s": 12, "color": "#D55E00", "linewidths": 0, "zorder": 3}
_TARGET_STYLE = {"s": 40, "facecolors": "none", "edgecolors": "#0072B2", "zorder": 2}
_LINE_STYLE = {"colors": "0.6", "linewidths": 0.6, "zorder": 1}


class AlignmentScatterDisplay(DisplayMixin):
    """Samples of two spaces before and after alignment, in two principal components.

    The components are the principal components of the target samples, in the coordinates in which
    both spaces are compared. Source samples are projected to these components with the map (after)
    and without it (before). If the widths of the spaces differ, source samples before alignment are
    projected to their own components. Two components show whether the two distributions overlap.
    They show which samples match only if counterparts are known and joined by lines. Without
    counterparts, the distributions may also overlap after a failed alignment.

    Parameters
    ----------
    after : ndarray of shape (n_source, 2)
        Mapped source samples.

    target : ndarray of shape (n_target, 2)
        Target samples.

    before : ndarray of shape (n_source, 2), default=None
        Source samples without the map; None draws no panel before alignment.

    paired : bool, default=False
        Whether sample ``i`` of the source is the counterpart of sample ``i`` of the target, so that
        the two are joined by a line.

    own_components : bool, default=False
        Whether `before` has components of the source samples instead of the target samples.

    names : tuple of two str, default=("source", "target")
        Names of the two kinds of samples in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first of `axes_`.

    axes_ : ndarray of matplotlib Axes
        Panels before and after alignment; if `before` is None, only the panel after alignment.

    figure_ : matplotlib Figure
        The figure of `axes_`.

    sources_ : list of matplotlib PathCollection
        Source samples, for each of `axes_`.

    targets_ : list of matplotlib PathCollection
        Target samples, for each of `axes_`.

    lines_ : list of matplotlib LineCollection
        Lines between counterparts, for each of `axes_`; empty without counterparts.

    See Also
    --------
    RetrievalDisplay : Retrieval of counterparts, in all dimensions.
    AlignmentHistoryDisplay : Label-free score during a fit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.plotting import AlignmentScatterDisplay
    >>> rng = np.random.default_rng(0)
    >>> T = rng.standard_normal((100, 5))
    >>> Z = T + 0.1 * rng.standard_normal(T.shape)
    >>> display = AlignmentScatterDisplay.from_predictions(
    ...     Z, T, X=Z[:, ::-1], paired=True, n_samples=50, random_state=0
    ... )
    >>> display.after.shape
    (50, 2)
    """

    def __init__(
        self,
        after: Float64Array,
        target: Float64Array,
        *,
        before: Float64Array | None = None,
        paired: bool = False,
        own_components: bool = False,
        names: tuple[str, str] = ("source", "target"),
    ) -> None:
        self.after = after
        self.target = target
        self.before = before
        self.paired = paired
        self.own_components = own_components
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        XA: ArrayLike,
        XB: ArrayLike,
        *,
        paired: bool = False,
        n_samples: int | None = 200,
        random_state: _RandomState = None,
        names: tuple[str, str] = ("source", "target"),
        ax: Axes | Sequence[Axes] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw samples of both spaces before and after a fitted aligner maps them.

        Parameters
        ----------
        estimator : MiniVec2Vec
            Fitted; also a pipeline or a search that ends with one.

        XA : array-like of shape (n_source, n_features)
            Samples of the source space, as `estimator` takes them.

        XB : array-like of shape (n_target, n_features_target)
            Samples of the target space.

        paired : bool, default=False
            Whether sample ``i`` of `XA` is the counterpart of sample ``i`` of `XB`.

        n_samples : int or None, default=200
            Number of samples of each space that are drawn, chosen at random; None draws all. The
            components are those of all target samples.

        random_state : int, RandomState instance or None, default=None
            Pass an int to choose the same samples in every call.

        names : tuple of two str, default=("source", "target")
            Names of the two kinds of samples in the legend.

        ax : matplotlib Axes or sequence of two Axes, default=None
            Where to draw; one Axes is divided into two. None makes a new figure.

        scatter_kw : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.scatter` for all samples.

        line_kw : dict, default=None
            Passed to :class:`matplotlib.collections.LineCollection` for all lines.

        Returns
        -------
        display : AlignmentScatterDisplay
            Holds the artists.
        """
        cls._check_fitted(estimator)
        estimator, XA = reach_final(estimator, XA)
        cls._check_fitted(estimator, "map_")
        return cls.from_predictions(
            estimator.transform(XA),
            estimator.transform_target(XB),
            X=unmapped_source(estimator, XA),
            paired=paired,
            n_samples=n_samples,
            random_state=random_state,
            names=names,
            ax=ax,
            scatter_kw=scatter_kw,
            line_kw=line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        Z: ArrayLike,
        T: ArrayLike,
        *,
        X: ArrayLike | None = None,
        paired: bool = False,
        n_samples: int | None = 200,
        random_state: _RandomState = None,
        names: tuple[str, str] = ("source", "target"),
        ax: Axes | Sequence[Axes] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw mapped samples.

        Parameters
        ----------
        Z : array-like of shape (n_source, n_features)
            Mapped source samples.

        T : array-like of shape (n_target, n_features)
            Target samples.

        X : array-like of shape (n_source, n_features_source), default=None
            The source samples without the map, in the order of `Z`. None draws only the panel after
            alignment.

        paired : bool, default=False
            Whether sample ``i`` of `Z` is the counterpart of sample ``i`` of `T`.

        n_samples : int or None, default=200
            Number of samples of each space that are drawn, chosen at random; None draws all. The
            components are those of all samples in `T`.

        random_state : int, RandomState instance or None, default=None
            Pass an int to choose the same samples in every call.

        names : tuple of two str, default=("source", "target")
            Names of the two kinds of samples in the legend.

        ax : matplotlib Axes or sequence of Axes, default=None
            Where to draw; for two panels, one Axes is divided into two. None makes a new figure.

        scatter_kw : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.scatter` for all samples.

        line_kw : dict, default=None
            Passed to :class:`matplotlib.collections.LineCollection` for all lines.

        Returns
        -------
        display : AlignmentScatterDisplay
            Holds the artists.

        Raises
        ------
        ValueError
            If the shapes of `Z`, `T` and `X` do not match, or there are fewer than two features.
        """
        mapped, target = _samples(Z, "Z"), _samples(T, "T")
        if mapped.shape[1] != target.shape[1]:
            raise ValueError(
                f"Z has {mapped.shape[1]} features and T has {target.shape[1]}: pass mapped source "
                "samples as Z, the source samples without the map as X."
            )
        if paired and len(mapped) != len(target):
            raise ValueError(
                f"paired=True, but the source has {len(mapped)} samples and the target has "
                f"{len(target)}: sample i of the one must be the counterpart of sample i of the "
                "other. For samples without counterparts pass paired=False."
            )
        if n_samples is not None:
            check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        index = _subsample(rng, len(mapped), n_samples)
        index_target = index if paired else _subsample(rng, len(target), n_samples)
        centre = target.mean(axis=0)
        axes = principal_axes(target - centre, 2)
        before, own_components = None, False
        if X is not None:
            source = _samples(X, "X")
            if len(source) != len(mapped):
                raise ValueError(
                    f"X has {len(source)} samples and Z has {len(mapped)}: X holds the samples of "
                    "Z before they were mapped."
                )
            own_components = source.shape[1] != target.shape[1]
            if own_components:
                own_centre = source.mean(axis=0)
                own_axes = principal_axes(source - own_centre, 2)
                before = (source[index] - own_centre) @ own_axes
            else:
                before = (source[index] - centre) @ axes
        display = cls(
            (mapped[index] - centre) @ axes,
            (target[index_target] - centre) @ axes,
            before=before,
            paired=paired,
            own_components=own_components,
            names=names,
        )
        return display.plot(ax, scatter_kw=scatter_kw, line_kw=line_kw)

    def plot(  # type: ignore[override]
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        scatter_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of Axes, default=None
            Where to draw; for two panels, one Axes is divided into two. None makes a new figure.

        scatter_kw : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.scatter` for all samples.

        line_kw : dict, default=None
            Passed to :class:`matplotlib.collections.LineCollection` for all lines.

        Returns
        -------
        display : AlignmentScatterDisplay
            The display itself, which holds the artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If `ax` is a sequence whose length is not the number of panels.
        """
        self.axes_ = self._panels(ax)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        options = {"scatter": dict(scatter_kw or {}), "line": dict(line_kw or {})}
        self._draw(self.ax_, options)
        return self

    def _panels(self, ax: Axes | Sequence[Axes] | None) -> np.ndarray[Any, np.dtype[Any]]:
        """Return one Axes for each panel, (n_panels,)."""
        n_panels = 1 if self.before is None else 2
        if isinstance(ax, Sequence | np.ndarray):
            if len(ax) != n_panels:
                raise ValueError(
                    f"ax has {len(ax)} Axes for {n_panels} panels: pass as many, or one Axes to "
                    "divide."
                )
            return np.array(ax, dtype=object)
        first = check_axes(ax, type(self).__name__, (4.6 * n_panels, 4.8))
        if n_panels == 1:
            return np.array([first], dtype=object)
        return np.array([first, split_axes(first, (1, 2), (1.2, 0, 1, 1))], dtype=object)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        from matplotlib.collections import LineCollection

        self.sources_: list[PathCollection] = []
        self.targets_: list[PathCollection] = []
        self.lines_: list[LineCollection] = []
        panels = [("after alignment", self.after)]
        if self.before is not None:
            panels.insert(0, ("before alignment", self.before))
        for panel, (title, source) in zip(self.axes_, panels, strict=True):
            if self.paired:
                ends = np.stack([source, self.target], axis=1)
                style = {**_LINE_STYLE, "label": "counterparts", **plot_kwargs["line"]}
                lines = LineCollection(ends.tolist(), **style)
                panel.add_collection(lines)
                self.lines_.append(lines)
            for points, found, style, label in (
                (self.target, self.targets_, _TARGET_STYLE, self.names[1]),
                (source, self.sources_, _SOURCE_STYLE, self.names[0]),
            ):
                options = {**style, "label": label, **plot_kwargs["scatter"]}
                found.append(panel.scatter(points[:, 0], points[:, 1], **options))
            own = self.own_components and title == "before alignment"
            space = "each space" if own else "the target space"
            panel.set(title=title, xlabel=f"Component 1 of {space}", ylabel="Component 2")
        limits = _limits([self.target, *(source for _, source in panels)])
        for panel in self.axes_:
            # Both panels have the same scale, so that the lengths of lines can be compared.
            panel.set(xlim=limits[0], ylim=limits[1])
        # Below the axes, where it hides no samples.
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False)


def _samples(X: ArrayLike, name: str) -> Float64Array:
    """Return samples (n_samples, n_features) of at least two features in double precision."""
    values = check_samples(X, input_name=name).astype(np.float64)
    if values.shape[1] < 2:
        raise ValueError(f"{name} has one feature: two components need at least two features.")
    return values


def _subsample(rng: np.random.RandomState, n_available: int, n_samples: int | None) -> IntArray:
    """Return the indices of at most `n_samples` samples, (n_drawn,), in their order."""
    if n_samples is None or n_samples >= n_available:
        return np.arange(n_available)
    return np.sort(rng.permutation(n_available)[:n_samples])


def _limits(clouds: list[Float64Array]) -> Float64Array:
    """Limits of both axes (2, 2) around all points, with a margin."""
    points = np.concatenate(clouds)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * np.where(high > low, high - low, 1.0)
    return np.stack([low - margin, high + margin], axis=1)
