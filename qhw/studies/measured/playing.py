"""Play conditions that were not played yet, each into a file of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibration import PUBLISHED
from diffusion.episodes import Episode
from diffusion.headroom import play_candidate
from diffusion.lpips_distance import LpipsDistance
from diffusion.metrics import psnr, ssim
from qhw.backends.backend import Backend
from qhw.backends.facts import NO_BACKEND
from qhw.backends.opening import open_backend
from qhw.config import RunConfig, parse_config
from qhw.devices.snapshots import find_snapshot
from qhw.errors import MitigationError
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.files import make_folder, write_json
from qhw.studies.measured.conditions import (
    NOISELESS,
    SHOWN_LATENTS,
    STUDY,
    BaselineCondition,
    Condition,
    Setting,
    facts_path,
    is_settled,
    path_of,
    pictures_path,
)
from qhw.studies.measured.layouts import layouts_of
from qhw.studies.store import Arrays, FloatArray, read_arrays, write_arrays
from qhw.studies.study import Scope
from qhw.threads import for_pictures, one_thread
from qhw.training.parts import make_backend, open_bundle, ring_circuit
from qhw.training.player import Player
from qhw.training.streams import stream_seed

HIGHEST_PSNR = 100.0
"""Stands for the infinite ratio of equal pictures, in dB."""


def acquire_conditions(scope: Scope, conditions: Iterable[Condition | BaselineCondition]) -> None:
    """Play what is not there yet; each condition is kept as soon as it is done."""
    for condition in conditions:
        if is_settled(scope, condition):
            continue
        if isinstance(condition, BaselineCondition):
            scope.tell(f"hand-made guidance: the {condition.kind}")
            _play_baseline(scope, condition)
            continue
        if condition.setting != NOISELESS:
            acquire_conditions(scope, [_noiseless(condition)])
        scope.tell(f"{condition.run.name} on {condition.setting.name}")
        _play(scope, condition)


@one_thread()
def _play(scope: Scope, condition: Condition) -> None:
    """Play one condition; where a mitigation does not fit the device, keep the reason instead."""
    started = time.perf_counter()
    make_folder(scope.store(STUDY).folder)
    config = played_config(condition.run.config, condition.setting)
    try:
        backend = _opened(config, condition.setting)
    except MitigationError as error:
        write_json(facts_path(scope, condition), {**condition.facts, "refused": error.message})
        return
    player = Player.of(condition.run, config, backend=backend)
    _disturb(player, condition.setting)
    paired = evaluation_latents(player.bundle, condition.latents)
    with for_pictures():
        episode = play_policy(player, paired, "report")
        arrays = {
            **_columns(_judges(config.environment.bundle).judge(episode, paired.labels)),
            **_likeness(scope, condition, episode),
            "pictures": _array(episode.images[:SHOWN_LATENTS]),
        }
    played = {
        "backend": backend.facts().words() if backend else NO_BACKEND,
        "note": backend.warning if backend else "",
        "cost": player.cost_meter.take(),
    }
    facts = {**condition.facts, **played, "seconds": _since(started)}
    _keep(scope, condition, arrays, facts)


def played_config(config: RunConfig, setting: Setting) -> RunConfig:
    """A run's settings with a condition's backend in place of its own, if it runs a circuit."""
    values = config.model_dump(exclude_unset=True, exclude_none=True)
    for section in ("backend", "hardware", "gradient"):
        values.pop(section, None)
    backend = {"backend": setting.backend} if config.actor.kind == "ring" else {}
    return parse_config({**values, **backend})


def _opened(config: RunConfig, setting: Setting) -> Backend | None:
    """The condition's backend; None for a classical actor.

    Raises:
        MitigationError: If the mitigation does not fit the device.
    """
    if config.actor.kind != "ring":
        return None
    circuit = ring_circuit(config.actor.circuit)
    dated = "@" in setting.device
    if not dated and setting.severity == PUBLISHED and not setting.layout:
        return make_backend(config, circuit)
    place: dict[str, Any] = {"device": setting.device}
    if dated:
        place = {"snapshot": find_snapshot(setting.device)}
    if setting.layout:
        found = layouts_of(circuit, setting.device, setting.layout + 1)
        place["transpiled"] = found[setting.layout]
    return open_backend(
        "aer_noisy",
        circuit,
        shots=setting.shots,
        noise_scale=setting.noise_scale,
        assumptions=setting.assumptions,
        seed=stream_seed(config.seed, "shots"),
        mitigation=setting.mitigation,
        **place,
    )


def _disturb(player: Player, setting: Setting) -> None:
    """Let the head read other numbers than it is given, drawn anew at every step."""
    head = player.actor.head
    generator = torch.Generator().manual_seed(stream_seed(player.config.seed, "jitter"))
    jitter, still = torch.tensor(setting.jitter), torch.tensor(setting.held)

    def read(_head: torch.nn.Module, inputs: tuple[Tensor]) -> Tensor:
        (given,) = inputs
        if setting.held:
            given = still.to(given).expand_as(given)
        if setting.jitter:
            drawn = torch.randn(given.shape, generator=generator)
            given = given + jitter.to(given) * drawn.to(given)
        return given

    if setting.held or setting.jitter:
        head.register_forward_pre_hook(read)


def _likeness(scope: Scope, condition: Condition, episode: Episode) -> dict[str, NDArray[Any]]:
    """How alike the pictures are to the noiseless policy's; its own are kept for the others."""
    images = episode.images.cpu()
    if condition.setting == NOISELESS:
        write_arrays(pictures_path(scope, condition), {"images": _array(images)})
        return {}
    path = pictures_path(scope, _noiseless(condition))
    own = torch.from_numpy(read_arrays(path)["images"]).float()
    return {
        "psnr": _array(psnr(images, own).clamp(max=HIGHEST_PSNR)),
        "ssim": _array(ssim(images, own)),
        "lpips": _array(_lpips()(images, own)),
    }


