"""`qhw report study`: the page of a study that was acquired."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from qhw.console.output import show
from qhw.console.tables import from_here
from qhw.errors import DamagedFileError, DataError
from qhw.files import read_json
from qhw.studies.trained.catalogue import find_study
from qhw.studies.trained.circuit_facts import CircuitFacts
from qhw.studies.trained.comparing import Difference, Row
from qhw.studies.trained.found import found_by

RecordT = TypeVar("RecordT", Row, Difference, CircuitFacts)


def report_study(name: str, folder: Path) -> None:
    """Write a study's page out of the figures that `qhw study` left.

    Args:
        name: Of the study.
        folder: Of all studies.

    Raises:
        UnknownNameError: If there is no such study.
        DataError: If it was not acquired.
        DamagedFileError: If its figures cannot be read.
        OutputError: If the page cannot be written.
    """
    from qhw.reports.study_page import render_study

    study, path = find_study(name), folder / f"{name}.json"
    if not path.is_file():
        raise DataError(
            f"There are no figures of the study {name!r} in {from_here(folder)}.",
            f"`qhw study {name} --folder {from_here(folder)}` acquires them.",
        )
    figures = _read(path)
    if not figures["arms"]:
        raise DataError(
            f"No training of the study {name!r} is done: {', '.join(figures['missing'])}.",
            f"`qhw study {name} --folder {from_here(folder)}` goes on with them.",
        )
    finding = found_by(study, figures["arms"], figures["differences"], figures)
    page = str(from_here(render_study(finding, folder)))
    show({"page": page}, lambda console: console.print(page, soft_wrap=True))


def _read(path: Path) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = read_json(path)
        arms = [_row(values) for values in figures["arms"]]
        differences = [_record(Difference, values) for values in figures["differences"]]
        about = {key: figures[key] for key in ("latents", "settings", "command", "missing")}
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError.of(path, f"{error!r}; the command in it makes it anew") from error
    return {**about, "arms": arms, "differences": differences}


def _row(values: dict[str, Any]) -> Row:
    """An arm; what is known of its circuit is a record within it, where it was kept."""
    row, kept = _record(Row, values), values.get("circuit")
    return replace(row, circuit=_record(CircuitFacts, kept) if kept else None)


def _record(kind: type[RecordT], values: dict[str, Any]) -> RecordT:
    """A record out of its JSON; what is said of it in words beside its fields is left out."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})
