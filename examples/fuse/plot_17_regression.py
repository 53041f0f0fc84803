"""
Regression with missing modalities
==================================

``AECFRegressor`` predicts a measurement of handwritten digits from four other descriptions of them,
any of which may be missing. This example compares its mean absolute error with the error of
gradient boosting at several rates of missing blocks, and computes prediction intervals whose width
depends on the number of present blocks.

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
# The data are real: 2,000 digits, of which 1,000 are training samples. The modalities are Fourier
# coefficients, Karhunen-Loève coefficients, pixels and Zernike moments. The target is the fourth
# morphological feature, with values from 120 to 231. Its unit is not documented.

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
# The network drops modalities at random in training. Gradient boosting accepts NaN, but needs
# training samples with missing blocks: it is fitted to four copies of every sample, with no block,
# one, two or three of the four blocks dropped.

RATES = (0.0, 0.25, 0.5, 0.75)
network = AECFRegressor(MODALITIES, random_state=0).fit(X, y)
dropped = [drop_modalities(X, MODALITIES, rate, random_state=0) for rate in RATES]
boosting = HistGradientBoostingRegressor(random_state=0)
boosting.fit(np.concatenate(dropped), np.tile(y, len(RATES)))

# %%
# Error by the rate of missing blocks
# -----------------------------------
# The missing blocks are drawn five times for each rate, and the standard deviation is over these
# draws. Every sample keeps at least one block, so that the share of missing blocks is a little
# lower than the rate.

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
# At high rates of missing blocks, gradient boosting is better. At low rates, the network is better.
#
# Intervals
# ---------
# The regressor has no prediction intervals. They are computed here from the residuals of the 300
# validation samples, which are not training samples (split conformal prediction). There is one
# width for each number of present blocks, from ten draws of the missing blocks. The intervals
# should contain nine of ten targets, on average over samples with the same number of blocks, not
# for each sample. With 300 samples, this share is inaccurate.


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
# :ref:`use-case-image-text-table` has a pipeline for data frames with categories and with values
# that are missing within a block; only the last step of the pipeline differs. Use gradient boosting
# if single values of one table are missing.
