from __future__ import annotations

from qhw.config import parse_config
from qhw.runs.differences import Difference, differences


def test_settings_that_apply_to_one_run_only_are_listed_if_they_were_chosen() -> None:
    ring = parse_config({"actor": {"circuit": {"depth": 3}}})
    classical = parse_config({"actor": {"kind": "mlp"}})
    assert differences(ring, classical) == [
        Difference("actor.kind", "ring", "mlp"),
        Difference("actor.circuit.depth", "3", "does not apply"),
    ]
    assert differences(ring, ring) == []


def test_differences_come_in_the_order_of_the_configuration() -> None:
    one = parse_config({"seed": 3, "ppo": {"updates": 5}})
    other = parse_config({"ppo": {"updates": 6}, "backend": {"shots": 100}})
    assert differences(one, other) == [
        Difference("seed", "3", "0"),
        Difference("backend.shots", "default", "100"),
        Difference("ppo.updates", "5", "6"),
    ]
