"""Documentation of the parameters that the estimators share."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent, wrap
from typing import TypeVar

from sklearn_align.fusion._parameters import PASSED_ON, TOPICS, owned_by

Estimator = TypeVar("Estimator", bound=type)

_MODALITIES = """\
    modalities : dict, default=None
        Columns of X that belong to each modality: name to width (the blocks lie one after the
        other), or name to slice, list of positions, column name, pattern such as "img_*", list of
        names and patterns, selector of polars, or callable such as
        :func:`~sklearn.compose.make_column_selector`, which takes the DataFrame X of ``fit`` and
        returns columns. With None, all columns are one modality. If all values of a block are NaN
        or null in a sample, the modality is absent from this sample.
"""
_ENCODER_PARAMETERS = """\
    encoders : str, callable or dict, default="mlp"
        Encoder of all modalities, or a dict of encoders by modality: "identity", "linear", "mlp", a
        name that was passed to :func:`~sklearn_align.fusion.register_encoder`, a
        ``torch.nn.Module`` from the width of the block to `n_units`, or a callable that makes such
        a module from ``(width, n_units)``. The callable also gets those of the arguments
        ``hidden_sizes``, ``activation`` and ``dropout`` that it takes.

    n_units : int, default=128
        Width of the common space.

    hidden_sizes : tuple of int, default=(256,)
        Hidden layers of the "mlp" encoder.
"""
_GATE_PARAMETERS = """\
    gate_hidden : int or sequence of int, default=64
        Width of the gate's hidden layer, or widths of several layers: (1024, 512) has two layers.

    gate_activation : {"softmax", "sigmoid"}, default="softmax"
        Function that converts the gate's scores to weights.

    gate_temperature, min_gate_temperature : float, default=2.0 and 1.5
        Initial temperature of the gate, and lower bound of this temperature.
"""
_TRAINING_PARAMETERS = """\
    partial_missing : {"raise", "impute"}, default="raise"
        Treatment of blocks in which only some values are NaN: raise an error, or replace these
        values by column means.

    remainder : {"raise", "drop"}, default="raise"
        Treatment of columns that belong to no modality: raise an error, or leave them out. Columns
        that are left out may hold anything, also text.

    standardize : bool, dict or list of str, default=True
        Whether to scale every column to mean 0 and variance 1 over the samples in which it is
        present. It may also be a dict of modality name to bool (True for modalities that are not in
        the dict), or a list of the modalities to scale. Token ids, for example, must not be scaled.

    lr : float, default=1e-3
        Learning rate.

    gate_lr : float, default=None
        Learning rate of the gate, which has no weight decay; None uses `lr`.

    weight_decay : float, default=0.01
        Weight decay of all parts except the gate.

    max_epochs : int, default=60
        Maximum number of epochs.

    batch_size : int or "auto", default=128
        Number of samples of a training batch. "auto" is a quarter of the samples, at least 32 and
        at most 128, so that small data sets have more steps. With "auto", skorch's ProgressBar
        needs ``batches_per_epoch="count"``.

    gradient_clip : float, default=1.0
        Maximum norm of the gradient; None does not clip the gradient.

    lr_schedule : {"cosine", "constant"}, default="cosine"
        "cosine": the learning rate decreases to 0 over `max_epochs`. "constant": it does not
        change.

    early_stopping : bool, default=False
        Whether to stop if the validation loss has not improved for `patience` epochs, and to
        restore the best weights. Without validation samples, it has no effect, and a warning is
        issued. If the learning rate decreases to 0, the last weights are usually the best.

    patience : int, default=15
        Number of epochs without improvement.

    min_delta : float, default=1e-4
        Smallest decrease of the loss that counts as an improvement.

    optimizer : type, default=torch.optim.AdamW
        Optimizer; ``optimizer__`` parameters are passed to it.

    module : type, default={module}
        Network; ``module__`` parameters are passed to it.

    criterion : type, default={criterion}
        Loss; ``criterion__`` parameters are passed to it.

    iterator_train, iterator_valid : type, default=TensorBatches
        Iterators over the batches; ``iterator_train__`` and ``iterator_valid__`` parameters are
        passed to them.

    train_split : "auto", callable or None, default="auto"
        Split of the validation samples. With 200 samples or more, "auto" holds out a tenth,
        stratified by class if there are classes. With fewer samples, it holds out a tenth only if
        `early_stopping` or a callback needs validation samples. A callable works as in skorch. None
        holds out no samples.

    callbacks : list or "disable", default=None
        skorch callbacks, in addition to the callbacks that other parameters add. "disable" turns
        off all skorch callbacks. Callbacks of scikit-learn are passed to ``set_callbacks``.

    warm_start : bool, default=False
        Whether ``fit`` continues the training of a fitted estimator.

    verbose : int, default=0
        1 prints a line of at most 100 characters per epoch, with the loss and its first term; 2
        prints all values of `history_`.

    device : str, torch.device or None, default="cpu"
        Device of the computation, such as "cuda". With None, skorch's AccelerateMixin determines
        the device; it adds mixed precision and several GPUs.

    compile : bool, default=False
        Whether to compile the network with ``torch.compile``.

    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches, dropout, masking and the split. The state of torch's own
        generators is restored.
"""


def topics_of(owner: str) -> str:
    """List of topics with the parameters of an estimator, as its docstring has it."""
    lines = ["Parameters by topic:", ""]
    for topic, names in TOPICS.items():
        quoted = [f"`{name}`" for name in names if name in owned_by(owner)]
        quoted += ["`**kwargs`"] * (topic == PASSED_ON)
        if quoted:
            text = f"- {topic}: {', '.join(quoted)}"
            lines += wrap(text, 96, subsequent_indent="  ", break_long_words=False)
    return indent("\n".join(lines), "    ").strip()


def document_training(*, module: str, criterion: str) -> Callable[[Estimator], Estimator]:
    """Fill the shared parameters into the docstring of an estimator."""

    def fill(cls: Estimator) -> Estimator:
        text = _TRAINING_PARAMETERS.strip().replace("{module}", module)
        text = text.replace("{criterion}", criterion)
        if cls.__doc__ is not None:  # Python leaves docstrings out with -OO.
            doc = cls.__doc__.replace("{training_parameters}", text)
            doc = doc.replace("{topics}", topics_of(cls.__name__))
            doc = doc.replace("{modalities}", _MODALITIES.strip())
            doc = doc.replace("{encoder_parameters}", _ENCODER_PARAMETERS.strip())
            cls.__doc__ = doc.replace("{gate_parameters}", _GATE_PARAMETERS.strip())
        return cls

    return fill
