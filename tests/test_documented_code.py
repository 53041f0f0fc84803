"""Code in README.md and docs/ uses names and parameters that exist."""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import sklearn_align

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.rst")),
    *sorted((ROOT / "docs" / "user_guide").glob("*.rst")),
]
MARKDOWN = re.compile(r"```python\n(.*?)```", re.DOTALL)
# Packages that a page is about, and that not every test environment has.
OPTIONAL = {"gensim", "lightning"}
DIRECTIVE = re.compile(r"\.\. code-block:: python\n\n((?:(?:    .*)?\n)+)")


def blocks(path):
    text = path.read_text(encoding="utf-8")
    pattern = MARKDOWN if path.suffix == ".md" else DIRECTIVE
    return [textwrap.dedent(code) for code in pattern.findall(text)]


ALL_BLOCKS = [
    pytest.param(code, id=f"{path.stem}-{number}")
    for path in PAGES
    for number, code in enumerate(blocks(path))
]


def test_there_is_code():
    assert len(ALL_BLOCKS) >= 10


@pytest.mark.parametrize("code", ALL_BLOCKS)
def test_imported_names_exist(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            package = node.module.partition(".")[0]
            if package in OPTIONAL:
                pytest.importorskip(package)
            module = importlib.import_module(node.module)
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not missing


@pytest.mark.parametrize("code", ALL_BLOCKS)
def test_parameters_of_estimators_exist(code):
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id in sklearn_align.__all__:
            known = inspect.signature(getattr(sklearn_align, node.func.id)).parameters
            given = {keyword.arg for keyword in node.keywords}
            # Names of parameters of the parts are checked by the estimators.
            assert {name for name in given if "__" not in name} <= set(known)
