"""
Image and sound, either of which may be missing
===============================================

Handwritten digits and spoken digits, the same digit in each pair. At test time, more and more of
the images and sounds are missing. A block of NaN is all it takes to say so.
"""

from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities, load_avmnist
from sklearn_align.plotting import MissingModalityDisplay, ModalityWeightsDisplay

train, test = load_avmnist(subset="train"), load_avmnist(subset="test")
print(train.data.shape, train.modalities)

# %%
# Boosting can handle NaN, too. To be fair, it also sees samples with missing blocks in training.

fusion = AECFClassifier(modalities=train.modalities, max_epochs=15, random_state=0)
fusion.fit(train.data, train.target)
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
# The gate's weights. Where one modality is missing, the other one has all the weight.

half = drop_modalities(test.data, test.modalities, 0.5, random_state=0)
_ = ModalityWeightsDisplay.from_estimator(fusion, half)
