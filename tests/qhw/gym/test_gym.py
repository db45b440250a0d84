from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import qhw.gym
from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Episode, play, play_schedule
from qhw.errors import ConfigError, InstallationError, UnknownNameError
from qhw.gym.lockstep import GuidanceVectorEnv
from qhw.gym.pictures import Pictures
from qhw.gym.single import GuidanceEnv

NAME, SEED, STEPS, COUNT = qhw.gym.ENVIRONMENT_ID, 7, 4, 3
SCHEDULE = np.array([3.0, 1.0, 2.25, 1.5], dtype=np.float32)


def one(**settings: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(NAME, steps=STEPS, **settings)


def many(**settings: Any) -> GuidanceVectorEnv:
    made = gymnasium.make_vec(NAME, num_envs=COUNT, steps=STEPS, **settings).unwrapped
    assert isinstance(made, GuidanceVectorEnv)
    return made


def latents(pictures: Pictures, first: int = 0) -> torch.Tensor:
    return draw_latents(COUNT, SEED, pictures.bundle.denoiser.sample_shape, first)


def played(pictures: Pictures, first: int = 0) -> Episode:
    """The project's own environment under the schedule, on the numbers from `first` on."""
    labels = draw_labels(COUNT, pictures.bundle.denoiser.num_classes, first)
    guidance = torch.from_numpy(SCHEDULE)
    return play_schedule(pictures.environment, latents(pictures, first), labels, guidance)


def follow(env: GuidanceVectorEnv) -> tuple[NDArray[np.float64], list[dict[str, Any]]]:
    """Rewards (T, N) and infos under the schedule."""
    rewards, infos = [], []
    for guidance in SCHEDULE:
        _, reward, _, _, info = env.step(np.full((COUNT, 1), guidance, dtype=np.float32))
        rewards.append(reward)
        infos.append(info)
    return np.array(rewards), infos


@pytest.mark.parametrize("mode", [None, "rgb_array"])
def test_gymnasium_finds_nothing_to_warn_of(mode: str | None) -> None:
    check_env(one(render_mode=mode).unwrapped)


def test_the_rewards_are_the_environments_own_bit_for_bit() -> None:
    env = many(actions="guidance")
    env.reset(seed=SEED)
    rewards, infos = follow(env)
    episode = played(env.pictures)
    assert np.array_equal(rewards.astype(np.float32), episode.rewards.numpy())
    assert np.array_equal(infos[-1]["picture"], episode.images.numpy())
    assert np.array_equal(infos[-1]["log_probability"], episode.log_probability.numpy())
    assert np.array_equal([info["guidance"] for info in infos], episode.guidance.numpy())
    for name, term in episode.terms.items():
        np.testing.assert_allclose(
            sum(info[f"reward_{name}"] for info in infos), term.numpy(), atol=1e-6
        )
    assert (infos[-1]["label"] == [0, 1, 2]).all() and infos[-1]["_picture"].all()


def test_one_picture_after_another_is_the_same_as_many_at_once() -> None:
    env, alone = many(actions="guidance"), one(actions="guidance")
    first, _ = env.reset(seed=SEED)
    rewards, infos = follow(env)
    for number in range(COUNT):
        state, told = alone.reset(seed=SEED if number == 0 else None)
        np.testing.assert_allclose(state, first[number], atol=1e-5)
        assert told == {"number": number, "label": number}
        returned, ended = 0.0, []
        for guidance in SCHEDULE:
            _, reward, terminated, truncated, info = alone.step(np.array([guidance], np.float32))
            returned += float(reward)
            ended.append(terminated)
            assert not truncated
        assert ended == [False, False, False, True]
        assert returned == pytest.approx(rewards[:, number].sum(), abs=1e-5)
        np.testing.assert_allclose(info["picture"], infos[-1]["picture"][number], atol=1e-4)


@pytest.mark.parametrize(
    ("actions", "given"),
    [
        ("scaled", [-1.0, -0.1, 0.0, 0.5, 1.0, 9.0]),
        ("change", [-2.0, -0.2, 0.0, 1.0, 2.0, 18.0]),
        ("guidance", [-0.56, 1.24, 1.44, 2.44, 3.44, 19.44]),
    ],
)
def test_an_action_means_what_the_page_says(actions: Any, given: list[float]) -> None:
    pictures = Pictures(1, actions=actions)
    change = pictures.change_of(np.array(given, np.float32)[:, None])
    found = pictures.environment.guidance_of(change)
    np.testing.assert_allclose(found, [1.0, 1.24, 1.44, 2.44, 3.44, 3.44], rtol=1e-6)
    low, high = pictures.action_space.low, pictures.action_space.high
    ends = pictures.environment.guidance_of(pictures.change_of(np.array([low, high])))
    np.testing.assert_allclose(ends, [1.0, 3.44], rtol=1e-6)


def test_a_seed_names_the_pictures_and_the_next_reset_goes_on() -> None:
    env = many(actions="guidance")
    again, _ = env.reset(seed=SEED)
    following, info = env.reset()
    assert info["number"].tolist() == [3, 4, 5]
    assert np.array_equal(env.reset(seed=SEED)[0], again)
    assert np.array_equal(env.reset()[0], following)
    assert not np.array_equal(again, following)


def test_without_a_seed_two_environments_differ() -> None:
    assert not np.array_equal(many().reset()[0], many().reset()[0])


def test_a_latent_and_a_label_can_be_handed_in() -> None:
    env = one(actions="guidance").unwrapped
    assert isinstance(env, GuidanceEnv)
    chosen = latents(env.pictures)[1]
    _, info = env.reset(options={"latent": chosen.numpy(), "label": 8})
    assert info["label"] == 8
    total = sum(env.step(np.array([g], np.float32))[1] for g in SCHEDULE)
    episode = play(
        env.pictures.environment,
        chosen[None],
        torch.tensor([8]),
        lambda step, state: torch.full((1,), float(SCHEDULE[step]) - 1.44),
    )
    assert total == pytest.approx(float(episode.returns[0]), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"labels": [0, 1, 10]}, "labels reach 10"),
        ({"labels": [0, 1]}, "labels are torch.int64"),
        ({"latents": np.zeros((3, 1, 4, 4))}, "latents have shape"),
        ({"latents": np.zeros((2, 1, 16, 16))}, "there are 2 latents for 3 pictures"),
        ({"latent": 0}, "there is no 'latent'"),
        ({"reset_mask": np.array([True, False, True])}, "reset_mask spares"),
    ],
)
def test_what_cannot_be_reset_to_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        many().reset(options=options)


