"""Numbers of classes, labels and targets that the user has declared."""

from __future__ import annotations

from sklearn_align._columns import shortened
from sklearn_align.fusion._targets import ClassTargets, Targets


def check_number_of_outputs(
    targets: Targets, num_classes: int | None, num_targets: int | None
) -> None:
    """Raise if the targets have another number of classes, labels or columns than was declared."""
    found = targets.n_outputs
    if num_classes is not None and num_classes != found and isinstance(targets, ClassTargets):
        raise ValueError(
            f"num_classes={num_classes!r}, but there are {found} classes, "
            f"{shortened(targets.classes.tolist())}: set num_classes={found} or None, or correct y."
            " If y does not hold all classes, name them in a first call of partial_fit, with "
            f"classes=[...] of length {num_classes}."
        )
    if num_classes is not None and num_classes != found:
        raise ValueError(
            f"num_classes={num_classes!r}, but y has {found} labels, one for each column: set "
            f"num_classes={found} or None, or correct y."
        )
    if num_targets is not None and num_targets != found:
        raise ValueError(
            f"num_targets={num_targets!r} (num_classes of an AECFConfig), but y has {found} "
            f"targets: set num_targets={found} or None, or correct y."
        )
