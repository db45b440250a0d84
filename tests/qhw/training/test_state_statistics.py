"""What standardises the state: the card's numbers, and measured ones where the card has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.state_features import PAPER_FEATURES, STATE_FEATURES
from qhw.commands.train import describe
from qhw.config import merge, parse_config
from qhw.runs.directory import create_run
from qhw.training import state_statistics
from qhw.training.idle import remarks
from qhw.training.player import Player
from qhw.training.state_statistics import StateStatistics
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "backend": {"name": "aer"},
    "gradient": {"rule": "adjoint"},
    "environment": {"steps": 3},
    "ppo": {"updates": 2, "environments": 4, "epochs": 1, "minibatches": 2},
}
MORE = merge(SMALL, {"state": {"features": [*PAPER_FEATURES, "margin"]}})


def test_the_papers_six_are_the_cards_and_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(state_statistics, "play")
    player = Player(parse_config(SMALL))
    card = player.bundle.card
    assert player.statistics.measured == ()
    assert [mean for mean, _ in player.statistics.moments.values()] == list(card.state_mean)
    assert [sd for _, sd in player.statistics.moments.values()] == list(card.state_sd)


def test_what_the_card_lacks_is_measured_and_said() -> None:
    player = Player(parse_config(MORE))
    statistics = player.statistics
    assert statistics.measured == ("margin",)
    mean, sd = statistics.moments["margin"]
    (line,) = remarks(player)
    assert "'fashion-mnist" in line and "no statistics of margin; measured on 100 latents" in line
    assert f"margin {mean:.3g} (sd {sd:.3g})" in line
    again = StateStatistics.of(player.environment, player.bundle.card)
    assert again == statistics, "they are fixed latents"


def test_all_features_are_standardised_to_common_sizes() -> None:
    features = list(STATE_FEATURES)
    values = {"actor": {"kind": "mlp_matched"}, "state": {"features": features}}
    trainer = Trainer(parse_config(merge(values, {k: SMALL[k] for k in ("environment", "ppo")})))
    states = trainer.collect().states.flatten(0, 1)
    assert states.shape == (12, 10)
    standardised = trainer.player.statistics.scaler()(states)
    assert standardised.abs().max() < 12
    assert standardised.abs().mean(dim=0).min() > 0.05
    record = trainer.advance()
    assert record["update"] == 1


def test_a_run_keeps_the_statistics_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(tmp_path, parse_config(MORE), "more")
    trainer = Trainer(run.config)
    run.begin(trainer.checkpoint(), describe(trainer))
    trainer.advance()
    run.save_checkpoint(trainer.checkpoint())
    monkeypatch.setattr(state_statistics, "LATENTS", 3)  # as another machine might measure
    player = Player.of(run)
    assert player.statistics != trainer.player.statistics
    state = torch.rand(5, 7)
    assert torch.equal(player.actor.action_mean(state), trainer.actor.action_mean(state))
    assert player.actor.action_mean(state).abs().sum() > 0
