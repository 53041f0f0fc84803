"""The map of docs/contributing.rst names files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "contributing.rst").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("Where things are\n") : PAGE.index("Adding a refinement\n")]


def named_files():
    """Return every file or folder of the tables, below the folder that the header names."""
    for table in SECTION.split(".. list-table::")[1:]:
        texts = [cell.partition("\n\n")[0] for cell in re.split(r"\n   (?:\* -|  -) ", table)[1:]]
        cells = [re.findall(r"``([^`]+)``", text) for text in texts]
        folders = [folder for header in cells[1:3] for folder in header]
        for column, cell in enumerate(cells[3:]):
            if column % 3:
                yield from (f"{folders[column % 3 - 1]}{name}" for name in cell)


def test_files_are_found_in_the_tables():
    assert {"sklearn_align/_linalg.py", "tests/test_linalg.py"} <= set(named_files())


@pytest.mark.parametrize("name", sorted(set(named_files())))
def test_named_files_exist(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("folder", ["alignment", "fusion"])
def test_every_module_is_named(folder):
    folders = {name.rstrip("/") for name in named_files()}
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sklearn_align" / folder).glob("*.py")
        if path.name != "__init__.py"
    }
    assert sorted(modules - folders) == []


def test_the_tests_of_the_guarantees_exist():
    page = (ROOT / "docs" / "user_guide" / "guarantees.rst").read_text(encoding="utf-8")
    names = re.findall(r"``([\w/]+\.py)``", page)
    assert len(names) > 10
    assert [name for name in names if not (ROOT / "tests" / name).exists()] == []
