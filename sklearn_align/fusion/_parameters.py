"""The table of all parameters: what a value must be, who has the parameter, what was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from numbers import Integral
from types import MappingProxyType
from typing import Any

import torch

from sklearn_align._constraints import (
    FRACTION_BELOW_ONE,
    NON_NEGATIVE,
    NON_NEGATIVE_INT,
    POSITIVE,
    POSITIVE_INT,
    PROBABILITY,
    Constraint,
)
from sklearn_align._sklearn import (
    StrOptions,
    validate_parameter_constraints,
    validate_parameters,
)
from sklearn_align.fusion.nn._encoders import ACTIVATIONS
from sklearn_align.fusion.nn._gate import hidden_widths
from sklearn_align.fusion.nn._masker import MASKING_STRATEGIES

# Prefixes of parameters that go to a part of the net.
ROUTED_PREFIXES = (
    "module",
    "criterion",
    "optimizer",
    "iterator_train",
    "iterator_valid",
    "callbacks",
    "compile",
)

_CLASSIFIER = frozenset({"AECFClassifier"})
_SUPERVISED = _CLASSIFIER | {"AECFRegressor"}
_EMBEDDER = frozenset({"AECFEmbedder"})
_ALL = _SUPERVISED | _EMBEDDER
_MODULE = frozenset({"AECFModule"})
_MODULES = _MODULE | {"ContrastiveModule"}
_LOSS = frozenset({"AECFLoss"})
_CONTRASTIVE_LOSS = frozenset({"ContrastiveLoss"})
_LOSSES = _LOSS | _CONTRASTIVE_LOSS


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    `published` is the value of the publication, None where it is the default of the estimators.
    """

    constraint: Constraint
    owners: frozenset[str]
    published: Any = None


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "modalities": Parameter([dict, None], _ALL),
        "encoders": Parameter([str, dict, callable], _ALL | _MODULES),
        "n_units": Parameter([POSITIVE_INT], _ALL | _MODULES, 512),
        "hidden_sizes": Parameter([tuple, list], _ALL | _MODULES),
        "activation": Parameter([StrOptions(set(ACTIVATIONS))], _ALL | _MODULES),
        "dropout": Parameter([FRACTION_BELOW_ONE], _ALL | _MODULES),
        "fusion": Parameter([StrOptions({"mean", "expert"})], _SUPERVISED | _MODULES),
        "head": Parameter([StrOptions({"linear", "mlp"})], _SUPERVISED | _MODULE),
        "n_components": Parameter([POSITIVE_INT], _EMBEDDER),
        "contrast": Parameter(
            [StrOptions({"views", "modalities"})], _EMBEDDER | {"ContrastiveModule"}
        ),
        "temperature": Parameter([POSITIVE], _EMBEDDER | _CONTRASTIVE_LOSS),
        "gate_hidden": Parameter([POSITIVE_INT, tuple, list], _ALL | _MODULES),
        "gate_activation": Parameter([StrOptions({"softmax", "sigmoid"})], _ALL | _MODULES),
        "gate_temperature": Parameter([POSITIVE], _ALL | _MODULES),
        "min_gate_temperature": Parameter([POSITIVE], _ALL | _MODULES),
        "masking": Parameter(
            [StrOptions(set(MASKING_STRATEGIES))], _SUPERVISED | _MODULE, "entropy_min"
        ),
        "masking_prob": Parameter([PROBABILITY], _SUPERVISED | _MODULE, 0.3),
        "masking_warmup": Parameter([NON_NEGATIVE_INT], _SUPERVISED | _MODULE),
        "masking_tau": Parameter([POSITIVE], _SUPERVISED | _MODULE),
        "min_active": Parameter([POSITIVE_INT], _SUPERVISED | _MODULE),
        "entropy_weight": Parameter([NON_NEGATIVE], _ALL | _LOSSES, 0.1),
        "entropy_free_epochs": Parameter([NON_NEGATIVE_INT], _ALL | _LOSSES),
        "entropy_warmup_epochs": Parameter([NON_NEGATIVE_INT], _ALL | _LOSSES),
        "ece_weight": Parameter([NON_NEGATIVE], _CLASSIFIER | _LOSS, 0.5),
        "l2_weight": Parameter([NON_NEGATIVE], _SUPERVISED | _LOSS),
        "consistency_weight": Parameter([NON_NEGATIVE], _ALL | _LOSSES, 0.1),
        "consistency_ramp_epochs": Parameter([NON_NEGATIVE_INT], _SUPERVISED | _LOSSES),
        "consistency": Parameter([StrOptions({"kl", "monotone"})], _CLASSIFIER | _LOSS),
        "gate_supervision_weight": Parameter([NON_NEGATIVE], _SUPERVISED | _LOSS),
        "label_smoothing": Parameter([FRACTION_BELOW_ONE], _CLASSIFIER | _LOSS, 0.05),
        "focal_gamma": Parameter([NON_NEGATIVE], _CLASSIFIER | _LOSS, 2.0),
        "focal_alpha": Parameter([PROBABILITY, None], _CLASSIFIER | _LOSS, 0.25),
        "pos_weight": Parameter(
            [StrOptions({"balanced"}), "array-like", None], _CLASSIFIER | _LOSS
        ),
        "task": Parameter([StrOptions({"auto", "multiclass", "multilabel"})], _CLASSIFIER),
        "num_classes": Parameter([POSITIVE_INT, None], _CLASSIFIER),
        "num_targets": Parameter([POSITIVE_INT, None], frozenset({"AECFRegressor"})),
        "class_weight": Parameter([StrOptions({"balanced"}), dict, None], _CLASSIFIER),
        "calibration": Parameter(["boolean", StrOptions({"cross_fit"})], _CLASSIFIER),
        "partial_missing": Parameter([StrOptions({"raise", "impute"})], _ALL),
        "remainder": Parameter([StrOptions({"raise", "drop"})], _ALL),
        "standardize": Parameter(["boolean", dict, list, tuple], _ALL),
        "lr": Parameter([POSITIVE], _ALL, 1e-4),
        "gate_lr": Parameter([POSITIVE, None], _ALL, 1e-3),
        "weight_decay": Parameter([NON_NEGATIVE], _ALL),
        "max_epochs": Parameter([POSITIVE_INT], _ALL | _LOSSES, 30),
        "batch_size": Parameter([POSITIVE_INT, StrOptions({"auto"})], _ALL),
        "gradient_clip": Parameter([POSITIVE, None], _ALL),
        "lr_schedule": Parameter([StrOptions({"cosine", "constant"})], _ALL),
        "early_stopping": Parameter(["boolean"], _ALL),
        "patience": Parameter([POSITIVE_INT], _ALL, 10),
        "min_delta": Parameter([NON_NEGATIVE], _ALL),
        "optimizer": Parameter([callable], _ALL),
        "module": Parameter([callable], _ALL),
        "criterion": Parameter([callable], _ALL),
        "iterator_train": Parameter([callable], _ALL),
        "iterator_valid": Parameter([callable], _ALL),
        "train_split": Parameter([StrOptions({"auto"}), callable, None], _ALL),
        "callbacks": Parameter([list, StrOptions({"disable"}), None], _ALL),
        "warm_start": Parameter(["boolean"], _ALL),
        "verbose": Parameter(["verbose"], _ALL),
        "device": Parameter([str, torch.device, None], _ALL),
        "compile": Parameter(["boolean"], _ALL),
        "random_state": Parameter(["random_state"], _ALL),
    }
)

