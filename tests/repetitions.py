"""How often tests with random inputs and interrupts repeat."""

from __future__ import annotations

import os


def repetitions(usual: int, long: int) -> int:
    """Return `usual`, or `long` where the environment asks for the long run of the tests."""
    return long if os.environ.get("SKLEARN_ALIGN_LONG_TESTS") == "1" else usual
