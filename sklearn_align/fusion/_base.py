"""The contract between skorch and scikit-learn: parameters, validation, training, prediction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.history import History
from skorch.utils import to_tensor
from torch import Tensor

from sklearn_align._sklearn import (
    Interval,
    StrOptions,
    check_sample_weight,
    validate_parameters,
)
from sklearn_align._views import ModalityLayout, parse_modalities
from sklearn_align.exceptions import MissingModalityWarning
from sklearn_align.fusion._calibration import draw_subsets
from sklearn_align.fusion._config import AECFConfig
from sklearn_align.fusion._data import (
    HoldOut,
    ModalityDataset,
    TensorBatches,
    is_prepared,
    merge_equal_rows,
)
from sklearn_align.fusion._encoders import ACTIVATIONS
from sklearn_align.fusion._epoch_log import EpochLog
from sklearn_align.fusion._gate import gate_entropy
from sklearn_align.fusion._masker import MASKING_STRATEGIES
from sklearn_align.fusion._schedules import linear_ramp

__all__ = ["SHARED_CONSTRAINTS", "BaseAECF", "in_precision_of"]

# below this number of rows nothing is held out for validation, unless train_split says so
_MIN_ROWS_TO_SPLIT = 200
_SHARE_TO_HOLD_OUT = 0.1
_PREDICT_BATCH_SIZE = 1024
_ROUTED_PREFIXES = (
    "module",
    "criterion",
    "optimizer",
    "iterator_train",
    "iterator_valid",
    "callbacks",
    "compile",
)
# matrix products of very few rows are rounded differently: filling up makes what is predicted for
# a row independent of how many others come with it
_MIN_ROWS_TO_PREDICT = 32

SHARED_CONSTRAINTS: dict[str, Any] = {
    "modalities": [dict, None],
    "encoders": [str, dict, callable],
    "n_units": [Interval(Integral, 1, None, closed="left")],
    "hidden_sizes": [tuple, list],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "gate_hidden": [Interval(Integral, 1, None, closed="left")],
    "gate_activation": [StrOptions({"softmax", "sigmoid"})],
    "gate_temperature": [Interval(Real, 0, None, closed="neither")],
    "min_gate_temperature": [Interval(Real, 0, None, closed="neither")],
    "masking": [StrOptions(set(MASKING_STRATEGIES))],
    "masking_prob": [Interval(Real, 0, 1, closed="both")],
    "masking_warmup": [Interval(Integral, 0, None, closed="left")],
    "masking_tau": [Interval(Real, 0, None, closed="neither")],
    "min_active": [Interval(Integral, 1, None, closed="left")],
    "entropy_weight": [Interval(Real, 0, None, closed="left")],
    "entropy_free_epochs": [Interval(Integral, 0, None, closed="left")],
    "entropy_warmup_epochs": [Interval(Integral, 0, None, closed="left")],
    "partial_missing": [StrOptions({"raise", "impute"})],
    "standardize": ["boolean"],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "gate_lr": [Interval(Real, 0, None, closed="neither"), None],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
    "lr_schedule": [StrOptions({"cosine", "constant"})],
    "early_stopping": ["boolean"],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "min_delta": [Interval(Real, 0, None, closed="left")],
    "optimizer": [callable],
    "module": [callable],
    "criterion": [callable],
    "iterator_train": [callable],
    "iterator_valid": [callable],
    "train_split": [StrOptions({"auto"}), callable, None],
    "callbacks": [list, StrOptions({"disable"}), None],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "device": [str, torch.device],
    "compile": ["boolean"],
    "random_state": ["random_state"],
}


class BaseAECF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeuralNet):  # type: ignore[misc]
    """What the AECF estimators share.

    A subclass has an explicit ``__init__`` and says how targets are encoded
    (`_encode_targets`), what the loss is (`_loss_options`) and what outputs mean.
    """

    # what skorch sets in __init__ and scikit-learn does not want to see there
    dataset = ModalityDataset
    predict_nonlinearity = None
    use_caching = "auto"
    torch_load_kwargs = None
    history_: History | None = None
    initialized_: bool = False
    virtual_params_: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed, by skorch

    layout_: ModalityLayout
    callbacks_: list[tuple[str, Any]]

    _parameter_constraints: ClassVar[dict[str, Any]] = SHARED_CONSTRAINTS
    _network_parameters: tuple[str, ...] = (
        "encoders",
        "n_units",
        "hidden_sizes",
        "activation",
        "dropout",
        "fusion",
        "head",
        "gate_hidden",
        "gate_activation",
        "gate_temperature",
        "min_gate_temperature",
        "masking",
        "masking_prob",
        "masking_tau",
        "min_active",
    )
    _loss_parameters: tuple[str, ...] = ()

    def _set_init_parameters(self, parameters: dict[str, Any]) -> None:
        """Store the arguments of ``__init__`` as they are, given its ``locals()``."""
        routed = parameters.pop("kwargs", {})
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)
        self.__dict__.update(routed)
        self._params_to_validate = set(routed)

    @classmethod
    def from_config(cls, config: AECFConfig, **params: Any) -> Any:
        """Make an estimator with the settings of a configuration.

        Parameters
        ----------
        config : AECFConfig
            Settings; those that this estimator does not have are left out.
        **params : object
            Further parameters, which win over those of `config`.

        Returns
        -------
        estimator : object
            Not yet fitted.
        """
        if not isinstance(config, AECFConfig):
            raise TypeError(
                f"config must be an AECFConfig; got {type(config).__name__}. Use "
                "AECFConfig.from_dict for a dict."
            )
        known = signature(cls.__init__).parameters
        settings = {name: value for name, value in config.to_params().items() if name in known}
        return cls(**{**settings, **params})

    # ------------------------------------------------------------------ scikit-learn's protocol

    def _get_param_names(self) -> list[str]:
        declared = [
            name
            for name, parameter in signature(type(self).__init__).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        routed = [name for name in vars(self) if name in self._params_to_validate and "__" in name]
        unknown = [name for name in self._params_to_validate if "__" not in name]
        return sorted({*declared, *routed, *(name for name in unknown if name in vars(self))})

    def set_params(self, **params: Any) -> Any:
        """Set parameters, also those of the parts.

        Parameters
        ----------
        **params : object
            Parameters of the estimator, and ``module__``, ``criterion__``, ``optimizer__``,
            ``iterator_train__``, ``iterator_valid__``, ``callbacks__`` and ``compile__``
            parameters. A fitted network is not touched: they count from the next ``fit`` on.
            Only parameters of the optimizer, `lr` included, act on further training at once.

        Returns
        -------
        self : object
            Itself.

        Raises
        ------
        ValueError
            For a name that is not a parameter.
        """
        own = {}
        for name, value in params.items():
            prefix, is_routed, _ = name.partition("__")
            if is_routed and prefix in _ROUTED_PREFIXES:
                setattr(self, name, value)
                self._params_to_validate.add(name)
            else:
                own[name] = value
        BaseEstimator.set_params(self, **own)
        self._apply_virtual_params(
            {name: value for name, value in params.items() if self._is_virtual_param(name)}
        )
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        text: str = BaseEstimator.__repr__(self, N_CHAR_MAX)
        return text

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.initialized_) and hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # without blocks a NaN cannot mean an absent modality among others
        tags.input_tags.allow_nan = self.modalities is not None or self.partial_missing == "impute"
        tags.input_tags.sparse = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.n_units)

    @property
    def n_iter_(self) -> int:
        """Number of epochs trained."""
        check_is_fitted(self)
        return len(self.history)

    @property
    def modality_names_(self) -> list[str]:
        """Names of the modalities, in the order of the gate's weights."""
        check_is_fitted(self)
        return list(self.layout_.names)

    # ------------------------------------------------------------------------------ validation

    def _check_parameters(self) -> None:
        validate_parameters(self)
        if self.min_gate_temperature > self.gate_temperature:
            raise ValueError(
                f"min_gate_temperature={self.min_gate_temperature} exceeds gate_temperature="
                f"{self.gate_temperature}: it must lie in (0, gate_temperature]."
            )
        for size in self.hidden_sizes:
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    f"hidden_sizes must hold positive integers; got {self.hidden_sizes!r}."
                )

    def _validate_training_rows(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        reset: bool,
        classes: ArrayLike | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Validate, encode and weigh the rows; leave out those without weight or modality."""
        X_array, y_array = self._validate_X_y(X, y, reset=reset)
        weight = check_sample_weight(
            sample_weight, X_array, dtype=np.float64, ensure_non_negative=True
        )
        if reset:
            self.layout_ = parse_modalities(
                self.modalities, X_array.shape[1], getattr(self, "feature_names_in_", None)
            )
        presence = self._presence(X_array)
        if not reset:
            self._check_seen(presence)
        absent = ~presence.any(axis=1)
        if absent.all():
            raise ValueError(
                f"no modality is present in any of the {len(X_array)} rows of X: all values are "
                "NaN."
            )
        if absent.any():
            warnings.warn(
                f"{int(absent.sum())} of {len(X_array)} rows have no present modality; they are "
                "left out of the training.",
                MissingModalityWarning,
                stacklevel=3,
            )
        keep = (weight > 0) & ~absent
        if not keep.any():
            raise ValueError("all rows with a present modality have a sample weight of zero.")
        targets = self._encode_targets(y_array[keep], weight[keep], reset=reset, classes=classes)
        X_array, weight = X_array[keep], weight[keep]
        if self.train_split is None or isinstance(self.train_split, str):
            X_array, targets, weight = merge_equal_rows(X_array, targets, weight)
        weight = weight * self._target_weights(targets, weight)
        return X_array, targets, weight / weight.mean()

    def _validate_X_y(
        self, X: ArrayLike, y: ArrayLike | None, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        X_array, y_array = validate_data(
            self,
            X,
            y,
            reset=reset,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
            multi_output=True,
            ensure_min_samples=2 if reset else 1,
        )
        return X_array, y_array

    def _presence(self, X: NDArray[Any]) -> NDArray[np.bool_]:
        return self.layout_.presence(X, allow_partial=self.partial_missing == "impute")

    def _check_seen(self, presence: NDArray[np.bool_]) -> None:
        unseen = presence.any(axis=0) & ~self.module_.seen.cpu().numpy()
        if unseen.any():
            names = [self.layout_.names[index] for index in np.flatnonzero(unseen)]
            raise ValueError(
                f"modalities {names} are present now, but were absent from every row in fit: "
                "nothing was learned about them. Fit with rows that have them, or set their "
                "columns to NaN."
            )

    def _encode_targets(
        self,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64],
        *,
        reset: bool,
        classes: ArrayLike | None,
    ) -> NDArray[Any]:
        raise NotImplementedError

    def _target_weights(
        self, targets: NDArray[Any], sample_weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.ones(len(targets))

    # ------------------------------------------------------------------------- rows to tensors

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Turn rows into a dataset of tensors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), Dataset, or dict of Tensor
            Raw rows are validated and scaled; prepared ones are passed on.
        y : object
            Targets of prepared rows.

        Returns
        -------
        dataset : torch.utils.data.Dataset
            Prepared rows.
        """
        if isinstance(X, torch.utils.data.Dataset):
            return X
        if is_prepared(X):
            return ModalityDataset(X, y)
        check_is_fitted(self)
        X_array = validate_data(
            self,
            X,
            reset=False,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
        )
        presence = self._presence(X_array)
        self._check_seen(presence)
        absent = int((~presence.any(axis=1)).sum())
        if absent:
            warnings.warn(
                f"{absent} of {len(X_array)} rows have no present modality; what is returned for "
                "them does not depend on X.",
                MissingModalityWarning,
                stacklevel=4,
            )
        return ModalityDataset(self._tensors(X_array, presence))

    def _tensors(self, X: NDArray[Any], presence: NDArray[np.bool_]) -> dict[str, Tensor]:
        scaled = self.module_.scaler.transform(X[:, self.layout_.order])
        absent = np.repeat(~presence, self.layout_.widths, axis=1)
        scaled[absent] = 0.0
        return {"X": torch.from_numpy(scaled), "presence": torch.from_numpy(presence)}

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset.

        Parameters
        ----------
        dataset : Dataset
            Prepared rows.
        training : bool, default=False
            Whether the batches are for training, and thus shuffled by default.

        Returns
        -------
        iterator : TensorBatches, or what `iterator_train` or `iterator_valid` make
            Yields pairs of inputs and targets.
        """
        options = self.get_params_for("iterator_train" if training else "iterator_valid")
        if training:
            options.setdefault("shuffle", True)
        options.setdefault("batch_size", self._rows_per_batch(len(dataset), training))
        factory = self.iterator_train if training else self.iterator_valid
        return factory(dataset, **options)

    def _rows_per_batch(self, n_samples: int, training: bool) -> int:
        if not training:
            return _PREDICT_BATCH_SIZE
        return (
            int(np.clip(n_samples // 4, 32, 128)) if self.batch_size == "auto" else self.batch_size
        )

    def get_split_datasets(self, X: Any, y: Any = None, **split_params: Any) -> tuple[Any, Any]:
        """Split prepared rows into training and validation rows.

        Parameters
        ----------
        X : Dataset, or tuple of two of them
            All rows; a tuple is passed on.
        y : ndarray
            Encoded targets.
        **split_params : object
            Passed on to `train_split`.

        Returns
        -------
        train, valid : Dataset, and Dataset or None
            The two parts. Validation rows carry a fixed subset of their modalities, on which the
            second pass of the loss is computed.
        """
        if isinstance(X, tuple):
            return X
        if self.train_split is None:
            return X, None
        split = self.train_split
        if isinstance(split, str):
            split = HoldOut(
                _SHARE_TO_HOLD_OUT,
                _MIN_ROWS_TO_SPLIT,
                stratified=self._stratify(),
                seed=int(torch.randint(2**31 - 1, ()).item()),
            )
        train, valid = split(X, y, **split_params)
        if valid is None:
            return train, None
        valid = self._own_rows(valid)
        if isinstance(valid, ModalityDataset):
            rows = {**valid.X, **self._draw_validation_subsets(valid.X["presence"])}
            valid = ModalityDataset(rows, valid.y)
        return train, valid

    def _draw_validation_subsets(self, presence: Tensor) -> dict[str, Tensor]:
        """Settle what the further passes over the validation rows see."""
        return {} if self.masking == "none" else {"subset": draw_subsets(presence)}

    def _own_rows(self, dataset: Any) -> Any:
        """Bring validation rows, which may be a user's own dataset of raw rows, into our form."""
        rows = TensorBatches(dataset).dataset
        if isinstance(rows, ModalityDataset) or not hasattr(rows, "y"):
            return rows
        prepared = self.get_dataset(np.asarray(rows.X))
        weight = np.ones(len(rows.y))
        y = self._encode_targets(np.asarray(rows.y), weight, reset=False, classes=None)
        return ModalityDataset(prepared.X, self._target_tensor(y))

    def _stratify(self) -> bool:
        return False

    def _target_tensor(self, targets: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(targets))

    # -------------------------------------------------------------------------------- training

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
        device = torch.device(self.device)
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

    # ------------------------------------------------------------------------------ prediction

    def _collect(self, X: Any, position: int) -> NDArray[np.float64]:
        """Gather one of the network's outputs for all rows."""
        check_is_fitted(self)
        parts = [
            output[position] if isinstance(output, tuple) else output
            for output in self.forward_iter(self.get_dataset(X))
        ]
        values: NDArray[np.float64] = torch.cat(parts).detach().cpu().double().numpy()
        return values

    def modality_weights(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Gate weights of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_modalities)
            Columns in the order of `modality_names_`. 0 for absent modalities; rows sum to 1,
            except that a row without a present modality is 0.
        """
        return in_precision_of(X, self._collect(X, 1))

    def gate_entropy(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Entropy of the gate weights of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        entropy : ndarray of shape (n_samples,)
            In nats, between 0 and the logarithm of the number of present modalities.
        """
        weights = torch.from_numpy(self._collect(X, 1))
        return in_precision_of(X, gate_entropy(weights).numpy())

    def transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Fused representation of every row: the weighted sum of the encoded blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; a block of NaN is absent.

        Returns
        -------
        fused : ndarray of shape (n_samples, n_units)
            0 for a row without a present modality.
        """
        return in_precision_of(X, self._collect(X, 2))


def in_precision_of(X: Any, values: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """Return float32 for float32 input, float64 for everything else."""
    if getattr(X, "dtype", None) == np.float32:
        return values.astype(np.float32)
    return values
