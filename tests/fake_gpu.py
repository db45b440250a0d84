"""A GPU that computes nothing: every tensor has a shape, a type and a device, and no numbers.

Where tensors of two devices meet, torch refuses as it would on a real one. What reads a number out
of a tensor gets True, or 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from diffusion.sampler import GuidedSampler


@contextmanager
def fake_gpu(*networks: nn.Module, sampler: GuidedSampler) -> Iterator[None]:
    """Within this context the networks are on it, for good; whatever else is made is not."""
    # Noise levels are numbers, not tensors: read while there are any.
    levels = [sampler.level(step) for step in range(sampler.num_steps)]
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(mock.patch.object(Tensor, "__bool__", lambda _: True))
        stack.enter_context(mock.patch.object(Tensor, "__int__", lambda _: 0))
        stack.enter_context(mock.patch.object(GuidedSampler, "level", lambda _, step: levels[step]))
        for network in networks:
            network._apply(lambda t: torch.empty(t.shape, dtype=t.dtype, device="cuda"))
        yield
