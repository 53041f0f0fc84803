"""The network: encoders, gate, masker, fusion and head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_align.fusion._scaling import ColumnScaler
from sklearn_align.fusion.nn._encoders import EncoderFactory, build_encoder
from sklearn_align.fusion.nn._gate import ModalityGate, hidden_widths
from sklearn_align.fusion.nn._heads import ExpertHeads, build_head, weighted_sum
from sklearn_align.fusion.nn._masker import ModalityMasker


class AECFModule(nn.Module):
    """Network of the AECF estimators: encoders, gate, masker, fusion and head.

    Parameters by topic:

    - Data: `widths`, `n_outputs`, `names`
    - Architecture: `encoders`, `n_units`, `hidden_sizes`, `activation`, `dropout`, `fusion`, `head`
    - Gate: `gate_hidden`, `gate_activation`, `gate_temperature`, `min_gate_temperature`,
      `modality_outputs`
    - Masking: `masking`, `masking_prob`, `masking_warmup`, `masking_tau`, `min_active`

    Parameters
    ----------
    widths : sequence of int
        Number of columns of every modality; the blocks lie one after the other in X.

    n_outputs : int
        Number of logits, targets or embedding dimensions.

    names : sequence of str, default=None
        Names of the modalities; None uses their positions.

    encoders : str, callable, or dict of str to str, torch.nn.Module or callable, default="mlp"
        Encoder of all modalities, or a dict of encoders. Modalities that are not in the dict have
        "mlp".

    n_units : int, default=128
        Width of the common space.

    hidden_sizes : sequence of int, default=(256,)
        Hidden layers of the "mlp" encoder.

    activation : {"relu", "gelu", "tanh"}, default="relu"
        Activation of encoders and heads.

    dropout : float in [0, 1), default=0.3
        Dropout of encoders and heads.

    fusion : {"mean", "expert"}, default="expert"
        Weighted sum of the encoded blocks before one head, or weighted sum of the outputs of one
        head per modality.

    head : {"linear", "mlp", "embedding"}, default="linear"
        Kind of head.

    gate_hidden : int or sequence of int, default=64
        Width of the hidden layer of the gate, or widths of several layers, see
        :class:`ModalityGate`.

    gate_activation : {"softmax", "sigmoid"}, default="softmax"
        Function that turns the gate's scores into weights.

    gate_temperature : float, default=2.0
        Initial temperature of the gate.

    min_gate_temperature : float, default=1.5
        Lower bound of the temperature of the gate.

    masking : {"none", "random", "weighted_random", "entropy_min", "entropy_max", "entropy"}, \
            default="entropy"
        How modalities are dropped in training, see :class:`ModalityMasker`.

    masking_prob : float in [0, 1], default=0.9
        Mean probability of being dropped.

    masking_tau : float, default=0.4
        Temperature of "entropy_min" and "entropy_max" masking.

    masking_warmup : int, default=0
        Number of epochs in which the rate of masking increases, see :func:`set_epoch`.

    min_active : int, default=1
        Number of modalities that are kept in every sample.

    modality_outputs : bool, default=False
        Whether the result also has the outputs from each modality alone, which
        ``gate_supervision_weight`` of :class:`AECFLoss` needs.

    Attributes
    ----------
    gate : ModalityGate
        Computes the weights.

    masker : ModalityMasker
        Draws the modalities that are kept in the second pass of a training step.

    log_temperature : Tensor of shape (1 + n_modalities,)
        Buffer (b0, b): in evaluation mode, outputs are divided by ``exp(b0 + b . presence)``.

    fallback : Tensor of shape (n_outputs,)
        Buffer: output of samples in which no modality is present.

    seen : Tensor of bool of shape (n_modalities,)
        Buffer: whether a modality is present in any training sample.

    scaler : ColumnScaler
        Scaling that the estimators apply to X before the network.

    See Also
    --------
    AECFLoss : Computes the loss from the result of the network.
    set_epoch : Sets all values that depend on the epoch.
    parameter_groups : Splits the weights into two groups for an optimizer.
    calibrate_module : Fits `log_temperature`.

    References
    ----------
    .. [1] L. Chlon, M. Chlon, M. A. Awada, "Robust Multimodal Learning via Entropy-Gated
       Contrastive Fusion", arXiv:2505.15417.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import AECFModule
    >>> module = AECFModule(widths=[3, 2], n_outputs=4).eval()
    >>> presence = torch.tensor([[True, True], [True, False]])
    >>> outputs, weights, fused = module(torch.zeros(2, 5), presence)
    >>> outputs.shape, weights.shape, fused.shape
    (torch.Size([2, 4]), torch.Size([2, 2]), torch.Size([2, 128]))

    Without `presence`, blocks of NaN are absent:

    >>> X = torch.tensor([[0.0, 0.0, 0.0, torch.nan, torch.nan]])
    >>> module(X)[1]
    tensor([[1., 0.]], grad_fn=...)
    """

    log_temperature: Tensor
    fallback: Tensor
    seen: Tensor
    # Networks that an earlier version has stored do not have it.
    modality_outputs: bool = False

    def __init__(
        self,
        widths: Sequence[int],
        n_outputs: int,
        *,
        names: Sequence[str] | None = None,
        encoders: str | EncoderFactory | Mapping[str, Any] = "mlp",
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
        masking_tau: float = 0.4,
        masking_warmup: int = 0,
        min_active: int = 1,
        modality_outputs: bool = False,
    ) -> None:
        super().__init__()
        if fusion not in ("mean", "expert"):
            raise ValueError(f"fusion must be 'mean' or 'expert'; got {fusion!r}.")
        self.widths = tuple(widths)
        self.fusion = fusion
        self.modality_outputs = modality_outputs
        names = [str(index) for index in range(len(widths))] if names is None else list(names)
        options = {"hidden_sizes": hidden_sizes, "activation": activation, "dropout": dropout}
        self.encoders = nn.ModuleList(
            build_encoder(encoder, name, width, n_units, **options)
            for encoder, name, width in zip(
                _encoder_per_modality(encoders, names), names, widths, strict=True
            )
        )
        self.gate = ModalityGate(
            len(widths),
            n_units,
            hidden=hidden_widths(gate_hidden, "gate_hidden"),
            temperature=gate_temperature,
            min_temperature=min_gate_temperature,
            activation=gate_activation,
        )
        self.masker = ModalityMasker(
            masking,
            probability=masking_prob,
            tau=masking_tau,
            min_active=min_active,
            warmup=masking_warmup,
        )
        n_heads = 1 if fusion == "mean" else len(widths)
        heads = [
            build_head(head, n_units, n_outputs, activation=activation, dropout=dropout)
            for _ in range(n_heads)
        ]
        self.head = heads[0] if fusion == "mean" else ExpertHeads(heads)
        self.register_buffer("log_temperature", torch.zeros(1 + len(widths)))
        self.register_buffer("fallback", torch.zeros(n_outputs))
        self.register_buffer("seen", torch.ones(len(widths), dtype=torch.bool))
        self.scaler = ColumnScaler(sum(widths))

    @torch.no_grad()
    def set_fallback(self, outputs: Tensor) -> None:
        """Set the output of samples without a present modality and the biases of the heads.

        Parameters
        ----------
        outputs : Tensor of shape (n_outputs,)
            Logarithms of class frequencies, or scaled target means.
        """
        self.fallback.copy_(outputs)
        heads: list[Any] = [self.head]
        if isinstance(self.head, ExpertHeads):
            heads = list(self.head.heads)
        for head in heads:
            head.output.bias.copy_(outputs / len(heads))

    def find_presence(self, X: Tensor) -> Tensor:
        """Find the modalities that are present in each sample.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Blocks one after the other, all NaN where absent.

        Returns
        -------
        presence : Tensor of bool of shape (n_samples, n_modalities)
            False where all values of the block are NaN.

        Raises
        ------
        ValueError
            If X has another number of columns, or a block is partly NaN.
        """
        if X.shape[1] != sum(self.widths):
            raise ValueError(
                f"X has {X.shape[1]} columns; widths={list(self.widths)} are {sum(self.widths)}."
            )
        blocks = torch.split(X.isnan(), list(self.widths), dim=1)
        absent = torch.stack([block.all(dim=1) for block in blocks], dim=1)
        partial = torch.stack([block.any(dim=1) for block in blocks], dim=1) & ~absent
        if partial.any():
            sample, modality = partial.nonzero()[0].tolist()
            raise ValueError(
                f"X contains NaN in part of the block of modality {modality} in "
                f"{int(partial.any(dim=1).sum())} sample(s), the first is sample {sample}. A block "
                "is either complete or all NaN (absent): impute the values."
            )
        return ~absent

    def _read(self, X: Tensor, presence: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return X without NaN and its presence, which is found where it is not given."""
        if presence is not None:
            return X, presence
        return X.masked_fill(X.isnan(), 0.0), self.find_presence(X)

    def encode(self, X: Tensor) -> Tensor:
        """Encode every block.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Blocks one after the other, finite where absent.

        Returns
        -------
        encoded : Tensor of shape (n_samples, n_modalities, n_units)
            The encoded blocks.
        """
        blocks = torch.split(X, list(self.widths), dim=1)
        return torch.stack(
            [encoder(block) for encoder, block in zip(self.encoders, blocks, strict=True)], dim=1
        )

    def forward(
        self, X: Tensor, presence: Tensor | None = None, subset: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Predict from the present modalities, and a second time from a subset of them.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features)
            Blocks one after the other, finite where absent if `presence` is given.

        presence : Tensor of bool of shape (n_samples, n_modalities), default=None
            True where a modality is present. With None, blocks of NaN are absent. It is faster to
            call :meth:`find_presence` once for all samples.

        subset : Tensor of bool of shape (n_samples, n_modalities), default=None
            Modalities that are kept in a second pass. With None, the masker draws them in training
            mode. In evaluation mode, there is then no second pass.

        Returns
        -------
        outputs, weights, fused : Tensors
            Of shapes (n_samples, n_outputs), (n_samples, n_modalities) and (n_samples, n_units).

        subset_outputs, subset_weights, subset : Tensors
            Outputs, weights and presence of the second pass, if there is one.

        modality_outputs : Tensor of shape (n_samples, n_modalities, n_outputs)
            With ``modality_outputs=True``, outputs from each modality alone. Those of absent
            modalities have no meaning.
        """
        X, presence = self._read(X, presence)
        encoded = self.encode(X)
        weights = self.gate(encoded, presence)
        if subset is None and self.training and self.masker.strategy != "none":
            subset = self.masker(weights, presence)
        # A head maps one encoded block to the outputs from this modality alone.
        alone = self.head(encoded) if self.modality_outputs else None
        extra = () if alone is None else (self._calibrate_alone(alone),)
        if subset is None:
            outputs, fused = self._read_out(encoded, weights, presence, alone)
            return outputs, weights, fused, *extra
        # The gate must not use dropped modalities either, so its weights are computed again.
        subset_weights = self.gate(encoded, subset)
        n_samples = len(X)
        outputs, fused = self._read_out(
            encoded, torch.cat([weights, subset_weights]), torch.cat([presence, subset]), alone
        )
        return (
            outputs[:n_samples],
            weights,
            fused[:n_samples],
            outputs[n_samples:],
            subset_weights,
            subset,
            *extra,
        )

    def _read_out(
        self, encoded: Tensor, weights: Tensor, presence: Tensor, alone: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return outputs and fused blocks of the passes in weights (n_passes * n_samples, m)."""
        by_pass = (len(weights) // max(len(encoded), 1), *encoded.shape[:2])
        weights, present = weights.reshape(by_pass), presence.reshape(by_pass)
        fused = weighted_sum(encoded, weights).flatten(0, 1)
        if self.fusion == "mean":
            outputs = self.head(fused)
        else:
            # Every head runs once, whatever the number of passes.
            alone = self.head(encoded) if alone is None else alone
            outputs = ExpertHeads.mix(alone, weights, present).flatten(0, 1)
        if not self.training:
            outputs = self._calibrate(outputs, presence)
        return outputs, fused

    def _calibrate_alone(self, outputs: Tensor) -> Tensor:
        """Return outputs (n, m, n_outputs) from each modality alone, divided as in `_calibrate`."""
        if self.training:
            return outputs
        log_temperature = self.log_temperature[0] + self.log_temperature[1:]
        return outputs * torch.exp(-log_temperature).unsqueeze(-1)

    def _calibrate(self, outputs: Tensor, presence: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) divided by their temperatures, or the fallback."""
        offset, slopes = self.log_temperature[0], self.log_temperature[1:]
        # Not a matrix product, which mixed precision would round.
        log_temperature = offset + (presence * slopes).sum(dim=-1)
        outputs = outputs * torch.exp(-log_temperature).unsqueeze(-1)
        return torch.where(presence.any(dim=-1, keepdim=True), outputs, self.fallback)


def _encoder_per_modality(
    encoders: str | EncoderFactory | Mapping[str, Any], names: Sequence[str]
) -> list[Any]:
    """Return the encoders of the modalities, in the order of their names."""
    if not isinstance(encoders, Mapping):
        if isinstance(encoders, nn.Module):
            raise TypeError(
                "encoders is a module: pass a dict of modality name to module, as one module "
                "cannot serve several modalities."
            )
        return [encoders] * len(names)
    unknown = sorted(set(encoders) - set(names))
    if unknown:
        raise ValueError(f"encoders names {unknown}; the modalities are {list(names)}.")
    return [encoders.get(name, "mlp") for name in names]
