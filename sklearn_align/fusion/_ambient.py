"""What torch holds for the whole process or thread: generators, modes, defaults, threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from threadpoolctl import ThreadpoolController

_CPU = torch.device("cpu")
# Products of weights and samples of a batch up to which a second thread costs more than it saves.
MOST_WORK_OF_ONE_THREAD = 2e8


class _Drawing:
    """One thread of the process at a time draws from torch's generators, which all share."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take a new lock, as a forked process must: the thread that held it is not there."""
        self.lock = threading.RLock()


_drawing = _Drawing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawing.renew)


@contextmanager
def seeded(
    random_state: Any, device: str | torch.device | None, n_epochs: int = 0
) -> Iterator[None]:
    """Draw everything from `random_state` and leave torch's generators as they are.

    Dropout and initialization know no other generators than those of the process, so that one
    thread at a time may be in here. Further training continues after `n_epochs`, and must not
    repeat their draws.
    """
    # Without a device of our own, as under skorch's AccelerateMixin, it may be the GPU in use.
    used = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with _drawing.lock, torch.random.fork_rng(devices=[used] if used.type == "cuda" else []):
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        if used.type == "cpu":
            # torch.manual_seed would seed the generators of all devices.
            torch.default_generator.manual_seed(seed + n_epochs)
        else:
            torch.manual_seed(seed + n_epochs)
        yield


@contextmanager
def kept_generator() -> Iterator[None]:
    """Leave torch's generator as it is, whatever draws from it in here.

    The state that is put back would be that of another thread's training, so that one thread at a
    time may be in here or in :func:`seeded`.
    """
    with _drawing.lock, torch.random.fork_rng(devices=[]):
        yield


class _Float32Default:
    """Hold torch's default of number types at float32 while any thread needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: set[object] = set()
        self._before = torch.float32

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set float32 on entry of the first user and put the default back with the last one."""
        user = object()
        try:
            with self._lock:
                if not self._users:
                    self._before = torch.get_default_dtype()
                self._users.add(user)
                if self._before != torch.float32:
                    torch.set_default_dtype(torch.float32)
            yield
        finally:
            with self._lock:
                self._users.discard(user)
                if not self._users and self._before != torch.float32:
                    torch.set_default_dtype(self._before)

    def renew(self) -> None:
        """Forget the threads that a forked process does not have."""
        if self._users and self._before != torch.float32:
            torch.set_default_dtype(self._before)
        self._lock, self._users = threading.Lock(), set()


_float32_default = _Float32Default()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_float32_default.renew)


@contextmanager
def few_threads(work: float, device: str | torch.device | None) -> Iterator[None]:
    """Compute on one thread where `work`, weights times samples of a batch, is too little for more.

    Waiting for a second thread costs more than it saves, many times more on a busy machine. The
    number belongs to the calling thread: others, and threads that start meanwhile, keep theirs.
    """
    on_cpu = device is not None and torch.device(device).type == "cpu"
    if not on_cpu or work > MOST_WORK_OF_ONE_THREAD or torch.get_num_threads() == 1:
        yield
        return
    with _openmp().limit(limits=1):
        yield


@cache
def _openmp() -> ThreadpoolController:
    """Find torch's OpenMP among the libraries that are loaded, which takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def plain_torch() -> Iterator[None]:
    """Shield a computation from the caller's inference mode and default device and number type."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_float32_default.held())
        if torch.get_default_device() != _CPU:
            stack.enter_context(_CPU)
        yield