# The order in which the documentation of the estimators has the parameters; each has one topic.
TOPICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Data": (
            "modalities",
            "partial_missing",
            "remainder",
            "standardize",
            "task",
            "num_classes",
            "num_targets",
        ),
        "Architecture": (
            "encoders",
            "n_units",
            "hidden_sizes",
            "activation",
            "dropout",
            "fusion",
            "head",
            "n_components",
        ),
        "Gate": ("gate_hidden", "gate_activation", "gate_temperature", "min_gate_temperature"),
        "Masking": ("masking", "masking_prob", "masking_warmup", "masking_tau", "min_active"),
        "Loss": (
            "contrast",
            "temperature",
            "class_weight",
            "pos_weight",
            "label_smoothing",
            "focal_gamma",
            "focal_alpha",
            "consistency",
            "consistency_weight",
            "consistency_ramp_epochs",
            "entropy_weight",
            "entropy_free_epochs",
            "entropy_warmup_epochs",
            "gate_supervision_weight",
            "ece_weight",
            "l2_weight",
        ),
        "Training": (
            "lr",
            "gate_lr",
            "lr_schedule",
            "weight_decay",
            "gradient_clip",
            "max_epochs",
            "batch_size",
            "train_split",
            "early_stopping",
            "patience",
            "min_delta",
            "callbacks",
            "warm_start",
        ),
        "Calibration": ("calibration",),
        "Parts of the net": (
            "module",
            "criterion",
            "optimizer",
            "iterator_train",
            "iterator_valid",
        ),
        "Computation": ("device", "compile", "random_state", "verbose"),
    }
)
# The parameters of the parts are passed on by keywords.
PASSED_ON = "Parts of the net"


