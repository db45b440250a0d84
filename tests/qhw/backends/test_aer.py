from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer.noise import NoiseModel
from qiskit_aer.primitives import EstimatorV2

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import AerBackend, NoisyAerBackend
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.errors import BackendUnavailableError, ConfigError, UnknownNameError
from qhw.known import open_snapshot, stand_in_device

QUICK = TranspileOptions(seeds=1)


def draw(
    circuit: RingCircuit, inputs: int, sets: int, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-3, 3, (inputs, circuit.num_angles)),
        rng.uniform(-3, 3, (sets, circuit.num_weights)),
    )


def test_exact_values_equal_state_vectors_in_row_order() -> None:
    circuit = RingCircuit(3, 1)
    angles, weights = draw(circuit, 3, 2)
    values = AerBackend(circuit).evaluate(angles, weights).values
    assert values.shape == (2, 3, 3)
    for w in range(2):
        for b in range(3):
            bound = circuit.quantum_circuit().assign_parameters([*angles[b], *weights[w]])
            for qubit in range(3):
                z = SparsePauliOp.from_sparse_list([("Z", [qubit], 1)], 3)
                expected = Statevector(bound).expectation_value(z).real
                assert values[w, b, qubit] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow  # the vendor's noise model of all qubits takes seconds to build
@pytest.mark.parametrize("device", ["fake_brisbane", "fake_fez"])
def test_the_reduced_simulation_equals_the_full_device(device: str, tmp_path: Path) -> None:
    circuit = RingCircuit(4, 2)
    snapshot = open_snapshot(device)
    transpiled = transpile_for(circuit, snapshot, QUICK, tmp_path)
    backend = NoisyAerBackend(circuit, snapshot, transpiled, symmetric_readout=True)
    angles, weights = draw(circuit, 2, 1)
    values = backend.evaluate(angles, weights).values[0]
    expected = full_device(device, transpiled.circuit, transpiled.output_qubits, angles, weights)
    assert np.abs(values - expected).max() < 1e-9


def full_device(
    device: str,
    circuit: QuantumCircuit,
    outputs: tuple[int, ...],
    angles: FloatArray,
    weights: FloatArray,
) -> FloatArray:
    """The vendor's estimator on every qubit of the device, its read-out error multiplied in."""
    backend = stand_in_device(device)
    options = {"method": "density_matrix", "noise_model": NoiseModel.from_backend(backend)}
    estimator = EstimatorV2(options={"backend_options": options})
    observables = [
        SparsePauliOp.from_sparse_list([("Z", [qubit], 1)], circuit.num_qubits) for qubit in outputs
    ]
    values = {f"angle[{i}]": angles[:, i] for i in range(angles.shape[1])}
    values |= {f"weight[{i}]": np.full(len(angles), w) for i, w in enumerate(weights[0])}
    columns = np.stack([values[parameter.name] for parameter in circuit.parameters], axis=1)
    result = estimator.run([(circuit, [observables], columns[:, None])], precision=0).result()
    error = [backend.target["measure"][(qubit,)].error for qubit in outputs]
    expected: FloatArray = result[0].data.evs * (1 - 2 * np.array(error))
    return expected


def test_noise_scale_zero_is_noiseless(tmp_path: Path) -> None:
    circuit = RingCircuit(3, 1)
    snapshot = open_snapshot("fake_fez")
    transpiled = transpile_for(circuit, snapshot, QUICK, tmp_path)
    angles, weights = draw(circuit, 4, 2)
    noisy = NoisyAerBackend(circuit, snapshot, transpiled, noise_scale=0).evaluate(angles, weights)
    exact = AerBackend(circuit).evaluate(angles, weights)
    assert np.abs(noisy.values - exact.values).max() < 1e-12


def test_sampling_follows_its_seed_and_its_standard_error() -> None:
    circuit = RingCircuit(3, 1)
    angles, weights = draw(circuit, 20, 2)
    exact = AerBackend(circuit).evaluate(angles, weights).values
    first, second = (AerBackend(circuit, 4096, seed=5).evaluate(angles, weights) for _ in range(2))
    assert np.array_equal(first.values, second.values)
    assert first.cost.shots == 40 * 4096
    z = (first.values - exact) / first.standard_errors
    assert np.abs(z).max() < 5.5
    assert 0.7 < z.std() < 1.3


def test_too_many_qubits_are_refused_with_the_estimate() -> None:
    with pytest.raises(ConfigError, match="MiB"):
        open_backend("aer_noisy", RingCircuit(9, 1))


def test_names_that_cannot_be_opened() -> None:
    with pytest.raises(UnknownNameError, match="fake_brisbane"):
        open_snapshot("fake_brisbne")
    with pytest.raises(BackendUnavailableError, match="retired"):
        open_backend("ibm_brisbane", RingCircuit())
    with pytest.raises(BackendUnavailableError, match="--device fake_fez"):
        open_backend("fake_fez", RingCircuit())


def test_the_cache_hits_and_survives_damage(tmp_path: Path) -> None:
    circuit, snapshot = RingCircuit(3, 1), open_snapshot("fake_fez")
    made = transpile_for(circuit, snapshot, QUICK, tmp_path)
    assert made.miss_reason == "not in the cache yet"
    found = transpile_for(circuit, snapshot, QUICK, tmp_path)
    assert found.from_cache
    assert found.circuit == made.circuit
    (entry,) = list((tmp_path / "fake_fez").glob("*.qpy"))
    entry.write_bytes(entry.read_bytes()[:50])
    again = transpile_for(circuit, snapshot, QUICK, tmp_path)
    assert "damaged" in again.miss_reason
    assert again.output_qubits == made.output_qubits
    assert list((tmp_path / "fake_fez").glob("*.damaged-*"))
