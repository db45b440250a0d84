"""What planned jobs will take: QPU seconds, dollars, waiting; from a lower to an upper bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from qhw.budget.limits import (
    DOLLARS_PER_SECOND,
    LONGEST_EXECUTION,
    OPEN_PLAN_SECONDS,
    SECONDS_PER_JOB,
    SECONDS_PER_SHOT,
    Expense,
    Limits,
    Passed,
    qpu_seconds,
)
from qhw.budget.planned_jobs import MitigationPlan, PlannedJob, RunShape, Stretch, TrainingShape
from qhw.config import AFFINE_CIRCUITS, CALIBRATION_SHOTS, PROBE_CIRCUITS

SECONDS_PER_QUEUED_JOB = 30.0
"""Assumed time that a job ahead in the queue takes."""
NOTES = {
    "calibration": "at least if a kept map still fits",
    "gradient": "transitions that PPO clips cost nothing. At most none is clipped; at least all "
    "are, after an update's first minibatch, where none can be",
}
"""Why the bounds of a phase differ."""


@dataclass(frozen=True)
class PhaseQuote:
    """One phase's jobs, from a lower to an upper bound.

    Attributes:
        phase: Its name.
        jobs: Submissions, at most.
        circuits: Circuits with bound parameters, over all jobs, at most.
        shots: Per circuit.
        note: What the bounds come from; empty where they are equal.
        jobs_low: Submissions, at least.
        circuits_low: Circuits, at least.
    """

    phase: str
    jobs: int
    circuits: int
    shots: int
    note: str
    jobs_low: int
    circuits_low: int

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain JSON, with its QPU seconds."""
        seconds = {"qpu_seconds": self.seconds, "qpu_seconds_low": self.seconds_low}
        return {**asdict(self), **seconds}

    @property
    def seconds(self) -> float:
        """QPU seconds, at most."""
        return qpu_seconds(self.jobs, self.circuits, self.shots)

    @property
    def seconds_low(self) -> float:
        """QPU seconds, at least."""
        return qpu_seconds(self.jobs_low, self.circuits_low, self.shots)

    @property
    def total_shots(self) -> int:
        """Executions, at most."""
        return self.circuits * self.shots


@dataclass(frozen=True)
class Stop:
    """Where a limit would end the work.

    Attributes:
        passed: The limit, and by what it would be passed.
        phase: Phase of the submission that would not be sent.
        update: PPO update of that submission; 0 outside updates.
        job: Its number, from 1.
    """

    passed: Passed
    phase: str
    update: int
    job: int


