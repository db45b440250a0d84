"""What a study found, as plain data: the contract between analysis and report.

A finding says everything the page shows: numbers with their intervals, one sentence on how to read
each figure, and the answer in words, or why the data do not allow one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qhw.errors import DataError
from qhw.files import make_folder, replace_file

ADVICE = (
    "There is one training seed, so the numbers are those of one trained controller. Train five "
    "seeds or more (`qhw train --seed N`) and give all of them: then there are answers."
)
"""Where a study says what holds for the one controller there is."""

Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Part(BaseModel):
    """A frozen piece of a finding that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(Part):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


VerdictLine = Literal["noise_cost", "bearable_noise", "enough_shots", "mitigation", "training_cost"]


class Verdict(Part):
    """One line of the verdict that a page begins with.

    Attributes:
        line: Which; see `qhw.studies.verdict`.
        number: The one number, with its interval where it has one, such as `5.1 [4.3, 6.0]`; or a
            word where that is the answer, such as `none`.
        words: What the number is of, and what it means.
        unit: Of the number.
        estimate: The number, to be compared with that of another report; None where it is a word.
    """

    line: VerdictLine
    number: Text
    words: Text
    unit: str = ""
    estimate: Estimate | None = None


class Axis(Part):
    """One axis of a figure.

    Attributes:
        label: What it is of.
        unit: Of its numbers.
        log: Whether it is logarithmic.
        order: Categories, which are then equally spaced.
        ticks: The only numbers that are written on a logarithmic axis; all data without them.
    """

    label: Text
    unit: str = ""
    log: bool = False
    order: tuple[str, ...] = ()
    ticks: tuple[float, ...] = ()


class Series(Part):
    """One line or group of bars; `low` and `high` are the ends of 95 % intervals.

    One that is a part of another, such as a seed of a mean, names it in `part_of`: it is drawn
    thin, in the other's colour, and has no name in the figure.
    """

    name: Text
    part_of: str = ""
    x: tuple[float | str, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, name: str, x: Sequence[float | str], points: Sequence[Estimate | None]) -> Self:
        """One estimate for every x; None where nothing was measured."""
        ends = ((p.value, p.low, p.high) if p else (None,) * 3 for p in points)
        y, low, high = zip(*ends, strict=True)
        return cls(name=name, x=tuple(x), y=y, low=low, high=high)

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        wanted = len(self.x)
        for name in ("y", "low", "high"):
            length = len(getattr(self, name))
            if length not in ({wanted} if name == "y" else {0, wanted}):
                raise ValueError(f"{name} of {self.name!r} has {length} entries, x has {wanted}")
        return self


class Reference(Part):
    """A straight line across a figure, such as the best constant's return, with its name."""

    name: Text
    value: float
    axis: Literal["x", "y"] = "y"


class Figure(Part):
    """One figure.

    Kind `matrix` takes one series per row; its x are the columns, its y the cells. Kind `forest` is
    for paired differences: points with intervals, a row per x, about a line at 0.
    """

    id: Identifier
    title: Text
    kind: Literal["lines", "bars", "forest", "matrix"]
    x: Axis
    y: Axis
    series: Annotated[tuple[Series, ...], Field(min_length=1)]
    """Parts of others come after all others."""
    references: tuple[Reference, ...] = ()
    reading: Text
    alternative: Text

    @property
    def named(self) -> tuple[Series, ...]:
        """Series that are no parts of others."""
        return tuple(each for each in self.series if not each.part_of)

    @model_validator(mode="after")
    def _parts_have_a_whole(self) -> Self:
        names = {each.name for each in self.named}
        for each in self.series[len(self.named) :]:
            if each.part_of not in names:
                raise ValueError(f"{each.name!r} is a part of {each.part_of!r}, which is not there")
        if self.named != self.series[: len(self.named)]:
            raise ValueError(f"figure {self.id!r}: parts of series come after all series")
        return self


class Column(Part):
    """One column of a table; `digits` after the point, None for text."""

    name: Text
    unit: str = ""
    digits: int | None = None


