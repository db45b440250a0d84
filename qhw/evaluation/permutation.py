"""What a policy's return hangs on: played while one column of its state is another image's.

Permutation importance (Breiman, Machine Learning 45, 2001), for a policy: at every step the column
is permuted over the images that are played together, so its values stay what they are at that step
and tell nothing of the image any more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from diffusion.comparison import Interval, bootstrap_difference
from diffusion.episodes import Act, play
from qhw.evaluation.judges import PairedLatents
from qhw.evaluation.playing import mean_action
from qhw.training.player import Player


def permutation_losses(
    player: Player, paired: PairedLatents, seed: int = 0
) -> Mapping[str, Interval]:
    """Return that is lost where one feature is permuted, by feature.

    Args:
        player: A policy whose circuit costs nothing; it plays all latents once and once more for
            each feature.
        paired: Latents and labels.
        seed: Of the permutations.

    Returns:
        Mean over latents of the return as it is minus the return with the feature permuted, with
        its paired interval; about 0 for a feature that the policy makes nothing of.
    """
    act = mean_action(player.actor)

    def returns(acting: Act) -> Tensor:
        return play(player.environment, paired.latents, paired.labels, acting).returns.cpu()

    whole = returns(act)
    return {
        name: bootstrap_difference(whole, returns(permuted(act, column, seed)))
        for column, name in enumerate(player.environment.features)
    }


def permuted(act: Act, column: int, seed: int = 0) -> Act:
    """The same policy, told another image's value of one column at every step."""
    generator = torch.Generator().manual_seed(seed)

    def acting(step: int, state: Tensor) -> Tensor:
        order = torch.randperm(len(state), generator=generator).to(state.device)
        mixed = state.clone()
        mixed[:, column] = state[order, column]
        return act(step, mixed)

    return acting
