"""A report's numbers for programs: `results.json`, of one schema with a version.

It holds what the tables beside it hold, with every digit: the verdict, what every study answered,
and each number with its interval, named by study, table, row and column. Its JSON schema is
`docs/reference/results.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from qhw.errors import DataError
from qhw.files import replace_file
from qhw.reports.tables import numbers_of
from qhw.studies.finding import Cell, Estimate, Finding, Part, Table
from qhw.studies.verdict import verdict_of

FILE = "results.json"
VERSION: Literal[1] = 1
"""Rises when a field changes its name or meaning."""


class Made(Part):
    """What the report is of.

    Attributes:
        device: Whose noise was studied.
        seeds: Training seeds of the subject.
        acquired: When it was measured, in UTC.
        qhw: Version of the toolkit.
        commit: Of its code; `installed` for a package.
    """

    device: str
    seeds: int
    acquired: str
    qhw: str
    commit: str


class Line(Part):
    """One line of the verdict; see `qhw.studies.verdict`.

    Attributes:
        line: Its name, such as `noise_cost`.
        title: What it tells.
        number: As the page shows it.
        unit: Of the number.
        words: What the number is of.
        estimate: With its 95 % interval; null where the number is a word.
    """

    line: str
    title: str
    number: str
    unit: str
    words: str
    estimate: Estimate | None


class Answer(Part):
    """What one study says: an answer, or the reason why there is none.

    Attributes:
        study: Its name.
        question: What was asked.
        answer: Null where the data allow none.
        refusal: Why; null where there is an answer.
        observed: What holds for the one controller there is.
        notes: Caveats, assumptions, sample sizes.
        provenance: Facts of what was run.
    """

    study: str
    question: str
    answer: str | None
    refusal: str | None
    observed: str | None
    notes: tuple[str, ...]
    provenance: dict[str, str | int | float]


class Number(Part):
    """One number.

    Attributes:
        study: Whose.
        table: The table, or the figure's with `_numbers` behind it; its CSV is `STUDY-TABLE.csv`.
        row: Words of the row, or series and place of a figure's point.
        column: With its unit in brackets.
        value: The number.
        low: Lower end of the 95 % interval; null where there is none.
        high: Upper end.
    """

    study: str
    table: str
    row: str
    column: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is of, the same in every report."""
        return self.study, self.table, self.row, self.column

    @property
    def estimate(self) -> Estimate | None:
        """With its interval; None where it has none."""
        if self.low is None or self.high is None:
            return None
        return Estimate(value=self.value, low=self.low, high=self.high)


class Results(Part):
    """All of a report but its pictures.

    Attributes:
        version: Of this schema.
        made: What the report is of.
        verdict: Its six lines.
        answers: A study each.
        numbers: Of all tables and figures.
    """

    version: Literal[1]
    made: Made
    verdict: tuple[Line, ...]
    answers: tuple[Answer, ...]
    numbers: tuple[Number, ...]


def results_of(findings: Sequence[Finding]) -> Results:
    """Gather what findings say."""
    fields = Answer.model_fields
    told = (each.model_dump(include=set(fields)) for each in findings)
    lines = (
        Line.model_validate({name: getattr(line, name) for name in Line.model_fields})
        for line in verdict_of(findings)
    )
    return Results(
        version=VERSION,
        made=_made(findings),
        verdict=tuple(lines),
        answers=tuple(Answer.model_validate(each) for each in told),
        numbers=tuple(number for finding in findings for number in _numbers(finding)),
    )


def save_results(folder: Path, findings: Sequence[Finding]) -> Path:
    """Write `results.json`."""
    path = folder / FILE
    replace_file(path, (results_of(findings).model_dump_json(indent=1) + "\n").encode())
    return path


def read_results(folder: Path) -> Results:
    """Read a report's results.

    Args:
        folder: The report's, or that of the run it lies in.

    Raises:
        DataError: If there is no report, it is damaged, or of another version of the schema.
    """
    places = (folder / FILE, folder / "report" / FILE)
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise DataError(
            f"{folder} holds no report: there is no {FILE}.",
            "Make one: `qhw report noise RUN`; one of an earlier version gets the file by the same "
            "command with `--step render`.",
        )
    content = path.read_bytes()
    version = _version(content)
    if version != VERSION:
        raise DataError(
            f"{path} is of schema version {version!r}; this qhw reads {VERSION}.",
            "Write it anew: the report's own command with `--step render`.",
        )
    try:
        return Results.model_validate_json(content)
    except ValidationError as error:
        raise DataError(
            f"{path} is damaged: {error}",
            "Write it anew: the report's own command with `--step render`.",
        ) from error


def schema() -> dict[str, Any]:
    """The JSON schema of `results.json`."""
    return Results.model_json_schema()


def _version(content: bytes) -> Any:
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record.get("version") if isinstance(record, dict) else None


def _made(findings: Sequence[Finding]) -> Made:
    facts = {each.study: each.provenance for each in findings}
    report = facts.get("cost", {})
    devices = [each["device"] for each in facts.values() if "device" in each]
    counts = (each.get("training seeds") for each in facts.values())
    seeds = [count for count in counts if isinstance(count, int)]
    return Made(
        device=str(devices[0]) if devices else "",
        seeds=max(seeds, default=0),
        acquired=str(report.get("acquired", "")),
        qhw=str(report.get("qhw", "")),
        commit=str(report.get("commit", "")),
    )


def _numbers(finding: Finding) -> Iterator[Number]:
    taken: dict[tuple[str, str, str, str], int] = {}
    drawn = [(numbers_of(figure), 2) for figure in finding.figures]
    for table, named in [*((table, 0) for table in finding.tables), *drawn]:
        for number in _of_table(finding.study, table, named):
            count = taken[number.key] = taken.get(number.key, 0) + 1
            # Two rows of one name are told apart by their order.
            row = number.row if count == 1 else f"{number.row} ({count})"
            yield number.model_copy(update={"row": row})


def _of_table(study: str, table: Table, named: int) -> Iterator[Number]:
    """A table's numbers; the first `named` cells of a row name it, or its words do."""
    for cells in table.rows:
        first = cells[:named] if named else [c for k, c in enumerate(cells) if _names(c, k)]
        row = ", ".join(_word(cell) for cell in first if cell is not None)
        for column, cell in list(zip(table.columns, cells, strict=True))[named:]:
            heading = f"{column.name} ({column.unit})" if column.unit else column.name
            if isinstance(cell, Estimate):
                yield Number(
                    study=study,
                    table=table.id,
                    row=row,
                    column=heading,
                    value=cell.value,
                    low=cell.low,
                    high=cell.high,
                )
            elif isinstance(cell, (int, float)):
                yield Number(study=study, table=table.id, row=row, column=heading, value=cell)


def _names(cell: Cell, place: int) -> bool:
    """Whether a cell names its row: words do, and a number in the first column."""
    return isinstance(cell, str) or (place == 0 and isinstance(cell, (int, float)))


def _word(cell: Cell) -> str:
    return f"{cell:g}" if isinstance(cell, (int, float)) else str(cell)
