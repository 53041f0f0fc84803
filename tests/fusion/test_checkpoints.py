"""A checkpoint that cannot be written."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from sklearn_align import AECFClassifier
from sklearn_align.datasets import make_multimodal_classification


class FullDisk(Callback):
    """Writes the weights to a device without space at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def samples():
    data = make_multimodal_classification(n_samples=120, random_state=0)
    return data.data, data.target


def test_the_first_fit_leaves_an_unfitted_estimator(samples):
    classifier = AECFClassifier(max_epochs=3, callbacks=[FullDisk(2)], random_state=0)
    with pytest.raises(OSError, match="No space left"):
        classifier.fit(*samples)
    with pytest.raises(NotFittedError):
        classifier.predict(samples[0])


@pytest.mark.parametrize("warm_start", [False, True])
def test_further_training_leaves_the_network_as_it_was(samples, warm_start):
    X, y = samples
    classifier = AECFClassifier(max_epochs=2, random_state=0, warm_start=warm_start).fit(X, y)
    before, n_epochs = classifier.predict_proba(X), classifier.n_iter_
    # Callbacks are made anew by a fit from the start only.
    disk = FullDisk(n_epochs + 1 if warm_start else 1)
    if warm_start:
        classifier.callbacks_.append(("disk", disk))
    else:
        classifier.set_params(callbacks=[disk])
    with pytest.raises(OSError, match="No space left"):
        classifier.fit(X, y)
    assert classifier.n_iter_ == n_epochs
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
