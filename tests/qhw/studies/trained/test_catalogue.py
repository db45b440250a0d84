from __future__ import annotations

from typing import Any

import pytest

from policy import RingCircuit
from qhw.config import parse_config
from qhw.errors import ConfigError, UnknownNameError
from qhw.studies.trained.catalogue import STUDIES, TrainedStudy, find_study
from qhw.studies.trained.task import NO_TABLE, tasks_of
from qhw.training.idle import refuse_idle
from qhw.training.parts import ring_circuit


def make(settings: dict[str, Any]) -> Any:
    return parse_config(settings)


@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_is_a_configuration_of_its_own(name: str) -> None:
    study = find_study(name)
    tasks = tasks_of(study, range(2), {}, make)
    assert len(tasks) == len({task.name for task in tasks}) == 2 * len(study.arms)
    assert [task.seed for task in tasks[: len(study.arms)]] == [0] * len(study.arms)
    for task in tasks:
        refuse_idle(task.config)
        assert task.config.evaluation.latents == NO_TABLE["evaluation"]["latents"]
        if task.config.actor.kind == "ring":
            assert isinstance(ring_circuit(task.config.actor.circuit), RingCircuit)


def test_studies_share_what_they_share() -> None:
    """The default ring is an arm of five of them, trained once."""
    arms = [("entanglement", "ring"), ("depth", "2 layers"), ("encoding", "dense"),
            ("actors", "ring"), ("state", "all six")]  # fmt: skip
    names = {
        task.name
        for study, arm in arms
        for task in tasks_of(find_study(study), [3], {}, make)
        if task.arm == arm
    }
    (name,) = names
    assert name.endswith("-seed3")


def test_other_settings_are_other_runs() -> None:
    study = find_study("actors")
    one, other = (
        tasks_of(study, [0], {"ppo": {"updates": updates}}, make)[0].name for updates in (3, 4)
    )
    assert one != other


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("depth", {"actor": {"circuit": {"depth": 3}}}, "actor.circuit.depth is what the study"),
        (
            "actors",
            {"gradient": {"rule": "spsa"}},
            "gradient.rule is what the study 'actors'",
        ),
        ("state", {"seed": 3}, "seed is what the study 'state' varies"),
    ],
)
def test_what_is_varied_is_not_set(name: str, typed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tasks_of(find_study(name), [0], typed, make)


def test_a_classical_arm_takes_nothing_that_is_about_circuits() -> None:
    typed = {"backend": {"name": "aer"}, "actor": {"sigma": "state"}}
    tasks = {task.arm: task.config for task in tasks_of(find_study("actors"), [0], typed, make)}
    assert tasks["ring"].backend.name == "aer"
    assert tasks["matched MLP"].actor.sigma == "state"


def test_an_unknown_study_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no study named 'entaglement'") as refused:
        find_study("entaglement")
    assert "entanglement" in refused.value.hint


def test_a_reference_is_one_of_the_arms() -> None:
    with pytest.raises(ValueError, match="no arm is named 'b'"):
        TrainedStudy("x", "?", {"a": {}}, "b")
