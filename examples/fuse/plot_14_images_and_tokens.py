"""
Images and token ids from one DataFrame
=======================================

The samples are handwritten digits of 8 x 8 pixels, each with a short description of noisy words.
The pixels and the ids of the words are columns of one DataFrame, which also has a column that is
not used. A convolution encodes the images; ``torch.nn.Unflatten`` restores their axes. An
embedding encodes the ids, which must not be scaled.
"""

import numpy as np
import pandas as pd
from sklearn.callback import ProgressBar
from sklearn.compose import make_column_selector
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import manual_seed, nn

from sklearn_align import AECFClassifier
from sklearn_align.datasets import drop_modalities
from sklearn_align.plotting import MissingModalityDisplay

# %%
# The data
# --------
# Each digit has five words that occur more often in its descriptions than other words.
# Descriptions have 3 to 6 words and are padded with 0.

N_WORDS, LENGTH = 40, 6
rng = np.random.default_rng(0)
digits = load_digits()
n_samples = len(digits.target)
typical = np.array([rng.choice(N_WORDS, 5, replace=False) for _ in range(10)]) + 1
drawn = rng.integers(5, size=(n_samples, LENGTH))
words = np.take_along_axis(typical[digits.target], drawn, axis=1)
noise = rng.random(words.shape) < 0.5
words[noise] = rng.integers(1, N_WORDS + 1, noise.sum())
words[np.arange(LENGTH) >= rng.integers(3, LENGTH + 1, size=n_samples)[:, None]] = 0

X = pd.DataFrame(digits.data, columns=[f"pixel_{i}" for i in range(64)])
X.insert(0, "file", [f"scan_{i}.png" for i in range(n_samples)])
X[[f"word_{i}" for i in range(LENGTH)]] = words
print(X.iloc[:3, [0, 1, 2, 64, 65, 66]])

# %%
# The encoders
# ------------
# A module maps a block (n_samples, width) to (n_samples, n_units). It is copied for every fit. A
# block has the type float32, which represents ids up to 16 million exactly. The block of an absent
# modality is all zeros, and its weight is 0. The initial parameters of modules come from torch's
# own random generator: ``random_state`` of the estimator has no effect on them.

N_UNITS = 32
manual_seed(0)
image_encoder = nn.Sequential(
    nn.Unflatten(1, (1, 8, 8)),
    nn.Conv2d(1, 8, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(16 * 4 * 4, N_UNITS),
)


class TokenEncoder(nn.Module):
    """Mean of the embeddings of the words, then an affine map."""

    def __init__(self, n_words, n_units):
        super().__init__()
        self.embedding = nn.Embedding(n_words + 1, 16, padding_idx=0)
        self.output = nn.Linear(16, n_units)

    def forward(self, block):
        ids = block.long()
        n_given = (ids > 0).sum(dim=1, keepdim=True).clamp(min=1)
        return self.output(self.embedding(ids).sum(dim=1) / n_given)


# %%
# Selectors and scaling
# ---------------------
# The column of file names belongs to no modality: ``remainder="drop"`` leaves it out. A fifth of
# the training samples have no image.

modalities = {"image": "pixel_*", "text": make_column_selector(pattern="^word_")}
X_train, X_test, y_train, y_test = train_test_split(X, digits.target, random_state=0)
without_image = rng.random(len(X_train)) < 0.2
X_train.loc[without_image, X_train.filter(like="pixel_").columns] = np.nan
clf = AECFClassifier(
    modalities=modalities,
    encoders={"image": image_encoder, "text": TokenEncoder(N_WORDS, N_UNITS)},
    n_units=N_UNITS,
    remainder="drop",
    standardize={"text": False},
    max_epochs=20,
    lr=3e-3,
    random_state=0,
)
clf.set_callbacks(ProgressBar()).fit(X_train, y_train)
for absent in ([], ["text"], ["image"]):
    rates = dict.fromkeys(absent, 1.0)
    seen = drop_modalities(X_test, clf.layout_, rates, random_state=0)
    print(f"without {absent}: accuracy {clf.score(seen, y_test):.3f}")

# %%
# Check of the ids
# ----------------
# Scaled ids would be ids of other words. The network gets the ids without scaling.

given = clf.get_dataset(X_test).X["X"].numpy()[:, 64:]
print(bool((given == X_test.filter(like="word_")).all(axis=None)))

# %%
# Accuracy by the share of missing blocks
# ---------------------------------------

display = MissingModalityDisplay.from_estimator(
    {"AECF": clf}, X_test, y_test, scoring="accuracy", random_state=0
)
_ = display.ax_.set_ylim(0, 1)
