"""Settings as they are typed: `ppo.actor_rate=1e-3`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qhw.config.catalogue import every_setting, unknown_setting
from qhw.config.tables import merge, nested
from qhw.errors import ConfigError


def assigned(assignments: Iterable[str]) -> dict[str, Any]:
    """Nested tables of settings given as `ppo.actor_rate=1e-3`.

    Raises:
        ConfigError: If one is no assignment, names no setting, or has a value of another type.
    """
    tables: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {assignment} gives no value.",
                f"Type it as --set {name or 'ppo.actor_rate'}=VALUE; `qhw config` lists the "
                "settings.",
            )
        tables = merge(tables, nested({name.strip(): _typed(name.strip(), text.strip())}))
    return tables


def _typed(name: str, text: str) -> Any:
    setting = every_setting().get(name)
    if setting is None:
        told = unknown_setting(name)
        end = "" if told.endswith("?") else "."
        raise ConfigError(f"{told}{end}", "`qhw config` lists the settings.")
    try:
        return setting.parsed(text)
    except ValueError as error:
        may_be = f"; it may be {setting.range}" if setting.range else ""
        raise ConfigError(
            f"{name}: {error}{may_be}.", f"`qhw config {name}` tells more."
        ) from error
