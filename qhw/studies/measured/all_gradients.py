"""Gradients of every output by every weight over random weights, by the adjoint method.

State vectors of all weight sets are carried through the circuit and back at once (Jones and Gacon,
arXiv 2009.02823): with lambda = O psi, d<O>/d angle = Im <lambda| P |psi> after each rotation
exp(-i angle P / 2). The rows are the n outputs <Z_i>, and the global Z x ... x Z as the last.

data/plateaus/all-nQUBITS-dDEPTH-ENTANGLEMENT-DRAWS.npz
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy.circuit import WEIGHTS_PER_QUBIT, RingCircuit
from qhw.studies.store import Arrays, FloatArray

SEED = 1_804
NOTHING = 1e-5
"""A gradient that is never larger is none: that weight does not act on that output."""
States = NDArray[np.complex64]
Gate = tuple[str, tuple[int, ...], int]
"""Name, qubits, and the weight's column, -1 without one."""


@dataclass(frozen=True)
class Spread:
    """How gradients of one circuit vary: O = n + 1 outputs, P weights, D weight sets.

    Attributes:
        variance: (O, P) mean squares over the weight sets; 0 where a weight does not act.
        draws: (O, D) of each weight set, the mean square over the weights that act.
    """

    variance: FloatArray
    draws: FloatArray

    @property
    def acting(self) -> NDArray[np.bool_]:
        """(O, P) whether a weight acts on an output."""
        return self.variance > NOTHING**2

    @classmethod
    def read(cls, arrays: Arrays) -> Spread:
        """What `draw_all` gave."""
        return cls(arrays["variance"], arrays["draws"])


def draw_all(circuit: RingCircuit, draws: int) -> Arrays:
    """Variances of all gradients; see `Spread`. Weights are uniform in [-pi, pi], one input."""
    rng = np.random.default_rng([SEED, circuit.num_qubits, circuit.depth])
    weights = rng.uniform(-np.pi, np.pi, (draws, circuit.num_weights))
    squares = np.square(gradients(circuit, weights))
    never = squares.max(axis=1) <= NOTHING**2
    squares *= ~never[:, None]
    variance = squares.mean(axis=1)
    return {"variance": variance, "draws": _mean_acting(squares)}


def gradients(circuit: RingCircuit, weights: FloatArray) -> FloatArray:
    """Derivatives of every output by every weight.

    Args:
        circuit: Encoding `linear`; the input is the mean state, as `plateaus` takes it.
        weights: (D, P) in rad.

    Returns:
        (O, D, P) derivatives of the outputs, the global one last.
    """
    n, count = circuit.num_qubits, len(weights)
    state = np.zeros((1, count, 2**n), np.complex64)
    state[..., 0] = 1
    for qubit in range(n):
        _turn(state, "y", qubit, np.full(count, np.pi / 2))
    gates = list(_gates(circuit))
    for name, qubits, column in gates:
        _apply(state, name, qubits, weights[:, column])
    rows = np.concatenate([state, *(state * sign for sign in _signs(n))])
    found = np.zeros((n + 1, count, circuit.num_weights))
    for name, qubits, column in reversed(gates):
        if column >= 0:
            moved = _pauli(rows[0], name, qubits[0])
            found[:, :, column] = np.einsum("odk,dk->od", rows[1:].conj(), moved).imag
        _apply(rows, name, qubits, -weights[:, column])
    return found


def string_lengths(circuit: RingCircuit) -> list[int]:
    """On how many qubits each Z_i acts before the CNOTs of one layer."""
    strings = [{qubit} for qubit in range(circuit.num_qubits)]
    for control, target in reversed(circuit.pairs):
        for string in strings:
            if target in string:
                string ^= {control}
    return [len(string) for string in strings]


def _gates(circuit: RingCircuit) -> Iterator[Gate]:
    """Those behind the encoding, in the order of `RingCircuit.quantum_circuit`."""
    for layer in range(circuit.depth):
        first = [
            WEIGHTS_PER_QUBIT * (layer * circuit.num_qubits + q) for q in range(circuit.num_qubits)
        ]
        for qubit, start in enumerate(first):
            yield from (("z", (qubit,), start), ("y", (qubit,), start + 1))
            yield "z", (qubit,), start + 2
        yield from (("cx", pair, -1) for pair in circuit.pairs)
        yield from (("x", (qubit,), start + 3) for qubit, start in enumerate(first))


def _apply(rows: States, name: str, qubits: tuple[int, ...], angles: FloatArray) -> None:
    if name != "cx":
        _turn(rows, name, qubits[0], angles)
        return
    control, target = qubits
    index = np.arange(rows.shape[-1])
    rows[...] = rows[..., index ^ (((index >> control) & 1) << target)]


def _turn(rows: States, axis: str, qubit: int, angles: FloatArray) -> None:
    """exp(-i angle P / 2) on one qubit of (R, D, 2^n), an angle per D."""
    zero, one = _halves(rows, qubit)
    shape = (-1, 1, 1)
    cosine = np.cos(angles / 2).astype(np.float32).reshape(shape)
    sine = np.sin(angles / 2).astype(np.float32).reshape(shape)
    if axis == "z":
        phase = cosine - 1j * sine
        zero *= phase
        one *= phase.conj()
        return
    off: Any = -1j * sine if axis == "x" else -sine
    before = zero.copy()
    zero *= cosine
    zero += off * one
    one *= cosine
    one += (off if axis == "x" else sine) * before


def _pauli(state: States, axis: str, qubit: int) -> States:
    """P |psi> for (D, 2^n)."""
    moved = state.copy()
    zero, one = _halves(moved, qubit)
    if axis == "z":
        one *= -1
        return moved
    before = zero.copy()
    zero[...] = one if axis == "x" else -1j * one
    one[...] = before if axis == "x" else 1j * before
    return moved


def _halves(rows: States, qubit: int) -> tuple[States, States]:
    """Views of the amplitudes where a qubit is 0 and where it is 1."""
    halves = rows.reshape(*rows.shape[:-1], -1, 2, 2**qubit)
    return halves[..., 0, :], halves[..., 1, :]


def _signs(num_qubits: int) -> list[NDArray[np.float32]]:
    """Eigenvalues of every Z_i, and of their product."""
    strings = np.arange(2**num_qubits)
    single = [(1 - 2 * ((strings >> q) & 1)).astype(np.float32) for q in range(num_qubits)]
    return [*single, math.prod(single, start=np.ones(2**num_qubits, np.float32))]


def _mean_acting(squares: FloatArray) -> FloatArray:
    """Mean of (O, D, P) over the weights that act, (O, D)."""
    acting = (squares.max(axis=1) > 0).sum(axis=1)
    mean: FloatArray = squares.sum(axis=2) / np.maximum(acting, 1)[:, None]
    return mean
