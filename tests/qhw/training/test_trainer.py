from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from policy import RingActor
from qhw.backends.compiled.backend import CompiledBackend
from qhw.commands.train import new_run
from qhw.config import parse_config
from qhw.errors import CheckpointError, ConfigError, DivergedError
from qhw.runs.checkpoint import Checkpoint
from qhw.runs.directory import create_run
from qhw.training.parts import ring_circuit
from qhw.training.reopening import require_fitting_weights
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
    with pytest.raises(DivergedError, match=r"circuit_weights.*cut off"):
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


def test_a_backend_of_ones_own_that_differentiates_itself_is_asked_for_it() -> None:
    config = parse_config({**SMALL, "gradient": {"rule": "adjoint"}})
    own = CompiledBackend(ring_circuit(config.actor.circuit))
    adopted, named = Trainer(config, own), Trainer(config)
    for trainer in (adopted, named):
        trainer.advance()
    pairs = zip(adopted.actor.parameters(), named.actor.parameters(), strict=True)
    assert all(torch.equal(own, theirs) for own, theirs in pairs)


def test_a_rollout_holds_what_the_environment_gave() -> None:
    trainer = Trainer(parse_config(SMALL))
    rollout = trainer.collect()
    assert rollout.states.shape == (4, 6, 6)
    assert rollout.dones.sum() == 6
    assert (rollout.rewards[-1].abs() > rollout.rewards[0].abs()).any()
    assert rollout.states[1:, :, 4].abs().sum() > 0
    played = trainer.player.environment.clip_actions(rollout.actions) / 2
    assert torch.allclose(rollout.states[1:, :, 4], played[:-1])


@pytest.mark.parametrize("rule", ["shift", "pruned", "spsa", "model"])
def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(rule: str, tmp_path: Path) -> None:
    noisy = {"backend": {"name": "aer_noisy"}} if rule == "model" else {}
    config = parse_config({**SMALL, **noisy, "gradient": {"rule": rule}})
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


def test_a_misfit_is_told_in_one_line() -> None:
    small = Trainer(parse_config(SMALL))
    wider = Trainer(parse_config({**SMALL, "actor": {"circuit": {"qubits": 5}}}))
    with pytest.raises(CheckpointError) as caught:
        wider.restore(small.checkpoint())
    assert "actor/circuit_weights is 32 in it, and 40 is asked for, and" in caught.value.message
    assert "\n" not in caught.value.message
    fewer = small.checkpoint()
    del fewer.tensors["actor/circuit_weights"]
    with pytest.raises(CheckpointError, match="actor/circuit_weights is missing in it"):
        small.restore(fewer)


@pytest.mark.parametrize("module", ["actor", "critic"])
def test_a_policy_that_ran_away_is_told_with_its_learning_rates(module: str) -> None:
    trainer = Trainer(parse_config(SMALL))
    with torch.no_grad():
        next(iter(getattr(trainer, module).parameters())).fill_(float("nan"))
    told = rf"Update 1 ran away: weights of the {module} are no numbers .*actor_rate = 0\.002"
    with pytest.raises(DivergedError, match=told) as caught:
        trainer._require_numbers()
    assert "lower learning rates" in caught.value.hint


def test_a_loss_that_is_no_number_is_told() -> None:
    trainer = Trainer(parse_config(SMALL))
    with torch.no_grad():
        next(iter(trainer.critic.parameters())).fill_(float("nan"))
    with pytest.raises(DivergedError, match="Update 1 ran away: the PPO loss is nan"):
        trainer.advance()


def test_steps_that_are_far_too_large_are_told() -> None:
    trainer = Trainer(parse_config(SMALL))
    ppo = trainer.config.ppo.model_copy(update={"actor_rate": 1e3, "critic_rate": 1e3})
    trainer.config = trainer.config.model_copy(update={"ppo": ppo})
    with pytest.raises(DivergedError, match="actor_rate = 1000"):
        for _ in range(4):
            trainer.advance()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"actor": {"circuit": {"qubits": 6}}}, "actor.circuit.qubits = 6 instead of 4"),
        ({"actor": {"circuit": {"depth": 3}}}, "actor.circuit.depth = 3 instead of 2"),
        ({"actor": {"circuit": {"encoding": "linear"}}}, "encoding = 'linear' instead of 'fixed'"),
        ({"state": {"features": ["time", "confidence"]}}, "state.features = 2 instead of 6"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_there_is_a_folder(
    changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    source = create_run(tmp_path, parse_config(SMALL), "source")
    source.save_checkpoint(Checkpoint(1, {"weights": torch.zeros(1)}, {}))
    config = parse_config({**SMALL, **changed, "start_from": str(source.path)})
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        new_run(tmp_path, config, "new")
    assert "--from" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("circuit", [{"entanglement": "line"}, {"encoding": "reupload"}])
def test_weights_that_fit_another_circuit_are_taken(
    circuit: dict[str, Any], tmp_path: Path
) -> None:
    source = create_run(tmp_path, parse_config(SMALL), "source")
    source.save_checkpoint(Checkpoint(1, {"weights": torch.zeros(1)}, {}))
    config = parse_config({**SMALL, "actor": {"circuit": circuit}, "start_from": str(source.path)})
    require_fitting_weights(config)
