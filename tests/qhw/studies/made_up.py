"""Reports whose numbers are made up, and what their findings should say, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Finding, Table
from qhw.studies.measured import noisy_features, visited_states
from qhw.studies.measured.conditions import Condition, Setting, path_of
from qhw.studies.measured.noisy_features import Key
from qhw.studies.measured.refining import keep_refined
from qhw.studies.measured.seed_rows import baselines
from qhw.studies.measured.training_groups import group_runs, subject
from qhw.studies.questions.noise_scale import _settings as scales_of
from qhw.studies.questions.shots import _settings as shots_of
from qhw.studies.store import FloatArray, read_arrays
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import FEW_LATENTS, LATENTS, pretend

DEVICE = "fake_nairobi"

DEVICE = "fake_nairobi"
Effect = Callable[[Setting], float]
NOISY = {"name": "aer_noisy", "device": DEVICE}


class World:
    """A report's files, made up: gain of the policy over the constant by setting."""

    def __init__(self, scope: Scope, rng: np.random.Generator) -> None:
        self.scope, self._rng = scope, rng
        self._base = rng.standard_normal(LATENTS)
        for each in baselines(scope):
            pretend(scope, each, self._base + (0.3 if each.kind == "rule" else 0.0))

    def play_scales(self, effect: Effect, spread: float = 0.05) -> None:
        self.play(scales_of(self.scope), effect, spread)
        keep_refined(self.scope, "noise_scale", [])

    def play_shots(self, effect: Effect, spread: float = 0.05) -> list[Setting]:
        """Exact values and the grid of shots, which are returned."""
        settings = [Setting(DEVICE), *shots_of(self.scope)]
        self.play(settings, effect, spread)
        keep_refined(self.scope, "shots", [])
        return settings

    def play(self, settings: list[Setting], effect: Effect, spread: float = 0.05) -> None:
        for group in group_runs(self.scope.runs):
            for run in group.runs:
                offsets = spread * self._rng.standard_normal(LATENTS)
                for setting in dict.fromkeys(settings):
                    condition = Condition(run, setting, LATENTS)
                    jitter = spread / 10 * self._rng.standard_normal(LATENTS)
                    returns = self._base + effect(setting) + (offsets + jitter) * (spread > 0)
                    pretend(self.scope, condition, returns)

    @property
    def constant(self) -> NDArray[np.float64]:
        """Returns (N,) of the best constant."""
        return self._base

    @property
    def rule(self) -> NDArray[np.float64]:
        """Returns (N,) of the confidence rule."""
        return self._base + 0.3

    def returns(self, setting: Setting, group: int = 0) -> NDArray[np.float64]:
        """The returns (S, N) that were written for a setting, a row per run of a group."""
        runs = group_runs(self.scope.runs)[group].runs
        paths = [path_of(self.scope, Condition(run, setting, LATENTS)) for run in runs]
        return np.array([read_arrays(path)["returns"] for path in paths])


def world(runs: tuple[RunDirectory, ...], folder: Path, rng: np.random.Generator) -> World:
    return World(Scope(runs, folder, DEVICE, FEW_LATENTS), rng)


def falling(setting: Setting) -> float:
    """Gain 0.2, gone at three times the errors."""
    scale = setting.noise_scale if setting.device else 0.0
    return 0.2 - scale * 0.2 / 3


def level(_: Setting) -> float:
    return 0.2


def nothing(_: Setting) -> float:
    return 0.0


def table(finding: Finding, identifier: str) -> Table:
    return next(each for each in finding.tables if each.id == identifier)


def said(finding: Finding) -> str:
    assert finding.answer is not None, finding.refusal
    return finding.answer


@dataclass(frozen=True)
class Planted:
    """Measurements that were written into a report's files: S seeds, R repetitions, N states."""

    ideal: dict[str, FloatArray]
    noisy: dict[Key, dict[str, FloatArray]]


BIAS = {"none": 0.08, "readout": 0.05, "affine": 0.01, "zne": 0.03}


def plant_features(scope: Scope, rng: np.random.Generator) -> Planted:
    """Noisy features and reactions of made-up states; errors have a bias, and scatter by shots."""
    runs, sizes, qubits = subject(scope.runs).runs, scope.sizes, 3
    ideal = {name: rng.standard_normal((len(runs), sizes.states)) for name in ("mu", "guidance")}
    ideal["sigma"] = rng.uniform(0.3, 0.6, (len(runs), sizes.states))
    ideal["ideal"] = rng.uniform(-0.9, 0.9, (len(runs), sizes.states, qubits))
    for row, run in enumerate(runs):
        arrays = {name: values[row] for name, values in ideal.items()}
        arrays |= {"angles": np.zeros((sizes.states, 6)), "weights": np.zeros(12)}
        arrays["sensitivity"] = np.ones((sizes.states, qubits))
        scope.store("visited").keep(visited_states._file(scope, run), arrays)
    noisy: dict[Key, dict[str, FloatArray]] = {}
    devices = noisy_features.devices_of(scope)
    for device in devices:
        scope.store("features").keep_json(noisy_features._refusals(scope, device), {})
        for shots in sizes.shots:
            file: dict[str, FloatArray] = {}
            for method, bias in BIAS.items():
                columns = _noisy(rng, ideal, bias, shots, sizes.repeats)
                noisy[Key(device, method, shots)] = columns
                file |= {f"{method}/{name}": values for name, values in columns.items()}
            scope.store("features").keep(noisy_features._file(scope, device, shots), file)
    order = [Key(d, m, s) for d in devices for m in BIAS for s in sizes.shots]
    return Planted(ideal, {key: noisy[key] for key in order})


def _noisy(
    rng: np.random.Generator,
    ideal: dict[str, FloatArray],
    bias: float,
    shots: int | None,
    repeats: int,
) -> dict[str, FloatArray]:
    count = repeats if shots else 1
    columns = {}
    for name in ("values", "mu", "guidance"):
        exact = ideal["ideal" if name == "values" else name]
        scatter = rng.standard_normal((len(exact), count, *exact.shape[1:]))
        scatter *= shots**-0.5 if shots else 0.0
        columns[name] = (
            exact[:, None] + bias * (1 + 0.2 * rng.standard_normal(exact.shape))[:, None]
        )
        columns[name] = columns[name] + scatter
    columns["sigma"] = np.repeat(ideal["sigma"][:, None] * 1.1, count, axis=1)
    return columns
