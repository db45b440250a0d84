"""Whether our PPO is the bottleneck: stable-baselines3's on the same latents and budget.

    python -m benchmarks.peer_sb3 [FOLDER] [--seeds 3]

Trains five agents for seeds 0, 1, 2, ... on as many episodes: ours with the ring, with the network
of as many parameters, and with that network and no groups of one latent; stable-baselines3's PPO
with that network and our settings where it has them, on the very latents of our ungrouped one; and
the same with the settings and actions it comes with, on the state as it comes. Each plays the same
2,000 latents without its noise. Resumable: what is finished is kept in FOLDER (`runs-peer`, which
git ignores), and the result is written after every seed, to peer_sb3.json and peer_sb3.md.

What has no counterpart: stable-baselines3 has one learning rate for actor and critic (the actor's
is given), clips the norm of both gradients together, normalises advantages by minibatch, learns a
sigma that does not see the state, and has one activation (ReLU is given; our critic has tanh).
Intervals are two-level, over training seeds and latents (`qhw.studies.statistics.bootstrap`).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from benchmarks.seeds import NO_TABLE, interval, trained
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
OURS: dict[str, dict[str, Any]] = {
    "ours, ring": {},
    "ours, matched MLP": {"actor": {"kind": "mlp_matched"}},
    UNGROUPED: {"actor": {"kind": "mlp_matched"}, "ppo": {"group": 1}},
}
"""What differs from the default settings, by the name in the table."""
MATCHED, AS_IT_COMES = "SB3, matched MLP, our settings", "SB3, its own settings"
AGENTS = (*OURS, MATCHED, AS_IT_COMES)

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


def ours(folder: Path, name: str, seed: int) -> FloatArray:
    """Returns (N,) of our agent; trained, or gone on with."""
    run = trained(folder, stem(name, seed), {"seed": seed, **OURS[name], **NO_TABLE})
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
    kept = folder / f"{stem(name, seed)}.npz"
    if not kept.exists():
        started = time.process_time()
        returns = ours(folder, name, seed) if name in OURS else theirs(name, seed)
        np.savez(kept, returns=returns, cpu_seconds=time.process_time() - started)
    found: FloatArray = np.load(kept)["returns"]
    return found


def stem(name: str, seed: int) -> str:
    """Name of an agent's files."""
    return f"{name.removeprefix('ours, ').replace(',', '').replace(' ', '-')}-{seed}"


def difference(returns: FloatArray, others: FloatArray) -> dict[str, float]:
    """Mean of (S, N) minus the others', seed by seed, latent by latent, with its interval."""
    found = hierarchical_bootstrap(returns - others, resamples=RESAMPLES)
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


def write(rows: Mapping[str, dict[str, Any]], seeds: int) -> None:
    """The result as data and as a page."""
    ppo = parse_config({}).ppo
    lines = [
        f"| {name} | {row['return']:.4f} | {', '.join(f'{mean:.4f}' for mean in row['by seed'])} "
        f"| {interval(row['minus SB3 matched'], 4) if row['minus SB3 matched'] else ''} |"
        for name, row in rows.items()
    ]
    page = f"""# Our PPO beside stable-baselines3's

{seeds} training seeds, {ppo.updates * ppo.environments:,} episodes each; the mean return on the
same {LATENTS:,} latents. Written by `benchmarks/peer_sb3.py`, whose head says what is matched and
what cannot be. Intervals: 95 %, over training seeds and latents.

| | return | by seed | minus SB3 with our settings |
|---|---|---|---|
{chr(10).join(lines)}

{verdict(rows[UNGROUPED]["minus SB3 matched"])}
"""
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    write_result(__file__, {"latents": LATENTS, "agents": rows})


def verdict(found: Mapping[str, float]) -> str:
    """What the difference of our ungrouped agent allows to say."""
    alike = "With the same network, latents, budget and settings"
    if found["high"] < 0:
        return f"Our PPO is a bottleneck: {alike.lower()} SB3's returns more."
    if found["low"] > 0:
        return f"Our PPO is not the bottleneck: {alike.lower()} it returns more than SB3's."
    return (
        f"{alike} our PPO and SB3's are not told apart: nothing says that ours is the bottleneck."
    )


@one_thread()
def main() -> None:
    """Train, play and compare, seed by seed."""
    parser = argparse.ArgumentParser(description="Our PPO beside stable-baselines3's.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs-peer"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(exist_ok=True)
    for seed in range(chosen.seeds):
        for name in AGENTS:
            returns_of(chosen.folder, name, seed)
        if seed:
            done = range(seed + 1)
            returns = {
                name: np.stack([returns_of(chosen.folder, name, each) for each in done])
                for name in AGENTS
            }
            write(summary(returns), seed + 1)


def _array(values: torch.Tensor) -> FloatArray:
    return values.double().numpy()


if __name__ == "__main__":
    main()
