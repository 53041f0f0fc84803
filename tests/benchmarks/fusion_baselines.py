"""Methods that AECF is compared with; each accepts missing blocks and is calibrated.

Each ``fit_*`` function takes training samples, samples held out for the temperature, the modalities
and a seed, and returns a function from samples to probabilities. Missing blocks are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from sklearn_align.datasets import drop_modalities
from sklearn_align.fusion import AECFModule

Array = NDArray[Any]
Predict = Callable[[Array], Array]
Samples = tuple[Array, Array]


class ConcatNet(nn.Module):
    """Zeros for missing blocks, presence flags, two hidden layers; may drop blocks in training."""

    def __init__(
        self, widths: tuple[int, ...], n_classes: int, n_units: int, drop_rate: float
    ) -> None:
        super().__init__()
        self.widths = torch.tensor(widths)
        self.drop_rate = drop_rate
        self.layers = mlp(sum(widths) + len(widths), n_units, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        """Map samples with NaN blocks to logits."""
        presence = ~X[:, self.widths.cumsum(0) - self.widths].isnan()
        if self.training and self.drop_rate > 0:
            noise = torch.rand(presence.shape).masked_fill(~presence, -1.0)
            always_kept = noise == noise.amax(dim=1, keepdim=True)
            presence = presence & ((noise > self.drop_rate) | always_kept)
        visible = presence.repeat_interleave(self.widths, dim=1)
        blocks = torch.where(visible, X.nan_to_num(), 0.0)
        outputs: Tensor = self.layers(torch.cat([blocks, presence.float()], dim=1))
        return outputs


def mlp(width: int, n_units: int, n_classes: int) -> nn.Sequential:
    """Two hidden layers with dropout, as in AECF's encoders."""
    layers: list[nn.Module] = []
    for n_inputs in (width, n_units):
        layers += [nn.Linear(n_inputs, n_units), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(n_units, n_classes))


def width_of_equal_size(n_inputs: int, n_classes: int, n_parameters: int) -> int:
    """Width with which :func:`mlp` has about as many parameters as asked for."""
    b = n_inputs + n_classes + 2
    return int((-b + (b**2 + 4 * n_parameters) ** 0.5) / 2)


def size_of_aecf(widths: tuple[int, ...], n_classes: int) -> int:
    """Count the parameters of the default AECF network."""
    module = AECFModule(widths, n_classes, fusion="expert")
    return sum(parameter.numel() for parameter in module.parameters())


def train(net: nn.Module, X: Array, y: Array, seed: int, epochs: int) -> Predict:
    """Train as AECF is trained by default: AdamW, cosine schedule, clipped gradient."""
    mean, scale = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def scaled(X: Array) -> Tensor:
        return torch.from_numpy(((X - mean) / scale).astype(np.float32))

    inputs, targets = scaled(X), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(X), generator=generator).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs[batch]), targets[batch]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        schedule.step()
    net.eval()

    def predict(X: Array) -> Array:
        with torch.no_grad():
            return log_softmax(net(scaled(X)).double().numpy(), axis=1)

    return predict


def with_temperature(log_proba: Predict, X: Array, y: Array) -> Predict:
    """Scale logarithms of probabilities by the temperature of least loss on held-out samples."""
    logits = np.maximum(log_proba(X), -50.0)
    classes = np.arange(logits.shape[1])

    def loss(log_temperature: float) -> float:
        return float(
            log_loss(y, softmax(logits * np.exp(-log_temperature), axis=1), labels=classes)
        )

    factor = np.exp(-minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)
    return lambda X: softmax(np.maximum(log_proba(X), -50.0) * factor, axis=1)


def half_missing(X: Array, modalities: dict[str, int], seed: int) -> Array:
    """Drop half of the blocks, for the fit of temperatures and as augmentation of trees."""
    return drop_modalities(X, modalities, 0.5, random_state=seed)


def fit_concat(
    samples: Samples,
    held_out: Samples,
    modalities: dict[str, int],
    seed: int,
    drop_rate: float = 0.0,
) -> Predict:
    """Fit a network on the concatenated blocks, with as many parameters as AECF."""
    torch.manual_seed(seed)
    widths, n_classes = tuple(modalities.values()), len(np.unique(samples[1]))
    n_inputs = sum(widths) + len(widths)
    n_units = width_of_equal_size(n_inputs, n_classes, size_of_aecf(widths, n_classes))
    torch.manual_seed(seed)
    net = ConcatNet(widths, n_classes, n_units, drop_rate)
    predict = train(net, *samples, seed, epochs=60)
    return with_temperature(predict, half_missing(held_out[0], modalities, seed), held_out[1])


