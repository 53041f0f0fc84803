"""The list of names in docs/api.rst is the public interface: it must agree with ``__all__``."""

import importlib
from pathlib import Path

import pytest

import sklearn_align

API_PAGE = Path(__file__).parents[1] / "docs" / "api.rst"
SUBPACKAGES = ("alignment", "datasets", "exceptions", "fusion", "io", "metrics", "plotting")


def documented_names():
    names = []
    inside = False
    for line in API_PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. autosummary::"):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and line.strip() and not line.strip().startswith(":"):
            names.append(line.strip())
    return names


def resolve(name):
    parent, _, last = f"sklearn_align.{name}".rpartition(".")
    return getattr(importlib.import_module(parent), last)


def test_no_name_is_listed_twice():
    names = documented_names()
    assert len(names) == len(set(names)) > 30


@pytest.mark.parametrize("name", documented_names())
def test_listed_names_exist_and_are_exported(name):
    parent, _, last = f"sklearn_align.{name}".rpartition(".")
    assert last in importlib.import_module(parent).__all__
    assert resolve(name).__doc__


@pytest.mark.parametrize("package", ["", *SUBPACKAGES])
def test_exported_names_are_listed(package):
    module = importlib.import_module(f"sklearn_align.{package}".rstrip("."))
    listed = [resolve(name) for name in documented_names()]
    for name in module.__all__:
        value = getattr(module, name)
        assert any(value is other for other in listed), f"{package}.{name} is not in docs/api.rst"


def test_top_level_names_are_listed_without_a_package():
    assert sorted(sklearn_align.__all__) == sorted(
        name for name in documented_names() if "." not in name
    )