@dataclass(frozen=True)
class Quote:
    """What a command will take, told before anything is sent.

    Attributes:
        title: What is to be done.
        stretches: The jobs, in order.
        dollars_per_second: Price of a QPU second.
        queue: Jobs waiting at the device; None where it is not known.
        assumptions: What the numbers rest on, one line each.
        warnings: What would go wrong, one line each.
    """

    title: str
    stretches: tuple[Stretch, ...]
    dollars_per_second: float = DOLLARS_PER_SECOND
    queue: int | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def phases(self) -> tuple[PhaseQuote, ...]:
        """Phases in the order in which they first come."""
        counted: dict[tuple[str, int], list[tuple[PlannedJob, int]]] = {}
        for stretch in self.stretches:
            for job in stretch.jobs if stretch.repeats else ():
                counted.setdefault((job.phase, job.shots), []).append((job, stretch.repeats))
        return tuple(_phase(phase, shots, jobs) for (phase, shots), jobs in counted.items())

    @property
    def jobs(self) -> int:
        """Submissions, at most; each waits for the answer to the one before."""
        return sum(phase.jobs for phase in self.phases)

    @property
    def jobs_low(self) -> int:
        """Submissions, at least."""
        return sum(phase.jobs_low for phase in self.phases)

    @property
    def circuits(self) -> int:
        """Circuits, at most."""
        return sum(phase.circuits for phase in self.phases)

    @property
    def total_shots(self) -> int:
        """Executions, at most."""
        return sum(phase.total_shots for phase in self.phases)

    @property
    def seconds(self) -> float:
        """QPU seconds, at most."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def seconds_low(self) -> float:
        """QPU seconds, at least."""
        return sum(phase.seconds_low for phase in self.phases)

    @property
    def dollars(self) -> float:
        """Price, at most."""
        return self.seconds * self.dollars_per_second

    @property
    def dollars_low(self) -> float:
        """Price, at least."""
        return self.seconds_low * self.dollars_per_second

    @property
    def open_plan_share(self) -> float:
        """QPU seconds, at most, as a share of the Open plan's window; above 1 it does not fit."""
        return self.seconds / OPEN_PLAN_SECONDS

    @property
    def waiting_seconds(self) -> float | None:
        """Time in the queue, at most, in seconds; None where the queue is not known."""
        if self.queue is None:
            return None
        return self.jobs * self.queue * SECONDS_PER_QUEUED_JOB

    @property
    def record(self) -> dict[str, Any]:
        """Phases and totals as plain JSON; `low` is the lower bound, QPU time in seconds."""
        return {
            "title": self.title,
            "phases": [phase.record for phase in self.phases],
            "jobs": self.jobs,
            "circuits": self.circuits,
            "qpu_seconds": self.seconds,
            "qpu_seconds_low": self.seconds_low,
            "dollars": self.dollars,
            "dollars_low": self.dollars_low,
            "waiting_seconds": self.waiting_seconds,
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        from qhw.budget.quote_table import quote_html

        return quote_html(self)

    def stop(self, limits: Limits, *, low: bool = False) -> Stop | None:
        """The submission that a limit would stop; None if everything fits.

        Args:
            limits: Limits of the command.
            low: Take every job at its lower bound instead of its upper one.
        """
        spent, number = Expense(), 0
        for stretch in self.stretches:
            expenses = [self._expense(job, low) for job in stretch.jobs]
            once = sum(expenses, Expense())
            for repeat in range(stretch.repeats):
                if limits.passed(spent, once) is None:
                    spent, number = spent + once, number + once.jobs
                    continue
                for job, more in zip(stretch.jobs, expenses, strict=True):
                    passed = limits.passed(spent, more)
                    if passed is not None:
                        update = stretch.first_update + repeat if stretch.first_update else 0
                        return Stop(passed, job.phase, update, number + 1)
                    spent, number = spent + more, number + more.jobs
        return None

    def _expense(self, job: PlannedJob, low: bool) -> Expense:
        circuits = job.least if low else job.circuits
        jobs = 1 if circuits else 0
        seconds = qpu_seconds(jobs, circuits, job.shots)
        return Expense(seconds, jobs, seconds * self.dollars_per_second)


def quote_run(
    shape: RunShape,
    mitigation: MitigationPlan,
    *,
    dollars_per_second: float = DOLLARS_PER_SECOND,
    queue: int | None = None,
) -> Quote:
    """Quote pictures made with a trained controller."""
    every = f", asked at every {_nth(shape.query_every)} step" if shape.query_every > 1 else ""
    pictures = "1 picture" if shape.images == 1 else f"{shape.images} pictures in lockstep"
    return _quote(
        f"{pictures} x {shape.steps} steps{every}",
        shape.stretches(mitigation),
        _mitigation_lines(mitigation),
        dollars_per_second,
        queue,
    )


def quote_training(
    shape: TrainingShape,
    mitigation: MitigationPlan,
    *,
    dollars_per_second: float = DOLLARS_PER_SECOND,
    queue: int | None = None,
) -> Quote:
    """Quote a training and the evaluation after it.

    Raises:
        MitigationError: If the mitigation does not go with the gradient rule.
    """
    return _quote(
        f"{shape.updates} updates x {shape.environments} trajectories in lockstep x "
        f"{shape.steps} steps, gradient rule {shape.rule}",
        shape.stretches(mitigation),
        (*_training_lines(shape), *_mitigation_lines(mitigation)),
        dollars_per_second,
        queue,
    )


def _phase(phase: str, shots: int, counted: list[tuple[PlannedJob, int]]) -> PhaseQuote:
    circuits = sum(job.circuits * repeats for job, repeats in counted)
    least = sum(job.least * repeats for job, repeats in counted)
    return PhaseQuote(
        phase,
        jobs=sum(repeats for _, repeats in counted),
        circuits=circuits,
        shots=shots,
        note=NOTES.get(phase, "") if least < circuits else "",
        jobs_low=sum(repeats for job, repeats in counted if job.least),
        circuits_low=least,
    )


def _quote(
    title: str,
    stretches: tuple[Stretch, ...],
    lines: tuple[str, ...],
    dollars_per_second: float,
    queue: int | None,
) -> Quote:
    general = (
        f"A job takes {SECONDS_PER_JOB:g} QPU s and each shot of each circuit "
        f"{1000 * SECONDS_PER_SHOT:g} ms; what the platform bills counts in the end.",
        f"A QPU second costs ${dollars_per_second:.2f} (--price).",
        "Every job waits for the answer to the one before.",
    )
    warnings = _warnings(job for stretch in stretches if stretch.repeats for job in stretch.jobs)
    return Quote(title, stretches, dollars_per_second, queue, (*general, *lines), warnings)


def _warnings(jobs: Iterable[PlannedJob]) -> tuple[str, ...]:
    largest = max(jobs, key=lambda job: job.circuits * job.shots)
    seconds = qpu_seconds(1, largest.circuits, largest.shots)
    if seconds <= LONGEST_EXECUTION:
        return ()
    return (
        f"One {largest.phase} job has {largest.circuits:,} circuits and would take {seconds:,.0f} "
        f"QPU s; the platform ends jobs after {LONGEST_EXECUTION:,} s, so it will be refused. Take "
        "fewer --shots, fewer --environments or more ppo.minibatches.",
    )


def _training_lines(shape: TrainingShape) -> tuple[str, ...]:
    evaluation = f"The evaluation of {shape.latents} latents (--latents) is on the device, too."
    if shape.rule == "frozen":
        reused = "The circuit is frozen: the rollout's values serve every pass."
        return reused, evaluation
    if shape.rule == "model":
        return (*_model_lines(shape), evaluation)
    lines = ("The rollout's values serve the first pass over the data.", evaluation)
    first = "The first minibatch of all has no gradient: the head starts at zero."
    return (first, *lines) if shape.fresh else lines


def _model_lines(shape: TrainingShape) -> tuple[str, ...]:
    """What is measured for a gradient that is computed."""
    computed = (
        "Gradients are computed from the device's calibration, and the rollout's values are "
        "carried along: beyond rollouts nothing is measured."
    )
    watched = shape.canaries
    if not watched:
        return (computed, "No canary measures a gradient.")
    return (
        computed,
        f"In {len(watched)} updates, the first is {watched[0]}, a canary measures the gradient of "
        f"{shape.canary_transitions} transitions; what would follow from one that fails is not "
        "counted.",
    )


def _mitigation_lines(mitigation: MitigationPlan) -> tuple[str, ...]:
    name = f"Mitigation {mitigation.method}{' by default' if mitigation.by_default else ''}"
    if mitigation.method == "affine":
        stored = {
            "none": "no affine map is kept for this device and circuit: it is fitted.",
            "unknown": "affine maps of this device are kept; whether one is of this circuit shows "
            "when the device is opened.",
            "earlier": "an affine map of an earlier calibration is kept: it is probed, and "
            "fitted anew if it no longer fits.",
            "present": "the affine map that is kept is of the present calibration.",
        }[mitigation.stored]
        return (
            f"{name}: {stored}",
            "Whenever the device is recalibrated meanwhile, a probe "
            f"({_calibrating(PROBE_CIRCUITS)} QPU s) or a fit ({_calibrating(AFFINE_CIRCUITS)} "
            "QPU s) comes on top, or both.",
        )
    if mitigation.method == "zne":
        return (f"{name}: every circuit at {mitigation.scales} noise scales.",)
    if mitigation.method == "native":
        return (f"{name}: it reads out one circuit more per job, which is not counted here.",)
    if mitigation.by_default and mitigation.method == "readout":
        return (f"{name}: affine would need too large a part of the limits to be calibrated.",)
    return (f"{name}.",)


def _calibrating(circuits: int) -> str:
    """QPU seconds of one calibration job."""
    return f"{qpu_seconds(1, circuits, CALIBRATION_SHOTS):.0f}"


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"
