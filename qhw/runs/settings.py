"""From what was typed to settings that fit each other, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhw.config import PRESETS, RunConfig, dotted, load_config, merge, parse_config
from qhw.errors import ConfigError, UnknownNameError
from qhw.known import DeviceName, refuse_unknown
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.lock import sole_use
from qhw.runs.status import newest_unfinished

LIMITS = ("max_qpu_seconds", "max_jobs", "max_cost")
"""Settings of a device that hold for one run and are not handed on to the next."""
RAISABLE = tuple(f"hardware.{name}" for name in (*LIMITS, "job_wait", "on_drift"))
"""Settings of a device that a resumed run may be given anew."""
OF_EVALUATION = ("evaluation.latents", "evaluation.bootstrap", "torch_device")
"""Settings that an evaluation may be given otherwise than its run's training."""
OF_BACKEND = ("backend", "hardware", "gradient")
"""Tables that belong to one kind of backend."""
DEVICE_LATENTS = 20
"""Evaluation latents on a device, unless more are asked for: each costs QPU time."""
FULL_LATENTS = 2000
"""Latents of the full table, where they cost nothing."""


def checked_training_settings(
    chosen: dict[str, Any],
    *,
    config: Path | None,
    preset: str,
    start_from: Path | None,
    runs: Path | None = None,
) -> RunConfig:
    """Settings of a new training run whose backend can be opened; see `training_settings`.

    Raises:
        QhwError: If a name is unknown or settings do not fit.
    """
    sources: dict[str, Any] = {"config": config, "preset": preset, "start_from": start_from}
    parsed = training_settings(chosen, **sources, runs=runs)
    simulated = parsed.backend.name == "aer_noisy"
    refuse_unknown(parsed.backend.name, parsed.backend.device if simulated else None)
    return parsed


def training_settings(
    chosen: dict[str, Any],
    *,
    config: Path | None,
    preset: str,
    start_from: Path | None,
    runs: Path | None = None,
) -> RunConfig:
    """Settings of a new training run; nothing is asked whether its backend is there.

    Args:
        chosen: Options that were typed, as nested tables.
        config: A TOML file.
        preset: A name in `PRESETS`.
        start_from: A run whose settings and weights are the start.
        runs: Folder in which its name is looked for.

    Raises:
        UnknownNameError: If there is no such preset or run.
        ConfigError: If settings do not fit.
    """
    if preset not in PRESETS:
        raise UnknownNameError.nearest("preset", preset, PRESETS, "qhw train --help")
    base = merge(PRESETS[preset], load_config(config) if config else {})
    source = _source(start_from, chosen)
    if source is not None:
        run = open_run(source, runs)
        values = _handed_on(run.config, chosen.get("backend", {}), (*OF_BACKEND, "evaluation"))
        chosen = {**chosen, "start_from": str(run.path)}
        base = merge(values, base)
    settings = merge(base, chosen)
    if DeviceName(settings.get("backend", {}).get("name", "")).takes_jobs:
        settings = merge({"evaluation": {"latents": DEVICE_LATENTS}}, settings)
    return parse_config(settings)


def _source(start_from: Path | None, chosen: dict[str, Any]) -> Path | None:
    """The run to start from, by its option or as a setting."""
    named = chosen.get("start_from")
    if start_from is not None and named is not None:
        raise ConfigError("--from and --set start_from choose the same.", "Give one of them.")
    return start_from if named is None else Path(named)


def refuse_stray_run(run: Path | None) -> None:
    """Refuse a run that is named without saying what to do with it.

    Raises:
        ConfigError: With what may have been meant.
    """
    if run is not None:
        raise ConfigError(
            f"`qhw train {run}`: train what?",
            f"Type `qhw train --resume {run}` to go on with it, or `qhw train --from {run}` to "
            "start a new run with its weights.",
        )


