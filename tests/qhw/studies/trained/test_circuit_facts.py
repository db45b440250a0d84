from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from qhw.config import parse_config
from qhw.runs.directory import RunDirectory, create_run
from qhw.studies.trained.circuit_facts import circuit_facts, quoted_seconds


def run_with(root: Path, name: str, norms: list[float], **actor: Any) -> RunDirectory:
    frozen = {"gradient": {"rule": "frozen"}} if actor.pop("frozen", False) else {}
    run = create_run(root, parse_config({"actor": actor, **frozen}), name)
    for norm in norms:
        run.append_metrics({"circuit_gradient_norm": norm})
    return run


def test_gradients_are_of_a_weight_at_both_ends_and_over_seeds(tmp_path: Path) -> None:
    circuit = {"qubits": 4, "depth": 2}  # 32 weights
    norms = [3.0, 3.0, *[9.0] * 16, 1.0, 1.0]
    seeds = [
        run_with(tmp_path, str(seed), [scale * norm for norm in norms], circuit=circuit)
        for seed, scale in enumerate((1.0, 2.0))
    ]
    facts = circuit_facts(seeds, [0.01, 0.03])
    assert facts is not None
    assert facts.gradient_first == pytest.approx(math.sqrt((9 + 36) / 2 / 32))
    assert facts.gradient_last == pytest.approx(math.sqrt((1 + 4) / 2 / 32))
    assert facts.error == pytest.approx(0.02)
    assert facts.columns == (
        facts.qpu_seconds,
        facts.error,
        facts.gradient_first,
        facts.gradient_last,
    )


def test_a_frozen_circuit_has_a_price_and_no_gradient_and_a_network_neither(tmp_path: Path) -> None:
    frozen = circuit_facts([run_with(tmp_path, "frozen", [0.0], frozen=True)], [0.0])
    assert frozen is not None
    assert (frozen.gradient_first, frozen.gradient_last) == (None, None)
    assert frozen.qpu_seconds > 0
    assert circuit_facts([run_with(tmp_path, "mlp", [0.0], kind="mlp")], []) is None


def test_a_quote_grows_with_the_circuits_that_run_and_needs_no_device() -> None:
    ten, five = (
        quoted_seconds(parse_config({"environment": {"steps": steps}})) for steps in (10, 5)
    )
    assert ten == pytest.approx(2 * five, rel=0.2)


def test_the_price_is_that_of_the_length_that_is_played(tmp_path: Path) -> None:
    run = run_with(tmp_path, "ten", [1.0])
    longer = parse_config({"environment": {"steps": 50}})
    facts, own = circuit_facts([run], [0.0], longer), circuit_facts([run], [0.0])
    assert facts is not None and own is not None
    assert facts.qpu_seconds == quoted_seconds(longer) > 4 * own.qpu_seconds
    assert facts.gradient_first == own.gradient_first
