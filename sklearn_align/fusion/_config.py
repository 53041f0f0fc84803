"""AECFConfig: one frozen object for people who come from dict-based configurations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn_align.fusion._parameters import check_value, declared_parameters

# Key of the dict-based configurations: parameter of the estimators.
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

    lr : float, default=1e-4
        Learning rate of everything but the gate, above 0.

    gate_lr : float or None, default=1e-3
        Learning rate of the gate, above 0; None takes `lr`.

    weight_decay : float, default=0.01
        Weight decay of everything but the gate, at least 0.

    max_epochs : int, default=30
        Largest number of epochs, at least 1.

    gradient_clip : float or None, default=1.0
        Largest norm of the gradient, above 0; None does not clip.

    patience : int, default=10
        Number of epochs without improvement, at least 1.

    min_delta : float, default=1e-4
        Least improvement, at least 0.

    gate_hidden : int, default=64
        Width of the gate's hidden layer, at least 1.

    gate_temperature : float, default=2.0
        Initial temperature of the gate, above 0.

    min_gate_temperature : float, default=1.5
        Lower bound of the temperature of the gate, in (0, gate_temperature].

    entropy_free_epochs : int, default=0
        Epochs without the entropy term, at least 0.

    entropy_warmup_epochs : int, default=5
        Epochs in which the weight of the entropy rises, at least 0.

    entropy_weight : float, default=0.1
        Largest weight of the gate's entropy, at least 0.

    ece_weight : float, default=0.5
        Weight of the calibration error, at least 0.

    l2_weight : float, default=1e-4
        Weight of the mean squared output, at least 0.

    masking : str, default="entropy_min"
        One of the masking strategies.

    masking_prob : float, default=0.3
        Mean probability that a modality is dropped, in [0, 1].

    masking_tau : float, default=0.4
        Temperature of "entropy_min" and "entropy_max" masking, above 0.

    consistency_weight : float, default=0.1
        Weight of the consistency term, at least 0.

    consistency_ramp_epochs : int, default=5
        Epochs in which the weight of the consistency term rises, at least 0.

    focal_gamma : float, default=2.0
        Focusing power of the focal loss, at least 0.

    focal_alpha : float or None, default=0.25
        Weight of ones in the focal loss, in [0, 1].

    label_smoothing : float, default=0.05
        Share of a class target that is spread over all classes, in [0, 1).

    standardize : bool, dict or list of str, default=True
        Whether to scale the columns, or those of which modalities.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names key, value and range.

    See Also
    --------
    AECFClassifier.from_config : Makes an estimator with these settings.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.

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
    gate_lr: float | None = 1e-3
    weight_decay: float = 0.01
    max_epochs: int = 30
    gradient_clip: float | None = 1.0
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
    standardize: bool | Mapping[str, bool] | Sequence[str] = True

    def __post_init__(self) -> None:
        for name, value in self.to_params().items():
            check_value(name, value, key=name, caller_name="AECFConfig")
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
            check_value(name, value, key=key, caller_name="AECFConfig.from_dict")
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


def settings_for(estimator: type, config: AECFConfig) -> dict[str, Any]:
    """Return the settings of a configuration that a class of estimators has as parameters."""
    if not isinstance(config, AECFConfig):
        raise TypeError(
            f"config must be an AECFConfig; got {type(config).__name__}. Use "
            "AECFConfig.from_dict for a dict."
        )
    known = declared_parameters(estimator)
    return {name: value for name, value in config.to_params().items() if name in known}
