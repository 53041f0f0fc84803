"""
Six views of a digit
====================

The UCI Multiple Features describe each handwritten digit by six views with 6 to 240 columns. This
example measures the accuracy of each view alone, and how much the predictions from all views
depend on each view.
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
# The next code scores one view alone, and all views except one. Views that are left out are NaN.

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
# No view alone is as accurate as all views together. Each view can be left out, because the views
# contain the same information.

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
# Importances measure this in one number for each view. If one view is dropped, the log loss
# increases only a little ("drop"). Shapley values are computed from the scores of all 64 subsets.
# They divide the improvement of all views over a prediction without any view among the views.
# Because the views contain the same information, the shares are similar.

for method in ("drop", "shapley"):
    result = modality_importance(clf, test.data, test.target, method=method, scoring="neg_log_loss")
    print(method, dict(zip(result.names, result.importances_mean.round(3).tolist(), strict=True)))
