"""`qhw cache`: what is kept so that it need not be made again."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console

from qhw.backends.transpile_cache import list_entries
from qhw.files import Cache


def print_cache() -> None:
    """Print the cached circuits, and how much else is kept."""
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
