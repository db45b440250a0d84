"""Executes `executor` jobs on Aer with a snapshot's noise, as the platform would on a device.

Qubits that carry the user's gates are simulated as one density matrix with the snapshot's noise;
the others see nothing but the one-qubit layer that the client puts before every read-out, so their
bits are drawn from the exact product state. Read-out errors are in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from calibration import DeviceSnapshot, confusion_matrices, noise_model
from policy.backend import FloatArray

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

READOUT_LAYER = 5
"""Gates (rz sx rz sx rz) of the layer that the client adds to every measured qubit."""
MAX_ACTIVE = 9

Bits = NDArray[np.bool_]
Amplitudes = NDArray[np.complex128]
Registers = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Executed:
    """A job's outcome: the result as JSON and what it cost."""

    text: str
    circuits: int
    shots: int


def execute(params: dict[str, Any], snapshot: DeviceSnapshot, seed: int) -> Executed:
    """Run a job's `params` and answer in the schema's own models."""
    from qiskit_ibm_runtime.quantum_program.params_converters import (
        QUANTUM_PROGRAM_PARAMS_CONVERTERS,
    )

    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS[params["schema_version"]]
    model = converter.model.model_validate(params)
    program, _ = converter.decoder(model)
    generator = np.random.default_rng(seed)
    outcomes = [_run_item(item, program.shots, snapshot, generator) for item in program.items]
    circuits = sum(int(np.prod(item.shape)) for item in program.items)
    return Executed(_result_text(model, outcomes), circuits, circuits * program.shots)


def _result_text(model: Any, outcomes: list[Registers]) -> str:
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0 import models

    data = [
        models.QuantumProgramResultItemModel(
            results={k: CompressedTensorModel.from_numpy(v) for k, v in outcome.items()},
            metadata=models.ItemMetadataModel(),
        )
        for outcome in outcomes
    ]
    result = models.QuantumProgramResultModel(
        data=data,
        metadata=models.MetadataModel(chunk_timing=[]),
        passthrough_data=model.quantum_program.passthrough_data,
        semantic_role=model.quantum_program.semantic_role,
    )
    return str(result.model_dump_json())


def without_numbers(text: str) -> str:
    """A result whose bits are all NaN, so that every expectation value is one."""
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0 import models

    result = models.QuantumProgramResultModel.model_validate_json(text)
    for item in result.data:
        for name, tensor in item.results.items():
            spoiled = np.full(tensor.to_numpy().shape, np.nan)
            item.results[name] = CompressedTensorModel.from_numpy(spoiled)
    return str(result.model_dump_json())


def _run_item(
    item: Any, shots: int, snapshot: DeviceSnapshot, generator: np.random.Generator
) -> Registers:
    """Registers of bits, (*shape, shots, bits), and what the samplex gave besides parameters."""
    from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample

    if hasattr(item, "samplex"):
        item.samplex.finalize()
        drawn = broadcast_sample(item.samplex, item.samplex_arguments, item.shape, generator)
        values = drawn.pop("parameter_values")
    else:
        drawn, values = {}, np.asarray(item.circuit_arguments)
    rows = values.reshape(-1, values.shape[-1])
    bits = measured_bits(item.circuit, rows, shots, snapshot, generator)
    registers = {
        register.name: bits[..., [item.circuit.find_bit(bit).index for bit in register]].reshape(
            *item.shape, shots, len(register)
        )
        for register in item.circuit.cregs
    }
    return {**drawn, **registers}


def measured_bits(
    circuit: QuantumCircuit,
    rows: FloatArray,
    shots: int,
    snapshot: DeviceSnapshot,
    generator: np.random.Generator,
) -> Bits:
    """Bits (rows, shots, clbits) that the device reads."""
    gates, read = _split(circuit)
    active = sorted(qubit for qubit, ops in gates.items() if _carries_work(ops))
    if len(active) > MAX_ACTIVE:
        raise ValueError(f"{len(active)} active qubits: a density matrix goes to {MAX_ACTIVE}")
    bits = np.zeros((len(rows), shots, circuit.num_clbits), dtype=bool)
    if active:
        probabilities = _joint_probabilities(circuit, rows, active, snapshot)
        drawn = _draw(probabilities, shots, len(active), generator)
        for place, qubit in enumerate(active):
            if qubit in read:
                bits[..., read[qubit]] = drawn[..., place]
    idle = [qubit for qubit in read if qubit not in active]
    ones = _idle_ones(circuit, rows, {q: gates.get(q, []) for q in idle})
    confusion = confusion_matrices(snapshot, idle)
    for place, qubit in enumerate(idle):
        p01, p10 = confusion[place, 1, 0], confusion[place, 0, 1]
        chance = ones[:, place] * (1 - p10) + (1 - ones[:, place]) * p01
        bits[..., read[qubit]] = generator.random((len(rows), shots)) < chance[:, None]
    return bits


