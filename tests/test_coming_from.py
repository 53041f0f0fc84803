"""Every line of code of docs/user_guide/coming_from.rst runs."""

import os
import re
import textwrap

import matplotlib as mpl
import pytest

from tests.test_documented_code import DIRECTIVE, ROOT

PAGE = (ROOT / "docs" / "user_guide" / "coming_from.rst").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^(.+)\n-{5,}\n((?:.*\n)*?)(?=^.+\n-{5,}\n|\Z)", PAGE, re.MULTILINE))
# A comment of the page, which readers do not see.
PREPARED = re.compile(r"^\.\. prepared\n\n((?:    .*\n|\n)+)", re.MULTILINE)
ROW = re.compile(r"^   \* - ", re.MULTILINE)
OPTIONAL = {"accelerate", "gensim", "tensorboard", "wandb"}


def codes(section):
    return [textwrap.dedent(code) for code in DIRECTIVE.findall(SECTIONS[section])]


CASES = [
    pytest.param(section, number, id=f"{section}-{number}")
    for section in SECTIONS
    for number in range(len(codes(section)))
]


def test_every_row_has_one_block_of_code():
    assert len(SECTIONS) == 5
    for text in SECTIONS.values():
        assert len(PREPARED.findall(text)) == 1
        tables = re.split(r"\.\. list-table::", text)[1:]
        assert tables
        for table in tables:
            _, header, *rows = ROW.split(re.split(r"\n(?=\S)", table)[0])
            assert header == "Earlier\n     - Here\n\n"
            assert len(rows) > 5
            assert {len(DIRECTIVE.findall(row)) for row in rows} == {1}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run the blocks of a section one after the other; return a function to ask for errors."""
    before, found = os.getcwd(), {}

    def errors_of(section):
        if section not in found:
            os.chdir(tmp_path_factory.mktemp("section"))
            names = {}
            exec(textwrap.dedent(PREPARED.search(SECTIONS[section])[1]), names)
            found[section] = list(errors_in_turn(codes(section), names))
        return found[section]

    with mpl.rc_context({"backend": "agg"}):
        yield errors_of
    os.chdir(before)
    from sklearn_align.fusion.nn._encoders import _REGISTRY

    _REGISTRY.pop("normalized", None)


def errors_in_turn(blocks, names):
    """Yield the error of each block or None; one that lacks an earlier block's names has its."""
    missing = None
    for code in blocks:
        try:
            exec(code, names)
        except ModuleNotFoundError as error:
            missing = error
            yield error
        except NameError as error:
            yield missing or error
        except Exception as error:
            yield error
        else:
            yield None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
@pytest.mark.parametrize(("section", "number"), CASES)
def test_the_code_runs(outcomes, section, number):
    error = outcomes(section)[number]
    if isinstance(error, ModuleNotFoundError) and error.name.partition(".")[0] in OPTIONAL:
        pytest.skip(str(error))
    if error is not None:
        raise error
