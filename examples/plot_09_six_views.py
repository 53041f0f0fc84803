"""
Six views of a digit
====================

The UCI Multiple Features describe each handwritten digit in six ways, of 6 to 240 columns. How
accurate is each view alone, and how much do the predictions from all views depend on it?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar

from sklearn_align import AECFClassifier
from sklearn_align.datasets import load_mfeat
from sklearn_align.metrics import modality_importance
from sklearn_align.plotting import MissingModalityDisplay, ModalityImportanceDisplay

train, test = load_mfeat(subset="train"), load_mfeat(subset="test")
clf = AECFClassifier(modalities=train.modalities, random_state=0)
clf.set_callbacks(ProgressBar()).fit(train.data, train.target)
print(f"all views: accuracy {clf.score(test.data, test.target):.3f}")

# %%
# One view alone: all other blocks are NaN.

start = 0
for name, width in train.modalities.items():
    alone = np.full_like(test.data, np.nan)
    alone[:, start : start + width] = test.data[:, start : start + width]
    start += width
    print(f"{name:4} {test.view_names[name]:30} accuracy {clf.score(alone, test.target):.3f}")

# %%
# The views repeat one another: without any one of them, the log loss rises little ("drop"). Shapley
# values divide among the views what they gain together over a prediction without any of them, from
# the scores of all 64 subsets.

results = {
    method: modality_importance(clf, test.data, test.target, method=method, scoring="neg_log_loss")
    for method in ("drop", "shapley")
}
for method, result in results.items():
    print(method, dict(zip(result.names, result.importances_mean.round(3).tolist(), strict=True)))

fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
MissingModalityDisplay.from_estimator(
    {"AECF": clf}, test.data, test.target, scoring="accuracy", random_state=0, ax=axes[0]
)
_ = ModalityImportanceDisplay.from_importances(results, score_name="neg_log_loss", ax=axes[1])
