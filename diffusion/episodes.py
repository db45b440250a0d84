"""Whole episodes: play a rule, a policy or a schedule through the environment, and keep it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class Playing:
    """One batch of episodes under way; may be put aside and taken up again.

    Args:
        environment: Plays them; it must not be used for anything else meanwhile.
        state: (N, 6) to act on now.
    """

    def __init__(self, environment: GuidanceEnvironment, state: Tensor) -> None:
        self.environment = environment
        self.states, self.actions = [state], list[Tensor]()
        self._rewards, self._guidance = list[Tensor](), list[Tensor]()
        self._terms = list[dict[str, Tensor]]()

    @classmethod
    def start(cls, environment: GuidanceEnvironment, latents: Tensor, labels: Tensor) -> Playing:
        """Begin a batch."""
        return cls(environment, environment.reset(latents, labels))

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.actions)

    @property
    def done(self) -> bool:
        """Whether every picture is finished."""
        return self.step == self.environment.num_steps

    @torch.no_grad()
    def advance(self, action: Tensor) -> None:
        """Take one step with actions (N,), clipped here."""
        self.actions.append(self.environment.clip_actions(action))
        result = self.environment.step(self.actions[-1])
        self.states.append(result.state)
        self._rewards.append(result.reward)
        self._guidance.append(result.guidance)
        self._terms.append(result.terms)

    def tensors(self) -> dict[str, Tensor]:
        """The environment and all steps so far."""
        kept = {f"environment/{name}": t for name, t in self.environment.tensors().items()}
        kept["states"] = torch.stack(self.states)
        if not self.actions:
            return kept
        history = {
            "actions": torch.stack(self.actions),
            "rewards": torch.stack(self._rewards),
            "guidance": torch.stack(self._guidance),
        }
        terms = {f"terms/{name}": torch.stack(column) for name, column in self._columns().items()}
        return kept | history | terms

    @classmethod
    def restore(cls, environment: GuidanceEnvironment, tensors: Mapping[str, Tensor]) -> Playing:
        """Take up what `tensors` gave."""
        environment.restore(_below(tensors, "environment/"))
        playing = cls(environment, tensors["states"][-1])
        if "actions" in tensors:
            playing.states = list(tensors["states"])
            playing.actions = list(tensors["actions"])
            playing._rewards = list(tensors["rewards"])
            playing._guidance = list(tensors["guidance"])
            terms = _below(tensors, "terms/")
            playing._terms = [
                {name: column[step] for name, column in terms.items()}
                for step in range(playing.step)
            ]
        return playing

    def episode(self) -> Episode:
        """The finished batch."""
        return Episode(
            states=torch.stack(self.states[:-1]),
            actions=torch.stack(self.actions),
            guidance=torch.stack(self._guidance),
            rewards=torch.stack(self._rewards),
            terms={name: torch.stack(col).sum(dim=0) for name, col in self._columns().items()},
            log_probability=self.environment.final_log_probability,
            images=self.environment.final_images,
        )

    def _columns(self) -> dict[str, list[Tensor]]:
        return {name: [terms[name] for terms in self._terms] for name in self._terms[0]}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _play_batch(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    act: Act,
) -> Episode:
    playing = Playing.start(environment, latents, labels)
    while not playing.done:
        with torch.no_grad():
            action = act(playing.step, playing.states[-1])
        playing.advance(action)
    return playing.episode()
