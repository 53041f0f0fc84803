"""docs/user_guide/use_case_log.rst runs and prints what it shows."""

from importlib.util import find_spec

import pytest

from tests.use_cases.pages import code_and_output, run_page

pytest.importorskip("tensorboard")


def test_the_page_has_a_block_for_each_tool():
    code = [code for code, _ in code_and_output("use_case_log")]
    for package in ("wandb", "mlflow"):
        assert len([block for block in code if f"import {package}\n" in block]) == 1


@pytest.mark.slow
# Tools warn about what other packages of the environment do.
@pytest.mark.filterwarnings("ignore")
def test_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SILENT", "true")
    # MLflow pulls in some hundred megabytes, so that it is not in the extra of the tests.
    without = [package for package in ("wandb", "mlflow") if find_spec(package) is None]
    names = run_page("use_case_log", without)
    for step, event in enumerate(names["events"].Scalars("align/start")):
        assert event.step == step
        assert -1 <= event.value <= 1
