"""Classes of skorch and scikit-learn to inherit from; type checkers see what is used of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skorch.history import History
    from torch import Tensor

    class Dataset:
        X: dict[str, Tensor]
        y: Any

        def __init__(self, X: Mapping[str, Tensor], y: Any = None, length: int = 0) -> None: ...
        def __len__(self) -> int: ...

    class BaseEstimator:
        def _get_metadata_request(self) -> Any: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Any: ...
        def __repr__(self, N_CHAR_MAX: int = 700) -> str: ...
        def __sklearn_tags__(self) -> Any: ...
        def _get_params_html(self, deep: bool = True, doc_link: str = "") -> Any: ...
        def _get_fitted_attr_html(self, doc_link: str = "") -> Any: ...

    class TransformerMixin: ...

    class ClassNamePrefixFeaturesOutMixin: ...

    class NeuralNet(BaseEstimator):
        module: Callable[..., Any]
        criterion: Callable[..., Any]
        optimizer: Callable[..., Any]
        iterator_train: Callable[..., Any]
        iterator_valid: Callable[..., Any]
        train_split: Any
        callbacks: Any
        lr: float
        max_epochs: int
        batch_size: int | str
        warm_start: bool
        verbose: int
        device: Any
        module_: Any
        criterion_: Any
        optimizer_: Any
        callbacks_: list[tuple[str, Any]]
        _params_to_validate: set[str]
        _modules: list[str]
        _criteria: list[str]
        _optimizers: list[str]

        @property
        def history(self) -> History: ...
        def initialize(self) -> Any: ...
        def notify(self, method_name: str, **kwargs: Any) -> None: ...
        def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None: ...
        def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None: ...
        def on_batch_end(self, net: Any, *args: Any, **kwargs: Any) -> None: ...
        def train_step(self, batch: Any, **fit_params: Any) -> Any: ...
        def validation_step(self, batch: Any, **fit_params: Any) -> Any: ...
        def evaluation_step(self, batch: Any, training: bool = False) -> Any: ...
        def run_single_epoch(
            self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
        ) -> None: ...
        def forward_iter(self, X: Any, training: bool = False) -> Iterator[Any]: ...
        def get_all_learnable_params(self) -> Iterator[tuple[str, Tensor]]: ...
        def get_params_for(self, prefix: str) -> dict[str, Any]: ...
        def get_params_for_optimizer(
            self, prefix: str, named_parameters: Any
        ) -> tuple[tuple[Any, ...], dict[str, Any]]: ...
        def _apply_virtual_params(self, virtual_kwargs: dict[str, Any]) -> None: ...
        def _is_virtual_param(self, key: str) -> bool: ...

    class NeuralNetClassifier(NeuralNet):
        def score(self, X: Any, y: Any, sample_weight: Any = None) -> Any: ...

    class NeuralNetRegressor(NeuralNet): ...

else:
    from sklearn.base import BaseEstimator as BaseEstimator
    from sklearn.base import ClassNamePrefixFeaturesOutMixin as ClassNamePrefixFeaturesOutMixin
    from sklearn.base import TransformerMixin as TransformerMixin
    from skorch import NeuralNet as NeuralNet
    from skorch import NeuralNetClassifier as NeuralNetClassifier
    from skorch import NeuralNetRegressor as NeuralNetRegressor
    from skorch.dataset import Dataset as Dataset


class RequestsClasses:
    """Requests `classes` in ``partial_fit``, so that skorch can take that request away.

    It has to come after ``NeuralNet`` among the bases. Without it, scikit-learn refuses the
    requests of every net whose ``partial_fit`` takes no `classes`.
    """

    __metadata_request__partial_fit: ClassVar[dict[str, Any]] = {"classes": None}
