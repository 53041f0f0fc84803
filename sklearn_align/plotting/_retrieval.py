"""How often mapped rows find their counterparts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sklearn_align._linalg import polar_factor, unit_rows
from sklearn_align.metrics._alignment import check_paired, count_better, hits_among_top
from sklearn_align.plotting._common import get_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.floating[Any]]
_N_POINTS = 60


class RetrievalDisplay:
    """Share of rows whose counterpart is among their `k` nearest rows, for all `k`.

    Seen from the other side, the curve is the distribution function of the counterpart's rank.

    Parameters
    ----------
    ks : ndarray of shape (n_points,)
        Numbers of nearest rows.

    accuracies : dict of str to ndarray of shape (n_points,)
        :func:`~sklearn_align.metrics.retrieval_accuracy` at each of `ks`, by the name of the map.

    n_samples : int
        Number of rows among which the counterpart is looked for.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    lines_ : list of matplotlib Line2D
        One for each map.

    chance_line_ : matplotlib Line2D
        What a random map would reach.

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
        self, ks: NDArray[np.intp], accuracies: Mapping[str, NDArray[np.float64]], n_samples: int
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
        """Draw the retrieval of a fitted aligner on paired rows, before and after alignment.

        Parameters
        ----------
        estimator : MiniVec2Vec
            Fitted.

        XA : array-like of shape (n_samples, n_features)
            Rows of the source space.

        XB : array-like of shape (n_samples, n_features_target)
            Their counterparts in the target space, in the same order.

        pairs : tuple of two array-likes, default=None
            Other paired rows of both spaces, on which a supervised map is fitted for comparison
            (orthogonal Procrustes, "oracle").

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : RetrievalDisplay
            Holds the artists. Rows are compared "before" alignment only if both spaces have the
            same width.
        """
        check_is_fitted(estimator, "map_")
        check_consistent_length(XA, XB)
        T = estimator.transform_target(XB)
        maps = {}
        A = _enter(XA, estimator.source_mean_)
        if A.shape[1] == T.shape[1]:
            maps["before alignment"] = A
        maps["aligned"] = estimator.transform(XA)
        if pairs is not None:
            pairs_A, pairs_B = pairs
            check_consistent_length(pairs_A, pairs_B)
            known_T = estimator.transform_target(pairs_B)
            known_A = _enter(pairs_A, estimator.source_mean_)
            maps["oracle"] = A @ polar_factor(known_A.T @ known_T)
        return cls._of(maps, T).plot(ax, **plot_kwargs)

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
        """Draw the retrieval of mapped rows.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features)
            Mapped source rows.

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
        return cls._of({name: Z}, T).plot(ax, **plot_kwargs)

    @classmethod
    def _of(cls, maps: Mapping[str, ArrayLike], T: ArrayLike) -> Self:
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

    def plot(self, ax: Axes | None = None, **plot_kwargs: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : RetrievalDisplay
            Self.
        """
        self.ax_ = ax = get_axes(ax, type(self).__name__)
        self.figure_ = ax.figure
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
            xlabel=f"k (of {self.n_samples} rows)",
            ylabel="Counterpart among the k nearest",
            ylim=(-0.02, 1.02),
        )
        ax.legend()
        return self


def _enter(X: ArrayLike, mean: FloatArray) -> FloatArray:
    rows = np.asarray(check_array(X, dtype=[np.float64, np.float32]))
    return unit_rows(rows - mean.astype(rows.dtype))
