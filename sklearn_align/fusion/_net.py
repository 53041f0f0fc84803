"""The one class between skorch's nets and the estimators."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks
from sklearn.exceptions import NotFittedError
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from skorch.utils import to_tensor
from torch import Tensor

from sklearn_align._modalities import ModalityLayout
from sklearn_align._sklearn import RequestMethod
from sklearn_align._state import all_or_nothing, check_version, with_version
from sklearn_align._typing import BoolArray
from sklearn_align.fusion._building import (
    build_criterion,
    build_module,
    build_optimizer,
    default_callbacks,
)
from sklearn_align.fusion._data import ModalityDataset, is_prepared, with_given_targets
from sklearn_align.fusion._epoch_log import EpochLog
from sklearn_align.fusion._fitting import fit_net
from sklearn_align.fusion._from_config import FromConfigMixin
from sklearn_align.fusion._groups import split_groups
from sklearn_align.fusion._interrupts import warn_of_interrupt
from sklearn_align.fusion._parameters import declared_parameters
from sklearn_align.fusion._plain_state import plain_state, refuse_pickled, restore_plain
from sklearn_align.fusion._prediction import FusionOutputsMixin
from sklearn_align.fusion._preprocessing import (
    check_seen,
    sample_tensors,
    validate_inputs,
    warn_of_absent_samples,
)
from sklearn_align.fusion._progress import FitTasks
from sklearn_align.fusion._rollback import remember_in_place
from sklearn_align.fusion._routed import (
    check_routed_names,
    given_arguments,
    set_routed,
)
from sklearn_align.fusion._skorch import (
    BaseEstimator,
    CallbackSupportMixin,
    NeuralNet,
    RequestsClasses,
)
from sklearn_align.fusion._targets import Targets
from sklearn_align.fusion._temperature import draw_subsets
from sklearn_align.fusion._training import (
    MIN_SAMPLES_TO_PREDICT,
    batch_loss,
    device_of,
    make_batches,
    padded,
    record_epoch,
    run_epochs,
    train,
)

# Attributes of skorch that are of no use to a reader.
_BOOKKEEPING = {"cuda_dependent_attributes_", "init_context_", "initialized_", "prefixes_"}
_BOOKKEEPING |= {"virtual_params_"}


class AECFNet(
    FromConfigMixin, FusionOutputsMixin, CallbackSupportMixin, NeuralNet, RequestsClasses
):
    """skorch net with scikit-learn's contract, which the AECF estimators share.

    A subclass has an explicit ``__init__``, says which parameters the network and the loss take,
    and makes the object that handles its targets (`_make_targets`).
    """

    # Requests of metadata follow from the signatures; skorch's methods accept any name.
    set_fit_request = RequestMethod("fit", ())
    set_partial_fit_request = RequestMethod("partial_fit", ())
    __metadata_request__partial_fit: ClassVar[dict[str, Any]] = {"classes": UNUSED}

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
    # Estimators that an earlier version has stored do not have it.
    remainder: str = "raise"
    standardize: Any
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
    class_weight: Any = None
    task: str = "auto"
    num_classes: int | None = None
    num_targets: int | None = None
    pos_weight: Any = None
    calibration: bool | str = False
    # Estimators that an earlier version has stored do not have it, either.
    gate_supervision_weight: float = 0.0

    layout_: ModalityLayout
    _targets: Targets
    _partial_missing: str
    _module_options: dict[str, Any]
    _criterion_options: dict[str, Any]
    _epoch_log: EpochLog

    _parameter_constraints: ClassVar[dict[str, Any]]
    _network_parameters: ClassVar[tuple[str, ...]]
    _loss_parameters: ClassVar[tuple[str, ...]]
    _network_options: ClassVar[dict[str, Any]] = {}
    # Arguments of the parts that are loaded; parameters may have been set since ``fit``.
    _restored_options: dict[str, Any] = {}  # noqa: RUF012  It is replaced and never changed.
    # Whether Ctrl-C ends the training only, and not ``fit``.
    _ends_on_interrupt: bool = True
    # Another one during ``fit``, for the callbacks of scikit-learn.
    _tasks: FitTasks = FitTasks()

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

    def _get_param_names(self) -> list[str]:
        return sorted({*declared_parameters(type(self)), *given_arguments(self)})

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters; with `deep`, also those of the callbacks."""
        params = super().get_params(deep=deep)
        # skorch lists the callbacks as they are before these are applied.
        return {**params, **given_arguments(self)}

    def set_params(self, **params: Any) -> Any:
        """Set parameters, also those of the parts.

        Parameters
        ----------
        **params : object
            Parameters of the estimator, and ``module__``, ``criterion__``, ``optimizer__``,
            ``iterator_train__``, ``iterator_valid__``, ``callbacks__`` and ``compile__``
            parameters. They have an effect in the next ``fit``; until then, a fitted network and
            its predictions do not change. There are two exceptions: parameters of the optimizer,
            including `lr`, have an effect on further training immediately, and parameters of
            `iterator_valid` on the number of samples in a batch of predictions.

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is not a parameter of the estimator or of the part.
        """
        check_routed_names(self, params)
        BaseEstimator.set_params(self, **set_routed(self, params))
        self._apply_virtual_params(
            {name: value for name, value in params.items() if self._is_virtual_param(name)}
        )
        return self

    def __getstate__(self) -> dict[str, Any]:
        # skops calls it, whereas pickle, joblib and copy follow __reduce__.
        return with_version({"plain": plain_state(self)})

    def __reduce__(self) -> tuple[Any, ...]:
        state = with_version(super().__getstate__())
        return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]

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

    def get_metadata_routing(self) -> Any:
        """Return the requests of metadata; ``fit`` passes nothing on to `train_split`."""
        return self._get_metadata_request()

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
        return split_groups(self, X, y, **split_params)

    @all_or_nothing
    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Train on samples whose blocks may be absent.

        With `warm_start`, an estimator that is already fitted is trained further.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent. Samples in which every block is absent are left out.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A sample of weight two counts like two equal samples. A sample of weight zero
            has no influence.

        groups : array-like of shape (n_samples,), default=None
            Groups of the samples, such as speakers or sites, if predictions are made for new
            groups. No group is then in both the training and the held-out samples, in the
            validation split and in the folds of a classifier's ``calibration="cross_fit"``.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return fit_net(self, X, y, sample_weight, groups)

    def _train(self, *samples: Any, epochs: int, start: bool) -> Any:
        warn_of_interrupt(train(self, *samples, epochs=epochs, start=start))
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
                f"This {type(self).__name__} instance was not fitted, and the sizes of its layers "
                "depend on the data: call fit, or partial_fit with epochs=0."
            )
        return super().initialize()

    def initialize_module(self) -> Any:
        """Build the network from the parameters and the data's sizes."""
        build_module(self)
        return self

    def initialize_criterion(self) -> Any:
        """Build the loss from the parameters."""
        build_criterion(self)
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> Any:
        """Build the optimizer, with a learning rate and no weight decay of its own for the gate."""
        self.optimizer_ = build_optimizer(self)
        return self

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Any:
        """Train on prepared samples for a number of epochs, `max_epochs` by default."""
        run_epochs(self, X, y, self.max_epochs if epochs is None else epochs)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Notify the callbacks; after a batch they get its targets as they were given to fit."""
        if method_name == "on_batch_end":
            cb_kwargs["batch"] = with_given_targets(self._targets, cb_kwargs["batch"])
        super().notify(method_name, **cb_kwargs)

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Set what follows the epochs: loss weights and masking rate."""
        super().on_epoch_begin(net, *args, **kwargs)
        epoch = len(self.history) - 1
        self.criterion_.set_epoch(epoch)
        self.module_.masker.set_epoch(epoch)

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
