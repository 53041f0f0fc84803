"""What is known about a map, for the person who decides whether an index is switched to it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from numbers import Integral
from typing import Any, Literal, overload

from numpy.typing import ArrayLike
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_align._compose import final_estimator
from sklearn_align.alignment._mini_vec2vec import MiniVec2Vec
from sklearn_align.alignment._report_sections import ReportBuilder
from sklearn_align.alignment._report_text import report_html, report_text


class AlignmentReport:
    """A report on a fitted map, as text, HTML or a dict.

    :func:`alignment_report` returns it. ``print(report)`` prints the text, and notebooks show the
    HTML.

    Parameters
    ----------
    contents : dict
        The dict that :meth:`to_dict` returns.

    Attributes
    ----------
    verdict : {"pass", "check", "fail"}
        "fail" if the map must not be used, "check" if a finding should be examined before it is
        used.

    findings : list of str
        The reasons for the verdict, empty for "pass".

    See Also
    --------
    alignment_report : Makes a report.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import alignment_report
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> report = alignment_report(MiniVec2Vec(random_state=0).fit(data.XA, data.XB))
    >>> report.verdict, report.findings
    ('pass', [])
    """

    def __init__(self, contents: Mapping[str, Any]) -> None:
        self._contents = dict(contents)

    @property
    def verdict(self) -> str:
        """Whether the map can be used: "pass", "check" or "fail"."""
        return str(self._contents["verdict"])

    @property
    def findings(self) -> list[str]:
        """The reasons for the verdict."""
        return list(self._contents["findings"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict of plain Python values, which JSON can hold.

        Returns
        -------
        contents : dict
            "verdict", "findings", "map", "evidence", "before_after", "lengths", "outside" and
            "not_shown". A section without its input is None. "evidence" is None for a map without a
            convergence check. Numbers that are not known are None.
        """
        return deepcopy(self._contents)

    def to_html(self) -> str:
        """Return the report as HTML without references to other files.

        Returns
        -------
        html : str
            One ``<div>``, with all text escaped.
        """
        return report_html(self._contents)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return report_text(self._contents)

    def __repr__(self) -> str:
        return f"AlignmentReport(verdict={self.verdict!r}, findings={self.findings!r})"


@overload
def alignment_report(
    aligner: Any,
    XA: ArrayLike | None = ...,
    XB: ArrayLike | None = ...,
    *,
    XA_fit: ArrayLike | None = ...,
    pairs: tuple[ArrayLike, ArrayLike] | None = ...,
    queries: ArrayLike | None = ...,
    k: int = ...,
    output_dict: Literal[False] = ...,
) -> AlignmentReport: ...


@overload
def alignment_report(
    aligner: Any,
    XA: ArrayLike | None = ...,
    XB: ArrayLike | None = ...,
    *,
    XA_fit: ArrayLike | None = ...,
    pairs: tuple[ArrayLike, ArrayLike] | None = ...,
    queries: ArrayLike | None = ...,
    k: int = ...,
    output_dict: Literal[True],
) -> dict[str, Any]: ...


