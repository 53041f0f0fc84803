"""The sections of a report on a map, computed from what is given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_align._compose import reach_final
from sklearn_align._samples import check_samples, sample_blocks
from sklearn_align._similarity import top_k
from sklearn_align._typing import FloatArray
from sklearn_align.alignment._inputs import check_equally_many, samples_at, two_sides
from sklearn_align.alignment._mapping import map_samples
from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec
from sklearn_align.alignment._names import check_names
from sklearn_align.alignment._normalizer import sample_lengths
from sklearn_align.alignment._recipes import CONVERGENCE, HELD_OUT, NORMALIZER, REPORT
from sklearn_align.alignment._sample_lengths import unlike_lengths
from sklearn_align.metrics import neighbor_overlap, neighbor_recall, retrieval_accuracy

Section = dict[str, Any]


class ReportBuilder:
    """Computes the sections of a report on one aligner and collects its findings."""

    def __init__(self, aligner: Any, final: MiniVec2Vec, k: int) -> None:
        self.aligner = aligner
        self.final = final
        self.k = k
        self.findings: list[str] = []
        self.failed = False
        self.not_shown: dict[str, str] = {}

    def build(self, XA: Any, XB: Any, XA_fit: Any, pairs: Any, queries: Any) -> Section:
        """Return all sections."""
        evidence = self._evidence()
        source = None if XA is None else self._source(XA, "XA", REPORT.max_samples)
        target = None if XB is None else self._target(XB, "XB", REPORT.max_samples).rows
        before_after = self._before_after(pairs, XA, XB, queries)
        mapped = None if source is None or len(source.rows) == 0 else self._map(source.rows)
        lengths = self._lengths(None if source is None else source.rows, mapped, target)
        outside = self._outside(source, mapped, target, XA_fit)
        return {
            "verdict": "fail" if self.failed else "check" if self.findings else "pass",
            "findings": self.findings,
            "map": {
                "n_features": int(self.final.n_features_in_),
                "n_features_target": int(self.final.n_features_target_),
                "corrected_by_pairs": bool(np.isfinite(self.final.correction_strength_)),
                "metadata": dict(getattr(self.final, "metadata_", {})),
            },
            "evidence": evidence,
            "before_after": before_after,
            "lengths": lengths,
            "outside": outside,
            "not_shown": self.not_shown,
        }

    def _evidence(self) -> Section | None:
        """Compare the results of the convergence check with their thresholds."""
        final = self.final
        if not hasattr(final, "converged_"):
            self.findings.append(
                "The map is from another source and was not checked. Measure its accuracy on known "
                "pairs, or call assess(XA, XB) with samples of both spaces."
            )
            return None
        accuracy = _number(final.expected_accuracy_)
        figures = {
            "expected_accuracy": (accuracy, CONVERGENCE.min_expected_accuracy),
            "agreement": (_number(final.agreement_), CONVERGENCE.min_agreement),
            "relative_score": (
                _number(final.relative_score_),
                _number(final.min_relative_score_),
            ),
            # How much is needed of each depends on the other one.
            **{
                name: (_number(getattr(final, f"{name}_", float("nan"))), None)
                for name in ("relearned_agreement", "relearned_score")
            },
        }
        measured = accuracy is not None and bool(getattr(final, "accuracy_measured_", True))
        # An estimate of a success needs the other figures as well.
        deciding = ("expected_accuracy",) if measured else tuple(figures)
        section: Section = {"converged": bool(final.converged_), "accuracy_measured": measured}
        for name, (value, needed) in figures.items():
            # A map to which no arbitrary one comes close needs no agreement of independent runs.
            is_low = value is not None and needed is not None and value < needed
            decides = name in deciding and not (is_low and final.converged_)
            section[name] = {"value": value, "needed": needed, "decides": decides}
        section["alignment_score"] = _number(final.alignment_score_)
        if accuracy is None:
            self.not_shown["expected_accuracy"] = (
                f"fit estimates it, and measures it with at least {HELD_OUT.min_pairs} known pairs"
            )
        if getattr(final, "ambiguous_", False):
            self.failed = True
            self.findings.append(
                "The spaces are symmetric, so that another map is as good: do not use the map. "
                "Only known pairs tell which of the maps is correct."
            )
        elif not final.converged_:
            self.failed = True
            self.findings.append(
                "The alignment did not converge: do not use the map. More samples, some known "
                "pairs, more candidates (n_init) or closer encoders help."
            )
        return section

    def _source(self, X: Any, name: str, max_samples: int | None = None) -> _Samples:
        """Return finite source samples as they reach the aligner."""
        given = _finite(X, name, getattr(self.aligner, "n_features_in_", None), max_samples)
        samples = np.empty((0, self.final.n_features_in_))
        if len(given.rows):
            samples = reach_final(self.aligner, given.rows)[1]
            samples = check_samples(samples, input_name=name, estimator=self.final, reset=False)
        return given._replace(rows=samples)

    def _target(self, X: Any, name: str, max_samples: int | None = None) -> _Samples:
        """Return finite target samples."""
        expected = getattr(self.final, "feature_names_target_in_", None)
        check_names(X, expected, input_name=name, estimator=self.final)
        given = _finite(X, name, self.final.n_features_target_, max_samples)
        rows = np.empty((0, self.final.n_features_target_))
        return given._replace(
            rows=check_samples(given.rows, input_name=name) if len(given.rows) else rows
        )

    def _map(self, samples: FloatArray) -> FloatArray:
        """Return samples in raw coordinates of the target space, without warnings."""
        final = self.final
        return map_samples(
            samples, final.linear_map_, final._source_normalizer, final._target_normalizer
        )

    def _before_after(self, pairs: Any, XA: Any, XB: Any, queries: Any) -> Section | None:
        """Compare indexes of old and of mapped vectors with one of the new encoder."""
        if pairs is None:
            self.not_shown["before_after"] = "pass pairs that were not used in fit (pairs=...)"
            return None
        old, new = self._paired(pairs, XA, XB)
        # With fewer, the index would not hold a neighbour for every query.
        if len(old) < 2 * REPORT.query_step:
            raise ValueError(
                f"pairs has {len(old)} pairs; at least {2 * REPORT.query_step} are needed."
            )
        mapped = self._map(old)
        comparable = old.shape[1] == new.shape[1]
        n_targets = len(_parts(len(new))[0])
        top_1 = _accuracy(new, mapped)
        accuracy = {
            "unmapped": _accuracy(new, old) if comparable else None,
            "mapped": top_1,
            "chance": 1 / n_targets,
        }
        is_query = np.zeros(len(new), dtype=bool)
        if queries is None:
            is_query[:: REPORT.query_step] = True
            asked = new[is_query]
        else:
            given = self._target(queries, "queries")
            if given.n_invalid:
                raise ValueError(
                    f"queries has {given.n_invalid} samples with NaN or infinite values: drop them."
                )
            asked = given.rows
        index = ~is_query
        k = min(self.k, int(index.sum()) - 1)
        recall = {
            name: neighbor_recall(vectors[index], new[index], asked, k)
            if vectors.shape[1] == new.shape[1]
            else None
            for name, vectors in (("unmapped", old), ("mapped", mapped))
        }
        recall["chance"] = k / int(index.sum())
        overlap = {
            "unmapped": neighbor_overlap(old, new, k),
            "mapped": neighbor_overlap(mapped, new, k),
            "chance": k / (len(new) - 1),
        }
        low, high = _wilson(top_1, len(new))
        needed = CONVERGENCE.min_expected_accuracy
        if len(new) >= REPORT.min_pairs and top_1 < needed:
            self.failed = True
            self.findings.append(
                f"Of {len(new)} pairs, {top_1:.1%} are retrieved among {n_targets}, "
                f"needed {needed:.0%}: do not use the map."
            )
        return {
            "n_pairs": len(new),
            "n_targets": n_targets,
            "n_queries": len(asked),
            "k": k,
            "accuracy": accuracy,
            "accuracy_interval": [low, high],
            "recall": recall,
            "overlap": overlap,
        }

    def _paired(self, pairs: Any, XA: Any, XB: Any) -> tuple[FloatArray, FloatArray]:
        """Return the source samples as they reach the aligner and their target samples."""
        given = list(two_sides(pairs))
        sides = [np.asarray(side) for side in given]
        if all(side.ndim == 1 for side in sides):
            if XA is None or XB is None:
                raise ValueError(
                    "pairs holds sample indices, which need XA and XB: pass both, or the paired "
                    "samples themselves."
                )
            check_equally_many(sides)
            spaces = (np.asarray(XA), np.asarray(XB))
            taken: list[Any] = list(samples_at(sides, spaces))
            # Names of a data frame are kept, so that they are checked.
            frames = zip((XA, XB), sides, taken, strict=True)
            given = [X.iloc[i] if hasattr(X, "iloc") else rows for X, i, rows in frames]
        elif all(side.ndim == 2 for side in sides):
            check_equally_many(sides)
        else:
            raise ValueError(
                "pairs must be two integer vectors (sample indices) or two matrices (the samples "
                f"themselves), got shapes {sides[0].shape} and {sides[1].shape}."
            )
        old, new = self._source(given[0], "pairs[0]"), self._target(given[1], "pairs[1]")
        n_invalid = old.n_invalid + new.n_invalid
        if n_invalid:
            raise ValueError(
                f"pairs has {n_invalid} samples with NaN or infinite values: drop these pairs."
            )
        return old.rows, new.rows

    def _lengths(
        self,
        source: FloatArray | None,
        mapped: FloatArray | None,
        target: FloatArray | None,
    ) -> Section:
        """Quantiles of lengths at fit and now."""
        sides = (
            ("source", self.final._source_normalizer, source, "XA"),
            ("target", self.final._target_normalizer, target, "XB"),
        )
        section: Section = {"quantiles": [NORMALIZER.tails[0], 0.5, NORMALIZER.tails[1]]}
        for name, normalizer, samples, argument in sides:
            now = None
            if samples is None:
                self.not_shown[f"lengths of {name} samples now"] = f"pass {argument}"
            elif len(samples):
                now = _quantiles(samples)
                problem = unlike_lengths(argument, samples, normalizer)
                if problem is not None:
                    self.findings.append(problem)
            seen: list[float] | None = [float(length) for length in normalizer.raw_lengths]
            if not any(normalizer.raw_lengths):
                seen = None
                self.not_shown[f"lengths of {name} samples at fit"] = (
                    "the map is from another source"
                )
            section[name] = {"fit": seen, "now": now}
        section["mapped"] = {"fit": None, "now": None if mapped is None else _quantiles(mapped)}
        return section

    def _outside(
        self,
        source: _Samples | None,
        mapped: FloatArray | None,
        target: FloatArray | None,
        XA_fit: Any,
    ) -> Section | None:
        """Count samples that are invalid, or unlike those that fit has seen."""
        if source is None:
            self.not_shown["outside"] = "pass the samples that will be mapped (XA)"
            return None
        final = self.final
        section: Section = {
            "n_samples": source.n_samples,
            "n_invalid": source.n_invalid,
            "n_zero": source.n_zero,
            "n_compared": 0 if mapped is None else len(mapped),
            "expected_share": REPORT.outside_quantile,
            "source_share": None,
            "target_share": None,
        }
        invalid = (
            (source.n_invalid, "hold NaN or an infinite value"),
            (source.n_zero, "are zero"),
        )
        for count, what in invalid:
            if count:
                self.findings.append(
                    f"{count} of {source.n_samples} samples of XA {what}: drop them, or map them "
                    "to null."
                )
        if mapped is None:
            return section
        if XA_fit is None:
            self.not_shown["share of source samples outside"] = (
                "pass source samples of fit (XA_fit)"
            )
        else:
            seen = self._source(XA_fit, "XA_fit", REPORT.max_samples).rows
            share = _share_outside(
                final._source_normalizer.transform(source.rows),
                final._source_normalizer.transform(seen),
            )
            section["source_share"] = share
            self._judge(share, REPORT.max_outside_source, "samples", "source samples of XA_fit")
        reference = None
        if target is not None:
            reference = final._target_normalizer.transform(target)
        elif hasattr(final, "target_sample_"):
            reference = final.target_sample_
        if reference is None:
            self.not_shown["share of mapped samples outside"] = "pass target samples (XB)"
            return section
        share = _share_outside(final._target_normalizer.transform(mapped), reference)
        section["target_share"] = share
        self._judge(share, REPORT.max_outside_target, "mapped samples", "target samples")
        return section

    def _judge(self, share: float | None, limit: float, what: str, others: str) -> None:
        if share is not None and share > limit:
            self.findings.append(
                f"{share:.0%} of the {what} of XA are outside the {others}, compared with "
                f"{REPORT.outside_quantile:.0%} of the {others}: fit on samples that are similar "
                "to the samples that will be mapped."
            )


class _Samples(NamedTuple):
    """Finite samples of an input, or some of them, and what was counted in all of it."""

    rows: Any
    n_samples: int
    n_invalid: int
    n_zero: int


def _finite(X: Any, name: str, width: int | None, max_samples: int | None) -> _Samples:
    """Return finite samples at equal distances, at most `max_samples`; data frames stay such."""
    array = check_array(
        X, dtype=None, ensure_all_finite=False, ensure_min_samples=0, input_name=name
    )
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if width is not None and array.shape[1] != width:
        raise ValueError(
            f"{name} has {array.shape[1]} features, and the aligner was fitted with {width}: "
            "pass samples of the space that it was fitted on."
        )
    finite, zero = np.empty((2, len(array)), dtype=bool)
    for block in sample_blocks(array.shape, array.dtype.itemsize):
        finite[block] = np.isfinite(array[block]).all(axis=1)
        zero[block] = ~array[block].any(axis=1)
    taken = np.flatnonzero(finite)
    if max_samples is not None:
        taken = taken[:: max(1, -(-len(taken) // max_samples))]
    # Names of a data frame are checked later.
    rows = X.iloc[taken] if hasattr(X, "iloc") else array[taken]
    return _Samples(rows, len(array), int((~finite).sum()), int(zero.sum()))


def _share_outside(Z: FloatArray, reference: FloatArray) -> float | None:
    """Share of unit samples whose tenth nearest reference is farther than usual among these."""
    reference = reference[reference.any(axis=1)]
    k = REPORT.n_neighbors
    if len(reference) <= k or len(Z) == 0:
        return None
    # The first nearest of a reference sample is the sample itself.
    usual = top_k(reference, reference, k + 1)[0].min(axis=1)
    limit = np.quantile(usual, REPORT.outside_quantile)
    return float((top_k(Z, reference, k)[0].min(axis=1) < limit).mean())


def _accuracy(queries: FloatArray, index: FloatArray) -> float:
    """Share of queries whose counterpart is nearest, among 1,000 samples at most."""
    parts = _parts(len(queries))
    hits = [retrieval_accuracy(queries[part], index[part]) * len(part) for part in parts]
    return float(sum(hits) / len(queries))


def _parts(n_samples: int) -> list[NDArray[np.intp]]:
    """Return indices of samples in parts of equal size, 1,000 at most; the first is largest."""
    return np.array_split(np.arange(n_samples), -(-n_samples // HELD_OUT.n_targets))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """95% interval of Wilson for a share of `n` samples."""
    z = 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not put the share outside its interval.
    return min(share, max(0.0, float(centre - half))), max(share, min(1.0, float(centre + half)))


def _quantiles(X: FloatArray) -> list[float]:
    low, high = NORMALIZER.tails
    return [float(length) for length in np.quantile(sample_lengths(X), [low, 0.5, high])]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
