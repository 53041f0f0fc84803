"""Fixtures of the tests of trainings."""

import signal

import pytest


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Have Ctrl-C raise KeyboardInterrupt; a process in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
