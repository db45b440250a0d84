"""The pages for people: links lead somewhere, names exist, and the front page leads to each."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("diffusion/pretrained/*/*.md"),
        *ROOT.glob("tests/fixtures/*/*.md"),
    ]
)
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages that speak of the code as it is; the change log names what is gone as well."""
FRONT_PAGE_LINES = 150
PACKAGES = ("calibration", "diffusion", "policy", "qhw")
PATH = re.compile(rf"^(?:{'|'.join(PACKAGES)}|tests|benchmarks|docs|pages)/[\w./*-]*(?::[\w.]+)?$")
EXAMPLE = re.compile(r"/my_|/VENDOR/")
"""Files that a recipe tells the reader to write."""
DOTTED = re.compile(rf"^((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?:\(.*\))?$")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def inner_links(page: Path) -> Iterator[tuple[Path, str]]:
    """Target file and anchor of every link that does not leave the repository."""
    for link in links(page):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor


def anchors(page: Path) -> set[str]:
    """What the headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def code(page: Path) -> list[str]:
    """What stands between backticks in running text."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


@cache
def definitions(path: Path) -> frozenset[str]:
    """Names that a module defines, those inside classes as `Class.name`."""
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _defined(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name
        elif isinstance(node, ast.Assign):
            targets = (name for target in node.targets for name in ast.walk(target))
            yield from (prefix + name.id for name in targets if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


def exists(reference: str) -> bool:
    """Whether `path/to/file.py`, `path/to/file.py:name` or a pattern of paths is there."""
    path, _, name = reference.partition(":")
    if "*" in path:
        return any(ROOT.glob(path))
    file = ROOT / path
    return name in definitions(file) if name and file.exists() else file.exists()


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = dotted.split(".")
    value: object = None
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if error.name and not dotted.startswith(error.name):
                raise
            continue
        for part in parts[count:]:
            if not hasattr(value, part) and part not in getattr(value, "__annotations__", {}):
                return False
            value = getattr(value, part, None)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in inner_links(page):
        assert target.exists(), f"{name_of(page)} links to {target}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)}: no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_taken_for_html_and_vanishes(page: Path) -> None:
    bare = re.sub(r"`[^`]+`", "", prose(page))
    assert not re.findall(r"<[A-Za-z/][\w-]*>", bare), f"{name_of(page)}: put it in backticks"


@pytest.mark.parametrize("page", CURRENT, ids=name_of)
def test_every_file_and_function_that_is_named_exists(page: Path) -> None:
    named = [span for span in code(page) if PATH.match(span) and not EXAMPLE.search(span)]
    missing = [span for span in named if not exists(span)]
    assert not missing, f"{name_of(page)} names {missing}"


@pytest.mark.parametrize("page", CURRENT, ids=name_of)
def test_every_dotted_name_can_be_imported(page: Path) -> None:
    named = [match[1] for span in code(page) if (match := DOTTED.match(span))]
    missing = [name for name in dict.fromkeys(named) if not resolves(name)]
    assert not missing, f"{name_of(page)} names {missing}"


def test_the_front_page_is_short_and_leads_to_every_page() -> None:
    front = README.read_text(encoding="utf-8")
    assert len(front.splitlines()) <= FRONT_PAGE_LINES
    assert front.count("![") == 1
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        targets = {path for path, _ in inner_links(page) if path.suffix == ".md"} - reached
        reached |= targets
        waiting += targets
    assert set(PAGES) <= reached


def test_the_tower_on_the_page_is_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == ["qhw"])
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tower = re.findall(r"^    ([\w |]+?)(?:  .*)?$", page.split("## The tower")[1], flags=re.M)
    assert tower[: len(layers)] == layers


def test_the_page_says_what_each_room_is_for() -> None:
    rooms = {path.parent.name for path in ROOT.glob("qhw/*/__init__.py")}
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert rooms == set(re.findall(r"^\| `qhw/(\w+)/` \|", page, flags=re.M))


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert exists("policy/ppo.py:minibatch_losses")
    assert exists("policy/gradients.py:ParameterShift.ask")
    assert not exists("policy/ppo.py:nothing_of_the_kind")
    assert not exists("policy/nothing.py")
    assert resolves("policy.backend.Estimate.values")
    assert not resolves("policy.Nothing")
    assert not resolves("qhw.nothing")


def test_the_engines_worked_example_comes_out_as_printed() -> None:
    page = ROOT / "docs" / "engine.md"
    blocks = re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, None, None)
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.attempted > 20
    assert not result.failed, "".join(printed)


def test_the_study_of_the_recipe_acquires_and_finds(tmp_path: Path) -> None:
    from qhw.studies.finding import Finding, Table
    from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
    from qhw.studies.statistics.intervals import shown
    from qhw.studies.store import FloatArray
    from qhw.studies.study import Scope, Study

    def returns_of(_scope: Scope, shots: int) -> dict[str, FloatArray]:
        return {"returns": np.random.default_rng(shots).normal(-0.2, 0.1, (3, 40))}

    known = {
        each.__name__: each
        for each in (
            Finding,
            Scope,
            Study,
            Table,
            hierarchical_bootstrap,
            partial,
            returns_of,
            shown,
        )
    }
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"np": np, **known}
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.S)[0], names)
    study = names["MyQuestion"]()
    scope = Scope((), tmp_path, "fake_nairobi")
    study.acquire(scope)
    finding = study.analyse(scope)
    assert finding.answer.startswith("With the most shots it is -0.2")
    assert len(finding.tables[0].rows) == len(scope.sizes.task_shots)
