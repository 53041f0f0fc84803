"""Retrieval of counterparts as a function of the number of nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from sklearn_align._compose import reach_final
from sklearn_align._linalg import polar_factor
from sklearn_align._typing import Float64Array, IntArray
from sklearn_align.metrics._alignment import check_paired, count_better, hits_among_top
from sklearn_align.plotting._display import DisplayMixin
from sklearn_align.plotting._frames import unmapped_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_POINTS = 60


class RetrievalDisplay(DisplayMixin):
    """Share of samples whose counterpart is among their `k` nearest neighbours, for all `k`.

    As a function of `k` this is the cumulative distribution of the rank of the counterpart.

    Parameters
    ----------
    ks : ndarray of shape (n_points,)
        Numbers of nearest neighbours.

    accuracies : dict of str to ndarray of shape (n_points,)
        :func:`~sklearn_align.metrics.retrieval_accuracy` at each of `ks`, by the name of the map.

    n_samples : int
        Number of samples among which the counterpart is searched.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    lines_ : list of matplotlib Line2D
        One for each map.

    chance_line_ : matplotlib Line2D
        Expected accuracy of a random map.

    See Also
    --------
    sklearn_align.metrics.retrieval_accuracy : The value at one `k`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align.plotting import RetrievalDisplay
    >>> rng = np.random.default_rng(0)
    >>> T = rng.standard_normal((100, 5))
    >>> Z = T + 0.5 * rng.standard_normal(T.shape)
    >>> display = RetrievalDisplay.from_predictions(Z, T, name="noisy")
    >>> float(display.accuracies["noisy"][-1])
    1.0
    """

    def __init__(
        self, ks: IntArray, accuracies: Mapping[str, Float64Array], n_samples: int
    ) -> None:
        self.ks = ks
        self.accuracies = accuracies
        self.n_samples = n_samples

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        XA: ArrayLike,
        XB: ArrayLike,
        *,
        pairs: tuple[ArrayLike, ArrayLike] | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw the retrieval of a fitted aligner on paired samples, before and after alignment.

        Parameters
        ----------
        estimator : MiniVec2Vec
            Fitted; also a pipeline or a search that ends with one.

        XA : array-like of shape (n_samples, n_features)
            Samples of the source space, as `estimator` takes them.

        XB : array-like of shape (n_samples, n_features_target)
            Their counterparts in the target space, in the same order.

        pairs : tuple of two array-likes, default=None
            Other paired samples of both spaces, on which a supervised map is fitted for comparison
            (orthogonal Procrustes, "oracle").

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : RetrievalDisplay
            Holds the artists. The curve "before alignment" is drawn only if both spaces have the
            same number of features.
        """
        cls._check_fitted(estimator)
        check_consistent_length(XA, XB)
        outer = estimator
        estimator, XA = reach_final(outer, XA)
        cls._check_fitted(estimator, "map_")
        T = estimator.transform_target(XB)
        maps = {}
        A = unmapped_source(estimator, XA)
        if A.shape[1] == T.shape[1]:
            maps["before alignment"] = A
        maps["aligned"] = estimator.transform(XA)
        if pairs is not None:
            pairs_A, pairs_B = pairs
            check_consistent_length(pairs_A, pairs_B)
            known_T = estimator.transform_target(pairs_B)
            known_A = unmapped_source(estimator, reach_final(outer, pairs_A)[1])
            maps["oracle"] = A @ polar_factor(known_A.T @ known_T)
        return cls._from_maps(maps, T).plot(ax, **plot_kwargs)

    @classmethod
    def from_predictions(
        cls,
        Z: ArrayLike,
        T: ArrayLike,
        *,
        name: str = "aligned",
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw the retrieval of mapped samples.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features)
            Mapped source samples.

        T : array-like of shape (n_samples, n_features)
            Their counterparts, in the same order.

        name : str, default="aligned"
            Name in the legend.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : RetrievalDisplay
            Holds the artists.
        """
        return cls._from_maps({name: Z}, T).plot(ax, **plot_kwargs)

    @classmethod
    def _from_maps(cls, maps: Mapping[str, ArrayLike], T: ArrayLike) -> Self:
        """Accuracies of several mapped versions of the source samples."""
        ks = np.empty(0, dtype=np.intp)
        accuracies = {}
        for name, Z in maps.items():
            unit_Z, unit_T = check_paired(Z, T)
            if not len(ks):
                ks = np.unique(np.geomspace(1, len(unit_T), _N_POINTS).round().astype(np.intp))
            n_better, n_tied = count_better(unit_Z, unit_T)
            accuracies[name] = np.array(
                [hits_among_top(n_better, n_tied, int(k)).mean() for k in ks]
            )
        return cls(ks, accuracies, int(ks[-1]))

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        self.lines_ = []
        for name, accuracy in self.accuracies.items():
            label = f"{name} (top-1 {accuracy[0]:.3f})"
            style = {"label": label, "linestyle": "--" if name == "oracle" else "-", **plot_kwargs}
            self.lines_ += ax.plot(self.ks, accuracy, **style)
        (self.chance_line_,) = ax.plot(
            self.ks, self.ks / self.n_samples, color="0.6", linestyle=":", label="chance"
        )
        ax.set(
            xscale="log",
            xlabel=f"k (of {self.n_samples} samples)",
            ylabel="Counterpart among the k nearest",
            ylim=(-0.02, 1.02),
        )
        ax.legend()
