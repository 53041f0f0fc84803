"""The check that no page of the built documentation is wider than the window."""

import importlib.util
from contextlib import ExitStack
from pathlib import Path

import pytest

# Loaded by its path, as docs/ is no package.
SPEC = importlib.util.spec_from_file_location(
    "check_overflow", Path(__file__).parents[1] / "docs" / "check_overflow.py"
)
check_overflow = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_overflow)
Measurement, main, report = check_overflow.Measurement, check_overflow.main, check_overflow.report

WIDE = '<div class="wide thing" style="width: 900px">text</div>'
PAGES = {
    "fits": "<p>text</p><img style='width: 100%'>",
    "code": f'<div style="width: 100%"><pre style="overflow-x: auto">{WIDE}</pre></div>',
    "table": f'<div class="pst-scrollable-table-container" style="overflow-x: auto">{WIDE}</div>',
    "hidden": f'<div style="overflow: hidden">{WIDE}</div>',
    "page": WIDE,
    "article": f'<article class="body" style="overflow-x: auto">{WIDE}</article>',
    "late": "<script>addEventListener('load', () => document.body.innerHTML = "
    "'<i style=\"display: block; width: 900px\">text</i>')</script>",
}
FOUND = {"page": ("div.wide.thing",), "article": ("article.body",), "late": ("i",)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "a b").mkdir()
    (folder / "_static").mkdir()
    for name, text in PAGES.items():
        page = f'<!DOCTYPE html><html><body style="margin: 0">{text}</body></html>'
        (folder / "a b" / f"{name}.html").write_text(page, encoding="utf-8")
    (folder / "_static" / "macros.html").write_text(WIDE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def measured(site):
    path = check_overflow.find_browser()
    if path is None:
        pytest.skip("no Chromium on PATH")
    with ExitStack() as stack:
        try:
            tab = stack.enter_context(check_overflow.open_browser(path))
        except check_overflow.BrowserError as error:
            pytest.skip(f"Chromium does not start here: {error}")
        return check_overflow.measure_site(tab, site)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_measured_at_both_widths(measured, name):
    wide, narrow = (one for one in measured if one.page == f"a b/{name}.html")
    assert (wide.room, narrow.room) == check_overflow.WIDTHS
    assert not wide.overflows
    assert narrow.overflows == (name in FOUND)
    assert narrow.elements == FOUND.get(name, ())


def test_pages_that_are_too_wide_are_printed(measured, site, capsys):
    assert main(site) == len(FOUND)
    text = capsys.readouterr().out
    assert "a b/page.html: 900 pixels wide in 400 (div.wide.thing)\n" in text
    assert f"{len(PAGES)} pages at 1400 and 400 pixels, {len(FOUND)} too wide\n" in text


def test_templates_are_not_measured(measured):
    assert len(measured) == 2 * len(PAGES)


def test_the_report_names_pages_that_are_too_wide():
    measurements = [
        Measurement("a.html", 1400, 1400),
        Measurement("a.html", 400, 512, ("table.wide", "pre")),
        Measurement("b.html", 1400, 1400),
        Measurement("b.html", 400, 400, ("article",)),
        Measurement("c.html", 1400, 1400),
        Measurement("c.html", 400, 400),
    ]
    lines, n_wide = report(measurements)
    assert n_wide == 2
    assert lines == [
        "a.html: 512 pixels wide in 400 (table.wide, pre)",
        "b.html: 400 pixels wide in 400 (article)",
        "3 pages at 1400 and 400 pixels, 2 too wide",
    ]


def test_an_empty_folder_is_an_error(tmp_path, capsys):
    assert main(tmp_path) == 1
    assert "no page" in capsys.readouterr().out


def test_without_a_browser_the_check_is_skipped(site, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(site) == 0
    assert capsys.readouterr().out == "widths of pages not checked, skipped: no Chromium\n"


def write_browser(folder, script):
    """Put a program that is called like the browser on PATH."""
    path = folder / check_overflow.NAMES[0]
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_browser_that_does_not_start_is_no_error(site, capsys, monkeypatch, tmp_path):
    write_browser(tmp_path, "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(site) == 0
    assert "skipped: Chromium has ended" in capsys.readouterr().out


def test_a_browser_that_does_not_answer_is_no_error(site, capsys, monkeypatch, tmp_path):
    write_browser(tmp_path, "cat <&3 >/dev/null")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(check_overflow, "PATIENCE", 0.1)
    assert main(site) == 0
    assert "skipped: Chromium has not answered" in capsys.readouterr().out


# A browser in bash: it answers the commands with what is enough to begin, then it ends.
BEGINS = r"""
for result in '{"targetId": "t"}' '{"sessionId": "s"}' '{}'; do
    read -r -d '' command <&3
    number=$((number + 1))
    printf '{"method": "Some.event"}\0{"id": %s, "result": %s}\0' "$number" "$result" >&4
done
"""


def test_a_browser_that_ends_while_it_measures_is_an_error(site, capsys, monkeypatch, tmp_path):
    write_browser(tmp_path, BEGINS)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(site) == 1
    assert "failed: Chromium has ended" in capsys.readouterr().out


def test_an_error_of_the_browser_is_raised(site, capsys, monkeypatch, tmp_path):
    answer = r"""printf '{"id": 4, "error": {"message": "no such window"}}\0' >&4"""
    write_browser(tmp_path, f"{BEGINS}\nread -r -d '' command <&3\n{answer}\ncat <&3")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(site) == 1
    assert "setDeviceMetricsOverride: no such window" in capsys.readouterr().out
