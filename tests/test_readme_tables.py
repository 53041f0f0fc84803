"""The figures in README.md are those of docs/tables."""

import pytest

from tests.benchmarks.readme_tables import BLOCK, README, TABLES_OF_README, with_tables


@pytest.fixture
def text():
    return README.read_text(encoding="utf-8")


def test_every_table_has_its_place(text):
    assert [match[2] for match in BLOCK.finditer(text)] == list(TABLES_OF_README)


def test_readme_holds_the_figures_of_the_tables(text):
    assert with_tables(text) == text, "run python -m tests.benchmarks.readme_tables"
