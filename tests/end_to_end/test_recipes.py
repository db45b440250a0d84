"""The recipes of the settings' page run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
SECTIONS = (section.partition("\n") for section in PAGE.split("\n## ")[1:])
RECIPES = [
    (title, code)
    for title, _, text in SECTIONS
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]


@pytest.mark.slow  # each trains two controllers in processes of their own
@pytest.mark.parametrize(("title", "code"), [pytest.param(*r, id=r[0]) for r in RECIPES])
def test_a_recipe_runs_and_leaves_its_runs(title: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "recipe.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len([*tmp_path.glob("runs/*/config.toml")]) >= 2
    assert re.search(r"actor_rate|estimate", done.stdout.splitlines()[-1])


def test_there_are_recipes() -> None:
    assert [title for title, _ in RECIPES] == ["Optuna", "A cluster with Slurm"]
