"""``fit`` and ``partial_fit``: checks, samples, tasks of callbacks, training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from sklearn_align.fusion._groups import prepare_grouped
from sklearn_align.fusion._parameters import check_epochs, check_parameters
from sklearn_align.fusion._preprocessing import prepare_training
from sklearn_align.fusion._progress import reported_fit
from sklearn_align.fusion._routed import check_arguments

if TYPE_CHECKING:
    from sklearn_align.fusion._net import AECFNet


def fit_net(
    net: AECFNet,
    X: ArrayLike,
    y: Any,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    *,
    unused_y: Any = None,
) -> Any:
    """Check everything and train for `max_epochs`; callbacks of scikit-learn see the tasks.

    Callbacks also get an `unused_y`, which the training does not.
    """
    check_arguments(net)
    check_parameters(net)
    start = not (net.warm_start and net.initialized_)
    samples = prepare_grouped(net, X, y, sample_weight, groups, reset=start)
    cross_fit = start and isinstance(net.calibration, str)
    y_given = unused_y if y is None else y
    with reported_fit(net, X, y_given, sample_weight, cross_fit=cross_fit):
        return net._train(*samples, epochs=net.max_epochs, start=start)


def partial_fit_net(
    net: AECFNet,
    X: ArrayLike,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    epochs: int,
    classes: ArrayLike | None = None,
) -> Any:
    """Check everything and train further, or for the first time, for some epochs."""
    check_epochs(epochs)
    check_arguments(net)
    check_parameters(net)
    start = not net.initialized_
    samples = prepare_training(net, X, y, sample_weight, reset=start, classes=classes)
    return net._train(*samples, epochs=int(epochs), start=start)
