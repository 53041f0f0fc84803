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

    :func:`alignment_report` makes it. ``print(report)`` gives the text, and notebooks show the
    HTML.

    Parameters
    ----------
    contents : dict
        What :meth:`to_dict` returns.

    Attributes
    ----------
    verdict : {"pass", "check", "fail"}
        "fail" if the map is not to be used, "check" if something is to be looked at before.

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
            "not_shown". Sections without their input are None, "evidence" of a map that was not
            judged as well, and so are numbers that are not known.
        """
        return deepcopy(self._contents)

    def to_html(self) -> str:
        """Return the report as HTML, which refers to no other file.

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
    """Report on a fitted map, to be read before an index is switched to mapped vectors.

    What needs an input that is not given is left out, and the report says which input it needs.

    Parameters
    ----------
    aligner : estimator
        Fitted :class:`~sklearn_align.MiniVec2Vec`, also one from :func:`~sklearn_align.load_map`,
        or a pipeline or search that ends in one.

    XA : array-like of shape (n_samples, n_features), default=None
        Samples of the source space that are to be mapped, or some of them. They may hold invalid
        samples, which are counted.

    XB : array-like of shape (n_samples_target, n_features_target), default=None
        Samples of the target space. By default those that ``fit`` has kept.

    XA_fit : array-like of shape (n_samples_fit, n_features), default=None
        Source samples that ``fit`` has seen, or some of them, with which `XA` is compared.

    pairs : tuple of two array-likes, default=None
        Pairs that ``fit`` has not seen, in the form that ``fit`` takes: two vectors of indices into
        `XA` and `XB`, or two matrices of samples.

    queries : array-like of shape (n_queries, n_features_target), default=None
        Queries by the new encoder, for the recall of neighbours among `pairs`. By default, every
        fifth pair is a query and not in the index.

    k : int, default=10
        Number of neighbours of the recall, reduced where there are fewer samples.

    output_dict : bool, default=False
        Whether to return a dict.

    Returns
    -------
    report : AlignmentReport or dict
        The report; with `output_dict` what its ``to_dict()`` returns.

    Raises
    ------
    TypeError
        If no :class:`~sklearn_align.MiniVec2Vec` stands at the end of `aligner`.

    ValueError
        If the arrays do not fit the aligner or one another.

    See Also
    --------
    sklearn_align.metrics.neighbor_recall : Recall of a mapped index.
    sklearn_align.metrics.neighbor_overlap : Overlap of the neighbours within two spaces.
    sklearn.metrics.classification_report : The report that has lent its form.

    Notes
    -----
    *Verdict.* "fail" where the aligner has not converged, or where fewer than half of at least 25
    `pairs` are retrieved; "check" where there is another finding; else "pass".

    *Before and after* are measured with cosines of raw vectors, as in an index, and a sample of the
    new encoder as the query. "unmapped" is an index of the old vectors as they are, where both
    spaces have one width; "mapped" one of ``to_target``. The accuracy is that among 1,000 pairs at
    most, so that it can be compared with `expected_accuracy_`. The overlap of neighbours compares
    the neighbours within the old index, and within the mapped one, with those within an index of
    the new encoder. It says how much the encoders differ, which no map changes.

    *Outside.* A sample of `XA` lies outside what ``fit`` saw if its cosine with the tenth nearest
    sample of `XA_fit`, both centred, is below the 1% quantile of the cosines that the samples of
    `XA_fit` have with their own tenth nearest [1]_: 1% of samples like those of ``fit`` do. The
    same is done for mapped samples among target samples, where differences of the encoders count as
    well: right maps leave 4% to 26% outside in embeddings of short texts. At most 2,000 samples of
    each kind are compared.

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
            f"aligner must be a MiniVec2Vec or end in one, and {type(final).__name__} is none: "
            "pass the fitted aligner, or a pipeline or search whose last step is one."
        )
    check_is_fitted(final, "correction_strength_")
    builder = ReportBuilder(aligner, final, int(k))
    contents = builder.build(XA, XB, XA_fit, pairs, queries)
    return deepcopy(contents) if output_dict else AlignmentReport(contents)
