"""docs/user_guide/use_case_image_text_table.rst runs and prints what it shows."""

import numpy as np
import pytest

from tests.use_cases.pages import run_page

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def names():
    return run_page("use_case_image_text_table")


def test_importances_sum_to_the_gain_in_accuracy(names):
    model, test, y_test = names["model"], names["test"], names["y_test"]
    most_frequent = np.mean(y_test == np.bincount(names["y"]).argmax())
    gain = model.score(test, y_test) - most_frequent
    assert names["result"].importances_mean.sum() == pytest.approx(gain)


def test_the_identifier_has_no_influence(names):
    shuffled = names["test"].assign(id=names["test"]["id"].to_numpy()[::-1])
    probabilities = names["model"].predict_proba(shuffled)
    np.testing.assert_array_equal(probabilities, names["probabilities"])


def test_an_absent_table_stays_absent(names):
    blocks = names["model"][:-1].transform(names["test"])
    absent = names["test"][names["TABLE"]].isna().all(axis=1)
    assert 0.2 < absent.mean() < 0.4
    table = blocks.filter(regex="^table__").isna().all(axis=1)
    np.testing.assert_array_equal(table, absent)
