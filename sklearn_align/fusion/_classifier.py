"""AECFClassifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_align._state import all_or_nothing
from sklearn_align._typing import FloatArray
from sklearn_align.fusion._calibration import calibrate, calibrate_after_training, train_calibrated
from sklearn_align.fusion._criteria import AECFLoss
from sklearn_align.fusion._data import TensorBatches
from sklearn_align.fusion._documentation import document_training
from sklearn_align.fusion._fitting import partial_fit_net
from sklearn_align.fusion._net import AECFNet
from sklearn_align.fusion._parameters import constraints_of, owned_by
from sklearn_align.fusion._prediction import (
    OUTPUTS,
    class_probabilities,
    collect,
    log_where_possible,
)
from sklearn_align.fusion._preprocessing import in_precision_of
from sklearn_align.fusion._skorch import NeuralNetClassifier
from sklearn_align.fusion._targets import ClassTargets, LabelTargets, classification_targets
from sklearn_align.fusion._weights import check_scored
from sklearn_align.fusion.nn._module import AECFModule


@document_training(module="AECFModule", criterion="AECFLoss")
class AECFClassifier(AECFNet, NeuralNetClassifier):
    """Classifier that fuses several modalities, any of which may be missing.

    Every modality has an encoder. A gate computes weights of the encoded blocks that are present in
    a sample. A head predicts from the weighted sum. In training, modalities are dropped at random,
    and the gate and the head are evaluated again without them, so that the network learns to
    predict from every subset. After training, the probabilities are calibrated on every subset by a
    temperature that depends on the present modalities.

    The targets may be classes of any type, or the indicator matrix of several labels. The estimator
    is a skorch net: `callbacks`, ``optimizer__``, ``module__`` and ``iterator_train__`` parameters,
    ``save_params``, ``history`` and other names work as in skorch.

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
        the logits are the weighted sum of the logits of the heads, times the number of present
        modalities.

    head : {"linear", "mlp"}, default="linear"
        Kind of head.

    {gate_parameters}

    masking : {"none", "random", "weighted_random", "entropy_min", "entropy_max", "entropy"}, \
            default="entropy"
        How modalities are dropped in training: :class:`~sklearn_align.fusion.ModalityMasker`.

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
        the target of a training sample. See :ref:`gate-weights`.

    ece_weight : float, default=0.0
        Weight of a calibration error with soft bins in the loss.

    l2_weight : float, default=1e-4
        Weight of the mean squared output in the loss.

    consistency_weight : float, default=1.0
        Weight of the agreement between the predictions on a subset and on all modalities.

    consistency_ramp_epochs : int, default=5
        Number of epochs in which `consistency_weight` is increased from 0.

    consistency : {"kl", "monotone"}, default="kl"
        "kl": ``KL(p_full || p_subset)``, with the predictions on all modalities and on a subset.
        "monotone": penalty if the prediction on a subset is more confident.

    label_smoothing : float in [0, 1), default=0.0
        Share of a class target that is distributed over all classes. It makes the calibration on
        complete samples worse.

    focal_gamma : float, default=0.0
        Focusing power of the focal loss; several labels only.

    focal_alpha : float in [0, 1], default=None
        Weight of ones in the focal loss; several labels only.

    pos_weight : {"balanced"} or array-like of shape (n_labels,), default=None
        Weight of the ones of every label, for several labels only; "balanced" is ``(1 - f) / f``
        with the frequency f of the label. These weights change the predicted probabilities.

    class_weight : dict or "balanced", default=None
        Weights of the classes, for multiclass targets only. Classes that are not in the dict have
        weight 1. If all classes of y are in the dict, weights of other classes are ignored.

    task : {"auto", "multiclass", "multilabel"}, default="auto"
        Kind of y: one class for each sample, or an indicator matrix of several labels. With "auto",
        y determines it. Otherwise, y of the other kind raises an error.

    num_classes : int, default=None
        Number of classes, or of labels, in y; another number raises an error. None uses the number
        in y.

    calibration : bool or "cross_fit", default=True
        Whether to fit the temperature after training. True: on the validation samples, if there are
        any. "cross_fit": on held-out folds of five additional networks, which are trained without
        `callbacks`. ``fit`` then takes five times as long, further training keeps the temperature,
        and `train_split` "auto" holds out samples only for `early_stopping`. With `groups` in
        ``fit``, no group is in both parts of any of these splits.

    {training_parameters}

    **kwargs : object
        Parameters of the parts: ``module__``, ``criterion__``, ``optimizer__``,
        ``iterator_train__``, ``iterator_valid__``, ``callbacks__`` and ``compile__``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels. For several labels, positions of the labels.

    layout_ : ModalityLayout
        Names and columns of the modalities.

    modality_names_ : list of str
        Names of the modalities, in the order of the gate's weights.

    module_ : AECFModule
        The network.

    history_ : skorch.history.History
        One entry per epoch. It has ``train_`` and ``valid_`` values of ``loss``, of its unweighted
        components ``task``, ``entropy``, ``ece``, ``l2``, ``consistency`` and ``gate_supervision``,
        of ``gate_entropy``, and of ``violations``, the share of samples with a more confident
        prediction without the dropped modalities. It also has the weights ``entropy_lambda``,
        ``consistency_ramp`` and ``masking_ramp``, and ``gate_temperature``.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X in ``fit``, if it had any.

    See Also
    --------
    AECFRegressor : Estimator for numeric targets.
    AECFEmbedder : Fused embedding without targets.
    pack_modalities : Packs a dict of arrays into X.

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
    >>> from sklearn_align import AECFClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 40)
    >>> X = rng.normal(size=(80, 5)) + 2 * (y == "dog")[:, None]
    >>> X[:10, :3] = np.nan  # No image in the first ten samples.
    >>> clf = AECFClassifier(modalities={"image": 3, "sound": 2}, max_epochs=20, random_state=0)
    >>> clf.fit(X, y).score(X, y) > 0.9
    True
    >>> clf.modality_weights(X[:1])
    array([[0., 1.]])
    """

    __metadata_request__partial_fit: ClassVar[dict[str, Any]] = {"classes": None}
    _parameter_constraints = constraints_of("AECFClassifier")
    _network_parameters = owned_by("AECFClassifier", "AECFModule")
    _loss_parameters = owned_by("AECFClassifier", "AECFLoss")
    _targets: ClassTargets | LabelTargets

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
        ece_weight: float = 0.0,
        l2_weight: float = 1e-4,
        consistency_weight: float = 1.0,
        consistency_ramp_epochs: int = 5,
        consistency: str = "kl",
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        focal_alpha: float | None = None,
        pos_weight: str | ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        task: str = "auto",
        num_classes: int | None = None,
        calibration: bool | str = True,
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

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels."""
        if not hasattr(self, "_targets"):
            raise AttributeError(f"{type(self).__name__} has no attribute 'classes_' before fit.")
        return self._targets.classes

    @property
    def task_(self) -> str:
        """Kind of the targets: "multiclass" or "multilabel"."""
        check_is_fitted(self)
        return self._targets.task

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        epochs: int = 1,
    ) -> Any:
        """Train on more samples, starting from the current state.

        The first call determines scaling and classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes or indicators.

        classes : array-like of shape (n_classes,), default=None
            All classes that may occur in any call, for the first call; by default, the classes in
            y. Classes that are not in y initially have equal shares of the probability.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        epochs : int, default=1
            Number of passes over the samples; 0 only builds the network.

        Returns
        -------
        self : object
            The estimator.
        """
        return partial_fit_net(self, X, y, sample_weight, epochs, classes)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Probabilities of the classes, or of every label being one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Probabilities in the order of `classes_`. For a sample without a present modality, the
            class frequencies of the training samples of the first call.
        """
        return in_precision_of(X, class_probabilities(self, X))

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Logarithms in the order of `classes_`.
        """
        outputs = collect(self, X, OUTPUTS)
        probabilities = in_precision_of(X, self._targets.probabilities(outputs))
        return log_where_possible(probabilities, self._targets.log_probabilities(outputs))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class, or the labels that are more likely one than zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators.
        """
        probabilities = class_probabilities(self, X)
        return self._targets.decode(probabilities)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy; for several labels, the share of samples in which all labels are correct.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True classes or indicators.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        sample_weight = check_scored(self.task_, X, y, sample_weight)
        return float(super().score(X, y, sample_weight))

    def calibrate(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> AECFClassifier:
        """Fit the temperature on samples that were not used for training.

        ``fit`` does this on its validation samples. The samples are masked in several ways, so that
        samples with every number of present modalities occur.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out samples; a block of NaN is absent.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes or indicators.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : AECFClassifier
            The estimator. Its predictions of the most probable class do not change.
        """
        calibrate(self, X, y, sample_weight)
        return self

    def _after_training(self, dataset_valid: Any) -> None:
        calibrate_after_training(self, dataset_valid)

    def _make_targets(
        self, y: NDArray[Any], classes: ArrayLike | None
    ) -> ClassTargets | LabelTargets:
        return classification_targets(y, classes, type(self).__name__, self.task)

    def _train(self, *samples: Any, epochs: int, start: bool) -> Any:
        train_calibrated(self, *samples, epochs=epochs, start=start)
        return self
