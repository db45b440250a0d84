"""Threads of torch: one for the circuit and its small networks, several for pictures.

The small matrices of an update gain nothing from a second thread. A batch of pictures through the
denoiser does (1.4 times on two cores), and comes out the same bit for bit: torch shares the batch
out by whole pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

MOST = 4
"""More are not worth their synchronisation for a hundred small pictures."""

_ALLOWED = torch.get_num_threads()
"""What torch takes of itself: the cores, or OMP_NUM_THREADS where that is set."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Within this context, or the function it decorates, torch takes one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def for_pictures() -> Iterator[None]:
    """Within this context, torch takes every allowed core, up to `MOST`."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(_ALLOWED, MOST))
    try:
        yield
    finally:
        torch.set_num_threads(before)
