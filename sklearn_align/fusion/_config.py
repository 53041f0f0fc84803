"""AECFConfig: one frozen object for people who come from dict-based configurations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn_align.fusion.nn._masker import MASKING_STRATEGIES

__all__ = ["AECFConfig"]

_Check = tuple[Callable[[Any], bool], str]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_POSITIVE: _Check = (lambda v: _number(v) and 0 < v < float("inf"), "a number above 0")
_NOT_NEGATIVE: _Check = (lambda v: _number(v) and 0 <= v < float("inf"), "a number of at least 0")
_SHARE: _Check = (lambda v: _number(v) and 0 <= v <= 1, "a number in [0, 1]")
_PART: _Check = (lambda v: _number(v) and 0 <= v < 1, "a number in [0, 1)")
_COUNT: _Check = (lambda v: _whole(v) and v >= 1, "an integer of at least 1")
_EPOCHS: _Check = (lambda v: _whole(v) and v >= 0, "an integer of at least 0")
_FLAG: _Check = (lambda v: isinstance(v, bool), "True or False")

_CHECKS: dict[str, _Check] = {
    "n_units": _COUNT,
    "lr": _POSITIVE,
    "gate_lr": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "max_epochs": _COUNT,
    "gradient_clip": _POSITIVE,
    "patience": _COUNT,
    "min_delta": _NOT_NEGATIVE,
    "gate_hidden": _COUNT,
    "gate_temperature": _POSITIVE,
    "min_gate_temperature": _POSITIVE,
    "entropy_free_epochs": _EPOCHS,
    "entropy_warmup_epochs": _EPOCHS,
    "entropy_weight": _NOT_NEGATIVE,
    "ece_weight": _NOT_NEGATIVE,
    "l2_weight": _NOT_NEGATIVE,
    "masking": (lambda v: v in MASKING_STRATEGIES, f"one of {MASKING_STRATEGIES}"),
    "masking_prob": _SHARE,
    "masking_tau": _POSITIVE,
    "consistency_weight": _NOT_NEGATIVE,
    "consistency_ramp_epochs": _EPOCHS,
    "focal_gamma": _NOT_NEGATIVE,
    "focal_alpha": (lambda v: v is None or _SHARE[0](v), "a number in [0, 1], or None"),
    "label_smoothing": _PART,
    "standardize": _FLAG,
}

# key of the dict-based configurations: parameter of the estimators
_LEGACY_KEYS: dict[str, str] = {
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


@dataclass(frozen=True, kw_only=True)
class AECFConfig:
    """Settings of the method as it was published, for the AECF estimators.

    The defaults are those of the publication; those of the estimators differ where measurements
    say so. Every value is checked when the object is made.

    Parameters
    ----------
    n_units : int, default=512
        Width of the common space, at least 1.
    lr, gate_lr : float, default=1e-4 and 1e-3
        Learning rates of everything but the gate, and of the gate, above 0.
    weight_decay : float, default=0.01
        At least 0.
    max_epochs : int, default=30
        At least 1.
    gradient_clip : float, default=1.0
        Above 0.
    patience : int, default=10
        At least 1.
    min_delta : float, default=1e-4
        At least 0.
    gate_hidden : int, default=64
        At least 1.
    gate_temperature, min_gate_temperature : float, default=2.0 and 1.5
        Above 0; the second must not exceed the first.
    entropy_free_epochs, entropy_warmup_epochs : int, default=0 and 5
        At least 0.
    entropy_weight : float, default=0.1
        At least 0.
    ece_weight : float, default=0.5
        At least 0.
    l2_weight : float, default=1e-4
        At least 0.
    masking : str, default="entropy_min"
        One of the masking strategies.
    masking_prob : float, default=0.3
        In [0, 1].
    masking_tau : float, default=0.4
        Above 0.
    consistency_weight : float, default=0.1
        At least 0.
    consistency_ramp_epochs : int, default=5
        At least 0.
    focal_gamma : float, default=2.0
        At least 0.
    focal_alpha : float or None, default=0.25
        In [0, 1].
    label_smoothing : float, default=0.05
        In [0, 1).
    standardize : bool, default=True
        Whether to scale the columns.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names key, value and range.

    See Also
    --------
    AECFClassifier.from_config : Makes an estimator with these settings.

    References
    ----------
    "Adaptive Entropy-gated Contrastive Fusion", arXiv:2505.15417.

    Examples
    --------
    >>> from sklearn_align import AECFClassifier, AECFConfig
    >>> config = AECFConfig.from_dict({"lr": 1e-3, "p_missing": 0.5, "masking_mode": "random"})
    >>> config.masking_prob
    0.5
    >>> clf = AECFClassifier.from_config(config, modalities={"image": 50, "audio": 50})
    >>> clf.masking
    'random'
    """

    n_units: int = 512
    lr: float = 1e-4
    gate_lr: float = 1e-3
    weight_decay: float = 0.01
    max_epochs: int = 30
    gradient_clip: float = 1.0
    patience: int = 10
    min_delta: float = 1e-4
    gate_hidden: int = 64
    gate_temperature: float = 2.0
    min_gate_temperature: float = 1.5
    entropy_free_epochs: int = 0
    entropy_warmup_epochs: int = 5
    entropy_weight: float = 0.1
    ece_weight: float = 0.5
    l2_weight: float = 1e-4
    masking: str = "entropy_min"
    masking_prob: float = 0.3
    masking_tau: float = 0.4
    consistency_weight: float = 0.1
    consistency_ramp_epochs: int = 5
    focal_gamma: float = 2.0
    focal_alpha: float | None = 0.25
    label_smoothing: float = 0.05
    standardize: bool = True

    def __post_init__(self) -> None:
        for name, (is_valid, expected) in _CHECKS.items():
            value = getattr(self, name)
            if not is_valid(value):
                raise ValueError(f"{name} must be {expected}; got {value!r}.")
        if self.min_gate_temperature > self.gate_temperature:
            raise ValueError(
                f"min_gate_temperature must lie in (0, gate_temperature={self.gate_temperature}]; "
                f"got {self.min_gate_temperature!r}."
            )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> AECFConfig:
        """Read a dict-based configuration.

        Parameters
        ----------
        settings : dict
            Parameters of this class, and the legacy keys lr, gate_lr, wd, gate_hidden,
            entropy_free, entropy_warmup, entropy_max, masking_mode, p_missing, tau, cec_coef,
            cec_ramp_epochs and feature_norm. What is not given has its default.

        Returns
        -------
        config : AECFConfig
            The settings.

        Raises
        ------
        ValueError
            For an unknown key, a key that is given under both of its names, or a value out of
            range; the message names key, value and range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        known = names | set(_LEGACY_KEYS)
        unknown = sorted(str(key) for key in settings if key not in known)
        if unknown:
            raise ValueError(f"unknown keys {unknown}; known keys are {sorted(known)}.")
        values: dict[str, Any] = {}
        for key, value in settings.items():
            name = _LEGACY_KEYS.get(key, key)
            if name in values:
                raise ValueError(f"{key!r} and another key both set {name!r}: give one of them.")
            is_valid, expected = _CHECKS[name]
            if not is_valid(value):
                raise ValueError(f"{key} must be {expected}; got {value!r}.")
            values[name] = value
        return cls(**values)

    def to_legacy_dict(self) -> dict[str, Any]:
        """Write the settings that dict-based configurations know, under their keys.

        Returns
        -------
        settings : dict
            The thirteen legacy keys.
        """
        return {key: getattr(self, name) for key, name in _LEGACY_KEYS.items()}

    def to_params(self) -> dict[str, Any]:
        """Write the settings as parameters of the estimators.

        Returns
        -------
        params : dict
            For :class:`AECFClassifier`; other estimators lack some of them.
        """
        return dataclasses.asdict(self)
