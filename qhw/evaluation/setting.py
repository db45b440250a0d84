"""What the outcome of hand-made guidance depends on, as the key under which it is recalled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusion.bundle import Bundle
from diffusion.discriminator import discriminator_digest
from diffusion.environment import GuidanceEnvironment
from diffusion.solvers import solver_record

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A model, and the environment in which guidance is played.

    Attributes:
        bundle: The model.
        environment: The run's; its action limit binds policies alone.
    """

    bundle: Bundle
    environment: GuidanceEnvironment

    @property
    def is_the_card_s(self) -> bool:
        """Whether the constant and the rule on the bundle's card were chosen for this setting."""
        card, environment = self.bundle.card, self.environment
        return (
            environment.reward == card.reward
            and environment.num_steps == card.num_steps
            and environment.sampler.solver == card.solver
            and environment.guidance_range == GuidanceEnvironment.guidance_range
        )

    def facts(self) -> dict[str, Any]:
        """All that returns depend on, beside latents and guidance.

        What 0.1 did not know is left out where it is as then, so that its outcomes are still found.
        """
        environment = self.environment
        facts = {
            "bundle": self.bundle.card.digest,
            "reward": environment.reward.record(),
            "range": environment.guidance_range,
            "steps": environment.num_steps,
        }
        if environment.sampler.solver != self.bundle.card.solver:
            facts["solver"] = solver_record(environment.sampler.solver)
        precision = self.bundle.denoiser.precision
        if precision != self.bundle.card.pictures_in:
            facts["precision"] = precision
        if environment.reward.needs_discriminator:
            facts["discriminator"] = discriminator_digest(self.bundle)
        if environment.reward.lambda_act and environment.previous_action == "applied":
            facts["actions"] = environment.previous_action
        return facts

    @property
    def has_a_centre(self) -> bool:
        """Whether returns of fixed guidance depend on the base guidance."""
        reward = self.environment.reward
        return reward.approaches or reward.lambda_act > 0


def key_of(facts: Facts) -> str:
    """Facts as a line of text, the same for the same facts."""
    return json.dumps(facts, sort_keys=True)


def name_of(facts: Facts) -> str:
    """Name of the file that holds what the facts led to, without its suffix."""
    return hashlib.sha256(key_of(facts).encode()).hexdigest()[:24]
