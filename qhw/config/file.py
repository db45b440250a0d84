"""Settings in a TOML file: what was chosen, and as comments what else there is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from qhw.config.catalogue import every_setting
from qhw.config.sections import RunConfig
from qhw.config.setting import Setting
from qhw.config.tables import dotted
from qhw.errors import ConfigError


def load_config(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file, not validated yet, so that options may override them.

    Raises:
        ConfigError: When the file is missing, cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {str(path)!r}.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"{str(path)!r} cannot be read: {told}.",
            "Name a TOML file, such as the config.toml of a run.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "Mend that line.") from error


def dump_config(config: RunConfig) -> str:
    """Render as TOML: what was set, and as comments every other setting with its default."""
    chosen = dotted(config.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    chosen["defaults"] = config.defaults
    own = dotted(config.model_dump(mode="json"))
    lines = [*_PREAMBLE]
    for name, setting in every_setting().items():
        about = f" ({setting.range})" if setting.range else ""
        lines += ["", f"# {setting.meaning.removesuffix('.')}{about}."]
        lines.append(_line(name, chosen[name]) if name in chosen else _unchosen(setting, own[name]))
    return "\n".join(lines) + "\n"


_PREAMBLE = (
    "# Settings of a run. A line without # was chosen; the others hold defaults:",
    "# take away the # in front of a name to choose its value.",
)


def _unchosen(setting: Setting, value: Any) -> str:
    if value is None:
        return f"#{setting.name} =   # {setting.default}"
    return "#" + _line(setting.name, value)


def _line(name: str, value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    texts = [tomli_w.dumps({"v": one}).removeprefix("v = ").strip() for one in values]
    return f"{name} = " + (f"[{', '.join(texts)}]" if isinstance(value, list) else texts[0])
