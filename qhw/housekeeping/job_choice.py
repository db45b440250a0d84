"""Which job or run somebody means who types the beginning of its id."""

from __future__ import annotations

from collections.abc import Collection

from qhw.errors import UnknownNameError
from qhw.jobs.ledger import Duplicate, Entry, EntryState, Ledger

PENDING: tuple[EntryState, ...] = ("intent", "submitted")


def find_job(ledger: Ledger, typed: str) -> Entry | Duplicate:
    """The attempt that became a job, or the job that was found to do its work a second time.

    Args:
        ledger: Where it is written down.
        typed: Its id, or the beginning of it.

    Raises:
        UnknownNameError: If there is none, or more than one.
    """
    known: dict[str, Entry | Duplicate] = {
        double.report.job_id: double for double in ledger.duplicates()
    }
    known |= {entry.job_id: entry for entry in ledger.entries() if entry.job_id}
    return known[_only("job", typed, known)]


def find_run(ledger: Ledger, typed: str) -> str:
    """The id of a run that has sent something.

    Raises:
        UnknownNameError: If there is none, or more than one.
    """
    return _only("run with jobs", typed, {entry.unit.run: None for entry in ledger.entries()})


def find_pending(ledger: Ledger, job: str | None, run: str | None) -> list[Entry]:
    """What has not ended as far as the ledger knows: of one job, of one run, or all of it.

    Raises:
        UnknownNameError: If there is no such job or run.
    """
    if job is not None:
        found = find_job(ledger, job)
        return [found] if isinstance(found, Entry) and found.state in PENDING else []
    chosen = None if run is None else find_run(ledger, run)
    return ledger.entries(run=chosen, states=PENDING)


def _only(kind: str, typed: str, known: Collection[str]) -> str:
    """The one id that begins as typed."""
    fitting = [typed] if typed in known else [name for name in known if name.startswith(typed)]
    if not fitting:
        raise UnknownNameError.nearest(kind, typed, known, "qhw jobs list --all")
    if len(fitting) > 1:
        raise UnknownNameError(
            f"{typed!r} is the beginning of {len(fitting)} ids: {', '.join(fitting[:3])}"
            f"{' and others' if len(fitting) > 3 else ''}.",
            "Type more of it.",
        )
    return fitting[0]
