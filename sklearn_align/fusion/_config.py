"""AECFConfig: one frozen object for people who come from dict-based configurations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from sklearn_align.fusion._config_keys import (
    ESTIMATORS,
    LONG_KEYS,
    MODEL_KEYS,
    SHORT_KEYS,
    check_setting,
    comparable,
    describe_unknown,
    read_settings,
    stored,
    written,
)
from sklearn_align.fusion.nn._gate import hidden_widths

Configuration = TypeVar("Configuration", bound=type)


def _explain_unknown(cls: Configuration) -> Configuration:
    """Let ``__init__`` say what is nearest to a name that it does not know."""
    plain: Any = cls.__init__  # type: ignore[misc]
    names = [field.name for field in dataclasses.fields(cls)]

    @wraps(plain)
    def explaining(self: Any, *args: Any, **settings: Any) -> None:
        unknown = {name: value for name, value in settings.items() if name not in names}
        if unknown:
            raise TypeError(f"AECFConfig got {describe_unknown(unknown, names)}")
        plain(self, *args, **settings)

    cls.__init__ = explaining  # type: ignore[misc]
    return cls


@_explain_unknown
@dataclass(frozen=True, kw_only=True, eq=False)
class AECFConfig:
    """Settings of the method as it was published, for the AECF estimators.

    The defaults are those of the publication. Some defaults of the estimators are different,
    because measurements gave better results. Every value is checked when the object is created. Two
    objects are equal if they describe the same estimator for the same task.

    Parameters by topic:

    - Data: `modalities`, `feat_dim`, `standardize`, `task_type`, `num_classes`
    - Architecture: `n_units`
    - Gate: `gate_hidden`, `gate_temperature`, `min_gate_temperature`
    - Masking: `masking`, `masking_prob`, `masking_tau`
    - Loss: `label_smoothing`, `focal_gamma`, `focal_alpha`, `consistency_weight`,
      `consistency_ramp_epochs`, `entropy_weight`, `entropy_free_epochs`, `entropy_warmup_epochs`,
      `ece_weight`, `l2_weight`
    - Training: `lr`, `gate_lr`, `weight_decay`, `gradient_clip`, `max_epochs`, `patience`,
      `min_delta`

    Parameters
    ----------
    modalities : list of str or dict, default=None
        List of names of modalities, each with `feat_dim` columns of X, one after the other. Or a
        dict of name to width or columns, as for the estimators.

    task_type : {"classification", "multilabel", "regression", "embedding"}, default=None
        Estimator that `build` makes: :class:`AECFClassifier` for the first two,
        :class:`AECFRegressor` or :class:`AECFEmbedder`. With "multilabel", ``fit`` of the
        classifier raises an error if `y` is not an indicator matrix. With "classification", `y` may
        hold classes or indicators. With None, `build` makes a classifier, and `from_config` of any
        estimator accepts the configuration.

    num_classes : int, default=None
        Number of classes, labels or numeric targets, at least 1. ``fit`` compares it with `y`. It
        cannot be set for an embedding. None uses the number in `y`.

    feat_dim : int, default=512
        Number of columns of each modality of a list of names, at least 1. If `n_units` is None, it
        is also the width of the common space, whatever `modalities` is, because the earlier
        frameworks fused features of this width without encoders.

    n_units : int, default=None
        Width of the common space, at least 1; None uses `feat_dim`.

    lr : float, default=1e-4
        Learning rate of all parts except the gate, above 0.

    gate_lr : float or None, default=1e-3
        Learning rate of the gate, above 0; None uses `lr`.

    weight_decay : float, default=0.01
        Weight decay of all parts except the gate, at least 0.

    max_epochs : int, default=30
        Maximum number of epochs, at least 1.

    gradient_clip : float or None, default=1.0
        Maximum norm of the gradient, above 0; None does not clip the gradient.

    patience : int, default=10
        Number of epochs without improvement, at least 1.

    min_delta : float, default=1e-4
        Smallest decrease of the loss that counts as an improvement, at least 0.

    gate_hidden : int or sequence of int, default=64
        Width of the gate's hidden layer, or widths of several layers, each at least 1.

    gate_temperature : float, default=2.0
        Initial temperature of the gate, above 0.

    min_gate_temperature : float, default=1.5
        Lower bound of the temperature of the gate, in (0, gate_temperature].

    entropy_free_epochs : int, default=0
        Number of epochs without the entropy term, at least 0.

    entropy_warmup_epochs : int, default=5
        Number of epochs in which the weight of the entropy increases, at least 0.

    entropy_weight : float, default=0.1
        Maximum weight of the gate's entropy, at least 0.

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
        Number of epochs in which the weight of the consistency term increases, at least 0.

    focal_gamma : float, default=2.0
        Focusing power of the focal loss, at least 0.

    focal_alpha : float or None, default=0.25
        Weight of ones in the focal loss, in [0, 1].

    label_smoothing : float, default=0.05
        Share of a class target that is spread over all classes, in [0, 1).

    standardize : bool, dict or list of str, default=True
        Whether to scale the columns, or the modalities whose columns are scaled.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names key, value and range.

    See Also
    --------
    AECFClassifier.from_config : Makes an estimator of that class with these settings.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.

    Examples
    --------
    >>> from sklearn_align import AECFConfig
    >>> config = AECFConfig.from_dict(
    ...     {"modalities": ["image", "text"], "feat_dim": 50, "p_missing": 0.5, "wd": 0.1}
    ... )
    >>> config.masking_prob
    0.5
    >>> clf = config.build(max_epochs=5)
    >>> clf.modalities
    {'image': 50, 'text': 50}
    >>> clf.weight_decay
    0.1
    """

    modalities: Mapping[str, Any] | Sequence[str] | None = None
    task_type: str | None = None
    num_classes: int | None = None
    feat_dim: int = 512
    n_units: int | None = None
    lr: float = 1e-4
    gate_lr: float | None = 1e-3
    weight_decay: float = 0.01
    max_epochs: int = 30
    gradient_clip: float | None = 1.0
    patience: int = 10
    min_delta: float = 1e-4
    gate_hidden: int | Sequence[int] = 64
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
        for name in _field_names():
            value = getattr(self, name)
            check_setting(name, value, key=name, caller_name="AECFConfig")
            object.__setattr__(self, name, stored(name, value))
        if self.min_gate_temperature > self.gate_temperature:
            raise ValueError(
                f"min_gate_temperature must lie in (0, gate_temperature={self.gate_temperature}]; "
                f"got {self.min_gate_temperature!r}."
            )
        if self.task_type == "embedding" and self.num_classes is not None:
            raise ValueError(
                f"num_classes={self.num_classes!r}, but task_type='embedding' has no classes: "
                "leave num_classes out. The width of an embedding is n_components, as in "
                "build(n_components=64)."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AECFConfig):
            return NotImplemented
        return self._comparable() == other._comparable()

    def __hash__(self) -> int:
        return hash(self._comparable())

    def _comparable(self) -> tuple[Any, ...]:
        settings = {**self.to_params(), "task_type": self.task_type}
        return tuple((name, comparable(name, value)) for name, value in settings.items())

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> AECFConfig:
        """Read a dict-based configuration.

        Parameters
        ----------
        settings : dict
            Parameters of this class, and keys of two earlier vocabularies. The short vocabulary:
            lr, gate_lr, wd, gate_hidden, entropy_free, entropy_warmup, entropy_max, masking_mode,
            p_missing, tau, cec_coef, cec_ramp_epochs and feature_norm. The long vocabulary:
            learning_rate, gate_learning_rate, gate_hidden_dims, gate_init_temp, gate_min_temp,
            epochs, gradient_clip_val, early_stopping_patience, early_stopping_min_delta,
            entropy_max_coeff, ece_penalty_coeff, l2_logits_coeff, masking_strategy, prob_missing,
            consistency_loss_coeff and feature_normalization. Settings that are not given have their
            defaults.

        Returns
        -------
        config : AECFConfig
            The settings.

        Raises
        ------
        ValueError
            If a key is unknown, a setting is given under two names with different values, or a
            value is out of range. The message names key, value and range.
        """
        return cls(**read_settings(settings, _field_names()))

    def to_legacy_dict(self, vocabulary: str = "short") -> dict[str, Any]:
        """Write the settings under the keys of a dict-based configuration.

        Parameters
        ----------
        vocabulary : {"short", "long"}, default="short"
            Vocabulary of the keys, see `from_dict`. The long vocabulary has a key for every
            setting. The exception is an `n_units` that differs from `feat_dim`, which keeps its
            name.

        Returns
        -------
        settings : dict
            The keys of the vocabulary. modalities, task_type, num_classes and feat_dim are included
            if they differ from their defaults.
        """
        if vocabulary not in ("short", "long"):
            raise ValueError(f"vocabulary must be 'short' or 'long'; got {vocabulary!r}.")
        defaults = AECFConfig()
        names = {key: key for key in MODEL_KEYS if getattr(self, key) != getattr(defaults, key)}
        names.update(SHORT_KEYS if vocabulary == "short" else LONG_KEYS)
        settings = {key: written(getattr(self, name)) for key, name in names.items()}
        if vocabulary == "long":
            settings["gate_hidden_dims"] = list(hidden_widths(self.gate_hidden, "gate_hidden"))
            if self.n_units not in (None, self.feat_dim):
                settings["n_units"] = self.n_units
        return settings

    def to_params(self) -> dict[str, Any]:
        """Write the settings as parameters of the estimators.

        Returns
        -------
        params : dict
            Parameters of :class:`AECFClassifier`; other estimators do not have all of them.
            `modalities` and `num_classes` are included if they are not None.
        """
        params = {name: stored(name, getattr(self, name)) for name in _field_names()}
        for name in ("task_type", "feat_dim"):
            del params[name]
        if self.n_units is None:
            params["n_units"] = self.feat_dim
        if isinstance(self.modalities, tuple):
            params["modalities"] = dict.fromkeys(self.modalities, self.feat_dim)
        for name in ("modalities", "num_classes"):
            if params[name] is None:
                del params[name]
        return params

    def build(self, **params: Any) -> Any:
        """Make the estimator for the task, with these settings.

        Parameters
        ----------
        **params : object
            Other parameters of the estimator. They override parameters of the configuration.

        Returns
        -------
        estimator : AECFClassifier, AECFRegressor or AECFEmbedder
            The estimator, not fitted.
        """
        # The estimators import this module.
        from sklearn_align import fusion

        estimator = getattr(fusion, ESTIMATORS[self.task_type or "classification"])
        return estimator.from_config(self, **params)


def _field_names() -> list[str]:
    return [field.name for field in dataclasses.fields(AECFConfig)]