def _noiseless(condition: Condition) -> Condition:
    return Condition(condition.run, NOISELESS, condition.latents)


@one_thread()
def _play_baseline(scope: Scope, baseline: BaselineCondition) -> None:
    started = time.perf_counter()
    config = baseline.run.config
    player = Player(played_config(config, NOISELESS))
    paired = evaluation_latents(player.bundle, baseline.latents)
    baselines = Baselines.of(player, _judges(config.environment.bundle), paired)
    with for_pictures():
        chosen = baselines.rule() if baseline.kind == "rule" else baselines.constant()
        shown = slice(SHOWN_LATENTS)
        episode = play_candidate(
            player.environment.widened(),
            chosen.candidate,
            paired.latents[shown],
            paired.labels[shown],
        )
    labels = [player.bundle.card.class_names[int(label)] for label in paired.labels[shown]]
    played = {"name": chosen.name, "shown": labels, "seconds": _since(started)}
    facts = {**baseline.facts, **played}
    make_folder(scope.store(STUDY).folder)
    arrays = {**_columns(chosen.outcome), "pictures": _array(episode.images)}
    _keep(scope, baseline, arrays, facts)


def _columns(outcome: Outcome) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {"returns": outcome.returns, "guidance": outcome.guidance}
    for eye, score in outcome.scores.items():
        columns[f"{eye}/log_probability"] = score.arm.log_probability
        columns[f"{eye}/correct"] = score.arm.correct
        columns[f"{eye}/effect"] = score.arm.effect
        columns[f"{eye}/frechet"] = np.array(score.arm.distance)
    return columns


def _keep(
    scope: Scope, condition: Condition | BaselineCondition, arrays: Arrays, facts: Mapping[str, Any]
) -> None:
    """Write the facts first: a condition counts as played once its numbers are there."""
    write_json(facts_path(scope, condition), facts)
    write_arrays(path_of(scope, condition), arrays)


@lru_cache(maxsize=1)
def _judges(bundle: str) -> Judges:
    return Judges(open_bundle(bundle))


@lru_cache(maxsize=1)
def _lpips() -> LpipsDistance:
    return LpipsDistance()


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)
