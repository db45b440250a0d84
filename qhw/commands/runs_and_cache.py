"""Tables for `qhw runs` and `qhw cache`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from qhw.console import listing
from qhw.files import Cache
from qhw.runs.directory import RunDirectory, list_runs


def print_runs(root: Path) -> None:
    """Print every run below `root` with its progress and its gain over the best constant."""
    runs = list_runs(root)
    if not runs:
        Console().print(f"No runs in {root}. `qhw train` makes one.")
        return
    table = listing("run", "actor", "backend", "updates", "gain over the best constant")
    for run in runs:
        config = run.config
        backend = config.backend.name if config.actor.kind == "ring" else "-"
        progress = f"{len(run.metrics())}/{config.ppo.updates}"
        table.add_row(run.name, config.actor.kind, backend, progress, _gain(run))
    Console().print(table)


def print_cache() -> None:
    """Print the cached circuits, and how much else is kept."""
    from qhw.backends.transpilation import list_entries

    cache = Cache.of_user()
    console = Console()
    console.print(f"folder: {cache.root}", soft_wrap=True)
    for entry in list_entries(cache.transpiled):
        date = datetime.fromtimestamp(entry.date, UTC).strftime("%Y-%m-%d %H:%M")
        console.print(f"{entry.device}: {entry.circuit}", style="bold")
        console.print(
            f"  two-qubit gates {entry.two_qubit_gates}, depth {entry.depth}, "
            f"expected error {entry.score:.3f}; hits {entry.hits}; made {date}"
        )
        console.print(f"  last miss: {entry.miss_reason}")
    console.print(", ".join(f"{kind}: {count}" for kind, count in cache.count().items()))


def clear_cache() -> None:
    """Empty the cache and say what was in it."""
    cache = Cache.of_user()
    removed = ", ".join(f"{count} {kind}" for kind, count in cache.clear().items())
    Console().print(f"Removed {removed} from {cache.root}.", soft_wrap=True)


def _gain(run: RunDirectory) -> str:
    if not (run.path / "evaluation.json").is_file():
        return "not evaluated"
    gain = run.read_json("evaluation.json")["rows"][0]["gain"]
    return f"{gain['estimate']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
