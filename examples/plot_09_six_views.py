"""
Six views of a digit
====================

The UCI Multiple Features describe each handwritten digit in six ways, of 6 to 240 columns. How
accurate is each view alone, and what weights does the gate give?
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_align import AECFClassifier
from sklearn_align.datasets import load_mfeat
from sklearn_align.metrics import effective_modalities
from sklearn_align.plotting import MissingModalityDisplay, ModalityWeightsDisplay

train, test = load_mfeat(subset="train"), load_mfeat(subset="test")
clf = AECFClassifier(modalities=train.modalities, random_state=0).fit(train.data, train.target)
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
# The gate gives similar weights to all views, also to those of low accuracy alone: a weight is what
# the gate gives to a view, not what the prediction would lose without it.

weights = clf.modality_weights(test.data)
print(f"views used in effect, by sample: {effective_modalities(weights).mean():.2f}")

fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
MissingModalityDisplay.from_estimator(
    {"AECF": clf}, test.data, test.target, scoring="accuracy", random_state=0, ax=axes[0]
)
_ = ModalityWeightsDisplay.from_estimator(clf, test.data, test.target, ax=axes[1])
