"""`qhw report compare`: two reports side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from qhw.console.output import show
from qhw.console.tables import listing
from qhw.reports.comparison import Difference, ReportComparison, compare_reports
from qhw.reports.numbers import interval
from qhw.reports.results import read_results
from qhw.studies.finding import Estimate

MOST_SHOWN = 12
"""Differences that are printed; `--json` tells all."""
HOW_TO_READ = (
    "B minus A, with intervals as if the reports were independent of each other: too wide where "
    "both are of the same controllers. p-values are Holm's over all numbers that both have."
)


def report_compare(one: Path, other: Path) -> None:
    """Print two reports side by side.

    Args:
        one: Folder of report A, or of the run it lies in.
        other: Of report B.

    Raises:
        DataError: If a folder holds no report, or one of another version of the schema.
    """
    found = compare_reports(read_results(one), read_results(other))
    record = {
        "reports": [str(one), str(other)],
        **asdict(found),
        "changes": {title: each.model_dump() for title, each in found.changes.items()},
        "differences": [_record(each) for each in found.differences],
    }
    show(record, lambda console: _print(console, found))


def _record(each: Difference) -> dict[str, object]:
    estimates = {name: getattr(each, name) for name in ("one", "other", "change")}
    told = {name: estimate.model_dump() for name, estimate in estimates.items()}
    return {**asdict(each), **told, "apart": each.apart}


def _print(console: Console, found: ReportComparison) -> None:
    sides = listing("", "A", "B", "B minus A")
    for pair in found.facts:
        sides.add_row(pair.title, escape(pair.one), escape(pair.other), "")
    sides.add_section()
    for pair in found.verdict:
        moved = found.changes.get(pair.title)
        told = escape(_signed(moved)) if moved else ""
        sides.add_row(pair.title, escape(pair.one), escape(pair.other), told)
    console.print(sides)
    apart = [each for each in found.differences if each.apart]
    console.print(
        f"{len(found.differences)} numbers are in both with an interval; {len(apart)} differ by "
        "more than chance explains."
    )
    if apart:
        rows = listing("study", "what", "A", "B", "B minus A")
        for each in apart[:MOST_SHOWN]:
            what = f"{each.row}: {each.column}"
            numbers = (interval(each.one), interval(each.other), _signed(each.change))
            rows.add_row(each.study, escape(what), *map(escape, numbers))
        console.print(rows)
    if len(apart) > MOST_SHOWN:
        console.print(f"{len(apart) - MOST_SHOWN} more: `--json` tells all.", markup=False)
    console.print(HOW_TO_READ)


def _signed(estimate: Estimate) -> str:
    text = interval(estimate)
    return f"+{text}" if estimate.value > 0 else text
