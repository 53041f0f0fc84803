"""Tasks of a ``fit``, as the callbacks of scikit-learn see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sklearn.callback import CallbackContext
from skorch.history import History

from sklearn_align.fusion._ambient import kept_generator
from sklearn_align.fusion._temperature import MAX_FOLDS

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet


class FitTasks:
    """Reports the tasks below one task of a fit: its epochs, or trainings that have epochs.

    Without a `context`, as in ``partial_fit``, nothing is reported. `data` holds the arguments
    `X`, `y` and `metadata` of the hooks as they were given to ``fit``; networks of the
    cross-fitting, which see other samples, have none.
    """

    def __init__(
        self, context: CallbackContext | None = None, data: dict[str, Any] | None = None
    ) -> None:
        self._context = context
        self._data = {} if data is None else data
        self._epoch: CallbackContext | None = None

    def begin_epoch(self, net: AECFNet) -> None:
        """Report that an epoch begins, once the history has an entry for it."""
        if self._context is not None:
            self._epoch = self._context.subcontext(task_name="epoch")
            _report_begin(self._epoch, net, self._data)

    def end_epoch(self, net: AECFNet) -> bool:
        """Report that the epoch is over, with its figures; True if a callback ends the training."""
        epoch, self._epoch = self._epoch, None
        return epoch is not None and _report_end(epoch, net, self._data)

    @contextmanager
    def main_training(self, net: AECFNet, epochs: int, *, apart: bool) -> Iterator[None]:
        """Make the training of the estimator's own network a task below this one, if `apart`."""
        with self._training(net, "training", epochs, self._data) if apart else nullcontext():
            yield

    @contextmanager
    def fold_training(self, fold: AECFNet, epochs: int) -> Iterator[None]:
        """Make the training of a network of the cross-fitting a task below this one."""
        with self._training(fold, "calibration fold", epochs, {}):
            yield

    @contextmanager
    def _training(
        self, net: AECFNet, name: str, epochs: int, data: dict[str, Any]
    ) -> Iterator[None]:
        if self._context is None:
            yield
            return
        context = self._context.subcontext(task_name=name, max_subtasks=epochs)
        _report_begin(context, net, data)
        before, net._tasks = net._tasks, FitTasks(context, data)
        yield
        net._tasks = before
        _report_end(context, net, data)


@contextmanager
def reported_fit(
    net: AECFNet, X: Any, y: Any, sample_weight: Any, *, cross_fit: bool
) -> Iterator[None]:
    """Report a fit; its subtasks are epochs or, with `cross_fit`, the trainings of networks.

    An exception leaves the task open, as in scikit-learn, whose decorator of ``fit`` calls the
    callbacks' `teardown` in any case.
    """
    max_subtasks = 1 + MAX_FOLDS if cross_fit else net.max_epochs
    context = net._init_callback_context(max_subtasks=max_subtasks)
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    data = {"X": X, "y": y, "metadata": metadata}
    _report_begin(context, net, data)
    net._tasks = FitTasks(context, data)
    yield
    del net._tasks
    _report_end(context, net, data)


def _report_begin(context: CallbackContext, net: AECFNet, data: dict[str, Any]) -> None:
    # What callbacks draw from torch's generator must not change the training.
    with kept_generator():
        context.call_on_fit_task_begin(estimator=net, **data)


def _report_end(context: CallbackContext, net: AECFNet, data: dict[str, Any]) -> bool:
    state = (lambda: _state_now(net)) if data else None
    with kept_generator():
        return bool(
            context.call_on_fit_task_end(estimator=net, reconstruction_attributes=state, **data)
        )


def _state_now(net: AECFNet) -> dict[str, Any]:
    """Return what a copy of a net in training, with its own network, must not share with it."""
    return {"history_": History(list(net.history)), "_tasks": FitTasks()}