def run_to_resume(
    path: Path | None,
    chosen: dict[str, Any],
    others: Mapping[str, object | None],
    runs: Path | None = None,
) -> RunDirectory:
    """A run to go on with; its limits may be raised, nothing else.

    Args:
        path: Its folder or name; None for the newest that is not finished.
        chosen: Settings that were typed, as nested tables.
        others: What else was typed.
        runs: Folder that holds the runs.

    Raises:
        ConfigError: If other settings are given.
        UnknownNameError: If there is no such run.
        BusyError: If another process is at work on it.
    """
    shown = path or "RUN"
    _refuse_settings(
        chosen,
        RAISABLE,
        [name for name, value in others.items() if value is not None],
        "--resume goes on with the run's own settings",
        f"Type `qhw train --resume {shown}`, with a higher --max-qpu-seconds, --max-jobs or "
        "--max-cost if a limit was reached.",
    )
    run = newest_unfinished(runs or Path("runs")) if path is None else open_run(path, runs)
    return _with_limits(run, chosen.get("hardware", {}))


def _refuse_settings(
    chosen: dict[str, Any], allowed: Sequence[str], others: Sequence[str], why: str, hint: str
) -> None:
    foreign = [*others, *(name for name in dotted(chosen) if name not in allowed)]
    if foreign:
        raise ConfigError(f"{why}, and {', '.join(foreign)} was given.", hint)


@dataclass(frozen=True)
class ToEvaluate:
    """What `qhw evaluate` was asked for.

    Attributes:
        run: The run, with its limits raised if they were given.
        latents: How many.
        config: Settings to evaluate it under; None for the run's own.
    """

    run: RunDirectory
    latents: int
    config: RunConfig | None


def run_to_evaluate(
    path: Path, latents: int | None, chosen: dict[str, Any], runs: Path | None = None
) -> ToEvaluate:
    """A run to evaluate, and on how many latents; on a device its limits may be raised.

    Args:
        path: The run's folder or name.
        latents: As typed; None for many where they are free, and for the run's own on a device.
        chosen: Settings that were typed, as nested tables; None leaves one as it is.
        runs: Folder that holds the runs.

    Raises:
        ConfigError: If settings of training are given, or limits to a run whose evaluation costs
            nothing.
        BusyError: If another process is at work on the run.
    """
    chosen = merge({}, chosen)
    _refuse_settings(
        chosen,
        (*RAISABLE, *OF_EVALUATION),
        [],
        f"`qhw evaluate` takes {', '.join(OF_EVALUATION)} and limits; the rest is as it was "
        "trained",
        "Train a run with it: `qhw train --set NAME=VALUE`.",
    )
    number = chosen.get("evaluation", {}).pop("latents", None)
    if number is not None and latents is not None:
        raise ConfigError(
            "--latents and --set evaluation.latents choose the same.", "Give one of them."
        )
    run = _with_limits(open_run(path, runs), chosen.pop("hardware", {}))
    own = run.config.evaluation.latents if run.config.backend.takes_jobs else FULL_LATENTS
    return ToEvaluate(run, latents or number or own, _changed(run.config, chosen))


def _changed(config: RunConfig, chosen: dict[str, Any]) -> RunConfig | None:
    if not dotted(chosen):
        return None
    values = config.model_dump(exclude_unset=True, exclude_none=True)
    return parse_config(merge(values, chosen))


def _with_limits(run: RunDirectory, hardware: dict[str, Any]) -> RunDirectory:
    """The run, with these settings of its device kept from now on."""
    if hardware:
        values = run.config.model_dump(exclude_unset=True, exclude_none=True)
        raised = parse_config(merge(values, {"hardware": hardware}))
        with sole_use(run.path):
            run.rewrite_config(raised)
    return run


def deployment_settings(
    path: Path,
    backend: dict[str, Any],
    hardware: dict[str, Any],
    *,
    resume: bool,
    fresh: bool,
    runs: Path | None = None,
) -> RunConfig:
    """Settings to sample with a trained run.

    Args:
        path: The run's folder or name.
        backend: Settings laid over the run's own backend; None leaves one as it is.
        hardware: Settings of a device.
        resume: Whether an unfinished deployment is to be resumed.
        fresh: Whether to begin anew beside it.
        runs: Folder in which its name is looked for.

    Raises:
        QhwError: If a name is unknown or settings do not fit.
    """
    if backend.get("name") is not None:
        refuse_unknown(backend["name"], backend.get("device"))
    config = settings_on_backend(open_run(path, runs).config, backend, hardware)
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
