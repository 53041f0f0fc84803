"""AECFRegressor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score

from sklearn_align._sklearn import check_sample_weight
from sklearn_align._state import all_or_nothing
from sklearn_align._typing import Float64Array
from sklearn_align.fusion._criteria import AECFLoss
from sklearn_align.fusion._data import TensorBatches
from sklearn_align.fusion._documentation import document_training
from sklearn_align.fusion._fitting import partial_fit_net
from sklearn_align.fusion._net import AECFNet
from sklearn_align.fusion._numeric_targets import NumericTargets
from sklearn_align.fusion._parameters import constraints_of, owned_by
from sklearn_align.fusion._prediction import OUTPUTS, collect
from sklearn_align.fusion._skorch import NeuralNetRegressor
from sklearn_align.fusion.nn._module import AECFModule


@document_training(module="AECFModule", criterion="AECFLoss")
class AECFRegressor(AECFNet, NeuralNetRegressor):
    """Regressor that fuses several modalities, any of which may be missing.

    The network is described in :class:`AECFClassifier`. For training, targets are scaled to mean 0
    and variance 1; the loss in `history` has this scale. A sample may have several targets.

    {topics}

    Parameters
    ----------
    {modalities}

    {encoder_parameters}

    activation : {"relu", "gelu", "tanh"}, default="relu"
        Activation of encoders and "mlp" head.

    dropout : float in [0, 1), default=0.3
        Dropout of encoders and "mlp" head.

    fusion : {"mean", "expert"}, default="expert"
        "mean": one head on the weighted sum of the encoded blocks. "expert": one head per modality;
        the outputs are the weighted sum of the outputs of the heads, times the number of present
        modalities.

    head : {"linear", "mlp"}, default="linear"
        Kind of head.

    {gate_parameters}

    masking : {"none", "random", "weighted_random", "entropy_min", "entropy_max", "entropy"}, \
            default="entropy"
        How modalities are dropped in training, see
        :class:`~sklearn_align.fusion.ModalityMasker`.

    masking_prob : float in [0, 1], default=0.9
        Mean probability that a modality is dropped; 0.5 suits "random" masking.

    masking_warmup : int, default=0
        Number of epochs in which the probability increases to `masking_prob`.

    masking_tau : float, default=0.4
        Temperature of "entropy_min" and "entropy_max" masking.

    min_active : int, default=1
        Number of modalities of a sample that are never dropped.

    entropy_weight : float, default=0.2
        Maximum weight of the gate's entropy in the loss. Below 0.1, the gate may use only one
        modality.

    entropy_free_epochs, entropy_warmup_epochs : int, default=0 and 5
        Number of epochs without the entropy term, and number of epochs in which its weight
        increases. After that, the weight decreases to 0 with a cosine schedule.

    gate_supervision_weight : float, default=0.0
        Weight of a term that lets the gate's weights follow how well each modality alone predicts
        the target of a training sample. It makes predictions worse, see :ref:`gate-weights`.

    l2_weight : float, default=1e-4
        Weight of the mean squared output in the loss.

    consistency_weight : float, default=1.0
        Weight of the agreement between the predictions on a subset and on all modalities.

    consistency_ramp_epochs : int, default=5
        Number of epochs in which `consistency_weight` is increased from 0.

    num_targets : int, default=None
        Number of targets in y; another number raises an error. None uses the number in y.

    {training_parameters}

    **kwargs : object
        Parameters of the parts: ``module__``, ``criterion__``, ``optimizer__``,
        ``iterator_train__``, ``iterator_valid__``, ``callbacks__`` and ``compile__``.

    Attributes
    ----------
    layout_ : ModalityLayout
        Names and columns of the modalities.

    modality_names_ : list of str
        Names of the modalities, in the order of the gate's weights.

    module_ : AECFModule
        The network.

    history_ : skorch.history.History
        One entry per epoch, see :class:`AECFClassifier`. ``consistency`` is the squared difference
        between the outputs of the two passes.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X in ``fit``, if it had any.

    See Also
    --------
    AECFClassifier : Estimator for classes.

    Notes
    -----
    Samples with equal X and y are merged into one sample with the sum of their weights, and the
    order of the samples has no influence. The exception is a callable `train_split`, which may
    depend on the positions of the samples.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align import AECFRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(80, 5))
    >>> y = X[:, 0] + X[:, 4]
    >>> reg = AECFRegressor(modalities={"image": 3, "sound": 2}, random_state=0).fit(X, y)
    >>> reg.predict(X).shape
    (80,)
    """

    _parameter_constraints = constraints_of("AECFRegressor")
    _network_parameters = owned_by("AECFRegressor", "AECFModule")
    _loss_parameters = owned_by("AECFRegressor", "AECFLoss")
    _targets: NumericTargets

    def __init__(
        self,
        modalities: Mapping[str, Any] | None = None,
        *,
        encoders: Any = "mlp",
        n_units: int = 128,
        hidden_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        dropout: float = 0.3,
        fusion: str = "expert",
        head: str = "linear",
        gate_hidden: int | Sequence[int] = 64,
        gate_activation: str = "softmax",
        gate_temperature: float = 2.0,
        min_gate_temperature: float = 1.5,
        masking: str = "entropy",
        masking_prob: float = 0.9,
        masking_warmup: int = 0,
        masking_tau: float = 0.4,
        min_active: int = 1,
        entropy_weight: float = 0.2,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
        gate_supervision_weight: float = 0.0,
        l2_weight: float = 1e-4,
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 5,
        num_targets: int | None = None,
        partial_missing: str = "raise",
        remainder: str = "raise",
        standardize: bool | Mapping[str, bool] | Sequence[str] = True,
        lr: float = 1e-3,
        gate_lr: float | None = None,
        weight_decay: float = 0.01,
        max_epochs: int = 60,
        batch_size: int | str = 128,
        gradient_clip: float | None = 1.0,
        lr_schedule: str = "cosine",
        early_stopping: bool = False,
        patience: int = 15,
        min_delta: float = 1e-4,
        optimizer: Callable[..., Any] = torch.optim.AdamW,
        module: Callable[..., Any] = AECFModule,
        criterion: Callable[..., Any] = AECFLoss,
        iterator_train: Callable[..., Any] = TensorBatches,
        iterator_valid: Callable[..., Any] = TensorBatches,
        train_split: Any = "auto",
        callbacks: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        device: str | torch.device | None = "cpu",
        compile: bool = False,
        random_state: Any = None,
        **kwargs: Any,
    ) -> None:
        self._set_init_parameters(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def __getattribute__(self, name: str) -> Any:
        # skorch gives every net a predict_proba; callers take it as a sign of a classifier.
        if name == "predict_proba":
            raise AttributeError("AECFRegressor has no attribute 'predict_proba'.")
        return super().__getattribute__(name)

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        epochs: int = 1,
    ) -> Any:
        """Train on more samples, starting from the current state.

        The first call determines the scaling of X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        epochs : int, default=1
            Number of passes over the samples; 0 only builds the network.

        Returns
        -------
        self : object
            The estimator.
        """
        return partial_fit_net(self, X, y, sample_weight, epochs)

    def predict(self, X: ArrayLike) -> Float64Array:
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions in the units of the training targets. For a sample without a present
            modality, the mean of the training targets.
        """
        outputs = collect(self, X, OUTPUTS)
        return self._targets.decode(self.module_, outputs)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination, the mean over the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        r2 : float
            At most 1.
        """
        predicted = self.predict(X)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, predicted, ensure_non_negative=True)
        # The figure does not depend on the unit, but squares of targets may be out of range.
        true, predicted = (self._targets.comparable(self.module_, part) for part in (y, predicted))
        return float(r2_score(true, predicted, sample_weight=sample_weight))

    def _make_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> NumericTargets:
        return NumericTargets.from_samples(y)
