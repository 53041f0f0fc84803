"""What the estimators with targets share."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_align._sklearn import Interval, StrOptions
from sklearn_align.fusion._base import BaseAECF
from sklearn_align.fusion._protocol import SHARED_CONSTRAINTS

__all__ = ["SUPERVISED_CONSTRAINTS", "SUPERVISED_LOSS", "SupervisedAECF"]

SUPERVISED_CONSTRAINTS: dict[str, Any] = {
    **SHARED_CONSTRAINTS,
    "fusion": [StrOptions({"mean", "expert"})],
    "head": [StrOptions({"linear", "mlp"})],
    "l2_weight": [Interval(Real, 0, None, closed="left")],
    "consistency_weight": [Interval(Real, 0, None, closed="left")],
    "consistency_ramp_epochs": [Interval(Integral, 0, None, closed="left")],
}
SUPERVISED_LOSS = (
    "entropy_weight",
    "entropy_free_epochs",
    "entropy_warmup_epochs",
    "l2_weight",
    "consistency_weight",
    "consistency_ramp_epochs",
)


class SupervisedAECF(BaseAECF):
    """``fit`` and ``partial_fit`` with targets."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Train on rows whose blocks may be absent.

        With `warm_start`, an estimator that is already fitted is trained further.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent. Rows in which every block is absent are left out.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            Weights. A weight of two counts like a row that occurs twice, a weight of zero like
            one that is not there.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_parameters()
        start = not (self.warm_start and self.initialized_)
        rows = self._validate_training_rows(X, y, sample_weight, reset=start)
        return self._train(*rows, epochs=self.max_epochs, start=start)

    def _partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        epochs: int,
        classes: ArrayLike | None = None,
    ) -> Any:
        if not isinstance(epochs, int | np.integer) or epochs < 0:
            raise ValueError(f"epochs must be an integer of at least 0; got {epochs!r}.")
        self._check_parameters()
        start = not self.initialized_
        rows = self._validate_training_rows(X, y, sample_weight, reset=start, classes=classes)
        return self._train(*rows, epochs=int(epochs), start=start)
