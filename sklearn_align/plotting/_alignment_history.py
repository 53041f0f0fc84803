"""Label-free score in the course of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sklearn_align._compose import final_estimator
from sklearn_align.plotting._display import DisplayMixin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection


class AlignmentHistoryDisplay(DisplayMixin):
    """Label-free score of an alignment by stage, with the candidates of its initialization.

    The initialization selects a candidate by successive halving. Candidates are scored in the
    leading directions of both spaces, and refinements are scored at full width: the two kinds of
    scores are not comparable. The scores of two fits are comparable only if the samples are the
    same. An increasing score does not prove that the map is correct: see ``converged_`` and
    ``agreement_``.

    Parameters
    ----------
    history : list of dict
        ``history_`` of a fitted :class:`~sklearn_align.MiniVec2Vec`: a record for each stage with
        `stage` (its name), `score` (one value for each iteration) and, in the first one, named
        ``"start"``, `start_scores` (the scores of all candidates in each round of successive
        halving).

    converged : bool, default=None
        Result of the convergence check, which is shown in the title; None shows no title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    lines_ : list of matplotlib Line2D
        One for each stage.

    starts_ : matplotlib PathCollection or None
        Candidates of the initialization, in all rounds of successive halving.

    See Also
    --------
    RetrievalDisplay : Retrieval of counterparts, if some are known.

    Examples
    --------
    >>> from sklearn_align.plotting import AlignmentHistoryDisplay
    >>> history = [
    ...     {"stage": "start", "score": [0.05, 0.06], "start_scores": [[0.05, 0.02], [0.06]]},
    ...     {"stage": "TransportRefinement", "score": [0.08, 0.12, 0.13]},
    ... ]
    >>> display = AlignmentHistoryDisplay.from_predictions(history, converged=True)
    >>> len(display.lines_)
    2
    """

    def __init__(
        self, history: Sequence[Mapping[str, Any]], *, converged: bool | None = None
    ) -> None:
        self.history = history
        self.converged = converged

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None, **plot_kwargs: Any) -> Self:
        """Draw the history of a fitted aligner.

        Parameters
        ----------
        estimator : MiniVec2Vec
            Fitted; also a pipeline or a search that ends with one.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : AlignmentHistoryDisplay
            Holds the artists.
        """
        cls._check_fitted(estimator)
        estimator = final_estimator(estimator)
        cls._check_fitted(estimator, "history_")
        return cls.from_predictions(
            estimator.history_, converged=estimator.converged_, ax=ax, **plot_kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        history: Sequence[Mapping[str, Any]],
        *,
        converged: bool | None = None,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw a stored history.

        Parameters
        ----------
        history : list of dict
            As in the class.

        converged : bool, default=None
            As in the class.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : AlignmentHistoryDisplay
            Holds the artists.
        """
        return cls(history, converged=converged).plot(ax, **plot_kwargs)

    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        self.lines_ = []
        self.starts_: PathCollection | None = None
        n_done = 0
        last: float | None = None
        for record, label in zip(self.history, _labels(self.history), strict=True):
            scores = list(record["score"])
            x = n_done + np.arange(1, len(scores) + 1)
            if n_done and scores and last is not None:
                # A stage begins where the one before it ended.
                x, scores = np.r_[n_done, x], [last, *scores]
            style = {"marker": ".", "markersize": 4, **plot_kwargs}
            self.lines_ += ax.plot(x, scores, label=label, **style)
            rounds = record.get("start_scores")
            if rounds:
                self._draw_candidates(ax, n_done, rounds)
            n_done += len(record["score"])
            # Scores of candidates are on another scale than those of the stages that follow.
            last = None if rounds else scores[-1] if scores else last
        ax.set(xlabel="Iteration", ylabel="Label-free score (mean largest CSLS)")
        if ax.get_ylim()[0] > 0:
            # From 0 on, a change of a few percent looks like one.
            ax.set_ylim(bottom=0)
        if self.converged is not None:
            ax.set_title("converged" if self.converged else "not converged")
        ax.legend()

    def _draw_candidates(self, ax: Axes, n_done: int, rounds: Sequence[Sequence[float]]) -> None:
        """Draw the scores of all candidates by round, and the best of the last round."""
        x = np.concatenate([np.full(len(one), n_done + i + 1) for i, one in enumerate(rounds)])
        self.starts_ = ax.scatter(
            x, np.concatenate(rounds), s=18, color="0.6", label="candidates (own scale)", zorder=1
        )
        ax.scatter(
            n_done + len(rounds),
            max(rounds[-1]),
            s=110,
            marker="*",
            color=self.lines_[-1].get_color(),
            edgecolor="black",
            label="selected candidate",
            zorder=3,
        )


def _labels(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the stages, numbered where a name occurs more than once."""
    names = [str(record["stage"]) for record in history]
    return [
        f"{name} {names[: i + 1].count(name)}" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]
