"""How much the score of a fitted estimator depends on each modality."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_consistent_length, check_random_state, check_scalar
from sklearn.utils.parallel import Parallel, delayed

from sklearn_align._blocks import refuse_views
from sklearn_align._modalities import Columns, ModalityLayout, read_blocks
from sklearn_align._sklearn import check_sample_weight
from sklearn_align._typing import Float64Array, FloatArray, IntArray
from sklearn_align.datasets._missing import with_nan
from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.metrics._modality import find_modalities, locate_blocks
from sklearn_align.metrics._sample_scores import SampleScorer, sample_scorer
from sklearn_align.metrics._shapley import (
    MAX_EXACT_PLAYERS,
    all_coalitions,
    coalitions_of_order,
    exact_values,
    values_by_order,
)

# Scores by the name of the scorer, None for the only one. Arrays have one value, the score, or with
# per_sample=True one for each sample, (n_terms,).
Scores = dict[str | None, Float64Array]


def modality_importance(
    estimator: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    method: str = "drop",
    scoring: Any = None,
    modalities: Mapping[str, Columns] | None = None,
    n_repeats: int = 5,
    per_sample: bool = False,
    empty_score: str | float | Mapping[str, float] = "estimator",
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch | dict[str, Bunch]:
    """Measure how much the score of a fitted estimator depends on each modality.

    Let ``v(S)`` be the score when only the modalities in ``S`` are present and all others are
    absent from every sample, and ``N`` the set of all ``M`` modalities. The importance of modality
    ``m`` is

    * with ``method="drop"``, the decrease of the score without the modality: ``v(N) - v(N - {m})``;
    * with ``method="permute"``, the decrease of the score when the block is permuted among the
      samples, as in :func:`~sklearn.inspection.permutation_importance`, with all columns of the
      block together: ``v(N)`` minus the score on the permuted samples;
    * with ``method="shapley"``, the Shapley value [1]_: the increase of the score when the modality
      is added, averaged over the orders in which modalities can be added: ``sum_S |S|! (M - |S| -
      1)! / M! * (v(S + {m}) - v(S))`` over the subsets ``S`` without ``m``. The importances sum to
      ``v(N) - v({})``.

    If two modalities have the same information, each of them can be dropped without a decrease of
    the score: "drop" gives both a low importance, and "shapley" divides the importance between
    them.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator. "drop" and "shapley" need an estimator that accepts NaN, and their results
        are meaningful only if it was trained with missing blocks. For pipelines and searches, `X`
        is the input of the pipeline or the search.

    X : array-like or DataFrame of shape (n_samples, n_features)
        Samples for the score; they are not changed. Blocks that are all NaN are absent.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets.

    method : {"drop", "permute", "shapley"}, default="drop"
        Method, see above. "drop" needs ``M`` predictions, "permute" needs ``M * n_repeats``, and
        "shapley" needs ``2 ** M``, or about ``2 * M * n_repeats`` with more than ten modalities.

    scoring : str, callable, list, tuple, dict or None, default=None
        One scorer or several scorers, as in :func:`~sklearn.inspection.permutation_importance`;
        None uses the estimator's ``score``.

    modalities : dict of str to int, slice, list of int or list of str, default=None
        The blocks of X. By default, the parameter `modalities` of the estimator. In a pipeline,
        these are blocks of the input of the last step.

    n_repeats : int, default=5
        Number of permutations of the samples with "permute". With "shapley" and more than ten
        modalities, number of random orders of the modalities; the reverse of each order is also
        used. With up to ten modalities, Shapley values are exact. "drop" does not use it.

    per_sample : bool, default=False
        Whether to return the importances of single samples, too. The scoring must be a mean over
        samples: "accuracy", "neg_log_loss", "neg_brier_score", "neg_mean_squared_error",
        "neg_mean_absolute_error" or "r2", or a callable ``(estimator, X, y)`` that returns an array
        of shape (n_samples,), or a list or dict of these. None is "accuracy" for classifiers and
        "r2" for regressors. With "shapley", the scores of all samples in all subsets are in memory.

    empty_score : "estimator", "constant", float or dict of str to float, default="estimator"
        The score ``v({})`` without any modality, for "shapley". "estimator": the score of the
        estimator on samples from which all modalities are absent. "constant": the score of the
        class frequencies or the mean of `y` as constant predictions, for estimators that do not
        accept such samples. It may also be a number, or a dict of numbers for several scorers.

    sample_weight : array-like of shape (n_samples,), default=None
        Passed to the scorers. Means over samples are weighted by it.

    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result in every call. All modalities are permuted in the same way.

    n_jobs : int, default=None
        Number of scores that are computed in parallel. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 means all processors. The result does not depend
        on `n_jobs`.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch` or dict of str to such
        Dictionary-like, with the attributes below. For several scorers, a dict of such results by
        the names of the scorers.

        importances_mean, importances_std : ndarray of shape (n_modalities,)
            Mean and standard deviation over the repeats. The importance is above 0 if the score is
            higher with the modality.
        importances : ndarray of shape (n_modalities, n_repeats)
            Importances by repeat; a single column if nothing is drawn at random.
        names : list of str
            Names of the modalities.
        baseline_score : float
            ``v(N)``, the score on `X` without changes.
        empty_score : float
            ``v({})``, with "shapley" only.
        sample_importances : ndarray of shape (n_samples, n_modalities)
            With `per_sample` only: means over the repeats. Their mean over the samples is
            `importances_mean`.

    Raises
    ------
    ValueError
        If the modalities are not known, the estimator does not accept absent modalities, a score is
        not finite, or, with `per_sample`, a score is not a mean over samples.

    See Also
    --------
    sklearn_align.plotting.ModalityImportanceDisplay : Draws the importances.
    missing_modality_curve : Score against the rate of missing blocks.
    sklearn.inspection.permutation_importance : Importance of single columns.

    Notes
    -----
    If all modalities are absent from a sample, the prediction of the estimator without any modality
    is used. No :class:`~sklearn_align.exceptions.MissingModalityWarning` is issued for such samples
    that this function makes.

    The weights of a fusion (``modality_weights``) are not importances: they are coefficients of a
    representation, and a modality without any information can have a large weight.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II,
       307-317, 1953.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn_align.datasets import drop_modalities, make_multimodal_classification
    >>> from sklearn_align.metrics import modality_importance
    >>> data = make_multimodal_classification(n_samples=300, random_state=0)
    >>> X = drop_modalities(data.data, data.modalities, 0.5, random_state=0)
    >>> boosting = HistGradientBoostingClassifier(max_iter=20).fit(X, data.target)
    >>> result = modality_importance(
    ...     boosting, data.data, data.target, modalities=data.modalities, method="shapley"
    ... )
    >>> result.importances_mean.shape
    (2,)
    >>> total = float(result.importances_mean.sum())
    >>> abs(total - (result.baseline_score - result.empty_score)) < 1e-12
    True
    """
    _check_arguments(X, y, method, n_repeats, empty_score)
    default = find_modalities([estimator]) if modalities is None else modalities
    located = locate_blocks(estimator, X, modalities, default)
    values, layout, _ = read_blocks(located.X, located.modalities)
    task = _Task(
        located.estimator,
        located.X,
        values,
        layout,
        y,
        _check_weight(sample_weight, values),
        _sample_scores(located.estimator, scoring, y)
        if per_sample
        else _MeanScores(_scorer(located.estimator, scoring)),
    )
    baseline = task.score(located.X)
    if per_sample and scoring is None:
        _check_own_score(task, baseline)

    random = check_random_state(random_state)
    empty: Scores = {}
    # The warning says that samples have no modality, which is what is asked for here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=MissingModalityWarning)
        parallel = Parallel(n_jobs=n_jobs)
        if method == "permute":
            seeds = random.randint(np.iinfo(np.int32).max, size=n_repeats)
            importances = _by_permutation(task, baseline, seeds, parallel)
        elif method == "drop":
            importances = _by_dropping(task, baseline, parallel)
        else:
            empty = _given_empty_scores(baseline, empty_score)
            known = {2**layout.n_modalities - 1: baseline}
            orders = _score_coalitions(task, known, n_repeats, random, parallel)
            # Only now, so that an estimator that refuses any NaN is not told about this one.
            known[0] = empty = empty or _empty_scores(task, empty_score)
            importances = _shapley_values(known, orders, layout.n_modalities)

    results = {
        name: _result(task, importances[name], baseline[name], empty.get(name), per_sample)
        for name in baseline
    }
    return results.get(None, results)


@dataclass(frozen=True)
class _Task:
    """An estimator, samples with blocks, and the function that scores them."""

    estimator: Any
    X: Any
    values: FloatArray
    layout: ModalityLayout
    y: Any
    sample_weight: Float64Array | None
    scorer: Callable[..., Scores]

    def score(self, X: Any, estimator: Any = None) -> Scores:
        """Score the estimator, or another one, on X (n_samples, n_features)."""
        estimator = self.estimator if estimator is None else estimator
        scores = self.scorer(estimator, X, self.y, self.sample_weight)
        for name, values in scores.items():
            if not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)][0]
                raise ValueError(
                    f"scoring{'' if name is None else f' {name!r}'} must give finite scores, got "
                    f"{wrong}: choose another scoring or other samples."
                )
        return scores

    def score_coalition(self, coalition: int) -> Scores:
        """Score with the modalities of a coalition; the others are absent from all samples."""
        missing = np.zeros(self.layout.n_features, dtype=bool)
        for modality, columns in enumerate(self.layout.columns):
            missing[columns] = (coalition >> modality) & 1 == 0
        everywhere = np.broadcast_to(missing, self.values.shape)
        X = with_nan(self.X, self.values, everywhere, self.layout)
        try:
            return self.score(X)
        except ValueError as error:
            if "contains NaN" not in str(error):
                raise
            raise ValueError(
                f"{type(self.estimator).__name__} does not accept samples with absent modalities, "
                "which are NaN: put an imputer in front of it and fit both, or pass "
                "method='permute'."
            ) from error

    def score_permuted(self, modality: int, seed: int) -> Scores:
        """Score with the block of one modality exchanged among the samples."""
        order = check_random_state(seed).permutation(len(self.values))
        return self.score(_permute(self.X, self.values, self.layout.columns[modality], order))


class _MeanScores:
    """Scores of all samples together, by one scorer or several."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer

    def __call__(self, estimator: Any, X: Any, y: Any, weight: Float64Array | None) -> Scores:
        options = {} if weight is None else {"sample_weight": weight}
        scores = self.scorer(estimator, X, y, **options)
        named = scores if isinstance(scores, Mapping) else {None: scores}
        return {name: np.array([float(score)]) for name, score in named.items()}


class _SampleScores:
    """Scores of single samples, by one scorer or several."""

    def __init__(self, scorers: Mapping[str | None, SampleScorer]) -> None:
        self.scorers = scorers

    def __call__(self, estimator: Any, X: Any, y: Any, weight: Float64Array | None) -> Scores:
        weights = np.ones(len(X)) if weight is None else weight
        return {name: scorer(estimator, X, y, weights) for name, scorer in self.scorers.items()}


def _check_arguments(X: Any, y: Any, method: Any, n_repeats: Any, empty_score: Any) -> None:
    """Check what does not depend on the estimator."""
    refuse_views(X)
    if y is not None:
        check_consistent_length(X, y)
    if method not in ("drop", "permute", "shapley"):
        raise ValueError(f"method must be 'drop', 'permute' or 'shapley', got {method!r}.")
    check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
    if method != "shapley" and empty_score != "estimator":
        raise ValueError(
            f"empty_score={empty_score!r} has no effect with method={method!r}: leave it out, or "
            "pass method='shapley'."
        )


def _check_weight(sample_weight: ArrayLike | None, X: FloatArray) -> Float64Array | None:
    """Validate sample weights (n_samples,)."""
    if sample_weight is None:
        return None
    weight: Float64Array = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    return weight


def _scorer(estimator: Any, scoring: Any) -> Any:
    """Return the scorer of one metric or several; that of a search where none is given."""
    if scoring is None and hasattr(estimator, "best_estimator_"):
        if isinstance(estimator.scorer_, Mapping):
            scoring = estimator.scorer_[estimator.refit]
        elif not estimator.multimetric_:
            scoring = estimator.scorer_
    return check_scoring(estimator, scoring=scoring)


def _sample_scores(estimator: Any, scoring: Any, y: Any) -> _SampleScores:
    """Return the scorers of single samples for one scoring or several."""
    if isinstance(scoring, Mapping):
        named: dict[str | None, Any] = dict(scoring)
    elif isinstance(scoring, list | tuple | set):
        named = {name: name for name in scoring}
    else:
        named = {None: scoring}
    if not named:
        raise ValueError("scoring is empty: pass at least one, or None.")
    if y is None and not all(callable(one) for one in named.values()):
        raise ValueError(
            f"scoring={scoring!r} needs the targets y: pass them, or a callable that does not."
        )
    return _SampleScores({name: sample_scorer(estimator, one) for name, one in named.items()})


def _check_own_score(task: _Task, baseline: Scores) -> None:
    """Raise if the estimator's own score is not the mean of the scores of single samples."""
    mean = float(np.average(baseline[None], weights=task.sample_weight))
    scorer = _MeanScores(check_scoring(task.estimator))
    own = float(scorer(task.estimator, task.X, task.y, task.sample_weight)[None][0])
    if not np.isclose(mean, own, rtol=1e-4, atol=1e-6):
        raise ValueError(
            f"per_sample=True needs a score that is a mean over samples; {own:.6g}, the own score "
            f"of {type(task.estimator).__name__}, is not known to be one. Pass scoring=, such as "
            "'accuracy', 'neg_log_loss' or 'neg_mean_squared_error'."
        )


def _permute(X: Any, values: FloatArray, columns: IntArray, order: IntArray) -> Any:
    """Return X with the samples of `columns` in another order (n_samples,)."""
    if hasattr(X, "iloc"):
        permuted, block = X.copy(), X.iloc[order, columns]
        block.index = X.index
        permuted[X.columns[columns]] = block
        return permuted
    if hasattr(X, "columns"):
        moved = {X.columns[j] for j in columns}
        return type(X)({name: X[name][order] if name in moved else X[name] for name in X.columns})
    permuted = values.copy()
    permuted[:, columns] = values[np.ix_(order, columns)]
    return permuted


def _by_dropping(task: _Task, baseline: Scores, parallel: Parallel) -> Scores:
    """Losses without each modality: (n_modalities, 1, n_terms) for each scorer."""
    n_modalities = task.layout.n_modalities
    everything = 2**n_modalities - 1
    scores = parallel(
        delayed(task.score_coalition)(everything ^ (1 << m)) for m in range(n_modalities)
    )
    return {
        name: baseline[name] - np.array([score[name] for score in scores])[:, None]
        for name in baseline
    }


def _by_permutation(task: _Task, baseline: Scores, seeds: IntArray, parallel: Parallel) -> Scores:
    """Losses by permutation: (n_modalities, n_repeats, n_terms) for each scorer."""
    shape = (task.layout.n_modalities, len(seeds), -1)
    scores = parallel(
        delayed(task.score_permuted)(modality, int(seed))
        for modality in range(task.layout.n_modalities)
        for seed in seeds
    )
    return {
        name: baseline[name] - np.array([score[name] for score in scores]).reshape(shape)
        for name in baseline
    }


def _score_coalitions(
    task: _Task,
    known: dict[int, Scores],
    n_repeats: int,
    random_state: np.random.RandomState,
    parallel: Parallel,
) -> list[IntArray]:
    """Score all coalitions but the empty one into `known`, or those of orders that are returned."""
    n_modalities = task.layout.n_modalities
    orders = []
    needed = set(all_coalitions(n_modalities)) if n_modalities <= MAX_EXACT_PLAYERS else {0}
    if n_modalities > MAX_EXACT_PLAYERS:
        orders = [random_state.permutation(n_modalities) for _ in range(n_repeats)]
        needed = needed.union(*(coalitions_of_order(order) for order in orders))
    wanted = sorted(needed - set(known) - {0})
    scores = parallel(delayed(task.score_coalition)(coalition) for coalition in wanted)
    known.update(zip(wanted, scores, strict=True))
    return orders


def _shapley_values(
    known: Mapping[int, Scores], orders: list[IntArray], n_modalities: int
) -> Scores:
    """Shapley values (n_modalities, n_repeats, n_terms) for each scorer; exact without orders."""
    shapley: Scores = {}
    for name in known[0]:
        values = {coalition: scores[name] for coalition, scores in known.items()}
        if orders:
            shapley[name] = np.stack([values_by_order(values, order) for order in orders], axis=1)
        else:
            shapley[name] = exact_values(values, n_modalities)[:, None]
    return shapley


def _given_empty_scores(baseline: Scores, empty_score: Any) -> Scores:
    """Scores without any modality that are given as numbers; {} if they are to be computed."""
    if isinstance(empty_score, str):
        if empty_score not in ("estimator", "constant"):
            raise ValueError(
                "empty_score must be 'estimator', 'constant', a number or a dict of numbers, got "
                f"{empty_score!r}."
            )
        return {}
    named = empty_score if isinstance(empty_score, Mapping) else {None: empty_score}
    if set(named) != set(baseline):
        raise ValueError(
            f"empty_score={empty_score!r} must be a number for one scorer, or a dict with the "
            f"names of the scorers; these are {[name for name in baseline if name is not None]}."
        )
    for number in named.values():
        if not isinstance(number, Real) or not np.isfinite(float(number)):
            raise ValueError(f"empty_score must hold finite numbers, got {number!r}.")
    return {name: np.full_like(one, float(named[name])) for name, one in baseline.items()}


def _empty_scores(task: _Task, empty_score: Any) -> Scores:
    """Compute the scores without any modality, one array (n_terms,) for each scorer."""
    if empty_score == "constant":
        return task.score(task.values, _constant_estimator(task))
    try:
        return task.score_coalition(0)
    except ValueError as error:
        raise ValueError(
            f"{type(task.estimator).__name__} does not accept samples without any modality, which "
            "method='shapley' needs: pass empty_score='constant' for the score of a constant "
            "prediction, or that score as a number."
        ) from error


def _constant_estimator(task: _Task) -> Any:
    """Fit what predicts class frequencies or the mean target, whatever X is."""
    if task.y is None or not (is_classifier(task.estimator) or is_regressor(task.estimator)):
        raise ValueError(
            "empty_score='constant' needs a classifier or a regressor, and y: pass the score "
            "without any modality as a number."
        )
    kind = DummyClassifier if is_classifier(task.estimator) else DummyRegressor
    strategy = "prior" if kind is DummyClassifier else "mean"
    return kind(strategy=strategy).fit(task.values, task.y, sample_weight=task.sample_weight)


def _result(
    task: _Task,
    importances: Float64Array,
    baseline: Float64Array,
    empty: Float64Array | None,
    per_sample: bool,
) -> Bunch:
    """Sum up importances (n_modalities, n_repeats, n_terms)."""
    weights = task.sample_weight if per_sample else None
    by_repeat = np.average(importances, axis=2, weights=weights)
    result = Bunch(
        importances_mean=by_repeat.mean(axis=1),
        importances_std=by_repeat.std(axis=1),
        importances=by_repeat,
        names=list(task.layout.names),
        baseline_score=float(np.average(baseline, weights=weights)),
    )
    if empty is not None:
        result["empty_score"] = float(np.average(empty, weights=weights))
    if per_sample:
        result["sample_importances"] = importances.mean(axis=1).T
    return result
