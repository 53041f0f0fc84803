"""Parts of the training: callbacks, parameter groups, seeding and small batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from torch import Tensor

# Matrix products of very few samples are rounded differently: with a batch filled up to this size,
# the prediction of a sample does not depend on the number of samples that come with it.
MIN_SAMPLES_TO_PREDICT = 32
_PREDICT_BATCH_SIZE = 1024


def default_callbacks(
    *,
    early_stopping: bool,
    patience: int,
    min_delta: float,
    gradient_clip: float | None,
    lr_schedule: str,
    max_epochs: int,
    verbose: int,
) -> list[tuple[str, Any]]:
    """Make the callbacks that parameters ask for; skorch's own have fixed names.

    get_params lists them before ``fit`` has checked the parameters: values may have any type.
    """
    callbacks: list[tuple[str, Any]] = [
        ("epoch_timer", EpochTimer()),
        ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
        ("valid_loss", PassthroughScoring(name="valid_loss")),
    ]
    if isinstance(early_stopping, bool | np.bool_) and early_stopping:
        stopping = EarlyStopping(
            monitor="valid_task",
            patience=patience,
            threshold=min_delta,
            threshold_mode="abs",
            load_best=True,
        )
        callbacks.append(("early_stopping", stopping))
    if gradient_clip is not None:
        clipping = GradientNormClipping(gradient_clip_value=gradient_clip)
        callbacks.append(("gradient_clipping", clipping))
    if isinstance(lr_schedule, str) and lr_schedule == "cosine":
        schedule = LRScheduler(policy=torch.optim.lr_scheduler.CosineAnnealingLR, T_max=max_epochs)
        callbacks.append(("lr_schedule", schedule))
    if isinstance(verbose, int | np.integer) and verbose > 0:
        callbacks.append(("print_log", PrintLog()))
    return callbacks


def optimizer_groups(
    named: Sequence[tuple[str, Tensor]], *, gate_lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Split named weights into those of the gate, which do not decay, and all others."""
    gate = [weight for name, weight in named if name.startswith("gate.")]
    others = [weight for name, weight in named if not name.startswith("gate.")]
    return [
        {"params": others, "weight_decay": weight_decay},
        {"params": gate, "lr": gate_lr, "weight_decay": 0.0},
    ]


@contextmanager
def seeded(
    random_state: Any, device: str | torch.device | None, n_epochs: int = 0
) -> Iterator[None]:
    """Draw everything from `random_state` and leave torch's generators as they are.

    Further training continues after `n_epochs`, and must not repeat their draws.
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    # Without a device of our own, as under skorch's AccelerateMixin, it may be the GPU in use.
    used = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.random.fork_rng(devices=[used] if used.type == "cuda" else []):
        torch.manual_seed(seed + n_epochs)
        yield


def samples_per_batch(n_samples: int, batch_size: int | str, *, training: bool) -> int:
    """Size of the batches; for training, "auto" is a quarter of the samples, but 32 to 128."""
    if not training:
        return _PREDICT_BATCH_SIZE
    if isinstance(batch_size, str):
        return int(np.clip(n_samples // 4, 32, 128))
    return batch_size


def padded(samples: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fill a batch up with zeros to the least number of samples that is predicted at once."""
    fill = MIN_SAMPLES_TO_PREDICT - len(samples["X"])
    return {
        name: torch.cat([values, values.new_zeros(fill, *values.shape[1:])])
        for name, values in samples.items()
    }
