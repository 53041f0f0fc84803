"""What all displays share: axes, the figure, the check of a fitted estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class DisplayMixin(ABC):
    """Sets `ax_` and `figure_` and hands the axes to `_draw`, which each display defines."""

    def plot(self, ax: Axes | None = None, **plot_kwargs: Any) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        **plot_kwargs : dict
            Passed to the function of matplotlib that draws the lines or bars.

        Returns
        -------
        display : object
            The display itself, which holds the artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = check_axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self._draw(self.ax_, plot_kwargs)
        return self

    @abstractmethod
    def _draw(self, ax: Axes, plot_kwargs: dict[str, Any]) -> None:
        """Draw on `ax` and store the artists as attributes."""

    @staticmethod
    def _check_fitted(estimator: Any, attribute: str | None = None) -> None:
        """Raise NotFittedError unless `estimator` is fitted and has `attribute`, if given."""
        check_is_fitted(estimator, attribute)


def check_axes(ax: Axes | None, display: str, figsize: tuple[float, float] | None = None) -> Axes:
    """Return `ax`, or the axes of a new figure; `display` is the class name for the error."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{display}.plot needs matplotlib: pip install 'sklearn-align[plot]'."
        ) from error
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def split_axes(
    ax: Axes,
    shape: tuple[int, int],
    inset: tuple[float, float, float, float],
    *,
    sharex: Axes | None = None,
    **grid_options: Any,
) -> Axes:
    """Reduce `ax` to the first of two cells, (2, 1) or (1, 2), and return axes in the second.

    Axes without a place in a grid stay as they are and get axes at `inset`.
    """
    place = ax.get_subplotspec()
    if place is None:
        return ax.inset_axes(inset, sharex=sharex)
    grid = place.subgridspec(*shape, **grid_options)
    ax.set_subplotspec(grid[0])
    return ax.figure.add_subplot(grid[1], sharex=sharex)
