"""
Image and sound, either of which may be missing
===============================================

Each sample has the image and the sound of the same digit. On the test samples, an increasing share
of images and sounds is missing. A missing image or sound is a block of NaN. The second part of the
example measures how much the predictions depend on each modality.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.metrics import modality_importance
from sklearn_align.plotting import (
    MissingModalityDisplay,
    ModalityImportanceDisplay,
    ModalityWeightsDisplay,
)

train, test = load_avmnist(subset="train"), load_avmnist(subset="test")
print(train.data.shape, train.modalities)

# %%
# Gradient boosting also accepts NaN. For a fair comparison, it is trained on samples with missing
# blocks.

fusion = AECFClassifier(modalities=train.modalities, max_epochs=15, random_state=0)
fusion.set_callbacks(ProgressBar()).fit(train.data, train.target)
boosting = HistGradientBoostingClassifier(max_iter=50, random_state=0)
boosting.fit(drop_modalities(train.data, train.modalities, 0.5, random_state=0), train.target)

# %%
# Both are scored on the same missing blocks.

display = MissingModalityDisplay.from_estimator(
    {"AECF": fusion, "boosting": boosting},
    test.data,
    test.target,
    scoring="accuracy",
    random_state=0,
)
for name, scores in display.scores.items():
    print(name, scores.mean(axis=1).round(3))

# %%
# Importance and weight
# ---------------------
#
# To compare importances and weights, a third modality without information is added: random
# numbers. The next code computes the decrease of the accuracy without a modality ("drop"), and the
# Shapley values. They divide the improvement over a prediction without any modality among the
# modalities.

rng = np.random.default_rng(0)
modalities = {**train.modalities, "noise": 50}


def by_name(values):
    return {name: f"{value:.3f}" for name, value in zip(modalities, values, strict=True)}


def add_noise(X):
    return np.column_stack([X, rng.normal(size=(len(X), 50)).astype(X.dtype)])


X_train, X_test = add_noise(train.data), add_noise(test.data)
with_noise = AECFClassifier(modalities=modalities, max_epochs=15, random_state=0)
with_noise.set_callbacks(ProgressBar()).fit(X_train, train.target)

results = {}
for method in ("drop", "shapley"):
    results[method] = modality_importance(
        with_noise, X_test, test.target, method=method, scoring="accuracy"
    )
    print(method, by_name(results[method].importances_mean))

shapley = results["shapley"]
print(f"accuracy {shapley.baseline_score:.3f}, without any modality {shapley.empty_score:.3f}")

# %%
# The weights are the coefficients of the fused representation. They do not measure how much a
# prediction depends on a modality: the weight of the noise is only a little lower than the weights
# of the image and the sound.

weights = with_noise.modality_weights(X_test)
print("weights", by_name(weights.mean(axis=0)))

fig, axes = plt.subplots(2, 1, figsize=(6.4, 5), layout="constrained", height_ratios=[3, 1])
ModalityImportanceDisplay.from_importances(results, score_name="accuracy", ax=axes[0])
_ = ModalityWeightsDisplay.from_predictions(weights, modality_names=list(modalities), ax=axes[1])

# %%
# The last code computes importances of single samples: if the image is noisy, the log loss depends
# more on the sound.

single = modality_importance(
    with_noise, X_test, test.target, scoring="neg_log_loss", per_sample=True
).sample_importances
order = np.argsort(test.image_noise)
third = len(order) // 3
for name, part in (("clearest", order[:third]), ("noisiest", order[-third:])):
    print(f"{name} images", by_name(single[part].mean(axis=0)))
