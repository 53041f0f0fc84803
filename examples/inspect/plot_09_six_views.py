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

train, test = load_mfeat(subset="train"), load_mfeat(subset="test")
clf = AECFClassifier(modalities=train.modalities, random_state=0)
clf.set_callbacks(ProgressBar()).fit(train.data, train.target)
print(f"all views: accuracy {clf.score(test.data, test.target):.3f}")

# %%
# One view alone, and all views but one: what is left out is NaN.

columns = dict(zip(clf.layout_.names, clf.layout_.columns, strict=True))
alone, without = {}, {}
for name in train.modalities:
    only = np.full_like(test.data, np.nan)
    only[:, columns[name]] = test.data[:, columns[name]]
    others = test.data.copy()
    others[:, columns[name]] = np.nan
    alone[name] = clf.score(only, test.target)
    without[name] = clf.score(others, test.target)
    print(
        f"{name:4} {test.view_names[name]:30} alone {alone[name]:.3f}, without {without[name]:.3f}"
    )

# %%
# No view is as good alone as all views are together, and none is needed: the views repeat one
# another.

fig, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
order = sorted(alone, key=alone.get)
places = range(len(order))
ax.hlines(places, [alone[name] for name in order], [without[name] for name in order], color="0.8")
for values, style in ((alone, "o"), (without, "D")):
    label = "this view alone" if values is alone else "all views but this one"
    color = "#D55E00" if values is alone else "#0072B2"
    ax.plot([values[name] for name in order], places, style, color=color, label=label)
ax.set_yticks(places, [test.view_names[name] for name in order])
ax.set(xlabel=f"Accuracy on {len(test.target)} digits", xlim=(0.5, 1.02))
_ = ax.legend(loc="upper left")

# %%
# The same in one number for each view: without any one of them, the log loss rises little ("drop").
# Shapley values divide among the views what they gain together over a prediction without any of
# them, from the scores of all 64 subsets. As the views repeat one another, the shares are alike.

for method in ("drop", "shapley"):
    result = modality_importance(clf, test.data, test.target, method=method, scoring="neg_log_loss")
    print(method, dict(zip(result.names, result.importances_mean.round(3).tolist(), strict=True)))
