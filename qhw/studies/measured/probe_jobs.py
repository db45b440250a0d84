"""Probe circuits that the runs' own jobs measured on devices, beside a noise model's answer.

The affine calibration and its probes send random circuits whose angles are known for ever, so what
a device made of them can be compared with a model long after.

data/model_vs_device/index.json   which jobs there are, and which could not be modelled
data/model_vs_device/JOB-2.npz    measured, errors, model, ideal: (rows, n) each
"""

from __future__ import annotations

from dataclasses import dataclass

from qhw.known import DeviceName
from qhw.studies.study import Scope

STUDY, INDEX = "model_vs_device", "index.json"
FORMAT = 2
"""Of what the model is: qubits that wait decay since 2."""


def model_file(job: str) -> str:
    """Where a job's values are kept beside the model's."""
    return f"{job}-{FORMAT}.npz"


@dataclass(frozen=True)
class ProbeJob:
    """One job of probe circuits.

    Attributes:
        job: The platform's id.
        device: Where it ran.
        finished: When, ISO 8601.
        circuits: Rows.
        shots: Per circuit.
        calibrated: Date of the calibration that the model takes; empty where there is none.
    """

    job: str
    device: str
    finished: str
    circuits: int
    shots: int
    calibrated: str

    @property
    def stand_in(self) -> bool:
        """Whether it ran on a local stand-in, whose noise is the model's."""
        return DeviceName(self.device).stand_in


def read_probe_jobs(scope: Scope) -> list[ProbeJob]:
    """The jobs that were found.

    Raises:
        DataError: If nobody looked yet.
    """
    jobs = scope.store(STUDY).json(INDEX, "The ledger was not looked at")
    return [ProbeJob(**facts) for facts in jobs]
