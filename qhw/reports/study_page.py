"""The page of a study of controllers: one finding, drawn as in the noise report."""

from __future__ import annotations

from pathlib import Path

from qhw.files import replace_file
from qhw.reports.figures import save_figures
from qhw.reports.page import filled, keep_only, section_of
from qhw.reports.tables import save_tables
from qhw.studies.finding import Finding
from qhw.studies.statistics.coverage import coverage_in_words


def render_study(finding: Finding, folder: Path) -> Path:
    """Write `NAME.html` that needs nothing else, and `figures/` and `tables/` beside it.

    Args:
        finding: What the study came to.
        folder: Of all studies.

    Returns:
        The page.
    """
    for save, name in ((save_figures, "figures"), (save_tables, "tables")):
        keep_only(finding.study, folder / name, save(folder / name, finding))
    seeds = finding.provenance["training seeds"]
    path = folder / f"{finding.study}.html"
    page = filled(
        "study.html.j2",
        section=section_of(finding, "The verdict"),
        coverage=coverage_in_words(int(seeds)) if int(seeds) > 1 else None,
    )
    replace_file(path, page.encode())
    return path