def test_the_next_step_begins_the_next_pictures() -> None:
    env = many(actions="guidance")
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=SEED)
    follow(env)
    _, reward, terminated, _, info = env.step(env.action_space.sample())
    assert not reward.any() and not terminated.any()
    assert info["number"].tolist() == [3, 4, 5]
    rewards, _ = follow(env)
    assert np.array_equal(rewards.astype(np.float32), played(env.pictures, COUNT).rewards.numpy())


def test_the_same_step_ends_with_the_next_pictures() -> None:
    env = many(actions="guidance", autoreset_mode="SameStep")
    env.reset(seed=SEED)
    rewards, infos = follow(env)
    state, last = env.reset(seed=SEED)[0], infos[-1]
    assert last["number"].tolist() == [3, 4, 5]
    assert last["final_info"]["number"].tolist() == [0, 1, 2]
    assert last["_final_info"].all() and last["_final_obs"].all()
    assert [row.shape for row in last["final_obs"]] == [(6,)] * COUNT
    assert np.array_equal(last["final_info"]["picture"], played(env.pictures).images.numpy())
    assert np.array_equal(rewards.astype(np.float32), played(env.pictures).rewards.numpy())
    assert state.shape == (COUNT, 6)


def test_without_autoreset_a_finished_picture_takes_no_step() -> None:
    from diffusion.environment import EpisodeError

    env = many(actions="guidance", autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=SEED)
    follow(env)
    with pytest.raises(EpisodeError, match="the episode has ended"):
        env.step(env.action_space.sample())
    assert env.reset(options={"reset_mask": np.ones(COUNT, bool)})[1]["number"][0] == COUNT


def test_the_picture_predicted_now_is_rendered() -> None:
    env = many(actions="guidance", render_mode="rgb_array")
    env.reset(seed=SEED)
    before = env.render()
    _, infos = follow(env)
    frames = env.render()
    assert before is not None and frames is not None
    assert [frame.shape for frame in frames] == [(16, 16, 3)] * COUNT
    grey = np.round(infos[-1]["picture"][:, 0] * 255).astype(np.uint8)
    assert np.array_equal(np.stack(frames)[..., 1], grey)
    assert not np.array_equal(before, frames)


def test_settings_of_the_environment_are_keywords() -> None:
    env = many(features=("confidence", "margin"), reward={"preset": "paper"}, cfg_base=2.0)
    assert env.observation_space.shape == (COUNT, 2)
    assert env.pictures.environment.cfg_base == 2.0
    assert env.reset(seed=0)[0] in env.observation_space


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stepps": 3}, "stepps"),
        ({"actions": "u"}, "actions = 'u' is no meaning"),
        ({"guidance_min": 12.0}, "guidance_min"),
        ({"features": ("warmth",)}, "warmth"),
        ({"reward": {"step_gain": "ssim"}}, "step_gain = 'ssim' does nothing"),
    ],
)
def test_a_setting_that_is_none_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        GuidanceEnv(**settings)


def test_a_model_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="fashion-mnst"):
        gymnasium.make(NAME, model="fashion-mnst")


@pytest.mark.parametrize(
    ("module", "missing", "typed"),
    [
        ("qhw.gym", "gymnasium", "pip install 'qhw[gym]'"),
        ("qhw.gym.sb3", "stable_baselines3", "pip install stable-baselines3"),
    ],
)
def test_what_is_not_installed_says_what_to_type(
    module: str, missing: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(InstallationError, match="is not installed") as caught:
        importlib.import_module(module)
    assert typed in caught.value.hint


def test_stable_baselines_learns_on_it_and_gets_the_same_episodes() -> None:
    from stable_baselines3 import PPO

    from qhw.gym.sb3 import LockstepVecEnv

    env = LockstepVecEnv(COUNT, steps=STEPS, actions="guidance", render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent = PPO("MlpPolicy", env, n_steps=STEPS, batch_size=6, n_epochs=1, seed=SEED)
        before = {name: p.clone() for name, p in agent.policy.named_parameters()}
        agent.learn(2 * STEPS * COUNT)
    assert all(not torch.equal(before[name], p) for name, p in agent.policy.named_parameters())
    env.seed(SEED)
    env.reset()
    assert [info["number"] for info in env.reset_infos] == [0, 1, 2]
    rewards = []
    for guidance in SCHEDULE:
        _, reward, dones, infos = env.step(np.full((COUNT, 1), guidance, np.float32))
        rewards.append(reward)
    assert dones.all()
    assert [info["number"] for info in infos] == [0, 1, 2]
    assert [info["number"] for info in env.reset_infos] == [3, 4, 5]
    assert all(info["terminal_observation"].shape == (6,) for info in infos)
    own = played(env.vector.pictures).rewards.numpy()
    assert np.array_equal(np.array(rewards, np.float32), own)
    assert len(env.get_images()) == COUNT and env.get_attr("render_mode") == ["rgb_array"] * COUNT
