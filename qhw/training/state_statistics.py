"""What standardises a policy's state: the card's statistics, and what a run measures beside them.

A bundle's card holds mean and standard deviation of the paper's six features. Those of any other
feature are measured when a player is made, on latents of their own under its base guidance, and
then lie in the run's checkpoints with the weights: a run that is taken up keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusion.bundle import BundleCard
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.episodes import play
from diffusion.state_features import PAPER_FEATURES
from policy import StateScaler

LATENTS = 100
"""Latents that statistics are measured on; all steps count."""
SEED = 617_283
"""Of these latents; training, fitting and evaluation draw from other streams."""

Moments = dict[str, tuple[float, float]]
"""Feature to mean and standard deviation."""


@dataclass(frozen=True)
class StateStatistics:
    """Mean and standard deviation of every column of the state.

    Attributes:
        moments: By feature, in the order of the columns.
        measured: The features that the card says nothing of.
    """

    moments: Moments
    measured: tuple[str, ...]

    @classmethod
    def of(cls, environment: GuidanceEnvironment, card: BundleCard) -> StateStatistics:
        """Look up the card's, and measure what it lacks."""
        of_card = zip(card.state_mean, card.state_sd, strict=True)
        known = dict(zip(PAPER_FEATURES, of_card, strict=True))
        missing = tuple(name for name in environment.features if name not in known)
        known |= _measured(environment, missing) if missing else {}
        return cls({name: known[name] for name in environment.features}, missing)

    def scaler(self) -> StateScaler:
        """A module that standardises the state."""
        mean, sd = zip(*self.moments.values(), strict=True)
        return StateScaler(mean, sd)


def _measured(environment: GuidanceEnvironment, features: Sequence[str]) -> Moments:
    """Play whole episodes without any action, and describe all their states."""
    free = replace(environment.reward, beta=0.0)  # no second trajectory to approach
    alone = replace(environment, features=tuple(features), reward=free, distance=None)
    denoiser = environment.sampler.denoiser
    latents = draw_latents(LATENTS, SEED, denoiser.sample_shape)
    labels = draw_labels(LATENTS, denoiser.num_classes)
    states = play(alone, latents, labels, lambda _step, state: 0 * state[:, 0]).states
    columns = states.flatten(0, 1).double()
    moments = zip(columns.mean(dim=0).tolist(), columns.std(dim=0).tolist(), strict=True)
    return dict(zip(features, moments, strict=True))
