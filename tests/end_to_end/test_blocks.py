"""Every block on the front page and the pages of `docs/` runs, or is excepted with a reason."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qhw.config import parse_config
from tests.end_to_end.blocks import BLOCKS, PAGES, ROOT, Block, shortened, written_in
from tests.end_to_end.forked import typed
from tests.tiny_model import save_tiny_model

SHOWN = {"text"}
"""What commands and programs print, and signatures."""
RUN = {"bash", "console", "pycon", "python", "toml"}
COMMANDS_NOT_RUN = {
    r"qhw (push|pull) .*": "a hub; tests/qhw/controllers/test_hub.py asks one of this machine",
    r"qhw report noise .*": "minutes; tests/qhw/commands/test_report.py runs it on a tiny run",
    r"qhw report compare .*": "of two such; tests/qhw/commands/test_report_compare.py runs it",
    r"qhw .*(sd15|--torch-device cuda).*": "gigabytes, a GPU; the same page runs it on tiny-sd",
    r"qhw models eyes .*": "a hub; tests/qhw/commands/test_models_eyes.py names tiny ones",
    r"qhw human tell .*": "people's answers; tests/qhw/commands/test_human.py gives some",
    r"qhw fit .*": "an hour of CPU; tests/qhw/commands/test_fit.py fits tiny networks",
    r"qhw remeasure .*": "half an hour; tests/diffusion/test_fitting.py measures tiny ones again",
}
"""Whole lines, with the reason."""
PROGRAMS_NOT_RUN = {
    "class MyQuestion(Study)": "a part of a recipe; tests/end_to_end/test_docs.py runs it",
}
"""What a block begins with, with the reason."""
OTHER_CODES = {"qhw drift": 4}
"""Exit codes besides 0 that are an answer."""
BUNDLE = ROOT / "diffusion/pretrained/fashion-mnist"
"""Stands for the one that a reader has fitted."""


def execute(arguments: list[str], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, **of_reader(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def of_reader(folder: Path) -> dict[str, str]:
    """Environment of a reader who types in a folder."""
    return {"COLUMNS": "80", "XDG_DATA_HOME": str(folder / "data"), "PYTHONPATH": str(ROOT)}


def qhw(command: str, folder: Path) -> str:
    """What a line of a console block prints; to a file, if it says so."""
    line, _, file = command.partition(" > ")
    _, *arguments = shlex.split(line)
    code, told, complained = typed(arguments, folder, of_reader(folder))
    allowed = {0, OTHER_CODES.get(" ".join(line.split()[:2]), 0)}
    assert code in allowed, f"{command}\n{told}\n{complained}"
    if file:
        (folder / file).write_text(told)
    return told


def lines(page: Path) -> list[str]:
    """Commands of a page, each once, in the order in which a reader comes by them."""
    own = [block for block in written_in("console") if ROOT / block.page == page]
    return list(dict.fromkeys(line for block in own for line in block.text.splitlines()))


def new_lines(page: Path) -> list[str]:
    """Those of a page that no page before it has, or that train what its other lines speak of."""
    before = {line for each in PAGES[: PAGES.index(page)] for line in lines(each)}
    trains = ("qhw train ", "qhw sweep ")
    return [line for line in lines(page) if line not in before or line.startswith(trains)]


def excepted(line: str) -> bool:
    return any(re.fullmatch(pattern, line) for pattern in COMMANDS_NOT_RUN)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in RUN | SHOWN


def test_every_line_of_a_console_is_a_command_and_every_exception_is_used() -> None:
    written = [line for page in PAGES for line in lines(page)]
    assert not [line for line in written if not line.startswith("qhw ")]
    assert all(any(re.fullmatch(pattern, line) for line in written) for pattern in COMMANDS_NOT_RUN)
    programs = [block.text for block in written_in("python")]
    assert all(any(text.startswith(head) for text in programs) for head in PROGRAMS_NOT_RUN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_is_there(page: Path) -> None:
    named = re.findall(r"^    make ([\w-]+)", page.read_text(encoding="utf-8"), flags=re.M)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("block", written_in("toml"), ids=str)
def test_a_file_of_settings_is_one(block: Block) -> None:
    assert parse_config(tomllib.loads(block.text))


@pytest.mark.parametrize("page", sorted({block.page for block in written_in("pycon")}))
def test_a_dialogue_comes_out_as_printed(page: str) -> None:
    text = "\n".join(block.text for block in written_in("pycon") if block.page == page)
    example = doctest.DocTestParser().get_doctest(text, {}, page, None, None)
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.attempted
    assert not result.failed, "".join(printed)


def programs() -> list[Block]:
    """Every program that is run."""
    return [
        block
        for block in written_in("python")
        if not block.text.startswith(tuple(PROGRAMS_NOT_RUN))
    ]


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize("block", programs(), ids=str)
def test_a_program_runs_by_itself_and_prints_something(block: Block, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(block.text)
    assert execute([sys.executable, "-W", "error", "program.py"], tmp_path).strip()


@pytest.mark.slow  # trains
@pytest.mark.parametrize("block", written_in("bash"), ids=str)
def test_a_script_of_a_cluster_runs(block: Block, tmp_path: Path) -> None:
    shim = tmp_path / "bin" / "qhw"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qhw "$@"\n')
    shim.chmod(0o755)
    script = "\n".join(map(shortened, block.text.splitlines()))
    (tmp_path / "script.sh").write_text(script)
    path = f"{shim.parent}:{os.environ['PATH']}"
    execute(["bash", "-e", "script.sh"], tmp_path, PATH=path, SLURM_ARRAY_TASK_ID="3")
    assert [*tmp_path.glob("runs/*/evaluation.json")]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one trained run, in which a reader may have begun."""
    folder = tmp_path_factory.mktemp("reader")
    qhw(shortened("qhw train --backend aer_noisy"), folder)
    return folder


@pytest.mark.slow  # a process for each command, some of which train
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if new_lines(page)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_command_of_a_page_works(page: Path, trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "reader", symlinks=True)
    shutil.copytree(BUNDLE, folder / "my-bundle")
    save_tiny_model(folder / "tiny-sd")
    for line in new_lines(page):
        if excepted(line):
            continue
        told = qhw(shortened(line), folder)
        if " > " not in line:
            printed = told.replace(str(folder), "").splitlines()
            assert max(map(len, printed), default=0) <= 100, line
    wanted = {"pictures.png", "guidance.png", "metrics.json"}
    for sampled in folder.glob("runs/*/samples/*/seed*"):
        assert {path.name for path in sampled.iterdir()} - {"full-size"} == wanted
    for paid in folder.glob("runs/*/samples/fake_*"):
        assert (paid / "cost.json").exists()
