"""What the conditions of a group of runs came to, side by side: one row per training seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from qhw.backends.facts import BackendFacts
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.conditions import (
    BaselineCondition,
    Condition,
    Played,
    Refused,
    Setting,
    outcome,
    played,
)
from qhw.studies.measured.training_groups import TrainingGroup, group_runs, subject
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope


@dataclass(frozen=True)
class SeedRows:
    """A group's conditions.

    Attributes:
        scope: What the report is about, and where it lies.
        group: Its runs are the rows.
    """

    scope: Scope
    group: TrainingGroup

    @classmethod
    def of_subject(cls, scope: Scope) -> Self:
        """Those of the first run's group."""
        return cls(scope, subject(scope.runs))

    @classmethod
    def of_parts(cls, scope: Scope) -> Self:
        """The subject's on the fewer latents that parts of the noise are played on."""
        few = replace(scope.sizes, latents=scope.sizes.part_latents)
        return cls.of_subject(replace(scope, sizes=few))

    @classmethod
    def of_all(cls, scope: Scope) -> list[Self]:
        """Those of every group, the subject's first."""
        return [cls(scope, group) for group in group_runs(scope.runs)]

    def of_seeds(self, seeds: Sequence[int]) -> SeedRows:
        """The rows of these seeds, in this order."""
        runs = {run.config.seed: run for run in self.group.runs}
        return replace(self, group=replace(self.group, runs=tuple(runs[seed] for seed in seeds)))

    @property
    def seeds(self) -> int:
        """Training seeds."""
        return len(self.group.runs)

    @property
    def note(self) -> str:
        """Which controllers the numbers are of, as a note says it."""
        runs = ", ".join(run.name for run in self.group.runs)
        return f"The controller was {self.group.name} ({runs})."

    def condition(self, run: RunDirectory, setting: Setting) -> Condition:
        """One run's condition."""
        return Condition(run, setting, self.scope.sizes.latents)

    def conditions(self, settings: Sequence[Setting]) -> list[Condition]:
        """Every run under every setting."""
        return [self.condition(run, setting) for setting in settings for run in self.group.runs]

    def acquire(self, settings: Sequence[Setting]) -> None:
        """Play hand-made guidance, and every run under every setting, where that is not there."""
        from qhw.studies.measured.playing import acquire_conditions

        acquire_conditions(self.scope, [*baselines(self.scope), *self.conditions(settings)])

    def refusal(self, setting: Setting) -> str:
        """Why a setting could not be played with some run; empty if it could with all."""
        for run in self.group.runs:
            result = outcome(self.scope, self.condition(run, setting))
            if isinstance(result, Refused):
                return result.reason
        return ""

    def first(self, setting: Setting) -> Played:
        """The first run's."""
        return played(self.scope, self.condition(self.group.runs[0], setting))

    def columns(self, setting: Setting, pick: Callable[[Played], FloatArray]) -> FloatArray:
        """One number per seed and latent (S, N)."""
        runs = self.group.runs
        rows = [pick(played(self.scope, self.condition(run, setting))) for run in runs]
        return np.array(rows)

    def returns(self, settings: Sequence[Setting]) -> FloatArray:
        """Returns (K, S, N)."""
        return np.array([self.columns(each, lambda result: result.returns) for each in settings])

    def gains(self, settings: Sequence[Setting], over: Played) -> Bootstrap:
        """Returns minus those of hand-made guidance on the same latents, (K,)."""
        return hierarchical_bootstrap(self.returns(settings) - over.returns)


def baselines(scope: Scope) -> list[BaselineCondition]:
    """The constant to beat and the confidence rule."""
    return [
        BaselineCondition(scope.runs[0], kind, scope.sizes.latents) for kind in ("constant", "rule")
    ]


def constant_and_rule(scope: Scope) -> tuple[Played, Played]:
    """What hand-made guidance came to on the same latents.

    Raises:
        DataError: If it was not played yet.
    """
    constant, rule = baselines(scope)
    return played(scope, constant), played(scope, rule)


def backend_facts(result: Played) -> BackendFacts:
    """What a condition's numbers came from; device, calibration, layout, engine."""
    return BackendFacts.read(result.facts["backend"])
