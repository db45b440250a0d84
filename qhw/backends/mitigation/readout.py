"""Read-out error taken out of <Z> in closed form, one qubit at a time.

Reading 1 for 0 with probability p01 and 0 for 1 with p10 turns <Z> = z into
(1 - p01 - p10) z + p10 - p01. Solving for z needs no matrix and no new samples (Bravyi et al.,
arXiv 2006.14044, tensor-product noise; each <Z_i> needs its own qubit's matrix alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from calibration import DeviceSnapshot
from policy.backend import FloatArray
from qhw.backends.facts import MitigationFacts
from qhw.backends.mitigation.method import Measured, only_scale
from qhw.config import MethodName
from qhw.errors import MitigationError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

SMALLEST_CONTRAST = 0.1


@dataclass(frozen=True, eq=False)
class ReadoutInversion:
    """Known p01 and p10, and the inversion they allow.

    Attributes:
        p01: (n,) P(read 1 | prepared 0) of the outputs.
        p10: (n,) P(read 0 | prepared 1).
        source: Where they come from, for people.
        shots: With which each was measured; None where it is published, without an error.

    Raises:
        MitigationError: If 1 - p01 - p10 lies below 0.1: the read-out says next to nothing.
    """

    p01: FloatArray
    p10: FloatArray
    source: str
    shots: int | None = None
    name: ClassVar[MethodName] = "readout"
    scales: ClassVar[tuple[int, ...]] = (1,)
    differentiable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.p01.shape != self.p10.shape or self.p01.ndim != 1:
            raise ValueError(f"p01 {self.p01.shape} and p10 {self.p10.shape}: need (n,) for both")
        worst = int(self.contrast.argmin())
        # Written so that NaN is refused, too.
        if not self.contrast.min() >= SMALLEST_CONTRAST:
            raise MitigationError(
                f"Output {worst} reads with p01 = {self.p01[worst]:.3f} and p10 = "
                f"{self.p10[worst]:.3f} ({self.source}): 1 - p01 - p10 is "
                f"{self.contrast[worst]:.3f}, at least {SMALLEST_CONTRAST} is needed.",
                "Take --mitigation none, or another device or layout.",
            )

    @classmethod
    def published(cls, snapshot: DeviceSnapshot, outputs: Sequence[int]) -> ReadoutInversion:
        """Take what the device publishes.

        Args:
            snapshot: The device.
            outputs: Physical qubit of each output.
        """
        facts = [snapshot.qubits[qubit] for qubit in outputs]
        return cls(
            np.array([qubit.p01 for qubit in facts]),
            np.array([qubit.p10 for qubit in facts]),
            f"published {snapshot.taken_at}",
        )

    @classmethod
    def measured(
        cls, z_of_zeros: FloatArray, z_of_ones: FloatArray, shots: int, date: str
    ) -> ReadoutInversion:
        """Take what `measurement_circuits` measured; the error of the x gate is in p10.

        Args:
            z_of_zeros: (n,) measured <Z_i> of all |0>.
            z_of_ones: (n,) of all |1>.
            shots: Shots of each of the two circuits.
            date: ISO 8601.
        """
        p01, p10 = (1 - z_of_zeros) / 2, (1 + z_of_ones) / 2
        return cls(p01, p10, f"measured {date}, {shots} shots", shots)

    @property
    def contrast(self) -> FloatArray:
        """(n,) 1 - p01 - p10: what is left of <Z> after reading it."""
        left: FloatArray = 1 - self.p01 - self.p10
        return left

    def combine(self, measured: Sequence[Measured]) -> Measured:
        """See `Mitigation`; the errors are those of the shots, and `own_error` comes on top."""
        values, errors = only_scale(measured)
        return (values + self.p01 - self.p10) / self.contrast, errors / self.contrast

    def own_error(self, mitigated: FloatArray) -> FloatArray:
        """Error (..., n) that p01 and p10 leave in mitigated values; 0 where none is published.

        It is kept apart from the shots' since it stays the same when a circuit is measured again.
        From dz/dp01 = (1 + z) / c and dz/dp10 = (z - 1) / c with the contrast c.
        """
        if self.shots is None:
            return np.zeros_like(mitigated)
        of_zeros, of_ones = (p * (1 - p) / self.shots for p in (self.p01, self.p10))
        variance = (1 + mitigated) ** 2 * of_zeros + (1 - mitigated) ** 2 * of_ones
        error: FloatArray = np.sqrt(variance) / self.contrast
        return error

    def gain(self) -> FloatArray:
        """See `Mitigation`."""
        return 1 / self.contrast

    def facts(self) -> MitigationFacts:
        """See `Mitigation`."""
        of_zero, of_one = (
            f"{100 * errors.min():.1f} to {100 * errors.max():.1f} %"
            for errors in (self.p01, self.p10)
        )
        details = {"read-out errors": f"{self.source} ({of_zero} of 0, {of_one} of 1)"}
        return MitigationFacts(self.name, details, overhead=1)


def measurement_circuits(
    num_device_qubits: int, outputs: Sequence[int]
) -> tuple[QuantumCircuit, QuantumCircuit]:
    """Circuits that prepare all |0> and all |1>, in the device's own gates, without measurements.

    Args:
        num_device_qubits: Number of the device's qubits.
        outputs: Physical qubit of each output.

    Returns:
        Two circuits without parameters; the first holds no gate at all, so whoever reduces it to
        the qubits in use must count `outputs` among them.
    """
    from qiskit import QuantumCircuit

    zeros = QuantumCircuit(num_device_qubits, name="zeros")
    ones = QuantumCircuit(num_device_qubits, name="ones")
    for qubit in outputs:
        ones.x(qubit)
    return zeros, ones
