"""Which modalities a fusion relies on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from sklearn_align.metrics import effective_modalities
from sklearn_align.plotting._common import get_axes, ordered_groups, presence_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ModalityWeightsDisplay:
    """Mean weight of each modality, in all rows and in groups of rows.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_modalities)
        As ``modality_weights`` returns them.

    modality_names : list of str
        Names of the columns.

    groups : ndarray of shape (n_samples,), default=None
        Group of each row; a bar is drawn for each group, below that of all rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    bars_ : dict of str to matplotlib BarContainer
        Bars of each modality, first that of all rows, then those of the groups.

    group_names_ : list
        Groups in the order of the bars.

    See Also
    --------
    sklearn_align.metrics.effective_modalities : Number of modalities used, by row.

    Examples
    --------
    >>> from sklearn_align.plotting import ModalityWeightsDisplay
    >>> display = ModalityWeightsDisplay.from_predictions(
    ...     [[0.7, 0.3], [1.0, 0.0]],
    ...     modality_names=["image", "sound"],
    ...     groups=["image + sound", "image"],
    ... )
    >>> display.group_names_
    ['image + sound', 'image']
    """

    def __init__(
        self,
        weights: NDArray[np.float64],
        modality_names: Sequence[str],
        groups: NDArray[Any] | None = None,
    ) -> None:
        self.weights = weights
        self.modality_names = modality_names
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        ax: Axes | None = None,
        **bar_kwargs: Any,
    ) -> Self:
        """Draw the weights of a fitted fusion.

        Parameters
        ----------
        estimator : AECFClassifier, AECFRegressor or AECFEmbedder
            Fitted.

        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        y : array-like of shape (n_samples,), default=None
            Classes or other labels by which rows are grouped. By default they are grouped by the
            modalities that are present.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **bar_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityWeightsDisplay
            Holds the artists.
        """
        check_is_fitted(estimator)
        groups: Any = y
        if y is None and estimator.modalities is not None:
            groups = presence_groups(X, estimator.modalities)
        return cls.from_predictions(
            estimator.modality_weights(X),
            modality_names=list(estimator.modality_names_),
            groups=groups,
            ax=ax,
            **bar_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        weights: ArrayLike,
        *,
        modality_names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        ax: Axes | None = None,
        **bar_kwargs: Any,
    ) -> Self:
        """Draw weights computed beforehand.

        Parameters
        ----------
        weights : array-like of shape (n_samples, n_modalities)
            As ``modality_weights`` returns them.

        modality_names : sequence of str, default=None
            Names of the columns; numbers by default.

        groups : array-like of shape (n_samples,), default=None
            Group of each row.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **bar_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityWeightsDisplay
            Holds the artists.

        Raises
        ------
        ValueError
            If names or groups do not fit the weights.
        """
        values = np.asarray(check_array(weights, dtype=np.float64, input_name="weights"))
        names = [f"modality {j}" for j in range(values.shape[1])]
        names = names if modality_names is None else list(modality_names)
        if len(names) != values.shape[1]:
            raise ValueError(
                f"modality_names has {len(names)} names for {values.shape[1]} columns of weights."
            )
        labels = None
        if groups is not None:
            labels = column_or_1d(groups)
            check_consistent_length(values, labels)
        return cls(values, names, labels).plot(ax, **bar_kwargs)

    def plot(self, ax: Axes | None = None, **bar_kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **bar_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityWeightsDisplay
            Self.
        """
        self.ax_ = ax = get_axes(ax, type(self).__name__)
        self.figure_ = ax.figure
        self.group_names_ = [] if self.groups is None else ordered_groups(self.groups)
        rows = [np.ones(len(self.weights), dtype=bool)]
        rows += [self.groups == group for group in self.group_names_]
        means = np.array([self.weights[chosen].mean(axis=0) for chosen in rows])
        place = np.arange(len(rows))
        left = np.zeros(len(rows))
        self.bars_ = {}
        for name, mean in zip(self.modality_names, means.T, strict=True):
            self.bars_[name] = ax.barh(place, mean, left=left, **{"label": name, **bar_kwargs})
            left += mean
        effective = effective_modalities(self.weights)
        ax.set_yticks(
            place,
            [
                f"{group} (n={int(chosen.sum())}, uses {effective[chosen].mean():.2f})"
                for group, chosen in zip(["all rows", *self.group_names_], rows, strict=True)
            ],
        )
        ax.invert_yaxis()
        ax.set(xlabel="Mean weight", xlim=(0, 1))
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(self.modality_names), 4))
        return self
