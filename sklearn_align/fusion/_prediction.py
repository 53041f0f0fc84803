"""What a fitted network computes for samples: outputs, weights, fused representations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_align._typing import Float64Array, FloatArray
from sklearn_align.fusion._ambient import plain_torch
from sklearn_align.fusion._preprocessing import in_precision_of
from sklearn_align.fusion._skorch import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn_align.fusion.nn._gate import gate_entropy

if TYPE_CHECKING:
    from sklearn_align.fusion._classifier import AECFClassifier
    from sklearn_align.fusion._net import AECFNet

# Positions of the outputs of the network.
OUTPUTS, WEIGHTS, FUSED = range(3)


def collect(net: AECFNet, X: Any, position: int) -> Float64Array:
    """Gather one of the network's outputs for all samples: (n_samples, ...)."""
    check_is_fitted(net)
    with plain_torch():
        dataset = net.get_dataset(X)
        # No samples are one empty batch, which the network gives its shape and type.
        batches = net.forward_iter(dataset) if len(dataset) else [net.evaluation_step(dataset[:0])]
        parts = [output[position] if isinstance(output, tuple) else output for output in batches]
    values: Float64Array = torch.cat(parts).detach().cpu().double().numpy()
    # A logit may be minus infinity.
    if not (values < np.inf).all():
        sample = int(np.argwhere(~(values < np.inf))[0][0])
        raise ValueError(
            f"the network computes values that are not finite for sample {sample}: its values "
            "of X are too far from the training samples. Correct or scale them."
        )
    return values


def class_probabilities(net: AECFClassifier, X: Any) -> Float64Array:
    """Probabilities of classes or labels: (n_samples, n_outputs)."""
    outputs = collect(net, X, OUTPUTS)
    return net._targets.probabilities(outputs)


def log_where_possible(probabilities: FloatArray, logarithms: Float64Array) -> FloatArray:
    """Logarithms of probabilities (n_samples, ...); the given ones where they rounded to 0."""
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    lost = probabilities == 0
    logs[lost] = logarithms[lost]
    return logs


class FusionOutputsMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Outputs that all AECF estimators have."""

    def modality_weights(self: Any, X: ArrayLike) -> FloatArray:
        """Gate weights of every sample.

        They are the coefficients of the fused representation. They do not measure how much a
        prediction depends on a modality; for this, use
        :func:`~sklearn_align.metrics.modality_importance`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_modalities)
            Weights with columns in the order of `modality_names_`. Absent modalities have weight 0.
            The weights of a sample sum to 1; if no modality is present, all weights are 0.
        """
        return in_precision_of(X, collect(self, X, WEIGHTS))

    def gate_entropy(self: Any, X: ArrayLike) -> FloatArray:
        """Entropy of the gate weights of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        entropy : ndarray of shape (n_samples,)
            Entropy in nats, between 0 and the logarithm of the number of present modalities.
        """
        weights = torch.from_numpy(collect(self, X, WEIGHTS))
        return in_precision_of(X, gate_entropy(weights).numpy())

    def transform(self: Any, X: ArrayLike) -> FloatArray:
        """Fused representation of every sample: the weighted sum of the encoded blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        fused : ndarray of shape (n_samples, n_units)
            Fused representations; zeros for a sample without a present modality.
        """
        return in_precision_of(X, collect(self, X, FUSED))
