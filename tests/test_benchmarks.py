"""The benchmarks: documented, run as modules, and built on public names."""

import ast
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
    "bench_alignment_starts",
    "bench_own_code",
    "plot_convergence",
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_documented(name):
    command = f"python -m tests.benchmarks.{name}"
    assert command in PAGE
    assert command in ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8")))


def test_documented_commands_exist():
    modules = re.findall(r"python -m tests\.benchmarks\.(\w+)", PAGE)
    assert {f"{name}.py" for name in modules} <= {path.name for path in FOLDER.glob("*.py")}


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
