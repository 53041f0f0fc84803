"""The example of the start page prints what the page shows."""

import contextlib
import io
import re
import textwrap
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "index.rst").read_text(encoding="utf-8")
BLOCK = re.compile(r"\.\. code-block:: (\w+)\n\n((?:(?:    .*)?\n)+)")


def first_example():
    """Code and output."""
    (kind, code), (output_kind, output) = BLOCK.findall(PAGE)[:2]
    assert (kind, output_kind) == ("python", "text")
    return textwrap.dedent(code), textwrap.dedent(output).split()


def test_the_lines_of_the_example_fit_beside_the_picture():
    code, _ = first_example()
    assert max(map(len, code.splitlines())) <= 59


@pytest.mark.slow
def test_the_example_prints_what_the_page_shows():
    code, expected = first_example()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "index.rst", "exec"), {})
    words = printed.getvalue().split()
    assert words[:-1] == expected[:-1]
    # Rounding differs between machines, and with it the accuracy by some samples.
    assert float(words[-1]) == pytest.approx(float(expected[-1]), abs=0.02)
