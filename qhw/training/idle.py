"""Settings that would do nothing, and settings that reach less than their user may expect.

Both depend on the bundle's card: values that are not set come from there.
"""

from __future__ import annotations

from pathlib import Path

import torch

from diffusion.rewards import WEIGHT_OF
from diffusion.state_features import STATE_FEATURES
from policy.encoding import unseen_columns
from qhw.config import RewardSection, RunConfig
from qhw.errors import ConfigError
from qhw.runs.directory import open_run
from qhw.training.parts import open_card, reward_config, ring_circuit, set_in
from qhw.training.player import Player
from qhw.training.state_statistics import LATENTS

_BELOW = {
    "stop": "the training stops",
    "shift": "it goes on with measured gradients",
    "tell": "that is told",
}


def refuse_idle(config: RunConfig) -> None:
    """Refuse what shapes a term of the reward whose weight is 0, for a run that is to begin.

    What a run takes over from the one it starts from is left alone: it was accepted there.

    Raises:
        ConfigError: Naming the setting, its value, and the weight that it waits for.
        UnknownNameError: When there is no such bundle.
        BundleError: When it is damaged.
    """
    section = config.environment.reward
    reward = reward_config(section, open_card(config.environment.bundle))
    given = set_in(section)
    if config.start_from is not None:
        taken_over = set_in(open_run(Path(config.start_from)).config.environment.reward)
        given = {name: value for name, value in given.items() if taken_over.get(name) != value}
    for name, value in given.items():
        weight = WEIGHT_OF.get(name)
        if weight is not None and getattr(reward, weight) == 0:
            raise ConfigError(
                f"environment.reward.{name} = {value!r} does nothing: {weight} is 0, "
                f"{_source(weight, section, config.environment.bundle)}.",
                f"Remove {name} from [environment.reward], or set {weight} above 0 there.",
            )


def remarks(player: Player) -> list[str]:
    """What a player's settings leave out where its user may expect otherwise; one line each."""
    return [
        *_of_circuit(player),
        *_of_state(player),
        *_of_steps(player),
        *_of_reach(player),
        *_of_realism(player),
    ]


def _source(weight: str, section: RewardSection, bundle: str) -> str:
    """Where the value of a weight comes from, in words."""
    if weight in set_in(section):
        return "as you set it"
    if section.preset != "bundle":
        return f"as in the preset {section.preset!r}"
    return f"as the card of the bundle {bundle!r} says"


def _of_circuit(player: Player) -> list[str]:
    config, lines = player.config, []
    if config.actor.kind != "ring":
        return []
    circuit = ring_circuit(config.actor.circuit)
    features = config.state.features
    columns = unseen_columns(circuit, len(features))
    unseen = [STATE_FEATURES[features[column]].meaning for column in columns]
    if unseen:
        lines.append(
            f"--encoding {circuit.encoding} on {circuit.num_qubits} qubits: the circuit does not "
            f"see {' and '.join(unseen)}. --encoding dense sees the whole state."
        )
    if config.gradient.rule == "adjoint" and player.shots is not None:
        lines.append(
            f"--gradient adjoint is exact: of the {player.shots} shots only actions are drawn. "
            "--gradient shift measures gradients with them too, as a device would."
        )
    if config.gradient.rule == "model":
        lines.append(_of_model(config))
    return lines


def _of_model(config: RunConfig) -> str:
    canary = config.gradient.canary
    computed = "--gradient model: gradients are computed from what the device publishes"
    if not canary.every:
        return f"{computed}; nothing compares them with measured ones (gradient.canary.every = 0)."
    return (
        f"{computed}; every {canary.every} updates the gradient of {canary.transitions} "
        f"transitions is measured, too, and below a cosine of {canary.cosine:g} "
        f"{_BELOW[canary.below]}."
    )


def _of_state(player: Player) -> list[str]:
    """Statistics that are not the card's."""
    statistics = player.statistics
    if not statistics.measured:
        return []
    told = "; ".join(
        f"{name} {mean:.3g} (sd {sd:.3g})"
        for name, (mean, sd) in statistics.moments.items()
        if name in statistics.measured
    )
    return [
        f"state.features: the card of the bundle {player.bundle.card.name!r} holds no statistics "
        f"of {', '.join(statistics.measured)}; measured on {LATENTS} latents under "
        f"g = {player.environment.cfg_base:g}: {told}."
    ]


def _of_steps(player: Player) -> list[str]:
    card, steps = player.bundle.card, player.environment.num_steps
    if not card.is_latent or steps == card.num_steps:
        return []
    return [
        f"environment.steps = {steps}, and the bundle {card.name!r} was measured at "
        f"{card.num_steps}: its best constant and rule will be chosen anew, picture by picture. "
        f"--set environment.steps={card.num_steps} takes them as they are."
    ]


def _of_reach(player: Player) -> list[str]:
    environment, best = player.environment, player.bundle.card.chosen.constant
    limit = environment.action_limit
    low, high = environment.guidance_of(torch.tensor([-limit, limit])).tolist()
    if low <= best <= high:
        return []
    return [
        f"CFG_0 = {environment.cfg_base:g} with actions in [-{limit:g}, {limit:g}] reaches "
        f"guidance {low:g} to {high:g}: never {best:g}, this bundle's best constant. "
        "Set cfg_base in [environment] to change it."
    ]


def _of_realism(player: Player) -> list[str]:
    if not player.environment.reward.needs_discriminator:
        return []
    return [
        "environment.reward.realism: the discriminator sees AlexNet's features, so that AlexNet is "
        "no held-out eye here; the two judges are."
    ]
