"""N pictures denoised side by side, in the arrays and words of gymnasium.

What an agent's action u means, by `actions`, and the guidance it gives:

    scaled     u in [-1, 1]            g = clip(CFG_0 + 2 u)   twice u is the paper's action
    change     u in [low, high]-CFG_0  g = clip(CFG_0 + u)     the action of `qhw train`
    guidance   u in [low, high]        g = clip(u)             the guidance itself

clip is to [low, high], the guidance that the environment reaches: within its range, and within 2 of
CFG_0 (the environment's action limit); 1 to 3.44 by default. What lies outside the space is clipped
alike, so that a Gaussian agent needs no squashing of its own. Of `scaled`, 0 is the base guidance,
and what would pass the end of the range has no effect beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray

from diffusion.environment import StepResult, draw_labels, draw_latents
from diffusion.state_features import PAPER_FEATURES
from qhw.config import parse_config
from qhw.errors import ConfigError
from qhw.training.idle import refuse_idle
from qhw.training.parts import choose_torch_device, make_environment, open_bundle

Actions = Literal["scaled", "change", "guidance"]
FloatArray = NDArray[np.float32]
InfoArrays = dict[str, NDArray[Any]]
"""By name (N, ...): `number` of the picture and its `label`; after a step the `guidance` that was
applied and the terms of the reward, `reward_terminal` and so on; at the end the `picture`
(c, H, W) in [0, 1] and the proxy's `log_probability` of the label in nats, not capped."""

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}
"""What gymnasium wants to know of both environments."""
LARGEST = float(np.finfo(np.float32).max)
"""In place of infinity, for columns that have no bound of their own."""
BOUNDS = {
    "time": (0.0, 1.0),
    "latent_norm": (0.0, LARGEST),
    "noise_norm": (0.0, LARGEST),
    "difference_norm": (0.0, LARGEST),
    "confidence": (0.0, 1.0),
}
"""Of the state's columns; the others have none."""


