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
from qhw.evaluation.beside_baselines import Row, View, gap_advice, shuffled
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.likeness import MEASURES, REAL, SAME_LATENT

WIDE = Interval(-10.123, -11.123, -12.123)
ZERO = Interval(0.0, 0.0, 0.0)


@pytest.fixture
def row() -> Row:
    view = View(0.978, -9.123, 12.34, 0.0123, WIDE, 1.0, 99.0)
    eyes = dict.fromkeys(ALL_EYES, view)
    likeness = {
        f"{reference}/{name}": WIDE for reference in (SAME_LATENT, REAL) for name in MEASURES
    }
    gain = replace(WIDE, estimate=-0.144)
    return Row("rule 0.83 + 4.21(1-p)", WIDE, gain, 12.34, 14.35, ZERO, eyes, {**likeness})


def test_nothing_is_cut_at_80_columns(row: Row) -> None:
    file = io.StringIO()
    rows = Arms.of([row] * 7)
    print_comparison(Console(file=file, width=80), rows, 2000, {"engine": "compiled"}, ["careful"])
    told = file.getvalue()
    assert "…" not in told
    assert max(len(line) for line in told.splitlines()) <= 80
    for header in ("return", "minus the constant's", "mean g", "at equal log p", "careful"):
        assert header in told
    assert told.count("diversity") == 1
    assert told.count("-10.1 [-11.1, -12.1]~*") == 7 * 4
    assert told.count("resolution 99.00") == 4
    assert "Kernel distance" not in told, "2,000 latents are not few"


def test_few_latents_have_the_unbiased_distance_beside(row: Row) -> None:
    file = io.StringIO()
    print_comparison(Console(file=file, width=80), Arms.of([row] * 7), 500, {}, [])
    told = file.getvalue()
    assert max(len(line) for line in told.splitlines()) <= 80
    (line,) = [one for one in told.splitlines() if one.split()[-1:] == ["12.3"]][:1]
    assert line.split()[-4:] == ["12.3"] * 4


def test_what_is_within_the_resolution_is_marked(row: Row) -> None:
    def told(resolution: float) -> str:
        views = {
            eye: replace(view, at_equal_log_p=Interval(-0.3, -0.4, -0.2), resolution=resolution)
            for eye, view in row.views.items()
        }
        file = io.StringIO()
        rows = Arms.of([replace(row, views=views)] * 7)
        print_comparison(Console(file=file, width=80), rows, 2000, {}, [])
        return file.getvalue()

    assert told(0.35).count("-0.30 [-0.40, -0.20]~") == 7 * 4
    assert told(0.25).count("-0.30 [-0.40, -0.20]~") == 0


def test_the_paper_s_metrics_say_what_pictures_are_compared_with(row: Row) -> None:
    base = replace(row, name="a = 0: g = 1.5", likeness=dict.fromkeys(row.likeness))
    file = io.StringIO()
    rows = replace(Arms.of([row] * 7), base=base)
    print_comparison(Console(file=file, width=80), rows, 2000, {}, [])
    told = " ".join(file.getvalue().split())
    assert "same latent under a = 0: g = 1.5, 16 of each class" in told
    assert "real pictures of the class, 16 of each class" in told
    assert "itself itself itself" in told


def test_a_gap_that_may_be_chance_is_not_told(row: Row) -> None:
    rows = Arms.of([replace(row, proxy_gap=Interval(0.05, -0.01, 0.1))] * 7)
    assert gap_advice(rows) == []
    rows = Arms.of([replace(row, proxy_gap=Interval(0.05, 0.01, 0.1))] * 7)
    assert "believe the judges" in gap_advice(rows)[0]


def test_shuffling_gives_everyone_the_trajectory_of_another() -> None:
    guidance = torch.arange(30.0).reshape(3, 10)
    others = shuffled(guidance)
    assert torch.equal(others.sort(dim=1).values, guidance)
    assert not (others == guidance).any()
    assert torch.equal(others[1] - others[0], torch.full((10,), 10.0))
