"""Run the code of a use-case page, block after block, and compare what it prints with the page."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "user_guide"
BLOCK = re.compile(r"\.\. code-block:: (python|text)\n\n((?:(?:    .*)?\n)+)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def code_and_output(name: str) -> Iterator[tuple[str, str]]:
    """Yield each block of code of a page with the output that stands under it, or without any."""
    text = (FOLDER / f"{name}.rst").read_text(encoding="utf-8")
    blocks = [(kind, textwrap.dedent(body).strip("\n")) for kind, body in BLOCK.findall(text)]
    for (kind, body), (following, output) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            yield body, output if following == "text" else ""


def run_page(name: str, without: Iterable[str] = (), tolerance: float = 0.05) -> dict[str, Any]:
    """Run a page in the current folder, without blocks that import some packages.

    Return its names. Numbers with decimals may differ by `tolerance`, or by this share if they are
    above one: releases of the dependencies and processors differ. Everything else must be as
    printed on the page.
    """
    names: dict[str, Any] = {}
    n_outputs = 0
    for code, expected in code_and_output(name):
        if any(re.search(rf"^import {package}$", code, re.MULTILINE) for package in without):
            continue
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(code, f"{name}.rst", "exec"), names)
        printed = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
        assert_alike(printed, expected, tolerance)
        n_outputs += bool(expected)
    assert n_outputs, "The page shows no result."
    return names


def assert_alike(printed: str, expected: str, tolerance: float) -> None:
    """Compare two outputs word for word, and numbers with decimals within the tolerance."""
    assert words(printed) == words(expected)
    for got, wanted in zip(NUMBER.findall(printed), NUMBER.findall(expected), strict=True):
        if "." in wanted:
            assert float(got) == pytest.approx(float(wanted), rel=tolerance, abs=tolerance)
        else:
            assert got == wanted, f"Printed:\n{printed}"


def words(text: str) -> list[str]:
    """Return the words of a text; the space between them depends on the numbers."""
    return NUMBER.sub("#", text).split()
