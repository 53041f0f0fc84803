"""The estimator: parameters, validation and the order of the stages."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_align._linalg import polar_factor
from sklearn_align._sklearn import Interval, StrOptions, fit_context, validate_parameters
from sklearn_align.alignment._anchors import AnchorStart
from sklearn_align.alignment._diagnostics import (
    AGREEMENT_THRESHOLD,
    RELATIVE_SCORE_THRESHOLD,
    judge,
)
from sklearn_align.alignment._frame import Frame
from sklearn_align.alignment._monitor import FitMonitor
from sklearn_align.alignment._problem import (
    AlignmentProblem,
    ReducedProblem,
    scale_to_unit_length,
)
from sklearn_align.alignment._refine import (
    ClusterRefinement,
    NeighborRefinement,
    Refinement,
    TransportRefinement,
)
from sklearn_align.alignment._starts import (
    COMPONENT_STARTS,
    PairStart,
    Standing,
    Start,
    race,
    reduce_problem,
)
from sklearn_align.alignment._validation import check_pairs, check_target, choose_target
from sklearn_align.exceptions import AlignmentWarning, PairingWarning, SmallSampleWarning
from sklearn_align.metrics import csls_score, retrieval_accuracy

FloatArray = NDArray[np.floating[Any]]

_POSITIVE_INT = Interval(Integral, 1, None, closed="left")
_ANCHOR_MATCH_ROWS = 4000


class MiniVec2Vec(
    ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, TransformerMixin, BaseEstimator
):
    """Linear map between two embedding spaces, learned from unpaired rows.

    Encoders that were trained separately place the same things in much the same arrangement.
    mini-vec2vec recovers the rotation between two arrangements from rows of either space, which
    need be neither paired nor equally many. Whether it succeeded is judged without labels.

    Parameters
    ----------
    n_clusters : int, default=20
        Clusters of each space in an anchor run. Clipped to the number of rows.

    n_runs : int, default=30
        Anchor runs of each start, whose matched cluster centres are all used.

    n_qap_restarts : int, default=30
        Random restarts of the quadratic assignment that matches the cluster centres of a run.

    n_neighbors : int, default=50
        Target rows averaged for each source row at the start and in Refine-1. Clipped to the
        number of target rows.

    anchor_sample_size : int or None, default=10000
        Rows of each space that are clustered in the anchor runs; None takes all.

    init : {"auto", "components", "anchors"}, default="auto"
        How a start is made.

        - "components": match independent components of the two spaces by the statistics of the
          rows along them.
        - "anchors": Algorithms 1 and 2 of the paper, which match cluster centres by quadratic
          assignment and then rows by their cosines with these anchors.
        - "auto": "anchors" with ``refinements="paper"``, else "components".

    n_init : int or "auto", default="auto"
        Independent starts. As many are made as it takes until two of different kinds agree; while
        none do, all are refined briefly, the best by label-free score further, and the best of
        these in full. "auto" stands for 1 with ``refinements="paper"``, else for 12.

    refinements : {"robust", "paper"} or list of refinements, default="robust"
        Steps that improve the chosen start, in order.

        - "robust": three times :class:`~sklearn_align.alignment.TransportRefinement`, on small
          samples, then on large ones with directions more and more whitened.
        - "paper": the published recipe, :class:`~sklearn_align.alignment.NeighborRefinement`
          (Refine-1), then :class:`~sklearn_align.alignment.ClusterRefinement` (Refine-2), after
          a single start that clusters and matches at full width.
        - a list of objects that follow :class:`~sklearn_align.alignment.Refinement`.

    max_iter : int, default=75
        Iterations of Refine-1. Only used with ``refinements="paper"``.

    sample_size : int or None, default=10000
        Source rows in each iteration of Refine-1; None takes all. Only used with
        ``refinements="paper"``.

    smoothing : float, default=0.5
        Share of each new solution in Refine-1 and Refine-2, in (0, 1]. Only used with
        ``refinements="paper"``.

    n_refine_clusters : int, default=500
        Clusters of Refine-2. Only used with ``refinements="paper"``.

    max_samples : int or None, default=30000
        Rows of each space that the search looks at, drawn at random when there are more; None
        takes all. Means are always taken over all rows.

    pair_weight : float, default=1.0
        How much known pairs count, see `pairs` in :meth:`fit`.

    score_sample_size : int, default=2000
        Rows of each space on which the label-free score is computed, and number of target rows
        kept for :meth:`score`.

    n_jobs : int, default=None
        Starts that run at the same time, in threads. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 means all processors. Does not change the
        result.

    verbose : int, default=0
        1 prints a line for every stage, 2 one for every iteration.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result in every call.

    Attributes
    ----------
    map_ : ndarray of shape (n_features_in_, n_features_target_)
        The map, applied as ``centred_rows @ map_``. Its columns are orthonormal, its rows when
        there are fewer rows than columns; both when the widths are equal.

    source_mean_ : ndarray of shape (n_features_in_,)
        Mean of the source rows.

    target_mean_ : ndarray of shape (n_features_target_,)
        Mean of the target rows.

    alignment_score_ : float
        Label-free quality of the map.

    agreement_ : float
        Share of source rows that the map and one found independently map to the same place; or,
        when that is small and there are at least five known pairs, the share of pairs that are
        retrieved after a refinement without them. Near 1 after a success, small after a
        failure.

    relative_score_ : float
        Where `alignment_score_` lies between the score of arbitrary maps (0) and that of a space
        with itself (1). Says whether mapped rows lie among the target rows as those lie among
        themselves.

    converged_ : bool
        Whether the alignment can be trusted: whether `agreement_` is at least 0.7 and
        `relative_score_` at least 0.6.

    history_ : list of dict
        A record for each stage: its name `stage`, the label-free score after each iteration
        `score`, `n_iter` and the `time` in seconds. The record of the first stage also has the
        scores of all starts in each round of the selection, `start_scores`.

    n_iter_ : int
        Iterations of all stages together.

    target_sample_ : ndarray of shape (at most score_sample_size, n_features_target_)
        Target rows in the common frame, against which :meth:`score` compares.

    n_features_target_ : int
        Width of the target space.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the source features, when `X` has string names.

    See Also
    --------
    sklearn_align.metrics.retrieval_accuracy : Share of rows whose counterpart is nearest.
    scipy.linalg.orthogonal_procrustes : The map when all rows are paired.

    Notes
    -----
    The search runs in single precision. Under cross-validation `pairs` must hold the paired rows
    themselves, because row numbers do not survive a split; they are refused there.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [_POSITIVE_INT],
        "n_runs": [_POSITIVE_INT],
        "n_qap_restarts": [_POSITIVE_INT],
        "n_neighbors": [_POSITIVE_INT],
        "anchor_sample_size": [Interval(Integral, 2, None, closed="left"), None],
        "init": [StrOptions({"auto", "components", "anchors"})],
        "n_init": [_POSITIVE_INT, StrOptions({"auto"})],
        "refinements": [StrOptions({"robust", "paper"}), list, tuple],
        "max_iter": [_POSITIVE_INT],
        "sample_size": [_POSITIVE_INT, None],
        "smoothing": [Interval(Real, 0, 1, closed="right")],
        "n_refine_clusters": [_POSITIVE_INT],
        "max_samples": [Interval(Integral, 2, None, closed="left"), None],
        "pair_weight": [Interval(Real, 0, None, closed="neither")],
        "score_sample_size": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int = 20,
        *,
        n_runs: int = 30,
        n_qap_restarts: int = 30,
        n_neighbors: int = 50,
        anchor_sample_size: int | None = 10_000,
        init: str = "auto",
        n_init: int | str = "auto",
        refinements: str | Sequence[Refinement] = "robust",
        max_iter: int = 75,
        sample_size: int | None = 10_000,
        smoothing: float = 0.5,
        n_refine_clusters: int = 500,
        max_samples: int | None = 30_000,
        pair_weight: float = 1.0,
        score_sample_size: int = 2000,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_runs = n_runs
        self.n_qap_restarts = n_qap_restarts
        self.n_neighbors = n_neighbors
        self.anchor_sample_size = anchor_sample_size
        self.init = init
        self.n_init = n_init
        self.refinements = refinements
        self.max_iter = max_iter
        self.sample_size = sample_size
        self.smoothing = smoothing
        self.n_refine_clusters = n_refine_clusters
        self.max_samples = max_samples
        self.pair_weight = pair_weight
        self.score_sample_size = score_sample_size
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        XB: ArrayLike | None = None,
        pairs: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Learn the map from the space of `X` to the space of the target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        y : array-like of shape (n_samples_target, n_features_target), default=None
            Rows of the target space, in any number and any order. Ignored when `XB` is given, so
            that labels can stand here in a pipeline.

        XB : array-like of shape (n_samples_target, n_features_target), default=None
            Rows of the target space, by name. In a search or a cross-validation they are split
            along with `X` when there happen to be equally many, which does no harm.

        pairs : tuple of two array-likes, default=None
            Known pairs: two integer vectors ``(rows_A, rows_B)``, row numbers into `X` and the
            target rows, or two matrices with the paired rows themselves.

        Returns
        -------
        self : MiniVec2Vec
            The fitted estimator.

        Raises
        ------
        ValueError
            When there is no target space, an input is not a finite 2-D array with at least two
            different rows, or `pairs` cannot be used.

        Warns
        -----
        AlignmentWarning
            When the alignment cannot be trusted; `converged_` is False then.
        SmallSampleWarning
            When a number of clusters or neighbours was clipped to the number of rows.
        """
        target = choose_target(XB, y, type(self).__name__)
        rows: FloatArray = validate_data(
            self, X, dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        target = check_target(target, estimator=self, ensure_min_samples=2)
        refinements = self._list_refinements()
        random_state = check_random_state(self.random_state)
        self._source_frame, self._target_frame = Frame.of(rows), Frame.of(target)
        self.n_features_target_ = target.shape[1]
        self._dtype = np.result_type(rows, target)
        problem = self._make_problem(rows, target, pairs, random_state)

        context = self._init_callback_context(max_subtasks=1 + len(refinements))
        data = {"X": rows, "y": target}
        context.call_on_fit_task_begin(estimator=self, **data)
        monitor = FitMonitor(self, context, data, int(self.verbose))
        reduced = reduce_problem(problem, random_state)
        W, standing, stopped = self._start(problem, reduced, monitor, random_state)
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
        self._judge(problem, reduced, W, standing, random_state)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: self._fitted_map(W), **data
        )
        return self

    def _list_refinements(self) -> list[Refinement]:
        """Return the refinement steps, those of a preset or the user's own, validated."""
        if self.refinements == "robust":
            return [
                TransportRefinement(
                    max_iter=120,
                    epsilon=(0.05, 0.045),
                    momentum=0.5,
                    n_iter_no_change=6,
                    tol=0.001,
                ),
                # The score hardly rises any more, but weak directions still turn: no early stop.
                TransportRefinement(
                    max_iter=20,
                    sample_size=3500,
                    epsilon=(0.035, 0.03),
                    whitening=(0.6, 0.6),
                    smoothing=1.0,
                    momentum=0.8,
                    n_iter_no_change=None,
                ),
                TransportRefinement(
                    max_iter=4,
                    sample_size=7000,
                    epsilon=(0.03, 0.03),
                    whitening=(0.6, 0.6),
                    smoothing=1.0,
                    momentum=0.5,
                    n_iter_no_change=None,
                ),
            ]
        if self.refinements == "paper":
            return [
                NeighborRefinement(
                    self.max_iter,
                    sample_size=self.sample_size,
                    n_neighbors=self.n_neighbors,
                    smoothing=self.smoothing,
                ),
                ClusterRefinement(self.n_refine_clusters, smoothing=self.smoothing),
            ]
        for step in self.refinements:
            if isinstance(step, type) or not isinstance(step, Refinement):
                raise ValueError(
                    "The 'refinements' parameter of MiniVec2Vec must be 'robust', 'paper' or a "
                    f"list of objects with a method iterate(problem, W, random_state), got "
                    f"{step!r}."
                )
            if isinstance(step, BaseEstimator) and hasattr(step, "_parameter_constraints"):
                validate_parameters(step)
        return list(self.refinements)  # type: ignore[arg-type]

    def _make_problem(
        self,
        X: FloatArray,
        target: FloatArray,
        pairs: Any,
        random_state: np.random.RandomState,
    ) -> AlignmentProblem:
        """Bring both sides into their frames; the search sees at most `max_samples` rows."""
        known = check_pairs(
            pairs,
            X,
            target,
            mean_A=self._source_frame.mean,
            mean_B=self._target_frame.mean,
            weight=float(self.pair_weight),
        )
        sides = []
        for name, rows, frame in (
            ("X", X, self._source_frame),
            ("the target space", target, self._target_frame),
        ):
            if self.max_samples is not None and len(rows) > self.max_samples:
                chosen = np.sort(random_state.choice(len(rows), self.max_samples, replace=False))
                rows = rows[chosen]
            if not np.ptp(rows, axis=0).any():
                raise ValueError(
                    f"All rows of {name} are equal, so there is no geometry to align. Pass rows "
                    "that differ."
                )
            sides.append(frame.enter(rows).astype(np.float32, copy=False))
        n_rows = min(len(sides[0]), len(sides[1]))
        for parameter, value, limit in (
            ("n_clusters", self.n_clusters, n_rows),
            ("n_neighbors", self.n_neighbors, len(sides[1])),
        ):
            if value > limit:
                warnings.warn(
                    f"{parameter}={value} was reduced to {limit}, the number of rows. Pass more "
                    f"rows or a smaller {parameter}.",
                    SmallSampleWarning,
                    stacklevel=5,
                )
        return AlignmentProblem(
            sides[0],
            sides[1],
            known,
            score_sample_size=self.score_sample_size,
            random_state=random_state,
        )

    def _list_starts(self) -> list[Start]:
        """Return one start for each of the `n_init` tries."""
        published = self.refinements == "paper"
        init = self.init
        if init == "auto":
            init = "anchors" if published else "components"
        n_init = self.n_init
        if isinstance(n_init, str):
            n_init = 1 if published else len(COMPONENT_STARTS)
        if init == "components":
            return [COMPONENT_STARTS[i % len(COMPONENT_STARTS)] for i in range(n_init)]
        return [self._anchor_start(n_match_rows=_ANCHOR_MATCH_ROWS)] * n_init

    def _anchor_start(self, n_match_rows: int | None) -> AnchorStart:
        return AnchorStart(
            n_clusters=self.n_clusters,
            n_runs=self.n_runs,
            n_restarts=self.n_qap_restarts,
            n_neighbors=self.n_neighbors,
            n_cluster_rows=self.anchor_sample_size,
            n_match_rows=n_match_rows,
        )

    def _start(
        self,
        problem: AlignmentProblem,
        reduced: ReducedProblem,
        monitor: FitMonitor,
        random_state: np.random.RandomState,
    ) -> tuple[FloatArray, Standing | None, bool]:
        """Return the best of several starts, how the race ended, and whether to stop the fit."""
        starts = self._list_starts()
        with monitor.stage("start", max_iter=None) as stage:
            if self.refinements == "paper" and len(starts) == 1 and problem.pairs is None:
                W = self._anchor_start(n_match_rows=None).map(problem, random_state)
                stage.iteration(problem.score(W), partial(self._fitted_map, W))
                return W, None, stage.stop_requested
            if problem.pairs is not None:
                starts = [PairStart(), *starts]
            for standing in race(reduced, starts, random_state=random_state, n_jobs=self.n_jobs):
                best = standing.candidates[0]
                W = reduced.lift(best.map)
                stage.append("start_scores", [c.score for c in standing.candidates])
                stage.append("agreement", standing.agreement)
                if stage.iteration(best.score, partial(self._fitted_map, W)):
                    break
        return W, standing, stage.stop_requested

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

    def _fitted_map(self, W: FloatArray) -> dict[str, FloatArray]:
        return {"map_": polar_factor(W.astype(np.float64)).astype(self._dtype)}

    def _judge(
        self,
        problem: AlignmentProblem,
        reduced: ReducedProblem,
        W: FloatArray,
        standing: Standing | None,
        random_state: np.random.RandomState,
    ) -> None:
        """Set the label-free verdict and warn when it is bad."""
        self.alignment_score_ = problem.score(W)
        witnesses = standing.witnesses if standing else []
        origin = standing.candidates[0].origin if standing else None
        verdict = judge(problem, reduced, W, witnesses, origin, random_state)
        self.agreement_ = verdict.agreement
        self.relative_score_ = verdict.relative_score
        self.converged_ = verdict.converged
        if not self.converged_:
            reason = "no independent start leads to the same map"
            if verdict.agreement >= AGREEMENT_THRESHOLD:
                reason = (
                    "mapped rows do not lie among the target rows as those lie among themselves"
                )
            warnings.warn(
                f"The alignment cannot be trusted: {reason} (agreement_={self.agreement_:.3f}, "
                f"needed {AGREEMENT_THRESHOLD}; relative_score_={self.relative_score_:.3f}, needed "
                f"{RELATIVE_SCORE_THRESHOLD}). More rows, some known pairs (pairs=...), more "
                "starts (n_init=...) or closer encoders help.",
                AlignmentWarning,
                stacklevel=4,
            )

    @property
    def source_mean_(self) -> FloatArray:
        """Mean of the source rows."""
        return self._source_frame.mean

    @property
    def target_mean_(self) -> FloatArray:
        """Mean of the target rows."""
        return self._target_frame.mean

    @property
    def _n_features_out(self) -> int:
        return int(self.n_features_target_)

    def transform(self, X: ArrayLike) -> FloatArray:
        """Map source rows into the centred unit frame of the target space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_target)
            Unit rows, float32 for float32 input. A row that equals the mean becomes zero.
        """
        return self._map_rows(X)

    def transform_target(self, XB: ArrayLike) -> FloatArray:
        """Bring target rows into the frame that :meth:`transform` maps to.

        Parameters
        ----------
        XB : array-like of shape (n_samples, n_features_target)
            Rows of the target space.

        Returns
        -------
        T : ndarray of shape (n_samples, n_features_target)
            Unit rows: ``transform(XA) @ transform_target(XB).T`` is a matrix of cosines.
        """
        check_is_fitted(self)
        return self._target_frame.enter(self._check_target_rows(XB, "XB"))

    def to_target(self, X: ArrayLike) -> FloatArray:
        """Map source rows to raw coordinates of the target space.

        The result can be put into an index of target rows as it is. Where the target rows seen by
        :meth:`fit` all had the same length (unit rows, say), so do the mapped ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features_target)
            Rows in the coordinates of the target space.
        """
        # `transform` itself returns a data frame under `set_output`.
        Z = self._map_rows(X)
        return self._target_frame.leave(Z)

    def inverse_transform(self, X: ArrayLike) -> FloatArray:
        """Map rows of the common frame back to raw coordinates of the source space.

        The frame keeps directions only. The length is restored where the source rows seen by
        :meth:`fit` all had the same length, else the median distance from the mean is used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_target)
            Rows in the frame that :meth:`transform` maps to.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the coordinates of the source space.
        """
        check_is_fitted(self)
        Z = self._check_target_rows(X, "X")
        back = Z @ self.map_.T.astype(Z.dtype, copy=False)
        scale_to_unit_length(back)
        return self._source_frame.leave(back)

    def score(self, X: ArrayLike, y: ArrayLike | None = None) -> float:
        """Judge the map on source rows, with or without their counterparts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        y : array-like, default=None
            - float matrix of shape (n_samples, n_features_target), as many rows as `X`: their
              counterparts, row by row;
            - float matrix with another number of rows: unpaired rows of the target space;
            - anything with one dimension, or integers (labels): not used;
            - None: the target rows kept by :meth:`fit` are used, unpaired.

        Returns
        -------
        float
            With counterparts the share of rows whose counterpart is nearest, else the label-free
            score, the mean over the rows of the largest CSLS value. Higher is better.

        Warns
        -----
        PairingWarning
            When rows taken as counterparts are no better than chance although the map
            converged: unpaired target rows belong in ``XB=``.
        """
        Z = self._map_rows(X)
        n_pairs = len(Z)
        if y is None or not _is_float_matrix(y):
            reference = self.target_sample_.astype(Z.dtype, copy=False)
            return csls_score(Z, reference)
        T = self.transform_target(y)
        if len(T) != n_pairs:
            return csls_score(Z, T)
        accuracy = retrieval_accuracy(Z, T)
        if self.converged_ and n_pairs >= 50 and accuracy <= 5 / n_pairs:
            warnings.warn(
                "y has as many rows as X and is taken as their counterparts, but only "
                f"{accuracy:.1%} of them are nearest although the alignment converged. If y is "
                "not paired with X, pass the target rows by name in fit or in a search: "
                "fit(XA, XB=XB).",
                PairingWarning,
                stacklevel=2,
            )
        return accuracy

    def _map_rows(self, X: ArrayLike) -> FloatArray:
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._source_frame.enter(rows, self.map_)

    def _check_target_rows(self, rows: ArrayLike, name: str) -> FloatArray:
        checked = check_array(rows, dtype=[np.float64, np.float32], input_name=name, estimator=self)
        if checked.shape[1] != self.n_features_target_:
            raise ValueError(
                f"{name} has {checked.shape[1]} features, but the target space that "
                f"{type(self).__name__} was fitted with has {self.n_features_target_} features."
            )
        return np.asarray(checked)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = True
        return tags


def _is_float_matrix(y: ArrayLike) -> bool:
    values = y if hasattr(y, "shape") and hasattr(y, "dtype") else np.asarray(y)
    return len(values.shape) == 2 and np.dtype(values.dtype).kind == "f"
