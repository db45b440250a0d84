"""The site builds without a warning, every page is in it, and it fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FETCHED = {"src", "srcset", "data", "poster", "action"}


class Fetches(HTMLParser):
    """What a browser fetches by itself: all addresses but those of links to click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in FETCHED or (name == "href" and tag != "a"):
                self.addresses.append(value or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_docs_is_in_it(site: Path) -> None:
    for page in ROOT.glob("docs/**/*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").exists()
    for beside in ("CONTRIBUTING.html", "benchmarks/seeds.py", "example-report/index.html"):
        assert (site / beside).exists()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = [*site.glob("**/*.html")]
    assert len(pages) > 30
    for page in pages:
        fetches = Fetches()
        fetches.feed(page.read_text(encoding="utf-8"))
        assert fetches.addresses
        elsewhere = [each for each in fetches.addresses if re.match(r"(\w+:)?//", each)]
        assert not elsewhere, page
    for sheet in site.glob("**/*.css"):
        assert not re.search(
            r"(url\(|@import)\s*['\"]?(\w+:)?//", sheet.read_text(encoding="utf-8")
        )