def fit_concat_dropout(
    samples: Samples, held_out: Samples, modalities: dict[str, int], seed: int
) -> Predict:
    """Fit the same network while half of the blocks are dropped in every step."""
    return fit_concat(samples, held_out, modalities, seed, drop_rate=0.5)


def fit_boosting(
    samples: Samples,
    held_out: Samples,
    modalities: dict[str, int],
    seed: int,
    augment: bool = False,
) -> Predict:
    """Fit gradient boosting, which accepts NaN."""
    X, y = samples
    if augment:
        X, y = np.vstack([X, half_missing(X, modalities, seed)]), np.append(y, y)
    trees = HistGradientBoostingClassifier(max_iter=40, random_state=seed).fit(X, y)

    def log_proba(X: Array) -> Array:
        return np.log(trees.predict_proba(X) + 1e-12)

    return with_temperature(log_proba, half_missing(held_out[0], modalities, seed), held_out[1])


def fit_boosting_augmented(
    samples: Samples, held_out: Samples, modalities: dict[str, int], seed: int
) -> Predict:
    """Fit gradient boosting on the samples and a copy of them with half of the blocks dropped."""
    return fit_boosting(samples, held_out, modalities, seed, augment=True)


def fit_imputed_regression(
    samples: Samples, held_out: Samples, modalities: dict[str, int], seed: int
) -> Predict:
    """Fit logistic regression on scaled columns, missing values replaced by means."""
    model = make_pipeline(
        StandardScaler(), SimpleImputer(strategy="mean"), LogisticRegression(max_iter=1000)
    ).fit(*samples)
    X = half_missing(held_out[0], modalities, seed)
    return with_temperature(model.predict_log_proba, X, held_out[1])


class MLPPerSubset:
    """One network per set of present modalities, trained on the samples that have them all.

    The networks are trained when a set first occurs. They have 128 units in each hidden layer: of
    six modalities there are 63 sets.
    """

    def __init__(
        self,
        samples: Samples,
        held_out: Samples,
        modalities: dict[str, int],
        seed: int,
        epochs: int = 60,
    ) -> None:
        self.samples, self.held_out, self.seed, self.epochs = samples, held_out, seed, epochs
        self.widths = np.array(list(modalities.values()))
        self.first = np.cumsum(self.widths) - self.widths
        self.n_classes = len(np.unique(samples[1]))
        self.frequencies = np.bincount(samples[1]) / len(samples[1])
        self.networks: dict[tuple[bool, ...], Predict | None] = {}

    def __call__(self, X: Array) -> Array:
        """Predict every sample with the network of its set."""
        presence = ~np.isnan(X[:, self.first])
        proba = np.empty((len(X), self.n_classes))
        for kind in np.unique(presence, axis=0):
            of_kind = (presence == kind).all(axis=1)
            key = tuple(kind.tolist())
            if key not in self.networks:
                self.networks[key] = self._fit(kind)
            network = self.networks[key]
            proba[of_kind] = self.frequencies if network is None else network(X[of_kind])
        return proba

    def _fit(self, kind: Array) -> Predict | None:
        columns = np.repeat(kind, self.widths)

        def complete(samples: Samples) -> Samples:
            kept = ~np.isnan(samples[0][:, columns]).any(axis=1)
            return samples[0][kept], samples[1][kept]

        (X, y), (X_held, y_held) = complete(self.samples), complete(self.held_out)
        if len(X) < 2:
            return None
        torch.manual_seed(self.seed)
        net = mlp(int(columns.sum()), 128, self.n_classes)
        predict = train(net, X[:, columns], y, self.seed, self.epochs)
        if len(X_held) < 2:
            return lambda X: softmax(predict(X[:, columns]), axis=1)
        return with_temperature(lambda X: predict(X[:, columns]), X_held, y_held)


def fit_mlp_per_subset(
    samples: Samples, held_out: Samples, modalities: dict[str, int], seed: int
) -> Predict:
    """Fit one network per set of modalities that occurs."""
    return MLPPerSubset(samples, held_out, modalities, seed)


BASELINES: dict[str, Callable[[Samples, Samples, dict[str, int], int], Predict]] = {
    "concat": fit_concat,
    "concat + modality dropout": fit_concat_dropout,
    "gradient boosting": fit_boosting,
    "gradient boosting, masked copies": fit_boosting_augmented,
    "logistic regression, mean-imputed": fit_imputed_regression,
    "one network per subset": fit_mlp_per_subset,
}
