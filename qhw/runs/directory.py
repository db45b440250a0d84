"""A run on disk: configuration, provenance, metrics, checkpoints.

runs/NAME/
  config.toml          what was asked
  id                   its identity in the ledger of paid work
  lock                 held by the process that trains it, or evaluates it on a device
  provenance.json      what it was made with (never an account or a token)
  metrics.jsonl        one line per update
  checkpoints/NNNNN/   state.safetensors and state.json; the last three are kept
  evaluation.json      the paired table on the most latents
  evaluations/         every paired table, one file for each number of latents and of arms
  failure.json         why training ended early, until it goes on
runs/latest            points to the run that finished last
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qhw.config import RunConfig, dump_config, load_config, parse_config
from qhw.errors import (
    CheckpointError,
    ConfigError,
    DamagedFileError,
    OutputError,
    QhwError,
    UnknownNameError,
)
from qhw.files import (
    make_folder,
    read_json,
    read_record,
    replace_file,
    whole_folder,
    write_json,
    writing,
)
from qhw.packages import installed_version
from qhw.runs.checkpoint import Checkpoint
from qhw.runs.lock import LOCK_FILE

KEPT_CHECKPOINTS = 3
EVALUATION = "evaluation.json"
LATEST = "latest"
"""Name by which the last finished run can be called."""
RECORDED_PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "numpy",
    "scipy",
    "qiskit",
    "qiskit-aer",
    "qiskit-ibm-runtime",
    "mitiq",
)


@dataclass(frozen=True)
class RunDirectory:
    """One run's folder; methods read and write its files."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        from qhw.runs.summary import summary_html

        return summary_html(self)

    @property
    def id(self) -> str:
        """Identity in the ledger, 16 hexadecimal digits; it stays when the folder is moved."""
        path = self.path / "id"
        if not path.exists():
            replace_file(path, uuid.uuid4().hex[:16].encode())
        return path.read_text(encoding="utf-8")

    def rewrite_config(self, config: RunConfig) -> None:
        """Replace `config.toml`, such as with higher limits."""
        replace_file(self.path / "config.toml", dump_config(config).encode())

    @property
    def config(self) -> RunConfig:
        """The validated configuration, read from `config.toml`; one without a version is 0.1's."""
        return parse_config({"defaults": "0.1", **load_config(self.path / "config.toml")})

    def write_provenance(self, facts: Mapping[str, Any]) -> None:
        """Write `provenance.json`: versions, command line, and the given facts."""
        environment = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": ["qhw", *sys.argv[1:]],
            "git_commit": _git_commit(),
            "python": sys.version.split()[0],
            "versions": {
                name: version
                for name in ("qhw", *RECORDED_PACKAGES)
                if (version := installed_version(name))
            },
        }
        write_json(self.path / "provenance.json", {**environment, **facts})

    def read_json(self, name: str) -> Any:
        """Read one of the run's JSON files.

        Raises:
            DamagedFileError: If it is not there, or is no JSON.
        """
        return read_json(self.path / name)

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """The paired table on the most latents, as plain JSON; None before the first one.

        Raises:
            DamagedFileError: If it cannot be read.
        """
        if not (self.path / EVALUATION).is_file():
            return None
        record: dict[str, Any] = self.read_json(EVALUATION)
        if not isinstance(record, dict) or not {"rows", "latents", "updates"} <= record.keys():
            raise DamagedFileError.of(self.path / EVALUATION, "it is no table of a run")
        return record

    def keep_evaluation(self, record: Mapping[str, Any]) -> None:
        """Keep a paired table; `evaluation` stays the one on the most latents, then most arms.

        One of earlier weights than the newest table's gives way to any.
        """
        updates, latents, arms = _size(record)
        folder = self.path / "evaluations"
        make_folder(folder)
        write_json(folder / f"updates{updates}-latents{latents}-arms{arms}.json", record)
        largest = self._largest_size()
        if largest is None or largest[0] != updates or largest[1:] <= (latents, arms):
            write_json(self.path / EVALUATION, record)

    def _largest_size(self) -> tuple[int, int, int] | None:
        try:
            kept = self.evaluation
        except DamagedFileError:
            return None  # what cannot be read is not worth keeping
        return None if kept is None else _size(kept)

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Append one update's record and flush it to the disk.

        Raises:
            OutputError: If the disk refuses.
        """
        path = self.path / "metrics.jsonl"
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """All records, oldest first; a last line cut short by a kill is left out.

        Raises:
            DamagedFileError: If the file cannot be read, or another line is none.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            return [json.loads(line) for line in lines[:-1]]
        except (OSError, ValueError) as error:
            raise DamagedFileError.of(path, error) from error

    def truncate_metrics(self, updates: int) -> None:
        """Keep the first `updates` records: a resumed run writes the later ones again."""
        text = "".join(json.dumps(record) + "\n" for record in self.metrics()[:updates])
        replace_file(self.path / "metrics.jsonl", text.encode())

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint under a temporary name, rename it, and prune old ones.

        Raises:
            CheckpointError: When the disk refuses; earlier checkpoints are untouched.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        state = {"update": checkpoint.update, **checkpoint.state}
        try:
            make_folder(self._checkpoints)
            with whole_folder(self._checkpoints / f"{checkpoint.update:05d}") as filling:
                save_file(checkpoint.tensors, filling / "state.safetensors")
                write_json(filling / "state.json", state)
        except (OutputError, SafetensorError) as error:
            raise CheckpointError(
                f"Checkpoint {checkpoint.update} could not be saved: {_told(error)}",
                f"Free some space, then `qhw train --resume {self.path}`.",
            ) from error
        for old in self._complete()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def latest_checkpoint(self) -> Checkpoint:
        """Read the newest checkpoint.

        Raises:
            CheckpointError: When there is none, or it is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        complete = self._complete()
        if not complete:
            raise CheckpointError(
                f"{self.path} has no checkpoint.", "Start it again with `qhw train`."
            )
        folder = complete[-1]
        try:
            tensors = load_file(folder / "state.safetensors")
            state = read_record(folder / "state.json", dict[str, Any])
            update = int(state.pop("update"))
        except (OSError, SafetensorError, DamagedFileError, KeyError) as error:
            raise CheckpointError(
                f"Checkpoint {folder} is damaged: {_told(error)}",
                f"Delete that folder to fall back to the one before it: rm -r {folder}",
            ) from error
        return Checkpoint(update, tensors, state)

    def begin(self, first: Checkpoint, facts: Mapping[str, Any]) -> None:
        """Write what the run is made with and its first checkpoint."""
        self.write_provenance(facts)
        self.save_checkpoint(first)

    def point_latest_here(self) -> None:
        """Let `latest` beside the run be this one.

        Raises:
            OutputError: If the disk refuses.
        """
        temporary = self.path.parent / f".{LATEST}.{os.getpid()}.partial"
        with writing(self.path.parent / LATEST):
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path.name, target_is_directory=True)
            temporary.replace(self.path.parent / LATEST)

    @property
    def has_begun(self) -> bool:
        """Whether it ever came to a checkpoint."""
        return self._checkpoints.is_dir()

    def discard(self) -> None:
        """Delete a run that never began: one that holds its settings and nothing else."""
        if {path.name for path in self.path.iterdir()} <= {"config.toml", "id", LOCK_FILE}:
            shutil.rmtree(self.path)

    @property
    def _checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def _complete(self) -> list[Path]:
        return sorted(path for path in self._checkpoints.glob("[0-9]*") if path.is_dir())


def create_run(root: Path, config: RunConfig, name: str | None = None) -> RunDirectory:
    """Make a new run's folder.

    Args:
        root: Folder that holds the runs.
        config: The run's settings.
        name: The folder's; date, actor and seed by default.

    Raises:
        ConfigError: When the name would lead out of `root`.
        UnknownNameError: When the name is taken.
        OutputError: When it cannot be made.
    """
    make_folder(root)
    path = _unnamed(root, config) if name is None else _named(root, checked_name(name))
    replace_file(path / "config.toml", dump_config(config).encode())
    return RunDirectory(path)


def checked_name(name: str) -> str:
    """The name of a new run, if it is one.

    Raises:
        ConfigError: If it leads elsewhere, or is taken for something else.
    """
    if name == LATEST or name.startswith((".", "-")) or not name or set(name) & set("/\\\0"):
        raise ConfigError(
            f"{name!r} cannot be the name of a run.",
            f"Take one without separators that begins with no dot or dash and is not {LATEST!r}; "
            "--runs says in which folder it goes.",
        )
    return name


def _named(root: Path, name: str) -> Path:
    path = root / name
    with writing(path):
        try:
            # A folder that was left before its settings were written is begun anew.
            path.mkdir(exist_ok=not _holds_files(path))
        except FileExistsError as error:
            raise UnknownNameError(
                f"There is already a run at {path}.",
                f"Take another --name, or `qhw train --resume {path}`.",
            ) from error
    return path


def is_run(path: Path) -> bool:
    """Whether a folder holds a run: its settings are written first."""
    return (path / "config.toml").is_file()


def _holds_files(path: Path) -> bool:
    """Whether a folder holds anything but what an unfinished writing left."""
    return path.is_dir() and any(not each.name.endswith(".partial") for each in path.iterdir())


def _unnamed(root: Path, config: RunConfig) -> Path:
    """A new folder named by date, actor and seed; counted where two begin in one second."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    stem = f"{stamp}-{config.actor.kind}-seed{config.seed}"
    for number in itertools.count(1):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        with writing(path):
            try:
                path.mkdir()
                return path
            except FileExistsError:
                continue
    raise AssertionError("counting ends with a free name")


