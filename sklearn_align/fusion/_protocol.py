"""Parameters of the nets as scikit-learn wants them: declared, searchable, checked."""

from __future__ import annotations

from inspect import signature
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from skorch.history import History

from sklearn_align._modalities import ModalityLayout
from sklearn_align._sklearn import (
    Interval,
    StrOptions,
    validate_parameters,
)
from sklearn_align.fusion._config import AECFConfig
from sklearn_align.fusion._data import (
    ModalityDataset,
)
from sklearn_align.fusion.nn._encoders import ACTIVATIONS
from sklearn_align.fusion.nn._masker import MASKING_STRATEGIES

__all__ = ["SHARED_CONSTRAINTS", "NetProtocol"]

_ROUTED_PREFIXES = (
    "module",
    "criterion",
    "optimizer",
    "iterator_train",
    "iterator_valid",
    "callbacks",
    "compile",
)

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
    "device": [str, torch.device, None],
    "compile": ["boolean"],
    "random_state": ["random_state"],
}


class NetProtocol(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeuralNet):
    """Parameters, tags and what else scikit-learn asks of an estimator."""

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

    def _get_param_names(self) -> list[str]:
        declared: list[str] = []
        for cls in type(self).__mro__:
            if "__init__" not in vars(cls):
                continue
            parameters = list(signature(vars(cls)["__init__"]).parameters.values())[1:]
            declared += [
                p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
            ]
            # a subclass or mixin that passes *args on has the parameters of the next class, too
            if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
                break
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
