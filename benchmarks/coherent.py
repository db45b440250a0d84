"""What affine calibration leaves of errors that are coherent.

    python -m benchmarks.coherent

RMSE of <Z> against the noiseless values over 64 random inputs and weights of the default circuit,
exact values: without mitigation and with the affine map of 32 circuits. A ZZ rotation by the angle
follows each two-qubit gate, as it is or averaged over Paulis (twirled). Writes
benchmarks/coherent.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.idle import CIRCUIT, rmse
from benchmarks.timing import significant, write_result
from calibration import Assumptions
from qhw.backends.opening import open_backend
from qhw.config import MethodName

DEVICES = ("fake_brisbane", "fake_marrakesh")
ANGLES = (0.0, 0.025, 0.06)
METHODS: tuple[MethodName, ...] = ("none", "affine")


def left(device: str, assumed: Assumptions) -> dict[str, float]:
    """RMSE by mitigation."""
    return {
        method: significant(
            rmse(
                open_backend(
                    "aer_noisy", CIRCUIT, device=device, assumptions=assumed, mitigation=method
                )
            )
        )
        for method in METHODS
    }


def of_device(device: str) -> dict[str, dict[str, float]]:
    found = {f"ZZ {angle} rad": left(device, Assumptions(zz_angle=angle)) for angle in ANGLES}
    twirled = Assumptions(zz_angle=ANGLES[-1], twirl="pauli")
    return {**found, f"ZZ {ANGLES[-1]} rad, twirled": left(device, twirled)}


def main() -> None:
    write_result(__file__, {device: of_device(device) for device in DEVICES})


if __name__ == "__main__":
    main()
