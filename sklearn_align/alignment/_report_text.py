"""A report as plain text and as HTML, both made of the same tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import Any, NamedTuple

_MEANING = {
    "pass": "The fit converged, and there are no findings against the map.",
    "check": "The fit converged. Examine the findings before you use the map.",
    "fail": "Do not use the map.",
}
_NOT_CHECKED = (
    "Whether the map has converged was not checked. Examine the findings before you use the map."
)
_WIDTH = 88
_COLOURS = {"pass": "#1a7f37", "check": "#9a6700", "fail": "#cf222e"}
_CELL = 'style="text-align:right;padding:.15em .8em"'
_HEADER = 'style="text-align:left;padding:.15em .8em;font-weight:normal"'


class _Table(NamedTuple):
    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    note: str = ""


def report_text(contents: Mapping[str, Any]) -> str:
    """Return the report as lines of plain text."""
    lines = [f"Verdict: {contents['verdict'].upper()}", _meaning(contents)]
    lines += [f"  - {finding}" for finding in contents["findings"]]
    for table in _tables(contents):
        width = max(len(name) for name, _ in table.rows)
        cells = [table.columns, *(values for _, values in table.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
        names = ["", *(name for name, _ in table.rows)]
        lines += ["", table.title]
        for name, row in zip(names, cells, strict=True):
            if not any((name, *row)):
                continue
            aligned = "  ".join(value.rjust(w) for value, w in zip(row, widths, strict=True))
            lines.append(f"  {name:<{width}}  {aligned}".rstrip())
        if table.note:
            lines += [f"  {line}" for line in wrap(table.note, _WIDTH - 2)]
    if contents["not_shown"]:
        lines += ["", "Not shown"]
        lines += [f"  {what}: {remedy}" for what, remedy in contents["not_shown"].items()]
    return "\n".join(lines)


def report_html(contents: Mapping[str, Any]) -> str:
    """Return the report as one element of HTML with its styles."""
    verdict = contents["verdict"]
    parts = [
        '<div style="font-family:sans-serif;max-width:50em">',
        f'<p><strong style="color:{_COLOURS[verdict]}">Verdict: {verdict.upper()}</strong> '
        f"{escape(_meaning(contents))}</p>",
        _html_list(contents["findings"]),
    ]
    for table in _tables(contents):
        heads = "".join(f"<th {_CELL}>{escape(name)}</th>" for name in table.columns)
        rows = "".join(
            f"<tr><th {_HEADER}>{escape(name)}</th>"
            + "".join(f"<td {_CELL}>{escape(value)}</td>" for value in values)
            + "</tr>"
            for name, values in table.rows
        )
        parts.append(
            '<table style="border-collapse:collapse;margin:1em 0">'
            f'<caption style="text-align:left"><strong>{escape(table.title)}</strong></caption>'
            f"<tr><td></td>{heads}</tr>{rows}</table>"
        )
        if table.note:
            parts.append(f"<p>{escape(table.note)}</p>")
    if contents["not_shown"]:
        items = [f"{what}: {remedy}" for what, remedy in contents["not_shown"].items()]
        parts += ["<p><strong>Not shown</strong></p>", _html_list(items)]
    return "".join([*parts, "</div>"])


def _meaning(contents: Mapping[str, Any]) -> str:
    """Say in words what the verdict means."""
    if contents["verdict"] != "fail" and contents["evidence"] is None:
        return _NOT_CHECKED
    return _MEANING[contents["verdict"]]


def _html_list(items: Sequence[str]) -> str:
    if not items:
        return ""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _tables(contents: Mapping[str, Any]) -> list[_Table]:
    tables = [_map_table(contents["map"])]
    if contents["evidence"] is not None:
        tables.append(_evidence_table(contents["evidence"]))
    if contents["before_after"] is not None:
        tables.append(_before_after_table(contents["before_after"]))
    lengths = _lengths_table(contents["lengths"])
    if lengths.rows:
        tables.append(lengths)
    if contents["outside"] is not None:
        tables.append(_outside_table(contents["outside"]))
    return tables


def _map_table(section: Mapping[str, Any]) -> _Table:
    rows = [
        ("source features", [str(section["n_features"])]),
        ("target features", [str(section["n_features_target"])]),
        ("corrected by known pairs", [_yes(section["corrected_by_pairs"])]),
        *((key, [value]) for key, value in section["metadata"].items()),
    ]
    return _Table("Map", [""], rows)


def _evidence_table(section: Mapping[str, Any]) -> _Table:
    rows = []
    for name in (
        "expected_accuracy",
        "agreement",
        "relative_score",
        "relearned_agreement",
        "relearned_score",
    ):
        one = section[name]
        if one["value"] is None:
            continue
        # Maps of files of earlier versions do not know their threshold.
        known = one["decides"] and one["needed"] is not None
        needed = f"{one['needed']:.3g}" if known else "-"
        rows.append((name.replace("_", " "), [_number(one["value"]), needed]))
    how = "measured on known pairs that were left out of the fit"
    notes = []
    if not section["accuracy_measured"]:
        how = "estimated without known pairs from the other figures; it may be off by 0.1 and more"
        notes.append(
            "Agreement: share of samples that an independent run sends to the same place. Relative "
            "score: 0 for arbitrary maps, 1 for a space with itself."
        )
        if section["relearned_agreement"]["value"] is not None:
            notes.append(
                "Relearned agreement: share of samples that maps from halves of the samples, which "
                "start from a part of the map, send to the same place. Relearned score: relative "
                "score of these maps on the other half of the samples."
            )
    if section["expected_accuracy"]["value"] is not None:
        notes.append(
            f"Expected accuracy: share of samples whose counterpart is nearest among 1,000, {how}."
        )
    note = " ".join(notes)
    return _Table("Evidence of the fit", ["value", "needed"], rows, note)


def _before_after_table(section: Mapping[str, Any]) -> _Table:
    k = section["k"]
    low, high = section["accuracy_interval"]
    names = {
        "accuracy": f"top-1 among {section['n_targets']}",
        "recall": f"recall of {k} neighbours",
        "overlap": f"overlap of {k} neighbours",
    }
    columns = ["unmapped", "mapped", "chance"]
    rows = [(label, [_number(section[name][c]) for c in columns]) for name, label in names.items()]
    note = (
        f"{section['n_pairs']} pairs, {section['n_queries']} queries by the new encoder; top-1 of "
        f"mapped vectors with 95% confidence {low:.3f} to {high:.3f}. The overlap compares "
        "neighbours within an index with those within an index of the new encoder: a map hardly "
        "changes it."
    )
    return _Table("Before and after", columns, rows, note)


def _lengths_table(section: Mapping[str, Any]) -> _Table:
    rows = []
    for name in ("source", "mapped", "target"):
        for when, label in (("fit", f"{name} at fit"), ("now", f"{name} now")):
            lengths = section[name][when]
            if lengths is not None:
                label = name if name == "mapped" else label
                rows.append((label, [f"{length:.4g}" for length in lengths]))
    low, _, high = section["quantiles"]
    return _Table("Lengths", [f"{low:.0%}", "median", f"{high:.0%}"], rows)


def _outside_table(section: Mapping[str, Any]) -> _Table:
    rows = [
        ("samples", [str(section["n_samples"])]),
        ("with NaN or infinite values", [str(section["n_invalid"])]),
        ("zero", [str(section["n_zero"])]),
    ]
    for side, label in (("source", "outside source samples"), ("target", "outside target samples")):
        share = section[f"{side}_share"]
        if share is not None:
            rows.append((label, [f"{share:.1%}"]))
    note = ""
    if len(rows) > 3:
        note = (
            f"Shares of {section['n_compared']} samples. Of the samples of fit, "
            f"{section['expected_share']:.0%} are outside the other samples of fit. If the "
            "encoders differ, more mapped samples are outside the target samples."
        )
    return _Table("Samples to be mapped", ["number"], rows, note)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
