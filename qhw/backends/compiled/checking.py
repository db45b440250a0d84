"""The opening check: a compiled backend must give Aer's numbers before it is used."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from policy import ParameterShift
from policy.backend import FloatArray
from qhw.backends import aer
from qhw.backends.compiled.backend import CompiledBackend
from qhw.errors import BackendUnavailableError, DamagedFileError
from qhw.files import make_folder, read_record, replace_file
from qhw.packages import installed_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from policy import ExpectationBackend

LIMIT = 1e-8
"""Of any <Z_i>. The engine drops the terms of noise that Aer drops, so that mistakes of 1e-8 are
seen; those of the default circuit sum to 1.4e-8 of probability on Fez, and to 0 on Brisbane."""
SECONDS = 2.0
MINIMUM_ROWS, MAXIMUM_ROWS, ROWS_AT_ONCE = 2, 16, 8
SEED = 20_250


class EngineMismatchError(BackendUnavailableError):
    """The compiled engine and Aer disagree: one of them is wrong, and neither is used."""


@dataclass(frozen=True)
class Verdict:
    """How well a compiled program agrees with Aer.

    Attributes:
        rows: Random rows compared.
        max_difference: Largest difference of a <Z_i>.
        gradient_difference: Largest difference between the engine's own derivative and the
            parameter-shift gradient through Aer, one row.
    """

    rows: int
    max_difference: float
    gradient_difference: float

    def __str__(self) -> str:
        """One phrase for the first lines of a run."""
        return (
            f"checked against Aer: max difference {self.max_difference:.0e} on {self.rows} rows, "
            f"gradient {self.gradient_difference:.0e}"
        )


def checked(
    compiled: CompiledBackend, open_reference: Callable[[], ExpectationBackend], folder: Path
) -> Verdict:
    """Recall the verdict on this program by this code, or compare it with Aer now.

    Args:
        compiled: The engine to check; its shots play no part.
        open_reference: Opens the exact Aer backend of the same circuit and noise.
        folder: Where verdicts are kept, one file for each program, code and versions.

    Raises:
        EngineMismatchError: If they differ by more than 1e-8, with both values.
    """
    path = folder / f"{compiled.program.digest}-{code_digest()}.json"
    try:
        return read_record(path, Verdict)
    except DamagedFileError:  # or not there: compared now, and kept
        verdict = compare(compiled, open_reference())
    make_folder(path.parent)
    replace_file(path, json.dumps(dataclasses.asdict(verdict)).encode())
    return verdict


@cache
def code_digest() -> str:
    """Identity of what computes and of what judges: this engine's code, Aer's backend, versions."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(aer.__file__)]
    versions = [installed_version(name) for name in ("numpy", "qiskit", "qiskit-aer")]
    digest = hashlib.sha256(json.dumps([platform.machine(), *versions]).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def compare(compiled: CompiledBackend, reference: ExpectationBackend) -> Verdict:
    """Evaluate random rows on both, as many as fit into two seconds, and one gradient.

    Raises:
        EngineMismatchError: If they differ by more than 1e-8, with both values.
    """
    rng = np.random.default_rng(SEED)
    circuit = compiled.circuit
    started, rows, worst = time.perf_counter(), 0, 0.0
    count = MINIMUM_ROWS
    while rows < MAXIMUM_ROWS and (rows == 0 or time.perf_counter() - started < SECONDS):
        angles = rng.uniform(-np.pi, np.pi, (count, circuit.num_angles))
        weights = rng.uniform(-np.pi, np.pi, (1, circuit.num_weights))
        expected = reference.evaluate(angles, weights).values
        worst = max(worst, refuse_difference("<Z>", compiled.exact(angles, weights), expected))
        rows, count = rows + count, ROWS_AT_ONCE
    return Verdict(rows, worst, _gradient_difference(compiled, reference, rng))


def _gradient_difference(
    compiled: CompiledBackend, reference: ExpectationBackend, rng: np.random.Generator
) -> float:
    circuit = compiled.circuit
    angles = rng.uniform(-np.pi, np.pi, (1, circuit.num_angles))
    weights = rng.uniform(-np.pi, np.pi, circuit.num_weights)
    upstream = rng.standard_normal((1, circuit.num_qubits))
    expected = ParameterShift().weight_gradient(reference, angles, weights, upstream).weights
    return refuse_difference("gradient", compiled.vjp(angles, weights, upstream), expected)


def refuse_difference(name: str, computed: FloatArray, expected: FloatArray) -> float:
    """The largest difference of a compiled number and Aer's.

    Raises:
        EngineMismatchError: If it is more than 1e-8, with both values.
    """
    difference = np.abs(computed - expected)
    worst = float(difference.max())
    if not worst <= LIMIT:
        index = np.unravel_index(int(difference.argmax()), difference.shape)
        raise EngineMismatchError(
            f"The compiled engine gives {name} = {computed[index]:.12f} where Aer gives "
            f"{expected[index]:.12f}: they differ by {worst:.1e}, the limit is {LIMIT:.0e}.",
            "Take --engine aer, and report this with `qhw doctor`.",
        )
    return worst
