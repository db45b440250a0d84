"""Settings as nested tables, as files hold them, and by their names, as people type them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of the settings that have a value; their names say in which table they are."""
    tables: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None:
            *path, last = name.split(".")
            table = tables
            for word in path:
                table = table.setdefault(word, {})
            table[last] = value
    return tables


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by the settings' names: what `nested` makes tables of."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `overrides` laid over it, table by table; `None` overrides nothing."""
    merged = dict(base)
    for key, value in overrides.items():
        if isinstance(value, dict):
            table = merge(merged.get(key, {}), value)
            if table:
                merged[key] = table
        elif value is not None:
            merged[key] = value
    return merged
