"""A run in a few lines: what it is, how it stands, what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from calibration.notebook import html_lines
from qhw.console.notebook import table_html
from qhw.console.tables import plain_table, signed
from qhw.errors import QhwError
from qhw.runs.directory import RunDirectory
from qhw.runs.status import status_of


def summary_html(run: RunDirectory) -> str:
    """A run as a notebook shows it; one that cannot be read says so."""
    try:
        record, heading = run.evaluation, html_lines(described(run))
        if record is None:
            return heading + html_lines("Not evaluated yet.")
        return heading + table_html(returns(record["latents"], record["rows"]))
    except QhwError as error:
        return html_lines(f"{run.name}: {error.message}", error.hint)


def described(run: RunDirectory) -> str:
    """What the run is and how it stands.

    Raises:
        QhwError: If its files cannot be read.
    """
    config = run.config
    actor = config.actor.kind
    where = f" on {_backend(run)}" if actor == "ring" else ""
    done = f"{len(run.metrics())} of {config.ppo.updates} updates"
    return f"{run.name}: {actor}{where}, seed {config.seed}; {status_of(run).value}, {done}"


def _backend(run: RunDirectory) -> str:
    """The backend that was opened; one of the user's own is in no settings."""
    if not (run.path / "provenance.json").exists():
        return run.config.backend.name
    opened = run.read_json("provenance.json")["backend"] or {}
    return str(opened.get("backend", run.config.backend.name))


def returns(latents: int, rows: Iterable[Mapping[str, Any]]) -> Table:
    """Every arm's return, from the rows of an `evaluation.json`."""
    from diffusion.comparison import Interval

    title = f"Paired over the same {latents} latents"
    table = plain_table(title, "return", "minus the constant's", "mean g")
    for row in rows:
        intervals = (signed(Interval(**row[name])) for name in ("mean_return", "gain"))
        table.add_row(escape(row["name"]), *intervals, f"{row['mean_guidance']:.2f}")
    return table
