"""`qhw runs`: what was trained, how it stands, what it gained, and how runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qhw.config import RunConfig
from qhw.config.setting import short_name
from qhw.console.output import show
from qhw.console.tables import listing
from qhw.errors import QhwError
from qhw.evaluation.arms import Arms
from qhw.runs.differences import settings_that_differ
from qhw.runs.directory import LATEST, RunDirectory, list_runs
from qhw.runs.status import FAILURE, Status, status_of

WHOLE_NAME = 32
"""Letters of a run's name that stay on one line, to be copied, however narrow the terminal."""


@dataclass(frozen=True)
class ListedRun:
    """One line of the listing.

    Attributes:
        name: The folder's.
        status: How it stands.
        updates: How many it has had.
        config: Its settings; None where they cannot be read.
        gain: Estimate and interval of its return minus the best constant's; None before it is
            evaluated.
        latents: Of that evaluation.
        trouble: What failed, or what cannot be read.
    """

    name: str
    status: Status
    updates: int = 0
    config: RunConfig | None = None
    gain: dict[str, float] | None = None
    latents: int | None = None
    trouble: str = ""

    @classmethod
    def of(cls, run: RunDirectory) -> ListedRun:
        """What a run's files say."""
        status = status_of(run)
        try:
            config, evaluation = run.config, run.evaluation
            gain = None if evaluation is None else Arms.read(evaluation).policy["gain"]
            latents = None if evaluation is None else evaluation["latents"]
            trouble = run.read_json(FAILURE)["message"] if status is Status.FAILED else ""
            return cls(run.name, status, len(run.metrics()), config, gain, latents, trouble)
        except QhwError as error:
            return cls(run.name, Status.DAMAGED, trouble=error.message)

    @property
    def progress(self) -> str:
        """Such as `12/60`."""
        return "-" if self.config is None else f"{self.updates}/{self.config.ppo.updates}"

    @property
    def gained(self) -> str:
        """The gain in words, or what became of it."""
        if self.trouble:
            return self.trouble.splitlines()[0]
        if self.gain is None:
            return "not evaluated"
        numbers = (f"{self.gain[name]:+.3f}" for name in ("estimate", "low", "high"))
        return "{} [{}, {}]".format(*numbers)

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain JSON, without its settings."""
        return {
            "run": self.name,
            "status": self.status.value,
            "updates": self.updates,
            "of": None if self.config is None else self.config.ppo.updates,
            "gain": self.gain,
            "latents": self.latents,
            "trouble": self.trouble,
        }


@dataclass(frozen=True)
class Listing:
    """Runs side by side.

    Attributes:
        runs: In the order in which they are listed.
        latest: Name of the one that finished last; None to mark none.
    """

    runs: Sequence[ListedRun]
    latest: str | None = None

    @cached_property
    def differing(self) -> dict[str, dict[str, str]]:
        """By run, the settings in which not all runs agree."""
        readable = {run.name: run.config for run in self.runs if run.config is not None}
        differing = dict(zip(readable, settings_that_differ([*readable.values()]), strict=True))
        return {run.name: differing.get(run.name, {}) for run in self.runs}

    @property
    def records(self) -> list[dict[str, Any]]:
        """The same as plain JSON."""
        return [
            {**run.record, "latest": run.name == self.latest, "settings": self.differing[run.name]}
            for run in self.runs
        ]

    @property
    def table(self) -> Table:
        """The same for people."""
        table = listing("run", "status", "updates", "gain over best constant", "differs in")
        marks = {run.name: self._marked(run.name) for run in self.runs}
        lines = [line for mark in marks.values() for line in mark.splitlines()]
        table.columns[0].no_wrap = max(map(len, lines), default=0) <= WHOLE_NAME
        for run in self.runs:
            differs = self.differing[run.name].items()
            shown = "\n".join(f"{short_name(name)}={value}" for name, value in differs)
            cells = (marks[run.name], run.status.value, run.progress, run.gained, shown)
            table.add_row(*map(escape, cells))
        return table

    def _marked(self, name: str) -> str:
        if name != self.latest:
            return name
        beside = f"{name} ({LATEST})"
        return beside if len(beside) <= WHOLE_NAME else f"{name}\n({LATEST})"


def print_runs(root: Path) -> None:
    """Give every run below `root`: how it stands, its gain over the best constant, its settings."""
    latest = (root / LATEST).resolve().name if (root / LATEST).exists() else None
    runs = Listing([ListedRun.of(run) for run in list_runs(root)], latest)

    def print_it(console: Console) -> None:
        found = f"No runs in {root}. `qhw train` makes one."
        console.print(runs.table if runs.runs else found)

    show(runs.records, print_it)
