"""Temperature as a function of presence, fitted on held-out rows with modalities masked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["draw_subsets", "fit_log_temperature"]


def draw_subsets(presence: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw a non-empty subset of the present modalities for every row.

    The size of the subset is uniform between one and the number present, and so is the subset
    among those of its size.

    Parameters
    ----------
    presence : Tensor of bool of shape (n_samples, n_modalities)
        True where present.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    subset : Tensor of bool of shape (n_samples, n_modalities)
        The modalities that stay.
    """
    noise = torch.rand(presence.shape, generator=generator).masked_fill(~presence, 2.0)
    rank = noise.argsort(dim=1).argsort(dim=1)
    n_present = presence.sum(dim=1)
    size = 1 + torch.floor(torch.rand(len(presence), generator=generator) * n_present)
    return (rank < size.unsqueeze(1)) & presence


def fit_log_temperature(
    logits: Tensor,
    y: Tensor,
    presence: Tensor,
    *,
    sample_weight: Tensor | None = None,
    multilabel: bool = False,
    ridge: float = 1e-3,
) -> Tensor:
    """Fit ``log T = b0 + b . presence`` by maximum likelihood.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Outputs of held-out rows.
    y : Tensor of shape (n_samples,) or (n_samples, n_labels)
        Class positions, or 0 and 1 for multilabel.
    presence : Tensor of bool of shape (n_samples, n_modalities)
        Modalities that the outputs come from.
    sample_weight : Tensor of shape (n_samples,), optional
        Weights of the rows.
    multilabel : bool, default=False
        Whether the columns are independent labels.
    ridge : float, default=1e-3
        Weight of the squared coefficients, which keeps them finite when held-out rows are all
        correct or a modality is always present.

    Returns
    -------
    coefficients : Tensor of shape (1 + n_modalities,)
        b0 and b.

    References
    ----------
    "On Calibration of Modern Neural Networks", arXiv:1706.04599.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import fit_log_temperature
    >>> y = torch.tensor([0, 0, 0, 1])
    >>> logits = torch.tensor([[4.0, 0.0]]).repeat(4, 1)  # right in three of four rows
    >>> presence = torch.ones(4, 1, dtype=torch.bool)
    >>> b = fit_log_temperature(logits, y, presence, ridge=0.0)
    >>> torch.softmax(logits[0] / torch.exp(b.sum()), dim=0).round(decimals=3)
    tensor([0.7500, 0.2500])
    """
    scores = logits.detach().double()
    design = torch.cat([torch.ones(len(presence), 1), presence.float()], dim=1).double()
    design = design.to(scores.device)
    weight = torch.ones(len(scores), dtype=torch.float64, device=scores.device)
    if sample_weight is not None:
        weight = sample_weight.double()
    weight = weight / weight.sum()
    coefficients = torch.zeros(
        design.shape[1], dtype=torch.float64, device=scores.device, requires_grad=True
    )
    optimizer = torch.optim.LBFGS(
        [coefficients], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        scaled = scores * torch.exp(-(design @ coefficients)).unsqueeze(1)
        if multilabel:
            rows = nn.functional.binary_cross_entropy_with_logits(
                scaled, y.double(), reduction="none"
            ).mean(dim=1)
        else:
            rows = nn.functional.cross_entropy(scaled, y, reduction="none")
        loss = (rows * weight).sum() + ridge * (coefficients**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    return coefficients.detach().to(logits.dtype)
