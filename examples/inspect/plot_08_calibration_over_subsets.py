"""
Calibration over subsets of modalities
======================================

A model that is calibrated with all modalities may be overconfident with only one modality. The
temperature of the AECF estimators depends on the present modalities. Gradient boosting has no such
correction.
"""

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.metrics import expected_calibration_error
from sklearn_align.plotting import ReliabilityDisplay

train, test = load_avmnist(subset="train"), load_avmnist(subset="test")
half = drop_modalities(test.data, test.modalities, 0.5, random_state=0)

models = {
    "boosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
    "AECF": AECFClassifier(modalities=train.modalities, max_epochs=15, random_state=0),
}
models["AECF"].set_callbacks(ProgressBar())
fig, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(train.data, train.target)
    ReliabilityDisplay.from_estimator(
        model,
        half,
        test.target,
        by_presence=True,
        modalities=train.modalities,
        n_bins=6,
        ax=ax,
    )
    ax.set_title(name)
    for present, X in (("complete", test.data), ("half of the blocks missing", half)):
        proba = model.predict_proba(X)
        error = expected_calibration_error(test.target, proba)
        print(
            f"{name:8}, {present}: accuracy {(proba.argmax(axis=1) == test.target).mean():.3f}, "
            f"calibration error {error:.3f}"
        )

# %%
# All points of a curve are means over the same number of samples. The lower panels show the
# distribution of the confidence. If only the sound is present, boosting is confident, but often
# wrong. Both models were fitted to complete samples, but the AECF estimator masks blocks at random
# during the training.