def _split(circuit: QuantumCircuit) -> tuple[dict[int, list[Any]], dict[int, int]]:
    """Gates on each qubit, and the classical bit each is read into."""
    gates: dict[int, list[Any]] = {}
    read = {}
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "measure":
            read[qubits[0]] = circuit.find_bit(item.clbits[0]).index
        elif item.operation.name != "barrier":
            for qubit in qubits:
                gates.setdefault(qubit, []).append(item)
    return gates, read


def _carries_work(operations: list[Any]) -> bool:
    several = any(len(item.qubits) > 1 for item in operations)
    return several or len(operations) > READOUT_LAYER


def _joint_probabilities(
    circuit: QuantumCircuit, rows: FloatArray, active: list[int], snapshot: DeviceSnapshot
) -> FloatArray:
    """Probabilities (rows, 2^active) of what is read; the first active qubit is the lowest bit."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.library import SaveProbabilities

    small = _on_active(circuit, active)
    small.append(SaveProbabilities(len(active)), range(len(active)))
    simulator = AerSimulator(
        method="density_matrix",
        noise_model=_noise_of(snapshot, tuple(active)),
        runtime_parameter_bind_enable=True,
    )
    columns = {parameter: k for k, parameter in enumerate(circuit.parameters)}
    binds = {p: rows[:, columns[p]].tolist() for p in small.parameters}
    several = len(rows) if binds else 1
    result = simulator.run(small, parameter_binds=[binds] if binds else None).result()
    if not result.success:
        raise RuntimeError(f"Aer failed: {result.status}")
    exact = np.array([result.data(row)["probabilities"] for row in range(several)])
    return _read_out(np.broadcast_to(exact, (len(rows), exact.shape[1])), active, snapshot)


@lru_cache(maxsize=32)
def _noise_of(snapshot: DeviceSnapshot, active: tuple[int, ...]) -> NoiseModel:
    """The noise of these qubits; making it takes as long as a small job."""
    return noise_model(snapshot, active)


def _on_active(circuit: QuantumCircuit, active: list[int]) -> QuantumCircuit:
    place = {qubit: index for index, qubit in enumerate(active)}
    small = QuantumCircuit(len(active))
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name in ("measure", "barrier") or qubits[0] not in place:
            continue
        small.append(item.operation, [place[qubit] for qubit in qubits])
    return small


def _read_out(probabilities: FloatArray, active: list[int], snapshot: DeviceSnapshot) -> FloatArray:
    n = len(active)
    tensor = probabilities.reshape(-1, *([2] * n))
    for place, matrix in enumerate(confusion_matrices(snapshot, active)):
        moved = np.moveaxis(tensor, n - place, -1)
        tensor = np.moveaxis(moved @ matrix.T, -1, n - place)
    return tensor.reshape(probabilities.shape)


def _draw(
    probabilities: FloatArray, shots: int, width: int, generator: np.random.Generator
) -> Bits:
    """Bits (rows, shots, width), every shot drawn on its own."""
    edges = np.cumsum(probabilities.clip(min=0), axis=1)
    edges /= edges[:, -1:]
    chances = generator.random((len(edges), shots))
    strings = np.array(
        [np.searchsorted(edge, chance) for edge, chance in zip(edges, chances, strict=True)]
    )
    bits: Bits = (strings[..., None] >> np.arange(width) & 1).astype(bool)
    return bits


def _idle_ones(
    circuit: QuantumCircuit, rows: FloatArray, gates: dict[int, list[Any]]
) -> FloatArray:
    """P(1) (rows, qubits) of qubits with one-qubit gates alone, without noise."""
    columns = {parameter: k for k, parameter in enumerate(circuit.parameters)}
    ones = np.zeros((len(rows), len(gates)))
    for place, operations in enumerate(gates.values()):
        state: Amplitudes = np.zeros((len(rows), 2), dtype=complex)
        state[:, 0] = 1
        for item in operations:
            state = _turned(state, item.operation, rows, columns)
        ones[:, place] = np.abs(state[:, 1]) ** 2
    return ones


def _turned(
    state: Amplitudes, operation: Any, rows: FloatArray, columns: dict[Any, int]
) -> Amplitudes:
    if operation.name == "rz":
        (angle,) = operation.params
        phase = rows[:, columns[angle]] if angle in columns else np.full(len(rows), float(angle))
        turned: Amplitudes = state * np.exp(1j * np.stack([-phase / 2, phase / 2], axis=1))
    else:
        turned = state @ operation.to_matrix().T
    return turned
