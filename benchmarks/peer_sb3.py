"""Whether our PPO is the bottleneck: stable-baselines3's on the same latents and budget.

    python -m benchmarks.peer_sb3 [FOLDER] [--seeds 3]

Five agents, each trained for seeds 0, 1, 2, ... on as many episodes: ours with the ring and with
the network of as many parameters, which are those of `benchmarks.seeds`; ours with that network and
no groups of one latent; stable-baselines3's PPO with that network and our settings where it has
them, on the very latents of our ungrouped one; and the same with the settings and actions it comes
with, on the state as it comes. Each plays the same 2,000 latents without its noise. Resumable: what
is finished is kept in FOLDER (`runs-seeds`, which git ignores), and the result is written after
every agent, to peer_sb3.json and peer_sb3.md.

What has no counterpart: stable-baselines3 has one learning rate for actor and critic (the actor's
is given), clips the norm of both gradients together, normalises advantages by minibatch, learns a
sigma that does not see the state, and has one activation (ReLU is given; our critic has tanh).
Intervals are two-level, over training seeds and latents (`qhw.studies.statistics.bootstrap`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from benchmarks.outcomes import is_kept
from benchmarks.seeds import NO_TABLE, RING, file_name, interval, outcome_of, trained
from benchmarks.timing import significant, write_result
from diffusion.episodes import play
from policy import MlpActor, StateScaler
from policy.actors import INITIAL_SIGMA, MATCHED_HIDDEN
from qhw.config import parse_config
from qhw.evaluation.judges import evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.gym.sb3 import LockstepVecEnv
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.threads import one_thread
from qhw.training.player import Player
from qhw.training.state_statistics import StateStatistics
from qhw.training.streams import stream_seed

SEEDS, LATENTS, RESAMPLES = 3, 2000, 2000
UNGROUPED = "ours, matched MLP, no groups"
OF_SEEDS = {"ours, ring": RING, "ours, matched MLP": "matched MLP"}
"""Agents that `benchmarks.seeds` has trained, and what they are called there."""
MATCHED, AS_IT_COMES = "SB3, matched MLP, our settings", "SB3, its own settings"
AGENTS = (*OF_SEEDS, UNGROUPED, MATCHED, AS_IT_COMES)

FloatArray = NDArray[np.float64]


class Standardised(BaseFeaturesExtractor):
    """The state as our actors and critic see it: standardised by the card's statistics."""

    def __init__(self, observation_space: Box, scaler: StateScaler) -> None:
        super().__init__(observation_space, scaler.num_features)
        self.scaler = scaler

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Standardise (N, F)."""
        standardised: torch.Tensor = self.scaler(observations)
        return standardised


def ungrouped(folder: Path, seed: int) -> FloatArray:
    """Returns (N,) of our agent that learns from as many latents as theirs; trained on if begun."""
    changed = {"actor": {"kind": "mlp_matched"}, "ppo": {"group": 1}, **NO_TABLE}
    run = trained(folder, f"{stem(UNGROUPED)}-{seed}", {"seed": seed, **changed})
    player = Player.of(run)
    return _array(play_policy(player, evaluation_latents(player.bundle, LATENTS), "peer").returns)


def matched(seed: int) -> PPO:
    """Their PPO with our settings, network and standardised state; not trained yet."""
    ppo, environments = parse_config({}).ppo, parse_config({}).ppo.environments
    env = LockstepVecEnv(environments, actions="change")
    pictures = env.vector.pictures
    scaler = StateStatistics.of(pictures.environment, pictures.bundle.card).scaler()
    size = MlpActor.matched(scaler, torch.Generator()).head
    second = size[2].out_features
    last, whole = ppo.final_rate_fraction, ppo.actor_rate
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda left: whole * (last + (1 - last) * left),
        n_steps=pictures.environment.num_steps,
        batch_size=environments * pictures.environment.num_steps // ppo.minibatches,
        n_epochs=ppo.epochs,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clip_range=ppo.clip,
        ent_coef=ppo.entropy,
        vf_coef=ppo.value_coefficient,
        max_grad_norm=ppo.max_gradient_norm,
        policy_kwargs={
            "net_arch": {"pi": [MATCHED_HIDDEN, second], "vf": [64, 64]},
            "activation_fn": torch.nn.ReLU,
            "log_std_init": math.log(INITIAL_SIGMA),
            "features_extractor_class": Standardised,
            "features_extractor_kwargs": {"scaler": scaler},
        },
        seed=seed,
        device="cpu",
    )


def as_it_comes(seed: int) -> PPO:
    """Their PPO and our environment; rollouts hold whole episodes, and minibatches divide them."""
    env = LockstepVecEnv(parse_config({}).ppo.environments)
    steps = env.vector.pictures.environment.num_steps
    return PPO("MlpPolicy", env, n_steps=steps, batch_size=50, seed=seed, device="cpu")


THEIRS: dict[str, Callable[[int], PPO]] = {MATCHED: matched, AS_IT_COMES: as_it_comes}


def theirs(name: str, seed: int) -> FloatArray:
    """Returns (N,) of their agent, trained on the latents of our ungrouped one."""
    agent = THEIRS[name](seed)
    env, ppo = agent.get_env(), parse_config({}).ppo
    assert isinstance(env, LockstepVecEnv)
    env.seed(stream_seed(seed, "latents"))
    pictures = env.vector.pictures
    steps = pictures.environment.num_steps
    agent.learn(ppo.updates * ppo.environments * steps)
    assert agent.num_timesteps == ppo.updates * ppo.environments * steps
    paired = evaluation_latents(pictures.bundle, LATENTS)

    def act(_step: int, state: torch.Tensor) -> torch.Tensor:
        action, _ = agent.predict(state.numpy(), deterministic=True)
        return pictures.change_of(action)

    episode = play(pictures.environment, paired.latents, paired.labels, act)
    return _array(episode.returns)


def returns_of(folder: Path, name: str, seed: int) -> FloatArray:
    """Returns (N,) of an agent, or what was kept of it."""
    if name in OF_SEEDS:
        return outcome_of(folder, OF_SEEDS[name], seed).returns
    kept = folder / f"{stem(name)}-{seed}.npy"
    if not kept.exists():
        np.save(kept, ungrouped(folder, seed) if name == UNGROUPED else theirs(name, seed))
    found: FloatArray = np.load(kept)
    return found


def is_there(folder: Path, name: str, seed: int) -> bool:
    """Whether an agent's returns are kept."""
    if name in OF_SEEDS:
        return is_kept(file_name(OF_SEEDS[name], seed))
    return (folder / f"{stem(name)}-{seed}.npy").exists()


