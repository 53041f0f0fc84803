"""A map that exists: what needs neither parameters nor a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from sklearn_align._samples import check_samples
from sklearn_align._state import check_version, with_version
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._export import export_map
from sklearn_align.alignment._given_map import GivenSpace, attributes_of_map
from sklearn_align.alignment._inputs import shape_of
from sklearn_align.alignment._lazy import refuse_lazy
from sklearn_align.alignment._mapping import map_samples
from sklearn_align.alignment._names import check_names, check_output_names
from sklearn_align.alignment._normalizer import CentredNormalizer, unit_samples
from sklearn_align.alignment._sample_lengths import warn_unless_as_long
from sklearn_align.alignment._scoring import score_against
from sklearn_align.metrics import csls_score

# What `fit` and `assess` find out about a map.
EVIDENCE = (
    "alignment_score_",
    "agreement_",
    "relative_score_",
    "min_relative_score_",
    "relearned_agreement_",
    "relearned_score_",
    "expected_accuracy_",
    "accuracy_measured_",
    "ambiguous_",
    "converged_",
)


class FittedMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Maps samples by the attributes that `fit` of a subclass sets.

    These are `map_`, `n_features_in_`, `n_features_target_` and the private ones below, and
    optionally `target_sample_`, `converged_` and the names of the features of both spaces.
    """

    # An array to write to is no metadata of the samples.
    __metadata_request__transform: ClassVar[dict[str, str]] = {"out": UNUSED}

    map_: FloatArray
    n_features_target_: int
    # The map corrected by known pairs, None where there is no correction.
    _corrected_map: FloatArray | None
    _source_normalizer: CentredNormalizer
    _target_normalizer: CentredNormalizer
    # Type of the attributes.
    _dtype: np.dtype[Any]

    @classmethod
    def from_map(
        cls,
        W: ArrayLike,
        source_mean: ArrayLike | None = None,
        target_mean: ArrayLike | None = None,
        *,
        source_normalized: bool = False,
        target_normalized: bool = False,
        source_length: float | None = None,
        target_length: float | None = None,
        source_radius: float | None = None,
        target_radius: float | None = None,
        source_feature_names: Sequence[str] | None = None,
        target_feature_names: Sequence[str] | None = None,
        **parameters: Any,
    ) -> Self:
        """Make a fitted aligner from a given map.

        It maps samples and can be exported and stored in the same way as a fitted aligner.
        `converged_` and the other results of the convergence check are absent, and reading them
        raises an ``AttributeError``, until :meth:`assess` was called on samples.

        Parameters
        ----------
        W : array-like of shape (n_features, n_features_target)
            The matrix, which maps samples as ``X @ W``. If a matrix maps column vectors, as ``W @
            x``, pass its transpose. The matrix is copied. float32 and float64 do not change; other
            types are converted in the same way as samples.

        source_mean : array-like of shape (n_features,), default=None
            Mean that is subtracted from source samples before `W` is applied; None subtracts
            nothing.

        target_mean : array-like of shape (n_features_target,), default=None
            Mean that is subtracted from target samples, and that :meth:`to_target` adds to mapped
            samples; None is zero.

        source_normalized, target_normalized : bool, default=False
            Whether samples of the space are scaled to unit length before the mean is subtracted.
            The mean is then the mean of samples of unit length.

        source_length, target_length : float or None, default=None
            The common length of all samples of the space, such as 1 for encoders that return unit
            vectors. If `target_length` is given, :meth:`to_target` returns vectors of this length.
            None if lengths differ or are not known.

        source_radius, target_radius : float or None, default=None
            The usual distance of samples of the space from the mean, or their usual length if they
            are normalized. :meth:`to_target` and :meth:`inverse_transform` use it for samples whose
            length is not known. :meth:`to_target` multiplies known lengths by ``target_radius /
            source_radius``. None: the radius is computed from the length of the space, if the
            length is given. Otherwise `source_radius` is 1, and `target_radius` is the source
            radius times the root mean square of the singular values of `W` (which is 1 for an
            orthogonal `W`).

        source_feature_names, target_feature_names : list of str, default=None
            Names of the features of each space, for data frames.

        **parameters : object
            Parameters of the aligner, such as `random_state`, which :meth:`assess` uses.

        Returns
        -------
        aligner : MiniVec2Vec
            Fitted. `history_` and `target_sample_` are absent, `n_iter_` is 0 and
            `correction_strength_` infinite.

        Raises
        ------
        ValueError
            If `W` or a mean is not finite, shapes do not match, `W` is zero, or the mean is
            impossible for samples of the given length.
        TypeError
            If an argument has the wrong type.

        See Also
        --------
        MiniVec2Vec.assess : Computes the convergence check of the map on samples.
        sklearn_align.load_map : Reads a map that :meth:`export` has written.

        Notes
        -----
        If `W` is orthogonal up to rounding, or has orthonormal rows or columns, `map_` is `W`. For
        any other `W`, such as the coefficients of a regression or the weights of a layer, `map_` is
        the nearest orthogonal matrix and `linear_map_` is `W`. :meth:`transform` and
        :meth:`to_target` then apply `W`, as with a correction by known pairs.
        :meth:`inverse_transform` applies the transpose of `map_`, because the inverse of a `W` with
        small singular values amplifies errors. If you need this inverse, make an aligner from
        ``numpy.linalg.pinv(W)`` with both spaces exchanged.

        Without means, lengths and radii, ``to_target(X)`` is ``X @ W`` if `W` is orthogonal with
        equal widths, or a multiple of such a matrix. With any other `W`, the result has the
        direction of ``X @ W`` and the length of `X` times the root mean square of the singular
        values.

        Sources of maps:

        - :func:`scipy.linalg.orthogonal_procrustes` and a layer ``Dense`` of Keras multiply samples
          from the right: pass the matrix (the ``kernel``) without a change. The ``bias`` is
          `target_mean`.
        - ``coef_`` of a regression of scikit-learn, ``weight`` of ``torch.nn.Linear`` and the
          ``best_mapping`` of MUSE map column vectors: pass the transpose. ``intercept_`` or
          ``bias`` is `target_mean`.
        - vecmap maps both spaces to a third one, ``X @ WX`` and ``Z @ WZ``: pass ``WX @ WZ.T``.
          With its default normalization, pass ``source_normalized=True, target_normalized=True``
          and the means of unit vectors.

        Examples
        --------
        >>> from sklearn_align import MiniVec2Vec
        >>> from sklearn_align.datasets import make_rotated_embeddings
        >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
        >>> aligner = MiniVec2Vec.from_map(
        ...     data.rotation, data.XA.mean(axis=0), data.XB.mean(axis=0), random_state=0
        ... )
        >>> hasattr(aligner, "converged_")
        False
        >>> aligner.assess(data.XA, data.XB).converged_
        True
        """
        source = GivenSpace(
            "source",
            source_mean,
            normalized=source_normalized,
            length=source_length,
            radius=source_radius,
            feature_names=source_feature_names,
        )
        target = GivenSpace(
            "target",
            target_mean,
            normalized=target_normalized,
            length=target_length,
            radius=target_radius,
            feature_names=target_feature_names,
        )
        aligner = cls(**parameters)
        for name, value in attributes_of_map(W, source, target).items():
            setattr(aligner, name, value)
        return aligner

    if not TYPE_CHECKING:  # A checker would take it for attributes of any name.

        def __getattr__(self, name: str) -> Any:
            """Say what to do where a map has not been judged; called for what is absent."""
            if name in EVIDENCE and "map_" in self.__dict__:
                raise AttributeError(
                    f"This {type(self).__name__} has no {name}, because its map is from another "
                    "source and was not checked. Call assess(XA, XB) with samples of both spaces.",
                    name=name,
                    obj=self,
                )
            return object.__getattribute__(self, name)

    @property
    def linear_map_(self) -> FloatArray:
        """The matrix that maps samples: `map_`, corrected by known pairs."""
        return self.map_ if self._corrected_map is None else self._corrected_map

    @property
    def source_mean_(self) -> FloatArray:
        """Mean of the source samples, of unit length if `source_normalized_`."""
        return self._source_normalizer.mean

    @property
    def target_mean_(self) -> FloatArray:
        """Mean of the target samples, of unit length if `target_normalized_`."""
        return self._target_normalizer.mean

    @property
    def source_normalized_(self) -> bool:
        """Whether source samples are scaled to unit length before the mean is subtracted."""
        return self._source_normalizer.directions

    @property
    def target_normalized_(self) -> bool:
        """Whether target samples are scaled to unit length before the mean is subtracted."""
        return self._target_normalizer.directions

    @property
    def source_length_(self) -> float | None:
        """Common length of the source samples; None if their lengths differ."""
        return self._source_normalizer.length

    @property
    def target_length_(self) -> float | None:
        """Common length of the target samples; None if their lengths differ."""
        return self._target_normalizer.length

    @property
    def source_radius_(self) -> float:
        """Median of the lengths by which source samples are divided to get unit vectors."""
        return self._source_normalizer.radius

    @property
    def target_radius_(self) -> float:
        """Median of the lengths by which target samples are divided to get unit vectors."""
        return self._target_normalizer.radius

    @property
    def _n_features_out(self) -> int:
        return int(self.n_features_target_)

    def transform(self, X: ArrayLike, *, out: FloatArray | None = None) -> FloatArray:
        """Map source samples to unit length in the centred target space.

        ``Z = normalize((X - source_mean_) @ linear_map_)``, where samples are scaled to unit length
        first if `source_normalized_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        out : ndarray of shape (n_samples, n_features_target), default=None
            Where the result is written, such as a memmap; float16, float32 or float64. Its contents
            are undefined after an error.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_target)
            Unit samples, see the Notes of the class for their type. A sample that equals the mean
            becomes zero, and so does a sample of zeros if `source_normalized_`. For an empty batch,
            the shape is (0, n_features_target). The result is `out` if given.

        Raises
        ------
        TypeError
            If `X` is a lazy collection, such as a dask array, which would be loaded into memory as
            a whole. The message explains how to map it in blocks.

        Warns
        -----
        SampleLengthWarning
            If the samples are longer or shorter than the samples of `fit`, or if all samples have
            one length and the samples of `fit` had not, for instance because a store has normalized
            them.
        """
        return self._map_samples(X, "transform", out=out)

    def transform_target(self, XB: ArrayLike) -> FloatArray:
        """Map target samples to unit length in the centred target space, as :meth:`transform`.

        ``T = normalize(XB - target_mean_)``, where samples are scaled to unit length first if
        `target_normalized_`.

        Parameters
        ----------
        XB : array-like of shape (n_samples, n_features_target)
            Samples of the target space. The names of a data frame must be those of the target
            samples in :meth:`fit`, in the same order.

        Returns
        -------
        T : ndarray of shape (n_samples, n_features_target)
            Unit samples: ``transform(XA) @ transform_target(XB).T`` is a matrix of cosines.

        Raises
        ------
        TypeError
            If `XB` is a lazy collection, such as a dask array, which would be loaded into memory as
            a whole. The message explains how to map it in blocks.
        """
        return self._unit_target(XB, "XB", "transform_target")

    def to_target(
        self,
        X: ArrayLike,
        *,
        out: FloatArray | None = None,
        dtype: DTypeLike | None = None,
    ) -> FloatArray:
        """Map source samples to raw coordinates of the target space.

        The result can be added to an index of target samples. If all target samples of :meth:`fit`
        had the same length, the mapped samples have this length, too. If the lengths of both spaces
        vary, a sample keeps its length, or its distance from the mean, relative to the median of
        its space. With ``Z = transform(X)``, the result is

        - ``target_mean_ + t * Z`` if the target samples have one length, with the `t` for which the
          result has the length `target_length_`;
        - ``target_mean_ + lengths * Z`` if they have different lengths;
        - ``lengths * (target_mean_ + t * Z)`` if `target_normalized_`, with the `t` for which the
          expression in brackets has unit length.

        If the source samples have one length, `lengths` is `target_radius_`. Otherwise it is
        `target_radius_` times the length of ``X - source_mean_`` (of ``X`` if
        `source_normalized_`), divided by `source_radius_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_features,)
            Samples of the source space, or a single sample.

        out : ndarray of shape (n_samples, n_features_target), default=None
            Where the result is written, such as a memmap; float16, float32 or float64. Its contents
            are undefined after an error.

        dtype : {"float16", "float32", "float64"} or dtype, default=None
            Type of the result; by default the type of `out`, or the type of :meth:`transform`
            without `out`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features_target) or (n_features_target,)
            Samples in the coordinates of the target space; one vector for a single sample. The
            result is `out` if given.

        Raises
        ------
        ValueError
            If the type of the result cannot represent these coordinates, as single precision if the
            target samples have lengths of about 1e50.
        TypeError
            If `X` is a lazy collection, such as a dask array, which would be loaded into memory as
            a whole. The message explains how to map it in blocks.
        """
        # `transform` itself returns a data frame under `set_output`.
        if isinstance(X, np.ndarray) and X.ndim == 1:
            row = None if out is None else out[None]
            return np.asarray(self.to_target(X[None], out=row, dtype=dtype)[0])
        samples = self._check_source_samples(X, "to_target")
        return map_samples(
            samples,
            self.linear_map_,
            self._source_normalizer,
            self._target_normalizer,
            out=out,
            dtype=dtype,
            check=self._finite_check(),
        )

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write the map to a file without pickled code.

        The file contains the map, means, lengths and feature names of both spaces, the results of
        the convergence check and the version of this package. It contains no samples and no
        parameters. It is written completely or not at all.

        Parameters
        ----------
        path : str or path-like
            The file; an existing file is replaced.

        format : {"npz", "safetensors", "onnx"} or None, default=None
            The format; by default, the suffix of the file name.

            - "npz": :func:`~sklearn_align.load_map` reads it, with exactly the same results.
            - "safetensors": the same as "npz"; needs safetensors.
            - "onnx": a graph with the input "source" (batch, n_features) and the outputs "target",
              the result of :meth:`to_target`, and "unit", the result of :meth:`transform`. All are
              float32. It needs onnx.

        metadata : dict of str to str, default=None
            Entries to store, such as the names of both encoders. None stores `metadata_` of an
            aligner from :func:`~sklearn_align.load_map`. Keys that start with ``"sklearn_align."``
            are reserved for the package.

        Raises
        ------
        TypeError
            If a key or a value of `metadata` is not a str.
        ValueError
            If the format is not known, a key of `metadata` is reserved for the package, a number of
            the map is not finite, or lengths are outside the range of an ONNX graph.
        ImportError
            If a package that the format needs is not installed.

        See Also
        --------
        sklearn_align.load_map : Reads npz and safetensors.
        sklearn_align.alignment.to_torch : Makes a torch module.
        """
        export_map(self, path, format, metadata)

    def inverse_transform(self, X: ArrayLike) -> FloatArray:
        """Map the output of :meth:`transform` to raw coordinates of the source space.

        The inverse map is the transpose of `map_`, without the correction by known pairs.

        :meth:`transform` keeps only directions. If all source samples of :meth:`fit` had the same
        length, the result has this length. Otherwise, the median length, or the median distance
        from the mean, is used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_target)
            Samples, as returned by :meth:`transform`. The names of a data frame must equal
            ``get_feature_names_out``.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Samples in the coordinates of the source space.

        Raises
        ------
        ValueError
            If the type of the result cannot represent these coordinates.
        TypeError
            If `X` is a lazy collection, such as a dask array, which would be loaded into memory as
            a whole. The message explains how to map it in blocks.
        """
        check_is_fitted(self)
        refuse_lazy(X, "X", method="inverse_transform", width=int(self.n_features_in_))
        check_output_names(X, self.get_feature_names_out(), input_name="X")
        back = unit_samples(self._check_target_samples(X, "X"), W=self.map_.T)
        return self._source_normalizer.inverse_transform(back, out=back)

    def score(self, X: ArrayLike, y: ArrayLike | None = None) -> float:
        """Score the map on source samples, with or without their counterparts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        y : array-like, default=None
            A matrix with as many columns as the target space is a matrix of target samples,
            whatever its container, number type or values. If it has the same number of samples as
            `X`, they are the counterparts of the samples of `X`, in the same order. Otherwise they
            are unpaired samples. For any other `y` (None, a vector, a matrix of another width),
            such as labels, the target samples that :meth:`fit` has stored are used, unpaired. Do
            not pass a label matrix with as many columns as the target space, because it would be
            used as samples. Names of a data frame with this number of columns must be the names of
            the target samples in :meth:`fit`.

        Returns
        -------
        float
            With counterparts, the fraction of samples whose counterpart is nearest
            (:func:`~sklearn_align.metrics.retrieval_accuracy`). Otherwise, the label-free score
            (:func:`~sklearn_align.metrics.csls_score`). Higher is better.

        Raises
        ------
        ValueError
            If `target_sample_` is needed and the aligner does not have it.

        Warns
        -----
        PairingWarning
            If the retrieval of the counterparts is at chance level although the map converged. In
            this case, the target samples are probably unpaired: pass them as ``XB=`` to
            :meth:`fit`.
        """
        Z = self._map_samples(X, "score", ensure_min_samples=1)
        if y is None or shape_of(y)[1:] != (self.n_features_target_,):
            if not hasattr(self, "target_sample_"):
                raise ValueError(
                    "y holds no target samples, and the aligner has no target_sample_: its map was "
                    "given to from_map or loaded from a file, or target_sample_ was deleted. Pass "
                    f"samples of the target space, a matrix of {self.n_features_target_} columns, "
                    "as y."
                )
            reference = self.target_sample_.astype(Z.dtype, copy=False)
            return csls_score(Z, reference)
        T = self._unit_target(y, "y", "score", ensure_min_samples=1)
        return score_against(Z, T, converged=getattr(self, "converged_", False))

    def _map_samples(
        self,
        X: ArrayLike,
        method: str,
        ensure_min_samples: int = 0,
        out: FloatArray | None = None,
    ) -> FloatArray:
        samples = self._check_source_samples(X, method, ensure_min_samples)
        return map_samples(
            samples,
            self.linear_map_,
            self._source_normalizer,
            out=out,
            check=self._finite_check(),
        )

    def _finite_check(self) -> Callable[[FloatArray], None] | None:
        """Return what raises the error of scikit-learn for source samples that are not finite."""
        if get_config()["assume_finite"]:
            return None
        return partial(assert_all_finite, estimator_name=type(self).__name__, input_name="X")

    def _check_source_samples(
        self, X: ArrayLike, method: str, ensure_min_samples: int = 0
    ) -> FloatArray:
        """Validate source samples but for finite numbers, which the mapping checks on its way."""
        check_is_fitted(self)
        refuse_lazy(X, "X", method=method, width=self._n_features_out)
        samples = check_samples(
            X,
            input_name="X",
            estimator=self,
            reset=False,
            ensure_min_samples=ensure_min_samples,
            ensure_all_finite=False,
        )
        warn_unless_as_long("X", samples, self._source_normalizer)
        return samples

    def _unit_target(
        self, XB: ArrayLike, name: str, method: str, ensure_min_samples: int = 0
    ) -> FloatArray:
        check_is_fitted(self)
        refuse_lazy(XB, name, method=method, width=self._n_features_out)
        expected = getattr(self, "feature_names_target_in_", None)
        check_names(XB, expected, input_name=name, estimator=self)
        samples = self._check_target_samples(XB, name, ensure_min_samples)
        warn_unless_as_long(name, samples, self._target_normalizer)
        return self._target_normalizer.transform(samples)

    def _check_target_samples(
        self, samples: ArrayLike, name: str, ensure_min_samples: int = 0
    ) -> FloatArray:
        checked = check_samples(
            samples, input_name=name, estimator=self, ensure_min_samples=ensure_min_samples
        )
        if checked.shape[1] != self.n_features_target_:
            raise ValueError(
                f"{name} has {checked.shape[1]} features, but the target space that "
                f"{type(self).__name__} was fitted with has {self.n_features_target_} features."
            )
        return checked

    def __getstate__(self) -> dict[str, Any]:
        state = with_version(super().__getstate__())
        if "_dtype" in state:  # A string needs no trust where it is loaded.
            state["_dtype"] = state["_dtype"].str
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = check_version(state, type(self).__name__)
        if "_dtype" in state:
            state["_dtype"] = np.dtype(state["_dtype"])
        # Without it, known pairs had measured every accuracy that there was.
        if "expected_accuracy_" in state:
            measured = not np.isnan(state["expected_accuracy_"])
            state.setdefault("accuracy_measured_", measured)
            state.setdefault("ambiguous_", False)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = True
        return tags
