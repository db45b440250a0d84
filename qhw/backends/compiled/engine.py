"""Observables pulled back through a compiled program, and the derivative of that.

Heisenberg picture: an observable is a row vector of Pauli components, multiplied from the right by
the program's matrices in the reverse order of time. That happens once per weight set, whatever the
number of inputs; an input is a product of Bloch vectors, contracted with the result. The derivative
pushes the upstream gradient forward through the same matrices.

Arrays: W weight sets, S observables, m qubits, B inputs. A Pauli array has one axis of length 4 per
qubit; `order` says which qubit each axis is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from policy.backend import FloatArray
from qhw.backends.compiled.program import Chains, Program

IntArray = NDArray[np.intp]

GROUND = np.array([1.0, 0.0, 0.0, 1.0])
"""Pauli components of |0>."""


@dataclass
class Tape:
    """What the forward pass leaves for the derivative."""

    cosines: FloatArray
    sines: FloatArray
    turned: FloatArray
    partial: list[FloatArray]
    rows: FloatArray
    steps: FloatArray
    low: FloatArray
    high: FloatArray
    observables: list[FloatArray] = field(default_factory=list)


class Engine:
    """Evaluates a program for observables that are products of read-out rows.

    Args:
        program: The compiled circuit.
        readout: (S, m, 4) row of every observable on every qubit, e.g. (a, 0, 0, b) where it
            reads a I + b Z, and (1, 0, 0, 0) where it reads nothing.
    """

    def __init__(self, program: Program, readout: FloatArray) -> None:
        self.program = program
        self._readout = readout
        self.observables = len(readout)
        self._low = [step.low_chain for step in program.steps]
        self._high = [step.high_chain for step in program.steps]
        self._last = list(program.last_chains)
        self._plan = _plan_axes(program)
        self.order = self._plan[0][0] if program.steps else list(range(program.num_qubits))

    def pull_back(self, parameters: FloatArray, *, record: bool = False) -> tuple[FloatArray, Tape]:
        """Observables (W, S, 4^m) at the start of the program, for parameters (W, Q).

        The tape is complete, for `push_forward`, only if it is asked to record.
        """
        program = self.program
        matrices, cosines, sines, turned, partial = chain_matrices(program.chains, parameters)
        low, high = matrices[:, self._low], matrices[:, self._high]
        rows = np.einsum("sqp,wqpj->wsqj", self._readout, matrices[:, self._last])
        steps = program.gates @ _kron(high, low)
        tape = Tape(cosines, sines, turned, partial, rows, steps, low, high)
        sets, observables = rows.shape[:2]
        values = _product(rows, range(program.num_qubits)).reshape(sets, observables, -1)
        for index in reversed(range(len(program.steps))):
            _, permutation, _ = self._plan[index]
            arranged = _permute(values, permutation, program.num_qubits)
            if record:
                tape.observables.append(arranged)
            values = (arranged.reshape(sets, -1, 16) @ steps[:, index]).reshape(values.shape)
        return values, tape

    def push_forward(self, upstream: FloatArray, tape: Tape) -> FloatArray:
        """Derivative (W, Q) by the parameters, given that by the pulled-back observables."""
        program = self.program
        sets, total = len(upstream), len(program.steps)
        by_step = np.empty_like(tape.steps)
        flow = upstream
        for index in range(total):
            _, _, inverse = self._plan[index]
            after = tape.observables[total - 1 - index].reshape(sets, -1, 16)
            before = flow.reshape(sets, -1, 16)
            by_step[:, index] = after.swapaxes(1, 2) @ before
            moved = (before @ tape.steps[:, index].swapaxes(1, 2)).reshape(upstream.shape)
            flow = _permute(moved, inverse, program.num_qubits)
        by_matrix = np.empty((sets, len(program.chains.constants), 4, 4))
        # By both factors of every Kronecker product.
        by_product = program.gates.swapaxes(1, 2) @ by_step
        parts = by_product.reshape(*tape.low.shape[:2], 4, 4, 4, 4)
        by_matrix[:, self._low] = (parts * tape.high[:, :, :, None, :, None]).sum(axis=(2, 4))
        by_matrix[:, self._high] = (parts * tape.low[:, :, None, :, None, :]).sum(axis=(3, 5))
        by_row = _by_rows(flow, tape.rows)
        by_matrix[:, self._last] = np.einsum("sqp,wsqj->wqpj", self._readout, by_row)
        return program.chains.pull(_by_theta(program.chains, by_matrix, tape))

    def neighbours(
        self, states: FloatArray, base: FloatArray, others: FloatArray, changed: IntArray
    ) -> FloatArray:
        """Values (W, B, S) of weight sets that each differ from one set in a single chain.

        Everything after the changed chain is the base's pulled-back observables, everything before
        it the base's pushed-forward states: they meet at the change. Parameter shift asks for such
        sets, and this makes it nearly as cheap as the derivative.

        Args:
            states: (B, 4^m) encoded inputs, axes as in `order`.
            base: (Q,) parameters.
            others: (W, Q), each equal to the base but for the parameters of one chain.
            changed: (W,) index of that chain.
        """
        program = self.program
        values = np.empty((len(others), len(states), self.observables))
        _, tape = self.pull_back(base[None], record=True)
        matrices = single_chains(program.chains, others, changed)
        flow = states
        for index, step in enumerate(program.steps):
            rows = np.flatnonzero((changed == step.low_chain) | (changed == step.high_chain))
            if rows.size:
                is_low = (changed[rows] == step.low_chain)[:, None, None]
                low = np.where(is_low, matrices[rows], tape.low[0, index])
                high = np.where(is_low, tape.high[0, index], matrices[rows])
                moved = program.gates[index] @ _kron(high[None], low[None])[0]
                after = tape.observables[len(program.steps) - 1 - index].reshape(-1, 16)
                values[rows] = self.read(after @ moved, flow)
            turned = flow.reshape(-1, 16) @ tape.steps[0, index].T
            inverse = self._plan[index][2]
            flow = _permute(turned.reshape(1, *flow.shape), inverse, program.num_qubits)[0]
        for qubit, chain in enumerate(self._last):
            rows = np.flatnonzero(changed == chain)
            if rows.size:
                read = np.repeat(tape.rows, len(rows), axis=0)
                read[:, :, qubit] = self._readout[:, qubit] @ matrices[rows]
                values[rows] = self.read(_product(read, range(program.num_qubits)), flow)
        return values

    def states(self, angles: FloatArray) -> FloatArray:
        """Pauli components (B, 4^m) of the encoded inputs, axes as in `order`."""
        product = _product(self.bloch_vectors(angles).transpose(1, 0, 2)[:, None], self.order)
        return product.reshape(len(angles), -1)

    def read(self, rows: FloatArray, states: FloatArray) -> FloatArray:
        """Values (W, B, S) of observables (W, S, 4^m), in any shape, in states (B, 4^m)."""
        values = rows.reshape(-1, states.shape[1]) @ states.T
        return values.reshape(-1, self.observables, len(states)).swapaxes(1, 2)

    def bloch_vectors(self, angles: FloatArray) -> FloatArray:
        """Each qubit's (1, x, y, z) after its prefix: (m, B, 4)."""
        prefix = self.program.prefix
        if prefix is None:
            return np.broadcast_to(GROUND, (self.program.num_qubits, len(angles), 4))
        thetas = prefix.thetas(angles).transpose(1, 2, 0)
        cosines, sines = np.cos(thetas), np.sin(thetas)
        start = prefix.constants[:, 0] @ GROUND
        vectors = np.repeat(start[:, None], len(angles), axis=1)
        for k in range(thetas.shape[1]):
            turned = _turn(vectors, cosines[:, k], sines[:, k])
            vectors = turned @ prefix.constants[:, k + 1].swapaxes(1, 2)
        return vectors


