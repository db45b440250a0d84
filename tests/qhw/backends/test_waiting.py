"""When gates happen, and what the waits in between do."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit_aer.noise import thermal_relaxation_error

from calibration import ASSUMED, VENDOR, Assumptions, DeviceSnapshot, GateFacts, QubitFacts
from policy import RingCircuit
from qhw.backends.aer import (
    NoisyAerBackend,
    bound_probabilities,
    density_simulator,
    saving_probabilities,
)
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.compiled.transfer import relaxation_matrix, transfer_matrix
from qhw.backends.noisy import NoisyCircuit
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, reduced
from qhw.backends.transpile_cache import transpile_for
from qhw.backends.waiting import with_waits
from qhw.errors import ConfigError
from qhw.known import open_snapshot

SHORT, LONG = 40e-9, 900e-9
T1, T2 = 90e-6, 70e-6


def about(seconds: float) -> Any:
    return pytest.approx(seconds)


def qubit(t1: float | None = T1, t2: float | None = T2) -> QubitFacts:
    return QubitFacts(t1, t2, 5e9, p01=0.0, p10=0.0, readout_seconds=1e-6)


@pytest.fixture
def three() -> DeviceSnapshot:
    """Three qubits in a line, whose gates take time and are perfect."""
    short = [GateFacts(name, (q,), 0.0, SHORT) for name in ("sx", "x") for q in range(3)]
    virtual = [GateFacts("rz", (q,), 0.0, 0.0) for q in range(3)]
    long = [GateFacts("cz", pair, 0.0, LONG) for pair in ((0, 1), (1, 0), (1, 2), (2, 1))]
    return DeviceSnapshot("line", "2026", None, (qubit(),) * 3, (*short, *virtual, *long))


def waits(circuit: QuantumCircuit) -> list[tuple[int, float]]:
    """Qubit and seconds of each delay after the qubit's first gate."""
    begun: set[int] = set()
    found = []
    for item in circuit.data:
        qubits = [circuit.find_bit(q).index for q in item.qubits]
        if item.operation.name == "delay" and qubits[0] in begun:
            found.append((qubits[0], item.operation.duration))
        elif item.operation.name != "delay":
            begun |= set(qubits)
    return found


def waiting_circuit() -> QuantumCircuit:
    """Qubit 0 is excited, meets 1, waits while 1 meets 2 three times, and meets 1 again."""
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.cz(0, 1)
    for _ in range(3):
        circuit.cz(1, 2)
    circuit.cz(0, 1)
    return circuit


def test_waits_are_what_is_between_gates_as_late_as_they_can_be(three: DeviceSnapshot) -> None:
    scheduled = with_waits(waiting_circuit(), three, (0, 1, 2))
    # Qubit 2 has nothing to do while 0 meets 1 for the last time.
    # Qubit 2 has nothing to do while 0 meets 1 for the last time.
    assert waits(scheduled) == [(0, about(3 * LONG)), (2, about(LONG))]
    gates = [item.operation.name for item in scheduled.data if item.operation.name != "delay"]
    assert sorted(gates) == ["cz"] * 5 + ["x"]


def test_an_excited_qubit_that_waits_decays_by_exactly_its_wait(three: DeviceSnapshot) -> None:
    for idle, times in (("alap", 3), ("off", 0)):
        assumed = ASSUMED if idle == "alap" else VENDOR
        noisy = NoisyCircuit.of(waiting_circuit(), three, (0, 1, 2), assumed)
        prepared = saving_probabilities(noisy.circuit, [0])
        found = bound_probabilities(density_simulator(noisy.noise), prepared, np.empty((1, 0)))
        # Gates relax for as long as they take: x and two cz of qubit 0.
        busy = SHORT + 2 * LONG
        assert found[0, 1] == pytest.approx(math.exp(-(busy + times * LONG) / T1), abs=2e-9)


@pytest.mark.parametrize(
    ("facts", "t1", "t2"),
    [
        (qubit(), T1, T2),
        (qubit(t2=3 * T1), T1, 2 * T1),
        (qubit(t1=None), math.inf, T2),
        (qubit(t2=None), T1, 2 * T1),
    ],
)
def test_relaxation_is_the_vendors_channel(facts: QubitFacts, t1: float, t2: float) -> None:
    expected = transfer_matrix(thermal_relaxation_error(t1, t2, LONG))
    np.testing.assert_allclose(relaxation_matrix(facts, LONG), expected, atol=1e-12)


