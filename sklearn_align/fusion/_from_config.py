"""Estimators from an AECFConfig."""

from __future__ import annotations

from typing import Any

from sklearn_align.fusion._config import AECFConfig
from sklearn_align.fusion._config_keys import ESTIMATORS
from sklearn_align.fusion._parameters import declared_parameters


class FromConfigMixin:
    """Constructor of the estimators that takes a configuration."""

    @classmethod
    def from_config(cls, config: AECFConfig, **params: Any) -> Any:
        """Make an estimator with the settings of a configuration.

        Parameters
        ----------
        config : AECFConfig
            Settings. Settings that this estimator does not have are left out.

        **params : object
            Other parameters. They override parameters of `config`.

        Returns
        -------
        estimator : object
            The estimator, not fitted.

        Raises
        ------
        ValueError
            If the `task_type` of `config` is for another estimator.

        See Also
        --------
        AECFConfig.build : Makes the estimator for the `task_type`.
        """
        return cls(**{**settings_for(cls, config), **params})


def settings_for(estimator: type, config: AECFConfig) -> dict[str, Any]:
    """Return the settings of a configuration that a class of estimators has as parameters."""
    if not isinstance(config, AECFConfig):
        raise TypeError(
            f"config must be an AECFConfig; got {type(config).__name__}. Use "
            "AECFConfig.from_dict for a dict."
        )
    _check_task(estimator, config.task_type)
    known = declared_parameters(estimator)
    settings = config.to_params()
    number = settings.pop("num_classes", None)
    params = {name: value for name, value in settings.items() if name in known}
    if config.task_type == "multilabel" and "task" in known:
        params["task"] = config.task_type
    if number is not None:
        takers = [name for name in ("num_classes", "num_targets") if name in known]
        if not takers:
            raise ValueError(
                f"num_classes={number!r} of config, but {estimator.__name__} has no classes: set "
                "num_classes=None."
            )
        params[takers[0]] = number
    return params


def _check_task(estimator: type, task_type: str | None) -> None:
    """Raise if a task is for another of the AECF estimators, or of their subclasses."""
    own = {base.__name__ for base in estimator.__mro__} & set(ESTIMATORS.values())
    if task_type is None or not own or ESTIMATORS[task_type] in own:
        return
    suitable = " or ".join(repr(task) for task, name in ESTIMATORS.items() if name in own)
    raise ValueError(
        f"task_type={task_type!r} of config is for {ESTIMATORS[task_type]}, not for "
        f"{estimator.__name__}: call config.build(), or set task_type to {suitable} or None."
    )
