from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from qhw.commands.plot import draw_training
from qhw.config import parse_config
from qhw.errors import UnknownNameError
from qhw.evaluation.arms import ORDER
from qhw.evaluation.training_plot import ENTROPY_OF_UNIT_SIGMA, smoothed
from qhw.runs.directory import RunDirectory, create_run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path, parse_config({"seed": 3}), "a")


def record(update: int, **more: Any) -> dict[str, Any]:
    numbers = ("mean_return", "entropy", "approximate_kl", "clip_fraction", "circuit_gradient_norm")
    return {"update": update, **dict.fromkeys(numbers, 0.1 * update), **more}


@pytest.mark.parametrize("more", [{"guidance_by_step": [1.0, 1.5, 2.0]}, {}])
def test_a_training_is_drawn_as_png_and_svg(run: RunDirectory, more: dict[str, Any]) -> None:
    for update in (1, 2, 3):
        run.append_metrics(record(update, **more))
    rows = [{"name": f"the {name}", "mean_return": {"estimate": -0.2}} for name in ORDER]
    run.keep_evaluation({"updates": 3, "latents": 20, "arms": ORDER, "rows": rows})
    png, svg = draw_training(run)
    assert (png.name, svg.name) == ("training.png", "training.svg")
    assert imread(png).std() > 0.05
    drawn = svg.read_text()
    assert "a: ring on aer_noisy, seed 3" in drawn and "the greedy" in drawn
    assert ("not recorded" in drawn) == (not more)


def test_a_classical_actor_has_no_circuit_to_draw(run: RunDirectory) -> None:
    run.append_metrics(record(1, circuit_gradient_norm=None))
    assert "no circuit is trained" in draw_training(run)[1].read_text()


def test_there_must_be_something_to_draw(run: RunDirectory) -> None:
    with pytest.raises(UnknownNameError, match="no update to draw"):
        draw_training(run)


def test_a_running_mean_has_no_bias_towards_its_beginning() -> None:
    assert smoothed([2.0] * 5) == pytest.approx([2.0] * 5)
    assert smoothed([0.0, 1.0]) == pytest.approx([0.0, 0.1 / 0.19])


def test_entropy_tells_sigma() -> None:
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.3**2)
    assert math.exp(entropy - ENTROPY_OF_UNIT_SIGMA) == pytest.approx(0.3)
