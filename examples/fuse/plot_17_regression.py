"""
A number from modalities of which some are missing
==================================================

``AECFRegressor`` predicts a measurement of handwritten digits from four other descriptions of them,
any of which may be missing. The mean absolute error by the rate of missing blocks, against gradient
boosting, and intervals that are wider where less is known.

.. code-block:: shell

    python3 -m venv .venv && . .venv/bin/activate
    # without a GPU: first the CPU build of torch, with the command of pytorch.org/get-started
    pip install ".[fusion,plot]"              # in a clone of the repository
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error

from sklearn_align import AECFRegressor
from sklearn_align.datasets import drop_modalities, load_mfeat

# %%
# The data are real, 2,000 digits with 1,000 of them for training. The modalities are Fourier
# coefficients, Karhunen-Loève coefficients, pixels and Zernike moments. The target is a column of
# the fifth description, the fourth morphological feature, which runs from 120 to 231. Its unit is
# not documented.

MODALITIES = {"fou": 76, "kar": 64, "pix": 240, "zer": 47}


def read(subset):
    """Return the blocks of the modalities side by side, and the target."""
    data = load_mfeat(subset=subset, as_frame=True)
    frame = data.data
    X = [frame.filter(regex=f"^{name}").to_numpy(dtype=np.float32) for name in MODALITIES]
    return np.hstack(X), frame.filter(regex="^mor").to_numpy()[:, 3]


(X, y), (X_valid, y_valid), (X_test, y_test) = map(read, ("train", "validation", "test"))

# %%
# Two models
# ----------
# The network drops modalities by itself in training. Boosting reads NaN as well, but has to see
# missing blocks in training: it gets every sample four times, with none to three of four blocks
# dropped.

RATES = (0.0, 0.25, 0.5, 0.75)
network = AECFRegressor(MODALITIES, random_state=0).fit(X, y)
dropped = [drop_modalities(X, MODALITIES, rate, random_state=0) for rate in RATES]
boosting = HistGradientBoostingRegressor(random_state=0)
boosting.fit(np.concatenate(dropped), np.tile(y, len(RATES)))

# %%
# Error by the rate of missing blocks
# -----------------------------------
# Five draws of the missing blocks for each rate; the deviation is that over the draws. Every sample
# keeps at least one block, so that a little less is missing than the rate says.

draws = range(5)
errors = {"AECFRegressor": [], "gradient boosting": []}
for rate in RATES:
    tests = [drop_modalities(X_test, MODALITIES, rate, random_state=seed) for seed in draws]
    for model, found in zip((network, boosting), errors.values(), strict=True):
        found.append([mean_absolute_error(y_test, model.predict(T)) for T in tests])
print(
    f"{'mean of the target':18} {mean_absolute_error(y_test, np.full_like(y_test, y.mean())):5.2f}"
)
for name, found in errors.items():
    shown = "   ".join(f"{np.mean(row):5.2f} +- {np.std(row):.2f}" for row in found)
    print(f"{name:18} {shown}")

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for name, found in errors.items():
    ax.errorbar(RATES, np.mean(found, axis=1), yerr=np.std(found, axis=1), marker="o", label=name)
ax.set(xlabel="Rate of missing blocks", ylabel="Mean absolute error", ylim=(0, None))
_ = ax.legend()

# %%
# Boosting is better where most of the blocks are missing, the network where few are.
#
# Intervals
# ---------
# The regressor has no intervals of its own. Residuals of the 300 validation samples, which were not
# in training, give some (split conformal prediction): one width for each number of blocks that are
# present, from ten draws of the missing blocks. Such an interval is to hold nine of ten targets on
# average over samples of the same kind, not for each sample. 300 samples say so roughly only.


def with_draws(X, y, seeds):
    """Return samples and targets once for each draw of the missing blocks."""
    drawn = [drop_modalities(X, MODALITIES, 0.5, random_state=seed) for seed in seeds]
    return np.concatenate(drawn), np.tile(y, len(drawn))


def n_present(X):
    """Return the number of modalities that are present in each sample."""
    return network.layout_.presence(X).sum(axis=1)


X_valid, y_valid = with_draws(X_valid, y_valid, range(10))
X_new, y_new = with_draws(X_test, y_test, range(10, 20))
residuals = np.abs(y_valid - network.predict(X_valid))
misses = np.abs(y_new - network.predict(X_new))
for number in range(1, len(MODALITIES) + 1):
    width = np.quantile(residuals[n_present(X_valid) == number], 0.9, method="higher")
    inside = misses[n_present(X_new) == number] <= width
    print(f"{number} present: prediction +- {width:4.1f} holds {inside.mean():.2f} of the targets")

# %%
# Data of your own
# ----------------
# A data frame, categories and cells that are missing within a block are read as in
# :ref:`use-case-image-text-table`; only the estimator at the end of the pipeline is another one.
# Use boosting where single values are missing anywhere in one table.
