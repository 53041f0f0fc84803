"""Keys and values of AECFConfig: the names of earlier configurations, checks, comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import numpy as np

from sklearn_align._columns import is_integer
from sklearn_align._constraints import POSITIVE_INT, Constraint
from sklearn_align._sklearn import StrOptions
from sklearn_align.fusion._parameters import PARAMETERS, check_constraint, check_value
from sklearn_align.fusion.nn._gate import hidden_widths

# Task: estimator that is made for it.
ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "classification": "AECFClassifier",
        "multilabel": "AECFClassifier",
        "regression": "AECFRegressor",
        "embedding": "AECFEmbedder",
    }
)
# Key of an earlier vocabulary: field of AECFConfig.
SHORT_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "lr": "lr",
        "gate_lr": "gate_lr",
        "wd": "weight_decay",
        "gate_hidden": "gate_hidden",
        "entropy_free": "entropy_free_epochs",
        "entropy_warmup": "entropy_warmup_epochs",
        "entropy_max": "entropy_weight",
        "masking_mode": "masking",
        "p_missing": "masking_prob",
        "tau": "masking_tau",
        "cec_coef": "consistency_weight",
        "cec_ramp_epochs": "consistency_ramp_epochs",
        "feature_norm": "standardize",
    }
)
# Keys of both vocabularies that are written where they have been set.
MODEL_KEYS: tuple[str, ...] = ("modalities", "task_type", "num_classes", "feat_dim")
LONG_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "gate_hidden_dims": "gate_hidden",
        "gate_init_temp": "gate_temperature",
        "gate_min_temp": "min_gate_temperature",
        "learning_rate": "lr",
        "gate_learning_rate": "gate_lr",
        "weight_decay": "weight_decay",
        "epochs": "max_epochs",
        "gradient_clip_val": "gradient_clip",
        "early_stopping_patience": "patience",
        "early_stopping_min_delta": "min_delta",
        "entropy_free_epochs": "entropy_free_epochs",
        "entropy_warmup_epochs": "entropy_warmup_epochs",
        "entropy_max_coeff": "entropy_weight",
        "ece_penalty_coeff": "ece_weight",
        "l2_logits_coeff": "l2_weight",
        "masking_strategy": "masking",
        "prob_missing": "masking_prob",
        "masking_tau": "masking_tau",
        "consistency_loss_coeff": "consistency_weight",
        "consistency_ramp_epochs": "consistency_ramp_epochs",
        "feature_normalization": "standardize",
        "focal_alpha": "focal_alpha",
        "focal_gamma": "focal_gamma",
        "label_smoothing": "label_smoothing",
    }
)
# Second names within the long vocabulary, which are read and not written.
_FURTHER_KEYS = {
    "gate_hidden_dim": "gate_hidden",
    "entropy_max_lambda": "entropy_weight",
    "consistency_coeff": "consistency_weight",
}
_ALIASES: Mapping[str, str] = MappingProxyType({**SHORT_KEYS, **LONG_KEYS, **_FURTHER_KEYS})
# Keys of the earlier vocabularies that are no settings here, and what serves instead.
_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "gate_use_softmax": "pass gate_activation='softmax' or 'sigmoid' to build()",
        "gate_learnable_temp": "the temperature is always learned",
        "curr_warmup_epochs": "pass masking_warmup to build()",
        "curriculum_mask": "set masking='none' for no masking",
        "entropy_reg": "set entropy_weight=0 for no entropy term",
        "label_freq": "pass pos_weight='balanced' to build()",
        "label_frequencies": "pass pos_weight='balanced' to build()",
        "mixed_precision": "see device=None of the estimators",
        "checkpoint_dir": "pass callbacks=[skorch.callbacks.Checkpoint(...)] to build()",
        "log_dir": "pass callbacks=[skorch.callbacks.TensorBoard(...)] to build()",
    }
)
_OWN_CONSTRAINTS: dict[str, Constraint] = {
    "n_units": [*PARAMETERS["n_units"].constraint, None],
    "num_classes": [POSITIVE_INT, None],
    "task_type": [StrOptions(set(ESTIMATORS)), None],
    "feat_dim": [POSITIVE_INT],
}


def read_settings(settings: Any, fields: Iterable[str]) -> dict[str, Any]:
    """Return checked settings by field, from a dict whose keys may be those of any vocabulary."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings must be a dict; got {type(settings).__name__}.")
    known = {**_ALIASES, **{name: name for name in fields}}
    unknown = {key: value for key, value in settings.items() if key not in known}
    if unknown:
        raise ValueError(describe_unknown(unknown, known))
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for key, value in settings.items():
        name = known[key]
        check_setting(name, value, key=key, caller_name="AECFConfig.from_dict")
        if name in values and comparable(name, values[name]) != comparable(name, value):
            raise ValueError(
                f"{given[name]!r} = {values[name]!r} and {key!r} = {value!r} both set {name!r}, to "
                "different values: give one of them."
            )
        values.setdefault(name, value)
        given.setdefault(name, key)
    return values


