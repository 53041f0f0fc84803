"""docs/user_guide/use_case_tune.rst runs and prints what it shows."""

import pytest

from tests.use_cases.pages import run_page

optuna = pytest.importorskip("optuna")


@pytest.mark.slow
# The page says that one candidate does not converge.
@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_the_page():
    # Few samples and iterations: rounding changes a map by as much.
    names = run_page("use_case_tune", tolerance=0.1)
    assert names["search"].best_params_ == {"init__n_components": 16}
    best, others = names["study"].best_trial, names["study"].trials
    assert best.value == max(trial.value for trial in others)
