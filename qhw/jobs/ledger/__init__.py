"""Everything that was ever submitted, in one SQLite file."""

from qhw.jobs.ledger.ledger import Ledger
from qhw.jobs.ledger.owner import owner_alive, this_owner
from qhw.jobs.ledger.records import (
    NO_TRACE,
    Duplicate,
    Entry,
    EntryState,
    Group,
    Intent,
    Totals,
)

__all__ = [
    "NO_TRACE",
    "Duplicate",
    "Entry",
    "EntryState",
    "Group",
    "Intent",
    "Ledger",
    "Totals",
    "owner_alive",
    "this_owner",
]
