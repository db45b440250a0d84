"""Which state of an attempt may follow which.

    intent ──> submitted ──> done
       └──────────┴────────> failed        an intent or a failure ──> superseded by attempt n + 1

What is done in each state, and written down before what, stands at the head of `qhw.jobs.work`.
"""

from __future__ import annotations

from qhw.errors import LedgerError
from qhw.jobs.ledger.records import Entry, EntryState
from qhw.jobs.request import Unit

COMES_FROM: dict[EntryState, tuple[EntryState, ...]] = {
    "submitted": ("intent",),
    "done": ("submitted", "done"),
    "failed": ("intent", "submitted", "failed"),
}
"""States from which an attempt comes into each; the same state adds what is told later."""


def require_replaceable(unit: Unit, newest: Entry | None, earlier: int | None) -> None:
    """Refuse a new attempt that is another process's, or would be paid for twice.

    Args:
        unit: What is to be worked out.
        newest: The unit's newest attempt; None for none.
        earlier: Id of the attempt that is to be replaced; None for the first.

    Raises:
        LedgerError: If the newest is not that one, or is submitted or done.
    """
    if newest is None and earlier is None:
        return
    if newest is None or newest.id != earlier:
        owner = f"process {newest.owner}" if newest else "no process"
        raise LedgerError(
            f"{unit.key} is not ours to send: {owner} has its newest attempt.",
            "Let that process finish, or stop it; then the same command with `--resume`.",
        )
    if newest.state in ("submitted", "done"):
        raise LedgerError(
            f"{newest.name} is {newest.state}: sending it again would be paid for twice.",
            f"`qhw jobs collect {newest.job_id}` fetches what it measured.",
        )


def require_follows(entry: Entry, state: EntryState, news: str) -> None:
    """Refuse news that do not fit the state an attempt is in.

    Args:
        entry: As it stands.
        state: What the news would make of it.
        news: What they are called in the message, such as `a result`.

    Raises:
        LedgerError: If that state does not follow.
    """
    if entry.state not in COMES_FROM[state]:
        job = f" as job {entry.job_id}" if entry.job_id else ""
        raise LedgerError(
            f"{entry.name} is {entry.state}{job}: {news} does not fit.",
            "`qhw jobs list` shows how each attempt stands.",
        )