class Pictures:
    """N pictures in lockstep: one forward of the denoiser for each step of all.

    Args:
        count: N.
        model: Bundle: a name that ships with the package, a folder, or a card in one.
        actions: What an action means; see above.
        features: Columns of the state, names in `diffusion.state_features.STATE_FEATURES`.
        torch_device: Where pictures are made: auto, cpu or cuda.
        settings: Others of `[environment]`, such as `steps`, `solver`, `cfg_base`, `reward`.

    Attributes:
        environment: The project's own, which decides everything.
        observation_space: Of one picture, Box (F,) float32: the state as it is, not standardised.
        action_space: Of one picture, Box (1,) float32.

    Raises:
        ConfigError: If a setting is unknown, out of range, does not fit, or would do nothing.
        UnknownNameError: If there is no such bundle.
    """

    def __init__(
        self,
        count: int,
        *,
        model: str | Path = "fashion-mnist",
        actions: Actions = "scaled",
        features: Sequence[str] = PAPER_FEATURES,
        torch_device: str = "auto",
        **settings: Any,
    ) -> None:
        if count < 1:
            raise ConfigError(f"num_envs = {count}: there is no picture.", "Give 1 or more.")
        config = parse_config(
            {
                "torch_device": torch_device,
                "environment": {"bundle": str(model), **settings},
                "state": {"features": tuple(features)},
            }
        )
        refuse_idle(config)
        self.count = count
        self._device = choose_torch_device(config.torch_device)
        self.bundle = open_bundle(config.environment.bundle)
        self.environment = make_environment(
            config.environment, self.bundle, self._device, config.state.features
        )
        self._numbers = np.arange(0)
        self._next = 0
        bounds = np.array(
            [BOUNDS.get(name, (-LARGEST, LARGEST)) for name in config.state.features], np.float32
        )
        self.observation_space = Box(bounds[:, 0], bounds[:, 1], dtype=np.float32)
        low, high, self._scale, self._zero = self._action_units(actions)
        self.action_space = Box(low, high, (1,), np.float32)

    def _action_units(self, actions: Actions) -> tuple[float, float, float, float]:
        """Lowest and highest u, then scale and zero: its change of guidance is scale (u - zero)."""
        low, high = self.environment.action_range
        limit, base = self.environment.action_limit, self.environment.cfg_base
        units = {
            "scaled": (-1.0, 1.0, limit, 0.0),
            "change": (low, high, 1.0, 0.0),
            "guidance": (base + low, base + high, 1.0, base),
        }
        if actions not in units:
            raise ConfigError(
                f"actions = {actions!r} is no meaning of an action.",
                f"Take one of {', '.join(units)}.",
            )
        return units[actions]

    @property
    def begun(self) -> bool:
        """Whether there are pictures yet."""
        return len(self._numbers) > 0

    def begin_with(self, seed: int) -> None:
        """Let the next picture be number 0 of a seed."""
        self._seed, self._next = seed, 0

    def reset(self, latents: object = None, labels: object = None) -> tuple[FloatArray, InfoArrays]:
        """Begin the next N pictures.

        Picture number k of a seed has the latent and the label that `diffusion.draw_latents` and
        `diffusion.draw_labels` give for k.

        Args:
            latents: (N, C, H, W) to begin with; drawn if None.
            labels: (N,) classes wanted; in turn if None.

        Returns:
            The state (N, F), and what is known of every picture.

        Raises:
            ConfigError: If they do not fit the model.
        """
        denoiser, first = self.bundle.denoiser, self._next
        if latents is None:
            drawn = draw_latents(self.count, self._seed, denoiser.sample_shape, first)
        else:
            drawn = torch.from_numpy(np.array(latents, dtype=np.float32))
        if labels is None:
            wanted = draw_labels(self.count, denoiser.num_classes, first)
        else:
            wanted = torch.from_numpy(np.array(labels))
        try:
            state = self._reset_environment(drawn, wanted)
        except ValueError as error:
            raise ConfigError(
                f"options of reset: {error}",
                f"Give {self.count} latents of shape {tuple(denoiser.sample_shape)} and as many "
                f"classes below {denoiser.num_classes}, or leave them out.",
            ) from error
        self._next = first + self.count
        self._numbers, self._labels = np.arange(first, self._next), wanted.numpy()
        return state, self._identity()

    def _reset_environment(self, latents: torch.Tensor, labels: torch.Tensor) -> FloatArray:
        if len(latents) != self.count:
            raise ValueError(f"there are {len(latents)} latents for {self.count} pictures")
        if not bool(torch.isfinite(latents).all()):
            raise ValueError("a latent is not finite")
        return _array(self.environment.reset(latents, labels))

    def step(self, actions: NDArray[Any]) -> tuple[FloatArray, NDArray[np.float64], InfoArrays]:
        """Take a step with one action (N, 1) per picture.

        Returns:
            The state (N, F), the reward (N,), and what is known of every picture.

        Raises:
            diffusion.environment.EpisodeError: If there is no episode under way.
            ValueError: If an action is not finite.
        """
        result = self.environment.step(self.change_of(np.reshape(actions, (self.count, 1))))
        reward = _array(result.reward).astype(np.float64)
        return _array(result.state), reward, {**self._identity(), **self._told(result)}

    def change_of(self, actions: NDArray[Any]) -> torch.Tensor:
        """The environment's actions (n,), changes of guidance, of an agent's (n, 1)."""
        given = torch.from_numpy(np.array(actions, dtype=np.float32)[:, 0])
        return self._scale * (given - self._zero)

    @property
    def done(self) -> bool:
        """Whether the pictures are finished."""
        return self.environment.finished

    def frames(self) -> NDArray[np.uint8]:
        """The clean pictures predicted now, the final ones at the end: (N, H, W, 3)."""
        pictures = self.environment.predicted_images.clamp(0, 1).mul(255).round().byte()
        coloured = pictures.expand(-1, 3, -1, -1) if pictures.shape[1] == 1 else pictures
        return np.ascontiguousarray(_array(coloured.permute(0, 2, 3, 1)))

    def _identity(self) -> InfoArrays:
        return {"number": self._numbers.copy(), "label": self._labels.copy()}

    def _told(self, result: StepResult) -> InfoArrays:
        told = {"guidance": _array(result.guidance)}
        told |= {f"reward_{name}": _array(term) for name, term in result.terms.items()}
        if result.done:
            told["picture"] = _array(self.environment.final_images)
            told["log_probability"] = _array(self.environment.final_log_probability)
        return told


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """A copy of its own, so that what an agent keeps does not change."""
    return tensor.detach().cpu().numpy().copy()
