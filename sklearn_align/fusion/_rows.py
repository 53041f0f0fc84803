"""From arrays to prepared tensors: validation, presence, scaling, splits and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from sklearn_align._modalities import parse_modalities
from sklearn_align._sklearn import (
    check_sample_weight,
)
from sklearn_align.exceptions import MissingModalityWarning, warn_user
from sklearn_align.fusion._calibration import draw_subsets
from sklearn_align.fusion._data import (
    HoldOut,
    ModalityDataset,
    TensorBatches,
    is_prepared,
    merge_equal_rows,
)
from sklearn_align.fusion._protocol import NetProtocol

__all__ = ["NetRows"]

# below this number of rows nothing is held out for validation, unless train_split says so
_MIN_ROWS_TO_SPLIT = 200
_SHARE_TO_HOLD_OUT = 0.1
_PREDICT_BATCH_SIZE = 1024


class NetRows(NetProtocol):
    """Rows on their way into the network."""

    def _validate_training_rows(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        reset: bool,
        classes: ArrayLike | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Validate, encode and weigh the rows; leave out those without weight or modality."""
        X_array, y_array = self._validate_X_y(X, y, reset=reset)
        weight = check_sample_weight(
            sample_weight, X_array, dtype=np.float64, ensure_non_negative=True
        )
        if reset:
            self.layout_ = parse_modalities(
                self.modalities, X_array.shape[1], getattr(self, "feature_names_in_", None)
            )
        presence = self._presence(X_array)
        if not reset:
            self._check_seen(presence)
        absent = ~presence.any(axis=1)
        if absent.all():
            raise ValueError(
                f"no modality is present in any of the {len(X_array)} rows of X: all values are "
                "NaN."
            )
        if absent.any():
            warn_user(
                f"{int(absent.sum())} of {len(X_array)} rows have no present modality; they are "
                "left out of the training.",
                MissingModalityWarning,
            )
        keep = (weight > 0) & ~absent
        if not keep.any():
            raise ValueError("all rows with a present modality have a sample weight of zero.")
        targets = self._encode_targets(y_array[keep], weight[keep], reset=reset, classes=classes)
        X_array, weight = X_array[keep], weight[keep]
        if self.train_split is None or isinstance(self.train_split, str):
            X_array, targets, weight = merge_equal_rows(X_array, targets, weight)
        weight = weight * self._target_weights(targets, weight)
        return X_array, targets, weight / weight.mean()

    def _validate_X_y(
        self, X: ArrayLike, y: ArrayLike | None, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        X_array, y_array = validate_data(
            self,
            X,
            y,
            reset=reset,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            multi_output=True,
            ensure_min_samples=2 if reset else 1,
        )
        return X_array, y_array

    def _presence(self, X: NDArray[Any]) -> NDArray[np.bool_]:
        return self.layout_.presence(X, allow_partial=self.partial_missing == "impute")

    def _check_seen(self, presence: NDArray[np.bool_]) -> None:
        unseen = presence.any(axis=0) & ~self.module_.seen.cpu().numpy()
        if unseen.any():
            names = [self.layout_.names[index] for index in np.flatnonzero(unseen)]
            raise ValueError(
                f"modalities {names} are present now, but were absent from every row in fit: "
                "nothing was learned about them. Fit with rows that have them, or set their "
                "columns to NaN."
            )

    def _encode_targets(
        self,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64],
        *,
        reset: bool,
        classes: ArrayLike | None,
    ) -> NDArray[Any]:
        raise NotImplementedError

    def _target_weights(
        self, targets: NDArray[Any], sample_weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.ones(len(targets))

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Turn rows into a dataset of tensors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), Dataset, or dict of Tensor
            Raw rows are validated and scaled; prepared ones are passed on.
        y : object
            Targets of prepared rows.

        Returns
        -------
        dataset : torch.utils.data.Dataset
            Prepared rows.
        """
        if isinstance(X, torch.utils.data.Dataset):
            return X
        if is_prepared(X):
            return ModalityDataset(X, y)
        check_is_fitted(self)
        X_array = validate_data(
            self,
            X,
            reset=False,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
        )
        presence = self._presence(X_array)
        self._check_seen(presence)
        absent = int((~presence.any(axis=1)).sum())
        if absent:
            warn_user(
                f"{absent} of {len(X_array)} rows have no present modality; what is returned for "
                "them does not depend on X.",
                MissingModalityWarning,
            )
        return ModalityDataset(self._tensors(X_array, presence))

    def _tensors(self, X: NDArray[Any], presence: NDArray[np.bool_]) -> dict[str, Tensor]:
        scaled = self.module_.scaler.transform(X[:, self.layout_.order])
        absent = np.repeat(~presence, self.layout_.widths, axis=1)
        scaled[absent] = 0.0
        return {"X": torch.from_numpy(scaled), "presence": torch.from_numpy(presence)}

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset.

        Parameters
        ----------
        dataset : Dataset
            Prepared rows.
        training : bool, default=False
            Whether the batches are for training, and thus shuffled by default.

        Returns
        -------
        iterator : TensorBatches, or what `iterator_train` or `iterator_valid` make
            Yields pairs of inputs and targets.
        """
        options = self.get_params_for("iterator_train" if training else "iterator_valid")
        if training:
            options.setdefault("shuffle", True)
        options.setdefault("batch_size", self._rows_per_batch(len(dataset), training))
        factory = self.iterator_train if training else self.iterator_valid
        return factory(dataset, **options)

    def _rows_per_batch(self, n_samples: int, training: bool) -> int:
        if not training:
            return _PREDICT_BATCH_SIZE
        return (
            int(np.clip(n_samples // 4, 32, 128)) if self.batch_size == "auto" else self.batch_size
        )

    def get_split_datasets(self, X: Any, y: Any = None, **split_params: Any) -> tuple[Any, Any]:
        """Split prepared rows into training and validation rows.

        Parameters
        ----------
        X : Dataset, or tuple of two of them
            All rows; a tuple is passed on.
        y : ndarray
            Encoded targets.
        **split_params : object
            Passed on to `train_split`.

        Returns
        -------
        train, valid : Dataset, and Dataset or None
            The two parts. Validation rows carry a fixed subset of their modalities, on which the
            second pass of the loss is computed.
        """
        if isinstance(X, tuple):
            return X
        split = self.train_split
        if split is None or (isinstance(split, str) and not self._holds_out()):
            return X, None
        if isinstance(split, str):
            split = HoldOut(
                _SHARE_TO_HOLD_OUT,
                _MIN_ROWS_TO_SPLIT,
                stratified=self._stratify(),
                seed=int(torch.randint(2**31 - 1, ()).item()),
            )
        train, valid = split(X, y, **split_params)
        if valid is None:
            return train, None
        valid = self._own_rows(valid)
        if isinstance(valid, ModalityDataset):
            rows = {**valid.X, **self._draw_validation_subsets(valid.X["presence"])}
            valid = ModalityDataset(rows, valid.y)
        return train, valid

    def _draw_validation_subsets(self, presence: Tensor) -> dict[str, Tensor]:
        """Settle what the further passes over the validation rows see."""
        return {} if self.masking == "none" else {"subset": draw_subsets(presence)}

    def _own_rows(self, dataset: Any) -> Any:
        """Bring validation rows, which may be a user's own dataset of raw rows, into our form."""
        rows = TensorBatches(dataset).dataset
        if isinstance(rows, ModalityDataset) or not hasattr(rows, "y"):
            return rows
        prepared = self.get_dataset(np.asarray(rows.X))
        weight = np.ones(len(rows.y))
        y = self._encode_targets(np.asarray(rows.y), weight, reset=False, classes=None)
        return ModalityDataset(prepared.X, self._target_tensor(y))

    def _holds_out(self) -> bool:
        """Whether "auto" splits validation rows off."""
        return True

    def _stratify(self) -> bool:
        return False

    def _target_tensor(self, targets: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(targets))
