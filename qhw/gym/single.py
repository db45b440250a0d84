"""One picture as a gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from qhw.gym.options import asked_for
from qhw.gym.pictures import METADATA, FloatArray, Pictures


class GuidanceEnv(gymnasium.Env[FloatArray, FloatArray]):
    """`qhw/Guidance-v0`: choose the guidance of every denoising step of one picture.

    An episode is the picture's T steps; it terminates after the last and is never truncated. The
    rewards are those of `diffusion.environment.GuidanceEnvironment`, and so is their sum. The k-th
    `reset` after `reset(seed=s)` begins picture number k of seed s. Options of `reset`: `latent`
    (C, H, W) and `label`. The info is described at `qhw.gym.pictures.InfoArrays`.

    Args:
        render_mode: `rgb_array` for (H, W, 3) uint8 of the clean picture predicted now.
        settings: Keywords of `qhw.gym.pictures.Pictures`.

    Raises:
        QhwError: As `Pictures`.
    """

    metadata = METADATA

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self.render_mode = render_mode
        self.pictures = Pictures(1, **settings)
        self.observation_space = self.pictures.observation_space
        self.action_space = self.pictures.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Begin the next picture; see `gymnasium.Env.reset`.

        Raises:
            ConfigError: If an option is unknown or does not fit the model.
        """
        super().reset(seed=seed)
        given = asked_for(options, "latent", "label")
        if seed is not None or not self.pictures.begun:
            self.pictures.begin_with(self.np_random_seed)
        rows = {f"{name}s": [value] for name, value in given.items()}
        state, info = self.pictures.reset(**rows)
        return state[0], _of_first(info)

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Take one denoising step; see `gymnasium.Env.step`."""
        state, reward, info = self.pictures.step(action)
        return state[0], float(reward[0]), self.pictures.done, False, _of_first(info)

    def render(self) -> NDArray[np.uint8] | None:
        """The clean picture predicted now, the final one at the end."""
        return self.pictures.frames()[0] if self.render_mode == "rgb_array" else None


def _of_first(info: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """A picture's own values; numbers as Python's."""
    return {name: rows[0].item() if rows.ndim == 1 else rows[0] for name, rows in info.items()}
