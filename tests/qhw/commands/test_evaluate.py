"""The tables are what people copy: nothing may be cut at the 80 columns of a log file."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from diffusion.comparison import Interval
from qhw.commands.evaluate import print_comparison
from qhw.evaluation.arms import Arms
from qhw.evaluation.beside_baselines import Row, View, shuffled

WIDE = Interval(-10.123, -11.123, -12.123)


@pytest.fixture
def row() -> Row:
    view = View(0.978, -9.123, 12.34, WIDE, 1.0)
    eyes = dict.fromkeys(("proxy", "judge_0", "judge_1"), view)
    return Row("rule 0.83 + 4.21(1-p)", WIDE, replace(WIDE, estimate=-0.144), 12.34, 14.35, eyes)


def test_nothing_is_cut_at_80_columns(row: Row) -> None:
    file = io.StringIO()
    rows = Arms.of([row] * 7)
    print_comparison(Console(file=file, width=80), rows, 2000, {"engine": "compiled"}, ["careful"])
    told = file.getvalue()
    assert "…" not in told
    assert max(len(line) for line in told.splitlines()) <= 80
    for header in ("return", "minus the constant's", "mean g", "at equal accuracy", "careful"):
        assert header in told
    assert told.count("diversity") == 1
    assert told.count("-10.1 [-11.1, -12.1]*") == 7 * 3


def test_shuffling_gives_everyone_the_trajectory_of_another() -> None:
    guidance = torch.arange(30.0).reshape(3, 10)
    others = shuffled(guidance)
    assert torch.equal(others.sort(dim=1).values, guidance)
    assert not (others == guidance).any()
    assert torch.equal(others[1] - others[0], torch.full((10,), 10.0))
