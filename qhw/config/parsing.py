"""From tables to checked settings: presets, earlier versions' defaults, errors that name fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from qhw.config.catalogue import every_setting, unknown_setting
from qhw.config.sections import RunConfig
from qhw.config.tables import merge
from qhw.errors import ConfigError

DEFAULTS_0_1: dict[str, Any] = {
    "environment": {"bundle": "fashion-mnist-0.1", "previous_action": "asked"},
    "actor": {"sigma": "state"},
    "ppo": {"gamma": 0.995, "group": 1, "updates": 60},
}
"""What 0.1 did where nothing was set, and later versions do otherwise."""

PAPER_PPO: dict[str, Any] = {
    "environments": 8,
    "group": 1,
    "gamma": 0.995,
    "epochs": 4,
    "clip": 0.1,
    "entropy": 0.01,
    "actor_rate": 1e-4,
    "critic_rate": 1e-3,
    "final_rate_fraction": 1.0,
    "minibatches": 50,
}
"""The paper's PPO settings (section 4); 8 environments x 50 steps, minibatches of 8."""

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "actor": {"sigma": "state"},
        "ppo": PAPER_PPO,
        "environment": {
            "cfg_base": 5.0,
            "steps": 50,
            "solver": "ddim",
            "reward": {"preset": "paper"},
        },
    },
    "realism": {"environment": {"cfg_base": 2.0, "reward": {"preset": "realism"}}},
}

_OUT_OF_RANGE = (
    *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
    "literal_error",
)
"""Of a value that has the right type."""


def parse_config(values: dict[str, Any]) -> RunConfig:
    """Validate settings; those of 0.1 get the defaults that they were written with.

    Raises:
        ConfigError: Naming each field, its value and the range it must lie in.
    """
    if values.get("defaults") == "0.1":
        values = merge(_defaults_0_1(values), _with_first_bundle(values))
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_describe(error), "`qhw config` lists the settings.") from error


def _defaults_0_1(values: dict[str, Any]) -> dict[str, Any]:
    """Where noise was simulated, waiting qubits did not decay."""
    if values.get("backend", {}).get("name", "aer_noisy") != "aer_noisy":
        return DEFAULTS_0_1
    return merge(DEFAULTS_0_1, {"backend": {"idle": "off"}})


def _with_first_bundle(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of 0.1, whose `fashion-mnist` is called `fashion-mnist-0.1` now."""
    if values.get("environment", {}).get("bundle") != "fashion-mnist":
        return values
    return merge(values, {"environment": {"bundle": "fashion-mnist-0.1"}})


def _rule(field: str, kind: str, message: str) -> str:
    """What the value must be, as `qhw config` has it; pydantic names one bound alone."""
    if kind == "finite_number":
        return "must be finite"
    setting = every_setting().get(field)
    if setting is None or not setting.range or kind not in _OUT_OF_RANGE:
        return message
    return f"must be {setting.range}"


def _describe(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            lines.append(unknown_setting(field))
            continue
        value = item["input"] if not isinstance(item["input"], (dict, BaseModel)) else None
        shown = "" if value is None else f" = {value!r}"
        message = _rule(field, item["type"], item["msg"].removeprefix("Value error, "))
        names_itself = not item["loc"] or message.startswith(f"{field}.")
        lines.append(message if names_itself and not shown else f"{field}{shown}: {message}")
    return "\n".join(lines)
