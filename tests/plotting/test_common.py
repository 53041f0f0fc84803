import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_align.plotting import ModalityWeightsDisplay
from sklearn_align.plotting._common import ordered_groups, presence_groups


def test_presence_groups():
    X = pd.DataFrame({"b": [1, np.nan, np.nan], "a1": [1, 2, np.nan], "a2": [1, 3, np.nan]})
    groups = presence_groups(X, {"a": ["a1", "a2"], "b": ["b"]})
    assert groups.tolist() == ["a + b", "a", "none"]
    assert ordered_groups(groups) == ["a + b", "a", "none"]
    assert ordered_groups(np.array([10, 9, 10])) == [9, 10]


def test_import_does_not_load_matplotlib():
    code = "import sys, sklearn_align.plotting; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_matplotlib_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-align\[plot\]'"):
        ModalityWeightsDisplay.from_predictions([[1.0]])
