from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_aer.primitives import EstimatorV2
from scipy.stats import binom

from calibration import VENDOR, confusion_matrices
from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import (
    AerBackend,
    NoisyAerBackend,
    read_out,
    sample,
    shot_errors,
    sign_matrix,
)
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
    backend = NoisyAerBackend(
        circuit, snapshot, transpiled, symmetric_readout=True, assumptions=VENDOR
    )
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


@pytest.mark.parametrize("device", ["fake_fez", "fake_nairobi"])
def test_each_way_of_misreading_is_the_vendors(device: str, tmp_path: Path) -> None:
    """Aer reads by errors made of the vendor's own numbers; p01 and p10 swapped would be seen."""
    circuit, snapshot = RingCircuit(3, 1), open_snapshot(device)
    backend = NoisyAerBackend(
        circuit, snapshot, transpile_for(circuit, snapshot, QUICK, tmp_path), noise_scale=1
    )
    outputs = backend.transpiled.output_qubits
    angles, weights = np.zeros((1, circuit.num_angles)), np.zeros((1, circuit.num_weights))
    exact = backend.evaluate(angles, weights).values[0, 0]
    published = stand_in_device(device).properties()
    shots = 400_000
    for index, qubit in enumerate(outputs):
        facts = {item.name: item.value for item in published.qubits[qubit]}
        p01, p10 = facts["prob_meas1_prep0"], facts["prob_meas0_prep1"]
        assert read_by_aer(p01, p10, shots, prepared=0) == pytest.approx(1 - 2 * p01, abs=0.005)
        assert read_by_aer(p01, p10, shots, prepared=1) == pytest.approx(2 * p10 - 1, abs=0.005)
        own = confusion_matrices(snapshot, [qubit])[0]
        signs = np.array([1, -1])
        assert signs @ own[:, 0] == pytest.approx(1 - 2 * p01, abs=1e-12)
        assert signs @ own[:, 1] == pytest.approx(2 * p10 - 1, abs=1e-12)
        assert exact[index] <= 1 - 2 * p01


def read_by_aer(p01: float, p10: float, shots: int, prepared: int) -> float:
    """<Z> of a qubit as Aer reads it by its own read-out error."""
    noise = NoiseModel()
    noise.add_readout_error(ReadoutError([[1 - p01, p01], [p10, 1 - p10]]), [0])
    circuit = QuantumCircuit(1, 1)
    if prepared:
        circuit.x(0)
    circuit.measure(0, 0)
    counts = AerSimulator(noise_model=noise, seed_simulator=1).run(circuit, shots=shots)
    found = counts.result().get_counts()
    return float(found.get("0", 0) - found.get("1", 0)) / shots


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


def test_read_out_is_the_product_of_every_qubits_confusion() -> None:
    rng = np.random.default_rng(11)
    p01, p10 = rng.uniform(0, 0.3, (2, 4))
    confusion = np.array([[[1 - a, b], [a, 1 - b]] for a, b in zip(p01, p10, strict=True)])
    probabilities = rng.dirichlet(np.ones(16), size=5)
    whole = np.eye(1)
    for matrix in confusion:  # qubit 0 is the lowest bit, hence the last factor
        whole = np.kron(matrix, whole)
    found = read_out(probabilities, confusion)
    assert np.abs(found - probabilities @ whole.T).max() < 1e-14
    assert np.allclose(found.sum(axis=1), 1)


def test_signs_are_the_eigenvalues_of_every_z() -> None:
    z, one = np.diag([1.0, -1.0]), np.eye(2)
    expected = [np.diag(np.kron(np.kron(c, b), a)) for a, b, c in
                [(z, one, one), (one, z, one), (one, one, z)]]  # fmt: skip
    assert np.array_equal(sign_matrix(3), np.stack(expected, axis=1))


@pytest.mark.parametrize("z", [-0.95, -0.2, 0.0, 0.7])
def test_stated_errors_are_those_of_the_binomial(z: float) -> None:
    """<Z> is 1 - 2 k / N with k of N ones; its error is 2 sqrt(p (1 - p) / N)."""
    shots, p = 400, (1 - z) / 2
    (stated,) = shot_errors(np.array([z]), shots)
    assert stated == pytest.approx(2 * np.sqrt(p * (1 - p) / shots), rel=1e-12)
    assert stated == pytest.approx(2 * binom(shots, p).std() / shots, rel=1e-12)
    frequencies = sample(np.tile([1 - p, p], (4000, 1)), shots, np.random.default_rng(3))
    assert (frequencies @ [1.0, -1.0]).std() == pytest.approx(stated, rel=0.05)
    assert not shot_errors(np.array([z]), None).any()


def test_bit_strings_are_drawn_with_their_probabilities() -> None:
    probabilities = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 1.0, 0.0, 0.0]])
    found = sample(np.repeat(probabilities, 200, axis=0), 500, np.random.default_rng(4))
    assert np.allclose(found.sum(axis=1), 1)
    mean = found.reshape(2, 200, 4).mean(axis=1)
    assert np.abs(mean - probabilities).max() < 5 * np.sqrt(0.25 / (200 * 500))
    assert np.array_equal(mean[1], probabilities[1])
