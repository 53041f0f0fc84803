"""The contract between skorch and scikit-learn: what the AECF estimators share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_align.fusion._training import NetTraining
from sklearn_align.fusion.nn._gate import gate_entropy

__all__ = ["BaseAECF", "in_precision_of"]

# What skorch keeps for itself, of no use to a reader.
_BOOKKEEPING = (
    "classes_inferred_",
    "cuda_dependent_attributes_",
    "init_context_",
    "initialized_",
    "prefixes_",
    "virtual_params_",
)


class BaseAECF(NetTraining):
    """What the AECF estimators share.

    A subclass has an explicit ``__init__`` and says how targets are encoded
    (`_encode_targets`), what the loss is (`_loss_options`) and what outputs mean.
    """

    def _collect(self, X: Any, position: int) -> NDArray[np.float64]:
        """Gather one of the network's outputs for all rows."""
        check_is_fitted(self)
        parts = [
            output[position] if isinstance(output, tuple) else output
            for output in self.forward_iter(self.get_dataset(X))
        ]
        values: NDArray[np.float64] = torch.cat(parts).detach().cpu().double().numpy()
        return values

    def modality_weights(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Gate weights of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_modalities)
            Columns in the order of `modality_names_`. 0 for absent modalities; rows sum to 1,
            except that a row without a present modality is 0.
        """
        return in_precision_of(X, self._collect(X, 1))

    def gate_entropy(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Entropy of the gate weights of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        entropy : ndarray of shape (n_samples,)
            In nats, between 0 and the logarithm of the number of present modalities.
        """
        weights = torch.from_numpy(self._collect(X, 1))
        return in_precision_of(X, gate_entropy(weights).numpy())

    def transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Fused representation of every row: the weighted sum of the encoded blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        fused : ndarray of shape (n_samples, n_units)
            0 for a row without a present modality.
        """
        return in_precision_of(X, self._collect(X, 2))

    def _get_params_html(self, deep: bool = True, doc_link: str = "") -> Any:
        # In a notebook: the parameters of the callbacks that skorch makes are nobody's choice.
        return super()._get_params_html(deep=False, doc_link=doc_link)

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        shown = super()._get_fitted_attr_html(doc_link=doc_link)
        for name in _BOOKKEEPING:
            shown.pop(name, None)
        return shown


def in_precision_of(X: Any, values: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """Return float32 for float32 input, float64 for everything else."""
    if getattr(X, "dtype", None) == np.float32:
        return values.astype(np.float32)
    return values
