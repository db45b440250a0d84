"""A player is a trainer's policy without what teaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from policy import RingActor
from qhw.commands.train import describe
from qhw.config import merge, parse_config
from qhw.errors import CheckpointError, ConfigError
from qhw.evaluation.judges import evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.runs.directory import RunDirectory, create_run
from qhw.training import trainer as training
from qhw.training.parts import open_bundle, ring_circuit
from qhw.training.player import CostMeter, Player
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer", "shots": 100},
    "gradient": {"rule": "spsa"},
    "environment": {"steps": 3},
    "ppo": {"updates": 2, "environments": 4, "epochs": 1, "minibatches": 2},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, Trainer]:
    """A run after two updates, and the trainer that made them."""
    torch.set_num_threads(1)
    run = create_run(tmp_path_factory.mktemp("runs"), parse_config(SMALL), "trained")
    trainer = Trainer(run.config)
    run.begin(trainer.checkpoint(), describe(trainer))
    for _ in range(2):
        trainer.advance()
    run.save_checkpoint(trainer.checkpoint())
    return run, trainer


def test_a_players_actions_are_the_trainers_policys_bit_for_bit(
    trained: tuple[RunDirectory, Trainer],
) -> None:
    run, _ = trained
    trainer = Trainer(run.config)
    trainer.restore(run.latest_checkpoint())
    player = Player.of(run, go_on=True)
    paired = evaluation_latents(player.bundle, 5)
    own, other = (play_policy(each, paired, "test") for each in (player, trainer.player))
    assert own.actions.abs().sum() > 0
    for name in ("states", "actions", "guidance", "rewards", "images"):
        assert torch.equal(getattr(own, name), getattr(other, name)), name
    assert player.cost_meter.take().keys() == {"forward"}


def test_shots_are_drawn_anew_unless_training_is_gone_on_with(
    trained: tuple[RunDirectory, Trainer],
) -> None:
    run, _ = trained
    paired = evaluation_latents(open_bundle("fashion-mnist"), 5)

    def actions(go_on: bool) -> torch.Tensor:
        return play_policy(Player.of(run, go_on=go_on), paired, "test").actions

    assert torch.equal(actions(False), actions(False))
    assert torch.equal(actions(True), actions(True))
    assert not torch.equal(actions(False), actions(True))


def test_a_player_builds_nothing_that_learns(
    trained: tuple[RunDirectory, Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, trainer = trained

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a player needs no learner")

    for name in ("Critic", "Adam", "Trainer.__init__"):
        monkeypatch.setattr(f"{training.__name__}.{name}", refuse)
    player = Player.of(run)
    assert player.updates == 2
    for mine, theirs in zip(player.actor.parameters(), trainer.actor.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    with pytest.raises(AssertionError, match="no learner"):
        Trainer(run.config)


def test_a_player_alone_cannot_be_trained(trained: tuple[RunDirectory, Trainer]) -> None:
    player = Player.of(trained[0])
    state = torch.zeros(2, 6)
    with pytest.raises(ValueError, match="the circuit is frozen"):
        player.actor.action_mean(state).sum().backward()


def test_a_run_is_played_under_other_settings(trained: tuple[RunDirectory, Trainer]) -> None:
    run, _ = trained
    noisy = {"backend": {"name": "aer_noisy", "device": "fake_nairobi", "shots": None}}
    player = Player.of(run, parse_config(merge(SMALL, noisy)))
    assert player.backend is not None
    assert player.backend.facts().name == "aer_noisy"
    assert isinstance(player.actor, RingActor)
    assert player.updates == 2


def test_weights_of_another_shape_are_refused(trained: tuple[RunDirectory, Trainer]) -> None:
    deeper = parse_config(merge(SMALL, {"actor": {"circuit": {"depth": 2}}}))
    with pytest.raises(CheckpointError, match="does not fit"):
        Player.of(trained[0], deeper)


def test_a_classical_player_runs_no_circuit() -> None:
    classical = parse_config({"actor": {"kind": "mlp"}, "environment": {"steps": 3}})
    player = Player(classical)
    assert (player.backend, player.shots, player.mitigation) == (None, None, "none")
    assert player.state()["backend"] is None
    own = Player(parse_config(SMALL)).backend
    assert own is not None
    with pytest.raises(ConfigError, match="runs no circuit"):
        Player(classical, own)


def test_a_run_trained_on_ones_own_backend_asks_for_it(tmp_path: Path) -> None:
    config = parse_config(SMALL)
    backend = Player(config).backend
    assert backend is not None
    assert backend.circuit == ring_circuit(config.actor.circuit)
    run = create_run(tmp_path, config, "own")
    trainer = Trainer(config, backend)
    run.begin(trainer.checkpoint(), describe(trainer))
    for opened in (Player.of, Trainer.of):
        with pytest.raises(ConfigError, match="trained on a backend of one's own"):
            opened(run)
    assert Player.of(run, backend=backend).updates == 0
    assert Player.of(run, config).updates == 0


def test_costs_are_added_up_by_phase_and_taken_once() -> None:
    from policy import Cost

    meter = CostMeter()
    meter.record("forward", Cost(3, 300))
    meter.record("forward", Cost(1, 100))
    meter.record("gradient", Cost(2, 200))
    kept = meter.state()
    assert (kept["forward"]["circuits"], kept["gradient"]["shots"]) == (4, 200)
    assert meter.take() == kept
    assert meter.take() == {}
    meter.restore(kept)
    assert meter.state() == kept
