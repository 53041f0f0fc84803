"""Parts of the training: callbacks, parameter groups, epochs and small batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import DataLoader

from sklearn_align._typing import BoolArray, Float64Array, IntArray
from sklearn_align.fusion._ambient import few_threads, plain_torch, seeded
from sklearn_align.fusion._data import ModalityDataset
from sklearn_align.fusion._epoch_log import EpochLog
from sklearn_align.fusion._interrupts import finished_part, is_deliberate
from sklearn_align.fusion._preprocessing import labelled, name_of_column, sample_tensors
from sklearn_align.fusion._ranges import check_training_columns
from sklearn_align.fusion._scaling import columns_to_scale
from sklearn_align.fusion._validation import missing_figures_explained, train_without_validation

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet

# Matrix products of very few samples are rounded differently: with a batch filled up to this size,
# the prediction of a sample does not depend on the number of samples that come with it.
MIN_SAMPLES_TO_PREDICT = 32
_PREDICT_BATCH_SIZE = 1024


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


def make_batches(net: AECFNet, dataset: Any, *, training: bool) -> Any:
    """Make the iterator over the batches of a dataset."""
    options = net.get_params_for("iterator_train" if training else "iterator_valid")
    if training:
        options.setdefault("shuffle", True)
    size = samples_per_batch(len(dataset), net.batch_size, training=training)
    options.setdefault("batch_size", size)
    factory = net.iterator_train if training else net.iterator_valid
    loads = isinstance(factory, type) and issubclass(factory, DataLoader)
    if loads and not training and not hasattr(net, "_epoch_log"):
        # Else predictions would draw the seed of workers from torch's generator.
        options.setdefault("generator", torch.Generator())
    return factory(dataset, **options)


def train(
    net: AECFNet,
    X: NDArray[Any],
    encoded: NDArray[Any],
    sample_weight: Float64Array,
    groups: IntArray | None = None,
    *,
    epochs: int,
    start: bool,
) -> str | None:
    """Train on validated samples, with a new network if `start`; return what was interrupted."""
    presence = net._presence(X)
    feature_names = getattr(net, "feature_names_in_", None)
    if start:
        net._targets = net._targets.resolve(encoded, sample_weight, net.pos_weight)
        # skorch would empty the history of the last fit, which may have to be put back.
        net.history_ = None
    with plain_torch(), seeded(net.random_state, net.device, 0 if start else len(net.history)):
        if start:
            build(net, X, presence, encoded, sample_weight)
        weight = None if np.all(sample_weight == 1.0) else sample_weight
        scaler = net.module_.scaler
        samples = sample_tensors(X, presence, net.layout_, scaler, weight, feature_names)
        if groups is not None:
            samples["group"] = torch.from_numpy(groups)
        dataset = labelled(net, samples, encoded)
        n_weights = sum(weights.numel() for weights in net.module_.parameters())
        work = n_weights * samples_per_batch(len(dataset), net.batch_size, training=True)
        with few_threads(work, net.device):
            return _train_prepared(net, dataset, encoded, epochs)


def build(
    net: AECFNet,
    X: NDArray[Any],
    presence: BoolArray,
    encoded: NDArray[Any],
    sample_weight: Float64Array,
) -> None:
    """Make a new network and fit what it holds of the samples: scaling, presence, frequencies."""
    net.initialize()
    net.module_.seen.copy_(torch.from_numpy(presence.any(axis=0)))
    ordered = X[:, net.layout_.order]
    name_of = partial(name_of_column, net.layout_, getattr(net, "feature_names_in_", None))
    scaled = columns_to_scale(net.standardize, net.layout_)
    check_training_columns(ordered, name_of, standardize=scaled)
    net.module_.scaler.fit(ordered, sample_weight, standardize=scaled)
    net._targets.fit(net.module_, encoded, sample_weight)
    net.module_.set_fallback(net._targets.prior_output(encoded, sample_weight))


def _train_prepared(
    net: AECFNet, dataset: ModalityDataset, encoded: NDArray[Any], epochs: int
) -> str | None:
    """Train on prepared samples and calibrate; return what was interrupted."""
    net.module_.log_temperature.zero_()
    parts = net.get_split_datasets(dataset, encoded)
    if parts[1] is None:
        train_without_validation(net)
    net._epoch_log = EpochLog(net._targets.calibration_error)
    n_before = len(net.history)
    interrupted = None
    net.notify("on_train_begin", X=dataset, y=encoded)
    try:
        net.fit_loop(parts, encoded, epochs=epochs)
    except KeyboardInterrupt as interrupt:
        # skorch's EarlyStopping ends the training with it, too.
        if not is_deliberate(interrupt, net):
            interrupted = finished_part(net, n_before, epochs)
            if interrupted is None or not net._ends_on_interrupt:
                raise
        else:
            net._tasks.end_epoch(net)
    finally:
        del net._epoch_log
    net.notify("on_train_end", X=dataset, y=encoded)
    if epochs > 0:
        check_trained(net, dataset)
    net._after_training(parts[1])
    return interrupted


def run_epochs(net: AECFNet, X: Any, y: Any, epochs: int) -> None:
    """Train and validate on prepared samples, with the notifications that callbacks expect."""
    dataset_train, dataset_valid = net.get_split_datasets(X, y)
    parts = {"dataset_train": dataset_train, "dataset_valid": dataset_valid}
    batches = net.get_iterator(dataset_train, training=True)
    valid_batches = None
    if dataset_valid is not None:
        valid_batches = net.get_iterator(dataset_valid, training=False)
    train_step = partial(checked_step, net, net.train_step)
    valid_step = partial(checked_step, net, net.validation_step)
    for _ in range(epochs):
        net.notify("on_epoch_begin", **parts)
        net._tasks.begin_epoch(net)
        net.run_single_epoch(batches, training=True, prefix="train", step_fn=train_step)
        net.run_single_epoch(valid_batches, training=False, prefix="valid", step_fn=valid_step)
        with missing_figures_explained(net, dataset_valid):
            net.notify("on_epoch_end", **parts)
        net._epoch_log.n_finished += 1
        if net._tasks.end_epoch(net):
            break


def checked_step(net: AECFNet, step_fn: Callable[..., Any], batch: Any, **fit_params: Any) -> Any:
    """Run a step and raise if its loss is not finite: training on would make every weight NaN."""
    step = step_fn(batch, **fit_params)
    loss = step["loss"].detach()
    if not torch.isfinite(loss).all():
        _raise_diverged(net, f"the loss is {float(loss)}")
    return step


def check_trained(net: AECFNet, dataset: ModalityDataset) -> None:
    """Raise if the last step left weights, or outputs for training samples, that are not finite."""
    for name, weights in net.module_.named_parameters():
        if not torch.isfinite(weights).all():
            _raise_diverged(net, f"{name} holds values that are not finite")
    probe = dataset.take(torch.arange(min(len(dataset), _PREDICT_BATCH_SIZE)))
    for output in net.forward_iter(probe):
        for values in output[:3] if isinstance(output, tuple) else [output]:
            if not (values < torch.inf).all():
                _raise_diverged(net, "outputs for training samples are not finite")


def _raise_diverged(net: AECFNet, what: str) -> None:
    raise ValueError(
        f"the training diverged in epoch {len(net.history)}: {what}. The learning rates are "
        f"lr={net.lr!r} and gate_lr={net.gate_lr!r}: lower them, or set "
        f"gradient_clip (now {net.gradient_clip!r})."
    )


def device_of(net: AECFNet) -> Any:
    """Device of the network, which is the one that ``fit`` was given; None moves nothing."""
    return None if net.device is None else getattr(net.module_, "fallback", net).device


def batch_loss(net: AECFNet, y_pred: Any, y_true: Any, X: Any, *, training: bool) -> Any:
    """Compute the loss of a batch and add its components to the log of the epoch."""
    device = device_of(net)
    y_true = to_tensor(y_true, device=device)
    presence = to_tensor(X["presence"], device=device)
    weight = X.get("sample_weight")
    weight = None if weight is None else to_tensor(weight, device=device)
    loss = net.criterion_(y_pred, y_true, presence=presence, sample_weight=weight)
    if hasattr(net, "_epoch_log"):
        components = getattr(net.criterion_, "components", {})
        prefix = "train" if training else "valid"
        net._epoch_log.add(prefix, components, y_pred[0], y_true, weight)
    return loss


def record_epoch(net: AECFNet) -> None:
    """Write the loss components of an epoch and their weights to the history."""
    net._epoch_log.write(net.history)
    net.history.record("entropy_lambda", net.criterion_.entropy_lambda)
    net.history.record("consistency_ramp", net.criterion_.consistency_ramp)
    net.history.record("masking_ramp", net.module_.masker.ramp)
    net.history.record("gate_temperature", float(net.module_.gate.temperature.detach()))
