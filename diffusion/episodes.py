"""Whole episodes: play a rule, a policy or a schedule through the environment, and keep it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from diffusion.environment import GuidanceEnvironment

Act = Callable[[int, Tensor], Tensor]
"""Given the step i and the states (n, F) of a batch, the actions (n,)."""


@dataclass(frozen=True)
class Episode:
    """N trajectories from noise to picture.

    Attributes:
        states: (T, N, F) states acted on.
        actions: (T, N) clipped actions.
        guidance: (T, N) guidance applied.
        rewards: (T, N).
        terms: Name to (N,), each reward term summed over the steps.
        log_probability: (N,) the proxy's final log p(y | x_0), not capped.
        images: (N, c, H, W) in [0, 1].
        latents: (N, C, H, W), clean; what `images` were decoded from.
    """

    states: Tensor
    actions: Tensor
    guidance: Tensor
    rewards: Tensor
    terms: dict[str, Tensor]
    log_probability: Tensor
    images: Tensor
    latents: Tensor

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
            latents=torch.cat([p.latents for p in parts]),
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
        environment: Plays them; reset for every batch.
        latents: (N, C, H, W).
        labels: (N,).
        act: Turns the step and the states of a batch into actions.
        batch_size: Trajectories in one forward; 64 is fastest on one core.
    """
    return _play_batches(environment, latents, labels, lambda _part: act, batch_size)


def play_schedule(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    guidance: Tensor,
    batch_size: int = 64,
) -> Episode:
    """Play whole episodes open-loop, with the environment's limits on action and guidance.

    Args:
        environment: Plays them; reset for every batch.
        latents: (N, C, H, W).
        labels: (N,).
        guidance: (T,) or (T, N) guidance scales, as in ``diffusion.schedules``.
        batch_size: Trajectories in one forward.
    """
    count = latents.shape[0]
    table = guidance[:, None] if guidance.ndim == 1 else guidance
    actions = (table - environment.cfg_base).expand(environment.num_steps, count)

    def follow(part: slice) -> Act:
        return lambda step, states: actions[step, part].to(states)

    return _play_batches(environment, latents, labels, follow, batch_size)


@dataclass
class Playing:
    """A batch of episodes under way, in lockstep; may be put aside and taken up again.

    Attributes:
        environment: Plays them; it must not be used for anything else meanwhile.
        state: (N, F) to act on now.
        columns: Name to one tensor per finished step: `states` acted on, `actions` as they were
            given, `rewards`, `guidance`, `terms/NAME`, and what `advance` is given beside.
    """

    environment: GuidanceEnvironment
    state: Tensor
    columns: dict[str, list[Tensor]] = field(default_factory=dict)

    @classmethod
    def start(cls, environment: GuidanceEnvironment, latents: Tensor, labels: Tensor) -> Playing:
        """Begin a batch."""
        return cls(environment, environment.reset(latents, labels))

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.columns.get("actions", ()))

    @property
    def done(self) -> bool:
        """Whether every picture is finished."""
        return self.step == self.environment.num_steps

    @torch.no_grad()
    def advance(self, action: Tensor, **beside: Tensor) -> None:
        """Take one step with actions (N,), which the environment clips; record it all."""
        result = self.environment.step(action)
        row = {
            "states": self.state,
            "actions": action.cpu(),
            "rewards": result.reward,
            "guidance": result.guidance,
            **{f"terms/{name}": term for name, term in result.terms.items()},
            **beside,
        }
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        self.state = result.state

    def tensors(self) -> dict[str, Tensor]:
        """The environment and all steps so far; of `states` the last one is to be acted on."""
        environment = {f"environment/{name}": t for name, t in self.environment.tensors().items()}
        states = torch.stack([*self.columns.get("states", ()), self.state])
        return {**environment, **self._history(), "states": states}

    @classmethod
    def restore(cls, environment: GuidanceEnvironment, tensors: Mapping[str, Tensor]) -> Playing:
        """Take up what `tensors` gave."""
        environment.restore(_below(tensors, "environment/"))
        steps = {k: v for k, v in tensors.items() if not k.startswith("environment/")}
        columns = {name: list(column) for name, column in steps.items()}
        state = columns["states"].pop()
        return cls(environment, state, columns)

    def episode(self) -> Episode:
        """The finished batch."""
        history = self._history()
        return Episode(
            states=history["states"],
            actions=history["actions"],
            guidance=history["guidance"],
            rewards=history["rewards"],
            terms={name: term.sum(dim=0) for name, term in _below(history, "terms/").items()},
            log_probability=self.environment.final_log_probability.cpu(),
            images=self.environment.final_images.cpu(),
            latents=self.environment.final_latents.cpu(),
        )

    def _history(self) -> dict[str, Tensor]:
        """Every column as one tensor (T, N, ...), actions clipped."""
        history = {name: torch.stack(column) for name, column in self.columns.items() if column}
        if "actions" in history:
            history["actions"] = self.environment.clip_actions(history["actions"])
        return history


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _play_batches(
    environment: GuidanceEnvironment,
    latents: Tensor,
    labels: Tensor,
    act_on: Callable[[slice], Act],
    batch_size: int,
) -> Episode:
    """Play batch after batch; `act_on` tells who acts on the given part of the latents."""
    episodes = []
    for start in range(0, latents.shape[0], batch_size):
        part = slice(start, start + batch_size)
        act, playing = act_on(part), Playing.start(environment, latents[part], labels[part])
        while not playing.done:
            with torch.no_grad():
                action = act(playing.step, playing.state)
            playing.advance(action)
        episodes.append(playing.episode())
    return Episode.concatenate(episodes)
