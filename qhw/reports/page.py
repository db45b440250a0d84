"""A report's page: one HTML file that needs nothing else, out of the findings beside it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
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
from qhw.reports.results import save_results
from qhw.reports.style import DARK, LIGHT
from qhw.reports.tables import ShownTable, numbers_of, save_tables, shown
from qhw.studies.catalogue import in_order, sections_without_findings, title_of
from qhw.studies.finding import ADVICE, Figure, Finding, Gallery, read_finding
from qhw.studies.statistics.coverage import coverage_in_words
from qhw.studies.verdict import verdict_of

_LIGHT, _DARK = (
    "".join(f"--{role}:{shade};" for role, shade in palette.roles().items())
    for palette in (LIGHT, DARK)
)
COLOURS = (
    f":root{{color-scheme:light;{_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{_DARK}}}}}\n"
)
"""As CSS variables; paper is always light."""
MANY_PICTURES = 4
"""A gallery of more rows is folded away."""


@dataclass(frozen=True)
class ShownFigure:
    """A figure on the page, with the numbers it draws."""

    figure: Figure
    drawing: Markup
    numbers: ShownTable
    incomplete: bool


@dataclass(frozen=True)
class ShownSection:
    """One finding on the page: what is looked at first, and what is folded away below it."""

    finding: Finding
    title: str
    figures: tuple[ShownFigure, ...]
    tables: tuple[ShownTable, ...]
    provenance: dict[str, str]

    @property
    def open_figures(self) -> tuple[ShownFigure, ...]:
        """The first."""
        return self.figures[:1]

    @property
    def open_tables(self) -> tuple[ShownTable, ...]:
        """The first, where there is no figure and it is not long."""
        return () if self.figures else tuple(each for each in self.tables[:1] if not each.long)

    @property
    def open_galleries(self) -> tuple[Gallery, ...]:
        """Those of few rows."""
        return tuple(each for each in self.finding.galleries if len(each.rows) <= MANY_PICTURES)

    @property
    def folded_figures(self) -> tuple[ShownFigure, ...]:
        """All but the first."""
        return self.figures[1:]

    @property
    def folded_tables(self) -> tuple[ShownTable, ...]:
        """All that are not open."""
        return self.tables[len(self.open_tables) :]

    @property
    def folded_galleries(self) -> tuple[Gallery, ...]:
        """Those of many rows."""
        return tuple(each for each in self.finding.galleries if len(each.rows) > MANY_PICTURES)

    @property
    def folded(self) -> str:
        """What lies below, such as `2 figures, 3 tables, notes`; empty where nothing does."""
        counted = (
            ("figure", self.folded_figures),
            ("table", self.folded_tables),
            ("gallery", self.folded_galleries),
        )
        parts = [_counted(len(parts), name) for name, parts in counted if parts]
        parts += ["notes"] if self.finding.notes else []
        parts += ["what was run"] if self.provenance else []
        return ", ".join(parts)


def _counted(count: int, name: str) -> str:
    several = {"gallery": "galleries"}.get(name, f"{name}s")
    return f"{count} {name if count == 1 else several}"


def render(folder: Path) -> Path:
    """Write `index.html`, `results.json`, `figures/` and `tables/` out of `analysis/*.json`.

    Args:
        folder: The report's.

    Returns:
        The page.

    Raises:
        DataError: If there is no finding, or a finding is damaged.
    """
    findings = in_order(map(read_finding, sorted((folder / "analysis").glob("*.json"))))
    if not findings:
        raise DataError(
            f"{folder / 'analysis'} holds no findings.",
            "Analyse first: `qhw report noise ... --step analyse`.",
        )
    for finding in findings:
        keep_only(finding.study, folder / "figures", save_figures(folder / "figures", finding))
        keep_only(finding.study, folder / "tables", save_tables(folder / "tables", finding))
    save_results(folder, findings)
    path = folder / "index.html"
    replace_file(path, _page(findings).encode())
    return path


def keep_only(study: str, folder: Path, written: list[Path]) -> None:
    """Delete a study's files of an earlier rendering that it no longer has."""
    for path in set(folder.glob(f"{study}-*")) - set(written):
        path.unlink()


def _page(findings: list[Finding]) -> str:
    return filled(
        "noise.html.j2",
        sections=[section_of(finding, title_of(finding.study)) for finding in findings],
        verdict=verdict_of(findings),
        coverage=_coverage(findings),
        missing=sections_without_findings(findings),
        advice=ADVICE if any(finding.observed for finding in findings) else None,
    )


def filled(template: str, script: str = "noise.js", **values: object) -> str:
    """A page out of a template, with the style of all pages and its one script.

    Args:
        template: Its name.
        script: Name of the script.
        values: What it asks for.
    """
    text = _resource(script)
    # What the page's security policy knows its one script by.
    digest = hashlib.sha256(text.encode()).digest()
    environment = Environment(
        loader=PackageLoader("qhw.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["data_uri"] = data_uri
    environment.filters["prose"] = _prose
    return environment.get_template(template).render(
        style=Markup(COLOURS + _resource("noise.css")),  # noqa: S704 - our own
        script=Markup(text),  # noqa: S704 - our own
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        **values,
    )


def _coverage(findings: Sequence[Finding]) -> str | None:
    """What the intervals cover, of the fewest training seeds that one rests on; None of one."""
    counts = (finding.provenance.get("training seeds") for finding in findings)
    seeds = [count for count in counts if isinstance(count, int) and count > 1]
    return coverage_in_words(min(seeds)) if seeds else None


def _prose(text: str) -> Markup:
    """A sentence of a finding; what stands in backticks is code."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(typeset(text))))
    return Markup(marked)  # noqa: S704 - escaped above


def section_of(finding: Finding, title: str) -> ShownSection:
    """A finding as a page shows it, under a title."""
    return ShownSection(
        finding,
        title,
        figures=tuple(
            ShownFigure(
                figure,
                Markup(figure_markup(finding.study, figure)),  # noqa: S704 - escaped XML
                shown(finding.study, numbers_of(figure)),
                shows_dashes(figure),
            )
            for figure in finding.figures
        ),
        tables=tuple(shown(finding.study, table) for table in finding.tables),
        # Seeds and counts are copied from the page, so they keep their digits.
        provenance={
            name: number(value) if isinstance(value, float) else str(value)
            for name, value in finding.provenance.items()
        },
    )


def _resource(name: str) -> str:
    return (files("qhw.reports") / "templates" / name).read_text(encoding="utf-8")
