"""Hooks of mkdocs: the site is made of the repository's own pages, as they are read on GitHub.

On GitHub `docs/results.md` links to `../benchmarks/seeds.py`. In the site everything that a page
links to has its place: files of `docs/` lose that folder, all others keep their path.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
FRONT = {"README.md": "index.md"}
"""Pages of the repository that the site has a page of its own for."""
LINK = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=\))")
FENCED = re.compile(r"(^```.*?^```[^\n]*$)", flags=re.M | re.S)
CONTENTS = re.compile(r"(?<=\n\n)(?:- \[[^\n]*\]\(#[^\n)]*\)\n)+(?=\n)")
"""A list of nothing but links into the page itself; the site shows one at the side."""
ROW = re.compile(r"^\|.*\|$", flags=re.M)


def site_path(path: str) -> str:
    """Where a file of the repository stands in the site; both are relative, with slashes."""
    return FRONT.get(path, path.removeprefix("docs/"))


def repository_path(place: str) -> str:
    """Where a page of the site stands in the repository."""
    return f"docs/{place}" if (ROOT / "docs" / place).exists() else place


def linked(path: str, text: str) -> Iterator[str]:
    """Files of the repository that the page at `path` links to."""
    folder = posixpath.dirname(path)
    for link in LINK.finditer(FENCED.sub("", text)):
        if link[1] and not re.match(r"[a-z]+:", link[1]):
            yield posixpath.normpath(posixpath.join(folder, link[1]))


def relinked(path: str, text: str) -> str:
    """The page with links that hold in the site; what stands in fences is no link."""
    here = posixpath.dirname(site_path(path)) or "."

    def there(link: re.Match[str]) -> str:
        target = [*linked(path, f"]({link[1]})")]
        place = posixpath.relpath(site_path(target[0]), here) if target else link[1]
        return place + (link[2] or "")

    parts = FENCED.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(there, part) for part in parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside `docs/`, and what those link to."""
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    while waiting:
        path = waiting.pop()
        for target in linked(path, (ROOT / path).read_text(encoding="utf-8")):
            place = site_path(target)
            if place in files.src_uris or not (ROOT / target).is_file():
                continue  # what is missing is for mkdocs to tell
            files.append(File.generated(config, place, abs_src_path=os.fspath(ROOT / target)))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page of the site: links that hold there, and what GitHub's Markdown says otherwise."""
    return dialect(relinked(repository_path(page.file.src_uri), markdown))


def dialect(text: str) -> str:
    """What is written for GitHub as Python-Markdown and Pygments want it.

    A bar in code in a table is escaped for GitHub and must not be here. To Pygments, lines of a
    console without a prompt are what it printed. The site shows a page's contents at the side.
    """
    parts = FENCED.split(text)
    for place, part in enumerate(parts):
        if part.startswith("```"):
            parts[place] = part.replace("```console\n", "```bash\n", 1)
        else:
            parts[place] = ROW.sub(_unescaped, CONTENTS.sub("", part))
    return "".join(parts)


def _unescaped(row: re.Match[str]) -> str:
    return re.sub(r"`[^`]+`", lambda code: code[0].replace(r"\|", "|"), row[0])
