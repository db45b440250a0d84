"""Tables for `qhw runs`, `qhw devices` and `qhw cache`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qhw.runs import RunDirectory, list_runs


def print_runs(root: Path) -> None:
    """Print every run below `root` with its progress and its gain over the best constant."""
    runs = list_runs(root)
    if not runs:
        Console().print(f"No runs in {root}. `qhw train` makes one.")
        return
    table = Table("run", "actor", "backend", "updates", "gain over the best constant")
    for run in runs:
        config = run.config
        backend = config.backend.name if config.actor.kind == "ring" else "-"
        progress = f"{len(run.metrics())}/{config.ppo.updates}"
        table.add_row(run.name, config.actor.kind, backend, progress, _gain(run))
    Console().print(table)


def print_devices() -> None:
    """Print the snapshots that need no account."""
    from qhw.backends.names import CREDENTIALS, LIVE_DEVICES, fake_device_names

    console = Console()
    console.print("Snapshots for `--backend aer_noisy --device NAME`:")
    console.print(", ".join(fake_device_names()))
    console.print(f"Live devices ({', '.join(LIVE_DEVICES)}) need an account. {CREDENTIALS}")


def print_cache() -> None:
    """Print the cached circuits."""
    from qhw.backends.transpilation import default_cache_folder, list_entries

    folder = default_cache_folder()
    table = Table("device", "circuit", "two-qubit", "depth", "error", "hits", "last miss", "date")
    for entry in list_entries(folder):
        date = datetime.fromtimestamp(entry.date, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            entry.device,
            entry.circuit,
            str(entry.two_qubit_gates),
            str(entry.depth),
            f"{entry.score:.3f}",
            str(entry.hits),
            entry.miss_reason,
            date,
        )
    console = Console()
    console.print(f"folder: {folder}", soft_wrap=True)
    console.print(table)


def clear_cache() -> None:
    """Delete the cached circuits and say how many there were."""
    from qhw.backends.transpilation import clear, default_cache_folder

    count = clear(default_cache_folder())
    Console().print(f"Removed {count} circuits from {default_cache_folder()}.")


def _gain(run: RunDirectory) -> str:
    if not (run.path / "evaluation.json").is_file():
        return "not evaluated"
    gain = run.read_json("evaluation.json")["rows"][0]["gain"]
    return f"{gain['estimate']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
