"""The estimator: parameters, order of the steps, mapping and score."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags, assert_all_finite, check_random_state
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from sklearn_align._constraints import AT_LEAST_TWO, POSITIVE, POSITIVE_INT
from sklearn_align._linalg import polar_factor
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align._sklearn import HasMethods, StrOptions, fit_context
from sklearn_align._state import all_or_nothing, check_version, with_version
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._convergence import check_convergence, warn_unless_converged
from sklearn_align.alignment._correction import correct_map
from sklearn_align.alignment._export import export_map
from sklearn_align.alignment._held_out import accuracy_on_pairs
from sklearn_align.alignment._inputs import (
    check_pairs,
    choose_target,
    draw_samples,
    refuse_labels,
    shape_of,
)
from sklearn_align.alignment._lazy import refuse_lazy
from sklearn_align.alignment._mapping import map_samples
from sklearn_align.alignment._monitor import FitMonitor
from sklearn_align.alignment._names import Names, check_names, check_output_names, names_of
from sklearn_align.alignment._normalizer import CentredNormalizer, unit_samples
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import CORRECTION
from sklearn_align.alignment._sample_lengths import warn_unless_as_long
from sklearn_align.alignment._scoring import score_against
from sklearn_align.alignment._selection import Round, SuccessiveHalving, reduce_problem
from sklearn_align.alignment._steps import list_refinements, list_starts
from sklearn_align.alignment._threads import one_fit_at_a_time
from sklearn_align.alignment.refinements import (
    ClusterRefinement,
    NeighborRefinement,
    Refinement,
)
from sklearn_align.alignment.starts import AnchorStart, PairStart, Start
from sklearn_align.metrics import csls_score


class MiniVec2Vec(
    ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, TransformerMixin, BaseEstimator
):
    """Linear map between two embedding spaces, learned from unpaired samples.

    Encoders that were trained separately place the same texts, images or words in similar
    arrangements. mini-vec2vec finds the orthogonal map from one arrangement to the other from
    samples of both spaces, which need be neither paired nor equally many. Whether it succeeded is
    checked without labels.

    Parameters
    ----------
    init : {"components", "anchors"}, Start or list of Start, default="components"
        How the candidates for the first map are made.

        - "components": match independent components of the two spaces, with several settings of
          :class:`~sklearn_align.alignment.ComponentStart`.
        - "anchors": match cluster centres, :class:`~sklearn_align.alignment.AnchorStart`.
        - an object with a method ``initial_map(problem, random_state)``, see
          :class:`~sklearn_align.alignment.Start`. Its parameters can be searched, as in
          ``init__n_clusters``.
        - a list of such objects, which take turns.

    n_init : int or "auto", default="auto"
        Number of candidates. They are created until two independent ones agree. "auto" stands for
        the length of the list that was given, else for 12, or for 1 with ``selection=None``.

    selection : {"halving"} or None, default="halving"
        How the first map is chosen.

        - "halving": successive halving. Candidates are refined in the leading 128 principal
          directions of each space; the best by label-free score are refined further, until two
          independent ones agree or the score no longer rises. Known pairs add a candidate.
        - None: the map of a single initialization, made at full width, is taken as it is.

    refinements : {"robust", "paper"} or list of refinements, default="robust"
        Steps that improve the chosen map, in order.

        - "robust": :class:`~sklearn_align.alignment.TransportRefinement` on small samples of both
          sides, then :class:`~sklearn_align.alignment.StochasticTransportRefinement` twice, with
          some and with all target samples.
        - "paper": :class:`~sklearn_align.alignment.NeighborRefinement` (Refine-1), then
          :class:`~sklearn_align.alignment.ClusterRefinement` (Refine-2).
        - a list of objects that follow :class:`~sklearn_align.alignment.Refinement`.

    max_samples : int or None, default=30000
        Samples of each space that the search uses, drawn at random when there are more; None takes
        all. Means are always computed over all samples.

    pair_weight : float, default=1.0
        Weight of one known pair relative to one matched sample, see `pairs` in :meth:`fit`.

    correction : {"auto", "ridge"} or None, default="auto"
        What known pairs add to the orthogonal map.

        - "ridge": a ridge regression of the residual of the map on the known pairs. Its strength is
          chosen by leaving out one pair at a time, and may turn out as infinite, which leaves the
          map as it is.
        - "auto": the same with at least 50 known pairs, which fewer do not support; else nothing.
        - None: nothing, `linear_map_` is `map_`.

    score_sample_size : int, default=2000
        Samples of each space on which the label-free score is computed, and number of target
        samples kept for :meth:`score`.

    n_jobs : int, default=None
        Candidates that are refined at the same time, in threads. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 means all processors. Does not change the result.

    verbose : int, default=0
        1 prints a line for every stage, 2 one for every iteration.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result in every call.

    Attributes
    ----------
    map_ : ndarray of shape (n_features_in_, n_features_target_)
        The map, applied as ``centred_samples @ map_``. Its columns are orthonormal, its rows when
        there are fewer rows than columns; both when the widths are equal.

    linear_map_ : ndarray of shape (n_features_in_, n_features_target_)
        What :meth:`transform` and :meth:`to_target` apply: `map_`, corrected by the known pairs.

    correction_strength_ : float
        Strength of the ridge regression of the correction, infinity where there is none.

    source_mean_ : ndarray of shape (n_features_in_,)
        Mean of the source samples, of unit length if `source_normalized_`.

    target_mean_ : ndarray of shape (n_features_target_,)
        Mean of the target samples, of unit length if `target_normalized_`.

    source_normalized_ : bool
        Whether source samples are scaled to unit length before `source_mean_` is taken and
        subtracted. It is True where their lengths have long tails: where 5% are more than twice, or
        less than a quarter, as long as the median. Otherwise a sample that is more than four times
        as long as the median counts in the mean with four times the median length.

    target_normalized_ : bool
        The same for target samples.

    source_length_, target_length_ : float or None
        The common length of the raw samples of each space, None where their lengths differ.

    source_radius_, target_radius_ : float
        Median distance of the raw samples of each space from its mean, or their median length if
        they are normalized before the mean is subtracted.

    alignment_score_ : float
        Label-free quality of the map, ``mean_i max_j CSLS(x_i W, y_j)``, see
        :func:`~sklearn_align.metrics.csls_score`.

    agreement_ : float
        Fraction of source samples that the map and a map of an independent run send to the same
        place; or, when that is small and there are at least five known pairs, the fraction of pairs
        that are retrieved after a refinement without them. Near 1 after a success, small after a
        failure. Where a space has less than 128 features and no pairs are known, runs on halves of
        the samples, also from one half of a space to the other, have to agree as well. If less than
        .35 of the samples agree with them, as in symmetric spaces, this is that fraction.

    relative_score_ : float
        ``(s(map) - s(arbitrary)) / (s(itself) - s(arbitrary))`` with the label-free score ``s`` of
        the map, of arbitrary maps between principal axes, and of a space with itself (two halves of
        it). Near 1 after a success.

    min_relative_score_ : float
        The `relative_score_` that `converged_` asks for: 0.6, or 0.4 where both spaces have 128
        features or more.

    expected_accuracy_ : float
        Fraction of samples whose counterpart is expected to be the nearest of 1,000 target samples.
        With at least 50 known pairs, it is measured on a quarter of them (25 at least) that share
        no sample with the others, with a map that is fitted without these; NaN with fewer pairs.

    converged_ : bool
        With at least 50 known pairs, whether `expected_accuracy_` is at least 0.5. With fewer,
        whether `agreement_` is at least 0.7 and `relative_score_` at least `min_relative_score_`.

    history_ : list of dict
        A record for each stage: its name `stage`, the label-free score after each iteration
        `score`, `n_iter` and the `time` in seconds. The record of the first stage also has the
        scores of all candidates in each round of the selection, `start_scores`.

    n_iter_ : int
        Iterations of all stages together.

    target_sample_ : ndarray of shape (at most score_sample_size, n_features_target_)
        Centred unit samples of the target space, with which :meth:`score` compares. They are
        stored with the estimator: delete the attribute where the target must not be passed on.

    n_features_target_ : int
        Width of the target space.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the source features, when `X` has string names.

    feature_names_target_in_ : ndarray of shape (n_features_target_,)
        Names of the target features, when the target samples have string names. Checked wherever
        target samples come in, as those of the source are.

    metadata_ : dict of str
        What :meth:`export` was given as `metadata`, in an aligner from
        :func:`~sklearn_align.load_map`; absent in others.

    See Also
    --------
    sklearn_align.metrics.retrieval_accuracy : Fraction of samples whose counterpart is nearest.
    scipy.linalg.orthogonal_procrustes : The map when all samples are paired.

    Notes
    -----
    The search runs in single precision. Results have the type to which NumPy promotes float32 and
    the numbers that come in: float32 for float32, float16, booleans and integers of at most 16
    bits, which it holds exactly; float64 for float64, larger integers and everything else. Samples
    are converted in blocks, so that no copy of all of them in another type is made. `map_`, the
    means and `target_sample_` have the type of the samples seen by :meth:`fit`.

    Fits in several threads of a process take turns where linear algebra uses several threads,
    because their number is a setting of the whole process; processes fit at the same time.

    Under cross-validation `pairs` must hold the paired samples
    themselves, because sample indices do not survive a split; they are refused there.

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
       Transformations", arXiv:2510.02348.
    .. [2] A. Conneau, G. Lample, M. Ranzato, L. Denoyer, H. Jégou, "Word translation without
       parallel data", ICLR 2018.
    .. [3] E. Grave, A. Joulin, Q. Berthet, "Unsupervised alignment of embeddings with Wasserstein
       Procrustes", AISTATS 2019.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    >>> aligner.converged_
    True
    >>> aligner.transform(data.XA_test).shape == data.XB_test.shape
    True
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"XB": True, "pairs": True}
    # An array to write to is no metadata of the samples.
    __metadata_request__transform: ClassVar[dict[str, str]] = {"out": UNUSED}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "init": [StrOptions({"components", "anchors"}), list, tuple, HasMethods("initial_map")],
        "n_init": [POSITIVE_INT, StrOptions({"auto"})],
        "selection": [StrOptions({"halving"}), None],
        "refinements": [StrOptions({"robust", "paper"}), list, tuple],
        "max_samples": [AT_LEAST_TWO, None],
        "pair_weight": [POSITIVE],
        "correction": [StrOptions({"auto", "ridge"}), None],
        "score_sample_size": [AT_LEAST_TWO],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        init: str | Start | Sequence[Start] = "components",
        *,
        n_init: int | str = "auto",
        selection: str | None = "halving",
        refinements: str | Sequence[Refinement] = "robust",
        max_samples: int | None = 30_000,
        pair_weight: float = 1.0,
        correction: str | None = "auto",
        score_sample_size: int = 2000,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.init = init
        self.n_init = n_init
        self.selection = selection
        self.refinements = refinements
        self.max_samples = max_samples
        self.pair_weight = pair_weight
        self.correction = correction
        self.score_sample_size = score_sample_size
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def from_paper(
        cls,
        *,
        n_clusters: int = 20,
        n_runs: int = 30,
        n_qap_restarts: int = 30,
        n_neighbors: int = 50,
        anchor_sample_size: int | None = 10_000,
        max_iter: int = 75,
        sample_size: int | None = 10_000,
        smoothing: float = 0.5,
        n_refine_clusters: int = 500,
        **parameters: Any,
    ) -> Self:
        """Make an aligner with the published recipe of mini-vec2vec.

        One :class:`~sklearn_align.alignment.AnchorStart` at full width, then
        :class:`~sklearn_align.alignment.NeighborRefinement` and
        :class:`~sklearn_align.alignment.ClusterRefinement`. Known pairs do not correct the map.

        Parameters
        ----------
        n_clusters : int, default=20
            Clusters of each space in an anchor run.

        n_runs : int, default=30
            Anchor runs, whose matched cluster centres are all used.

        n_qap_restarts : int, default=30
            Random restarts of the quadratic assignment of a run.

        n_neighbors : int, default=50
            Target samples averaged for each source sample, at the start and in Refine-1.

        anchor_sample_size : int or None, default=10000
            Samples of each space that are clustered in the anchor runs; None takes all.

        max_iter : int, default=75
            Iterations of Refine-1.

        sample_size : int or None, default=10000
            Source samples in each iteration of Refine-1; None takes all.

        smoothing : float, default=0.5
            Weight of each new solution in Refine-1 and Refine-2, in (0, 1].

        n_refine_clusters : int, default=500
            Clusters of Refine-2.

        **parameters : object
            Further parameters of :class:`MiniVec2Vec`, such as `random_state`.

        Returns
        -------
        aligner : MiniVec2Vec
            Not yet fitted.

        References
        ----------
        .. [1] G. Dar, "mini-vec2vec: Scaling Universal Geometry Alignment with Linear
           Transformations", arXiv:2510.02348, Algorithms 1 to 4.

        Examples
        --------
        >>> from sklearn_align import MiniVec2Vec
        >>> aligner = MiniVec2Vec.from_paper(n_clusters=30, random_state=0)
        >>> aligner.get_params()["init__n_clusters"]
        30
        """
        start = AnchorStart(
            n_clusters,
            n_runs=n_runs,
            n_qap_restarts=n_qap_restarts,
            n_neighbors=n_neighbors,
            n_cluster_samples=anchor_sample_size,
        )
        refinements = [
            NeighborRefinement(
                max_iter, sample_size=sample_size, n_neighbors=n_neighbors, smoothing=smoothing
            ),
            ClusterRefinement(n_refine_clusters, smoothing=smoothing),
        ]
        recipe = {
            "init": start,
            "n_init": 1,
            "selection": None,
            "refinements": refinements,
            "correction": None,
        }
        return cls(**{**recipe, **parameters})

    @all_or_nothing
    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    @one_fit_at_a_time()
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        XB: ArrayLike | None = None,
        pairs: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Learn the map from the space of `X` to the target space.

        A fit that raises, also by an interrupt or by a warning that has been made an error, leaves
        the estimator exactly as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        y : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space, in any number, any order and any number type. Ignored when
            `XB` is given, so that labels can stand here in a pipeline. A matrix with only two
            different values, both whole numbers, is what scikit-learn takes for multilabel targets
            and is refused, whatever its type; a vector is taken as a single feature, with a
            warning.

        XB : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space, by name, whatever their values. In a search or a
            cross-validation they are split along with `X` when there happen to be equally many,
            which does no harm.

        pairs : tuple of two array-likes, default=None
            Known pairs: the two sides ``(rows_A, rows_B)``, either vectors of integers, indices
            into `X` and the target samples from 0 on, or matrices with the paired samples
            themselves. A sample may stand in several pairs. Two sides of length two are refused
            when both are lists or tuples, because ``[(0, 5), (1, 6)]`` may as well be a list of two
            pairs: pass arrays then.

        Returns
        -------
        self : MiniVec2Vec
            The fitted estimator.

        Raises
        ------
        ValueError
            When there is no target space, an input is not a finite 2-D array with at least two
            different samples, `y` holds labels, `pairs` cannot be used, or parameters contradict
            one another.
        TypeError
            When samples are a lazy collection, such as a dask array. A sample of it is enough.

        Warns
        -----
        AlignmentWarning
            When the convergence check fails; `converged_` is False then.
        SmallSampleWarning
            When a number of clusters or neighbors was clipped to the number of samples.
        """
        self._refuse_lazy_samples(X, y, XB, pairs)
        target_given = choose_target(XB, y, type(self).__name__)
        source = check_samples(X, input_name="X", estimator=self, reset=True, ensure_min_samples=2)
        target = check_samples(
            target_given,
            input_name="XB" if XB is not None else "y",
            estimator=self,
            ensure_min_samples=2,
        )
        if XB is None:
            refuse_labels(target)
        self._set_target_names(names_of(target_given))
        self.__dict__.pop("metadata_", None)  # They describe the map of a file.
        starts = list_starts(self.init, self.n_init, self.selection)
        refinements = list_refinements(self.refinements)
        random_state = check_random_state(self.random_state)
        self._source_normalizer = CentredNormalizer.fit(source)
        self._target_normalizer = CentredNormalizer.fit(target)
        self.n_features_target_ = target.shape[1]
        self._dtype = np.result_type(computing_dtype(source), computing_dtype(target))
        problem = self._make_problem(source, target, pairs, random_state)

        context = self._init_callback_context(max_subtasks=1 + len(refinements))
        data = {"X": source, "y": target}
        context.call_on_fit_task_begin(estimator=self, **data)
        monitor = FitMonitor(self, context, data, int(self.verbose))
        reduced = reduce_problem(problem, random_state)
        first_map, selected, stopped = self._start(starts, problem, reduced, monitor, random_state)
        W = first_map
        for refinement in refinements:
            if stopped:
                break
            W, stopped = self._refine(refinement, W, problem, monitor, random_state)

        for name, value in self._fitted_map(W).items():
            setattr(self, name, value)
        self.target_sample_ = problem.sample("B", self.score_sample_size, random_state).astype(
            self._dtype
        )
        self.history_ = monitor.history
        self.n_iter_ = sum(record["n_iter"] for record in self.history_)
        self.correction_strength_, self._corrected_map = self._correct(self.map_, problem)
        self.expected_accuracy_ = accuracy_on_pairs(
            problem,
            partial(self._fit_again, first_map, selected, refinements, random_state),
            random_state,
        )
        self._check_convergence(problem, reduced, W, selected, random_state)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: self._fitted_map(W), **data
        )
        return self

    @staticmethod
    def _refuse_lazy_samples(X: Any, y: Any, XB: Any, pairs: Any) -> None:
        given = {"X": X, "y": y, "XB": XB} if XB is None else {"X": X, "XB": XB}
        if isinstance(pairs, Sequence) and not isinstance(pairs, str | bytes):
            given |= {f"pairs[{i}]": side for i, side in enumerate(pairs[:2])}
        for name, samples in given.items():
            refuse_lazy(samples, name, method="fit")

    def _make_problem(
        self,
        source: FloatArray,
        target: FloatArray,
        pairs: Any,
        random_state: np.random.RandomState,
    ) -> AlignmentProblem:
        """Normalise both sides in float32; the search sees at most `max_samples` of each."""
        known = check_pairs(
            pairs,
            source,
            target,
            normalizers=(self._source_normalizer, self._target_normalizer),
            names=(
                getattr(self, "feature_names_in_", None),
                getattr(self, "feature_names_target_in_", None),
            ),
            weight=float(self.pair_weight),
            estimator=self,
        )
        sides = (
            normalizer.transform(draw_samples(name, samples, self.max_samples, random_state))
            for name, samples, normalizer in (
                ("X", source, self._source_normalizer),
                ("the target space", target, self._target_normalizer),
            )
        )
        A, B = (side.astype(np.float32, copy=False) for side in sides)
        return AlignmentProblem(
            A, B, known, score_sample_size=self.score_sample_size, random_state=random_state
        )

    def _start(
        self,
        starts: list[Start],
        problem: AlignmentProblem,
        reduced: ReducedProblem,
        monitor: FitMonitor,
        random_state: np.random.RandomState,
    ) -> tuple[FloatArray, Round | None, bool]:
        """Return the first map, the last round of the selection, and whether to stop the fit."""
        with monitor.stage("start", max_iter=None) as stage:
            if self.selection is None:
                W = starts[0].initial_map(problem, random_state)
                stage.iteration(problem.score(W), partial(self._fitted_map, W))
                return W, None, stage.stop_requested
            if problem.pairs is not None:
                starts = [PairStart(), *starts]
            halving = SuccessiveHalving(
                reduced, starts, random_state=random_state, n_jobs=self.n_jobs
            )
            with closing(halving.rounds()) as rounds:
                for state in rounds:
                    best = state.candidates[0]
                    W = reduced.lift(best.map)
                    stage.append("start_scores", [c.score for c in state.candidates])
                    stage.append("agreement", state.agreement)
                    if stage.iteration(best.score, partial(self._fitted_map, W)):
                        break
        return W, state, stage.stop_requested

    def _refine(
        self,
        refinement: Refinement,
        W: FloatArray,
        problem: AlignmentProblem,
        monitor: FitMonitor,
        random_state: np.random.RandomState,
    ) -> tuple[FloatArray, bool]:
        """Return the refined map and whether a callback asked to stop the fit."""
        name = type(refinement).__name__
        with monitor.stage(name, max_iter=getattr(refinement, "max_iter", None)) as stage:
            for W_new in refinement.iterate(problem, W, random_state):
                W = W_new
                if stage.iteration(problem.score(W), partial(self._fitted_map, W)):
                    break
        return W, stage.stop_requested

    def _fitted_map(self, W: FloatArray) -> dict[str, FloatArray | None]:
        """Orthogonal part of the map, as fitted attributes."""
        orthogonal = polar_factor(W.astype(np.float64)).astype(self._dtype)
        return {"map_": orthogonal, "_corrected_map": None}

    def _correct(self, W: FloatArray, problem: AlignmentProblem) -> tuple[float, FloatArray | None]:
        """Return the strength of the correction by known pairs, and the corrected map if any."""
        min_pairs = CORRECTION.min_pairs if self.correction == "auto" else 1
        if self.correction is None or problem.pairs is None or len(problem.pairs) < min_pairs:
            return float("inf"), None
        step = -(-len(problem.B) // CORRECTION.n_reference_samples)
        corrected, strength = correct_map(W, problem.pairs, problem.B[::step])
        return strength, corrected.astype(self._dtype) if np.isfinite(strength) else None

    def _fit_again(
        self,
        first_map: FloatArray,
        selected: Round | None,
        refinements: Sequence[Refinement],
        random_state: np.random.RandomState,
        problem: AlignmentProblem,
    ) -> FloatArray:
        """Return the map (n_features_in, n_features_target) of a problem with other known pairs.

        The first map is the same, unless the known pairs made it, and so are the numbers of
        iterations at most: a callback may have stopped the first fit.
        """
        W = first_map
        if selected is not None and isinstance(selected.candidates[0].start, PairStart):
            reduced = reduce_problem(problem, random_state)
            halving = SuccessiveHalving(reduced, [PairStart()], random_state=random_state, n_jobs=1)
            *_, state = halving.rounds()
            W = reduced.lift(state.candidates[0].map)
        for refinement, record in zip(refinements, self.history_[1:], strict=False):
            iterations = refinement.iterate(problem, W, random_state)
            for W_new in islice(iterations, record["n_iter"]):
                W = W_new
        W = polar_factor(W)
        _, corrected = self._correct(W, problem)
        return W if corrected is None else corrected.astype(W.dtype)

    def _check_convergence(
        self,
        problem: AlignmentProblem,
        reduced: ReducedProblem,
        W: FloatArray,
        selected: Round | None,
        random_state: np.random.RandomState,
    ) -> None:
        """Set the label-free evidence and warn when the map has not converged."""
        self.alignment_score_ = problem.score(W)
        independent_maps = selected.independent_maps if selected else []
        start = selected.candidates[0].start if selected else None
        evidence = check_convergence(
            problem,
            reduced,
            W,
            independent_maps,
            start,
            random_state,
            expected_accuracy=self.expected_accuracy_,
        )
        self.agreement_ = evidence.agreement
        self.relative_score_ = evidence.relative_score
        self.min_relative_score_ = evidence.min_relative_score
        self.converged_ = evidence.converged
        warn_unless_converged(evidence)

    def _set_target_names(self, names: Names | None) -> None:
        """Keep the names of the target features, as scikit-learn does those of the source."""
        if names is not None:
            self.feature_names_target_in_ = names
        elif hasattr(self, "feature_names_target_in_"):
            del self.feature_names_target_in_

    @property
    def linear_map_(self) -> FloatArray:
        """The map that samples are mapped by: `map_`, corrected by known pairs."""
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
        """Common length of the source samples, None where their lengths differ."""
        return self._source_normalizer.length

    @property
    def target_length_(self) -> float | None:
        """Common length of the target samples, None where their lengths differ."""
        return self._target_normalizer.length

    @property
    def source_radius_(self) -> float:
        """Median of the lengths that scaling removes from source samples."""
        return self._source_normalizer.radius

    @property
    def target_radius_(self) -> float:
        """Median of the lengths that scaling removes from target samples."""
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
            becomes zero, and so does a sample of zeros if `source_normalized_`. No samples give an
            array of shape (0, n_features_target). `out` if given.

        Raises
        ------
        TypeError
            When `X` is a lazy collection, such as a dask array, which would be computed in memory
            as a whole. The message says how to map it in blocks.

        Warns
        -----
        SampleLengthWarning
            When the samples are longer or shorter than those that `fit` has seen, or all of one
            length where those were not, as after a store has normalized them.
        """
        return self._map_samples(X, "transform", out=out)

    def transform_target(self, XB: ArrayLike) -> FloatArray:
        """Return target samples as :meth:`transform` returns mapped ones: centred, of unit length.

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
            When `XB` is a lazy collection, such as a dask array, which would be computed in memory
            as a whole. The message says how to map it in blocks.
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

        The result can be put into an index of target samples as it is. Where the target samples
        seen by :meth:`fit` all had the same length, so do the mapped ones. Where the lengths of
        both spaces vary, a sample keeps its length, or its distance from the mean, in relation to
        the median of its space. With
        ``Z = transform(X)``, the result is

        - ``target_mean_ + t * Z`` where the target samples have one length, with the `t` for which
          the result has the length `target_length_`;
        - ``target_mean_ + lengths * Z`` where they have not;
        - ``lengths * (target_mean_ + t * Z)`` if `target_normalized_`, with the `t` for which the
          expression in brackets has unit length.

        `lengths` is `target_radius_`, times the length of ``X - source_mean_`` (of ``X`` if
        `source_normalized_`) over `source_radius_` unless the source samples have one length.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_features,)
            Samples of the source space, or a single one.

        out : ndarray of shape (n_samples, n_features_target), default=None
            Where the result is written, such as a memmap; float16, float32 or float64. Its contents
            are undefined after an error.

        dtype : {"float16", "float32", "float64"} or dtype, default=None
            Type of the result, by default that of `out` or else of :meth:`transform`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features_target) or (n_features_target,)
            Samples in the coordinates of the target space, one vector for a single sample. `out`
            if given.

        Raises
        ------
        ValueError
            When the type of the result does not hold these coordinates, as single precision does
            not where the target samples are about 1e50 long.
        TypeError
            When `X` is a lazy collection, such as a dask array, which would be computed in memory
            as a whole. The message says how to map it in blocks.
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

        The file holds the map, means, lengths and names of the features of both spaces, the results
        of the convergence check and the version of this package, but no samples and no parameters.
        It appears as a whole or not at all.

        Parameters
        ----------
        path : str or path-like
            The file; one that exists is replaced.

        format : {"npz", "safetensors", "onnx"} or None, default=None
            The format, by default that of the ending of the file name.

            - "npz": :func:`~sklearn_align.load_map` reads it, with the same results to the bit.
            - "safetensors": the same; needs safetensors.
            - "onnx": a graph from "source" (batch, n_features) to "target", as :meth:`to_target`,
              and "unit", as :meth:`transform`, all in float32; needs onnx.

        metadata : dict of str to str, default=None
            Entries to store, such as the names of both encoders. None stores `metadata_` of an
            aligner from :func:`~sklearn_align.load_map`. Keys that start with ``"sklearn_align."``
            are those of the package.

        Raises
        ------
        TypeError
            When a key or a value of `metadata` is no str.
        ValueError
            When there is no such format, a key of `metadata` is one of the package, a number of the
            map is not finite, or lengths are out of the range of an ONNX graph.
        ImportError
            When a package that the format needs is not installed.

        See Also
        --------
        sklearn_align.load_map : Reads npz and safetensors.
        sklearn_align.alignment.to_torch : Makes a torch module.
        """
        export_map(self, path, format, metadata)

    def inverse_transform(self, X: ArrayLike) -> FloatArray:
        """Map the output of :meth:`transform` back to raw coordinates of the source space.

        The way back is the transpose of `map_`, without the correction by known pairs.

        Only directions are kept by :meth:`transform`. The length is restored where the source
        samples seen by :meth:`fit` all had the same length, else the median length, or the median
        distance from the mean, is used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_target)
            Samples as :meth:`transform` returns them. The names of a data frame must be those of
            ``get_feature_names_out``.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Samples in the coordinates of the source space.

        Raises
        ------
        ValueError
            When the type of the result does not hold these coordinates.
        TypeError
            When `X` is a lazy collection, such as a dask array, which would be computed in memory
            as a whole. The message says how to map it in blocks.
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
            A matrix with as many columns as the target space holds target samples, whatever its
            container, number type or values: the counterparts of the samples of `X`, in the same
            order, when there are equally many, else unpaired samples. With anything else (None, a
            vector, a matrix of another width), such as labels, the target samples kept by
            :meth:`fit` are used, unpaired. A label matrix that happens to be as wide as the target
            space is not told from samples: leave it out. Names of a data frame of that width must
            be those of the target samples in :meth:`fit`.

        Returns
        -------
        float
            With counterparts the fraction of samples whose counterpart is nearest
            (:func:`~sklearn_align.metrics.retrieval_accuracy`), else the label-free score
            (:func:`~sklearn_align.metrics.csls_score`). Higher is better.

        Raises
        ------
        ValueError
            When `target_sample_` is needed and has been deleted.

        Warns
        -----
        PairingWarning
            When samples taken as counterparts are no better than chance although the map
            converged: unpaired target samples belong in ``XB=``.
        """
        Z = self._map_samples(X, "score", ensure_min_samples=1)
        if y is None or shape_of(y)[1:] != (self.n_features_target_,):
            if not hasattr(self, "target_sample_"):
                raise ValueError(
                    "y holds no target samples, and target_sample_ has been deleted: pass samples "
                    f"of the target space, a matrix of {self.n_features_target_} columns, as y."
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
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = True
        return tags
