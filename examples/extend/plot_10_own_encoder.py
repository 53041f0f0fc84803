"""
An encoder of your own
======================

Any ``torch.nn.Module`` from the width of a block to the common width can encode a modality: a
pretrained network, a convolution, or the small residual network below. Pass it for a modality, or
register it under a name, so that searches can select it.
"""

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_align import AECFClassifier
from sklearn_align.datasets import load_avmnist
from sklearn_align.fusion import register_encoder


class ResidualEncoder(nn.Module):
    """A linear map and a correction to it."""

    def __init__(self, width, n_units, dropout=0.0, **options):
        super().__init__()
        self.straight = nn.Linear(width, n_units)
        self.correction = nn.Sequential(
            nn.Linear(width, n_units), nn.GELU(), nn.Dropout(dropout), nn.Linear(n_units, n_units)
        )

    def forward(self, block):
        return self.straight(block) + self.correction(block)


register_encoder("residual", ResidualEncoder)

train, test = load_avmnist(subset="train"), load_avmnist(subset="test")
clf = AECFClassifier(
    modalities=train.modalities,
    encoders={"image": "residual", "audio": "mlp"},
    max_epochs=10,
    random_state=0,
)
clf.set_callbacks(ProgressBar()).fit(train.data, train.target)
print(f"residual encoder of the image: accuracy {clf.score(test.data, test.target):.3f}")

# %%
# Among the candidates of a search
# --------------------------------

search = GridSearchCV(
    AECFClassifier(modalities=train.modalities, max_epochs=5, random_state=0),
    {"encoders": ["linear", "mlp", "residual"]},
    cv=2,
)
search.set_callbacks(ProgressBar()).fit(train.data[:2000], train.target[:2000])
names = [params["encoders"] for params in search.cv_results_["params"]]
scores = search.cv_results_["mean_test_score"]
print(dict(zip(names, scores.round(3).tolist(), strict=True)))

fig, ax = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
bars = ax.barh(names, scores, color=["0.6", "0.6", "#0072B2"])
ax.bar_label(bars, fmt="%.2f", padding=4)
ax.set(xlabel="Accuracy on validation folds, 1000 samples and 5 epochs", xlim=(0, 1))
_ = ax.invert_yaxis()
