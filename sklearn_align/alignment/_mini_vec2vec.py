"""The estimator: parameters and order of the steps of its search."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_align._constraints import AT_LEAST_TWO, POSITIVE, POSITIVE_INT
from sklearn_align._linalg import polar_factor, unit_scale
from sklearn_align._samples import check_samples, computing_dtype
from sklearn_align._sklearn import HasMethods, StrOptions, fit_context
from sklearn_align._state import all_or_nothing
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._agreement import map_agreement
from sklearn_align.alignment._convergence import check_convergence, warn_unless_converged
from sklearn_align.alignment._correction import correction_by_pairs
from sklearn_align.alignment._fitted_map import EVIDENCE, FittedMap
from sklearn_align.alignment._held_out import accuracy_of_given_map, accuracy_on_pairs
from sklearn_align.alignment._inputs import (
    check_pairs,
    choose_target,
    draw_problem,
    refuse_labels,
)
from sklearn_align.alignment._lazy import refuse_lazy_sides
from sklearn_align.alignment._monitor import FitMonitor
from sklearn_align.alignment._names import Names, check_names, names_of, numbered
from sklearn_align.alignment._normalizer import CentredNormalizer
from sklearn_align.alignment._problem import AlignmentProblem, ReducedProblem
from sklearn_align.alignment._recipes import CONVERGENCE
from sklearn_align.alignment._sample_lengths import warn_unless_as_long
from sklearn_align.alignment._search import MapSearch
from sklearn_align.alignment._selection import Round, reduce_problem
from sklearn_align.alignment._steps import list_refinements, list_starts
from sklearn_align.alignment._threads import one_fit_at_a_time
from sklearn_align.alignment.refinements import (
    ClusterRefinement,
    NeighborRefinement,
    Refinement,
)
from sklearn_align.alignment.starts import AnchorStart, Start

# Removed when a fit begins, so that callbacks do not take them for those of the new map. Those in
# `metadata_` describe the map of a file.
_OF_AN_EARLIER_MAP = (*EVIDENCE, "correction_strength_", "maps_", "metadata_", "n_iter_")


class MiniVec2Vec(CallbackSupportMixin, FittedMap):
    """Linear map between two embedding spaces, learned from unpaired samples.

    Encoders that were trained separately give similar vectors to similar texts, images or words, up
    to a rotation of the space. mini-vec2vec finds the orthogonal map between two such spaces from
    samples of both. The samples need not be paired, and their numbers may differ. A convergence
    check without labels tests whether the map is correct.

    Parameters by topic:

    - Search: `init`, `n_init`, `selection`, `refinements`, `max_samples`
    - Known pairs: `pair_weight`, `correction`
    - Diagnostics: `score_sample_size`, `keep_maps`
    - Computation: `n_jobs`, `random_state`, `verbose`

    Parameters
    ----------
    init : {"components", "anchors"}, Start or list of Start, default="components"
        How the candidates for the initial map are computed.

        - "components": match independent components of the two spaces, with several settings of
          :class:`~sklearn_align.alignment.ComponentStart`.
        - "anchors": match cluster centres, :class:`~sklearn_align.alignment.AnchorStart`.
        - an object with a method ``initial_map(problem, random_state)``, see
          :class:`~sklearn_align.alignment.Start`. Its parameters can be searched, as in
          ``init__n_clusters``.
        - a list of such objects, which are used in turn.

    n_init : int or "auto", default="auto"
        Maximum number of candidates. No further candidates are computed after two independent
        candidates agree. "auto" is the length of the list `init`, or 12 if `init` is not a list, or
        1 with ``selection=None``.

    selection : {"halving"} or None, default="halving"
        How the initial map is selected.

        - "halving": successive halving. Candidates are refined in the leading 128 principal
          directions of each space. The candidates with the highest label-free score are refined
          further, until two independent candidates agree or the score does not increase any more.
          Between wide spaces, the mean of the best candidate and of those that agree with it is
          refined, because each of them has other errors, and the best map is learned again from its
          leading directions, because others may be sent to wrong ones. Known pairs add a candidate
          and judge the others, which are not fitted to them.
        - None: a single initial map is computed at full width and used without a selection.

    refinements : {"robust", "paper"} or list of refinements, default="robust"
        Steps that improve the selected map, in their order.

        - "robust": :class:`~sklearn_align.alignment.TransportRefinement` on small samples of both
          sides, then :class:`~sklearn_align.alignment.StochasticTransportRefinement` twice: first
          with some target samples, then with all target samples.
        - "paper": :class:`~sklearn_align.alignment.NeighborRefinement` (Refine-1), then
          :class:`~sklearn_align.alignment.ClusterRefinement` (Refine-2).
        - a list of objects that follow :class:`~sklearn_align.alignment.Refinement`.

    max_samples : int or None, default=30000
        Maximum number of samples of each space that the search uses. If there are more samples, a
        random subset is drawn. None uses all samples. Means are always computed over all samples.
        If both spaces have 15,000 samples or more and fewer than 50 pairs are known, the search
        leaves out at least 2,500 samples of each space, and `expected_accuracy_` is estimated on
        them.

    pair_weight : float, default=1.0
        Weight of one known pair relative to one matched sample, see `pairs` in :meth:`fit`.

    correction : {"auto", "ridge"} or None, default="auto"
        Correction of the orthogonal map by known pairs.

        - "ridge": a ridge regression of the residuals of the map on the known pairs. Its strength
          is selected by leave-one-out cross-validation over the pairs. An infinite strength may be
          selected; the map is then not corrected.
        - "auto": the same as "ridge" with at least 50 known pairs; no correction with fewer pairs,
          because these are too few for the regression.
        - None: no correction; `linear_map_` equals `map_`.

    score_sample_size : int, default=2000
        Number of samples of each space for the label-free score, and number of target samples that
        are stored for :meth:`score`.

    n_jobs : int, default=None
        Number of candidates that are refined at the same time, in threads. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 means all processors. The result does not depend
        on `n_jobs`. All other steps use the threads of the linear algebra, whatever it is.

    keep_maps : bool, default=False
        Whether `maps_` holds the map after each stage.

    verbose : int, default=0
        1 prints a line for every stage, 2 prints a line for every iteration.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result in every call.

    Attributes
    ----------
    map_ : ndarray of shape (n_features_in_, n_features_target_)
        The orthogonal map, applied as ``centred_samples @ map_``. Its columns are orthonormal. If
        there are fewer rows than columns, its rows are orthonormal instead. If the widths are
        equal, both are.

    linear_map_ : ndarray of shape (n_features_in_, n_features_target_)
        The matrix that :meth:`transform` and :meth:`to_target` apply: `map_`, corrected by the
        known pairs, or the matrix that was passed to :meth:`from_map`.

    correction_strength_ : float
        Strength of the ridge regression of the correction; infinity if there is no correction.

    source_mean_ : ndarray of shape (n_features_in_,)
        Mean of the source samples, or of the source samples scaled to unit length if
        `source_normalized_`.

    target_mean_ : ndarray of shape (n_features_target_,)
        Mean of the target samples, or of the target samples scaled to unit length if
        `target_normalized_`.

    source_normalized_ : bool
        Whether source samples are scaled to unit length before `source_mean_` is computed and
        subtracted. It is True if the distribution of their lengths has a long tail: if 5% of the
        lengths are more than twice, or less than a quarter, of the median length. If it is False, a
        sample that is longer than four times the median length counts in the mean with four times
        the median length.

    target_normalized_ : bool
        The same for target samples.

    source_length_, target_length_ : float or None
        The common length of the raw samples of each space; None if their lengths differ.

    source_radius_, target_radius_ : float
        Median distance of the raw samples of each space from their mean. If samples are scaled to
        unit length before the mean is subtracted, median length of the raw samples.

    alignment_score_ : float
        Label-free quality of the map, ``mean_i max_j CSLS(x_i W, y_j)``, see
        :func:`~sklearn_align.metrics.csls_score`.

    agreement_ : float
        Fraction of source samples that the map and a map of an independent run send to the same
        place. It is near 1 for a correct map and small for a wrong map. If it is small, runs from
        each half of the known pairs are independent runs, too, if they retrieve some pairs of the
        other half. If a space is narrow (fewer than 128 features, or 99 % of the variance in 64
        directions) and the map does not retrieve known pairs, it must also agree with three of four
        runs on halves of the samples. If less than .35 of the samples agree with these runs,
        `agreement_` is that fraction. If `ambiguous_` is True, it is the agreement with the other
        map.

    relative_score_ : float
        ``(s(map) - s(arbitrary)) / (s(itself) - s(arbitrary))`` with the label-free score ``s`` of
        the map, of arbitrary maps between principal axes, and of a space with itself (two halves of
        it). Where there are 2,500 samples of each space that the search has not used, it is
        computed on them, otherwise on samples of the search, where it is higher.

    min_relative_score_ : float
        The smallest `relative_score_` with which this number of samples can give an estimated
        `expected_accuracy_` of 0.5.

    relearned_agreement_ : float
        Fraction of source samples that the map and maps from halves of the samples send to the same
        place. Only the part of the map between 12 leading directions of both spaces is kept, and
        the other directions are learned again from one half of the samples of each space, and from
        the other half. The fraction is near 1 if the samples determine the map. NaN if it is not
        computed: if a space is narrow, has fewer than 1,500 samples without near copies, or 2,500
        samples that the search has not used, or if the accuracy is measured.

    relearned_score_ : float
        Relative score of the maps from halves of the samples, on the other half. It is about 0 if
        the map fits accidents of its samples. NaN where `relearned_agreement_` is NaN.

    expected_accuracy_ : float
        Fraction of samples whose counterpart is expected to be the nearest of 1,000 target samples.
        With at least 50 known pairs, it is measured on some of them, with maps that are fitted
        without these: on a quarter of them, and with fewer than 300 pairs on other quarters, too,
        until they are 75 or nearly all pairs. These maps are fitted to fewer samples; what the
        others add is estimated. With fewer than 50 pairs, it is an estimate: from `relative_score_`
        alone if that is computed on samples that the search has not used; if there is a
        `relearned_agreement_`, from it, `relearned_score_` and `relative_score_`; otherwise from
        `agreement_`, `relative_score_` and the number of samples. If runs from halves of the known
        pairs lead to the map, the expected accuracy is the mean of the estimate, with the weight of
        ten pairs, and of the fraction of pairs of the other half that these runs retrieve; but in
        the first two cases not less than the estimate. An error of 0.1 is usual, and larger errors
        occur. If `agreement_` is below 0.7, or `relative_score_` below 0.6 (0.4 where neither space
        is narrow) on samples of the search, the estimate is below 0.5. The agreement is not needed
        if `relearned_agreement_` and `relearned_score_` are high, and refinement of arbitrary maps
        between the same leading directions leads to other maps with less than 0.75 of
        `relearned_score_` only.

    accuracy_measured_ : bool
        True if `expected_accuracy_` was measured on known pairs, False if it is an estimate.

    ambiguous_ : bool
        True if another map is as good, because the spaces are symmetric. The samples do not tell
        which of the two maps is correct, and `converged_` is False. Images and the same number of
        mirror images are an example. This is checked if the other figures are those of a correct
        map, the map does not retrieve known pairs (three of them and a fifth) and there are at
        least 500 samples of each space: one half of the samples of a space is mapped to the other
        half several times. The space is symmetric if two of these maps agree with one another and
        not with the identity.

    converged_ : bool
        True if `expected_accuracy_` is at least 0.5. This attribute and those above from
        `alignment_score_` on are absent in an aligner from :meth:`from_map` until :meth:`assess` is
        called.

    history_ : list of dict
        A record for each stage: its name `stage`, the label-free score after each iteration
        `score`, `n_iter` and the `time` in seconds. The record of the first stage also has
        `start_scores`, the scores of all candidates in each round of the selection. During a fit,
        the last record is that of the running stage, also for callbacks.

    maps_ : dict of str to ndarray of shape (n_features_in_, n_features_target_)
        With ``keep_maps=True``, the orthogonal map after each stage. The last one equals `map_`.
        The keys are the names of the stages in `history_`, in their order: "start", then the
        classes of the refinements. If several stages have the same class, their names are numbered,
        as in "StochasticTransportRefinement-1".

    n_iter_ : int
        Total number of iterations of all stages.

    target_sample_ : ndarray of shape (at most score_sample_size, n_features_target_)
        Centred unit samples of the target space, which :meth:`score` uses. They are stored with the
        estimator: delete the attribute if the target samples must not be passed on.

    n_features_target_ : int
        Width of the target space.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the source features, if `X` has string names.

    feature_names_target_in_ : ndarray of shape (n_features_target_,)
        Names of the target features, if the target samples have string names. All methods that take
        target samples check these names.

    metadata_ : dict of str
        The `metadata` that was passed to :meth:`export`, in an aligner from
        :func:`~sklearn_align.load_map`; absent in other aligners.

    See Also
    --------
    sklearn_align.load_map : Reads a map that :meth:`export` has written.
    sklearn_align.metrics.retrieval_accuracy : Fraction of samples whose counterpart is nearest.
    scipy.linalg.orthogonal_procrustes : The map if all samples are paired.

    Notes
    -----
    The search runs in single precision. Results have the type to which NumPy promotes float32 and
    the type of the samples: float32 for float32, float16, booleans and integers of at most 16 bits,
    which float32 represents exactly; float64 for float64, larger integers and all other types.
    Samples are converted in blocks, so that the samples are never copied as a whole. `map_`, the
    means and `target_sample_` have the type of the samples of :meth:`fit`.

    Fits in several threads of a process wait for each other if linear algebra uses several threads,
    because the number of threads is a setting of the whole process. Use processes to run fits at
    the same time.

    In a cross-validation, `pairs` must hold the paired samples themselves. Indices raise an error,
    because they would be wrong after a split.

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
        "init": [StrOptions({"components", "anchors"}), list, tuple, HasMethods("initial_map")],
        "n_init": [POSITIVE_INT, StrOptions({"auto"})],
        "selection": [StrOptions({"halving"}), None],
        "refinements": [StrOptions({"robust", "paper"}), list, tuple],
        "max_samples": [AT_LEAST_TWO, None],
        "pair_weight": [POSITIVE],
        "correction": [StrOptions({"auto", "ridge"}), None],
        "score_sample_size": [AT_LEAST_TWO],
        "n_jobs": [Integral, None],
        "keep_maps": ["boolean"],
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
        keep_maps: bool = False,
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
        self.keep_maps = keep_maps
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

        The recipe is one :class:`~sklearn_align.alignment.AnchorStart` at full width, followed by
        :class:`~sklearn_align.alignment.NeighborRefinement` and
        :class:`~sklearn_align.alignment.ClusterRefinement`. Known pairs do not correct the map.

        Parameters
        ----------
        n_clusters : int, default=20
            Number of clusters of each space in an anchor run.

        n_runs : int, default=30
            Number of anchor runs. The matched cluster centres of all runs are used.

        n_qap_restarts : int, default=30
            Number of random restarts of the quadratic assignment in a run.

        n_neighbors : int, default=50
            Number of target samples that are averaged for each source sample, in the start and in
            Refine-1.

        anchor_sample_size : int or None, default=10000
            Number of samples of each space that are clustered in the anchor runs; None uses all
            samples.

        max_iter : int, default=75
            Number of iterations of Refine-1.

        sample_size : int or None, default=10000
            Number of source samples in each iteration of Refine-1; None uses all samples.

        smoothing : float, default=0.5
            Weight of each new solution in Refine-1 and Refine-2, in (0, 1].

        n_refine_clusters : int, default=500
            Number of clusters in Refine-2.

        **parameters : object
            Other parameters of :class:`MiniVec2Vec`, such as `random_state`.

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

        If the fit raises an error, is interrupted, or raises a warning that was turned into an
        error, the estimator does not change.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        y : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space, in any number, any order and any number type. `y` is
            ignored if `XB` is given, so that it can hold labels in a pipeline. A matrix with only
            two different values, both whole numbers, raises an error, whatever its type, because
            scikit-learn treats it as multilabel targets. A vector is used as a single feature, with
            a warning.

        XB : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space, with any values. If there are as many samples as in `X`, a
            search or a cross-validation also splits `XB`. This has no bad effect, because the
            samples are unpaired.

        pairs : tuple of two array-likes, default=None
            Known pairs, as two sides ``(rows_A, rows_B)``. Both sides are vectors of integers
            (indices of samples in `X` and in the target samples, from 0 on), or matrices with the
            paired samples themselves. A sample may be in several pairs. Pairs make a candidate
            (:class:`~sklearn_align.alignment.PairStart`), have a weight in every Procrustes problem
            of the refinements (`pair_weight`) and decide between candidates: those that retrieve
            less than half as many pairs as another one are not selected, whatever their score. Two
            lists or tuples of length two raise an error, because ``[(0, 5), (1, 6)]`` could also be
            a list of two pairs: pass arrays in this case.

        Returns
        -------
        self : MiniVec2Vec
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are no target samples, an input is not a finite 2-D array with at least two
            different samples, `y` holds labels, `pairs` cannot be used, or parameters contradict
            each other.
        TypeError
            If samples are a lazy collection, such as a dask array. Pass a sample of it instead.

        Warns
        -----
        AlignmentWarning
            If the convergence check fails (`converged_` is False).
        SmallSampleWarning
            If a number of clusters or neighbors was reduced to the number of samples.
        """
        refuse_lazy_sides(X, y, XB, pairs, method="fit")
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
        for name in _OF_AN_EARLIER_MAP:
            self.__dict__.pop(name, None)
        starts = list_starts(self.init, self.n_init, self.selection)
        refinements = list_refinements(self.refinements)
        random_state = check_random_state(self.random_state)
        self._source_normalizer = CentredNormalizer.fit(source)
        self._target_normalizer = CentredNormalizer.fit(target)
        self.n_features_target_ = target.shape[1]
        self._dtype = np.result_type(computing_dtype(source), computing_dtype(target))
        problem, unseen = self._make_problem(source, target, pairs, random_state)

        context = self._init_callback_context(max_subtasks=1 + len(refinements))
        # As they came in, with the names of their columns, which copies for callbacks check.
        data = {"X": X, "y": target_given}
        monitor = FitMonitor(self, context, data, int(self.verbose))
        self.history_ = monitor.history
        monitor.begin(context)
        reduced = reduce_problem(problem, random_state)
        search = MapSearch(
            starts,
            refinements,
            selection=self.selection,
            n_jobs=self.n_jobs,
            random_state=random_state,
            monitor=monitor,
            attributes=self._state_now,
        )
        maps = search.run(problem, reduced)
        W = maps[-1]
        for name, value in self._fitted_map(W).items():
            setattr(self, name, value)
        self.target_sample_ = problem.sample("B", self.score_sample_size, random_state).astype(
            self._dtype
        )
        self._set_maps(maps)
        self.n_iter_ = sum(record["n_iter"] for record in self.history_)
        corrected, self.correction_strength_ = correction_by_pairs(
            self.map_, problem, self.correction
        )
        self._corrected_map = None if corrected is None else corrected.astype(self._dtype)
        self.expected_accuracy_ = accuracy_on_pairs(
            problem, partial(self._fit_again, search), random_state, wide=reduced.wide
        )
        self._check_convergence(problem, reduced, W, search.selected, random_state, unseen)
        monitor.end(context, dict)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @one_fit_at_a_time()
    def assess(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        XB: ArrayLike | None = None,
        pairs: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Compute the convergence check of the map on samples of both spaces, as in :meth:`fit`.

        Use it for a map from another source (:meth:`from_map`), or to check a map on other samples.
        The map is compared with independent runs on these samples, as described for `converged_`.
        The map and the means are not changed. As in `fit`, the results without pairs are computed
        with `map_`. But if fewer than .7 of the samples have the same nearest target sample under
        `map_` and `linear_map_`, they are computed with `linear_map_`. `agreement_` and
        `relative_score_` are computed in the leading 128 principal directions of each space, in
        which `fit` also selects maps.

        This method sets only `alignment_score_`, `agreement_`, `relative_score_`,
        `min_relative_score_`, `relearned_agreement_`, `relearned_score_`, `expected_accuracy_`,
        `accuracy_measured_`, `ambiguous_` and `converged_`, all at the same time. If a call raises
        an error or is interrupted, nothing is changed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        y : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space, as in :meth:`fit`. Ignored if `XB` is given.

        XB : array-like of shape (n_samples_target, n_features_target), default=None
            Samples of the target space.

        pairs : tuple of two array-likes, default=None
            Known pairs, as in :meth:`fit`. With at least 50 of them, `expected_accuracy_` is
            measured on all of them: pass pairs that were not used to compute the map. With fewer
            pairs, it is an estimate. This estimate is usually too low for a map that was not fitted
            to these samples.

        Returns
        -------
        self : MiniVec2Vec
            The same estimator.

        Raises
        ------
        ValueError
            If there are no target samples, an input is not a finite 2-D array with as many columns
            as its space, or `pairs` cannot be used.
        TypeError
            If samples are a lazy collection, such as a dask array. Pass a sample of it instead.

        Warns
        -----
        AlignmentWarning
            If the convergence check fails (`converged_` is False).
        SampleLengthWarning
            If the samples have other lengths than the samples for which the map was computed.

        See Also
        --------
        MiniVec2Vec.from_map : Makes an aligner from a matrix.
        sklearn_align.alignment.alignment_report : Reports on a map.

        Examples
        --------
        >>> from sklearn_align import MiniVec2Vec
        >>> from sklearn_align.datasets import make_rotated_embeddings
        >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
        >>> aligner = MiniVec2Vec.from_map(
        ...     data.rotation, data.XA.mean(axis=0), data.XB.mean(axis=0), random_state=0
        ... )
        >>> aligner.assess(data.XA, data.XB, pairs=(data.XA_test, data.XB_test)).converged_
        True
        >>> bool(aligner.expected_accuracy_ > 0.9)
        True
        """
        check_is_fitted(self)
        refuse_lazy_sides(X, y, XB, pairs, method="assess")
        target_given = choose_target(XB, y, type(self).__name__, method="assess")
        source = check_samples(X, input_name="X", estimator=self, reset=False, ensure_min_samples=2)
        warn_unless_as_long("X", source, self._source_normalizer)
        name = "XB" if XB is not None else "y"
        expected_names = getattr(self, "feature_names_target_in_", None)
        check_names(target_given, expected_names, input_name=name, estimator=self)
        target = self._check_target_samples(target_given, name, ensure_min_samples=2)
        warn_unless_as_long(name, target, self._target_normalizer)
        if XB is None:
            refuse_labels(target)
        random_state = check_random_state(self.random_state)
        problem, _ = self._make_problem(source, target, pairs, random_state, leave_out=False)
        reduced = reduce_problem(problem, random_state)
        W = unit_scale(self.linear_map_).astype(np.float32)
        judged_map = self._map_to_judge(W, reduced)
        # Figures are set on an estimator that nobody else sees.
        judged = object.__new__(type(self))
        judged.__dict__.update(self.__dict__)
        judged.expected_accuracy_ = accuracy_of_given_map(W, problem, random_state)
        # The other directions decide little about accuracy. A map from elsewhere is less accurate
        # there than one that fits these samples, whose score the threshold is made for.
        leading = reduced.lift(reduced.reduce(judged_map))
        judged._check_convergence(problem, reduced, leading, None, random_state)
        judged.alignment_score_ = problem.score(judged_map)
        self.__dict__.update({name: getattr(judged, name) for name in EVIDENCE})
        return self

    def _map_to_judge(self, W: FloatArray, reduced: ReducedProblem) -> FloatArray:
        """Return the orthogonal map, or `W`, what samples are mapped by, if it is unlike it."""
        orthogonal = self.map_.astype(np.float32)
        if self._corrected_map is None:
            return orthogonal
        agreement = map_agreement(
            reduced.A[: CONVERGENCE.n_probe_samples], reduced.reduce(W), reduced.reduce(orthogonal)
        )
        return orthogonal if agreement >= CONVERGENCE.min_agreement else W

    def _make_problem(
        self,
        source: FloatArray,
        target: FloatArray,
        pairs: Any,
        random_state: np.random.RandomState,
        *,
        leave_out: bool = True,
    ) -> tuple[AlignmentProblem, AlignmentProblem | None]:
        """Return the problem of the search and that of samples that it does not see, if any."""
        normalizers = (self._source_normalizer, self._target_normalizer)
        known = check_pairs(
            pairs,
            source,
            target,
            normalizers=normalizers,
            names=(
                getattr(self, "feature_names_in_", None),
                getattr(self, "feature_names_target_in_", None),
            ),
            weight=float(self.pair_weight),
            estimator=self,
        )
        return draw_problem(
            source,
            target,
            known,
            normalizers,
            random_state,
            max_samples=self.max_samples,
            score_sample_size=self.score_sample_size,
            leave_out=leave_out,
        )

    def _set_maps(self, maps: Sequence[FloatArray]) -> None:
        """Keep the maps after the stages in `history_`, if asked for."""
        self.__dict__.pop("maps_", None)
        if self.keep_maps:
            names = numbered([record["stage"] for record in self.history_])
            fitted = [self._fitted_map(W)["map_"] for W in maps[:-1]]
            self.maps_ = dict(zip(names, [*fitted, self.map_.copy()], strict=True))

    def _fitted_map(self, W: FloatArray) -> dict[str, FloatArray | None]:
        """Orthogonal part of the map, as fitted attributes."""
        orthogonal = polar_factor(W.astype(np.float64)).astype(self._dtype)
        return {"map_": orthogonal, "_corrected_map": None}

    def _state_now(self, W: FloatArray, problem: AlignmentProblem) -> dict[str, Any]:
        """Return what a copy of the aligner needs to map and score samples during a fit."""
        target_sample = problem._score_B.astype(self._dtype)
        return {**self._fitted_map(W), "target_sample_": target_sample}

    def _fit_again(self, search: MapSearch, problem: AlignmentProblem) -> FloatArray:
        """Return what samples are mapped by (float32) after a fit with other known pairs."""
        W = search.again(problem)
        corrected, _ = correction_by_pairs(W, problem, self.correction)
        return W if corrected is None else corrected.astype(W.dtype)

    def _check_convergence(
        self,
        problem: AlignmentProblem,
        reduced: ReducedProblem,
        W: FloatArray,
        selected: Round | None,
        random_state: np.random.RandomState,
        unseen: AlignmentProblem | None = None,
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
            unseen=unseen,
            expected_accuracy=self.expected_accuracy_,
        )
        self.__dict__.update(evidence.fitted_attributes)
        warn_unless_converged(evidence)

    def _set_target_names(self, names: Names | None) -> None:
        """Keep the names of the target features, as scikit-learn does those of the source."""
        if names is not None:
            self.feature_names_target_in_ = names
        elif hasattr(self, "feature_names_target_in_"):
            del self.feature_names_target_in_
