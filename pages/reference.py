"""Write the pages that are made out of the code: `python -m pages.reference`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pages.commands import commands_page
from pages.python import python_page
from pages.settings import settings_page
from qhw.reports.results import schema

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"


def _results_schema() -> str:
    """The JSON schema of a report's `results.json`."""
    return json.dumps(schema(), indent=1) + "\n"


WRITTEN: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "python.md": python_page,
    "results.schema.json": _results_schema,
}
"""Files of the folder, and what gives their text."""


def main() -> None:
    """Write each anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in WRITTEN.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