def alignment_report(
    aligner: Any,
    XA: ArrayLike | None = None,
    XB: ArrayLike | None = None,
    *,
    XA_fit: ArrayLike | None = None,
    pairs: tuple[ArrayLike, ArrayLike] | None = None,
    queries: ArrayLike | None = None,
    k: int = 10,
    output_dict: bool = False,
) -> AlignmentReport | dict[str, Any]:
    """Report on a fitted map, for the decision to switch an index to mapped vectors.

    If an input is not given, the report leaves out the section that needs it and names the input.

    Parameters
    ----------
    aligner : estimator
        Fitted :class:`~sklearn_align.MiniVec2Vec`, also one from :func:`~sklearn_align.load_map`,
        or a pipeline or search that ends in one.

    XA : array-like of shape (n_samples, n_features), default=None
        Samples of the source space that will be mapped, or some of these samples. Invalid samples
        are counted.

    XB : array-like of shape (n_samples_target, n_features_target), default=None
        Samples of the target space. By default, the target samples that ``fit`` has stored.

    XA_fit : array-like of shape (n_samples_fit, n_features), default=None
        Source samples of ``fit``, or some of them. `XA` is compared with these samples.

    pairs : tuple of two array-likes, default=None
        Pairs that were not used in ``fit``, in the form that ``fit`` takes: two vectors of indices
        into `XA` and `XB`, or two matrices of samples.

    queries : array-like of shape (n_queries, n_features_target), default=None
        Queries by the new encoder, for the recall of neighbours among `pairs`. By default, every
        fifth pair is a query and is not in the index.

    k : int, default=10
        Number of neighbours for the recall; it is reduced if there are fewer samples.

    output_dict : bool, default=False
        Whether to return a dict.

    Returns
    -------
    report : AlignmentReport or dict
        The report; with `output_dict`, the result of its ``to_dict()``.

    Raises
    ------
    TypeError
        If `aligner` is not a :class:`~sklearn_align.MiniVec2Vec` and does not end in one.

    ValueError
        If the arrays do not match the aligner or each other.

    See Also
    --------
    sklearn_align.metrics.neighbor_recall : Recall of a mapped index.
    sklearn_align.metrics.neighbor_overlap : Overlap of the neighbours within two spaces.
    sklearn.metrics.classification_report : A similar report on a classifier.

    Notes
    -----
    *Verdict.* The verdict is "fail" if `converged_` is False, or if at least 25 `pairs` were given
    and fewer than half of them are retrieved. It is "check" if there is another finding, and "pass"
    otherwise.

    *Before and after* are measured with cosines of raw vectors, as in an index. The queries are
    samples of the new encoder. "unmapped" is an index of the old vectors without a map, if both
    spaces have the same width. "mapped" is an index of the result of ``to_target``. The accuracy is
    measured among at most 1,000 pairs, so that it can be compared with `expected_accuracy_`. The
    overlap of neighbours compares the neighbours within the old index, and within the mapped index,
    with the neighbours within an index of the new encoder. It measures how much the encoders
    differ. A map does not change this difference.

    *Outside.* A sample of `XA` is outside the samples of ``fit`` if its cosine with its tenth
    nearest sample of `XA_fit` (both centred) is below the 1% quantile of the same cosine for the
    samples of `XA_fit` [1]_. For samples similar to those of ``fit``, the share is 1%. Mapped
    samples are compared with target samples in the same way. This share also includes differences
    between the encoders: with correct maps, 4% to 26% are outside in embeddings of short texts. At
    most 2,000 samples of each kind are compared.

    References
    ----------
    .. [1] Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-distribution detection with deep nearest
       neighbors", ICML 2022.

    Examples
    --------
    >>> from sklearn_align import MiniVec2Vec
    >>> from sklearn_align.alignment import alignment_report
    >>> from sklearn_align.datasets import make_rotated_embeddings
    >>> data = make_rotated_embeddings(n_samples=2000, n_features=24, random_state=0)
    >>> aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    >>> report = alignment_report(aligner, pairs=(data.XA_test, data.XB_test), output_dict=True)
    >>> report["verdict"], report["before_after"]["accuracy"]["mapped"]
    ('pass', 1.0)
    """
    check_scalar(k, "k", Integral, min_val=1)
    final = final_estimator(aligner)
    if not isinstance(final, MiniVec2Vec):
        raise TypeError(
            f"aligner must be a MiniVec2Vec or end in one, but {type(final).__name__} is not one: "
            "pass the fitted aligner, or a pipeline or search whose last step is one."
        )
    check_is_fitted(final, "correction_strength_")
    builder = ReportBuilder(aligner, final, int(k))
    contents = builder.build(XA, XB, XA_fit, pairs, queries)
    return deepcopy(contents) if output_dict else AlignmentReport(contents)
