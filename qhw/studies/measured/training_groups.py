"""A report's runs, grouped by how they were trained: within a group they differ by seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qhw.backends.facts import BackendFacts
from qhw.config import RunConfig
from qhw.errors import CheckpointError, ConfigError
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.conditions import bundle_digest, newest_update

UNIMPORTANT = ("seed", "torch_device", "evaluation", "hardware", "start_from")
"""Sections that may differ between runs that count as seeds of one training; two that began on the
same run are refused by `_refuse_shared`."""


@dataclass(frozen=True)
class TrainingGroup:
    """Runs trained alike, with different seeds.

    Attributes:
        name: Where they were trained, such as `trained on fake_brisbane`.
        runs: In the order they were given.
    """

    name: str
    runs: tuple[RunDirectory, ...]


def group_runs(runs: Sequence[RunDirectory]) -> tuple[TrainingGroup, ...]:
    """Group runs by their training backend; the first group is the subject's.

    Raises:
        ConfigError: If the runs do not go together, or one of them has no circuit.
        CheckpointError: If one of them was never trained.
    """
    refuse_unfit(runs)
    alike: dict[str, list[RunDirectory]] = {}
    for run in runs:
        alike.setdefault(training_name(run), []).append(run)
    groups = tuple(TrainingGroup(name, tuple(members)) for name, members in alike.items())
    for group in groups:
        _refuse_mixed(group)
    return groups


def subject(runs: Sequence[RunDirectory]) -> TrainingGroup:
    """The group of the first run."""
    return group_runs(runs)[0]


def apart_from_companions(
    runs: Sequence[RunDirectory],
) -> tuple[tuple[RunDirectory, ...], tuple[RunDirectory, ...]]:
    """The runs that a report is about, and those it compares them with.

    A classical actor is compared with circuits, and a circuit that was left as it was drawn
    (`--gradient frozen`) with trained ones; the first run is always what the report is about.

    Raises:
        ConfigError: If one of the others was trained with another model or reward.
        CheckpointError: If one of the others was never trained.
    """
    if not runs:
        return (), ()
    first = runs[0]
    others = [run for run in runs if _is_beside(run, first)]
    for run in others:
        _refuse_untrained(run)
        _refuse_unlike(first, run, ("environment",))
    return tuple(run for run in runs if run not in others), tuple(others)


def companion_kind(run: RunDirectory) -> str:
    """What a run is that is compared with, in short."""
    kind = run.config.actor.kind
    return "a circuit left as it was drawn" if kind == "ring" else f"a classical actor, {kind}"


def _is_beside(run: RunDirectory, first: RunDirectory) -> bool:
    """Whether a run is another kind of controller than a trained circuit, which the first is."""
    if first.config.actor.kind != "ring":
        return False
    if run.config.actor.kind != "ring":
        return True
    return _is_untrained(run) and not _is_untrained(first)


def _is_untrained(run: RunDirectory) -> bool:
    """Whether the circuit is as it was drawn: a head trained on another run's is not."""
    return run.config.gradient.rule == "frozen" and run.config.start_from is None


