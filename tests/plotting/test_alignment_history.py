import matplotlib.pyplot as plt
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_align import MiniVec2Vec
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.plotting import AlignmentHistoryDisplay

HISTORY = [
    {"stage": "start", "score": [0.05, 0.07], "start_scores": [[0.01, 0.05], [0.07]]},
    {"stage": "first", "score": [0.1, 0.2]},
    {"stage": "empty", "score": []},
    {"stage": "second", "score": [0.3]},
]


def test_stages_follow_one_another():
    display = AlignmentHistoryDisplay.from_predictions(HISTORY, converged=False)
    display.figure_.canvas.draw()
    lines = {line.get_label(): line.get_data() for line in display.lines_}
    assert list(lines) == ["start", "first", "empty", "second"]
    assert lines["start"][0].tolist() == [1, 2]
    # Candidates are scored on another scale, so that no line connects them to the next stage.
    assert lines["first"][0].tolist() == [3, 4]
    assert list(lines["first"][1]) == [0.1, 0.2]
    assert lines["second"][0].tolist() == [4, 5]
    assert list(lines["second"][1]) == [0.2, 0.3]
    assert display.starts_.get_offsets().tolist() == [[1, 0.01], [1, 0.05], [2, 0.07]]
    assert display.ax_.get_title() == "not converged"


def test_a_single_candidate_and_the_stage_after_it_are_connected():
    display = AlignmentHistoryDisplay.from_predictions(
        [{"stage": "start", "score": [0.1]}, HISTORY[1]]
    )
    assert list(display.lines_[1].get_ydata()) == [0.1, 0.1, 0.2]


def test_stages_of_one_name_are_numbered():
    display = AlignmentHistoryDisplay.from_predictions([HISTORY[1], HISTORY[3], HISTORY[1]])
    labels = [line.get_label() for line in display.lines_]
    assert labels == ["first 1", "second", "first 2"]


def test_without_candidates_and_convergence_check():
    display = AlignmentHistoryDisplay.from_predictions(HISTORY[1:2])
    assert display.starts_ is None
    assert display.ax_.get_title() == ""


def test_the_scale_begins_at_zero_unless_a_score_is_negative():
    display = AlignmentHistoryDisplay.from_predictions([{"stage": "first", "score": [0.1, 0.101]}])
    assert display.ax_.get_ylim()[0] == 0
    display = AlignmentHistoryDisplay.from_predictions([{"stage": "first", "score": [-0.2, 0.1]}])
    assert display.ax_.get_ylim()[0] < -0.2


def test_from_estimator():
    data = make_rotated_embeddings(600, 12, random_state=0)
    aligner = MiniVec2Vec(random_state=0).fit(data.XA, data.XB)
    _, ax = plt.subplots()
    display = AlignmentHistoryDisplay.from_estimator(aligner, ax=ax, linewidth=3)
    display.figure_.canvas.draw()
    assert display.ax_ is ax
    assert len(display.lines_) == len(aligner.history_)
    assert display.lines_[-1].get_ydata()[-1] == aligner.history_[-1]["score"][-1]
    assert display.lines_[0].get_linewidth() == 3
    assert display.ax_.get_title() == ("converged" if aligner.converged_ else "not converged")


def test_unfitted():
    with pytest.raises(NotFittedError):
        AlignmentHistoryDisplay.from_estimator(MiniVec2Vec())