def describe_unknown(unknown: Mapping[Any, Any], known: Iterable[str]) -> str:
    """Say which keys are unknown, what was meant or serves instead, and which are known."""
    names = sorted(known)
    described = []
    for key, value in unknown.items():
        text = str(key)
        nearest = get_close_matches(text.lower(), names, n=1)
        if text in _ELSEWHERE:
            hint = f" ({_ELSEWHERE[text]})"
        elif text in _ALIASES:
            hint = f" ({_ALIASES[text]!r} here; AECFConfig.from_dict takes both names)"
        elif text in PARAMETERS:
            hint = " (a parameter of the estimators: pass it to build() or from_config())"
        else:
            hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        described.append(f"{key!r} = {shown}{hint}")
    return f"unknown keys {', '.join(described)}; known keys are {names}."


def check_setting(name: str, value: Any, *, key: str, caller_name: str) -> None:
    """Raise if a value is out of the range of field `name`, which is called `key` here."""
    if name == "modalities":
        _check_modalities(value, key)
    elif name in _OWN_CONSTRAINTS:
        check_constraint(_OWN_CONSTRAINTS[name], value, key=key, caller_name=caller_name)
    else:
        check_value(name, value, key=key, caller_name=caller_name)


def stored(name: str, value: Any) -> Any:
    """Return a value as AECFConfig keeps it: sequences and dicts are copied."""
    if name == "modalities" and isinstance(value, Mapping):
        return {
            modality: list(columns) if isinstance(columns, list | np.ndarray) else columns
            for modality, columns in value.items()
        }
    if name in ("modalities", "gate_hidden") and isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list) else value


def comparable(name: str, value: Any) -> Any:
    """Return a hashable value that is equal for equal settings."""
    if name == "gate_hidden":
        return hidden_widths(value, name)
    if name == "standardize" and isinstance(value, Mapping):
        return frozenset(value.items())
    return _hashable(stored(name, value))


def written(value: Any) -> Any:
    """Return a value as earlier configurations have it, with lists."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        # The order of modalities is that of their columns.
        return ("dict", *((key, _hashable(part)) for key, part in value.items()))
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, list | tuple):
        return tuple(_hashable(part) for part in value)
    return value


def _check_modalities(value: Any, key: str) -> None:
    """Raise unless modalities are None, names, or a dict as the estimators take it."""
    if value is None:
        return
    kinds = (
        "a list of names, of which each has feat_dim columns, a dict of name to width or columns, "
        "or None"
    )
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError(f"{key!r} must be {kinds}; got {value!r}.")
    names = list(value)
    if not names:
        raise ValueError(f"{key!r} is empty, {value!r}: it must be {kinds}.")
    wrong = [name for name in names if not isinstance(name, str) or not name]
    if wrong:
        raise ValueError(f"{key!r} must hold names, which are non-empty strings; got {wrong!r}.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{key!r} names {repeated} more than once: {value!r}.")
    if not isinstance(value, Mapping):
        return
    for name, columns in value.items():
        is_width = is_integer(columns) and columns >= 1
        is_selector = isinstance(columns, str | slice | list | tuple | np.ndarray)
        if not (is_width or is_selector or callable(columns)):
            raise ValueError(
                f"{key!r} gives {name!r} = {columns!r}: it must be a width of at least 1, or "
                "columns as the estimators take them (a slice, positions, names or patterns, or a "
                "callable)."
            )
