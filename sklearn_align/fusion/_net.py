"""The one class between skorch's nets and the estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from skorch.utils import to_tensor
from torch import Tensor

from sklearn_align._modalities import ModalityLayout
from sklearn_align._state import all_or_nothing, check_version, with_version
from sklearn_align._typing import BoolArray, Float64Array, FloatArray
from sklearn_align.fusion._ambient import plain_torch
from sklearn_align.fusion._config import AECFConfig
from sklearn_align.fusion._data import ModalityDataset, is_prepared
from sklearn_align.fusion._epoch_log import EpochLog
from sklearn_align.fusion._interrupts import warn_of_interrupt
from sklearn_align.fusion._parameters import (
    ROUTED_PREFIXES,
    check_epochs,
    check_parameters,
    declared_parameters,
)
from sklearn_align.fusion._plain_state import plain_state, refuse_pickled, restore_plain
from sklearn_align.fusion._preprocessing import (
    check_seen,
    in_precision_of,
    prepare_training,
    sample_tensors,
    split_samples,
    validate_inputs,
    warn_of_absent_samples,
)
from sklearn_align.fusion._rollback import remember_in_place
from sklearn_align.fusion._schedules import linear_ramp
from sklearn_align.fusion._skorch import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    NeuralNet,
    TransformerMixin,
)
from sklearn_align.fusion._targets import Targets
from sklearn_align.fusion._temperature import draw_subsets
from sklearn_align.fusion._training import (
    MIN_SAMPLES_TO_PREDICT,
    batch_loss,
    build_optimizer,
    default_callbacks,
    device_of,
    make_batches,
    padded,
    record_epoch,
    run_epochs,
    train,
)
from sklearn_align.fusion.nn._gate import gate_entropy

# Positions of the outputs of the network.
OUTPUTS, WEIGHTS, FUSED = range(3)
# Attributes of skorch that are of no use to a reader.
_BOOKKEEPING = {"cuda_dependent_attributes_", "init_context_", "initialized_", "prefixes_"}
_BOOKKEEPING |= {"virtual_params_"}


def _new(cls: Any) -> Any:
    return cls.__new__(cls)


class AECFNet(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeuralNet):
    """skorch net with scikit-learn's contract, which the AECF estimators share.

    A subclass has an explicit ``__init__``, says which parameters the network and the loss take,
    and makes the object that handles its targets (`_make_targets`).
    """

    # Attributes that skorch sets in __init__, where scikit-learn allows parameters only.
    dataset = ModalityDataset
    predict_nonlinearity = None
    use_caching = "auto"
    torch_load_kwargs = None
    history_: History | None = None
    initialized_: bool = False
    virtual_params_: dict[str, Any] = {}  # noqa: RUF012  skorch replaces it and never changes it

    modalities: Any
    n_units: int
    partial_missing: str
    standardize: bool
    gate_lr: float | None
    weight_decay: float
    gradient_clip: float | None
    lr_schedule: str
    early_stopping: bool
    patience: int
    min_delta: float
    random_state: Any
    # Values of parameters that not every estimator has.
    masking: str = "none"
    masking_warmup: int = 0
    class_weight: Any = None
    pos_weight: Any = None
    calibration: bool | str = False

    layout_: ModalityLayout
    _targets: Targets
    _partial_missing: str
    _epoch_log: EpochLog

    _parameter_constraints: ClassVar[dict[str, Any]]
    _network_parameters: ClassVar[tuple[str, ...]]
    _loss_parameters: ClassVar[tuple[str, ...]]
    _network_options: ClassVar[dict[str, Any]] = {}
    # Arguments of the parts that are loaded; parameters may have been set since ``fit``.
    _restored_options: dict[str, Any] = {}  # noqa: RUF012  It is replaced and never changed.
    # Whether Ctrl-C ends the training only, and not ``fit``.
    _ends_on_interrupt: bool = True

    def _make_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> Targets:
        """Make the object that handles targets like y."""
        raise NotImplementedError

    def _second_pass(self, presence: Tensor) -> dict[str, Tensor]:
        """Draw what the further passes over validation samples see."""
        return {} if self.masking == "none" else {"subset": draw_subsets(presence)}

    def _after_training(self, dataset_valid: Any) -> None:
        """Use the validation samples once the network is trained."""

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
        known = declared_parameters(cls)
        settings = {name: value for name, value in config.to_params().items() if name in known}
        return cls(**{**settings, **params})

    def _get_param_names(self) -> list[str]:
        declared = declared_parameters(type(self))
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
            parameters. A fitted network is not touched: they count from the next ``fit`` on,
            and until then predictions are as before. Only parameters of the optimizer, `lr`
            included, act on further training at once, and those of `iterator_valid` on the
            number of samples that are predicted at once.

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
            if is_routed and prefix in ROUTED_PREFIXES:
                setattr(self, name, value)
                self._params_to_validate.add(name)
            else:
                own[name] = value
        BaseEstimator.set_params(self, **own)
        self._apply_virtual_params(
            {name: value for name, value in params.items() if self._is_virtual_param(name)}
        )
        return self

    def __getstate__(self) -> dict[str, Any]:
        # skops calls it, whereas pickle, joblib and copy follow __reduce__.
        return with_version({"plain": plain_state(self)})

    def __reduce__(self) -> tuple[Any, ...]:
        return _new, (type(self),), with_version(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = check_version(state, type(self).__name__)
        if "plain" in state:
            restore_plain(self, state["plain"])
        else:
            refuse_pickled(state)
            super().__setstate__(state)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return BaseEstimator.__repr__(self, N_CHAR_MAX)

    def _get_params_html(self, deep: bool = True, doc_link: str = "") -> Any:
        # In a notebook, the parameters of the callbacks that skorch makes are of no interest.
        return super()._get_params_html(deep=False, doc_link=doc_link)

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        shown = super()._get_fitted_attr_html(doc_link=doc_link)
        for name in _BOOKKEEPING:
            shown.pop(name, None)
        return shown

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.initialized_) and hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Without blocks, a NaN cannot mean an absent modality among others.
        tags.input_tags.allow_nan = self.modalities is not None or self.partial_missing == "impute"
        tags.input_tags.sparse = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(getattr(self, "_module_options", {}).get("n_units", self.n_units))

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

    def _presence(self, X: NDArray[Any]) -> BoolArray:
        # Parameters set after ``fit`` count from the next one on.
        rule = getattr(self, "_partial_missing", self.partial_missing)
        return self.layout_.presence(X, allow_partial=rule == "impute")

    def _seen_presence(self, X: NDArray[Any]) -> BoolArray:
        """Presence of samples whose modalities training has seen."""
        presence = self._presence(X)
        check_seen(presence, self.module_.seen.cpu().numpy(), self.layout_.names)
        return presence

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Turn raw samples into a dataset of tensors; prepared ones are passed on."""
        if isinstance(X, torch.utils.data.Dataset):
            return X
        if is_prepared(X):
            return ModalityDataset(X, y)
        check_is_fitted(self)
        X_array = validate_inputs(self, X)
        presence = self._seen_presence(X_array)
        warn_of_absent_samples(presence)
        names = getattr(self, "feature_names_in_", None)
        return ModalityDataset(
            sample_tensors(
                X_array, presence, self.layout_, self.module_.scaler, feature_names=names
            )
        )

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset, shuffled by default for training."""
        return make_batches(self, dataset, training=training)

    def get_split_datasets(self, X: Any, y: Any = None, **split_params: Any) -> tuple[Any, Any]:
        """Split prepared samples into training samples, and validation samples or None.

        Validation samples carry a fixed subset of their modalities, on which the second pass of
        the loss is computed. A pair of datasets is passed on.
        """
        return split_samples(self, X, y, **split_params)

    @all_or_nothing
    def fit(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Train on samples whose blocks may be absent.

        With `warm_start`, an estimator that is already fitted is trained further.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent. Samples in which every block is absent are left out.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A weight of two counts like a sample that occurs twice, a weight of zero like
            one that is not there.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None) -> Any:
        check_parameters(self)
        start = not (self.warm_start and self.initialized_)
        samples = prepare_training(self, X, y, sample_weight, reset=start)
        return self._train(*samples, epochs=self.max_epochs, start=start)

    def _partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        epochs: int,
        classes: ArrayLike | None = None,
    ) -> Any:
        check_epochs(epochs)
        check_parameters(self)
        start = not self.initialized_
        samples = prepare_training(self, X, y, sample_weight, reset=start, classes=classes)
        return self._train(*samples, epochs=int(epochs), start=start)

    def _train(
        self, X: NDArray[Any], y: NDArray[Any], weight: Float64Array, *, epochs: int, start: bool
    ) -> Any:
        warn_of_interrupt(train(self, X, y, weight, epochs=epochs, start=start))
        return self

    def _remember_in_place(self) -> Callable[[], None]:
        return remember_in_place(self)

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return default_callbacks(self)

    def initialize(self) -> Any:
        """Build the network, the loss, the optimizer and the callbacks, once sizes are known."""
        if not hasattr(self, "layout_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance has not seen data yet, from which the sizes "
                "of its layers follow: call fit, or partial_fit with epochs=0."
            )
        return super().initialize()

    def initialize_module(self) -> Any:
        """Build the network from the parameters and the data's sizes."""
        options = {name: getattr(self, name) for name in self._network_parameters}
        options.update(
            widths=self.layout_.widths, n_outputs=self._targets.n_outputs, names=self.layout_.names
        )
        options.update(self._network_options)
        options.update(self.get_params_for("module"))
        self._module_options = self._restored_options.get("_module_options", options)
        self.module_ = self.module(**self._module_options)
        self._targets.prepare(self.module_)
        return self

    def initialize_criterion(self) -> Any:
        """Build the loss from the parameters."""
        options = {name: getattr(self, name) for name in self._loss_parameters}
        options.update(self._targets.loss_options)
        options.update(self.get_params_for("criterion"))
        self._criterion_options = self._restored_options.get("_criterion_options", options)
        self.criterion_ = self.criterion(**self._criterion_options)
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> Any:
        """Build the optimizer, with a learning rate and no weight decay of its own for the gate."""
        self.optimizer_ = build_optimizer(self)
        return self

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Any:
        """Train on prepared samples for a number of epochs, `max_epochs` by default."""
        run_epochs(self, X, y, self.max_epochs if epochs is None else epochs)
        return self

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Set what follows the epochs: loss weights and masking rate."""
        super().on_epoch_begin(net, *args, **kwargs)
        epoch = len(self.history) - 1
        self.criterion_.set_epoch(epoch)
        self.module_.masker.ramp = linear_ramp(epoch, self.masking_warmup)

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Record the loss components and their weights."""
        super().on_epoch_end(net, *args, **kwargs)
        record_epoch(self)

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Run the network on a batch of prepared samples."""
        names = ("X", "presence", "subset", "other")
        inputs = {name: x[name] for name in names if name in x}
        return self.module_(**to_tensor(inputs, device=device_of(self)))

    def evaluation_step(self, batch: Any, training: bool = False) -> Any:
        """Run the network on a batch for prediction."""
        samples, y = batch
        if training or len(samples["X"]) >= MIN_SAMPLES_TO_PREDICT:
            return super().evaluation_step(batch, training=training)
        outputs = super().evaluation_step((padded(samples), y), training=False)
        return tuple(output[: len(samples["X"])] for output in outputs)

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Any:
        """Compute the loss of a batch and note its components."""
        return batch_loss(self, y_pred, y_true, X, training=training)

    def check_data(self, X: Any, y: Any = None) -> None:
        """Do nothing: samples are validated before they get here."""

    def _collect(self, X: Any, position: int) -> Float64Array:
        """Gather one of the network's outputs for all samples."""
        check_is_fitted(self)
        with plain_torch():
            parts = [
                output[position] if isinstance(output, tuple) else output
                for output in self.forward_iter(self.get_dataset(X))
            ]
        values: Float64Array = torch.cat(parts).detach().cpu().double().numpy()
        # A logit may be minus infinity.
        if not (values < np.inf).all():
            sample = int(np.argwhere(~(values < np.inf))[0][0])
            raise ValueError(
                f"the network computes values that are not finite for sample {sample}: its values "
                "of X are too far from those of the training samples. Correct or scale them."
            )
        return values

    def modality_weights(self, X: ArrayLike) -> FloatArray:
        """Gate weights of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_modalities)
            Columns in the order of `modality_names_`. 0 for absent modalities; the weights of a
            sample sum to 1, unless no modality is present, when they are all 0.
        """
        return in_precision_of(X, self._collect(X, WEIGHTS))

    def gate_entropy(self, X: ArrayLike) -> FloatArray:
        """Entropy of the gate weights of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        entropy : ndarray of shape (n_samples,)
            In nats, between 0 and the logarithm of the number of present modalities.
        """
        weights = torch.from_numpy(self._collect(X, WEIGHTS))
        return in_precision_of(X, gate_entropy(weights).numpy())

    def transform(self, X: ArrayLike) -> FloatArray:
        """Fused representation of every sample: the weighted sum of the encoded blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        fused : ndarray of shape (n_samples, n_units)
            0 for a sample without a present modality.
        """
        return in_precision_of(X, self._collect(X, FUSED))