Cell = str | float | Estimate | None
Heading = str | tuple[str, int | None] | tuple[str, int | None, str]
"""A column in short: its name; for numbers the digits after the point; and the unit."""


class Table(Part):
    """One table; every row has a cell per column."""

    id: Identifier
    title: Text
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    rows: tuple[tuple[Cell, ...], ...]
    reading: Text

    @classmethod
    def of(
        cls,
        identifier: str,
        title: str,
        headings: Sequence[Heading],
        rows: Iterable[Sequence[Cell]],
        reading: str,
    ) -> Self:
        """A table with its columns in short."""
        names = [(each, None) if isinstance(each, str) else each for each in headings]
        columns = tuple(
            Column(name=name, digits=digits, unit=unit[0] if unit else "")
            for name, digits, *unit in names
        )
        cells = tuple(tuple(row) for row in rows)
        return cls(id=identifier, title=title, columns=columns, rows=cells, reading=reading)

    @classmethod
    def of_columns(
        cls, identifier: str, title: str, columns: Mapping[Heading, Sequence[Cell]], reading: str
    ) -> Self:
        """A table by its columns in short, each with its cells from top to bottom."""
        rows = zip(*columns.values(), strict=True)
        return cls.of(identifier, title, list(columns), rows, reading)

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        wanted = len(self.columns)
        for row in self.rows:
            if len(row) != wanted:
                raise ValueError(f"table {self.id!r} has a row of {len(row)} cells, not {wanted}")
        return self


class GalleryRow(Part):
    """Pictures of one condition, each a PNG in base64, one per column of its gallery."""

    name: Text
    pictures: tuple[Text, ...]


class Gallery(Part):
    """Small pictures side by side: a column per latent, a row per condition."""

    id: Identifier
    title: Text
    columns: Annotated[tuple[Text, ...], Field(min_length=1)]
    rows: Annotated[tuple[GalleryRow, ...], Field(min_length=1)]
    reading: Text
    alternative: Text

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        wanted = len(self.columns)
        for row in self.rows:
            if len(row.pictures) != wanted:
                raise ValueError(
                    f"gallery {self.id!r}: {row.name!r} has {len(row.pictures)} pictures, "
                    f"not {wanted}"
                )
        return self


class Finding(Part):
    """What one study found.

    Attributes:
        study: Name of the study, such as `shots`.
        question: Shown as the section's heading.
        answer: One to three sentences; None where the data refuse one.
        refusal: Why there is no answer; None where there is one.
        observed: What holds for the one trained controller there is, where that allows no answer.
        verdict: Its lines of the page's verdict.
        figures: In order; the first is what one looks at, the page folds the others away.
        tables: In order.
        galleries: In order.
        notes: Caveats, assumptions, sample sizes.
        provenance: Facts of what was run, name to value.
    """

    study: Identifier
    question: Text
    answer: Text | None = None
    refusal: Text | None = None
    observed: Text | None = None
    verdict: tuple[Verdict, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: dict[str, str | int | float] = {}

    @model_validator(mode="after")
    def _answered_or_refused(self) -> Self:
        if (self.answer is None) == (self.refusal is None):
            raise ValueError(f"{self.study!r}: give an answer, or the reason why there is none")
        if self.observed is not None and self.refusal is None:
            raise ValueError(f"{self.study!r}: where there is an answer, nothing is left to add")
        return self


def write_finding(folder: Path, finding: Finding) -> Path:
    """Keep a finding as `FOLDER/STUDY.json`, in one step."""
    make_folder(folder)
    path = folder / f"{finding.study}.json"
    replace_file(path, (finding.model_dump_json(indent=2) + "\n").encode())
    return path


def read_finding(path: Path) -> Finding:
    """Read what `write_finding` kept.

    Raises:
        DataError: If it is missing or damaged.
    """
    try:
        return Finding.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise DataError(
            f"{path} is no finding: {error}",
            "Analyse again: `qhw report noise ... --step analyse`.",
        ) from error
