"""The benchmarks: documented, run as modules, and built on public names."""

import ast
import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
BENCHMARKS = sorted(path.stem for path in FOLDER.glob("bench_*.py"))
PAGE = (ROOT / "docs" / "benchmarks.rst").read_text(encoding="utf-8")
# Inspect parts of the algorithm that have no public name.
WITH_PRIVATE_IMPORTS = {
    "bench_alignment_centres",
    "bench_alignment_lost_directions",
    "bench_alignment_starts",
    "bench_own_code",
    "plot_convergence",
    "plot_verdict",
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_documented(name):
    command = f"python -m tests.benchmarks.{name}"
    assert command in PAGE
    assert command in ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8")))


def test_documented_commands_exist():
    modules = re.findall(r"python -m tests\.benchmarks\.(\w+)", PAGE)
    assert {f"{name}.py" for name in modules} <= {path.name for path in FOLDER.glob("*.py")}


def sections_with_seeds():
    """Numbers of seeds in the commands of a section, and in its tables, by title."""
    parts = re.split(r"^(\S.*)\n[-~]{4,}\n", PAGE, flags=re.MULTILINE)[1:]
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        in_commands = set(re.findall(r"--seeds (\d+)", text))
        in_tables = set()
        for name in re.findall(r":file: tables/(\S+)", text):
            with (ROOT / "docs" / "tables" / name).open(encoding="utf-8", newline="") as file:
                # settings are chosen on validation samples, with one seed
                in_tables |= {
                    row["seeds"]
                    for row in csv.DictReader(file)
                    if "seeds" in row and row.get("samples") != "validation"
                }
        if in_commands and in_tables:
            yield title, in_commands, in_tables


def test_commands_give_the_number_of_seeds_of_their_tables():
    sections = list(sections_with_seeds())
    assert len(sections) > 8
    for title, in_commands, in_tables in sections:
        assert in_commands == in_tables, title


def test_tables_are_included_once():
    tables = re.findall(r":file: tables/(\S+)", PAGE)
    assert len(tables) == len(set(tables)) > 10


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in FOLDER.glob("*.py")} - WITH_PRIVATE_IMPORTS)
)
def test_only_public_names_are_imported(name):
    path = FOLDER / f"{name}.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("sklearn_align"):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            assert not [name for name in names if name.startswith("_")]