def laid_out(
    circuit: RingCircuit, device: str, folder: Path
) -> tuple[RingCircuit, DeviceSnapshot, TranspiledCircuit]:
    snapshot = open_snapshot(device)
    return circuit, snapshot, transpile_for(circuit, snapshot, TranspileOptions(seeds=2), folder)


def share_of_waiting(parts: tuple[RingCircuit, DeviceSnapshot, TranspiledCircuit]) -> float:
    """Waiting after the first gate, as a share of what all qubits have until the read-out."""
    _, snapshot, transpiled = parts
    active = transpiled.active_qubits
    scheduled = with_waits(reduced(transpiled.circuit, active), snapshot, active)
    seconds = {(g.name, g.qubits): g.seconds or 0.0 for g in snapshot.gates}
    ends = np.zeros(len(active))
    for item in scheduled.data:
        qubits = [scheduled.find_bit(q).index for q in item.qubits]
        place = tuple(active[q] for q in qubits)
        name = item.operation.name
        lasts = item.operation.duration if name == "delay" else seconds[name, place]
        ends[qubits] = ends[qubits].max() + lasts
    assert ends == pytest.approx(ends.max(), rel=1e-9)
    return sum(wait for _, wait in waits(scheduled)) / float(ends.sum())


@pytest.mark.parametrize("device", ["fake_brisbane", "fake_fez", "fake_burlington"])
def test_both_engines_let_waiting_qubits_decay(device: str, tmp_path: Path) -> None:
    """Aer by the vendor's own pass, with the device's sample time or without one."""
    parts = laid_out(RingCircuit(3, 1), device, tmp_path)
    assert 0.05 < share_of_waiting(parts) < 0.6
    rng = np.random.default_rng(0)
    angles, weights = rng.uniform(-3, 3, (4, 6)), rng.uniform(-3, 3, (2, parts[0].num_weights))
    aer = NoisyAerBackend(*parts).evaluate(angles, weights).values
    idle_off = NoisyAerBackend(*parts, assumptions=VENDOR).evaluate(angles, weights).values
    assert np.abs(aer - idle_off).max() > 3e-4
    for scale in (1.0, 3.0):
        compiled = CompiledNoisyBackend(*parts, noise_scale=scale).evaluate(angles, weights)
        expected = NoisyAerBackend(*parts, noise_scale=scale).evaluate(angles, weights)
        assert np.abs(compiled.values - expected.values).max() < 1e-9


@pytest.mark.parametrize(
    "assumed",
    [
        Assumptions(zz_angle=0.1, over_rotation=0.05),
        Assumptions(zz_angle=0.1, over_rotation=0.05, twirl="pauli"),
    ],
)
def test_both_engines_make_the_same_coherent_errors(assumed: Assumptions, tmp_path: Path) -> None:
    parts = laid_out(RingCircuit(3, 1), "fake_fez", tmp_path)
    rng = np.random.default_rng(0)
    angles, weights = rng.uniform(-3, 3, (3, 6)), rng.uniform(-3, 3, (2, parts[0].num_weights))
    compiled = CompiledNoisyBackend(*parts, assumptions=assumed).evaluate(angles, weights).values
    aer = NoisyAerBackend(*parts, assumptions=assumed).evaluate(angles, weights).values
    assert np.abs(compiled - aer).max() < 1e-9
    without = CompiledNoisyBackend(*parts).evaluate(angles, weights).values
    assert np.abs(compiled - without).max() > 1e-3


def test_a_device_without_the_gates_is_given_no_over_rotation(tmp_path: Path) -> None:
    parts = laid_out(RingCircuit(3, 1), "fake_london", tmp_path)
    with pytest.raises(ConfigError, match=r"over_rotation = 0\.1 .* fake_london has neither"):
        CompiledNoisyBackend(*parts, assumptions=Assumptions(over_rotation=0.1))


def test_without_noise_nothing_waits(tmp_path: Path) -> None:
    _, snapshot, transpiled = laid_out(RingCircuit(3, 1), "fake_fez", tmp_path)
    assumed = Assumptions(zz_angle=0.1)
    noiseless = NoisyCircuit.of(
        transpiled.circuit, snapshot, transpiled.active_qubits, assumed, scale=0.0
    )
    assert noiseless.noise is None
    assert "delay" not in noiseless.circuit.count_ops()


def test_a_snapshot_with_a_wrong_sample_time_is_scheduled_all_the_same(
    three: DeviceSnapshot,
) -> None:
    wrong = dataclasses.replace(three, dt=3.6e-18)
    pairs = waits(with_waits(waiting_circuit(), wrong, (0, 1, 2)))
    assert pairs[0] == (0, about(3 * LONG))
