"""From a circuit and its noise to a program: two-qubit steps with chains of rotations between them.

On this hardware rz is virtual, hence exact, and every other gate is constant. So the whole circuit
is constant real matrices in the Pauli basis (gate followed by its noise), with rz rotations between
them. Whatever acts on one qubit between two of its two-qubit gates is one chain

    M = C_K R(theta_K) C_{K-1} ... C_1 R(theta_1) C_0,  theta = coefficients . parameters + offset

of 4 x 4 matrices. Angles that appear in a qubit's first chain alone are split off as its prefix:
the inputs then enter through a product of Bloch vectors only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from policy.backend import FloatArray
from qhw.backends.compiled.transfer import AnglesNotFirstError, Rotation, Transfer

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter


@dataclass(frozen=True)
class Chains:
    """C chains of up to K rotations, padded with rotations by zero.

    Attributes:
        constants: (C, K + 1, 4, 4).
        coefficients: (C, K, Q), of the parameters.
        offsets: (C, K) in rad.
    """

    constants: FloatArray
    coefficients: FloatArray
    offsets: FloatArray

    def thetas(self, parameters: FloatArray) -> FloatArray:
        """Rotation angles (W, C, K) in rad for parameters (W, Q)."""
        chains, rotations, width = self.coefficients.shape
        flat = parameters @ self.coefficients.reshape(chains * rotations, width).T
        return flat.reshape(len(parameters), chains, rotations) + self.offsets

    def pull(self, by_theta: FloatArray) -> FloatArray:
        """Derivative by the parameters (W, Q), given that by the rotation angles (W, C, K)."""
        chains, rotations, width = self.coefficients.shape
        flat = self.coefficients.reshape(chains * rotations, width)
        gradient: FloatArray = by_theta.reshape(len(by_theta), -1) @ flat
        return gradient


@dataclass(frozen=True)
class Step:
    """A two-qubit gate with the chains that lead to it.

    Attributes:
        low: Qubit of the low Pauli digit.
        high: Qubit of the high one.
        low_chain: Index of the chain on `low`.
        high_chain: Index of the chain on `high`.
    """

    low: int
    high: int
    low_chain: int
    high_chain: int


@dataclass(frozen=True)
class Program:
    """A compiled circuit.

    Attributes:
        num_qubits: m, the qubits in use.
        steps: In the order of time.
        gates: (G, 16, 16) transfer matrices of the steps' gates.
        chains: Chains of the steps and of what follows them, over the parameters Q.
        last_chains: Index of every qubit's last chain.
        prefix: One chain per qubit over the encoding angles, or None when the angles are among the
            parameters (`reupload`).
        outputs: Qubit that holds each output.
    """

    num_qubits: int
    steps: tuple[Step, ...]
    gates: FloatArray
    chains: Chains
    last_chains: tuple[int, ...]
    prefix: Chains | None
    outputs: tuple[int, ...]

    @property
    def digest(self) -> str:
        """Identity of everything the numbers depend on, 16 hexadecimal digits."""
        digest = hashlib.sha256(repr((self.num_qubits, self.steps, self.outputs)).encode())
        for group in (self.chains, self.prefix):
            if group is not None:
                for array in (group.constants, group.coefficients, group.offsets):
                    digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(np.ascontiguousarray(self.gates).tobytes())
        return digest.hexdigest()[:16]


def rotation_matrix(theta: float) -> FloatArray:
    """Transfer matrix (4, 4) of a rotation about z by theta, in rad."""
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]]
    return matrix


def compile_program(
    circuit: QuantumCircuit,
    outputs: Sequence[int],
    transfer: Transfer,
    columns: Mapping[Parameter, int],
    *,
    split: int = 0,
) -> Program:
    """Compile a circuit.

    Args:
        circuit: Reduced to the qubits in use.
        outputs: Qubit that holds each output.
        transfer: Gives the gates' matrices.
        columns: Column of each parameter in what the program is evaluated for.
        split: The first so many columns are split off as a prefix; they must then be in first
            chains alone, before any other.

    Raises:
        CompileError: If a gate cannot be represented.
        AnglesNotFirstError: If the angles cannot be split off.
    """
    builder = _Builder(circuit.num_qubits, len(columns))
    for item in circuit.data:
        if item.operation.name != "barrier":
            qubits = tuple(circuit.find_bit(q).index for q in item.qubits)
            builder.add(transfer.elements(item.operation, qubits, columns), qubits)
    return builder.finish(tuple(outputs), split)


class _Builder:
    def __init__(self, num_qubits: int, width: int) -> None:
        self._open = [_Chain(width) for _ in range(num_qubits)]
        self._closed: list[_Chain] = []
        self._first: list[int | None] = [None] * num_qubits
        self._steps: list[Step] = []
        self._gates: list[FloatArray] = []
        self._width = width

    def add(self, elements: Sequence[object], qubits: tuple[int, ...]) -> None:
        """Append what a gate is made of: matrices and rotations on one qubit, or one matrix."""
        for element in elements:
            if isinstance(element, Rotation):
                coefficients = np.zeros(self._width)
                coefficients[list(element.coefficients)] = list(element.coefficients.values())
                self._open[qubits[0]].rotate(coefficients, element.offset)
            elif isinstance(element, np.ndarray) and len(element) == 4:
                self._open[qubits[0]].multiply(element)
            elif isinstance(element, np.ndarray):
                low, high = qubits
                self._steps.append(Step(low, high, self._close(low), self._close(high)))
                self._gates.append(element)

    def finish(self, outputs: tuple[int, ...], split: int) -> Program:
        last = tuple(self._close(qubit) for qubit in range(len(self._open)))
        prefix = None
        if split:
            firsts = [index for index in self._first if index is not None]
            prefix = _pack([_split(self._closed[index], split) for index in firsts], split)
            if any(c[:split].any() for chain in self._closed for c in chain.coefficients):
                raise AnglesNotFirstError(
                    "an encoding angle acts after a two-qubit gate",
                    "The general form takes the angles as parameters.",
                )
        return Program(
            num_qubits=len(self._open),
            steps=tuple(self._steps),
            gates=np.array(self._gates).reshape(-1, 16, 16),
            chains=_pack([_without(chain, split) for chain in self._closed], self._width - split),
            last_chains=last,
            prefix=prefix,
            outputs=outputs,
        )

    def _close(self, qubit: int) -> int:
        self._closed.append(self._open[qubit])
        self._open[qubit] = _Chain(self._width)
        index = len(self._closed) - 1
        if self._first[qubit] is None:
            self._first[qubit] = index
        return index


@dataclass
class _Chain:
    """A chain under construction."""

    width: int
    constants: list[FloatArray] = field(default_factory=lambda: [np.eye(4)])
    coefficients: list[FloatArray] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)

    def multiply(self, matrix: FloatArray) -> None:
        self.constants[-1] = matrix @ self.constants[-1]

    def rotate(self, coefficients: FloatArray, offset: float) -> None:
        """Append a rotation; one by a constant is a constant, two in a row are one."""
        if not coefficients.any():
            self.multiply(rotation_matrix(offset))
            return
        if self.offsets and np.array_equal(self.constants[-1], np.eye(4)):
            self.coefficients[-1] = self.coefficients[-1] + coefficients
            self.offsets[-1] += offset
            return
        self.coefficients.append(coefficients)
        self.offsets.append(offset)
        self.constants.append(np.eye(4))


def _split(chain: _Chain, angles: int) -> _Chain:
    """Cut a first chain after its last angle; that part is returned, the rest stays.

    A rotation by angle + weight is split into both, since rotations about one axis commute.
    """
    positions = [k for k, c in enumerate(chain.coefficients) if c[:angles].any()]
    if not positions:
        return _Chain(angles)
    last = positions[-1]
    if any(c[angles:].any() for c in chain.coefficients[:last]):
        raise AnglesNotFirstError(
            "a weight acts before an encoding angle on the same qubit",
            "The general form takes the angles as parameters.",
        )
    prefix = _Chain(angles, [*chain.constants[: last + 1], np.eye(4)])
    prefix.coefficients = [c[:angles] for c in chain.coefficients[: last + 1]]
    prefix.offsets = chain.offsets[: last + 1]
    remaining = chain.coefficients[last].copy()
    remaining[:angles] = 0
    chain.constants = [np.eye(4), *chain.constants[last + 1 :]]
    chain.coefficients = [remaining, *chain.coefficients[last + 1 :]]
    chain.offsets = [0.0, *chain.offsets[last + 1 :]]
    return prefix


def _without(chain: _Chain, angles: int) -> _Chain:
    """Drop the columns of the angles."""
    coefficients = [c[angles:] for c in chain.coefficients]
    return _Chain(chain.width - angles, chain.constants, coefficients, chain.offsets)


def _pack(chains: Sequence[_Chain], width: int) -> Chains:
    longest = max((len(chain.offsets) for chain in chains), default=0)
    constants = np.tile(np.eye(4), (len(chains), longest + 1, 1, 1))
    coefficients = np.zeros((len(chains), longest, width))
    offsets = np.zeros((len(chains), longest))
    for row, chain in enumerate(chains):
        count = len(chain.offsets)
        constants[row, : count + 1] = chain.constants
        if count:
            coefficients[row, :count] = chain.coefficients
            offsets[row, :count] = chain.offsets
    return Chains(constants, coefficients, offsets)
