from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from policy import RingActor
from qhw.config import parse_config
from qhw.errors import CheckpointError, ConfigError
from qhw.runs.directory import create_run
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "backend": {"name": "aer"},
    "gradient": {"rule": "shift"},
    "environment": {"steps": 4},
    "ppo": {"updates": 4, "environments": 6, "epochs": 1, "minibatches": 3},
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_every_circuit_weight_moves_from_the_second_minibatch_on() -> None:
    trainer = Trainer(parse_config(SMALL))
    actor = trainer.actor
    assert isinstance(actor, RingActor)
    before = actor.circuit_weights.detach().clone()
    trainer.advance()
    assert (actor.circuit_weights.detach() != before).all()


def test_a_single_step_from_a_fresh_head_moves_its_last_layer_alone() -> None:
    one = {**SMALL, "ppo": {"updates": 2, "environments": 6, "epochs": 1, "minibatches": 1}}
    trainer = Trainer(parse_config(one))
    actor = trainer.actor
    assert isinstance(actor, RingActor)
    before = actor.circuit_weights.detach().clone()
    trainer.advance()
    assert torch.equal(actor.circuit_weights, before)
    trainer.advance()
    assert (actor.circuit_weights != before).any()


def test_a_gradient_that_is_cut_off_is_noticed() -> None:
    trainer = Trainer(parse_config(SMALL))
    actor = trainer.actor
    assert isinstance(actor, RingActor)
    trainer.advance()
    whole = actor.features
    actor.features = lambda state, known=None: whole(state, known).detach()  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match=r"circuit_weights.*cut off"):
        for _ in range(3):  # Adam's momentum moves them on for a while
            trainer.actor_optimizer.state.clear()
            trainer.advance()


@pytest.mark.parametrize("changes", [{"gradient": {"rule": "frozen"}}, {"actor": {"kind": "mlp"}}])
def test_no_circuit_gradient_is_missed_where_none_is_measured(changes: dict[str, Any]) -> None:
    settings = {k: v for k, v in SMALL.items() if k not in ("backend", "gradient")} | changes
    if "gradient" in changes:
        settings["backend"] = SMALL["backend"]
    record = Trainer(parse_config(settings)).advance()
    assert not any("circuit_gradient_norm" in line for line in record["advice"])


def test_a_head_that_begins_at_zero_cuts_nothing_off() -> None:
    trainer = Trainer(parse_config({**SMALL, "ppo": {**SMALL["ppo"], "minibatches": 1}}))
    first = trainer.advance()
    assert first["circuit_gradient_norm"] < 1e-6
    assert not any("circuit_gradient_norm" in line for line in first["advice"])


def test_a_backend_without_a_derivative_of_its_own_is_not_asked_for_it() -> None:
    on_aer = {"name": "aer", "engine": "aer"}
    with pytest.raises(ConfigError, match=r"'adjoint' needs a backend.*AerBackend cannot"):
        Trainer(parse_config({**SMALL, "backend": on_aer, "gradient": {"rule": "adjoint"}}))


def test_a_rollout_holds_what_the_environment_gave() -> None:
    trainer = Trainer(parse_config(SMALL))
    rollout = trainer.collect()
    assert rollout.states.shape == (4, 6, 6)
    assert rollout.dones.sum() == 6
    assert (rollout.rewards[-1].abs() > rollout.rewards[0].abs()).any()
    assert rollout.states[1:, :, 4].abs().sum() > 0
    played = trainer.player.environment.clip_actions(rollout.actions) / 2
    assert torch.allclose(rollout.states[1:, :, 4], played[:-1])


@pytest.mark.parametrize("rule", ["shift", "pruned", "spsa"])
def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(rule: str, tmp_path: Path) -> None:
    config = parse_config({**SMALL, "gradient": {"rule": rule}})
    whole = Trainer(config)
    records = [whole.advance() for _ in range(3)]
    first = Trainer(config)
    first.advance()
    run = create_run(tmp_path, config, "r")
    run.save_checkpoint(first.checkpoint())
    second = Trainer(run.config)
    second.restore(run.latest_checkpoint())
    resumed = [second.advance() for _ in range(2)]
    for mine, theirs in zip(resumed, records[1:], strict=True):
        assert without_seconds(mine) == without_seconds(theirs)
    for own, other in zip(second.actor.parameters(), whole.actor.parameters(), strict=True):
        assert torch.equal(own, other)


def test_a_checkpoint_of_another_shape_is_refused() -> None:
    small = Trainer(parse_config(SMALL))
    deeper = Trainer(parse_config({**SMALL, "actor": {"circuit": {"depth": 3}}}))
    with pytest.raises(CheckpointError, match="does not fit"):
        deeper.restore(small.checkpoint())


def without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    costs = {phase: (c["circuits"], c["shots"]) for phase, c in record["cost"].items()}
    return {**{k: v for k, v in record.items() if k != "seconds"}, "cost": costs}


def test_a_group_begins_with_the_same_latent_and_no_latent_comes_twice() -> None:
    trainer = Trainer(parse_config(SMALL))
    assert trainer.config.ppo.group_size == 3
    seen = []
    for _ in range(2):
        first = trainer.collect().states[0]
        assert torch.equal(first.reshape(2, 3, 6)[:, :1].expand(2, 3, 6), first.reshape(2, 3, 6))
        seen += first[::3].tolist()
        trainer.player.updates += 1
    assert len({tuple(state) for state in seen}) == 4
