"""A noise report: acquire to files, analyse the files, render the page; or one step of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console

from qhw.backends.refusing import refuse_unknown
from qhw.errors import ConfigError, InterruptedWorkError, UnknownNameError
from qhw.runs import RunDirectory
from qhw.sole_use import sole_use
from qhw.studies.catalogue import STUDIES
from qhw.studies.conditions import newest_update
from qhw.studies.finding import Finding, write_finding
from qhw.studies.groups import group_runs
from qhw.studies.study import Scope
from qhw.tables import from_here

Step = Literal["acquire", "analyse", "render"]
STEPS: tuple[Step, ...] = get_args(Step)
MOST_QUBITS = 8
"""Largest circuit whose noise is simulated; see `qhw.backends.aer.MAX_QUBITS_NOISY`."""


def report_noise(
    runs: Sequence[RunDirectory],
    folder: Path,
    device: str,
    *,
    full: bool = False,
    steps: Sequence[Step] = STEPS,
) -> None:
    """Report what noise does to trained controllers.

    Everything that is measured is kept as soon as it is there, so that the same command goes on
    where it was stopped.

    Args:
        runs: The first is the subject, further ones are other seeds or training backends.
        folder: Where the report goes.
        device: Snapshot whose noise is studied.
        full: More latents and conditions.
        steps: Which of `STEPS` to do, in their order.

    Raises:
        ConfigError: If the runs do not go together, or have no circuit that can be simulated.
        CheckpointError: If a run was never trained.
        UnknownNameError: If there is no such device.
        DataError: If a step lacks what an earlier one leaves.
        InterruptedWorkError: In place of a keyboard interrupt.
    """
    refuse_unknown("aer_noisy", device)
    groups = group_runs(runs)
    _refuse_large(runs)
    progress = _Progress(Console())
    for group in groups:
        progress.tell(f"{group.name}: {', '.join(run.name for run in group.runs)}")
    for run in runs:
        _warn_unfinished(progress, run)
    scope = Scope(tuple(runs), folder, full, device, progress.tell)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with sole_use(folder):
            _perform(progress, scope, steps)
    except KeyboardInterrupt as error:
        raise InterruptedWorkError(
            f"Stopped. What was measured is kept in {from_here(folder)}.",
            "Type the same command again: it goes on from there.",
        ) from error


def checked_steps(name: str | None) -> tuple[Step, ...]:
    """The steps that an option names; all of them without one.

    Raises:
        UnknownNameError: If there is no such step.
    """
    if name is None:
        return STEPS
    found = tuple(step for step in STEPS if step == name)
    if not found:
        raise UnknownNameError.nearest("step", name, STEPS, "qhw report noise --help")
    return found


@dataclass
class _Progress:
    """Lines with the time since the start."""

    console: Console
    study: str = ""
    started: float = field(default_factory=time.perf_counter)

    def tell(self, line: str) -> None:
        """Print one line."""
        seconds = time.perf_counter() - self.started
        title = f"{self.study}: " if self.study else ""
        self.console.print(f"[{seconds:6.1f} s] {title}{line}", markup=False, highlight=False)

    def timed(self, study: str, act: Callable[[], None]) -> None:
        """Name a study while it works, and say how long it took."""
        self.study, begun = study, time.perf_counter()
        act()
        self.tell(f"done in {time.perf_counter() - begun:.1f} s")
        self.study = ""


def _perform(progress: _Progress, scope: Scope, steps: Sequence[Step]) -> None:
    if "acquire" in steps:
        for entry in STUDIES:
            progress.timed(entry.name, partial(entry.load().acquire, scope))
    if "analyse" in steps:
        for entry in STUDIES:
            finding = entry.load().analyse(scope)
            write_finding(scope.analysis, finding)
            _tell_finding(progress.console, finding)
    if "render" in steps:
        from qhw.reports.page import render

        page = render(scope.folder)
        progress.console.print(str(from_here(page)), soft_wrap=True)


def _tell_finding(console: Console, finding: Finding) -> None:
    """The answer; or why there is none, and what can be said all the same."""
    console.print(finding.question, style="bold")
    lines = [finding.answer or finding.refusal, *finding.notes[: finding.answer is None]]
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _warn_unfinished(progress: _Progress, run: RunDirectory) -> None:
    done, wanted = newest_update(run), run.config.ppo.updates
    if done < wanted:
        progress.tell(f"{run.name} stands at update {done} of {wanted}: its training is unfinished")


def _refuse_large(runs: Sequence[RunDirectory]) -> None:
    qubits = max(run.config.actor.circuit.qubits for run in runs)
    if qubits > MOST_QUBITS:
        raise ConfigError(
            f"A circuit of {qubits} qubits: a device's noise is simulated up to {MOST_QUBITS}.",
            f"Report on runs of {MOST_QUBITS} qubits or fewer.",
        )
