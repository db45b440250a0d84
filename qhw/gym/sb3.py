"""The lockstep environment as stable-baselines3 wants its vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from qhw.errors import InstallationError
from qhw.gym.lockstep import GuidanceVectorEnv

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("stable_baselines3"):
        raise
    raise InstallationError(
        "qhw.gym.sb3: the package stable-baselines3 is not installed.",
        "Type `pip install stable-baselines3`.",
    ) from error


class LockstepVecEnv(VecEnv):
    """N pictures in lockstep for an agent of stable-baselines3.

    `PPO(..., seed=s)` seeds it with s: picture number k is then number k of seed s, as anywhere.

    Args:
        num_envs: N.
        settings: Keywords of `qhw.gym.lockstep.GuidanceVectorEnv`, but for its `autoreset_mode`.

    Attributes:
        vector: The environment itself.

    Raises:
        QhwError: As `qhw.gym.pictures.Pictures`.
    """

    def __init__(self, num_envs: int = 1, **settings: Any) -> None:
        self.vector = GuidanceVectorEnv(
            num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **settings
        )
        super().__init__(
            num_envs, self.vector.single_observation_space, self.vector.single_action_space
        )

    def reset(self) -> NDArray[np.float32]:
        """The first states (N, F) of the next pictures."""
        options = {k: v for given in self._options for k, v in given.items()}
        state, info = self.vector.reset(seed=self._seeds[0], options=options)
        self.reset_infos = _by_picture(info, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return state

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions (N, 1) for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """States (N, F), rewards (N,), whether episodes ended (N,), and an info per picture."""
        state, reward, ended, _, infos = self.vector.step(self._actions)
        if not ended[0]:
            return state, reward, ended, _by_picture(infos, self.num_envs)
        told = _by_picture(infos["final_info"], self.num_envs)
        for each, last in zip(told, infos["final_obs"], strict=True):
            each |= {"terminal_observation": last, "TimeLimit.truncated": False}
        begun = {name: v for name, v in infos.items() if not name.startswith(("final", "_final"))}
        self.reset_infos = _by_picture(begun, self.num_envs)
        return state, reward, ended, told

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One (H, W, 3) per picture, if the render mode is `rgb_array`."""
        return self.vector.render() or [None] * self.num_envs

    def close(self) -> None:
        """Nothing is held open."""
        self.vector.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The environment's attribute, once for each picture."""
        return [getattr(self.vector, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Not to be had: pictures in lockstep have all attributes in common."""
        raise NotImplementedError(f"{attr_name} is common to all pictures: set it on .vector")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Not to be had: pictures in lockstep are no environments of their own."""
        raise NotImplementedError(f"{method_name} is common to all pictures: call it on .vector")

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """It never is."""
        return [False] * len(list(self._get_indices(indices)))


def _by_picture(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Arrays by name as one dictionary per picture."""
    known = {name: values for name, values in infos.items() if not name.startswith("_")}
    return [{name: values[k] for name, values in known.items()} for k in range(count)]
