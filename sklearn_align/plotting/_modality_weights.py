"""Mean weights of the modalities in groups of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from sklearn_align._compose import modalities_of, reach_final
from sklearn_align._typing import BoolArray, Float64Array
from sklearn_align.metrics import effective_modalities
from sklearn_align.plotting._display import DisplayMixin
from sklearn_align.plotting._groups import Groups, label_groups, presence_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ModalityWeightsDisplay(DisplayMixin):
    """Mean weight of each modality, over all samples and over groups of samples.

    The weights are the coefficients of the modalities in the fused representation. They do not
    measure how much a prediction depends on a modality; for this, use
    :class:`ModalityImportanceDisplay`.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_modalities)
        Result of ``modality_weights``.

    modality_names : list of str
        Names of the columns.

    groups : ndarray of shape (n_samples,), default=None
        Group of each sample; a bar is drawn for each group, below the bar of all samples.

    group_names : list, default=None
        Distinct groups in the order of their bars. By default they are sorted by value.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    bars_ : dict of str to matplotlib BarContainer
        Bars of each modality: first the bar of all samples, then the bars of the groups.

    group_names_ : list
        Groups in the order of the bars.

    See Also
    --------
    ModalityImportanceDisplay : How much a score depends on each modality.
    sklearn_align.metrics.effective_modalities : Effective number of modalities of each sample.

    Examples
    --------
    >>> from sklearn_align.plotting import ModalityWeightsDisplay
    >>> display = ModalityWeightsDisplay.from_predictions(
    ...     [[0.7, 0.3], [1.0, 0.0]],
    ...     modality_names=["image", "sound"],
    ...     groups=["image + sound", "image"],
    ... )
    >>> display.group_names_
    ['image', 'image + sound']
    """

    def __init__(
        self,
        weights: Float64Array,
        modality_names: Sequence[str],
        groups: NDArray[Any] | None = None,
        *,
        group_names: Sequence[Any] | None = None,
    ) -> None:
        self.weights = weights
        self.modality_names = modality_names
        self.groups = groups
        self.group_names = group_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw the weights of a fitted fusion.

        Parameters
        ----------
        estimator : AECFClassifier, AECFRegressor or AECFEmbedder
            Fitted; also a pipeline or a search that ends with one.

        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples, as `estimator` takes them.

        y : array-like of shape (n_samples,), default=None
            Classes or other labels by which samples are grouped. By default, samples are grouped by
            the present modalities.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityWeightsDisplay
            Holds the artists.
        """
        cls._check_fitted(estimator)
        final, X_final = reach_final(estimator, X)
        if not hasattr(final, "modality_weights"):
            raise TypeError(
                f"{type(final).__name__} has no modality_weights: pass a fitted AECF estimator, or "
                "a pipeline or a search that ends with one."
            )
        groups, modalities = None, modalities_of(final)
        if y is not None:
            groups = label_groups(y)
        elif modalities is not None:
            groups = presence_groups(X_final, modalities)
        weights = final.modality_weights(X_final)
        names = list(final.modality_names_)
        return cls._from_groups(weights, names, groups).plot(ax, **plot_kwargs)

    @classmethod
    def from_predictions(
        cls,
        weights: ArrayLike,
        *,
        modality_names: Sequence[str] | None = None,
        groups: ArrayLike | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw weights that were computed before.

        Parameters
        ----------
        weights : array-like of shape (n_samples, n_modalities)
            As ``modality_weights`` returns them.

        modality_names : sequence of str, default=None
            Names of the columns; numbers by default.

        groups : array-like of shape (n_samples,), default=None
            Group of each sample; the groups are sorted by value.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityWeightsDisplay
            Holds the artists.

        Raises
        ------
        ValueError
            If names or groups do not match the weights.
        """
        names = None if modality_names is None else list(modality_names)
        labelled = None if groups is None else label_groups(groups)
        return cls._from_groups(weights, names, labelled).plot(ax, **plot_kwargs)

    @classmethod
    def _from_groups(
        cls, weights: ArrayLike, names: list[str] | None, groups: Groups | None
    ) -> Self:
        """Check names and groups against `weights` (n_samples, n_modalities)."""
        values = np.asarray(check_array(weights, dtype=np.float64, input_name="weights"))
        if names is None:
            names = [f"modality {j}" for j in range(values.shape[1])]
        if len(names) != values.shape[1]:
            raise ValueError(
                f"modality_names has {len(names)} names for {values.shape[1]} columns of weights."
            )
        if groups is None:
            return cls(values, names)
        check_consistent_length(values, groups.labels)
        return cls(values, names, groups.labels, group_names=groups.names)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        members: list[tuple[Any, BoolArray]] = [
            ("all samples", np.ones(len(self.weights), dtype=bool))
        ]
        self.group_names_: list[Any] = []
        if self.groups is not None:
            groups = label_groups(self.groups)
            if self.group_names is not None:
                groups = Groups(groups.labels, list(self.group_names))
            self.group_names_ = groups.names
            members += groups.members()
        means = np.array([self.weights[mask].mean(axis=0) for _, mask in members])
        place = np.arange(len(members))
        left = np.zeros(len(members))
        self.bars_ = {}
        for name, mean in zip(self.modality_names, means.T, strict=True):
            self.bars_[name] = ax.barh(place, mean, left=left, **{"label": name, **plot_kwargs})
            left += mean
        effective = effective_modalities(self.weights)
        ax.set_yticks(
            place,
            [
                f"{name}\nn={int(mask.sum())}, effective {effective[mask].mean():.2f}"
                for name, mask in members
            ],
        )
        ax.invert_yaxis()
        ax.set(xlabel="Mean weight", xlim=(0, 1))
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(self.modality_names), 4))
