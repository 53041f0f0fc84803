"""Encoders: one network per modality, from the width of its block to the common width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from inspect import Parameter, signature
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

EncoderFactory: TypeAlias = Callable[..., nn.Module]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class IdentityEncoder(nn.Module):
    """Identity, or a linear map without bias if the widths differ.

    Parameters
    ----------
    width : int
        Number of columns of the block.

    n_units : int
        Width of the common space.

    **options : object
        Ignored: options of other encoders.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import IdentityEncoder
    >>> IdentityEncoder(3, 3)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3.]])
    """

    def __init__(self, width: int, n_units: int, **options: object) -> None:
        super().__init__()
        self.projection = (
            nn.Identity() if width == n_units else nn.Linear(width, n_units, bias=False)
        )

    def forward(self, block: Tensor) -> Tensor:
        """Map blocks (n_samples, width) to (n_samples, n_units)."""
        projected: Tensor = self.projection(block)
        return projected


class LinearEncoder(nn.Module):
    """Affine map of a block into the common space.

    Parameters
    ----------
    width : int
        Number of columns of the block.

    n_units : int
        Width of the common space.

    **options : object
        Ignored: options of other encoders.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import LinearEncoder
    >>> LinearEncoder(3, 8)(torch.zeros(5, 3)).shape
    torch.Size([5, 8])
    """

    def __init__(self, width: int, n_units: int, **options: object) -> None:
        super().__init__()
        self.linear = nn.Linear(width, n_units)

    def forward(self, block: Tensor) -> Tensor:
        """Map blocks (n_samples, width) to (n_samples, n_units)."""
        encoded: Tensor = self.linear(block)
        return encoded


class MLPEncoder(nn.Module):
    """Multilayer perceptron: affine map, activation and dropout in every layer, also the last.

    Parameters
    ----------
    width : int
        Number of columns of the block.

    n_units : int
        Width of the common space.

    hidden_sizes : sequence of int, default=(256,)
        Widths of the hidden layers; the last layer has the width `n_units`.

    activation : {"relu", "gelu", "tanh"}, default="relu"
        Activation after every layer.

    dropout : float in [0, 1), default=0.3
        Share of units that are dropped after every activation in training.

    **options : object
        Ignored: options of other encoders.

    Examples
    --------
    >>> import torch
    >>> from sklearn_align.fusion import MLPEncoder
    >>> MLPEncoder(3, 8, hidden_sizes=(16,))(torch.zeros(5, 3)).shape
    torch.Size([5, 8])
    """

    def __init__(
        self,
        width: int,
        n_units: int,
        *,
        hidden_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        dropout: float = 0.3,
        **options: object,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size_in, size_out in zip((width, *hidden_sizes), (*hidden_sizes, n_units), strict=True):
            layers += [nn.Linear(size_in, size_out), ACTIVATIONS[activation]()]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, block: Tensor) -> Tensor:
        """Map blocks (n_samples, width) to (n_samples, n_units)."""
        encoded: Tensor = self.layers(block)
        return encoded


_REGISTRY: dict[str, EncoderFactory] = {
    "identity": IdentityEncoder,
    "linear": LinearEncoder,
    "mlp": MLPEncoder,
}


def available_encoders() -> list[str]:
    """List the names that the `encoders` parameter accepts.

    Returns
    -------
    names : list of str
        Names of the registered encoders, sorted.

    See Also
    --------
    register_encoder : Add a name.

    Examples
    --------
    >>> from sklearn_align.fusion import available_encoders
    >>> available_encoders()[:3]
    ['identity', 'linear', 'mlp']
    """
    return sorted(_REGISTRY)


def register_encoder(name: str, factory: EncoderFactory) -> None:
    """Make an encoder available by name to the `encoders` parameter.

    Parameters
    ----------
    name : str
        Name to register; must be new.

    factory : callable
        Called as ``factory(width, n_units, hidden_sizes=..., activation=..., dropout=...)``, with
        those of the last three arguments that it takes. It returns a module that maps
        (n_samples, width) to (n_samples, n_units).

    Raises
    ------
    ValueError
        If the name is taken.

    TypeError
        If `factory` is not callable.

    See Also
    --------
    available_encoders : List the names.

    Examples
    --------
    >>> from torch import nn
    >>> from sklearn_align.fusion import AECFClassifier, register_encoder
    >>> def normed(width, n_units, **options):
    ...     return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_units))
    >>> register_encoder("normed-linear", normed)
    >>> clf = AECFClassifier(encoders={"image": "normed-linear"})
    """
    if name in _REGISTRY:
        raise ValueError(f"encoder name {name!r} is taken; registered: {available_encoders()}.")
    if not callable(factory):
        raise TypeError(f"factory must be callable; got {factory!r}.")
    _REGISTRY[name] = factory


def build_encoder(
    encoder: str | nn.Module | EncoderFactory, name: str, width: int, n_units: int, **options: Any
) -> nn.Module:
    """Return the encoder of the modality `name`: (n_samples, width) to (n_samples, n_units).

    A module is copied; names and callables are called with ``(width, n_units)`` and those of the
    options that they take.
    """
    if isinstance(encoder, nn.Module):
        module = deepcopy(encoder)
    elif isinstance(encoder, str):
        if encoder not in _REGISTRY:
            raise ValueError(
                f"encoders[{name!r}] is {encoder!r}; registered encoders are "
                f"{available_encoders()}. Add one with register_encoder."
            )
        module = _called(_REGISTRY[encoder], name, width, n_units, options)
    else:
        module = _called(encoder, name, width, n_units, options)
    _check_output(module, name, width, n_units)
    return module


def _called(
    factory: EncoderFactory, name: str, width: int, n_units: int, options: Mapping[str, Any]
) -> nn.Module:
    """Call a factory with the options that it takes."""
    try:
        parameters = signature(factory).parameters
    except (TypeError, ValueError):
        parameters = None
    if parameters is not None:
        takes_all = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
        options = {key: value for key, value in options.items() if takes_all or key in parameters}
        try:
            signature(factory).bind(width, n_units, **options)
        except TypeError as error:
            raise TypeError(
                f"the encoder of modality {name!r} is called as encoder(width, n_units) with the "
                f"options that it takes: {error}. Define it as def encoder(width, n_units) or def "
                "encoder(width, n_units, **options), or pass a torch.nn.Module."
            ) from error
    module = factory(width, n_units, **options)
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"the encoder of modality {name!r} must return a torch.nn.Module; got {module!r}."
        )
    return module


def _check_output(module: nn.Module, name: str, width: int, n_units: int) -> None:
    """Raise unless the module maps (2, width) to (2, n_units)."""
    was_training = module.training
    module.eval()
    with torch.no_grad():
        try:
            shape = tuple(module(torch.zeros(2, width)).shape)
        except Exception as error:
            error.add_note(
                f"The encoder of modality {name!r} was called with zeros of shape (2, {width}): "
                f"two samples of its {width} columns. It must map them to (2, {n_units}), the "
                "second being n_units."
            )
            raise
    module.train(was_training)
    if shape != (2, n_units):
        raise ValueError(
            f"the encoder of modality {name!r} maps (2, {width}) to {shape}; it must map to "
            f"(2, {n_units}), the second being n_units."
        )
