"""What the Tab key offers: names of devices, runs and settings; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qhw.config.setting import Setting

DEVICE_SETTINGS = ("backend.name", "backend.device")


def complete_run(incomplete: str) -> list[str]:
    """Names of the runs below `runs`, `latest` among them."""
    files = sorted(Path("runs").glob("*/config.toml"))
    return _beginning(incomplete, (file.parent.name for file in files))


def complete_model(incomplete: str) -> list[str]:
    """Bundles that ship, and folders here that hold a card."""
    from diffusion.embedded import EMBEDDED

    folders = sorted(card.parent.name for card in Path().glob("*/card.json"))
    return _beginning(incomplete, (*EMBEDDED, *folders))


def complete_device(incomplete: str) -> list[str]:
    """Backends, the vendor's snapshots and live devices."""
    from qhw.known import BACKEND_NAMES, LIVE_DEVICES, stand_in_names

    return _beginning(incomplete, (*BACKEND_NAMES, *stand_in_names(), *LIVE_DEVICES))


def complete_preset(incomplete: str) -> list[str]:
    """Settings to begin with."""
    from qhw.config import PRESETS

    return _beginning(incomplete, PRESETS)


def complete_study(incomplete: str) -> list[str]:
    """Studies of controllers."""
    from qhw.studies.trained.catalogue import STUDIES

    return _beginning(incomplete, STUDIES)


def complete_tracker(incomplete: str) -> list[str]:
    """Where the numbers of every update can go."""
    from qhw.training.tracking import TRACKERS

    return _beginning(incomplete, TRACKERS)


def complete_setting(incomplete: str) -> list[str]:
    """Settings and the tables that they are in."""
    from qhw.config import every_setting

    tables = {setting.table for setting in every_setting().values()} - {""}
    return _beginning(incomplete, (*sorted(tables), *every_setting()))


def complete_assignment(incomplete: str) -> list[str]:
    """`NAME=`, then the values that this setting may have."""
    from qhw.config import every_setting

    name, equals, text = incomplete.partition("=")
    if not equals:
        return _beginning(incomplete, (f"{each}=" for each in every_setting()))
    setting = every_setting().get(name)
    complete = completion_of(setting) if setting is not None else None
    return [f"{name}={value}" for value in complete(text)] if complete is not None else []


def completion_of(setting: Setting) -> Callable[[str], list[str]] | None:
    """What completes a setting's value; None where it may be any number or word."""
    if setting.name in DEVICE_SETTINGS:
        return complete_device
    if setting.name == "environment.bundle":
        return complete_model
    if setting.name == "start_from":
        return complete_run
    if not setting.choices:
        return None
    return lambda incomplete: _beginning(incomplete, setting.choices)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