def chain_matrices(
    chains: Chains, parameters: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, list[FloatArray]]:
    """Matrices (W, C, 4, 4) of all chains, and the pieces their derivative needs."""
    thetas = chains.thetas(parameters)
    cosines, sines = np.cos(thetas), np.sin(thetas)
    turned = _rotated_columns(chains.constants[:, 1:], cosines, sines)
    sets, count, rotations = thetas.shape
    product = np.broadcast_to(chains.constants[:, 0], (sets, count, 4, 4))
    partial = [product]
    for k in range(rotations):
        product = turned[:, :, k] @ product
        partial.append(product)
    return product, cosines, sines, turned, partial


def single_chains(chains: Chains, parameters: FloatArray, which: IntArray) -> FloatArray:
    """Matrix (W, 4, 4) of one chain for each parameter set (W, Q)."""
    thetas = np.einsum("wkq,wq->wk", chains.coefficients[which], parameters) + chains.offsets[which]
    constants = chains.constants[which]
    turned = _rotated_columns(constants[:, 1:], np.cos(thetas), np.sin(thetas))
    product = constants[:, 0]
    for k in range(thetas.shape[1]):
        product = turned[:, k] @ product
    return product


def _rotated_columns(constants: FloatArray, cosines: FloatArray, sines: FloatArray) -> FloatArray:
    """C R(theta) for constants (C, K, 4, 4): only the columns of x and y change."""
    turned = np.broadcast_to(constants, (*cosines.shape, 4, 4)).copy()
    x, y = constants[..., 1], constants[..., 2]
    turned[..., 1] = x * cosines[..., None] + y * sines[..., None]
    turned[..., 2] = y * cosines[..., None] - x * sines[..., None]
    return turned


