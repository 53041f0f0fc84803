"""Score as a function of the rate of missing modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_align._compose import final_estimator
from sklearn_align._modalities import Columns
from sklearn_align._typing import Float64Array
from sklearn_align.metrics._modality import missing_modality_curve
from sklearn_align.plotting._display import DisplayMixin

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class MissingModalityDisplay(DisplayMixin):
    """Score against the rate at which modalities are dropped, with bands over the repeats.

    Parameters
    ----------
    rates : ndarray of shape (n_rates,)
        Drop rates.

    scores : dict of str to ndarray of shape (n_rates, n_repeats)
        Scores by the name of the estimator.

    score_name : str, default="Score"
        Label of the y axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    lines_ : list of matplotlib Line2D
        Means over the repeats, one line for each estimator.

    bands_ : list of matplotlib PolyCollection
        One standard deviation on both sides of the mean.

    See Also
    --------
    sklearn_align.metrics.missing_modality_curve : Computes the scores.

    Examples
    --------
    >>> from sklearn_align.plotting import MissingModalityDisplay
    >>> scores = {"fusion": [[0.9, 0.9], [0.8, 0.82]], "boosting": [[0.9, 0.9], [0.6, 0.66]]}
    >>> display = MissingModalityDisplay.from_predictions([0, 0.5], scores)
    >>> len(display.lines_)
    2
    """

    def __init__(
        self,
        rates: Float64Array,
        scores: Mapping[str, Float64Array],
        *,
        score_name: str = "Score",
    ) -> None:
        self.rates = rates
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        rates: Sequence[float] = (0.0, 0.25, 0.5, 0.75),
        modalities: Mapping[str, Columns] | None = None,
        scoring: Any = None,
        n_repeats: int = 5,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Score fitted estimators at several drop rates and draw.

        Parameters
        ----------
        estimator : estimator or dict of str to estimator
            Fitted estimator, or a dict of several by name, which are compared on the same missing
            blocks. For pipelines and searches, X is the input of the pipeline or the search.

        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples for the score.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.

        rates : sequence of float, default=(0, 0.25, 0.5, 0.75)
            Drop rates in [0, 1].

        modalities : dict, default=None
            The blocks; by default, `modalities` of the estimator.

        scoring : str, callable or None, default=None
            A scikit-learn scorer; None uses the estimator's ``score``.

        n_repeats : int, default=5
            Number of random draws of the missing blocks.

        random_state : int, RandomState instance or None, default=None
            Pass an int to drop the same blocks in every call.

        n_jobs : int, default=None
            Scores computed in parallel.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : MissingModalityDisplay
            Holds the artists.
        """
        named = (
            estimator
            if isinstance(estimator, Mapping)
            else {type(final_estimator(estimator)).__name__: estimator}
        )
        curve = missing_modality_curve(
            named,
            X,
            y,
            rates=rates,
            modalities=modalities,
            scoring=scoring,
            n_repeats=n_repeats,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        score_name = scoring if isinstance(scoring, str) else "Score"
        return cls.from_predictions(
            curve.rates, curve.scores, score_name=score_name, ax=ax, **plot_kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        rates: ArrayLike,
        scores: Mapping[str, ArrayLike] | ArrayLike,
        *,
        score_name: str = "Score",
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw scores that were computed before.

        Parameters
        ----------
        rates : array-like of shape (n_rates,)
            Drop rates.

        scores : array-like of shape (n_rates, n_repeats), or dict of str to such
            As :func:`~sklearn_align.metrics.missing_modality_curve` returns them.

        score_name : str, default="Score"
            Label of the y axis.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : MissingModalityDisplay
            Holds the artists.

        Raises
        ------
        ValueError
            If an array of scores does not have one row for each rate, or a number is not finite.
        """
        points = np.asarray(rates, dtype=np.float64)
        if not np.isfinite(points).all():
            raise ValueError(f"rates must be finite, got {rates!r}.")
        named = scores if isinstance(scores, Mapping) else {"estimator": scores}
        arrays = {}
        for name, values in named.items():
            array = np.asarray(values, dtype=np.float64)
            if array.ndim != 2 or len(array) != len(points):
                raise ValueError(
                    f"scores of {name!r} must have shape ({len(points)}, n_repeats), one row for "
                    f"each rate, got {array.shape}."
                )
            if not np.isfinite(array).all():
                wrong = points[~np.isfinite(array).all(axis=1)]
                raise ValueError(
                    f"scores of {name!r} must be finite; those at the rates {wrong.tolist()} are "
                    "not."
                )
            arrays[name] = array
        return cls(points, arrays, score_name=score_name).plot(ax, **plot_kwargs)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        self.lines_ = []
        self.bands_ = []
        percent = 100 * self.rates
        for name, scores in self.scores.items():
            mean, std = scores.mean(axis=1), scores.std(axis=1)
            (line,) = ax.plot(percent, mean, **{"marker": "o", "label": name, **plot_kwargs})
            self.lines_.append(line)
            self.bands_.append(
                ax.fill_between(
                    percent, mean - std, mean + std, color=line.get_color(), alpha=0.2, linewidth=0
                )
            )
        ax.set(xlabel="Blocks dropped (%), one kept in every sample", ylabel=self.score_name)
        ax.legend()