def refuse_unfit(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs that a report cannot be about, or not together.

    Raises:
        ConfigError: If there is none, one has a classical actor, or bundle, environment or circuit
            differ.
        CheckpointError: If one was never trained.
    """
    if not runs:
        raise ConfigError("No run was given.", "`qhw runs` lists them; give one or several.")
    for run in runs:
        _refuse_unreportable(run)
    for run in runs[1:]:
        _refuse_unlike(runs[0], run)


def training_name(run: RunDirectory) -> str:
    """Where a run was trained, such as `trained on fake_brisbane x 2, 1024 shots`."""
    backend = run.config.backend
    facts = BackendFacts.read(run.read_json("provenance.json").get("backend") or {})
    place = {"aer": "noiseless", "aer_noisy": backend.device}.get(backend.name, backend.name)
    scale = "" if backend.noise_scale == 1 else f" x {backend.noise_scale:g}"
    shots = "" if backend.shots is None else f", {backend.shots} shots"
    mitigation = "" if backend.mitigation in (None, "none") else f", {backend.mitigation}"
    # The settings name another backend where one was given from Python.
    named = f"on {facts.name}" if facts.own else f"on {place}{scale}{shots}{mitigation}"
    begun = "" if run.config.start_from is None else ", begun on another run"
    return f"trained {named}{begun}".replace("on noiseless", "noiseless")


def _refuse_untrained(run: RunDirectory) -> None:
    if newest_update(run) == 0:
        raise CheckpointError(
            f"{run.path} was never trained: it holds its first checkpoint alone.",
            f"Go on with it: `qhw train --resume {run.path}` ({run.config.ppo.updates} updates).",
        )


def _refuse_unreportable(run: RunDirectory) -> None:
    """Without a training or a circuit there is nothing to say of noise."""
    _refuse_untrained(run)
    kind = run.config.actor.kind
    if kind != "ring":
        raise ConfigError(
            f"{run.path} has the classical actor {kind!r}: it runs no circuit, so there is no "
            "noise to report on.",
            "Give runs of --actor ring; `qhw evaluate` compares classical ones with the baselines.",
        )


def _refuse_unlike(
    first: RunDirectory,
    other: RunDirectory,
    sections: Sequence[str] = ("environment", "actor"),
) -> None:
    """The same latents, judges and reward are what makes runs comparable."""
    if bundle_digest(first) != bundle_digest(other):
        raise ConfigError(
            f"{first.name} and {other.name} were trained with different models (bundles "
            f"{bundle_digest(first)[:12]} and {bundle_digest(other)[:12]}): their returns do not "
            "compare.",
            "Report on each by itself.",
        )
    for section in sections:
        changed = _differences(first.config, other.config, section)
        if changed:
            raise ConfigError(
                f"{first.name} and {other.name} differ in {', '.join(changed)}: a report compares "
                "runs of one circuit and one reward.",
                "Report on each by itself.",
            )


def _refuse_mixed(group: TrainingGroup) -> None:
    """Within a group runs are replicates: alike in all but the seed, and no seed twice."""
    first = group.runs[0]
    for run in group.runs[1:]:
        changed = [
            name
            for section in RunConfig.model_fields
            if section not in UNIMPORTANT
            for name in _differences(first.config, run.config, section)
        ]
        if changed:
            raise ConfigError(
                f"{first.name} and {run.name} count as seeds of one training ({group.name}), but "
                f"differ in {', '.join(changed)}.",
                "Report on each by itself.",
            )
    seeds = [run.config.seed for run in group.runs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"Runs {group.name} have the seeds {seeds}: the same seed twice is the same training "
            "twice, and would count as two.",
            "Leave one of them out, or train it with another --seed.",
        )
    _refuse_shared(group)


def _refuse_shared(group: TrainingGroup) -> None:
    """Runs that begin on the same weights share its training: they are no independent seeds."""
    begun = [source for run in group.runs if (source := run.config.start_from) is not None]
    shared = next((source for source in begun if begun.count(source) > 1), None)
    if shared:
        raise ConfigError(
            f"{begun.count(shared)} of the runs {group.name} began on {shared}: they share its "
            "training, and would count as independent seeds.",
            "Give one of them, or begin each on a run of another --seed.",
        )


def _differences(one: RunConfig, other: RunConfig, section: str) -> list[str]:
    left, right = (_dotted(each.model_dump(mode="json")[section], section) for each in (one, other))
    return [name for name in left if left[name] != right[name] and name != "backend.engine"]


def _dotted(value: Any, name: str) -> dict[str, Any]:
    """Nested tables as dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    parts = [_dotted(inner, f"{name}.{key}") for key, inner in value.items()]
    return {key: inner for part in parts for key, inner in part.items()}
