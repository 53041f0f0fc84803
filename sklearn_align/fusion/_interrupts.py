"""Trainings that end early: on purpose, or by Ctrl-C."""

from __future__ import annotations

import dis
from typing import TYPE_CHECKING

from skorch.callbacks import Callback

from sklearn_align.exceptions import TrainingInterruptedWarning, warn_user

if TYPE_CHECKING:
    from types import FrameType

    from sklearn_align.fusion._net import AECFNet

_BETWEEN_EPOCHS = {"on_epoch_begin", "on_epoch_end"}


def is_deliberate(interrupt: KeyboardInterrupt, net: AECFNet) -> bool:
    """Tell whether a callback ends the training between two epochs, by a ``raise`` of its own.

    Ctrl-C raises after any instruction, also inside of callbacks, or in a handler of the user.
    """
    frames: list[tuple[FrameType, int]] = []
    traceback = interrupt.__traceback__
    while traceback is not None:
        frames.append((traceback.tb_frame, traceback.tb_lasti))
        traceback = traceback.tb_next
    frame, position = frames[-1]
    code = frame.f_code
    raised = dis.opname[code.co_code[position]] == "RAISE_VARARGS"
    raiser = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    callbacks = [callback for _, callback in net.callbacks_]
    own = isinstance(raiser, Callback) or any(raiser is other for other in [net, *callbacks])
    return raised and own and any(frame.f_code.co_name in _BETWEEN_EPOCHS for frame, _ in frames)


def finished_part(net: AECFNet, n_before: int, epochs: int) -> str | None:
    """Drop an unfinished epoch from the history and say what is finished, if any batch is."""
    batches = [batch for epoch in net.history[n_before:] for batch in epoch["batches"]]
    if not any("train_batch_size" in batch for batch in batches):
        return None
    n_finished = net._epoch_log.n_finished
    del net.history[n_before + n_finished :]
    return f"{n_finished} of {epochs} epochs were finished"


def warn_of_interrupt(finished: str | None, *, calibrated: bool = True) -> None:
    """Warn of a training that Ctrl-C ended, if one was."""
    if finished is None:
        return
    rest = "" if calibrated else " The temperature was not fitted: call calibrate."
    warn_user(
        f"the training was interrupted: {finished}. The network has the weights of the last step; "
        f"partial_fit continues the training.{rest}",
        TrainingInterruptedWarning,
    )