def _by_theta(chains: Chains, by_matrix: FloatArray, tape: Tape) -> FloatArray:
    """Derivative (W, C, K) by the rotation angles, given that by the chains' matrices."""
    flow = by_matrix
    by_theta = np.empty_like(tape.cosines)
    for k in reversed(range(by_theta.shape[2])):
        by_turned = flow @ tape.partial[k].swapaxes(2, 3)
        # d(C R)/dtheta has columns x and y: (y c - x s) and -(x c + y s) of the constant's.
        slope_x = tape.turned[:, :, k, :, 2]
        slope_y = -tape.turned[:, :, k, :, 1]
        by_theta[:, :, k] = (by_turned[..., 1] * slope_x + by_turned[..., 2] * slope_y).sum(-1)
        if k:
            flow = tape.turned[:, :, k].swapaxes(2, 3) @ flow
    return by_theta


def _turn(vectors: FloatArray, cosines: FloatArray, sines: FloatArray) -> FloatArray:
    turned = vectors.copy()
    x, y = vectors[..., 1], vectors[..., 2]
    turned[..., 1] = cosines * x - sines * y
    turned[..., 2] = sines * x + cosines * y
    return turned


def _kron(high: FloatArray, low: FloatArray) -> FloatArray:
    """Kronecker products (W, G, 16, 16) of (W, G, 4, 4) matrices."""
    product = high[:, :, :, None, :, None] * low[:, :, None, :, None, :]
    return product.reshape(*high.shape[:2], 16, 16)


def _product(rows: FloatArray, order: list[int] | range) -> FloatArray:
    """Outer product over qubits of rows (W, S, m, 4): (W, S, 4, ..., 4), axes as in `order`."""
    sets, observables = rows.shape[:2]
    first, *others = order
    product = rows[:, :, first]
    for qubit in others:
        product = (product[..., None] * rows[:, :, None, qubit]).reshape(sets, observables, -1)
    return product


def _by_rows(flow: FloatArray, rows: FloatArray) -> FloatArray:
    """Derivative (W, S, m, 4) of a product by each factor; flow (W, S, 4^m), canonical axes."""
    sets, observables, qubits, _ = rows.shape
    by_row = np.empty_like(rows)
    left = flow
    for qubit in range(qubits):
        # `left` has the factors before this qubit contracted away; contract the ones after it.
        right = left
        for other in reversed(range(qubit + 1, qubits)):
            shaped = right.reshape(sets, observables, -1, 4)
            right = (shaped @ rows[:, :, other, :, None])[..., 0]
        by_row[:, :, qubit] = right
        shaped = left.reshape(sets, observables, 4, -1)
        left = (rows[:, :, qubit, None] @ shaped)[:, :, 0]
    return by_row


def _plan_axes(program: Program) -> list[tuple[list[int], tuple[int, ...], tuple[int, ...]]]:
    """For every step: the axes' order after pulling it back, how to get there, and back again.

    Steps are pulled back last one first; each moves its two qubits to the last axes.
    """
    order = list(range(program.num_qubits))
    plan = []
    for step in reversed(program.steps):
        others = [qubit for qubit in order if qubit not in (step.low, step.high)]
        target = [*others, step.high, step.low]
        permutation = tuple(order.index(qubit) for qubit in target)
        plan.append((target, permutation, tuple(target.index(qubit) for qubit in order)))
        order = target
    return plan[::-1]


def _permute(values: FloatArray, permutation: tuple[int, ...], qubits: int) -> FloatArray:
    """Permute the Pauli axes of (W, S, 4^m)."""
    if permutation == tuple(range(qubits)):
        return values
    shape = values.shape
    axes = (0, 1, *(axis + 2 for axis in permutation))
    moved = values.reshape(*shape[:2], *[4] * qubits).transpose(axes)
    return moved.reshape(shape)
