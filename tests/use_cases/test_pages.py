"""The runner of use-case pages notices what differs; commands of the pages can be followed."""

import re
import tomllib

import pytest

from tests.use_cases.pages import FOLDER, assert_alike

PAGES = sorted(path.stem for path in FOLDER.glob("use_case_*.rst"))
SCRIPTS = sorted((FOLDER.parents[1] / "examples").glob("*/plot_*.py"))
SHELL = re.compile(r"\.\. code-block:: shell\n\n((?:(?:    .*)?\n)+)")
METADATA = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = METADATA["project"]["optional-dependencies"]


def test_decimals_may_differ_a_little():
    assert_alike("accuracy 0.95  n 12", "accuracy 0.96 n 12", 0.05)
    for wrong in ("accuracy 0.85 n 12", "accuracy 0.96 n 13", "recall 0.96 n 12", "accuracy 0.96"):
        with pytest.raises(AssertionError):
            assert_alike(wrong, "accuracy 0.96 n 12", 0.05)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_to_install(name):
    text = (FOLDER / f"{name}.rst").read_text(encoding="utf-8")
    commands = "\n".join(SHELL.findall(text))
    assert "python3 -m venv" in commands
    (extras,) = re.findall(r'pip install "\.\[([\w,]+)\]"', commands)
    assert set(extras.split(",")) <= set(EXTRAS)
    # The CPU build of torch has to come first: other builds are several gigabytes.
    if "fusion" in extras.split(","):
        assert re.search(r"CPU build of torch(.|\n)*pip install \"\.\[", commands)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_in_the_group_of_use_cases(name):
    index = (FOLDER / "index.rst").read_text(encoding="utf-8")
    assert f"   {name}\n" in index[index.index(":caption: Use cases") :]
