"""Training: building the parts, the loop over the epochs, and what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.utils import to_tensor
from torch import Tensor

from sklearn_align.fusion._data import (
    ModalityDataset,
)
from sklearn_align.fusion._epoch_log import EpochLog
from sklearn_align.fusion._rows import NetRows
from sklearn_align.fusion._schedules import linear_ramp

__all__ = ["NetTraining"]

# matrix products of very few rows are rounded differently: filling up makes what is predicted for
# a row independent of how many others come with it
_MIN_ROWS_TO_PREDICT = 32


class NetTraining(NetRows):
    """The network, its loss, its optimizer and their training."""

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        """Callbacks that parameters ask for; skorch's own, under fixed names.

        get_params lists them, also before ``fit`` has checked the parameters: these tests hold for
        values of any type.
        """
        callbacks: list[tuple[str, Any]] = [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]
        if isinstance(self.early_stopping, bool | np.bool_) and self.early_stopping:
            callbacks.append(
                (
                    "early_stopping",
                    EarlyStopping(
                        monitor="valid_task",
                        patience=self.patience,
                        threshold=self.min_delta,
                        threshold_mode="abs",
                        load_best=True,
                    ),
                )
            )
        if self.gradient_clip is not None:
            clipping = GradientNormClipping(gradient_clip_value=self.gradient_clip)
            callbacks.append(("gradient_clipping", clipping))
        if isinstance(self.lr_schedule, str) and self.lr_schedule == "cosine":
            schedule = LRScheduler(
                policy=torch.optim.lr_scheduler.CosineAnnealingLR, T_max=self.max_epochs
            )
            callbacks.append(("lr_schedule", schedule))
        if isinstance(self.verbose, int | np.integer) and self.verbose > 0:
            callbacks.append(("print_log", PrintLog()))
        return callbacks

    def initialize(self) -> Any:
        """Build the network, the loss, the optimizer and the callbacks.

        Returns
        -------
        self : object
            Itself.

        Raises
        ------
        NotFittedError
            Before the first call of ``fit`` or ``partial_fit``: the sizes of the network follow
            from the data.
        """
        if not hasattr(self, "layout_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance has not seen data yet, from which the sizes "
                "of its layers follow: call fit, or partial_fit with epochs=0."
            )
        return super().initialize()

    def initialize_module(self) -> Any:
        """Build the network from the parameters and the data's sizes.

        Returns
        -------
        self : object
            Itself.
        """
        options = {name: getattr(self, name) for name in self._network_parameters}
        options.update(
            widths=self.layout_.widths, n_outputs=self._n_outputs(), names=self.layout_.names
        )
        options.update(self._module_options())
        options.update(self.get_params_for("module"))
        self.module_ = self.module(**options)
        return self

    def initialize_criterion(self) -> Any:
        """Build the loss from the parameters.

        Returns
        -------
        self : object
            Itself.
        """
        options = {name: getattr(self, name) for name in self._loss_parameters}
        options.update(self._loss_options(), max_epochs=self.max_epochs)
        options.update(self.get_params_for("criterion"))
        self.criterion_ = self.criterion(**options)
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> Any:
        """Build the optimizer, with a learning rate and no weight decay of its own for the gate.

        Parameters
        ----------
        triggered_directly : object
            Ignored.

        Returns
        -------
        self : object
            Itself.
        """
        named = list(self.get_all_learnable_params())
        args, options = self.get_params_for_optimizer("optimizer", named)
        adam = self.optimizer in (torch.optim.AdamW, torch.optim.Adam)
        if "optimizer__param_groups" not in vars(self):
            decay = options.pop("weight_decay", self.weight_decay)
            gate_lr = options["lr"] if self.gate_lr is None else self.gate_lr
            gate = [p for name, p in named if name.startswith("gate.")]
            rest = [p for name, p in named if not name.startswith("gate.")]
            groups = [
                {"params": rest, "weight_decay": decay},
                {"params": gate, "lr": gate_lr, "weight_decay": 0.0},
            ]
            args = (groups,)
        if adam and not {"fused", "foreach"} & set(options):
            options["fused"] = True
        self.optimizer_ = self.optimizer(*args, **options)
        return self

    def _n_outputs(self) -> int:
        raise NotImplementedError

    def _module_options(self) -> dict[str, Any]:
        return {}

    def _loss_options(self) -> dict[str, Any]:
        raise NotImplementedError

    def _fallback(self, targets: NDArray[Any], sample_weight: NDArray[np.float64]) -> Tensor:
        raise NotImplementedError

    @contextmanager
    def _seeded(self, n_epochs: int = 0) -> Iterator[None]:
        """Draw everything from `random_state` and leave torch's generators as they were.

        Further training continues after `n_epochs`, and must not repeat their draws.
        """
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        # without a device of our own, as under skorch's AccelerateMixin, it may be the GPU in use
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed + n_epochs)
            yield

    def _train(
        self,
        X: NDArray[Any],
        targets: NDArray[Any],
        sample_weight: NDArray[np.float64],
        *,
        epochs: int,
        start: bool,
    ) -> Any:
        presence = self._presence(X)
        with self._seeded(0 if start else len(self.history)):
            if start:
                self.initialize()
                self.module_.seen.copy_(torch.from_numpy(presence.any(axis=0)))
                self.module_.scaler.fit(
                    X[:, self.layout_.order], sample_weight, standardize=self.standardize
                )
                self.module_.set_fallback(self._fallback(targets, sample_weight))
            rows = self._tensors(X, presence)
            if not np.all(sample_weight == 1.0):
                rows["sample_weight"] = torch.from_numpy(sample_weight.astype(np.float32))
            dataset = ModalityDataset(rows, self._target_tensor(targets))
            self.module_.log_temperature.zero_()
            parts = self.get_split_datasets(dataset, targets)
            if parts[1] is None:
                # what watches validation figures has nothing to watch
                self.callbacks_ = [item for item in self.callbacks_ if item[0] != "early_stopping"]
            self._epoch_log = EpochLog(self._calibration_error())
            self.notify("on_train_begin", X=dataset, y=targets)
            try:
                self.fit_loop(parts, targets, epochs=epochs)
            except KeyboardInterrupt:  # how skorch's EarlyStopping ends the training
                pass
            finally:
                del self._epoch_log
            self.notify("on_train_end", X=dataset, y=targets)
            self._after_training(parts[1])
        return self

    def _calibration_error(self) -> Any:
        return None

    def _after_training(self, dataset_valid: Any) -> None:
        """Use the validation rows once the network is trained."""

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Any:
        """Train for a number of epochs on prepared rows.

        Parameters
        ----------
        X : tuple of two Datasets
            Training and validation rows; the second may be None.
        y : ndarray
            Encoded targets.
        epochs : int, optional
            Number of epochs, `max_epochs` by default.
        **fit_params : object
            Ignored.

        Returns
        -------
        self : object
            Itself.
        """
        dataset_train, dataset_valid = self.get_split_datasets(X, y)
        parts = {"dataset_train": dataset_train, "dataset_valid": dataset_valid}
        batches = self.get_iterator(dataset_train, training=True)
        valid_batches = None
        if dataset_valid is not None:
            valid_batches = self.get_iterator(dataset_valid, training=False)
        for _ in range(self.max_epochs if epochs is None else epochs):
            self.notify("on_epoch_begin", **parts)
            self.run_single_epoch(batches, training=True, prefix="train", step_fn=self.train_step)
            self.run_single_epoch(
                valid_batches, training=False, prefix="valid", step_fn=self.validation_step
            )
            self.notify("on_epoch_end", **parts)
        return self

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Set what follows the epochs: loss weights and masking rate.

        Parameters
        ----------
        net : object
            This estimator.
        dataset_train, dataset_valid : Dataset
            The rows.
        **kwargs : object
            Passed on.
        """
        super().on_epoch_begin(net, dataset_train, dataset_valid, **kwargs)
        epoch = len(self.history) - 1
        self.criterion_.set_epoch(epoch)
        self.module_.masker.ramp = linear_ramp(epoch, self.masking_warmup)

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Record the loss components and what they were weighted with.

        Parameters
        ----------
        net : object
            This estimator.
        dataset_train, dataset_valid : Dataset
            The rows.
        **kwargs : object
            Passed on.
        """
        super().on_epoch_end(net, dataset_train, dataset_valid, **kwargs)
        self._epoch_log.write(self.history)
        self.history.record("entropy_lambda", self.criterion_.entropy_lambda)
        self.history.record("consistency_ramp", self.criterion_.consistency_ramp)
        self.history.record("masking_ramp", self.module_.masker.ramp)
        self.history.record("gate_temperature", float(self.module_.gate.temperature.detach()))

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Run the network on a batch.

        Parameters
        ----------
        x : dict of Tensor
            Prepared rows.
        **fit_params : object
            Ignored.

        Returns
        -------
        outputs : tuple of Tensor
            See :meth:`AECFModule.forward`.
        """
        names = ("X", "presence", "subset", "other")
        inputs = {name: x[name] for name in names if name in x}
        return self.module_(**to_tensor(inputs, device=self.device))

    def evaluation_step(self, batch: Any, training: bool = False) -> Any:
        """Run the network on a batch for prediction.

        Parameters
        ----------
        batch : tuple
            Prepared rows and targets.
        training : bool, default=False
            Whether to run it as in training.

        Returns
        -------
        outputs : tuple of Tensor
            See :meth:`AECFModule.forward`.
        """
        rows, y = batch
        n_samples = len(rows["X"])
        if training or n_samples >= _MIN_ROWS_TO_PREDICT:
            return super().evaluation_step(batch, training=training)
        fill = _MIN_ROWS_TO_PREDICT - n_samples
        padded = {
            name: torch.cat([values, values.new_zeros(fill, *values.shape[1:])])
            for name, values in rows.items()
        }
        outputs = super().evaluation_step((padded, y), training=training)
        return tuple(output[:n_samples] for output in outputs)

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Any:
        """Compute the loss of a batch and note its components.

        Parameters
        ----------
        y_pred : tuple of Tensor
            What the network returned.
        y_true : Tensor
            Encoded targets.
        X : dict of Tensor
            Prepared rows.
        training : bool, default=False
            Whether this is a training batch.

        Returns
        -------
        loss : Tensor, scalar
            The loss.
        """
        y_true = to_tensor(y_true, device=self.device)
        presence = to_tensor(X["presence"], device=self.device)
        weight = X.get("sample_weight")
        weight = None if weight is None else to_tensor(weight, device=self.device)
        loss = self.criterion_(y_pred, y_true, presence=presence, sample_weight=weight)
        if hasattr(self, "_epoch_log"):
            prefix = "train" if training else "valid"
            components = getattr(self.criterion_, "components", {})
            self._epoch_log.add(prefix, components, y_pred[0], y_true, weight)
        return loss

    def check_data(self, X: Any, y: Any = None) -> None:
        """Do nothing: rows are validated before they get here.

        Parameters
        ----------
        X, y : object
            Ignored.
        """
