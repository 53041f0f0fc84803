"""Documentation of the parameters that the estimators share."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent, wrap
from typing import TypeVar

from sklearn_align.fusion._parameters import PASSED_ON, TOPICS, owned_by

Estimator = TypeVar("Estimator", bound=type)

_MODALITIES = """\
    modalities : dict, default=None
        Which columns of X belong to which modality: name to width (the blocks lie one after the
        other), or name to slice, list of positions, column name, pattern such as "img_*", list of
        names and patterns, or callable such as :func:`~sklearn.compose.make_column_selector`, which
        takes the DataFrame X of ``fit`` and returns columns. None makes all columns one modality.
        A block whose values are all NaN is absent from that sample.
"""
_ENCODER_PARAMETERS = """\
    encoders : str, callable or dict, default="mlp"
        Encoder of all modalities, or by modality: "identity", "linear", "mlp", a name given to
        :func:`~sklearn_align.fusion.register_encoder`, a ``torch.nn.Module`` from the block's
        width to `n_units`, or a callable that makes one from ``(width, n_units, **options)``.

    n_units : int, default=128
        Width of the common space.

    hidden_sizes : tuple of int, default=(256,)
        Hidden layers of the "mlp" encoder.
"""
_GATE_PARAMETERS = """\
    gate_hidden : int or sequence of int, default=64
        Width of the gate's hidden layer, or widths of several: (1024, 512) has two layers.

    gate_activation : {"softmax", "sigmoid"}, default="softmax"
        How the gate's scores become weights.

    gate_temperature, min_gate_temperature : float, default=2.0 and 1.5
        Initial temperature of the gate, and its lower bound.
"""
_TRAINING_PARAMETERS = """\
    partial_missing : {"raise", "impute"}, default="raise"
        What to do about blocks that are NaN in part: raise, or fill with column means.

    remainder : {"raise", "drop"}, default="raise"
        What to do about columns that `modalities` does not name: raise, or leave them out, when
        they may hold anything, also text.

    standardize : bool, dict or list of str, default=True
        Whether to scale every column to mean 0 and variance 1 over the samples that have it; by
        modality as a dict of name to bool (True for those not named), or as the list of the
        modalities to scale. Token ids, for example, are not to be scaled.

    lr : float, default=1e-3
        Learning rate.

    gate_lr : float, default=None
        Learning rate of the gate, which has no weight decay; None takes `lr`.

    weight_decay : float, default=0.01
        Weight decay of everything but the gate.

    max_epochs : int, default=60
        Largest number of epochs.

    batch_size : int or "auto", default=128
        Samples of a training batch; "auto" is a quarter of the samples, but 32 to 128, which gives
        small data more steps. skorch's ProgressBar then needs ``batches_per_epoch="count"``.

    gradient_clip : float, default=1.0
        Largest norm of the gradient; None does not clip.

    lr_schedule : {"cosine", "constant"}, default="cosine"
        Whether the learning rate falls to 0 over `max_epochs`.

    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved for `patience` epochs, and to
        restore the best weights; with a warning of no effect without validation samples. With a
        learning rate that falls to 0, the last weights are usually the best.

    patience : int, default=15
        Number of epochs without improvement.

    min_delta : float, default=1e-4
        Least improvement.

    optimizer : type, default=torch.optim.AdamW
        Optimizer; ``optimizer__`` parameters are passed to it.

    module : type, default={module}
        Network; ``module__`` parameters are passed to it.

    criterion : type, default={criterion}
        Loss; ``criterion__`` parameters are passed to it.

    iterator_train, iterator_valid : type, default=TensorBatches
        Make the batches; ``iterator_train__`` parameters are passed on.

    train_split : "auto", callable or None, default="auto"
        How validation samples are split off: "auto" holds out a tenth, stratified by class if there
        are classes, of 200 samples or more, and of fewer if `early_stopping` or a callback reads
        validation figures; a callable works as in skorch; None holds out none.

    callbacks : list or "disable", default=None
        skorch callbacks, in addition to those that other parameters ask for; "disable" turns all
        of them off. Those of scikit-learn are given to ``set_callbacks``.

    warm_start : bool, default=False
        Whether ``fit`` continues the training of a fitted estimator.

    verbose : int, default=0
        1 prints a line per epoch, with the loss and its first term, on 100 columns; 2 prints all
        figures of `history_`.

    device : str, torch.device or None, default="cpu"
        Where to compute, such as "cuda". None leaves it to skorch's AccelerateMixin, which adds
        mixed precision and several GPUs.

    compile : bool, default=False
        Whether to compile the network with ``torch.compile``.

    random_state : int, RandomState or None, default=None
        Seeds initial weights, batches, dropout, masking and the split. torch's own generators are
        left as they were.
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
