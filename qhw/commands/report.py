"""A noise report: acquire to files, analyse the files, render the page; or one step of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console

from qhw.console.output import show, terminal
from qhw.console.tables import from_here
from qhw.errors import ConfigError, DataError, InterruptedWorkError, UnknownNameError
from qhw.files import make_folder, read_record, write_json
from qhw.known import DeviceName, open_snapshot, refuse_unknown, stand_in_names
from qhw.runs.directory import RunDirectory
from qhw.runs.lock import sole_use
from qhw.studies.catalogue import STUDIES
from qhw.studies.finding import ADVICE, write_finding
from qhw.studies.measured.conditions import newest_update
from qhw.studies.measured.training_groups import (
    apart_from_companions,
    companion_kind,
    group_runs,
)
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope

Step = Literal["acquire", "analyse", "render"]
STEPS: tuple[Step, ...] = get_args(Step)
ANALYSED = "analysed.json"
"""Beside the findings: what they are of."""
DEFAULT_DEVICE = "fake_brisbane"
SLOWER = {5: 2, 6: 14, 7: 110, 8: 660}
"""By qubits: how much longer a batch of 128 states under noise takes than with 4 (0.5 ms)."""
MOST_QUBITS = 8
"""Largest circuit whose noise is simulated; see `qhw.backends.aer.MAX_QUBITS_NOISY`."""


def report_noise(
    runs: Sequence[RunDirectory],
    folder: Path,
    device: str | None = None,
    *,
    full: bool = False,
    steps: Sequence[Step] = STEPS,
) -> None:
    """Report what noise does to trained controllers.

    Everything that is measured is kept as soon as it is there, so that the same command goes on
    where it was stopped.

    Args:
        runs: The first is the subject, further ones are other seeds or training backends, or
            what it is compared with: classical actors, and circuits left as they were drawn.
        folder: Where the report goes.
        device: Snapshot whose noise is studied; by default the one the first run was trained on,
            `DEFAULT_DEVICE` if it was none.
        full: More latents and conditions.
        steps: Which of `STEPS` to do, in their order.

    Raises:
        ConfigError: If the runs do not go together, or have no circuit that can be simulated.
        CheckpointError: If a run was never trained.
        UnknownNameError: If there is no such device.
        DataError: If a step lacks what an earlier one leaves.
        InterruptedWorkError: In place of a keyboard interrupt.
    """
    if device is not None:
        refuse_unknown("aer_noisy", device)
    studied = device or trained_on(runs[0])
    progress = _Progress(terminal())
    subjects, companions = apart_from_companions(runs)
    _announce(progress, subjects, studied)
    for run in companions:
        progress.tell(f"compared with {run.name} ({companion_kind(run)})")
    sizes = Sizes.full() if full else Sizes.quick()
    scope = Scope(subjects, folder, studied, sizes, progress.tell, companions)
    make_folder(folder)
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


def trained_on(run: RunDirectory) -> str:
    """The snapshot of the device that a run was trained on, or `DEFAULT_DEVICE`."""
    backend = run.config.backend
    name = backend.device if backend.name == "aer_noisy" else backend.name
    local = DeviceName(name).local
    return local if local in stand_in_names() else DEFAULT_DEVICE


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


def _announce(progress: _Progress, runs: Sequence[RunDirectory], studied: str) -> None:
    """Say what is reported on, and what to know of it beforehand.

    Raises:
        ConfigError: If the runs do not go together, or have no circuit that can be simulated.
    """
    groups = group_runs(runs)
    qubits = max(run.config.actor.circuit.qubits for run in runs)
    if qubits > MOST_QUBITS:
        raise ConfigError(
            f"A circuit of {qubits} qubits: a device's noise is simulated up to {MOST_QUBITS}.",
            f"Report on runs of {MOST_QUBITS} qubits or fewer.",
        )
    progress.tell(f"the noise of {studied}")
    for number, group in enumerate(groups):
        also = " (in the sections on task, noise scale and shots)" if number else ""
        progress.tell(f"{group.name}: {', '.join(run.name for run in group.runs)}{also}")
    for run in runs:
        done, wanted = newest_update(run), run.config.ppo.updates
        if done < wanted:
            unfinished = f"{run.name} stands at update {done} of {wanted}"
            progress.tell(f"{unfinished}: its training is unfinished")
    if qubits in SLOWER:
        progress.tell(
            f"a circuit of {qubits} qubits: its noise takes about {SLOWER[qubits]} times as long "
            "to simulate as that of 4; stop and go on when you like"
        )


def _perform(progress: _Progress, scope: Scope, steps: Sequence[Step]) -> None:
    """Do the steps; a device that the circuit does not fit on is refused before any measurement.

    Raises:
        ConfigError: With the numbers of qubits.
    """
    if "acquire" in steps:
        wanted = scope.runs[0].config.actor.circuit.qubits
        there = open_snapshot(scope.device).num_qubits
        if wanted > there:
            raise ConfigError.too_wide(wanted, scope.device, there)
        for entry in STUDIES:
            progress.timed(entry.name, partial(entry.load().acquire, scope))
    if "analyse" in steps:
        _analyse(progress.console, scope)
    if "render" in steps:
        from qhw.reports.page import render

        _refuse_other(scope)
        page = str(from_here(render(scope.folder)))
        show({"page": page}, lambda console: console.print(page, soft_wrap=True))


def _analyse(console: Console, scope: Scope) -> None:
    """All findings, or none: a page is never of two devices.

    Of each the answer is printed; or why there is none, and what can be said all the same.
    """
    findings = [entry.load().analyse(scope) for entry in STUDIES]
    (scope.folder / ANALYSED).unlink(missing_ok=True)
    for finding in findings:
        write_finding(scope.analysis, finding)
        console.print(finding.question, style="bold")
        console.print(finding.answer or finding.refusal, highlight=False, markup=False)
        if finding.observed:
            seen = f"This one controller: {finding.observed}"
            console.print(seen, highlight=False, markup=False)
    if any(finding.observed for finding in findings):
        console.print(ADVICE, highlight=False, markup=False)
    write_json(scope.folder / ANALYSED, _identity(scope))


def _refuse_other(scope: Scope) -> None:
    """Refuse to render findings of other runs, another device or another length.

    Raises:
        DataError: If the folder's findings are not those that were asked for.
    """
    path, asked = scope.folder / ANALYSED, _identity(scope)
    analysed = read_record(path, dict[str, Any]) if path.exists() else {}
    changed = [name for name in asked if analysed.get(name) != asked[name]]
    if changed:
        what = f"an analysis of other {' and other '.join(changed)}" if analysed else "no analysis"
        raise DataError(
            f"{from_here(scope.folder)} holds {what}.",
            "Analyse first: the same command with `--step analyse`.",
        )


def _identity(scope: Scope) -> dict[str, Any]:
    """What a report's findings depend on."""
    runs = [[run.id, newest_update(run)] for run in (*scope.runs, *scope.companions)]
    return {"runs": runs, "devices": scope.device, "lengths (--full)": scope.full}
