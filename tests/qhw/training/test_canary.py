"""Rule `model` in training: when it is compared with what is measured, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from policy import Agreement, ModelGradient, ParameterShift, RingActor
from qhw.config import CanaryConfig, merge, parse_config
from qhw.errors import CanaryError, ConfigError
from qhw.runs.directory import create_run
from qhw.training.canary import Canary
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer_noisy", "device": "fake_nairobi"},
    "gradient": {"rule": "model", "canary": {"every": 1, "transitions": 3}},
    "environment": {"steps": 3},
    "ppo": {"updates": 3, "environments": 4, "epochs": 2, "minibatches": 2},
    "evaluation": {"latents": 20},
}
UNPUBLISHED: dict[str, Any] = merge(
    SMALL, {"backend": {"zz_angle": 2.0}, "gradient": {"canary": {"cosine": 0.95}}}
)
"""Entangling gates that turn far too much, of which the snapshot says nothing."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def agreeing(cosine: float, low: float, high: float) -> Agreement:
    return Agreement(cosine, low, high, length=0.9, transitions=4, circuits=256)


@pytest.mark.parametrize(
    ("interval", "below", "stops", "falls_back", "told"),
    [
        ((0.95, 0.9, 1.0), "stop", False, False, "of its length"),
        ((0.7, 0.5, 0.9), "stop", False, False, "shots cannot tell it from 0.8"),
        ((0.5, 0.3, 0.7), "stop", True, False, "below 0.8"),
        ((0.5, 0.3, 0.7), "shift", False, True, "gradients are measured now"),
        ((0.5, 0.3, 0.7), "tell", False, False, "below 0.8"),
    ],
)
def test_a_verdict_needs_the_whole_interval(
    interval: tuple[float, float, float],
    below: Any,
    stops: bool,
    falls_back: bool,
    told: str,
) -> None:
    canary = Canary(agreeing(*interval), CanaryConfig(below=below))
    assert (canary.stops, canary.falls_back) == (stops, falls_back)
    assert canary.told.startswith("canary: the gradient measured on 4 transitions has cosine")
    assert canary.told.endswith(told)


def test_what_a_snapshot_publishes_is_modelled_exactly() -> None:
    """Without shots and without anything unpublished the two gradients are the same."""
    trainer = Trainer(parse_config(SMALL))
    first, second = trainer.advance(), trainer.advance()
    assert "canary" not in first
    assert second["canary"]["cosine"] == pytest.approx(1.0)
    assert second["canary"]["length"] == pytest.approx(1.0)
    assert second["gradient_rule"] == "model"
    assert second["features_reused"] == "carried"
    assert second["cost"]["canary"]["circuits"] == second["canary"]["circuits"] == 3 * 2 * 12
    assert second["cost"]["forward"]["circuits"] == 12
    assert any(line.startswith("canary: ") for line in second["advice"])


def test_without_shots_it_learns_as_the_exact_gradient_does() -> None:
    """Carried features are then the measured ones, so both rules take the same steps."""
    both = []
    for rule in ({"rule": "model"}, {"rule": "adjoint"}):
        trainer = Trainer(parse_config({**SMALL, "gradient": rule}))
        trainer.advance()
        trainer.advance()
        both.append([p.detach().clone() for p in trainer.actor.parameters()])
    for one, other in zip(*both, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_an_unpublished_error_stops_training_and_says_what_to_do() -> None:
    trainer = Trainer(parse_config(UNPUBLISHED))
    trainer.advance()
    with pytest.raises(CanaryError, match=r"Update 2: .*below gradient\.canary.* 0\.95") as caught:
        trainer.advance()
    assert "--gradient shift" in caught.value.hint and "gradient.canary.below" in caught.value.hint
    assert caught.value.exit_code == 4


def test_or_gradients_are_measured_from_there_on(tmp_path: Path) -> None:
    falling = merge(UNPUBLISHED, {"gradient": {"canary": {"below": "shift"}}})
    trainer = Trainer(parse_config(falling))
    trainer.advance()
    second = trainer.advance()
    assert second["gradient_rule"] == "shift"
    assert second["features_reused"] == "never"
    assert second["cost"]["weights"]["circuits"] > 0
    assert "gradients are measured now" in " ".join(second["advice"])
    run = create_run(tmp_path, parse_config(falling), "r")
    run.save_checkpoint(trainer.checkpoint())
    third = trainer.advance()
    assert third["gradient_rule"] == "shift" and "canary" not in third
    resumed = Trainer(run.config)
    assert isinstance(resumed.actor, RingActor)
    assert isinstance(resumed.actor.rule, ModelGradient)
    resumed.restore(run.latest_checkpoint())
    assert isinstance(resumed.actor.rule, ParameterShift)
    assert resumed.advance()["mean_return"] == third["mean_return"]


def test_or_it_is_told_alone() -> None:
    telling = merge(UNPUBLISHED, {"gradient": {"canary": {"below": "tell"}}})
    trainer = Trainer(parse_config(telling))
    trainer.advance()
    second = trainer.advance()
    assert second["gradient_rule"] == "model"
    assert second["canary"]["high"] < 0.95


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backend": {"name": "aer"}}, "'aer' has no noise: take 'adjoint'"),
        ({"gradient": {"rule": "shift", "canary": {"every": 2}}}, "applies to rule 'model' only"),
        ({"gradient": {"rule": "model", "canary": {"cosine": 1.5}}}, "gradient.canary.cosine"),
        ({"gradient": {"rule": "model", "canary": {"below": "hope"}}}, "gradient.canary.below"),
        ({"gradient": {"rule": "model", "canary": {"every": 0, "below": "shift"}}}, "every is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    settings = {**SMALL, **changes}
    with pytest.raises(ConfigError) as caught:
        parse_config(settings)
    assert said in str(caught.value)
