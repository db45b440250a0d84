"""An environment for agents of one's own: importing this registers `qhw/Guidance-v0`.

    gymnasium.make("qhw/Guidance-v0")                    one picture: `qhw.gym.single`
    gymnasium.make_vec("qhw/Guidance-v0", num_envs=32)   many in lockstep: `qhw.gym.lockstep`
    qhw.gym.sb3.LockstepVecEnv(32)                       the same for stable-baselines3

All take the keywords of `qhw.gym.pictures.Pictures`.
"""

from __future__ import annotations

from qhw.errors import InstallationError

try:
    from gymnasium import register
except ModuleNotFoundError as error:
    if error.name != "gymnasium":
        raise
    raise InstallationError(
        "qhw.gym: the package gymnasium is not installed.", "Type `pip install 'qhw[gym]'`."
    ) from error

ENVIRONMENT_ID = "qhw/Guidance-v0"

register(
    ENVIRONMENT_ID,
    entry_point="qhw.gym.single:GuidanceEnv",
    vector_entry_point="qhw.gym.lockstep:GuidanceVectorEnv",
)
