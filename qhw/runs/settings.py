"""From what was typed to settings that fit each other, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qhw.config import PRESETS, RunConfig, load_config, merge, parse_config
from qhw.errors import ConfigError, UnknownNameError
from qhw.known import DeviceName, refuse_unknown
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.lock import sole_use

LIMITS = ("max_qpu_seconds", "max_jobs", "max_cost")
"""Settings of a device that hold for one run and are not handed on to the next."""
RAISABLE = (*LIMITS, "job_wait", "on_drift")
"""Settings of a device that a resumed run may be given anew."""
OF_BACKEND = ("backend", "hardware", "gradient")
"""Tables that belong to one kind of backend."""
DEVICE_LATENTS = 20
"""Evaluation latents on a device, unless more are asked for: each costs QPU time."""
FULL_LATENTS = 2000
"""Latents of the full table, where they cost nothing."""


def checked_training_settings(
    chosen: dict[str, Any], *, config: Path | None, preset: str, start_from: Path | None
) -> RunConfig:
    """Settings of a new training run whose backend can be opened; see `training_settings`.

    Raises:
        QhwError: If a name is unknown or settings do not fit.
    """
    parsed = training_settings(chosen, config=config, preset=preset, start_from=start_from)
    simulated = parsed.backend.name == "aer_noisy"
    refuse_unknown(parsed.backend.name, parsed.backend.device if simulated else None)
    return parsed


def training_settings(
    chosen: dict[str, Any], *, config: Path | None, preset: str, start_from: Path | None
) -> RunConfig:
    """Settings of a new training run; nothing is asked whether its backend is there.

    Args:
        chosen: Options that were typed, as nested tables.
        config: A TOML file.
        preset: A name in `PRESETS`.
        start_from: A run whose settings and weights are the start.

    Raises:
        UnknownNameError: If there is no such preset or run.
        ConfigError: If settings do not fit.
    """
    if preset not in PRESETS:
        raise UnknownNameError.nearest("preset", preset, PRESETS, "qhw train --help")
    base = merge(PRESETS[preset], load_config(config) if config else {})
    if start_from is not None:
        source = open_run(start_from).config
        values = _handed_on(source, chosen.get("backend", {}), (*OF_BACKEND, "evaluation"))
        base = {**merge(values, base), "start_from": str(start_from.resolve())}
    settings = merge(base, chosen)
    if DeviceName(settings.get("backend", {}).get("name", "")).takes_jobs:
        settings = merge({"evaluation": {"latents": DEVICE_LATENTS}}, settings)
    return parse_config(settings)


def run_to_resume(
    path: Path, chosen: dict[str, Any], others: Mapping[str, object | None]
) -> RunDirectory:
    """A run to go on with; its limits may be raised, nothing else.

    Raises:
        ConfigError: If other settings are given.
        BusyError: If another process is at work on it.
    """
    hardware = chosen.get("hardware", {})
    foreign = [name for name, value in others.items() if value is not None]
    foreign += [name for name in RunConfig.model_fields if name in chosen and name != "hardware"]
    foreign += [name for name in hardware if name not in RAISABLE]
    if foreign:
        raise ConfigError(
            f"--resume goes on with the run's own settings, and {', '.join(foreign)} was given.",
            f"Type `qhw train --resume {path}`, with a higher --max-qpu-seconds, --max-jobs or "
            "--max-cost if a limit was reached.",
        )
    return _with_limits(open_run(path), hardware)


def run_to_evaluate(
    path: Path, latents: int | None, limits: dict[str, Any]
) -> tuple[RunDirectory, int]:
    """A run to evaluate, and on how many latents; on a device its limits may be raised.

    Args:
        path: The run.
        latents: As typed; None for many where they are free, and for the run's own on a device.
        limits: Settings in `RAISABLE`; None leaves one as it is.

    Raises:
        ConfigError: If limits are given to a run whose evaluation costs nothing.
        BusyError: If another process is at work on the run.
    """
    run = open_run(path)
    if latents is None:
        paid = run.config.backend.takes_jobs
        latents = run.config.evaluation.latents if paid else FULL_LATENTS
    return _with_limits(run, merge({}, limits)), latents


def _with_limits(run: RunDirectory, hardware: dict[str, Any]) -> RunDirectory:
    """The run, with these settings of its device kept from now on."""
    if hardware:
        values = run.config.model_dump(exclude_unset=True, exclude_none=True)
        raised = parse_config(merge(values, {"hardware": hardware}))
        with sole_use(run.path):
            run.rewrite_config(raised)
    return run


def deployment_settings(
    path: Path, backend: dict[str, Any], hardware: dict[str, Any], *, resume: bool, fresh: bool
) -> RunConfig:
    """Settings to sample with a trained run.

    Args:
        path: The run.
        backend: Settings laid over the run's own backend; None leaves one as it is.
        hardware: Settings of a device.
        resume: Whether an unfinished deployment is to be resumed.
        fresh: Whether to begin anew beside it.

    Raises:
        QhwError: If a name is unknown or settings do not fit.
    """
    if backend.get("name") is not None:
        refuse_unknown(backend["name"], backend.get("device"))
    config = settings_on_backend(open_run(path).config, backend, hardware)
    if (resume or fresh) and not config.backend.takes_jobs:
        raise ConfigError(
            f"--resume and --fresh apply to devices; {config.backend.name!r} costs nothing.",
            "Leave them out.",
        )
    if resume and fresh:
        raise ConfigError("--resume goes on, --fresh begins anew.", "Give one of them.")
    return config


def settings_on_backend(
    config: RunConfig, backend: dict[str, Any], hardware: dict[str, Any]
) -> RunConfig:
    """The run's settings with another backend; a change of its kind drops what does not apply."""
    values = _handed_on(config, backend, OF_BACKEND)
    return parse_config(merge(values, {"backend": backend, "hardware": hardware}))


def _handed_on(
    config: RunConfig, backend: dict[str, Any], of_backend: tuple[str, ...]
) -> dict[str, Any]:
    """A run's settings for another; on a backend of another kind those `of_backend` are dropped.

    Limits always are: what was allowed to one run is not allowed to another, whoever pays says so
    anew.
    """
    values = config.model_dump(exclude_unset=True, exclude_none=True)
    lasting = {k: value for k, value in values.pop("hardware", {}).items() if k not in LIMITS}
    if lasting:
        values["hardware"] = lasting
    if backend.get("name") is not None and _kind(backend["name"]) != _kind(config.backend.name):
        return {key: value for key, value in values.items() if key not in of_backend}
    return values


def _kind(name: str) -> str:
    return "device" if DeviceName(name).takes_jobs else name
