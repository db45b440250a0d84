"""What `reset` may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhw.errors import ConfigError


def asked_for(options: Mapping[str, Any] | None, *known: str) -> dict[str, Any]:
    """The options that were given.

    Raises:
        ConfigError: If one is not among the known.
    """
    given = dict(options or {})
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigError(
            f"options of reset: there is no {', '.join(map(repr, unknown))}.",
            f"Give some of {', '.join(known)}, or none.",
        )
    return given
