"""AECFEmbedder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks
from torch import Tensor

from sklearn_align._state import all_or_nothing
from sklearn_align._typing import FloatArray
from sklearn_align.fusion._criteria import ContrastiveLoss
from sklearn_align.fusion._data import TensorBatches
from sklearn_align.fusion._documentation import document_training
from sklearn_align.fusion._fitting import fit_net, partial_fit_net
from sklearn_align.fusion._net import AECFNet
from sklearn_align.fusion._numeric_targets import NoTargets
from sklearn_align.fusion._parameters import constraints_of, owned_by
from sklearn_align.fusion._prediction import OUTPUTS, collect
from sklearn_align.fusion._preprocessing import in_precision_of
from sklearn_align.fusion.nn._contrastive import ContrastiveModule, draw_views


@document_training(module="ContrastiveModule", criterion="ContrastiveLoss")
class AECFEmbedder(AECFNet):
    """Transformer that fuses several modalities into one embedding, without labels.

    Two disjoint views of each sample, which consist of different modalities, are embedded. The
    contrastive loss makes the two views of a sample similar to each other, and less similar to the
    views of the other samples of the batch. It does the same for the whole sample and each of its
    views. Samples with any subset of the modalities are therefore embedded in one space: an image
    can be used to find the text of the same sample. Samples with absent blocks are used in
    training.

    {topics}

    Parameters
    ----------
    {modalities}

    {encoder_parameters}

    activation : {"relu", "gelu", "tanh"}, default="relu"
        Activation of encoders.

    dropout : float in [0, 1), default=0.3
        Dropout of encoders.

    n_components : int, default=64
        Width of the embedding.

    contrast : {"views", "modalities"}, default="views"
        "views": all present modalities are divided between the two views of a sample. "modalities":
        each view has one modality.

    temperature : float, default=0.2
        Temperature by which the cosine similarities in the loss are divided.

    consistency_weight : float, default=1.0
        Weight of the contrast between the whole sample and its views.

    {gate_parameters}

    entropy_weight : float, default=0.2
        Maximum weight of the gate's entropy in the loss. Below 0.1, the gate may use only one
        modality.

    entropy_free_epochs, entropy_warmup_epochs : int, default=0 and 5
        Number of epochs without the entropy term, and number of epochs in which its weight
        increases. After that, the weight decreases to 0 with a cosine schedule.

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

    module_ : ContrastiveModule
        The network.

    history_ : skorch.history.History
        One entry per epoch, with ``train_`` and ``valid_`` values of ``loss``, of its components
        ``task``, ``entropy`` and ``consistency``, and of ``gate_entropy``.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X in ``fit``, if it had any.

    See Also
    --------
    AECFClassifier : Fuses modalities to predict classes.
    MiniVec2Vec : Maps one space to another without paired samples.

    Notes
    -----
    Equal samples are merged into one sample with the sum of their weights, and the order of the
    samples has no influence. The exception is a callable `train_split`, which may depend on the
    positions of the samples.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.
    .. [2] "Representation Learning with Contrastive Predictive Coding", arXiv:1807.03748.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_align import AECFEmbedder
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.normal(size=(100, 2))
    >>> X = np.hstack([latent @ rng.normal(size=(2, 4)), latent @ rng.normal(size=(2, 3))])
    >>> embedder = AECFEmbedder(
    ...     modalities={"image": 4, "sound": 3}, n_components=8, max_epochs=5, random_state=0
    ... )
    >>> image_only = X.copy()
    >>> image_only[:, 4:] = np.nan
    >>> embedder.fit(X).transform(image_only).shape
    (100, 8)
    """

    _parameter_constraints = constraints_of("AECFEmbedder")
    _network_parameters = owned_by("AECFEmbedder", "ContrastiveModule")
    _loss_parameters = owned_by("AECFEmbedder", "ContrastiveLoss")
    _network_options: ClassVar[dict[str, Any]] = {"head": "embedding", "masking": "none"}

    n_components: int
    contrast: str

    def __init__(
        self,
        modalities: Mapping[str, Any] | None = None,
        *,
        encoders: Any = "mlp",
        n_units: int = 128,
        hidden_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        dropout: float = 0.3,
        n_components: int = 64,
        contrast: str = "views",
        temperature: float = 0.2,
        consistency_weight: float = 1.0,
        gate_hidden: int | Sequence[int] = 64,
        gate_activation: str = "softmax",
        gate_temperature: float = 2.0,
        min_gate_temperature: float = 1.5,
        entropy_weight: float = 0.2,
        entropy_free_epochs: int = 0,
        entropy_warmup_epochs: int = 5,
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
        module: Callable[..., Any] = ContrastiveModule,
        criterion: Callable[..., Any] = ContrastiveLoss,
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
    def _n_features_out(self) -> int:
        return self._targets.n_outputs

    @all_or_nothing
    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Train on samples whose blocks may be absent.

        With `warm_start`, an estimator that is already fitted is trained further.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent. Samples in which every block is absent are left out.

        y : object
            Not used for the training. Callbacks get it: :class:`~sklearn.callback.ScoringMonitor`
            scores only where there is a `y`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        groups : array-like of shape (n_samples,), default=None
            Groups of the samples, such as speakers or sites, if predictions are made for new
            groups. No group is then in both the training and the validation samples.

        Returns
        -------
        self : AECFEmbedder
            The fitted estimator.
        """
        return fit_net(self, X, None, sample_weight, groups, unused_y=y)

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        epochs: int = 1,
    ) -> Any:
        """Train on more samples, starting from the current state.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        y : object
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        epochs : int, default=1
            Number of passes over the samples; 0 only builds the network.

        Returns
        -------
        self : AECFEmbedder
            The estimator.
        """
        return partial_fit_net(self, X, None, sample_weight, epochs)

    def transform(self, X: ArrayLike) -> FloatArray:
        """Embed samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; a block of NaN is absent.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            Vectors of unit length, so that inner products are cosine similarities. A sample without
            a present modality has a vector of zeros.
        """
        return in_precision_of(X, collect(self, X, OUTPUTS))

    def __getattribute__(self, name: str) -> Any:
        # skorch gives every net these; callers take them as signs of a classifier or a regressor.
        if name in ("predict", "predict_proba"):
            raise AttributeError(f"AECFEmbedder has no attribute {name!r}.")
        return super().__getattribute__(name)

    def _make_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> NoTargets:
        return NoTargets(int(self.n_components))

    def _second_pass(self, presence: Tensor) -> dict[str, Tensor]:
        first, second = draw_views(presence, self.contrast)
        return {"subset": first, "other": second}
