"""
Calibration over subsets of modalities
======================================

A model that is honest when it sees and hears may be overconfident when it only hears. The
temperature of the AECF estimators depends on which modalities are present.
"""

import matplotlib.pyplot as plt

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.metrics import expected_calibration_error
from sklearn_align.plotting import ReliabilityDisplay

train, test = load_avmnist(subset="train"), load_avmnist(subset="test")
half = drop_modalities(test.data, test.modalities, 0.5, random_state=0)

fig, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, calibration in zip(axes, (False, True), strict=True):
    clf = AECFClassifier(
        modalities=train.modalities, max_epochs=15, calibration=calibration, random_state=0
    ).fit(train.data, train.target)
    ReliabilityDisplay.from_estimator(clf, half, test.target, by_presence=True, n_bins=10, ax=ax)
    ax.set_title(f"calibration={calibration}")
    error = expected_calibration_error(test.target, clf.predict_proba(half))
    print(f"calibration={calibration}: ECE over all rows {error:.3f}")

# %%
# The lower panels show how many rows have which confidence: bins at the left hold few rows, which
# is why their accuracy jumps.
