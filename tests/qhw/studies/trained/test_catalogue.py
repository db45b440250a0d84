from __future__ import annotations

from typing import Any

import pytest

from policy import RingActor, RingCircuit, count_parameters
from qhw.config import parse_config
from qhw.config.sections import RewardSection
from qhw.errors import ConfigError, UnknownNameError
from qhw.studies.trained.catalogue import STUDIES, TrainedStudy, find_study
from qhw.studies.trained.task import FEWEST_LATENTS, Task, tasks_of, unusual
from qhw.training.idle import refuse_idle
from qhw.training.parts import ring_circuit
from qhw.training.player import Player

COMPUTED = {"backend": {"name": "aer"}}
"""Without a device, whose circuits would be transpiled."""


def tasks(name: str, seeds: list[int], settings: dict[str, Any] | None = None) -> list[Task]:
    return tasks_of(find_study(name), seeds, parse_config(settings or {}))


@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_is_a_configuration_of_its_own(name: str) -> None:
    study, found = find_study(name), tasks(name, [0, 1])
    apart = {(task.name, str(task.played and unusual(task.played))) for task in found}
    assert len(found) == len(apart) == 2 * len(study.arms)
    assert [task.seed for task in found[: len(study.arms)]] == [0] * len(study.arms)
    for task in found:
        refuse_idle(task.config)
        assert task.config.evaluation.latents == FEWEST_LATENTS
        if task.config.actor.kind == "ring":
            assert isinstance(ring_circuit(task.config.actor.circuit), RingCircuit)


def test_studies_share_what_they_share() -> None:
    """The default ring is an arm of all of them but one, trained once."""
    usual = tasks("actors", [3])[0].name
    assert usual.endswith("-seed3")
    has_it = {name: usual in {task.name for task in tasks(name, [3])} for name in STUDIES}
    assert [name for name, there in has_it.items() if not there] == ["qubits"]


def test_other_settings_are_other_runs_and_what_is_said_of_defaults_is_not() -> None:
    one, other = (tasks("actors", [0], {"ppo": {"updates": updates}})[0].name for updates in (3, 4))
    assert one != other
    usual = parse_config({}).ppo.updates
    assert tasks("actors", [0], {"ppo": {"updates": usual}})[0].name == tasks("actors", [0])[0].name


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("depth", {"actor": {"circuit": {"depth": 3}}}, "actor.circuit.depth: the study"),
        ("actors", {"gradient": {"rule": "spsa"}}, "gradient.rule: the study 'actors'"),
        ("actors", {"actor": {"circuit": {"qubits": 6}}}, "actor.circuit.qubits: the study"),
        ("actors", {"actor": {"head": "8"}}, "actor.head: the study 'actors'"),
        ("parameters", {"state": {"features": ["time", "confidence"]}}, "state.features: the st"),
        ("steps", {"ppo": {"updates": 60}}, "ppo.updates: the study 'steps'"),
        ("entanglement", {"actor": {"kind": "mlp"}}, "actor.kind: the study 'entanglement'"),
        ("state", {"seed": 3}, "seed: the study 'state' sets that itself"),
        ("state", {"evaluation": {"latents": 77}}, "evaluation.latents: the study"),
    ],
)
def test_what_is_varied_or_held_is_not_set(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tasks(name, [0], settings)


def test_a_classical_arm_takes_nothing_that_is_about_circuits() -> None:
    settings = {"backend": {"name": "aer"}, "actor": {"sigma": "state"}}
    configs = {task.arm: task.config for task in tasks("actors", [0], settings)}
    assert configs["ring"].backend.name == "aer"
    assert configs["matched MLP"].actor.sigma == "state"


def test_many_classes_take_a_larger_table() -> None:
    (first, *_) = tasks_of(find_study("depth"), [0], parse_config({}), 200)
    assert first.config.evaluation.latents == 200


def test_an_unknown_study_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no study named 'entaglement'") as refused:
        find_study("entaglement")
    assert "entanglement" in refused.value.hint


def test_a_reference_is_one_of_the_arms() -> None:
    for reference, against in (("b", {}), ("a", {"a": "b"}), ("a", {"b": "a"})):
        with pytest.raises(ValueError, match="no arm is named 'b'"):
            TrainedStudy("x", "?", {"a": {}}, reference, against=against)


def test_arms_have_the_parameters_that_their_names_say() -> None:
    found = {task.arm: Player(task.config).actor for task in tasks("parameters", [0], COMPUTED)}
    counted = {arm: count_parameters(actor) for arm, actor in found.items()}
    rings = {arm: actor for arm, actor in found.items() if isinstance(actor, RingActor)}
    weights = {arm: ring.circuit_weights.numel() for arm, ring in rings.items()}
    assert {weights[f"ring, depth {depth}"] for depth in (1, 4, 8)} == {16, 64, 128}
    sized = {arm: count for arm, count in counted.items() if "depth" not in arm}
    assert {arm: int(arm.rpartition(", ")[2].replace(",", "")) for arm in sized} == sized
    assert (min(sized.values()), max(sized.values())) == (38, 9282)


def test_arms_of_a_size_are_held_against_the_ring_of_that_size() -> None:
    study = find_study("parameters")
    for arm in study.arms:
        other = study.reference_of(arm)
        if arm.startswith(("not entangled", "frozen")):
            assert other == f"ring, {arm.partition(', ')[2]}"
    assert study.reference_of("network, 92") == "ring, 90"
    assert study.reference_of("network, 38") == "ring, 42"
    assert study.reference_of("ring, 42") == study.reference_of("ring, depth 8") == "ring, 2,498"


def test_a_controller_of_ten_steps_is_trained_once_and_used_at_more() -> None:
    found = {task.arm: task for task in tasks("steps", [0])}
    assert len({task.name for task in found.values()}) == 4
    used = found["10 steps, used at 50"]
    assert used.name == found["10 steps"].name == tasks("actors", [0])[0].name
    assert used.played is not None
    assert (used.config.environment.steps, used.played.environment.steps) == (10, 50)
    there = found["50 steps"].config
    assert there.environment.steps == 50
    assert {t.config.ppo.updates * t.config.environment.steps for t in found.values()} == {1200}
    gradient_steps = {t.config.ppo.updates * t.config.ppo.minibatches for t in found.values()}
    assert gradient_steps == {480}


def test_rewards_differ_in_training_and_are_one_where_they_are_compared() -> None:
    found = {task.arm: task for task in tasks("reward", [0], {"backend": {"name": "aer"}})}
    rewards = {str(task.config.environment.reward) for task in found.values()}
    assert len(rewards) == len(found) == 5
    assert found.pop("the bundle's").played is None
    for task in found.values():
        assert task.played is not None
        assert task.played.environment.reward == RewardSection(preset="bundle")
        assert task.played.environment.cfg_base == task.config.environment.cfg_base
        assert task.played.backend == task.config.backend
    assert found["realism, CFG_0 = 2"].config.environment.cfg_base == 2.0
