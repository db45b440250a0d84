"""The examples and commands of the README and its guides, as printed, in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("README", "docs/training", "docs/settings", "docs/hardware", "docs/reports")
TEXT = "".join((ROOT / f"{page}.md").read_text(encoding="utf-8") for page in GUIDES)
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL)
LINES = "".join(re.findall(r"```console\n(.*?)```", TEXT + PYTHON, re.DOTALL)).splitlines()
COMMANDS = list(dict.fromkeys(LINES))
"""Each once, in the order in which a reader comes by it."""
SMALL = ["--updates", "1", "--environments", "4", "--latents", "20"]


def execute(arguments: list[str], folder: Path) -> str:
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_are_five_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("example", EXAMPLES, ids=["train", "backend", "device", "own", "gym"])
def test_the_example_runs(example: str, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example)
    execute([sys.executable, "-W", "error", "example.py"], tmp_path)


@pytest.mark.slow  # a whole life of a run, one process per command
def test_every_command_works(tmp_path: Path) -> None:
    execute([sys.executable, "-m", "qhw", "train", "--backend", "aer_noisy", *SMALL], tmp_path)
    for command in COMMANDS:
        if command.startswith("qhw report"):
            continue  # minutes long; tests/qhw/commands/test_report.py runs it on a tiny run
        small = re.sub("--seeds 0:[0-9]+", "--seeds 0:1", command.replace("2000", "20"))
        typed, _, file = small.partition(" > ")
        words = typed.split()
        assert words[0] == "qhw"
        trains = words[1] in ("train", "sweep") and "--resume" not in words
        told = execute([sys.executable, "-m", *words, *(SMALL if trains else [])], tmp_path)
        if file:
            (tmp_path / file).write_text(told)
            continue
        lines = told.replace(str(tmp_path), "").splitlines()
        assert max(map(len, lines), default=0) <= 100, command
    wanted = {"pictures.png", "guidance.png", "metrics.json"}
    sampled = [*tmp_path.glob("runs/*/samples/*/seed0-images16")]
    assert {folder.parent.name for folder in sampled} == {"aer_noisy-fake_brisbane", "fake_fez"}
    for folder in sampled:
        assert {path.name for path in folder.iterdir()} == wanted
    assert len([*tmp_path.glob("runs/*/samples/fake_fez/cost.json")]) == 1
