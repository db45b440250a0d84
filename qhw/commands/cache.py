"""`qhw cache`: what is kept so that it need not be made again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console

from qhw.backends.transpile_cache import CacheEntry, list_entries
from qhw.console.output import show
from qhw.files import Cache


def print_cache() -> None:
    """Give the cached circuits, and how much else is kept."""
    cache = Cache.of_user()
    entries, counts = list_entries(cache.transpiled), cache.count()

    def print_it(console: Console) -> None:
        console.print(f"folder: {cache.root}", soft_wrap=True)
        for entry in entries:
            _print_entry(console, entry)
        console.print(", ".join(f"{kind}: {count}" for kind, count in counts.items()))

    record = {"folder": str(cache.root), "circuits": [asdict(entry) for entry in entries]}
    show({**record, "counts": counts}, print_it)


def _print_entry(console: Console, entry: CacheEntry) -> None:
    date = datetime.fromtimestamp(entry.date, UTC).strftime("%Y-%m-%d %H:%M")
    console.print(f"{entry.device}: {entry.circuit}", style="bold")
    console.print(
        f"  two-qubit gates {entry.two_qubit_gates}, depth {entry.depth}, "
        f"expected error {entry.score:.3f}; hits {entry.hits}; made {date}"
    )
    console.print(f"  last miss: {entry.miss_reason}")


def clear_cache() -> None:
    """Empty the cache and say what was in it."""
    cache = Cache.of_user()
    removed = ", ".join(f"{count} {kind}" for kind, count in cache.clear().items())
    Console().print(f"Removed {removed} from {cache.root}.", soft_wrap=True)
