"""Every setting that there is, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from qhw.config.sections import RunConfig
from qhw.config.setting import Setting, nearest_settings, settings_of


@lru_cache(maxsize=1)
def every_setting() -> Mapping[str, Setting]:
    """What the models say of every setting, by its name, such as `ppo.actor_rate`."""
    return settings_of(RunConfig)


def unknown_setting(name: str) -> str:
    """That there is no such setting, and what may have been meant."""
    near = nearest_settings(name, every_setting())
    return f"There is no setting {name!r}" + (
        f": did you mean {' or '.join(near)}?" if near else ""
    )