def all_kept(folder: Path, seeds: int) -> dict[str, FloatArray]:
    """Returns (S, N) of every agent for the first seeds that are there."""
    kept = {}
    for name in AGENTS:
        there = len(list(takewhile(partial(is_there, folder, name), range(seeds))))
        if there:
            kept[name] = np.stack([returns_of(folder, name, seed) for seed in range(there)])
    return kept


def stem(name: str) -> str:
    """Name of an agent's files, but for the seed."""
    return name.replace(",", "").replace(" ", "-")


def difference(returns: FloatArray, others: FloatArray) -> dict[str, float]:
    """Mean of (S, N) minus the others', seed by seed, latent by latent, with its interval."""
    seeds = min(len(returns), len(others))
    found = hierarchical_bootstrap(returns[:seeds] - others[:seeds], resamples=RESAMPLES)
    names = ("value", "low", "high", "p_value")
    return {name: significant(float(getattr(found, name))) for name in names}


def summary(returns: Mapping[str, FloatArray]) -> dict[str, dict[str, Any]]:
    """Every agent's figures, of its returns (S, N), and how it differs from their matched one."""
    theirs = returns[MATCHED]
    return {
        name: {
            "return": significant(float(each.mean()), 4),
            "by seed": [significant(float(mean), 4) for mean in each.mean(axis=1)],
            "minus SB3 matched": None if name == MATCHED else difference(each, theirs),
        }
        for name, each in returns.items()
    }


def write(rows: Mapping[str, dict[str, Any]]) -> None:
    """The result as data and as a page."""
    ppo = parse_config({}).ppo
    lines = [
        f"| {name} | {row['return']:.4f} | {', '.join(f'{mean:.4f}' for mean in row['by seed'])} "
        f"| {interval(row['minus SB3 matched'], 4) if row['minus SB3 matched'] else ''} |"
        for name, row in rows.items()
    ]
    page = f"""# Our PPO beside stable-baselines3's

{ppo.updates * ppo.environments:,} episodes for each training seed; the mean return on the same
{LATENTS:,} latents. Written by `benchmarks/peer_sb3.py`, whose head says what is matched and
what cannot be. Intervals: 95 %, over latents and the training seeds that both have; over latents
alone where that is one.

| | return | by seed | minus SB3 with our settings |
|---|---|---|---|
{chr(10).join(lines)}

{verdict(rows)}
"""
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    write_result(__file__, {"latents": LATENTS, "agents": rows})


def verdict(rows: Mapping[str, dict[str, Any]]) -> str:
    """What the differences from their matched agent allow to say."""
    whole = rows["ours, matched MLP"]["minus SB3 matched"]
    said = {
        "less": "is the bottleneck: with the same network and budget SB3's returns more",
        "more": "is not the bottleneck: with the same network and budget it returns more",
        "alike": "is not seen to be the bottleneck: with the same network and budget it and SB3's "
        "are not told apart",
    }[judged(whole)]
    return f"Our PPO {said}, {interval(whole, 4)}. {of_ungrouped(rows)}"


def of_ungrouped(rows: Mapping[str, dict[str, Any]]) -> str:
    """The same for our ungrouped agent; one training seed allows no claim."""
    found = rows[UNGROUPED]["minus SB3 matched"]
    alike = "Without its groups, on the very latents of SB3's,"
    if len(rows[UNGROUPED]["by seed"]) == 1:
        return f"{alike} one seed differs by {interval(found, 4)}, which allows no claim."
    said = {"less": "it returns less", "more": "it returns more", "alike": "it returns as much"}
    return f"{alike} {said[judged(found)]}, {interval(found, 4)}."


def judged(found: Mapping[str, float]) -> str:
    """Whether an interval lies below 0, above it, or holds it."""
    if found["high"] < 0:
        return "less"
    return "more" if found["low"] > 0 else "alike"


@one_thread()
def main() -> None:
    """Train, play and compare, seed by seed."""
    parser = argparse.ArgumentParser(description="Our PPO beside stable-baselines3's.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs-seeds"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(exist_ok=True)
    for name in (MATCHED, *OF_SEEDS, UNGROUPED, AS_IT_COMES):
        for seed in range(chosen.seeds):
            returns_of(chosen.folder, name, seed)
            kept = all_kept(chosen.folder, chosen.seeds)
            if kept.keys() >= {MATCHED, UNGROUPED, *OF_SEEDS}:
                write(summary(kept))


def _array(values: torch.Tensor) -> FloatArray:
    return values.double().numpy()


if __name__ == "__main__":
    main()
