"""The snippets of docs/user_guide/alignment.rst about stages and about maps from another source."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide" / "alignment.rst"


def section(title):
    """Return the code of a section of the user guide."""
    text = GUIDE.read_text(encoding="utf-8")
    start = text.index(f"{title}\n-")
    end = re.search(r"\n[^\n]+\n-{3,}\n", text[start + len(title) + 5 :]).start()
    blocks = re.findall(
        r"\.\. code-block:: python\n\n((?:(?:    .*)?\n)+)", text[start:][: end + len(title) + 5]
    )
    return "\n".join(textwrap.dedent(block) for block in blocks)


@pytest.mark.usefixtures("unjudged")
def test_the_snippets_about_stages_run(capsys):
    namespace = {}
    # With fewer samples it takes a third of the time.
    exec(section("Stages of a fit").replace("n_samples=2000", "n_samples=800"), namespace)
    assert next(iter(namespace["aligner"].maps_)) == "start"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "begin start"
    assert re.fullmatch(r"end start: [1-9] iterations, accuracy [01]\.\d{3}", lines[1])
    assert len([line for line in lines if line.startswith("begin ")]) == 4
    assert namespace["accuracies"]["StochasticTransportRefinement-2"] > 0.9
    assert len(namespace["scores"]) == namespace["aligner"].n_iter_


def test_the_snippets_about_maps_that_exist_run():
    namespace = {}
    exec(section("A map from another source"), namespace)
    assert namespace["aligner"].converged_
    assert namespace["aligner"].expected_accuracy_ > 0.9