def open_run(path: str | Path, root: Path | None = None) -> RunDirectory:
    """Open an existing run by its folder, or by its name.

    Args:
        path: The folder; a name alone is looked for below `root` where it is no folder here.
        root: Folder that holds the runs; `runs` by default.

    Raises:
        UnknownNameError: With the nearest names, when there is none.
    """
    root, path = Path("runs") if root is None else root, Path(path)
    for folder in (path, root / path):
        if is_run(folder):
            return RunDirectory(folder.resolve())
    if path.name == LATEST:
        raise UnknownNameError(
            f"No run in {root if path == Path(LATEST) else path.parent} is finished.",
            "`qhw train` makes one; `qhw runs` lists those there are.",
        )
    below = root if path == Path(path.name) else path.parent
    names = [str(path.with_name(run.name)) for run in list_runs(below)]
    raise UnknownNameError.nearest("run", str(path), names, "qhw runs")


def list_runs(root: Path) -> list[RunDirectory]:
    """All runs below `root`, oldest first; by name where the file system's clock sees a tie."""
    configs = sorted(root.glob("*/config.toml"), key=lambda path: (path.stat().st_mtime_ns, path))
    return [RunDirectory(path.parent) for path in configs if not path.parent.is_symlink()]


def _size(evaluation: Mapping[str, Any]) -> tuple[int, int, int]:
    """Updates that the policy had had, latents, arms."""
    return evaluation["updates"], evaluation["latents"], len(evaluation["rows"])


def _told(error: Exception) -> str:
    """One line on why a checkpoint cannot be read or written."""
    return error.message if isinstance(error, QhwError) else str(error)


def _git_commit() -> str | None:
    """The commit of a source checkout, or None for an installed distribution."""
    head = Path(__file__).resolve().parents[2] / ".git" / "HEAD"
    if not head.is_file():
        return None
    content = head.read_text(encoding="utf-8").strip()
    if not content.startswith("ref: "):
        return content
    reference = head.parent / content.removeprefix("ref: ")
    return reference.read_text(encoding="utf-8").strip() if reference.is_file() else None
