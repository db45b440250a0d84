"""Whole episodes: play a rule, a policy or a schedule through the environment, and keep it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from diffusion.environment import GuidanceEnvironment

Act = Callable[[int, Tensor], Tensor]
"""Given the step i and the states (n, 6) of a batch, the actions (n,)."""


@dataclass(frozen=True)
class Episode:
    """N trajectories from noise to picture.

    Attributes:
        states: (T, N, 6) states acted on.
        actions: (T, N) clipped actions.
        guidance: (T, N) guidance applied.
        rewards: (T, N).
        terms: Name to (N,), each reward term summed over the steps.
        log_probability: (N,) the proxy's final log p(y | x_0), not capped.
        images: (N, c, H, W) in [0, 1].
    """

    states: Tensor
    actions: Tensor
    guidance: Tensor
    rewards: Tensor
    terms: dict[str, Tensor]
    log_probability: Tensor
    images: Tensor

    @property
    def returns(self) -> Tensor:
        """Undiscounted return (N,) of every trajectory."""
        return self.rewards.sum(dim=0)

    @classmethod
    def concatenate(cls, parts: Sequence[Episode]) -> Episode:
        """Join batches of episodes along N."""
        return cls(
            states=torch.cat([p.states for p in parts], dim=1),
            actions=torch.cat([p.actions for p in parts], dim=1),
            guidance=torch.cat([p.guidance for p in parts], dim=1),
            rewards=torch.cat([p.rewards for p in parts], dim=1),
            terms={k: torch.cat([p.terms[k] for p in parts]) for k in parts[0].terms},
            log_probability=torch.cat([p.log_probability for p in parts]),
            images=torch.cat([p.images for p in parts]),
        )


def play(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    act: Act,
    batch_size: int = 64,
) -> Episode:
    """Play whole episodes under a rule, a policy or a schedule.

    Args:
        environment: Is reset for every batch.
        latents: (N, C, H, W).
        labels: (N,).
        act: Turns the step and the states of a batch into actions.
        batch_size: Trajectories in one forward; 64 is fastest on one core.
    """
    parts = []
    for start in range(0, latents.shape[0], batch_size):
        part = slice(start, start + batch_size)
        parts.append(_play_batch(environment, latents[part], labels[part], act))
    return Episode.concatenate(parts)


def play_schedule(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    guidance: Tensor,
    batch_size: int = 64,
) -> Episode:
    """Play whole episodes open-loop, with the environment's limits on action and guidance.

    Args:
        environment: Is reset for every batch.
        latents: (N, C, H, W).
        labels: (N,).
        guidance: (T,) or (T, N) guidance scales, as in ``diffusion.schedules``.
        batch_size: Trajectories in one forward.
    """
    count = latents.shape[0]
    table = guidance[:, None] if guidance.ndim == 1 else guidance
    actions = (table - environment.cfg_base).expand(environment.num_steps, count)
    parts = []
    for start in range(0, count, batch_size):
        part = slice(start, start + batch_size)
        follow = partial(_follow, actions[:, part])
        parts.append(_play_batch(environment, latents[part], labels[part], follow))
    return Episode.concatenate(parts)


def _follow(actions: Tensor, step: int, states: Tensor) -> Tensor:
    return actions[step].to(states)


def _play_batch(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    act: Act,
) -> Episode:
    states, actions, results = [environment.reset(latents, labels)], [], []
    for step in range(environment.num_steps):
        with torch.no_grad():
            actions.append(environment.clip_actions(act(step, states[-1])))
        results.append(environment.step(actions[-1]))
        states.append(results[-1].state)
    names = results[0].terms
    return Episode(
        states=torch.stack(states[:-1]),
        actions=torch.stack(actions),
        guidance=torch.stack([r.guidance for r in results]),
        rewards=torch.stack([r.reward for r in results]),
        terms={k: torch.stack([r.terms[k] for r in results]).sum(dim=0) for k in names},
        log_probability=environment.final_log_probability,
        images=environment.final_images,
    )
