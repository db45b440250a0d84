from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from qiskit import transpile
from qiskit.quantum_info import SparsePauliOp, Statevector

from calibration import DeviceSnapshot
from policy import RingCircuit
from qhw.backends.aer import AerBackend
from qhw.backends.transpilation import (
    TranspiledCircuit,
    TranspileOptions,
    fresh_layout,
    layouts_apart,
    operations,
    ranked_layouts,
    reduced,
)
from qhw.known import open_snapshot, stand_in_device

CIRCUIT = RingCircuit(4, 1)
DEVICE = "fake_fez"
SEEDS = TranspileOptions(seeds=6)


@pytest.fixture(scope="module")
def snapshot() -> DeviceSnapshot:
    return open_snapshot(DEVICE)


@pytest.fixture(scope="module")
def layouts(snapshot: DeviceSnapshot) -> list[TranspiledCircuit]:
    return ranked_layouts(CIRCUIT, snapshot, SEEDS)


def by_hand(layout: TranspiledCircuit) -> float:
    """1 minus the chance that every gate and read-out goes right, from the vendor's target."""
    target = stand_in_device(DEVICE).target
    survival: float = 1.0
    for item in layout.circuit.data:
        place = tuple(layout.circuit.find_bit(qubit).index for qubit in item.qubits)
        survival *= 1 - (target[item.operation.name][place].error or 0.0)
    survival *= math.prod(1 - target["measure"][(q,)].error for q in layout.output_qubits)
    return float(1 - survival)


def test_the_expected_error_is_that_of_the_vendors_numbers(
    layouts: list[TranspiledCircuit],
) -> None:
    for layout in layouts:
        assert layout.score == pytest.approx(by_hand(layout), rel=1e-12)
        assert 0.02 < layout.score < 0.5


def test_layouts_are_ranked_and_each_set_of_qubits_stands_once(
    layouts: list[TranspiledCircuit],
) -> None:
    scores = [layout.score for layout in layouts]
    assert scores == sorted(scores)
    assert len({layout.active_qubits for layout in layouts}) == len(layouts) > 1


def test_the_fresh_layout_is_the_best_of_all_seeds(
    snapshot: DeviceSnapshot, layouts: list[TranspiledCircuit]
) -> None:
    made = [
        transpile(
            CIRCUIT.quantum_circuit(),
            target=snapshot.target(),
            optimization_level=SEEDS.optimization_level,
            seed_transpiler=seed,
        )
        for seed in range(SEEDS.seeds)
    ]
    scores = [TranspiledCircuit.of(circuit, snapshot).score for circuit in made]
    fresh = fresh_layout(CIRCUIT, snapshot, SEEDS, "why")
    assert fresh.score == min(scores) == layouts[0].score
    assert operations(fresh.circuit) == operations(made[int(np.argmin(scores))])
    assert (fresh.from_cache, fresh.miss_reason) == (False, "why")


def test_what_is_counted_is_what_stands_in_the_circuit(layouts: list[TranspiledCircuit]) -> None:
    for layout in layouts:
        gates = layout.circuit.data
        pairs = [frozenset(item.qubits) for item in gates if len(item.qubits) == 2]
        assert layout.two_qubit_gates == len(pairs)
        assert len(layout.two_qubit_pairs) == len(set(pairs))
        assert all(low < high for low, high in layout.two_qubit_pairs)
        assert set(layout.output_qubits) <= set(layout.active_qubits)
        assert {q for pair in layout.two_qubit_pairs for q in pair} <= set(layout.active_qubits)


def test_better_qubits_are_taken_when_the_best_ones_fail(
    snapshot: DeviceSnapshot, layouts: list[TranspiledCircuit]
) -> None:
    pair = min(layouts[0].two_qubit_pairs)
    broken = tuple(
        replace(gate, error=0.9) if set(gate.qubits) == set(pair) else gate
        for gate in snapshot.gates
    )
    fresh = fresh_layout(CIRCUIT, replace(snapshot, gates=broken), SEEDS)
    assert pair not in fresh.two_qubit_pairs
    assert fresh.score < 0.9


def test_the_reduced_circuit_is_the_ansatz(layouts: list[TranspiledCircuit]) -> None:
    rng = np.random.default_rng(5)
    angles = rng.uniform(-3, 3, (1, CIRCUIT.num_angles))
    weights = rng.uniform(-3, 3, (1, CIRCUIT.num_weights))
    expected = AerBackend(CIRCUIT).evaluate(angles, weights).values[0, 0]
    for layout in layouts:
        small = reduced(layout.circuit, layout.active_qubits)
        assert small.num_qubits == len(layout.active_qubits)
        values = {f"angle[{i}]": value for i, value in enumerate(angles[0])}
        values |= {f"weight[{i}]": value for i, value in enumerate(weights[0])}
        state = Statevector(small.assign_parameters({p: values[p.name] for p in small.parameters}))
        for index, output in enumerate(layout.output_qubits):
            place = layout.active_qubits.index(output)
            z = SparsePauliOp.from_sparse_list([("Z", [place], 1)], small.num_qubits)
            assert state.expectation_value(z).real == pytest.approx(expected[index], abs=1e-12)


def test_layouts_apart_share_no_qubits(
    snapshot: DeviceSnapshot, layouts: list[TranspiledCircuit]
) -> None:
    found = layouts_apart(CIRCUIT, snapshot, layouts[0], 4, TranspileOptions(seeds=1))
    assert found[0] is layouts[0] and len(found) == 4
    qubits = [qubit for layout in found for qubit in layout.active_qubits]
    assert len(qubits) == len(set(qubits))


def test_a_small_device_has_place_for_one_layout() -> None:
    nairobi = open_snapshot("fake_nairobi")
    first = fresh_layout(CIRCUIT, nairobi, TranspileOptions(seeds=1))
    assert layouts_apart(CIRCUIT, nairobi, first, 3, TranspileOptions(seeds=1)) == [first]
