from __future__ import annotations

import itertools
import math

import pytest

from sklearn_align.fusion._schedules import entropy_schedule, linear_ramp

SETTING = {"weight": 0.2, "free_epochs": 3, "warmup_epochs": 4, "max_epochs": 20}


def test_ramp_edges():
    assert linear_ramp(-1, 5) == 0.0
    assert linear_ramp(0, 5) == pytest.approx(0.2)
    assert linear_ramp(4, 5) == 1.0
    assert linear_ramp(100, 5) == 1.0
    assert linear_ramp(0, 0) == 1.0


def test_entropy_weight_at_the_edges():
    values = [entropy_schedule(epoch, **SETTING) for epoch in range(25)]
    assert values[:3] == [0.0, 0.0, 0.0]
    assert values[3:7] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert max(values) == pytest.approx(0.2)
    middle = 6 + (20 - 6) / 2
    assert values[int(middle)] == pytest.approx(0.1)
    assert values[19] == pytest.approx(0.1 * (1 + math.cos(math.pi * 13 / 14)))
    assert values[20] == 0.0


def test_entropy_weight_does_not_increase_after_its_maximum():
    """Neither in the cosine nor after the last epoch."""
    values = [entropy_schedule(epoch, **SETTING) for epoch in range(6, 100)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(values))
    assert values[14:] == [0.0] * len(values[14:])


@pytest.mark.parametrize("warmup_epochs", [0, 1])
def test_without_warmup_the_first_weight_is_the_largest(warmup_epochs):
    setting = {**SETTING, "free_epochs": 0, "warmup_epochs": warmup_epochs}
    assert entropy_schedule(0, **setting) == pytest.approx(0.2)


@pytest.mark.parametrize("max_epochs", [1, 2, 5])
def test_short_trainings_are_defined(max_epochs):
    setting = {"weight": 1.0, "free_epochs": 0, "warmup_epochs": 5, "max_epochs": max_epochs}
    values = [entropy_schedule(epoch, **setting) for epoch in range(8)]
    assert all(0 <= value <= 1 for value in values)
    assert values[max_epochs:] == [0.0] * (8 - max_epochs)
