"""A report's page: one HTML file that needs nothing else, out of the findings beside it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from qhw.errors import DataError
from qhw.files import replace_file
from qhw.reports.figures import figure_markup, save_figures
from qhw.reports.inline import data_uri
from qhw.reports.marks import shows_dashes
from qhw.reports.numbers import number, typeset
from qhw.reports.style import DARK, LIGHT, Palette
from qhw.reports.tables import ShownTable, numbers_of, save_tables, shown
from qhw.studies.catalogue import in_order, sections_without_findings, title_of
from qhw.studies.finding import ADVICE, Finding, Gallery, read_finding


@dataclass(frozen=True)
class ShownFigure:
    """A figure on the page, with the numbers it draws."""

    id: str
    title: str
    drawing: Markup
    reading: str
    numbers: ShownTable
    incomplete: bool


@dataclass(frozen=True)
class ShownSection:
    """One finding on the page."""

    id: str
    title: str
    question: str
    answer: str | None
    refusal: str | None
    observed: str | None
    figures: tuple[ShownFigure, ...]
    tables: tuple[ShownTable, ...]
    galleries: tuple[Gallery, ...]
    notes: tuple[str, ...]
    provenance: dict[str, str]


def render(folder: Path) -> Path:
    """Write `index.html`, `figures/` and `tables/` of a report out of `analysis/*.json`.

    Args:
        folder: The report's.

    Returns:
        The page.

    Raises:
        DataError: If there is no finding, or a finding is damaged.
    """
    findings = in_order(_read_findings(folder / "analysis"))
    for finding in findings:
        _keep_only(finding.study, folder / "figures", save_figures(folder / "figures", finding))
        _keep_only(finding.study, folder / "tables", save_tables(folder / "tables", finding))
    path = folder / "index.html"
    replace_file(path, _page(findings).encode())
    return path


def _keep_only(study: str, folder: Path, written: list[Path]) -> None:
    """Delete a study's files of an earlier rendering that it no longer has."""
    for path in set(folder.glob(f"{study}-*")) - set(written):
        path.unlink()


def _read_findings(folder: Path) -> list[Finding]:
    findings = [read_finding(path) for path in sorted(folder.glob("*.json"))]
    if not findings:
        raise DataError(
            f"{folder} holds no findings.",
            "Analyse first: `qhw report noise ... --step analyse`.",
        )
    return findings


def _page(findings: list[Finding]) -> str:
    script = _resource("noise.js")
    environment = Environment(
        loader=PackageLoader("qhw.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["data_uri"] = data_uri
    environment.filters["prose"] = _prose
    return environment.get_template("noise.html.j2").render(
        sections=[_section(finding) for finding in findings],
        missing=sections_without_findings(findings),
        advice=ADVICE if any(finding.observed for finding in findings) else None,
        style=Markup(_variables(LIGHT, DARK) + _resource("noise.css")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=_hash(script),
    )


def _prose(text: str) -> Markup:
    """A sentence of a finding; what stands in backticks is code."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(typeset(text))))
    return Markup(marked)  # noqa: S704 - escaped above


def _section(finding: Finding) -> ShownSection:
    return ShownSection(
        id=finding.study,
        title=title_of(finding.study),
        question=finding.question,
        answer=finding.answer,
        refusal=finding.refusal,
        observed=finding.observed,
        figures=tuple(
            ShownFigure(
                id=f"{finding.study}-{figure.id}",
                title=figure.title,
                drawing=Markup(figure_markup(finding.study, figure)),  # noqa: S704 - escaped XML
                reading=figure.reading,
                numbers=shown(finding.study, numbers_of(figure)),
                incomplete=shows_dashes(figure),
            )
            for figure in finding.figures
        ),
        tables=tuple(shown(finding.study, table) for table in finding.tables),
        galleries=finding.galleries,
        notes=finding.notes,
        # Seeds and counts are copied from the page, so they keep their digits.
        provenance={
            name: number(value) if isinstance(value, float) else str(value)
            for name, value in finding.provenance.items()
        },
    )


def _variables(light: Palette, dark: Palette) -> str:
    """Colours as CSS variables; paper is always light."""
    return (
        f":root{{color-scheme:light;{_declarations(light)}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{color-scheme:dark;{_declarations(dark)}}}}}\n"
    )


def _declarations(palette: Palette) -> str:
    return "".join(f"--{role}:{shade};" for role, shade in palette.roles().items())


def _resource(name: str) -> str:
    return (files("qhw.reports") / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the page's security policy knows its one script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
