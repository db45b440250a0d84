"""Many pictures as one vector environment: a forward of the denoiser for each step of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from qhw.errors import ConfigError
from qhw.gym.options import asked_for
from qhw.gym.pictures import METADATA, FloatArray, InfoArrays, Pictures

Flags = NDArray[np.bool_]
Stepped = tuple[FloatArray, NDArray[np.float64], Flags, Flags, dict[str, Any]]


class GuidanceVectorEnv(VectorEnv[FloatArray, FloatArray, NDArray[Any]]):
    """`qhw/Guidance-v0` for N pictures in lockstep: all begin together, and all end together.

    Picture i of the first batch after `reset(seed=s)` is number i of seed s, that of the next batch
    number N + i: the numbers that N resets of the single environment give. Options of `reset`:
    `latents` (N, C, H, W), `labels` (N,), and a `reset_mask` (N,) that must hold for all. Infos are
    arrays by name, each with the mask `_name` of gymnasium.

    Args:
        num_envs: N.
        autoreset_mode: When the next batch begins after the last step of one: with the next call of
            `step`, whose actions are ignored and rewards 0 (gymnasium's default); in the same call,
            which then gives the last states as `final_obs` and what is told of them as
            `final_info`; or by `reset` alone.
        render_mode: `rgb_array` for one (H, W, 3) uint8 per picture.
        settings: Keywords of `qhw.gym.pictures.Pictures`.

    Raises:
        QhwError: As `Pictures`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        mode = AutoresetMode(autoreset_mode)
        self.metadata = {**METADATA, "autoreset_mode": mode}
        self.num_envs, self.render_mode, self._mode = num_envs, render_mode, mode
        self.pictures = Pictures(num_envs, **settings)
        self.single_observation_space = self.pictures.observation_space
        self.single_action_space = self.pictures.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Begin the next N pictures; see `gymnasium.vector.VectorEnv.reset`.

        Raises:
            ConfigError: If an option is unknown or does not fit, or some pictures are to stay.
        """
        super().reset(seed=seed)
        given = asked_for(options, "latents", "labels", "reset_mask")
        if not np.all(given.pop("reset_mask", True)):
            raise ConfigError(
                "options of reset: reset_mask spares some pictures, and all go in lockstep.",
                "Reset all of them, or take vectorization_mode='sync'.",
            )
        if seed is not None or not self.pictures.begun:
            self.pictures.begin_with(self.np_random_seed)  # type: ignore[arg-type]
        state, info = self.pictures.reset(**given)
        return state, self._masked(info)

    def step(self, actions: FloatArray) -> Stepped:
        """Take one denoising step of all pictures; see `gymnasium.vector.VectorEnv.step`."""
        ended = np.zeros(self.num_envs, dtype=np.bool_)
        if self._mode is AutoresetMode.NEXT_STEP and self.pictures.done:
            state, info = self.pictures.reset()
            return state, np.zeros(self.num_envs), ended, ended.copy(), self._masked(info)
        state, reward, info = self.pictures.step(actions)
        infos = self._masked(info)
        ended[:] = self.pictures.done
        if self._mode is AutoresetMode.SAME_STEP and self.pictures.done:
            final = {"final_obs": _rows(state), "final_info": infos}
            state, info = self.pictures.reset()
            infos = {**self._masked(info), **final, "_final_obs": ended.copy()}
            infos["_final_info"] = ended.copy()
        return state, reward, ended, np.zeros_like(ended), infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The clean pictures predicted now."""
        return tuple(self.pictures.frames()) if self.render_mode == "rgb_array" else None

    def _masked(self, info: InfoArrays) -> dict[str, Any]:
        """Infos with gymnasium's masks: all pictures have all of them."""
        masks = {f"_{name}": np.ones(self.num_envs, dtype=np.bool_) for name in info}
        return {**info, **masks}


def _rows(states: FloatArray) -> NDArray[np.object_]:
    """States (N, F) as gymnasium hands over the last ones: an array of N arrays."""
    rows = np.empty(len(states), dtype=object)
    rows[:] = list(states)
    return rows
