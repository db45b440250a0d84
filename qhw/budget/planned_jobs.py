"""Which jobs a run will send, in order: arithmetic on plain numbers.

This mirrors what the device path does, and a test holds both together; it imports neither torch
nor qiskit, so that a quote is there at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qhw.budget.limits import Limits, qpu_seconds
from qhw.config import (
    AFFINE_CIRCUITS,
    CALIBRATION_SHOTS,
    PROBE_CIRCUITS,
    READOUT_CIRCUITS,
    ZNE_SCALES,
    MethodName,
)
from qhw.errors import ConfigError, MitigationError

DEFAULT_SHOTS = 1024
"""Shots per circuit on devices, unless --shots says otherwise."""
CALIBRATION_SHARE = 0.25
"""Share of a limit that an affine calibration may take."""
StoredMap = Literal["none", "unknown", "earlier", "present"]
"""Which affine map is kept: none, one that may or may not fit this circuit and calibration, one of
an earlier calibration, one of the present."""
Rule = Literal["shift", "pruned", "spsa", "model", "frozen", "adjoint"]


@dataclass(frozen=True)
class PlannedJob:
    """One submission that may come.

    Attributes:
        phase: What it is for.
        circuits: Circuits with bound parameters, at most.
        shots: Per circuit.
        least: Circuits at least; 0 if it may not be sent at all. `circuits` by default.
    """

    phase: str
    circuits: int
    shots: int
    least: int = -1

    def __post_init__(self) -> None:
        if self.least < 0:
            object.__setattr__(self, "least", self.circuits)


@dataclass(frozen=True)
class Stretch:
    """A sequence of jobs that is sent several times.

    Attributes:
        jobs: Its jobs, in order.
        repeats: How often.
        first_update: Number of the PPO update it is first sent in; 0 outside updates.
    """

    jobs: tuple[PlannedJob, ...]
    repeats: int = 1
    first_update: int = 0


@dataclass(frozen=True)
class MitigationPlan:
    """How values are corrected, as far as it costs circuits.

    Attributes:
        method: See `qhw run --help`.
        stored: Affine maps that are kept for this device, layout and circuit.
        readout_measured: Measure the read-out errors instead of taking the published ones.
        by_default: Whether nobody asked for the method.
    """

    method: MethodName = "none"
    stored: StoredMap = "none"
    readout_measured: bool = False
    by_default: bool = False

    @property
    def scales(self) -> int:
        """Circuits for each one that is asked for."""
        return len(ZNE_SCALES) if self.method == "zne" else 1

    def jobs(self) -> tuple[PlannedJob, ...]:
        """What must be measured before anything else.

        For an affine map a fit; before it a probe where there may be an old map, which may save
        the fit.
        """
        if self.method in ("readout", "zne") and self.readout_measured:
            return (PlannedJob("calibration", READOUT_CIRCUITS, CALIBRATION_SHOTS),)
        if self.method != "affine" or self.stored == "present":
            return ()
        if self.stored == "none":
            return (PlannedJob("calibration", AFFINE_CIRCUITS, CALIBRATION_SHOTS),)
        least = PROBE_CIRCUITS if self.stored == "earlier" else 0
        probe = PlannedJob("calibration", PROBE_CIRCUITS, CALIBRATION_SHOTS, least)
        return probe, PlannedJob("calibration", AFFINE_CIRCUITS, CALIBRATION_SHOTS, 0)


@dataclass(frozen=True)
class RunShape:
    """Pictures made in lockstep.

    Attributes:
        steps: Denoising steps T.
        images: Pictures N.
        shots: Per circuit.
        query_every: The device is asked at every such step; the action is held between.

    Raises:
        ConfigError: If a number is below 1.
    """

    steps: int
    images: int
    shots: int
    query_every: int = 1

    def __post_init__(self) -> None:
        for option in ("steps", "images", "shots", "query_every"):
            if getattr(self, option) < 1:
                raise ConfigError(
                    f"{option} = {getattr(self, option)}: must be at least 1.",
                    "`qhw plan run --help` lists the options.",
                )

    @property
    def queries(self) -> int:
        """Steps at which the device is asked: ceil(T / query_every)."""
        return -(-self.steps // self.query_every)

    def stretches(self, mitigation: MitigationPlan) -> tuple[Stretch, ...]:
        """Calibration, then one job per queried step."""
        step = PlannedJob("images", self.images * mitigation.scales, self.shots)
        return (Stretch(mitigation.jobs()), Stretch((step,) * self.queries))


@dataclass(frozen=True)
class TrainingShape:
    """PPO on a device.

    Attributes:
        updates: PPO updates.
        steps: Denoising steps T.
        environments: Trajectories in lockstep N.
        epochs: Passes E over a rollout.
        minibatches: Parts M of a pass.
        rule: How the circuit's gradient is measured.
        weights: Trainable angles P of the circuit.
        angles: Encoding angles A of the circuit.
        shots: Per circuit.
        latents: Latents of the paired evaluation after training.
        pruned_fraction: Share of the weights that `pruned` shifts.
        canary_every: Updates from one canary of rule `model` to the next; 0 for none.
        canary_transitions: Transitions that it differentiates by the shift rule.
        trained_encoding: Whether angles are trained too (encoding `linear`).
        fresh: Whether the head starts at zero, so that the first minibatch of all has no gradient.

    Raises:
        ConfigError: If there are more minibatches than transitions, or the rule needs a simulator.
    """

    updates: int
    steps: int
    environments: int
    epochs: int
    minibatches: int
    rule: Rule
    weights: int
    angles: int
    shots: int
    latents: int
    pruned_fraction: float = 0.125
    canary_every: int = 0
    canary_transitions: int = 0
    trained_encoding: bool = False
    fresh: bool = True

    def __post_init__(self) -> None:
        if self.minibatches > self.environments * self.steps:
            raise ConfigError(
                f"{self.minibatches} minibatches of {self.environments} x {self.steps} "
                "transitions: there must be at least one in each.",
                "Take fewer ppo.minibatches or more --environments.",
            )
        if self.rule == "adjoint":
            raise ConfigError(
                "--gradient adjoint needs a simulator that differentiates itself.",
                "Take --gradient shift, pruned, spsa, model or frozen.",
            )

    def stretches(self, mitigation: MitigationPlan) -> tuple[Stretch, ...]:
        """Calibration, updates, evaluation.

        Raises:
            MitigationError: If gradients are to be measured under zero-noise extrapolation.
        """
        if mitigation.method == "zne" and self.rule != "frozen":
            raise MitigationError(
                f"--mitigation zne is not used for gradients (--gradient {self.rule}): it adds "
                "more shot noise than it takes bias away.",
                "Take --mitigation affine or readout, or --gradient frozen.",
            )
        scales = mitigation.scales
        evaluation = PlannedJob("evaluation", self.latents * scales, self.shots)
        return (
            Stretch(mitigation.jobs()),
            *self._updates(scales),
            Stretch((evaluation,) * self.steps),
        )

    def _updates(self, scales: int) -> list[Stretch]:
        """All updates; those with a canary stand by themselves."""
        if self.rule != "model":
            first = Stretch(tuple(self._update(scales, first=True)), 1, 1)
            return [first, Stretch(tuple(self._update(scales, first=False)), self.updates - 1, 2)]
        rollouts = (PlannedJob("rollout", self.environments * scales, self.shots),) * self.steps
        rows = min(self.canary_transitions, self.environments * self.steps)
        canary = PlannedJob("canary", 2 * self.weights * rows, self.shots)
        stretches, done = [], 0
        for update in self.canaries:
            if update - 1 > done:
                stretches.append(Stretch(rollouts, update - 1 - done, done + 1))
            stretches.append(Stretch((*rollouts, canary), 1, update))
            done = update
        return [*stretches, Stretch(rollouts, self.updates - done, done + 1)]

    @property
    def canaries(self) -> range:
        """Numbers of the updates in which rule `model` is compared with a measured gradient."""
        every = self.canary_every if self.rule == "model" else 0
        return canary_updates(every, self.updates, self.fresh)

    def _update(self, scales: int, *, first: bool) -> list[PlannedJob]:
        """A rollout; then, minibatch by minibatch, forward values and gradients.

        The rollout's own values serve the first pass. `frozen` needs neither: its values never
        change.
        """
        rollout = PlannedJob("rollout", self.environments * scales, self.shots)
        jobs = [rollout] * self.steps
        if self.rule == "frozen":
            return jobs
        sizes = minibatch_sizes(self.environments * self.steps, self.minibatches)
        for epoch in range(self.epochs):
            for index, rows in enumerate(sizes):
                if epoch:
                    jobs.append(PlannedJob("forward", rows, self.shots))
                if epoch or index or not (first and self.fresh):
                    circuits = self.circuits_per_row * rows
                    # At least none, since PPO may have clipped every row; but in an update's first
                    # minibatch nothing can be clipped: the ratio is 1.
                    least = 0 if epoch or index else circuits
                    jobs.append(PlannedJob("gradient", circuits, self.shots, least))
        return jobs

    @property
    def circuits_per_row(self) -> int:
        """Circuits that the gradient of one transition takes."""
        turned = 2 * self.angles if self.trained_encoding else 0
        if self.rule == "spsa":
            return 2 + turned
        if self.rule == "pruned":
            return 2 * max(1, round(self.pruned_fraction * self.weights)) + turned
        return 2 * self.weights + turned


def canary_updates(every: int, updates: int, fresh: bool) -> range:
    """Numbers of the updates that a canary watches: the first with a gradient, and from there on.

    Args:
        every: Updates from one to the next; 0 for none.
        updates: In all, counted from 1.
        fresh: Whether the weights began anew: then no gradient reaches the circuit in update 1,
            since the head begins at zero.
    """
    return range(2 if fresh else 1, updates + 1, every) if every else range(0)


def minibatch_sizes(transitions: int, parts: int) -> list[int]:
    """Rows of each minibatch: as equal as can be, the first ones larger (torch.tensor_split)."""
    size, larger = divmod(transitions, parts)
    return [size + 1] * larger + [size] * (parts - larger)


def default_mitigation(
    limits: Limits, dollars_per_second: float
) -> tuple[Literal["affine", "readout"], str]:
    """The method and the reason: affine where its calibration fits, else read-out.

    Args:
        limits: Limits of the whole run.
        dollars_per_second: Price of a QPU second.
    """
    if limits.max_jobs is not None and CALIBRATION_SHARE * limits.max_jobs < 1:
        return "readout", (
            f"by default; an affine calibration would take 1 of {limits.max_jobs} jobs"
        )
    needed = qpu_seconds(1, AFFINE_CIRCUITS, CALIBRATION_SHOTS)
    allowed = [] if limits.max_qpu_seconds is None else [limits.max_qpu_seconds]
    if limits.max_cost is not None:
        allowed.append(limits.max_cost / dollars_per_second)
    if not allowed or needed <= CALIBRATION_SHARE * min(allowed):
        return "affine", f"by default; its calibration takes at most {needed:.0f} QPU s"
    return "readout", (
        f"by default; an affine calibration would take {needed:.0f} of {min(allowed):.0f} QPU s"
    )
