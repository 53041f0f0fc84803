"""Warning for samples whose lengths are not those of the samples that fit has seen."""

from __future__ import annotations

import numpy as np

from sklearn_align._typing import FloatArray
from sklearn_align.alignment._normalizer import CentredNormalizer, sample_lengths
from sklearn_align.alignment._recipes import NORMALIZER
from sklearn_align.exceptions import SampleLengthWarning, warn_user


def warn_unless_as_long(name: str, X: FloatArray, normalizer: CentredNormalizer) -> None:
    """Warn when samples are longer, shorter or more equal in length than those of the space."""
    problem = unlike_lengths(name, X, normalizer)
    if problem is not None:
        warn_user(problem, SampleLengthWarning)


def unlike_lengths(name: str, X: FloatArray, normalizer: CentredNormalizer) -> str | None:
    """Say how the lengths of samples differ from those of the space, None if they do not.

    Spaces whose samples are scaled to unit length before they are centred are left alone, and so
    are samples that are not finite, which cause an error elsewhere.
    """
    low, median, high = normalizer.raw_lengths
    if normalizer.directions or len(X) == 0 or median == 0:
        return None
    some = X[:: -(-len(X) // NORMALIZER.n_checked_samples)]
    if not np.isfinite(some).all():
        return None
    lengths = sample_lengths(some)
    lengths = lengths[lengths > 0]
    if len(lengths) == 0:
        return None
    typical = float(np.median(lengths))
    few = len(lengths) < NORMALIZER.min_checked_samples
    if normalizer.length is not None:
        factor = NORMALIZER.equal_length_factor
    else:
        factor = NORMALIZER.few_lengths_factor if few else NORMALIZER.length_factor
    unlike = not low / factor <= typical <= high * factor
    spread = float(np.ptp(np.quantile(lengths, NORMALIZER.tails)))
    equal = (
        not few
        and spread <= NORMALIZER.equal_length_tolerance * typical
        and high - low > 10 * NORMALIZER.equal_length_tolerance * median
    )
    if not (unlike or equal):
        return None
    seen = f"{median:.3g}"
    if normalizer.length is None:
        seen += f" (mostly {low:.3g} to {high:.3g})"
    here = f"{'a common' if equal else 'the'} length {typical:.3g}"
    return (
        f"The samples of {name} have {here}, but the samples of fit have the length {seen}. The "
        "mean of fit is wrong for such samples. Pass vectors of the same kind as in fit. If a "
        "store normalizes its vectors, fit on normalized vectors."
    )