def owned_by(*owners: str) -> tuple[str, ...]:
    """Names of the parameters that all of the given classes have."""
    return tuple(
        name for name, parameter in PARAMETERS.items() if parameter.owners.issuperset(owners)
    )


def constraints_of(owner: str) -> dict[str, Constraint]:
    """Constraints of the parameters of a class."""
    return {name: PARAMETERS[name].constraint for name in owned_by(owner)}


def check_value(name: str, value: Any, *, key: str, caller_name: str) -> None:
    """Raise if a value is out of the range of parameter `name`, which is called `key` here."""
    check_constraint(PARAMETERS[name].constraint, value, key=key, caller_name=caller_name)
    if name == "gate_hidden":
        hidden_widths(value, key)


class _Boolean:
    """A boolean where none is allowed, which messages show as it is."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def check_constraint(constraint: Constraint, value: Any, *, key: str, caller_name: str) -> None:
    """Raise if a value does not satisfy a constraint; booleans are no numbers."""
    # scikit-learn takes booleans for integers.
    value = _Boolean(value) if isinstance(value, bool) and "boolean" not in constraint else value
    validate_parameter_constraints({key: constraint}, {key: value}, caller_name=caller_name)


def check_parameters(net: Any) -> None:
    """Check the parameters of an estimator, one by one and together."""
    validate_parameters(net)
    if net.min_gate_temperature > net.gate_temperature:
        raise ValueError(
            f"min_gate_temperature={net.min_gate_temperature} exceeds gate_temperature="
            f"{net.gate_temperature}: it must lie in (0, gate_temperature]."
        )
    hidden_widths(net.gate_hidden, "gate_hidden")
    for size in net.hidden_sizes:
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"hidden_sizes must hold positive integers; got {net.hidden_sizes!r}.")


def check_epochs(epochs: Any) -> None:
    """Check the number of passes of ``partial_fit``."""
    if not isinstance(epochs, Integral) or int(epochs) < 0:
        raise ValueError(f"epochs must be an integer of at least 0; got {epochs!r}.")


def declared_parameters(cls: type) -> list[str]:
    """Names of the parameters of ``__init__``, without those that are routed to parts."""
    declared: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(signature(vars(base)["__init__"]).parameters.values())[1:]
        declared += [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        # A subclass or mixin that passes *args on has the parameters of the next class, too.
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            break
    return declared
