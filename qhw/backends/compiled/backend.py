"""The compiled backends: the numbers of the Aer backends, computed in one batched product."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from calibration import ASSUMED, Assumptions, DeviceSnapshot, confusion_matrices
from policy import Ansatz, Cost, Estimate
from policy.backend import FloatArray, checked_shapes
from qhw.backends.aer import Sampler, shot_errors, sign_matrix
from qhw.backends.compiled.engine import GROUND, Engine, IntArray
from qhw.backends.compiled.program import Program, compile_program
from qhw.backends.compiled.transfer import AnglesNotFirstError, Transfer
from qhw.backends.facts import BackendFacts
from qhw.backends.noisy import NoisyCircuit
from qhw.backends.transpilation import TranspiledCircuit, parameter_columns
from qhw.errors import ConfigError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

MAX_QUBITS = 8
FEWEST_NEIGHBOURS = 4
"""Weight sets from which on it pays to look for what they share."""
NOTHING = (1.0, 0.0, 0.0, 0.0)
"""Pauli row of a qubit that is not read."""
CHUNK_NUMBERS = 2**22
"""Largest array that is made at once, in numbers of 8 bytes: 32 MiB."""


class TooLargeError(ConfigError):
    """A circuit of more qubits than the compiled engine takes."""


class CompiledBackend(Sampler):
    """Noiseless values of the ansatz itself.

    Args:
        circuit: The ansatz, 8 qubits at most.
        shots: Bit strings drawn per circuit; None for exact values.
        seed: Seed of the bit strings.

    Raises:
        TooLargeError: If the circuit is too large.
    """

    name = "aer"
    warning: str = ""
    verdict: object = None
    """What the opening check found; None before it."""

    def __init__(self, circuit: Ansatz, shots: int | None = None, seed: int = 0) -> None:
        if circuit.num_qubits > MAX_QUBITS:
            raise TooLargeError(
                f"{circuit.num_qubits} qubits: compiled observables hold 4^n numbers each, up to "
                f"n = {MAX_QUBITS}.",
                "Take --engine aer.",
            )
        self.circuit = circuit
        qubits = list(range(circuit.num_qubits))
        program = _compile(circuit, circuit.quantum_circuit(), qubits, Transfer(None))
        self._prepare(program, np.tile(np.eye(2), (len(qubits), 1, 1)), shots, seed)

    def _prepare(
        self, program: Program, confusion: FloatArray, shots: int | None, seed: int
    ) -> None:
        super().__init__(shots, seed)
        self.program = program
        self._confusion = confusion
        self._engine = Engine(program, single_observables(program, confusion))
        self._strings = Engine(program, string_observables(program, confusion)) if shots else None

    def facts(self) -> BackendFacts:
        """What the numbers come from, for provenance."""
        engine = f"compiled ({self.verdict})" if self.verdict else "compiled, not checked"
        return BackendFacts(self.name, engine=engine, shots=self.shots or "exact")

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """See `policy.ExpectationBackend`."""
        angles, weights = checked_shapes(self.circuit, angles, weights)
        started = time.perf_counter()
        draw = self._sample if self.shots else self.exact
        values = draw(angles, weights)
        rows = len(angles) * len(weights)
        cost = Cost(rows, rows * (self.shots or 0), time.perf_counter() - started)
        return Estimate(values, shot_errors(values, self.shots), cost)

    def exact(self, angles: FloatArray, weights: FloatArray) -> FloatArray:
        """Values (W, B, n) without sampling, whatever the shots."""
        return _evaluate(self._engine, angles, weights)

    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        """See `policy.DifferentiableBackend`; exact whatever the shots."""
        angles, rows = checked_shapes(self.circuit, angles, weights[None])
        if upstream.shape != (len(angles), self.circuit.num_qubits):
            raise ValueError(f"upstream has shape {upstream.shape}: need (B, n)")
        if self.program.prefix is None:
            return _general_vjp(self._engine, angles, rows, upstream)
        return _split_vjp(self._engine, angles, rows, upstream)

    def probabilities(self, angles: FloatArray, weights: FloatArray) -> FloatArray:
        """Exact distribution (W, B, 2^n) of the bit strings that are read; qubit 0 is lowest."""
        rows = string_observables(self.program, self._confusion)
        engine = self._strings or Engine(self.program, rows)
        return _distribution(_evaluate(engine, angles, weights))

    def _sample(self, angles: FloatArray, weights: FloatArray) -> FloatArray:
        assert self.shots is not None
        clean = self.probabilities(angles, weights).clip(min=0)
        counts = self._generator.multinomial(self.shots, clean / clean.sum(axis=-1, keepdims=True))
        values: FloatArray = (counts @ sign_matrix(self.circuit.num_qubits)) / self.shots
        return values


class CompiledNoisyBackend(CompiledBackend):
    """A device's noise, compiled from the transpiled circuit and the noise on its qubits.

    Args:
        circuit: The ansatz.
        snapshot: The device.
        transpiled: The circuit in the device's gates.
        noise_scale: Multiplies the device's errors.
        shots: Bit strings per circuit; None for exact values.
        seed: Seed of the bit strings.
        symmetric_readout: Use the mean of p01 and p10, as the vendor's noise model does.
        assumptions: What the snapshot does not tell; by default, waiting qubits decay.

    Raises:
        CompileError: If the noise model or the circuit cannot be represented.
        TooLargeError: If the circuit uses too many qubits.
    """

    name = "aer_noisy"

    def __init__(
        self,
        circuit: Ansatz,
        snapshot: DeviceSnapshot,
        transpiled: TranspiledCircuit,
        *,
        noise_scale: float = 1.0,
        shots: int | None = None,
        seed: int = 0,
        symmetric_readout: bool = False,
        assumptions: Assumptions = ASSUMED,
    ) -> None:
        active = transpiled.active_qubits
        if len(active) > MAX_QUBITS:
            raise TooLargeError(
                f"the transpiled circuit uses {len(active)} qubits: compiled observables hold 4^m "
                f"numbers each, up to m = {MAX_QUBITS}.",
                "Take --engine aer.",
            )
        self.circuit = circuit
        self.snapshot, self.transpiled, self.noise_scale = snapshot, transpiled, noise_scale
        self.assumptions = assumptions
        noisy = NoisyCircuit.of(transpiled.circuit, snapshot, active, assumptions, noise_scale)
        self.caps = noisy.caps
        outputs = [active.index(qubit) for qubit in transpiled.output_qubits]
        program = _compile(circuit, noisy.circuit, outputs, Transfer(noisy.noise, noisy.qubits))
        confusion = confusion_matrices(
            noisy.snapshot, transpiled.output_qubits, symmetric=symmetric_readout
        )
        self._prepare(program, confusion, shots, seed)

    def facts(self) -> BackendFacts:
        """See `CompiledBackend`."""
        simulated = super().facts()
        return replace(
            BackendFacts.laid_out(self.name, self.snapshot, self.transpiled, self.assumptions),
            device=self.snapshot.name,
            noise_scale=self.noise_scale,
            noise_caps=self.caps,
            engine=simulated.engine,
            shots=simulated.shots,
        )


def _compile(
    circuit: Ansatz, gates: QuantumCircuit, outputs: list[int], transfer: Transfer
) -> Program:
    """Split the angles off where the circuit allows it; else take the general form."""
    in_order = parameter_columns(gates, circuit.num_angles)
    columns = dict(zip(gates.parameters, in_order, strict=True))
    try:
        return compile_program(gates, outputs, transfer, columns, split=circuit.num_angles)
    except AnglesNotFirstError:
        return compile_program(gates, outputs, transfer, columns)


class CompiledCircuit:
    """A circuit in a device's gates under its noise, whatever its parameters are called.

    Args:
        noisy: The circuit, with its noise.
        outputs: Qubits that are read; the first is the lowest bit of a bit string.
        confusion: (n, 2, 2) of the read-out.

    Raises:
        CompileError: If the circuit or its noise cannot be represented.
    """

    def __init__(self, noisy: NoisyCircuit, outputs: Sequence[int], confusion: FloatArray) -> None:
        transfer = Transfer(noisy.noise, noisy.qubits)
        columns = {parameter: k for k, parameter in enumerate(noisy.circuit.parameters)}
        program = compile_program(noisy.circuit, outputs, transfer, columns)
        self._engine = Engine(program, string_observables(program, confusion))

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """Exact distribution (rows, 2^n) of what is read, for parameters (rows, P) in rad."""
        return _distribution(_evaluate_general(self._engine, np.empty((1, 0)), rows)[:, 0])


def single_observables(program: Program, confusion: FloatArray) -> FloatArray:
    """Rows (n, m, 4) of what each output reads: its Z, seen through its confusion matrix."""
    rows = np.tile(np.array(NOTHING), (len(program.outputs), program.num_qubits, 1))
    for index, qubit in enumerate(program.outputs):
        rows[index, qubit] = read_row(confusion[index])
    return rows


def string_observables(program: Program, confusion: FloatArray) -> FloatArray:
    """Rows (2^n, m, 4) of all products of Z; output 0 is the lowest bit of the index."""
    rows = np.tile(np.array(NOTHING), (2 ** len(program.outputs), program.num_qubits, 1))
    for index, bits in enumerate(product((False, True), repeat=len(program.outputs))):
        for output, present in enumerate(reversed(bits)):
            if present:
                rows[index, program.outputs[output]] = read_row(confusion[output])
    return rows


def read_row(confusion: FloatArray) -> FloatArray:
    """Pauli row of a read-out Z: (p10 - p01) I + (1 - p01 - p10) Z."""
    p01, p10 = confusion[1, 0], confusion[0, 1]
    return np.array([p10 - p01, 0.0, 0.0, 1 - p01 - p10])


def _evaluate(engine: Engine, angles: FloatArray, weights: FloatArray) -> FloatArray:
    """Values (W, B, S), in pieces that fit into memory."""
    if engine.program.prefix is None:
        return _evaluate_general(engine, angles, weights)
    size = engine.observables * 4**engine.program.num_qubits
    values = np.empty((len(weights), len(angles), engine.observables))
    shared = shared_base(engine.program, weights)
    for inputs in _parts(len(angles), 4**engine.program.num_qubits):
        states = engine.states(angles[inputs])
        if shared is not None:
            values[:, inputs] = engine.neighbours(states, shared[0], weights, shared[1])
            continue
        for sets in _parts(len(weights), size):
            rows, _ = engine.pull_back(weights[sets])
            values[sets, inputs] = engine.read(rows, states)
    return values


def shared_base(program: Program, weights: FloatArray) -> tuple[FloatArray, IntArray] | None:
    """The set that all others differ from in one chain, and that chain (W,); or None.

    The median finds what most sets share, whatever the sets were made for.
    """
    if len(weights) < FEWEST_NEIGHBOURS:
        return None
    base = np.median(weights, axis=0)
    in_chain = program.chains.coefficients.any(axis=1)
    touched = (weights != base) @ in_chain.T
    if (touched.sum(axis=1) > 1).any():
        return None
    return base, touched.argmax(axis=1)


def _evaluate_general(engine: Engine, angles: FloatArray, weights: FloatArray) -> FloatArray:
    sets, inputs = len(weights), len(angles)
    joint = np.hstack([np.tile(angles, (sets, 1)), np.repeat(weights, inputs, axis=0)])
    ground = _ground(engine.program.num_qubits)
    parts = [
        engine.pull_back(joint[rows])[0] @ ground
        for rows in _parts(len(joint), engine.observables * len(ground))
    ]
    return np.concatenate(parts).reshape(sets, inputs, -1)


def _split_vjp(
    engine: Engine, angles: FloatArray, weights: FloatArray, upstream: FloatArray
) -> FloatArray:
    rows, tape = engine.pull_back(weights, record=True)
    flow = np.zeros_like(rows)
    for inputs in _parts(len(angles), 4**engine.program.num_qubits):
        flow[0] += upstream[inputs].T @ engine.states(angles[inputs])
    gradient: FloatArray = engine.push_forward(flow, tape)[0]
    return gradient


def _general_vjp(
    engine: Engine, angles: FloatArray, weights: FloatArray, upstream: FloatArray
) -> FloatArray:
    joint = np.hstack([angles, np.repeat(weights, len(angles), axis=0)])
    ground = _ground(engine.program.num_qubits)
    size = engine.observables * len(ground) * (1 + len(engine.program.steps))
    gradient = np.zeros(joint.shape[1])
    for rows in _parts(len(joint), size):
        _, tape = engine.pull_back(joint[rows], record=True)
        gradient += engine.push_forward(upstream[rows][:, :, None] * ground, tape).sum(axis=0)
    return gradient[angles.shape[1] :]


def _ground(num_qubits: int) -> FloatArray:
    ground = np.ones(1)
    for _ in range(num_qubits):
        ground = np.kron(ground, GROUND)
    return ground


def _hadamard(values: FloatArray) -> FloatArray:
    """Sum over Z strings with their signs (fast Walsh-Hadamard transform of the last axis)."""
    shape = values.shape
    step = 1
    while step < shape[-1]:
        pairs = values.reshape(*shape[:-1], -1, 2, step)
        even, odd = pairs[..., 0, :], pairs[..., 1, :]
        values = np.stack([even + odd, even - odd], axis=-2).reshape(shape)
        step *= 2
    return values


def _distribution(strings: FloatArray) -> FloatArray:
    """Probabilities (..., 2^n) of bit strings, from the values of all strings of Z."""
    distribution: FloatArray = _hadamard(strings) / strings.shape[-1]
    return distribution


def _parts(count: int, numbers_each: int) -> Iterator[slice]:
    size = max(1, CHUNK_NUMBERS // numbers_each)
    return (slice(start, start + size) for start in range(0, count, size))
