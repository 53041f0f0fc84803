"""Accuracy as a function of confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_align._compose import modalities_of, reach_final
from sklearn_align._modalities import Columns
from sklearn_align._typing import BoolArray
from sklearn_align.metrics._calibration import (
    ConfidenceBins,
    Strategy,
    bin_confidence,
    calibration_problems,
    expected_calibration_error,
)
from sklearn_align.metrics._modality import find_modalities
from sklearn_align.plotting._display import DisplayMixin, split_axes
from sklearn_align.plotting._groups import Groups, label_groups, presence_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# The standard error of an accuracy measured on fewer samples is up to 0.11 and more.
_FEW_SAMPLES = 20
_THIN_STYLE: dict[str, Any] = {"marker": "o", "markersize": 4, "markerfacecolor": "none"}


class ReliabilityDisplay(DisplayMixin):
    """Accuracy against confidence, with a histogram of the confidence below.

    In a bin of few samples, the measured accuracy has a large random error. By default, bins
    therefore have equal weight. Bins of fewer than 20 samples are not part of the curve: they are
    open markers with the number of their samples.

    Parameters
    ----------
    bins : dict of str to ConfidenceBins
        Mean confidence, accuracy, weight and number of samples in each bin, by the name of the
        group.

    errors : dict of str to float
        :func:`~sklearn_align.metrics.expected_calibration_error` in these bins, by the name of the
        group. By default, this function uses other bins than the display.

    histogram_bins : dict of str to ConfidenceBins, default=None
        Bins of equal width for the histogram; by default `bins`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Accuracy against confidence.

    histogram_ax_ : matplotlib Axes
        Share of the samples by confidence.

    figure_ : matplotlib Figure
        The figure of both.

    lines_ : list of matplotlib Line2D
        One for each group, through its bins of at least 20 samples.

    thin_bins_ : list of matplotlib Line2D
        Markers of the bins of fewer samples, one artist for each group that has such bins.

    histograms_ : list of matplotlib Line2D
        One for each group.

    See Also
    --------
    sklearn_align.metrics.expected_calibration_error : The error in one number.
    sklearn.calibration.CalibrationDisplay : The curve of one of two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.plotting import ReliabilityDisplay
    >>> rng = np.random.default_rng(0)
    >>> proba = rng.dirichlet(np.ones(3), size=500)
    >>> y = (proba.cumsum(axis=1) < rng.random((500, 1))).sum(axis=1)
    >>> display = ReliabilityDisplay.from_predictions(y, proba, name="perfect")
    >>> bool(display.errors["perfect"] < 0.1)
    True
    """

    def __init__(
        self,
        bins: Mapping[str, ConfidenceBins],
        errors: Mapping[str, float],
        histogram_bins: Mapping[str, ConfidenceBins] | None = None,
    ) -> None:
        self.bins = bins
        self.errors = errors
        self.histogram_bins = histogram_bins

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        by_presence: bool = False,
        modalities: Mapping[str, Columns] | None = None,
        n_bins: int = 10,
        strategy: Strategy = "quantile",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``; also a pipeline or a search.

        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Targets.

        by_presence : bool, default=False
            Draw a curve for each set of modalities that occurs.

        modalities : dict, default=None
            The blocks of X, for `by_presence`; by default, `modalities` of the estimator. In a
            pipeline, blocks of the input of the last step.

        n_bins : int, default=10
            Number of bins.

        strategy : {"uniform", "quantile"}, default="quantile"
            Bins of equal width or of equal weight.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        name : str, default=None
            Name in the legend; by default, the name of the class. Not used with `by_presence`.

        ax : matplotlib Axes, default=None
            Where to draw; its lower part is used for the histogram. None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all curves.

        Returns
        -------
        display : ReliabilityDisplay
            Holds the artists.
        """
        cls._check_fitted(estimator)
        groups = None
        if by_presence:
            if modalities is None:
                find_modalities([estimator])
                final, X_final = reach_final(estimator, X)
                groups = presence_groups(X_final, modalities_of(final))
            else:
                groups = presence_groups(X, modalities)
        target = np.asarray(y)
        return cls._from_groups(
            target,
            np.asarray(estimator.predict_proba(X)),
            groups=groups,
            n_bins=n_bins,
            strategy=strategy,
            sample_weight=sample_weight,
            labels=None if target.ndim == 2 else estimator.classes_,
            name=type(estimator).__name__ if name is None else name,
        ).plot(ax, **plot_kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        n_bins: int = 10,
        strategy: Strategy = "quantile",
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        name: str = "classifier",
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw the reliability of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of labels.

        y_proba : array-like of shape (n_samples, n_classes), (n_samples,) or (n_samples, n_labels)
            Probabilities.

        groups : array-like of shape (n_samples,), default=None
            Group of each sample; a curve is drawn for each group, sorted by value.

        n_bins : int, default=10
            Number of bins.

        strategy : {"uniform", "quantile"}, default="quantile"
            Bins of equal width or of equal weight.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        labels : array-like of shape (n_classes,), default=None
            Classes in the order of the columns of `y_proba`. By default the sorted classes in
            `y_true`.

        name : str, default="classifier"
            Name in the legend. Not used with `groups`.

        ax : matplotlib Axes, default=None
            Where to draw; its lower part is used for the histogram. None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all curves.

        Returns
        -------
        display : ReliabilityDisplay
            Holds the artists. All labels of a multilabel target are in one curve.
        """
        return cls._from_groups(
            np.asarray(y_true),
            np.asarray(y_proba),
            groups=None if groups is None else label_groups(groups),
            n_bins=n_bins,
            strategy=strategy,
            sample_weight=sample_weight,
            labels=labels,
            name=name,
        ).plot(ax, **plot_kwargs)

    @classmethod
    def _from_groups(
        cls,
        target: NDArray[Any],
        proba: NDArray[Any],
        *,
        groups: Groups | None,
        n_bins: int,
        strategy: Strategy,
        sample_weight: ArrayLike | None,
        labels: ArrayLike | None,
        name: str,
    ) -> Self:
        """Bin the confidence of each group, or of all samples under `name`."""
        check_consistent_length(target, proba)
        if labels is None and target.ndim == 1:
            labels = np.unique(target)
        if groups is None:
            parts = {name: np.ones(len(target), dtype=bool)}
        else:
            check_consistent_length(target, groups.labels)
            parts = {str(group): mask for group, mask in groups.members()}
        weight = None if sample_weight is None else column_or_1d(sample_weight)
        bins, errors, histogram_bins = {}, {}, {}
        for group, mask in parts.items():
            part_weight = None if weight is None else weight[mask]
            problems = calibration_problems(target[mask], proba[mask], part_weight, labels)
            confidence, hit, weights = (
                np.concatenate(values) for values in zip(*problems, strict=True)
            )
            bins[group] = bin_confidence(confidence, hit, weights, n_bins=n_bins, strategy=strategy)
            histogram_bins[group] = bin_confidence(
                confidence, hit, weights, n_bins=n_bins, strategy="uniform"
            )
            errors[group] = expected_calibration_error(
                target[mask],
                proba[mask],
                n_bins=n_bins,
                strategy=strategy,
                sample_weight=part_weight,
                labels=labels,
            )
        return cls(bins, errors, histogram_bins)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        self.histogram_ax_ = split_axes(
            ax, (2, 1), (0, -0.4, 1, 0.3), sharex=ax, height_ratios=[3, 1], hspace=0.08
        )
        self.lines_ = []
        self.thin_bins_: list[Line2D] = []
        self.histograms_ = []
        ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="perfectly calibrated")
        for name, group in self.bins.items():
            label = f"{name} (ECE {self.errors[name]:.3f})"
            thin = _thin(group)
            (line,) = ax.plot(
                group.confidence[~thin],
                group.accuracy[~thin],
                **{"marker": "o", "markersize": 4, "label": label, **plot_kwargs},
            )
            self.lines_.append(line)
            self._draw_thin_bins(ax, group, thin, line)
            shares = group if self.histogram_bins is None else self.histogram_bins[name]
            self.histograms_ += self.histogram_ax_.plot(
                shares.confidence,
                shares.weight / shares.weight.sum(),
                marker="|",
                color=line.get_color(),
            )
        ax.set(ylabel="Accuracy", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.tick_params(labelbottom=False)
        self.histogram_ax_.set(xlabel="Confidence", ylabel="Samples")
        self.histogram_ax_.yaxis.set_major_formatter("{x:.0%}")
        self.histogram_ax_.set_ylim(bottom=0)
        if self.thin_bins_:
            style = {"linestyle": "none", "color": "0.4", **_THIN_STYLE}
            ax.plot([], [], label=f"bin of fewer than {_FEW_SAMPLES} samples", **style)
        ax.legend()

    def _draw_thin_bins(
        self, ax: Axes, group: ConfidenceBins, thin: BoolArray, line: Line2D
    ) -> None:
        """Draw the bins (n_bins,) that are `thin`, and their numbers of samples."""
        if group.n_samples is None or not thin.any():
            return
        places = np.stack([group.confidence[thin], group.accuracy[thin]], axis=1)
        self.thin_bins_ += ax.plot(
            *places.T, linestyle="none", color=line.get_color(), alpha=0.5, **_THIN_STYLE
        )
        for place, n_samples in zip(places, group.n_samples[thin], strict=True):
            ax.annotate(
                str(n_samples),
                place,
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="x-small",
                color=line.get_color(),
            )


def _thin(group: ConfidenceBins) -> BoolArray:
    """Whether each bin (n_bins,) holds too few samples to say anything about the accuracy."""
    if group.n_samples is None:
        return np.zeros(len(group.weight), dtype=bool)
    return np.asarray(group.n_samples < _FEW_SAMPLES)
