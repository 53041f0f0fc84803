"""Importance of the modalities for the score of an estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_array

from sklearn_align._modalities import Columns
from sklearn_align._typing import Float64Array
from sklearn_align.metrics import modality_importance
from sklearn_align.plotting._display import DisplayMixin

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ModalityImportanceDisplay(DisplayMixin):
    """Importance of each modality, with its standard deviation over the repeats.

    Parameters
    ----------
    importances : dict of str to ndarray of shape (n_modalities, n_repeats)
        Importances by name. A name is the name of a method, an estimator or a scorer.

    modality_names : list of str
        Names of the modalities.

    score_name : str, default="score"
        Name of the score in the label of the x axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    bars_ : dict of str to matplotlib BarContainer
        Means over the repeats by the names in `importances`, with one bar for each modality. If
        there are several repeats, bars have an error bar.

    See Also
    --------
    sklearn_align.metrics.modality_importance : Computes the importances.
    ModalityWeightsDisplay : Weights of the modalities in the fused representation.

    Examples
    --------
    >>> from sklearn_align.plotting import ModalityImportanceDisplay
    >>> display = ModalityImportanceDisplay.from_importances(
    ...     [[0.21, 0.19], [0.02, 0.0]], modality_names=["image", "sound"], score_name="accuracy"
    ... )
    >>> [round(float(bar.get_width()), 2) for bar in display.bars_["importance"]]
    [0.2, 0.01]
    """

    def __init__(
        self,
        importances: Mapping[str, Float64Array],
        modality_names: Sequence[str],
        *,
        score_name: str = "score",
    ) -> None:
        self.importances = importances
        self.modality_names = modality_names
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        method: str = "drop",
        scoring: Any = None,
        modalities: Mapping[str, Columns] | None = None,
        n_repeats: int = 5,
        empty_score: str | float | Mapping[str, float] = "estimator",
        sample_weight: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Compute the importances for a fitted estimator and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator. For pipelines and searches, X is the input of the pipeline or the
            search.

        X : array-like or DataFrame of shape (n_samples, n_features)
            Samples for the score.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.

        method : {"drop", "permute", "shapley"}, default="drop"
            See :func:`~sklearn_align.metrics.modality_importance`.

        scoring : str, callable, list, tuple, dict or None, default=None
            One scorer or several scorers; None uses the estimator's ``score``.

        modalities : dict, default=None
            The blocks; by default, `modalities` of the estimator.

        n_repeats : int, default=5
            Number of permutations.

        empty_score : "estimator", "constant", float or dict of str to float, default="estimator"
            The score without any modality, for "shapley".

        sample_weight : array-like of shape (n_samples,), default=None
            Passed to the scorers.

        random_state : int, RandomState instance or None, default=None
            Pass an int for the same result in every call.

        n_jobs : int, default=None
            Scores computed in parallel.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityImportanceDisplay
            Holds the artists.
        """
        result = modality_importance(
            estimator,
            X,
            y,
            method=method,
            scoring=scoring,
            modalities=modalities,
            n_repeats=n_repeats,
            empty_score=empty_score,
            sample_weight=sample_weight,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        score_name = scoring if isinstance(scoring, str) else "score"
        named = {method: result} if isinstance(result, Bunch) else result
        return cls.from_importances(named, score_name=score_name, ax=ax, **plot_kwargs)

    @classmethod
    def from_importances(
        cls,
        importances: Any,
        *,
        modality_names: Sequence[str] | None = None,
        score_name: str = "score",
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw importances that were computed before.

        Parameters
        ----------
        importances : Bunch, array-like of shape (n_modalities, n_repeats) or dict of str to such
            Result of :func:`~sklearn_align.metrics.modality_importance`. The results in a dict,
            such as several methods, estimators or scorers, are drawn side by side.

        modality_names : sequence of str, default=None
            Names of the modalities; by default, the names in the Bunch, or numbers.

        score_name : str, default="score"
            Name of the score in the label of the x axis.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.barh` for all bars.

        Returns
        -------
        display : ModalityImportanceDisplay
            Holds the artists.

        Raises
        ------
        ValueError
            If importances are not finite, or are for different modalities.
        """
        several = isinstance(importances, Mapping) and "importances" not in importances
        named = dict(importances) if several else {"importance": importances}
        if not named:
            raise ValueError("importances is an empty dict: pass at least one result.")
        arrays = {name: _check_importances(name, one) for name, one in named.items()}
        found = {
            name: _names_of(one, len(arrays[name]), modality_names) for name, one in named.items()
        }
        names = next(iter(found.values()))
        for name, other in found.items():
            if other != names:
                raise ValueError(
                    f"importances of {name!r} are of the modalities {other}, others of {names}: "
                    "draw them in separate displays."
                )
        return cls(arrays, names, score_name=score_name).plot(ax, **plot_kwargs)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        place = np.arange(len(self.modality_names))
        height = 0.8 / len(self.importances)
        self.bars_ = {}
        for number, (name, values) in enumerate(self.importances.items()):
            style = {"height": height, "label": str(name), **plot_kwargs}
            if values.shape[1] > 1:
                style.setdefault("xerr", values.std(axis=1))
            shift = (number - (len(self.importances) - 1) / 2) * height
            self.bars_[name] = ax.barh(place + shift, values.mean(axis=1), **style)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_yticks(place, self.modality_names)
        ax.invert_yaxis()
        ax.set(xlabel=f"Importance (difference of {self.score_name})")
        if len(self.importances) > 1:
            ax.legend()


def _check_importances(name: str, result: Any) -> Float64Array:
    """Return the importances (n_modalities, n_repeats) of a result or an array."""
    values = result["importances"] if isinstance(result, Mapping) else result
    return np.asarray(check_array(values, dtype=np.float64, input_name=f"importances of {name!r}"))


def _names_of(result: Any, n_modalities: int, given: Sequence[str] | None) -> list[str]:
    """Return the names of the modalities of a result or an array."""
    names = result.get("names") if given is None and isinstance(result, Mapping) else given
    if names is None:
        return [f"modality {m}" for m in range(n_modalities)]
    if len(names) != n_modalities:
        raise ValueError(f"modality_names has {len(names)} names for {n_modalities} modalities.")
    return list(names)
