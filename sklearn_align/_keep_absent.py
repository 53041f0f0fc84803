"""KeepAbsent: a transformer that leaves absent blocks absent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_align._blocks import is_missing, refuse_not_computed
from sklearn_align._sklearn import HasMethods, get_tags, safe_indexing, validate_parameters
from sklearn_align._typing import BoolArray


class KeepAbsent(MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Transform a block of columns, with NaN for samples in which all its values are missing.

    The estimators of :mod:`sklearn_align.fusion` treat a block as absent if all its values are NaN.
    Many transformers, such as :class:`~sklearn.preprocessing.OneHotEncoder` and
    :class:`~sklearn.impute.SimpleImputer`, turn missing values into numbers, so that an absent
    block is treated as present. `KeepAbsent` fits the given transformer to the samples that have at
    least one value, and returns NaN for all other samples.

    Parameters
    ----------
    transformer : transformer
        Transformer for the samples that have at least one value. It is cloned. A sparse output
        becomes dense.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone.

    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X in ``fit``, if it had any.

    See Also
    --------
    AECFClassifier : Reads absent blocks.
    sklearn.compose.ColumnTransformer : Applies one transformer to each block.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from sklearn_align import KeepAbsent
    >>> X = np.array([["red"], [None], ["blue"]], dtype=object)
    >>> KeepAbsent(OneHotEncoder()).fit_transform(X)
    array([[ 0.,  1.],
           [nan, nan],
           [ 1.,  0.]])
    """

    _parameter_constraints = {"transformer": [HasMethods(["fit", "transform"])]}  # noqa: RUF012

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, X: Any, y: ArrayLike | None = None) -> KeepAbsent:
        """Fit the transformer to the samples that have a value.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            One block; NaN, None, ``pandas.NA`` and NaT are missing.

        y : array-like of shape (n_samples,), default=None
            Targets, which are passed to the transformer.

        Returns
        -------
        self : KeepAbsent
            The fitted transformer.
        """
        validate_parameters(self)
        X = self._validated(X, reset=True)
        present = _present(X)
        if not present.any():
            raise ValueError(
                f"no sample of X has a value in any of its {self.n_features_in_} column(s): there "
                "is nothing to fit the transformer to. Leave the block out, or fit with samples "
                "that have it."
            )
        if y is not None:
            check_consistent_length(X, y)
            y = y if hasattr(y, "shape") else np.asarray(y)
            y = y if present.all() else safe_indexing(y, np.flatnonzero(present))
        fitted = clone(self.transformer).fit(_only(X, present), y)
        first = np.arange(len(present)) == present.argmax()
        self._no_samples = _dense(fitted.transform(_only(X, first)))[:0]
        self.transformer_ = fitted
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Transform the samples that have a value.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The same block.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            NaN in all columns for samples whose values are all missing.
        """
        check_is_fitted(self, "transformer_")
        X = self._validated(X, reset=False)
        present = _present(X)
        values = self._no_samples
        if present.any():
            values = _dense(self.transformer_.transform(_only(X, present)))
        out = np.full((len(present), values.shape[1]), np.nan, dtype=values.dtype)
        out[present] = values
        return out

    @available_if(lambda self: hasattr(self.transformer, "get_feature_names_out"))
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the output columns of the transformer.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; by default, the names in ``fit``.

        Returns
        -------
        names : ndarray of str
            Names of the output.
        """
        check_is_fitted(self, "transformer_")
        names: NDArray[Any] = self.transformer_.get_feature_names_out(input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.transformer)
        tags.input_tags.allow_nan = True
        tags.input_tags.string = inner.input_tags.string
        tags.input_tags.categorical = inner.input_tags.categorical
        tags.target_tags.required = inner.target_tags.required
        tags.requires_fit = True
        if inner.transformer_tags is not None:
            tags.transformer_tags = inner.transformer_tags
        return tags

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """Return a DataFrame as it is, all else as an array; check names and number of columns."""
        refuse_not_computed(X, "X")
        if not hasattr(X, "columns"):
            if not hasattr(X, "shape") and np.asarray(X).dtype.kind in "US":
                X = np.asarray(X, dtype=object)
            X = check_array(
                X,
                dtype=None,
                ensure_all_finite="allow-nan",
                ensure_min_samples=int(reset),
                estimator=self,
                input_name="X",
            )
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X


def _dense(part: Any) -> NDArray[Any]:
    """Return the output of a transformer as an array (n_samples, n_features_out) of floats."""
    values = np.asarray(part.toarray() if hasattr(part, "toarray") else part)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _present(X: Any) -> BoolArray:
    """Which samples (n_samples,) have a value in any column."""
    if not hasattr(X, "columns"):
        return np.asarray(~is_missing(X).all(axis=1))
    missing = np.ones(X.shape[0], dtype=bool)
    for name in X.columns:
        column = X[name]
        values = column.isna() if hasattr(column, "isna") else is_missing(np.asarray(column))
        missing &= np.asarray(values, dtype=bool)
    return ~missing


def _only(X: Any, samples: BoolArray) -> Any:
    """Return the samples of a mask (n_samples,), X itself if these are all."""
    return X if samples.all() else safe_indexing(X, np.flatnonzero(samples))
