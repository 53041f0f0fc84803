"""Write the fitted estimators of this version that later versions must be able to load.

Run from the repository root: ``python tests/data/make_aecf_artefact.py``. Artefacts of released
versions are never written again.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np

import sklearn_align
from sklearn_align.fusion import AECFClassifier, AECFEmbedder, AECFRegressor


def main() -> None:
    """Fit small estimators and store them with their predictions."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 250)
    X = 2 * np.eye(3, 5)[y] + rng.normal(size=(250, 5))
    X[:60, :3] = np.nan
    small = {
        "modalities": {"image": 3, "sound": 2},
        "n_units": 6,
        "hidden_sizes": (5,),
        "gate_hidden": 4,
        "max_epochs": 3,
        "random_state": 0,
    }
    names = np.array(["ant", "bee", "cow"])[y]
    classifier = AECFClassifier(**small).fit(X, names)
    regressor = AECFRegressor(**small).fit(X, 10.0 * y)
    embedder = AECFEmbedder(**small, n_components=4).fit(X)
    artefact = {
        "version": sklearn_align.__version__,
        "X": X[50:70],
        "classifier": classifier,
        "proba": classifier.predict_proba(X[50:70]),
        "labels": classifier.predict(X[50:70]),
        "weights": classifier.modality_weights(X[50:70]),
        "regressor": regressor,
        "values": regressor.predict(X[50:70]),
        "embedder": embedder,
        "embedding": embedder.transform(X[50:70]),
    }
    version = sklearn_align.__version__.split("+")[0]
    joblib.dump(artefact, Path(__file__).parent / f"aecf_{version}.joblib", compress=3)


if __name__ == "__main__":
    main()
